//! `dragline alerts`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{dragline, stdout};

/// Logs of a scraper whose requests failed in the five minutes before the tests' present, 2026-03-15T00:00:00Z, and of
/// others that work: on the same site by another way, and by the same way on another site.
fn failures() -> String {
    let mut log = String::new();
    for second in 0..240 {
        let time = format!(
            "2026-03-14T23:{:02}:{:02}.000000Z",
            55 + second / 60,
            second % 60
        );
        for (scraper, site, proxy, status) in [
            ("shop", "shop.example.com", "p1", 503),
            ("news", "shop.example.com", "p2", 200),
            ("flats", "flats.example.org", "p1", 200),
        ] {
            let _ = writeln!(
                log,
                r#"{{"timestamp":"{time}","level":"INFO","scraper_id":"{scraper}","site":"{site}","run_id":"r-{scraper}","event_type":"request","url":"https://{site}/p?token=s3cretvalue","status_code":{status},"proxy":"{proxy}"}}"#
            );
        }
    }
    log
}

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new(config: &str) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::write(place.at("shop.jsonl"), failures()).unwrap();
        let notices = place.at("notices.jsonl");
        let config = format!("{config}\n[channels.file]\ntype = 'file'\npath = '{notices}'\n");
        fs::write(place.at("dragline.toml"), config).unwrap();
        place
    }

    fn at(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn run(&self, more: &[&str]) -> (Option<i32>, Value, String) {
        let (logs, state, config) = (
            self.at("shop.jsonl"),
            self.at("state.json"),
            self.at("dragline.toml"),
        );
        let own = [
            "alerts", "run", &logs, "--state", &state, "--config", &config, "--format", "json",
        ];
        let output = dragline(&[&own, more].concat());
        (
            output.status.code(),
            serde_json::from_slice(&output.stdout).unwrap_or_default(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    fn notices(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.at("notices.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

const NOTIFY: &str = "[notify]\nchannels = ['file']\n[scrapers.shop]\nowner = 'prices team'\n";

#[test]
fn a_round_sends_a_notice_that_explains_itself_and_the_next_one_sends_nothing() {
    let place = Place::new(NOTIFY);
    let (code, planned, told) = place.run(&["--dry-run"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(planned["planned"].as_array().unwrap().len(), 1, "{planned}");
    assert!(!Path::new(&place.at("state.json")).exists() && place.notices().is_empty());

    let (code, round, told) = place.run(&[]);
    assert_eq!(
        (code, round["firing"].as_u64()),
        (Some(0), Some(1)),
        "{told} {round}"
    );
    let notices = place.notices();
    assert_eq!(notices.len(), 1);
    let alert = &notices[0]["alerts"][0];
    assert_eq!(
        alert["summary"],
        "240 requests of shop failed within 10 minutes"
    );
    assert_eq!(alert["verdict"]["suspect"], "us", "{alert}");
    assert_eq!(alert["runbook"], "high-error-rate");
    let facts = alert["facts"].to_string();
    assert!(
        facts.contains("prices team") && facts.contains("Cause"),
        "{facts}"
    );
    let evidence = alert["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 3);
    assert!(
        evidence[0]
            .as_str()
            .unwrap()
            .contains("503 https://shop.example.com/p"),
        "{evidence:?}"
    );
    let state = fs::read_to_string(place.at("state.json")).unwrap();
    assert!(!format!("{notices:?}{state}").contains("s3cretvalue"));
    let command = alert["command"].as_str().unwrap();
    assert!(
        command.starts_with("dragline report") && command.contains("--scraper shop"),
        "{command}"
    );

    let (code, round, _) = place.run(&[]);
    assert_eq!((code, round["firing"].as_u64()), (Some(0), Some(1)));
    assert_eq!(place.notices().len(), 1);
}

#[test]
fn alerts_are_listed_acknowledged_and_silenced() {
    let place = Place::new(NOTIFY);
    let state = place.at("state.json");
    let missing = dragline(&["alerts", "list", "--state", &state]);
    assert_eq!(missing.status.code(), Some(2));
    place.run(&[]);
    let list = stdout(&["alerts", "list", "--state", &state]);
    assert!(
        list.starts_with("MEDIUM   240 requests of shop failed"),
        "{list}"
    );
    let taken = stdout(&[
        "alerts",
        "ack",
        "crawler_failures",
        "--state",
        &state,
        "--by",
        "night shift",
    ]);
    assert!(
        taken.starts_with("acknowledged crawler_failures{"),
        "{taken}"
    );
    let list = stdout(&["alerts", "list", "--state", &state]);
    assert!(list.contains("acknowledged by night shift"), "{list}");
    let wrong = dragline(&["alerts", "ack", "queue", "--state", &state]);
    assert_eq!(wrong.status.code(), Some(1));
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(told.contains("crawler_failures-"), "{told}");

    stdout(&[
        "alerts",
        "silence",
        "--state",
        &state,
        "--match",
        "scraper_id=shop",
        "--for",
        "2h",
        "--comment",
        "moving",
    ]);
    let silences = stdout(&["alerts", "silence", "--state", &state, "--list"]);
    let (id, silence) = silences.split_once(' ').unwrap();
    assert_eq!(
        silence,
        "scraper_id=shop until 2026-03-15 02:00 UTC (moving)\n"
    );
    let history = stdout(&["alerts", "history", "--state", &state]);
    for part in [
        "1 active",
        "notice to file: 240 requests",
        "night shift: acknowledged",
        "silenced scraper_id=shop",
    ] {
        assert!(history.contains(part), "{part}: {history}");
    }
    stdout(&["alerts", "silence", "--state", &state, "--end", &id[..6]]);
    let silences = stdout(&["alerts", "silence", "--state", &state, "--list"]);
    assert!(silences.starts_with("no silence"), "{silences}");
}

#[test]
fn a_silence_holds_a_notice_back_until_it_ends() {
    let place = Place::new(NOTIFY);
    let state = place.at("state.json");
    // A state exists once a round was made: here one without logs of trouble.
    fs::write(place.at("shop.jsonl"), failures().lines().next().unwrap()).unwrap();
    place.run(&[]);
    fs::write(place.at("shop.jsonl"), failures()).unwrap();
    stdout(&[
        "alerts",
        "silence",
        "--state",
        &state,
        "--match",
        "site=*.example.com",
        "--for",
        "1h",
    ]);
    // The first round has judged the present already; what comes later than that is judged in the next minutes.
    let later = "1773532920";
    let logs = place.at("shop.jsonl");
    let config = place.at("dragline.toml");
    let run = |now: &str| {
        let own = [
            "alerts", "run", &logs, "--state", &state, "--config", &config,
        ];
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_dragline"))
            .args(own)
            .env("SOURCE_DATE_EPOCH", now)
            .env("XDG_CACHE_HOME", crate::kept())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = run(later);
    assert!(said.contains("1 alert fires"), "{said}");
    assert_eq!(place.notices().len(), 0);
}

#[test]
fn mistakes_in_rules_routes_and_channels_are_named() {
    let place =
        Place::new("[notify]\nchannels = ['mial']\n[[rule]]\nalert = 'a'\nexpr = 'queue >'\n");
    let output = dragline(&["alerts", "check", "--config", &place.at("dragline.toml")]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("there is no channel \"mial\"") && told.contains("rule \"a\": expr"),
        "{told}"
    );

    let place = Place::new(
        "[notify]\nchannels = ['file']\n[[rule]]\nalert = 'a'\nexpr = 'dragline_queue_siez > 3'\n",
    );
    let output = dragline(&["alerts", "check", "--config", &place.at("dragline.toml")]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("did you mean \"dragline_queue_size\"?"),
        "{told}"
    );
}

#[test]
fn what_can_never_fire_or_never_be_filled_in_is_named() {
    let rule = |rest: &str| format!("[[rule]]\nalert = 'a'\n{rest}\n");
    let failed = "expr = 'increase(dragline_requests_total[5m]) > 3'";
    for (config, sentence) in [
        (
            rule("expr = 'last(run_itmes[3h]) == 0'"),
            "there is no metric of runs \"run_itmes\": did you mean \"run_items\"?",
        ),
        (
            rule("expr = 'increase(dragline_requests_total{outcom=\"failed\"}[5m]) > 3'"),
            "has no label \"outcom\", so that no series is taken (did you mean \"outcome\"?)",
        ),
        (
            rule("expr = 'increase(dragline_requests_total{outcome=\"failled\"}[5m]) > 3'"),
            "outcome is never \"failled\", so that no series is taken (did you mean \"failed\"?): it is success, failed, unknown",
        ),
        (
            rule(&format!("{failed}\nmessage = '{{scrapr_id}} fails'")),
            "nothing fills in {scrapr_id} (did you mean \"scraper_id\"?)",
        ),
        (
            rule(&format!("{failed}\nmessage = '{{whoo}} {{watt}}'")),
            "nothing fills in {watt}, {whoo}",
        ),
        (
            rule(failed).replace("'a'", "'queue_bakup'\nenabled = false"),
            "rule \"queue_bakup\": it is switched off, and no default is called so: did you mean \"queue_backup\"?",
        ),
        (
            rule(failed)
                + "[channels.lines]\ntype = 'file'\npath = 'no/such/directory/lines.jsonl'\n",
            "[channels.lines]: there is no directory no/such/directory: create it",
        ),
        (
            rule(failed)
                + "[[silence]]\nmatch = { severity = 'hi' }\nends = '2026-12-31T00:00:00Z'\n",
            "a silence asks for the severity \"hi\": it is low, medium, high or critical",
        ),
        (
            rule("expr = 'increase(dragline_queue_size[5m]) > 3'"),
            "goes up and down: use last, avg, min or max",
        ),
        (
            rule("health = 'databse'")
                + "[[health.checks]]\nname = 'database'\ntype = 'tcp'\nurl = '127.0.0.1:5432'\n",
            "there is no check \"databse\": did you mean \"database\"?",
        ),
        (rule("health = '*'"), "there is no check \"*\""),
        (
            rule("expr = 'last(dragline_queue_size[10s]) > 1000'"),
            "it looks at the last 10s, and rules are judged every 1m",
        ),
        (
            rule(failed).replace("[[rule]]", "group_by = ['alertnam']\n[[rule]]"),
            "group_by names the label \"alertnam\", which no alert has (did you mean \"alertname\"?)",
        ),
        (
            rule("expr = 'increase(dragline_responses_total{code=\"4xx\"}[5m]) > 3'"),
            "code is never \"4xx\", so that no series is taken",
        ),
        (
            rule(&format!("{failed}\nno_data = 'alerting'")),
            "no_data fires whenever nothing is counted or measured",
        ),
        (
            rule(failed) + "[[silence]]\nmatch = { alertname = 'a' }\n",
            "a silence never ends: alertname=a; give it `ends`, or `weekly` hours",
        ),
        (
            rule(failed)
                + "[channels.hook]\ntype = 'webhook'\nurl = 'https://example.org/'\ntemplate = '{titel}'\n",
            "the template of [channels.hook]: nothing fills in {titel} (did you mean \"title\"?)",
        ),
        (
            rule(failed)
                + "[[silence]]\nmatch = { alertname = 'b' }\nends = '2026-12-31T00:00:00Z'\n",
            "a silence asks for the alert",
        ),
        (
            rule(failed)
                + "[[inhibit]]\nsource = { severty = 'critical' }\ntarget = { alertname = 'a' }\n",
            "the source of an inhibition asks for the label \"severty\", which no alert has (did you mean \"severity\"?)",
        ),
    ] {
        let place = Place::new(&format!("[notify]\nchannels = ['file']\n{config}"));
        let output = dragline(&["alerts", "check", "--config", &place.at("dragline.toml")]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{config}{told}");
        assert!(told.contains(sentence), "{config}{told}");
    }
}

#[test]
fn a_channel_that_cannot_be_used_is_named_and_the_others_are_notified() {
    let chat = "[channels.chat]\ntype = 'slack'\nurl = { env = 'DRAGLINE_TEST_IS_NOT_SET' }\n";
    let place = Place::new(&format!("[notify]\nchannels = ['chat', 'file']\n{chat}"));
    let (code, _, told) = place.run(&[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("DRAGLINE_TEST_IS_NOT_SET"), "{told}");
    assert_eq!(place.notices().len(), 1, "{told}");
}

#[test]
fn what_a_rule_would_have_done_is_shown_in_every_format() {
    let place = Place::new(NOTIFY);
    let (logs, config) = (place.at("shop.jsonl"), place.at("dragline.toml"));
    let run = |more: &[&str]| {
        let own = [
            "alerts",
            "backtest",
            &logs,
            "--config",
            &config,
            "--rule",
            "crawler_failures",
            "--threshold",
            "20,500",
        ];
        stdout(&[&own, more].concat())
    };
    insta::assert_snapshot!("backtest", run(&[]));
    let page = run(&["--format", "html"]);
    assert!(
        page.starts_with("<!doctype html>") && page.contains(">crawler_failures</td>"),
        "{page}"
    );
    let markdown = run(&["--format", "markdown"]);
    assert!(
        markdown.contains("| crawler\\_failures | as it is | once |"),
        "{markdown}"
    );
    let json: Value = serde_json::from_str(&run(&["--format", "json"])).unwrap();
    let variations = json["rules"][0]["variations"].as_array().unwrap();
    let fired = |nth: usize| variations[nth]["episodes"].as_array().unwrap().len();
    assert_eq!((variations.len(), fired(0), fired(2)), (3, 1, 0), "{json}");
}

#[test]
fn a_report_is_sent_with_its_page() {
    let place = Place::new(NOTIFY);
    let (logs, config) = (place.at("shop.jsonl"), place.at("dragline.toml"));
    let output = dragline(&["report", &logs, "--config", &config, "--send", "file"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let notices = place.notices();
    assert_eq!(
        (notices.len(), notices[0]["kind"].as_str()),
        (1, Some("report")),
        "{notices:?}"
    );
    let output = dragline(&["report", &logs, "--config", &config, "--send", "flie"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("Did you mean \"file\"?"), "{told}");
}

#[test]
fn a_second_command_does_not_overwrite_the_state() {
    let place = Place::new(NOTIFY);
    place.run(&[]);
    let lock = fs::File::open(place.at("state.json.lock")).unwrap();
    lock.lock().unwrap();
    let (code, _, told) = place.run(&[]);
    assert_eq!(code, Some(1));
    assert!(told.contains("another command works with"), "{told}");
}

#[test]
fn logs_that_vanish_are_told_by_a_notice() {
    let place = Place::new(NOTIFY);
    assert_eq!(place.run(&[]).0, Some(0));
    let told = place.notices().len();
    fs::write(place.at("shop.jsonl"), "").unwrap();
    let state = fs::read_to_string(place.at("state.json")).unwrap();
    // As if the last round were an hour ago.
    let mut state: Value = serde_json::from_str(&state).unwrap();
    state["read_at"] = "2026-03-14T23:00:00.000000Z".into();
    fs::write(place.at("state.json"), state.to_string()).unwrap();
    let (code, _, error) = place.run(&[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("nothing could be read"), "{error}");
    let notices = place.notices();
    assert_eq!(notices.len(), told + 1);
    let title = notices[told]["title"].as_str().unwrap();
    assert!(
        title.starts_with("nothing could be judged for 1h: "),
        "{title}"
    );
}

#[test]
fn a_history_does_not_stand_for_logs_that_are_empty() {
    let place = Place::new(NOTIFY);
    let history = place.at("history");
    assert_eq!(place.run(&["--history", &history]).0, Some(0));
    fs::write(place.at("shop.jsonl"), "").unwrap();
    let (code, _, error) = place.run(&["--history", &history]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("nothing could be read"), "{error}");
}

#[test]
fn a_default_rule_is_switched_off_by_its_name() {
    let place = Place::new(&format!(
        "{NOTIFY}[[rule]]\nalert = 'crawler_failures'\nenabled = false\n"
    ));
    let (code, value, error) = place.run(&[]);
    assert_eq!((code, &value["firing"]), (Some(0), &0.into()), "{error}");
}

#[test]
fn silences_of_the_configuration_are_listed_and_counted() {
    let silence = "[[silence]]\nmatch = { scraper_id = 'shop' }\nends = '2026-04-01T00:00:00Z'\n";
    let place = Place::new(&format!("{NOTIFY}{silence}"));
    let (_, value, _) = place.run(&[]);
    assert_eq!((&value["firing"], &value["muted"]), (&1.into(), &1.into()));
    assert_eq!(place.notices().len(), 0);
    let (state, config) = (place.at("state.json"), place.at("dragline.toml"));
    let own = ["alerts", "silence", "--state", &state, "--config", &config];
    let list = stdout(&[&own[..], &["--list"]].concat());
    assert!(
        list.contains("(configuration) scraper_id=shop until 2026-04-01 00:00 UTC"),
        "{list}"
    );
    let wrong = dragline(&[&own[..], &["--match", "alertnme=x", "--for", "1h"]].concat());
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(told.contains("did you mean \"alertname\"?"), "{told}");
}
