//! Events that came after their time was judged.
//!
//! Logs are copied every hour, a network was down: then a round finds events of a time that an earlier one judged without
//! them. The watch goes back to the state before them and judges that time again. What was reported meanwhile is not reported
//! twice.

use std::collections::BTreeMap;

use dragline_alerting::history::Entry;
use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::state::{PhaseName, Reason, Transition};
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Change, WatchState};
use dragline_alerting::{Alert, AlertId, AlertStatus};
use dragline_rollup::Finished;
use dragline_schema::Timestamp;

/// How long states are kept, in microseconds: a day.
const KEPT: i64 = 86_400_000_000;
/// A minute, in microseconds.
const MINUTE: i64 = 60_000_000;
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

/// The latest state before a time.
pub(crate) fn state_before(store: &AlertStore, time: Timestamp) -> Option<&WatchState> {
    let mut earlier = store.earlier.iter().rev();
    earlier.find(|state| state.last_tick.is_some_and(|tick| tick < time))
}

/// Remembers a state and the newest events. Of older states fewer are kept: one for each doubling of its age.
pub(crate) fn remember(
    store: &mut AlertStore,
    state: WatchState,
    finished: &Finished,
    now: Timestamp,
) {
    if state.last_tick.is_some() {
        store.earlier.push(state);
    }
    let age = |state: &WatchState| state.last_tick.map_or(KEPT, |tick| now.since(tick).max(0));
    let mut last = None;
    store.earlier.retain(|state| {
        let doublings = (age(state) / MINUTE).max(1).ilog2();
        let is_first = last != Some(doublings);
        last = Some(doublings);
        is_first && age(state) < KEPT
    });
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

type Episodes = BTreeMap<AlertId, Vec<(Timestamp, Option<Timestamp>)>>;

/// The episodes that were reported since a time.
fn told_since(store: &AlertStore, from: Timestamp) -> Episodes {
    let mut told = Episodes::new();
    for (alert, _) in store.notices.firing() {
        let own = told.entry(alert.id.clone()).or_default();
        own.push((alert.began, None));
    }
    for entry in store.history.iter() {
        if let Entry::Transition {
            at,
            alert,
            to: PhaseName::Resolved,
            began: Some(began),
            ..
        } = entry
            && *at >= from
        {
            let own = told.entry(alert.clone()).or_default();
            own.push((*began, Some(*at)));
        }
    }
    told
}

/// Of the changes that judging again gave, those that were not reported, and the ends of alerts that should not fire any
/// more. `firing` are the alerts that fire now, `from` is since when was judged again.
pub(crate) fn news(
    store: &AlertStore,
    changes: Vec<Change>,
    firing: &[Alert],
    rules: &[Rule],
    (from, now): (Timestamp, Timestamp),
) -> Vec<Change> {
    let told = told_since(store, from);
    let fires = |alerts: &[Alert], id: &AlertId| alerts.iter().any(|alert| alert.id == *id);
    let told_firing: Vec<Alert> = store
        .notices
        .firing()
        .map(|(alert, _)| alert.clone())
        .collect();
    let mut episodes: BTreeMap<(AlertId, Timestamp), Vec<Change>> = BTreeMap::new();
    let mut ends: BTreeMap<AlertId, Timestamp> = BTreeMap::new();
    for change in changes {
        let Some(alert) = &change.alert else { continue };
        ends.extend(alert.ended.map(|ended| (alert.id.clone(), ended)));
        let key = (alert.id.clone(), alert.fired_at);
        episodes.entry(key).or_default().push(change);
    }
    let is_news = |(id, _): &(AlertId, Timestamp), own: &[Change]| {
        let Some(alert) = own.last().and_then(|change| change.alert.as_ref()) else {
            return false;
        };
        let overlaps = |(began, ended): &(Timestamp, Option<Timestamp>)| {
            alert.ended.is_none_or(|end| *began <= end)
                && ended.is_none_or(|ended| alert.began <= ended)
        };
        let is_told = told.get(id).is_some_and(|told| told.iter().any(overlaps));
        // It was taken for ended too early.
        let goes_on = alert.is_firing() && !fires(&told_firing, id);
        !is_told || goes_on
    };
    let mut news: Vec<Change> = Vec::new();
    for (key, own) in episodes {
        if is_news(&key, &own) {
            news.extend(own);
        }
    }
    let is_over = |alert: &&Alert| !fires(firing, &alert.id) && !is_of_no_log(rules, &alert.id);
    for alert in told_firing.iter().filter(is_over) {
        let ended = ends.get(&alert.id).copied().unwrap_or(now);
        news.push(end_of(alert, ended));
    }
    news.sort_by_key(|change| change.transition.at);
    news
}

/// The end of an alert that was reported.
fn end_of(alert: &Alert, at: Timestamp) -> Change {
    Change {
        id: alert.id.clone(),
        transition: Transition {
            at,
            from: PhaseName::Firing,
            to: PhaseName::Resolved,
            reason: Reason::ConditionFalse,
            value: None,
            episode: None,
        },
        alert: Some(Alert {
            status: AlertStatus::Resolved,
            ended: Some(at),
            reason: Reason::ConditionFalse,
            ..alert.clone()
        }),
    }
}
