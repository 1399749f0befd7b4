//! Bytes as a log file, and what the reader tells of it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use dragline_ingest::{Family, LogFile, ReadOptions, read_family};
use dragline_rollup::Rollup;
use dragline_schema::{Own, Position, Problem, Record, Sink, SourceFile};

thread_local! {
    /// In memory, where the machine has such a place.
    pub static FILE: RefCell<PathBuf> = RefCell::new({
        let shm = Path::new("/dev/shm");
        let directory = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        directory.join(format!("dragline-fuzz-{}.log", std::process::id()))
    });
}

/// What was told of a file.
#[derive(Default)]
pub struct Told {
    /// What was told, but for what the kind of file changes.
    pub told: Vec<String>,
    pub rollup: Rollup,
}

impl Sink for Told {
    fn file(&mut self, file: &SourceFile) {
        self.rollup.begin_file("fuzz", file);
    }
    fn record(&mut self, record: &Record<'_>, at: Position) {
        // The line that it stands in is no more than that.
        let told = Record {
            own: Own::None,
            ..record.clone()
        };
        self.told.push(format!("{} {told:?}", at.line));
        self.rollup.observe(record, at, None);
    }
    fn problem(&mut self, problem: &Problem<'_>) {
        self.told
            .push(format!("{:?} {}", problem.kind, problem.detail));
        self.rollup.observe_problem(problem);
    }
}

/// Reads bytes as a log.
pub fn read(path: &Path, bytes: &[u8]) -> Told {
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
