//! Incidents: stretches of unusual runs, runs without an end, lines that are missing, new errors.

use std::collections::{BTreeMap, BTreeSet};

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, RunRow, Verdict};
use dragline_schema::{RunKey, Timestamp, clip};

use super::history::{History, Metric, Scraper};
use crate::lookup::place;
use crate::model::{Evidence, Expected, Group, Insight, Moved};

/// So many shares above the usual are a wave, however small the spread.
const BLOCKED_MARGIN: f64 = 0.1;
/// Under this share of the usual yield, items are missing.
const YIELD_COLLAPSE: f64 = 0.5;
/// Successful requests may be this much rarer than usual, and pages still count as answering.
const STILL_ANSWERING: f64 = 0.1;

/// A kind of wave: which runs are in it, and how it is told.
struct Wave<'w> {
    kind: &'static str,
    metric: Metric,
    expected: Expected,
    is_unusual: Box<dyn Fn(&RunRow) -> bool + 'w>,
}

/// Block waves, layout changes and silent failures of all scrapers.
///
/// They are found in everything that is there, so that an onset before the period is told rightly,
/// and kept when a run that was asked for is in them.
pub(crate) fn waves(
    finished: &Finished,
    everything: &Finished,
    history: &History,
    groups: &[Group],
) -> Vec<Insight> {
    let asked: BTreeSet<&RunKey> = finished.runs.iter().map(|row| &row.key).collect();
    let mut found = Vec::new();
    for scraper in &history.scrapers {
        for wave in [block_wave(scraper), yield_collapse(scraper)]
            .into_iter()
            .flatten()
        {
            let unusual = |run: &usize| (wave.is_unusual)(&everything.runs[*run]);
            let stretches = scraper.runs.chunk_by(|a, b| unusual(a) == unusual(b));
            for stretch in stretches.filter(|stretch| unusual(&stretch[0])) {
                let rows: Vec<&RunRow> = stretch.iter().map(|run| &everything.runs[*run]).collect();
                if !rows.iter().any(|row| asked.contains(&row.key)) {
                    continue;
                }
                let is_over = stretch.last() != scraper.runs.last();
                found.push(incident(
                    scraper, &wave, stretch, &rows, is_over, everything, groups,
                ));
            }
        }
    }
    found
}

/// Far more 403 and 429 than usual.
fn block_wave(scraper: &Scraper) -> Option<Wave<'_>> {
    let normal = scraper.normal(Metric::BlockedShare)?;
    let (lower, upper) = normal.range();
    let limit = upper.max(normal.median + BLOCKED_MARGIN);
    Some(Wave {
        kind: "block_wave",
        metric: Metric::BlockedShare,
        expected: Expected { lower, upper },
        is_unusual: Box::new(move |row| {
            Metric::BlockedShare
                .of(row)
                .is_some_and(|share| share > limit)
        }),
    })
}

/// Far fewer items for each page that answered, while pages answer as ever.
fn yield_collapse(scraper: &Scraper) -> Option<Wave<'_>> {
    let normal = scraper.normal(Metric::ItemsPer100Pages)?;
    let success = scraper.normal(Metric::SuccessRate)?;
    let (lower, upper) = normal.range();
    let limit = lower
        .min(normal.median * YIELD_COLLAPSE)
        .max(normal.median * 0.1);
    Some(Wave {
        kind: "silent_failure",
        metric: Metric::ItemsPer100Pages,
        expected: Expected { lower, upper },
        is_unusual: Box::new(move |row| {
            let answers = Metric::SuccessRate
                .of(row)
                .is_some_and(|rate| rate >= success.median - STILL_ANSWERING);
            answers
                && Metric::ItemsPer100Pages
                    .of(row)
                    .is_some_and(|items| items < limit)
        }),
    })
}

fn incident(
    scraper: &Scraper,
    wave: &Wave<'_>,
    stretch: &[usize],
    rows: &[&RunRow],
    is_over: bool,
    finished: &Finished,
    groups: &[Group],
) -> Insight {
    let since = onset(wave, stretch[0], finished);
    let until = rows.iter().filter_map(|row| row.last_seen).max();
    let values: Vec<f64> = rows.iter().filter_map(|row| wave.metric.of(row)).collect();
    let observed = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let related = related_groups(scraper, wave.kind, since, until, groups);
    // Items that fail, or errors about the page: its layout. Without any word: a silent failure.
    let spoke = rows.iter().any(|row| row.counters.failed > 0)
        || related
            .iter()
            .any(|group| matches!(group.category.as_str(), "site_change" | "parsing"));
    let kind = if wave.kind == "silent_failure" && spoke {
        "layout_change"
    } else {
        wave.kind
    };
    let (scraper_id, site) = scraper.name.clone();
    let who = name(scraper_id.as_deref(), site.as_deref());
    let when = match until.filter(|_| is_over) {
        Some(until) => format!("from {} to {}", minute(since), minute(Some(until))),
        None => format!("since {}", minute(since)),
    };
    let expected = &wave.expected;
    let (title, detail, recommendation) = match kind {
        "block_wave" => (
            format!(
                "{who} was refused {:.0} % of its requests (403, 429) {when}",
                observed * 100.0
            ),
            match (expected.lower * 100.0, expected.upper * 100.0) {
                (_, upper) if upper < 0.05 => {
                    format!("{}; usually there are none.", in_runs(rows.len()))
                }
                (lower, upper) => {
                    format!(
                        "{}; usual are {lower:.1} to {upper:.1} %.",
                        in_runs(rows.len())
                    )
                }
            },
            "Slow down, honour Retry-After, and check whether the proxies or the user agent were \
             recognised before the next run.",
        ),
        _ => (
            format!(
                "Items of {who} fell to {observed:.1} for 100 pages {when}; pages still answer"
            ),
            format!(
                "{}; usual are {:.1} to {:.1} items for 100 pages that answered.",
                in_runs(rows.len()),
                expected.lower,
                expected.upper
            ),
            "Open one of the pages and compare it with the selectors: the site most likely changed \
             its layout.",
        ),
    };
    // Places are known by group, not by time: only a group that began with the incident shows it.
    let began = since.map(|at| at.to_string());
    let mut evidence: Vec<Evidence> = related
        .iter()
        .filter(|group| group.first_seen >= began)
        .flat_map(|group| group.evidence.iter().take(1).cloned())
        .take(3)
        .collect();
    if evidence.is_empty() {
        evidence.extend(
            rows.iter()
                .filter_map(|row| row.evidence.as_ref())
                .take(1)
                .map(place),
        );
    }
    Insight {
        id: id(kind, &who, since),
        kind: kind.to_owned(),
        severity: if is_over { "medium" } else { "high" }.to_owned(),
        title,
        detail,
        since: since.map(|at| at.to_string()),
        scraper_id,
        site,
        metric: Some(wave.metric.name().to_owned()),
        expected: Some(expected.clone()),
        observed: Some(observed),
        sequence: rows
            .iter()
            .filter_map(|row| row.start)
            .map(|at| Moved {
                at: at.to_string(),
                metric: wave.metric.name().to_owned(),
            })
            .collect(),
        evidence,
        recommendation: recommendation.to_owned(),
    }
}

fn in_runs(count: usize) -> String {
    if count == 1 {
        "In 1 run".to_owned()
    } else {
        format!("In {count} runs")
    }
}

/// The onset within the first unusual run: for a block wave the first bucket with a refusal, else
/// the run's start.
fn onset(wave: &Wave<'_>, run: usize, finished: &Finished) -> Option<Timestamp> {
    let start = finished.runs[run].start;
    if wave.kind != "block_wave" {
        return start;
    }
    let refused = finished
        .activity
        .iter()
        .find(|row| row.run == run && crate::frames::blocked(&row.counters) > 0)
        .map(|row| Timestamp::from_micros(row.start));
    start.max(refused)
}

/// Error groups that tell of the wave: of its categories, at its scraper, seen while it lasted.
fn related_groups<'g>(
    scraper: &Scraper,
    kind: &str,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    groups: &'g [Group],
) -> Vec<&'g Group> {
    let categories: &[&str] = match kind {
        "block_wave" => &["rate_limit", "authentication"],
        _ => &["site_change", "parsing"],
    };
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let (since, until) = (text(since), text(until));
    groups
        .iter()
        .filter(|group| categories.contains(&group.category.as_str()))
        .filter(|group| group.last_seen >= since && group.first_seen <= until)
        .filter(|group| {
            let is_own = |name: &crate::model::ScraperName| {
                name.scraper_id == scraper.name.0 && name.site == scraper.name.1
            };
            group.scrapers.iter().any(is_own)
        })
        .collect()
}

/// Runs that were killed, stalled, failed, or whose end is cut off.
/// A run counts when it was asked for and ended in the period; what it did is told by all its lines.
pub(crate) fn ends(finished: &Finished, everything: &Finished) -> Vec<Insight> {
    let asked: BTreeSet<&RunKey> = finished.runs.iter().map(|row| &row.key).collect();
    let until = finished.period.map(|(_, last)| last);
    let mut last_finished = BTreeMap::new();
    for row in everything
        .runs
        .iter()
        .filter(|row| row.verdict == Some(Verdict::Finished))
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
            let (kind, severity, what, recommendation) = match row.verdict? {
                Verdict::Killed => (
                    "run_killed",
                    "high",
                    "was killed",
                    "Look at the machine's log at that time: out of memory, a deployment or a \
                     shutdown are the usual reasons.",
                ),
                Verdict::Stalled => (
                    "run_stalled",
                    "high",
                    "stalled",
                    "Give every wait a time-out, and look at what the run was waiting for.",
                ),
                Verdict::Truncated => (
                    "run_truncated",
                    "low",
                    "is cut off: its last file is a damaged archive",
                    "Copy the archive again, or look for the original.",
                ),
                Verdict::Failed => (
                    "run_failed",
                    "high",
                    "failed",
                    "Look at the run's last errors.",
                ),
                _ => return None,
            };
            let (scraper_id, site) = (row.key.scraper_id.clone(), row.key.site.clone());
            let went_on =
                last_finished.get(&(&row.key.scraper_id, &row.key.site)) > Some(&row.start);
            let severity = if went_on && severity == "high" {
                "medium"
            } else {
                severity
            };
            let who = name(scraper_id.as_deref(), site.as_deref());
            let run = row.key.run_id.as_deref().unwrap_or_default();
            let reason = row
                .finish_reason
                .as_deref()
                .map(|reason| format!(": {}", clip(reason, 200)));
            Some(Insight {
                id: id(kind, &row.key.to_string(), row.last_seen),
                kind: kind.to_owned(),
                severity: severity.to_owned(),
                title: format!("Run {run} of {who} {what} at {}", minute(row.last_seen)),
                detail: until_then(row)
                    + &reason.unwrap_or_else(|| ".".to_owned())
                    + if went_on { " Later runs finished." } else { "" },
                since: row.last_seen.map(|at| at.to_string()),
                scraper_id,
                site,
                metric: None,
                expected: None,
                observed: None,
                sequence: Vec::new(),
                evidence: row.evidence.iter().map(place).collect(),
                recommendation: recommendation.to_owned(),
            })
        })
        .collect()
}

/// What a run did until its end, as far as it is known.
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

/// Runs of which lines are missing.
pub(crate) fn losses(finished: &Finished) -> Vec<Insight> {
    finished
        .runs
        .iter()
        .filter(|row| row.missing_seq + row.dropped > 0)
        .map(|row| {
            let (scraper_id, site) = (row.key.scraper_id.clone(), row.key.site.clone());
            let lost = row.missing_seq + row.dropped;
            Insight {
                id: id("log_loss", &row.key.to_string(), row.start),
                kind: "log_loss".to_owned(),
                severity: "medium".to_owned(),
                title: format!("{lost} lines of {} are missing", row.key),
                detail: "The numbers in the lines that are there leave gaps, or the recorder says so; \
                         the run's figures are too low by what stood in them."
                    .to_owned(),
                since: row.start.map(|at| at.to_string()),
                scraper_id,
                site,
                metric: None,
                expected: None,
                observed: Some(lost as f64),
                sequence: Vec::new(),
                evidence: row.evidence.iter().map(place).collect(),
                recommendation: "Look for a full disk at that time, and for files that were removed."
                    .to_owned(),
            }
        })
        .collect()
}

/// So many errors of a new kind are worth a word.
const ENOUGH_ERRORS: u64 = 5;

/// Errors that were not there before.
pub(crate) fn new_errors(
    groups: &[Group],
    new: &BTreeSet<String>,
    rules: &RuleSet,
) -> Vec<Insight> {
    groups
        .iter()
        .filter(|group| new.contains(&group.id) && group.count >= ENOUGH_ERRORS)
        .map(|group| {
            let first = group.scrapers.first();
            let scraper_id = first.and_then(|name| name.scraper_id.clone());
            let site = first.and_then(|name| name.site.clone());
            let who = name(scraper_id.as_deref(), site.as_deref());
            let what = group
                .error_type
                .as_deref()
                .unwrap_or("an error without a type");
            let others = match group.scrapers.len() {
                0 | 1 => String::new(),
                n => format!(" and {} others", n - 1),
            };
            let since = group.first_seen.clone();
            let recommendation = group
                .rule
                .as_deref()
                .and_then(|rule| rules.recommendation(rule))
                .unwrap_or("Nobody has seen this error before: look at the sample.");
            Insight {
                id: id("new_error", &group.id, None),
                kind: "new_error".to_owned(),
                severity: group.severity.clone(),
                title: format!(
                    "A new error at {who}{others} since {}: {what}",
                    since
                        .as_deref()
                        .map_or("an unknown time", |at| clip(at, 16))
                        .replace('T', " ")
                ),
                detail: format!("{} times: {}", group.count, clip(&group.template, 160)),
                since,
                scraper_id,
                site,
                metric: Some(format!("errors.{}", group.category)),
                expected: Some(Expected {
                    lower: 0.0,
                    upper: 0.0,
                }),
                observed: Some(group.count as f64),
                sequence: Vec::new(),
                evidence: group.evidence.clone(),
                recommendation: recommendation.to_owned(),
            }
        })
        .collect()
}

/// A name for people.
fn name(scraper_id: Option<&str>, site: Option<&str>) -> String {
    match (scraper_id, site) {
        (Some(scraper), Some(site)) => format!("{scraper} on {site}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "an unnamed scraper".to_owned(),
    }
}

/// A time to the minute.
fn minute(time: Option<Timestamp>) -> String {
    time.map_or_else(
        || "an unknown time".to_owned(),
        |time| clip(&time.to_string(), 16).replace('T', " "),
    )
}

/// The same incident has the same id in every report.
fn id(kind: &str, who: &str, since: Option<Timestamp>) -> String {
    let at = since.map_or(0, Timestamp::as_seconds);
    let text = format!("{kind}\0{who}\0{at}");
    // FNV-1a (Fowler, Noll, Vo): stable across versions and machines.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{kind}-{:08x}", hash >> 32)
}
