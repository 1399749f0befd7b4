//! Finds runs that did not end normally, and runs that did not start when they were due.

use std::collections::{BTreeMap, BTreeSet};

use dragline_rollup::{Finished, RunRow, Verdict};
use dragline_schema::{RunKey, Severity, Timestamp, clip};

use crate::finding::{Evidence, Finding, ScraperKey};
use crate::kind::InsightKind;
use crate::schedule::{Lapse, lapses};
use crate::series::{MINUTE, Series};
use crate::told::{id, minute, name};

/// Findings for runs that were killed, stalled, failed, or whose last file is truncated.
/// Includes requested runs that started in the period or before it; their figures come from all their lines.
pub(crate) fn ends(finished: &Finished, everything: &Finished) -> Vec<Finding> {
    let asked: BTreeSet<&RunKey> = finished.runs.iter().map(|row| &row.key).collect();
    let until = finished.period.map(|(_, last)| last);
    let mut last_finished = BTreeMap::new();
    for row in everything
        .runs
        .iter()
        .filter(|row| row.verdict == Some(Verdict::Finished) && row.start <= until)
    {
        let last = last_finished
            .entry((&row.key.scraper_id, &row.key.site))
            .or_default();
        *last = row.start.max(*last);
    }
    everything
        .runs
        .iter()
        .filter(|row| asked.contains(&row.key) && row.start <= until)
        .filter_map(|row| {
            let (kind, what, recommendation) = match row.verdict? {
                Verdict::Killed => (
                    InsightKind::RunKilled,
                    "was killed",
                    "Look at the machine's log at that time: out of memory, a deployment or a \
                     shutdown are the usual reasons.",
                ),
                Verdict::Stalled => (
                    InsightKind::RunStalled,
                    "stalled",
                    "Give every wait a timeout, and check what the run was waiting for.",
                ),
                Verdict::Truncated => (
                    InsightKind::RunTruncated,
                    "ends in a damaged archive file",
                    "Copy the archive again, or find the original.",
                ),
                Verdict::Failed => (
                    InsightKind::RunFailed,
                    "failed",
                    "Check the run's last errors.",
                ),
                _ => return None,
            };
            let (scraper_id, site) = (row.key.scraper_id.clone(), row.key.site.clone());
            let went_on =
                last_finished.get(&(&row.key.scraper_id, &row.key.site)) > Some(&row.start);
            let severity = match kind.severity() {
                Severity::High if went_on => Severity::Medium,
                severity => severity,
            };
            let who = name(&(scraper_id.clone(), site.clone()));
            let run = row.key.run_id.as_deref().unwrap_or_default();
            let reason = row
                .finish_reason
                .as_deref()
                .map(|reason| format!(": {}", clip(reason, 200)));
            // A stall starts at the run's last activity.
            let since = match row.verdict {
                Some(Verdict::Stalled) => row.last_active.or(row.last_seen),
                _ => row.last_seen,
            };
            let at = since.map_or_else(|| "an unknown time".to_owned(), minute);
            Some(Finding {
                id: id(kind, &row.key.to_string(), since),
                severity,
                title: format!("Run {run} of {who} {what} at {at}"),
                detail: until_then(row)
                    + &reason.unwrap_or_else(|| ".".to_owned())
                    + if went_on { " Later runs finished." } else { "" },
                since,
                is_open: !went_on,
                scraper: ScraperKey { scraper_id, site },
                evidence: row.evidence.iter().map(Evidence::from).collect(),
                recommendation: recommendation.to_owned(),
                ..Finding::of(kind)
            })
        })
        .collect()
}

/// The known totals of a run up to its end.
fn until_then(row: &RunRow) -> String {
    let count = |known: bool, n: u64, noun: &str| {
        let s = if n == 1 { "" } else { "s" };
        known.then(|| format!("{n} {noun}{s}"))
    };
    let parts = [
        count(row.known.requests, row.counters.requests, "request"),
        count(row.known.items, row.counters.items(), "item"),
        count(true, row.counters.errors, "error"),
    ];
    let told: Vec<String> = parts.into_iter().flatten().collect();
    format!("{} until then", told.join(", "))
}

/// Findings for runs that were due and did not start, or started late.
pub(crate) fn unpunctual(
    series: &Series<'_>,
    everything: &Finished,
    end: Timestamp,
) -> Vec<Finding> {
    let runs: Vec<usize> = series.units.iter().filter_map(|unit| unit.run).collect();
    let starts: Vec<i64> = runs
        .iter()
        .filter_map(|run| everything.runs[*run].start)
        .map(Timestamp::as_micros)
        .collect();
    // Runs that name no site may belong to any of their scraper's sites.
    let is_other = |key: &RunKey| {
        let is_same = key.scraper_id == series.name.0 && key.is_run();
        is_same && key.site != series.name.1 && (key.site.is_none() || series.name.1.is_none())
    };
    let rows = everything.runs.iter().filter(|row| is_other(&row.key));
    let others: Vec<i64> = rows
        .filter_map(|row| Some(row.start?.as_micros()))
        .collect();
    let told = |lapse: Lapse| {
        let due = Timestamp::from_micros(lapse.due);
        let before = runs.iter().rev().map(|run| &everything.runs[*run]);
        let last = before.into_iter().find(|row| row.start < Some(due));
        lapse_insight(series, &lapse, last)
    };
    lapses(&starts, &others, end.as_micros())
        .into_iter()
        .map(told)
        .collect()
}

fn lapse_insight(series: &Series<'_>, lapse: &Lapse, before: Option<&RunRow>) -> Finding {
    let who = name(&series.name);
    let due = Timestamp::from_micros(lapse.due);
    let (kind, severity) = match (lapse.began, lapse.is_open) {
        (Some(_), _) => (InsightKind::RunLate, Severity::Low),
        (None, true) => (InsightKind::RunMissed, Severity::High),
        (None, false) => (InsightKind::RunMissed, Severity::Medium),
    };
    let title = match (lapse.began, lapse.count) {
        (Some(began), _) => format!(
            "A run of {who} started {} late, due {}",
            span(began - lapse.due),
            minute(due)
        ),
        (None, 1) => format!("A run of {who} did not start, due {}", minute(due)),
        (None, count) => format!(
            "{count} runs of {who} did not start, the first due {}",
            minute(due)
        ),
    };
    let last = before
        .and_then(|row| row.start)
        .map_or_else(String::new, |at| {
            format!(" The previous run started {}.", minute(at))
        });
    Finding {
        id: id(kind, &who, due),
        severity,
        title,
        detail: format!("In its history, a run starts every {}.{last}", span(lapse.interval)),
        since: Some(due),
        is_open: lapse.is_open,
        scraper: ScraperKey::from(&series.name),
        evidence: before.and_then(|row| row.evidence.as_ref()).map(Evidence::from).into_iter().collect(),
        recommendation: "Check what starts it: the timer, the machine, or a previous run that still holds a lock.".to_owned(),
        ..Finding::of(kind)
    }
}

/// A duration in words: `25 minutes`, `6 hours`, `1.5 days`.
fn span(micros: i64) -> String {
    let minutes = micros / MINUTE;
    let plural = |count: f64, noun: &str| {
        let text = format!("{count:.1}");
        let text = text.trim_end_matches(".0");
        let s = if text == "1" { "" } else { "s" };
        format!("{text} {noun}{s}")
    };
    match minutes {
        0..120 => plural(minutes as f64, "minute"),
        120..2880 => plural((minutes as f64 / 6.0).round() / 10.0, "hour"),
        _ => plural((minutes as f64 / 144.0).round() / 10.0, "day"),
    }
}
