//! The command as its users run it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod alerts;
mod attack;
mod cases;
mod examples;
mod explain;
mod fleets;
mod health;
mod packaging;
mod page;
mod reading;
mod rounds;
mod safety;
mod serve;
mod settings;
mod ship;
mod tables;
mod tail;
mod upkeep;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;

/// The demo's last day ends at this midnight: 2026-03-15.
const NOW: &str = "1773532800";

fn dragline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(arguments)
        .env("SOURCE_DATE_EPOCH", NOW)
        .env("XDG_CACHE_HOME", kept())
        // Set while the documents are written anew; the doctor would find it unknown.
        .env_remove("DRAGLINE_BLESS")
        .output()
        .expect("the command runs")
}

/// The same in a directory.
fn run_in(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(arguments)
        .current_dir(dir)
        .env("SOURCE_DATE_EPOCH", NOW)
        .env("XDG_CACHE_HOME", kept())
        .output()
        .unwrap()
}

/// A place for what commands keep, that is not the developer's own.
fn kept() -> &'static Path {
    static DIR: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    DIR.path()
}

fn stdout(arguments: &[&str]) -> String {
    let output = dragline(arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(arguments)).expect("JSON")
}

fn demo(days: &str, seed: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("demo").display().to_string();
    stdout(&["demo", &path, "--days", days, "--seed", seed]);
    (dir, path)
}

fn truth(demo: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(demo).join("truth.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn seconds(time: &Value) -> i64 {
    let time = time.as_str().unwrap_or_else(|| panic!("{time} is a time"));
    time.parse::<jiff::Timestamp>().unwrap().as_second()
}

#[test]
fn the_report_on_the_demo_equals_its_truth() {
    let (_dir, demo) = demo("14", "1");
    let report = json(&["report", &demo, "--format", "json"]);
    let truth = truth(&demo);
    for (key, value) in truth["totals"].as_object().unwrap() {
        assert_eq!(&report["totals"][key], value, "{key}");
    }
    for scraper in truth["scrapers"].as_array().unwrap() {
        let found = report["scrapers"].as_array().unwrap().iter().find(|found| {
            found["scraper_id"] == scraper["scraper_id"] && found["site"] == scraper["site"]
        });
        for (key, value) in scraper["totals"].as_object().unwrap() {
            assert_eq!(
                &found.unwrap()["totals"][key],
                value,
                "{key} of {}",
                scraper["scraper_id"]
            );
        }
    }
    assert_eq!(report["trust"]["bad_lines"], 0);
    assert_eq!(report["trust"]["missing_seq"], 0);
    // The demo's own documents are named, not read.
    let skipped: Vec<&str> = report["trust"]["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["kind"].as_str().unwrap())
        .collect();
    assert_eq!(skipped, ["not_a_log"; 4]);

    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&report)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    // Everything that the simulated scrapers log is in the report.
    for section in [
        "daily",
        "domains",
        "articles",
        "search",
        "queue",
        "duplicates",
        "database",
        "system",
        "baselines",
    ] {
        assert!(!report[section].is_null(), "{section}");
    }
}

#[test]
fn every_planted_incident_is_found_and_nothing_else() {
    for seed in ["1", "2", "3", "4"] {
        let (_dir, demo) = demo("14", seed);
        let report = json(&["report", &demo, "--format", "json"]);
        let insights = report["insights"].as_array().unwrap();
        let truth = truth(&demo);
        let planted = truth["incidents"].as_array().unwrap();
        for incident in planted {
            let found = insights.iter().find(|insight| {
                insight["kind"] == incident["kind"]
                    && insight["scraper_id"] == incident["scraper_id"]
                    && insight["site"] == incident["site"]
            });
            let found = found.unwrap_or_else(|| panic!("seed {seed}: {incident} in {insights:#?}"));
            let off = (seconds(&found["since"]) - seconds(&incident["since"])).abs();
            assert!(off <= 15 * 60, "seed {seed}: {off} s off: {found:#}");
            assert!(
                !found["evidence"].as_array().unwrap().is_empty(),
                "{found:#}"
            );
        }
        assert_eq!(insights.len(), planted.len(), "seed {seed}: {insights:#?}");
        // Nothing grows; levels jump only where something was planted.
        for trend in report["trends"].as_array().unwrap() {
            assert_eq!(trend["direction"], "flat", "seed {seed}: {trend}");
            let jumps = trend["change_points"].as_array().unwrap();
            let is_planted = planted
                .iter()
                .any(|incident| incident["site"] == trend["site"]);
            let is_expected = is_planted || trend["scope"] == "all";
            assert!(jumps.is_empty() || is_expected, "seed {seed}: {trend}");
        }
        let killed: Vec<&Value> = report["runs"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|run| run["verdict"] == "killed")
            .map(|run| &run["run_id"])
            .collect();
        let planted = planted
            .iter()
            .find(|incident| incident["kind"] == "run_killed")
            .unwrap();
        assert_eq!(killed, [&planted["run_id"]], "seed {seed}");
    }
}

#[test]
fn the_same_logs_give_the_same_bytes() {
    let (_dir, demo) = demo("3", "9");
    for format in ["json", "text", "markdown"] {
        let once = stdout(&["report", &demo, "--format", format, "--jobs", "1"]);
        assert_eq!(
            stdout(&["report", &demo, "--format", format, "--jobs", "4"]),
            once
        );
    }
    let (_other, again) = self::demo("3", "9");
    let all = |demo: &str| -> Vec<String> {
        let entries = std::fs::read_dir(Path::new(demo).join("logs")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    // What a killed process left is compressed by the next one, as soon as that has time.
    let names = |demo: &str| {
        let plain = |name: String| name.trim_end_matches(".gz").to_owned();
        let mut names: Vec<String> = all(demo).into_iter().map(plain).collect();
        names.sort();
        names
    };
    assert_eq!(names(&again), names(&demo));
    assert!(all(&demo).iter().any(|name| name.ends_with(".jsonl.gz")));
    assert_eq!(truth(&again), truth(&demo));
}

#[test]
fn the_demo_makes_itself_anew_and_leaves_strangers_alone() {
    let (dir, demo) = demo("1", "1");
    stdout(&["demo", &demo, "--days", "2"]);
    assert_eq!(truth(&demo)["days"], 2);
    let report = json(&["report", &demo, "--format", "json"]);
    assert_eq!(report["totals"]["runs"], truth(&demo)["totals"]["runs"]);
    let strange = dir.path().join("strange");
    std::fs::create_dir(&strange).unwrap();
    std::fs::write(strange.join("thesis.txt"), "years of work").unwrap();
    let output = dragline(&["demo", &strange.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("choose another directory"));
    assert!(strange.join("thesis.txt").exists());
}

#[test]
fn exit_codes_can_be_trusted() {
    let fixture = fixture("structlog/exc-text.jsonl");
    let message = |arguments: &[&str], code| {
        let output = dragline(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        message(&["report", "/no/such/place"], 1),
        "dragline: there is no file or directory /no/such/place\n",
    );
    assert_eq!(
        message(&["report", &fixture, "/no/such/place"], 1),
        "dragline: there is no file or directory /no/such/place\n",
    );
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.log"), "").unwrap();
    assert!(
        message(&["runs", &dir.path().display().to_string()], 1).contains("nothing could be read")
    );
    std::fs::write(dir.path().join("b.log"), [0, 1, 2]).unwrap();
    assert!(message(&["runs", &dir.path().display().to_string()], 1).contains("NUL bytes"));
    message(&["report"], 2);
    message(&["report", &fixture, "--format", "pdf"], 2);
    message(&["report", &fixture, "--level", "loud"], 2);
    message(&["report", &fixture, "--tz", "Mars/Olympus"], 2);
    assert!(message(&["report", &fixture, "--since", "soon"], 2).contains("invalid time \"soon\""));
    message(
        &[
            "report",
            &fixture,
            "--since",
            "2026-03-05",
            "--until",
            "2026-03-04",
        ],
        2,
    );
    std::fs::write(dir.path().join("c.log"), "what\nis this?\n").unwrap();
    let all_bad = message(&["runs", &dir.path().display().to_string()], 1);
    assert!(
        all_bad.contains("2 lines in an unknown format"),
        "{all_bad}"
    );
    // Unreadable lines among readable ones are not an error.
    std::fs::copy(fixture_path("pino/scrape.ndjson"), dir.path().join("d.log")).unwrap();
    let text = stdout(&["report", &dir.path().display().to_string()]);
    assert!(
        text.contains("1 file could not be read, 2 lines could not"),
        "{text}"
    );
    // A filter that takes nothing says what there is.
    let output = dragline(&[
        "runs",
        &fixture_path("pino/scrape.ndjson"),
        "--scraper",
        "nope",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let hint = String::from_utf8(output.stderr).unwrap();
    assert!(hint.contains("available: shop-pino on shop"), "{hint}");
}

#[test]
fn what_is_missing_or_hidden_is_explained() {
    let log = fixture("scrapy/two-runs.log");
    let message = |arguments: &[&str]| {
        let output = dragline(arguments);
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, told) = message(&["diff", "previous", "last", &log, "--scraper", "stock"]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("there is no previous run") && told.contains("contain 1 run"),
        "{told}"
    );
    let (code, told) = message(&["diff", "previus", "last", &log]);
    assert!(
        code == Some(1) && told.contains("did you mean `previous`?"),
        "{told}"
    );
    let (code, told) = message(&["diff", "previous", "last", &log, "--scraper", "stok"]);
    assert!(
        code == Some(1) && told.contains("did you mean --scraper stock?"),
        "{told}"
    );
    let (code, told) = message(&["report", &log, "--level", "error"]);
    assert!(
        code == Some(0) && told.contains("rate limits among them are not counted"),
        "{told}"
    );
    assert_eq!(message(&["report", &log, "--level", "debug"]).1, "");
}

fn fixture_path(name: &str) -> String {
    fixture(name)
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/logs")
        .join(name)
        .display()
        .to_string()
}

#[test]
fn a_file_without_permission_is_named_and_costs_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    std::fs::copy(fixture("structlog/exc-text.jsonl"), logs.join("good.jsonl")).unwrap();
    std::fs::copy(fixture("pino/scrape.ndjson"), logs.join("secret.jsonl")).unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&logs.join("secret.jsonl"), 0o000);
    // Root reads everything: as root, the command runs as somebody else, from where they may run it.
    let binary = dir.path().join("dragline");
    std::fs::copy(env!("CARGO_BIN_EXE_dragline"), &binary).unwrap();
    [dir.path(), &logs, &binary]
        .iter()
        .for_each(|path| mode(path, 0o755));
    mode(&logs.join("good.jsonl"), 0o644);
    let mut command = Command::new(&binary);
    command.args(["report", "--format", "json"]).arg(&logs);
    if std::fs::read(logs.join("secret.jsonl")).is_ok() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = report["trust"]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0]["kind"], "unreadable_file");
    assert!(
        problems[0]["file"]
            .as_str()
            .unwrap()
            .ends_with("secret.jsonl")
    );
    assert_eq!(report["trust"]["files"], 1);
    assert!(report["trust"]["events"].as_u64().unwrap() > 90);
}

#[test]
fn the_views_agree_with_the_report() {
    let log = fixture("scrapy/two-runs.log");
    let report = json(&["report", &log, "--format", "json"]);
    assert_eq!(json(&["runs", &log, "--format", "json"]), report["runs"]);
    assert_eq!(
        json(&["errors", &log, "--format", "json"]),
        report["errors"]
    );
    let one = report["runs"][1]["run_id"].as_str().unwrap();
    let filtered = json(&["report", &log, "--run", one, "--format", "json"]);
    assert_eq!(filtered["runs"][0], report["runs"][1]);
    assert_eq!(filtered["runs"].as_array().unwrap().len(), 1);
    let errors_only = json(&["report", &log, "--level", "error", "--format", "json"]);
    assert_eq!(errors_only["errors"]["total"], report["errors"]["total"]);
    assert_eq!(errors_only["totals"]["warnings"], 0);
    assert!(errors_only["totals"]["requests"].is_null());
    assert!(errors_only["totals"]["requests_per_minute"].is_null());
    assert_eq!(
        errors_only["runs"][0]["verdict"],
        report["runs"][0]["verdict"]
    );
}

#[test]
fn a_window_is_judged_by_what_came_before_it() {
    let (_dir, demo) = demo("14", "1");
    let whole = json(&["report", &demo, "--format", "json"]);
    let window = json(&["report", &demo, "--since", "2026-03-13", "--format", "json"]);
    let verdicts = |report: &Value| {
        let scrapers = report["scrapers"].as_array().unwrap().iter();
        scrapers
            .map(|s| (s["scraper_id"].to_string(), s["verdict"].to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&window), verdicts(&whole));
    let kinds = |report: &Value| {
        let insights = report["insights"].as_array().unwrap().iter();
        insights
            .map(|insight| insight["kind"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&window), ["\"layout_change\"", "\"new_error\""]);
    // The onset lies before the window.
    assert_eq!(
        window["insights"][0]["since"],
        whole["insights"][0]["since"]
    );
    // Warnings alone: no run looks killed for want of its end.
    let warnings = json(&["report", &demo, "--level", "warn", "--format", "json"]);
    assert_eq!(warnings["trust"]["missing_seq"], 0);
    assert_eq!(verdicts(&warnings), verdicts(&whole));
    let killed = |report: &Value| {
        report["runs"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|run| run["verdict"] == "killed")
            .count()
    };
    // The one that was killed had no warning until then.
    assert_eq!(killed(&warnings), 0);
    for day in whole["daily"].as_array().unwrap() {
        let max = |totals: &Value| totals["response_time_ms"]["max"].as_f64().unwrap();
        assert!(max(&day["totals"]) <= max(&whole["totals"]));
    }
}

#[test]
fn rules_can_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("mine.toml");
    let rule = "[[rule]]\nid='mine'\ncategory='system'\nsub_category='other'\nseverity='critical'\npatterns=['.']\n";
    std::fs::write(&rules, rule).unwrap();
    let (log, rules) = (fixture("pino/scrape.ndjson"), rules.display().to_string());
    let only = "--no-shipped-rules";
    let errors = json(&["errors", &log, "--rules", &rules, only, "--format", "json"]);
    assert_eq!(errors["by_category"]["system"], errors["total"]);
    assert_eq!(errors["by_severity"]["critical"], errors["total"]);
    std::fs::write(dir.path().join("mine.toml"), rule.replace("'.'", "'a('")).unwrap();
    let output = dragline(&["errors", &log, "--rules", &rules]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unclosed group"));
}

#[test]
fn rules_of_a_users_stand_beside_the_shipped_ones() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("mine.toml").display().to_string();
    let rule = |id: &str, rest: &str| {
        format!(
            "[[rule]]\nid='{id}'\ncategory='system'\nsub_category='other'\nseverity='low'\npatterns=['timed out']\n{rest}"
        )
    };
    let category = |rules: &[&str]| {
        let args = [
            &[
                "rules",
                "explain",
                "ReadTimeout: timed out",
                "--format",
                "json",
            ],
            rules,
        ]
        .concat();
        json(&args)["verdict"]["category"].clone()
    };
    assert_eq!(category(&[]), "network");
    // One more rule, of the highest priority; then one instead of the shipped one.
    std::fs::write(&rules, rule("mine", "priority=999")).unwrap();
    assert_eq!(category(&["--rules", &rules]), "system");
    std::fs::write(&rules, rule("network.timeout", "priority=1")).unwrap();
    assert_eq!(category(&["--rules", &rules]), "system");

    // `check` tells what is wrong, and where.
    let check = || dragline(&["rules", "check", &rules]);
    let said = |output: &std::process::Output| {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        out + &String::from_utf8_lossy(&output.stderr)
    };
    let tests = "[rule.tests]\nmatch=['X: timed out','Y: timed out']\nno_match=['x']\n";
    std::fs::write(&rules, rule("mine", &format!("priority=999\n{tests}"))).unwrap();
    let output = check();
    assert_eq!(
        (output.status.code(), &*said(&output)),
        (Some(0), "1 rule, no problems found\n")
    );
    for (rest, expected) in [
        ("priority=999", "has no text in tests.match"),
        (&format!("priority=1\n{tests}"), "cannot be reached"),
        ("fields=['massage']", "massage"),
        ("pattern=3", "pattern"),
    ] {
        std::fs::write(&rules, rule("mine", rest)).unwrap();
        let output = check();
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
    std::fs::write(&rules, rule("mine", "").replace("'timed out'", "'a(b'")).unwrap();
    assert!(said(&check()).contains("    a(b\n     ^\n"));
}

#[test]
fn rules_are_suggested_for_what_no_rule_knows() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("shop.jsonl");
    let line = |n: usize, message: &str| {
        format!(
            "{{\"timestamp\":\"2026-03-04T11:22:{n:02}Z\",\"level\":\"ERROR\",\"scraper_id\":\"shop\",\"event_type\":\"scraper_error\",\"error_message\":\"{message}\"}}\n"
        )
    };
    let mut lines: Vec<String> = (0..9)
        .map(|n| line(n, &format!("the moon of basket {n} is blue")))
        .collect();
    lines.push(line(10, "connection refused"));
    std::fs::write(&log, lines.concat()).unwrap();
    let log = log.display().to_string();

    let proposals = json(&["rules", "suggest", &log, "--format", "json"]);
    assert_eq!(proposals.as_array().unwrap().len(), 1);
    assert_eq!(
        (&proposals[0]["explains"], &proposals[0]["share"]),
        (&9.into(), &1.0.into())
    );
    // What is printed is a rule file, and it works.
    let mine = dir.path().join("mine.toml").display().to_string();
    assert!(
        dragline(&["rules", "suggest", &log, "--output", &mine])
            .status
            .success()
    );
    assert!(dragline(&["rules", "check", &mine]).status.success());
    // The category is the author's to choose.
    let rule = std::fs::read_to_string(&mine).unwrap();
    std::fs::write(
        &mine,
        rule.replace("category = \"unknown\"", "category = \"system\""),
    )
    .unwrap();
    let trust = &json(&["report", &log, "--rules", &mine, "--format", "json"])["trust"];
    assert_eq!(trust["unclassified_errors"], 0);
}

#[test]
fn the_configuration_raises_severities_and_names_rules() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("shop.jsonl");
    let line = "{\"timestamp\":\"2026-03-04T11:22:33Z\",\"level\":\"ERROR\",\"target\":\"t\",\"scraper_id\":\"shop\",\"site\":\"shop.test\",\"run_id\":\"r\",\"writer_id\":\"w\",\"seq\":1,\"event_type\":\"scraper_error\",\"error_type\":\"KeyError\",\"error_message\":\"'price'\",\"error_category\":\"system\",\"error_severity\":\"critical\"}\n";
    std::fs::write(&log, line).unwrap();
    let config = dir.path().join("dragline.toml");
    std::fs::write(&config, "[sites.'shop.test']\npriority = 'critical'\n").unwrap();
    let (log, config) = (log.display().to_string(), config.display().to_string());
    let group = |args: &[&str]| {
        let args = [&["errors", &log, "--format", "json"], args].concat();
        let group = &json(&args)["groups"][0];
        format!(
            "{} {}",
            group["category"].as_str().unwrap(),
            group["severity"].as_str().unwrap()
        )
    };
    // The scraper's own label stands, unless --reclassify is given.
    assert_eq!(group(&[]), "system critical");
    assert_eq!(group(&["--reclassify"]), "parsing low");
    assert_eq!(
        group(&["--reclassify", "--config", &config]),
        "parsing medium"
    );

    std::fs::write(&config, "[severity]\nburst = 3\n").unwrap();
    let output = dragline(&["errors", &log, "--config", &config]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("[severity] burst = 3: unknown key; did you mean `burst_per_minute`?")
    );
}

/// Runs with something on standard input.
fn with_input(args: &[&str], input: &[u8]) -> std::process::Output {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(args)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn classify_labels_lines_one_for_one() {
    let lines: &[&[u8]] = &[
        br#"{"error_type":"ReadTimeout","error_message":"timed out","n":1}"#,
        br#"{"exc_type": "KeyError", "msg": "'price'"}"#,
        br#"{"error_message":"it failed","causes":[{"error_type":"X","error_message":"ECONNRESET"}]}"#,
        br#"{"message":"no","status_code":429}"#,
        b"",
        b"{torn",
        b"TimeoutError: \xff\xfe page",
        br#"{"n":3}"#,
    ];
    let output = with_input(&["classify"], &lines.join(&b"\n"[..]));
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let labelled: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let categories: Vec<&str> = labelled
        .iter()
        .map(|l| l["error_category"].as_str().unwrap())
        .collect();
    assert_eq!(
        categories,
        [
            "network",
            "parsing",
            "network",
            "rate_limit",
            "unknown",
            "unknown",
            "network",
            "unknown"
        ],
    );
    assert_eq!(labelled[0]["n"], 1);
    assert_eq!(labelled[5]["error_message"], "{torn");
    for line in &labelled {
        for key in [
            "error_sub_category",
            "error_severity",
            "error_rule",
            "error_runner_up",
        ] {
            assert!(line.get(key).is_some(), "{key}");
        }
    }
}

#[test]
fn results_go_to_a_file_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.md").display().to_string();
    let log = fixture("pino/scrape.ndjson");
    assert_eq!(
        stdout(&["report", &log, "--format", "markdown", "--output", &file]),
        ""
    );
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, stdout(&["report", &log, "--format", "markdown"]));
    assert!(written.starts_with("# shop-pino on shop"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_pipe_gets_no_colour() {
    let text = stdout(&["report", &fixture("scrapy/killed.log")]);
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn help_shows_examples() {
    for command in ["report", "errors", "runs", "health", "demo"] {
        let help = stdout(&[command, "--help"]);
        assert!(help.contains("Examples:"), "{help}");
    }
    insta::assert_snapshot!(stdout(&["report", "--help"]));
}

/// Says, past the test harness, that a test is skipped.
pub(crate) fn skip(what: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
