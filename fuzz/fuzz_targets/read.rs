//! Any bytes as a log file, as they are and as a gzip member: nothing panics, nothing hangs, and
//! both read alike.

#![no_main]

use std::cell::RefCell;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use dragline_ingest::{Family, LogFile, ReadOptions, read_family};
use dragline_rollup::Rollup;
use dragline_schema::{Position, Problem, Record, Sink, SourceFile, Timestamp};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;

thread_local! {
    /// In memory, where the machine has such a place.
    static FILE: RefCell<PathBuf> = RefCell::new({
        let shm = Path::new("/dev/shm");
        let directory = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        directory.join(format!("dragline-fuzz-{}.log", std::process::id()))
    });
}

#[derive(Default)]
struct Told {
    /// What was told, but for what the kind of file changes.
    told: Vec<String>,
    rollup: Rollup,
}

impl Sink for Told {
    fn file(&mut self, file: &SourceFile) {
        self.rollup.begin_file("fuzz", file);
    }
    fn record(&mut self, record: &Record<'_>, at: Position) {
        self.told.push(format!("{} {record:?}", at.line));
        self.rollup.observe(record, at, None);
    }
    fn problem(&mut self, problem: &Problem<'_>) {
        self.told
            .push(format!("{:?} {}", problem.kind, problem.detail));
        self.rollup.observe_problem(problem);
    }
}

fn read(path: &Path, bytes: &[u8]) -> Told {
    std::fs::write(path, bytes).expect("a file can be written");
    let source = SourceFile {
        path: "fuzz.log".to_owned(),
        content_id: 1,
        modified: None,
    };
    let file = LogFile {
        source,
        path: path.to_owned(),
        bytes: bytes.len() as u64,
    };
    let family = Family {
        name: "fuzz".to_owned(),
        is_error_copy: false,
        files: vec![file],
    };
    let options = ReadOptions {
        max_line: 4096,
        ..ReadOptions::default()
    };
    let mut told = Told::default();
    read_family(&family, &options, &mut told);
    told
}

fuzz_target!(|data: &[u8]| {
    FILE.with_borrow(|path| {
        let plain = read(path, data);
        // What is compressed already is not read through two layers.
        if !data.starts_with(&[0x1f, 0x8b]) && !data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(data).expect("memory takes all bytes");
            let packed = encoder.finish().expect("memory takes all bytes");
            assert_eq!(plain.told, read(path, &packed).told);
        }
        plain.rollup.finish(Timestamp::from_seconds(1_772_623_353));
    });
});
