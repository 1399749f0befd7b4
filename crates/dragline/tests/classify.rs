//! Errors that are labelled when they are logged. A process of its own: there is one classifier.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use dragline::{Config, RuleSet, Run, SeverityContext, classify_errors};

#[test]
fn errors_carry_category_and_severity() {
    let dir = tempfile::tempdir().unwrap();
    let context = SeverityContext {
        critical_sites: ["b.example".to_owned()].into(),
        ..SeverityContext::default()
    };
    classify_errors(RuleSet::shipped().with_context(context)).unwrap();
    assert!(
        classify_errors(RuleSet::shipped()).is_err(),
        "the first one stays"
    );
    let guard = dragline::init(Config::new(dir.path())).unwrap();
    let a = Run::start("shop", "a.example");
    for _ in 0..6 {
        a.error_text("KeyError", "'price'").log();
    }
    Run::start("shop", "b.example")
        .error_text("httpx.ConnectTimeout", "timed out")
        .log();
    drop(guard);

    let file = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = file
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with(".jsonl"))
        .unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let labels: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["event_type"] == "scraper_error")
        .map(|line| {
            format!(
                "{} {}",
                line["error_category"].as_str().unwrap(),
                line["error_severity"].as_str().unwrap()
            )
        })
        .collect();
    // The sixth failure in a row is worse; a critical site's are from the start.
    let low = "parsing low";
    assert_eq!(
        labels,
        [low, low, low, low, low, "parsing high", "network high"]
    );
}
