//! What is worth knowing: incidents, verdicts, trends.

mod history;
mod incidents;

use std::collections::BTreeSet;

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, RunRow, Verdict};
use dragline_schema::Timestamp;
use polars::prelude::DataFrame;

pub(crate) use self::history::History;
use crate::frames::DAY;
use crate::lookup::text_at;
use crate::model::{Group, Insight, Recommendation, Trend};
use crate::stats;

/// A chance below this is no chance.
const SIGNIFICANT: f64 = 0.01;
/// A trend under this share of the level a week is not worth a word.
const WORTH_SAYING: f64 = 0.05;
/// A run with fewer requests says nothing about shares.
const ENOUGH_REQUESTS: u64 = 20;

/// Everything worth knowing, the worst first, then the latest.
pub(crate) fn find(
    finished: &Finished,
    everything: &Finished,
    history: &History,
    groups: &[Group],
    new: &BTreeSet<String>,
    rules: &RuleSet,
) -> Vec<Insight> {
    let mut found = incidents::waves(finished, everything, history, groups);
    found.extend(incidents::ends(finished, everything));
    found.extend(incidents::losses(finished));
    found.extend(incidents::new_errors(groups, new, rules));
    found.sort_by(|a, b| {
        let severity =
            |insight: &Insight| insight.severity.parse::<dragline_schema::Severity>().ok();
        (severity(b), &b.since, &a.id).cmp(&(severity(a), &a.since, &b.id))
    });
    found
}

/// The ids of groups that are new: not there for at least three days, and at least twice as long as
/// they have been there since. With as many errors as they have, chance alone does not do that.
pub(crate) fn new_groups(
    everything: &Finished,
    period: Option<(Timestamp, Timestamp)>,
) -> BTreeSet<String> {
    let Some((start, end)) = period else {
        return BTreeSet::new();
    };
    let is_new = |group: &dragline_rollup::Group| {
        group.first_seen.is_some_and(|first| {
            let (before, since) = (first.since(start), end.since(first));
            first < end && before >= 3 * DAY && before >= 2 * since
        })
    };
    let new = everything.groups.iter().filter(|row| is_new(&row.group));
    new.map(|row| format!("{:016x}", row.id)).collect()
}

/// What to do, each thing once.
pub(crate) fn recommendations(insights: &[Insight]) -> Vec<Recommendation> {
    let mut all: Vec<Recommendation> = Vec::new();
    for insight in insights {
        let id = insight.id.clone();
        match all
            .iter_mut()
            .find(|known| known.text == insight.recommendation)
        {
            Some(known) => known.insights.push(id),
            None => all.push(Recommendation {
                text: insight.recommendation.clone(),
                insights: vec![id],
                runbook: None,
            }),
        }
    }
    all
}

/// The verdict on a scraper, and why. Its runs come oldest first; what holds at its last run counts.
pub(crate) fn verdict<'i>(
    rows: &[&RunRow],
    insights: impl Iterator<Item = &'i Insight>,
) -> (&'static str, Vec<String>) {
    let last = rows.iter().rev().find(|row| row.key.is_run());
    let last_start = last
        .and_then(|row| row.start)
        .map(|start| start.to_string());
    for insight in insights {
        let verdict = match insight.kind.as_str() {
            "block_wave" => "blocked",
            "layout_change" => "layout_changed",
            "silent_failure" => "silent_failure",
            _ => continue,
        };
        // An incident that reaches the last run is not over.
        let reaches = insight.sequence.last().map(|moved| &moved.at);
        if last_start.is_some() && reaches >= last_start.as_ref() {
            return (verdict, vec![format!("{}.", insight.title)]);
        }
    }
    if last.is_none() {
        let why = "No line names a run, so that there is nothing to judge it by.";
        return ("no_data", vec![why.to_owned()]);
    }
    if !rows.iter().any(|row| row.counters.has_activity()) {
        return (
            "no_data",
            vec!["No request and no item was logged.".to_owned()],
        );
    }
    let ended = last.and_then(|row| Some((row, row.verdict?)));
    if let Some((row, verdict)) = ended {
        let seen = row
            .last_seen
            .map_or_else(String::new, |at| format!(", last seen {at}"));
        let run = row.key.run_id.as_deref().unwrap_or_default();
        match verdict {
            Verdict::Stalled => {
                return (
                    "stalled",
                    vec![format!("The last run, {run}, stalled{seen}.")],
                );
            }
            Verdict::Killed | Verdict::Failed => {
                return (
                    "down",
                    vec![
                        format!("The last run, {run}, {verdict}{seen}.")
                            .replace(" killed", " was killed"),
                    ],
                );
            }
            _ => {}
        }
    }
    if let Some(rate) = last
        .and_then(|row| success_rate(row))
        .filter(|rate| *rate < 0.9)
    {
        let failed = (1.0 - rate) * 100.0;
        return (
            "degraded",
            vec![format!("{failed:.0} % of the last run's requests failed.")],
        );
    }
    ("healthy", Vec::new())
}

/// Verdicts that need a hand come first.
pub(crate) fn rank(verdict: &str) -> usize {
    const ORDER: [&str; 9] = [
        "down",
        "stalled",
        "missed",
        "blocked",
        "layout_changed",
        "silent_failure",
        "degraded",
        "no_data",
        "healthy",
    ];
    ORDER
        .iter()
        .position(|known| *known == verdict)
        .unwrap_or(ORDER.len())
}

/// Requests that did not fail / requests; `None` with too few of them.
pub(crate) fn success_rate(row: &RunRow) -> Option<f64> {
    let counters = &row.counters;
    (counters.requests >= ENOUGH_REQUESTS)
        .then(|| 1.0 - counters.requests_failed as f64 / counters.requests as f64)
}

/// Significant trends over the whole days of the period.
pub(crate) fn trends(by_day: &DataFrame, period: Option<(Timestamp, Timestamp)>) -> Vec<Trend> {
    let Some((start, end)) = period else {
        return Vec::new();
    };
    let first = (start.as_micros() + DAY - 1).div_euclid(DAY);
    let last = end.as_micros().div_euclid(DAY);
    let days = by_day
        .column("day")
        .ok()
        .and_then(|column| column.i64().ok());
    let Some(days) = days else { return Vec::new() };
    let mut found = Vec::new();
    let mut rows = 0..by_day.height();
    while let Some(begin) = rows.next() {
        let name = |row| {
            (
                text_at(by_day, "scraper_id", row),
                text_at(by_day, "site", row),
            )
        };
        let (scraper_id, site) = name(begin);
        let mut stop = begin + 1;
        while stop < by_day.height() && name(stop) == (scraper_id.clone(), site.clone()) {
            stop += 1;
        }
        rows = stop..by_day.height();
        let whole: Vec<usize> = (begin..stop)
            .filter(|row| {
                days.get(*row)
                    .is_some_and(|day| (first..last).contains(&day))
            })
            .collect();
        let xs: Vec<f64> = whole
            .iter()
            .filter_map(|row| days.get(*row))
            .map(|d| d as f64)
            .collect();
        for metric in ["requests", "items", "errors"] {
            let Some(column) = by_day.column(metric).ok().and_then(|c| c.u64().ok()) else {
                continue;
            };
            let ys: Vec<f64> = whole
                .iter()
                .map(|row| column.get(*row).unwrap_or(0) as f64)
                .collect();
            let Some(trend) = stats::trend(&xs, &ys) else {
                continue;
            };
            let growth = (trend.start > 0.0).then(|| trend.slope * 7.0 / trend.start);
            if trend.p_value >= SIGNIFICANT || growth.is_none_or(|g| g.abs() < WORTH_SAYING) {
                continue;
            }
            found.push(Trend {
                metric: metric.to_owned(),
                scraper_id: scraper_id.clone(),
                site: site.clone(),
                direction: if trend.slope > 0.0 { "up" } else { "down" }.to_owned(),
                slope_per_day: trend.slope,
                p_value: trend.p_value,
                growth_per_week: growth,
                change_points: Vec::new(),
                forecast: Vec::new(),
                backtest_error: None,
            });
        }
    }
    found
}
