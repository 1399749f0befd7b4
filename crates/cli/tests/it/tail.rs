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

/// Scrapy's lines do not name their spider, and pino's not always their site.
#[test]
fn names_are_those_of_the_report() {
    for (log, scraper) in [
        ("scrapy/info.log", "products"),
        ("pino/scrape.ndjson", "shop-pino"),
    ] {
        let log = fixture(log);
        let runs = json(&["runs", &log, "--format", "json"]);
        let (name, site) = (&runs[0]["scraper_id"], runs[0]["site"].as_str().unwrap());
        assert_eq!(name, scraper);
        let all = stdout(&["tail", &log, "--no-follow", "--from-start"]);
        for (option, value) in [("--scraper", scraper), ("--site", site)] {
            let own = stdout(&["tail", &log, "--no-follow", "--from-start", option, value]);
            assert_eq!(own, all, "{option}");
        }
        assert!(
            all.lines()
                .all(|line| line.contains(&format!("{scraper}@{site} "))),
            "{all}"
        );
        let wrong = scraper.replacen('o', "u", 1);
        let output = crate::dragline(&["tail", &log, "--no-follow", "--scraper", &wrong]);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let meant = format!("did you mean --scraper {scraper}?");
        assert!(
            told.contains(&meant) && told.contains("available: "),
            "{told}"
        );
    }
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

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_cannot_be_read_is_said_as_the_report_says_it() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let text: String = (0..2000).map(|nth| line(&format!("m{nth}"))).collect();
    let whole = gzip(text.as_bytes());
    let utf_16: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for (name, bytes, code, said) in [
        (
            "cut.log.gz",
            &whole[..whole.len() / 2],
            0,
            "the archive ends before its end",
        ),
        ("any.log", &*whole, 0, ""),
        (
            "b.log.bz2",
            b"BZh91AY&SY".as_slice(),
            1,
            "is packed with bzip2",
        ),
        ("wide.log", &*utf_16, 0, ""),
        ("empty.log", b"", 1, "the inputs contain no lines"),
    ] {
        let path = put(name, bytes);
        let output = crate::dragline(&["tail", "--no-follow", "-n", "3", &path]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{name}: {told}");
        assert!(told.contains(said), "{name}: {told}");
        let shown = String::from_utf8_lossy(&output.stdout).lines().count();
        assert_eq!(shown, if code == 0 { 3 } else { 0 }, "{name}: {told}");
    }
}

#[test]
fn it_looks_back_as_far_as_the_last_records_need() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.log");
    let long = "x".repeat(900);
    let text: String = (0..5000)
        .map(|nth| line(&format!("m{nth} {long}")))
        .collect();
    std::fs::write(&path, "one\n".repeat(40) + &text).unwrap();
    std::fs::write(
        dir.path().join("app.log.1.gz"),
        gzip(line("old").as_bytes()),
    )
    .unwrap();
    let logs = dir.path().display().to_string();
    let shown = |more: &[&str]| stdout(&[&["tail", &logs, "--no-follow"], more].concat());
    assert_eq!(shown(&["-n", "4000"]).lines().count(), 4000);
    let old = shown(&["-n", "1", "--grep", "old"]);
    assert!(old.trim_end().ends_with("old"), "{old}");
}

/// NUL bytes where a log was truncated under its writer, more of them than a line may have.
#[test]
fn a_hole_costs_no_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.log");
    let bytes = [
        vec![0; 9 << 20],
        line("one").into_bytes(),
        line("two").into_bytes(),
    ]
    .concat();
    std::fs::write(&path, bytes).unwrap();
    let shown = stdout(&[
        "tail",
        "--no-follow",
        "--from-start",
        &path.display().to_string(),
    ]);
    assert_eq!(shown.lines().count(), 2, "{shown}");
}

#[test]
fn it_stops_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let follow = dir.path().join("app.log");
    std::fs::write(&follow, line("one")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(["tail", "-n", "1"])
        .arg(&follow)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(shown.next().unwrap().unwrap().ends_with("one"));
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
