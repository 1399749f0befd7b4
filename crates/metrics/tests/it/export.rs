//! What is exported.

use dragline_metrics::{
    Descriptor, Limits, Registry, Sample, Store, Timestamp, Unit, Update, export,
};
use proptest::prelude::*;

fn example() -> Registry {
    let registry = Registry::windowed(Limits::default());
    let pages = Descriptor::counter("shop_pages", "Pages \\ \"scraped\"\nso far.").labels(["site"]);
    let pages = registry.counter(pages).unwrap();
    pages.get(&["b.example"]).add(3);
    pages.get(&["a.example"]).add_f64(0.5);
    pages.get(&["\"} 1\n# EOF\\"]).inc();
    let free = Descriptor::gauge("shop_free_bytes", "Free space.").unit(Unit::Bytes);
    registry.gauge(free).unwrap().get(&[]).set(1.5e20);
    let wait = Descriptor::histogram("shop_wait_seconds", "Time in the queue.")
        .unit(Unit::Seconds)
        .labels(["site"])
        .buckets([0.1, 1.0, 30.0]);
    let wait = registry.histogram(wait).unwrap().get(&["a.example"]);
    for value in [0.05, 0.1, 0.7, 99.0] {
        wait.observe(value);
    }
    registry
}

#[test]
fn the_text_formats() {
    let metrics = example().snapshot();
    insta::assert_snapshot!("openmetrics", export::openmetrics(&metrics));
    insta::assert_snapshot!("prometheus", export::prometheus(&metrics));
}

#[test]
fn json_has_the_metrics_and_the_windows() {
    let registry = example();
    let mut store = Store::default();
    let now = Timestamp::from_seconds(1_772_600_000);
    store.collect(now, &registry).unwrap();
    let json = export::json(&registry.snapshot(), Some(&store), now, &[60, 3600]);
    insta::assert_snapshot!("json", json);
    let alone = export::json(&registry.snapshot(), None, now, &[60]);
    let alone: serde_json::Value = serde_json::from_str(&alone).unwrap();
    assert_eq!(alone["windows"], serde_json::json!([]));
}

#[test]
fn a_textfile_is_whole_or_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.prom");
    let registry = example();
    export::write_textfile(&path, &registry.snapshot()).unwrap();
    let first = std::fs::read_to_string(&path).unwrap();
    assert_eq!(first, export::prometheus(&registry.snapshot()));
    let names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["shop.prom"]);
    let error = export::write_textfile(&dir.path().join("shop.txt"), &registry.snapshot());
    assert!(error.unwrap_err().to_string().contains(".prom"));
    assert!(export::write_textfile(&dir.path().join("none/x.prom"), &registry.snapshot()).is_err());
}

/// Reads a label's value back, by the rules of the format.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next().unwrap() {
                'n' => '\n',
                other => other,
            }),
            c => out.push(c),
        }
    }
    out
}

proptest! {
    #[test]
    fn any_label_value_comes_back(value in any::<String>(), help in any::<String>()) {
        let registry = Registry::new();
        let gauges = registry.gauge(Descriptor::gauge("g", help.clone()).labels(["x"])).unwrap();
        gauges.get(&[value.as_str()]).set(1.0);
        let text = export::openmetrics(&registry.snapshot());
        let lines: Vec<&str> = text.split('\n').collect();
        let ours = lines.iter().find(|line| line.starts_with("g{")).unwrap();
        let quoted = ours.strip_prefix("g{x=\"").unwrap().strip_suffix("\"} 1").unwrap();
        let expected = value;
        if expected.len() <= dragline_metrics::MAX_LABEL_BYTES {
            prop_assert_eq!(unescape(quoted), expected);
        } else {
            prop_assert!(expected.starts_with(&unescape(quoted)));
        }
        let about = lines.iter().find_map(|line| line.strip_prefix("# HELP g ")).unwrap();
        prop_assert_eq!(unescape(about), help);
        prop_assert_eq!(lines[lines.len() - 2], "# EOF");
        // Type, help and sample of this metric and of the one about refused updates, the end, and nothing.
        prop_assert_eq!(lines.len(), 8);
    }

    #[test]
    fn numbers_come_back(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        let registry = Registry::new();
        registry.gauge(Descriptor::gauge("g", "G.")).unwrap().get(&[]).set(value);
        let text = export::prometheus(&registry.snapshot());
        let number = text.lines().find_map(|line| line.strip_prefix("g ")).unwrap();
        prop_assert_eq!(number.parse::<f64>().unwrap(), value);
    }
}

#[test]
fn a_window_of_a_store_alone_can_be_exported() {
    let mut store = Store::default();
    let now = Timestamp::from_seconds(1_772_600_000);
    let sample = Sample {
        name: "x",
        labels: &[("site", "a")],
        update: Update::Set(2.0),
    };
    store.record(now, &sample);
    let json: serde_json::Value =
        serde_json::from_str(&export::json(&[], Some(&store), now, &[60])).unwrap();
    let window = &json["windows"][0];
    assert_eq!(
        (&window["name"], &window["labels"]["site"]),
        (&"x".into(), &"a".into())
    );
    assert_eq!(
        (&window["last"], &window["increase"]),
        (&2.0.into(), &serde_json::Value::Null)
    );
}
