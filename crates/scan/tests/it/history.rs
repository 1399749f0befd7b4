//! What is known outlives the logs, and counts once.

use std::fs;
use std::path::{Path, PathBuf};

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
        history: Some(History::new(history).unwrap()),
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

fn places(directory: &tempfile::TempDir) -> (PathBuf, PathBuf) {
    let path = directory.path();
    (path.join("logs"), path.join("history"))
}

fn events(finished: &Finished) -> u64 {
    finished.runs.iter().map(|row| row.counters.events).sum()
}

fn copy(from: &str, to: &Path) {
    fs::copy(fixtures().join(from), to).unwrap();
}

#[test]
fn what_is_known_outlives_the_logs_and_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
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
    // As logrotate does, and as people do.
    fs::rename(
        moved.join("shop.ndjson"),
        moved.join("shop.ndjson-20261123"),
    )
    .unwrap();
    fs::rename(moved.join("rust.jsonl"), moved.join("old-rust.jsonl")).unwrap();
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
    fs::remove_file(moved.join("shop.ndjson-20261123")).unwrap();
    let (there, remembered) = read(&moved, &history).unwrap();
    assert_eq!(counts(&remembered), counts(&again));
    assert!(requests(&there) < requests(&remembered));
    let all = finish(History::new(&history).unwrap().all().unwrap());
    assert_eq!(counts(&all), counts(&again));
}

#[test]
fn a_file_that_grows_is_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
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
    let known_events = events(&known);
    fs::write(logs.join("shop.ndjson"), &whole).unwrap();
    let (there, _) = read(&logs, &history).unwrap();
    assert_eq!(events(&there), known_events);
}

/// The history's files.
fn entries(history: &Path) -> Vec<PathBuf> {
    let days = fs::read_dir(history)
        .unwrap()
        .map(|day| day.unwrap().path())
        .filter(|day| day.is_dir());
    let entries = days.flat_map(|day| fs::read_dir(day).unwrap());
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn problems(rollup: Rollup) -> Vec<String> {
    let finished = rollup.finish(Timestamp::from_seconds(0));
    let told = finished.problems.into_iter();
    told.map(|((path, _), problem)| format!("{path}: {}", problem.detail))
        .collect()
}

#[test]
fn a_damaged_entry_is_told_and_costs_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
    fs::create_dir(&logs).unwrap();
    copy("pino/scrape.ndjson", &logs.join("shop.ndjson"));
    read(&logs, &history).unwrap();
    let entry = entries(&history).remove(0);
    let whole = fs::read(&entry).unwrap();
    for damaged in [
        &whole[..whole.len() - 1],
        &whole[..5],
        b"",
        b"something else",
    ] {
        fs::write(&entry, damaged).unwrap();
        let told = problems(History::new(&history).unwrap().all().unwrap());
        assert!(told[0].contains(entry.to_str().unwrap()), "{told:?}");
        // As long as the file is there, the entry is made anew.
        read(&logs, &history).unwrap();
        assert_eq!(
            problems(History::new(&history).unwrap().all().unwrap()),
            [""; 0]
        );
    }
    // Anything but a directory is refused.
    let error = History::new(logs.join("shop.ndjson")).unwrap_err();
    assert!(error.to_string().contains("shop.ndjson"), "{error}");
    let none = History::new(directory.path().join("none")).unwrap();
    assert!(none.all().is_err());
}

#[test]
fn what_others_have_in_the_directory_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
    fs::create_dir(&logs).unwrap();
    copy("pino/scrape.ndjson", &logs.join("shop.ndjson"));
    // A directory of somebody's.
    let error = History::new(&logs).unwrap_err().to_string();
    assert!(error.contains("DRAGLINE-HISTORY"), "{error}");
    // Beside what is kept: a file, a look-alike, a link to one, a link in place of a day.
    read(&logs, &history).unwrap();
    let stranger = directory.path().join("stranger.rollup");
    fs::write(&stranger, "mine").unwrap();
    let day = entries(&history)[0].parent().unwrap().to_owned();
    fs::write(history.join("notes.txt"), "mine").unwrap();
    fs::write(day.join("0123456789abcdef.rollup"), "mine").unwrap();
    #[cfg(unix)]
    {
        let elsewhere = directory.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("0123456789abcdef.rollup"), "mine").unwrap();
        std::os::unix::fs::symlink(&stranger, day.join("fedcba9876543210.rollup")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, history.join("2026-01-01")).unwrap();
    }
    let told = problems(History::new(&history).unwrap().all().unwrap());
    assert!(
        told.iter().all(|told| told.contains(".rollup: ")),
        "{told:?}"
    );
    assert!(
        !told.iter().any(|told| told.contains("2026-01-01")),
        "{told:?}"
    );
    read(&logs, &history).unwrap();
    for path in [
        &stranger,
        &history.join("notes.txt"),
        &day.join("0123456789abcdef.rollup"),
    ] {
        assert_eq!(fs::read_to_string(path).unwrap(), "mine");
    }
}

#[test]
fn a_long_banner_does_not_make_two_logs_one() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
    fs::create_dir(&logs).unwrap();
    let line = |nth: usize, word: &str| {
        let (minute, second) = (nth / 60, nth % 60);
        format!("2026-03-04 11:{minute:02}:{second:02},000 - shop - INFO - {word}\n")
    };
    let banner = "  'A_SETTING_OF_SOME_LENGTH': 'and a value of some length',\n".repeat(200);
    let banner = line(0, "settings:") + &banner;
    assert!(banner.len() > 8 << 10);
    let write = |name: &str, count: usize| {
        let own: String = (0..count).map(|nth| line(300 + nth, name)).collect();
        fs::write(logs.join(format!("{name}.log")), banner.clone() + &own).unwrap();
    };
    for (name, count) in [("a", 3), ("b", 5), ("c", 4)] {
        write(name, count);
    }
    let all = 3 + 3 + 5 + 4;
    let (there, known) = read(&logs, &history).unwrap();
    assert_eq!((events(&there), events(&known)), (all, all));
    // One grows, one is packed, and one goes.
    write("a", 50);
    let packed = zstd::encode_all(&*fs::read(logs.join("b.log")).unwrap(), 3).unwrap();
    fs::write(logs.join("b.log.zst"), packed).unwrap();
    fs::remove_file(logs.join("b.log")).unwrap();
    fs::remove_file(logs.join("c.log")).unwrap();
    let (there, known) = read(&logs, &history).unwrap();
    assert_eq!((events(&there), events(&known)), (all + 47 - 5, all + 47));
    assert_eq!(entries(&history).len(), 3);
}

#[test]
fn a_log_that_is_trimmed_joined_or_split_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
    fs::create_dir(&logs).unwrap();
    let lines = |range: std::ops::Range<u32>| -> String {
        let line = |n: u32| {
            format!(
                "2026-03-04 11:{:02}:{:02},{:03} - shop - INFO - {n}\n",
                n / 600 % 60,
                n / 10 % 60,
                n
            )
        };
        range.map(line).collect()
    };
    let write = |name: &str, text: String| fs::write(logs.join(name), text).unwrap();
    write("trimmed.log", lines(0..900));
    write("one.log", lines(1000..2000));
    write("two.log", lines(2000..2500));
    write("whole.log", lines(3000..4000));
    let (_, known) = read(&logs, &history).unwrap();
    assert_eq!(events(&known), 900 + 1000 + 500 + 1000);
    write("trimmed.log", lines(100..900));
    write("joined.log", lines(1000..2500));
    write("first.log", lines(3000..3400));
    write("second.log", lines(3400..4000));
    for name in ["one.log", "two.log", "whole.log"] {
        fs::remove_file(logs.join(name)).unwrap();
    }
    let (there, known) = read(&logs, &history).unwrap();
    assert_eq!(events(&known), events(&there));
    assert_eq!(events(&known), 800 + 1500 + 1000);
    // What only the history knew of the trimmed log is reported.
    let options = ScanOptions {
        history: Some(History::new(&history).unwrap()),
        ..ScanOptions::default()
    };
    let scanned = scan(&[logs.display().to_string()], &RULES, &options).unwrap();
    let known = scanned.everything.unwrap();
    let told = known.finish(Timestamp::from_micros(0)).problems;
    let mut details = told.values().map(|problem| &problem.detail);
    assert!(
        details.any(|detail| detail.contains("stand in other logs")),
        "{told:?}"
    );
}

#[test]
fn a_window_that_slides_over_runs_counts_each_once() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
    fs::create_dir(&logs).unwrap();
    let run = |run: u32| -> String {
        let line = |n: u32| {
            format!(
                "{{\"time\":\"2026-03-{:02}T11:{:02}:00Z\",\"level\":\"info\",\"msg\":\"page {n}\",\"run_id\":\"r{run}\"}}\n",
                run + 1,
                n
            )
        };
        (0..50).map(line).collect()
    };
    // Five runs are kept at a time: more of what was known is there again, or less.
    for first in [0u32, 2, 4, 7, 8] {
        let window: String = (first..first + 5).map(run).collect();
        fs::write(logs.join("shop.ndjson"), window).unwrap();
        let (_, known) = read(&logs, &history).unwrap();
        assert_eq!(events(&known), u64::from(first + 5) * 50, "{first}");
    }
}

#[test]
fn what_an_earlier_version_kept_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
    fs::create_dir(&logs).unwrap();
    copy("pino/scrape.ndjson", &logs.join("shop.ndjson"));
    let day = history.join("2026-11-22");
    fs::create_dir_all(&day).unwrap();
    fs::copy(
        fixtures().join("history/version-1.rollup"),
        day.join("0123456789abcdef.rollup"),
    )
    .unwrap();
    let (there, known) = read(&logs, &history).unwrap();
    assert_eq!(counts(&there), counts(&known));
    fs::remove_file(logs.join("shop.ndjson")).unwrap();
    copy("rust/nested.jsonl", &logs.join("rust.jsonl"));
    let (_, remembered) = read(&logs, &history).unwrap();
    assert!(counts(&remembered).len() > counts(&known).len());
}

#[test]
fn files_that_begin_alike_are_two() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
    let line = |rest: &str| format!("2026-03-04 11:22:33,000 - shop - INFO - {rest}\n");
    for (name, count) in [("a", 3), ("b", 5)] {
        let dir = logs.join(name);
        fs::create_dir_all(&dir).unwrap();
        let lines = (0..count)
            .map(|nth| line(&format!("{name} {nth}")))
            .collect::<String>();
        fs::write(dir.join("shop.log"), line("begins") + &lines).unwrap();
    }
    read(&logs, &history).unwrap();
    assert_eq!(entries(&history).len(), 2);
    fs::remove_file(logs.join("a/shop.log")).unwrap();
    let (there, known) = read(&logs, &history).unwrap();
    assert_eq!((events(&there), events(&known)), (6, 10));
}

#[test]
fn logs_without_times_are_remembered_too() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, history) = places(&directory);
    fs::create_dir(&logs).unwrap();
    copy("history/crawlee-js-1.log", &logs.join("crawl-1.log"));
    copy("history/crawlee-js-2.log", &logs.join("crawl-2.log"));
    let (_, known) = read(&logs, &history).unwrap();
    fs::remove_file(logs.join("crawl-1.log")).unwrap();
    let (there, remembered) = read(&logs, &history).unwrap();
    assert_eq!(counts(&remembered), counts(&known));
    assert!(counts(&there).len() < counts(&known).len());
}
