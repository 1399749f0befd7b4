//! An alert as it is notified: everything that a notice needs to know, without the rule.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Labels;
use crate::observation::Expected;
use crate::rule::Escalation;
use crate::state::{Episode, Reason};

/// What identifies an alert: the rule, and the labels of its series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertId {
    /// The name of the rule.
    pub rule: String,
    /// The labels of the series.
    pub labels: Labels,
}

impl AlertId {
    /// `NAME-FINGERPRINT`, as people type it to acknowledge an alert.
    pub fn short(&self) -> String {
        format!("{}-{}", self.rule, self.labels.fingerprint())
    }
}

/// Whether an alert fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It fires.
    Firing,
    /// Its episode is over.
    Resolved,
}

/// An alert in an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What identifies it.
    pub id: AlertId,
    /// The labels of the series, those of the rule, its tags, and `alertname`, `severity` and `category`.
    pub labels: Labels,
    /// Whether it fires.
    pub status: AlertStatus,
    /// The highest severity of the episode.
    pub severity: Severity,
    /// When the episode began.
    pub began: Timestamp,
    /// When it fired. With the id, this identifies the episode.
    pub fired_at: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it is as it is.
    pub reason: Reason,
    /// Whether it changes too often to be reported each time.
    pub flapping: bool,
    /// The last value with which the condition was true.
    pub value: Option<f64>,
    /// The value that was furthest beyond the threshold.
    #[serde(default)]
    pub worst: Option<f64>,
    /// The value with which it ended.
    pub ended_value: Option<f64>,
    /// The condition in words.
    pub condition: String,
    /// The threshold, where the condition has one.
    pub threshold: Option<f64>,
    /// The usual value.
    pub expected: Option<Expected>,
    /// One sentence: what is the matter.
    pub summary: String,
    /// The other annotations, filled.
    pub annotations: BTreeMap<String, String>,
    /// The category of the rule.
    pub category: String,
    /// The least time between notices of new episodes.
    #[serde(with = "crate::duration")]
    pub cooldown: Duration,
    /// How often a notice is repeated; `None`: as `[notify]` says.
    #[serde(default, with = "optional_duration")]
    pub repeat: Option<Duration>,
    /// Further channels while nobody acknowledges.
    pub escalate: Vec<Escalation>,
}

impl Alert {
    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        self.status == AlertStatus::Firing
    }

    /// The episode that it is in.
    pub fn episode(&self) -> Episode {
        Episode {
            began: self.began,
            fired_at: self.fired_at,
            severity: self.severity,
            value: self.value,
            worst: self.worst,
            flapping: self.flapping,
        }
    }
}

/// A duration that may be absent.
pub(crate) mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "the signature that serde calls")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(crate::duration::format).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| crate::duration::parse(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

/// Maps whose keys are no texts, as lists of pairs: JSON has no other keys.
pub mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the pairs.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    /// Reads the pairs.
    ///
    /// # Errors
    /// If the input is no list of pairs.
    pub fn deserialize<'de, K, V, D>(from: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(from)?.into_iter().collect())
    }
}
