//! What is kept of unchanged files.

use std::path::{Path, PathBuf};

use dragline_scan::{Cache, ScanOptions, scan};
use dragline_schema::Timestamp;

use crate::{RULES, fixtures};

/// Everything that a scan gives, as text: what stands in it is compared to the byte.
fn shown(inputs: &[String], options: &ScanOptions) -> String {
    let scanned = scan(inputs, &RULES, options).expect("the inputs are there");
    let now = Timestamp::parse("2040-01-01T00:00:00Z").unwrap();
    format!("{:#?}", scanned.rollup.finish(now))
}

/// The fixtures' logs, each so often that it is worth an entry, and old enough.
fn large_logs(dir: &Path) -> Vec<String> {
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    for (name, log) in [
        ("scrapy.log.2", "scrapy/debug.log"),
        ("scrapy.log.1", "scrapy/no-dump-products.log"),
        ("scrapy.log", "scrapy/killed.log"),
        ("pino.ndjson", "pino/scrape.ndjson"),
        ("flat.jsonl", "rust/flat.jsonl"),
    ] {
        let text = std::fs::read(fixtures().join(log)).unwrap();
        let path = dir.join(name);
        std::fs::write(&path, text.repeat(1 + (70 << 10) / text.len())).unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(old).unwrap();
    }
    vec![dir.display().to_string()]
}

#[test]
fn the_cache_changes_nothing() {
    let (logs, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let inputs = large_logs(logs.path());
    let plain = shown(&inputs, &ScanOptions::default());
    let options = ScanOptions {
        cache: Some(Cache::new(kept.path(), 1 << 30)),
        ..ScanOptions::default()
    };
    let entries = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(kept.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let cold = shown(&inputs, &options);
    let made = entries();
    assert_eq!(made.len(), 5, "an entry for each file");
    assert_eq!(cold, plain);
    assert_eq!(shown(&inputs, &options), plain);
    // What depends on the lines before a file depends on them with an entry, too.
    let first = logs.path().join("scrapy.log.2");
    let text = std::fs::read_to_string(&first).unwrap();
    let renamed = text.replace("(bot: ", "(bot: other-");
    std::fs::write(&first, renamed).unwrap();
    let plain = shown(&inputs, &ScanOptions::default());
    assert_eq!(shown(&inputs, &options), plain);
    // Damaged entries are made anew.
    for (number, entry) in entries().iter().enumerate() {
        let mut bytes = std::fs::read(entry).unwrap();
        match number % 3 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => bytes.iter_mut().skip(20).for_each(|byte| *byte ^= 0x55),
            _ => bytes.clear(),
        }
        std::fs::write(entry, bytes).unwrap();
    }
    assert_eq!(shown(&inputs, &options), plain);
    assert_eq!(shown(&inputs, &options), plain);
    // Other rules, zones and sizes are another reading.
    let mut other = options.clone();
    other.read.zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
    let uncached = ScanOptions {
        cache: None,
        ..other.clone()
    };
    assert_eq!(shown(&inputs, &other), shown(&inputs, &uncached));
    // The size that is asked for is kept.
    let small = ScanOptions {
        cache: Some(Cache::new(kept.path(), 20_000)),
        ..ScanOptions::default()
    };
    assert_eq!(shown(&inputs, &small), plain);
    let held: u64 = entries()
        .iter()
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(held <= 20_000, "{held}");
}

#[test]
fn many_scans_share_a_cache() {
    let (logs, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let inputs = large_logs(logs.path());
    let plain = shown(&inputs, &ScanOptions::default());
    let options = ScanOptions {
        cache: Some(Cache::new(kept.path(), 30_000)),
        ..ScanOptions::default()
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(shown(&inputs, &options), plain));
        }
    });
}
