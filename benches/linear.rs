//! Inputs that once took time by the square of their size, at three sizes: each twice as large should take
//! twice as long. `cargo bench -p dragline-benches --bench linear`; the figures are in docs/benchmarks.md.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dragline_analytics::sql::{self, Question};
use dragline_classifier::RuleSet;
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;
use flate2::{Compression, GzBuilder};

/// Makes an input of a size in a directory.
type Make = fn(&Path, usize);

const SCANNED: [(&str, usize, Make); 6] = [
    ("gaps in the numbers of lines", 50_000, gaps),
    ("lines out of order", 50_000, shuffled),
    ("equal small files", 1_000, equal_files),
    ("files alike in their beginning", 50, alike),
    ("empty members", 50_000, empty_members),
    ("members with odd headers", 5_000, odd_members),
];

fn line(seq: u64) -> String {
    format!(
        "{{\"timestamp\":\"2026-03-04T11:22:33.123456Z\",\"level\":\"INFO\",\"target\":\"dragline\",\"scraper_id\":\"shop\",\
         \"site\":\"a.test\",\"run_id\":\"r1\",\"writer_id\":\"w1\",\"seq\":{seq},\"message\":\"x\"}}\n"
    )
}

fn put(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("there is room");
}

/// A log that went through `grep`.
fn gaps(dir: &Path, count: usize) {
    let text: String = (0..count as u64).map(|nth| line(2 * nth)).collect();
    put(&dir.join("a.jsonl"), text.as_bytes());
}

/// Numbers in an order that is none.
fn shuffled(dir: &Path, count: usize) {
    let seq = |nth: u64| nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let text: String = (0..count as u64).map(|nth| line(seq(nth))).collect();
    put(&dir.join("a.jsonl"), text.as_bytes());
}

fn equal_files(dir: &Path, count: usize) {
    for nth in 0..count {
        put(&dir.join(format!("{nth}-run.log")), line(1).as_bytes());
    }
}

/// 70 KiB in common, and a line of its own.
fn alike(dir: &Path, count: usize) {
    let banner: String = (0..400).map(line).collect();
    for nth in 0..count as u64 {
        let text = banner.clone() + &line(1000 + nth);
        put(&dir.join(format!("{nth}-run.log")), text.as_bytes());
    }
}

fn member(text: &[u8], builder: GzBuilder) -> Vec<u8> {
    let mut packed = builder.write(Vec::new(), Compression::fast());
    packed.write_all(text).expect("a vector takes all");
    packed.finish().expect("a vector takes all")
}

fn empty_members(dir: &Path, count: usize) {
    let mut bytes = member(&[], GzBuilder::new()).repeat(count);
    bytes.extend(member(line(1).as_bytes(), GzBuilder::new()));
    put(&dir.join("a.gz"), &bytes);
}

/// Names, comments and levels that no usual packer writes.
fn odd_members(dir: &Path, count: usize) {
    let mut bytes = Vec::new();
    for nth in 0..count as u64 {
        let odd = GzBuilder::new().extra(b"extra".to_vec()).comment("odd");
        let mut member = member(line(nth).as_bytes(), odd);
        member[8] = 1;
        bytes.extend(member);
    }
    put(&dir.join("a.gz"), &bytes);
}

fn scans(criterion: &mut Criterion) {
    let rules = RuleSet::shipped();
    for (name, least, make) in SCANNED {
        let mut group = criterion.benchmark_group(name);
        for size in [least, 2 * least, 4 * least] {
            let dir = tempfile::tempdir().expect("there is room");
            make(dir.path(), size);
            let inputs = [dir.path().display().to_string()];
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| black_box(scan(&inputs, &rules, &ScanOptions::default()).is_ok()));
            });
        }
        group.finish();
    }
}

/// A scraper a day in each partition.
fn exports(criterion: &mut Criterion) {
    let rules = RuleSet::shipped();
    let mut group = criterion.benchmark_group("exports by scraper and day");
    for size in [25, 50, 100] {
        let dir = tempfile::tempdir().expect("there is room");
        let mut text = String::new();
        for nth in 0..size {
            let day = 1_772_623_353 + nth * 86_400;
            let _ = writeln!(
                text,
                "{{\"level\":\"info\",\"time\":{day},\"url\":\"https://a.test/\",\"status\":200,\"scraper\":\"s{nth}\"}}"
            );
        }
        put(&dir.path().join("a.log"), text.as_bytes());
        let inputs = [dir.path().join("a.log").display().to_string()];
        let options = ScanOptions::default();
        let question = Question {
            inputs: &inputs,
            rules: &rules,
            options: &options,
            spool: dir.path(),
            now: Timestamp::from_seconds(1_800_000_000),
        };
        group.throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let target = dir.path().join("export");
                let is_done = sql::export(&question, &target).is_ok();
                std::fs::remove_dir_all(&target).expect("it was made");
                black_box(is_done)
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = linear;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = scans, exports
}
criterion_main!(linear);
