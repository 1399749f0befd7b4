//! Rounds of `dragline alerts run` as cron makes them, and what each prints.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use dragline_schema::Timestamp;
use serde_json::Value;

/// 2026-03-15T00:00:00Z.
const START: i64 = 1_773_532_800;

const FILE: &str = "[channels.file]\ntype = 'file'\npath = 'notices.jsonl'\n";
const NOTIFY: &str = "[notify]\nchannels = ['file']\n";
const QUEUE: &str = "[[rule]]\nalert = 'queue_backup'\nenabled = false\n\
    [[rule]]\nalert = 'long'\nexpr = 'last(dragline_queue_size[1m]) > 1000'\n";

fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(START + 60 * minute)
}

/// A minute of a scraper: a request, and how long its queue is.
fn minute_of(scraper: &str, minute: i64, queue: u32) -> String {
    let (site, time) = (format!("{scraper}.example.com"), at(minute));
    let head = format!(
        r#"{{"timestamp":"{time}","level":"INFO","scraper_id":"{scraper}","site":"{site}","run_id":"r1","#
    );
    format!(
        "{head}\"event_type\":\"request\",\"url\":\"https://{site}/\",\"status_code\":200}}\n\
         {head}\"event_type\":\"queue_size\",\"queue_size\":{queue}}}\n"
    )
}

/// A directory with a configuration and a log that grows.
struct Watched {
    dir: tempfile::TempDir,
    printed: String,
}

impl Watched {
    fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        let watched = Self {
            dir,
            printed: String::new(),
        };
        watched.configure(config);
        watched
    }

    /// One rule about long queues, and a channel.
    fn of_queue() -> Self {
        Self::new(&format!("{NOTIFY}{FILE}{QUEUE}"))
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn configure(&self, config: &str) {
        fs::write(self.path().join("dragline.toml"), config).unwrap();
    }

    /// Writes the minutes before one; `queue` says how long the queue is.
    fn write(&self, scraper: &str, until: i64, queue: impl Fn(i64) -> u32) {
        let log: String = (0..until)
            .map(|minute| minute_of(scraper, minute, queue(minute)))
            .collect();
        fs::write(self.path().join(format!("logs/{scraper}.jsonl")), log).unwrap();
    }

    /// Runs a command by a clock, and keeps what it prints.
    fn command(&mut self, clock: i64, arguments: &[&str]) -> Option<i32> {
        let output = Command::new(env!("CARGO_BIN_EXE_dragline"))
            .args(arguments)
            .args(["--state", "state.json"])
            .current_dir(self.path())
            .env("SOURCE_DATE_EPOCH", (START + 60 * clock + 7).to_string())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        let _ = writeln!(
            self.printed,
            "[{}] {}: code {}",
            &at(clock).to_string()[..16],
            arguments[..2].join(" "),
            output.status.code().unwrap()
        );
        let own = |line: &&str| !line.contains("using dragline.toml");
        for line in text.lines().filter(own) {
            let _ = writeln!(self.printed, "    {line}");
        }
        output.status.code()
    }

    fn round(&mut self, clock: i64) -> Option<i32> {
        self.command(clock, &["alerts", "run", "logs"])
    }

    fn notices(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path().join("notices.jsonl")).unwrap_or_default();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The titles of the notices, with their kinds.
    fn titles(&self) -> Vec<String> {
        let notices = self.notices();
        let title = |notice: &Value| {
            format!(
                "{}: {}",
                notice["kind"].as_str().unwrap(),
                notice["title"].as_str().unwrap()
            )
        };
        notices.iter().map(title).collect()
    }
}

#[test]
fn rounds_say_what_changed() {
    let mut watched = Watched::new(&format!("{NOTIFY}{FILE}{QUEUE}keep_firing_for = '12m'\n"));
    let queue = |minute| match minute {
        6..14 | 19..24 => 5_000,
        _ => 3,
    };
    for minute in (5..50).step_by(5) {
        watched.write("shop", minute, queue);
        watched.round(minute);
    }
    insta::assert_snapshot!("changes", watched.printed);
}

#[test]
fn what_nobody_is_notified_of_is_marked() {
    let silence = "[[silence]]\nmatch = { scraper_id = 'shop' }\nends = '2026-04-01T00:00:00Z'\n";
    let mut watched = Watched::new(&format!("{NOTIFY}{FILE}{QUEUE}{silence}"));
    watched.write("shop", 5, |_| 5_000);
    watched.round(5);
    assert_eq!(watched.titles(), [""; 0]);
    let mut nobody = Watched::new(QUEUE);
    nobody.write("shop", 5, |_| 5_000);
    nobody.round(5);
    let budget = "budget = '2 a week'\n";
    let mut budgeted = Watched::new(&format!("{NOTIFY}{budget}{FILE}{QUEUE}"));
    budgeted.write("shop", 5, |_| 5_000);
    budgeted.round(5);
    budgeted.write("shop", 5, |_| 5_000);
    budgeted.write("news", 35, |_| 5_000);
    budgeted.round(35);
    budgeted.command(36, &["alerts", "list"]);
    let all = [watched.printed, nobody.printed, budgeted.printed].concat();
    insta::assert_snapshot!("kept_back", all);
}

#[test]
fn a_clock_that_is_ahead_is_told_and_taken_back() {
    let mut watched = Watched::of_queue();
    let queue = |minute| if (12..18).contains(&minute) { 5_000 } else { 3 };
    for minute in (5..30).step_by(5) {
        watched.write("shop", minute, queue);
        watched.round(if minute == 10 { minute + 1_440 } else { minute });
    }
    insta::assert_snapshot!("clock_ahead", watched.printed);
    assert_eq!(watched.titles().len(), 2);
}

#[test]
fn late_lines_show_what_was_not_so() {
    let rule = "[[rule]]\nalert = 'silent'\nexpr = 'increase(dragline_requests_total[10m]) < 1'\n";
    let mut watched = Watched::new(&format!("{NOTIFY}{FILE}{rule}"));
    watched.write("shop", 30, |_| 3);
    watched.round(30);
    watched.round(45);
    // The fifteen minutes before arrive now.
    watched.write("shop", 50, |_| 3);
    watched.round(50);
    insta::assert_snapshot!("late_lines", watched.printed);
    let last = watched.notices().pop().unwrap();
    let state = last["alerts"][0]["facts"][0][1].as_str().unwrap();
    assert_eq!(state, "resolved (judged again, it was not so)");
}

#[test]
fn lines_ahead_of_the_clock_are_told() {
    let mut watched = Watched::of_queue();
    watched.write("shop", 125, |_| 5_000);
    watched.round(5);
    insta::assert_snapshot!("lines_ahead", watched.printed);
}

#[test]
fn what_is_there_is_judged_when_another_input_is_missing() {
    let mut watched = Watched::of_queue();
    for minute in [5, 10, 15, 20, 25] {
        watched.write("shop", minute, |minute| if minute > 6 { 5_000 } else { 3 });
        if minute == 25 {
            fs::create_dir(watched.path().join("other")).unwrap();
        }
        watched.command(minute, &["alerts", "run", "logs", "other"]);
    }
    insta::assert_snapshot!("missing_input", watched.printed);
    assert!(
        watched.titles().iter().any(|title| title
            == "firing: a part of the logs was not judged in time for 15m: there is no file or directory other"),
        "{:?}",
        watched.titles()
    );
}

#[test]
fn a_log_in_a_form_that_nobody_knows_reaches_a_channel() {
    let mut watched = Watched::of_queue();
    for minute in [20, 35] {
        watched.write("shop", minute, |_| 3);
        let mut odd = String::new();
        for nth in 0..minute {
            let _ = writeln!(odd, "~~ {nth} ¦ ¤{nth}");
        }
        fs::write(watched.path().join("logs/odd.log"), odd).unwrap();
        watched.round(minute);
    }
    let titles = watched.titles();
    assert_eq!(titles.len(), 1, "{titles:?} {}", watched.printed);
    assert!(
        titles[0].contains("35 of 35 lines of logs/odd.log are of no known form"),
        "{titles:?}"
    );
}

#[test]
fn what_fires_gives_a_notice_its_title() {
    let mut watched = Watched::of_queue();
    watched.write("shop", 5, |_| 5_000);
    watched.round(5);
    // One ends in the round in which another begins.
    watched.write("shop", 15, |minute| if minute < 6 { 5_000 } else { 3 });
    watched.write("news", 15, |minute| if minute > 9 { 5_000 } else { 3 });
    watched.round(15);
    let titles = watched.titles();
    assert!(titles[1].starts_with("firing: long: news "), "{titles:?}");
    assert!(titles[1].ends_with("; 1 alert ended"), "{titles:?}");
    let alerts = watched.notices()[1]["alerts"].clone();
    assert_eq!(alerts[1]["news"], "ended", "{alerts}");
}

#[test]
fn an_end_that_a_change_of_the_rules_made_says_so() {
    let config = |threshold: u32| {
        format!(
            "{NOTIFY}{FILE}{}",
            QUEUE.replace("> 1000", &format!("> {threshold}"))
        )
    };
    let mut watched = Watched::new(&config(1_000));
    for minute in [5, 10, 15] {
        watched.write("shop", minute, |_| 5_000);
        watched.round(minute);
        watched.configure(&match minute {
            5 => config(9_000),
            _ => config(1_000),
        });
    }
    watched.configure(&format!("{NOTIFY}{FILE}"));
    watched.write("shop", 20, |_| 3);
    watched.round(20);
    insta::assert_snapshot!("rules_changed", watched.printed);
}

#[test]
fn a_broken_rule_is_listed() {
    let mut watched = Watched::of_queue();
    watched.write("shop", 5, |_| 3);
    watched.round(5);
    let path = watched.path().join("state.json");
    let mut state: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    state["watch"]["broken"]["long"] =
        serde_json::json!({"since": at(3), "error": "a sample is no number"});
    fs::write(&path, state.to_string()).unwrap();
    watched.command(6, &["alerts", "list"]);
    let told =
        "rule long is broken since 2026-03-15 00:03 UTC and judges nothing: a sample is no number";
    assert!(watched.printed.contains(told), "{}", watched.printed);
}

#[test]
fn no_secret_of_a_channel_is_printed_or_stored() {
    const PLANTED: &str = "planted-7f3a9c";
    let mut watched = Watched::new("");
    let secret = watched.path().join("secret");
    let config = |url: &str| {
        fs::write(&secret, url).unwrap();
        format!(
            "[notify]\nchannels = ['hook', 'chat', 'stderr']\n[channels.stderr]\ntype = 'stderr'\n\
             [channels.hook]\ntype = 'webhook'\nurl = {{ file = {secret:?} }}\nsecret = {{ file = {secret:?} }}\n\
             headers = {{ X-Key = {{ file = {secret:?} }} }}\nallow_private = true\n\
             [channels.chat]\ntype = 'slack'\nurl = {{ file = {secret:?} }}\nallow_private = true\n{QUEUE}"
        )
    };
    // Nobody listens there; and what is no address.
    for url in [
        &format!("http://127.0.0.1:1/{PLANTED}"),
        &format!("hppt:{PLANTED}"),
    ] {
        watched.configure(&config(url));
        watched.write("shop", 30, |minute| if minute < 10 { 1 } else { 2_000 });
        watched.round(30);
        watched.command(31, &["alerts", "list"]);
        watched.command(31, &["alerts", "history"]);
        watched.round(45);
    }
    let check = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(["alerts", "check"])
        .current_dir(watched.path())
        .output()
        .unwrap();
    let printed = watched.printed.clone()
        + &String::from_utf8_lossy(&check.stdout)
        + &String::from_utf8_lossy(&check.stderr);
    // The notice itself went to standard error, and the failures are printed.
    assert!(printed.contains("not sent to hook"), "{printed}");
    assert!(!printed.contains(PLANTED), "{printed}");
    for file in fs::read_dir(watched.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && !path.ends_with("secret") {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains(PLANTED), "{path:?}: {text}");
        }
    }
}

#[test]
fn rounds_fail_until_a_channel_takes_what_it_was_sent() {
    let mut watched = Watched::new("");
    let config = |path: &str| {
        format!(
            "{NOTIFY}[channels.file]\ntype = 'webhook'\nurl = '{path}'\nallow_private = true\n{QUEUE}"
        )
    };
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = refusing.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = refusing.accept().unwrap();
        let mut head = [0; 1_024];
        let _ = stream.read(&mut head);
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    });
    watched.configure(&config(&format!("http://127.0.0.1:{port}/gone")));
    let queue = |minute: i64| if minute < 10 { 1 } else { 2_000 };
    watched.write("shop", 30, queue);
    assert_eq!(watched.round(30), Some(1));
    thread.join().unwrap();
    // It ends; nobody listens any more, and nothing is tried for an hour.
    watched.write(
        "shop",
        60,
        |minute| if minute < 40 { queue(minute) } else { 1 },
    );
    assert_eq!(watched.round(60), Some(1));
    // Mended: the notice arrives with the next round, and the rounds succeed.
    watched.configure(&format!("{NOTIFY}{FILE}{QUEUE}"));
    watched.round(65);
    assert_eq!(watched.titles().len(), 1);
    assert!(
        watched.titles()[0].starts_with("resolved: "),
        "{:?}",
        watched.titles()
    );
    assert_eq!(watched.round(100), Some(0));
    let said = "could not be sent to file (the service answered 404; is the address of the channel right?), tried again at";
    assert!(watched.printed.contains(said), "{}", watched.printed);
}

#[test]
fn a_state_that_cannot_be_written_keeps_no_notice_back() {
    let mut watched = Watched::new(&format!("{NOTIFY}{FILE}{QUEUE}"));
    let queue = |minute: i64| if minute < 10 { 1 } else { 2_000 };
    watched.write("shop", 5, queue);
    assert_eq!(watched.round(5), Some(0));
    let state = watched.path().join("state.json");
    let may_write = |is_allowed: bool| {
        let mut permissions = fs::metadata(&state).unwrap().permissions();
        permissions.set_readonly(!is_allowed);
        fs::set_permissions(&state, permissions).unwrap();
    };
    may_write(false);
    watched.write("shop", 25, queue);
    assert_eq!(watched.round(15), Some(1));
    assert_eq!(watched.round(20), Some(1));
    let said = "what was judged and sent cannot be kept: the next round sends the same again";
    assert!(watched.printed.contains(said), "{}", watched.printed);
    may_write(true);
    assert_eq!(watched.round(25), Some(0));
    assert_eq!(watched.round(30), Some(0));
    let notices = watched.notices();
    let keys: Vec<&Value> = notices.iter().map(|notice| &notice["key"]).collect();
    assert_eq!(keys, [keys[0]; 3]);
}

#[test]
fn an_alert_of_a_check_begins_with_its_first_failure_and_ends_without_the_check() {
    let config =
        |checks: &str| format!("{NOTIFY}{FILE}[[rule]]\nalert = 'lost'\nhealth = 'db'\n{checks}");
    let check = |name: &str| {
        format!(
            "[[health.checks]]\nname = '{name}'\ntype = 'database'\nurl = 'sqlite:///{name}.db'\nfailure_threshold = 3\n"
        )
    };
    let mut watched = Watched::new(&config(&(check("db") + &check("other"))));
    watched.write("shop", 1, |_| 1);
    let db = watched.path().join("db.db");
    fs::write(&db, "").unwrap();
    watched.round(0);
    fs::remove_file(&db).unwrap();
    for minute in [5, 10, 15] {
        assert_eq!(watched.notices().len(), 0, "{minute}");
        watched.round(minute);
    }
    let alert = watched.notices()[0]["alerts"][0]["alert"].clone();
    let first = at(5).plus_micros(7_000_000);
    assert_eq!(alert["began"], first.to_string(), "{alert}");
    watched.configure(&config(&check("other")));
    watched.round(25);
    watched.round(30);
    let titles = watched.titles();
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[1].starts_with("resolved: "), "{titles:?}");
    let said = "there is no check \"db\"";
    assert!(watched.printed.contains(said), "{}", watched.printed);
}

#[test]
fn a_rest_that_is_usual_is_no_reason_to_ask_for_logs() {
    const DAY: i64 = 24 * 60;
    for (days, is_asked) in [([0, 3, 6], false), ([0, 1, 4], true)] {
        let mut watched = Watched::new("");
        let log: String = days
            .map(|day| minute_of("shop", day * DAY, 1).replace("\"r1\"", &format!("\"r{day}\"")))
            .concat();
        fs::write(watched.path().join("logs/shop.jsonl"), log).unwrap();
        let last = days[2] * DAY;
        watched.round(last + DAY);
        watched.round(last + 2 * DAY);
        let said = watched.printed.contains("are the logs still written here?");
        assert_eq!(said, is_asked, "{}", watched.printed);
    }
}

#[test]
fn names_that_no_log_has_are_told_once() {
    let mut watched = Watched::new(&format!(
        "{NOTIFY}{FILE}{QUEUE}[scrapers.shpo]\nchannels = ['file']\n[scrapers.shop]\nchannels = ['file']\n\
         [[route]]\nmatch = {{ site = 'shop.exmaple.com' }}\nchannels = ['file']\n\
         [[route]]\nmatch = {{ site = '*.example.com', scraper_id = 'shop' }}\nchannels = ['file']\n"
    ));
    watched.write("shop", 30, |_| 1);
    watched.round(30);
    watched.write("shop", 35, |_| 1);
    watched.round(35);
    insta::assert_snapshot!("unknown_names", watched.printed);
}

#[test]
fn logs_that_ended_are_named_once() {
    let mut watched = Watched::of_queue();
    watched.write("shop", 30, |_| 1);
    for hour in [1, 36, 37, 38, 60] {
        watched.round(60 * hour);
    }
    insta::assert_snapshot!("old_logs", watched.printed);
}
