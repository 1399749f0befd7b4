//! `dragline ship` as a process, over a bad link to a real service: afterwards both sides have the same.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::serve::Served;
use crate::{NOW, demo, json, kept};

/// A link that cuts, loses, delays and repeats.
struct Link {
    url: String,
    is_bad: Arc<AtomicBool>,
    /// Connections so far.
    count: Arc<AtomicU64>,
}

impl Link {
    fn to(served: &Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let to = served.url().trim_start_matches("http://").to_owned();
        let (is_bad, count) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        std::thread::spawn({
            let (is_bad, count) = (Arc::clone(&is_bad), Arc::clone(&count));
            move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let nth = count.fetch_add(1, Relaxed);
                    let kind = if is_bad.load(Relaxed) { nth % 7 } else { 0 };
                    let to = to.clone();
                    // What goes wrong is part of the test.
                    std::thread::spawn(move || {
                        let _ = carry(&client, &to, kind, nth);
                        let _ = client.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { url, is_bad, count }
    }
}

fn carry(mut client: &TcpStream, to: &str, kind: u64, nth: u64) -> std::io::Result<()> {
    let mut server = TcpStream::connect(to)?;
    let request = |mut client: &TcpStream| -> std::io::Result<Vec<u8>> {
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let read = client.read(&mut piece)?;
            request.extend(&piece[..read]);
            if read == 0 || is_whole(&request) {
                return Ok(request);
            }
        }
    };
    match kind {
        // Cut in the middle of the request.
        1 => {
            let request = request(client)?;
            let cut = (nth * 7_919) as usize % request.len();
            server.write_all(&request[..cut])?;
            server.shutdown(Shutdown::Both)
        }
        // The request arrives; the answer is lost.
        2 => {
            server.write_all(&request(client)?)?;
            server.read_exact(&mut [0; 12])?;
            server.shutdown(Shutdown::Both)
        }
        // It arrives twice.
        3 => {
            let request = request(client)?;
            let mut other = TcpStream::connect(to)?;
            other.write_all(&request)?;
            other.read_exact(&mut [0; 12])?;
            server.write_all(&request)?;
            let mut piece = [0; 4096];
            let read = server.read(&mut piece)?;
            client.write_all(&piece[..read])
        }
        // It arrives late, when its sender has long sent it again.
        4 => {
            let request = request(client)?;
            client.shutdown(Shutdown::Both)?;
            std::thread::sleep(Duration::from_millis(1_500));
            server.write_all(&request)?;
            server.read_exact(&mut [0; 12])
        }
        // An answer that is not one.
        5 => client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nno\n"),
        _ => {
            let (mut from, mut into) = (client.try_clone()?, server.try_clone()?);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut into);
                let _ = into.shutdown(Shutdown::Write);
            });
            std::io::copy(&mut server, &mut client).map(drop)
        }
    }
}

/// Whether a request has all of its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some(end) = request.windows(4).position(|part| part == b"\r\n\r\n") else {
        return false;
    };
    let lower = text.to_lowercase();
    let length = lower
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
    request.len() >= end + 4 + length.unwrap_or_default()
}

fn ship(dir: &Path, logs: &str, to: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dragline"));
    command
        .args(["ship", logs, "--to", to, "--host", logs, "--state"])
        .arg(format!("{logs}.state"))
        .args(more)
        .current_dir(dir)
        .env("XDG_CACHE_HOME", kept())
        .env_remove("DRAGLINE_TOKEN")
        .stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a text log, and rotates it.
struct Writer {
    dir: PathBuf,
    count: usize,
}

impl Writer {
    fn write(&mut self, lines: usize) {
        let path = self.dir.join("scrape.log");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        for _ in 0..lines {
            let (n, seconds) = (self.count, self.count / 10);
            self.count += 1;
            let time = format!(
                "2026-03-04 {:02}:{:02}:{:02}",
                seconds / 3_600,
                seconds / 60 % 60,
                seconds % 60
            );
            let text = if n.is_multiple_of(9) {
                format!(
                    "{time} [shop] ERROR: no answer\nTraceback (most recent call last):\n  File \"a.py\", line {n}, in b\nTimeoutError: page {n}\n"
                )
            } else {
                format!(
                    "{time} [shop] INFO: url=https://shop.example.com/{n} status=200 elapsed=0.05s\n"
                )
            };
            file.write_all(text.as_bytes()).unwrap();
        }
    }

    fn rotate(&self) {
        let at = |name: &str| self.dir.join(name);
        for number in (1..9).rev() {
            for end in ["", ".gz"] {
                let from = at(&format!("scrape.log.{number}{end}"));
                if from.exists() {
                    fs::rename(from, at(&format!("scrape.log.{}{end}", number + 1))).unwrap();
                }
            }
        }
        // The file before is packed now, as logrotate does with delaycompress.
        let older = at("scrape.log.2");
        if older.exists() {
            let packed = fs::File::create(at("scrape.log.2.gz")).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
            encoder.write_all(&fs::read(&older).unwrap()).unwrap();
            encoder.finish().unwrap();
            fs::remove_file(older).unwrap();
        }
        fs::rename(at("scrape.log"), at("scrape.log.1")).unwrap();
    }
}

/// What a report says, without the paths.
fn numbers(report: &Value) -> Value {
    let scrapers = report["scrapers"].as_array().unwrap().iter();
    let scrapers =
        scrapers.map(|one| serde_json::json!([one["scraper_id"], one["site"], one["totals"]]));
    serde_json::json!({
        "totals": report["totals"],
        "scrapers": scrapers.collect::<Vec<_>>(),
        "errors": report["errors"]["by_type"],
        "missing": report["trust"]["missing_seq"],
        "bad": report["trust"]["bad_lines"],
    })
}

/// `just ship-kills` does this a hundred times.
#[test]
fn two_machines_over_a_bad_link_killed_at_any_moment_equal_their_logs() {
    let kills: u32 = std::env::var("KILLS").map_or(3, |count| count.parse().unwrap());
    let (demo_dir, made) = demo("2", "3");
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    fs::rename(Path::new(&made).join("logs"), at("one")).unwrap();
    drop(demo_dir);
    fs::create_dir(at("two")).unwrap();
    let mut writer = Writer {
        dir: at("two"),
        count: 0,
    };
    writer.write(2_000);
    let served = Served::start(dir.path());
    let link = Link::to(&served);
    let start = |machine: &str| -> Child {
        let mut child = ship(dir.path(), machine, &link.url, &[]);
        child.stderr(Stdio::null()).spawn().unwrap()
    };
    for nth in 1..=kills {
        let mut machines = [start("one"), start("two")];
        // Moments are spread by the golden ratio: no two are alike, and a failure can be repeated.
        let share = (f64::from(nth) * 0.618_034).fract();
        std::thread::sleep(Duration::from_secs_f64(share * 2.0));
        writer.write(300);
        if nth <= 6 {
            writer.rotate();
            writer.write(100);
        }
        for machine in &mut machines {
            machine.kill().unwrap();
            machine.wait().unwrap();
        }
    }
    assert!(link.count.load(Relaxed) > 2, "nothing was sent");
    link.is_bad.store(false, Relaxed);
    for machine in ["one", "two"] {
        let output = ship(dir.path(), machine, &link.url, &["--once"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert!(
            said(&output).contains("everything is sent"),
            "{}",
            said(&output)
        );
    }
    // A batch may still be under way.
    std::thread::sleep(Duration::from_secs(2));
    served.wait_until_ready();
    assert!(served.end());
    let report = |inputs: &[String]| {
        let inputs = inputs.iter().map(String::as_str);
        json(
            &["report"]
                .into_iter()
                .chain(inputs)
                .chain(["--format", "json"])
                .collect::<Vec<_>>(),
        )
    };
    let path = |name: &str| at(name).display().to_string();
    let expected = report(&[path("one"), path("two")]);
    let received = report(&[path("state/received")]);
    assert_eq!(numbers(&received), numbers(&expected));
    assert!(expected["totals"]["requests"].as_u64().unwrap() > 2_000);
    // The files of the text log are one log there as well.
    let found = dragline_ingest::discover(&[path("state/received/two")]).unwrap();
    let logs: Vec<&str> = found.families.iter().map(|log| log.name.as_str()).collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
}

#[test]
fn what_is_wrong_is_a_sentence_and_an_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("logs")).unwrap();
    fs::write(
        dir.path().join("logs/app.log"),
        format!("{{\"level\":\"info\",\"time\":{NOW},\"msg\":\"one\"}}\n"),
    )
    .unwrap();
    fs::write(dir.path().join("empty"), "\n").unwrap();
    let run = |to: &str, more: &[&str]| {
        let output = ship(dir.path(), "logs", to, &[&["--once"], more].concat())
            .output()
            .unwrap();
        (output.status.code(), said(&output))
    };
    let (code, said) = run("dragline.example.com", &[]);
    assert!(
        code == Some(2) && said.contains("invalid address"),
        "{said}"
    );
    let (code, said) = run("http://127.0.0.1:9", &["--token-file", "empty"]);
    assert!(
        code == Some(2) && said.contains("token file is empty"),
        "{said}"
    );
    let (code, said) = run("http://127.0.0.1:9", &["--token-file", "none"]);
    assert!(
        code == Some(1) && said.contains("cannot read the token file none"),
        "{said}"
    );
    // A service that is not one, and one that wants a token.
    for (answer, expected) in [
        ("404 Not Found", "with its base path?"),
        ("401 Unauthorized", "--token-file or DRAGLINE_TOKEN"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 4096]);
            let body =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            client.write_all(body.as_bytes()).unwrap();
        });
        let (code, said) = run(&to, &[]);
        server.join().unwrap();
        assert!(code == Some(1) && said.contains(expected), "{said}");
    }
}

#[test]
fn it_follows_and_ends_as_a_service_does() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["logs", "app"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let served = Served::start(dir.path());
    let mut child = ship(dir.path(), "app", &served.url(), &[]).spawn().unwrap();
    // A second one with the same state is refused.
    let state = dir.path().join("app.state.lock");
    until("the first has the lock", || state.exists());
    let second = ship(dir.path(), "app", &served.url(), &[])
        .output()
        .unwrap();
    assert!(
        said(&second).contains("another dragline ship uses"),
        "{}",
        said(&second)
    );
    let log = dir.path().join("app/app.log");
    let mut writer = fs::File::create(log).unwrap();
    let line = format!("{{\"level\":\"info\",\"time\":{NOW},\"msg\":\"one\"}}\n");
    writer.write_all(line.as_bytes()).unwrap();
    let held = || {
        let (_, held) = served.get("/api/v1/ingest?host=app");
        serde_json::from_str::<Value>(&held).unwrap()["files"][0]["length"].as_u64()
    };
    until("the line arrives", || held() == Some(line.len() as u64));
    writer.write_all(line.as_bytes()).unwrap();
    until("the second line arrives", || {
        held() == Some(2 * line.len() as u64)
    });
    let (_, service) = served.get("/api/v1/service");
    let service: Value = serde_json::from_str(&service).unwrap();
    assert_eq!(service["senders"][0]["host"], "app");
    assert_eq!(service["senders"][0]["is_silent"], false);
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
    let state: Value =
        serde_json::from_slice(&fs::read(dir.path().join("app.state")).unwrap()).unwrap();
    assert_eq!(state["schema"], "dragline.ship/1");
    assert!(served.end());
}

/// Waits until something is true; processes work in their own time.
fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{what}: not within a minute"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
