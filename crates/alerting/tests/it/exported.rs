//! What is exported for Prometheus and Alertmanager, checked by their own tools where they are installed.

use std::collections::BTreeMap;
use std::process::Command;

use dragline_alerting::channel::ChannelConfig;
use dragline_alerting::export::{alertmanager_config, prometheus_rules};
use dragline_alerting::notify::NotifyConfig;
use dragline_alerting::rule::{default_rules, load};

const RULES: &str = r#"
    [[rule]]
    alert = "everything"
    expr = 'p95(response_seconds{site="shop*", scraper_id="a|b.c"}[10m]) >= 30'
    for = "5m"
    keep_firing_for = "10m"
    clear = 20
    labels = { severity = "medium", team = "x" }
    annotations = { summary = "{site} \"slow\": {value} > {threshold} {{raw}}", runbook-url = "https://example.com/{scraper_id}" }
    raise = [{ severity = "critical", at = 60 }]
    no_data = "alerting"
    [[rule]]
    alert = "equal"
    expr = "last(workers) == 0"
    repeat = "1h"
    escalate = [{ after = "30m", channels = ["phone"] }]
    [[rule]]
    alert = "unequal"
    expr = "last(workers) != 4"
    [[rule]]
    alert = "gone"
    expr = 'absent(lines_total{scraper_id="shop"}[2h])'
    [[rule]]
    alert = "dotted"
    expr = "last(a.b) > 1"
    [[rule]]
    alert = "change"
    expr = "change(items[1h]) < -50"
    [[rule]]
    alert = "wave"
    insight = "block_wave"
"#;

/// Runs a checker on a text; `None` when it is not installed.
fn check(program: &str, arguments: &[&str], text: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file.yml");
    std::fs::write(&file, text).unwrap();
    let Ok(output) = Command::new(program).args(arguments).arg(&file).output() else {
        crate::skip(&format!(
            "{program} is not installed (apt-get install prometheus prometheus-alertmanager)"
        ));
        return None;
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}\n{text}");
    Some(said)
}

#[test]
fn prometheus_takes_the_rules() {
    let mut rules = default_rules();
    let loaded = load("rules.toml", RULES);
    assert_eq!(loaded.errors, []);
    rules.extend(loaded.rules);
    let export = prometheus_rules(&rules, |name| name.ends_with("_duration_seconds"));
    insta::assert_snapshot!(
        "prometheus_rules",
        format!("{}\n{}", export.yaml, export.notes.join("\n"))
    );
    if let Some(said) = check("promtool", &["check", "rules"], &export.yaml) {
        assert!(said.contains("12 rules found"), "{said}");
    }
    check(
        "promtool",
        &["check", "rules"],
        &prometheus_rules(&[], |_| false).yaml,
    );
}

#[test]
fn alertmanager_takes_the_routes() {
    let text = r##"
        [notify]
        channels = ["mail", "chat"]
        budget = "3 a week"
        escalate = [{ after = "30m", channels = ["phone"] }]
        [scrapers.shop]
        owner = "prices"
        channels = ["discord"]
        [[route]]
        severity = "high"
        channels = ["hook"]
        [[route]]
        match = { site = ["*.test", "lab"] }
        channels = ["nowhere"]
        only = true
        [[silence]]
        weekly = { from = "22:00", to = "07:00", zone = "UTC" }
        [[inhibit]]
        source = { alertname = "uplink_down" }
        target = { alertname = "*" }
        equal = ["host"]
        [channels.mail]
        type = "email"
        host = "mail.example.com"
        user = "me"
        password = { env = "SMTP_PASSWORD" }
        from = "alerts@example.com"
        to = ["a@example.com", "b@example.com"]
        [channels.chat]
        type = "slack"
        url = { file = "/run/secrets/slack" }
        channel = "#alerts"
        [channels.discord]
        type = "discord"
        url = { env = "DISCORD" }
        [channels.hook]
        type = "webhook"
        url = "https://example.com/hook"
        [channels.phone]
        type = "telegram"
        token = { env = "TELEGRAM" }
        chat_id = "-1001"
    "##;
    let config = NotifyConfig::load("dragline.toml", text).unwrap();
    let (channels, errors): (BTreeMap<String, ChannelConfig>, _) =
        dragline_alerting::channel::load_configs("dragline.toml", text);
    assert_eq!(errors, [] as [&str; 0]);
    let export = alertmanager_config(&config, &channels);
    insta::assert_snapshot!(
        "alertmanager_config",
        format!("{}\n{}", export.yaml, export.notes.join("\n"))
    );
    // Files for the secrets of these two are newer than the version of Debian 12.
    let old = channels
        .into_iter()
        .filter(|(name, _)| name != "discord" && name != "phone")
        .collect();
    check(
        "amtool",
        &["check-config"],
        &alertmanager_config(&config, &old).yaml,
    );
    let empty = alertmanager_config(&NotifyConfig::default(), &BTreeMap::new());
    check("amtool", &["check-config"], &empty.yaml);
}
