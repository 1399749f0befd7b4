//! What judging again tells, beside what was reported already.
//!
//! What was judged again is the truth, and what was reported gives the names: an episode that was reported keeps its
//! beginning, also when it was taken for ended too early or when its beginning is now known to be another.

use std::collections::BTreeMap;

use dragline_alerting::history::Entry;
use dragline_alerting::state::{PhaseName, Reason, Transition};
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Change, WatchState};
use dragline_alerting::{Alert, AlertId};
use dragline_schema::Timestamp;

/// An episode that was reported.
#[derive(Clone, Copy, Debug)]
struct Told {
    began: Timestamp,
    fired_at: Timestamp,
    ended: Option<Timestamp>,
}

impl Told {
    fn overlaps(&self, alert: &Alert) -> bool {
        alert.ended.is_none_or(|end| self.began <= end)
            && self.ended.is_none_or(|ended| alert.began <= ended)
    }
}

/// What was reported.
pub(crate) struct Reported {
    episodes: BTreeMap<AlertId, Vec<Told>>,
    firing: BTreeMap<AlertId, Alert>,
}

impl Reported {
    /// What was reported of the time from `from` to `now`, without the alerts that are not judged again.
    pub(crate) fn since(
        store: &AlertStore,
        (from, now): (Timestamp, Timestamp),
        is_kept: impl Fn(&AlertId) -> bool,
    ) -> Self {
        let mut known: BTreeMap<(AlertId, Timestamp), Told> = BTreeMap::new();
        for entry in store.history.iter() {
            let Entry::Transition {
                at,
                alert,
                to,
                began: Some(began),
                ..
            } = entry
            else {
                continue;
            };
            let told = known.entry((alert.clone(), *began)).or_insert(Told {
                began: *began,
                fired_at: *at,
                ended: None,
            });
            match to {
                PhaseName::Resolved => told.ended = Some(*at),
                PhaseName::Firing => told.ended = None,
                _ => {}
            }
        }
        // What fired by a clock that was ahead was no episode.
        known.retain(|_, told| told.fired_at <= now);
        let firing = store.notices.firing();
        let firing: BTreeMap<AlertId, Alert> = firing
            .filter(|(alert, _)| !is_kept(&alert.id))
            .map(|(alert, _)| (alert.id.clone(), alert.clone()))
            .collect();
        for alert in firing.values() {
            let told = Told {
                began: alert.began,
                fired_at: alert.fired_at,
                ended: None,
            };
            known.insert((alert.id.clone(), alert.began), told);
        }
        let mut episodes: BTreeMap<AlertId, Vec<Told>> = BTreeMap::new();
        for ((id, _), told) in known {
            if told.ended.is_none_or(|ended| ended >= from) {
                episodes.entry(id).or_default().push(told);
            }
        }
        Self { episodes, firing }
    }

    /// Whether a change is of an alert that was reported and not yet of its end.
    pub(crate) fn fires(&self, change: &Change) -> bool {
        let alert = change.alert.as_ref();
        let known = self.firing.get(&change.id);
        known.is_some_and(|known| alert.is_some_and(|alert| alert.fired_at == known.fired_at))
    }

    /// The latest reported episode that an alert overlaps.
    fn of(&self, alert: &Alert) -> Option<&Told> {
        let own = self.episodes.get(&alert.id)?;
        own.iter().rev().find(|told| told.overlaps(alert))
    }

    /// Of what judging again gave, what was not reported, in order of time, and the ends that were reported wrongly.
    /// `changes` are its transitions, `firing` the alerts that fire at its end. The episodes of `state` that were reported
    /// get the names under which they were.
    pub(crate) fn news(
        &self,
        changes: Vec<Change>,
        firing: &[Alert],
        state: &mut WatchState,
        now: Timestamp,
    ) -> (Vec<Change>, Vec<Change>) {
        let mut episodes: BTreeMap<(AlertId, Timestamp), Vec<Change>> = BTreeMap::new();
        let mut ends: BTreeMap<AlertId, Alert> = BTreeMap::new();
        for change in changes {
            let Some(alert) = &change.alert else { continue };
            if alert.ended.is_some() {
                ends.insert(alert.id.clone(), alert.clone());
            }
            let key = (alert.id.clone(), alert.fired_at);
            episodes.entry(key).or_default().push(change);
        }
        let mut news = Vec::new();
        for alert in firing {
            let own = episodes.remove(&(alert.id.clone(), alert.fired_at));
            let Some(told) = self.of(alert) else {
                news.extend(own.unwrap_or_else(|| {
                    vec![beginning(
                        alert.clone(),
                        alert.fired_at,
                        Reason::HeldLongEnough,
                    )]
                }));
                continue;
            };
            state.rename_episode(&alert.id, told.began, told.fired_at);
            let before = self.firing.get(&alert.id);
            // It was taken for ended, or it is worse than was known.
            if before.is_none_or(|before| before.severity < alert.severity) {
                let alert = Alert {
                    began: told.began,
                    fired_at: told.fired_at,
                    ..alert.clone()
                };
                let reason = match before {
                    Some(_) => Reason::SeverityRaised,
                    None => Reason::HeldLongEnough,
                };
                news.push(beginning(alert, now, reason));
            }
        }
        let mut corrected = Vec::new();
        for own in episodes.into_values() {
            let Some(alert) = own.last().and_then(|change| change.alert.as_ref()) else {
                continue;
            };
            match self.of(alert) {
                None => news.extend(own),
                Some(told) if told.ended.is_some() && told.ended != alert.ended => {
                    let named = Alert {
                        began: told.began,
                        fired_at: told.fired_at,
                        ..alert.clone()
                    };
                    corrected.push(Change::end(&named, Some(alert), now));
                }
                Some(_) => {}
            }
        }
        let fires = |id: &AlertId| firing.iter().any(|alert| alert.id == *id);
        for alert in self.firing.values().filter(|alert| !fires(&alert.id)) {
            news.push(Change::end(alert, ends.get(&alert.id), now));
        }
        news.sort_by_key(|change| change.transition.at);
        (news, corrected)
    }
}

/// The beginning of an alert, or that it goes on or is worse.
fn beginning(alert: Alert, at: Timestamp, reason: Reason) -> Change {
    let from = match reason {
        Reason::SeverityRaised => PhaseName::Firing,
        _ => PhaseName::Pending,
    };
    Change {
        id: alert.id.clone(),
        transition: Transition {
            at,
            from,
            to: PhaseName::Firing,
            reason,
            value: alert.value,
            episode: Some(alert.episode()),
        },
        alert: Some(alert),
    }
}
