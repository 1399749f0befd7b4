//! The tables in the documents are those of the code.

use std::path::Path;

use dragline_alerting::channel::CHANNEL_KEYS;
use dragline_alerting::duration;
use dragline_alerting::notify::{NotifyConfig, NotifySettings};
use dragline_alerting::render::WEBHOOK_PLACEHOLDERS;
use dragline_alerting::rule::{RULE_KEYS, default_rules, load};
use dragline_alerting::severity;
use dragline_alerting::watch::WatchConfig;
use dragline_schema::Severity;

/// Compares the part of docs/alerting.md between two marks; `DRAGLINE_BLESS=1` writes it.
fn check(name: &str, expected: &str) {
    // One test writes at a time: all of them change the same file.
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = LOCK
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/alerting.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {name}: generated -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no mark {begin}"));
    let (found, after) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("no mark {end}"));
    if std::env::var_os("DRAGLINE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(found, expected, "run `just alerting-docs`");
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

#[test]
fn the_keys_of_a_rule_in_the_docs_are_those_of_the_code() {
    let mut table = "| key | default | what it sets |\n|---|---|---|\n".to_owned();
    for key in RULE_KEYS {
        table.push_str(&format!(
            "| `{}` | {} | {} |\n",
            key.name,
            code(key.default),
            key.text
        ));
    }
    check("rule keys", &table);
}

#[test]
fn the_defaults_in_the_docs_are_those_of_a_rule_without_settings() {
    let rule = |text: &str| {
        load(
            "t",
            &format!("[[rule]]\nalert = 'x'\nexpr = 'x > 1'\n{text}"),
        )
        .rules
        .remove(0)
    };
    let plain = rule("");
    for key in RULE_KEYS
        .iter()
        .filter(|key| !key.default.is_empty() && !matches!(key.name, "status" | "match" | "least"))
    {
        let value = match key.default {
            text if text.starts_with(['{', '[']) || matches!(text, "true" | "false") => {
                text.to_owned()
            }
            text => format!("{text:?}"),
        };
        assert_eq!(
            rule(&format!("{} = {value}", key.name)),
            plain,
            "{}",
            key.name
        );
    }
}

#[test]
fn the_channels_in_the_docs_are_those_of_the_code() {
    let mut table = "| type | key | default | what it sets |\n|---|---|---|---|\n".to_owned();
    for key in CHANNEL_KEYS {
        let of = if key.of == "all" {
            "all".to_owned()
        } else {
            code(key.of)
        };
        table.push_str(&format!(
            "| {of} | `{}` | {} | {} |\n",
            key.name,
            code(key.default),
            key.text
        ));
    }
    check("channel keys", &table);
    let mut placeholders = "| placeholder | stands for |\n|---|---|\n".to_owned();
    for (name, text) in WEBHOOK_PLACEHOLDERS {
        placeholders.push_str(&format!("| `{{{name}}}` | {text} |\n"));
    }
    check("placeholders", &placeholders);
}

#[test]
fn the_settings_in_the_docs_are_those_of_the_code() {
    let settings = NotifySettings::default();
    let rows = [
        (
            "channels",
            "[]".to_owned(),
            "The channels of alerts that no route and no scraper sends elsewhere.",
        ),
        (
            "group_by",
            format!("{:?}", settings.group_by),
            "Alerts that agree in these labels share a notice.",
        ),
        (
            "group_wait",
            duration::format(settings.group_wait),
            "How long the first notice of a group waits for others to join it.",
        ),
        (
            "group_interval",
            duration::format(settings.group_interval),
            "The least time between notices of one group.",
        ),
        (
            "repeat",
            duration::format(settings.repeat),
            "How often a notice is repeated while the alert fires and nobody acknowledges it; `0s`: never.",
        ),
        (
            "budget",
            String::new(),
            "Maximum number of notices for each channel that are not critical: `3 a week`.",
        ),
        (
            "escalate",
            "[]".to_owned(),
            "Further channels while nobody acknowledges, for rules that name none.",
        ),
    ];
    let mut table = "| key of `[notify]` | default | what it sets |\n|---|---|---|\n".to_owned();
    for (key, default, text) in &rows {
        table.push_str(&format!("| `{key}` | {} | {text} |\n", code(default)));
    }
    check("notify keys", &table);
    // The table names every key.
    let written = toml_keys(
        &toml::to_string(&NotifyConfig {
            notify: settings,
            ..NotifyConfig::default()
        })
        .unwrap(),
    );
    assert!(
        written
            .iter()
            .all(|key| rows.iter().any(|(known, ..)| known == key)),
        "{written:?}"
    );
}

#[test]
fn the_settings_of_the_watch_in_the_docs_are_those_of_the_code() {
    let watch = WatchConfig::default();
    let mut table = "| setting of the watch | default | what it sets |\n|---|---|---|\n".to_owned();
    for (key, default, text) in [
        (
            "interval",
            watch.interval,
            "The time from one evaluation to the next.",
        ),
        (
            "lateness",
            watch.lateness,
            "How long an evaluation waits for observations that come late.",
        ),
        (
            "max_lag",
            watch.max_lag,
            "From which lag on the watch raises the alert `watch_lag` about itself.",
        ),
    ] {
        table.push_str(&format!(
            "| `{key}` | `{}` | {text} |\n",
            duration::format(default)
        ));
    }
    check("watch settings", &table);
}

/// The keys of the first section.
fn toml_keys(text: &str) -> Vec<String> {
    let section = text
        .split("[notify]")
        .nth(1)
        .unwrap_or_default()
        .split("\n[")
        .next()
        .unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key.to_owned())
        .collect()
}

#[test]
fn the_default_rules_in_the_docs_are_those_of_the_code() {
    let mut table =
        "| alert | condition | for | severity | cooldown |\n|---|---|---|---|---|\n".to_owned();
    for rule in default_rules() {
        let hold = if rule.hold.is_zero() {
            String::new()
        } else {
            duration::format(rule.hold)
        };
        table.push_str(&format!(
            "| `{}` | `{}` | {hold} | {} | {} |\n",
            rule.name,
            rule.condition,
            rule.severity,
            duration::format(rule.cooldown)
        ));
    }
    check("default rules", &table);
    let runbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    for rule in default_rules() {
        let runbook = &rule.annotations["runbook"];
        assert!(
            runbooks.join(format!("{runbook}.md")).exists(),
            "{}: no runbook {runbook}",
            rule.name
        );
    }
}

#[test]
fn the_severities_in_the_docs_are_those_of_the_code() {
    let mut table = "| severity | also called |\n|---|---|\n".to_owned();
    for severity in Severity::ALL {
        let others = severity::WORDS
            .iter()
            .filter(|(word, of)| of == severity && *word != severity.as_str());
        let others: Vec<&str> = others.map(|(word, _)| *word).collect();
        table.push_str(&format!("| `{severity}` | {} |\n", others.join(", ")));
    }
    check("severities", &table);
}
