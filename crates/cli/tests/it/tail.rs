//! `dragline tail`.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use crate::{demo, fixture, json, stdout};

#[test]
fn the_last_records_of_several_logs_are_in_order() {
    let logs = [fixture("recipes/pino.jsonl"), fixture("scrapy/debug.log")];
    insta::assert_snapshot!(stdout(&[
        "tail",
        &logs[0],
        &logs[1],
        "--no-follow",
        "-n",
        "8"
    ]));
    let errors = stdout(&[
        "tail",
        &logs[0],
        "--no-follow",
        "--level",
        "error",
        "--from-start",
    ]);
    assert!(
        errors.lines().count() > 3 && errors.lines().all(|line| line.contains(" ERROR ")),
        "{errors}"
    );
    let found = stdout(&[
        "tail",
        &logs[0],
        "--no-follow",
        "--from-start",
        "--grep",
        "scraper (start|end)",
    ]);
    assert_eq!(found.lines().count(), 2, "{found}");
    let json = stdout(&[
        "tail",
        &logs[1],
        "--no-follow",
        "-n",
        "1",
        "--format",
        "json",
    ]);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(line["target"], "scrapy.core.engine");
}

#[test]
fn what_comes_is_shown_as_it_comes_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let (log, state) = (dir.path().join("app.log"), dir.path().join("state"));
    std::fs::write(&log, line("before")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(["tail", "--state"])
        .arg(&state)
        .arg(&log)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().ends_with("before"));
    let append = |message: &str| {
        let mut file = OpenOptions::new().append(true).open(&log).unwrap();
        file.write_all(line(message).as_bytes()).unwrap();
    };
    append("one");
    assert!(next().ends_with("one"));
    std::fs::rename(&log, dir.path().join("app.log.1")).unwrap();
    std::fs::write(&log, line("two")).unwrap();
    assert!(next().ends_with("two"));
    append("three");
    assert!(next().ends_with("three"));
    let reached = format!("\"offset\":{},", std::fs::metadata(&log).unwrap().len());
    while !std::fs::read_to_string(&state).is_ok_and(|text| text.contains(&reached)) {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    append("four");
    let more = stdout(&[
        "tail",
        &log.display().to_string(),
        "--state",
        &state.display().to_string(),
        "--no-follow",
    ]);
    assert_eq!(more.lines().count(), 1, "{more}");
    assert!(more.trim_end().ends_with("four"));
}

fn line(message: &str) -> String {
    format!("{{\"time\":1772623353123,\"level\":\"info\",\"msg\":\"{message}\"}}\n")
}

/// The recorder keeps a copy of its errors beside the log.
#[test]
fn an_error_is_shown_once() {
    let (_dir, demo) = demo("3", "1");
    let logs = format!("{demo}/logs");
    let shown = stdout(&[
        "tail",
        &logs,
        "--from-start",
        "--no-follow",
        "--level",
        "error",
        "--format",
        "json",
    ]);
    let report = json(&["report", &logs, "--format", "json"]);
    let errors = report["totals"]["errors"].as_u64().unwrap();
    assert_eq!(shown.lines().count() as u64, errors);
}
