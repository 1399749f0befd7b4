//! Rules proposed for a history.

use dragline_alerting::backtest::Variation;
use dragline_alerting::watch::WatchConfig;
use dragline_watch::suggest::{candidates, suggest};

use crate::fleet::{DAY, HOUR, Log, wanted};

/// Twenty days, of which two are blocked; every run has a few failures.
fn log() -> Log {
    let mut log = Log::default();
    for day in 0..20 {
        let run = format!("r{day}");
        let is_blocked = (12..14).contains(&day);
        log.run(
            day * DAY + 6 * HOUR,
            ("shop", "shop.test", &run),
            400,
            |nth| {
                if is_blocked {
                    nth % 2 == 0
                } else {
                    nth % 50 == 7
                }
            },
        );
    }
    log
}

#[test]
fn rules_are_proposed_with_thresholds_between_the_usual_and_the_incidents() {
    let rules = candidates();
    let wanted = wanted(&rules, 20 * DAY);
    let scene = log().look(20 * DAY, &wanted);
    let all = suggest(&scene);
    assert!(all.len() <= 10, "{} proposals", all.len());
    let text: Vec<String> = all
        .iter()
        .map(|one| format!("# {}\n{}", one.reason, one.toml))
        .collect();
    let text = text.join("\n");
    insta::assert_snapshot!("proposed", text);
    // What is proposed is valid, and does what it says.
    let toml = dragline_alerting::rule::load("proposed.toml", &text);
    assert_eq!(toml.errors, []);
    assert_eq!(toml.rules.len(), all.len());
    for one in &all {
        let rule = toml
            .rules
            .iter()
            .find(|rule| rule.name == one.name)
            .unwrap();
        let result = &dragline_alerting::backtest::backtest(
            rule,
            WatchConfig::default(),
            &scene.observations,
            &[Variation::default()],
        )[0];
        if rule.enabled {
            assert_eq!(result.episodes.len(), one.episodes, "{}", one.name);
        }
    }
}

#[test]
fn without_incidents_the_usual_rules_are_proposed_and_noise_is_ended() {
    let mut log = Log::default();
    for day in 0..10 {
        // 60 requests of 300 always fail: more than the default rule takes for normal.
        log.run(
            day * DAY + 6 * HOUR,
            ("shop", "shop.test", &format!("r{day}")),
            300,
            |nth| nth % 5 == 0,
        );
    }
    let rules = candidates();
    let now = 9 * DAY + 7 * HOUR;
    let all = suggest(&log.look(now, &wanted(&rules, now)));
    let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    assert!(
        names.contains(&"finding") && names.contains(&"crawler_failures"),
        "{names:?}"
    );
    let calmed = all
        .iter()
        .find(|one| one.name == "crawler_failures")
        .unwrap();
    assert!(
        calmed.reason.starts_with(
            "With the default threshold it would have fired 10 times, 10 of them outside"
        ),
        "{}",
        calmed.reason
    );
    assert!(calmed.toml.contains("> 75"), "{}", calmed.toml);
}
