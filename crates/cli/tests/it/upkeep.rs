//! The configuration, the state of the machine, and old logs.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::{demo, dragline, json, stdout};

fn told(arguments: &[&str]) -> (Option<i32>, String) {
    let output = dragline(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}

#[test]
fn a_configuration_is_made_checked_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dragline.toml").display().to_string();
    stdout(&["config", "init", &path]);
    stdout(&["config", "check", &path]);
    // What is there already stays.
    assert_eq!(told(&["config", "init", &path]).0, Some(2));
    let all = json(&["config", "show", "--config", &path, "--format", "json"]);
    let of = |all: &Value, key: &str| -> Value {
        let mut rows = all.as_array().unwrap().iter();
        rows.find(|row| row["key"] == key).unwrap().clone()
    };
    assert_eq!(of(&all, "limits.cpu_high")["from"], "default");
    fs::write(
        &path,
        "[limits]\ncpu_high = 70\n[logging]\ndir = '/var/log/shop'\n",
    )
    .unwrap();
    let all = json(&["config", "show", "--config", &path, "--format", "json"]);
    assert_eq!(of(&all, "limits.cpu_high")["value"], "70");
    assert_eq!(of(&all, "logging.dir")["value"], "/var/log/shop");
    assert_eq!(of(&all, "logging.dir")["from"], path.as_str());
    for (text, meant) in [
        ("[limits]\ncpu_hihg = 70\n", "did you mean `cpu_high`?"),
        ("[logging]\ndirr = 'x'\n", "did you mean `dir`?"),
        ("[logging]\nkeep_age = 'long'\n", "keep_age"),
        ("[report]\nsections = ['day']\n", "days"),
    ] {
        fs::write(&path, text).unwrap();
        let (code, sentence) = told(&["config", "check", &path]);
        assert_eq!(code, Some(2), "{sentence}");
        assert!(sentence.contains(meant), "{meant} in {sentence}");
    }
    let env = dir.path().join("x.env").display().to_string();
    stdout(&["config", "init", &env, "--env"]);
    assert!(
        fs::read_to_string(&env)
            .unwrap()
            .contains("# DRAGLINE_KEEP_AGE=30 days")
    );
}

/// Each with its line, key and value, in one go.
#[test]
fn every_mistake_in_a_configuration_is_reported() {
    let text = include_str!("mistakes.toml");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mistakes.toml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(["config", "check", "mistakes.toml"])
        .current_dir(dir.path())
        .env_remove("DRAGLINE_BLESS")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap());
}

/// Runs with an environment variable.
fn with_variable(arguments: &[&str], (name, value): (&str, &str)) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(arguments)
        .env("XDG_CACHE_HOME", crate::kept())
        .env_remove("DRAGLINE_BLESS")
        .env(name, value)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (
        output.status.code(),
        text + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn variables_and_directories_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("file"), "").unwrap();
    fs::write(at("good.toml"), "").unwrap();
    let inner = at("file/logs");
    for (variable, part) in [
        (
            ("DRAGLINE_KEEP_AGE", "long"),
            "DRAGLINE_KEEP_AGE = \"long\": expected a time",
        ),
        (("DRAGLINE_LEVL", "info"), "did you mean `DRAGLINE_LEVEL`?"),
        (
            ("DRAGLINE_DIR", inner.as_str()),
            "does not exist and cannot be created",
        ),
    ] {
        let (code, told) = with_variable(&["doctor"], variable);
        assert_eq!(code, Some(1), "{told}");
        assert!(
            told.replace('\n', " ").contains("failed checks: "),
            "{told}"
        );
        for command in [
            &["doctor", "--format", "json"][..],
            &["config", "show"],
            &["config", "check", &at("good.toml")],
        ] {
            let (_, told) = with_variable(command, variable);
            let told = told.replace("\\\"", "\"");
            assert!(told.contains(part), "{command:?}: {part} in {told}");
        }
    }
    let missing = at("none.toml");
    let (code, told) = with_variable(&["doctor"], ("DRAGLINE_CONFIG", &missing));
    assert!(
        code == Some(1) && told.contains("cannot read the configuration"),
        "{told}"
    );
    let (code, told) = with_variable(&["doctor"], ("DRAGLINE_CONFIG", &at("good.toml")));
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn the_doctor_says_what_is_not_well() {
    let (_dir, demo) = demo("2", "3");
    let logs = format!("{demo}/logs");
    let text = stdout(&["doctor", &logs]);
    for part in ["dragline 0.", "/logs: ", "everything could be read"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dragline.toml").display().to_string();
    fs::write(&path, "[report]\nsections = ['day']\n").unwrap();
    let (code, sentence) = told(&["doctor", "--config", &path]);
    assert_eq!(code, Some(1));
    assert!(
        sentence.contains("failed checks: configuration"),
        "{sentence}"
    );
    // The rest is checked nevertheless.
    let output = dragline(&["doctor", "--config", &path, &logs]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("recorder's logs") && text.contains("unknown report section"),
        "{text}"
    );
}

fn written_long_ago(path: &Path) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    File::options()
        .append(true)
        .open(path)
        .unwrap()
        .set_modified(at)
        .unwrap();
}

#[test]
fn old_logs_go_and_are_remembered() {
    let (dir, demo) = demo("4", "3");
    let logs = format!("{demo}/logs");
    let known = dir.path().join("known").display().to_string();
    let old = dir.path().join("old").display().to_string();
    let before = json(&["report", &logs, "--format", "json"]);
    let mut names = fs::read_dir(&logs)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let gone = names
        .find(|path| path.to_string_lossy().ends_with(".jsonl.gz"))
        .unwrap();
    written_long_ago(&gone);
    let archive = [
        "archive",
        &logs,
        "--older-than",
        "30d",
        "--to",
        &old,
        "--history",
        &known,
    ];
    let planned = stdout(&[&archive[..], &["--dry-run"]].concat());
    assert!(
        planned.starts_with("1 file would be moved") && gone.exists(),
        "{planned}"
    );
    // Each file has its name and the reason.
    assert!(
        planned.contains(&gone.file_name().unwrap().to_string_lossy()[..40]),
        "{planned}"
    );
    assert!(planned.contains("modified too recently"), "{planned}");
    fs::write(Path::new(&logs).join("notes.md"), "mine").unwrap();
    let plan = json(&[&archive[..], &["--format", "json", "--dry-run"]].concat());
    let stayed = plan["stayed"].as_array().unwrap();
    let notes = stayed
        .iter()
        .find(|one| one["file"].as_str().unwrap().ends_with("notes.md"));
    assert!(
        notes.unwrap()["why"]
            .as_str()
            .unwrap()
            .starts_with("not read as a log")
    );
    let done = json(&[&archive[..], &["--format", "json"]].concat());
    assert_eq!(done["archived"].as_array().unwrap().len(), 1);
    assert_eq!(done["stayed"], plan["stayed"]);
    assert_eq!(done["bytes"], plan["bytes"]);
    assert!(!gone.exists() && Path::new(&old).join(gone.file_name().unwrap()).exists());
    // What went is known, and is there to be read again.
    let after = json(&["report", &logs, &old, "--format", "json"]);
    assert_eq!(after["totals"], before["totals"]);
    let runs = json(&[
        "report",
        "--from-rollups",
        "--history",
        &known,
        "--format",
        "json",
    ]);
    assert_eq!(runs["totals"]["requests"], before["totals"]["requests"]);
    assert_eq!(
        told(&[&archive[..], &["--scraper", "shop-prices"]].concat()).0,
        Some(2)
    );
}

#[test]
fn an_archive_is_apart_from_the_logs() {
    let (_dir, demo) = demo("1", "3");
    let logs = format!("{demo}/logs");
    let (inside, shop) = (format!("{logs}/old"), format!("{logs}/shop-prices*"));
    for (input, to, part) in [
        (&logs, &logs, "is the directory of the logs"),
        (&logs, &inside, "where the logs are"),
        (&shop, &demo, "where the logs go"),
    ] {
        let (code, told) = told(&[
            "archive",
            input,
            "--older-than",
            "1d",
            "--to",
            to,
            "--dry-run",
        ]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(part), "{told}");
    }
    assert!(!Path::new(&inside).exists());
}

const CRAWL: &str = "\
2026-03-04 06:07:12 [scrapy.utils.log] INFO: Scrapy 2.13.0 started (bot: shop)
2026-03-04 06:07:12 [scrapy.crawler] INFO: Overridden settings:
{'BOT_NAME': 'shop', 'CONCURRENT_REQUESTS': 8, 'MAIL_PASS': 'hunter2'}
2026-03-04 06:07:13 [scrapy.core.engine] INFO: Spider opened
2026-03-04 06:09:12 [scrapy.core.engine] INFO: Closing spider (finished)
2026-03-04 06:09:12 [scrapy.statscollectors] INFO: Dumping Scrapy stats:
{'captchas/solved': 4, 'downloader/request_count': 60, 'downloader/response_count': 60, 'retry/count': 3}
2026-03-04 06:09:12 [scrapy.core.engine] INFO: Spider closed (finished)
";

#[test]
fn what_a_crawl_was_set_to_and_counted_is_compared() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("a.log"), CRAWL).unwrap();
    let second = CRAWL
        .replace("03-04", "03-05")
        .replace("REQUESTS': 8", "REQUESTS': 16");
    fs::write(
        logs.join("b.log"),
        second.replace("solved': 4", "solved': 9"),
    )
    .unwrap();
    let config = dir.path().join("dragline.toml");
    fs::write(&config, "[map.stats]\nretries = 'retry/count'\n").unwrap();
    let logs = logs.display().to_string();
    let config = config.display().to_string();
    let diff = json(&[
        "diff", "previous", "last", &logs, "--config", &config, "--format", "json",
    ]);
    let changed: Vec<&Value> = diff["config"].as_array().unwrap().iter().collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (&changed[0]["key"], &changed[0]["b"]),
        (&"CONCURRENT_REQUESTS".into(), &16.into())
    );
    let metrics = diff["metrics"].as_array().unwrap();
    let of = |name: &str| metrics.iter().find(|metric| metric["metric"] == name);
    assert_eq!(of("stats.captchas/solved").unwrap()["b"], 9.0);
    assert_eq!(of("stats.retries").unwrap()["b"], 3.0);
    // Scrapy's own statistics are not custom statistics.
    assert!(of("stats.retry/count").is_none() && of("stats.downloader/request_count").is_none());
    let runs = json(&["runs", &logs, "--format", "json"]);
    assert_eq!(runs[0]["config"]["MAIL_PASS"], "(set)");
}

#[test]
fn panels_are_drawn() {
    let (dir, demo) = demo("4", "3");
    let config = dir.path().join("dragline.toml");
    let panel = |title: &str, sql: &str, chart: &str| {
        format!("[[report.panels]]\ntitle = '{title}'\nsql = \"{sql}\"\nchart = '{chart}'\n")
    };
    let by_day = "SELECT date_trunc('day', at) AS day, count(*) AS n FROM requests GROUP BY day ORDER BY day";
    let by_host = "SELECT host, count(*) FROM requests GROUP BY host ORDER BY count(*) DESC";
    let text = panel("Days", by_day, "line")
        + &panel("Hosts", by_host, "bar")
        + &panel("No line", by_host, "line");
    fs::write(&config, format!("[report]\nsections = ['panels']\n{text}")).unwrap();
    let config = config.display().to_string();
    let logs = format!("{demo}/logs");
    let page = stdout(&["report", &logs, "--config", &config, "--format", "html"]);
    assert_eq!(page.matches("<figure").count(), 2);
    let text = stdout(&["report", &logs, "--config", &config]);
    assert!(
        text.contains("Chart not drawn: `host` contains a value that is not a time."),
        "{text}"
    );
}
