//! What fires, what was sent, who acknowledged, and what happened: everything about alerts that people see.

use std::collections::BTreeMap;

use dragline_alerting::channel::Channels;
use dragline_alerting::dispatch::{Dispatch, Round};
use dragline_alerting::history::{Entry, History, KEPT};
use dragline_alerting::notice::Explanation;
use dragline_alerting::notify::{Acknowledgement, NotifyConfig, NotifyState, Silence};
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Change, WatchState};
use dragline_alerting::{Alert, AlertId};
use dragline_schema::Timestamp;

use crate::store::Store;

/// An alert that fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    /// The alert.
    pub alert: Alert,
    /// Who has taken it up.
    pub acknowledged: Option<Acknowledgement>,
}

/// Something that happened while notices were on their way.
#[derive(Clone, Debug)]
enum Event {
    Changes(Vec<Change>, Timestamp),
    Acknowledge {
        id: String,
        by: String,
        at: Timestamp,
    },
}

/// The book of the alerts.
#[derive(Debug, Default)]
pub struct Book {
    notices: NotifyState,
    /// Silences that were set on the page.
    silences: Vec<Silence>,
    /// What happened and is not stored yet.
    unsaved: Vec<Entry>,
    is_dirty: bool,
    /// What happened since notices were sent off; `None` while none are on their way.
    since: Option<Vec<Event>>,
    /// The lines that each alert's last notice showed, by the alert's short id.
    evidence: BTreeMap<String, Vec<String>>,
}

/// Notices that are on their way.
#[derive(Debug)]
pub(super) struct Sending {
    notices: NotifyState,
    history: History,
}

impl Book {
    /// Reads what was stored, and the state of the watch.
    pub(super) fn load(store: &Store) -> Result<(Self, WatchState), String> {
        let Some(json) = store.alerts().map_err(|error| error.to_string())? else {
            return Ok((Self::default(), WatchState::default()));
        };
        let held = AlertStore::from_json(&json)?;
        let book = Self {
            notices: held.notices,
            silences: held.silences,
            ..Self::default()
        };
        Ok((book, held.watch))
    }

    /// Writes down changes of the watch, and how firing alerts are now.
    pub(super) fn record(&mut self, changes: &[Change], alerts: &[Alert], now: Timestamp) {
        self.notices.refresh(alerts);
        if changes.is_empty() {
            return;
        }
        self.notices.record(changes, now);
        self.note(Event::Changes(changes.to_vec(), now));
        let mut history = History::default();
        history.record_changes(changes);
        self.keep(&history, now);
    }

    fn note(&mut self, event: Event) {
        self.is_dirty = true;
        if let Some(since) = &mut self.since {
            since.push(event);
        }
    }

    /// Keeps what happened until it is stored.
    fn keep(&mut self, history: &History, now: Timestamp) {
        let mut entries: Vec<Entry> = history.view(now, KEPT).cloned().collect();
        entries.reverse();
        for entry in &entries {
            if let Entry::Notice { alerts, .. } = entry {
                for alert in alerts.iter().filter(|alert| !alert.evidence.is_empty()) {
                    self.evidence
                        .insert(alert.alert.short(), alert.evidence.clone());
                }
            }
        }
        self.is_dirty |= !entries.is_empty();
        self.unsaved.extend(entries);
    }

    /// Whether something has to be stored.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Stores everything with the state of the watch.
    pub(super) fn save(&mut self, store: &Store, watch: WatchState) -> Result<(), String> {
        let mut held = AlertStore::default();
        held.watch = watch;
        held.notices.clone_from(&self.notices);
        held.silences.clone_from(&self.silences);
        let entries = self.unsaved.clone();
        store
            .put_alerts(held.to_json(), entries)
            .map_err(|error| error.to_string())?;
        self.unsaved.clear();
        self.is_dirty = false;
        Ok(())
    }

    /// Begins a round of notices; `None` if there is nothing to decide.
    pub(super) fn begin(&mut self, config: &NotifyConfig, now: Timestamp) -> Option<Sending> {
        let notices = self.with_silences(now);
        let mut decided = notices.clone();
        if decided.decide(config, now).is_empty() {
            // What waits for a digest was written down.
            decided.silences = Vec::new();
            self.is_dirty |= decided != self.notices;
            self.notices = decided;
            return None;
        }
        self.since = Some(Vec::new());
        Some(Sending {
            notices,
            history: History::default(),
        })
    }

    fn with_silences(&self, now: Timestamp) -> NotifyState {
        let mut notices = self.notices.clone();
        let in_force = self
            .silences
            .iter()
            .filter(|silence| silence.ends.is_none_or(|ends| ends > now));
        notices.silences = in_force.cloned().collect();
        notices
    }

    /// Ends a round of notices: what happened meanwhile is added to what was sent.
    pub(super) fn end(&mut self, sending: Sending) {
        let Sending {
            mut notices,
            history,
        } = sending;
        notices.silences = Vec::new();
        let latest = history.view(
            Timestamp::from_micros(i64::MAX / 2),
            std::time::Duration::MAX,
        );
        let at = latest
            .map(Entry::at)
            .max()
            .unwrap_or(Timestamp::from_micros(0));
        for event in self.since.take().unwrap_or_default() {
            match event {
                Event::Changes(changes, at) => notices.record(&changes, at),
                Event::Acknowledge { id, by, at } => {
                    notices.acknowledge(&id, &by, at);
                }
            }
        }
        self.notices = notices;
        self.keep(&history, at);
        self.is_dirty = true;
    }

    /// The alerts that fire.
    pub fn firing(&self) -> Vec<Firing> {
        let firing = self.notices.firing().map(|(alert, acknowledged)| Firing {
            alert: alert.clone(),
            acknowledged: acknowledged.cloned(),
        });
        firing.collect()
    }

    /// The lines that an alert's last notice showed.
    pub fn evidence(&self, id: &AlertId) -> Vec<String> {
        self.evidence.get(&id.short()).cloned().unwrap_or_default()
    }

    /// Takes up the firing alert with a short id; `None` if it does not fire.
    pub fn acknowledge(&mut self, id: &str, by: &str, now: Timestamp) -> Option<Firing> {
        let is_one = |firing: &Firing| firing.alert.id.short() == id;
        if !self.firing().iter().any(is_one) {
            return None;
        }
        self.notices.acknowledge(id, by, now);
        self.note(Event::Acknowledge {
            id: id.to_owned(),
            by: by.to_owned(),
            at: now,
        });
        self.act(by, &format!("acknowledged {id}"), now);
        self.firing().into_iter().find(is_one)
    }

    /// Silences that were set on the page.
    pub fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// Adds a silence.
    pub fn add_silence(&mut self, silence: Silence, now: Timestamp) {
        let what = if silence.comment.is_empty() {
            "a silence"
        } else {
            &silence.comment
        };
        self.act(
            &silence.by.clone(),
            &format!("added a silence: {what}"),
            now,
        );
        self.silences.push(silence);
        self.is_dirty = true;
    }

    /// Ends a silence that was set on the page. Returns whether there was one.
    pub fn end_silence(
        &mut self,
        is_it: impl Fn(&Silence) -> bool,
        by: &str,
        now: Timestamp,
    ) -> bool {
        let before = self.silences.len();
        self.silences.retain(|silence| !is_it(silence));
        let has_ended = self.silences.len() < before;
        if has_ended {
            self.act(by, "ended a silence", now);
        }
        has_ended
    }

    fn act(&mut self, by: &str, text: &str, now: Timestamp) {
        let mut history = History::default();
        history.record_action(by, text, now);
        self.keep(&history, now);
    }
}

impl Sending {
    /// Sends what is to be sent.
    pub(super) fn dispatch(
        &mut self,
        channels: &Channels,
        config: &NotifyConfig,
        now: Timestamp,
        explain: impl Fn(&Alert) -> Explanation,
    ) -> Round {
        let jitter = f64::from(now.subsec_micros() % 1_000) / 1_000.0;
        let dispatch = Dispatch {
            channels,
            config,
            now,
            jitter,
        };
        dispatch.run(&mut self.notices, &mut self.history, explain, |_, _| {})
    }
}
