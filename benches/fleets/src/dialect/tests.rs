//! What holds for the logs of every dialect.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use super::words::{Wording, fill};
use super::*;

/// The first native files of each family of a fleet.
fn natives() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    crate::make(dir.path(), 6, true, 1.0).unwrap();
    let mut kept: BTreeMap<String, u32> = BTreeMap::new();
    for name in texts(dir.path()).into_keys() {
        let family = name.split('.').next().unwrap().to_owned();
        let count = kept.entry(family).or_default();
        *count += 1;
        if *count > 3 {
            fs::remove_file(dir.path().join(&name)).unwrap();
        }
    }
    dir
}

/// What is in the files below a directory, by their names.
fn texts(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            let below = texts(&entry.path()).into_iter();
            found.extend(below.map(|(file, text)| (format!("{name}/{file}"), text)));
        } else {
            found.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
    found
}

fn rewritten(natives: &Path, dialect: Dialect, seed: u64) -> BTreeMap<String, String> {
    let out = tempfile::tempdir().unwrap();
    rewrite(natives, out.path(), dialect, seed).unwrap();
    texts(out.path())
}

fn requests(run: &Run) -> usize {
    let events = run.events.iter();
    events
        .filter(|event| matches!(event.what, What::Request(_)))
        .count()
}

fn is_finished(run: &Run) -> bool {
    let mut events = run.events.iter();
    events.any(|event| matches!(event.what, What::Finished))
}

/// The digits that stand behind a text, wherever it stands.
fn numbers_behind(text: &str, key: &str) -> Vec<usize> {
    text.split(key)
        .skip(1)
        .map(|rest| {
            let end = rest.find(|letter: char| !letter.is_ascii_digit());
            rest[..end.unwrap_or(rest.len())].parse().unwrap()
        })
        .collect()
}

/// The attempts that final histograms of retries count.
fn attempts_in_histograms(text: &str) -> usize {
    let finals = text
        .lines()
        .filter(|line| line.contains("Final request statistics:"));
    finals
        .map(|line| {
            let (_, histogram) = line.split_once(r#""retryHistogram":["#).unwrap();
            let (histogram, _) = histogram.split_once(']').unwrap();
            let counts = histogram.split(',').enumerate();
            counts
                .map(|(retries, count)| (retries + 1) * count.parse::<usize>().unwrap_or(0))
                .sum::<usize>()
        })
        .sum()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let natives = natives();
    for dialect in Dialect::ALL {
        let once = rewritten(natives.path(), dialect, 7);
        assert!(!once.is_empty());
        assert!(once == rewritten(natives.path(), dialect, 7), "{dialect:?}");
    }
    let words = |seed| rewritten(natives.path(), Words, seed);
    assert!(words(7) != words(8));
}

#[test]
fn every_request_is_told_of() {
    let natives = natives();
    let runs = native::read(natives.path()).unwrap();
    let all: usize = runs.iter().map(requests).sum();
    let finished = || runs.iter().filter(|run| is_finished(run));
    let accounted: usize = finished().map(requests).sum();
    assert!(accounted > 100);
    for dialect in Dialect::ALL {
        let texts = rewritten(natives.path(), dialect, 7);
        let text = texts.into_values().collect::<Vec<_>>().concat();
        let count = |part: &str| text.matches(part).count();
        let dumped = || {
            let dumps = numbers_behind(&text, "'downloader/request_count': ");
            dumps.into_iter().sum::<usize>()
        };
        match dialect {
            Native => assert!(count(r#""event_type":"request""#) == all),
            ScrapyInfo => assert_eq!(accounted, dumped()),
            ScrapyDebug => {
                assert_eq!(accounted, dumped());
                assert!(count("<GET https://") >= all);
            }
            CrawleeJson | CrawleeText => assert_eq!(accounted, attempts_in_histograms(&text)),
            Structlog => {
                let told = count(r#""event": "request_done""#);
                assert_eq!(all, told + count(r#""event": "request_failed""#));
            }
            Pino => {
                let told = count(r#""msg":"request completed""#);
                assert_eq!(all, told + count(r#""msg":"request failed"#));
            }
            Logging => assert_eq!(all, count(": GET https://") + count(": attempt ")),
            Loguru => assert_eq!(all, count(" - GET https://")),
            Words => assert!(count("https://") >= all),
        }
    }
}

#[test]
fn structured_logs_are_objects() {
    let natives = natives();
    for dialect in [CrawleeJson, Structlog, Pino] {
        for text in rewritten(natives.path(), dialect, 7).values() {
            for line in text.lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                assert!(line.as_object().is_some_and(|object| object.len() > 2));
            }
        }
    }
}

#[test]
fn scrapy_has_a_file_for_each_job() {
    let natives = natives();
    let runs = native::read(natives.path()).unwrap();
    let texts = rewritten(natives.path(), ScrapyInfo, 7);
    assert_eq!(texts.len(), runs.len());
    for (name, text) in &texts {
        let parts: Vec<&str> = name.split('/').collect();
        assert_eq!((parts.len(), parts[0]), (3, "crawl"));
        assert!(runs.iter().any(|run| run.scraper == parts[1]));
        assert_eq!(
            text.matches("Scrapy 2.13.0 started (bot: crawl)").count(),
            1
        );
        assert!(!text.contains("DEBUG"));
    }
}

#[test]
fn what_arrived_of_an_archive_is_read() {
    let natives = natives();
    let whole = native::read(natives.path()).unwrap();
    let (name, text) = texts(natives.path()).pop_last().unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let mut archive = encoder.finish().unwrap();
    archive.truncate(archive.len() / 2);
    fs::remove_file(natives.path().join(&name)).unwrap();
    fs::write(natives.path().join(format!("{name}.gz")), archive).unwrap();
    let cut = native::read(natives.path()).unwrap();
    let all = |runs: &[Run]| runs.iter().map(requests).sum::<usize>();
    assert!(all(&cut) < all(&whole));
}

#[test]
fn success_and_failure_are_never_worded_alike() {
    let values = [
        ("{url}", "https://shop.example.com/product/1"),
        ("{status}", "1"),
        ("{seconds}", "1"),
        ("{ms}", "1"),
        ("{bytes}", "1"),
        ("{kib}", "1"),
        ("{id}", "1"),
        ("{value}", "1"),
        ("{count}", "1"),
        ("{attempts}", "1"),
        ("{reason}", "1"),
    ];
    for seed in 0..2000 {
        let wording = Wording::draw(&mut seeded(seed, 1));
        let good = [
            wording.request.as_str(),
            wording.product.as_str(),
            wording.article.as_str(),
            wording.counted.as_str(),
        ];
        let bad = [
            wording.refused.as_str(),
            wording.unanswered.as_str(),
            wording.given_up.as_str(),
            wording.trouble.as_str(),
            wording.duplicate.as_str(),
        ];
        for good in good.map(|template| fill(template, &values)) {
            assert!(!good.contains('{'), "{seed}: {good}");
            for bad in bad.map(|template| fill(template, &values)) {
                assert_ne!(good, bad, "{seed}");
            }
        }
    }
}

#[test]
fn scrapers_word_things_in_many_ways() {
    let draw = |seed| Wording::draw(&mut seeded(seed, 1)).request;
    let wordings: BTreeSet<String> = (0..200).map(draw).collect();
    assert!(wordings.len() > 150);
}

#[test]
fn a_time_is_shown_as_python_shows_it() {
    let shown =
        |time: &str| scrapy::datetime(time.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let cases = [
        ("2026-03-04T11:22:33.000456Z", "11, 22, 33, 456"),
        ("2026-03-04T11:22:33Z", "11, 22, 33"),
        ("2026-03-04T11:22:00Z", "11, 22"),
    ];
    for (time, parts) in cases {
        let expected =
            format!("datetime.datetime(2026, 3, 4, {parts}, tzinfo=datetime.timezone.utc)");
        assert_eq!(shown(time), expected);
    }
}

#[test]
fn a_dialect_is_known_by_its_name() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.name().parse::<Dialect>().unwrap(), dialect);
    }
    let unknown = "klingon".parse::<Dialect>().unwrap_err().to_string();
    assert!(unknown.contains("klingon") && unknown.contains("scrapy-debug"));
}

#[test]
fn what_the_wire_format_alone_counts_is_asked_of_it_alone() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.sees(Kind::LogLoss), dialect == Native);
        assert!(dialect.sees(Kind::RunKilled) && dialect.sees(Kind::SlowDown));
        assert_eq!(dialect.dates(Kind::BlockWave), dialect != CrawleeText);
    }
}
