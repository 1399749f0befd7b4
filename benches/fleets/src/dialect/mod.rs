//! The same fleets in the logs that other programs write.
//!
//! The native logs are read back and told again as Scrapy, Crawlee, structlog, pino, Python's
//! `logging` or loguru would have told them, or in wordings drawn at random: with what such a
//! program knows, and nothing else. What follows from a seed is always the same.
//!
//! [`rewrite`] reads runs ([`native`]), has a module per program turn each into records, and puts
//! these into files as that program does: one for a run, or one for a day.

mod crawlee;
mod json;
mod native;
mod scrapy;
mod teller;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::fs::{self, File};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Error, Result};

use crate::dice::seeded;
use crate::incident::Kind;
use crate::truth::Incident;
use crate::writer::{DAY, instant, save};

use native::{Run, What};

/// What a fleet's logs are written like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// The wire format.
    Native,
    /// Scrapy at level INFO, a file a job.
    ScrapyInfo,
    /// Scrapy at level DEBUG, a file a job.
    ScrapyDebug,
    /// Crawlee for JavaScript, an object a line.
    CrawleeJson,
    /// Crawlee for JavaScript as it is without settings: text without times.
    CrawleeText,
    /// Python's structlog, rendered as JSON.
    Structlog,
    /// Node's pino.
    Pino,
    /// Python's `logging`, as text, a file a day.
    Logging,
    /// Python's loguru in its default format.
    Loguru,
    /// Wordings and formats drawn at random, for each scraper its own.
    Words,
}

use Dialect::{
    CrawleeJson, CrawleeText, Logging, Loguru, Native, Pino, ScrapyDebug, ScrapyInfo, Structlog,
    Words,
};

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Native,
        ScrapyInfo,
        ScrapyDebug,
        CrawleeJson,
        CrawleeText,
        Structlog,
        Pino,
        Logging,
        Loguru,
        Words,
    ];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Native => "native",
            ScrapyInfo => "scrapy-info",
            ScrapyDebug => "scrapy-debug",
            CrawleeJson => "crawlee-json",
            CrawleeText => "crawlee-text",
            Structlog => "structlog",
            Pino => "pino",
            Logging => "logging",
            Loguru => "loguru",
            Words => "words",
        }
    }

    /// Whether its logs can show an incident of this kind at all.
    ///
    /// Lost lines and clocks that jump are told by the wire format's numbers, archives that are cut
    /// by its files; only those who write JSON by their own keys say how long their queue is.
    pub fn sees(self, kind: Kind) -> bool {
        match kind {
            Kind::LogLoss | Kind::ClockSkew | Kind::RunTruncated => self == Native,
            Kind::QueueGrowth => matches!(self, Native | Structlog | Pino),
            _ => true,
        }
    }

    /// Whether its logs can tell to a quarter of an hour when such an incident began.
    ///
    /// Text without times cannot; and Scrapy says at INFO only when all is over how often it tried
    /// again.
    pub fn dates(self, kind: Kind) -> bool {
        self != CrawleeText && (self != ScrapyInfo || kind != Kind::RetryWaste)
    }

    /// Whether its logs say how long requests took.
    pub fn times_requests(self) -> bool {
        !matches!(self, ScrapyInfo | ScrapyDebug)
    }
}

impl FromStr for Dialect {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.with_context(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("There is no dialect `{name}`; there are {names}.")
        })
    }
}

/// A record of a log: a line, and those that belong to it.
struct Record {
    /// When it was written, in microseconds.
    time: i64,
    /// Without the last line's end.
    text: String,
}

/// How loud a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Debug,
    Info,
    /// Only loguru has it.
    Success,
    Warning,
    Error,
}

impl Level {
    /// As Python writes it.
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Success => "SUCCESS",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// Where a run's records go.
enum Place {
    /// Into a file of their own, of this name.
    Alone(String),
    /// Into the file of their family and day.
    Daily,
}

/// Writes the native logs in one directory as logs of a dialect to another.
pub(crate) fn rewrite(native: &Path, out: &Path, dialect: Dialect, seed: u64) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    if dialect == Native {
        return copy(native, out);
    }
    let mut days = Days::new(out);
    for run in &native::read(native)? {
        let (place, records) = tell(run, dialect, seed);
        match place {
            Place::Alone(name) => save_run(out, &name, &records)?,
            Place::Daily => days.add(&run.family, &records)?,
        }
    }
    days.close()
}

/// A run as somebody else tells it.
fn tell(run: &Run, dialect: Dialect, seed: u64) -> (Place, Vec<Record>) {
    // What a scraper's author decided once, and what chance brings to a run.
    let mut voice = seeded(seed, fingerprint(&[&run.scraper, &run.site]));
    let mut rng = seeded(seed, fingerprint(&[&run.scraper, &run.site, &run.id]));
    let start = instant(run.start());
    let alone = |name: String| Place::Alone(format!("{name}.log"));
    match dialect {
        // Native logs are copied and never told.
        Native | Words => teller::tell(run, &mut voice),
        ScrapyInfo | ScrapyDebug => {
            let debug = dialect == ScrapyDebug;
            let (name, records) = scrapy::records(run, debug, &mut voice, &mut rng);
            (alone(name), records)
        }
        CrawleeJson | CrawleeText => {
            let time = start.strftime("%Y%m%d-%H%M%S");
            let records = crawlee::records(run, dialect == CrawleeJson);
            (alone(format!("{}-{time}", run.family)), records)
        }
        Structlog => (Place::Daily, json::structlog(run)),
        Pino => {
            let name = format!("{}.{}", run.family, start.strftime("%Y%m%dT%H%M%S"));
            (alone(name), json::pino(run))
        }
        Logging => (Place::Daily, text::logging(run)),
        Loguru => (alone(text::loguru_file(run)), text::loguru(run)),
    }
}

fn save_run(out: &Path, name: &str, records: &[Record]) -> Result<()> {
    let Some(last) = records.last() else {
        return Ok(());
    };
    let mut text = String::new();
    for record in records {
        text.push_str(&record.text);
        text.push('\n');
    }
    save_below(out, name, &text, last.time)
}

fn save_below(out: &Path, name: &str, text: &str, last: i64) -> Result<()> {
    let path = out.join(name);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    }
    save(&path, text.as_bytes(), last)
}

/// Files of which one begins every day.
struct Days<'a> {
    out: &'a Path,
    family: String,
    day: i64,
    text: String,
    last: i64,
}

impl<'a> Days<'a> {
    fn new(out: &'a Path) -> Self {
        Self {
            out,
            family: String::new(),
            day: i64::MIN,
            text: String::new(),
            last: 0,
        }
    }

    /// Adds records of a family; all of one come before any of another.
    fn add(&mut self, family: &str, records: &[Record]) -> Result<()> {
        for record in records {
            let day = record.time.div_euclid(DAY);
            // Clocks may go back; a file that was closed stays closed.
            if self.family != family || day > self.day {
                self.close()?;
                family.clone_into(&mut self.family);
                self.day = day;
            }
            self.text.push_str(&record.text);
            self.text.push('\n');
            self.last = record.time;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        let date = instant(self.day * DAY);
        let name = format!("{}-{}.log", self.family, date.strftime("%Y-%m-%d"));
        save_below(self.out, &name, &text, self.last)
    }
}

/// Copies files with their times.
fn copy(native: &Path, out: &Path) -> Result<()> {
    let unreadable = || format!("{} cannot be copied", native.display());
    for entry in fs::read_dir(native).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let to = out.join(entry.file_name());
        fs::copy(entry.path(), &to).with_context(unreadable)?;
        let modified = entry.metadata().and_then(|data| data.modified());
        let modified = modified.with_context(unreadable)?;
        let copied = File::options().append(true).open(&to);
        copied
            .and_then(|file| file.set_modified(modified))
            .with_context(unreadable)?;
    }
    Ok(())
}

/// By which factor an incident lengthened the time from one request to the next: all that shows of
/// slow answers in logs that time no requests.
pub(crate) fn slowed(native: &Path, incident: &Incident) -> Result<f64> {
    let (since, until) = (
        incident.since.as_microsecond(),
        incident.until.as_microsecond(),
    );
    let (mut before, mut during) = (Vec::new(), Vec::new());
    for run in &native::read(native)? {
        if run.scraper == incident.scraper_id && run.site == incident.site {
            before.extend(pace(run, i64::MIN, since));
            during.extend(pace(run, since, until + 1));
        }
    }
    let factor = median(before)
        .zip(median(during))
        .map_or(1.0, |(before, during)| during / before);
    Ok((factor * 1000.0).round() / 1000.0)
}

/// The time from one request to the next between two times, where there are enough of them.
fn pace(run: &Run, from: i64, to: i64) -> Option<f64> {
    let times: Vec<i64> = run
        .events
        .iter()
        .filter(|event| matches!(event.what, What::Request(_)))
        .map(|event| event.time)
        .filter(|time| (from..to).contains(time))
        .collect();
    let (first, last) = times.first().zip(times.last())?;
    (times.len() >= 5 && last > first).then(|| (last - first) as f64 / (times.len() - 1) as f64)
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

/// The same number for the same texts, everywhere and always.
fn fingerprint(texts: &[&str]) -> u64 {
    // FNV-1a; a zero behind each text keeps them apart.
    texts
        .iter()
        .flat_map(|text| text.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// What a status means, in words.
fn phrase(status: u16) -> &'static str {
    match status {
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        400.. => "Internal Server Error",
        _ => "OK",
    }
}
