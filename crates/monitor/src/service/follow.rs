//! The thread that reads logs.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use dragline_web::Topic;

use super::{Monitor, ServiceError};
use crate::follow::Follow;

/// The time between two looks at the logs while lines come.
const ACTIVE: Duration = Duration::from_millis(100);
/// For this long after the last line, logs are looked at often.
const LIVELY: Duration = Duration::from_secs(10);
/// After this time without lines, open records are counted.
const SETTLED: Duration = Duration::from_secs(2);
/// The least time between two announcements.
const ANNOUNCE: Duration = Duration::from_millis(500);

/// Topics that change with every line.
const CHANGED: [Topic; 5] = [
    Topic::Overview,
    Topic::Scrapers,
    Topic::Runs,
    Topic::Errors,
    Topic::Metrics,
];

/// Opens the follower.
pub(super) fn open(monitor: &Monitor) -> Result<Follow, ServiceError> {
    let settings = monitor.settings();
    let rules = Arc::clone(&settings.rules);
    let shared = Arc::clone(&monitor.shared);
    let mut inputs = monitor.inputs.clone();
    // What other machines send. A directory that is missing would be a fault of the logs.
    let received = monitor.received.dir();
    if let Err(error) = std::fs::create_dir_all(received) {
        tracing::warn!(directory = %received.display(), %error, "the directory of received logs cannot be made");
    }
    inputs.push(received.display().to_string());
    Ok(Follow::open(
        &inputs,
        settings.read.clone(),
        rules,
        &monitor.store,
        shared,
    )?)
}

/// When what was done last.
struct Times {
    commit: Instant,
    line: Instant,
    announce: Instant,
    is_settled: bool,
    is_announced: bool,
}

/// Loads what was measured, reads until the service ends, then stores everything.
pub(super) fn run(monitor: &Arc<Monitor>, mut following: Follow) {
    // Before anything is read: what is read from here on is added.
    if let Err(error) = super::load_windows(monitor) {
        let problem = format!("earlier measurements cannot be loaded: {error}");
        monitor
            .tasks
            .note("measurements", monitor.time(), Err(problem));
        monitor.shared.load_nothing();
    }
    let begun = Instant::now();
    let mut times = Times {
        commit: begun,
        line: begun,
        announce: begun,
        is_settled: true,
        is_announced: true,
    };
    loop {
        let pause = step(monitor, &mut following, &mut times);
        if monitor.pause(pause) {
            break;
        }
    }
    let outcome = following.commit_and_wait(&monitor.store);
    monitor.tasks.note("follow", monitor.time(), outcome);
}

/// Reads once. Returns how long to wait.
fn step(monitor: &Monitor, following: &mut Follow, times: &mut Times) -> Duration {
    let settings = monitor.settings();
    following.set_rules(Arc::clone(&settings.rules));
    let now = monitor.time();
    let mut step = following.step(now, &monitor.store);
    if step.lines > 0 {
        times.line = Instant::now();
        times.is_settled = false;
    } else if !times.is_settled && times.line.elapsed() >= SETTLED {
        times.is_settled = true;
        step = following.settle(now);
    }
    let has_news = step.lines > 0 || !step.measured.is_empty();
    let is_caught_up = step.is_caught_up;
    if has_news {
        monitor.has_news.store(true, Relaxed);
        monitor.own.lines.fetch_add(step.lines, Relaxed);
        times.is_announced = false;
    }
    monitor.alerts.take(step, now);
    if following.is_heavy() || times.commit.elapsed() >= settings.monitor.commit_every {
        following.commit(&monitor.store);
        times.commit = Instant::now();
        monitor.own.commits.store(following.commits(), Relaxed);
    }
    if !times.is_announced && times.announce.elapsed() >= ANNOUNCE {
        times.announce = Instant::now();
        times.is_announced = true;
        monitor.feed.publish(&CHANGED);
    }
    let outcome = following.error().map_or(Ok(()), |error| {
        Err(format!(
            "what was read cannot be stored, and is kept in memory: {error}"
        ))
    });
    if monitor.tasks.note("follow", now, outcome) {
        monitor.feed.publish(&[Topic::Service, Topic::Overview]);
    }
    if !is_caught_up && has_news {
        Duration::ZERO
    } else if times.line.elapsed() < LIVELY || !following.is_stored() {
        ACTIVE.min(settings.monitor.look_every)
    } else {
        settings.monitor.look_every
    }
}
