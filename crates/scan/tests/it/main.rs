//! Real logs of real programs against what those programs counted themselves.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod cache;
mod dialects;
mod history;

mod split;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, RunRow, Verdict};
use dragline_scan::{Filter, ScanError, ScanOptions, scan};
use dragline_schema::{Dialect, ProblemKind, Timestamp};
use serde_json::Value;

static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::shipped);

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/logs")
}

fn read_with(inputs: &[&str], options: &ScanOptions) -> Finished {
    let inputs: Vec<String> = inputs.iter().map(|input| (*input).to_owned()).collect();
    let scanned = scan(&inputs, &RULES, options).expect("the inputs are there");
    // Long after everything that the tests read.
    scanned
        .rollup
        .finish(Timestamp::parse("2040-01-01T00:00:00Z").unwrap())
}

fn read(inputs: &[&str]) -> Finished {
    read_with(inputs, &ScanOptions::default())
}

fn fixture(path: &str) -> Finished {
    read(&[&fixtures().join(path).display().to_string()])
}

fn truth(path: &str) -> Value {
    let text = std::fs::read_to_string(fixtures().join(path)).expect("a truth file");
    serde_json::from_str(&text).expect("JSON")
}

/// Compares a run with the counts that its program wrote.
fn assert_run(run: &RunRow, truth: &Value, what: &str) {
    let counters = &run.counters;
    let codes: BTreeMap<u16, u64> = truth["status_codes"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(code, count)| (code.parse().unwrap(), count.as_u64().unwrap()))
        .collect();
    assert_eq!(counters.requests, truth["requests"], "requests of {what}");
    assert_eq!(
        counters.requests_failed, truth["requests_failed"],
        "failed requests of {what}"
    );
    assert_eq!(
        counters.status_codes,
        codes.into_iter().collect(),
        "status codes of {what}"
    );
    assert_eq!(counters.items(), truth["items"], "items of {what}");
    assert_eq!(counters.errors, truth["errors"], "errors of {what}");
    assert_eq!(counters.warnings, truth["warnings"], "warnings of {what}");
}

/// The one run of a log.
fn only_run(finished: &Finished) -> &RunRow {
    let runs: Vec<&RunRow> = finished
        .runs
        .iter()
        .filter(|run| run.key.is_run())
        .collect();
    assert_eq!(
        runs.len(),
        1,
        "{:?}",
        finished.runs.iter().map(|run| &run.key).collect::<Vec<_>>()
    );
    assert!(finished.problems.is_empty(), "{:?}", finished.problems);
    runs[0]
}

#[test]
fn json_logs_agree_with_the_programs_that_wrote_them() {
    for (logs, truth_file, dialect) in [
        (
            "loguru/scrape.*log*",
            "loguru/scrape.log.truth.json",
            Dialect::LoguruJson,
        ),
        (
            "structlog/exc-text.jsonl",
            "structlog/exc-text.jsonl.truth.json",
            Dialect::Json,
        ),
        (
            "structlog/exc-dict.jsonl",
            "structlog/exc-dict.jsonl.truth.json",
            Dialect::Json,
        ),
        (
            "python-json-logger/nested.jsonl",
            "python-json-logger/nested.jsonl.truth.json",
            Dialect::Json,
        ),
        (
            "python-json-logger/flat.jsonl",
            "python-json-logger/flat.jsonl.truth.json",
            Dialect::Json,
        ),
        (
            "pino/scrape.ndjson",
            "pino/scrape.ndjson.truth.json",
            Dialect::PinoJson,
        ),
        (
            "winston/scrape.log",
            "winston/scrape.log.truth.json",
            Dialect::Json,
        ),
        (
            "rust/nested.jsonl",
            "rust/nested.jsonl.truth.json",
            Dialect::TracingJson,
        ),
        (
            "rust/flat.jsonl",
            "rust/flat.jsonl.truth.json",
            Dialect::TracingJson,
        ),
        (
            "compressed/structlog-exc-text.jsonl.zst",
            "structlog/exc-text.jsonl.truth.json",
            Dialect::Json,
        ),
    ] {
        // A truth file is not a log.
        let inputs: Vec<String> = glob_logs(logs);
        let finished = read(&inputs.iter().map(String::as_str).collect::<Vec<_>>());
        let truth = truth(truth_file);
        let run = only_run(&finished);
        assert_run(run, &truth, logs);
        assert_eq!(
            run.key.run_id.as_deref(),
            truth["run_id"].as_str(),
            "{logs}"
        );
        assert_eq!(
            run.key.scraper_id.as_deref(),
            truth["scraper_id"].as_str(),
            "{logs}"
        );
        assert_eq!(
            finished.dialects.keys().collect::<Vec<_>>(),
            [&dialect],
            "{logs}"
        );
        // All of these programs finished; some say so.
        let is_right = matches!(run.verdict, None | Some(Verdict::Finished));
        assert!(is_right, "{logs}: {:?}", run.verdict);
    }
}

fn glob_logs(pattern: &str) -> Vec<String> {
    if !pattern.contains('*') {
        return vec![fixtures().join(pattern).display().to_string()];
    }
    let dir = fixtures().join(Path::new(pattern).parent().unwrap());
    let mut logs: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| !path.contains(".truth."))
        .collect();
    logs.sort();
    logs
}

#[test]
fn scrapy_equals_its_statistics() {
    for (log, truth_file, verdict) in [
        (
            "scrapy/info.log",
            "scrapy/info.log.truth.json",
            Verdict::Finished,
        ),
        (
            "scrapy/debug.log",
            "scrapy/debug.log.truth.json",
            Verdict::Finished,
        ),
        (
            "scrapy/shutdown.log",
            "scrapy/shutdown.log.truth.json",
            Verdict::Cancelled,
        ),
        (
            "compressed/scrapy-debug.log.gz",
            "scrapy/debug.log.truth.json",
            Verdict::Finished,
        ),
    ] {
        let finished = fixture(log);
        let truth = truth(truth_file);
        let run = only_run(&finished);
        assert_run(run, &truth, log);
        assert_eq!(
            run.finish_reason.as_deref(),
            truth["finish_reason"].as_str(),
            "{log}"
        );
        assert_eq!(run.verdict, Some(verdict), "{log}");
        assert_eq!(run.counted_by, "statistics", "{log}");
        assert_eq!(run.disagreements, [""; 0], "{log}");
        assert_eq!(
            run.key.scraper_id.as_deref(),
            truth["scraper_id"].as_str(),
            "{log}"
        );
    }
}

#[test]
fn scrapy_without_statistics_is_rebuilt_from_its_lines() {
    for log in [
        "scrapy/no-dump.log",
        "scrapy/no-dump-products.log",
        "scrapy/killed.log",
    ] {
        let finished = fixture(log);
        let run = only_run(&finished);
        assert_run(run, &truth(&format!("{log}.truth.json")), log);
        assert_eq!(run.counted_by, "lines", "{log}");
    }
    assert_eq!(
        only_run(&fixture("scrapy/killed.log")).verdict,
        Some(Verdict::Killed)
    );
}

#[test]
fn two_scrapy_runs_in_one_file_are_two_runs() {
    let finished = fixture("scrapy/two-runs.log");
    let mut runs: Vec<&RunRow> = finished
        .runs
        .iter()
        .filter(|run| run.key.is_run())
        .collect();
    runs.sort_by_key(|run| run.start);
    assert_eq!(runs.len(), 2);
    for (number, run) in runs.iter().enumerate() {
        let name = format!("scrapy/two-runs.log.{}.truth.json", number + 1);
        assert_run(run, &truth(&name), &name);
        assert_eq!(run.verdict, Some(Verdict::Finished));
    }
}

#[test]
fn a_time_zone_moves_times_that_name_none() {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
    let mut options = ScanOptions::default();
    options.read.zone = zone;
    let path = fixtures().join("scrapy/no-dump.log").display().to_string();
    let (utc, moved) = (read(&[&path]), read_with(&[&path], &options));
    let hours = |a: Timestamp, b: Timestamp| a.since(b) / 3_600_000_000;
    assert_eq!(hours(utc.period.unwrap().0, moved.period.unwrap().0), 2);
    let zoneless: u64 = utc.files.values().map(|file| file.zoneless).sum();
    assert_eq!(zoneless, utc.dialects[&Dialect::Scrapy]);
}

#[test]
fn filters_take_what_they_name() {
    let path = fixtures().join("scrapy/two-runs.log").display().to_string();
    let all = read(&[&path]);
    let stock = |filter: Filter| {
        read_with(
            &[&path],
            &ScanOptions {
                filter,
                ..ScanOptions::default()
            },
        )
    };
    // The spider's name is known only at the end of its run.
    let filtered = stock(Filter {
        scraper: Some("stock".into()),
        ..Filter::default()
    });
    let run = only_run(&filtered);
    assert_eq!(run.key.scraper_id.as_deref(), Some("stock"));
    assert_run(
        run,
        &truth("scrapy/two-runs.log.2.truth.json"),
        "the filtered run",
    );
    let begin = run.start.unwrap();
    let late = stock(Filter {
        since: Some(begin),
        ..Filter::default()
    });
    assert!(late.period.unwrap().0 >= begin);
    let early = stock(Filter {
        until: Some(begin),
        ..Filter::default()
    });
    assert!(early.period.unwrap().1 < begin);
    let events = |finished: &Finished| finished.dialects.values().sum::<u64>();
    assert_eq!(events(&late) + events(&early), events(&all));
    // What a filter leaves out of the numbers is still known: how the runs ended.
    let errors = stock(Filter {
        level: Some(dragline_schema::Level::Error),
        ..Filter::default()
    });
    let middle = stock(Filter {
        until: run.last_seen.map(|t| t.plus_micros(-500_000)),
        ..Filter::default()
    });
    for finished in [&late, &early, &errors, &middle] {
        assert!(
            finished
                .runs
                .iter()
                .all(|run| run.verdict == Some(Verdict::Finished))
        );
        assert!(finished.runs.iter().all(|run| run.disagreements.is_empty()));
    }
    let requests: u64 = errors.runs.iter().map(|run| run.counters.requests).sum();
    assert!(
        requests < 20,
        "statistics of whole runs say nothing about their errors: {requests}"
    );
}

/// A directory in which everything is wrong that can be.
fn hostile() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    let line = |n: usize, more: &str| {
        format!(
            "{{\"timestamp\":\"2026-03-04T11:22:{:02}Z\",\"level\":\"info\",\"msg\":\"n{n}\"{more}}}\n",
            n % 60
        )
    };
    let good: String = (0..500).map(|n| line(n, "")).collect();
    write("good.log", good.as_bytes());
    write("empty.log", b"");
    write("binary.log", b"\x7fELF\x00\x01\x02\x00");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Text that does not shrink to nothing, so that a cut archive still holds lines.
    let mut noise = 1u64;
    for n in 0..5_000 {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        gzip.write_all(line(n, &format!(",\"id\":\"{noise:x}\"")).as_bytes())
            .unwrap();
    }
    let gzip = gzip.finish().unwrap();
    write("cut.log.gz", &gzip[..gzip.len() / 2]);
    write(
        "torn.log",
        format!("{}{}", line(1, ""), &line(2, "")[..30]).as_bytes(),
    );
    let long = line(3, &format!(",\"body\":\"{}\"", "x".repeat(10 << 20)));
    write(
        "long.log",
        format!("{}{long}{}", line(1, ""), line(2, "")).as_bytes(),
    );
    // A container's runtime cuts what is long into pieces.
    let part = format!("2026-03-04T11:22:33Z stdout P {}\n", "x".repeat(16 << 10));
    let end = "2026-03-04T11:22:33Z stdout F x\n";
    let pieces = format!("{}{}{end}{}", line(1, ""), part.repeat(600), line(2, ""));
    write("pieces.log", pieces.as_bytes());
    write("notes.md", b"# not a log\n");
    write(
        "mixed.log",
        format!("{}what is this?\n{}", line(1, ""), line(2, ",\"x\":NaN")).as_bytes(),
    );
    write("copy.log", good.as_bytes());
    dir
}

#[test]
fn nothing_that_is_wrong_costs_anything_else() {
    let dir = hostile();
    let finished = read(&[&dir.path().display().to_string()]);
    let problems: BTreeMap<(&str, ProblemKind), u64> = finished
        .problems
        .iter()
        .map(|((path, kind), problem)| ((path.rsplit('/').next().unwrap(), *kind), problem.count))
        .collect();
    let expected = [
        ("binary.log", ProblemKind::BinaryFile),
        ("cut.log.gz", ProblemKind::TruncatedFile),
        ("cut.log.gz", ProblemKind::TornLine),
        ("empty.log", ProblemKind::EmptyFile),
        ("good.log", ProblemKind::DuplicateFile),
        ("long.log", ProblemKind::OversizedLine),
        ("mixed.log", ProblemKind::BadLine),
        ("notes.md", ProblemKind::NotALog),
        ("pieces.log", ProblemKind::OversizedLine),
        ("torn.log", ProblemKind::TornLine),
    ];
    assert_eq!(problems.keys().copied().collect::<Vec<_>>(), expected);
    assert!(problems.values().all(|count| *count == 1), "{problems:?}");
    let events = |name: &str| {
        finished
            .files
            .iter()
            .find(|(path, _)| path.ends_with(name))
            .unwrap()
            .1
            .events
    };
    assert_eq!(events("/copy.log"), 500);
    assert_eq!(
        (
            events("/torn.log"),
            events("/long.log"),
            events("/mixed.log"),
            events("/pieces.log")
        ),
        (1, 2, 2, 2)
    );
    assert!(events("/cut.log.gz") > 1000);
    let bad = &finished
        .problems
        .iter()
        .find(|((path, _), _)| path.ends_with("mixed.log"))
        .unwrap()
        .1;
    assert_eq!(
        (bad.first.unwrap().line, bad.detail.as_str()),
        (2, "what is this?")
    );
}

#[test]
fn a_plain_file_beside_its_archive_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read(fixtures().join("structlog/exc-text.jsonl")).unwrap();
    std::fs::write(dir.path().join("a.jsonl"), &text).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text).unwrap();
    let gzip = gzip.finish().unwrap();
    let once = fixture("structlog/exc-text.jsonl");
    // Complete, and still being written.
    for bytes in [&gzip[..], &gzip[..gzip.len() / 3]] {
        std::fs::write(dir.path().join("a.jsonl.gz"), bytes).unwrap();
        let both = read(&[&dir.path().display().to_string()]);
        assert_eq!(both.dialects, once.dialects);
        let kinds: Vec<_> = both.problems.keys().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, [ProblemKind::DuplicateFile]);
    }
}

#[test]
fn a_copy_that_was_cut_short_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixtures().join("structlog/exc-text.jsonl")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    std::fs::write(dir.path().join("app.log"), &text).unwrap();
    std::fs::write(dir.path().join("app.log.bak"), lines[..40].concat()).unwrap();
    let both = read(&[&dir.path().display().to_string()]);
    assert_eq!(both.dialects, fixture("structlog/exc-text.jsonl").dialects);
}

#[test]
fn two_machines_scrapy_runs_of_the_same_second_are_two_runs() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixtures().join("scrapy/info.log")).unwrap();
    for (host, port) in [("h1", "8417"), ("h2", "8418")] {
        std::fs::create_dir(dir.path().join(host)).unwrap();
        let path = dir.path().join(host).join("scrapy.log");
        std::fs::write(path, text.replace("8417", port)).unwrap();
    }
    let finished = read(&[&dir.path().display().to_string()]);
    let requests: Vec<u64> = finished
        .runs
        .iter()
        .map(|run| run.counters.requests)
        .collect();
    assert_eq!(requests, [94, 94]);
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_utf_8_is_read() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe.log");
    std::fs::copy(fixtures().join("pino/scrape.ndjson"), dir.path().join(name)).unwrap();
    let finished = read(&[&dir.path().display().to_string()]);
    assert_eq!(finished.dialects, fixture("pino/scrape.ndjson").dialects);
}

#[test]
fn many_runs_in_one_file_take_no_more_than_their_share() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for n in 0..20_000 {
        text += &format!(
            "{{\"timestamp\":\"2026-03-04T11:22:33Z\",\"level\":\"info\",\"msg\":\"x\",\"job_id\":\"j{n}\",\"spider\":\"s{}\"}}\n",
            n % 5_000
        );
    }
    std::fs::write(dir.path().join("many.log"), text).unwrap();
    assert_eq!(
        read(&[&dir.path().display().to_string()]).runs.len(),
        20_000
    );
}

#[test]
fn values_that_cannot_be_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let line = |more: &str| {
        format!(
            "{{\"timestamp\":\"2026-03-04T11:22:33Z\",\"level\":\"info\",\"msg\":\"x\",\"url\":\"http://x/\",\"status\":200{more}}}\n"
        )
    };
    let text = [
        line(",\"elapsed_ms\":1e308"),
        line(",\"elapsed_ms\":50"),
        line(",\"bytes\":18446744073709551615"),
        line(",\"bytes\":1000"),
    ];
    std::fs::write(dir.path().join("a.log"), text.concat()).unwrap();
    let counters = &read(&[&dir.path().display().to_string()]).runs[0]
        .counters
        .clone();
    assert_eq!((counters.requests, counters.bytes), (4, 1000));
    assert_eq!(
        (counters.response_time.count, counters.response_time.max),
        (1, 50_000)
    );
}

#[test]
fn an_event_without_a_time_is_counted_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let line = "{\"timestamp\":\"2026-02-30T11:22:33Z\",\"level\":\"info\",\"msg\":\"x\"}\n";
    std::fs::write(dir.path().join("a.log"), line.repeat(3)).unwrap();
    let finished = read(&[&dir.path().display().to_string()]);
    assert_eq!(finished.dialects.values().sum::<u64>(), 3);
    let (key, problem) = finished.problems.first_key_value().unwrap();
    assert_eq!((key.1, problem.count), (ProblemKind::NoTimestamp, 3));
}

#[test]
fn what_is_named_twice_is_read_once() {
    let path = fixtures()
        .join("structlog/exc-text.jsonl")
        .display()
        .to_string();
    assert_eq!(read(&[&path, &path]).dialects, read(&[&path]).dialects);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let dir = fixtures();
    let inputs: Vec<String> = ["scrapy", "pino", "rust"]
        .map(|name| dir.join(name).display().to_string())
        .to_vec();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let jobs = |jobs| {
        read_with(
            &inputs,
            &ScanOptions {
                jobs,
                ..ScanOptions::default()
            },
        )
    };
    let one = jobs(1);
    assert_eq!(jobs(3), one);
    assert!(one.runs.len() > 5);
}

#[test]
fn what_is_not_there_is_named() {
    let error = |input: &str| {
        scan(&[input.to_owned()], &RULES, &ScanOptions::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error("/no/such/logs"),
        "there is no file or directory /no/such/logs"
    );
    assert_eq!(
        error("/no/such/*.log"),
        "the pattern /no/such/*.log matches no file"
    );
}

#[test]
fn a_scan_that_is_stopped_has_no_result() {
    let options = ScanOptions::default();
    options.read.watch.cancel();
    let inputs = [fixtures().join("scrapy/debug.log").display().to_string()];
    let error = scan(&inputs, &RULES, &options).unwrap_err();
    assert!(matches!(error, ScanError::Cancelled), "{error}");
}

/// Lines of the recorder belong to their run in whatever file they stand; filters know that.
#[test]
fn filters_find_the_recorders_runs() {
    let dir = tempfile::tempdir().unwrap();
    let line = |run: &str, seq: u64| {
        format!(
            r#"{{"timestamp":"2026-03-04T11:22:33.000000Z","level":"INFO","scraper_id":"shop","site":"a.test","run_id":"{run}","writer_id":"w","seq":{seq},"message":"x"}}"#
        ) + "\n"
    };
    std::fs::write(dir.path().join("a.jsonl"), line("r1", 0) + &line("r2", 0)).unwrap();
    let options = ScanOptions {
        filter: Filter {
            run: Some("r2".into()),
            ..Filter::default()
        },
        ..ScanOptions::default()
    };
    let finished = read_with(&[&dir.path().display().to_string()], &options);
    assert_eq!(only_run(&finished).key.run_id.as_deref(), Some("r2"));
    assert_eq!(finished.dialects[&Dialect::Dragline], 1);
}

/// A record that its file ends with stands in that file, and not in the next of its family.
#[test]
fn the_last_record_of_a_file_stands_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let head = "2026-03-04 11:22:33 [shop] ERROR: ";
    std::fs::write(dir.path().join("s.log.1"), format!("{head}first\n")).unwrap();
    std::fs::write(dir.path().join("s.log"), format!("{head}second\n")).unwrap();
    let finished = read(&[&dir.path().display().to_string()]);
    for group in &finished.groups {
        let (place, sample) = group.group.sample.as_ref().unwrap();
        let name = if sample.message == "first" {
            "s.log.1"
        } else {
            "s.log"
        };
        assert!(place.path.ends_with(name), "{sample:?} in {}", place.path);
    }
    assert_eq!(finished.groups.len(), 2);
}

/// httpx and urllib3 tell of every request that the scraper tells of, too: one of them counts.
#[test]
fn what_a_library_tells_counts_only_where_nobody_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let own = "2026-03-04 11:22:33,100 INFO shop: url=http://a.test/ status=200 elapsed=0.1s\n";
    let httpx = "2026-03-04 11:22:33,099 INFO httpx: HTTP Request: GET http://a.test/ \"HTTP/1.1 200 OK\"\n";
    let urllib3 = "2026-03-04 11:22:34,099 DEBUG urllib3.connectionpool: http://a.test:80 \"GET /b HTTP/1.1\" 404 12\n";
    let counted = |text: String| {
        let path = dir.path().join("s.log");
        std::fs::write(&path, text).unwrap();
        let finished = read(&[&path.display().to_string()]);
        let row = &finished.runs[0];
        let by_bucket: u64 = finished
            .activity
            .iter()
            .map(|row| row.counters.requests)
            .sum();
        assert_eq!(by_bucket, row.counters.requests);
        (
            row.counters.requests,
            row.counters.requests_failed,
            row.counted_by,
        )
    };
    assert_eq!(counted(format!("{httpx}{own}{urllib3}")), (1, 0, "lines"));
    assert_eq!(counted(format!("{httpx}{urllib3}")), (2, 1, "library"));
}

#[test]
fn times_that_cannot_be_right_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let line = |time: &str| format!("{{\"time\":\"{time}\",\"level\":\"info\",\"msg\":\"x\"}}\n");
    let path = dir.path().join("a.log");
    let text = [
        line("2026-03-04T11:22:33Z"),
        line("2026-03-04T11:20:00Z"),
        line("2026-03-04T11:22:00Z"),
    ];
    std::fs::write(&path, text.concat()).unwrap();
    let finished = read(&[&path.display().to_string()]);
    let file = finished.files.values().next().unwrap();
    assert_eq!(file.out_of_order, 1);
    assert_eq!(
        file.latest,
        Some(Timestamp::parse("2026-03-04T11:22:33Z").unwrap())
    );
}

/// Files that hold equal texts, and how many of them are read.
fn read_of(texts: &[(&str, &str)]) -> usize {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let found = dragline_ingest::discover(&[dir.path().display().to_string()]).unwrap();
    found.families.iter().map(|family| family.files.len()).sum()
}

#[test]
fn equal_texts_are_copies_when_they_say_when() {
    let dated = "2026-03-04 11:22:33,000 - shop - INFO - began\n".repeat(30);
    let undated = "INFO  CheerioCrawler: Starting the crawler.\n".repeat(30);
    let longer = dated.clone() + "2026-03-04 11:22:39,000 - shop - INFO - ended\n";
    assert_eq!(read_of(&[("a-run.log", &dated), ("b-run.log", &dated)]), 1);
    assert_eq!(read_of(&[("a-run.log", &dated), ("b-run.log", &longer)]), 1);
    // Each run of a program that logs no times writes the same.
    assert_eq!(
        read_of(&[("a-run.log", &undated), ("b-run.log", &undated)]),
        2
    );
    // Many files with a long common beginning, and one copy.
    let banner = "2026-03-04 11:22:33,000 - shop - INFO - a setting\n".repeat(2000);
    let own: Vec<(String, String)> = (0..30)
        .map(|nth| {
            (
                format!("{nth}-run.log"),
                format!("{banner}2026-03-04 11:23:{nth:02},000 - shop - INFO - {nth}\n"),
            )
        })
        .collect();
    let mut files: Vec<(&str, &str)> = own.iter().map(|(name, text)| (&**name, &**text)).collect();
    assert_eq!(read_of(&files), 30);
    files.push(("copy-run.log", &own[3].1));
    assert_eq!(read_of(&files), 30);
}
