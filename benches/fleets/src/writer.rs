//! Lines of the wire format, and the files that they stand in.
//!
//! A log belongs to one process: it has a writer id, counts its lines by run, and begins a new file
//! at midnight when the process lives long. Lines can go missing, clocks can jump, archives can be
//! cut off: a log lets them, on demand.

use std::fmt::{Arguments, Write as _};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;

/// Microseconds.
pub(crate) const SECOND: i64 = 1_000_000;
/// Microseconds.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// Microseconds.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Microseconds.
pub(crate) const DAY: i64 = 24 * HOUR;

/// Where the timestamp of a line stands: behind `{"timestamp":"`.
const TIMESTAMP: std::ops::Range<usize> = 14..41;

/// One process's log.
pub(crate) struct Log {
    dir: PathBuf,
    family: String,
    /// The process.
    writer_id: String,
    /// Whether a new file begins at midnight.
    rotates: bool,
    counter: u32,
    open: Pending,
    /// Files that are done and not on disk yet.
    closed: Vec<Pending>,
    /// What every line of the run says of it.
    context: String,
    target: String,
    seq: u64,
    /// Lines are numbered, and lost.
    pub(crate) losing: bool,
    /// How many lines were lost.
    pub(crate) lost: u64,
    /// How far the clock is off.
    pub(crate) skew: i64,
    /// Lines in files.
    pub(crate) lines: u64,
}

/// A file before it is one.
#[derive(Default)]
struct Pending {
    name: String,
    text: String,
    first: i64,
    last: i64,
}

impl Log {
    /// The log of a new process.
    pub(crate) fn new(dir: &Path, family: &str, writer_id: String, rotates: bool) -> Self {
        Self {
            dir: dir.to_owned(),
            family: family.to_owned(),
            writer_id,
            rotates,
            counter: 0,
            open: Pending::default(),
            closed: Vec::new(),
            context: String::new(),
            target: format!("{}::crawl", family.replace('-', "_")),
            seq: 0,
            losing: false,
            lost: 0,
            skew: 0,
            lines: 0,
        }
    }

    /// The process ends, and another one goes on.
    pub(crate) fn restart(&mut self, writer_id: String) {
        self.close();
        self.writer_id = writer_id;
        self.counter = 0;
    }

    /// From here on lines belong to this run.
    pub(crate) fn begin_run(&mut self, scraper_id: &str, site: &str, run_id: &str) {
        self.context.clear();
        let _ = write!(
            self.context,
            r#""scraper_id":"{scraper_id}","site":"{site}","run_id":"{run_id}","writer_id":"{}""#,
            self.writer_id
        );
        self.seq = 0;
    }

    /// A typed event; `fields` are its JSON without the braces.
    pub(crate) fn event(
        &mut self,
        time: i64,
        level: &str,
        event_type: &str,
        fields: Arguments<'_>,
    ) {
        if self.head(time, level, None) {
            let _ = writeln!(self.open.text, r#","event_type":"{event_type}",{fields}}}"#);
        }
    }

    /// A line that only says something.
    pub(crate) fn plain(&mut self, time: i64, fields: Arguments<'_>) {
        let target = std::mem::take(&mut self.target);
        if self.head(time, "INFO", Some(&target)) {
            let _ = writeln!(self.open.text, ",{fields}}}");
        }
        self.target = target;
    }

    /// What every line begins with; false when the line is lost.
    fn head(&mut self, time: i64, level: &str, target: Option<&str>) -> bool {
        let seq = self.seq;
        self.seq += 1;
        if self.losing {
            self.lost += 1;
            return false;
        }
        let time = time + self.skew;
        if self.rotates && time.div_euclid(DAY) > self.open.last.div_euclid(DAY) {
            self.close();
        }
        let stamp = instant(time);
        if self.open.text.is_empty() {
            self.open.first = time;
            self.open.name = format!(
                "{}.{}.{}.{}.jsonl",
                self.family,
                stamp.strftime("%Y%m%dT%H%M%SZ"),
                self.writer_id,
                self.counter
            );
        }
        self.open.last = time;
        self.lines += 1;
        let target = target.unwrap_or("dragline");
        let _ = write!(
            self.open.text,
            r#"{{"timestamp":"{stamp:.6}","level":"{level}","target":"{target}",{},"seq":{seq}"#,
            self.context
        );
        true
    }

    /// The time of the last line.
    pub(crate) fn last(&self) -> i64 {
        self.open.last
    }

    /// The open file is done.
    fn close(&mut self) {
        if !self.open.text.is_empty() {
            self.closed.push(std::mem::take(&mut self.open));
            self.counter += 1;
        }
    }

    /// Writes what is done; with `all` also what is not.
    pub(crate) fn flush(&mut self, all: bool) -> Result<()> {
        if all {
            self.close();
        }
        for file in self.closed.drain(..) {
            save(&self.dir.join(&file.name), file.text.as_bytes(), file.last)?;
        }
        Ok(())
    }

    /// Writes the open file as an archive of which only this share arrived; the time of the last
    /// line that can still be read.
    pub(crate) fn cut(&mut self, share: f64) -> Result<i64> {
        let mut file = std::mem::take(&mut self.open);
        self.counter += 1;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder
            .write_all(file.text.as_bytes())
            .context("a log cannot be compressed")?;
        let mut archive = encoder.finish().context("a log cannot be compressed")?;
        archive.truncate((archive.len() as f64 * share) as usize);
        let mut readable = Vec::with_capacity(file.text.len());
        // It fails, as it should; what came before the failure counts.
        let _ = GzDecoder::new(archive.as_slice()).read_to_end(&mut readable);
        let whole = readable
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap_or(0);
        let begin = file.text[..whole].rfind('\n').map_or(0, |end| end + 1);
        let last = file.text[begin..]
            .get(TIMESTAMP)
            .and_then(|text| text.parse().ok());
        let last = last.map_or(file.first, Timestamp::as_microsecond);
        file.name.push_str(".gz");
        save(&self.dir.join(&file.name), &archive, file.last)?;
        Ok(last)
    }
}

/// Writes a file that was last written to when its last line says.
pub(crate) fn save(path: &Path, bytes: &[u8], last: i64) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    let modified = SystemTime::UNIX_EPOCH + Duration::from_micros(last as u64);
    File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(modified))
        .with_context(|| format!("{} cannot be given its time", path.display()))
}

/// Microseconds since 1970 as an instant.
pub(crate) fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}
