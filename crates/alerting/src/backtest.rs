//! What a rule would have done over a history of observations.

use std::time::Duration;

use dragline_schema::Timestamp;

use crate::duration::{after, elapsed};
use crate::observation::Observation;
use crate::rule::{Condition, Rule};
use crate::watch::{Watch, WatchConfig, WatchState};
use crate::{Alert, AlertId};

/// A variation of a rule: another `for`, another threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variation {
    /// Another `for`; `None`: the rule's own.
    pub hold: Option<Duration>,
    /// Another threshold, for a condition on a metric; `None`: the rule's own.
    pub threshold: Option<f64>,
}

/// What a variation would have done.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestResult {
    /// The variation.
    pub variation: Variation,
    /// The episodes, in the order in which they fired.
    pub episodes: Vec<BacktestEpisode>,
    /// The time that the alert fired, summed over all series.
    pub firing: Duration,
}

/// One episode of a backtest.
#[derive(Clone, Debug, PartialEq)]
pub struct BacktestEpisode {
    /// The alert.
    pub alert: AlertId,
    /// When it began.
    pub began: Timestamp,
    /// When it fired.
    pub fired_at: Timestamp,
    /// When it ended; `None`: it fired at the end of the history.
    pub ended: Option<Timestamp>,
}

/// Runs a rule over observations, once for each variation. The observations may be in any order; a watch with these
/// settings starts with the first and ends with the last.
///
/// ```
/// use std::time::Duration;
/// use dragline_alerting::backtest::{Variation, backtest};
/// use dragline_alerting::watch::WatchConfig;
/// use dragline_alerting::{Labels, Observation, rule};
/// use dragline_schema::Timestamp;
///
/// let rule = &rule::load("r", "[[rule]]\nalert = 'q'\nexpr = 'queue_size > 10'").rules[0];
/// let observations: Vec<_> = (0..60)
///     .map(|minute| Observation::metric(
///         "queue_size", Labels::new(), Timestamp::from_seconds(60 * minute), if minute % 20 < 3 { 50.0 } else { 1.0 },
///     ))
///     .collect();
/// let patient = Variation { hold: Some(Duration::from_secs(300)), ..Variation::default() };
/// let config = WatchConfig::default();
/// let results = backtest(rule, config, &observations, &[Variation::default(), patient]);
/// assert_eq!(results[0].episodes.len(), 2); // the second one flaps into the third
/// assert_eq!(results[1].episodes.len(), 0);
/// ```
pub fn backtest(
    rule: &Rule,
    config: WatchConfig,
    observations: &[Observation],
    variations: &[Variation],
) -> Vec<BacktestResult> {
    let mut ordered: Vec<&Observation> = observations.iter().collect();
    ordered.sort_by_key(|observation| observation.time);
    variations
        .iter()
        .map(|variation| run(rule, config, &ordered, *variation))
        .collect()
}

fn run(
    rule: &Rule,
    config: WatchConfig,
    observations: &[&Observation],
    variation: Variation,
) -> BacktestResult {
    let mut varied = Rule {
        enabled: true,
        ..rule.clone()
    };
    varied.hold = variation.hold.unwrap_or(rule.hold);
    if let (Condition::Metric(metric), Some(threshold)) =
        (&mut varied.condition, variation.threshold)
    {
        metric.threshold = threshold;
    }
    let mut episodes = Vec::new();
    let mut firing = Duration::ZERO;
    if let (Some(first), Some(last)) = (observations.first(), observations.last()) {
        let mut watch = Watch::new(config, vec![varied], WatchState::default());
        watch.start_at(first.time);
        let mut alerts: Vec<Alert> = Vec::new();
        // Hour by hour, so that old samples are dropped on the way.
        for hour in
            observations.chunk_by(|a, b| a.time.as_seconds() / 3_600 == b.time.as_seconds() / 3_600)
        {
            hour.iter()
                .for_each(|observation| watch.observe((*observation).clone()));
            let until = hour
                .last()
                .map_or(last.time, |observation| observation.time);
            let until = if until == last.time {
                after(until, config.interval)
            } else {
                until
            };
            let changes = watch.advance(after(until, config.lateness));
            alerts.extend(changes.into_iter().filter_map(|change| change.alert));
        }
        for alert in alerts {
            let episode = BacktestEpisode {
                alert: alert.id,
                began: alert.began,
                fired_at: alert.fired_at,
                ended: alert.ended,
            };
            // A later transition of the same episode replaces the earlier one.
            episodes.retain(|known: &BacktestEpisode| {
                (&known.alert, known.fired_at) != (&episode.alert, episode.fired_at)
            });
            episodes.push(episode);
        }
        episodes.sort_by_key(|episode| episode.fired_at);
        let lengths = episodes
            .iter()
            .map(|episode| elapsed(episode.ended.unwrap_or(last.time), episode.fired_at));
        firing = lengths.sum();
    }
    BacktestResult {
        variation,
        episodes,
        firing,
    }
}
