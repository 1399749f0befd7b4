//! Health checks, for rules that watch them.

use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::{HealthStatus, Labels, Observation};
use dragline_health::{Config, Report, Status};
use dragline_schema::Timestamp;

/// What a round of checks says to the rules, as of `at`. A status is dated by its first result, which may be earlier.
pub fn of_checks(report: &Report, at: Timestamp) -> Vec<Observation> {
    let one = |(name, status, since): (&str, Status, Option<Timestamp>)| {
        let status = match status {
            Status::Healthy => Some(HealthStatus::Healthy),
            Status::Degraded => Some(HealthStatus::Degraded),
            Status::Critical => Some(HealthStatus::Critical),
            Status::Inconclusive => None,
        };
        Observation {
            since: since.filter(|since| *since < at),
            ..Observation::health(name, Labels::new(), at, status)
        }
    };
    report.statuses().into_iter().map(one).collect()
}

/// The names of checks that rules can watch. The own network is judged beside checks, never without one.
pub fn check_names(config: &Config) -> Vec<&str> {
    let checks = config.checks.iter().map(|check| check.name.as_str());
    let uplink = (!config.checks.is_empty()).then_some(Report::UPLINK);
    checks.chain(uplink).collect()
}

/// Switches off the rules about checks that do not exist (any more), so that their alerts end.
pub fn switch_off_unchecked(rules: &mut [Rule], config: &Config) {
    let names = check_names(config);
    for rule in rules {
        if let Condition::Health(selector, _) = &rule.condition {
            rule.enabled &= names.iter().any(|name| selector.takes(name));
        }
    }
}
