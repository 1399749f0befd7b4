//! One writer under load, as a whole process: `peer WRITER MODE THREADS EVENTS`; or all of them in
//! turn, each several times, as a table: `peer all [ROUNDS]`; or how many times better Dragline is, each
//! peer between two runs of Dragline's, as machines change their speed: `peer pairs [ROUNDS]`.
//!
//! Every writer gets the same events, with five fields, in the same span, with three. Nothing is
//! dropped: every writer is told to make its callers wait. Prints one JSON object. The table is in
//! `docs/benchmarks.md`; `just peers` makes it.
//!
//! - `steady`: one file, neither rotated nor compressed. Rate and CPU from the first event until the
//!   last byte is in the file.
//! - `latency`: the same, and each call is timed.
//! - `rolling`: as `latency`, while files of 16 MiB follow one another and are compressed.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing_subscriber::prelude::*;

const FILE_BYTES: u64 = 16 << 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [writer, mode, threads, events] = match args.iter().map(String::as_str).collect::<Vec<_>>()
        [..]
    {
        [writer, mode, threads, events] => [writer, mode, threads, events],
        ["all"] => return compare(5),
        ["all", rounds] => return compare(rounds.parse().unwrap()),
        ["pairs"] => return pairs(7),
        ["pairs", rounds] => return pairs(rounds.parse().unwrap()),
        _ => {
            eprintln!(
                "peer WRITER steady|latency|rolling THREADS EVENTS, peer all [ROUNDS], or peer pairs [ROUNDS]"
            );
            std::process::exit(2);
        }
    };
    let load = Load {
        threads: threads.parse().unwrap(),
        events: events.parse().unwrap(),
        is_timed: mode != "steady",
    };
    let dir = tempfile::tempdir_in(std::env::var_os("PEER_DIR").unwrap_or(".".into())).unwrap();
    let started = Instant::now();
    let mut calls = record(writer, dir.path(), mode == "rolling", &load);
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds();
    calls.sort_unstable();
    let at = |share: f64| {
        calls
            .get((calls.len() as f64 * share) as usize)
            .copied()
            .unwrap_or(0)
    };
    let total = (load.threads * load.events) as f64;
    println!(
        "{{\"writer\":\"{writer}\",\"mode\":\"{mode}\",\"threads\":{},\"events_per_second\":{:.0},\"cpu_us_per_event\":{:.3},\"p50_ns\":{},\"p99_ns\":{},\"p999_ns\":{},\"bytes\":{},\"files\":{}}}",
        load.threads,
        total / seconds,
        cpu * 1e6 / total,
        at(0.5),
        at(0.99),
        at(0.999),
        bytes_in(dir.path()),
        std::fs::read_dir(dir.path()).unwrap().count(),
    );
}

const WRITERS: [&str; 5] = [
    "dragline",
    "tracing-subscriber",
    "json-subscriber",
    "emit",
    "logroller",
];
/// Mode, threads, events by each.
const SETTINGS: [(&str, &str, &str); 5] = [
    ("steady", "1", "500000"),
    ("steady", "4", "125000"),
    ("latency", "1", "500000"),
    ("latency", "4", "125000"),
    ("rolling", "1", "500000"),
];

/// Runs every writer in turn, round by round, and prints the medians.
fn compare(rounds: usize) {
    let mut results: BTreeMap<(usize, usize), Vec<serde_json::Value>> = BTreeMap::new();
    for round in 0..rounds {
        for (setting, (mode, threads, events)) in SETTINGS.into_iter().enumerate() {
            for (writer, name) in WRITERS.into_iter().enumerate() {
                // The first two peers neither roll by size nor compress.
                if mode == "rolling" && (1..=2).contains(&writer) {
                    continue;
                }
                eprintln!(
                    "round {} of {rounds}: {name}, {mode}, {threads} threads",
                    round + 1
                );
                let result = measure(name, mode, threads, events);
                results.entry((setting, writer)).or_default().push(result);
            }
        }
    }
    println!("| mode | threads | writer | events/s | CPU µs/event | p50 µs | p99 µs | p99.9 µs |");
    println!("|---|---|---|---|---|---|---|---|");
    for ((setting, writer), results) in &results {
        let median = |key: &str| {
            let mut values: Vec<f64> = results.iter().map(|r| r[key].as_f64().unwrap()).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (mode, threads, _) = SETTINGS[*setting];
        let calls = ["p50_ns", "p99_ns", "p999_ns"].map(|key| match median(key) {
            0.0 => "–".to_owned(),
            nanos => format!("{:.2}", nanos / 1e3),
        });
        println!(
            "| {mode} | {threads} | {} | {:.0} k | {:.2} | {} |",
            WRITERS[*writer],
            median("events_per_second") / 1e3,
            median("cpu_us_per_event"),
            calls.join(" | "),
        );
    }
}

fn measure(writer: &str, mode: &str, threads: &str, events: &str) -> serde_json::Value {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([writer, mode, threads, events])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Prints the least, the median and the greatest ratio of each pair.
fn pairs(rounds: usize) {
    println!("| what | threads | peer | least | median | greatest |");
    println!("|---|---|---|---|---|---|");
    for (mode, threads, events) in &SETTINGS[..4] {
        let key = if *mode == "steady" {
            "events_per_second"
        } else {
            "p50_ns"
        };
        let run = |writer: &str| {
            measure(writer, mode, threads, events)[key]
                .as_f64()
                .unwrap()
        };
        for peer in ["tracing-subscriber", "json-subscriber"] {
            let mut ratios = Vec::new();
            let mut before = run("dragline");
            for _ in 0..rounds {
                let theirs = run(peer);
                let after = run("dragline");
                let ours = f64::midpoint(before, after);
                before = after;
                ratios.push(if *mode == "steady" {
                    ours / theirs
                } else {
                    theirs / ours
                });
            }
            ratios.sort_by(f64::total_cmp);
            println!(
                "| {key} | {threads} | {peer} | {:.1} | {:.1} | {:.1} |",
                ratios[0],
                ratios[rounds / 2],
                ratios[rounds - 1],
            );
        }
    }
}

/// What is done to a writer.
struct Load {
    threads: usize,
    /// By each thread.
    events: usize,
    is_timed: bool,
}

impl Load {
    /// Emits the events in each thread, in the scope that `within` enters; gives what each call took,
    /// in nanoseconds.
    fn run(&self, within: impl Fn(&mut dyn FnMut()) + Sync, emit: impl Fn(u64) + Sync) -> Vec<u32> {
        let one = || {
            let mut calls = Vec::with_capacity(if self.is_timed { self.events } else { 0 });
            within(&mut || {
                for n in 0..self.events as u64 {
                    if self.is_timed {
                        let started = Instant::now();
                        emit(n);
                        calls.push(started.elapsed().as_nanos() as u32);
                    } else {
                        emit(n);
                    }
                }
            });
            calls
        };
        if self.threads == 1 {
            return one();
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|_| scope.spawn(one)).collect();
            threads
                .into_iter()
                .flat_map(|t| t.join().unwrap())
                .collect()
        })
    }

    /// The same through `tracing`.
    fn run_traced(&self) -> Vec<u32> {
        let span = tracing::info_span!(
            "run",
            scraper_id = "shop",
            site = "shop.example.com",
            run_id = "20260304T112233Z-1a2b3c4d5e6f"
        );
        self.run(
            |work| span.in_scope(work),
            |n| {
                tracing::info!(
                    page = n,
                    url = "https://shop.example.com/p/12345?page=3",
                    status = 200_u64,
                    bytes = 18_234_u64,
                    elapsed_ms = 87.25,
                    "page fetched"
                );
            },
        )
    }
}

fn record(writer: &str, dir: &Path, rolls: bool, load: &Load) -> Vec<u32> {
    match writer {
        "dragline" => dragline(dir, rolls, load),
        "tracing-subscriber" => {
            let file = tracing_appender::rolling::never(dir, "log");
            let (writer, guard) = non_blocking(file);
            let layer = tracing_subscriber::fmt::layer().json().with_writer(writer);
            tracing_subscriber::registry().with(layer).init();
            let calls = load.run_traced();
            drop(guard);
            calls
        }
        "json-subscriber" => {
            let file = tracing_appender::rolling::never(dir, "log");
            let (writer, guard) = non_blocking(file);
            let layer = json_subscriber::fmt::layer().with_writer(writer);
            tracing_subscriber::registry().with(layer).init();
            let calls = load.run_traced();
            drop(guard);
            calls
        }
        "logroller" => {
            let mut builder = logroller::LogRollerBuilder::new(dir, Path::new("log"));
            if rolls {
                let size = logroller::RotationSize::Bytes(FILE_BYTES);
                builder = builder
                    .rotation(logroller::Rotation::SizeBased(size))
                    .compression(logroller::Compression::Gzip);
            }
            let (writer, guard) = non_blocking(builder.build().unwrap());
            let layer = tracing_subscriber::fmt::layer().json().with_writer(writer);
            tracing_subscriber::registry().with(layer).init();
            let calls = load.run_traced();
            drop(guard);
            calls
        }
        "emit" => emit_file(dir, rolls, load),
        other => panic!("no writer {other}"),
    }
}

/// The appender's thread, which makes callers wait instead of dropping lines.
fn non_blocking(
    file: impl std::io::Write + Send + 'static,
) -> (
    tracing_appender::non_blocking::NonBlocking,
    tracing_appender::non_blocking::WorkerGuard,
) {
    tracing_appender::non_blocking::NonBlockingBuilder::default()
        .lossy(false)
        .finish(file)
}

fn dragline(dir: &Path, rolls: bool, load: &Load) -> Vec<u32> {
    use dragline_logging::{Compression, Config, Patience};
    let mut config = Config::new(dir)
        .name("log")
        .queue_patience(Patience::FOREVER);
    if rolls {
        config = config.max_file_bytes(FILE_BYTES);
    } else {
        config = config
            .max_file_bytes(u64::MAX)
            .compression(Compression::None);
    }
    let (layer, guard) = dragline_logging::layer(&config).unwrap();
    tracing_subscriber::registry().with(layer).init();
    let calls = load.run_traced();
    // As the others': what is written counts, not what is compressed later.
    guard.flush().unwrap();
    calls
}

fn emit_file(dir: &Path, rolls: bool, load: &Load) -> Vec<u32> {
    let mut files = emit_file::set(dir.join("log.jsonl"));
    files = if rolls {
        files.max_file_size_bytes(FILE_BYTES as usize)
    } else {
        files.max_file_size_bytes(usize::MAX)
    };
    let rt = emit::setup().emit_to(files.spawn()).init();
    let within = |work: &mut dyn FnMut()| {
        let props = emit::props! {
            scraper_id: "shop",
            site: "shop.example.com",
            run_id: "20260304T112233Z-1a2b3c4d5e6f",
        };
        emit::Frame::push(emit::runtime::shared().ctxt(), props).call(work);
    };
    let calls = load.run(within, |n| {
        emit::info!(
            "page fetched",
            page: n,
            url: "https://shop.example.com/p/12345?page=3",
            status: 200_u64,
            bytes: 18_234_u64,
            elapsed_ms: 87.25,
        );
    });
    rt.blocking_flush(Duration::from_mins(5));
    calls
}

/// User and system time of the process, from the kernel.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    // `utime` and `stime`, in hundredths of a second on every Linux there is.
    (ticks(12) + ticks(13)) / 100.0
}

fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().flatten();
    files
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}
