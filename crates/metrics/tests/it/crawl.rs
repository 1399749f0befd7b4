//! The crawling set: every event counts itself, and every number of the originals has its place.

use std::collections::{BTreeMap, BTreeSet};

use dragline_metrics::{
    CrawlFamilies, CrawlMetric, EventCounter, Kind, Measure, Measurement, ORIGINALS, Observer,
    Registry, SEVERITIES, Store, Target, Timestamp, Update, Window, original, severity_of,
};
use dragline_schema::{
    ErrorCategory, Event, EventType, Level, Record, RunSummary, Severity, Value, Verdict,
};

const NOW: i64 = 1_772_600_000;

fn record(event: Event<'static>) -> Record<'static> {
    Record {
        timestamp: Some(Timestamp::from_seconds(NOW)),
        level: Some(Level::Info),
        scraper_id: Some("shop".into()),
        site: Some("shop.example.com".into()),
        run_id: Some("r1".into()),
        event,
        ..Record::default()
    }
}

/// An event with a value in every field.
fn full(kind: EventType) -> Event<'static> {
    let mut event = kind.empty();
    for field in kind.columns() {
        let value = match field.name {
            "status" => Value::Str("success".into()),
            "action" => Value::Str("found".into()),
            "error_category" => Value::Str("parsing".into()),
            "error_severity" => Value::Str("low".into()),
            "fields_missing" => Value::Json("[\"price\"]".into()),
            "status_code" => Value::U64(200),
            "confidence" => Value::F64(0.9),
            _ => match field.kind {
                dragline_schema::FieldKind::Text => Value::Str("text".into()),
                dragline_schema::FieldKind::Json => Value::Json("{}".into()),
                dragline_schema::FieldKind::Count => Value::U64(3),
                dragline_schema::FieldKind::Number => Value::F64(40.0),
            },
        };
        event.set(field.name, value).unwrap();
    }
    event
}

/// A registry that has seen every event, and so has a value for every metric.
pub(crate) fn all_events() -> Registry {
    let registry = Registry::new();
    let events = EventCounter::new(&registry).unwrap();
    for kind in EventType::ALL {
        events.count(&record(full(*kind)), None);
    }
    // The second sample tells how much the network counters rose.
    events.count(&record(full(EventType::SystemSample)), None);
    let library = Record {
        is_echo: true,
        ..record(full(EventType::Request))
    };
    events.count(&library, None);
    registry
}

#[test]
fn every_metric_has_an_event_that_changes_it() {
    let registry = all_events();
    let found: BTreeSet<String> = registry
        .snapshot()
        .into_iter()
        .map(|metric| metric.name)
        .collect();
    for metric in CrawlMetric::ALL {
        assert!(
            found.contains(metric.name()),
            "nothing changes {}",
            metric.name()
        );
    }
    insta::assert_snapshot!(
        "all_events",
        dragline_metrics::export::prometheus(&registry.snapshot())
    );
}

/// Keeps the measurements.
#[derive(Default)]
struct Kept(Vec<(CrawlMetric, Vec<String>, Update)>);

impl Measure for Kept {
    fn measure(&mut self, _: Option<Timestamp>, measurement: &Measurement<'_>) {
        let labels = measurement
            .labels
            .iter()
            .map(|label| (*label).to_owned())
            .collect();
        self.0
            .push((measurement.metric, labels, measurement.update));
    }
}

#[test]
fn every_measurement_has_the_type_and_the_labels_of_its_metric() {
    for kind in EventType::ALL {
        let mut kept = Kept::default();
        let mut observer = Observer::default();
        observer.observe(&record(full(*kind)), None, &mut kept);
        observer.observe(&record(full(*kind)), None, &mut kept);
        observer.observe(&record(kind.empty()), None, &mut kept);
        assert!(!kept.0.is_empty());
        for (metric, labels, update) in kept.0 {
            let kind = match update {
                Update::Add(_) => Kind::Counter,
                Update::Set(_) => Kind::Gauge,
                Update::Observe(_) => Kind::Histogram,
            };
            assert_eq!(
                (metric.kind(), metric.labels().len()),
                (kind, labels.len()),
                "{metric:?}"
            );
            for (name, value) in metric.labels().iter().zip(&labels) {
                let known = metric.values(name);
                let is_known = known.is_none_or(|known| known.contains(&value.as_str()));
                assert!(is_known, "{metric:?} {name}={value}");
            }
        }
    }
}

#[test]
fn an_event_without_fields_says_nothing_about_them() {
    use CrawlMetric as M;
    let mut kept = Kept::default();
    for kind in EventType::ALL {
        Observer::default().observe(&record(kind.empty()), None, &mut kept);
    }
    let measured: BTreeSet<CrawlMetric> = kept.0.iter().map(|(metric, ..)| *metric).collect();
    let expected = [
        M::Events,
        M::RunsStarted,
        M::RunsFinished,
        M::RunsActive,
        M::LastEvent,
        M::Requests,
        M::Products,
        M::Articles,
        M::Duplicates,
        M::Searches,
        M::Errors,
        M::RateLimits,
    ];
    assert_eq!(measured, BTreeSet::from(expected));
}

#[test]
fn no_label_is_a_url_or_a_run() {
    let mut kept = Kept::default();
    for kind in EventType::ALL {
        let mut event = full(*kind);
        // Only fields that the event has.
        for (field, value) in [
            ("url", "URL"),
            ("error_message", "MESSAGE"),
            ("query", "QUERY"),
            ("error_type", "TYPE"),
        ] {
            let _ = event.set(field, Value::Str(value.into()));
        }
        let record = Record {
            run_id: Some("RUN".into()),
            message: Some("TEXT".into()),
            ..record(event)
        };
        Observer::default().observe(&record, None, &mut kept);
    }
    let values: BTreeSet<String> = kept
        .0
        .into_iter()
        .flat_map(|(_, labels, _)| labels)
        .collect();
    for value in ["URL", "RUN", "MESSAGE", "QUERY", "TYPE", "TEXT"] {
        assert!(!values.contains(value), "{value} is a label");
    }
}

fn totals(registry: &Registry, name: &str) -> BTreeMap<String, f64> {
    let metric = registry
        .snapshot()
        .into_iter()
        .find(|metric| metric.name == name);
    let series = metric.into_iter().flat_map(|metric| metric.series);
    let value = |value| match value {
        dragline_metrics::Value::Counter(value) | dragline_metrics::Value::Gauge(value) => value,
        dragline_metrics::Value::Histogram(found) => found.count as f64,
    };
    series
        .map(|series| (series.labels.last().unwrap().1.clone(), value(series.value)))
        .collect()
}

#[test]
fn outcomes_and_codes_of_requests() {
    let registry = Registry::new();
    let events = EventCounter::new(&registry).unwrap();
    for code in [Some(200), Some(304), Some(404), Some(503), Some(42), None] {
        let mut event = EventType::Request.empty();
        if let Some(code) = code {
            event.set("status_code", Value::U64(code)).unwrap();
        }
        events.count(&record(event), None);
    }
    let unknown = Record {
        is_unjudged: true,
        ..record(EventType::Request.empty())
    };
    events.count(&unknown, None);
    let expected = [("failed", 3.0), ("success", 3.0), ("unknown", 1.0)];
    assert_eq!(
        totals(&registry, "dragline_requests"),
        expected.map(|(k, v)| (k.to_owned(), v)).into()
    );
    let codes: Vec<String> = totals(&registry, "dragline_responses")
        .into_keys()
        .collect();
    assert_eq!(codes, ["200", "304", "404", "503", "other"]);
}

#[test]
fn errors_have_the_category_of_the_classifier_or_their_own() {
    let registry = Registry::new();
    let events = EventCounter::new(&registry).unwrap();
    let verdict = Verdict {
        category: ErrorCategory::Network,
        sub_category: "timeout",
        severity: Severity::High,
        rule: None,
        matched: None,
        runner_up: None,
        adjustments: Vec::new(),
    };
    events.count(&record(full(EventType::ScraperError)), Some(&verdict));
    events.count(&record(full(EventType::ScraperError)), None);
    let plain = Record {
        level: Some(Level::Critical),
        ..record(Event::Log)
    };
    events.count(&plain, None);
    events.count(&record(Event::Log), None);
    let metric = registry
        .snapshot()
        .into_iter()
        .find(|metric| metric.name == "dragline_errors")
        .unwrap();
    let labels: Vec<String> = metric
        .series
        .iter()
        .map(|series| format!("{} {}", series.labels[2].1, series.labels[3].1))
        .collect();
    assert_eq!(labels, ["network high", "parsing low", "unknown unknown"]);
}

#[test]
fn active_runs_are_those_between_their_start_and_their_end() {
    let registry = Registry::new();
    let families = CrawlFamilies::register(&registry).unwrap();
    let mut observer = Observer::default();
    let active = || {
        totals(&registry, "dragline_runs_active")
            .get("shop.example.com")
            .copied()
    };
    let of_run = |run: &'static str, kind: EventType, at: i64| Record {
        run_id: Some(run.into()),
        timestamp: Some(Timestamp::from_seconds(at)),
        ..record(full(kind))
    };
    let mut see = |record: Record<'_>| observer.observe(&record, None, &mut &families);
    see(of_run("a", EventType::ScraperStart, 0));
    see(of_run("b", EventType::ScraperStart, 1));
    assert_eq!(active(), Some(2.0));
    // A run whose start is in an older file.
    see(of_run("c", EventType::Request, 2));
    assert_eq!(active(), Some(3.0));
    see(of_run("a", EventType::ScraperEnd, 3));
    see(of_run("a", EventType::ScraperEnd, 3));
    // A late line of a run that has ended.
    see(of_run("a", EventType::Request, 4));
    // The end of a run that nobody has seen.
    see(of_run("d", EventType::ScraperEnd, 4));
    assert_eq!(active(), Some(2.0));
    see(of_run("c", EventType::Request, 100));
    observer.expire(Timestamp::from_seconds(50), &mut &families);
    assert_eq!(active(), Some(1.0), "b was killed");
    observer.expire(Timestamp::from_seconds(500), &mut &families);
    assert_eq!(active(), Some(0.0));
}

fn summary(requests: u64, failed: Option<u64>, is_final: bool) -> RunSummary<'static> {
    RunSummary {
        start: Some(Timestamp::from_seconds(NOW)),
        end: is_final.then(|| Timestamp::from_seconds(NOW + 60)),
        finish_reason: is_final.then(|| "finished".into()),
        requests: Some(requests),
        requests_failed: failed,
        bytes: Some(requests * 100),
        items: Some(requests / 2),
        ..RunSummary::default()
    }
}

#[test]
fn statistics_of_a_run_count_where_its_lines_do_not() {
    for (has_lines, run_id) in [(false, Some("r1")), (false, None), (true, Some("r1"))] {
        let registry = Registry::new();
        let events = EventCounter::new(&registry).unwrap();
        let of = |event| Record {
            run_id: run_id.map(Into::into),
            ..record(event)
        };
        if has_lines {
            let mut line = EventType::Request.empty();
            line.set("status_code", Value::U64(200)).unwrap();
            events.count(&of(line), None);
        }
        // Programs repeat their statistics while they run.
        for (requests, failed, is_final) in [(10, 1, false), (20, 2, false), (20, 2, true)] {
            let summary = summary(requests, Some(failed), is_final);
            events.count(&of(Event::Summary(Box::new(summary))), None);
        }
        let of_requests = totals(&registry, "dragline_requests");
        let expected: &[(&str, f64)] = if has_lines {
            &[("success", 1.0)]
        } else {
            &[("failed", 2.0), ("success", 18.0)]
        };
        let expected = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        assert_eq!(of_requests, expected.collect());
        let items = totals(&registry, "dragline_products");
        assert_eq!(items, [("saved".to_owned(), 10.0)].into());
        let finished = totals(&registry, "dragline_runs_finished");
        assert_eq!(finished, [("success".to_owned(), 1.0)].into());
        let durations = totals(&registry, "dragline_run_duration_seconds");
        assert_eq!(durations, [("shop.example.com".to_owned(), 1.0)].into());
        // A later run without an id starts at 0.
        if run_id.is_none() {
            let next = summary(3, None, true);
            events.count(&of(Event::Summary(Box::new(next))), None);
            let of_requests = totals(&registry, "dragline_requests");
            assert_eq!(of_requests.get("unknown"), Some(&3.0));
        }
    }
}

#[test]
fn network_counters_start_again_with_the_machine() {
    let registry = Registry::new();
    let events = EventCounter::new(&registry).unwrap();
    for sent in [1000, 1500, 200, 300] {
        let mut event = EventType::SystemSample.empty();
        event.set("host", Value::Str("box".into())).unwrap();
        event.set("network_sent_bytes", Value::U64(sent)).unwrap();
        events.count(&record(event), None);
    }
    let found = totals(&registry, "dragline_network_sent_bytes");
    assert_eq!(found, [("box".to_owned(), 800.0)].into());
}

#[test]
fn a_store_takes_the_same_measurements_with_their_times() {
    let mut store = Store::default();
    let mut observer = Observer::default();
    for second in 0..100 {
        let at = Timestamp::from_seconds(NOW + second);
        let record = Record {
            timestamp: Some(at),
            ..record(full(EventType::Request))
        };
        observer.observe(&record, None, &mut store);
    }
    let untimed = Record {
        timestamp: None,
        ..record(full(EventType::Request))
    };
    observer.observe(&untimed, None, &mut store);
    assert!(store.losses().untimed > 0);
    let window = Window {
        from: Timestamp::from_seconds(NOW),
        to: Timestamp::from_seconds(NOW + 50),
    };
    let labels = [("site", "shop.example.com"), ("outcome", "success")];
    let stats = store
        .summarise("dragline_requests", &labels, window)
        .unwrap();
    assert_eq!((stats.increase, stats.rate), (Some(50.0), Some(1.0)));
    let stats = store
        .summarise("dragline_request_duration_seconds", &[], window)
        .unwrap();
    assert_eq!((stats.count, stats.max), (50, Some(0.04)));
}

/// A line of the fixture: document, name, type, labels.
fn names() -> Vec<[String; 4]> {
    let text = include_str!("../../fixtures/original_names.tsv");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
            <[String; 4]>::try_from(columns).unwrap()
        })
        .collect()
}

#[test]
fn every_number_of_the_originals_has_one_row() {
    let rows: Vec<[String; 4]> = ORIGINALS
        .iter()
        .map(|row| {
            // What varies in a name is a label of ours, too, but none there.
            let labels = row.labels.iter().map(|(label, _)| *label);
            let labels = labels.filter(|label| !row.name.contains(&format!("{{{label}}}")));
            let labels: Vec<&str> = labels.collect();
            [
                row.document.as_str(),
                row.name,
                row.kind.as_str(),
                &labels.join(","),
            ]
            .map(str::to_owned)
        })
        .collect();
    assert_eq!(rows, names());
}

#[test]
fn every_row_leads_to_a_metric_and_its_labels() {
    for row in ORIGINALS {
        match row.target {
            Target::Metric(metric, labels) => {
                let ours = row.labels.iter().filter_map(|(_, ours)| *ours);
                for label in labels.iter().map(|(label, _)| *label).chain(ours) {
                    assert!(metric.labels().contains(&label), "{}: {label}", row.name);
                }
                let unit = metric.unit().map(dragline_metrics::Unit::as_str);
                let expected = match row.unit {
                    "percent" => Some("ratio"),
                    "" => None,
                    unit => Some(unit),
                };
                assert_eq!(unit, expected, "{}", row.name);
                assert_eq!(row.factor == 0.01, row.unit == "percent", "{}", row.name);
            }
            Target::Query(query) => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let words = query
                    .split(|c| !is_part(c))
                    .filter(|word| word.starts_with("dragline_"));
                let mut count = 0;
                for word in words {
                    let word = word
                        .strip_suffix("_sum")
                        .or(word.strip_suffix("_count"))
                        .unwrap_or(word);
                    assert!(CrawlMetric::from_name(word).is_some(), "{query}: {word}");
                    count += 1;
                }
                assert!(count > 0, "{query}");
            }
            Target::Elsewhere(place) => assert!(!place.is_empty()),
        }
    }
    assert_eq!(
        original("pipeline.urls.failed").unwrap().target,
        Target::Metric(CrawlMetric::Requests, &[("outcome", "failed")])
    );
    assert_eq!(original("pipeline.urls"), None);
}

#[test]
fn names_lead_back_to_their_metrics() {
    let mut seen = BTreeSet::new();
    for metric in CrawlMetric::ALL {
        assert!(seen.insert(metric.name()));
        assert_eq!(CrawlMetric::from_name(metric.name()), Some(*metric));
        assert_eq!(CrawlMetric::from_name(&metric.sample_name()), Some(*metric));
        assert!(
            metric
                .labels()
                .iter()
                .all(|label| !label.contains("url") && !label.contains("run"))
        );
    }
    assert_eq!(CrawlMetric::from_name("dragline_queue_size_total"), None);
    let outcomes = CrawlMetric::Requests.values("outcome");
    assert_eq!(outcomes, Some(vec!["success", "failed", "unknown"]));
    assert_eq!(CrawlMetric::Requests.values("site"), None);
}

#[test]
fn three_vocabularies_of_severities_become_one() {
    for word in SEVERITIES {
        assert_eq!(severity_of(word.word), Ok(word.severity), "{word:?}");
    }
    let order: Vec<_> = ["healthy", "info", "WARNING", "error", "critical"]
        .map(|word| severity_of(word).unwrap())
        .into();
    assert!(order.is_sorted());
    for severity in Severity::ALL {
        assert_eq!(severity_of(severity.as_str()), Ok(Some(*severity)));
    }
    let error = severity_of("urgent").unwrap_err().to_string();
    assert!(
        SEVERITIES.iter().all(|word| error.contains(word.word)),
        "{error}"
    );
}
