//! Runs; those that did not finish come first.

use std::collections::{BTreeMap, BTreeSet};

use dragline_insights::{Effect, InsightKind};
use dragline_schema::Timestamp;

use super::super::document::{Align, Block, Document, Tone};
use super::super::words::{
    ShortNames, count, percent, plural, short_minute, some, tone_of_verdict, unknown,
};
use crate::model::{Insight, Report, Run};

/// Maximum number of runs shown in a report; those that did not finish come first.
const TOP_RUNS: usize = 12;
/// A finished run with a larger share of refused requests counts as blocked.
const REFUSED: f64 = 0.2;
/// With fewer requests, the share means nothing.
const ENOUGH_REQUESTS: u64 = 20;

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
    table_of_runs(report, &shown, document);
    if report.runs.len() > shown.len() {
        document.text(Tone::Muted, "All runs: dragline runs.");
    }
}

/// Renders a table of runs, then the custom statistics of each and the configurations.
pub(super) fn table_of_runs(report: &Report, runs: &[&Run], document: &mut Document) {
    let headers = [
        (Align::Fixed, "verdict"),
        (Align::Cut, "scraper"),
        (Align::Cut, "run"),
        (Align::Fixed, "start"),
        (Align::Right, "requests"),
        (Align::SpareRight, "ok"),
        (Align::Right, "items"),
        (Align::Right, "errors"),
        (Align::Spare, "last seen"),
        (Align::Spare, "reason"),
    ];
    let names = ShortNames::of(report);
    let rows = runs.iter().map(|run| {
        let (tone, verdict) = verdict(report, run);
        let cells = vec![
            verdict,
            names.name(run.scraper_id.as_ref(), run.site.as_ref()),
            run.run_id.clone(),
            short_minute(run.start.as_ref()),
            some(run.totals.requests),
            percent(run.totals.success_rate),
            some(run.totals.items),
            count(run.totals.errors),
            short_minute(run.last_seen.as_ref()),
            reason(run),
        ];
        (tone, cells)
    });
    document.table(&headers, rows.collect());
    own_statistics(&names, runs, document);
    configurations(&names, runs, document);
}

/// The verdict on a run in words, with what was wrong although it finished: a run that was refused has not gone well.
fn verdict(report: &Report, run: &Run) -> (Tone, String) {
    let verdict = run.verdict.clone().unwrap_or_else(unknown);
    match trouble(report, run) {
        Some(trouble) if matches!(&*verdict, "finished" | "running" | "?") => {
            (Tone::Critical, format!("{verdict}, {trouble}"))
        }
        _ => (tone_of_verdict(&verdict), verdict),
    }
}

/// What was wrong with a run: the most severe incident that it is part of, or refused requests. The words are short,
/// because the column is never cut.
fn trouble(report: &Report, run: &Run) -> Option<&'static str> {
    let own = report.insights.iter().filter(|insight| {
        insight.scraper_id == run.scraper_id && insight.site == run.site && is_during(insight, run)
    });
    let troubles =
        own.filter_map(
            |insight| match insight.kind.parse::<InsightKind>().ok()?.effect() {
                Effect::Blocked => Some("blocked"),
                Effect::LayoutChanged => Some("layout"),
                Effect::SilentFailure => Some("empty"),
                Effect::None | Effect::Degraded | Effect::Missed => None,
            },
        );
    troubles
        .min()
        .or_else(|| is_refused(run).then_some("blocked"))
}

/// Whether the site refused a large share of the run's requests.
fn is_refused(run: &Run) -> bool {
    let requests = run.totals.requests.unwrap_or(0);
    let codes = &run.totals.status_codes;
    let refused: u64 = ["403", "429"]
        .iter()
        .filter_map(|code| codes.get(*code))
        .sum();
    requests >= ENOUGH_REQUESTS && refused as f64 >= REFUSED * requests as f64
}

/// Whether a run was active during an incident. Without times, nothing is known.
fn is_during(insight: &Insight, run: &Run) -> bool {
    let time = |text: &Option<String>| Timestamp::parse(text.as_ref()?).ok();
    let Some((since, last)) = time(&insight.since).zip(time(&run.last_seen)) else {
        return false;
    };
    let begins_before = time(&run.start).zip(time(&insight.until));
    let is_after = begins_before.is_some_and(|(start, until)| start > until);
    // Without an end, an incident lasts until now if it is open, and is over otherwise.
    let is_known = insight.is_open || insight.until.is_some();
    since <= last && !is_after && is_known
}

/// Renders the custom statistics of the runs: a table for each scraper.
fn own_statistics(names: &ShortNames<'_>, runs: &[&Run], document: &mut Document) {
    let mut by_scraper: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.stats.is_empty()) {
        let name = names.name(run.scraper_id.as_ref(), run.site.as_ref());
        by_scraper.entry(name).or_default().push(run);
    }
    for (name, runs) in by_scraper {
        let statistics: BTreeSet<&String> = runs.iter().flat_map(|run| run.stats.keys()).collect();
        let mut headers = vec![
            (Align::Cut, "run".to_owned()),
            (Align::Fixed, "start".to_owned()),
        ];
        headers.extend(statistics.iter().enumerate().map(|(nth, name)| {
            // A narrow terminal drops the others.
            let align = if nth == 0 {
                Align::Right
            } else {
                Align::SpareRight
            };
            (align, (*name).clone())
        }));
        let rows = runs.iter().map(|run| {
            let mut cells = vec![run.run_id.clone(), short_minute(run.start.as_ref())];
            cells.extend(statistics.iter().map(|name| {
                let value = run.stats.get(*name);
                value.map_or_else(unknown, f64::to_string)
            }));
            (Tone::Plain, cells)
        });
        document.text(Tone::Muted, format!("Custom statistics of {name}:"));
        document.blocks.push(Block::Table {
            headers,
            rows: rows.collect(),
            figures: Vec::new(),
            is_stacked: false,
        });
    }
}

/// Renders the configuration of the latest run of each scraper, with the previous values that differ.
fn configurations(names: &ShortNames<'_>, runs: &[&Run], document: &mut Document) {
    let mut by_scraper: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.config.is_some()) {
        let name = names.name(run.scraper_id.as_ref(), run.site.as_ref());
        by_scraper.entry(name).or_default().push(run);
    }
    let mut rows: Vec<(Tone, Vec<String>)> = Vec::new();
    for (name, mut runs) in by_scraper {
        runs.sort_by_key(|run| run.start.clone());
        let mut latest_first = runs.iter().rev().filter_map(|run| run.config.as_ref());
        if let Some(latest) = latest_first.next() {
            rows.extend(settings(&name, latest, latest_first.next()));
        }
    }
    if rows.is_empty() {
        return;
    }
    // Without changes, there is no column for them.
    let has_changed = rows.iter().any(|(_, cells)| !cells[2].is_empty());
    let changes = if has_changed {
        ", and the values of the run before that differ"
    } else {
        for (_, cells) in &mut rows {
            cells.remove(2);
        }
        ""
    };
    document.text(
        Tone::Muted,
        format!("Configuration of the latest of these runs of each scraper{changes}:"),
    );
    let headers = [
        (Align::Left, "key"),
        (Align::Cut, "value"),
        (Align::Cut, "before"),
        (Align::Cut, "scraper"),
    ];
    let shown = headers
        .into_iter()
        .filter(|(_, name)| has_changed || *name != "before");
    document.table(&shown.collect::<Vec<_>>(), rows);
}

type Config = BTreeMap<String, serde_json::Value>;

/// A row for each key: its value, its value before if that differs, and the scraper.
fn settings(name: &str, latest: &Config, before: Option<&Config>) -> Vec<(Tone, Vec<String>)> {
    let former = before.into_iter().flat_map(BTreeMap::keys);
    let keys: BTreeSet<&String> = latest.keys().chain(former).collect();
    let row = |key: &String| {
        let value = |config: &Config| config.get(key).map_or_else(|| "not set".to_owned(), shown);
        let now = value(latest);
        let before = before.map(value).filter(|before| *before != now);
        let tone = match before {
            Some(_) => Tone::Warning,
            None => Tone::Plain,
        };
        let cells = vec![
            key.clone(),
            now,
            before.unwrap_or_default(),
            name.to_owned(),
        ];
        (tone, cells)
    };
    keys.into_iter().map(row).collect()
}

fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns the beginning of the reason why a run ended.
fn reason(run: &Run) -> String {
    dragline_schema::clip(run.finish_reason.as_deref().unwrap_or_default(), 24).to_owned()
}
