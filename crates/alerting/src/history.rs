//! What happened: transitions and notices, each with its reason.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertId};
use crate::channel::Outcome;
use crate::duration::elapsed;
use crate::notice::{Notice, redact_line};
use crate::notify::{DeliveryKind, News};
use crate::state::{PhaseName, Reason};
use crate::watch::Change;

/// The period that a view covers unless another is given.
pub const DEFAULT_VIEW: Duration = Duration::from_hours(24);

/// How long entries are kept.
pub const KEPT: Duration = Duration::from_hours(90 * 24);

/// Maximum number of entries.
pub const MAX_ENTRIES: usize = 20_000;

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// An alert changed.
    Transition {
        /// When.
        at: Timestamp,
        /// The alert.
        alert: AlertId,
        /// The phase after it.
        to: PhaseName,
        /// Why.
        reason: Reason,
        /// Its severity, once it fires.
        severity: Option<Severity>,
        /// The value that was compared.
        value: Option<f64>,
        /// When the episode began.
        began: Option<Timestamp>,
    },
    /// A notice was sent, or not.
    Notice {
        /// When.
        at: Timestamp,
        /// The channel.
        channel: String,
        /// What it was.
        kind: DeliveryKind,
        /// Its severity.
        severity: Severity,
        /// Its title.
        title: String,
        /// The alerts in it, each with why it is there and its evidence.
        alerts: Vec<NoticeEntry>,
        /// `None` when it was delivered; else what happened, without secrets.
        error: Option<String>,
        /// Whether it is tried again.
        is_retried: bool,
    },
    /// Somebody acknowledged or silenced something.
    Action {
        /// When.
        at: Timestamp,
        /// Who.
        by: String,
        /// What, in a sentence.
        text: String,
    },
}

/// An alert in a notice of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoticeEntry {
    /// The alert.
    pub alert: AlertId,
    /// Why it was in the notice.
    pub news: News,
    /// Why the alert was as it was.
    pub reason: Reason,
    /// The lines that the notice showed, which the log may no longer hold.
    pub evidence: Vec<String>,
}

impl Entry {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Transition { at, .. } | Self::Notice { at, .. } | Self::Action { at, .. } => *at,
        }
    }
}

/// The history, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(Vec<Entry>);

/// The alerts of a history in numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AlertSummary {
    /// Number of alerts that fire now.
    pub active: usize,
    /// Number of alerts that fired within the last hour.
    pub last_hour: usize,
    /// Number of alerts that fired within the last 24 hours.
    pub last_day: usize,
    /// The same by severity.
    pub by_severity: BTreeMap<Severity, usize>,
    /// The alert that fired last: its name, and when.
    pub most_recent: Option<(AlertId, Timestamp)>,
}

impl From<Vec<Entry>> for History {
    /// Entries, oldest first.
    fn from(entries: Vec<Entry>) -> Self {
        Self(entries)
    }
}

impl History {
    /// Writes down the changes of the watch.
    pub fn record_changes(&mut self, changes: &[Change]) {
        self.0.extend(changes.iter().map(|change| {
            let episode = change.transition.episode.as_ref();
            Entry::Transition {
                at: change.transition.at,
                alert: change.id.clone(),
                to: change.transition.to,
                reason: change.transition.reason,
                severity: episode.map(|episode| episode.severity),
                value: change.transition.value,
                began: episode.map(|episode| episode.began),
            }
        }));
    }

    /// Writes down what became of a notice.
    pub fn record_notice(
        &mut self,
        channel: &str,
        notice: &Notice,
        outcome: &Outcome,
        at: Timestamp,
    ) {
        let entry = |alert: &crate::notice::NoticeAlert| NoticeEntry {
            alert: alert.alert.id.clone(),
            news: alert.news,
            reason: alert.alert.reason,
            evidence: alert.evidence.clone(),
        };
        self.0.push(Entry::Notice {
            at,
            channel: channel.to_owned(),
            kind: notice.kind,
            severity: notice.severity,
            title: notice.title.clone(),
            alerts: notice.alerts.iter().map(entry).collect(),
            error: outcome.error().map(redact_line),
            is_retried: outcome.is_retry(),
        });
    }

    /// Writes down what somebody did.
    pub fn record_action(&mut self, by: &str, text: &str, at: Timestamp) {
        self.0.push(Entry::Action {
            at,
            by: by.to_owned(),
            text: text.to_owned(),
        });
    }

    /// Drops what is old, and the oldest of too many.
    pub fn prune(&mut self, now: Timestamp) {
        self.0.retain(|entry| elapsed(now, entry.at()) < KEPT);
        self.0.drain(..self.0.len().saturating_sub(MAX_ENTRIES));
    }

    /// All entries, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    /// The entries of the last `period`, newest first.
    pub fn view(&self, now: Timestamp, period: Duration) -> impl Iterator<Item = &Entry> {
        self.0
            .iter()
            .rev()
            .filter(move |entry| elapsed(now, entry.at()) <= period)
    }

    /// The alerts in numbers. `active` are those that fire now.
    pub fn summarise<'a>(
        &self,
        active: impl IntoIterator<Item = &'a Alert>,
        now: Timestamp,
    ) -> AlertSummary {
        let fired = self.0.iter().filter_map(|entry| match entry {
            Entry::Transition {
                at,
                alert,
                to: PhaseName::Firing,
                reason,
                severity,
                ..
            } => {
                let is_new = matches!(reason, Reason::HeldLongEnough | Reason::Flapping);
                is_new.then_some((*at, alert, severity.unwrap_or(Severity::Low)))
            }
            _ => None,
        });
        let mut summary = AlertSummary {
            active: active.into_iter().count(),
            ..AlertSummary::default()
        };
        for (at, alert, severity) in fired {
            let age = elapsed(now, at);
            if age <= Duration::from_hours(1) {
                summary.last_hour += 1;
            }
            if age <= Duration::from_hours(24) {
                summary.last_day += 1;
                *summary.by_severity.entry(severity).or_default() += 1;
            }
            if summary
                .most_recent
                .as_ref()
                .is_none_or(|(_, latest)| at >= *latest)
            {
                summary.most_recent = Some((alert.clone(), at));
            }
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Labels;
    use crate::state::{Episode, Transition};

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_seconds(1_772_582_400 + 3_600 * hour)
    }

    fn fired(name: &str, severity: Severity, at: Timestamp) -> Change {
        let episode = Episode {
            began: at,
            fired_at: at,
            severity,
            value: Some(1.0),
            worst: Some(1.0),
            flapping: false,
        };
        Change {
            id: AlertId {
                rule: name.to_owned(),
                labels: Labels::new(),
            },
            transition: Transition {
                at,
                from: PhaseName::Pending,
                to: PhaseName::Firing,
                reason: Reason::HeldLongEnough,
                value: Some(1.0),
                episode: Some(episode),
            },
            alert: None,
        }
    }

    #[test]
    fn the_summary_counts_the_last_hour_and_the_last_day() {
        let mut history = History::default();
        history.record_changes(&[
            fired("a", Severity::High, hour(0)),
            fired("b", Severity::High, hour(30)),
            fired("c", Severity::Low, hour(40)),
            fired("d", Severity::Critical, hour(48)),
        ]);
        history.record_action("me", "acknowledged d", hour(48));
        let summary = history.summarise([], hour(48));
        assert_eq!(
            (summary.active, summary.last_hour, summary.last_day),
            (0, 1, 3)
        );
        assert_eq!(
            summary.by_severity.into_iter().collect::<Vec<_>>(),
            [
                (Severity::Low, 1),
                (Severity::High, 1),
                (Severity::Critical, 1)
            ]
        );
        assert_eq!(
            summary.most_recent.map(|(alert, _)| alert.rule),
            Some("d".to_owned())
        );
        assert_eq!(history.view(hour(48), DEFAULT_VIEW).count(), 4);
        history.prune(hour(90 * 24 + 1));
        assert_eq!(history.view(hour(48), KEPT).count(), 4);
    }
}
