//! What an event costs its caller: a typed request, and a plain event with five fields in a run.

#![allow(missing_docs, reason = "criterion's macros make the items")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dragline_logging::{Compression, Config, Run, layer};
use tracing_subscriber::prelude::*;

fn recording(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    // Big files: what rotation costs is another question.
    let config = Config::new(dir.path())
        .name("bench")
        .max_file_bytes(1 << 30)
        .compression(Compression::None);
    let (layer, guard) = layer(&config).expect("a recorder");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let run = Run::start("bench", "bench.example.com");
        let mut group = criterion.benchmark_group("record");
        group
            .throughput(Throughput::Elements(1))
            .measurement_time(Duration::from_secs(2));
        group.bench_function("a request", |bencher| {
            bencher.iter(|| {
                run.request("https://bench.example.com/p/1")
                    .status(200)
                    .elapsed(Duration::from_millis(87))
                    .bytes(18_234)
                    .log();
            });
        });
        run.in_scope(|| {
            group.bench_function("a plain event of five fields", |bencher| {
                bencher.iter(|| {
                    tracing::info!(
                        page = 3,
                        url = "https://bench.example.com",
                        n = 7_u64,
                        ok = true,
                        ratio = 0.5,
                        "read"
                    );
                });
            });
        });
        group.finish();
        run.finish();
    });
    drop(guard);
}

criterion_group!(benches, recording);
criterion_main!(benches);
