//! The configuration, the state of the machine, and old logs.

use std::fs::{self, File};
use std::path::Path;
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
        ("[logging]\ndirr = 'x'\n", "is it \"dir\"?"),
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
    let done = json(&[&archive[..], &["--format", "json"]].concat());
    assert_eq!(done["archived"].as_array().unwrap().len(), 1);
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
    // What Scrapy itself keeps is nobody's own.
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
