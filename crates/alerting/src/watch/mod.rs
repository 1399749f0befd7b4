//! The watch: keeps the samples, evaluates the rules minute by minute of event time, and keeps the states.
//!
//! Evaluations happen at fixed points of event time (multiples of the interval), and only up to the watermark:
//! the time up to which the supplier says that everything was delivered. So what is read late is judged when it
//! happened, and a watch that slept and catches up goes through the same states as one that never slept.

mod describe;
mod evaluate;
mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

pub use series::{MAX_SAMPLES, MAX_SERIES};

pub(crate) use describe::format_value;
use describe::{change, describe, lag_rule};
pub(crate) use evaluate::SOURCE;

use crate::alert::{Alert, AlertId, AlertStatus, pairs};
use crate::observation::{Expected, Observation};
use crate::rule::Rule;
use crate::state::{AlertState, Finding, Phase, PhaseName, Policy, Reason, Transition};
use crate::{Labels, duration};
use series::SeriesStore;

/// The name of the alert that says that the watch itself is behind.
pub const LAG_ALERT: &str = "watch_lag";

/// The label of the second alert of a rule with `no_data = "no_data"`.
pub const NO_DATA_LABEL: &str = "no_data";

/// Maximum number of evaluations in one call of [`Watch::advance`]: 69 days of minutes.
const MAX_TICKS: i64 = 100_000;

/// How far back a watch without a state goes at least.
const FIRST_BACK: Duration = Duration::from_hours(6);

/// How far back a watch without a state goes at most.
const MOST_BACK: Duration = Duration::from_hours(24);

/// Settings of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchConfig {
    /// The time from one evaluation to the next.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// How long an evaluation waits for observations that come late.
    #[serde(with = "duration")]
    pub lateness: Duration,
    /// From which lag on the watch raises an alert about itself.
    #[serde(with = "duration")]
    pub max_lag: Duration,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(1),
            lateness: Duration::from_secs(30),
            max_lag: Duration::from_mins(10),
        }
    }
}

/// What is stored of one alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tracked {
    state: AlertState,
    /// The expected value at the last evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<Expected>,
    /// The series did not exist at the last evaluation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_missing: bool,
}

/// A rule that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenRule {
    /// Since when.
    pub since: Timestamp,
    /// Why, in a sentence.
    pub error: String,
}

/// What the watch stores between runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WatchState {
    /// The last evaluation.
    pub last_tick: Option<Timestamp>,
    /// The first evaluation.
    pub first_tick: Option<Timestamp>,
    /// The time up to which everything was delivered.
    pub watermark: Option<Timestamp>,
    #[serde(with = "pairs")]
    alerts: BTreeMap<AlertId, Tracked>,
    /// The rules that could not be evaluated the last time.
    #[serde(default)]
    pub broken: BTreeMap<String, BrokenRule>,
    /// The rules of which all series ended with a word.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    over: BTreeSet<String>,
    /// Number of observations that came after their evaluation.
    #[serde(default)]
    pub late: u64,
    /// Number of evaluations that were left out because the watch was too far behind.
    #[serde(default)]
    pub skipped: u64,
}

impl WatchState {
    /// Gives the episode of an alert that fires another beginning: that under which it was reported.
    pub fn rename_episode(&mut self, id: &AlertId, began: Timestamp, fired_at: Timestamp) {
        let tracked = self.alerts.get_mut(id);
        if let Some(Phase::Firing { episode } | Phase::Recovering { episode, .. }) =
            tracked.map(|tracked| &mut tracked.state.phase)
        {
            (episode.began, episode.fired_at) = (began, fired_at);
        }
    }

    /// Takes back what alerts say of times that have not come by `now`: the clock was ahead.
    pub(crate) fn set_back(&mut self, now: Timestamp) {
        for tracked in self.alerts.values_mut() {
            tracked.state.set_back(now);
        }
        self.alerts.retain(|_, tracked| !tracked.state.is_idle());
    }

    /// Takes over the alerts for which `is_taken`, as they are in another state of the same time.
    pub fn take_over(&mut self, other: &Self, is_taken: impl Fn(&AlertId) -> bool) {
        self.alerts.retain(|id, _| !is_taken(id));
        let taken = other.alerts.iter().filter(|(id, _)| is_taken(id));
        self.alerts
            .extend(taken.map(|(id, tracked)| (id.clone(), tracked.clone())));
    }
}

/// What of the logs could not be read or judged in time, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Nothing could be read.
    All(String),
    /// The rest was judged.
    Part(String),
}

impl Unread {
    /// The sentence of the alert after this time.
    fn describe(&self, length: &str) -> String {
        match self {
            Self::All(why) => format!("nothing could be judged for {length}: {why}"),
            Self::Part(why) => {
                format!("a part of the logs was not judged in time for {length}: {why}")
            }
        }
    }
}

/// One transition, with the alert after it. `alert` is `None` while nothing fired yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What identifies the alert.
    pub id: AlertId,
    /// The transition.
    pub transition: Transition,
    /// The alert, once it fires or is resolved.
    pub alert: Option<Alert>,
}

impl Change {
    /// The end of an alert that was reported, by the end of its episode where judging again found one; otherwise its
    /// condition was never true.
    pub fn end(alert: &Alert, found: Option<&Alert>, now: Timestamp) -> Self {
        let at = found.and_then(|found| found.ended).unwrap_or(now);
        let reason = found.map_or(Reason::NeverTrue, |found| found.reason);
        let value = found.and_then(|found| found.ended_value);
        Self {
            id: alert.id.clone(),
            transition: Transition {
                at,
                from: PhaseName::Firing,
                to: PhaseName::Resolved,
                reason,
                value,
                episode: Some(alert.episode()),
            },
            alert: Some(Alert {
                status: AlertStatus::Resolved,
                ended: Some(at),
                ended_value: value,
                reason,
                ..alert.clone()
            }),
        }
    }
}

/// Leaves out the episodes that ended before anybody asked: a watch that begins is about the present.
pub fn keep_present(changes: &mut Vec<Change>) {
    let key = |change: &Change| {
        let alert = change.alert.as_ref()?;
        Some((alert.id.clone(), alert.fired_at))
    };
    let is_over = |change: &&Change| {
        let alert = change.alert.as_ref();
        alert.is_some_and(|alert| !alert.is_firing())
    };
    let over: Vec<_> = changes.iter().filter(is_over).filter_map(key).collect();
    changes.retain(|change| key(change).is_none_or(|key| !over.contains(&key)));
}

/// The watch.
///
/// ```
/// use dragline_alerting::rule;
/// use dragline_alerting::watch::{Watch, WatchConfig, WatchState};
/// use dragline_alerting::{Labels, Observation};
/// use dragline_schema::Timestamp;
///
/// let rules = rule::load("rules.toml", r#"
///     [[rule]]
///     alert = "queue_backup"
///     expr = "queue_size > 1000"
/// "#).rules;
/// let minute = |minute: i64| Timestamp::from_seconds(1_772_582_400 + 60 * minute);
/// let mut watch = Watch::new(WatchConfig::default(), rules, WatchState::default());
/// watch.start_at(minute(0));
/// watch.observe(Observation::metric("queue_size", Labels::new(), minute(0), 5_000.0));
/// let changes = watch.advance(minute(2));
/// assert_eq!(changes.last().unwrap().alert.as_ref().unwrap().value, Some(5_000.0));
/// ```
#[derive(Clone, Debug)]
pub struct Watch {
    config: WatchConfig,
    rules: Vec<Rule>,
    series: SeriesStore,
    state: WatchState,
    /// What the last [`Watch::check_lag`] said.
    lag: String,
}

impl Watch {
    /// A watch over `rules` that goes on from a stored state.
    pub fn new(config: WatchConfig, rules: Vec<Rule>, state: WatchState) -> Self {
        let rules = rules.into_iter().filter(|rule| rule.enabled).collect();
        Self {
            config,
            rules,
            series: SeriesStore::default(),
            state,
            lag: String::new(),
        }
    }

    /// The state, to be stored.
    pub fn state(&self) -> &WatchState {
        &self.state
    }

    /// The rules that are evaluated.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Number of observations and samples that found no room.
    pub fn dropped(&self) -> u64 {
        self.series.refused + self.series.overflowed
    }

    /// Begins the evaluations at `time` instead of at the first watermark. Later calls have no effect.
    pub fn start_at(&mut self, time: Timestamp) {
        if self.state.last_tick.is_none() {
            let interval = self.interval_micros();
            let tick = self.tick_before(time.plus_micros(interval - 1));
            self.state.first_tick = Some(tick);
            self.state.last_tick = Some(tick.plus_micros(-interval));
        }
    }

    /// Evaluates up to here: the last evaluation of a watch with these settings that knows everything until `now`.
    pub fn last_tick_at(config: &WatchConfig, now: Timestamp) -> Timestamp {
        let interval = (config.interval.as_micros() as i64).max(1_000_000);
        let known = duration::before(now, config.lateness).as_micros();
        Timestamp::from_micros(known.div_euclid(interval) * interval)
    }

    /// Where a watch without a state begins, so that it judges the present: what is true for as long as a rule asks
    /// fires at once. It goes back a day at most.
    pub fn first_tick_at(rules: &[Rule], config: &WatchConfig, now: Timestamp) -> Timestamp {
        let enabled = rules.iter().filter(|rule| rule.enabled);
        let longest = enabled.map(|rule| rule.hold.min(MOST_BACK)).max();
        // Further than that, so that what is true for long is not dated by the first evaluation.
        let back = longest.unwrap_or_default().max(FIRST_BACK);
        let back = back + 2 * config.interval + config.lateness;
        duration::before(now, back)
    }

    /// Takes an observation that a watch before this one has judged already: it fills windows.
    pub fn prime(&mut self, observation: Observation) {
        self.series.insert(observation);
    }

    /// Takes an observation. One that comes after its evaluation still fills windows, and is counted.
    pub fn observe(&mut self, observation: Observation) {
        if self
            .state
            .last_tick
            .is_some_and(|last| observation.time <= last)
        {
            self.state.late += 1;
        }
        self.series.insert(observation);
    }

    /// How much of the past the rules need: what to [`Watch::prime`] a new watch with.
    pub fn memory(&self) -> Duration {
        let longest = self.rules.iter().filter_map(Rule::memory).max();
        longest.unwrap_or_default() + 2 * self.config.interval + self.config.lateness
    }

    /// Evaluates all rules up to `watermark`, the time up to which everything was delivered.
    pub fn advance(&mut self, watermark: Timestamp) -> Vec<Change> {
        let watermark = self
            .state
            .watermark
            .map_or(watermark, |before| before.max(watermark));
        self.state.watermark = Some(watermark);
        let last = self.tick_before(duration::before(watermark, self.config.lateness));
        self.start_at(last);
        let interval = self.interval_micros();
        let mut tick = self.state.last_tick.unwrap_or(last);
        let missing = last.since(tick) / interval;
        if missing > MAX_TICKS {
            tick = last.plus_micros(-MAX_TICKS * interval);
            self.state.skipped += (missing - MAX_TICKS) as u64;
        }
        let mut changes = Vec::new();
        while tick < last {
            tick = tick.plus_micros(interval);
            self.evaluate(tick, &mut changes);
            self.state.last_tick = Some(tick);
        }
        self.series.prune(duration::before(last, self.memory()));
        changes
    }

    /// Raises an alert about the watch itself while what is known ends at `known`, further back than
    /// [`max_lag`](WatchConfig::max_lag). Unlike the rules, this goes by the clock. `unread` says what is the matter; without
    /// it, the watch is only behind.
    pub fn check_lag(
        &mut self,
        known: Timestamp,
        unread: Option<&Unread>,
        now: Timestamp,
    ) -> Vec<Change> {
        let lag = duration::elapsed(now, known);
        let value = lag.as_secs_f64();
        let finding = if lag > self.config.max_lag {
            let since = Some(duration::after(known, self.config.max_lag));
            Finding::Met {
                value,
                severity: Severity::High,
                since,
            }
        } else {
            Finding::Unmet { value }
        };
        let id = AlertId {
            rule: LAG_ALERT.to_owned(),
            labels: Labels::new(),
        };
        let policy = Policy {
            severity: Severity::High,
            interval: self.config.interval,
            ..Policy::default()
        };
        let tracked = self.state.alerts.entry(id.clone()).or_default();
        let transitions = tracked.state.step(finding, &policy, now);
        let length = crate::notice::length(lag);
        let is_behind = matches!(finding, Finding::Met { .. });
        self.lag = match unread {
            _ if !is_behind => "everything is judged in time again".to_owned(),
            None => format!("the watch is {length} behind: what happens now is judged late"),
            Some(unread) => unread.describe(&length),
        };
        let lag = &lag_rule(&self.lag);
        let changes = transitions
            .into_iter()
            .map(|transition| change(Some(lag), &id, transition, None))
            .collect();
        self.drop_idle();
        changes
    }

    /// The alerts that fire or were resolved a short while ago, by rule and labels.
    pub fn alerts(&self) -> Vec<Alert> {
        let alert = |(id, tracked): (&AlertId, &Tracked)| {
            let (episode, ended, reason) = match &tracked.state.phase {
                Phase::Firing { episode } | Phase::Recovering { episode, .. } => {
                    (episode, None, Reason::HeldLongEnough)
                }
                Phase::Resolved {
                    episode,
                    resolved_at,
                    reason,
                } => (episode, Some(*resolved_at), *reason),
                Phase::Inactive | Phase::Pending { .. } => return None,
            };
            let rule = self.rules.iter().find(|rule| rule.name == id.rule);
            let lag = (id.rule == LAG_ALERT).then(|| lag_rule(&self.lag));
            let rule = rule.or(lag.as_ref());
            let transition = Transition {
                at: ended.unwrap_or(episode.fired_at),
                from: tracked.state.phase.name(),
                to: tracked.state.phase.name(),
                reason,
                value: episode.value,
                episode: Some(episode.clone()),
            };
            describe(rule, id, &transition, tracked.expected)
        };
        self.state.alerts.iter().filter_map(alert).collect()
    }

    fn interval_micros(&self) -> i64 {
        (self.config.interval.as_micros() as i64).max(1_000_000)
    }

    fn tick_before(&self, time: Timestamp) -> Timestamp {
        let interval = self.interval_micros();
        Timestamp::from_micros(time.as_micros().div_euclid(interval) * interval)
    }

    fn drop_idle(&mut self) {
        self.state
            .alerts
            .retain(|_, tracked| !tracked.state.is_idle());
    }
}

#[cfg(test)]
mod tests;
