//! Rules: what to watch, when that is an alert, and what the notice says.

mod expression;
mod file;
mod template;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use dragline_schema::Severity;
use serde::{Deserialize, Serialize};

pub use expression::{Aggregate, Compare, MetricCondition, TOLERANCE};
pub use file::{LoadedRules, RULE_KEYS, RuleError, RuleKey, from_value, load};
pub use template::fill;

use crate::labels::matches_pattern;
use crate::observation::{HealthStatus, Topic};
use crate::state::{FlapPolicy, KEEP_RESOLVED, NoDataPolicy, Policy};
use crate::{Labels, Matchers};

/// The rules that every installation has, unless it switches them off: `crates/alerting/src/rule/defaults.toml`.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// The cooldown of a rule that names none.
pub const DEFAULT_COOLDOWN: Duration = Duration::from_mins(5);

/// The category of a rule that names none.
pub const DEFAULT_CATEGORY: &str = "general";

/// How long the result of a health check is valid.
pub const HEALTH_VALID_FOR: Duration = Duration::from_mins(15);

/// When a rule's alert is active.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A comparison of a metric over a window.
    Metric(MetricCondition),
    /// A finding of this kind and of at least this severity is open.
    Insight(Selector, Severity),
    /// A health check has at least this status.
    Health(Selector, HealthStatus),
    /// A sign of life is overdue.
    Freshness(Selector),
}

/// Which series: a name, in which `*` stands for any characters, and conditions on labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The name.
    pub name: String,
    /// The conditions on labels.
    pub matchers: Matchers,
}

impl Selector {
    /// Whether it takes series with this name.
    pub fn takes(&self, name: &str) -> bool {
        matches_pattern(&self.name, name)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metric(metric) => metric.fmt(f),
            Self::Insight(selector, Severity::Low) => {
                write!(f, "finding {} is open", selector.name)
            }
            Self::Insight(selector, least) => write!(
                f,
                "finding {} of severity {least} or more is open",
                selector.name
            ),
            Self::Health(selector, least) => {
                f.write_str(&condition_of_check(&selector.name, *least))
            }
            Self::Freshness(selector) => write!(f, "{} is overdue", selector.name),
        }
    }
}

/// What has to be of a check, or of those that a pattern matches, for an alert.
pub(crate) fn condition_of_check(name: &str, least: HealthStatus) -> String {
    let is = match least {
        HealthStatus::Healthy => "known",
        HealthStatus::Degraded => "degraded or critical",
        HealthStatus::Critical => "critical",
    };
    format!("check {name} is {is}")
}

/// From which value on an alert has a higher severity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raise {
    /// The severity.
    pub severity: Severity,
    /// The threshold, compared as the rule's own.
    pub at: f64,
}

/// Further channels that are notified while nobody acknowledges the alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// How long after the alert fired.
    #[serde(with = "crate::duration")]
    pub after: Duration,
    /// The channels.
    pub channels: Vec<String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The name of the alert (`alert`).
    pub name: String,
    /// When the alert is active.
    pub condition: Condition,
    /// How long the condition must be true (`for`).
    pub hold: Duration,
    /// How long it must be false (`keep_firing_for`).
    pub keep_firing_for: Duration,
    /// The severity (`labels.severity`).
    pub severity: Severity,
    /// Higher severities of higher values. A rule about findings that names no severity has the finding's own.
    pub raise: Vec<Raise>,
    /// Labels that the alert has in addition to those of its series.
    pub labels: Labels,
    /// Templates: `summary`, `description`, `runbook` and others.
    pub annotations: BTreeMap<String, String>,
    /// The template of the notice's sentence; empty for the summary, or a sentence made of the condition.
    pub message: String,
    /// What the rule is for.
    pub description: String,
    /// A word to group rules by.
    pub category: String,
    /// Free key-value pairs, for filters and routing.
    pub tags: Labels,
    /// The least time between notices of new episodes.
    pub cooldown: Duration,
    /// How often a notice is repeated; `None`: as `[notify]` says.
    pub repeat: Option<Duration>,
    /// Further channels while nobody acknowledges.
    pub escalate: Vec<Escalation>,
    /// What happens without data.
    pub no_data: NoDataPolicy,
    /// When the alert flaps.
    pub flapping: Option<FlapPolicy>,
    /// Whether the rule is evaluated.
    pub enabled: bool,
}

impl Rule {
    /// What the state machine needs of the rule.
    pub fn policy(&self, interval: Duration) -> Policy {
        Policy {
            hold: self.hold,
            keep_firing_for: self.keep_firing_for,
            no_data: self.no_data,
            flapping: self.flapping,
            severity: self.severity,
            interval,
            lower_is_worse: matches!(
                &self.condition,
                Condition::Metric(metric) if metric.compare.is_stricter(-1.0, 0.0)
            ),
        }
    }

    /// The selector of the condition's series.
    pub fn selector(&self) -> &Selector {
        match &self.condition {
            Condition::Metric(metric) => &metric.selector,
            Condition::Insight(selector, _)
            | Condition::Health(selector, _)
            | Condition::Freshness(selector) => selector,
        }
    }

    /// What kind of observations the condition looks at.
    pub(crate) fn topic(&self) -> Topic {
        match &self.condition {
            Condition::Metric(_) => Topic::Metric,
            Condition::Insight(..) => Topic::Finding,
            Condition::Health(..) => Topic::Health,
            Condition::Freshness(_) => Topic::Freshness,
        }
    }

    /// The severity of an alert whose condition is true with this value.
    pub(crate) fn severity_at(&self, value: f64) -> Severity {
        let is_reached = |raise: &&Raise| match &self.condition {
            Condition::Metric(metric) => metric.compare.holds(value, raise.at),
            _ => value >= raise.at,
        };
        let reached = self.raise.iter().filter(is_reached);
        reached
            .map(|raise| raise.severity)
            .fold(self.severity, Ord::max)
    }

    /// How far back the condition looks; `None` when only the latest observation counts, however old.
    pub fn window(&self) -> Option<Duration> {
        match &self.condition {
            Condition::Metric(metric) => Some(metric.window),
            Condition::Health(..) => Some(HEALTH_VALID_FOR),
            Condition::Insight(..) | Condition::Freshness(_) => None,
        }
    }

    /// For how long observations are needed: in the window, and those of a counter for as long as its alert may stay open
    /// after the last one, because only values end it.
    pub fn memory(&self) -> Option<Duration> {
        let is_counted =
            matches!(&self.condition, Condition::Metric(metric) if metric.aggregate.is_counted());
        let flapping = self.flapping.map_or(Duration::ZERO, |flaps| flaps.within);
        let open = if is_counted {
            self.keep_firing_for + flapping.max(KEEP_RESOLVED)
        } else {
            Duration::ZERO
        };
        Some(self.window()? + open)
    }
}

/// The rules of [`DEFAULTS`].
///
/// # Panics
/// Never: a test reads them.
pub fn default_rules() -> Vec<Rule> {
    let loaded = load("defaults.toml", DEFAULTS);
    debug_assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    loaded.rules
}
