//! `dragline health`.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use crate::dragline;

/// A port on which nothing listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Logs of a run that requested a site until a minute before the tests' present, 2026-03-15T00:00:00Z.
fn requests() -> String {
    let mut log = String::new();
    let head = r#""level":"INFO","scraper_id":"shop","site":"shop.example.com","run_id":"r1""#;
    for second in 0..60 {
        let _ = writeln!(
            log,
            r#"{{"timestamp":"2026-03-14T23:58:{second:02}.000000Z",{head},"event_type":"request","url":"https://shop.example.com/p","status_code":200,"response_time_ms":120.0}}"#
        );
    }
    let _ = writeln!(
        log,
        r#"{{"timestamp":"2026-03-14T23:59:00.000000Z",{head},"event_type":"scraper_end","status":"success"}}"#
    );
    log
}

fn check(arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = dragline(&[&["health", "--format", "json"], arguments].concat());
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (
        output.status.code(),
        json,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn sites_that_are_in_the_logs_are_judged_by_them() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("dragline.toml").display().to_string();
    let logs = dir.path().join("shop.jsonl").display().to_string();
    let state = dir.path().join("state.json").display().to_string();
    fs::write(&logs, requests()).unwrap();
    let text = format!(
        "[[health.checks]]\nname = 'shop'\ntype = 'site'\nsite = 'shop.example.com'\n\
         url = 'http://127.0.0.1:{}/'\n\
         [[health.checks]]\nname = 'run'\ntype = 'run'\nscraper = 'shop'\nperiod = '1d'\n\
         [[health.checks]]\nname = 'events'\ntype = 'logs'\nscraper = 'shop'\nperiod = '1h'\n",
        closed_port()
    );
    fs::write(&config, text).unwrap();

    let (code, report, _) = check(&["--config", &config, &logs]);
    assert_eq!(
        (code, &report["status"]),
        (Some(0), &Value::from("healthy")),
        "{report:#}"
    );
    let shop = &report["checks"][0];
    assert_eq!(
        (&shop["source"], &shop["values"]["requests"]),
        (&Value::from("requests"), &Value::from(60.0))
    );
    assert_eq!(shop["values"]["response_time"], 0.12);

    // Without the logs it is probed, and nothing is known about runs.
    let (code, report, stderr) = check(&["--config", &config, "--state", &state]);
    assert_eq!(
        (code, &report["checks"][0]["status"]),
        (Some(1), &Value::from("critical"))
    );
    assert_eq!(report["checks"][1]["status"], "inconclusive");
    assert!(stderr.contains("critical: shop"), "{stderr}");
    // The state goes on: nothing is due again, and one good result is not yet a recovery.
    let (code, report, _) = check(&["--config", &config, "--state", &state, &logs]);
    assert_eq!(
        (code, &report["checks"][0]["status"]),
        (Some(1), &Value::from("critical"))
    );

    let text = dragline(&["health", "--config", &config, &logs]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.starts_with("Health: healthy\n2026-03-15 00:00 UTC · 3 healthy\n"),
        "{text}"
    );
}

#[test]
fn mistakes_are_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("dragline.toml").display().to_string();
    fs::write(&config, "[health]\nintervall = '5m'\n").unwrap();
    for arguments in [
        vec!["health", "--config", &config],
        vec!["config", "check", &config],
    ] {
        let output = dragline(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("did you mean `interval`?"), "{stderr}");
    }
    fs::write(&config, "").unwrap();
    let (code, report, _) = check(&["--config", &config]);
    assert_eq!(
        (code, &report["status"]),
        (Some(0), &Value::from("inconclusive"))
    );
    let (code, _, stderr) = check(&["--config", &config, "--state", "/dev/null"]);
    assert_eq!(code, Some(0), "{stderr}");
    let other = dir.path().join("other.json").display().to_string();
    fs::write(&other, "[1]").unwrap();
    let (code, _, stderr) = check(&["--config", &config, "--state", &other]);
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(
        fs::read_to_string(&other).unwrap(),
        "[1]",
        "a file that is not a state is left alone"
    );
}
