//! Tables of the counters: runs, files, activity over time, and findings.

use dragline_rollup::{ActivityRow, Counters, Finished, RunRow, Verdict};
use dragline_scan::Filter;
use dragline_schema::{RunKey, RunStatus, Timestamp};
use polars::prelude::*;

use std::collections::BTreeMap;

use dragline_classifier::RuleSet;
use dragline_insights::{Analysis, DAY, ErrorGroup, Finding, HOUR, Limits, Name, Whole};

use crate::frames::COUNTERS;

/// A column's name, SQL type and description.
type About = (&'static str, &'static str, &'static str);

/// The tables of counters: name, description of a row, columns. One column per counter follows.
pub const COUNTED: &[(&str, &str, &[About])] = &[
    (
        "runs",
        "Runs, as in the report. Rows without run_id hold what belongs to no run.",
        &[
            ("scraper_id", "VARCHAR", "the scraper"),
            ("site", "VARCHAR", "the site"),
            ("run_id", "VARCHAR", "the run"),
            ("started", "TIMESTAMP", "when it started"),
            (
                "ended",
                "TIMESTAMP",
                "when it ended; null if no end was logged",
            ),
            ("last_seen", "TIMESTAMP", "the time of its last line"),
            (
                "duration_seconds",
                "DOUBLE",
                "time from the start to the end, or to the last line, in seconds",
            ),
            ("status", "VARCHAR", "the final status that the run logged"),
            (
                "finish_reason",
                "VARCHAR",
                "the reason that it logged for its end",
            ),
            ("verdict", "VARCHAR", "the outcome of the run"),
            (
                "missing_seq",
                "BIGINT",
                "the number of missing lines, by their sequence numbers",
            ),
            ("host", "VARCHAR", "the machine on which it ran"),
            (
                "pages",
                "BIGINT",
                "the number of pages, as reported by the run",
            ),
            (
                "config",
                "VARCHAR",
                "the run's configuration, a JSON object",
            ),
            ("stats", "VARCHAR", "custom statistics, a JSON object"),
        ],
    ),
    (
        "files",
        "Files that were read.",
        &[
            ("path", "VARCHAR", "the path of the file"),
            ("bytes", "BIGINT", "the size on disk, in bytes"),
            ("lines", "BIGINT", "the number of lines"),
            ("events", "BIGINT", "the number of log records"),
            (
                "zoneless",
                "BIGINT",
                "the number of records whose time has no time zone",
            ),
            ("truncated", "BOOLEAN", "whether it is a truncated archive"),
            ("modified", "TIMESTAMP", "when it was last modified"),
        ],
    ),
    (
        "activity_by_bucket",
        "The activity of each run in each time bucket.",
        &[
            ("start", "TIMESTAMP", "the start of the bucket"),
            ("scraper_id", "VARCHAR", "the scraper"),
            ("site", "VARCHAR", "the site"),
            ("run_id", "VARCHAR", "the run"),
        ],
    ),
    (
        "daily",
        "The activity of each scraper on each day (UTC).",
        &[
            ("start", "TIMESTAMP", "the start of the day"),
            ("scraper_id", "VARCHAR", "the scraper"),
            ("site", "VARCHAR", "the site"),
        ],
    ),
    (
        "hourly",
        "The activity of each scraper in each hour. For long periods, where buckets are wider than an hour, in each bucket.",
        &[
            ("start", "TIMESTAMP", "the start of the hour"),
            ("scraper_id", "VARCHAR", "the scraper"),
            ("site", "VARCHAR", "the site"),
        ],
    ),
    (
        "findings",
        "Findings, most severe first, as in a report without configured limits.",
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
            ("until", "TIMESTAMP", "when it ended; null while it is open"),
            ("is_open", "BOOLEAN", "whether it is still ongoing"),
            ("scraper_id", "VARCHAR", "the scraper"),
            ("site", "VARCHAR", "the site"),
            ("metric", "VARCHAR", "the metric that deviated"),
            (
                "expected_lower",
                "DOUBLE",
                "the lower end of the expected range",
            ),
            (
                "expected_upper",
                "DOUBLE",
                "the upper end of the expected range",
            ),
            ("observed", "DOUBLE", "the observed value"),
            ("title", "VARCHAR", "what happened, in one sentence"),
            ("file", "VARCHAR", "a log file that shows it"),
            ("line", "BIGINT", "the line number in that file, from 1"),
            ("recommendation", "VARCHAR", "the recommended action"),
            ("runbook", "VARCHAR", "the name of the runbook"),
        ],
    ),
];

/// Whether a table of counters has one column per counter.
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

/// Signed, so that differences can be negative. All counts fit.
fn counts(name: &str, values: impl Iterator<Item = u64>) -> Column {
    Column::new(name.into(), values.map(|n| n as i64).collect::<Vec<_>>())
}

/// One column per counter; null if the run's log does not contain it.
fn counters(rows: &[(&RunRow, &Counters)]) -> Vec<Column> {
    COUNTERS
        .iter()
        .map(|counter| {
            let value = |(run, counters): &(&RunRow, &Counters)| {
                is_known(counter.name, run).then(|| (counter.read)(counters) as i64)
            };
            let values: Vec<Option<i64>> = rows.iter().map(value).collect();
            Column::new(counter.name.into(), values)
        })
        .collect()
}

/// Whether the log of a run contains a counter.
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

/// Builds a table of counters, with the rows of the scrapers, sites and runs that the filter selects. Its times and
/// its level are not applied: [`ignored`] says so.
pub(super) fn table(
    name: &str,
    finished: &Finished,
    rules: &RuleSet,
    filter: &Filter,
) -> PolarsResult<DataFrame> {
    let columns = match name {
        "runs" => runs(finished, filter)?,
        "files" => files(finished)?,
        "daily" => spans(finished, DAY, filter)?,
        "hourly" => spans(finished, HOUR, filter)?,
        "findings" => findings(finished, rules, filter)?,
        _ => activity(finished, filter)?,
    };
    DataFrame::new_infer_height(columns)
}

/// The options of the filter that do not apply to a table of counters, by name.
pub(super) fn ignored(name: &str, filter: &Filter) -> Vec<&'static str> {
    let is_files = name == "files";
    let options = [
        ("--since", filter.since.is_some()),
        ("--until", filter.until.is_some()),
        ("--level", filter.level.is_some()),
        ("--scraper", filter.scraper.is_some() && is_files),
        ("--site", filter.site.is_some() && is_files),
        (
            "--run",
            filter.run.is_some() && (is_files || name == "findings"),
        ),
    ];
    let given = options.into_iter().filter(|(_, is_ignored)| *is_ignored);
    given.map(|(option, _)| option).collect()
}

fn runs(finished: &Finished, filter: &Filter) -> PolarsResult<Vec<Column>> {
    let rows = finished.runs.iter();
    let rows: Vec<&RunRow> = rows.filter(|run| filter.takes_run(&run.key)).collect();
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
    let counted: Vec<_> = rows.iter().map(|run| (*run, &run.counters)).collect();
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

fn activity(finished: &Finished, filter: &Filter) -> PolarsResult<Vec<Column>> {
    let key = |index: usize| &finished.runs[index].key;
    let rows = finished.activity.iter();
    let rows: Vec<&ActivityRow> = rows.filter(|row| filter.takes_run(key(row.run))).collect();
    let start = |row: &&ActivityRow| Some(Timestamp::from_micros(row.start));
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

/// The activity of each scraper per time span of the given width (at least the width of a bucket).
fn spans(finished: &Finished, width: i64, filter: &Filter) -> PolarsResult<Vec<Column>> {
    let width = width.max(finished.bucket_micros);
    let mut spans: BTreeMap<(i64, Name), Vec<Option<i64>>> = BTreeMap::new();
    for row in &finished.activity {
        let run = &finished.runs[row.run];
        if !filter.takes_run(&run.key) {
            continue;
        }
        let name = (run.key.scraper_id.clone(), run.key.site.clone());
        let start = row.start.div_euclid(width) * width;
        let sums = spans
            .entry((start, name))
            .or_insert_with(|| vec![None; COUNTERS.len()]);
        for (sum, counter) in sums.iter_mut().zip(COUNTERS) {
            if is_known(counter.name, run) {
                let value = (counter.read)(&row.counters) as i64;
                let before = sum.unwrap_or(0);
                // Maxima are combined by taking the maximum.
                *sum = Some(if counter.name.contains("_max_") {
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
    columns.extend(COUNTERS.iter().enumerate().map(|(place, counter)| {
        let values: Vec<Option<i64>> = spans.values().map(|sums| sums[place]).collect();
        Column::new(counter.name.into(), values)
    }));
    Ok(columns)
}

/// The findings.
fn findings(finished: &Finished, rules: &RuleSet, filter: &Filter) -> PolarsResult<Vec<Column>> {
    let groups: Vec<ErrorGroup> = finished.groups.iter().filter_map(ErrorGroup::of).collect();
    let end = finished.period.map(|(_, last)| last.plus_micros(1));
    let found = Analysis::of(finished, end).findings(
        finished,
        &groups,
        rules,
        (&Limits::default(), &Whole::default()),
    );
    // A finding about several scrapers has no scraper, and no finding has a run.
    let takes = |one: &&Finding| {
        let (scraper_id, site) = (one.scraper.scraper_id.clone(), one.scraper.site.clone());
        let is_shared = scraper_id.is_none() && site.is_none();
        let run_id = filter.run.clone();
        let key = RunKey {
            scraper_id,
            site,
            run_id,
        };
        is_shared || filter.takes_run(&key)
    };
    let rows = || found.iter().filter(takes);
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

#[cfg(test)]
mod tests {
    use dragline_rollup::Rollup;

    use super::*;
    use crate::sql::{COMMON, Kind, TABLES};

    /// The name in SQL of a column's type.
    fn sql_type(kind: &DataType) -> &'static str {
        match kind {
            DataType::String => "VARCHAR",
            DataType::Int64 => "BIGINT",
            DataType::Float64 => "DOUBLE",
            DataType::Boolean => "BOOLEAN",
            DataType::Datetime(..) => "TIMESTAMP",
            other => panic!("{other} is in no table"),
        }
    }

    #[test]
    fn every_table_has_the_columns_that_are_declared() {
        let finished = Rollup::default().finish(Timestamp::from_seconds(1_772_700_000));
        for (name, _, own) in COUNTED {
            let frame = table(name, &finished, &RuleSet::shipped(), &Filter::default()).unwrap();
            let found: Vec<(String, &str)> = frame
                .columns()
                .iter()
                .map(|column| (column.name().to_string(), sql_type(column.dtype())))
                .collect();
            let own = own.iter().map(|(name, kind, _)| (*name, *kind));
            let counters = COUNTERS.iter().filter(|_| has_counters(name));
            let counters = counters.map(|counter| (counter.name, Kind::Count.as_sql()));
            let declared: Vec<(String, &str)> = own
                .chain(counters)
                .map(|(name, kind)| (name.to_owned(), kind))
                .collect();
            assert_eq!(found, declared, "{name}");
        }
    }

    /// A meaning is more than the name in other letters.
    #[test]
    fn every_column_has_a_meaning() {
        let counted = COUNTED.iter().flat_map(|(_, _, own)| *own);
        let counted = counted.map(|(name, _, about)| (*name, *about));
        let counters = COUNTERS.iter().map(|counter| (counter.name, counter.about));
        let events = TABLES.iter().flat_map(|table| &table.own).chain(COMMON);
        let events = events.map(|column| (column.name, column.about));
        for (name, about) in counted.chain(counters).chain(events) {
            let said = about.trim().trim_end_matches('.').to_lowercase();
            assert!(
                said.contains(' ') && said != name.replace('_', " "),
                "{name}: {about}"
            );
            let units = [
                ("_ms", "in milliseconds"),
                ("_micros", "in microseconds"),
                ("_seconds", "in seconds"),
                ("bytes", "bytes"),
                ("percent", "percent"),
            ];
            for (end, unit) in units.iter().filter(|(end, _)| name.ends_with(end)) {
                let is_there = said.contains(unit) || said.contains("from 0 to 100");
                assert!(is_there, "{name} lacks its unit ({end}): {about}");
            }
        }
    }
}
