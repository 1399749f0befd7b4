//! Logs that the tests write, in the wire format, line by line.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use dragline_schema::{
    Event, Level, ProductProcessed, Record, Request, ScraperEnd, ScraperStart, Timestamp, wire,
};

/// A simulated fleet: a few scrapers, each with its own file.
pub(crate) struct Fleet {
    dir: PathBuf,
    random: fastrand::Rng,
    at: Timestamp,
    files: Vec<(File, u64)>,
    count: usize,
    errors: BTreeMap<String, u64>,
}

impl Fleet {
    pub(crate) fn new(dir: &Path, seed: u64, count: usize, at: Timestamp) -> Self {
        Self {
            dir: dir.to_owned(),
            random: fastrand::Rng::with_seed(seed),
            at,
            files: Vec::new(),
            count,
            errors: BTreeMap::new(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.at
    }

    /// Number of errors of each scraper.
    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.clone()
    }

    /// Nothing is written for a time, in seconds.
    pub(crate) fn skip(&mut self, seconds: i64) {
        self.at = self.at.plus_micros(seconds * 1_000_000);
    }

    /// Writes a number of lines; a part of a line may be left for the next call.
    pub(crate) fn write(&mut self, lines: usize) {
        for _ in 0..lines {
            let scraper = self.random.usize(..self.count);
            self.line(scraper);
        }
    }

    fn line(&mut self, scraper: usize) {
        if self.files.len() <= scraper {
            for number in self.files.len()..=scraper {
                self.files.push((self.open(number, 0), 0));
            }
        }
        self.at = self.at.plus_micros(self.random.i64(1..200_000));
        let number = self.files[scraper].1;
        self.files[scraper].1 += 1;
        let run = number / 200;
        let event = match (number % 200, self.random.u8(..10)) {
            (0, _) => Event::ScraperStart(ScraperStart::default()),
            (199, _) => Event::ScraperEnd(ScraperEnd {
                status: Some("success".into()),
                ..ScraperEnd::default()
            }),
            (_, 0..2) => Event::ProductProcessed(ProductProcessed {
                action: Some("added".into()),
                ..ProductProcessed::default()
            }),
            (_, 2) => Event::Log,
            _ => Event::Request(Request {
                url: Some(format!("https://site{scraper}.example.com/p/{number}").into()),
                status_code: Some(if self.random.u8(..20) == 0 { 503 } else { 200 }),
                response_time_ms: Some(self.random.f64() * 900.0),
                bytes: Some(self.random.u64(100..90_000)),
                ..Request::default()
            }),
        };
        let is_error = matches!(event, Event::Log);
        let record = Record {
            timestamp: Some(self.at),
            level: Some(if is_error { Level::Error } else { Level::Info }),
            scraper_id: Some(format!("scraper{scraper}").into()),
            site: Some(format!("site{scraper}.example.com").into()),
            run_id: Some(format!("run{run}").into()),
            writer_id: Some(format!("w{scraper}").into()),
            seq: Some(number),
            message: is_error.then(|| "ConnectionError: timed out".into()),
            event,
            ..Record::default()
        };
        let mut line = Vec::new();
        wire::encode(&record, &mut line);
        // Now and then a new file, as a recorder begins one.
        if number % 700 == 699 {
            self.files[scraper].0 = self.open(scraper, number);
        }
        self.files[scraper].0.write_all(&line).unwrap();
        if is_error {
            *self.errors.entry(format!("scraper{scraper}")).or_default() += 1;
            self.copy_error(scraper, &line);
        }
    }

    /// The recorder's copy of its errors, with the link to it.
    fn copy_error(&self, scraper: usize, line: &[u8]) {
        let name = format!("scraper{scraper}.error.20260304T000000Z.w{scraper}.0.jsonl");
        let path = self.dir.join(&name);
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
            .write_all(line)
            .unwrap();
        let link = self.dir.join(format!("scraper{scraper}.error.current"));
        // It may be there already.
        let _ = std::os::unix::fs::symlink(name, link);
    }

    fn open(&self, scraper: usize, number: u64) -> File {
        let name = format!("scraper{scraper}.20260304T{number:06}Z.w{scraper}.0.jsonl");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join(name))
            .unwrap()
    }
}
