//! Windows of a store against a model that keeps every value.

use std::collections::BTreeMap;

use dragline_metrics::{
    Descriptor, Limits, NotWindowed, OVERFLOW, Registry, Resolution, Retention, RetentionError,
    Sample, Store, Timestamp, Update, Window,
};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;
/// Width in seconds and number of slots.
const RESOLUTIONS: [(i64, i64); 3] = [(10, 6), (60, 5), (600, 4)];

fn retention() -> Retention {
    let resolution = |(seconds, slots): (i64, i64)| Resolution {
        seconds: seconds as u32,
        slots: slots as u32,
    };
    Retention::new(RESOLUTIONS.map(resolution).to_vec()).unwrap()
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn put(store: &mut Store, time: i64, labels: &[(&str, &str)], update: Update) {
    let name = match update {
        Update::Add(_) => "counter",
        Update::Set(_) => "gauge",
        Update::Observe(_) => "histogram",
    };
    store.record(
        at(time),
        &Sample {
            name,
            labels,
            update,
        },
    );
}

/// Keeps every value.
#[derive(Default)]
struct Model {
    values: Vec<(i64, f64)>,
    newest: i64,
    kept_from: i64,
    first: Option<i64>,
    total: f64,
}

impl Model {
    /// Where each resolution starts: its number of slots back, and at the start of a slot of the next one.
    fn starts(&self) -> Vec<i64> {
        let widths: Vec<i64> = RESOLUTIONS.iter().map(|r| r.0 * SECOND).collect();
        let start = |level: usize| {
            let width = widths[level];
            let back = self.newest.div_euclid(width) * width - (RESOLUTIONS[level].1 - 1) * width;
            let next = widths[(level + 1).min(2)];
            back.div_euclid(next) * next
        };
        (0..3).map(start).collect()
    }

    fn add(&mut self, time: i64, value: f64) {
        self.newest = self.newest.max(time);
        self.kept_from = self.kept_from.max(self.starts()[2]);
        let kept_from = self.kept_from;
        self.values.retain(|(time, _)| *time >= kept_from);
        if self.values.is_empty() {
            // A series without any kept value is forgotten.
            self.total = 0.0;
        }
        if time >= kept_from {
            self.values.push((time, value));
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.total += value;
        }
    }

    fn width(&self, time: i64) -> i64 {
        let level = self.starts().iter().position(|start| time >= *start);
        RESOLUTIONS[level.unwrap_or(2)].0 * SECOND
    }

    fn window(&self, from: i64, to: i64) -> (i64, i64) {
        let width = self.width(from);
        let from = (from.div_euclid(width) * width).max(self.kept_from);
        if to > self.newest {
            return (from, to.max(from));
        }
        let width = self.width(to - 1);
        (from, (-(-to).div_euclid(width) * width).max(from))
    }

    /// The values in a window, sorted by time and otherwise as they arrived.
    fn inside(&self, from: i64, to: i64) -> Vec<(i64, f64)> {
        let (from, to) = self.window(from, to);
        let mut inside: Vec<_> = self.values.clone();
        inside.retain(|(time, _)| (from..to).contains(time));
        inside.sort_by_key(|(time, _)| *time);
        inside
    }
}

fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// Times that go on, mostly, with steps from microseconds to hours, and sometimes go back.
fn events() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let step = prop_oneof![
        6 => 0..20 * SECOND,
        2 => 0..200 * SECOND,
        1 => 0..3000 * SECOND,
        2 => -3000 * SECOND..0,
    ];
    let event = (step, prop_oneof![0.0..100.0_f64, Just(0.0)]);
    prop::collection::vec(event, 1..120).prop_map(|steps| {
        let mut time = 1_772_600_000 * SECOND;
        let next = |(step, value): (i64, f64)| {
            time += step;
            (time, value)
        };
        steps.into_iter().map(next).collect()
    })
}

proptest! {
    #[test]
    fn windows_equal_those_of_the_model(
        events in events(),
        back in 0..4000 * SECOND,
        length in 1..4000 * SECOND,
    ) {
        let mut store = Store::new(retention());
        let mut model = Model::default();
        for (time, value) in &events {
            for update in [Update::Add(*value), Update::Set(*value), Update::Observe(*value)] {
                put(&mut store, *time, &[("site", "a")], update);
            }
            model.add(*time, *value);
        }
        let to = model.newest + 1 - back;
        let (from, to) = (to - length, to);
        let window = Window { from: at(from), to: at(to) };
        let inside = model.inside(from, to);
        let (wide_from, wide_to) = model.window(from, to);
        let sum: f64 = inside.iter().map(|(_, value)| value).sum();
        let last = inside.last().map(|(_, value)| *value);

        let counter = store.summarise("counter", &[], window).unwrap();
        prop_assert_eq!((counter.from, counter.to), (at(wide_from), at(wide_to)));
        prop_assert_eq!(counter.count, inside.len() as u64);
        prop_assert!(is_close(counter.increase.unwrap(), sum));
        prop_assert_eq!((counter.min, counter.median), (None, None));
        let after: f64 = model.values.iter().filter(|(time, _)| *time >= wide_to).map(|(_, v)| v).sum();
        prop_assert!(is_close(counter.last.unwrap(), model.total - after));
        let seconds = (wide_to - wide_from.max(model.first.unwrap())) as f64 / 1e6;
        match counter.rate {
            Some(rate) => prop_assert!(is_close(rate * seconds, sum)),
            None => prop_assert!(seconds <= 0.0),
        }

        for name in ["gauge", "histogram"] {
            let stats = store.summarise(name, &[("site", "a")], window).unwrap();
            prop_assert_eq!(stats.count, inside.len() as u64);
            prop_assert_eq!(stats.last, last);
            prop_assert_eq!(stats.last_updated, inside.last().map(|(time, _)| at(*time)));
            let mut sorted: Vec<f64> = inside.iter().map(|(_, value)| *value).collect();
            sorted.sort_by(f64::total_cmp);
            prop_assert_eq!(stats.min, sorted.first().copied());
            prop_assert_eq!(stats.max, sorted.last().copied());
            let mean = (!sorted.is_empty()).then(|| sum / sorted.len() as f64);
            prop_assert!(stats.mean.is_some() == mean.is_some());
            prop_assert!(stats.mean.zip(mean).is_none_or(|(a, b)| is_close(a, b)));
            for (q, found) in [(0.5, stats.median), (0.95, stats.p95), (0.99, stats.p99)] {
                prop_assert_eq!(found.is_some(), !sorted.is_empty());
                if let Some(found) = found {
                    let exact = sorted[(q * (sorted.len() - 1) as f64) as usize];
                    prop_assert!((found - exact).abs() <= exact * 0.010_001 + 1e-9, "{found} {exact}");
                }
            }
        }
    }

    /// The order of arrival changes nothing, as long as nothing is too old to be kept.
    #[test]
    fn the_order_of_arrival_has_no_influence(
        mut events in prop::collection::vec((0..2000 * SECOND, 0.0..100.0_f64), 1..60),
        length in 1..2500 * SECOND,
    ) {
        let start = 1_772_600_000 * SECOND;
        let fill = |events: &[(i64, f64)]| {
            let mut store = Store::new(retention());
            for (time, value) in events {
                put(&mut store, start + time, &[], Update::Observe(*value));
            }
            store
        };
        // Values at the same moment have no order but that of their arrival.
        events.sort_by_key(|(time, _)| *time);
        events.dedup_by_key(|(time, _)| *time);
        let sorted = fill(&events);
        events.sort_by(|a, b| a.1.total_cmp(&b.1));
        let shuffled = fill(&events);
        prop_assert_eq!(shuffled.losses().late, 0);
        let window = Window { from: at(start + 2000 * SECOND - length), to: at(start + 2000 * SECOND) };
        let (a, b) = (sorted.query_all(window), shuffled.query_all(window));
        prop_assert_eq!(a.len(), 1);
        let (a, b) = (&a[0].1, &b[0].1);
        prop_assert_eq!((a.count, a.min, a.max, a.median, a.p99), (b.count, b.min, b.max, b.median, b.p99));
        prop_assert_eq!((a.last, a.last_updated, a.from, a.to), (b.last, b.last_updated, b.from, b.to));
    }
}

const NOW: i64 = 1_772_600_000 * SECOND;

#[test]
fn series_are_filtered_by_labels() {
    let mut store = Store::default();
    let labels = |site, code| [("site", site), ("code", code)];
    for (site, code, amount) in [("a", "200", 3.0), ("a", "503", 1.0), ("b", "200", 5.0)] {
        put(&mut store, NOW, &labels(site, code), Update::Add(amount));
    }
    // The same series, named in another order.
    put(
        &mut store,
        NOW + SECOND,
        &[("code", "200"), ("site", "b")],
        Update::Add(2.0),
    );
    let window = Window::until(at(NOW + 10 * SECOND), 60);
    let increase = |labels: &[(&str, &str)]| {
        let stats = store.summarise("counter", labels, window);
        stats.and_then(|stats| stats.increase)
    };
    assert_eq!(store.series_count(), 3);
    assert_eq!(increase(&[]), Some(11.0));
    assert_eq!(increase(&[("site", "a")]), Some(4.0));
    assert_eq!(increase(&[("code", "200")]), Some(10.0));
    assert_eq!(increase(&[("site", "c")]), None);
    let each = store.query("counter", &[("code", "200")], window);
    let increases: Vec<_> = each
        .iter()
        .map(|(_, stats)| stats.increase.unwrap())
        .collect();
    assert_eq!(increases, [3.0, 7.0]);
    assert_eq!(
        store.last_updated("counter", &[("site", "b")]),
        Some(at(NOW + SECOND))
    );
    assert_eq!(store.last_updated("counter", &[("site", "c")]), None);
}

#[test]
fn a_series_that_stands_still_has_an_increase_of_zero_and_no_values() {
    let mut store = Store::default();
    put(&mut store, NOW, &[], Update::Add(4.0));
    put(&mut store, NOW, &[], Update::Set(4.0));
    let window = Window::until(at(NOW + 300 * SECOND), 60);
    let counter = store.summarise("counter", &[], window).unwrap();
    assert_eq!(
        (counter.count, counter.increase, counter.rate),
        (0, Some(0.0), Some(0.0))
    );
    assert_eq!((counter.last, counter.last_updated), (Some(4.0), None));
    let gauge = store.summarise("gauge", &[], window).unwrap();
    assert_eq!(
        (gauge.count, gauge.last, gauge.mean, gauge.rate),
        (0, None, None, None)
    );
}

#[test]
fn a_rate_counts_from_the_first_value_on() {
    let mut store = Store::default();
    for second in 0..20 {
        put(&mut store, NOW + second * SECOND, &[], Update::Add(2.0));
    }
    let stats = store
        .summarise("counter", &[], Window::until(at(NOW + 20 * SECOND), 3600))
        .unwrap();
    assert!((stats.rate.unwrap() - 2.0).abs() < 1e-6, "{stats:?}");
}

#[test]
fn points_are_statistics_of_consecutive_windows() {
    let mut store = Store::default();
    for minute in 0..10 {
        put(
            &mut store,
            NOW + minute * 60 * SECOND,
            &[],
            Update::Set(minute as f64),
        );
    }
    let window = Window {
        from: at(NOW),
        to: at(NOW + 600 * SECOND),
    };
    let means: Vec<_> = store
        .points("gauge", &[], window, 120)
        .iter()
        .map(|stats| stats.mean)
        .collect();
    assert_eq!(means, [0.5, 2.5, 4.5, 6.5, 8.5].map(Some));
}

#[test]
fn a_wrong_date_does_not_make_everything_else_too_old() {
    let mut store = Store::default();
    store.set_now(at(NOW));
    put(&mut store, NOW, &[], Update::Add(1.0));
    put(
        &mut store,
        NOW + 365 * 86_400 * SECOND,
        &[],
        Update::Add(1.0),
    );
    put(
        &mut store,
        NOW - 30 * 86_400 * SECOND,
        &[],
        Update::Add(1.0),
    );
    put(&mut store, NOW, &[], Update::Add(f64::NAN));
    put(&mut store, NOW, &[], Update::Add(-1.0));
    let losses = store.losses();
    assert_eq!((losses.early, losses.late, losses.rejected), (1, 1, 2));
    let stats = store
        .summarise("counter", &[], Window::until(at(NOW), 60))
        .unwrap();
    assert_eq!(stats.increase, Some(1.0));
}

#[test]
fn the_type_of_a_series_does_not_change() {
    let mut store = Store::default();
    let sample = |update| Sample {
        name: "x",
        labels: &[],
        update,
    };
    store.record(at(NOW), &sample(Update::Add(1.0)));
    store.record(at(NOW), &sample(Update::Set(7.0)));
    assert_eq!(store.losses().rejected, 1);
    let stats = store
        .summarise("x", &[], Window::until(at(NOW), 60))
        .unwrap();
    assert_eq!((stats.increase, stats.max), (Some(1.0), None));
}

#[test]
fn series_beyond_the_maximum_share_one() {
    let mut store = Store::new(retention().max_series(3));
    for site in 0..100 {
        let site = site.to_string();
        put(
            &mut store,
            NOW,
            &[("site", site.as_str())],
            Update::Add(1.0),
        );
    }
    assert_eq!((store.series_count(), store.losses().overflowed), (4, 97));
    let window = Window::until(at(NOW), 60);
    let rest = store
        .summarise("counter", &[("site", OVERFLOW)], window)
        .unwrap();
    assert_eq!(rest.increase, Some(97.0));
    assert_eq!(
        store.summarise("counter", &[], window).unwrap().increase,
        Some(100.0)
    );
    // Names beyond twice the maximum have no place at all.
    for name in 0..100 {
        let name = format!("n{name}");
        store.record(
            at(NOW),
            &Sample {
                name: &name,
                labels: &[],
                update: Update::Add(1.0),
            },
        );
    }
    assert_eq!((store.series_count(), store.losses().refused), (6, 98));
}

#[test]
fn memory_is_bounded_and_what_is_dropped_is_the_oldest() {
    let bound = 1 << 20;
    let mut store = Store::new(Retention::default().max_bytes(bound));
    let mut most = 0;
    for minute in 0..600 {
        for site in 0..50 {
            // Values over many orders of magnitude, which need many bins.
            let value = 1.5_f64.powi((minute * 7 + site) % 60);
            let site = site.to_string();
            let labels = [("site", site.as_str())];
            put(
                &mut store,
                NOW + i64::from(minute) * 60 * SECOND,
                &labels,
                Update::Observe(value),
            );
        }
        most = most.max(store.bytes());
    }
    // A slot with one value for each series may come on top.
    assert!(most < bound + 50 * 1024, "{most}");
    let kept = store.kept_since().unwrap();
    let end = NOW + 599 * 60 * SECOND;
    assert!(kept > at(NOW) && kept < at(end), "{kept}");
    let stats = store
        .summarise("histogram", &[], Window::until(at(end), 600 * 60))
        .unwrap();
    assert_eq!(stats.from, kept);
    assert!(stats.count > 50 && stats.count < 600 * 50);
    assert_eq!(stats.count % 50, 0);
}

#[test]
fn a_registry_is_read_in_intervals() {
    let registry = Registry::windowed(Limits::default());
    let counter = registry
        .counter(Descriptor::counter("c", "C.").labels(["site"]))
        .unwrap();
    let gauge = registry.gauge(Descriptor::gauge("g", "G.")).unwrap();
    let unset = registry.gauge(Descriptor::gauge("u", "U.")).unwrap();
    let _ = unset.get(&[]);
    let histogram = registry
        .histogram(Descriptor::histogram("h_seconds", "H."))
        .unwrap();
    let mut store = Store::default();
    for step in 1..=6 {
        counter.get(&["a"]).add(step);
        gauge.get(&[]).set(step as f64);
        histogram.get(&[]).observe(step as f64);
        store
            .collect(at(NOW + step as i64 * 10 * SECOND), &registry)
            .unwrap();
    }
    let now = at(NOW + 60 * SECOND);
    let stats = |name: &str| store.summarise(name, &[], Window::until(now, 60));
    let counter = stats("c").unwrap();
    assert_eq!((counter.increase, counter.last), (Some(21.0), Some(21.0)));
    let gauge = stats("g").unwrap();
    assert_eq!(
        (gauge.min, gauge.mean, gauge.last),
        (Some(1.0), Some(3.5), Some(6.0))
    );
    let histogram = stats("h_seconds").unwrap();
    assert_eq!(
        (histogram.count, histogram.max, histogram.last),
        (6, Some(6.0), Some(6.0))
    );
    assert_eq!(stats("u"), None);
    assert_eq!(store.collect(now, &Registry::new()), Err(NotWindowed));
}

#[test]
fn resolutions_must_fit_together() {
    let of = |widths: &[(u32, u32)]| {
        let resolution = |(seconds, slots): &(u32, u32)| Resolution {
            seconds: *seconds,
            slots: *slots,
        };
        Retention::new(widths.iter().map(resolution).collect()).err()
    };
    assert_eq!(of(&[(10, 6), (60, 5)]), None);
    assert_eq!(of(&[]), Some(RetentionError::Empty));
    assert_eq!(of(&[(10, 0)]), Some(RetentionError::Empty));
    assert_eq!(
        of(&[(10, 6), (25, 5)]),
        Some(RetentionError::Width {
            wide: 25,
            narrow: 10
        })
    );
    assert_eq!(
        of(&[(10, 6), (10, 5)]),
        Some(RetentionError::Width {
            wide: 10,
            narrow: 10
        })
    );
    assert_eq!(
        of(&[(1, 200_000)]),
        Some(RetentionError::Slots { slots: 200_000 })
    );
}

#[test]
fn all_series_of_a_store_are_listed_in_order() {
    let mut store = Store::default();
    for site in ["b", "a"] {
        put(&mut store, NOW, &[("site", site)], Update::Add(1.0));
        put(&mut store, NOW, &[("site", site)], Update::Set(1.0));
    }
    let all = store.query_all(Window::until(at(NOW), 60));
    let names: Vec<_> = all
        .iter()
        .map(|(id, _)| (id.name.as_str(), id.labels[0].1.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("counter", "a"),
            ("counter", "b"),
            ("gauge", "a"),
            ("gauge", "b")
        ]
    );
    let counts: BTreeMap<_, _> = all.iter().map(|(id, stats)| (id, stats.count)).collect();
    assert!(counts.values().all(|count| *count == 1));
}
