//! The watch, evaluation by evaluation.

use super::*;
use dragline_schema::Severity;

use crate::observation::HealthStatus;
use crate::rule::{default_rules, load};
use crate::state::PhaseName;

const START: i64 = 1_772_582_400;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_seconds(START + 60 * minute)
}

fn watch(rules: &str) -> Watch {
    let loaded = load("test.toml", rules);
    assert_eq!(loaded.errors, []);
    let mut watch = Watch::new(WatchConfig::default(), loaded.rules, WatchState::default());
    watch.start_at(minute(0));
    watch
}

fn host(name: &str) -> Labels {
    Labels::from([("host", name)])
}

/// Evaluates through `to`, with the lateness allowed for.
fn advance(watch: &mut Watch, to: i64) -> Vec<Change> {
    watch.advance(duration::after(minute(to), watch.config.lateness))
}

/// `minute phase reason`, for what fired or resolved.
fn outline(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .filter(|change| change.alert.is_some())
        .map(|change| {
            let at = change.transition.at.since(minute(0)) / 60_000_000;
            let to = format!("{:?}", change.transition.to).to_lowercase();
            format!("{at} {to} {:?}", change.transition.reason)
        })
        .collect()
}

#[test]
fn one_high_sample_is_no_five_minutes() {
    let mut watch = watch("[[rule]]\nalert='cpu'\nexpr='min(cpu_percent[5m]) > 90'");
    for (second, value) in [
        (10, 99.0),
        (70, 20.0),
        (130, 99.0),
        (190, 99.0),
        (250, 99.0),
        (310, 99.0),
        (370, 99.0),
    ] {
        let time = Timestamp::from_seconds(START + second);
        watch.observe(Observation::metric("cpu_percent", host("a"), time, value));
    }
    let changes = advance(&mut watch, 7);
    // The first sample stands alone in its window, and is above; so `min` alone is no substitute for `for`.
    assert_eq!(
        outline(&changes),
        [
            "1 firing HeldLongEnough",
            "2 resolved ConditionFalse",
            "7 firing Flapping"
        ]
    );
}

#[test]
fn each_series_has_its_own_alert() {
    let mut watch = watch("[[rule]]\nalert='queue'\nexpr='queue_size > 10'");
    watch.observe(Observation::metric(
        "queue_size",
        host("a"),
        minute(1),
        50.0,
    ));
    watch.observe(Observation::metric("queue_size", host("b"), minute(1), 5.0));
    let changes = advance(&mut watch, 1);
    let fired: Vec<_> = changes
        .iter()
        .filter_map(|change| change.alert.as_ref())
        .collect();
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].labels.get("host"), Some("a"));
}

#[test]
fn a_silent_source_resolves_nothing_but_a_vanished_series_does() {
    let mut watch = watch("[[rule]]\nalert='queue'\nexpr='last(queue_size[1m]) > 10'");
    let sample = |machine: &str, site: &str, at| {
        let labels = Labels::from([("host", machine), ("site", site)]);
        Observation::metric("queue_size", labels, minute(at), 50.0)
    };
    watch.observe(sample("a", "shop", 1));
    // Nothing from anybody for half an hour: the source is silent.
    assert_eq!(
        outline(&advance(&mut watch, 30)),
        ["1 firing HeldLongEnough"]
    );
    // Another machine says nothing about this one.
    (31..40).for_each(|at| watch.observe(sample("b", "shop", at)));
    let resolved = |changes: &[Change]| {
        let lines = outline(changes).into_iter();
        lines
            .filter(|line| line.contains("MissingSeries"))
            .collect::<Vec<_>>()
    };
    assert_eq!(resolved(&advance(&mut watch, 39)), [] as [&str; 0]);
    // The same machine delivers, but not this series.
    (41..50).for_each(|at| watch.observe(sample("a", "flats", at)));
    assert_eq!(
        resolved(&advance(&mut watch, 49)),
        ["42 resolved MissingSeries"]
    );
}

/// One of several series without data must not count as fine where the rule asks for data.
#[test]
fn a_rule_that_asks_for_data_hears_of_each_series_that_lacks_them() {
    let mut watch = watch(
        "[[rule]]\nalert='queue'\nexpr='last(queue_size[1m]) > 10'\nno_data='no_data'\nfor='2m'",
    );
    for at in 1..10 {
        watch.observe(Observation::metric(
            "queue_size",
            host("b"),
            minute(at),
            1.0,
        ));
        watch.observe(Observation::metric(
            "queue_size",
            host("a"),
            minute(at),
            if at == 3 { 50.0 } else { 1.0 },
        ));
    }
    assert_eq!(outline(&advance(&mut watch, 9)), [] as [&str; 0]);
    for at in 10..20 {
        watch.observe(Observation::metric(
            "queue_size",
            host("b"),
            minute(at),
            50.0,
        ));
    }
    let changes = advance(&mut watch, 19);
    let fired: Vec<_> = changes
        .iter()
        .filter_map(|change| change.alert.as_ref())
        .collect();
    let summaries: Vec<&str> = fired.iter().map(|alert| &*alert.summary).collect();
    assert_eq!(
        summaries,
        [
            "queue: a: there are no data",
            "queue: b: last(queue_size[1m]) is 50 (> 10)"
        ]
    );
    for at in 20..30 {
        watch.observe(Observation::metric(
            "queue_size",
            host("a"),
            minute(at),
            1.0,
        ));
    }
    let changes = advance(&mut watch, 29);
    let lacking = changes
        .iter()
        .filter_map(|change| change.alert.as_ref())
        .find(|alert| alert.is_firing())
        .unwrap();
    assert_eq!(lacking.labels.get("host"), Some("b"));
    assert_eq!(lacking.summary, "queue: b: there are no data");
}

#[test]
fn a_series_that_ended_with_a_word_lacks_no_data() {
    for no_data in ["alerting", "no_data"] {
        let mut watch = watch(&format!(
            "[[rule]]\nalert='queue'\nexpr='last(queue_size[1m]) > 10'\nno_data='{no_data}'\nfor='2m'"
        ));
        let one = |at, value| Observation {
            value,
            ..Observation::metric("queue_size", host("a"), minute(at), 0.0)
        };
        (1..6).for_each(|at| watch.observe(one(at, Some(1.0))));
        watch.observe(one(6, None));
        assert_eq!(outline(&advance(&mut watch, 90)), [] as [&str; 0]);
        // The next run ends without one.
        (91..95).for_each(|at| watch.observe(one(at, Some(1.0))));
        let fired = outline(&advance(&mut watch, 120));
        assert!(!fired.is_empty(), "{no_data}");
    }
}

#[test]
fn a_rule_without_any_series_can_alert_and_recovers() {
    let mut watch =
        watch("[[rule]]\nalert='q'\nexpr='queue_size > 10'\nno_data='alerting'\nfor='3m'");
    assert_eq!(
        outline(&advance(&mut watch, 10)),
        ["3 firing HeldLongEnough"]
    );
    watch.observe(Observation::metric(
        "queue_size",
        host("a"),
        minute(11),
        1.0,
    ));
    assert_eq!(
        outline(&advance(&mut watch, 12)),
        ["11 resolved ConditionFalse"]
    );
}

#[test]
fn a_failed_evaluation_marks_the_rule_and_leaves_its_alerts() {
    let mut watch = watch("[[rule]]\nalert='q'\nexpr='last(queue_size[1m]) > 10'");
    let mut sample = |at, value| {
        watch.observe(Observation::metric(
            "queue_size",
            host("a"),
            minute(at),
            value,
        ));
    };
    sample(1, 50.0);
    sample(2, f64::NAN);
    sample(3, f64::NAN);
    sample(4, 50.0);
    assert_eq!(
        outline(&advance(&mut watch, 3)),
        ["1 firing HeldLongEnough"]
    );
    let broken = &watch.state().broken["q"];
    assert!(
        broken.since == minute(2) && broken.error.contains("NaN"),
        "{broken:?}"
    );
    assert_eq!(outline(&advance(&mut watch, 4)), [] as [&str; 0]);
    assert!(watch.state().broken.is_empty());
}

#[test]
fn an_overdue_sign_of_life_is_dated_at_its_deadline() {
    let mut watch = watch("[[rule]]\nalert='stale'\nfreshness='log_lines'");
    let labels = Labels::from([("scraper_id", "shop")]);
    watch.observe(Observation::freshness(
        "log_lines",
        labels.clone(),
        Timestamp::from_seconds(START + 30),
        120.0,
    ));
    let changes = advance(&mut watch, 5);
    let alert = changes.last().unwrap().alert.as_ref().unwrap();
    assert_eq!(alert.fired_at, minute(3));
    assert_eq!(alert.began, Timestamp::from_seconds(START + 150));
    watch.observe(Observation::freshness(
        "log_lines",
        labels,
        minute(6),
        120.0,
    ));
    assert_eq!(
        outline(&advance(&mut watch, 6)),
        ["6 resolved ConditionFalse"]
    );
}

#[test]
fn an_inconclusive_check_is_no_failure_and_no_recovery() {
    let mut watch = watch("[[rule]]\nalert='site'\nhealth='site:*'");
    let check = |at, status| Observation::health("site:shop", Labels::new(), minute(at), status);
    watch.observe(check(1, Some(HealthStatus::Critical)));
    watch.observe(check(2, None));
    watch.observe(check(3, Some(HealthStatus::Degraded)));
    let changes = advance(&mut watch, 3);
    assert_eq!(
        outline(&changes),
        ["1 firing HeldLongEnough", "3 resolved ConditionFalse"]
    );
    assert_eq!(
        changes.last().unwrap().id.labels.get("check"),
        Some("site:shop")
    );
}

#[test]
fn findings_are_conditions() {
    let mut watch = watch("[[rule]]\nalert='blocked'\ninsight='block_wave'\nmatch={site='shop*'}");
    let finding = |site, at, open| {
        Observation::finding(
            "block_wave",
            Labels::from([("site", site)]),
            minute(at),
            open,
        )
    };
    watch.observe(finding("shop.example.com", 1, Some(Severity::High)));
    watch.observe(finding("other.example.com", 1, Some(Severity::High)));
    watch.observe(finding("shop.example.com", 200, None));
    assert_eq!(
        outline(&advance(&mut watch, 200)),
        ["1 firing HeldLongEnough", "200 resolved ConditionFalse"]
    );
}

#[test]
fn an_alert_has_the_severity_of_its_finding_unless_the_rule_names_one() {
    let rules = "[[rule]]\nalert='any'\ninsight='*'\nleast='medium'\n[[rule]]\nalert='own'\ninsight='*'\nlabels={severity='low'}";
    let mut watch = watch(rules);
    let finding = |kind, at, open| Observation::finding(kind, Labels::new(), minute(at), open);
    watch.observe(finding("block_wave", 1, Some(Severity::Medium)));
    watch.observe(finding("block_wave", 3, Some(Severity::Critical)));
    watch.observe(finding("volume_high", 1, Some(Severity::Low)));
    let changes = advance(&mut watch, 5);
    let fired: Vec<(&str, &str, Severity)> = changes
        .iter()
        .filter_map(|change| {
            let alert = change.alert.as_ref()?;
            Some((
                &*alert.id.rule,
                alert.id.labels.get("finding")?,
                alert.severity,
            ))
        })
        .collect();
    assert_eq!(
        fired,
        [
            ("any", "block_wave", Severity::Medium),
            ("own", "block_wave", Severity::Low),
            ("own", "volume_high", Severity::Low),
            ("any", "block_wave", Severity::Critical),
        ]
    );
}

#[test]
fn what_was_never_seen_is_absent_after_the_window() {
    let mut watch = watch("[[rule]]\nalert='gone'\nexpr='absent(lines{scraper_id=\"shop\"}[5m])'");
    let changes = advance(&mut watch, 6);
    assert_eq!(outline(&changes), ["5 firing HeldLongEnough"]);
    assert_eq!(
        changes.last().unwrap().id.labels,
        Labels::from([("scraper_id", "shop")])
    );
    watch.observe(Observation::metric(
        "lines",
        Labels::from([("scraper_id", "shop")]),
        minute(7),
        3.0,
    ));
    watch.observe(Observation::metric(
        "lines",
        Labels::from([("scraper_id", "other")]),
        minute(7),
        3.0,
    ));
    assert_eq!(
        outline(&advance(&mut watch, 20)),
        ["7 resolved ConditionFalse", "12 firing Flapping"]
    );
}

#[test]
fn change_is_measured_against_the_baseline() {
    let mut watch = watch("[[rule]]\nalert='yield'\nexpr='change(items_per_page[10m]) < -50'");
    let expected = Some(Expected {
        value: 10.0,
        low: 8.0,
        high: 12.0,
    });
    let sample = |at, value| Observation {
        expected,
        ..Observation::metric("items_per_page", host("a"), minute(at), value)
    };
    watch.observe(sample(1, 9.0));
    watch.observe(sample(11, 4.0));
    let changes = advance(&mut watch, 11);
    let alert = changes.last().unwrap().alert.as_ref().unwrap();
    assert_eq!((alert.value, alert.expected), (Some(-60.0), expected));
}

#[test]
fn a_lagging_watch_raises_an_alert_about_itself() {
    let mut watch = watch("");
    advance(&mut watch, 1);
    assert!(watch.check_lag(minute(1), None, minute(9)).is_empty());
    let changes = watch.check_lag(minute(1), None, minute(20));
    let alert = changes.last().unwrap().alert.as_ref().unwrap();
    assert_eq!(alert.id.rule, LAG_ALERT);
    assert!(alert.summary.contains("19m behind"), "{}", alert.summary);
    let changes = watch.check_lag(
        minute(1),
        Some(&Unread::All("logs is empty".to_owned())),
        minute(21),
    );
    assert!(changes.is_empty(), "{changes:?}");
    let summary = &watch.alerts()[0].summary;
    assert_eq!(summary, "nothing could be judged for 20m: logs is empty");
    let ended = watch.check_lag(minute(22), None, minute(22));
    assert_eq!(ended.last().unwrap().transition.to, PhaseName::Resolved);
}

#[test]
fn a_removed_rule_resolves_its_alerts() {
    let mut before = watch("[[rule]]\nalert='q'\nexpr='queue_size > 10'");
    before.observe(Observation::metric(
        "queue_size",
        host("a"),
        minute(1),
        50.0,
    ));
    advance(&mut before, 1);
    let mut after = Watch::new(WatchConfig::default(), Vec::new(), before.state().clone());
    assert_eq!(outline(&advance(&mut after, 2)), ["2 resolved RuleRemoved"]);
}

#[test]
fn late_observations_are_counted_and_fill_windows() {
    let mut watch = watch("[[rule]]\nalert='q'\nexpr='max(queue_size[5m]) > 10'");
    advance(&mut watch, 3);
    watch.observe(Observation::metric(
        "queue_size",
        host("a"),
        minute(2),
        50.0,
    ));
    assert_eq!(
        outline(&advance(&mut watch, 4)),
        ["4 firing HeldLongEnough"]
    );
    assert_eq!(watch.state().late, 1);
}

#[test]
fn the_notice_shows_what_its_template_lacks() {
    let mut watch = watch(
        "[[rule]]\nalert='q'\nexpr='queue_size > 10'\nmessage='{value} > {threshold} on {host}, {nope}'",
    );
    watch.observe(Observation::metric(
        "queue_size",
        host("a"),
        minute(1),
        50.125,
    ));
    let changes = advance(&mut watch, 1);
    assert_eq!(
        changes.last().unwrap().alert.as_ref().unwrap().summary,
        "50.125 > 10 on a, {nope}"
    );
}

/// Feeds a default rule minute by minute with a bad and then a good value; returns what happened.
fn try_default(name: &str, observe: impl Fn(i64) -> Observation, last: i64) -> Vec<String> {
    let rules = default_rules()
        .into_iter()
        .filter(|rule| rule.name == name)
        .collect();
    let mut watch = Watch::new(WatchConfig::default(), rules, WatchState::default());
    watch.start_at(minute(0));
    for at in 0..=last {
        watch.observe(observe(at));
    }
    outline(&advance(&mut watch, last))
}

#[test]
fn every_default_rule_fires_and_resolves() {
    let gauge = |name: &'static str, bad: f64, from: i64, to: i64| {
        move |at| {
            Observation::metric(
                name,
                host("a"),
                minute(at),
                if (from..to).contains(&at) { bad } else { 0.1 },
            )
        }
    };
    let counter = |name: &'static str, step: f64, from: i64, to: i64| {
        move |at: i64| {
            Observation::metric(
                name,
                Labels::from([("scraper_id", "shop"), ("outcome", "failed")]),
                minute(at),
                step * (at.clamp(from, to) - from) as f64,
            )
        }
    };
    for (rule, metric, bad) in [
        ("high_cpu_usage", "dragline_cpu_usage_ratio", 0.91),
        ("high_memory_usage", "dragline_memory_usage_ratio", 0.86),
        ("queue_backup", "dragline_queue_size", 1001.0),
    ] {
        let expected = ["8 firing HeldLongEnough", "20 resolved ConditionFalse"];
        assert_eq!(
            try_default(rule, gauge(metric, bad, 3, 20), 30),
            expected,
            "{rule}"
        );
        // Four minutes are not five.
        assert_eq!(
            try_default(rule, gauge(metric, bad, 3, 8), 30),
            [] as [&str; 0],
            "{rule}"
        );
    }
    assert_eq!(
        try_default(
            "low_disk_space",
            gauge("dragline_disk_usage_ratio", 0.905, 1, 100),
            110
        ),
        ["61 firing HeldLongEnough", "100 resolved ConditionFalse"]
    );
    assert_eq!(
        try_default(
            "slow_responses",
            gauge("dragline_request_duration_seconds", 100.0, 5, 15),
            30
        ),
        ["7 firing HeldLongEnough", "22 resolved ConditionFalse"]
    );
    assert_eq!(
        try_default(
            "crawler_failures",
            counter("dragline_requests_total", 10.0, 5, 15),
            40
        ),
        ["11 firing HeldLongEnough", "20 resolved ConditionFalse"]
    );
    assert_eq!(
        try_default(
            "high_error_rate",
            counter("dragline_errors_total", 1.0, 5, 60),
            130
        ),
        ["56 firing HeldLongEnough", "70 resolved ConditionFalse"]
    );
}

#[test]
fn a_scraper_is_down_only_when_a_run_is_due() {
    // Runs at minutes 0 and 60, each due an hour after the last, with ten minutes of grace; the third does not start.
    let run = |at| {
        Observation::freshness(
            "run",
            Labels::from([("scraper_id", "shop")]),
            minute(at),
            70.0 * 60.0,
        )
    };
    let rules = default_rules()
        .into_iter()
        .filter(|rule| rule.name == "scraper_down")
        .collect();
    let mut watch = Watch::new(WatchConfig::default(), rules, WatchState::default());
    watch.start_at(minute(0));
    for at in [0, 60, 200] {
        watch.observe(run(at));
    }
    assert_eq!(
        outline(&advance(&mut watch, 210)),
        ["131 firing HeldLongEnough", "200 resolved ConditionFalse"]
    );
}

#[test]
fn an_absence_has_one_alert_and_ends_with_the_first_sample() {
    let mut watch = watch("[[rule]]\nalert='gone'\nexpr='absent(lines[5m])'");
    let sample = |at| {
        let labels = Labels::from([("scraper_id", "shop")]);
        Observation::metric("lines", labels, minute(at), 1.0)
    };
    // Never seen until the tenth minute, then seen for five, then never again.
    let mut lines = outline(&advance(&mut watch, 9));
    (10..15).for_each(|at| watch.observe(sample(at)));
    lines.extend(outline(&advance(&mut watch, 20)));
    lines.extend(outline(&advance(&mut watch, 200)));
    assert_eq!(
        lines,
        [
            "5 firing HeldLongEnough",
            "10 resolved ConditionFalse",
            "19 firing HeldLongEnough"
        ]
    );
}
