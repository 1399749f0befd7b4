//! What the configuration says of reports, the history, and the runbooks.

use std::fs;

use serde_json::Value;

use crate::{demo, dragline, fixture, json, stdout};

/// A configuration in a directory of its own.
fn config(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dragline.toml");
    fs::write(&path, text).unwrap();
    (dir, path.display().to_string())
}

fn requests(report: &Value) -> u64 {
    report["totals"]["requests"].as_u64().unwrap()
}

#[test]
fn a_report_as_the_configuration_wants_it() {
    let log = fixture("scrapy/info.log");
    let (_dir, config) = config(
        "[report]\ntitle = 'Books on Monday'\nsections = ['to_do', 'scrapers', 'panels', 'cost']\nmetrics = ['items', 'bytes']\n\
         [[report.panels]]\ntitle = 'Runs'\nsql = 'SELECT scraper_id, requests FROM runs'\n\
         [[report.panels]]\ntitle = 'Wrong'\nsql = 'SELECT colour FROM runs'\n\
         [cost]\ncurrency = 'EUR'\nper_1000_requests = 2\n",
    );
    let arguments = |format: &'static str| {
        ["report", &log, "--config", &config, "--format", format].map(str::to_owned)
    };
    let run = |format| {
        let arguments = arguments(format);
        stdout(&arguments.each_ref().map(String::as_str))
    };
    let text = run("text");
    assert!(text.starts_with("Books on Monday\n"), "{text}");
    for part in ["Runs\n", "products", "Wrong\n", "colour", "Cost: ", " EUR"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("Totals"), "{text}");
    let report: Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(report["panels"][0]["rows"][0][1], requests(&report));
    assert!(report["panels"][1]["error"].is_string());
    let cost = report["cost"]["total"].as_f64().unwrap();
    assert!((cost - requests(&report) as f64 * 0.002).abs() < 1e-9);
    for format in ["markdown", "html"] {
        let shown = run(format);
        assert!(
            shown.contains("Books on Monday") && shown.contains("EUR"),
            "{shown}"
        );
    }
}

#[test]
fn known_errors_are_muted_until_they_are_not() {
    let log = fixture("scrapy/info.log");
    let loud = json(&["report", &log, "--format", "json"]);
    let group = loud["errors"]["groups"][0]["id"].as_str().unwrap();
    let (_dir, path) = config(&format!(
        "[[mute]]\ngroup = '{group}'\nreason = 'ticket 7'\n"
    ));
    let text = stdout(&["report", &log, "--config", &path]);
    assert!(
        text.contains("ticket 7") && !text.contains(&format!("(group {group})")),
        "{text}"
    );
    let quiet = json(&["report", &log, "--config", &path, "--format", "json"]);
    assert_eq!(quiet["errors"]["total"], loud["errors"]["total"]);
    let (_dir, path) = config("[[mute]]\ngroup = 'all'\nreason = 'tired'\n");
    let output = dragline(&["report", &log, "--config", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hexadecimal"));
}

#[test]
fn limits_are_told_when_they_are_set() {
    let (_dir, demo) = demo("4", "3");
    let kinds = |settings: &str| {
        let (_dir, path) = config(settings);
        let report = json(&["report", &demo, "--config", &path, "--format", "json"]);
        let insights = report["insights"].as_array().unwrap().clone();
        let kinds = insights
            .iter()
            .map(|insight| insight["kind"].as_str().unwrap().to_owned());
        kinds.collect::<std::collections::BTreeSet<String>>()
    };
    assert!(!kinds("").contains("cpu_high"));
    assert!(kinds("[limits]\ncpu_high = 5").contains("cpu_high"));
    assert!(kinds("[limits]\nerrors = 3").contains("errors_high"));
    assert!(!kinds("[limits]\ncpu_high = false\nmemory_high = false").contains("memory_high"));
    assert!(kinds("[limits]\nrequests_low_per_week = 1e9").contains("volume_low"));
}

/// What is normal is known by logs that are gone, and is not reported on again.
#[test]
fn a_history_knows_what_is_gone() {
    let (_dir, demo) = demo("14", "1");
    let history = tempfile::tempdir().unwrap();
    let known = history.path().join("known").display().to_string();
    let report = |more: &[&str]| {
        let mut arguments = vec!["report", "--format", "json", "--history", &known];
        arguments.extend(more);
        json(&arguments)
    };
    let whole = report(&[&demo]);
    // Retention: of every scraper the files of the last days stay.
    let logs = std::path::Path::new(&demo).join("logs");
    for entry in fs::read_dir(&logs).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let day = name
            .split('.')
            .find(|part| part.len() == 16 && part.ends_with('Z'));
        if day.is_some_and(|day| day < "20260311T000000Z") {
            fs::remove_file(path).unwrap();
        }
    }
    let rest = report(&[&demo]);
    assert!(requests(&rest) < requests(&whole) / 2);
    let baselines = |report: &Value| report["baselines"].as_array().map_or(0, Vec::len);
    assert!(baselines(&rest) > 10);
    assert!(baselines(&rest) >= baselines(&json(&["report", &demo, "--format", "json"])));
    // A change that began before the remaining logs is reported with its onset.
    let since = |report: &Value, kind: &str| {
        let insights = report["insights"].as_array().unwrap();
        let own = insights.iter().find(|insight| insight["kind"] == kind);
        own.map(|insight| insight["since"].clone())
    };
    assert_eq!(
        since(&rest, "layout_change"),
        since(&whole, "layout_change")
    );
    // And all of it can be reported on without any logs.
    let alone = report(&["--from-rollups"]);
    assert_eq!(requests(&alone), requests(&whole));
    assert_eq!(
        alone["insights"].as_array().unwrap().len(),
        whole["insights"].as_array().unwrap().len()
    );
    for (arguments, part) in [
        (&["report", "--from-rollups"][..], "--history"),
        (
            &[
                "report",
                "--from-rollups",
                "--history",
                &known,
                "--since",
                "7d",
            ],
            "--since",
        ),
        (&["report", "--history", &known], "LOGS"),
    ] {
        let output = dragline(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn runbooks_are_shown_by_name() {
    let list = stdout(&["runbook"]);
    assert!(
        list.contains("blocked") && list.lines().count() > 8,
        "{list}"
    );
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap();
        assert!(stdout(&["runbook", name]).contains("## Do"), "{name}");
    }
    let output = dragline(&["runbook", "coffee"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("rate-limiting"));
}
