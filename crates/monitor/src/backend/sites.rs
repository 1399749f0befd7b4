//! Sites, each with the sites that it is compared with.

use std::collections::{BTreeMap, BTreeSet};

use dragline_web::model::{
    ControlGroup, ScraperNumbers, ScraperSummary, ScraperVerdict, SiteDetail, SiteSummary,
};
use dragline_web::{Answer, BackendError, Window};

use super::numbers::{Chart, figures, labels_of, span, step_of, stepped, success_rate};
use crate::service::Monitor;

/// Number of sites of a control group that are named.
const NAMED: usize = 20;
/// A difference of success rates from this on, in shares, says something.
const APART: f64 = 0.1;

impl Monitor {
    pub(super) fn list_sites(&self) -> Vec<SiteSummary> {
        let all = self.summaries();
        let mut sites: BTreeMap<Option<String>, Vec<&ScraperSummary>> = BTreeMap::new();
        for one in all.iter() {
            sites.entry(one.key.site.clone()).or_default().push(one);
        }
        let mut sites: Vec<SiteSummary> = sites
            .iter()
            .map(|(site, own)| summarise(site.as_ref(), own))
            .collect();
        sites.sort_by(|a, b| (a.verdict, &a.site).cmp(&(b.verdict, &b.site)));
        sites
    }

    pub(super) fn find_site(&self, site: &str, window: Window) -> Answer<SiteDetail> {
        let all = self.summaries();
        let own: Vec<&ScraperSummary> = all
            .iter()
            .filter(|one| one.key.site.as_deref().unwrap_or_default() == site)
            .collect();
        if own.is_empty() {
            return Err(BackendError::NotFound(format!(
                "the site {site:?} is not known"
            )));
        }
        let name = Some(site.to_owned()).filter(|site| !site.is_empty());
        let summary = summarise(name.as_ref(), &own);
        let labels = labels_of(None, Some(site));
        let others = others(&all, &own);
        let step = step_of(window, self.time());
        let (figures, series, status_codes, control) = self.ask(window, |windows| {
            let chart = Chart {
                windows,
                window: stepped(window, step),
                step,
            };
            let mut codes = BTreeMap::new();
            for (id, stats) in windows.query("dragline_responses", &labels, span(window)) {
                let code = id
                    .labels
                    .iter()
                    .find(|(name, _)| name == "code")
                    .map(|(_, code)| code.clone());
                if let Some((code, count)) = code.zip(stats.increase.filter(|count| *count > 0.0)) {
                    *codes.entry(code).or_insert(0) += count as u64;
                }
            }
            let rate = success_rate(windows, &labels, span(window));
            let rates: Vec<(String, Option<f64>)> = others
                .iter()
                .map(|site| {
                    (
                        site.clone(),
                        success_rate(windows, &labels_of(None, Some(site)), span(window)),
                    )
                })
                .collect();
            let control = compare(site, rate, &rates);
            (
                figures(windows, &labels, span(window)),
                chart.usual(&labels),
                codes,
                control,
            )
        })?;
        let judged = self.judged();
        let quiet = judged
            .iter()
            .flat_map(|judged| &judged.report.quiet_hours)
            .find(|quiet| quiet.site == site);
        Ok(SiteDetail {
            summary,
            window,
            scrapers: own.into_iter().cloned().collect(),
            figures,
            series,
            control,
            status_codes,
            quiet_hours: quiet.map(|quiet| {
                format!(
                    "From {:02}:00 to {:02}:00 UTC the site refuses {:.1} % of requests, at other times {:.1} %.",
                    quiet.from_hour,
                    quiet.until_hour,
                    quiet.refused_share * 100.0,
                    quiet.refused_share_otherwise * 100.0
                )
            }),
        })
    }
}

fn summarise(site: Option<&String>, own: &[&ScraperSummary]) -> SiteSummary {
    let mut scrapers = BTreeMap::new();
    for one in own {
        *scrapers.entry(one.verdict).or_insert(0) += 1;
    }
    let sum = |pick: fn(&ScraperNumbers) -> Option<u64>| {
        own.iter()
            .filter_map(|one| pick(&one.numbers))
            .reduce(|a, b| a + b)
    };
    let rated = own
        .iter()
        .filter_map(|one| Some((one.numbers.requests? as f64, one.numbers.success_rate?)));
    let (requests, successes) = rated.fold((0.0, 0.0), |sum, (count, rate)| {
        (sum.0 + count, sum.1 + count * rate)
    });
    SiteSummary {
        site: site.cloned(),
        verdict: own
            .iter()
            .map(|one| one.verdict)
            .min()
            .unwrap_or(ScraperVerdict::NoData),
        scrapers,
        numbers: ScraperNumbers {
            requests: sum(|numbers| numbers.requests),
            success_rate: (requests > 0.0).then(|| successes / requests),
            items: sum(|numbers| numbers.items),
            errors: sum(|numbers| numbers.errors),
            response_time_ms_p95: own
                .iter()
                .filter_map(|one| one.numbers.response_time_ms_p95)
                .max_by(f64::total_cmp),
        },
    }
}

/// The other sites that the same scrapers request; all other sites if there are none.
fn others(all: &[ScraperSummary], own: &[&ScraperSummary]) -> Vec<String> {
    let site = own.first().and_then(|one| one.key.site.clone());
    let scrapers: BTreeSet<_> = own.iter().map(|one| &one.key.scraper_id).collect();
    let names = |only_same: bool| -> Vec<String> {
        let others = all
            .iter()
            .filter(|one| !only_same || scrapers.contains(&one.key.scraper_id));
        let sites: BTreeSet<String> = others.filter_map(|one| one.key.site.clone()).collect();
        sites
            .into_iter()
            .filter(|other| Some(other) != site.as_ref())
            .collect()
    };
    let same = names(true);
    if same.is_empty() { names(false) } else { same }
}

fn compare(
    site: &str,
    rate: Option<f64>,
    others: &[(String, Option<f64>)],
) -> Option<ControlGroup> {
    if others.is_empty() {
        return None;
    }
    let known: Vec<f64> = others.iter().filter_map(|(_, rate)| *rate).collect();
    let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
    let conclusion = match (rate, mean) {
        (Some(own), Some(mean)) if own < mean - APART => format!(
            "Requests to {site} succeed less often ({:.0} %) than those to {} other sites ({:.0} %): it is the site.",
            own * 100.0,
            known.len(),
            mean * 100.0
        ),
        (Some(own), Some(mean)) if own < 1.0 - APART && mean < 1.0 - APART => format!(
            "Requests fail here ({:.0} % succeed) and on {} other sites ({:.0} %): it is not this site alone.",
            own * 100.0,
            known.len(),
            mean * 100.0
        ),
        (Some(own), Some(mean)) => format!(
            "{:.0} % of the requests succeed, {:.0} % on {} other sites: nothing stands out.",
            own * 100.0,
            mean * 100.0,
            known.len()
        ),
        _ => "There are not enough requests in this window to compare.".to_owned(),
    };
    let figure = dragline_web::model::Figure {
        metric: "success_rate".to_owned(),
        label: "success rate of the other sites".to_owned(),
        format: dragline_web::model::ValueFormat::Percent,
        value: mean,
        expected: None,
    };
    Some(ControlGroup {
        sites: others
            .iter()
            .take(NAMED)
            .map(|(name, _)| name.clone())
            .collect(),
        total: others.len() as u64,
        conclusion,
        figures: vec![figure],
    })
}
