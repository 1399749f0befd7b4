//! Events that came after their time was judged.
//!
//! Logs are copied every hour, a network was down: then a round finds events of a time that an earlier one judged without
//! them. The watch goes back to the state before them and judges that time again. What was reported meanwhile is not reported
//! twice.

use std::collections::BTreeMap;

use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::WatchState;
use dragline_alerting::{AlertId, Labels};
use dragline_insights::{ScraperKey, Starts};
use dragline_rollup::Finished;
use dragline_schema::Timestamp;

use crate::findings::labels_of;

/// How long states are kept, in microseconds: a day.
const KEPT: i64 = 86_400_000_000;
/// A minute, in microseconds.
const MINUTE: i64 = 60_000_000;
/// Number of starts that are remembered of each scraper: a month of two a day.
const STARTS: usize = 64;
/// After this long without a run a scraper is forgotten, in microseconds.
const RETIRED: i64 = 100 * KEPT;
/// Maximum number of scrapers whose newest events are remembered.
const MOST_SCRAPERS: usize = 10_000;

/// Events of a time that the last round had judged, and did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// Their number.
    pub events: u64,
    /// The time of the first.
    pub first: Timestamp,
}

/// What the last round saw: the newest event of each scraper, and up to when it judged.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'s> {
    pub(crate) newest: &'s BTreeMap<String, Timestamp>,
    pub(crate) judged: Timestamp,
}

impl Seen<'_> {
    /// From when on there may be events that came late and can still be judged.
    pub(crate) fn since(&self) -> Timestamp {
        let oldest = self.judged.plus_micros(-KEPT);
        let newest = self.newest.values().copied().min();
        newest.unwrap_or(oldest).max(oldest)
    }

    /// Whether an event of a scraper is one that the last round should have seen.
    pub(crate) fn is_late(&self, scraper: &str, at: Timestamp) -> bool {
        at <= self.judged && self.newest.get(scraper).is_none_or(|newest| at > *newest)
    }
}

impl Late {
    pub(crate) fn merge(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        let (Some(one), Some(other)) = (a, b) else {
            return a.or(b);
        };
        Some(Self {
            events: one.events + other.events,
            first: one.first.min(other.first),
        })
    }
}

/// How far ahead of the clock a state may be, in microseconds: the clock may be set by some minutes.
const AHEAD: i64 = 10 * MINUTE;

/// Until when a state was judged, if that is too far ahead of the clock to wait for it.
pub(crate) fn judged_ahead(store: &AlertStore, now: Timestamp) -> Option<Timestamp> {
    let last = store.watch.last_tick?;
    (last.since(now) > AHEAD).then_some(last)
}

/// The latest state before a time.
pub(crate) fn state_before(store: &AlertStore, time: Timestamp) -> Option<&WatchState> {
    let mut earlier = store.earlier.iter().rev();
    earlier.find(|state| state.last_tick.is_some_and(|tick| tick < time))
}

/// The state from which on events since `time` can be judged, where a watch without one begins at `first_tick`: the latest
/// state before them, or none if the watch itself is younger than they are.
pub(crate) fn state_for(
    store: &AlertStore,
    time: Timestamp,
    first_tick: Timestamp,
) -> Option<WatchState> {
    let is_new = || (time >= first_tick).then(WatchState::default);
    state_before(store, time).cloned().or_else(is_new)
}

/// Drops the states after a time: they were judged without what came late.
pub(crate) fn forget_after(store: &mut AlertStore, time: Timestamp) {
    let is_kept = |state: &WatchState| state.last_tick.is_some_and(|tick| tick <= time);
    store.earlier.retain(is_kept);
}

/// The starts that earlier rounds saw, by scraper.
pub(crate) fn earlier(starts: Option<&BTreeMap<Labels, Vec<i64>>>) -> Starts {
    let one = |(labels, starts): (&Labels, &Vec<i64>)| {
        let part = |name: &str| labels.get(name).map(str::to_owned);
        let scraper = ScraperKey {
            scraper_id: part("scraper_id"),
            site: part("site"),
        };
        let starts = starts.iter().copied().map(Timestamp::from_micros);
        (scraper, starts.collect())
    };
    starts.into_iter().flatten().map(one).collect()
}

/// Remembers when runs started. Of the time that the logs hold, they know best.
pub(crate) fn remember_starts(store: &mut AlertStore, starts: &Starts, now: Timestamp) {
    for (scraper, new) in starts {
        let Some(first) = new.first() else { continue };
        let labels = labels_of(scraper);
        if store.starts.len() >= MOST_SCRAPERS && !store.starts.contains_key(&labels) {
            continue;
        }
        let known = store.starts.entry(labels).or_default();
        known.retain(|start| *start < first.as_micros());
        known.extend(new.iter().map(|start| start.as_micros()));
        known.drain(..known.len().saturating_sub(STARTS));
    }
    let oldest = now.plus_micros(-RETIRED).as_micros();
    store
        .starts
        .retain(|_, starts| starts.last().is_some_and(|last| *last >= oldest));
}

/// Remembers a state and the newest events. Of older states fewer are kept: one for each doubling of its age.
pub(crate) fn remember(
    store: &mut AlertStore,
    state: Option<WatchState>,
    finished: &Finished,
    now: Timestamp,
) {
    let state = state.filter(|state| state.last_tick.is_some());
    store.earlier.extend(state);
    // A round with a clock that is ahead must not drop them all.
    let latest = store.earlier.pop();
    let age = |state: &WatchState| state.last_tick.map_or(KEPT, |tick| now.since(tick).max(0));
    let mut last = None;
    store.earlier.retain(|state| {
        let doublings = (age(state) / MINUTE).max(1).ilog2();
        let is_first = last != Some(doublings);
        last = Some(doublings);
        is_first && age(state) < KEPT
    });
    store.earlier.extend(latest);
    for run in &finished.runs {
        let scraper = run.key.scraper_id.as_deref().unwrap_or_default();
        let Some(seen) = run.last_seen else { continue };
        let has_room = store.newest.len() < MOST_SCRAPERS;
        if let Some(newest) = store.newest.get_mut(scraper) {
            *newest = seen.max(*newest);
        } else if has_room {
            store.newest.insert(scraper.to_owned(), seen);
        }
    }
}

/// The alerts of which logs know nothing: what was reported of them stays.
pub(crate) fn is_of_no_log(rules: &[Rule], id: &AlertId) -> bool {
    let rule = rules.iter().find(|rule| rule.name == id.rule);
    rule.is_none_or(|rule| matches!(rule.condition, Condition::Health(..)))
}
