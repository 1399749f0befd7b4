//! What an update and an export of metrics cost, beside `prometheus-client` and `metrics-exporter-prometheus`.
//!
//! *handle*: the program keeps the handle of a series. *labels*: the series is looked up by two label values,
//! and exists already. *export*: 1,000 counters and 100 histograms with 13 buckets as text.

#![allow(missing_docs, reason = "criterion's macros make the items")]

use std::hint::black_box;
use std::sync::atomic::AtomicU64;

use criterion::{Criterion, criterion_group, criterion_main};
use dragline_metrics::{
    DURATION_BUCKETS, Descriptor, EventCounter, FacadeRecorder, Limits, Registry, export,
};
use dragline_schema::{Event, Record, Request};
use metrics_exporter_prometheus::PrometheusBuilder;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    scraper_id: String,
    site: String,
}

const SCRAPER: &str = "shop";
const SITE: &str = "shop.example.com";

fn labels_of(site: &str) -> Labels {
    Labels {
        scraper_id: SCRAPER.to_owned(),
        site: site.to_owned(),
    }
}

fn counters(registry: &Registry) -> dragline_metrics::Family<dragline_metrics::Counter> {
    let pages = Descriptor::counter("pages", "Pages.").labels(["scraper_id", "site"]);
    registry.counter(pages).expect("the name is free")
}

fn histograms(registry: &Registry) -> dragline_metrics::Family<dragline_metrics::Histogram> {
    let wait = Descriptor::histogram("wait_seconds", "Wait.").labels(["scraper_id", "site"]);
    registry.histogram(wait).expect("the name is free")
}

fn peer_histogram() -> Histogram {
    Histogram::new(DURATION_BUCKETS.iter().copied())
}

fn exporter() -> metrics_exporter_prometheus::PrometheusRecorder {
    let builder = PrometheusBuilder::new().set_buckets(DURATION_BUCKETS);
    builder.expect("there are buckets").build_recorder()
}

fn increment(c: &mut Criterion) {
    let registry = Registry::new();
    let family = counters(&registry);
    let peer_family = Family::<Labels, Counter<u64, AtomicU64>>::default();
    let recorder = exporter();
    let facade = FacadeRecorder::new(&registry);
    let labels = labels_of(SITE);

    let mut group = c.benchmark_group("increment, handle");
    let ours = family.get(&[SCRAPER, SITE]);
    group.bench_function("dragline", |b| b.iter(|| black_box(&ours).inc()));
    let peer = peer_family.get_or_create(&labels).clone();
    group.bench_function("prometheus-client", |b| b.iter(|| black_box(&peer).inc()));
    let handle = metrics::with_local_recorder(&recorder, || metrics::counter!("handle"));
    group.bench_function("exporter", |b| b.iter(|| black_box(&handle).increment(1)));
    group.finish();

    let mut group = c.benchmark_group("increment, labels");
    group.bench_function("dragline", |b| {
        b.iter(|| family.with(black_box(&[SCRAPER, SITE]), dragline_metrics::Counter::inc));
    });
    group.bench_function("prometheus-client", |b| {
        b.iter(|| peer_family.get_or_create(black_box(&labels)).inc());
    });
    // The macro with labels that are not literals, as sites are.
    let by_macro = || {
        let (scraper, site) = black_box((SCRAPER, SITE));
        metrics::counter!("labels", "scraper_id" => scraper, "site" => site).increment(1);
    };
    metrics::with_local_recorder(&recorder, || {
        group.bench_function("exporter", |b| b.iter(by_macro));
    });
    metrics::with_local_recorder(&facade, || {
        group.bench_function("dragline, facade", |b| b.iter(by_macro));
    });
    group.finish();
}

fn observe(c: &mut Criterion) {
    let value = 0.087;
    let mut group = c.benchmark_group("observe, handle");
    let ours = histograms(&Registry::new()).get(&[SCRAPER, SITE]);
    group.bench_function("dragline", |b| b.iter(|| ours.observe(black_box(value))));
    let windowed = histograms(&Registry::windowed(Limits::default())).get(&[SCRAPER, SITE]);
    group.bench_function("dragline, windowed", |b| {
        b.iter(|| windowed.observe(black_box(value)));
    });
    let peer = peer_histogram();
    group.bench_function("prometheus-client", |b| {
        b.iter(|| peer.observe(black_box(value)));
    });
    let recorder = exporter();
    let handle = metrics::with_local_recorder(&recorder, || metrics::histogram!("wait_seconds"));
    // The exporter keeps every value until it renders; this is what its upkeep does now and then.
    let mut count = 0_u32;
    let exporter = recorder.handle();
    group.bench_function("exporter", |b| {
        b.iter(|| {
            handle.record(black_box(value));
            count += 1;
            if count.is_multiple_of(100_000) {
                exporter.run_upkeep();
            }
        });
    });
    group.finish();

    let registry = Registry::new();
    let events = EventCounter::new(&registry).expect("the names are free");
    let request = Request {
        url: Some("https://shop.example.com/p/1".into()),
        status_code: Some(200),
        response_time_ms: Some(87.0),
        bytes: Some(18_234),
        ..Request::default()
    };
    let record = Record {
        scraper_id: Some(SCRAPER.into()),
        site: Some(SITE.into()),
        run_id: Some("r1".into()),
        event: Event::Request(request),
        ..Record::default()
    };
    c.bench_function("a request counts itself", |b| {
        b.iter(|| events.count(black_box(&record), None));
    });
}

fn exports(c: &mut Criterion) {
    let sites: Vec<String> = (0..1000)
        .map(|site| format!("site-{site}.example.com"))
        .collect();
    let mut group = c.benchmark_group("export");

    let registry = Registry::with_limits(Limits {
        series: 10_000,
        ..Limits::default()
    });
    let (pages, wait) = (counters(&registry), histograms(&registry));
    for site in &sites {
        pages.get(&[SCRAPER, site]).inc();
    }
    for site in &sites[..100] {
        wait.get(&[SCRAPER, site]).observe(0.3);
    }
    group.bench_function("dragline", |b| {
        b.iter(|| export::openmetrics(&registry.snapshot()));
    });

    let mut peer = prometheus_client::registry::Registry::default();
    let peer_pages = Family::<Labels, Counter<u64, AtomicU64>>::default();
    let make: fn() -> Histogram = peer_histogram;
    let peer_wait = Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(make);
    peer.register("pages", "Pages", peer_pages.clone());
    peer.register("wait_seconds", "Wait", peer_wait.clone());
    for site in &sites {
        peer_pages.get_or_create(&labels_of(site)).inc();
    }
    for site in &sites[..100] {
        peer_wait.get_or_create(&labels_of(site)).observe(0.3);
    }
    group.bench_function("prometheus-client", |b| {
        b.iter(|| {
            let mut out = String::new();
            encode(&mut out, &peer).expect("a String takes everything");
            out
        });
    });

    let recorder = exporter();
    metrics::with_local_recorder(&recorder, || {
        for site in &sites {
            metrics::counter!("pages", "scraper_id" => SCRAPER, "site" => site.clone())
                .increment(1);
        }
        for site in &sites[..100] {
            metrics::histogram!("wait_seconds", "scraper_id" => SCRAPER, "site" => site.clone())
                .record(0.3);
        }
    });
    let handle = recorder.handle();
    group.bench_function("exporter", |b| b.iter(|| handle.render()));
    group.finish();
}

criterion_group!(benches, increment, observe, exports);
criterion_main!(benches);
