//! The analysis: from the counts of the last weeks to verdicts, findings and a report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dragline_alerting::Observation;
use dragline_alerting::rule::Rule;
use dragline_classifier::RuleSet;
use dragline_report::render::{self, Layout};
use dragline_report::{Activity, Report, ReportOptions, Seen, activity, report_with};
use dragline_rollup::{Finished, GroupRow};
use dragline_schema::{RunKey, Timestamp};
use dragline_watch::of_analysis;

use crate::fixes::{Fixes, Watched};
use crate::reports::redact_report;
use crate::store::{Store, StoredRun};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Runs that were active since then tell the alert rules something, in microseconds.
const RUNS_SINCE: i64 = 2 * DAY;
/// How long loading the counts may take.
const LIMIT: Duration = Duration::from_mins(5);
/// Number of runs that a kept report lists; all of them are in the database.
const RUNS: usize = 3_000;
/// An analysis may take at most this share (1/n) of the time.
const SHARE: u32 = 10;

/// The outcome of an analysis.
#[derive(Debug)]
pub struct Judged {
    /// When it was made.
    pub at: Timestamp,
    /// The report on the last weeks, without secrets. Its runs are the latest ones only.
    pub report: Report,
    /// Values over time.
    pub activity: Activity,
    /// The runs that were killed: they say no end.
    pub(crate) killed: BTreeSet<RunKey>,
    /// The runs with errors of each group, by the group's id.
    pub(crate) errors: BTreeMap<String, ErrorsOfGroup>,
    /// What it says to the alert rules: signs of life of runs with the time until which the next is due, and values of
    /// runs.
    pub observations: Vec<Observation>,
    /// What it says about findings that were marked as mended.
    pub(crate) fixes: Vec<Watched>,
    /// How long it took.
    pub took: Duration,
    layout: Layout,
    page: OnceLock<String>,
}

impl Judged {
    /// The report as an HTML document.
    pub fn page(&self) -> &str {
        self.page
            .get_or_init(|| render::page(&self.report, &self.activity, &self.layout))
    }

    /// The time that has to pass before the next analysis, so that analyses take a small share of the machine.
    pub fn rest(&self, least: Duration) -> Duration {
        least.max(self.took * SHARE)
    }
}

/// The runs with errors of a group.
#[derive(Debug)]
pub(crate) struct ErrorsOfGroup {
    /// The runs, with the number of errors in each.
    pub(crate) runs: Vec<ErrorsOfRun>,
    /// Whether these are all of them: of a group that very many runs have, only some are known.
    pub(crate) is_complete: bool,
}

/// The errors of a group in a run.
#[derive(Debug)]
pub(crate) struct ErrorsOfRun {
    pub(crate) run: Arc<JudgedRun>,
    pub(crate) count: u64,
}

/// A run with errors; the groups of these share it.
#[derive(Debug)]
pub(crate) struct JudgedRun {
    pub(crate) key: RunKey,
    /// The time of its first and of its last line.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
}

/// The runs with errors of each group, by the group's id.
fn errors_of(finished: &Finished) -> BTreeMap<String, ErrorsOfGroup> {
    let mut known: BTreeMap<usize, Arc<JudgedRun>> = BTreeMap::new();
    let mut of_run = |(place, count): (&usize, &u64)| {
        let run = finished.runs.get(*place)?;
        let judged = known.entry(*place).or_insert_with(|| {
            Arc::new(JudgedRun {
                key: run.key.clone(),
                span: run.start.zip(run.end.max(run.last_seen)),
            })
        });
        Some(ErrorsOfRun {
            run: Arc::clone(judged),
            count: *count,
        })
    };
    let mut of_group = |row: &GroupRow| {
        let errors = ErrorsOfGroup {
            runs: row.by_run.iter().filter_map(&mut of_run).collect(),
            is_complete: row.by_run.values().sum::<u64>() >= row.group.count,
        };
        (format!("{:016x}", row.id), errors)
    };
    finished.groups.iter().map(&mut of_group).collect()
}

/// What an analysis needs to know beside the counts.
#[derive(Clone, Debug)]
pub struct JudgeOptions {
    /// The rules that classify errors.
    pub rules: Arc<RuleSet>,
    /// Prices, mutes and limits; the time is replaced.
    pub report: ReportOptions,
    /// The layout of the report's page.
    pub layout: Layout,
    /// The alert rules.
    pub alert_rules: Vec<Rule>,
    /// Number of days that it looks back.
    pub history_days: u32,
}

/// Analyses everything that is stored of the last days, and stores what it says about runs.
///
/// # Errors
/// A sentence, if the counts cannot be read or the analysis fails.
pub(crate) fn judge(
    store: &Store,
    options: &JudgeOptions,
    fixes: &Fixes,
    now: Timestamp,
) -> Result<Judged, String> {
    let begun = Instant::now();
    let finished = counts(store, options, now)?;
    let report = ReportOptions {
        generated_at: now,
        ..options.report.clone()
    };
    let since = now.plus_micros(-RUNS_SINCE);
    let look = |seen: Seen<'_, '_>| {
        let observations = of_analysis(
            seen.analysis,
            &options.alert_rules,
            since,
            &dragline_insights::Starts::new(),
        );
        (observations, fixes.watch(seen.analysis))
    };
    let report = report_with(&finished, None, &options.rules, &report, look);
    let (mut report, (observations, fixes)) =
        report.map_err(|error| format!("the analysis failed: {error}"))?;
    let activity = activity(&finished);
    let errors = errors_of(&finished);
    drop(finished);
    let runs: Vec<StoredRun> = report.runs.iter().map(stored).collect();
    let killed = runs.iter();
    let killed = killed.filter(|run| run.verdict.as_deref() == Some("killed"));
    let killed = killed.map(|run| run.key.clone()).collect();
    store.put_runs(runs).map_err(|error| error.to_string())?;
    let surplus = report.runs.len().saturating_sub(RUNS);
    report.runs.drain(..surplus);
    redact_report(&mut report);
    Ok(Judged {
        at: now,
        report,
        activity,
        killed,
        errors,
        observations,
        fixes,
        took: begun.elapsed(),
        layout: options.layout.clone(),
        page: OnceLock::new(),
    })
}

/// The counts of the last days, which an analysis is made of.
pub(crate) fn counts(
    store: &Store,
    options: &JudgeOptions,
    now: Timestamp,
) -> Result<Finished, String> {
    let today = now.as_micros().div_euclid(DAY);
    let from = today - i64::from(options.history_days);
    let rollup = store.load(from, LIMIT).map_err(|error| error.to_string())?;
    Ok(rollup.finish(now))
}

/// A time of a report.
pub(crate) fn time_of(text: Option<&String>) -> Option<Timestamp> {
    Timestamp::parse(text?).ok()
}

fn stored(run: &dragline_report::model::Run) -> StoredRun {
    let totals = &run.totals;
    StoredRun {
        key: RunKey {
            scraper_id: run.scraper_id.clone(),
            site: run.site.clone(),
            run_id: Some(run.run_id.clone()),
        },
        start: time_of(run.start.as_ref()),
        end: time_of(run.end.as_ref()),
        last_seen: time_of(run.last_seen.as_ref()),
        duration_seconds: run.duration_seconds,
        verdict: run.verdict.clone(),
        finish_reason: run.finish_reason.clone(),
        requests: totals.requests,
        requests_failed: totals.requests_failed,
        items: totals.items,
        errors: totals.errors,
        rate_limits: totals.rate_limits,
        bytes: totals.bytes,
        response_time_ms: totals
            .response_time_ms
            .as_ref()
            .map(|times| (times.p50, times.p95)),
        host: run.host.clone(),
    }
}
