//! Computes the verdict on a scraper on a site.

use dragline_rollup::{RunRow, Verdict};
use dragline_schema::Severity;
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::ENOUGH_REQUESTS;
use crate::finding::Finding;
use crate::kind::{Effect, InsightKind};

/// Minimum number of requests that all failed.
const FEW_REQUESTS: u64 = 3;
/// A scraper of which more than this share of the requests fails is degraded.
const TOLERATED: f64 = 0.1;
/// With fewer than 20 requests, maximum probability of this number of failures by chance.
const UNLIKELY: f64 = 0.01;

/// The verdict on a scraper, and the reasons. `rows` are its runs, oldest first; the state at the last run decides.
pub fn verdict<'i>(
    rows: &[&RunRow],
    insights: impl Iterator<Item = &'i Finding>,
) -> (&'static str, Vec<String>) {
    let last = rows.iter().rfind(|row| row.key.is_run());
    let open: Vec<&Finding> = insights.filter(|insight| insight.is_open).collect();
    // More requests than usual, and nothing else, are no trouble of the scraper's.
    let is_trouble =
        |found: &Finding| found.kind != InsightKind::VolumeHigh || found.severity > Severity::Low;
    let of = |effect: Effect| {
        let own = open.iter().filter(|found| found.kind.effect() == effect);
        let mut own = own.filter(|found| is_trouble(found));
        own.next()
            .map(|insight| vec![format!("{}.", insight.title)])
    };
    let causes = [
        ("missed", Effect::Missed),
        ("blocked", Effect::Blocked),
        ("layout_changed", Effect::LayoutChanged),
        ("silent_failure", Effect::SilentFailure),
    ];
    for (verdict, effect) in causes {
        if let Some(reasons) = of(effect) {
            return (verdict, reasons);
        }
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
    let latest = rows.iter().max_by_key(|row| row.last_seen);
    if latest.is_some_and(|row| row.is_crashed) {
        let reason = "Its log ends with a crash.".to_owned();
        return ("down", vec![reason]);
    }
    if !rows.iter().any(|row| row.counters.has_activity()) {
        if let Some((errors, events)) = errors_alone(rows) {
            let reason = format!(
                "{errors} of {events} events are errors; no request and no item was recognised."
            );
            return ("degraded", vec![reason]);
        }
        return (
            "no_data",
            vec!["No requests and no items were recognised.".to_owned()],
        );
    }
    if let Some(reasons) = of(Effect::Degraded) {
        return ("degraded", reasons);
    }
    of_counts(rows, last).unwrap_or(("healthy", Vec::new()))
}

/// What the counts say of the last run, or of everything that belongs to no run; `None`: nothing bad.
fn of_counts(rows: &[&RunRow], last: Option<&&RunRow>) -> Option<(&'static str, Vec<String>)> {
    // If no line names a run, judge all rows together.
    let judged = last.map_or(rows, std::slice::from_ref);
    let whose = if last.is_some() {
        "the last run's"
    } else {
        "the"
    };
    if let Some(rate) = success_rate(judged).filter(|rate| *rate < 1.0 - TOLERATED) {
        let failed = (1.0 - rate) * 100.0;
        return Some((
            "degraded",
            vec![format!("{failed:.0} % of {whose} requests failed.")],
        ));
    }
    if let Some((refused, requests)) = refused_by_words(judged) {
        let reason = format!(
            "{refused} of {whose} {requests} requests were answered with a captcha or a notice of a block."
        );
        return Some(("blocked", vec![reason]));
    }
    if let Some((lost, items)) = lost_items(judged) {
        let reason = format!("{lost} of {whose} {items} items could not be stored.");
        return Some(("degraded", vec![reason]));
    }
    if let Some((errors, items)) = errors_beside_items(judged) {
        let reason =
            format!("{errors} errors were logged beside {items} items; requests are unknown.");
        return Some(("degraded", vec![reason]));
    }
    if let Some((errors, requests)) = errors_beside_nothing(judged) {
        let reason =
            format!("{errors} errors were logged beside {requests} requests, and no item.");
        return Some(("degraded", vec![reason]));
    }
    if let Some(reason) = nothing_saved(rows) {
        return Some(("silent_failure", vec![reason]));
    }
    if let Some(reason) = forbidden(judged) {
        return Some(("degraded", vec![reason]));
    }
    if let Some(reason) = nothing_like_before(rows, last) {
        return Some(("silent_failure", vec![reason]));
    }
    let told: u64 = judged.iter().map(|row| row.counters.requests_told).sum();
    if told >= ENOUGH_REQUESTS {
        let reason = format!("{told} requests failed; how the others ended was not logged.");
        return Some(("degraded", vec![reason]));
    }
    None
}

/// That the log itself says that no item ever came of several pages: `Saved 0 items`. Where other runs saved some, a run may
/// have found nothing new.
fn nothing_saved(rows: &[&RunRow]) -> Option<String> {
    let requests = sum(rows, |row| row.counters.requests);
    let told = sum(rows, |row| row.counters.batches);
    let known = |row: &RunRow| {
        let counters = &row.counters;
        // A single count may be of anything, and is no item.
        counters.items() + counters.largest_batch + counters.duplicates + counters.lost
    };
    let is_nothing = told > 0 && sum(rows, known) == 0 && requests >= FEW_REQUESTS;
    is_nothing.then(|| format!("The log says that 0 items were saved, with {requests} requests."))
}

/// That a site's robots.txt forbids most of what was to be asked, and nothing was scraped (Scrapy counts what it leaves out).
fn forbidden(rows: &[&RunRow]) -> Option<String> {
    let forbidden = rows
        .iter()
        .filter_map(|row| row.stats.get("robotstxt/forbidden"));
    let forbidden: f64 = forbidden.sum();
    let requests = sum(rows, |row| row.counters.requests);
    let is_nothing = sum(rows, |row| row.counters.items()) == 0;
    (is_nothing && forbidden > 0.0 && forbidden >= requests as f64)
        .then(|| format!("robots.txt forbids {forbidden} requests, and no item was scraped."))
}

/// A run that asked as much as the one or two before it, which all scraped something, and scraped nothing. Of more runs,
/// baselines tell.
fn nothing_like_before(rows: &[&RunRow], last: Option<&&RunRow>) -> Option<String> {
    let last = last.filter(|row| row.verdict == Some(Verdict::Finished))?;
    let before = rows
        .iter()
        .filter(|row| row.key.is_run() && row.key != last.key);
    let before: Vec<&&RunRow> = before.collect();
    let is_known = |row: &&&RunRow| row.counters.items() > 0;
    if !(1..=2).contains(&before.len()) || !before.iter().all(is_known) {
        return None;
    }
    let counters = &last.counters;
    let usual = before.iter().map(|row| row.counters.requests).min()?;
    let is_nothing = counters.items() + counters.duplicates + counters.lost == 0;
    let is_like = counters.requests >= FEW_REQUESTS && 2 * counters.requests >= usual;
    let items = before.last()?.counters.items();
    (is_nothing && is_like).then(|| {
        format!(
            "The last run scraped nothing with {} requests; the one before scraped {items} items with {}.",
            counters.requests,
            before.last().map_or(0, |row| row.counters.requests)
        )
    })
}

/// All verdicts, those that need attention first.
pub const VERDICTS: [&str; 9] = [
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

/// A verdict's position in [`VERDICTS`].
pub fn rank(verdict: &str) -> usize {
    VERDICTS
        .iter()
        .position(|known| *known == verdict)
        .unwrap_or(VERDICTS.len())
}

/// Whether more of all failed than is tolerated, and than chance explains.
fn are_many(failed: u64, all: u64) -> bool {
    if all >= ENOUGH_REQUESTS || failed == 0 {
        return failed as f64 > TOLERATED * all as f64;
    }
    let chance = Binomial::new(TOLERATED, all);
    chance.is_ok_and(|chance| chance.sf(failed - 1) <= UNLIKELY)
}

fn sum(rows: &[&RunRow], of: fn(&RunRow) -> u64) -> u64 {
    rows.iter().map(|row| of(row)).sum()
}

/// The numbers of refused requests and of all, where messages tell of many more refusals than statuses do.
fn refused_by_words(rows: &[&RunRow]) -> Option<(u64, u64)> {
    let refused = sum(rows, |row| {
        let refused = crate::refused(&row.counters);
        refused.saturating_sub(row.counters.requests_failed)
    });
    let requests = sum(rows, |row| row.counters.requests);
    are_many(refused, requests).then_some((refused, requests))
}

/// The numbers of items that could not be stored and of all, where they are many.
fn lost_items(rows: &[&RunRow]) -> Option<(u64, u64)> {
    let lost = sum(rows, |row| row.counters.lost);
    let items = lost + sum(rows, |row| row.counters.items());
    are_many(lost, items).then_some((lost, items))
}

/// The numbers of errors and of items, where no requests are known and many of what was tried ended in an error.
fn errors_beside_items(rows: &[&RunRow]) -> Option<(u64, u64)> {
    let errors = sum(rows, |row| row.counters.errors);
    let items = sum(rows, |row| row.counters.items());
    let is_unknown = sum(rows, |row| row.counters.requests) == 0 && items > 0;
    (is_unknown && are_many(errors, items + errors)).then_some((errors, items))
}

/// The numbers of errors and of requests, where at least every second page ended in an error and nothing was scraped.
fn errors_beside_nothing(rows: &[&RunRow]) -> Option<(u64, u64)> {
    let errors = sum(rows, |row| row.counters.errors);
    let requests = sum(rows, |row| row.counters.requests);
    let is_nothing = requests > 0 && sum(rows, |row| row.counters.items()) == 0;
    (is_nothing && errors >= FEW_REQUESTS && 2 * errors >= requests).then_some((errors, requests))
}

/// The numbers of errors and of events, where a tenth of all that was logged are errors, and nothing else is known.
fn errors_alone(rows: &[&RunRow]) -> Option<(u64, u64)> {
    let errors = sum(rows, |row| row.counters.errors);
    let events = sum(rows, |row| row.counters.events);
    (errors >= FEW_REQUESTS && 10 * errors >= events).then_some((errors, events))
}

/// Successful requests / requests; `None` if there are too few requests to say. A few are enough if so many failed that
/// it is no chance, or if none succeeded and nothing was scraped: a site that refuses the first page gets no further
/// requests.
fn success_rate(rows: &[&RunRow]) -> Option<f64> {
    let judged = |row: &&RunRow| {
        row.counters
            .requests
            .saturating_sub(row.counters.requests_unjudged)
    };
    let failed: u64 = rows.iter().map(|row| row.counters.requests_failed).sum();
    let known: u64 = rows.iter().map(judged).sum();
    let all = sum(rows, |row| row.counters.requests);
    // Failures may be all that is known of requests, beside how many there were.
    let requests = if known >= failed {
        known
    } else {
        all.max(failed)
    };
    let items: u64 = rows.iter().map(|row| row.counters.items()).sum();
    let is_nothing = requests >= FEW_REQUESTS && failed >= requests && items == 0;
    let is_enough = requests >= ENOUGH_REQUESTS || is_nothing || are_many(failed, requests);
    (is_enough && requests > 0).then(|| 1.0 - failed as f64 / requests as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_news_is_no_failure_where_others_saved_something() {
        let row = |requests, most| {
            let mut row = RunRow::default();
            row.counters.requests = requests;
            row.counters.batches = 1;
            row.counters.largest_batch = most;
            row
        };
        let (nothing, some, few) = (row(40, 0), row(40, 3), row(2, 0));
        assert!(nothing_saved(&[&nothing]).is_some());
        assert!(nothing_saved(&[&some, &nothing]).is_none());
        assert!(nothing_saved(&[&few]).is_none());
    }

    #[test]
    fn a_few_failures_count_when_they_are_no_chance() {
        for (failed, all, are) in [
            (2, 20, false),
            (3, 20, true),
            (1, 2, false),
            (2, 4, false),
            (3, 4, true),
            (4, 12, false),
            (5, 12, true),
            (0, 0, false),
        ] {
            assert_eq!(are_many(failed, all), are, "{failed} of {all}");
        }
    }
}
