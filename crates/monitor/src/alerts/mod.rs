//! Alerts in the service: what was measured, found and checked goes to the watch; its changes go to the notices.
//!
//! Two phases. After the start, the follower first reads what was written while the service was down; until it has
//! caught up, measurements are only collected, by the time at which they happened. Then the watch judges that whole
//! time at once, minute by minute, as if it had never slept, and goes on live, second by second.
//!
//! The states of the alerts, what was sent and what happened are stored together, so that a restart repeats no notice
//! and forgets none.

mod book;
mod explain;
mod findings;
mod sampler;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dragline_alerting::Observation;
use dragline_alerting::notice::redact_line;
use dragline_alerting::rule::Rule;
use dragline_alerting::watch::{Watch, WatchConfig, WatchState, keep_present};
use dragline_health::Report;
use dragline_metrics::Delta;
use dragline_schema::Timestamp;
use dragline_watch::{Meter, Traffic, of_checks};
use dragline_web::Topic;

pub use self::book::{Book, Firing};
pub(crate) use self::explain::explain;
use self::findings::FindingStates;
use self::sampler::Sampler;
use crate::follow::{EndedRun, Step};
use crate::judge::Judged;
use crate::service::{Monitor, ServiceError};
use crate::settings::Settings;
use crate::store::{Level, Store};

/// The interval of evaluations while catching up.
const COARSE: Duration = Duration::from_mins(1);
/// A gap that is longer is judged with the interval for catching up.
const LONG_GAP: i64 = 120_000_000;
/// After a longer absence, in microseconds, only its last part is judged: two days.
const LONGEST_GAP: i64 = 2 * 86_400_000_000;
/// Number of values that stand for a minute of a histogram.
const VALUES: u64 = 100;
/// The time between two looks at what is new.
const LOOK: Duration = Duration::from_millis(200);
/// The state is stored at least this often, so that a restart knows how far the evaluation was.
const SAVE: Duration = Duration::from_secs(30);
/// The time between two rounds of notices.
const NOTICES: Duration = Duration::from_secs(1);
/// How long reading the measurements of the past may take.
const LIMIT: Duration = Duration::from_mins(1);
/// How long lines of trouble are kept for notices, in microseconds.
const TRAFFIC_KEPT: i64 = 6 * 3_600_000_000;

/// What other threads deliver, until the thread of the alerts takes it.
#[derive(Debug)]
struct Inbox {
    measured: Delta,
    ended: Vec<EndedRun>,
    observations: Vec<Observation>,
    judged: Option<Arc<Judged>>,
    is_caught_up: bool,
    looked_at: Option<Timestamp>,
}

/// The watch and what feeds it.
#[derive(Debug)]
struct Evaluation {
    watch: Watch,
    sampler: Sampler,
    findings: FindingStates,
    /// Stored measurements and those since the start, until the follower has caught up.
    waiting: Option<Delta>,
    /// Observations that came before that.
    early: Vec<Observation>,
    saved: Instant,
}

/// The alerts of a service.
#[derive(Debug)]
pub struct Alerts {
    inbox: Mutex<Inbox>,
    evaluation: Mutex<Evaluation>,
    book: Mutex<Book>,
    /// Lines of trouble and requests, for what notices say.
    traffic: Mutex<Traffic>,
    /// The rules changed: windows have to be filled again.
    is_reconfigured: AtomicBool,
}

impl Alerts {
    /// Goes on from the stored state.
    ///
    /// # Errors
    /// If it cannot be read: to begin anew would send every notice again.
    pub fn load(store: &Store, settings: &Settings, now: Timestamp) -> Result<Self, ServiceError> {
        let (book, state) = Book::load(store).map_err(ServiceError::State)?;
        let watch = Watch::new(live_config(settings), settings.alert_rules.clone(), state);
        // Read before the follower begins: what it reads is stored while it still catches up.
        let mut waiting = Delta::new(60);
        let stored = stored(store, &settings.alert_rules, &watch, now);
        for delta in stored.map_err(ServiceError::State)? {
            waiting.merge(&delta);
        }
        let evaluation = Evaluation {
            watch,
            sampler: Sampler::new(&settings.alert_rules),
            findings: FindingStates::default(),
            waiting: Some(waiting),
            early: Vec::new(),
            saved: Instant::now(),
        };
        Ok(Self {
            inbox: Mutex::new(Inbox {
                measured: Delta::new(1),
                ended: Vec::new(),
                observations: Vec::new(),
                judged: None,
                is_caught_up: false,
                looked_at: Some(now),
            }),
            evaluation: Mutex::new(evaluation),
            book: Mutex::new(book),
            traffic: Mutex::default(),
            is_reconfigured: AtomicBool::new(false),
        })
    }

    /// Takes what the follower measured.
    pub fn take(&self, step: Step, now: Timestamp) {
        if let Some(traffic) = step.traffic {
            let mut held = lock(&self.traffic);
            held.merge(traffic);
            held.forget(now.plus_micros(-TRAFFIC_KEPT));
        }
        let mut inbox = lock(&self.inbox);
        inbox.measured.merge(&step.measured);
        inbox.ended.extend(step.ended);
        inbox.is_caught_up = step.is_caught_up;
        if step.is_caught_up {
            inbox.looked_at = Some(now);
        }
    }

    /// Takes the outcome of an analysis.
    pub fn take_findings(&self, judged: &Arc<Judged>) {
        lock(&self.inbox).judged = Some(Arc::clone(judged));
    }

    /// Takes the outcome of a round of health checks.
    pub fn take_health(&self, report: &Report, now: Timestamp) {
        let results = of_checks(report, now);
        lock(&self.inbox).observations.extend(results);
    }

    /// Uses other rules from the next evaluation on.
    pub fn configure(&self, settings: &Settings) {
        let mut evaluation = lock(&self.evaluation);
        let state = evaluation.watch.state().clone();
        evaluation.watch = Watch::new(live_config(settings), settings.alert_rules.clone(), state);
        evaluation.sampler = Sampler::new(&settings.alert_rules);
        evaluation.findings = FindingStates::default();
        drop(evaluation);
        self.is_reconfigured.store(true, Relaxed);
    }

    /// The book: what fires, what was sent, who acknowledged.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// Lines of trouble and requests of the last hours.
    pub(crate) fn traffic(&self) -> MutexGuard<'_, Traffic> {
        lock(&self.traffic)
    }

    /// The alerts that fire or ended a short while ago.
    pub(crate) fn watched(&self) -> Vec<dragline_alerting::Alert> {
        lock(&self.evaluation).watch.alerts()
    }

    /// The state of the watch.
    pub(crate) fn watch_state(&self) -> WatchState {
        lock(&self.evaluation).watch.state().clone()
    }

    /// Number of alerts that fire.
    pub fn firing_count(&self) -> usize {
        lock(&self.book).firing().len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In the service the watermark says what was read: nothing has to be waited for.
fn live_config(settings: &Settings) -> WatchConfig {
    WatchConfig {
        interval: settings.monitor.evaluate_every,
        lateness: Duration::ZERO,
        ..settings.watch
    }
}

/// The settings for catching up, where only the interval counts.
fn coarse() -> WatchConfig {
    WatchConfig {
        interval: COARSE,
        lateness: Duration::ZERO,
        ..WatchConfig::default()
    }
}

/// Evaluates until the service ends.
pub(crate) fn run(monitor: &Arc<Monitor>) {
    loop {
        let now = monitor.time();
        let outcome = round(monitor, now);
        if monitor.tasks.note("alerts", now, outcome) {
            monitor.feed.publish(&[Topic::Service]);
        }
        if monitor.pause(LOOK) {
            let saved = save(monitor, &mut lock(&monitor.alerts.evaluation));
            monitor.tasks.note("alerts", monitor.time(), saved);
            return;
        }
    }
}

/// Takes what is new and evaluates up to the watermark.
fn round(monitor: &Monitor, now: Timestamp) -> Result<(), String> {
    let alerts = &monitor.alerts;
    let settings = monitor.settings();
    let mut evaluation = lock(&alerts.evaluation);
    if alerts.is_reconfigured.swap(false, Relaxed) && evaluation.waiting.is_none() {
        let rules = &settings.alert_rules;
        let stored = stored(&monitor.store, rules, &evaluation.watch, now)?;
        let from = judged_from(rules, &evaluation.watch, now);
        let observations = samples_of(&stored, rules, from, now);
        evaluation.sampler.go_on(&observations);
        observations
            .into_iter()
            .for_each(|one| evaluation.watch.prime(one));
    }
    let (measured, ended, observations, judged, watermark) = {
        let mut inbox = lock(&alerts.inbox);
        let watermark = inbox.looked_at.filter(|_| inbox.is_caught_up);
        (
            std::mem::replace(&mut inbox.measured, Delta::new(1)),
            std::mem::take(&mut inbox.ended),
            std::mem::take(&mut inbox.observations),
            inbox.judged.take(),
            watermark,
        )
    };
    let from = judged_from(&settings.alert_rules, &evaluation.watch, now);
    if let Some(waiting) = &mut evaluation.waiting {
        waiting.merge_where(&measured, |_, at| at >= from);
        evaluation.early.extend(observations);
        let changes = match watermark {
            None => Vec::new(),
            Some(watermark) => catch_up(monitor, &mut evaluation, &settings, watermark),
        };
        if let Some(judged) = judged {
            // It is judged once the watch is live.
            lock(&alerts.inbox).judged.get_or_insert(judged);
        }
        return conclude(monitor, &mut evaluation, &changes, now);
    }
    observe(
        &mut evaluation,
        &measured,
        &ended,
        judged.as_deref(),
        observations,
        &settings,
        now,
    );
    for sign in monitor.received.signs(now) {
        evaluation.watch.prime(sign);
    }
    // Until it has caught up again, only time up to what was read is judged.
    let reached = watermark.or_else(|| monitor.shared.live().watermark());
    let mut changes = reached.map_or_else(Vec::new, |reached| evaluation.watch.advance(reached));
    if let Some(known) = evaluation.watch.state().watermark {
        changes.extend(evaluation.watch.check_lag(known, None, now));
    }
    monitor.own.evaluations.fetch_add(1, Relaxed);
    conclude(monitor, &mut evaluation, &changes, now)
}

/// Passes everything new to the watch.
fn observe(
    evaluation: &mut Evaluation,
    measured: &Delta,
    ended: &[EndedRun],
    judged: Option<&Judged>,
    observations: Vec<Observation>,
    settings: &Settings,
    now: Timestamp,
) {
    let Evaluation {
        watch,
        sampler,
        findings,
        ..
    } = evaluation;
    let mut samples = sampler.take(measured, now);
    samples.extend(sampler.repeat(now));
    for run in ended {
        samples.extend(sampler.end(&run.key.scraper_id, &run.key.site, now));
    }
    samples.extend(observations);
    if let Some(judged) = judged {
        samples.extend(findings.changes(&judged.report, &settings.alert_rules, now));
        for sign in &judged.observations {
            watch.prime(sign.clone());
        }
    }
    samples.into_iter().for_each(|one| watch.observe(one));
}

/// Judges the time since the last evaluation as if the watch had never slept, and goes live.
fn catch_up(
    monitor: &Monitor,
    evaluation: &mut Evaluation,
    settings: &Settings,
    watermark: Timestamp,
) -> Vec<dragline_alerting::watch::Change> {
    let rules = &settings.alert_rules;
    let waiting = evaluation.waiting.take().unwrap_or_default();
    let last = evaluation.watch.state().last_tick;
    let from = judged_from(rules, &evaluation.watch, watermark);
    let mut observations = samples_of([&waiting], rules, from, watermark);
    // Lines that were written while the follower read them.
    let minute = COARSE.as_micros() as i64;
    let next = (watermark.as_micros().div_euclid(minute) + 1) * minute;
    let mut later = Delta::new(1);
    later.merge_where(&waiting, |_, at| at.as_micros() >= next);
    lock(&monitor.alerts.inbox).measured.merge(&later);
    let state = evaluation.watch.state().clone();
    let is_long = last.is_some_and(|last| watermark.since(last) > LONG_GAP);
    let config = WatchConfig {
        interval: if is_long || last.is_none() {
            COARSE
        } else {
            settings.monitor.evaluate_every
        },
        ..live_config(settings)
    };
    let mut watch = Watch::new(config, rules.clone(), state);
    watch.start_at(Watch::first_tick_at(rules, &config, watermark));
    for one in &observations {
        watch.prime(one.clone());
    }
    let mut changes = watch.advance(watermark);
    if last.is_none() {
        keep_present(&mut changes);
    }
    let state = watch.state().clone();
    let mut live = Watch::new(live_config(settings), rules.clone(), state);
    evaluation.sampler.go_on(&observations);
    observations.append(&mut evaluation.early);
    observations.into_iter().for_each(|one| live.prime(one));
    evaluation.watch = live;
    changes
}

/// From when on measurements say something about time that is still to be judged: as far before the last evaluation as
/// the rules look, but never longer ago than [`LONGEST_GAP`].
fn judged_from(rules: &[Rule], watch: &Watch, now: Timestamp) -> Timestamp {
    let last = watch.state().last_tick;
    let last = last.unwrap_or_else(|| Watch::first_tick_at(rules, &coarse(), now));
    let memory = watch.memory() + 2 * COARSE;
    let last = last.max(now.plus_micros(-LONGEST_GAP)).min(now);
    last.plus_micros(-(memory.as_micros() as i64))
}

/// The stored measurements, as far back as the watch looks.
fn stored(
    store: &Store,
    rules: &[Rule],
    watch: &Watch,
    until: Timestamp,
) -> Result<Vec<Delta>, String> {
    let from = judged_from(rules, watch, until);
    let stored = store.deltas(Level::Raw, from, until.plus_micros(1), LIMIT);
    stored.map_err(|error| error.to_string())
}

/// Samples of what was measured from `from` through the minute of `until`.
fn samples_of<'d>(
    measured: impl IntoIterator<Item = &'d Delta>,
    rules: &[Rule],
    from: Timestamp,
    until: Timestamp,
) -> Vec<Observation> {
    let mut meter = Meter::new(rules, COARSE);
    for delta in measured {
        delta.replay(from, VALUES, &mut meter);
    }
    meter.observations(until, &[])
}

/// Writes down what changed, and stores it.
fn conclude(
    monitor: &Monitor,
    evaluation: &mut Evaluation,
    changes: &[dragline_alerting::watch::Change],
    now: Timestamp,
) -> Result<(), String> {
    let is_due = evaluation.saved.elapsed() >= SAVE;
    let is_dirty = {
        let mut book = monitor.alerts.book();
        book.record(changes, &evaluation.watch.alerts(), now);
        book.is_dirty()
    };
    for alert in changes.iter().filter_map(|change| change.alert.as_ref()) {
        let verb = if alert.is_firing() { "fires" } else { "ended" };
        let summary = redact_line(&alert.summary);
        tracing::info!(
            rule = alert.id.rule,
            "alert {} {verb}: {summary}",
            alert.id.short()
        );
    }
    if changes.iter().any(|change| change.alert.is_some()) {
        monitor
            .feed
            .publish(&[Topic::Alerts, Topic::Overview, Topic::Scrapers]);
    }
    if is_dirty || is_due {
        save(monitor, evaluation)
    } else {
        Ok(())
    }
}

fn save(monitor: &Monitor, evaluation: &mut Evaluation) -> Result<(), String> {
    evaluation.saved = Instant::now();
    let state = evaluation.watch.state().clone();
    monitor.alerts.book().save(&monitor.store, state)
}

/// Sends notices until the service ends.
pub(crate) fn run_notices(monitor: &Arc<Monitor>) {
    loop {
        let now = monitor.time();
        let outcome = send(monitor, now);
        monitor.tasks.note("notices", now, outcome);
        if monitor.pause(NOTICES) {
            return;
        }
    }
}

/// One round of notices. The book is free while they are on their way.
fn send(monitor: &Monitor, now: Timestamp) -> Result<(), String> {
    let settings = monitor.settings();
    let Some(mut sending) = monitor.alerts.book().begin(&settings.notify, now) else {
        return Ok(());
    };
    let look = |alert: &dragline_alerting::Alert| explain(monitor, alert, now);
    let round = sending.dispatch(&settings.channels, &settings.notify, now, look);
    monitor
        .own
        .notices
        .fetch_add(round.delivered as u64, Relaxed);
    monitor
        .own
        .failed_notices
        .fetch_add(round.failures.len() as u64, Relaxed);
    monitor.alerts.book().end(sending);
    monitor.feed.publish(&[Topic::Alerts]);
    // Stored at once: what was sent must not be sent again after a crash.
    let saved = save(monitor, &mut lock(&monitor.alerts.evaluation));
    if round.delivered > 0 {
        tracing::info!(notices = round.delivered, "notices were delivered");
    }
    let failures = round
        .failures
        .iter()
        .map(|(channel, error)| format!("{channel}: {error}"));
    let failures: Vec<String> = failures.collect();
    saved?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("; "))
    }
}
