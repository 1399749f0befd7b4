//! Counters, gauges, histograms, and the limits of a registry.

use dragline_metrics::{
    CollectError, Collector, Descriptor, Kind, Limits, MAX_LABEL_BYTES, OVERFLOW, RegisterError,
    Registry, Timestamp, Unit, Value,
};
use proptest::prelude::*;

fn value_of(registry: &Registry, name: &str, label: &str) -> Option<Value> {
    let metric = registry
        .snapshot()
        .into_iter()
        .find(|metric| metric.name == name)?;
    let has_label =
        |labels: &[(String, String)]| labels.first().is_none_or(|first| first.1 == label);
    let series = metric
        .series
        .into_iter()
        .find(|series| has_label(&series.labels))?;
    Some(series.value)
}

proptest! {
    #[test]
    fn a_counter_never_decreases(amounts in prop::collection::vec((any::<f64>(), 0..1_000_000_u64, any::<bool>()), 0..60)) {
        let registry = Registry::new();
        let counter = registry.counter(Descriptor::counter("c", "C.")).unwrap().get(&[]);
        let mut before = 0.0;
        for (amount, whole, is_whole) in amounts {
            if is_whole {
                counter.add(whole);
            } else {
                counter.add_f64(amount);
                counter.raise_to(whole);
            }
            prop_assert!(counter.value() >= before);
            before = counter.value();
        }
    }

    #[test]
    fn buckets_are_cumulative_and_complete(values in prop::collection::vec(0.0..100.0_f64, 0..100)) {
        let registry = Registry::new();
        let histogram = registry.histogram(Descriptor::histogram("h", "H.")).unwrap().get(&[]);
        values.iter().for_each(|value| histogram.observe(*value));
        let found = histogram.distribution();
        prop_assert_eq!(found.count, values.len() as u64);
        prop_assert!((found.sum - values.iter().sum::<f64>()).abs() < 1e-6);
        for (bound, count) in found.buckets {
            prop_assert_eq!(count, values.iter().filter(|value| **value <= bound).count() as u64);
        }
    }
}

#[test]
fn all_threads_count_into_the_same_series() {
    let registry = Registry::windowed(Limits::default());
    let counters = registry
        .counter(Descriptor::counter("c", "C.").labels(["site"]))
        .unwrap();
    let histograms = registry
        .histogram(Descriptor::histogram("h", "H.").labels(["site"]))
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for index in 0..10_000_u32 {
                    let site = ["a", "b"][index as usize % 2];
                    counters.with(&[site], |counter| counter.add_f64(0.5));
                    counters.get(&[site]).inc();
                    histograms.with(&[site], |histogram| histogram.observe(0.25));
                }
            });
        }
    });
    for site in ["a", "b"] {
        assert_eq!(
            value_of(&registry, "c", site),
            Some(Value::Counter(30_000.0))
        );
        let Some(Value::Histogram(found)) = value_of(&registry, "h", site) else {
            panic!("no histogram");
        };
        assert_eq!(
            (found.count, found.sum.to_string()),
            (20_000, "5000".to_owned())
        );
    }
}

#[test]
fn updates_without_sense_are_refused_and_counted() {
    let registry = Registry::new();
    let counter = registry
        .counter(Descriptor::counter("c", "C."))
        .unwrap()
        .get(&[]);
    let gauge = registry
        .gauge(Descriptor::gauge("g", "G."))
        .unwrap()
        .get(&[]);
    let histogram = registry
        .histogram(Descriptor::histogram("h", "H."))
        .unwrap()
        .get(&[]);
    for nonsense in [f64::NAN, f64::INFINITY] {
        counter.add_f64(nonsense);
        gauge.set(nonsense);
        gauge.add(nonsense);
        histogram.observe(nonsense);
    }
    counter.add_f64(-1.0);
    histogram.observe(-1.0);
    assert_eq!(
        (
            counter.value(),
            gauge.value(),
            histogram.distribution().count
        ),
        (0.0, None, 0)
    );
    let rejected = value_of(&registry, "dragline_metrics_rejected_updates", "");
    assert_eq!(rejected, Some(Value::Counter(10.0)));
    // A gauge has no value until it is set, and is then not exported either.
    assert_eq!(value_of(&registry, "g", ""), None);
    gauge.add(-2.0);
    assert_eq!(gauge.value(), Some(-2.0));
}

#[test]
fn label_values_beyond_the_limit_share_a_series_that_is_counted() {
    let limits = Limits {
        series_per_metric: 3,
        ..Limits::default()
    };
    let registry = Registry::with_limits(limits);
    let counters = registry
        .counter(Descriptor::counter("c", "C.").labels(["url"]))
        .unwrap();
    for round in 0..2 {
        for page in 0..10 {
            counters.get(&[&format!("/p/{page}")]).add(1 + round);
        }
    }
    assert_eq!(value_of(&registry, "c", "/p/2"), Some(Value::Counter(3.0)));
    assert_eq!(value_of(&registry, "c", "/p/3"), None);
    assert_eq!(
        value_of(&registry, "c", OVERFLOW),
        Some(Value::Counter(21.0))
    );
    let overflow = value_of(&registry, "dragline_metrics_overflow_updates", "c");
    assert_eq!(overflow, Some(Value::Counter(14.0)));
}

#[test]
fn the_limit_of_all_series_holds_for_all_metrics_together() {
    let registry = Registry::with_limits(Limits {
        series: 4,
        ..Limits::default()
    });
    let family = |name: &'static str| {
        registry
            .gauge(Descriptor::gauge(name, "G.").labels(["x"]))
            .unwrap()
    };
    let (a, b) = (family("a"), family("b"));
    for value in ["1", "2", "3"] {
        a.get(&[value]).set(1.0);
        b.get(&[value]).set(1.0);
    }
    let series = |name: &str| {
        let metric = registry
            .snapshot()
            .into_iter()
            .find(|metric| metric.name == name);
        metric.map_or(0, |metric| metric.series.len())
    };
    // Two of their own each, and an overflow series.
    assert_eq!((series("a"), series("b")), (3, 3));
}

#[test]
fn long_values_are_cut_and_wrong_numbers_of_values_are_no_fault() {
    let registry = Registry::new();
    let gauges = registry
        .gauge(Descriptor::gauge("g", "G.").labels(["a", "b"]))
        .unwrap();
    gauges.get(&["ü".repeat(1000).as_str(), "x"]).set(1.0);
    gauges.get(&["only"]).set(2.0);
    gauges.get(&["more", "than", "there are"]).set(3.0);
    let metric = registry
        .snapshot()
        .into_iter()
        .find(|metric| metric.name == "g")
        .unwrap();
    let labels: Vec<Vec<&str>> = metric
        .series
        .iter()
        .map(|series| {
            series
                .labels
                .iter()
                .map(|(_, value)| value.as_str())
                .collect()
        })
        .collect();
    assert_eq!(labels[0], ["more", "than"]);
    assert_eq!(labels[1], ["only", ""]);
    assert!(labels[2][0].len() <= MAX_LABEL_BYTES && labels[2][0].chars().all(|c| c == 'ü'));
}

#[test]
fn descriptions_that_break_a_rule_are_refused() {
    let registry = Registry::new();
    let refused = |descriptor: Descriptor| {
        let error = match descriptor.kind() {
            Kind::Counter => registry.counter(descriptor).err(),
            Kind::Gauge => registry.gauge(descriptor).err(),
            Kind::Histogram => registry.histogram(descriptor).err(),
        };
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    let histogram = |bounds: &[f64]| Descriptor::histogram("h", "H.").buckets(bounds);
    let gauge = |name: &'static str| Descriptor::gauge(name, "G.");
    let found = [
        refused(gauge("")),
        refused(gauge("1x")),
        refused(gauge("shop.pages")),
        refused(gauge("a\nb 1")),
        refused(Descriptor::counter("pages_total", "C.")),
        refused(gauge("wait").unit(Unit::Seconds)),
        refused(gauge("g").labels(["le"])),
        refused(gauge("g").labels(["__x"])),
        refused(gauge("g").labels(["x", "x"])),
        refused(gauge("g").labels(["x\"} 1\ny{z=\""])),
        refused(histogram(&[1.0, 1.0])),
        refused(histogram(&[-1.0, 1.0])),
        refused(histogram(&[1.0, f64::INFINITY])),
        refused(gauge("dragline_metrics_rejected_updates")),
    ];
    insta::assert_snapshot!("refused", found.join("\n"));
}

#[test]
fn a_name_has_one_description() {
    let registry = Registry::with_limits(Limits {
        metrics: 4,
        ..Limits::default()
    });
    let counter = || Descriptor::counter("pages", "Pages.").labels(["site"]);
    registry.counter(counter()).unwrap().get(&["a"]).inc();
    registry.counter(counter()).unwrap().get(&["a"]).inc();
    assert_eq!(value_of(&registry, "pages", "a"), Some(Value::Counter(2.0)));
    let other_help = Descriptor::counter("pages", "Sheets.").labels(["site"]);
    let conflict = RegisterError::Conflict {
        name: "pages".into(),
        held: Kind::Counter,
    };
    assert_eq!(registry.counter(other_help).unwrap_err(), conflict);
    assert_eq!(
        registry
            .gauge(Descriptor::gauge("pages", "Pages."))
            .unwrap_err(),
        conflict
    );
    // A descriptor of another type than the function's.
    assert!(registry.gauge(Descriptor::counter("x", "X.")).is_err());
    // The sample of the counter would have the same name.
    let sample = RegisterError::SampleName {
        name: "pages_total".into(),
        sample: "pages_total".into(),
    };
    assert_eq!(
        registry
            .gauge(Descriptor::gauge("pages_total", "G."))
            .unwrap_err(),
        sample
    );
    // Other labels are another family of the same metric.
    registry
        .counter(Descriptor::counter("pages", "Pages."))
        .unwrap()
        .get(&[])
        .inc();
    for name in ["a", "b"] {
        registry.gauge(Descriptor::gauge(name, "G.")).unwrap();
    }
    let full = RegisterError::Full {
        name: "c".into(),
        limit: 4,
    };
    assert_eq!(
        registry.gauge(Descriptor::gauge("c", "G.")).unwrap_err(),
        full
    );
}

struct Broken;
struct Working(dragline_metrics::Gauge);

impl Collector for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn collect(&mut self, _: &Registry, _: Timestamp) -> Result<(), CollectError> {
        Err("no answer".into())
    }
}

impl Collector for Working {
    fn name(&self) -> &'static str {
        "working"
    }
    fn collect(&mut self, registry: &Registry, now: Timestamp) -> Result<(), CollectError> {
        // Registering again and adding another collector are allowed.
        registry.gauge(Descriptor::gauge("now_timestamp_seconds", "G."))?;
        registry.add_collector(Broken);
        self.0.set(now.as_seconds() as f64);
        Ok(())
    }
}

#[test]
fn a_collector_that_fails_is_counted_and_stops_no_other() {
    let registry = Registry::new();
    let gauge = registry
        .gauge(Descriptor::gauge("now_timestamp_seconds", "G."))
        .unwrap();
    registry.add_collector(Broken);
    registry.add_collector(Working(gauge.get(&[])));
    registry.collect(Timestamp::from_seconds(7));
    registry.collect(Timestamp::from_seconds(8));
    assert_eq!(gauge.get(&[]).value(), Some(8.0));
    let failures = value_of(&registry, "dragline_metrics_collector_failures", "broken");
    // The first one twice, and the one that was added in the first round.
    assert_eq!(failures, Some(Value::Counter(3.0)));
}
