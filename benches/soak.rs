//! A recorder at full speed for a long time: `soak SECONDS [DIRECTORY]`.
//!
//! Two threads log as fast as they can, into files of 16 MiB that are compressed and may take 400 MB
//! together. Every second it looks at the process's memory and the directory's size; in the end it
//! reads back what is left and checks that no line is missing in it. Exits 1 when anything grew or is
//! missing. `just soak` runs it for ten minutes.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use dragline_logging::{Config, FileName, Patience, Retention, Run};
use tracing_subscriber::prelude::*;

const CAP: u64 = 400_000_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let seconds: u64 = args.next().map_or(60, |n| n.parse().unwrap());
    let dir = tempfile::tempdir_in(args.next().unwrap_or_else(|| ".".into())).unwrap();
    let config = Config::new(dir.path())
        .name("soak")
        .max_file_bytes(16 << 20)
        .retention(Retention {
            max_bytes: Some(CAP),
            ..Retention::FOREVER
        })
        .queue_patience(Patience::FOREVER);
    let (layer, guard) = dragline_logging::layer(&config).unwrap();
    tracing_subscriber::registry().with(layer).init();
    let logged = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let mut memory = Vec::new();
    let mut largest = 0;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| log_until(&stop, &logged));
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_secs(1));
            memory.push(resident_bytes());
            largest = largest.max(bytes_in(dir.path()));
            assert_eq!(guard.status().last_error, None);
        }
        stop.store(true, Relaxed);
    });
    guard.flush().unwrap();
    let status = guard.status();
    drop(guard);
    let logged = logged.load(Relaxed);
    let kept = read_back(dir.path());
    // The first tenth is for buffers to find their size.
    let early = memory[..memory.len().div_ceil(10)]
        .iter()
        .max()
        .copied()
        .unwrap_or(0);
    let late = memory.iter().max().copied().unwrap_or(0);
    println!(
        "{logged} events in {seconds} s, {} written, {} dropped, {} lost; memory {} MiB after a tenth, {} MiB at most; directory {} MB at most, cap {} MB; {kept} lines left, none missing among them",
        status.written_lines,
        status.dropped_lines,
        status.lost_lines,
        early >> 20,
        late >> 20,
        largest / 1_000_000,
        CAP / 1_000_000,
    );
    let is_flat = late < early + (16 << 20);
    let is_whole = status.written_lines == logged && status.lost_lines + status.dropped_lines == 0;
    if !(is_flat && is_whole && largest <= CAP) {
        std::process::exit(1);
    }
}

fn log_until(stop: &AtomicBool, logged: &AtomicU64) {
    let run = Run::start("soak", "soak.example.com");
    let mut count = 1;
    run.in_scope(|| {
        while !stop.load(Relaxed) {
            for _ in 0..100 {
                tracing::info!(
                    page = count,
                    url = "https://soak.example.com/p/12345?page=3",
                    status = 200_u64,
                    bytes = 18_234_u64,
                    "page fetched"
                );
                count += 1;
            }
        }
    });
    run.finish();
    logged.fetch_add(count + 1, Relaxed);
}

/// Checks that each run's numbers follow one another in what is left; gives how many there are.
fn read_back(dir: &Path) -> u64 {
    let mut names: Vec<FileName> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    names.sort_by_key(|name| name.number);
    let mut last: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let mut lines = 0;
    for name in names {
        let path: PathBuf = dir.join(name.to_string());
        let mut text = Vec::new();
        let mut file = std::fs::File::open(path).unwrap();
        match name.codec {
            Some(_) => flate2::read::MultiGzDecoder::new(file).read_to_end(&mut text),
            None => file.read_to_end(&mut text),
        }
        .unwrap();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let run = value_of(line, b"\"run_id\":").to_vec();
            let seq: u64 = std::str::from_utf8(value_of(line, b"\"seq\":"))
                .unwrap()
                .parse()
                .unwrap();
            if let Some(before) = last.insert(run, seq) {
                assert_eq!(seq, before + 1, "lines are missing or doubled");
            }
            lines += 1;
        }
    }
    lines
}

fn value_of<'l>(line: &'l [u8], key: &[u8]) -> &'l [u8] {
    let start = memchr::memmem::find(line, key).unwrap() + key.len();
    let len = memchr::memchr(b',', &line[start..]).unwrap();
    &line[start..start + len]
}

fn bytes_in(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().flatten();
    files
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
