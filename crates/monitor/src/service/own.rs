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
}

impl Monitor {
    /// The metrics of the service in Prometheus' text format.
    pub fn own_metrics(&self) -> String {
        let own = &self.own;
        let counters = [
            ("lines", "Log lines read since the start.", &own.lines),
            (
                "commits",
                "Commits of counts since the start.",
                &own.commits,
            ),
            ("analyses", "Analyses since the start.", &own.analyses),
            (
                "evaluations",
                "Evaluations of the alert rules since the start.",
                &own.evaluations,
            ),
            ("notices", "Notices that were delivered.", &own.notices),
            (
                "notices_failed",
                "Attempts to deliver a notice that failed.",
                &own.failed_notices,
            ),
            (
                "records_dropped",
                "Records of the database that were dropped for age or size.",
                &own.dropped_records,
            ),
        ];
        let mut text = String::new();
        for (name, help, value) in counters {
            let name = format!("dragline_monitor_{name}_total");
            let value = value.load(Relaxed);
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}"
            );
        }
        for (name, help, value) in self.own_gauges() {
            if let Some(value) = value {
                let name = format!("dragline_monitor_{name}");
                let _ = writeln!(
                    text,
                    "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
                );
            }
        }
        text
    }

    fn own_gauges(&self) -> Vec<(&'static str, &'static str, Option<f64>)> {
        let now = self.time();
        let live = self.shared.live();
        let age = |at: dragline_schema::Timestamp| now.since(at).max(0) as f64 / 1e6;
        let judged = self.judged();
        let failing = self
            .tasks
            .all()
            .iter()
            .filter(|(_, task)| task.error.is_some())
            .count();
        vec![
            (
                "up_seconds",
                "Seconds since the start.",
                Some(age(self.started_at)),
            ),
            (
                "lag_seconds",
                "Seconds that reading lags behind writing.",
                self.lag().map(|lag| lag as f64 / 1e6),
            ),
            (
                "active_runs",
                "Runs in progress.",
                Some(live.active_runs() as f64),
            ),
            (
                "scrapers",
                "Scrapers on sites.",
                Some(live.scrapers.len() as f64),
            ),
            (
                "alerts_firing",
                "Alerts that fire.",
                Some(self.alerts.firing_count() as f64),
            ),
            (
                "store_bytes",
                "Size of the database.",
                Some(self.store.bytes() as f64),
            ),
            (
                "analysis_seconds",
                "Duration of the last analysis.",
                judged.map(|judged| judged.took.as_secs_f64()),
            ),
            (
                "tasks_failing",
                "Tasks that failed the last time.",
                Some(failing as f64),
            ),
        ]
    }

    /// By how much reading lags behind, in microseconds; `None` if nothing was read yet.
    pub(crate) fn lag(&self) -> Option<i64> {
        let live = self.shared.live();
        let reached = live.watermark()?;
        Some(self.time().since(reached).max(0))
    }
}
