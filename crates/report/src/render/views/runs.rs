//! Runs; those that did not finish come first.

use super::super::document::{Align, Document, Tone};
use super::super::words::{
    count, known, percent, plural, short_minute, some, tone_of_verdict, unknown,
};
use crate::model::{Report, Run};

/// Maximum number of runs shown in a report; those that did not finish come first.
const TOP_RUNS: usize = 12;

/// Renders the runs that did not finish, then the latest.
pub(super) fn run_table(report: &Report, document: &mut Document) {
    if report.runs.is_empty() {
        return;
    }
    let is_well = |run: &Run| matches!(run.verdict.as_deref(), Some("finished" | "running") | None);
    let unwell: Vec<&Run> = report.runs.iter().filter(|run| !is_well(run)).collect();
    let room = TOP_RUNS.saturating_sub(unwell.len());
    let mut shown: Vec<&Run> = unwell.iter().rev().take(TOP_RUNS).rev().copied().collect();
    let latest: Vec<&Run> = report
        .runs
        .iter()
        .filter(|run| is_well(run))
        .rev()
        .take(room)
        .collect();
    shown.extend(latest.into_iter().rev());
    let (all, bad) = (report.runs.len() as u64, unwell.len() as u64);
    document.heading(match bad {
        0 => plural(all, "run"),
        _ => format!("{}, {} did not finish", plural(all, "run"), count(bad)),
    });
    table_of_runs(&shown, document);
    if report.runs.len() > shown.len() {
        document.text(Tone::Muted, "All runs: dragline runs.");
    }
}

pub(super) fn table_of_runs(runs: &[&Run], document: &mut Document) {
    let headers = [
        (Align::Fixed, "verdict"),
        (Align::Left, "scraper"),
        (Align::Cut, "run"),
        (Align::Fixed, "start"),
        (Align::Spare, "last seen"),
        (Align::Right, "requests"),
        (Align::Right, "ok"),
        (Align::Right, "items"),
        (Align::Right, "errors"),
        (Align::Spare, "reason"),
    ];
    let rows = runs.iter().map(|run| {
        let verdict = run.verdict.clone().unwrap_or_else(unknown);
        let cells = vec![
            verdict.clone(),
            known(run.scraper_id.as_ref().or(run.site.as_ref())),
            run.run_id.clone(),
            short_minute(run.start.as_ref()),
            short_minute(run.last_seen.as_ref()),
            some(run.totals.requests),
            percent(run.totals.success_rate),
            some(run.totals.items),
            count(run.totals.errors),
            reason(run),
        ];
        (tone_of_verdict(&verdict), cells)
    });
    document.table(&headers, rows.collect());
    own_statistics(runs, document);
}

/// Maximum number of custom statistics of a run per line.
const MOST_STATS: usize = 12;

/// Renders the custom statistics of the runs.
fn own_statistics(runs: &[&Run], document: &mut Document) {
    let told = runs.iter().filter(|run| !run.stats.is_empty());
    let lines = told.map(|run| {
        let stats = run.stats.iter().take(MOST_STATS);
        let stats: Vec<String> = stats
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        format!("{}: {}", run.run_id, stats.join(", "))
    });
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        document.text(Tone::Muted, "Custom statistics:");
        document.lines(lines);
    }
}

/// Returns the beginning of the reason why a run ended.
fn reason(run: &Run) -> String {
    dragline_schema::clip(run.finish_reason.as_deref().unwrap_or_default(), 24).to_owned()
}
