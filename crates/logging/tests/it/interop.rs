//! Secrets, long values, other formats, the `log` crate.

use dragline_logging::Format;

use super::*;

#[test]
fn secrets_are_in_no_file() {
    let dir = record(
        |config| config,
        |_| {
            let login = serde_json::json!({"user": "u", "password": "hunter2", "site": "http://u:hunter2@h/"});
            let run = Run::builder("shop", "shop.example.com")
                .config(&login)
                .start();
            let span = tracing::info_span!("page", cookie = "hunter2", page = 3);
            span.in_scope(|| {
                tracing::info!(api_key = "hunter2", authorization = ?Some("hunter2"), "got http://a:hunter2@h/?token=hunter2&page=2");
            });
            run.request("https://h/?access_token=hunter2")
                .proxy("http://u:hunter2@p:1")
                .log();
            run.error_text("E", "no answer from https://u:hunter2@h/")
                .context_value("headers", &serde_json::json!({"Set-Cookie": ["hunter2"]}))
                .context("session_id", "hunter2")
                .log();
        },
    );
    let all = lines(dir.path()).join("\n");
    assert!(!all.contains("hunter2"), "{all}");
    assert!(all.contains("page=2") && all.contains("\"page\":3") && all.contains("\"user\":\"u\""));
    assert!(all.contains("\"Set-Cookie\":\"[redacted]\""));
}

#[test]
fn what_is_secret_can_be_said() {
    let dir = record(
        |config| config.redact(vec!["pin".to_owned()]).redact_urls(false),
        |_| tracing::info!(pin = 1234, password = "p", "http://u:p@h"),
    );
    let line = &objects(dir.path())[0];
    assert_eq!(line["pin"], "[redacted]");
    assert_eq!(line["password"], "p");
    assert_eq!(line["message"], "http://u:p@h");
}

#[test]
fn long_values_are_cut_and_lines_stay_json() {
    let long = "\"ä".repeat(1_000_000);
    let dir = record(
        |config| config.max_value_bytes(1_000),
        |_| {
            tracing::info!(text = long, debug = ?long, "{long}");
            Run::current()
                .error_text("E", "m")
                .context("long", &*long)
                .log();
        },
    );
    let objects = objects(dir.path());
    for key in ["text", "debug", "message"] {
        let text = objects[0][key].as_str().unwrap();
        assert!(
            text.len() < 1_050 && text.ends_with("…[cut at 1000 bytes]"),
            "{key}"
        );
    }
    assert!(
        objects[1]["context"]["long"]
            .as_str()
            .unwrap()
            .ends_with("…[cut at 1000 bytes]")
    );
}

#[test]
fn text_files_are_for_people() {
    let clock = clock("2026-03-04T11:22:33.123456Z");
    let dir = record(
        |config| config.format(Format::Text).clock(clock),
        |_| tracing::warn!(target: "mine", page = 3, "two\nlines"),
    );
    let file = dir.path().join("shop.20260304T112233Z.w1.0.log");
    assert_eq!(
        text(&file),
        "2026-03-04T11:22:33.123456Z WARN  mine: two\\nlines page=3\n"
    );
}

#[test]
fn a_line_says_where_it_was_logged_when_asked() {
    let dir = record(
        |config| config.location(true),
        |_| {
            let run = Run::start("shop", "t");
            run.in_scope(|| {
                tracing::info!("here");
                tracing::info_span!("read_page", page = 3).in_scope(|| {
                    tracing::info!("there");
                    tracing::info!(function = "mine", "elsewhere");
                    run.queue_size(3);
                });
            });
        },
    );
    let objects = objects(dir.path());
    let function = |index: usize| objects[index].get("function");
    for line in &objects[1..4] {
        assert!(line["file"].as_str().unwrap().ends_with("interop.rs"));
        assert!(line["line"].as_u64().unwrap() > 0);
    }
    // A run is no function; a typed event is logged in this crate.
    assert_eq!(function(1), None);
    assert_eq!(function(2), Some(&"read_page".into()));
    assert_eq!(function(3), Some(&"mine".into()));
    assert_eq!((function(4), objects[4].get("file")), (None, None));
}

#[test]
fn records_of_the_log_crate_are_events() {
    use tracing_subscriber::util::SubscriberInitExt as _;
    // The bridge is global: `init` makes it, and a subscriber that takes nothing will do.
    let _ = tracing_subscriber::registry().try_init();
    let dir = record(
        |config| config,
        |_| {
            let run = Run::builder("shop", "t").run_id("r1").start();
            run.in_scope(|| log::warn!(target: "hyper::client", "pooled {}", 3));
        },
    );
    let objects = objects(dir.path());
    let line = objects
        .iter()
        .find(|line| line["message"] == "pooled 3")
        .unwrap();
    assert_eq!(line["target"], "hyper::client");
    assert_eq!(line["run_id"], "r1");
    assert!(
        line.as_object()
            .unwrap()
            .keys()
            .all(|key| !key.starts_with("log."))
    );
}

#[test]
fn a_span_that_records_later_changes_what_is_inside_it() {
    let dir = record(
        |config| config,
        |_| {
            let outer = tracing::info_span!("outer", step = 1, run_id = tracing::field::Empty);
            let _outer = outer.clone().entered();
            let _inner = tracing::info_span!("inner", page = 2).entered();
            tracing::info!("first");
            outer.record("step", 2);
            outer.record("run_id", "r9");
            tracing::info!(page = 3, "second");
        },
    );
    let objects = objects(dir.path());
    assert_eq!(
        (&objects[0]["step"], &objects[0]["page"]),
        (&1.into(), &2.into())
    );
    assert!(objects[0].get("run_id").is_none());
    assert_eq!(
        (&objects[1]["step"], &objects[1]["page"]),
        (&2.into(), &3.into())
    );
    assert_eq!(objects[1]["run_id"], "r9");
}

#[test]
fn two_recorders_stand_beside_each_other() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let layers = dirs
        .each_ref()
        .map(|dir| layer(&Config::new(dir.path()).name("shop")).unwrap());
    let [(one, first), (two, second)] = layers;
    let subscriber = tracing_subscriber::registry().with(one).with(two);
    tracing::subscriber::with_default(subscriber, || {
        let run = Run::builder("s", "https://u:hunter2@t/")
            .run_id("r1")
            .start();
        run.in_scope(|| tracing::info!(user.level = 1, level = 2, "both"));
    });
    drop((first, second));
    for dir in &dirs {
        let lines = lines(dir.path());
        assert_eq!(lines.len(), 3);
        assert!(
            lines
                .iter()
                .all(|line| line.contains("\"run_id\":\"r1\"") && !line.contains("hunter2"))
        );
        assert_eq!(lines[1].matches("user.level").count(), 1, "{}", lines[1]);
    }
}

#[test]
fn a_queue_has_room_as_soon_as_its_lines_are_taken() {
    // A wait ends when the thread takes the lines, not when it has written them: a full queue of
    // callers goes through a tiny one without a single drop.
    let dir = record(
        |config| {
            config
                .queue_bytes(2_000)
                .queue_patience(dragline_logging::Patience::FOREVER)
        },
        |guard| {
            (0..2_000).for_each(|n| tracing::info!(n, "a line"));
            assert_eq!(guard.status().dropped_lines, 0);
        },
    );
    assert_eq!(lines(dir.path()).len(), 2_000);
}
