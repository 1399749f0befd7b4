//! Tables of what was counted: runs, files, and activity over time.

use dragline_rollup::{Counters, Finished, RunRow, Verdict};
use dragline_schema::{RunStatus, Timestamp};
use polars::prelude::*;

use std::collections::BTreeMap;

use dragline_classifier::RuleSet;
use dragline_insights::{Analysis, DAY, ErrorGroup, Finding, HOUR, Limits, Name, Whole};

use crate::frames::COUNTERS;

/// A column's name, its type in SQL, and what it holds.
type About = (&'static str, &'static str, &'static str);

/// The tables of what was counted: name, what a row is, columns. A column for each counter follows.
pub const COUNTED: &[(&str, &str, &[About])] = &[
    (
        "runs",
        "Runs, and under no run_id what stands outside of any, as the report has them.",
        &[
            ("scraper_id", "VARCHAR", "which scraper"),
            ("site", "VARCHAR", "which site"),
            ("run_id", "VARCHAR", "which run"),
            ("started", "TIMESTAMP", "when it began"),
            ("ended", "TIMESTAMP", "when it ended; null without an end"),
            ("last_seen", "TIMESTAMP", "its last line"),
            (
                "duration_seconds",
                "DOUBLE",
                "from start to end, or to the last line",
            ),
            ("status", "VARCHAR", "how it says it ended"),
            ("finish_reason", "VARCHAR", "why"),
            ("verdict", "VARCHAR", "what became of it"),
            (
                "missing_seq",
                "BIGINT",
                "lines that are missing by their numbers",
            ),
            ("host", "VARCHAR", "the machine that it ran on"),
            (
                "pages",
                "BIGINT",
                "pages that came to it, by its own account",
            ),
            (
                "config",
                "VARCHAR",
                "what it was configured with, a JSON object",
            ),
            (
                "stats",
                "VARCHAR",
                "what its author counted and measured, a JSON object",
            ),
        ],
    ),
    (
        "files",
        "Files that were read.",
        &[
            ("path", "VARCHAR", "the file"),
            ("bytes", "BIGINT", "its size on disk"),
            ("lines", "BIGINT", "its lines"),
            ("events", "BIGINT", "records that were made of them"),
            ("zoneless", "BIGINT", "records whose time names no zone"),
            (
                "truncated",
                "BOOLEAN",
                "whether it is an archive that ends before its end",
            ),
            ("modified", "TIMESTAMP", "when it was last written"),
        ],
    ),
    (
        "activity_by_bucket",
        "What each run did in each bucket of time.",
        &[
            ("start", "TIMESTAMP", "the bucket's start"),
            ("scraper_id", "VARCHAR", "which scraper"),
            ("site", "VARCHAR", "which site"),
            ("run_id", "VARCHAR", "which run"),
        ],
    ),
    (
        "daily",
        "What each scraper did on each day (UTC).",
        &[
            ("start", "TIMESTAMP", "the day's begin"),
            ("scraper_id", "VARCHAR", "which scraper"),
            ("site", "VARCHAR", "which site"),
        ],
    ),
    (
        "hourly",
        "What each scraper did in each hour; over long periods, where hours are not kept apart, in each bucket.",
        &[
            ("start", "TIMESTAMP", "the hour's begin"),
            ("scraper_id", "VARCHAR", "which scraper"),
            ("site", "VARCHAR", "which site"),
        ],
    ),
    (
        "findings",
        "What is worth knowing, the worst first, as the report has it without limits of a configuration.",
        &[
            (
                "id",
                "VARCHAR",
                "the same for the same incident in every report",
            ),
            (
                "kind",
                "VARCHAR",
                "block_wave, layout_change, run_killed, …",
            ),
            ("severity", "VARCHAR", "low, medium, high or critical"),
            ("since", "TIMESTAMP", "the onset"),
            (
                "until",
                "TIMESTAMP",
                "when it was over; null as long as it is open",
            ),
            ("is_open", "BOOLEAN", "whether nothing says that it is over"),
            ("scraper_id", "VARCHAR", "which scraper"),
            ("site", "VARCHAR", "which site"),
            ("metric", "VARCHAR", "the metric that told"),
            ("expected_lower", "DOUBLE", "what was expected of it, from"),
            ("expected_upper", "DOUBLE", "what was expected of it, to"),
            ("observed", "DOUBLE", "what it was"),
            ("title", "VARCHAR", "what happened, in a sentence"),
            ("file", "VARCHAR", "a file that shows it"),
            ("line", "BIGINT", "the line there, from 1"),
            ("recommendation", "VARCHAR", "what to do"),
            ("runbook", "VARCHAR", "the name of the runbook"),
        ],
    ),
];

/// Whether a table of what was counted has a column for each counter.
pub fn has_counters(table: &str) -> bool {
    !matches!(table, "files" | "findings")
}

fn texts<'t>(name: &str, values: impl Iterator<Item = Option<&'t str>>) -> Column {
    Column::new(name.into(), values.collect::<Vec<_>>())
}

fn times(name: &str, values: impl Iterator<Item = Option<Timestamp>>) -> PolarsResult<Column> {
    let micros: Vec<Option<i64>> = values.map(|time| time.map(Timestamp::as_micros)).collect();
    Column::new(name.into(), micros).cast(&DataType::Datetime(TimeUnit::Microseconds, None))
}

/// Signed, so that a difference is what it is. No count is so large that it does not fit.
fn counts(name: &str, values: impl Iterator<Item = u64>) -> Column {
    Column::new(name.into(), values.map(|n| n as i64).collect::<Vec<_>>())
}

/// A column for each counter; null where the log of the run does not tell it.
fn counters(rows: &[(&RunRow, &Counters)]) -> Vec<Column> {
    COUNTERS
        .iter()
        .map(|(name, read)| {
            let value = |(run, counters): &(&RunRow, &Counters)| {
                is_known(name, run).then(|| read(counters) as i64)
            };
            let values: Vec<Option<i64>> = rows.iter().map(value).collect();
            Column::new((*name).into(), values)
        })
        .collect()
}

/// Whether the log of a run tells a counter.
fn is_known(name: &str, run: &RunRow) -> bool {
    let known = &run.known;
    match name {
        "requests" | "requests_unjudged" | "blocked" => known.requests,
        "requests_failed" => {
            known.requests && run.counters.requests_unjudged < run.counters.requests.max(1)
        }
        "items" => known.items,
        "items_found" => known.found,
        "items_failed" => known.items || run.counters.failed > 0,
        "bytes" => known.bytes,
        "response_micros" | "response_max_micros" => run.counters.response_time.count > 0,
        _ => true,
    }
}

/// A table of what was counted.
pub(super) fn table(name: &str, finished: &Finished, rules: &RuleSet) -> PolarsResult<DataFrame> {
    let columns = match name {
        "runs" => runs(finished)?,
        "files" => files(finished)?,
        "daily" => spans(finished, DAY)?,
        "hourly" => spans(finished, HOUR)?,
        "findings" => findings(finished, rules)?,
        _ => activity(finished)?,
    };
    DataFrame::new_infer_height(columns)
}

fn runs(finished: &Finished) -> PolarsResult<Vec<Column>> {
    let rows = &finished.runs;
    let stats = rows.iter().map(|run| &run.stats);
    let stats: Vec<Option<String>> = stats
        .map(|stats| {
            serde_json::to_string(stats)
                .ok()
                .filter(|_| !stats.is_empty())
        })
        .collect();
    let pages = rows.iter().map(|run| run.pages.map(|pages| pages as i64));
    let pages: Vec<Option<i64>> = pages.collect();
    let durations: Vec<Option<f64>> = rows.iter().map(|run| run.duration_seconds).collect();
    let mut columns = vec![
        texts(
            "scraper_id",
            rows.iter().map(|run| run.key.scraper_id.as_deref()),
        ),
        texts("site", rows.iter().map(|run| run.key.site.as_deref())),
        texts("run_id", rows.iter().map(|run| run.key.run_id.as_deref())),
        times("started", rows.iter().map(|run| run.start))?,
        times("ended", rows.iter().map(|run| run.end))?,
        times("last_seen", rows.iter().map(|run| run.last_seen))?,
        Column::new("duration_seconds".into(), durations),
        texts(
            "status",
            rows.iter().map(|run| run.status.map(RunStatus::as_str)),
        ),
        texts(
            "finish_reason",
            rows.iter().map(|run| run.finish_reason.as_deref()),
        ),
        texts(
            "verdict",
            rows.iter().map(|run| run.verdict.map(Verdict::as_str)),
        ),
        counts("missing_seq", rows.iter().map(|run| run.missing_seq)),
        texts("host", rows.iter().map(|run| run.machine.as_deref())),
        Column::new("pages".into(), pages),
        texts("config", rows.iter().map(|run| run.config.as_deref())),
        Column::new("stats".into(), stats),
    ];
    let counted: Vec<_> = rows.iter().map(|run| (run, &run.counters)).collect();
    columns.extend(counters(&counted));
    Ok(columns)
}

fn files(finished: &Finished) -> PolarsResult<Vec<Column>> {
    let files = || finished.files.values();
    let truncated: Vec<bool> = files().map(|file| file.truncated).collect();
    Ok(vec![
        texts(
            "path",
            finished.files.keys().map(|path| Some(path.as_str())),
        ),
        counts("bytes", files().map(|file| file.bytes)),
        counts("lines", files().map(|file| file.lines)),
        counts("events", files().map(|file| file.events)),
        counts("zoneless", files().map(|file| file.zoneless)),
        Column::new("truncated".into(), truncated),
        times("modified", files().map(|file| file.modified))?,
    ])
}

fn activity(finished: &Finished) -> PolarsResult<Vec<Column>> {
    let rows = &finished.activity;
    let key = |index: usize| &finished.runs[index].key;
    let start = |row: &dragline_rollup::ActivityRow| Some(Timestamp::from_micros(row.start));
    let mut columns = vec![
        times("start", rows.iter().map(start))?,
        texts(
            "scraper_id",
            rows.iter().map(|row| key(row.run).scraper_id.as_deref()),
        ),
        texts("site", rows.iter().map(|row| key(row.run).site.as_deref())),
        texts(
            "run_id",
            rows.iter().map(|row| key(row.run).run_id.as_deref()),
        ),
    ];
    let counted: Vec<_> = rows
        .iter()
        .map(|row| (&finished.runs[row.run], &row.counters))
        .collect();
    columns.extend(counters(&counted));
    Ok(columns)
}

/// What each scraper did in each span of time of that width, or of a bucket's where that is more.
fn spans(finished: &Finished, width: i64) -> PolarsResult<Vec<Column>> {
    let width = width.max(finished.bucket_micros);
    let mut spans: BTreeMap<(i64, Name), Vec<Option<i64>>> = BTreeMap::new();
    for row in &finished.activity {
        let run = &finished.runs[row.run];
        let name = (run.key.scraper_id.clone(), run.key.site.clone());
        let start = row.start.div_euclid(width) * width;
        let sums = spans
            .entry((start, name))
            .or_insert_with(|| vec![None; COUNTERS.len()]);
        for (sum, (name, read)) in sums.iter_mut().zip(COUNTERS) {
            if is_known(name, run) {
                let value = read(&row.counters) as i64;
                let before = sum.unwrap_or(0);
                // A maximum adds up to the largest.
                *sum = Some(if name.contains("_max_") {
                    before.max(value)
                } else {
                    before + value
                });
            }
        }
    }
    let keys = || spans.keys();
    let start = |(start, _): &(i64, Name)| Some(Timestamp::from_micros(*start));
    let mut columns = vec![
        times("start", keys().map(start))?,
        texts("scraper_id", keys().map(|(_, name)| name.0.as_deref())),
        texts("site", keys().map(|(_, name)| name.1.as_deref())),
    ];
    columns.extend(COUNTERS.iter().enumerate().map(|(place, (name, _))| {
        let values: Vec<Option<i64>> = spans.values().map(|sums| sums[place]).collect();
        Column::new((*name).into(), values)
    }));
    Ok(columns)
}

/// What is worth knowing.
fn findings(finished: &Finished, rules: &RuleSet) -> PolarsResult<Vec<Column>> {
    let groups: Vec<ErrorGroup> = finished.groups.iter().filter_map(ErrorGroup::of).collect();
    let end = finished.period.map(|(_, last)| last.plus_micros(1));
    let found = Analysis::of(finished, end).findings(
        finished,
        &groups,
        rules,
        (&Limits::default(), &Whole::default()),
    );
    let rows = || found.iter();
    let numbers = |name: &str, of: &dyn Fn(&Finding) -> Option<f64>| {
        Column::new(name.into(), rows().map(of).collect::<Vec<_>>())
    };
    let lines: Vec<Option<i64>> = rows()
        .map(|one| one.evidence.first().map(|at| at.line as i64))
        .collect();
    let open: Vec<bool> = rows().map(|one| one.is_open).collect();
    Ok(vec![
        texts("id", rows().map(|one| Some(&*one.id))),
        texts("kind", rows().map(|one| Some(one.kind.name()))),
        texts("severity", rows().map(|one| Some(one.severity.as_str()))),
        times("since", rows().map(|one| one.since))?,
        times("until", rows().map(|one| one.until))?,
        Column::new("is_open".into(), open),
        texts(
            "scraper_id",
            rows().map(|one| one.scraper.scraper_id.as_deref()),
        ),
        texts("site", rows().map(|one| one.scraper.site.as_deref())),
        texts("metric", rows().map(|one| one.metric.as_deref())),
        numbers("expected_lower", &|one| {
            one.expected.map(|range| range.lower)
        }),
        numbers("expected_upper", &|one| {
            one.expected.map(|range| range.upper)
        }),
        numbers("observed", &|one| one.observed),
        texts("title", rows().map(|one| Some(&*one.title))),
        texts(
            "file",
            rows().map(|one| one.evidence.first().map(|at| &*at.file)),
        ),
        Column::new("line".into(), lines),
        texts(
            "recommendation",
            rows().map(|one| Some(&*one.recommendation)),
        ),
        texts("runbook", rows().map(|one| Some(one.runbook))),
    ])
}
