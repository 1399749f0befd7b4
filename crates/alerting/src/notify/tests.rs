//! Notices over time: what is sent to each channel, and when.

use std::collections::BTreeSet;

use dragline_schema::{Severity, Timestamp};

use super::*;
use crate::AlertStatus;
use crate::rule::Escalation;
use crate::state::{PhaseName, Reason, Transition};

const START: i64 = 1_772_582_400;

fn second(second: i64) -> Timestamp {
    Timestamp::from_seconds(START + second)
}

fn minute(minute: i64) -> Timestamp {
    second(60 * minute)
}

fn minutes(count: u64) -> std::time::Duration {
    std::time::Duration::from_mins(count)
}

/// An alert that fired at a minute, and perhaps ended at another.
fn alert(rule: &str, site: &str, fired: i64, ended: Option<i64>) -> Alert {
    let labels = Labels::from([("site", site)]);
    Alert {
        labels: labels.with(&Labels::from([("alertname", rule)])),
        id: AlertId {
            rule: rule.to_owned(),
            labels,
        },
        status: if ended.is_some() {
            AlertStatus::Resolved
        } else {
            AlertStatus::Firing
        },
        severity: Severity::High,
        began: minute(fired),
        fired_at: minute(fired),
        ended: ended.map(minute),
        reason: Reason::HeldLongEnough,
        flapping: false,
        value: Some(7.0),
        worst: Some(7.0),
        ended_value: None,
        condition: "x > 5".to_owned(),
        threshold: Some(5.0),
        expected: None,
        summary: format!("{rule} at {site}"),
        annotations: std::collections::BTreeMap::new(),
        category: "general".to_owned(),
        cooldown: minutes(5),
        repeat: None,
        escalate: Vec::new(),
    }
}

fn config(toml: &str) -> NotifyConfig {
    NotifyConfig::load("test.toml", toml).unwrap()
}

fn plain() -> NotifyConfig {
    config("[notify]\nchannels = [\"mail\"]")
}

/// A state, the configuration, and what was sent.
struct Desk {
    state: NotifyState,
    config: NotifyConfig,
    sent: Vec<String>,
}

impl Desk {
    fn new(config: NotifyConfig) -> Self {
        Self {
            state: NotifyState::default(),
            config,
            sent: Vec::new(),
        }
    }

    fn record(&mut self, alert: &Alert, now: Timestamp) {
        let transition = Transition {
            at: now,
            from: PhaseName::Firing,
            to: PhaseName::Firing,
            reason: alert.reason,
            value: alert.value,
            episode: None,
        };
        let change = Change {
            id: alert.id.clone(),
            transition,
            alert: Some(alert.clone()),
        };
        self.state.record(&[change], now);
    }

    /// Decides each half minute of a span and confirms everything; a restart every ten minutes.
    fn run(&mut self, from: i64, to: i64) {
        for half in 2 * from..=2 * to {
            let now = second(30 * half);
            if half % 20 == 0 {
                let stored = serde_json::to_string(&self.state).unwrap();
                self.state = serde_json::from_str(&stored).unwrap();
            }
            for delivery in self.state.decide(&self.config, now) {
                self.sent.push(outline(&delivery, now));
                self.state.confirm(&delivery, now);
            }
        }
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }
}

/// `minute channel Kind: News rule/site …`
fn outline(delivery: &Delivery, now: Timestamp) -> String {
    let at = now.since(minute(0)) as f64 / 60e6;
    let alerts = delivery.alerts.iter().map(|entry| {
        let site = entry.alert.labels.get("site").unwrap_or_default();
        format!("{:?} {}/{site}", entry.news, entry.alert.id.rule)
    });
    let alerts = alerts.collect::<Vec<_>>().join(", ");
    format!("{at} {} {:?}: {alerts}", delivery.channel, delivery.kind)
}

#[test]
fn a_group_waits_for_others_to_join_and_then_for_its_interval() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 1, None), second(60));
    desk.record(&alert("down", "b", 1, None), second(75));
    desk.record(&alert("slow", "a", 1, None), second(60));
    desk.run(1, 2);
    assert_eq!(
        desk.take(),
        [
            "1.5 mail Firing: New down/a, New down/b",
            "1.5 mail Firing: New slow/a"
        ]
    );
    desk.record(&alert("down", "c", 2, None), minute(2));
    desk.run(2, 8);
    assert_eq!(
        desk.take(),
        ["6.5 mail Firing: New down/c, Still down/a, Still down/b"]
    );
}

#[test]
fn resolved_is_sent_once_to_exactly_the_channels_that_know() {
    let mut desk = Desk::new(config(
        "[notify]\nchannels = [\"mail\"]\n[[route]]\nseverity = \"critical\"\nchannels = [\"phone\"]",
    ));
    desk.record(&alert("down", "a", 1, None), minute(1));
    desk.run(1, 3);
    desk.take();
    // It becomes critical only as it ends: the phone was never notified of it as firing.
    desk.record(&alert("down", "a", 1, Some(4)), minute(4));
    desk.run(4, 60);
    assert_eq!(desk.take(), ["6.5 mail Resolved: Ended down/a"]);
}

#[test]
fn nothing_is_repeated_before_its_time_and_a_restart_repeats_nothing() {
    let mut desk = Desk::new(config("[notify]\nchannels = [\"mail\"]\nrepeat = \"1h\""));
    desk.record(&alert("down", "a", 0, None), minute(0));
    desk.run(0, 130);
    assert_eq!(
        desk.take(),
        [
            "0.5 mail Firing: New down/a",
            "60.5 mail Repeat: Still down/a",
            "120.5 mail Repeat: Still down/a"
        ]
    );
}

/// Elsewhere a row that expires after days makes an old alert look new.
#[test]
fn an_alert_that_fires_for_months_is_never_new_again() {
    let mut desk = Desk::new(config("[notify]\nchannels = [\"mail\"]\nrepeat = \"0s\""));
    desk.record(&alert("down", "a", 0, None), minute(0));
    desk.run(0, 1);
    assert_eq!(desk.take().len(), 1);
    for day in 1..90 {
        desk.run(day * 1440, day * 1440 + 1);
    }
    assert_eq!(desk.take(), [] as [&str; 0]);
}

#[test]
fn a_rise_in_severity_waits_for_nothing() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 0, None), minute(0));
    desk.run(0, 1);
    desk.take();
    desk.record(
        &Alert {
            severity: Severity::Critical,
            ..alert("down", "a", 0, None)
        },
        minute(2),
    );
    desk.run(2, 3);
    assert_eq!(desk.take(), ["2 mail Firing: Raised down/a"]);
}

#[test]
fn new_episodes_keep_the_cooldown() {
    let long = |fired, ended| Alert {
        cooldown: minutes(30),
        ..alert("down", "a", fired, ended)
    };
    let mut desk = Desk::new(plain());
    desk.record(&long(0, None), minute(0));
    desk.run(0, 1);
    desk.record(&long(0, Some(2)), minute(2));
    desk.run(2, 8);
    desk.take();
    // A short second episode within the cooldown is not reported at all.
    desk.record(&long(9, None), minute(9));
    desk.run(9, 11);
    desk.record(&long(9, Some(12)), minute(12));
    desk.run(12, 19);
    assert_eq!(desk.take(), [] as [&str; 0]);
    // A third one that still fires when the cooldown ends is.
    desk.record(&long(20, None), minute(20));
    desk.run(20, 40);
    assert_eq!(desk.take(), ["30.5 mail Firing: New down/a"]);
}

#[test]
fn one_notice_for_what_began_and_ended_while_the_watch_was_down() {
    let mut desk = Desk::new(plain());
    let night = alert("down", "a", -200, Some(-110));
    desk.record(&night, minute(0));
    desk.run(0, 60);
    assert_eq!(desk.take(), ["0.5 mail Resolved: Past down/a"]);
}

#[test]
fn an_episode_shorter_than_the_group_wait_is_not_lost() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 0, None), second(0));
    desk.record(&alert("down", "a", 0, Some(0)), second(10));
    desk.run(0, 30);
    assert_eq!(desk.take(), ["0.5 mail Resolved: Past down/a"]);
}

#[test]
fn a_silence_mutes_notices_and_its_end_does_not_lose_what_still_fires() {
    let mut desk = Desk::new(plain());
    let silence = |until: i64| Silence {
        matchers: crate::Matchers::default(),
        starts: Some(minute(0)),
        ends: Some(minute(until)),
        weekly: None,
        comment: String::new(),
        by: String::new(),
    };
    desk.state.silences.push(silence(60));
    desk.record(&alert("down", "a", 10, None), minute(10));
    desk.record(&alert("slow", "a", 10, None), minute(10));
    desk.run(10, 20);
    desk.record(&alert("slow", "a", 10, Some(20)), minute(20));
    desk.run(20, 59);
    assert_eq!(desk.take(), [] as [&str; 0]);
    desk.run(60, 70);
    assert_eq!(desk.take(), ["60 mail Firing: New down/a"]);
    // A channel that was notified is notified of the end, silence or not.
    desk.state.silences.push(silence(600));
    desk.record(&alert("down", "a", 10, Some(80)), minute(80));
    desk.run(80, 90);
    assert_eq!(desk.take(), ["80 mail Resolved: Ended down/a"]);
}

#[test]
fn inhibition_mutes_while_its_source_fires() {
    let mut desk = Desk::new(config(
        "[notify]\nchannels = [\"mail\"]\n[[inhibit]]\nsource = { alertname = \"uplink_down\" }\ntarget = { alertname = \"*\" }",
    ));
    desk.record(&alert("uplink_down", "", 0, None), minute(0));
    for site in ["a", "b", "c"] {
        desk.record(&alert("site_down", site, 0, None), minute(0));
    }
    desk.run(0, 20);
    assert_eq!(desk.take(), ["0.5 mail Firing: New uplink_down/"]);
    desk.record(&alert("uplink_down", "", 0, Some(20)), minute(20));
    for site in ["a", "b"] {
        desk.record(&alert("site_down", site, 0, Some(20)), minute(20));
    }
    desk.run(21, 40);
    assert_eq!(
        desk.take(),
        [
            "21 mail Firing: New site_down/c",
            "21 mail Resolved: Ended uplink_down/"
        ]
    );
}

#[test]
fn an_acknowledgement_ends_repetitions_and_escalation_but_not_the_good_news() {
    let escalating = || Alert {
        repeat: Some(minutes(10)),
        escalate: vec![Escalation {
            after: minutes(15),
            channels: vec!["phone".to_owned()],
        }],
        ..alert("down", "a", 0, None)
    };
    let mut desk = Desk::new(plain());
    desk.record(&escalating(), minute(0));
    desk.run(0, 18);
    assert_eq!(
        desk.take(),
        [
            "0.5 mail Firing: New down/a",
            "10.5 mail Repeat: Still down/a",
            "15 phone Firing: New down/a"
        ]
    );
    assert_eq!(desk.state.acknowledge("down-", "me", minute(18)).len(), 1);
    desk.run(18, 60);
    assert_eq!(desk.take(), [] as [&str; 0]);
    // It gets worse: that was not acknowledged.
    desk.record(
        &Alert {
            severity: Severity::Critical,
            ..escalating()
        },
        minute(61),
    );
    desk.run(61, 62);
    assert_eq!(
        desk.take(),
        [
            "61 mail Firing: Raised down/a",
            "61 phone Firing: Raised down/a"
        ]
    );
    desk.record(
        &Alert {
            status: AlertStatus::Resolved,
            ended: Some(minute(70)),
            ..escalating()
        },
        minute(70),
    );
    desk.run(70, 80);
    assert_eq!(
        desk.take(),
        [
            "70 mail Resolved: Ended down/a",
            "70 phone Resolved: Ended down/a"
        ]
    );
}

#[test]
fn an_acknowledgement_in_time_spares_the_phone() {
    let mut desk = Desk::new(config(
        "[notify]\nchannels = [\"mail\"]\nescalate = [{ after = \"15m\", channels = [\"phone\"] }]",
    ));
    desk.record(&alert("down", "a", 0, None), minute(0));
    desk.run(0, 10);
    desk.state.acknowledge("down", "me", minute(10));
    desk.run(10, 60);
    assert!(desk.take().iter().all(|sent| !sent.contains("phone")));
}

#[test]
fn a_failed_delivery_is_tried_again_with_the_same_key_and_then_confirmed_once() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 0, None), minute(0));
    let first = desk.state.decide(&desk.config, minute(1)).remove(0);
    // A crash: nothing was written down, the same comes again.
    assert_eq!(
        desk.state.decide(&desk.config, minute(1)),
        std::slice::from_ref(&first)
    );
    assert_eq!(desk.state.postpone(&first, minute(3)), 1);
    assert_eq!(desk.state.decide(&desk.config, minute(2)), []);
    let again = desk.state.decide(&desk.config, minute(3)).remove(0);
    assert_eq!(again.key, first.key);
    desk.state.confirm(&again, minute(3));
    desk.run(4, 30);
    assert_eq!(desk.take(), [] as [&str; 0]);
}

#[test]
fn a_resolved_notice_waits_for_a_channel_that_is_down_for_hours() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 0, None), minute(0));
    desk.run(0, 1);
    desk.record(&alert("down", "a", 0, Some(2)), minute(2));
    let ended = desk.state.decide(&desk.config, minute(10)).remove(0);
    desk.state.postpone(&ended, minute(300));
    desk.take();
    desk.run(11, 310);
    assert_eq!(desk.take(), ["300 mail Resolved: Ended down/a"]);
}

#[test]
fn an_episode_that_ended_while_its_channel_was_down_is_not_forgotten() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 0, None), minute(0));
    let first = desk.state.decide(&desk.config, minute(1)).remove(0);
    desk.state.postpone(&first, minute(100));
    desk.record(&alert("down", "a", 0, Some(2)), minute(2));
    desk.run(2, 130);
    assert_eq!(desk.take(), ["100 mail Resolved: Past down/a"]);
}

/// A channel that refused an alert in the first minute.
fn refused() -> Desk {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 0, None), minute(0));
    let first = desk.state.decide(&desk.config, minute(1)).remove(0);
    desk.state.refuse(&first, "", minute(1));
    desk
}

fn undelivered(desk: &Desk, now: i64) -> Vec<&str> {
    let waiting = desk.state.undelivered(&desk.config, minute(now));
    waiting.into_keys().collect()
}

#[test]
fn a_channel_that_refuses_is_left_alone_for_an_hour() {
    let mut desk = refused();
    desk.run(1, 30);
    desk.record(&alert("down", "a", 0, Some(30)), minute(30));
    desk.run(30, 60);
    assert_eq!(desk.take(), [] as [&str; 0]);
    assert_eq!(undelivered(&desk, 60), ["mail"]);
    // It was mended meanwhile.
    desk.run(60, 62);
    assert_eq!(desk.take(), ["61 mail Resolved: Past down/a"]);
    assert_eq!(undelivered(&desk, 62), [] as [&str; 0]);
    desk.record(&alert("down", "a", 70, None), minute(70));
    desk.run(70, 71);
    assert_eq!(desk.take(), ["70.5 mail Firing: New down/a"]);
}

#[test]
fn a_channel_that_refuses_the_end_only_is_notified_of_it_later() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 0, None), minute(0));
    desk.run(0, 2);
    assert_eq!(desk.take(), ["0.5 mail Firing: New down/a"]);
    desk.record(&alert("down", "a", 0, Some(9)), minute(9));
    let end = desk.state.decide(&desk.config, minute(9)).remove(0);
    desk.state.refuse(&end, "", minute(9));
    desk.run(9, 80);
    assert_eq!(desk.take(), ["69 mail Resolved: Ended down/a"]);
}

#[test]
fn a_channel_that_keeps_refusing_is_given_up_a_day_after_the_end() {
    let mut desk = refused();
    desk.record(&alert("down", "a", 0, Some(5)), minute(5));
    let mut attempts = 0;
    for now in (60..3_000).step_by(30) {
        for delivery in desk.state.decide(&desk.config, minute(now)) {
            attempts += 1;
            desk.state.refuse(&delivery, "", minute(now));
        }
    }
    assert_eq!(attempts, 23);
    assert_eq!(undelivered(&desk, 3_000), [] as [&str; 0]);
}

#[test]
fn a_channel_that_refused_and_was_removed_is_forgotten() {
    let mut desk = refused();
    desk.config = config("[notify]\nchannels = [\"chat\"]");
    desk.record(&alert("down", "a", 0, Some(5)), minute(5));
    assert_eq!(undelivered(&desk, 6), [] as [&str; 0]);
    desk.run(6, 100);
    assert_eq!(desk.take(), ["6 chat Resolved: Past down/a"]);
}

#[test]
fn a_channel_that_was_configured_anew_is_tried_at_once() {
    let mut desk = refused();
    desk.state.reconsider(|_| "");
    desk.run(1, 5);
    assert_eq!(desk.take(), [] as [&str; 0]);
    desk.state.reconsider(|_| "another address");
    desk.run(5, 7);
    assert_eq!(desk.take(), ["5 mail Firing: New down/a"]);
    assert_eq!(undelivered(&desk, 7), [] as [&str; 0]);
}

#[test]
fn a_channel_that_replaces_another_needs_not_hear_of_the_end() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 0, None), minute(0));
    desk.run(0, 2);
    assert_eq!(desk.take(), ["0.5 mail Firing: New down/a"]);
    desk.config = config("[notify]\nchannels = [\"chat\"]");
    desk.record(&alert("down", "a", 0, Some(5)), minute(5));
    desk.run(5, 100);
    assert_eq!(desk.take(), ["5.5 mail Resolved: Ended down/a"]);
}

#[test]
fn a_channel_that_was_mended_is_notified_of_what_it_refused() {
    let mut desk = refused();
    desk.run(1, 90);
    assert_eq!(desk.take(), ["61 mail Firing: New down/a"]);
    desk.record(&alert("down", "a", 0, Some(95)), minute(95));
    desk.run(95, 99);
    assert_eq!(desk.take(), ["95 mail Resolved: Ended down/a"]);
}

#[test]
fn the_clock_may_be_set_back_or_forward() {
    let mut desk = Desk::new(config("[notify]\nchannels = [\"mail\"]\nrepeat = \"1h\""));
    desk.record(&alert("down", "a", 0, None), minute(100_000));
    desk.run(100_000, 100_001);
    assert_eq!(desk.take().len(), 1);
    // Back by 69 days: news are sent, and repetitions go on.
    desk.record(&alert("down", "b", 10, None), minute(10));
    desk.run(10, 12);
    assert_eq!(desk.take(), ["10 mail Firing: New down/b, Still down/a"]);
    desk.run(13, 75);
    assert_eq!(desk.take(), ["70 mail Repeat: Still down/a, Still down/b"]);
}

#[test]
fn the_budget_is_never_exceeded_and_what_is_critical_is_free() {
    let mut desk = Desk::new(config(
        "[notify]\nchannels = [\"mail\"]\nbudget = \"3 a day\"\nrepeat = \"1h\"",
    ));
    for hour in 0..72 {
        let fired = 60 * hour;
        let severity = if hour % 20 == 7 {
            Severity::Critical
        } else {
            Severity::ALL[hour as usize % 3]
        };
        let name = format!("rule{hour}");
        desk.record(
            &Alert {
                severity,
                ..alert(&name, "a", fired, None)
            },
            minute(fired),
        );
        desk.run(fired, fired + 20);
        desk.record(
            &Alert {
                severity,
                ..alert(&name, "a", fired, Some(fired + 21))
            },
            minute(fired + 21),
        );
        desk.run(fired + 21, fired + 59);
    }
    let sent = desk.take();
    let at = |line: &String| line.split(' ').next().unwrap().parse::<f64>().unwrap();
    let critical: BTreeSet<String> = (0..72)
        .filter(|hour| hour % 20 == 7)
        .map(|hour| format!("rule{hour}/"))
        .collect();
    let is_critical = |line: &&String| {
        critical.iter().any(|name| line.contains(name)) && !line.contains("Digest")
    };
    let budgeted: Vec<f64> = sent
        .iter()
        .filter(|line| !is_critical(line))
        .map(at)
        .collect();
    for (index, from) in budgeted.iter().enumerate() {
        let within = budgeted[index..]
            .iter()
            .filter(|time| **time < from + 1440.0)
            .count();
        assert!(
            within <= 3,
            "{within} notices in a day from minute {from}: {sent:#?}"
        );
    }
    assert_eq!(
        sent.iter().filter(is_critical).count(),
        2 * critical.len(),
        "{sent:#?}"
    );
    // Nothing is lost: every episode is in some notice.
    for hour in 0..60 {
        assert!(
            sent.iter()
                .any(|line| line.contains(&format!("rule{hour}/"))),
            "rule{hour}: {sent:#?}"
        );
    }
}

#[test]
fn a_digest_is_ranked() {
    let mut desk = Desk::new(config(
        "[notify]\nchannels = [\"mail\"]\nbudget = \"1 a day\"",
    ));
    for (name, severity, ended) in [
        ("short", Severity::Medium, Some(5)),
        ("long", Severity::Medium, Some(300)),
        ("open", Severity::Medium, None),
        ("high", Severity::High, Some(3)),
    ] {
        desk.record(
            &Alert {
                severity,
                ..alert(name, "a", 0, ended)
            },
            minute(0),
        );
    }
    desk.run(0, 1445);
    assert_eq!(
        desk.take(),
        ["1440.5 mail Digest: Past high/a, New open/a, Past long/a, Past short/a"]
    );
}

#[test]
fn a_channel_that_asks_for_rest_gets_nothing_before_its_time() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 1, None), minute(1));
    desk.state.hold("mail", minute(30));
    desk.run(1, 20);
    assert_eq!(desk.take(), Vec::<String>::new());
    desk.run(20, 40);
    assert_eq!(desk.take(), ["30 mail Firing: New down/a"]);
}

#[test]
fn an_alert_that_was_taken_for_ended_is_news_again_and_its_end_too() {
    let mut desk = Desk::new(plain());
    desk.record(&alert("down", "a", 1, None), minute(1));
    desk.run(1, 3);
    desk.record(&alert("down", "a", 1, Some(5)), minute(5));
    desk.run(5, 12);
    desk.take();
    desk.record(&alert("down", "a", 1, None), minute(20));
    desk.run(20, 27);
    desk.record(&alert("down", "a", 1, Some(30)), minute(30));
    desk.run(30, 40);
    assert_eq!(
        desk.take(),
        [
            "20 mail Firing: New down/a",
            "30 mail Resolved: Ended down/a"
        ]
    );
}
