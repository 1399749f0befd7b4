//! Finds defects of the logs themselves: missing lines, and clocks that changed.

use dragline_rollup::{Finished, RunRow};
use dragline_schema::Timestamp;

use crate::finding::{Evidence, Finding, ScraperKey};
use crate::kind::InsightKind;
use crate::told::{id, minute, name};

/// Maximum tolerated difference between a run's reported duration and the span of its lines, in seconds.
const SKEW_SECONDS: f64 = 600.0;

/// Findings for runs with missing lines.
pub(crate) fn lines(finished: &Finished) -> Vec<Finding> {
    let is_short = |row: &&RunRow| row.missing_seq + row.dropped > 0;
    finished
        .runs
        .iter()
        .filter(is_short)
        .map(short_of_lines)
        .collect()
}

fn short_of_lines(row: &RunRow) -> Finding {
    let lost = row.missing_seq + row.dropped;
    let since = row.missing_since.or(row.start);
    let at = since.map_or_else(String::new, |since| format!(" since {}", minute(since)));
    let kind = InsightKind::LogLoss;
    Finding {
        id: id(kind, &row.key.to_string(), since),
        title: format!("{lost} lines of {} are missing{at}", whose(row)),
        detail:
            "The sequence numbers of the lines have gaps, or the recorder reported dropped lines; \
                 the run's figures do not include the missing lines."
                .to_owned(),
        since,
        is_open: false,
        scraper: of_run(row),
        observed: Some(lost as f64),
        evidence: row.evidence.iter().map(Evidence::from).collect(),
        recommendation: "Check for a full disk at that time, and for deleted files.".to_owned(),
        ..Finding::of(kind)
    }
}

/// The scraper of a run.
fn of_run(row: &RunRow) -> ScraperKey {
    ScraperKey {
        scraper_id: row.key.scraper_id.clone(),
        site: row.key.site.clone(),
    }
}

/// A run's name as shown to users.
fn whose(row: &RunRow) -> String {
    let who = name(&(row.key.scraper_id.clone(), row.key.site.clone()));
    match &row.key.run_id {
        Some(run) => format!("run {run} of {who}"),
        None => who,
    }
}

/// Findings for runs whose clock was changed, or whose lines come from two different clocks.
pub(crate) fn clocks(finished: &Finished) -> Vec<Finding> {
    let rows = finished.runs.iter().enumerate();
    rows.filter_map(|(run, row)| skewed(finished, run, row))
        .collect()
}

/// The start of the longest pause in a run: where a clock that was set forward most likely jumped.
fn jump(finished: &Finished, run: usize) -> Option<Timestamp> {
    let own = finished.activity.iter().filter(|row| row.run == run);
    let starts: Vec<i64> = own.map(|row| row.start).collect();
    let pauses = starts.windows(2);
    let longest = pauses.max_by_key(|pair| pair[1] - pair[0])?;
    Some(Timestamp::from_micros(longest[0] + finished.bucket_micros))
}

fn skewed(finished: &Finished, run: usize, row: &RunRow) -> Option<Finding> {
    let by_lines = row
        .end
        .zip(row.start)
        .map(|(end, start)| end.since(start) as f64 / 1e6);
    let apart = by_lines
        .zip(row.duration_seconds)
        .map(|(lines, told)| lines - told)
        .filter(|apart| row.key.is_run() && row.status.is_some() && apart.abs() > SKEW_SECONDS);
    if row.skewed == 0 && apart.is_none() {
        return None;
    }
    let since = row.skewed_since.or(jump(finished, run)).or(row.start)?;
    let detail = match apart {
        Some(apart) => format!(
            "The log lines of the run span {:.0} minutes {} than the duration that it reports.",
            apart.abs() / 60.0,
            if apart > 0.0 { "more" } else { "less" }
        ),
        None => format!(
            "{} lines have an older timestamp than lines before them.",
            row.skewed
        ),
    };
    let kind = InsightKind::ClockSkew;
    Some(Finding {
        id: id(kind, &row.key.to_string(), since),
        title: format!("The clock of {} jumped at {}", whose(row), minute(since)),
        detail,
        since: Some(since),
        is_open: false,
        scraper: of_run(row),
        observed: apart.map(f64::abs),
        evidence: row.evidence.iter().map(Evidence::from).collect(),
        recommendation:
            "Synchronise the machine's clock (chrony, systemd-timesyncd), and log in UTC."
                .to_owned(),
        ..Finding::of(kind)
    })
}
