//! How many rule instances are evaluated a second: 20 rules over 500 series, each with a window of an hour of
//! samples, 30 seconds apart.

#![allow(missing_docs, reason = "criterion's macros make the items")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dragline_alerting::rule::load;
use dragline_alerting::watch::{Watch, WatchConfig, WatchState};
use dragline_alerting::{Labels, Observation};
use dragline_schema::Timestamp;

const SERIES: i64 = 500;
const FUNCTIONS: [&str; 5] = ["last", "avg", "p95", "increase", "max"];

fn second(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_772_582_400 + second)
}

fn watch() -> Watch {
    let mut rules = String::new();
    for index in 0..20 {
        let (function, window) = (FUNCTIONS[index % 5], ["5m", "10m", "30m", "1h"][index % 4]);
        let expression = format!("{function}(load[{window}]) > {}", 40 + index);
        rules.push_str(&format!(
            "[[rule]]\nalert = 'r{index}'\nexpr = '{expression}'\nfor = '5m'\n"
        ));
    }
    let loaded = load("bench", &rules);
    assert!(loaded.errors.is_empty());
    let mut watch = Watch::new(WatchConfig::default(), loaded.rules, WatchState::default());
    watch.start_at(second(3_600));
    for series in 0..SERIES {
        let labels = Labels::from([
            ("scraper_id", format!("s{series}").as_str()),
            ("site", "shop.example.com"),
        ]);
        for at in (0..3_900).step_by(30) {
            let value = ((at / 30 + series) * 37 % 101) as f64;
            watch.observe(Observation::metric(
                "load",
                labels.clone(),
                second(at),
                value,
            ));
        }
    }
    watch
}

fn evaluation(criterion: &mut Criterion) {
    let prepared = watch();
    let mut group = criterion.benchmark_group("alerting");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(20 * SERIES as u64));
    group.bench_function("one evaluation of 20 rules over 500 series", |bencher| {
        bencher.iter_batched(
            || prepared.clone(),
            |mut watch| watch.advance(second(3_630)),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
