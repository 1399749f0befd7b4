//! What could be read, and how things were counted.

use std::collections::BTreeMap;

use dragline_rollup::{Finished, Latency};
use dragline_schema::{ErrorCategory, ProblemKind};

use crate::model::{Problem, Trust};

/// What could be read of the logs, and how they were counted.
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
        .filter(|file| file.lines > 0)
        .collect();
    // Bugs of the scraper itself are of the category unknown too, and some rules know them.
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
        lines: read.iter().map(|file| file.lines).sum(),
        events: finished.dialects.values().sum(),
        bad_lines: count(&ProblemKind::is_lost_line),
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

/// A record this much later than its file was written has a wrong time, in microseconds.
const AHEAD: i64 = 2 * 60_000_000;
/// So many files are named.
const NAMED: usize = 3;

/// Times that cannot be right.
fn clocks(finished: &Finished) -> Vec<String> {
    let mut notes = Vec::new();
    let files = || finished.files.iter();
    let out_of_order: u64 = files().map(|(_, file)| file.out_of_order).sum();
    if out_of_order > 0 {
        let count = files().filter(|(_, file)| file.out_of_order > 0).count();
        notes.push(format!(
            "{out_of_order} events in {count} files are more than a minute older than one before them: \
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
            "{path}: its last event is {minutes} minutes later than the file was written; its writer's clock \
             or --tz is wrong."
        ));
    }
    if ahead.len() > NAMED {
        notes.push(format!(
            "The same holds for {} more files.",
            ahead.len() - NAMED
        ));
    }
    notes
}

fn notes(finished: &Finished) -> Vec<String> {
    let mut notes = Vec::new();
    let zoneless: u64 = finished.files.values().map(|file| file.zoneless).sum();
    if zoneless > 0 {
        notes.push(format!(
            "{zoneless} events name no time zone and were read in the one given with --tz (default UTC)."
        ));
    }
    let unjudged: u64 = finished
        .runs
        .iter()
        .map(|run| run.counters.requests_unjudged)
        .sum();
    if unjudged > 0 {
        notes.push(format!(
            "{unjudged} requests tell neither a status nor an error: they count as requests, and in no rate."
        ));
    }
    let mut by: BTreeMap<&str, u64> = BTreeMap::new();
    for run in finished.runs.iter().filter(|run| run.key.is_run()) {
        *by.entry(run.counted_by).or_default() += 1;
    }
    if let Some(count) = by.get("statistics") {
        notes.push(format!(
            "Counted by a run's own statistics: {count}; by their lines: {}.",
            by.get("lines").copied().unwrap_or(0)
        ));
    }
    if let Some(count) = by.get("library") {
        notes.push(format!(
            "{count} runs log no request of their own: theirs are counted by the lines of their HTTP library."
        ));
    }
    for strays in &finished.strays {
        let what = if strays.is_before {
            "stand far before all others; the period begins behind them"
        } else {
            "stand behind the end of all others; the period ends before them"
        };
        notes.push(format!(
            "{} events from {} on {what}. A clock was wrong, or these lines are from somewhere else.",
            strays.events, strays.from
        ));
    }
    notes.extend(clocks(finished));
    for run in &finished.runs {
        for sentence in &run.disagreements {
            notes.push(format!("Run {} counts differently: {sentence}.", run.key));
        }
        if run.dropped > 0 {
            notes.push(format!(
                "Run {}: the recorder dropped {} lines.",
                run.key, run.dropped
            ));
        }
    }
    let unjudged = finished
        .runs
        .iter()
        .filter(|run| run.key.is_run() && run.verdict.is_none());
    match unjudged.count() {
        0 => {}
        1 => notes.push("1 run has no verdict: its writer marks no ends of runs.".to_owned()),
        n => notes.push(format!(
            "{n} runs have no verdict: their writers mark no ends of runs."
        )),
    }
    if finished.groups_overflow > 0 {
        notes.push(format!(
            "{} errors belong to more groups than can be told apart; they count in the totals.",
            finished.groups_overflow
        ));
    }
    notes.extend(folded(finished));
    notes.extend(without_level(finished));
    notes
}

/// More than one of so many records without a level hide errors.
const FEW_LEVELS: u64 = 5;

/// Records that do not say how bad they are.
fn without_level(finished: &Finished) -> Option<String> {
    let sum =
        |count: fn(&dragline_rollup::RunRow) -> u64| finished.runs.iter().map(count).sum::<u64>();
    let events = sum(|run| run.counters.events);
    let leveled = sum(|run| run.counters.levels.iter().map(|(_, count)| count).sum());
    // Requests and items say what they are without one.
    let telling = sum(|run| run.counters.requests + run.counters.items());
    let bare = events.saturating_sub(leveled);
    (bare * FEW_LEVELS > events && bare > telling).then(|| {
        format!(
            "{bare} of {events} events name no level: errors among them are not seen. Say which field holds it, \
             with [map.fields], or log one."
        )
    })
}

/// What was counted together, since there was too much of it to be told apart.
pub fn folded(finished: &Finished) -> Option<String> {
    (finished.sources_overflow > 0).then(|| {
        format!(
            "{} events belong to more scrapers, sites and runs than can be told apart; they are \
             counted together, outside of runs.",
            finished.sources_overflow
        )
    })
}
