//! One round of the watch without a service.

use std::mem;

use dragline_alerting::state::Reason;
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Change, Watch, WatchState, keep_present};
use dragline_alerting::{Alert, AlertId, Observation};
use dragline_schema::Timestamp;

use crate::again::Reported;
use crate::late::{self, Late, state_for};
use crate::{Scene, Wanted};

/// What one round found.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// The transitions since the last round.
    pub changes: Vec<Change>,
    /// Other ends of alerts whose end was reported: events that came late moved them. They are in the history; nobody is
    /// notified.
    pub corrected: Vec<Change>,
    /// Number of evaluations.
    pub evaluations: u64,
    /// Number of samples that found no room; their series are judged incompletely.
    pub dropped: u64,
    /// The events that came late, with the time from which on was judged again; `None` for the time if no state is old
    /// enough: then they only fill windows.
    pub late: Option<(Late, Option<Timestamp>)>,
    /// Until when the last round judged, if that is later than now, and from when on was judged again: the clock was ahead.
    pub ahead: Option<(Timestamp, Timestamp)>,
}

impl Round {
    /// Number of reported alerts of which late events show that their condition was not true.
    pub fn retracted(&self) -> usize {
        let ends = self.changes.iter();
        ends.filter(|change| change.transition.reason == Reason::NeverTrue)
            .count()
    }
}

/// The part of the observations that one at this time belongs to: six hours.
fn part_of(time: Timestamp) -> i64 {
    time.as_seconds().div_euclid(6 * 3_600)
}

/// Judges everything between the last round and now, and writes the changes into the store: the states, the history, and
/// what is to be notified. `more` are observations that no log contains, such as the results of health checks.
///
/// Rounds that come late, rounds that never came and events that come late make no difference: what happened is judged
/// when it happened. For events that come late, the scene must begin where
/// [`judging_again`](Wanted::judging_again) says. What was judged by a clock that was ahead is taken back. The first round of
/// a store reports only what still fires.
pub fn evaluate(
    scene: &Scene,
    wanted: &Wanted<'_>,
    store: &mut AlertStore,
    more: &[Observation],
) -> Round {
    let is_first = store.watch.last_tick.is_none();
    let ahead = late::judged_ahead(store, wanted.now);
    let taken_back = ahead.map_or_else(Vec::new, |_| store.set_back(wanted.now));
    let before = mem::replace(&mut store.checked, more.to_vec());
    let more = &[before, more.to_vec()].concat()[..];
    let told = mem::take(&mut store.watch);
    let late = scene.late.filter(|_| !is_first && ahead.is_none());
    let begin_again = late.map(|late| late.first).or(ahead.map(|_| wanted.now));
    let first_tick = wanted.first_tick();
    let again = begin_again.and_then(|time| state_for(store, time, first_tick));
    let (mut watch, mut changes, mut evaluations) = judge(scene, wanted, more, told.clone());
    if is_first {
        keep_present(&mut changes);
    }
    changes.extend(check_lag(scene, &mut watch, store, wanted.now));
    let mut state = watch.state().clone();
    let again_from = again
        .as_ref()
        .map(|state| state.last_tick.unwrap_or_else(|| wanted.first_tick()));
    let (mut told, mut corrected) = (Some(told), Vec::new());
    if let (Some(from), Some(again)) = (again_from, again) {
        // Of what no log contains, nothing can be judged again.
        let is_kept = |id: &AlertId| late::is_of_no_log(wanted.rules, id);
        let is_anew = again.last_tick.is_none();
        let (rejudged, mut own, count) = judge(scene, wanted, more, again);
        own.retain(|change| !is_kept(&change.id));
        let fires = |alert: &Alert| alert.is_firing() && !is_kept(&alert.id);
        let firing: Vec<Alert> = rejudged.alerts().into_iter().filter(fires).collect();
        let forward = mem::replace(&mut state, rejudged.state().clone());
        changes.retain(|change| is_kept(&change.id));
        let reported = Reported::since(store, (from, wanted.now), is_kept);
        let (mut news, other) = reported.news(own, &firing, &mut state, wanted.now);
        if is_anew {
            // What the first round left out stays out; what came since then is reported.
            let is_since = |alert: &Alert| late.is_some_and(|late| alert.began >= late.first);
            let (told, mut new) = news.into_iter().partition(|change: &Change| {
                reported.fires(change) || change.alert.as_ref().is_some_and(is_since)
            });
            keep_present(&mut new);
            news = [told, new].concat();
        }
        changes.extend(news);
        corrected = other;
        state.late = forward.late + late.map_or(0, |late| late.events);
        state.take_over(&forward, is_kept);
        late::forget_after(store, from);
        // It was judged without what came late.
        told = None;
        watch = rejudged;
        evaluations += count;
    }
    store.watch = state;
    late::remember(store, told, &scene.finished, wanted.now);
    late::remember_starts(store, &scene.starts, wanted.now);
    store.history.record_changes(&changes);
    store.history.record_changes(&corrected);
    store.notices.record(&changes, wanted.now);
    store.notices.refresh(&watch.alerts());
    changes.splice(0..0, taken_back);
    Round {
        changes,
        corrected,
        evaluations,
        dropped: watch.dropped(),
        late: late.map(|late| (late, again_from)),
        ahead: ahead.zip(again_from),
    }
}

/// Whether the logs could not be read for too long. Their alerts stay as they are meanwhile.
fn check_lag(
    scene: &Scene,
    watch: &mut Watch,
    store: &mut AlertStore,
    now: Timestamp,
) -> Vec<Change> {
    let unread = scene.unread.as_ref();
    // A first round that reads nothing counts from itself on.
    if unread.is_none() || store.read_at.is_none() {
        store.read_at = Some(now);
    }
    watch.check_lag(store.read_at.unwrap_or(now), unread, now)
}

/// Goes on from a state until now: the watch, the changes, and the number of evaluations.
fn judge(
    scene: &Scene,
    wanted: &Wanted<'_>,
    more: &[Observation],
    state: WatchState,
) -> (Watch, Vec<Change>, u64) {
    let mut watch = Watch::new(wanted.config, wanted.rules.to_vec(), state);
    watch.start_at(wanted.first_tick());
    let before = watch.state().last_tick;
    let mut observations: Vec<&Observation> = scene.observations.iter().chain(more).collect();
    observations.sort_by_key(|observation| observation.time);
    let mut changes = Vec::new();
    // In parts, so that a long absence needs no more memory than a short one.
    for part in observations.chunk_by(|a, b| part_of(a.time) == part_of(b.time)) {
        for observation in part.iter().copied().cloned() {
            if before.is_some_and(|last| observation.time <= last) {
                watch.prime(observation);
            } else {
                watch.observe(observation);
            }
        }
        let known = part
            .last()
            .map_or(wanted.now, |last| last.time.min(wanted.now));
        changes.extend(watch.advance(known));
    }
    changes.extend(watch.advance(wanted.now));
    let interval = (wanted.config.interval.as_micros() as i64).max(1);
    let lasted = watch.state().last_tick.zip(before);
    let evaluations = lasted.map_or(0, |(after, before)| after.since(before) / interval);
    (watch, changes, evaluations.max(0) as u64)
}
