//! The thread that keeps the database in order and tells the system that the service lives.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::journal::Journal;
use super::{Monitor, systemd};

/// The time between two consolidations.
const CONSOLIDATE: Duration = Duration::from_mins(1);
/// The time between two looks at what is too old.
const RETAIN: Duration = Duration::from_hours(1);
/// Without a watchdog, the thread wakes this often.
const LOOK: Duration = Duration::from_secs(10);
/// A thread that did nothing for this long hangs.
const HANGS: i64 = 120_000_000;

/// Keeps order until the service ends.
pub(super) fn run(monitor: &Arc<Monitor>) {
    let watchdog = systemd::watchdog_interval();
    let look = watchdog.map_or(LOOK, |interval| (interval / 3).min(LOOK));
    let (mut consolidated, mut retained) = (Instant::now(), None::<Instant>);
    let mut journal = Journal::default();
    systemd::notify("READY=1\nSTATUS=following logs");
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        inputs = monitor.inputs.join(", "),
        "the service follows logs"
    );
    loop {
        journal.update(monitor);
        if consolidated.elapsed() >= CONSOLIDATE {
            consolidated = Instant::now();
            let outcome = monitor.store.consolidate().map(|_| ());
            monitor.tasks.note(
                "consolidate",
                monitor.time(),
                outcome.map_err(|error| error.to_string()),
            );
        }
        if retained.is_none_or(|retained| retained.elapsed() >= RETAIN) {
            retained = Some(Instant::now());
            retain(monitor);
        }
        if watchdog.is_some() && is_alive(monitor) {
            systemd::notify("WATCHDOG=1");
        }
        if monitor.pause(look) {
            systemd::notify("STOPPING=1");
            tracing::info!("the service ends");
            return;
        }
    }
}

fn retain(monitor: &Monitor) {
    let now = monitor.time();
    let retention = monitor.settings().monitor.retention();
    let outcome = match monitor.store.retain(retention, now) {
        Ok(kept) => {
            monitor
                .own
                .dropped_records
                .fetch_add(kept.dropped as u64, Relaxed);
            if kept.is_over_budget {
                Err(format!(
                    "the database was larger than max_mib = {}: the oldest days were dropped before their time",
                    retention.max_bytes >> 20
                ))
            } else {
                Ok(())
            }
        }
        Err(error) => Err(error.to_string()),
    };
    let before = now.plus_micros(-i64::from(retention.raw) * 86_400_000_000);
    let removed = monitor.received.remove_old(before);
    let outcome = outcome.and(
        removed
            .map(|_| ())
            .map_err(|error| format!("received files: {error}")),
    );
    monitor.tasks.note("retention", now, outcome);
}

/// Whether the threads that must not hang did something lately.
pub(super) fn is_alive(monitor: &Monitor) -> bool {
    let now = monitor.time();
    let is_fresh = |name: &str| {
        let last = monitor.tasks.success_of(name).unwrap_or(monitor.started_at);
        // A task that fails and says so does not hang.
        now.since(last) < HANGS || monitor.tasks.error_of(name).is_some()
    };
    is_fresh("follow") && is_fresh("alerts")
}
