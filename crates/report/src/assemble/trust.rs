//! Data quality: what was read, and how events were counted.

use std::collections::BTreeMap;

use dragline_rollup::{Finished, Latency};
use dragline_schema::{ErrorCategory, ProblemKind};

use super::unread;
use crate::model::{Problem, Trust};

/// Returns the data quality of the logs and notes on how events were counted.
pub fn trust(finished: &Finished) -> Trust {
    let count = |wanted: &dyn Fn(ProblemKind) -> bool| -> u64 {
        let matching = finished
            .problems
            .iter()
            .filter(|((_, kind), _)| wanted(*kind));
        matching.map(|(_, problem)| problem.count).sum()
    };
    let read: Vec<_> = finished
        .files
        .values()
        .filter(|file| file.lines > 0 || file.events > 0)
        .collect();
    let events = finished.dialects.values().sum();
    let bad_lines = count(&ProblemKind::is_lost_line);
    // A follower counts records, and neither lines nor bytes: each record is a line at least.
    let lines: u64 = read.iter().map(|file| file.lines).sum();
    // Bugs of the scraper have the category unknown, too, but some rules match them.
    let by_rule = finished.groups.iter().filter(|row| {
        let sample = row.group.sample.as_ref();
        sample.is_some_and(|(_, sample)| {
            sample.category == ErrorCategory::Unknown && sample.rule.is_some()
        })
    });
    let known: u64 = by_rule.map(|row| row.group.count).sum();
    let unclassified = finished
        .cells
        .iter()
        .filter(|(cell, _)| cell.category == ErrorCategory::Unknown)
        .map(|(_, count)| count)
        .sum::<u64>()
        .saturating_sub(known);
    Trust {
        files: read.len() as u64,
        bytes: read.iter().map(|file| file.bytes).sum(),
        lines: lines.max(events + bad_lines),
        events,
        bad_lines,
        torn_lines: count(&|kind| kind == ProblemKind::TornLine),
        truncated_files: count(&|kind| kind == ProblemKind::TruncatedFile),
        duplicate_files: count(&|kind| kind == ProblemKind::DuplicateFile),
        missing_seq: finished.runs.iter().map(|run| run.missing_seq).sum(),
        dialects: finished
            .dialects
            .iter()
            .map(|(dialect, count)| (dialect.as_str().to_owned(), *count))
            .collect(),
        unclassified_errors: unclassified,
        sketch_relative_error: Latency::RELATIVE_ERROR,
        problems: problems(finished),
        notes: notes(finished),
    }
}

fn problems(finished: &Finished) -> Vec<Problem> {
    let mut problems: Vec<Problem> = finished
        .problems
        .iter()
        .map(|((path, kind), problem)| Problem {
            kind: kind.as_str().to_owned(),
            file: path.clone(),
            line: problem.first.map(|at| at.line),
            offset: problem.first.map(|at| at.offset),
            count: problem.count,
            detail: problem.detail.clone(),
        })
        .collect();
    problems.sort_by(|a, b| (&a.kind, &a.file).cmp(&(&b.kind, &b.file)));
    problems
}

/// Maximum time, in microseconds, by which a record may be later than its file's modification time.
const AHEAD: i64 = 2 * 60_000_000;
/// Maximum number of named files.
const NAMED: usize = 3;

/// Returns notes about the zones that envelopes show for the times in them.
fn zones(finished: &Finished) -> Vec<String> {
    let mut files: BTreeMap<i32, Vec<&String>> = BTreeMap::new();
    for (path, file) in &finished.files {
        if let Some(zone) = file.zone.filter(|zone| *zone != 0) {
            files.entry(zone).or_default().push(path);
        }
    }
    let each = files.into_iter().map(|(zone, paths)| {
        let (hours, minutes) = (zone.abs() / 3600, zone.abs() / 60 % 60);
        let sign = if zone < 0 { '-' } else { '+' };
        let more = match paths.len() {
            1 => String::new(),
            count => format!(" and {} more files", count - 1),
        };
        format!(
            "{}{more}: times without a zone are read as UTC{sign}{hours:02}:{minutes:02}, because they differ by as \
             much from the times that a runtime or collector added to the same lines.",
            paths[0]
        )
    });
    each.collect()
}

/// Returns notes about implausible times.
fn clocks(finished: &Finished) -> Vec<String> {
    let mut notes = Vec::new();
    let files = || finished.files.iter();
    let out_of_order: u64 = files().map(|(_, file)| file.out_of_order).sum();
    if out_of_order > 0 {
        let count = files().filter(|(_, file)| file.out_of_order > 0).count();
        notes.push(format!(
            "{out_of_order} events in {count} files are more than a minute older than an event before them: \
             several writers, or a clock that was set back."
        ));
    }
    let ahead: Vec<(&String, i64)> = files()
        .filter_map(|(path, file)| Some((path, file.latest?.since(file.modified?))))
        .filter(|(_, micros)| *micros > AHEAD)
        .collect();
    for (path, micros) in ahead.iter().take(NAMED) {
        let minutes = micros / 60_000_000;
        notes.push(format!(
            "{path}: the last event is {minutes} minutes later than the file's modification time: the writer's \
             clock or --tz is wrong."
        ));
    }
    if ahead.len() > NAMED {
        notes.push(format!(
            "The same applies to {} more files.",
            ahead.len() - NAMED
        ));
    }
    notes
}

/// Returns a note about failed requests of runs whose log does not say how the others ended.
fn failed_alone(finished: &Finished) -> Option<String> {
    let counts = finished
        .runs
        .iter()
        .map(|run| run.counters.requests_failed_alone);
    let sum: u64 = counts.sum();
    (sum > 0).then(|| {
        format!(
            "Failed requests that are excluded from the success rate, because it is not logged how the others ended: {sum}."
        )
    })
}

fn notes(finished: &Finished) -> Vec<String> {
    let mut notes = Vec::new();
    let zoneless: u64 = finished.files.values().map(|file| file.zoneless).sum();
    if zoneless > 0 {
        notes.push(format!(
            "{zoneless} events have no time zone; assumed time zone: --tz (default UTC)."
        ));
    }
    notes.extend(zones(finished));
    let unjudged: u64 = finished
        .runs
        .iter()
        .map(|run| run.counters.requests_unjudged)
        .sum();
    if unjudged > 0 {
        notes.push(format!(
            "{unjudged} requests are excluded from the success rate: no status logged."
        ));
    }
    if finished.task_ids > 0 {
        notes.push(format!(
            "{} run ids in the lines have one or two requests each: they are ids of tasks and are not counted as runs.",
            finished.task_ids
        ));
    }
    notes.extend(counted_by(finished));
    for strays in &finished.strays {
        let what = if strays.is_before {
            "are far earlier than all others; the period starts after them"
        } else {
            "are far later than all others; the period ends before them"
        };
        notes.push(format!(
            "{} events from {} on {what}. A clock was wrong, or these lines come from another source.",
            strays.events, strays.from
        ));
    }
    notes.extend(clocks(finished));
    notes.extend(of_runs(finished));
    let unjudged = finished
        .runs
        .iter()
        .filter(|run| run.key.is_run() && run.verdict.is_none());
    match unjudged.count() {
        0 => {}
        1 => notes.push("1 run has no verdict: its logs have no end-of-run line.".to_owned()),
        n => notes.push(format!(
            "{n} runs have no verdict: their logs have no end-of-run line."
        )),
    }
    if finished.groups_overflow > 0 {
        notes.push(format!(
            "{} errors exceed the maximum number of groups; they are counted only in the totals.",
            finished.groups_overflow
        ));
    }
    notes.extend(folded(finished));
    notes.extend(without_level(finished));
    notes.extend(unread::notes(finished));
    notes.extend(dragline_insights::unseen(finished));
    notes.extend(failed_alone(finished));
    notes
}

/// Inconsistent counts and dropped lines of runs.
fn of_runs(finished: &Finished) -> Vec<String> {
    let mut notes = Vec::new();
    for run in &finished.runs {
        for sentence in &run.disagreements {
            notes.push(format!(
                "Run {} has inconsistent counts: {sentence}.",
                run.key
            ));
        }
        if run.dropped > 0 {
            notes.push(format!(
                "Run {}: the recorder dropped {} lines.",
                run.key, run.dropped
            ));
        }
    }
    notes
}

/// What the counts of runs are based on.
fn counted_by(finished: &Finished) -> Vec<String> {
    let mut notes = Vec::new();
    let mut by: BTreeMap<&str, u64> = BTreeMap::new();
    for run in finished.runs.iter().filter(|run| run.key.is_run()) {
        *by.entry(run.counted_by).or_default() += 1;
    }
    if let Some(count) = by.get("statistics") {
        notes.push(format!(
            "Runs counted from their final statistics: {count}; from their log lines: {}.",
            by.get("lines").copied().unwrap_or(0)
        ));
    }
    if let Some(count) = by.get("library") {
        notes.push(format!(
            "{count} runs log no requests themselves: they are counted from the log lines of their HTTP library."
        ));
    }
    notes
}

/// If more than one in this many records has no level, a note warns of undetected errors.
const FEW_LEVELS: u64 = 5;

/// Returns a note if many records have no log level.
fn without_level(finished: &Finished) -> Option<String> {
    let sum =
        |count: fn(&dragline_rollup::RunRow) -> u64| finished.runs.iter().map(count).sum::<u64>();
    let events = sum(|run| run.counters.events);
    let leveled = sum(|run| run.counters.levels.iter().map(|(_, count)| count).sum());
    // Requests and items need no level.
    let telling = sum(|run| run.counters.requests + run.counters.items());
    let bare = events.saturating_sub(leveled);
    (bare * FEW_LEVELS > events && bare > telling).then(|| {
        format!(
            "{bare} of {events} events have no log level: errors among them are not detected. Map the field that \
             holds it with [map.fields], or log one."
        )
    })
}

/// Returns a sentence about events beyond the limit of scrapers, sites and runs, if there are any.
pub fn folded(finished: &Finished) -> Option<String> {
    (finished.sources_overflow > 0).then(|| {
        format!(
            "{} events exceed the maximum number of scrapers, sites and runs; they are counted \
             together, outside of runs.",
            finished.sources_overflow
        )
    })
}
