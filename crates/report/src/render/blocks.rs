//! Daily charts of each scraper, with the range expected from earlier days.

use dragline_charts::{Chart as _, Format, Series, TimeSeries, escape};
use dragline_insights::{DAY, name};

use super::words::{count, percent, some};
use crate::assemble::{Activity, Days, ScraperDays};
use crate::model::{Report, Scraper};

/// Returns the blocks as HTML, in the order of the scraper table; those that need attention are open.
pub(super) fn blocks(report: &Report, activity: &Activity) -> Vec<String> {
    // For a single scraper, the report's own charts suffice.
    if report.scrapers.len() < 2 {
        return Vec::new();
    }
    let block = |scraper: &Scraper| {
        let own = (scraper.scraper_id.clone(), scraper.site.clone());
        let days = activity.blocks.get(&own)?;
        Some(one(scraper, &name(&own), days, &activity.days))
    };
    report.scrapers.iter().filter_map(block).collect()
}

fn one(scraper: &Scraper, who: &str, days: &ScraperDays, all: &[i64]) -> String {
    let totals = &scraper.totals;
    let times: Vec<i64> = all.iter().map(|day| day * DAY).collect();
    let charts = [
        chart(
            format!("{} items", some(totals.items)),
            ("items per day", Format::default()),
            &times,
            &days.items,
        ),
        chart(
            "Requests that the site refused".to_owned(),
            ("share of requests", Format::Percent),
            &times,
            &days.refused,
        ),
        chart(
            format!("{} runs", some(totals.runs)),
            ("runs per day", Format::default()),
            &times,
            &days.runs,
        ),
        chart(
            format!("{} errors", count(totals.errors)),
            ("errors per day", Format::default()),
            &times,
            &days.errors,
        ),
    ];
    let is_well = matches!(&*scraper.verdict, "healthy" | "no_data");
    let open = if is_well { "" } else { " open" };
    let reasons: Vec<String> = scraper
        .reasons
        .iter()
        .map(|reason| escape(reason))
        .collect();
    let reasons = match reasons.as_slice() {
        [] => String::new(),
        reasons => format!("<p>{}</p>", reasons.join("</p><p>")),
    };
    format!(
        "<details class=\"scraper wide\"{open}><summary><span class=\"{}\">{}</span> {}: {} requests, {} succeeded</summary>{reasons}\
         <div class=\"charts\">{}</div></details>",
        super::words::tone_of_verdict(&scraper.verdict).class(),
        escape(&scraper.verdict.replace('_', " ")),
        escape(who),
        some(totals.requests),
        percent(totals.success_rate),
        charts.into_iter().flatten().collect::<String>(),
    )
}

/// Draws a chart; `None` if there are no values or only zeros.
fn chart(
    title: String,
    (unit, format): (&str, Format),
    times: &[i64],
    days: &Days,
) -> Option<String> {
    let has_any = days.values.iter().flatten().any(|value| *value > 0.0);
    has_any.then(|| {
        let chart = TimeSeries {
            title,
            desc: format!("{unit}; the band is the range expected from earlier days."),
            unit: unit.to_owned(),
            format,
            from_zero: true,
            times: times.to_vec(),
            series: vec![Series {
                label: String::new(),
                values: days.values.clone(),
            }],
            expected: days.expected.clone(),
            ..TimeSeries::default()
        };
        chart.figure()
    })
}
