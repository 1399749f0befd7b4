//! Trends, time breakdown, cost and panels.

use std::collections::BTreeSet;

use super::super::document::{Align, Block, Document, Point, Tone};
use super::super::words::{ShortNames, known, number, percent, plural, unknown};
use crate::model::{Panel, QuietHours, Report, Trend, Waste};
use dragline_insights::{capital, name};

/// Maximum number of lines about trends.
const TOP_TRENDS: usize = 12;

/// Renders trends, level changes and forecasts, and the number of scrapers with too little data. `figure` is the chart
/// of the forecast.
pub(super) fn trends(report: &Report, figure: Option<&String>, document: &mut Document) {
    let points: Vec<Point> = report
        .trends
        .iter()
        .flat_map(|trend| direction(trend).into_iter().chain(jumps(trend)))
        .map(|text| (Tone::Plain, text, Vec::new()))
        .collect();
    let is_whole = |trend: &&Trend| trend.scope == "all" || is_alone(report);
    let whole = || report.trends.iter().filter(is_whole);
    let weeks = whole().filter_map(week);
    let forecasts = whole().filter_map(forecast);
    let forecasts: Vec<String> = weeks.chain(forecasts).chain(no_forecast(whole())).collect();
    let short = too_short(report);
    if points.is_empty() && forecasts.is_empty() && short.is_none() {
        return;
    }
    document.heading("Trends");
    let more = points.len().saturating_sub(TOP_TRENDS);
    document.list(points.into_iter().take(TOP_TRENDS).collect());
    if more > 0 {
        document.text(Tone::Muted, format!("… and {more} more, in --format json."));
    }
    forecasts
        .into_iter()
        .for_each(|text| document.text(Tone::Plain, text));
    document.blocks.extend(figure.cloned().map(Block::Figure));
    if let Some(text) = short {
        document.text(Tone::Muted, text);
    }
}

fn is_alone(report: &Report) -> bool {
    report.trends.iter().all(|trend| trend.scope != "all")
}

fn whose(trend: &Trend) -> String {
    if trend.scope == "all" {
        return "all scrapers".to_owned();
    }
    name(&(trend.scraper_id.clone(), trend.site.clone()))
}

fn words(metric: &str) -> String {
    match metric {
        "success_rate" => "Success rate".to_owned(),
        "item_yield" => "Item yield".to_owned(),
        "response_time_ms" => "Response time in ms".to_owned(),
        "cpu_percent" => "CPU in %".to_owned(),
        other => match other.strip_prefix("errors.") {
            Some(category) => format!("{} errors", capital(&category.replace('_', " "))),
            None => capital(other),
        },
    }
}

fn is_share(metric: &str) -> bool {
    matches!(metric, "success_rate" | "item_yield")
}

fn is_mean(metric: &str) -> bool {
    matches!(metric, "response_time_ms" | "cpu_percent")
}

fn value(trend: &Trend, value: f64) -> String {
    if is_share(&trend.metric) {
        percent(Some(value))
    } else {
        number(value)
    }
}

fn direction(trend: &Trend) -> Option<String> {
    let slope = trend
        .slope_per_day
        .filter(|_| matches!(&*trend.direction, "up" | "down"))?;
    let by = if is_share(&trend.metric) {
        format!("{:+.1} points per week", slope * 700.0)
    } else {
        let growth = trend.growth_per_week?;
        format!("{:+.0} % per week ({:+.1} per day)", growth * 100.0, slope)
    };
    let week = trend.week_over_week.map_or_else(String::new, |growth| {
        format!(
            "; last seven days: {:+.0} % compared with the seven before",
            growth * 100.0
        )
    });
    let season = trend.seasonality.as_ref().map_or_else(String::new, |week| {
        format!("; most on {}s, least on {}s", week.highest, week.lowest)
    });
    Some(format!(
        "{} of {}: trend {}, {by}{week}{season}",
        words(&trend.metric),
        whose(trend),
        trend.direction
    ))
}

/// Describes all levels of a metric in one sentence: `about 8 per day until 2026-11-16, 67 until 2026-11-19,
/// 6 since`.
fn jumps(trend: &Trend) -> Option<String> {
    let last = trend.change_points.last()?;
    let unit = if is_share(&trend.metric) || is_mean(&trend.metric) {
        ""
    } else {
        " per day"
    };
    let before = trend.change_points.iter().enumerate().map(|(nth, jump)| {
        let unit = if nth == 0 { unit } else { "" };
        let until = dragline_schema::clip(&jump.at, 10);
        format!("{}{unit} until {until}", value(trend, jump.before))
    });
    let before: Vec<String> = before.collect();
    Some(format!(
        "{} of {}: about {}, {} since",
        words(&trend.metric),
        whose(trend),
        before.join(", "),
        value(trend, last.after)
    ))
}

/// Describes the last week and its weekly pattern, for metrics without a trend.
fn week(trend: &Trend) -> Option<String> {
    let is_described = matches!(&*trend.direction, "up" | "down")
        || !matches!(&*trend.metric, "requests" | "items");
    let growth = trend.week_over_week.filter(|_| !is_described)?;
    let season = trend.seasonality.as_ref().map_or_else(String::new, |week| {
        format!("; most on {}s, least on {}s", week.highest, week.lowest)
    });
    Some(format!(
        "{} of {} in the last seven whole days: {:+.0} % compared with the seven before{season}.",
        words(&trend.metric),
        whose(trend),
        growth * 100.0
    ))
}

/// Says why there is no forecast although there are trends.
fn no_forecast<'t>(mut whole: impl Iterator<Item = &'t Trend>) -> Option<String> {
    let requests = whole.find(|trend| trend.metric == "requests")?;
    let is_short = requests.forecast.is_empty() && requests.direction != "not_enough_data";
    is_short.then(|| {
        format!(
            "No forecast: only {} whole days of data, 21 are needed.",
            requests.days
        )
    })
}

fn forecast(trend: &Trend) -> Option<String> {
    let days = trend.forecast.len();
    let sum =
        |of: fn(&crate::model::ForecastPoint) -> f64| trend.forecast.iter().map(of).sum::<f64>();
    let error = trend.backtest_error.map_or_else(String::new, |error| {
        format!("; past forecasts were {:.0} % off", error * 100.0)
    });
    (days > 0).then(|| {
        format!(
            "{} of {} in the next {days} days: about {} ({} to {}){error}.",
            words(&trend.metric),
            whose(trend),
            number(sum(|day| day.mean)),
            number(sum(|day| day.lower)),
            number(sum(|day| day.upper))
        )
    })
}

fn too_short(report: &Report) -> Option<String> {
    let of = |is_one: &dyn Fn(&&Trend) -> bool| {
        let own = report
            .trends
            .iter()
            .filter(|trend| trend.scope == "scraper");
        let names: BTreeSet<_> = own
            .filter(is_one)
            .map(|trend| (&trend.scraper_id, &trend.site))
            .collect();
        names.len() as u64
    };
    let short = of(&|trend| trend.direction == "not_enough_data");
    let all = of(&|_| true);
    let days = "fewer than eight whole days of data: too few for a trend.";
    match (short, all) {
        (0, _) => None,
        (1, 1) => Some(format!("There are {days}")),
        (short, all) if short == all => Some(format!("Every scraper has {days}")),
        (short, _) => Some(format!("{} of {all} have {days}", plural(short, "scraper"))),
    }
}

/// Renders the time breakdown and the failed work.
pub(super) fn time(report: &Report, document: &mut Document) {
    let names = ShortNames::of(report);
    let rows: Vec<(Tone, Vec<String>)> = report
        .scrapers
        .iter()
        .filter_map(|scraper| {
            let budget = scraper.time_budget.as_ref()?;
            let share = |seconds: Option<f64>| percent(seconds.map(|s| s / budget.run_seconds));
            let waste = scraper.waste.as_ref();
            Some((
                Tone::Plain,
                vec![
                    names.name(scraper.scraper_id.as_ref(), scraper.site.as_ref()),
                    hours(budget.run_seconds),
                    budget.parallel_requests.map_or_else(unknown, number),
                    share(budget.waiting_seconds),
                    share(budget.processing_seconds),
                    share(budget.database_seconds),
                    budget.most.clone(),
                    percent(waste.map(|waste| waste.requests_share)),
                    percent(waste.and_then(|waste| waste.bytes_share)),
                    percent(waste.and_then(|waste| waste.seconds_share)),
                ],
            ))
        })
        .collect();
    if !rows.is_empty() {
        document.heading("Time breakdown");
        let headers = [
            (Align::Cut, "scraper"),
            (Align::Right, "run time"),
            (Align::Right, "parallel"),
            (Align::Right, "waiting"),
            (Align::Right, "processing"),
            (Align::Right, "database"),
            (Align::Left, "mostly"),
            (Align::SpareRight, "failed %"),
            (Align::SpareRight, "failed bytes %"),
            (Align::SpareRight, "failed time %"),
        ];
        document.table(&headers, rows);
        document.text(
            Tone::Muted,
            "Parallel: mean number of concurrent requests. Waiting, processing, database: share of the run time. \
             Failed %: share of failed requests. Failed bytes % and failed time %: their share of the bytes and of the \
             response time.",
        );
    }
    if let Some(text) = report
        .waste
        .as_ref()
        .filter(|waste| waste.amplification > 1.005)
        .map(amplified)
    {
        document.text(Tone::Plain, text);
    }
    for quiet in &report.quiet_hours {
        document.text(Tone::Plain, quiet_hours(quiet));
    }
}

fn hours(seconds: f64) -> String {
    if seconds < 5400.0 {
        format!("{} min", number(seconds / 60.0))
    } else {
        format!("{} h", number(seconds / 3600.0))
    }
}

fn amplified(waste: &Waste) -> String {
    format!(
        "Retries: {:.2} requests were made per wanted page.",
        waste.amplification
    )
}

fn quiet_hours(quiet: &QuietHours) -> String {
    let times = quiet.response_time_ms.zip(quiet.response_time_ms_otherwise);
    let times = times.map_or_else(String::new, |(own, others)| {
        format!(
            "; the median response takes {} ms, {} ms at other times",
            number(own),
            number(others)
        )
    });
    format!(
        "{} is best scraped from {:02}:00 to {:02}:00 UTC: it refuses {} of the requests then, {} at other times{times} ({} days).",
        quiet.site,
        quiet.from_hour,
        quiet.until_hour,
        percent(Some(quiet.refused_share)),
        percent(Some(quiet.refused_share_otherwise)),
        quiet.days
    )
}

/// Renders the cost.
pub(super) fn cost(report: &Report, document: &mut Document) {
    let Some(cost) = &report.cost else { return };
    let money = |value: f64| format!("{value:.2} {}", cost.currency);
    document.heading(format!("Cost: {}", money(cost.total)));
    let mut sentences = vec![format!(
        "Requests {}, traffic {}, traffic through proxies {}, run time {}.",
        money(cost.requests),
        money(cost.traffic),
        money(cost.proxy_traffic),
        money(cost.time)
    )];
    sentences.extend(
        cost.per_thousand_items
            .map(|price| format!("1,000 items cost {}.", money(price))),
    );
    sentences.extend(cost.waste_share.map(|share| {
        format!(
            "{} of it was spent on failed requests.",
            percent(Some(share))
        )
    }));
    sentences.extend(cost.next_30_days.as_ref().map(|next| {
        format!(
            "The next 30 days: about {} ({} to {}).",
            money(next.mean),
            money(next.lower),
            money(next.upper)
        )
    }));
    document.text(Tone::Plain, sentences.join(" "));
    let headers = [
        (Align::Cut, "scraper"),
        (Align::Cut, "site"),
        (Align::Right, "cost"),
        (Align::Right, "1,000 items"),
        (Align::Right, "wasted"),
    ];
    let rows = cost.by_scraper.iter().map(|row| {
        let cells = vec![
            known(row.scraper_id.as_ref()),
            known(row.site.as_ref()),
            money(row.total),
            row.per_thousand_items.map_or_else(unknown, money),
            percent(row.waste_share),
        ];
        (Tone::Plain, cells)
    });
    document.table(&headers, rows.collect());
}

/// Renders the SQL panels of the configuration.
pub(super) fn panels(report: &Report, document: &mut Document) {
    for panel in &report.panels {
        document.heading(panel.title.clone());
        match &panel.error {
            Some(error) => document.text(Tone::Warning, error.clone()),
            None if panel.rows.is_empty() => document.text(Tone::Muted, "0 rows"),
            None => {
                if let Some(chart) = &panel.chart {
                    match super::super::panels::figure(panel, chart) {
                        Ok(figure) => document.blocks.push(Block::Figure(figure)),
                        Err(sentence) => document.text(Tone::Warning, sentence),
                    }
                }
                document.blocks.push(table(panel));
            }
        }
    }
}

fn table(panel: &Panel) -> Block {
    let is_number = |column: usize| {
        let mut cells = panel.rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| cell.is_number() || cell.is_null())
    };
    let align = |column| {
        if is_number(column) {
            Align::Right
        } else {
            Align::Cut
        }
    };
    let headers = panel.columns.iter().enumerate();
    // A panel with a chart may have very many rows.
    let most = if panel.chart.is_some() {
        20
    } else {
        usize::MAX
    };
    let rows = panel.rows.iter().take(most).map(|row| {
        let cells = row.iter().map(|cell| match cell {
            serde_json::Value::Null => unknown(),
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(n) => n
                .as_f64()
                .filter(|_| n.is_f64())
                .map_or_else(|| n.to_string(), number),
            other => other.to_string(),
        });
        (Tone::Plain, cells.collect())
    });
    Block::Table {
        headers: headers
            .map(|(column, name)| (align(column), name.clone()))
            .collect(),
        rows: rows.collect(),
        figures: Vec::new(),
        is_stacked: false,
    }
}
