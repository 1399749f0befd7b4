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

fn entries(cache: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "rollup"))
        .collect()
}

#[test]
fn the_cache_changes_nothing() {
    let (logs, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let inputs = large_logs(logs.path());
    let plain = shown(&inputs, &ScanOptions::default());
    let options = ScanOptions {
        cache: Some(Cache::new(kept.path(), 1 << 30).unwrap()),
        ..ScanOptions::default()
    };
    let entries = || entries(kept.path());
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
    // The requested size is kept.
    let small = ScanOptions {
        cache: Some(Cache::new(kept.path(), 20_000).unwrap()),
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
        cache: Some(Cache::new(kept.path(), 30_000).unwrap()),
        ..ScanOptions::default()
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(shown(&inputs, &options), plain));
        }
    });
}

#[test]
fn a_directory_of_somebody_elses_is_refused() {
    let logs = tempfile::tempdir().unwrap();
    let before = large_logs(logs.path());
    let error = Cache::new(logs.path(), 1).unwrap_err().to_string();
    assert!(error.contains("CACHEDIR.TAG"), "{error}");
    assert!(Cache::new("", 1).is_err() && Cache::in_usual_place(logs.path(), 1).is_err());
    assert_eq!(
        std::fs::read_dir(logs.path()).unwrap().count(),
        5,
        "{before:?}"
    );
}

#[test]
fn strangers_in_the_cache_are_left_alone() {
    let (logs, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let inputs = large_logs(logs.path());
    let plain = shown(&inputs, &ScanOptions::default());
    let with = |bytes| ScanOptions {
        cache: Some(Cache::new(kept.path(), bytes).unwrap()),
        ..ScanOptions::default()
    };
    assert_eq!(shown(&inputs, &with(1 << 30)), plain);
    let named = |name: &str| kept.path().join(name);
    let look_alike = format!("{:032x}.rollup", 7);
    let directory = format!("{:032x}.rollup", 8);
    std::fs::write(named("notes.txt"), "mine").unwrap();
    std::fs::write(named("x.rollup"), "mine").unwrap();
    std::fs::write(named(&look_alike), "mine").unwrap();
    std::fs::create_dir(named(&directory)).unwrap();
    let outside = logs.path().join("scrapy.log");
    let link = named(&format!("{:032x}.rollup", 9));
    #[cfg(unix)]
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    // All entries go, and nothing else does.
    assert_eq!(shown(&inputs, &with(1)), plain);
    for name in ["notes.txt", "x.rollup", &look_alike] {
        assert_eq!(std::fs::read_to_string(named(name)).unwrap(), "mine");
    }
    assert!(named(&directory).is_dir() && outside.is_file());
    assert_eq!(link.is_symlink(), cfg!(unix));
}

#[test]
fn an_entry_under_anothers_name_is_not_believed() {
    let (logs, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let inputs = large_logs(logs.path());
    let plain = shown(&inputs, &ScanOptions::default());
    let options = ScanOptions {
        cache: Some(Cache::new(kept.path(), 1 << 30).unwrap()),
        ..ScanOptions::default()
    };
    assert_eq!(shown(&inputs, &options), plain);
    let entries = entries(kept.path());
    let first = std::fs::read(&entries[0]).unwrap();
    for entry in &entries[1..] {
        std::fs::write(entry, &first).unwrap();
    }
    #[cfg(unix)]
    {
        // Nor is one behind a link.
        let other = tempfile::tempdir().unwrap();
        let elsewhere = other.path().join("elsewhere");
        std::fs::rename(&entries[0], &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &entries[0]).unwrap();
    }
    assert_eq!(shown(&inputs, &options), plain);
}
