//! What an event costs its caller: a typed request, a plain event with five fields in a run, and an error. The
//! request also with the console, whose reader takes everything: as fast as possible, when most lines do not
//! fit, and 10,000 times a second, when all of them are shown. Beside that, what tracing-appender's queue costs.

#![allow(missing_docs, reason = "criterion's macros make the items")]

use std::io::{Read as _, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group};
use dragline_logging::{Compression, Config, ConsoleMode, RollingWriter, Run, layer};
use tracing_subscriber::prelude::*;

/// Time between two requests when they are not logged as fast as possible.
const PAUSE: Duration = Duration::from_micros(100);

/// Calls `bench` with a recorder.
fn with_recorder(name: &str, set: impl FnOnce(Config) -> Config, bench: impl FnOnce(&Run)) {
    let dir = tempfile::tempdir().expect("a directory");
    // Big files: what rotation costs is another question.
    let config = Config::new(dir.path())
        .name(name)
        .max_file_bytes(1 << 30)
        .compression(Compression::None);
    let (layer, _guard) = layer(&set(config)).expect("a recorder");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let run = Run::start("bench", "bench.example.com");
        bench(&run);
        run.finish();
    });
}

fn log(run: &Run) {
    run.request("https://bench.example.com/p/1")
        .status(200)
        .elapsed(Duration::from_millis(87))
        .bytes(18_234)
        .log();
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements(1))
        .measurement_time(Duration::from_secs(2));
    group
}

/// Calls `work` every [`PAUSE`]; returns the time that the calls took.
fn paced(count: u64, mut work: impl FnMut()) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..count {
        let started = Instant::now();
        work();
        total += started.elapsed();
        while started.elapsed() < PAUSE {
            std::hint::spin_loop();
        }
    }
    total
}

fn recording(criterion: &mut Criterion) {
    with_recorder(
        "bench",
        |config| config,
        |run| {
            let mut group = group(criterion, "record");
            group.bench_function("a request", |bencher| bencher.iter(|| log(run)));
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
        },
    );
}

fn console(criterion: &mut Criterion) {
    for (name, mode) in [
        ("file", ConsoleMode::Off),
        ("file and console", ConsoleMode::Compact),
    ] {
        with_recorder(
            "console",
            |config| config.console(mode),
            |run| {
                let mut group = group(criterion, "console");
                group.bench_function(name, |bencher| bencher.iter(|| log(run)));
                group.bench_function(format!("{name}, 10,000 a second"), |bencher| {
                    bencher.iter_custom(|count| paced(count, || log(run)));
                });
                group.finish();
            },
        );
    }
}

/// A ready line handed to tracing-appender's thread, which makes its callers wait instead of dropping it, and
/// writes to the same files.
fn appender(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let config = Config::new(dir.path())
        .name("appender")
        .max_file_bytes(1 << 30)
        .compression(Compression::None);
    let files = RollingWriter::new(&config).expect("a writer");
    let builder = tracing_appender::non_blocking::NonBlockingBuilder::default();
    let (mut writer, _guard) = builder.lossy(false).finish(files);
    let line = [b"x".repeat(280), b"\n".to_vec()].concat();
    let mut group = group(criterion, "appender");
    group.bench_function("a ready line", |bencher| {
        bencher.iter(|| writer.write_all(&line).expect("the thread runs"));
    });
    group.bench_function("a ready line, 10,000 a second", |bencher| {
        bencher.iter_custom(|count| {
            paced(count, || writer.write_all(&line).expect("the thread runs"))
        });
    });
    group.finish();
}

/// Last, because backtraces are for the whole process and stay on.
fn errors(criterion: &mut Criterion) {
    for (name, backtraces) in [("an error", false), ("an error with its backtrace", true)] {
        let config = |config: Config| config.backtraces(backtraces);
        with_recorder("errors", config, |run| {
            let mut group = group(criterion, "record");
            let error = std::io::Error::other("no answer in 30 s");
            group.bench_function(name, |bencher| bencher.iter(|| run.error(&error).log()));
            group.finish();
        });
    }
}

criterion_group!(benches, recording, console, appender, errors);

/// Runs the benches in a process whose standard error is a pipe that somebody reads.
fn main() -> ExitCode {
    const INNER: &str = "DRAGLINE_BENCH_INNER";
    if std::env::var_os(INNER).is_some() {
        benches();
        Criterion::default().configure_from_args().final_summary();
        return ExitCode::SUCCESS;
    }
    let inner = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(INNER, "1")
            .stderr(Stdio::piped())
            .spawn()
    });
    let mut inner = inner.expect("the same program");
    let mut stderr = inner.stderr.take().expect("a pipe");
    let mut text = vec![0; 64 << 10];
    while stderr.read(&mut text).is_ok_and(|read| read > 0) {}
    let status = inner.wait().expect("the process that was started");
    ExitCode::from(u8::from(!status.success()))
}
