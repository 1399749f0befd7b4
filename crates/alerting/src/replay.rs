//! Which notices would have been sent over a history of observations.

use std::time::Duration;

use dragline_schema::{Severity, Timestamp};

use crate::duration::after;
use crate::notify::{DeliveryKind, NotifyConfig, NotifyState};
use crate::observation::Observation;
use crate::rule::Rule;
use crate::watch::{Watch, WatchConfig, WatchState};

/// A notice that would have been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedNotice {
    /// When.
    pub at: Timestamp,
    /// The channel.
    pub channel: String,
    /// What it would have been.
    pub kind: DeliveryKind,
    /// Its severity.
    pub severity: Severity,
    /// Number of alerts in it.
    pub alerts: usize,
}

/// Replays all rules and decisions over observations, minute by minute, with channels that deliver everything. What
/// fires at the end of the history stays open.
pub fn replay(
    rules: &[Rule],
    watch: WatchConfig,
    config: &NotifyConfig,
    observations: &[Observation],
) -> Vec<ReplayedNotice> {
    let mut ordered: Vec<&Observation> = observations.iter().collect();
    ordered.sort_by_key(|observation| observation.time);
    let (Some(first), Some(last)) = (ordered.first(), ordered.last()) else {
        return Vec::new();
    };
    let (first, last) = (first.time, last.time);
    let interval = watch.interval.max(Duration::from_secs(1));
    let mut judge = Watch::new(watch, rules.to_vec(), WatchState::default());
    judge.start_at(first);
    let mut notices = NotifyState::default();
    let mut sent = Vec::new();
    let mut rest = ordered.as_slice();
    let mut now = first;
    // One interval more, so that the last observation is judged.
    while now <= after(last, 2 * interval) {
        now = after(now, interval);
        let due = rest.partition_point(|observation| observation.time <= now);
        rest[..due]
            .iter()
            .for_each(|observation| judge.observe((*observation).clone()));
        rest = &rest[due..];
        let changes = judge.advance(after(now, watch.lateness));
        notices.record(&changes, now);
        for delivery in notices.decide(config, now) {
            sent.push(ReplayedNotice {
                at: now,
                channel: delivery.channel.clone(),
                kind: delivery.kind,
                severity: delivery.severity(),
                alerts: delivery.alerts.len(),
            });
            notices.confirm(&delivery, now);
        }
    }
    sent
}

/// The largest number of notices that count against a budget within any period of the given length, of one channel:
/// those that are not critical.
pub fn most_within(sent: &[ReplayedNotice], channel: &str, period: Duration) -> usize {
    let counted: Vec<Timestamp> = sent
        .iter()
        .filter(|notice| notice.channel == channel && notice.severity < Severity::Critical)
        .map(|notice| notice.at)
        .collect();
    let within = |from: usize| {
        let end = after(counted[from], period);
        counted[from..].partition_point(|at| *at < end)
    };
    (0..counted.len()).map(within).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Labels;

    const RULES: &str = r#"
        [[rule]]
        alert = "long"
        expr = "last(queue[1m]) > 50"
        cooldown = "0s"
        [[rule]]
        alert = "longer"
        expr = "last(queue[1m]) > 80"
        cooldown = "0s"
        labels = { severity = "critical" }
    "#;

    /// Queues of three scrapers that change every quarter of an hour for two days.
    fn queues() -> impl Strategy<Value = Vec<Observation>> {
        let one = proptest::collection::vec(0..100_u32, 192);
        proptest::collection::vec(one, 3).prop_map(|scrapers| {
            let all = scrapers.iter().zip(["a", "b", "c"]);
            let of = |(values, name): (&Vec<u32>, &'static str)| {
                let values = values.clone().into_iter().enumerate();
                let minutes = values.flat_map(|(quarter, value)| {
                    (0..15).map(move |minute| (15 * quarter as i64 + minute, value))
                });
                let sample = move |(minute, value): (i64, u32)| {
                    let at = Timestamp::from_seconds(60 * minute);
                    let labels = Labels::from([("scraper_id", name)]);
                    Observation::metric("queue", labels, at, f64::from(value))
                };
                minutes.map(sample).collect::<Vec<_>>()
            };
            all.flat_map(of).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]
        #[test]
        fn the_budget_is_never_exceeded(
            observations in queues(),
            notices in 1..6_usize,
            (period, hours) in prop_oneof![Just(("hour", 1)), Just(("day", 24))],
        ) {
            let rules = crate::rule::load("r", RULES).rules;
            let config = |budget: &str| {
                let text = format!("[notify]\nchannels = [\"mail\"]\nrepeat = \"1h\"\n{budget}");
                NotifyConfig::load("t", &text).unwrap()
            };
            let period_length = Duration::from_hours(hours);
            let run = |config: &NotifyConfig| {
                let sent = replay(&rules, WatchConfig::default(), config, &observations);
                let critical = sent.iter().filter(|notice| notice.severity == Severity::Critical);
                (most_within(&sent, "mail", period_length), critical.count())
            };
            let (most, critical) = run(&config(&format!("budget = \"{notices} per {period}\"")));
            prop_assert!(most <= notices, "{most} of {notices} per {period}");
            // Without one there are more, and what is critical goes out in any case.
            let (free, _) = run(&config(""));
            prop_assert!(free > notices && critical > 0, "{free}, {critical}");
        }
    }
}
