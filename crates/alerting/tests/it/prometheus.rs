//! The watch beside the real Prometheus: the same series in, the same alerts are pending and fire at every minute.
//!
//! Compared is what both define in the same way: gauges, without gaps. `increase` is not: Prometheus extrapolates it to
//! the ends of the window, the watch counts from the last sample before it.

use std::fmt::Write as _;
use std::process::Command;

use dragline_alerting::export::prometheus_rules;
use dragline_alerting::rule::{Rule, load};
use dragline_alerting::state::PhaseName;
use dragline_alerting::watch::{Watch, WatchConfig, WatchState};
use dragline_alerting::{Labels, Observation};
use dragline_schema::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const MINUTES: i64 = 60;

const RULES: &str = r#"
    [[rule]]
    alert = "mean"
    expr = "avg(load[4m]) > 50"
    for = "2m"
    [[rule]]
    alert = "always"
    expr = "min(load[3m]) >= 40"
    [[rule]]
    alert = "ever"
    expr = 'max(load{host="a"}[5m]) > 90'
    for = "5m"
    keep_firing_for = "3m"
    [[rule]]
    alert = "now"
    expr = "last(load[1m]) < 10"
    keep_firing_for = "2m"
    [[rule]]
    alert = "typical"
    expr = "p90(load[6m]) > 70"
    for = "1m"
    [[rule]]
    alert = "samples"
    expr = "count(load[10m]) >= 10"
"#;

fn rules() -> Vec<Rule> {
    rules_of(RULES)
}

/// The rules of a text without flapping, which has no counterpart.
pub(crate) fn rules_of(text: &str) -> Vec<Rule> {
    let loaded = load("rules.toml", text);
    assert_eq!(loaded.errors, []);
    let rules = loaded.rules.into_iter();
    rules
        .map(|rule| Rule {
            flapping: None,
            ..rule
        })
        .collect()
}

/// Levels that last for some minutes, so that conditions hold and break.
fn hosts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let stretch = (0u8..100, 1usize..9).prop_map(|(level, length)| vec![level; length]);
    let host = proptest::collection::vec(stretch, 20..30).prop_map(|stretches| {
        let mut values = stretches.concat();
        values.resize(MINUTES as usize, 45);
        values
    });
    proptest::collection::vec(host, 2)
}

/// The rules that fire or are pending, and for which host.
type Alerts = Vec<(String, Labels)>;

/// What fires and what is pending, at each minute.
fn judge(hosts: &[Vec<u8>]) -> Vec<(Alerts, Alerts)> {
    let config = WatchConfig {
        lateness: std::time::Duration::ZERO,
        ..WatchConfig::default()
    };
    let start = Timestamp::from_seconds(1_772_582_400);
    let second = |second: i64| start.plus_micros(second * 1_000_000);
    let mut watch = Watch::new(config, rules(), WatchState::default());
    watch.start_at(start);
    for (host, values) in hosts.iter().enumerate() {
        let labels = Labels::from([("host", ["a", "b"][host])]);
        for (minute, value) in values.iter().enumerate() {
            let time = second(60 * minute as i64 + 30);
            watch.observe(Observation::metric(
                "load",
                labels.clone(),
                time,
                f64::from(*value),
            ));
        }
    }
    let mut pending = std::collections::BTreeSet::new();
    let at = |minute: i64| {
        for change in watch.advance(second(60 * minute)) {
            let key = (change.id.rule, change.id.labels);
            if change.transition.to == PhaseName::Pending {
                pending.insert(key);
            } else {
                pending.remove(&key);
            }
        }
        let alerts = watch
            .alerts()
            .into_iter()
            .filter(dragline_alerting::Alert::is_firing);
        let firing = alerts.map(|alert| (alert.id.rule, alert.id.labels));
        (firing.collect(), pending.iter().cloned().collect())
    };
    (0..MINUTES).map(at).collect()
}

/// A test for `promtool` that expects the same.
fn promtool_test(hosts: &[Vec<u8>], minutes: &[(Alerts, Alerts)]) -> String {
    let mut yaml = String::from(
        "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 30s\n    input_series:\n",
    );
    for (host, values) in hosts.iter().enumerate() {
        let values: Vec<String> = values.iter().map(|value| format!("_ {value}")).collect();
        let name = ["a", "b"][host];
        let _ = writeln!(
            yaml,
            "      - series: 'load{{host=\"{name}\"}}'\n        values: '{}'",
            values.join(" ")
        );
    }
    yaml.push_str("    alert_rule_test:\n");
    for (minute, (firing, _)) in minutes.iter().enumerate() {
        for rule in rules() {
            let _ = writeln!(
                yaml,
                "      - eval_time: {minute}m\n        alertname: {}\n        exp_alerts:",
                rule.name
            );
            let own = firing.iter().filter(|(name, _)| *name == rule.name);
            for (_, labels) in own {
                let host = labels.get("host").unwrap();
                let _ = writeln!(
                    yaml,
                    "          - exp_labels: {{ host: {host}, severity: medium, category: general }}"
                );
            }
        }
    }
    yaml.push_str("    promql_expr_test:\n");
    for (minute, (_, pending)) in minutes.iter().enumerate() {
        let _ = writeln!(
            yaml,
            "      - expr: 'ALERTS{{alertstate=\"pending\"}}'\n        eval_time: {minute}m\n        exp_samples:"
        );
        for (rule, labels) in pending {
            let host = labels.get("host").unwrap();
            let _ = writeln!(
                yaml,
                "          - labels: 'ALERTS{{alertname=\"{rule}\", alertstate=\"pending\", category=\"general\", \
                 host=\"{host}\", severity=\"medium\"}}'\n            value: 1"
            );
        }
    }
    yaml
}

#[test]
fn the_same_alerts_fire_as_in_prometheus() {
    if Command::new("promtool").arg("--version").output().is_err() {
        crate::skip("promtool is not installed (apt-get install prometheus)");
        return;
    }
    let mut runner = TestRunner::new(Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&hosts(), |hosts| {
        let dir = tempfile::tempdir().unwrap();
        let export = prometheus_rules(&rules(), |_| false);
        assert_eq!(export.notes, [] as [&str; 0]);
        std::fs::write(dir.path().join("rules.yml"), export.yaml).unwrap();
        let minutes = judge(&hosts);
        std::fs::write(dir.path().join("test.yml"), promtool_test(&hosts, &minutes)).unwrap();
        let output = Command::new("promtool")
            .args(["test", "rules", "test.yml"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        prop_assert!(output.status.success(), "{said}");
        // Histories in which nothing fires would prove nothing.
        prop_assert!(minutes.iter().any(|(firing, _)| !firing.is_empty()));
        prop_assert!(minutes.iter().any(|(_, pending)| !pending.is_empty()));
        Ok(())
    });
    result.unwrap();
}
