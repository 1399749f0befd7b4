//! What rules find in logs, and what a notice says about it.

use dragline_alerting::notice::{Explanation, Suspect};
use dragline_alerting::rule::Rule;
use dragline_alerting::store::AlertStore;
use dragline_alerting::{Alert, HealthStatus, Labels, Observation, rule};
use dragline_watch::evaluate;

use crate::fleet::{DAY, HOUR, Log, at, rules, wanted};

/// What is said of the alert of the scraper `shop` that fired until now.
fn explanation_of_shop(log: &Log, rules: &[Rule], now: i64) -> Explanation {
    let (alerts, _) = judge(log, rules, 0, now);
    let is_own = |alert: &&Alert| alert.id.labels.get("scraper_id") == Some("shop");
    let own = alerts.iter().find(is_own);
    let own = own.unwrap_or_else(|| panic!("{alerts:?}"));
    log.look(now, &wanted(rules, now))
        .explain(own, rules, at(now))
}

/// The alerts that fired between `from` and `now`, in order, with the store.
fn judge(log: &Log, rules: &[Rule], from: i64, now: i64) -> (Vec<Alert>, AlertStore) {
    let mut store = AlertStore::default();
    store.watch.last_tick = Some(at(from));
    let before = store.clone();
    let wanted = wanted(rules, now).going_on(&before);
    let round = evaluate(&log.look(now, &wanted), &wanted, &mut store, &[]);
    let alerts = round.changes.into_iter().filter_map(|change| change.alert);
    (alerts.collect(), store)
}

fn daily(days: i64, refused: impl Fn(i64, i64) -> bool) -> Log {
    let mut log = Log::default();
    for day in 0..days {
        let run = format!("r{day}");
        log.run(
            day * DAY + 6 * HOUR,
            ("shop", "shop.test", &run),
            120,
            |nth| refused(day, nth),
        );
    }
    log
}

#[test]
fn errors_of_all_kinds_are_added_up() {
    let mut log = Log::default();
    for nth in 0..60 {
        let text = if nth % 2 == 0 {
            "connection refused"
        } else {
            "no such selector .price"
        };
        let rest = format!(
            "\"site\":\"shop.test\",\"event_type\":\"scraper_error\",\"error_type\":\"Error\",\"error_message\":\"{text}\""
        );
        log.line(HOUR + nth, "shop", "r1", &rest);
    }
    let (alerts, _) = judge(&log, &rule::default_rules(), 0, 3 * HOUR);
    let told: Vec<&str> = alerts.iter().map(|alert| alert.summary.as_str()).collect();
    assert_eq!(told, ["60 errors of shop within an hour"; 2]);
    // It ends with the hour, by a value and not for lack of data.
    let ended = alerts[1].ended.unwrap();
    assert_eq!(alerts[1].ended_value, Some(0.0), "{:?}", alerts[1]);
    assert!(
        ended >= at(2 * HOUR) && ended <= at(2 * HOUR + 180),
        "{ended}"
    );
}

#[test]
fn a_queue_ends_with_its_run() {
    let mut log = Log::default();
    log.run(HOUR, ("shop", "shop.test", "r1"), 900, |_| false);
    for minute in 0..15 {
        let rest = "\"site\":\"shop.test\",\"event_type\":\"queue_size\",\"queue_size\":5000";
        log.line(HOUR + 60 * minute + 2, "shop", "r1", rest);
    }
    let (alerts, store) = judge(&log, &rule::default_rules(), 0, 3 * HOUR);
    let queue: Vec<&Alert> = alerts
        .iter()
        .filter(|alert| alert.id.rule == "queue_backup")
        .collect();
    assert_eq!(queue.len(), 2, "{queue:?}");
    assert!(queue[1].ended.unwrap() <= at(HOUR + 20 * 60), "{queue:?}");
    assert_eq!(store.notices.firing().count(), 0);
}

#[test]
fn a_queue_that_ended_with_its_run_lacks_no_data() {
    let text = |no_data: &str| {
        format!(
            "[[rule]]\nalert = \"long\"\nexpr = \"last(dragline_queue_size[5m]) > 100\"\nno_data = \"{no_data}\""
        )
    };
    let queue = |log: &mut Log, (scraper, from, until): (&str, i64, i64), size: u32| {
        for second in (from..until).step_by(60) {
            let rest = format!(
                "\"site\":\"shop.test\",\"event_type\":\"queue_size\",\"queue_size\":{size}"
            );
            log.line(second, scraper, "r1", &rest);
        }
    };
    for (no_data, has_other) in [
        ("alerting", false),
        ("alerting", true),
        ("no_data", false),
        ("no_data", true),
    ] {
        let rules = rules(&text(no_data));
        let mut log = Log::default();
        // It is long at its end.
        log.run(HOUR, ("shop", "shop.test", "r1"), 900, |_| false);
        queue(&mut log, ("shop", HOUR + 1, HOUR + 890), 500);
        if has_other {
            queue(&mut log, ("other", HOUR, 8 * HOUR), 1);
        }
        let mut store = AlertStore::default();
        store.watch.last_tick = Some(at(HOUR));
        let mut told = Vec::new();
        for now in (HOUR + 300..8 * HOUR).step_by(300) {
            let before = store.clone();
            let wanted = wanted(&rules, now).going_on(&before);
            let scene = log.look(now, &wanted);
            let changes = evaluate(&scene, &wanted, &mut store, &[]).changes;
            let alerts = changes.into_iter().filter_map(|change| change.alert);
            told.extend(alerts.map(|alert| (alert.is_firing(), alert.fired_at)));
        }
        let [(true, _), (false, fired_at)] = &told[..] else {
            panic!("{no_data} {has_other}: {told:?}");
        };
        assert!(*fired_at < at(HOUR + 300), "{told:?}");
    }
}

#[test]
fn a_run_that_is_due_and_does_not_come_is_an_alert_until_one_comes() {
    let mut log = daily(10, |_, _| false);
    let down = |alerts: &[Alert]| {
        let own = alerts
            .iter()
            .filter(|alert| alert.id.rule == "scraper_down");
        own.cloned().collect::<Vec<_>>()
    };
    let rules = rule::default_rules();
    // Before the next run is due, all is well.
    let (alerts, _) = judge(&log, &rules, 9 * DAY, 10 * DAY + 5 * HOUR);
    assert_eq!(down(&alerts), []);
    let (alerts, _) = judge(&log, &rules, 9 * DAY, 10 * DAY + 12 * HOUR);
    let fired = down(&alerts);
    assert_eq!(fired.len(), 1, "{fired:?}");
    assert!(fired[0].is_firing());
    let began = fired[0].began;
    assert!(
        began > at(10 * DAY + 6 * HOUR) && began <= at(10 * DAY + 10 * HOUR),
        "{began}"
    );
    log.run(
        10 * DAY + 14 * HOUR,
        ("shop", "shop.test", "r10"),
        60,
        |_| false,
    );
    let (alerts, _) = judge(&log, &rules, 9 * DAY, 10 * DAY + 15 * HOUR);
    assert_eq!(
        down(&alerts).last().unwrap().ended,
        Some(at(10 * DAY + 14 * HOUR))
    );
}

#[test]
fn a_finding_is_an_alert_since_its_onset_and_explains_itself() {
    let log = daily(14, |day, nth| day >= 11 && nth % 2 == 0);
    let rules = rules(
        "[[rule]]\nalert = \"incident\"\ninsight = \"block_wave\"\nlabels = { severity = \"high\" }",
    );
    let now = 13 * DAY + 8 * HOUR;
    let (alerts, _) = judge(&log, &rules, 13 * DAY, now);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let began = alerts[0].began;
    assert!(
        began >= at(11 * DAY + 6 * HOUR) && began < at(11 * DAY + 7 * HOUR),
        "{began}"
    );
    let wanted = wanted(&rules, now);
    let explanation = log.look(now, &wanted).explain(&alerts[0], &rules, at(now));
    insta::assert_debug_snapshot!(
        "explained",
        (
            explanation.summary,
            explanation.runbook,
            explanation.facts,
            explanation.command,
        )
    );
    assert!(
        explanation.evidence.iter().any(|line| line.contains("403")),
        "{:?}",
        explanation.evidence
    );
    // What was before it, and it: without gaps, and with all that failed.
    let chart = explanation.chart.unwrap();
    assert!((2..=36).contains(&chart.columns.len()), "{chart:?}");
    let width = chart.width.as_micros() as i64;
    let mut pairs = chart.columns.windows(2);
    assert!(pairs.all(|pair| pair[1].start.since(pair[0].start) == width));
    let starts: Vec<_> = chart.columns.iter().filter(|c| c.failed > 0).collect();
    assert!(!starts.is_empty(), "{chart:?}");
    assert!(
        starts
            .iter()
            .all(|c| c.start >= at(11 * DAY) && c.failed <= c.requests)
    );
}

#[test]
fn a_rule_about_runs_knows_what_is_normal() {
    let log = daily(14, |day, nth| day == 13 && nth >= 30);
    let rules = rules("[[rule]]\nalert = \"few\"\nexpr = \"change(run_items[1d]) < -50\"");
    let (alerts, _) = judge(&log, &rules, 13 * DAY, 13 * DAY + 8 * HOUR);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let expected = alerts[0].expected.unwrap();
    assert!((expected.value - 120.0).abs() < 12.0, "{expected:?}");
    assert!(alerts[0].value.unwrap() < -60.0, "{:?}", alerts[0].value);
}

#[test]
fn a_failing_scraper_is_compared_with_others_on_the_site_and_on_the_way() {
    let one = |of_site: u16, of_way: u16| {
        let mut log = Log::default();
        for nth in 0..100 {
            let second = HOUR + nth;
            log.request(second, ("shop", "a.test", "r1"), Some("p1"), 403);
            log.request(second, ("news", "a.test", "r2"), Some("p2"), of_site);
            log.request(second, ("flats", "b.test", "r3"), Some("p1"), of_way);
        }
        let rules = rule::default_rules();
        let now = HOUR + 300;
        let explanation = explanation_of_shop(&log, &rules, now);
        assert_eq!(explanation.evidence.len(), 3);
        assert!(
            explanation.evidence[0].contains("403 https://a.test/p/"),
            "{:?}",
            explanation.evidence
        );
        explanation.verdict.unwrap().suspect
    };
    assert_eq!(one(403, 200), Suspect::Site);
    assert_eq!(one(200, 403), Suspect::Proxy);
    assert_eq!(one(200, 200), Suspect::Us);
    assert_eq!(one(403, 403), Suspect::Unknown);
}

#[test]
fn what_worked_before_the_failure_began_tells_nothing_of_its_cause() {
    let mut log = Log::default();
    // Fifty minutes in which all is well, then six in which the site fails, by every proxy.
    for minute in 0..56 {
        for nth in 0..12 {
            let (second, status) = (HOUR + 60 * minute + 5 * nth, [200, 503]);
            let status = status[usize::from(minute >= 50)];
            log.request(second, ("shop", "a.test", "r1"), Some("p1"), status);
            log.request(second, ("news", "a.test", "r2"), Some("p2"), status);
            log.request(second, ("deals", "a.test", "r3"), Some("p3"), status);
            log.request(second, ("flats", "b.test", "r4"), Some("p1"), 200);
        }
    }
    let rules = rules(
        "[[rule]]\nalert = \"fails\"\nexpr = \"increase(dragline_requests_total{outcome=\\\"failed\\\"}[5m]) > 20\"",
    );
    let now = HOUR + 56 * 60;
    let explanation = explanation_of_shop(&log, &rules, now);
    assert_eq!(explanation.verdict.unwrap().suspect, Suspect::Site);
}

#[test]
fn a_run_without_items_is_compared_as_it_was_counted() {
    let mut log = Log::default();
    for hour in 0..30 {
        let run = format!("r{hour}");
        log.run(hour * HOUR, ("shop", "shop.test", &run), 60, |_| false);
    }
    let rules = rules(
        "[[rule]]\nalert = \"sixty\"\nexpr = \"last(run_requests[3h]) == 60\"\n\n[[rule]]\nalert = \"more\"\nexpr = \"last(run_requests[3h]) > 60\"",
    );
    let (alerts, _) = judge(&log, &rules, 20 * HOUR, 30 * HOUR);
    assert!(!alerts.is_empty());
    assert!(
        alerts.iter().all(|alert| alert.id.rule == "sixty"),
        "{alerts:?}"
    );
}

#[test]
fn a_run_that_is_active_when_the_next_one_is_due_is_a_sign_of_life() {
    let mut log = Log::default();
    for hour in 0..30 {
        log.run(
            hour * HOUR,
            ("shop", "shop.test", &format!("r{hour}")),
            60,
            |_| false,
        );
    }
    // This one takes three hours.
    for minute in 0..180 {
        log.request(
            30 * HOUR + 60 * minute,
            ("shop", "shop.test", "r30"),
            None,
            200,
        );
    }
    let rules = rules("[[rule]]\nalert = \"down\"\nfreshness = \"run\"");
    let (alerts, _) = judge(&log, &rules, 29 * HOUR, 32 * HOUR + 50 * 60);
    assert_eq!(alerts, []);
    // Then nothing more.
    let (alerts, _) = judge(&log, &rules, 29 * HOUR, 37 * HOUR);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0].began > at(33 * HOUR), "{:?}", alerts[0]);
    // Since then there are no lines: the command shows the runs before.
    let wanted = wanted(&rules, 37 * HOUR);
    let explanation = log
        .look(37 * HOUR, &wanted)
        .explain(&alerts[0], &rules, at(37 * HOUR));
    let command = explanation.command.unwrap();
    assert!(
        command.starts_with("dragline runs ") && command.ends_with(" --scraper shop"),
        "{command}"
    );
}

#[test]
fn the_first_round_is_about_the_present() {
    let mut log = Log::default();
    log.run(HOUR, ("shop", "shop.test", "r1"), 120, |_| true);
    let rules = rules(
        "[[rule]]\nalert = \"refused\"\nexpr = 'increase(dragline_requests_total{outcome=\"failed\"}[10m]) > 50'\n\
         [[rule]]\nalert = \"other\"\nexpr = \"min(dragline_queue_size[1m]) > 5\"\nfor = \"10h\"",
    );
    let first = |now: i64| {
        let mut store = AlertStore::default();
        let before = store.clone();
        let wanted = wanted(&rules, now).going_on(&before);
        evaluate(&log.look(now, &wanted), &wanted, &mut store, &[]).changes
    };
    assert_eq!(
        first(HOUR + 300)
            .iter()
            .filter(|change| change.alert.is_some())
            .count(),
        1
    );
    // It began and ended before anybody asked.
    assert_eq!(
        first(8 * HOUR)
            .iter()
            .filter(|change| change.alert.is_some())
            .count(),
        0
    );
}

#[test]
fn a_finding_stays_open_while_the_next_run_says_nothing_yet() {
    let mut log = Log::default();
    let site = "\"site\":\"shop.test\"";
    let mut day = |day: i64, requests: i64, has_items: bool, ends: bool| {
        let (start, run) = (day * DAY + 6 * HOUR, format!("r{day}"));
        log.line(
            start,
            "shop",
            &run,
            &format!("{site},\"event_type\":\"scraper_start\""),
        );
        for nth in 1..=requests {
            log.request(start + nth, ("shop", "shop.test", &run), None, 200);
            if has_items || nth % 10 == 0 {
                let item = format!(
                    "{site},\"event_type\":\"product_processed\",\"action\":\"saved\",\"product_id\":\"{nth}\""
                );
                log.line(start + nth, "shop", &run, &item);
            }
        }
        if ends {
            let end = format!("{site},\"event_type\":\"scraper_end\",\"status\":\"success\"");
            log.line(start + requests + 1, "shop", &run, &end);
        }
    };
    (0..14).for_each(|nth| day(nth, 200, nth < 12, true));
    // Too few pages to tell how many items they give.
    day(14, 5, false, false);
    let rules = rules("[[rule]]\nalert = \"few items\"\ninsight = \"*\"");
    let (alerts, store) = judge(&log, &rules, 13 * DAY, 14 * DAY + 6 * HOUR + 180);
    let firing: Vec<&str> = store
        .notices
        .firing()
        .filter_map(|(alert, _)| alert.id.labels.get("finding"))
        .collect();
    assert_eq!(firing, ["silent_failure"], "{alerts:?}");
}

#[test]
fn an_alert_that_ends_because_its_scraper_died_says_so() {
    let rules = rules(
        "[[rule]]\nalert = \"fails\"\nexpr = \"increase(dragline_requests_total{outcome=\\\"failed\\\"}[5m]) > 20\"",
    );
    let facts = |end: Option<&str>| {
        let mut log = Log::default();
        let who = ("shop", "a.test", "r1");
        for nth in 0..100 {
            log.request(HOUR + nth, who, None, 503);
        }
        if let Some(end) = end {
            let rest = format!("\"site\":\"a.test\",\"event_type\":\"scraper_end\",{end}");
            log.line(HOUR + 101, "shop", "r1", &rest);
        }
        let now = HOUR + 1_200;
        let (alerts, _) = judge(&log, &rules, 0, now);
        let end = alerts.iter().find(|alert| alert.ended.is_some()).unwrap();
        let scene = log.look(now, &wanted(&rules, now));
        scene.explain(end, &rules, at(now)).facts
    };
    let said = |facts: Vec<(String, String)>| {
        let names = ["No sign of life", "Last run"];
        let found = facts
            .into_iter()
            .find(|(name, _)| names.contains(&name.as_str()));
        found.map(|(name, text)| format!("{name}: {text}"))
    };
    assert_eq!(
        said(facts(None)).as_deref(),
        Some(
            "No sign of life: the last line of shop is of 2026-03-01 01:01 UTC, and no line says that its run ended: it may \
             have died"
        )
    );
    let failed = facts(Some("\"status\":\"failed\""));
    assert_eq!(
        said(failed).as_deref(),
        Some("Last run: the last run of shop failed at 2026-03-01 01:01 UTC")
    );
    assert_eq!(said(facts(Some("\"status\":\"success\""))), None);
}

#[test]
fn a_run_that_was_taken_for_killed_and_goes_on_is_said_to() {
    let rules = rules("[[rule]]\nalert = \"killed\"\ninsight = \"run_killed\"");
    let mut log = daily(14, |_, _| false);
    // A pause of half an hour that no line announces.
    let start = 14 * DAY + 6 * HOUR;
    log.run(start, ("shop", "shop.test", "r14"), 60, |_| false);
    let mut log = log.without_end();
    for nth in 0..60 {
        let second = start + 1_800 + nth;
        log.request(second, ("shop", "shop.test", "r14"), None, 200);
    }
    let mut store = AlertStore::default();
    let mut told = Vec::new();
    for now in (start + 300..start + 2_400).step_by(300) {
        let before = store.clone();
        let wanted = wanted(&rules, now).going_on(&before);
        let scene = log.look(now, &wanted);
        for change in evaluate(&scene, &wanted, &mut store, &[]).changes {
            let Some(alert) = change.alert else { continue };
            let summary = scene.explain(&alert, &rules, at(now)).summary;
            told.push((alert.is_firing(), summary.unwrap_or(alert.summary)));
        }
    }
    let [(true, fired), (false, ended)] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(fired.contains("killed"), "{fired}");
    let expected = "shop on shop.test: run_killed is no longer found: its run goes on";
    assert_eq!(ended, expected);
}

#[test]
fn a_notice_of_a_check_says_what_the_check_said() {
    let rules = rules("[[rule]]\nalert = 'databases'\nhealth = 'db-*'");
    let mut log = Log::default();
    log.run(HOUR, ("shop", "a.test", "r1"), 60, |_| false);
    let now = HOUR + 300;
    let before = wanted(&rules, now);
    let mut scene = log.look(now, &before);
    scene.checks = [(
        "db-1".to_owned(),
        "no connection to 127.0.0.1:5432".to_owned(),
    )]
    .into();
    let critical = Some(HealthStatus::Critical);
    let seen = Observation::health("db-1", Labels::new(), before.last_tick(), critical);
    let mut store = AlertStore::default();
    let round = evaluate(&scene, &before, &mut store, &[seen]);
    let alert = round
        .changes
        .iter()
        .find_map(|change| change.alert.as_ref())
        .unwrap();
    assert_eq!(alert.summary, "databases: check db-1 is critical");
    let told = scene.explain(alert, &rules, at(now));
    let found = (
        "Found".to_owned(),
        "no connection to 127.0.0.1:5432".to_owned(),
    );
    assert!(told.facts.contains(&found), "{told:?}");
    assert!(told.command.unwrap().starts_with("dragline health "));
}

#[test]
fn an_end_says_how_bad_it_was() {
    let rules = rules(
        "[[rule]]\nalert = \"fails\"\nexpr = \"increase(dragline_requests_total{outcome=\\\"failed\\\"}[5m]) > 20\"",
    );
    let mut log = Log::default();
    for nth in 0..100 {
        log.request(HOUR + nth, ("shop", "a.test", "r1"), None, 503);
    }
    let (alerts, _) = judge(&log, &rules, 0, HOUR + 1_200);
    let end = alerts.iter().find(|alert| alert.ended.is_some()).unwrap();
    assert_eq!((end.worst, end.ended_value), (Some(100.0), Some(0.0)));
    assert!(end.summary.contains(" is 100 (> 20)"), "{}", end.summary);
}

#[test]
fn a_value_that_nobody_repeats_is_said_to_be_old() {
    let rules = rules("[[rule]]\nalert = \"long\"\nexpr = \"last(dragline_queue_size[5m]) > 100\"");
    let mut log = Log::default();
    let rest = "\"site\":\"a.test\",\"event_type\":\"queue_size\",\"queue_size\":500";
    log.line(HOUR, "shop", "r1", rest);
    let (alerts, _) = judge(&log, &rules, 0, HOUR + 300);
    let says_old = |now: i64| {
        let scene = log.look(now, &wanted(&rules, now));
        let facts = scene.explain(&alerts[0], &rules, at(now)).facts;
        facts.iter().any(|(name, _)| name == "No sign of life")
    };
    assert!(!says_old(HOUR + 300));
    assert!(says_old(3 * HOUR));
}
