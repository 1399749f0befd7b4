//! Events that count themselves. A process of its own: there is one observer.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
#![allow(clippy::float_cmp, reason = "exact numbers are expected")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use dragline::metrics::{EventCounter, Registry, Value, export};
use dragline::{Action, Config, Run, observe_events};
use dragline_ingest::{ReadOptions, discover, read_family};
use dragline_schema::{Position, Problem, Record, Sink, SourceFile};

/// The values of all series, as `name{label values}`; of histograms the count and the sum.
fn values(registry: &Registry) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for metric in registry.snapshot() {
        for series in metric.series {
            let labels: Vec<&str> = series
                .labels
                .iter()
                .map(|(_, value)| value.as_str())
                .collect();
            let name = format!("{}{{{}}}", metric.name, labels.join(","));
            match series.value {
                Value::Counter(value) | Value::Gauge(value) => {
                    all.insert(name, value);
                }
                Value::Histogram(found) => {
                    all.insert(format!("{name} count"), found.count as f64);
                    all.insert(format!("{name} sum"), found.sum);
                }
            }
        }
    }
    all
}

/// Counts the records of a log.
struct Counting(EventCounter);

impl Sink for Counting {
    fn file(&mut self, _: &SourceFile) {}
    fn record(&mut self, record: &Record<'_>, _: Position) {
        self.0.count(record, None);
    }
    fn problem(&mut self, problem: &Problem<'_>) {
        panic!("{problem:?}");
    }
}

/// What the log says, counted by the function that counted the events.
fn values_of_log(dir: &Path) -> BTreeMap<String, f64> {
    let registry = Registry::new();
    let mut counting = Counting(EventCounter::new(&registry).unwrap());
    let found = discover(&[dir.to_str().unwrap().to_owned()]).unwrap();
    for family in found.families.iter().filter(|family| !family.is_error_copy) {
        read_family(family, &ReadOptions::default(), &mut counting);
    }
    values(&registry)
}

fn log_everything(run: &Run) {
    let page = "https://shop.example.com/p/1";
    run.request(page)
        .status(200)
        .elapsed(Duration::from_millis(250))
        .bytes(100)
        .log();
    run.request(page).status(503).attempt(2).log();
    run.request(page).error_type("ConnectError").log();
    run.product("p1")
        .fields_missing(["price"])
        .log(Action::Found);
    run.product("p1").log(Action::Added);
    run.product("p2").log(Action::Failed);
    run.article("a1")
        .word_count(420)
        .processing_time(Duration::from_millis(40))
        .log();
    run.duplicate(page, Some(0.75));
    run.search("red shoes", 12, Some(Duration::from_millis(80)));
    run.queue_size(7);
    run.database("insert")
        .table("products")
        .elapsed(Duration::from_millis(3))
        .connections_active(2)
        .log();
    run.system_sample()
        .host("box")
        .cpu_percent(50.0)
        .memory(25.0, 1024)
        .log();
    run.error_text("KeyError", "'price'").log();
    run.rate_limited(Duration::from_secs(30), "429");
    run.page_scraped();
}

fn check_totals(found: &BTreeMap<String, f64>) {
    let of_run = |name: &str| {
        found
            .get(&format!("dragline_{name}{{shop,shop.example.com}}"))
            .copied()
    };
    let and = |name: &str, label: &str| {
        found
            .get(&format!("dragline_{name}{{shop,shop.example.com,{label}}}"))
            .copied()
    };
    let expected = [
        (of_run("runs_started"), 2.0),
        (and("runs_finished", "success"), 1.0),
        (and("runs_finished", "cancelled"), 1.0),
        (and("requests", "success"), 1.0),
        (and("requests", "failed"), 2.0),
        (and("responses", "503"), 1.0),
        (of_run("response_bytes"), 100.0),
        (of_run("request_retries"), 1.0),
        (and("products", "found"), 1.0),
        (and("products", "added"), 1.0),
        (and("products", "failed"), 1.0),
        (of_run("incomplete_items"), 1.0),
        (of_run("articles"), 1.0),
        (of_run("duplicates"), 1.0),
        (of_run("searches"), 1.0),
        (of_run("queue_size"), 7.0),
        (and("errors", "unknown,unknown"), 1.0),
        (of_run("rate_limits"), 1.0),
        (of_run("rate_limit_wait_seconds"), 30.0),
        (of_run("pages"), 1.0),
        (found.get("dragline_cpu_usage_ratio{box}").copied(), 0.5),
        (
            found.get("dragline_memory_used_bytes{box}").copied(),
            1024.0,
        ),
        (
            found.get("dragline_database_connections{shop}").copied(),
            2.0,
        ),
        (
            found
                .get("dragline_request_duration_seconds{shop,shop.example.com} sum")
                .copied(),
            0.25,
        ),
        (
            found
                .get("dragline_database_operation_duration_seconds{shop,insert,products} sum")
                .copied(),
            0.003,
        ),
        (
            found
                .get("dragline_run_items{shop,shop.example.com} sum")
                .copied(),
            2.0,
        ),
    ];
    for (index, (value, expected)) in expected.into_iter().enumerate() {
        assert_eq!(value, Some(expected), "row {index} of {found:#?}");
    }
}

/// Waits until the recorder has sampled this machine: a second at most, if nothing is wrong.
#[cfg(feature = "system")]
fn wait_for_sample(registry: &Registry) {
    let is_own =
        |name: &String| name.starts_with("dragline_memory_used_bytes{") && !name.contains("box");
    for _ in 0..1000 {
        if values(registry).keys().any(is_own) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no sample of this machine in {:#?}", values(registry));
}

#[test]
fn every_typed_event_counts_itself() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::new();
    observe_events(EventCounter::new(&registry).unwrap()).unwrap();
    let second = observe_events(EventCounter::new(&Registry::new()).unwrap());
    assert!(
        second.unwrap_err().to_string().contains("once"),
        "the first one stays"
    );

    let config = Config::new(dir.path());
    #[cfg(feature = "system")]
    let config = config.system_sample("1s");
    let guard = dragline::init(config).unwrap();
    let run = Run::start("shop", "shop.example.com");
    log_everything(&run);
    #[cfg(feature = "system")]
    wait_for_sample(&registry);
    let active = |registry: &Registry| {
        values(registry)
            .get("dragline_runs_active{shop,shop.example.com}")
            .copied()
    };
    assert_eq!(active(&registry), Some(1.0));
    run.finish();
    assert_eq!(active(&registry), Some(0.0));
    drop(Run::start("shop", "shop.example.com"));
    drop(guard);

    let found = values(&registry);
    check_totals(&found);

    // The times of the events were taken a moment before those of the lines.
    let mut in_log = values_of_log(dir.path());
    let mut in_process = found.clone();
    in_log.retain(|name, _| !name.contains("_timestamp_"));
    in_process.retain(|name, _| !name.contains("_timestamp_"));
    assert_eq!(in_process, in_log);

    // Nobody records any more, but events still count.
    run.queue_size(9);
    assert_eq!(
        values(&registry)["dragline_queue_size{shop,shop.example.com}"],
        9.0
    );

    let text = export::openmetrics(&registry.snapshot());
    assert!(!text.contains(run.run_id()) && !text.contains("/p/1"));
}
