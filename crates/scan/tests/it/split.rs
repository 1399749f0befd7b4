//! One large file in several threads.

use std::io::Write as _;
use std::path::Path;

use crate::RULES;
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

/// A large file of JSON is cut up, unless something stands in it that belongs together.
#[test]
fn one_large_file_is_read_alike_by_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let line = |second: u64, rest: &str| {
        let time = 1_772_600_000 + second;
        let path = "x".repeat(900);
        let level = if second % 50 == 7 { "error" } else { "info" };
        format!(
            "{{\"level\":\"{level}\",\"time\":{time},\"msg\":\"page {second} failed\",\"url\":\"https://a.test/{path}\"}}\n{rest}"
        )
    };
    let many = |odd: &str, late: u64| -> String {
        let rest = |second| if second == 2_000 { odd } else { "" };
        let second = |n| if n > 2_000 { n - late } else { n };
        (0..4_000).map(|n| line(second(n), rest(n))).collect()
    };
    let crash =
        "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nValueError: no\n";
    let logs = [
        many("", 0),
        many("", 0),
        many("", 1_000),
        many("what is this?\n", 0),
        many(crash, 0),
        many("{\n \"level\": \"error\",\n \"msg\": \"x\"\n}\n", 0),
        format!("{}{{\"level\":\"error\",\"ti", many("", 0)),
        many("", 0).trim_end().to_owned(),
    ];
    for (number, log) in logs.iter().enumerate() {
        let gzip = |part: &[u8]| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
            gzip.write_all(part).unwrap();
            gzip.finish().unwrap()
        };
        // Members that end anywhere.
        let members: Vec<u8> = log.as_bytes().chunks(1 << 20).flat_map(gzip).collect();
        let (plain, packed) = (dir.path().join("a.log"), dir.path().join("b.log.gz"));
        std::fs::write(&plain, log).unwrap();
        std::fs::write(&packed, members).unwrap();
        let read = |path: &Path, jobs| {
            let options = ScanOptions {
                jobs,
                ..ScanOptions::default()
            };
            let logs = [path.display().to_string()];
            let scanned = scan(&logs, &RULES, &options).unwrap();
            scanned
                .rollup
                .finish(Timestamp::from_seconds(1_772_700_000))
        };
        let path = if number % 2 == 0 { plain } else { packed };
        assert!(read(&path, 1) == read(&path, 3), "log {number}");
    }
}
