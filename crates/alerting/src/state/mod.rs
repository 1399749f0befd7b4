//! The state machine of one alert: one rule for one set of labels.
//!
//! [`AlertState::step`] is a pure function of the state, what an evaluation found ([`Finding`]), the rule's
//! [`Policy`] and the time of the evaluation. It returns the [`Transition`]s, each with its reason.
//!
//! ```text
//!            condition true          held for `for`
//! inactive ────────────────▶ pending ──────────────▶ firing ◀───────────────┐
//!     ▲                        │ false                 │ false               │ true
//!     └────────────────────────┘                       ▼                     │
//!     ▲   15 min later                             recovering ───────────────┘
//!     └──────────── resolved ◀─────────────────────────┘ false for `keep_firing_for`
//! ```
//!
//! Time that no evaluation covers (the watch was down, the data were missing, the evaluation failed) counts
//! towards `for` in no case, and after an hour of it a pending alert starts anew. An episode that fires survives
//! any gap: only data end it. So a restart needs no code of its own.

mod step;
#[cfg(test)]
mod tables;

use std::time::Duration;

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a resolved alert stays visible before it is forgotten.
pub const KEEP_RESOLVED: Duration = Duration::from_mins(15);

/// After this long without an evaluation, a pending alert starts anew.
pub const PENDING_SURVIVES: Duration = Duration::from_hours(1);

/// Number of evaluations in a row that a series may miss before its alert resolves as `missing_series`.
pub const MISSED_EVALUATIONS: u32 = 2;

/// For how long a series must be missing at least, however short the interval between evaluations is.
pub const MISSED_FOR: Duration = Duration::from_mins(2);

/// What an evaluation found about one alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// The condition is true.
    Met {
        /// The value that was compared.
        value: f64,
        /// The severity that this value has.
        severity: Severity,
        /// When it became true, where the data say so (a deadline that passed). `None`: at the evaluation.
        since: Option<Timestamp>,
    },
    /// The condition is false, but the value has not reached the threshold that clears the alert.
    Held {
        /// The value that was compared.
        value: f64,
    },
    /// The condition is false.
    Unmet {
        /// The value that was compared.
        value: f64,
    },
    /// The source delivered nothing at all, or what it delivered is inconclusive.
    NoData,
    /// The source delivered other series, but not this one.
    Missing,
}

/// What happens while there are no data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoDataPolicy {
    /// The alert stays as it is.
    #[default]
    KeepLast,
    /// As if the condition were false.
    Ok,
    /// As if the condition were true.
    Alerting,
    /// The alert stays as it is, and a second one says that there are no data.
    NoData,
}

impl NoDataPolicy {
    /// Whether missing data fire an alert.
    pub(crate) fn is_alarm(self) -> bool {
        matches!(self, Self::Alerting | Self::NoData)
    }
}

/// When an alert counts as flapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlapPolicy {
    /// Number of transitions (into firing, and out of it) that make an alert flap.
    pub transitions: usize,
    /// The window in which they are counted, and how long the condition must hold still to count as stable.
    #[serde(with = "crate::duration")]
    pub within: Duration,
}

impl Default for FlapPolicy {
    fn default() -> Self {
        Self {
            transitions: 3,
            within: Duration::from_hours(1),
        }
    }
}

/// The settings of a rule that the state machine needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// How long the condition must be true before the alert fires.
    pub hold: Duration,
    /// How long the condition must be false before a firing alert resolves.
    pub keep_firing_for: Duration,
    /// What happens without data.
    pub no_data: NoDataPolicy,
    /// When the alert flaps. `None`: never.
    pub flapping: Option<FlapPolicy>,
    /// The severity of the rule, for an alert that fires for lack of data.
    pub severity: Severity,
    /// The time from one evaluation to the next.
    pub interval: Duration,
    /// Whether a lower value is worse.
    pub lower_is_worse: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            hold: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            no_data: NoDataPolicy::default(),
            flapping: Some(FlapPolicy::default()),
            severity: Severity::Medium,
            interval: Duration::from_mins(1),
            lower_is_worse: false,
        }
    }
}

/// One episode of an alert: from the evaluation in which its condition became true to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// When it began: the first evaluation with a true condition, or earlier where the data say so.
    pub began: Timestamp,
    /// When the alert fired. Together with the alert's identity it identifies the episode.
    pub fired_at: Timestamp,
    /// The highest severity so far.
    pub severity: Severity,
    /// The last value with which the condition was true; `None` when it fired for lack of data.
    pub value: Option<f64>,
    /// The value that was furthest beyond the threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<f64>,
    /// Whether it flaps: it counts as firing until the condition holds still.
    pub flapping: bool,
}

/// Where an alert is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Nothing is the matter.
    #[default]
    Inactive,
    /// The condition is true, but not for long enough yet.
    Pending {
        /// When the condition became true.
        active_at: Timestamp,
        /// `active_at`, moved forward by the time that no evaluation covered.
        counted_from: Timestamp,
    },
    /// The alert fires.
    Firing {
        /// The episode.
        episode: Episode,
    },
    /// The condition is false, but not for long enough yet. The alert still counts as firing.
    Recovering {
        /// The episode.
        episode: Episode,
        /// When the condition became false.
        keep_since: Timestamp,
    },
    /// The episode is over.
    Resolved {
        /// The episode.
        episode: Episode,
        /// When it ended.
        resolved_at: Timestamp,
        /// Why it ended.
        reason: Reason,
    },
}

/// The name of a [`Phase`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names of the phases")]
pub enum PhaseName {
    Inactive,
    Pending,
    Firing,
    Recovering,
    Resolved,
}

impl Phase {
    /// The name of the phase.
    pub fn name(&self) -> PhaseName {
        match self {
            Self::Inactive => PhaseName::Inactive,
            Self::Pending { .. } => PhaseName::Pending,
            Self::Firing { .. } => PhaseName::Firing,
            Self::Recovering { .. } => PhaseName::Recovering,
            Self::Resolved { .. } => PhaseName::Resolved,
        }
    }

    /// The episode that is not over: of a firing or a recovering alert.
    pub fn open_episode(&self) -> Option<&Episode> {
        match self {
            Self::Firing { episode } | Self::Recovering { episode, .. } => Some(episode),
            _ => None,
        }
    }
}

/// Why an alert changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The condition became true.
    ConditionTrue,
    /// The condition was true for as long as `for` says.
    HeldLongEnough,
    /// The condition became false.
    ConditionFalse,
    /// The condition was false for as long as `keep_firing_for` says.
    RecoveredLongEnough,
    /// The value rose to the threshold of a higher severity.
    SeverityRaised,
    /// There were no data, and the rule says that this is an alert.
    NoData,
    /// There were no data, and the rule says that this is fine.
    NoDataOk,
    /// The series vanished while its source delivered others.
    MissingSeries,
    /// No evaluation for more than an hour: what was pending starts anew.
    GapTooLong,
    /// Too many transitions within the window.
    Flapping,
    /// The condition held still for the whole window.
    Stable,
    /// The rule was removed from the configuration.
    RuleRemoved,
    /// Judging again, with what came late or with the right clock, shows that the condition was not true.
    NeverTrue,
}

impl Reason {
    /// The reason as part of a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Self::ConditionTrue => "the condition became true",
            Self::HeldLongEnough => "the condition stayed true for the required time",
            Self::ConditionFalse => "the condition became false",
            Self::RecoveredLongEnough => "the condition stayed false for the required time",
            Self::SeverityRaised => "the value reached the next severity",
            Self::NoData => "there are no data",
            Self::NoDataOk => "there are no data, which this rule takes as good",
            Self::MissingSeries => "its series vanished while others were reported",
            Self::GapTooLong => "more than an hour without an evaluation",
            Self::Flapping => "it changed too often",
            Self::Stable => "it held still again",
            Self::RuleRemoved => "its rule, or its check, was removed or switched off",
            Self::NeverTrue => "judged again, it was not so",
        }
    }
}

/// One change of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The time of the evaluation.
    pub at: Timestamp,
    /// The phase before.
    pub from: PhaseName,
    /// The phase after. The same as before when only the severity or the flapping changed.
    pub to: PhaseName,
    /// Why.
    pub reason: Reason,
    /// The value that was compared, if there was one.
    pub value: Option<f64>,
    /// The episode that it belongs to; `None` before an alert fires.
    pub episode: Option<Episode>,
}

/// The state of one alert. It is stored between runs; [`AlertState::default`] is that of an alert never seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertState {
    /// Where the alert is.
    pub phase: Phase,
    /// The last evaluation that had data.
    pub evaluated_at: Option<Timestamp>,
    /// Number of evaluations in a row in which the series was missing.
    #[serde(default)]
    pub missed: u32,
    /// What the last evaluation with data found; flapping is counted by its changes.
    #[serde(default)]
    pub was_true: bool,
    /// The latest transitions, oldest first, as far as they count for flapping.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flips: Vec<Timestamp>,
}

impl AlertState {
    /// Whether nothing would be lost by forgetting this state.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Inactive && self.flips.is_empty()
    }

    /// Takes back the times that have not come by `now`: the clock was ahead. An episode that fired then was none.
    pub(crate) fn set_back(&mut self, now: Timestamp) {
        match &mut self.phase {
            Phase::Firing { episode }
            | Phase::Recovering { episode, .. }
            | Phase::Resolved { episode, .. }
                if episode.fired_at > now =>
            {
                self.phase = Phase::Inactive;
            }
            Phase::Pending { active_at, .. } if *active_at > now => self.phase = Phase::Inactive,
            Phase::Pending {
                counted_from: time, ..
            }
            | Phase::Recovering {
                keep_since: time, ..
            }
            | Phase::Resolved {
                resolved_at: time, ..
            } => *time = now.min(*time),
            Phase::Inactive | Phase::Firing { .. } => {}
        }
        self.evaluated_at = self.evaluated_at.map(|last| now.min(last));
        self.flips.retain(|flip| *flip <= now);
    }
}
