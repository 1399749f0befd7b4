//! A watch that sleeps, restarts and catches up, beside one that never sleeps.

use dragline_alerting::rule::{Rule, load};
use dragline_alerting::watch::{Change, Watch, WatchConfig, WatchState};
use dragline_alerting::{Labels, Observation};
use dragline_schema::Timestamp;
use proptest::prelude::*;

const MINUTES: i64 = 240;

fn second(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_582_400 + second)
}

fn rules() -> Vec<Rule> {
    let loaded = load(
        "rules.toml",
        r#"
        [[rule]]
        alert = "high"
        expr = "avg(load[3m]) > 50"
        clear = 40
        for = "3m"
        keep_firing_for = "4m"
        raise = [{ severity = "critical", at = 90 }]
        [[rule]]
        alert = "many"
        expr = "increase(errors_total[10m]) > 200"
        [[rule]]
        alert = "gone"
        expr = "absent(load[7m])"
        [[rule]]
        alert = "quiet"
        expr = "last(load[2m]) > 99"
        no_data = "no_data"
        for = "2m"
        [[rule]]
        alert = "overdue"
        freshness = "beat"
        "#,
    );
    assert_eq!(loaded.errors, []);
    loaded.rules
}

/// What one host reports in a stretch of minutes: nothing, or a level.
type Stretch = (Option<u8>, i64);

/// Observations with the second in which they arrive: at most half a minute late, and out of order.
fn observations(hosts: &[Vec<Stretch>]) -> Vec<(i64, Observation)> {
    let mut all = Vec::new();
    for (host, stretches) in hosts.iter().enumerate() {
        let labels = Labels::from([("host", ["a", "b", "c"][host])]);
        let (mut at, mut total) = (0, 0.0);
        for (level, length) in stretches {
            for minute in at..(at + length).min(MINUTES) {
                let Some(level) = level else { continue };
                let time = 60 * minute + 7 * host as i64;
                let arrives = time + (minute * 13 + i64::from(*level)) % 30;
                total += f64::from(*level);
                all.push((
                    arrives,
                    Observation::metric("load", labels.clone(), second(time), f64::from(*level)),
                ));
                all.push((
                    arrives,
                    Observation::metric("errors_total", labels.clone(), second(time), total),
                ));
                all.push((
                    arrives,
                    Observation::freshness("beat", labels.clone(), second(time), 200.0),
                ));
            }
            at += length;
        }
    }
    all.sort_by_key(|(arrives, _)| *arrives);
    all
}

fn start(state: WatchState) -> Watch {
    let mut watch = Watch::new(WatchConfig::default(), rules(), state);
    watch.start_at(second(0));
    watch
}

/// Advances every minute.
fn run_awake(observations: &[(i64, Observation)]) -> Vec<Change> {
    let mut watch = start(WatchState::default());
    let mut changes = Vec::new();
    let mut next = 0;
    for minute in 1..=MINUTES {
        while let Some((_, observation)) = observations
            .get(next)
            .filter(|(arrives, _)| *arrives <= 60 * minute)
        {
            watch.observe(observation.clone());
            next += 1;
        }
        changes.extend(watch.advance(second(60 * minute)));
    }
    assert_eq!(watch.state().late, 0);
    changes
}

/// Advances in the given minutes only, and restarts there where asked for. After a restart the past is read again.
fn run_asleep(observations: &[(i64, Observation)], wakes: &[(i64, bool)]) -> Vec<Change> {
    let mut watch = start(WatchState::default());
    let mut changes = Vec::new();
    let mut next = 0;
    let mut wakes = wakes.to_vec();
    wakes.push((MINUTES, true));
    for (minute, restarts) in wakes {
        if restarts {
            let stored = serde_json::to_string(watch.state()).unwrap();
            watch = start(serde_json::from_str(&stored).unwrap());
            for (_, observation) in &observations[..next] {
                watch.prime(observation.clone());
            }
        }
        while let Some((_, observation)) = observations
            .get(next)
            .filter(|(arrives, _)| *arrives <= 60 * minute)
        {
            watch.observe(observation.clone());
            next += 1;
        }
        changes.extend(watch.advance(second(60 * minute)));
        // The clock is set back: nothing is judged twice.
        assert_eq!(watch.advance(second(60 * minute - 1_000)), []);
    }
    changes
}

/// Changes with six decimals: the last digit of a number may differ once it was stored as JSON.
fn rounded(changes: &[Change]) -> Vec<Change> {
    let round = |value: &mut Option<f64>| *value = value.map(|value| (value * 1e6).round() / 1e6);
    let mut changes = changes.to_vec();
    for change in &mut changes {
        round(&mut change.transition.value);
        if let Some(episode) = &mut change.transition.episode {
            round(&mut episode.value);
            round(&mut episode.worst);
        }
        if let Some(alert) = &mut change.alert {
            round(&mut alert.value);
            round(&mut alert.worst);
            round(&mut alert.ended_value);
        }
    }
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_watch_that_slept_has_the_same_episodes(
        hosts in prop::collection::vec(
            prop::collection::vec((prop::option::weighted(0.8, 0..120_u8), 1..25_i64), 8..20), 1..=3,
        ),
        wakes in prop::collection::btree_map(1..MINUTES, any::<bool>(), 0..12),
    ) {
        let observations = observations(&hosts);
        let wakes: Vec<(i64, bool)> = wakes.into_iter().collect();
        let (awake, asleep) = (run_awake(&observations), run_asleep(&observations, &wakes));
        prop_assert_eq!(rounded(&awake), rounded(&asleep));
    }
}
