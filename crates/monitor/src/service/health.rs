//! The thread that runs the health checks.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use dragline_health::{Health, Memory, Report, Signals, SiteTraffic};
use dragline_metrics::{Stats, Store as Windows, Window};
use dragline_schema::Timestamp;
use dragline_web::Topic;

use super::{Monitor, ServiceError};
use crate::settings::Settings;
use crate::store::{HealthChange, Store};

/// The time between two rounds. A check runs when its own interval has passed.
const ROUND: Duration = Duration::from_secs(5);
/// The time between two looks at whether the measurements are loaded.
const LOOK: Duration = Duration::from_millis(50);
/// Period of the scrapers' requests that stand in for a probe, in seconds.
const RECENT: u32 = 300;

/// The checks, and what they found last.
#[derive(Debug)]
pub(crate) struct HealthState {
    /// `None` while a round is under way.
    checks: Option<Health>,
    /// The configuration changed during a round.
    changed: Option<dragline_health::Config>,
    pub(crate) memory: Memory,
    pub(crate) report: Option<Report>,
}

impl HealthState {
    /// Goes on with what the store remembers.
    pub(super) fn load(store: &Store, settings: &Settings) -> Result<Self, ServiceError> {
        let memory = match store.state("health")? {
            None => Memory::default(),
            Some(json) => serde_json::from_slice(&json).map_err(|error| {
                ServiceError::State(format!(
                    "the stored state of health checks is damaged: {error}"
                ))
            })?,
        };
        Ok(Self {
            checks: Some(Health::new(settings.health.clone()).with_memory(memory.clone())),
            changed: None,
            memory,
            report: None,
        })
    }

    /// Uses other checks from the next round on.
    pub(super) fn configure(&mut self, settings: &Settings) {
        self.changed = Some(settings.health.clone());
    }
}

/// Runs checks until the service ends. Before the measurements are loaded, every site would seem silent.
pub(super) fn run(monitor: &Arc<Monitor>) {
    while !monitor.shared.is_loaded() {
        if monitor.pause(LOOK) {
            return;
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let outcome = Err(format!("the checks cannot run: {error}"));
            monitor.tasks.note("health", monitor.time(), outcome);
            return;
        }
    };
    loop {
        let outcome = round(monitor, &runtime);
        monitor.tasks.note("health", monitor.time(), outcome);
        if monitor.pause(ROUND) {
            // A file system that hangs must not keep the service.
            runtime.shutdown_background();
            return;
        }
    }
}

fn round(monitor: &Monitor, runtime: &tokio::runtime::Runtime) -> Result<(), String> {
    let now = monitor.time();
    let health = {
        let mut state = monitor
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let health = state.checks.take();
        match state.changed.take() {
            Some(config) => Some(Health::new(config).with_memory(state.memory.clone())),
            None => health,
        }
    };
    // Only this thread takes it.
    let Some(mut health) = health else {
        return Ok(());
    };
    let signals = signals(monitor, now);
    let report = runtime.block_on(health.run(now, &signals));
    let memory = health.memory().clone();
    let changes: Vec<HealthChange> = report
        .checks
        .iter()
        .filter_map(|check| {
            let name = check.name.clone();
            check
                .change
                .clone()
                .map(|change| HealthChange { name, change })
        })
        .collect();
    let is_new = {
        let mut state = monitor
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = state.memory != memory;
        state.checks = Some(health);
        state.memory.clone_from(&memory);
        state.report = Some(report.clone());
        is_new
    };
    monitor.alerts.take_health(&report, now);
    if !is_new {
        return Ok(());
    }
    monitor.feed.publish(&[Topic::Health, Topic::Overview]);
    let json = serde_json::to_vec(&memory).map_err(|error| error.to_string())?;
    monitor
        .store
        .put_health(json, changes)
        .map_err(|error| error.to_string())
}

/// What is known from the logs: requests by site, the last event and the last successful run of each scraper.
fn signals(monitor: &Monitor, now: Timestamp) -> Signals {
    let live = monitor.shared.live();
    let mut signals = Signals::default();
    for (key, scraper) in &live.scrapers {
        let last = |map: &mut std::collections::BTreeMap<String, Timestamp>,
                    at: Option<Timestamp>| {
            if let Some(at) = at {
                let held = map.entry(key.scraper_id.clone()).or_insert(at);
                *held = at.max(*held);
            }
        };
        last(&mut signals.last_event, scraper.last_event);
        last(&mut signals.last_run, scraper.last_success);
    }
    let windows = monitor
        .shared
        .windows
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let mut sites: Vec<&str> = live.scrapers.keys().map(|key| key.site.as_str()).collect();
    sites.sort_unstable();
    sites.dedup();
    for site in sites.into_iter().filter(|site| !site.is_empty()) {
        if let Some(traffic) = traffic_of(&windows, site, now) {
            signals.traffic.insert(site.to_owned(), traffic);
        }
    }
    signals
}

fn traffic_of(windows: &Windows, site: &str, now: Timestamp) -> Option<SiteTraffic> {
    let window = Window::until(now, RECENT);
    let of = |name: &str, labels: &[(&str, &str)]| windows.summarise(name, labels, window);
    let count = |outcome: &str| {
        let stats = of("dragline_requests", &[("site", site), ("outcome", outcome)]);
        stats.and_then(|stats| stats.increase).unwrap_or(0.0) as u64
    };
    let whole: Stats =
        of("dragline_requests", &[("site", site)]).filter(|stats| stats.count > 0)?;
    let (success, failed) = (count("success"), count("failed"));
    let times = of("dragline_request_duration_seconds", &[("site", site)]);
    let mean = times
        .and_then(|times| times.mean)
        .filter(|mean| (0.0..1e6).contains(mean));
    Some(SiteTraffic {
        requests: success + failed,
        failed,
        mean_response_time: mean.map(Duration::from_secs_f64),
        last_request: whole.last_updated?,
    })
}
