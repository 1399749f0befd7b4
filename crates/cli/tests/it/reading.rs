//! How logs come in: standard input, the cache, the configuration, and being stopped.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::{NOW, fixture, kept, stdout};

fn with_input(arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(arguments)
        .env("SOURCE_DATE_EPOCH", NOW)
        .env("XDG_CACHE_HOME", kept())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn standard_input_is_a_log_like_any_other() {
    let file = fixture("structlog/exc-text.jsonl");
    let text = std::fs::read(&file).unwrap();
    let named = stdout(&["report", &file, "--format", "json"]);
    let piped = with_input(&["report", "-", "--format", "json"], &text);
    let packed = with_input(&["report", "-", "--format", "json"], &zstd(&file));
    let totals = |report: &str| -> serde_json::Value {
        let report: serde_json::Value = serde_json::from_str(report).unwrap();
        report["totals"].clone()
    };
    assert_eq!(totals(&piped), totals(&named));
    assert_eq!(totals(&packed), totals(&named));
    assert!(
        piped.contains("\"standard input\""),
        "evidence names where it came from"
    );
}

/// The fixture that is the same log, packed.
fn zstd(_: &str) -> Vec<u8> {
    std::fs::read(fixture("compressed/structlog-exc-text.jsonl.zst")).unwrap()
}

#[test]
fn a_report_is_the_same_with_and_without_the_cache() {
    let logs = tempfile::tempdir().unwrap();
    let text = std::fs::read(fixture("pino/scrape.ndjson")).unwrap();
    let log = logs.path().join("app.ndjson");
    std::fs::write(&log, text.repeat(5)).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    std::fs::File::options()
        .append(true)
        .open(&log)
        .unwrap()
        .set_modified(old)
        .unwrap();
    let path = logs.path().display().to_string();
    let without = stdout(&["report", &path, "--format", "json", "--no-cache"]);
    for _ in 0..2 {
        assert_eq!(stdout(&["report", &path, "--format", "json"]), without);
    }
    let entries = std::fs::read_dir(kept().join("dragline")).unwrap();
    assert!(entries.count() > 0, "something was kept");
}

#[test]
fn the_configuration_describes_formats_and_meanings() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("shop.log");
    std::fs::write(
        &log,
        "4/3/26 11:22:33 <info> [shop] page http://a.test/ code=200 t=0.5\n\
         4/3/26 11:22:34 <info> [shop] row 7 is in\n\
         4/3/26 11:22:35 <error> [shop] KeyError: 'price'\n  in parse\n",
    )
    .unwrap();
    let config = dir.path().join("dragline.toml");
    std::fs::write(
        &config,
        r"
[[dialects]]
name = 'shop'
pattern = '^(?P<time>\S+ \S+) <(?P<level>\w+)> \[(?P<spider>\w+)\] (?P<message>.*)$'
time_format = '%d/%m/%y %H:%M:%S'
[map.fields]
status = 'code'
response_time_seconds = 't'
[[map.events]]
message = '^page http'
is = 'request'
[[map.events]]
message = '^row \d+ is in'
is = 'item'
",
    )
    .unwrap();
    let (log, config) = (log.display().to_string(), config.display().to_string());
    let report = stdout(&["report", &log, "--config", &config, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let totals = &report["totals"];
    assert_eq!(
        (&totals["requests"], &totals["items"], &totals["errors"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(totals["response_time_ms"]["max"], 500.0);
    assert_eq!(report["trust"]["dialects"]["custom"], 3);
    assert_eq!(report["scrapers"][0]["scraper_id"], "shop");
    assert_eq!(report["period"]["start"], "2026-03-04T11:22:33.000000Z");
}

#[test]
fn ctrl_c_stops_a_reading_with_its_own_exit_code() {
    if !std::path::Path::new("/proc/self/fd").exists() {
        crate::skip("what a process has open is not told here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.ndjson");
    let text = std::fs::read(fixture("pino/scrape.ndjson")).unwrap();
    std::fs::write(&log, text.repeat(3000)).unwrap();
    let report = dir.path().join("report.txt");
    let child = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(["report", "--no-cache", "--output"])
        .args([&report, &log])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let open = format!("/proc/{}/fd", child.id());
    let is_open = || {
        let files = std::fs::read_dir(&open).into_iter().flatten().flatten();
        files
            .filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .any(|path| path == log)
    };
    while !is_open() {
        std::thread::yield_now();
    }
    let process = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &process])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("cancelled") && !report.exists(), "{told}");
}
