//! From what was measured to one result.

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::condition::{Condition, Verdict};
use crate::field::Field;
use crate::measurement::{FailureKind, Measurement, Probed, Values};

/// How well something is, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All conditions hold.
    Healthy,
    /// It works, and something needs attention.
    Degraded,
    /// It does not work.
    Critical,
}

/// A level, or that there is none; from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All conditions hold.
    Healthy,
    /// Nothing is known at the moment: never checked, or the own network is down.
    Inconclusive,
    /// It works, and something needs attention.
    Degraded,
    /// It does not work.
    Critical,
}

impl From<Option<Level>> for Status {
    fn from(level: Option<Level>) -> Self {
        match level {
            None => Self::Inconclusive,
            Some(Level::Healthy) => Self::Healthy,
            Some(Level::Degraded) => Self::Degraded,
            Some(Level::Critical) => Self::Critical,
        }
    }
}

impl Status {
    /// Name in JSON and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Inconclusive => "inconclusive",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}

/// Where a result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The check asked.
    Probe,
    /// The scrapers' own requests.
    Requests,
    /// A sign of life: a line of a log, the end of a run.
    Signal,
}

/// One result of one check: what the state machine observes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// When it was checked.
    pub at: Timestamp,
    /// The level; none if the check could not decide.
    pub level: Option<Level>,
    /// When the level began, if the check knows it: freshness is dated to its deadline, and no number of
    /// results in a row is needed.
    pub since: Option<Timestamp>,
    /// A sentence without secrets.
    pub message: String,
    /// Why it failed, if it failed.
    pub failure: Option<FailureKind>,
    /// Who saw it.
    pub source: Source,
    /// What was measured.
    pub values: Values,
}

/// Conditions of a check.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// If one does not hold, the check is critical.
    pub critical: Vec<Condition>,
    /// If one does not hold, the check is degraded.
    pub degraded: Vec<Condition>,
}

impl Conditions {
    /// Whether a condition is about a field.
    pub fn mention(&self, field: Field) -> bool {
        let mut all = self.critical.iter().chain(&self.degraded);
        all.any(|condition| condition.field() == field)
    }

    /// The conditions on what the scrapers' requests tell.
    #[must_use]
    pub(crate) fn of_requests(&self, is_certificate_known: bool) -> Self {
        self.filtered(|field| {
            field.is_of_requests() || (is_certificate_known && field == Field::CertificateDays)
        })
    }

    /// The conditions on what a probe tells.
    #[must_use]
    pub(crate) fn of_probes(&self) -> Self {
        self.filtered(|field| !matches!(field, Field::Requests | Field::FailedPercent))
    }

    /// Removes the conditions on a field.
    pub(crate) fn drop_field(&mut self, field: Field) {
        for conditions in [&mut self.critical, &mut self.degraded] {
            conditions.retain(|condition| condition.field() != field);
        }
    }

    fn filtered(&self, keep: impl Fn(Field) -> bool) -> Self {
        let keep = |conditions: &[Condition]| {
            let kept = conditions
                .iter()
                .filter(|condition| keep(condition.field()));
            kept.cloned().collect()
        };
        Self {
            critical: keep(&self.critical),
            degraded: keep(&self.degraded),
        }
    }
}

/// Evaluates the conditions of a check; a failed probe is critical.
pub fn judge(
    at: Timestamp,
    source: Source,
    probed: Probed,
    conditions: &Conditions,
) -> CheckResult {
    let (level, message, failure, values) = match probed {
        Err(failure) => (
            Level::Critical,
            failure.message,
            Some(failure.kind),
            failure.values,
        ),
        Ok(measurement) => judge_measurement(measurement, conditions),
    };
    CheckResult {
        at,
        level: Some(level),
        since: None,
        message,
        failure,
        source,
        values,
    }
}

fn judge_measurement(
    measurement: Measurement,
    conditions: &Conditions,
) -> (Level, String, Option<FailureKind>, Values) {
    let critical = find_failures(&measurement, &conditions.critical);
    let mut degraded = find_failures(&measurement, &conditions.degraded);
    // One sentence for one value.
    degraded.retain(|(field, _)| critical.iter().all(|(other, _)| other != field));
    let level = if !critical.is_empty() {
        Level::Critical
    } else if !degraded.is_empty() {
        Level::Degraded
    } else {
        Level::Healthy
    };
    let failure = (level != Level::Healthy).then_some(FailureKind::Condition);
    let failures = critical.into_iter().chain(degraded);
    let mut sentences: Vec<_> = failures.map(|(_, sentence)| sentence).collect();
    sentences.extend(measurement.notes);
    (level, sentences.join("; "), failure, measurement.values)
}

/// The conditions that do not hold, by field and sentence. What was not measured does not hold.
fn find_failures(measurement: &Measurement, conditions: &[Condition]) -> Vec<(Field, String)> {
    let failure = |condition: &Condition| match condition.evaluate(measurement) {
        Verdict::Holds => None,
        Verdict::Fails(sentence) | Verdict::Unknown(sentence) => {
            Some((condition.field(), sentence))
        }
    };
    conditions.iter().filter_map(failure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Failure;

    fn conditions(critical: &[&str], degraded: &[&str]) -> Conditions {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Conditions {
            critical: parse(critical),
            degraded: parse(degraded),
        }
    }

    fn judged(values: &[(Field, f64)], conditions: &Conditions) -> CheckResult {
        let measurement = Measurement {
            values: values.iter().copied().collect(),
            ..Measurement::default()
        };
        let now = Timestamp::from_seconds(0);
        judge(now, Source::Probe, Ok(measurement), conditions)
    }

    #[test]
    fn slow_is_degraded_and_failed_is_critical() {
        let conditions = conditions(&["status == 200"], &["response_time < 800ms"]);
        let slow = [(Field::Status, 200.0), (Field::ResponseTime, 2.0)];
        assert_eq!(judged(&slow, &conditions).level, Some(Level::Degraded));
        let both = [(Field::Status, 503.0), (Field::ResponseTime, 2.0)];
        let result = judged(&both, &conditions);
        assert_eq!(result.level, Some(Level::Critical));
        assert_eq!(
            result.message,
            "status is 503 (condition: status == 200); \
             response_time is 2 s (condition: response_time < 800ms)"
        );
    }

    #[test]
    fn a_condition_on_what_was_not_measured_is_never_silently_met() {
        let result = judged(&[], &conditions(&["certificate_days > 14"], &[]));
        assert_eq!(result.level, Some(Level::Critical));
    }

    #[test]
    fn a_failed_probe_keeps_what_it_measured() {
        let failure = Failure {
            kind: FailureKind::Timeout,
            message: "timed out".to_owned(),
            values: Values::from([(Field::DnsTime, 0.1)]),
        };
        let now = Timestamp::from_seconds(0);
        let result = judge(now, Source::Probe, Err(failure), &Conditions::default());
        assert_eq!(result.level, Some(Level::Critical));
        assert_eq!(result.values, Values::from([(Field::DnsTime, 0.1)]));
    }

    #[test]
    fn levels_and_statuses_are_ordered_from_best_to_worst() {
        assert!(Level::Healthy < Level::Degraded && Level::Degraded < Level::Critical);
        let statuses = [
            None,
            Some(Level::Degraded),
            Some(Level::Healthy),
            Some(Level::Critical),
        ];
        let mut statuses = statuses.map(Status::from);
        statuses.sort_unstable();
        assert_eq!(
            statuses.map(Status::name),
            ["healthy", "inconclusive", "degraded", "critical"]
        );
    }
}
