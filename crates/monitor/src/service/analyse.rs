//! The thread that analyses.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use dragline_web::Topic;

use super::Monitor;
use crate::judge::judge;

/// The time between two looks at whether an analysis is due.
const LOOK: Duration = Duration::from_millis(500);
/// Without new lines, an analysis is made this often: what was due and did not happen is found by the clock.
const IDLE: Duration = Duration::from_mins(5);

/// Analyses when something was read, until the service ends.
pub(super) fn run(monitor: &Arc<Monitor>) {
    let mut last: Option<Instant> = None;
    loop {
        let settings = monitor.settings();
        let rest = monitor.judged().map_or(Duration::ZERO, |judged| {
            judged.rest(settings.monitor.analyse_every)
        });
        let has_rested = last.is_none_or(|last| last.elapsed() >= rest);
        let is_idle = last.is_none_or(|last| last.elapsed() >= IDLE.max(rest));
        if (has_rested && monitor.has_news.swap(false, Relaxed)) || is_idle {
            last = Some(Instant::now());
            analyse(monitor);
        }
        if monitor.pause(LOOK) {
            return;
        }
    }
}

fn analyse(monitor: &Monitor) {
    let settings = monitor.settings();
    let now = monitor.time();
    let fixes = monitor.fixes().clone();
    let judged = judge(&monitor.store, &settings.judge_options(), &fixes, now);
    let outcome = judged.and_then(|judged| {
        let judged = Arc::new(judged);
        let kept = monitor.change_fixes(|fixes| fixes.take(&judged.fixes, now));
        monitor.alerts.take_findings(&judged);
        *monitor
            .judged
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(judged);
        kept
    });
    monitor.own.analyses.fetch_add(1, Relaxed);
    monitor.tasks.note("analyse", now, outcome);
    monitor.feed.publish(&[
        Topic::Overview,
        Topic::Scrapers,
        Topic::Runs,
        Topic::Errors,
        Topic::Findings,
        Topic::Reports,
        Topic::Service,
    ]);
}
