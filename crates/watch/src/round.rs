//! One round of the watch without a service.

use std::mem;

use dragline_alerting::Observation;
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Change, Watch};

use crate::{Scene, Wanted};

/// What one round found.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// The transitions since the last round.
    pub changes: Vec<Change>,
    /// Number of evaluations.
    pub evaluations: u64,
    /// Number of samples that found no room; their series are judged incompletely.
    pub dropped: u64,
}

/// Judges everything between the last round and now, and writes the changes into the store: the states, the history, and
/// what is to be notified. `more` are observations that no log contains, such as the results of health checks.
///
/// Rounds that come late, and rounds that never came, make no difference: what happened is judged when it happened.
pub fn evaluate(
    scene: &Scene,
    wanted: &Wanted<'_>,
    store: &mut AlertStore,
    more: Vec<Observation>,
) -> Round {
    let state = mem::take(&mut store.watch);
    let mut watch = Watch::new(wanted.config, wanted.rules.to_vec(), state);
    watch.start_at(wanted.first_tick());
    let before = watch.state().last_tick;
    for observation in scene.observations.iter().cloned().chain(more) {
        if before.is_some_and(|last| observation.time <= last) {
            watch.prime(observation);
        } else {
            watch.observe(observation);
        }
    }
    let changes = watch.advance(wanted.now);
    let after = watch.state().last_tick;
    let interval = (wanted.config.interval.as_micros() as i64).max(1);
    let evaluations = after
        .zip(before)
        .map_or(0, |(after, before)| after.since(before) / interval);
    let dropped = watch.dropped();
    store.watch = watch.state().clone();
    store.history.record_changes(&changes);
    store.notices.record(&changes, wanted.now);
    store.notices.refresh(&watch.alerts());
    Round {
        changes,
        evaluations: evaluations.max(0) as u64,
        dropped,
    }
}
