//! Rounds at any times, over a log that grows meanwhile, beside one watch that never sleeps.

use dragline_alerting::rule::Rule;
use dragline_alerting::store::AlertStore;
use dragline_alerting::watch::{Change, Unread};
use dragline_alerting::{HealthStatus, Labels, Observation};
use dragline_schema::Timestamp;
use dragline_watch::{Scene, evaluate};
use proptest::prelude::*;

use crate::fleet::{DAY, HOUR, Log, at, rules, wanted};

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

/// The alerts that fire at the end of each round, by its second.
type Firing = Vec<(i64, Vec<String>)>;

/// Rounds every five minutes over a log that is copied at times. Returns the changes, what fires at the end of each round,
/// and the number of events that came late. `check` is a health check that each round observes as critical or not.
fn every_five_minutes(
    logs: (&Log, &[Rule]),
    until: i64,
    copied: &dyn Fn(i64) -> i64,
    check: &dyn Fn(i64) -> bool,
) -> (Vec<Change>, Firing, u64) {
    by_clock(logs, until, copied, check, &|now| now)
}

/// The same by a clock that may be wrong.
fn by_clock(
    (log, rules): (&Log, &[Rule]),
    until: i64,
    copied: &dyn Fn(i64) -> i64,
    check: &dyn Fn(i64) -> bool,
    clock: &dyn Fn(i64) -> i64,
) -> (Vec<Change>, Firing, u64) {
    let mut store = AlertStore::default();
    let (mut changes, mut firing, mut late) = (Vec::new(), Vec::new(), 0);
    for now in (600..=until).step_by(300) {
        let before = store.clone();
        let mut wanted = wanted(rules, clock(now)).going_on(&before);
        let mut scene = log.look(copied(now), &wanted);
        if let Some(again) = wanted.judging_again(&scene, &before) {
            wanted = again;
            scene = log.look(copied(now), &wanted);
        }
        let status = [HealthStatus::Healthy, HealthStatus::Critical][usize::from(check(now))];
        let seen = Observation::health("db", Labels::new(), wanted.last_tick(), Some(status));
        let round = evaluate(&scene, &wanted, &mut store, &[seen]);
        late += round.late.map_or(0, |(late, _)| late.events);
        // Every state that is needed is there.
        assert!(round.late.is_none_or(|(_, from)| from.is_some()));
        changes.extend(round.changes);
        changes.extend(round.corrected);
        let names = store
            .notices
            .firing()
            .map(|(alert, _)| alert.id.rule.clone());
        firing.push((now, names.collect()));
    }
    (changes, firing, late)
}

#[test]
fn a_log_that_is_copied_every_hour_tells_what_one_tells_that_is_always_new() {
    let (rules, log) = (rules(RULES), log());
    let rounds = |copied: &dyn Fn(i64) -> i64| {
        let (changes, firing, late) =
            every_five_minutes((&log, &rules), 5 * HOUR, copied, &|_| false);
        assert_eq!(firing.last(), Some(&(5 * HOUR, Vec::new())));
        (episodes(&changes), late)
    };
    let (always, none) = rounds(&|now| now);
    let (hourly, late) = rounds(&|now| now / HOUR * HOUR);
    assert_eq!(none, 0);
    assert!(late > 1000, "{late}");
    assert_eq!(hourly, always);
}

#[test]
fn an_alert_that_flaps_ends_an_hour_after_its_last_failure() {
    let rules = rules(RULES);
    // Runs of two minutes every ten minutes; the fifth, the seventh and the ninth fail.
    let mut log = Log::default();
    for run in 0..40 {
        let who = ("shop", "shop.test", &*format!("r{run}"));
        log.run(HOUR + 600 * run, who, 120, |_| matches!(run, 5 | 7 | 9));
    }
    let (changes, firing, _) = every_five_minutes((&log, &rules), 8 * HOUR, &|now| now, &|_| false);
    assert_eq!(firing.last(), Some(&(8 * HOUR, Vec::new())));
    let flapped = changes.iter().filter_map(|change| change.alert.as_ref());
    assert!(flapped.into_iter().any(|alert| alert.flapping));
}

#[test]
fn a_check_counts_from_round_to_round() {
    let rules = rules("[[rule]]\nalert = 'db'\nhealth = 'db'\nfor = '10m'");
    let mut log = Log::default();
    log.run(HOUR, ("shop", "shop.test", "r1"), 60, |_| false);
    let fails = |now: i64| (HOUR..HOUR + 1_800).contains(&now);
    let (changes, ..) = every_five_minutes((&log, &rules), 2 * HOUR, &|now| now, &fails);
    let alerts: Vec<_> = changes
        .iter()
        .filter_map(|change| change.alert.as_ref())
        .collect();
    let [fired, ended] = alerts[..] else {
        panic!("{alerts:?}");
    };
    let minutes = |from: Timestamp, to: Timestamp| to.since(from) / 60_000_000;
    assert_eq!(minutes(fired.began, fired.fired_at), 10);
    assert_eq!(minutes(fired.began, ended.ended.unwrap()), 30);
}

#[test]
fn logs_that_cannot_be_read_are_told_and_checks_go_on() {
    let rules = rules(&format!("{RULES}\n[[rule]]\nalert = 'db'\nhealth = 'db'"));
    let log = log();
    let mut store = AlertStore::default();
    let mut told = Vec::new();
    for now in (HOUR..3 * HOUR).step_by(300) {
        let before = store.clone();
        let wanted = wanted(&rules, now).going_on(&before);
        let scene = if (2 * HOUR..2 * HOUR + 1_800).contains(&now) {
            Scene::unread(&["logs".to_owned()], "there is no directory logs")
        } else {
            log.look(now, &wanted)
        };
        let status = if now > 2 * HOUR + 600 {
            HealthStatus::Critical
        } else {
            HealthStatus::Healthy
        };
        let seen = Observation::health("db", Labels::new(), wanted.last_tick(), Some(status));
        let round = evaluate(&scene, &wanted, &mut store, &[seen]);
        let alerts = round
            .changes
            .iter()
            .filter_map(|change| change.alert.as_ref());
        told.extend(
            alerts.map(|alert| (now - 2 * HOUR, alert.id.rule.clone(), alert.summary.clone())),
        );
    }
    let of = |rule: &str| -> Vec<(i64, &str)> {
        let own = told.iter().filter(|(_, name, _)| name == rule);
        own.map(|(at, _, summary)| (*at, &**summary)).collect()
    };
    assert_eq!(
        of("watch_lag"),
        [
            (
                600,
                "nothing could be judged for 15m: there is no directory logs"
            ),
            (1_800, "everything is judged in time again"),
        ]
    );
    assert_eq!(of("db"), [(900, "db: check db is critical")]);
}

#[test]
fn what_fires_over_the_end_of_a_copy_fires_again_and_ends_once() {
    // Failures from 1:15 to 1:45, and a copy every twenty minutes. Meanwhile a database is out of reach, from 2:05 to 2:20.
    let mut log = Log::default();
    log.run(HOUR, ("shop", "shop.test", "r1"), 3_000, |nth| {
        (900..2_700).contains(&nth)
    });
    let db = "[[rule]]\nalert = \"db\"\nhealth = \"db\"";
    let rules = rules(&format!("{RULES}\n{db}"));
    let is_out = |now: i64| (2 * HOUR + 300..2 * HOUR + 1_200).contains(&now);
    let rounds = |every: i64| {
        let copied = |now: i64| now / every * every;
        every_five_minutes((&log, &rules), 3 * HOUR, &copied, &is_out)
    };
    let (changes, firing, _) = rounds(1_200);
    let at = |minute: i64| {
        let found = firing.iter().find(|(now, _)| *now == HOUR + 60 * minute);
        let names = found.map(|(_, names)| names.join(" "));
        names.unwrap_or_default()
    };
    // The copies of 1:20 and 1:40 have a part of it: at 1:35 and 1:55 the end of the copy was taken for its end.
    assert_eq!(
        [20, 35, 40, 55].map(at),
        ["refused slow", "", "refused slow", ""],
        "{firing:?}"
    );
    // A round that judges again judges the check, too, and it is over when it is.
    assert_eq!(
        [60, 65, 75, 80, 120].map(at),
        ["", "db", "db", "", ""],
        "{firing:?}"
    );
    let (always, _, late) = rounds(1);
    assert_eq!(late, 0);
    assert_eq!(episodes(&changes), episodes(&always));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_copied_and_whenever_tells_what_is_always_new(
        every in 300..1_800_i64,
        troubles in proptest::collection::vec((0..1_400_i64, 10..600_i64), 1..4),
    ) {
        let mut log = Log::default();
        log.run(HOUR, ("shop", "shop.test", "r1"), 1_400, |nth| {
            troubles.iter().any(|(from, length)| (*from..from + length).contains(&nth))
        });
        let rules = rules(RULES);
        let rounds = |every: i64| {
            let copied = |now: i64| now / every * every;
            let (changes, firing, _) =
                every_five_minutes((&log, &rules), 2 * HOUR + 1_800, &copied, &|_| false);
            let last = firing.last().map(|(_, names)| names.clone());
            (episodes(&changes), last)
        };
        prop_assert_eq!(rounds(every), rounds(1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, ..ProptestConfig::default() })]
    #[test]
    fn a_clock_that_jumps_over_logs_that_come_late_makes_no_difference(
        every in 300..1_200_i64,
        troubles in proptest::collection::vec((0..1_400_i64, 10..600_i64), 1..4),
        jumps in proptest::collection::vec((12..28_i64, 1..30_i64), 1..3),
    ) {
        let mut log = Log::default();
        log.run(HOUR, ("shop", "shop.test", "r1"), 1_400, |nth| {
            troubles.iter().any(|(from, length)| (*from..from + length).contains(&nth))
        });
        let rules = rules(RULES);
        let rounds = |every: i64, clock: &dyn Fn(i64) -> i64| {
            let copied = |now: i64| now / every * every;
            let until = 2 * HOUR + 1_800;
            let (changes, firing, _) = by_clock((&log, &rules), until, &copied, &|_| false, clock);
            // What fired by the wrong clock is taken back.
            let told = episodes(&changes).into_iter();
            let is_so = |(_, began, ended): &(String, String, Option<String>)| {
                ended.as_ref().is_none_or(|ended| ended >= began)
            };
            let told: Vec<_> = told.filter(is_so).collect();
            (told, firing.last().map(|(_, names)| names.clone()))
        };
        let wrong = |now: i64| {
            let ahead = jumps.iter().find(|(round, _)| now == 300 * round);
            now + ahead.map_or(0, |(_, hours)| hours * HOUR)
        };
        prop_assert_eq!(rounds(every, &wrong), rounds(1, &|now| now));
    }
}

#[test]
fn a_clock_that_was_ahead_is_taken_back() {
    let rules = rules(&format!(
        "{RULES}\n[[rule]]\nalert = 'db'\nhealth = 'db'\n[[rule]]\nalert = 'silent'\nexpr = 'absent(dragline_queue_size[30m])'"
    ));
    let log = log();
    let rounds = |ahead: &dyn Fn(i64) -> i64| {
        let mut store = AlertStore::default();
        let mut changes = Vec::new();
        for now in (HOUR + 300..=2 * HOUR).step_by(300) {
            let clock = now + ahead(now);
            let before = store.clone();
            let mut wanted = wanted(&rules, clock).going_on(&before);
            let mut scene = log.look(now, &wanted);
            if let Some(again) = wanted.judging_again(&scene, &before) {
                wanted = again;
                scene = log.look(now, &wanted);
            }
            let status = if (HOUR + 900..HOUR + 2_400).contains(&now) {
                HealthStatus::Critical
            } else {
                HealthStatus::Healthy
            };
            let seen = Observation::health("db", Labels::new(), wanted.last_tick(), Some(status));
            let round = evaluate(&scene, &wanted, &mut store, &[seen]);
            assert!(round.ahead.is_none_or(|(until, from)| from < until));
            changes.extend(round.changes);
        }
        let left: Vec<_> = store
            .notices
            .firing()
            .map(|(alert, _)| alert.id.rule.clone())
            .collect();
        assert_eq!(left, ["silent"]);
        changes
    };
    let right = episodes(&rounds(&|_| 0));
    assert_eq!(right.len(), 5, "{right:?}");
    let (early, late) = (HOUR + 300, HOUR + 600);
    for wrong in [early, late] {
        // For one round, a day ahead: when nothing is known yet, and in the middle of an alert.
        let changes = rounds(&|now| if now == wrong { DAY } else { 0 });
        let told = episodes(&changes);
        // What fired by the wrong clock ended when the clock was right again.
        let (of_that, told): (Vec<_>, Vec<_>) = told
            .into_iter()
            .partition(|(_, began, ended)| ended.as_ref().is_some_and(|ended| ended < began));
        let again = Some(at(wrong + 300).to_string());
        assert!(of_that.iter().all(|(.., ended)| *ended == again));
        assert_eq!(of_that.len(), 1, "{of_that:?}");
        // Checks cannot be judged again: one that failed meanwhile is dated by the next round.
        let of_logs = |all: &[(String, String, Option<String>)]| -> Vec<_> {
            let own = all.iter().filter(|(rule, ..)| rule != "db");
            own.cloned().collect()
        };
        assert_eq!(of_logs(&told), of_logs(&right), "{wrong}");
        assert_eq!(told.len(), right.len());
    }
}

#[test]
fn lines_that_are_hours_behind_are_judged_from_the_first_round_on() {
    let rules = rules(RULES);
    // Failures from 1:10 to 1:30, in lines that come two hours late; the first round is at 3:05.
    let mut log = Log::default();
    log.run(HOUR, ("shop", "shop.test", "r1"), 7_000, |nth| {
        (600..1_800).contains(&nth)
    });
    let mut store = AlertStore::default();
    let mut told = Vec::new();
    for now in (3 * HOUR + 300..5 * HOUR).step_by(300) {
        let before = store.clone();
        let mut wanted = wanted(&rules, now).going_on(&before);
        let mut scene = log.look(now - 2 * HOUR, &wanted);
        if let Some(again) = wanted.judging_again(&scene, &before) {
            wanted = again;
            scene = log.look(now - 2 * HOUR, &wanted);
        }
        let round = evaluate(&scene, &wanted, &mut store, &[]);
        told.extend(round.changes);
        told.extend(round.corrected);
    }
    let all = episodes(&told);
    let refused: Vec<_> = all.iter().filter(|(rule, ..)| rule == "refused").collect();
    let [(_, began, Some(ended))] = refused[..] else {
        panic!("{all:?}");
    };
    assert_eq!((&began[11..16], &ended[11..16]), ("01:11", "01:40"));
}

/// What each round says of the time of lines that come some hours late, by the second of the round.
fn untimely(log: &Log, rounds: impl Iterator<Item = i64>, late: i64) -> Vec<(i64, String)> {
    let rules = rules(RULES);
    let mut store = AlertStore::default();
    let mut told = Vec::new();
    for now in rounds {
        let before = store.clone();
        let wanted = wanted(&rules, now).going_on(&before);
        let scene = log.look(now - late, &wanted);
        evaluate(&scene, &wanted, &mut store, &[]);
        if let Some(Unread::All(why) | Unread::Part(why)) = scene.unread {
            told.push((now, why));
        }
    }
    told
}

#[test]
fn lines_of_another_time_than_now_are_told() {
    let mut log = Log::default();
    log.run(HOUR, ("shop", "shop.test", "r1"), 1_800, |_| false);
    let every = |from: i64, until: i64| (from..until).step_by(300);
    assert_eq!(untimely(&log, every(HOUR + 60, 3 * HOUR), 0), []);
    // Two hours late, as long as they come; afterwards nothing is known to be late.
    let behind = untimely(&log, every(3 * HOUR + 60, 5 * HOUR), 2 * HOUR);
    let seconds: Vec<i64> = behind.iter().map(|(now, _)| now - 3 * HOUR).collect();
    assert_eq!(seconds, [360, 660, 960, 1_260, 1_560, 1_860]);
    assert!(
        behind[0]
            .1
            .starts_with("the newest line of shop is of 2026-03-01 01:06 UTC, though it came"),
        "{behind:?}"
    );
    // Rounds every twelve hours see old lines that are not late.
    assert_eq!(untimely(&log, (0..3 * DAY).step_by(12 * 3_600), 0), []);
    // Ahead by two hours; a line of next month is damaged.
    let ahead = untimely(&log, every(60, 600), -2 * HOUR);
    assert_eq!(ahead.len(), 2);
    assert!(
        ahead[0].1.contains("UTC, which is later than now"),
        "{ahead:?}"
    );
    assert_eq!(
        untimely(&log, every(-30 * DAY, -30 * DAY + 600), -40 * DAY),
        []
    );
}

#[test]
fn a_schedule_is_remembered_when_its_logs_are_deleted() {
    let rules = rules("[[rule]]\nalert = 'down'\nfreshness = 'run'");
    // A run every day, none on the fifteenth and the sixteenth; logs are kept for two days.
    let mut log = Log::default();
    for day in (0..20).filter(|day| !(14..16).contains(day)) {
        let run = format!("r{day}");
        log.run(
            day * DAY + 6 * HOUR,
            ("shop", "shop.test", &run),
            60,
            |_| false,
        );
    }
    let mut store = AlertStore::default();
    let mut told = Vec::new();
    // Rarely while nothing happens, then every hour.
    let rarely = (6 * HOUR + 600..13 * DAY).step_by(36 * 3_600);
    for now in rarely.chain((13 * DAY + 600..17 * DAY).step_by(3_600)) {
        let before = store.clone();
        let wanted = wanted(&rules, now).going_on(&before);
        let scene = log.kept_since(now - 2 * DAY).look(now, &wanted);
        told.extend(evaluate(&scene, &wanted, &mut store, &[]).changes);
    }
    let ended = told
        .iter()
        .filter_map(|change| change.alert.as_ref()?.ended);
    let minutes = |time: Timestamp| {
        (
            time.since(at(0)) / 60_000_000 / 1_440,
            time.since(at(0)) / 60_000_000 % 1_440,
        )
    };
    let ended: Vec<_> = ended.map(minutes).collect();
    assert_eq!(ended, [(16, 360)]);
    let fired = told
        .iter()
        .filter(|change| change.transition.to == dragline_alerting::state::PhaseName::Firing);
    let fired: Vec<_> = fired.map(|change| minutes(change.transition.at)).collect();
    // A daily run may be 3.6 hours late.
    assert_eq!(fired, [(14, 577)]);
    // Nothing is remembered of what nobody watches.
    assert_eq!(store.starts.len(), 1);
}
