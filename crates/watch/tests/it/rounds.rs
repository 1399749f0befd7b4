//! Rounds at any times, over a log that grows meanwhile, beside one watch that never sleeps.

use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::Change;
use dragline_watch::evaluate;
use proptest::prelude::*;

use crate::fleet::{HOUR, Log, at, rules, wanted};

const RULES: &str = r#"
    [[rule]]
    alert = "refused"
    expr = 'increase(dragline_requests_total{outcome="failed"}[10m]) > 20'
    [[rule]]
    alert = "queue"
    expr = "min(dragline_queue_size[1m]) > 100"
    for = "3m"
    [[rule]]
    alert = "slow"
    expr = "p95(dragline_request_duration_seconds[5m]) > 0.1"
    keep_firing_for = "4m"
"#;

/// Two runs, each with some trouble.
fn log() -> Log {
    let mut log = Log::default();
    let who = |run| ("shop", "shop.test", run);
    log.run(HOUR, who("r1"), 900, |nth| (300..360).contains(&nth));
    for minute in 0..15 {
        let size = if (4..11).contains(&minute) { 500 } else { 3 };
        let rest =
            format!("\"site\":\"shop.test\",\"event_type\":\"queue_size\",\"queue_size\":{size}");
        log.line(HOUR + 60 * minute + 2, "shop", "r1", &rest);
    }
    log.run(2 * HOUR, who("r2"), 600, |nth| nth > 500);
    log
}

/// The transitions of alerts that fired, without those that nobody is notified of.
fn told(changes: &[Change]) -> Vec<String> {
    let fired = changes.iter().filter_map(|change| change.alert.as_ref());
    fired
        .map(|alert| {
            format!(
                "{} {:?} {} {:?}",
                alert.id.rule, alert.status, alert.began, alert.ended
            )
        })
        .collect()
}

#[test]
fn a_watch_that_never_sleeps_sees_each_trouble_begin_and_end() {
    let (rules, log) = (rules(RULES), log());
    let mut store = AlertStore::default();
    store.watch.last_tick = Some(at(0));
    let now = 4 * HOUR;
    let before = store.clone();
    let wanted = wanted(&rules, now).going_on(&before);
    let round = evaluate(&log.look(now, &wanted), &wanted, &mut store, &[]);
    insta::assert_snapshot!("never_sleeps", told(&round.changes).join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]
    #[test]
    fn rounds_at_any_times_find_the_same(mut times in proptest::collection::vec(10..4 * HOUR, 1..8)) {
        let (rules, log) = (rules(RULES), log());
        let run = |times: &[i64]| {
            let mut store = AlertStore::default();
            store.watch.last_tick = Some(at(0));
            let mut changes = Vec::new();
            for now in times {
                let before = store.clone();
                let wanted = wanted(&rules, *now).going_on(&before);
                let scene = log.look(*now, &wanted);
                changes.extend(evaluate(&scene, &wanted, &mut store, &[]).changes);
            }
            (told(&changes), store.watch.late)
        };
        times.push(4 * HOUR);
        times.sort_unstable();
        prop_assert_eq!(run(&times), run(&[4 * HOUR]));
    }
}

/// The episodes that were reported: rule, beginning and end.
fn episodes(changes: &[Change]) -> Vec<(String, String, Option<String>)> {
    let mut all = std::collections::BTreeMap::new();
    for alert in changes.iter().filter_map(|change| change.alert.as_ref()) {
        let ended = alert.ended.map(|ended| ended.to_string());
        all.insert((alert.id.rule.clone(), alert.began.to_string()), ended);
    }
    all.into_iter()
        .map(|((rule, began), ended)| (rule, began, ended))
        .collect()
}

#[test]
fn a_log_that_is_copied_every_hour_tells_what_one_tells_that_is_always_new() {
    let (rules, log) = (rules(RULES), log());
    let rounds = |copied: &dyn Fn(i64) -> i64| {
        let mut store = AlertStore::default();
        let (mut changes, mut late) = (Vec::new(), 0);
        for now in (600..=5 * HOUR).step_by(300) {
            let before = store.clone();
            let mut wanted = wanted(&rules, now).going_on(&before);
            let mut scene = log.look(copied(now), &wanted);
            if let Some(again) = wanted.judging_again(&scene, &before) {
                wanted = again;
                scene = log.look(copied(now), &wanted);
            }
            let round = evaluate(&scene, &wanted, &mut store, &[]);
            late += round.late.map_or(0, |(late, _)| late.events);
            // Every state that is needed is there.
            assert!(round.late.is_none_or(|(_, from)| from.is_some()));
            changes.extend(round.changes);
        }
        assert_eq!(store.notices.firing().count(), 0);
        (episodes(&changes), late)
    };
    let (always, none) = rounds(&|now| now);
    let (hourly, late) = rounds(&|now| now / HOUR * HOUR);
    assert_eq!(none, 0);
    assert!(late > 1000, "{late}");
    assert_eq!(hourly, always);
}
