//! The recorder for the `metrics` crate.

use dragline_metrics::{Descriptor, FacadeRecorder, Registry, export};

#[test]
fn what_libraries_record_is_exported() {
    let registry = Registry::new();
    let own = Descriptor::histogram("render_seconds", "Time to render.").buckets([0.5]);
    registry.histogram(own).unwrap();
    let recorder = FacadeRecorder::new(&registry);
    metrics::with_local_recorder(&recorder, || {
        metrics::describe_counter!("cache.hits_total", "Hits in the cache.");
        for name in ["pages", "images", "pages"] {
            metrics::counter!("cache.hits_total", "cache" => name).increment(1);
        }
        metrics::counter!("cache.hits_total", "cache" => "pages", "tier" => "disk").absolute(7);
        metrics::counter!("cache.hits_total", "cache" => "").increment(4);
        metrics::gauge!("9 lives").set(3.0);
        metrics::gauge!("9 lives").decrement(1.0);
        metrics::histogram!("render_seconds", "le" => "x", "a-b" => "\"\\\n").record(0.4);
        metrics::histogram!("page_bytes").record(2048.0);
        // The name belongs to a counter, so this is dropped and counted.
        metrics::gauge!("cache.hits").set(1.0);
        metrics::gauge!("dragline_metrics_rejected_updates").set(1.0);
    });
    insta::assert_snapshot!("facade", export::openmetrics(&registry.snapshot()));
}

#[test]
fn any_name_can_be_exported() {
    let registry = Registry::new();
    let recorder = FacadeRecorder::new(&registry);
    metrics::with_local_recorder(&recorder, || {
        for name in ["", "_total", "\u{0}", "a b", "ä", "x{y=\"z\"} 1\n# EOF"] {
            metrics::counter!(name, name => name).increment(1);
            metrics::gauge!(format!("g{name}"), "__name__" => "evil").set(1.0);
        }
    });
    super::parsers::assert_parses_unusual_names("names", &registry.snapshot());
}
