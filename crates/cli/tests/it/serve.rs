//! The service as a process: started, killed, asked, ended.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use dragline_classifier::RuleSet;
use dragline_monitor::store::Store;
use dragline_rollup::Finished;
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

/// A running service.
pub(crate) struct Served {
    pub(crate) child: Child,
    address: Option<String>,
}

/// A test that fails leaves no service behind.
impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_with(dir, "state", &[])
    }

    fn start_with(dir: &Path, state: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dragline"))
            .args(["serve", "logs", "--listen", "127.0.0.1:0", "--state", state])
            .args(more)
            .current_dir(dir)
            .env_remove("MONITORING_LOG_LEVEL")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let said = lines.find_map(|line| {
            Some(
                line.split_once("http://")?
                    .1
                    .trim_end_matches('/')
                    .to_owned(),
            )
        });
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: said,
        }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!(
            "http://{}",
            self.address.as_deref().expect("the page has an address")
        )
    }

    /// Status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let address = self.address.as_deref().expect("the page has an address");
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap();
        let body = answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned());
        (status, body.unwrap_or_default())
    }

    pub(crate) fn wait_until_ready(&self) {
        let begun = Instant::now();
        while self.get("/readyz").0 != 200 {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "{:?}",
                self.get("/readyz")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends it as systemd does; returns whether it ended well.
    pub(crate) fn end(mut self) -> bool {
        let pid = i32::try_from(self.child.id()).unwrap();
        let sent = Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().success()
    }
}

/// Writes lines of four scrapers until `stop` is set.
fn write_lines(logs: &Path, stop: &AtomicBool) {
    let open = |scraper: usize| -> File {
        let name = logs.join(format!("s{scraper}.20260304T000000Z.w{scraper}.0.jsonl"));
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(name)
            .unwrap()
    };
    let mut files: Vec<File> = (0..4).map(open).collect();
    let mut number = 0_u64;
    while !stop.load(Relaxed) {
        for (scraper, file) in files.iter_mut().enumerate() {
            let at = Timestamp::from_seconds(1_772_582_400).plus_micros(number as i64 * 100_000);
            let status = if number.is_multiple_of(17) { 503 } else { 200 };
            let line = format!(
                "{{\"timestamp\":\"{at}\",\"level\":\"INFO\",\"target\":\"t\",\"scraper_id\":\"s{scraper}\",\"site\":\"x{scraper}.example.com\",\
                 \"run_id\":\"r{}\",\"writer_id\":\"w{scraper}\",\"seq\":{number},\"event_type\":\"request\",\
                 \"url\":\"https://x{scraper}.example.com/{number}\",\"status_code\":{status},\"response_time_ms\":{}}}\n",
                number / 500,
                number % 400,
            );
            // Sometimes a line arrives in two parts.
            let (first, rest) = line.as_bytes().split_at(if number.is_multiple_of(5) {
                40
            } else {
                line.len()
            });
            file.write_all(first).unwrap();
            file.write_all(rest).unwrap();
        }
        number += 1;
        if number.is_multiple_of(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn totals(finished: &Finished) -> Vec<String> {
    let row = |row: &dragline_rollup::RunRow| {
        let c = &row.counters;
        format!(
            "{} {} {} {} {:?} {}",
            row.key, c.events, c.requests, c.requests_failed, c.response_time, row.missing_seq
        )
    };
    finished.runs.iter().map(row).collect()
}

/// `just service-kills` does this a hundred times.
#[test]
fn killed_at_any_moment_it_counts_every_line_once() {
    let kills = std::env::var("KILLS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(4);
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (logs, stop) = (logs.clone(), Arc::clone(&stop));
        move || write_lines(&logs, &stop)
    });
    // Moments are spread by the golden ratio: no two are alike, and a failure can be repeated.
    for nth in 1..=kills {
        let mut served = Served::start(dir.path());
        let share = (f64::from(nth) * 0.618_034).fract();
        std::thread::sleep(Duration::from_secs_f64(share * 1.5));
        served.child.kill().unwrap();
        served.child.wait().unwrap();
    }
    stop.store(true, Relaxed);
    writer.join().unwrap();
    let served = Served::start(dir.path());
    served.wait_until_ready();
    std::thread::sleep(Duration::from_millis(500));
    let (status, overview) = served.get("/api/v1/overview");
    assert_eq!(status, 200, "{overview}");
    assert!(served.end());
    let now = Timestamp::from_seconds(1_772_700_000);
    let inputs = [logs.display().to_string()];
    let expected = scan(&inputs, &RuleSet::shipped(), &ScanOptions::default())
        .unwrap()
        .rollup
        .finish(now);
    let store = Store::open(&dir.path().join("state")).unwrap();
    let stored = store.load(0, Duration::from_mins(1)).unwrap().finish(now);
    assert_eq!(totals(&stored), totals(&expected));
}

#[test]
fn a_second_service_and_a_bad_address_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("logs")).unwrap();
    let served = Served::start(dir.path());
    let other = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args([
            "serve",
            "logs",
            "--listen",
            "127.0.0.1:0",
            "--state",
            "state",
        ])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(
        !other.status.success() && said.contains("another dragline serve uses"),
        "{said}"
    );
    let open = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(["serve", "logs", "--listen", "0.0.0.0:0", "--state", "other"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&open.stderr);
    assert!(
        open.status.code() == Some(2) && said.contains("tokens"),
        "{said}"
    );
    assert!(served.end());
    let backup = dir.path().join("backup");
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_dragline"))
            .args(arguments)
            .current_dir(dir.path())
            .output()
            .unwrap()
    };
    assert!(
        run(&["backup", "backup", "--state", "state"])
            .status
            .success()
    );
    assert!(backup.join("manifest.json").is_file());
    assert!(
        run(&["restore", "backup", "--state", "again"])
            .status
            .success()
    );
    assert!(
        !run(&["restore", "backup", "--state", "state"])
            .status
            .success()
    );
}

/// The lines of the service's own log.
fn own_log(dir: &Path, state: &str) -> String {
    let files = std::fs::read_dir(dir.join(state).join("log")).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let logs = paths.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    logs.map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

#[test]
fn its_own_log_has_its_problems_and_counts_for_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    std::fs::write(
        logs.join("shop.jsonl"),
        "{\"level\":\"info\",\"time\":1772623353,\"msg\":\"page\",\"url\":\"https://a.test/\",\"status\":200,\"scraper_id\":\"shop\"}\n",
    )
    .unwrap();
    std::fs::write(
        dir.path().join("set.toml"),
        "[monitor]\nlog_level = \"info\"\n",
    )
    .unwrap();
    // The state directory lies below the logs.
    let more = ["gone", "--config", "set.toml"];
    let served = Served::start_with(dir.path(), "logs/state", &more);
    let begun = Instant::now();
    let problem = "gone: it does not exist";
    while !own_log(dir.path(), "logs/state").contains(problem) {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{}",
            own_log(dir.path(), "logs/state")
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(served.get("/").1.contains(problem));
    let (_, scrapers) = served.get("/api/v1/scrapers");
    assert!(served.end());
    let scrapers: serde_json::Value = serde_json::from_str(&scrapers).unwrap();
    let names: Vec<&str> = scrapers["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key"]["scraper_id"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(names, ["shop"]);
    let log = own_log(dir.path(), "logs/state");
    for part in [
        "the service follows logs",
        "the service ends",
        "\"level\":\"WARN\"",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    // A report on the same directory does not count them either.
    let report = crate::json(&["report", &logs.display().to_string(), "--format", "json"]);
    assert_eq!(report["totals"]["levels"], serde_json::json!({"INFO": 1}));
    // The level limits what is written: nothing but the problem.
    std::fs::write(
        dir.path().join("set.toml"),
        "[monitor]\nlog_level = \"error\"\n",
    )
    .unwrap();
    let served = Served::start_with(dir.path(), "quiet", &more);
    served.get("/livez");
    assert!(served.end());
    assert_eq!(own_log(dir.path(), "quiet"), "");
}

#[test]
fn the_first_page_becomes_a_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("logs")).unwrap();
    let text = "[monitor]\nsnapshot = { file = \"copy.html\", every = \"5s\" }\n";
    std::fs::write(dir.path().join("set.toml"), text).unwrap();
    let served = Served::start_with(dir.path(), "state", &["--config", "set.toml"]);
    let copy = dir.path().join("copy.html");
    let begun = Instant::now();
    while !copy.exists() {
        assert!(begun.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(served.end());
    let page = std::fs::read_to_string(copy).unwrap();
    assert!(
        page.contains("A copy of") && page.contains("out of date") && !page.contains("<script")
    );
    assert!(!dir.path().join("state/now.html").exists());
}

#[test]
fn a_new_token_opens_the_page_and_is_written_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("logs")).unwrap();
    let made = crate::dragline(&["token", "create", "alex", "--role", "act"]);
    assert!(made.status.success());
    let entry = String::from_utf8(made.stdout).unwrap();
    let said = String::from_utf8(made.stderr).unwrap();
    let token = said.split_whitespace().last().unwrap();
    assert!(
        token.starts_with("dragline_") && token.len() >= 52,
        "{said}"
    );
    assert!(
        !entry.contains(token) && entry.contains("role = \"act\""),
        "{entry}"
    );
    // It can be appended to a file.
    std::fs::write(dir.path().join("set.toml"), format!("[monitor]{entry}")).unwrap();
    let served = Served::start_with(dir.path(), "state", &["--config", "set.toml"]);
    let status = |token: &str| {
        let address = served.address.as_deref().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET /api/v1/service HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer[9..12].to_owned()
    };
    assert_eq!(status(token), "200");
    assert_eq!(status(&format!("{token}x")), "401");
    assert!(served.end());
    for (arguments, part) in [
        (["a\nb", "read"], "invalid name"),
        (["alex", "admin"], "use read, act or ship"),
    ] {
        let refused = crate::dragline(&["token", "create", arguments[0], "--role", arguments[1]]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            refused.status.code() == Some(2) && said.contains(part),
            "{said}"
        );
    }
}

#[test]
fn no_secret_of_a_message_reaches_a_page_or_the_api() {
    const SECRET: &str = "hunter2-is-secret";
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("logs")).unwrap();
    // The same in each message, so that the template keeps it.
    let line = |nth: usize| {
        let now = jiff::Timestamp::now() - jiff::Span::new().seconds(600 - nth as i64);
        format!(
            "{{\"timestamp\":\"{now}\",\"level\":\"ERROR\",\"scraper_id\":\"shop\",\"site\":\"a.test\",\
             \"message\":\"login {nth} refused: Authorization: Bearer {SECRET} password={SECRET}\"}}\n"
        )
    };
    let lines: String = (0..40).map(line).collect();
    std::fs::write(dir.path().join("logs/shop.jsonl"), lines).unwrap();
    let served = Served::start(dir.path());
    let begun = Instant::now();
    while !served
        .get("/api/v1/errors/groups?from=1h")
        .1
        .contains("[redacted]")
    {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "no group of errors"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    for path in [
        "/",
        "/errors",
        "/events",
        "/findings",
        "/reports/latest",
        "/scraper?scraper_id=shop&site=a.test",
        "/api/v1/errors/groups",
        "/api/v1/events",
        "/api/v1/export/errors?format=csv",
    ] {
        let (status, text) = served.get(path);
        assert_eq!(status, 200, "{path}");
        assert!(!text.contains(SECRET), "{path}: {text}");
    }
    assert!(served.end());
}
