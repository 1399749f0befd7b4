//! What is known outlives the logs, and counts once.

use std::fs;
use std::path::Path;

use dragline_rollup::{Finished, Rollup};
use dragline_scan::{History, ScanError, ScanOptions, scan};
use dragline_schema::Timestamp;

use super::{RULES, fixtures};

fn finish(rollup: Rollup) -> Finished {
    let mut finished = rollup.finish(Timestamp::parse("2040-01-01T00:00:00Z").unwrap());
    // Whether files are there, and under which names, is what differs.
    finished.files.clear();
    finished.problems.clear();
    finished
}

/// Reads a directory: what is there, and what is known.
fn read(logs: &Path, history: &Path) -> Result<(Finished, Finished), ScanError> {
    let options = ScanOptions {
        history: Some(History::new(history)),
        ..ScanOptions::default()
    };
    let scanned = scan(&[logs.display().to_string()], &RULES, &options)?;
    Ok((
        finish(scanned.rollup),
        finish(scanned.everything.expect("a history is known")),
    ))
}

/// What every run counted, and when. A run of Scrapy has its name by the place of its file.
fn counts(finished: &Finished) -> Vec<String> {
    let runs = finished.runs.iter().map(|row| {
        format!(
            "{:?} {:?} {:?}",
            row.key.scraper_id, row.counters, row.verdict
        )
    });
    let activity = finished
        .activity
        .iter()
        .map(|row| format!("{} {} {:?}", row.start, row.run, row.counters));
    runs.chain(activity).collect()
}

fn copy(from: &str, to: &Path) {
    fs::copy(fixtures().join(from), to).unwrap();
}

#[test]
fn what_is_known_outlives_the_logs_and_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = (
        directory.path().join("logs"),
        directory.path().join("history"),
    );
    fs::create_dir(&logs).unwrap();
    copy("scrapy/info.log", &logs.join("books.log"));
    copy("pino/scrape.ndjson", &logs.join("shop.ndjson"));
    copy("rust/nested.jsonl", &logs.join("rust.jsonl"));
    let (there, known) = read(&logs, &history).unwrap();
    assert_eq!(counts(&there), counts(&known));

    // Packed, rotated, moved: still there.
    let moved = directory.path().join("moved");
    fs::rename(&logs, &moved).unwrap();
    let packed = fs::read(moved.join("books.log")).unwrap();
    let packed = zstd::encode_all(&*packed, 3).unwrap();
    fs::write(moved.join("books.log.1.zst"), packed).unwrap();
    fs::remove_file(moved.join("books.log")).unwrap();
    let (_, again) = read(&moved, &history).unwrap();
    assert_eq!(again.runs.len(), known.runs.len());
    let requests = |finished: &Finished| {
        finished
            .runs
            .iter()
            .map(|row| row.counters.requests)
            .sum::<u64>()
    };
    assert_eq!(requests(&again), requests(&known));

    // Gone: known all the same.
    fs::remove_file(moved.join("books.log.1.zst")).unwrap();
    fs::remove_file(moved.join("shop.ndjson")).unwrap();
    let (there, remembered) = read(&moved, &history).unwrap();
    assert_eq!(counts(&remembered), counts(&again));
    assert!(requests(&there) < requests(&remembered));
    let all = finish(History::new(&history).all().unwrap());
    assert_eq!(counts(&all), counts(&again));
}

#[test]
fn a_file_that_grows_is_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = (
        directory.path().join("logs"),
        directory.path().join("history"),
    );
    fs::create_dir(&logs).unwrap();
    let whole = fs::read_to_string(fixtures().join("pino/scrape.ndjson")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for count in [lines.len() / 3, lines.len() / 2, lines.len()] {
        fs::write(logs.join("shop.ndjson"), lines[..count].concat()).unwrap();
        let (there, known) = read(&logs, &history).unwrap();
        assert_eq!(counts(&there), counts(&known));
    }
    // What is shorter than what is known adds nothing, and takes nothing away.
    fs::write(logs.join("shop.ndjson"), lines[..3].concat()).unwrap();
    read(&logs, &history).unwrap();
    fs::remove_file(logs.join("shop.ndjson")).unwrap();
    copy("rust/nested.jsonl", &logs.join("rust.jsonl"));
    let (_, known) = read(&logs, &history).unwrap();
    let events: u64 = known.runs.iter().map(|row| row.counters.events).sum();
    fs::write(logs.join("shop.ndjson"), &whole).unwrap();
    let (there, _) = read(&logs, &history).unwrap();
    assert_eq!(
        there
            .runs
            .iter()
            .map(|row| row.counters.events)
            .sum::<u64>(),
        events
    );
}

#[test]
fn a_damaged_entry_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = (
        directory.path().join("logs"),
        directory.path().join("history"),
    );
    fs::create_dir(&logs).unwrap();
    copy("pino/scrape.ndjson", &logs.join("shop.ndjson"));
    read(&logs, &history).unwrap();
    let day = fs::read_dir(&history)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let entry = fs::read_dir(day).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&entry).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&entry, bytes).unwrap();
    let error = History::new(&history).all().unwrap_err().to_string();
    assert!(error.contains(entry.to_str().unwrap()), "{error}");
    // Of a file that is there, the entry is not needed.
    assert!(read(&logs, &history).is_ok());
    // What is no directory cannot be one.
    let error = read(&logs, &logs.join("shop.ndjson"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("shop.ndjson"), "{error}");
}
