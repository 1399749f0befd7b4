//! Random histories with gaps, restarts, crashes and failing channels: no notice is lost, none is doubled beyond a
//! crash, and nothing resolves without data that say so.

use std::collections::{BTreeMap, BTreeSet};

use dragline_alerting::notify::{Delivery, EpisodeKey, News, NotifyConfig, NotifyState};
use dragline_alerting::rule::load;
use dragline_alerting::state::{PhaseName, Reason};
use dragline_alerting::watch::{Change, Watch, WatchConfig, WatchState};
use dragline_alerting::{Labels, Observation};
use dragline_schema::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const MINUTES: i64 = 150;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_582_400 + 60 * minute)
}

/// What happens in a minute, besides the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mishap {
    None,
    /// The process is restarted.
    Restart,
    /// The notice goes out, and the process dies before it is written down.
    Crash,
    /// The channel fails.
    Failure,
    /// The watch is down in this minute, and catches up afterwards.
    Down,
}

fn mishaps() -> impl Strategy<Value = Vec<Mishap>> {
    let mishap = prop_oneof![
        10 => Just(Mishap::None), 1 => Just(Mishap::Restart), 1 => Just(Mishap::Crash),
        2 => Just(Mishap::Failure), 2 => Just(Mishap::Down)
    ];
    prop::collection::vec((mishap, 1..12_usize), 30..60).prop_map(|runs| {
        runs.into_iter()
            .flat_map(|(mishap, length)| vec![mishap; length])
            .collect()
    })
}

/// Minutes of a host: `None` while nothing is known of it.
fn levels() -> impl Strategy<Value = Vec<Option<f64>>> {
    let level = prop_oneof![3 => Just(Some(100.0)), 3 => Just(Some(1.0)), 2 => Just(None)];
    prop::collection::vec((level, 1..20_usize), 10..30).prop_map(|runs| {
        runs.into_iter()
            .flat_map(|(level, length)| vec![level; length])
            .collect()
    })
}

struct World {
    hosts: Vec<Vec<Option<f64>>>,
    mishaps: Vec<Mishap>,
    watch: Watch,
    notices: NotifyState,
    config: NotifyConfig,
    changes: Vec<Change>,
    /// What the channel got, and whether that was written down.
    received: Vec<(Delivery, bool)>,
}

impl World {
    fn new(hosts: Vec<Vec<Option<f64>>>, mishaps: Vec<Mishap>) -> Self {
        let mut world = Self {
            hosts,
            mishaps,
            watch: watch(WatchState::default()),
            notices: NotifyState::default(),
            config: NotifyConfig::load("t", "[notify]\nchannels = [\"mail\"]\nrepeat = \"0s\"")
                .unwrap(),
            changes: Vec::new(),
            received: Vec::new(),
        };
        world.watch.start_at(minute(0));
        world
    }

    fn level(&self, host: usize, at: i64) -> Option<f64> {
        *self.hosts[host].get(at as usize)?
    }

    fn sample(&self, host: usize, at: i64) -> Option<Observation> {
        let labels = Labels::from([("host", ["a", "b"][host])]);
        Some(Observation::metric(
            "load",
            labels,
            minute(at),
            self.level(host, at)?,
        ))
    }

    fn run(&mut self) {
        for at in 0..MINUTES {
            for host in 0..2 {
                if let Some(sample) = self.sample(host, at) {
                    self.watch.observe(sample);
                }
            }
            let mishap = self
                .mishaps
                .get(at as usize)
                .copied()
                .unwrap_or(Mishap::None);
            if mishap == Mishap::Down {
                continue;
            }
            if matches!(mishap, Mishap::Restart | Mishap::Crash) {
                self.restart(at);
            }
            self.judge(at);
            self.notify(at, mishap);
        }
        // Long enough for every wait to pass.
        for at in MINUTES..MINUTES + 40 {
            self.notify(at, Mishap::None);
        }
    }

    fn judge(&mut self, at: i64) {
        let changes = self.watch.advance(minute(at).plus_micros(30_000_000));
        self.notices.record(&changes, minute(at));
        self.changes.extend(changes);
    }

    fn restart(&mut self, at: i64) {
        let stored = serde_json::to_string(&(self.watch.state(), &self.notices)).unwrap();
        let (state, notices): (WatchState, NotifyState) = serde_json::from_str(&stored).unwrap();
        self.notices = notices;
        let judged = state.last_tick;
        self.watch = watch(state);
        let from = judged.map_or(0, |last| last.since(minute(0)) / 60_000_000 - 10);
        for past in from.max(0)..=at {
            for host in 0..2 {
                match self.sample(host, past) {
                    Some(sample) if judged.is_some_and(|last| sample.time <= last) => {
                        self.watch.prime(sample);
                    }
                    Some(sample) => self.watch.observe(sample),
                    None => {}
                }
            }
        }
    }

    fn notify(&mut self, at: i64, mishap: Mishap) {
        for delivery in self.notices.decide(&self.config, minute(at)) {
            if mishap == Mishap::Failure {
                self.notices.postpone(&delivery, minute(at + 2));
                continue;
            }
            // A crash: sent, and not written down.
            let is_confirmed = mishap != Mishap::Crash;
            if is_confirmed {
                self.notices.confirm(&delivery, minute(at));
            }
            self.received.push((delivery, is_confirmed));
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        self.check_resolves()?;
        let news = self.news();
        let mut episodes: BTreeMap<EpisodeKey, bool> = BTreeMap::new();
        for alert in self
            .changes
            .iter()
            .filter_map(|change| change.alert.as_ref())
        {
            let key = EpisodeKey {
                alert: alert.id.clone(),
                fired_at: alert.fired_at,
            };
            episodes.insert(key, alert.is_firing());
        }
        for (episode, fires) in &episodes {
            let heard: Vec<News> = news
                .iter()
                .filter(|(of, _)| of == episode)
                .map(|(_, news)| *news)
                .collect();
            let expected: &[&[News]] = if *fires {
                &[&[News::New]]
            } else {
                &[&[News::New, News::Ended], &[News::Past]]
            };
            prop_assert!(
                expected.contains(&heard.as_slice()),
                "{episode:?} fires: {fires}, heard {heard:?}\n{:#?}",
                self.received
            );
        }
        Ok(())
    }

    /// The news in the order of their arrival, without copies that a crash excuses.
    fn news(&self) -> Vec<(EpisodeKey, News)> {
        let mut all = Vec::new();
        let mut crashed: BTreeSet<(EpisodeKey, News)> = BTreeSet::new();
        for (delivery, is_confirmed) in &self.received {
            for entry in delivery
                .alerts
                .iter()
                .filter(|entry| entry.news != News::Still)
            {
                let key = EpisodeKey {
                    alert: entry.alert.id.clone(),
                    fired_at: entry.alert.fired_at,
                };
                let item = (key.clone(), entry.news);
                let is_copy = crashed.contains(&item);
                // It ended before what the crash forgot was sent again.
                let ended = entry.news == News::Past && crashed.contains(&(key.clone(), News::New));
                if *is_confirmed {
                    crashed.remove(&item);
                } else {
                    crashed.insert(item.clone());
                }
                if !is_copy {
                    all.push(if ended { (key, News::Ended) } else { item });
                }
            }
        }
        all
    }

    /// Each end rests on data: a sample of the series that is fine, or two evaluations in which others were there.
    fn check_resolves(&self) -> Result<(), TestCaseError> {
        for change in self
            .changes
            .iter()
            .filter(|change| change.transition.to == PhaseName::Resolved)
        {
            let at = change.transition.at.since(minute(0)) / 60_000_000;
            let host = usize::from(change.id.labels.get("host") == Some("b"));
            match change.transition.reason {
                Reason::ConditionFalse => {
                    prop_assert_eq!(
                        self.level(host, at),
                        Some(1.0),
                        "false resolve of {} at {}",
                        host,
                        at
                    );
                }
                Reason::MissingSeries => {
                    let other = 1 - host;
                    prop_assert!(self.level(host, at).is_none() && self.level(other, at).is_some());
                    let missed = (0..at)
                        .rev()
                        .filter(|past| self.level(other, *past).is_some());
                    let before = missed.take(1).all(|past| self.level(host, past).is_none());
                    prop_assert!(before, "resolved after one missed evaluation");
                }
                other => prop_assert!(false, "unexpected reason {other:?}"),
            }
        }
        Ok(())
    }
}

fn watch(state: WatchState) -> Watch {
    let text =
        "[[rule]]\nalert = 'load'\nexpr = 'last(load[1m]) > 50'\ncooldown = '0s'\nflapping = false";
    let loaded = load("t", text);
    assert_eq!(loaded.errors, []);
    Watch::new(WatchConfig::default(), loaded.rules, state)
}

/// `DRAGLINE_ALERT_HISTORIES` sets the number; `just alert-histories` runs 10,000.
#[test]
fn no_notice_is_lost_or_doubled_and_nothing_resolves_without_data() {
    let number = std::env::var("DRAGLINE_ALERT_HISTORIES")
        .ok()
        .and_then(|number| number.parse().ok());
    let config = ProptestConfig {
        cases: number.unwrap_or(150),
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let histories = (levels(), levels(), mishaps());
    let mut runner = TestRunner::new(config);
    let result = runner.run(&histories, |(a, b, mishaps)| {
        let mut world = World::new(vec![a, b], mishaps);
        world.run();
        world.check()
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
