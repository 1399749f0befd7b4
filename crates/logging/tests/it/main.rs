//! The recorder as its users see it: events go in, files come out.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod appender;
mod backtraces;
mod console;
mod docs;
mod faults;
mod interop;
mod kills;
mod policy;
mod roundtrip;
mod runs;
#[cfg(feature = "system")]
mod system;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dragline_logging::{
    Action, Config, FileName, Guard, ManualClock, Retention, Run, Timestamp, layer,
};
use serde_json::Value;
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::prelude::*;

/// Records what `scrape` does into a fresh directory.
fn record(config: impl FnOnce(Config) -> Config, scrape: impl FnOnce(&Guard)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = config(Config::new(dir.path()).name("shop").writer_id("w1"));
    let (layer, guard) = layer(&config).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        scrape(&guard);
    });
    drop(guard);
    dir
}

/// The files of the family itself: not the copy of its errors, not the link.
fn files(dir: &Path) -> Vec<PathBuf> {
    family(dir, false)
}

fn family(dir: &Path, errors: bool) -> Vec<PathBuf> {
    let mut names: Vec<FileName> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|name: &FileName| name.errors == errors)
        .collect();
    names.sort_by_key(|name| (name.began, name.number));
    names
        .iter()
        .map(|name| dir.join(name.to_string()))
        .collect()
}

fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|ext| ext == "gz") {
        std::io::read_to_string(flate2::read::MultiGzDecoder::new(&bytes[..])).unwrap()
    } else {
        String::from_utf8(bytes).unwrap()
    }
}

/// All lines of all files, in order.
fn lines(dir: &Path) -> Vec<String> {
    files(dir)
        .iter()
        .flat_map(|f| text(f).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn objects(dir: &Path) -> Vec<Value> {
    lines(dir)
        .iter()
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect()
}

fn clock(text: &str) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::parse(text).unwrap()))
}

#[test]
fn a_run_is_written_in_the_wire_format() {
    let clock = clock("2026-03-04T11:22:33.123456Z");
    let dir = record(
        |config| config.clock(clock.clone()),
        |_| {
            let run = Run::builder("shop", "shop.example.com")
                .run_id("r1")
                .host("worker-3")
                .config(&serde_json::json!({"pages": 3}))
                .clock(clock.clone())
                .start();
            run.request("https://shop.example.com/p/1")
                .status(200)
                .elapsed(Duration::from_micros(12_345))
                .bytes(18_234)
                .log();
            run.product("p1")
                .price(12.5)
                .fields_missing(["ean"])
                .log(Action::Added);
            let cause = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset by peer");
            run.error(&cause)
                .url("https://shop.example.com/p/2")
                .context("page", 3)
                .log();
            run.rate_limited(Duration::from_secs(30), "429");
            run.in_scope(|| tracing::info!(target: "mine", page = 3, "half \"way\""));
            tracing::warn!(target: "mine", "outside");
            clock.advance(Duration::from_mins(1));
            run.finish();
        },
    );
    let file = dir.path().join("shop.20260304T112233Z.w1.0.jsonl");
    let head = |level: &str, target: &str| {
        format!(
            r#"{{"timestamp":"2026-03-04T11:22:33.123456Z","level":"{level}","target":"{target}""#
        )
    };
    let run = r#","scraper_id":"shop","site":"shop.example.com","run_id":"r1","writer_id":"w1""#;
    let expected = [
        head("INFO", "dragline")
            + run
            + r#","seq":0,"event_type":"scraper_start","message":"run started","config":{"pages":3},"host":"worker-3"}"#,
        head("INFO", "dragline")
            + run
            + r#","seq":1,"event_type":"request","url":"https://shop.example.com/p/1","method":"GET","status_code":200,"response_time_ms":12.345,"bytes":18234}"#,
        head("INFO", "dragline")
            + run
            + r#","seq":2,"event_type":"product_processed","action":"added","product_id":"p1","price":12.5,"fields_missing":["ean"]}"#,
        head("ERROR", "dragline")
            + run
            + r#","seq":3,"event_type":"scraper_error","error_type":"std::io::error::Error","error_message":"reset by peer","url":"https://shop.example.com/p/2","consecutive_failures":1,"context":{"page":3}}"#,
        head("WARN", "dragline")
            + run
            + r#","seq":4,"event_type":"rate_limit","wait_time_seconds":30.0,"reason":"429"}"#,
        head("INFO", "mine") + run + r#","seq":5,"message":"half \"way\"","page":3}"#,
        head("WARN", "mine") + r#","writer_id":"w1","seq":0,"message":"outside"}"#,
        r#"{"timestamp":"2026-03-04T11:23:33.123456Z","level":"INFO","target":"dragline""#
            .to_owned()
            + run
            + r#","seq":6,"event_type":"scraper_end","message":"run ended","status":"success","duration_seconds":60.0,"products_found":0,"products_added":1,"products_updated":0,"products_saved":0,"products_failed":0,"articles_stored":0,"pages_scraped":0,"requests_made":1,"errors_count":1,"rate_limits_hit":1,"bytes_downloaded":18234}"#,
    ];
    let written = text(&file);
    for (written, expected) in written.lines().zip(&expected) {
        assert_eq!(written, expected);
    }
    assert_eq!(written.lines().count(), expected.len());
}

/// Every typed event's fields stand in the order of the format's table.
#[test]
fn fields_stand_in_the_order_of_the_table() {
    use dragline_schema::EventType;
    let dir = record(
        |config| config,
        |_| {
            let run = Run::builder("s", "t")
                .config(&BTreeMap::from([("a", 1)]))
                .start();
            let second = Duration::from_secs(1);
            run.request("u")
                .method("POST")
                .status(503)
                .elapsed(second)
                .bytes(1)
                .attempt(2)
                .proxy("p")
                .retry_after(second)
                .error_type("E")
                .log();
            run.product("p")
                .url("u")
                .price(1.0)
                .fields_missing(["a"])
                .log(Action::Found);
            run.article("a")
                .url("u")
                .word_count(1)
                .language("en")
                .processing_time(second)
                .fields_missing(["a", "b"])
                .log();
            run.duplicate("u", Some(0.9));
            run.search("q", 3, Some(second));
            run.queue_size(3);
            run.database("insert")
                .table("t")
                .elapsed(second)
                .connections_active(2)
                .log();
            run.system_sample()
                .cpu_percent(1.0)
                .host("h")
                .memory(2.0, 3)
                .memory_available(8)
                .disk(4.0, 5)
                .disk_used(9)
                .network(6, 7)
                .log();
            run.error_text("E", "m")
                .url("u")
                .status(500)
                .traceback("t")
                .function("f")
                .context("k", "v")
                .context("k", "w")
                .log();
            run.rate_limited(second, "429");
            run.finish_with("done");
        },
    );
    let mut seen = BTreeMap::new();
    for object in objects(dir.path()) {
        let Value::Object(object) = object else {
            panic!("an object")
        };
        let kind = EventType::from_name(object["event_type"].as_str().unwrap()).unwrap();
        let order: Vec<&str> = object.keys().map(String::as_str).collect();
        let table: Vec<&str> = dragline_schema::wire::HEAD
            .iter()
            .chain(kind.fields())
            .copied()
            .filter(|key| order.contains(key))
            .collect();
        assert_eq!(order, table);
        seen.insert(kind, object.clone());
    }
    // `log_dropped` comes from the recorder itself.
    assert_eq!(seen.len(), EventType::ALL.len() - 1);
    assert_eq!(
        seen[&EventType::ScraperError]["context"],
        serde_json::json!({"k": "w"})
    );
    assert_eq!(
        seen[&EventType::ArticleStored]["fields_missing"],
        serde_json::json!(["a", "b"])
    );
}

#[test]
fn the_event_wins_over_the_inner_span_and_that_over_the_outer() {
    let dir = record(
        |config| config,
        |_| {
            let run = Run::builder("outer", "site").run_id("r").start();
            run.in_scope(|| {
                let span = tracing::info_span!("inner", scraper_id = "inner", shard = 1, page = 1);
                let _inside = span.enter();
                tracing::info!(page = 2, "a");
                tracing::info!(scraper_id = "event", "b");
                tracing::info_span!("leaf", shard = 9).in_scope(|| tracing::info!("c"));
            });
            run.finish();
        },
    );
    let by_message: BTreeMap<String, Value> = objects(dir.path())
        .into_iter()
        .filter_map(|o| Some((o["message"].as_str()?.to_owned(), o)))
        .collect();
    let field = |message: &str, key: &str| by_message[message][key].clone();
    assert_eq!(field("a", "scraper_id"), "inner");
    assert_eq!(
        (field("a", "page"), field("a", "shard")),
        (2.into(), 1.into())
    );
    assert_eq!(field("b", "scraper_id"), "event");
    assert_eq!(
        (field("b", "run_id"), field("b", "site")),
        ("r".into(), "site".into())
    );
    assert_eq!(
        (field("c", "page"), field("c", "shard")),
        (1.into(), 9.into())
    );
    for line in lines(dir.path()) {
        assert_eq!(line.matches("\"page\":").count().max(1), 1, "{line}");
    }
}

#[test]
fn a_users_key_that_collides_is_renamed() {
    let dir = record(
        |config| config,
        |_| {
            tracing::info!(
                level = 7,
                timestamp = "t",
                event_type = "request",
                seq = 1,
                "m"
            );
        },
    );
    let object = &objects(dir.path())[0];
    assert_eq!(object["user.level"], 7);
    assert_eq!(object["user.timestamp"], "t");
    assert_eq!(object["user.event_type"], "request");
    assert_eq!(object["user.seq"], 1);
    assert!(object.get("event_type").is_none());
}

#[test]
fn the_context_holds_across_await_and_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (layer, guard) = layer(&Config::new(dir.path()).name("shop")).unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let scrape = async {
        let run = Run::builder("shop", "site").run_id("r").start();
        let failed: Result<(), String> = run
            .scope(async {
                let span = run.span().clone();
                let dispatch = dispatch.clone();
                let task = async {
                    tokio::task::yield_now().await;
                    tracing::info!("spawned");
                };
                tokio::spawn(task.instrument(span).with_subscriber(dispatch))
                    .await
                    .unwrap();
                tracing::info!("here");
                Err("no more pages".to_owned())
            })
            .await;
        assert!(failed.is_err());
        run.finish(); // Ended already.
    };
    tracing::dispatcher::with_default(&dispatch, || runtime.block_on(scrape));
    drop(guard);
    let objects = objects(dir.path());
    assert!(
        objects.iter().all(|object| object["run_id"] == "r"),
        "{objects:?}"
    );
    let last = objects.last().unwrap();
    assert_eq!(
        (&last["event_type"], &last["status"]),
        (&"scraper_end".into(), &"failed".into())
    );
    assert_eq!(last["finish_reason"], "no more pages");
    assert_eq!(
        objects
            .iter()
            .filter(|o| o["event_type"] == "scraper_end")
            .count(),
        1
    );
}

#[test]
fn a_run_dropped_unfinished_is_cancelled_or_panicked() {
    let dir = record(
        |config| config,
        |_| {
            drop(Run::builder("s", "t").run_id("dropped").start());
            let panicked = std::panic::catch_unwind(|| {
                let _run = Run::builder("s", "t").run_id("unwound").start();
                std::panic::resume_unwind(Box::new("a panic without a message"));
            });
            assert!(panicked.is_err());
        },
    );
    let ends: BTreeMap<String, String> = objects(dir.path())
        .iter()
        .filter(|o| o["event_type"] == "scraper_end")
        .map(|o| {
            (
                o["run_id"].as_str().unwrap().into(),
                o["status"].as_str().unwrap().into(),
            )
        })
        .collect();
    assert_eq!(ends["dropped"], "cancelled");
    assert_eq!(ends["unwound"], "panicked");
}

#[test]
fn a_day_is_a_file_and_closed_files_are_gzip() {
    let clock = clock("2026-03-04T23:59:59Z");
    let dir = record(
        |config| config.clock(clock.clone()),
        |_| {
            tracing::info!("before");
            clock.advance(Duration::from_secs(1));
            tracing::info!("after");
            clock.set(Timestamp::parse("2026-03-04T23:00:00Z").unwrap());
            tracing::info!("the clock went back");
            clock.set(Timestamp::parse("2026-03-07T00:00:01Z").unwrap());
            tracing::info!("days later");
        },
    );
    let names: Vec<String> = files(dir.path())
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        names,
        [
            "shop.20260304T235959Z.w1.0.jsonl.gz",
            "shop.20260305T000000Z.w1.1.jsonl.gz",
            "shop.20260307T000001Z.w1.2.jsonl",
        ],
    );
    let counts: Vec<usize> = files(dir.path())
        .iter()
        .map(|f| text(f).lines().count())
        .collect();
    assert_eq!(counts, [1, 2, 1]);
}

#[test]
fn old_files_go_when_a_new_day_begins() {
    let clock = clock("2026-03-01T12:00:00Z");
    let names = |dir: &Path| -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy()[5..13].to_owned();
        files(dir).iter().map(name).collect()
    };
    let dir = record(
        |config| {
            // Lines are written when the test says so, never by the way.
            let config = config.flush_interval(Duration::from_hours(1));
            config.clock(clock.clone()).retention(Retention::days(3))
        },
        |guard| {
            for _ in 0..6 {
                tracing::info!("a day");
                clock.advance(Duration::from_hours(24));
                guard.flush().unwrap();
            }
        },
    );
    // Noon of the 7th: what began before noon of the 4th is gone.
    assert_eq!(names(dir.path()), ["20260304", "20260305", "20260306"]);
    // The next process finds more of them too old; a stranger's name is left alone.
    let stranger = dir.path().join("shop.20260101T000000Z.w1.0.jsonl.keep");
    std::fs::write(&stranger, "mine").unwrap();
    clock.set(Timestamp::parse("2026-03-08T13:00:00Z").unwrap());
    let config = Config::new(dir.path())
        .name("shop")
        .clock(clock)
        .retention(Retention::days(3));
    drop(layer(&config).unwrap());
    assert!(stranger.exists());
    assert_eq!(names(dir.path()), ["20260306"]);
}

#[test]
fn a_full_file_is_followed_by_another_and_no_line_is_lost() {
    let dir = record(
        |config| config.max_file_bytes(2_000).queue_bytes(500),
        |guard| {
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let dispatch = &dispatch;
                    scope.spawn(move || {
                        tracing::dispatcher::with_default(dispatch, || {
                            for n in 0..100 {
                                tracing::info!(thread, n, "x");
                            }
                        });
                    });
                }
            });
            guard.flush().unwrap();
            let status = guard.status();
            assert_eq!((status.written_lines, status.lost_lines), (400, 0));
        },
    );
    assert!(files(dir.path()).len() > 10);
    for file in files(dir.path()) {
        assert!(text(&file).len() <= 2_000);
    }
    let mut all = objects(dir.path());
    all.sort_by_key(|object| object["seq"].as_u64());
    for (index, object) in all.iter().enumerate() {
        assert_eq!(object["seq"], index);
    }
    for thread in 0..4 {
        let own: Vec<_> = all
            .iter()
            .filter(|o| o["thread"] == thread)
            .map(|o| o["n"].as_u64())
            .collect();
        assert!(own.is_sorted() && own.len() == 100);
    }
}

#[test]
fn an_event_inside_an_event_is_written_too() {
    #[derive(Clone, Copy)]
    struct Chatty;
    impl std::fmt::Debug for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::info!("inner");
            f.write_str("outer value")
        }
    }
    let dir = record(
        |config| config,
        |_| tracing::info!(value = ?Chatty, "outer"),
    );
    let messages: Vec<_> = objects(dir.path())
        .iter()
        .map(|o| o["message"].clone())
        .collect();
    // tracing itself drops events made while another is dispatched on the thread, or keeps them;
    // the outer one must be whole either way.
    assert!(messages.contains(&"outer".into()), "{messages:?}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = layer(&Config::new(file.join("logs")))
        .unwrap_err()
        .to_string();
    assert!(error.contains(&file.display().to_string()), "{error}");
}

/// Says, past the test harness, that a test is skipped.
pub(crate) fn skip(what: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
