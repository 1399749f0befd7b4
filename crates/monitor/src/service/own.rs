//! The metrics of the service itself. Their names have a prefix of their own, so that they are never added to those
//! that scrapers export.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::Monitor;

/// What the threads count.
#[derive(Debug, Default)]
pub(crate) struct OwnCounters {
    pub(crate) lines: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) analyses: AtomicU64,
    pub(crate) evaluations: AtomicU64,
    pub(crate) notices: AtomicU64,
    pub(crate) failed_notices: AtomicU64,
    pub(crate) dropped_records: AtomicU64,
    reports: AtomicU64,
    failed_reports: AtomicU64,
}

impl OwnCounters {
    /// Counts attempts to deliver a scheduled report.
    pub(crate) fn count_reports(&self, delivered: u64, failed: u64) {
        self.reports.fetch_add(delivered, Relaxed);
        self.failed_reports.fetch_add(failed, Relaxed);
    }
}

/// What the names of all metrics of the service begin with.
const PREFIX: &str = "dragline_monitor_";

/// The counters, without prefix and `_total`, with their descriptions.
const COUNTERS: [(&str, &str); 9] = [
    ("lines", "Log lines read since the start."),
    ("commits", "Commits of counts since the start."),
    ("analyses", "Analyses since the start."),
    (
        "evaluations",
        "Evaluations of the alert rules since the start.",
    ),
    ("notices", "Notices that were delivered."),
    (
        "notices_failed",
        "Attempts to deliver a notice that failed.",
    ),
    (
        "reports",
        "Scheduled reports that were delivered, counted for each channel.",
    ),
    (
        "reports_failed",
        "Attempts to deliver a scheduled report that failed.",
    ),
    (
        "records_dropped",
        "Records of the database that were dropped for age or size.",
    ),
];

/// The gauges, without prefix, with their descriptions.
const GAUGES: [(&str, &str); 8] = [
    ("up_seconds", "Seconds since the start."),
    ("lag_seconds", "Seconds that reading lags behind writing."),
    ("active_runs", "Runs in progress."),
    ("scrapers", "Scrapers on sites."),
    ("alerts_firing", "Alerts that fire."),
    ("store_bytes", "Size of the database."),
    ("analysis_seconds", "Duration of the last analysis."),
    ("tasks_failing", "Tasks that failed the last time."),
];

/// The metrics of the service itself: name as exported, type and description.
///
/// ```
/// let names = dragline_monitor::service::own_metrics();
/// assert!(names.iter().any(|(name, _, _)| name == "dragline_monitor_lines_total"));
/// ```
pub fn own_metrics() -> Vec<(String, &'static str, &'static str)> {
    let counters = COUNTERS.map(|(name, help)| (format!("{PREFIX}{name}_total"), "counter", help));
    let gauges = GAUGES.map(|(name, help)| (format!("{PREFIX}{name}"), "gauge", help));
    counters.into_iter().chain(gauges).collect()
}

impl Monitor {
    /// The metrics of the service in Prometheus' text format. What is not known is left out.
    pub fn own_metrics(&self) -> String {
        let counters = self.own_counters().map(Some);
        let values = counters.into_iter().chain(self.own_gauges());
        let mut text = String::new();
        for ((name, kind, help), value) in own_metrics().into_iter().zip(values) {
            if let Some(value) = value {
                let _ = writeln!(
                    text,
                    "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
                );
            }
        }
        text
    }

    /// The values of [`COUNTERS`].
    fn own_counters(&self) -> [f64; COUNTERS.len()] {
        let own = &self.own;
        [
            &own.lines,
            &own.commits,
            &own.analyses,
            &own.evaluations,
            &own.notices,
            &own.failed_notices,
            &own.reports,
            &own.failed_reports,
            &own.dropped_records,
        ]
        .map(|counter| counter.load(Relaxed) as f64)
    }

    /// The values of [`GAUGES`].
    fn own_gauges(&self) -> [Option<f64>; GAUGES.len()] {
        let now = self.time();
        let live = self.shared.live();
        let age = |at: dragline_schema::Timestamp| now.since(at).max(0) as f64 / 1e6;
        let tasks = self.tasks.all();
        let failing = tasks.iter().filter(|(_, task)| task.error.is_some());
        [
            Some(age(self.started_at)),
            self.lag().map(|lag| lag as f64 / 1e6),
            Some(live.active_runs() as f64),
            Some(live.scrapers.len() as f64),
            Some(self.alerts.firing_count() as f64),
            Some(self.store.bytes() as f64),
            self.judged().map(|judged| judged.took.as_secs_f64()),
            Some(failing.count() as f64),
        ]
    }

    /// By how much reading lags behind, in microseconds; `None` if nothing was read yet.
    pub(crate) fn lag(&self) -> Option<i64> {
        let live = self.shared.live();
        let reached = live.watermark()?;
        Some(self.time().since(reached).max(0))
    }
}
