//! How fast logs are read, classified and rolled up: the demo's logs, one thread.

#![allow(missing_docs, reason = "criterion's macros make the items")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dragline_classifier::RuleSet;
use dragline_demo::{DemoOptions, simulate};
use dragline_report::{ReportOptions, report};
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

fn scanning(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let end = Timestamp::from_seconds(1_773_532_800);
    let options = DemoOptions {
        logs: dir.path().to_owned(),
        days: 14,
        seed: 1,
        end,
    };
    simulate(&options, &|_| {}).expect("the simulation runs");
    let logs = [dir.path().display().to_string()];
    let rules = RuleSet::shipped();
    let one_thread = ScanOptions {
        jobs: 1,
        ..ScanOptions::default()
    };
    let read = || scan(&logs, &rules, &one_thread).expect("the logs are there");
    let finished = read().rollup.finish(end);
    criterion.bench_function("report on the demo's rollup", |bencher| {
        bencher
            .iter(|| report(&finished, None, &rules, &ReportOptions::at(end)).expect("a report"));
    });
    let events = finished.dialects.values().sum();

    let mut group = criterion.benchmark_group("scan");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(events));
    group.bench_function("the demo's logs", |bencher| bencher.iter(read));
    group.finish();
}

criterion_group!(benches, scanning);
criterion_main!(benches);
