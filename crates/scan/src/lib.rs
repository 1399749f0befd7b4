//! Reads, classifies and aggregates many log files in parallel.
//!
//! [`scan`] finds the files for the given inputs, distributes the families of rotated files over
//! several threads, classifies every error, and merges the rollups of all threads into one. Files that
//! were found but not read (binary files, copies, documents) are recorded in the rollup as problems.
//!
//! A [`Filter`] excludes records from the counts but not from the background knowledge: how a run ended,
//! whether lines are missing and what is normal are determined from all records. A scan with a filter
//! therefore reads twice and returns the rollup of everything in addition to the filtered one.
//!
//! An optional [`Cache`] stores the results for unchanged files; it does not change the result. The
//! [`Watch`] in the options reports progress and can cancel a scan.
//!
//! ```
//! use dragline_classifier::RuleSet;
//! use dragline_scan::{ScanOptions, scan};
//!
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("a.log"), "{\"level\":\"error\",\"time\":1772623353,\"msg\":\"connection refused\"}\n")?;
//! let logs = vec![dir.path().display().to_string()];
//! let scanned = scan(&logs, &RuleSet::shipped(), &ScanOptions::default())?;
//! let finished = scanned.rollup.finish(dragline_schema::Timestamp::from_seconds(1_772_623_999));
//! assert_eq!(finished.runs[0].counters.errors, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod archive;
mod cache;
mod filter;
mod history;
mod label;
mod observer;
mod owners;
mod pool;
mod rows;

use std::sync::atomic::{AtomicUsize, Ordering};

use dragline_classifier::RuleSet;
use dragline_ingest::{
    Discovery, Family, FamilyReader, FileSummary, Fingerprint, LogFile, discover_until, read_family,
};
use dragline_rollup::{Covered, OUT_OF_ORDER, Rollup};
use dragline_schema::{Problem, Sink, Timestamp};

pub use cache::Cache;
pub use dragline_files::OwnedDirError;
pub use dragline_ingest::{
    DialectError, DiscoverError, Map, MapError, Meaning, Memory, ReadOptions, TextDialect, Watch,
    own_fields, own_fields_json,
};
pub use filter::Filter;
pub use history::{History, HistoryError};
pub use label::Labeller;
pub use observer::observe;
pub use owners::{Owners, owners};
pub use rows::{Row, RowSink};

use crate::cache::{Key, Keys};
use crate::filter::Sources;
use crate::history::HistoryWriter;
use crate::observer::Observer;
use crate::pool::Pool;
use crate::rows::{RowMaker, runs_of};

/// Options of a scan.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// How to read the files.
    pub read: ReadOptions,
    /// Maximum number of threads. Default: one per processor.
    pub jobs: usize,
    /// Which records to count.
    pub filter: Filter,
    /// Whether to classify errors that the scraper already labelled when it logged them. Default: no.
    pub reclassify: bool,
    /// Cache of the results for unchanged files. Default: none.
    pub cache: Option<Cache>,
    /// History of the results for files that may be deleted later. Default: none.
    pub history: Option<History>,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            read: ReadOptions::default(),
            jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            filter: Filter::default(),
            reclassify: false,
            cache: None,
            history: None,
        }
    }
}

impl ScanOptions {
    /// Number of reading threads: `jobs`, limited by the memory.
    fn threads(&self) -> usize {
        self.read.memory.threads(self.jobs)
    }
}

/// A reason why a scan has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// An input does not exist.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The scan was cancelled through the [`Watch`].
    #[error("the scan was cancelled")]
    Cancelled,
}

/// The result of a scan.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// The rollup of the records that pass the filter.
    pub rollup: Rollup,
    /// The rollup of all known records, if that is more: it includes what the filter excludes and what
    /// is in the history.
    pub everything: Option<Rollup>,
}

/// Reads everything behind `inputs` (files, directories, globs, `-` for standard input).
///
/// # Errors
/// If an input does not exist or the scan was cancelled. Files that exist but cannot be read are
/// problems in the rollup.
pub fn scan(
    inputs: &[String],
    rules: &RuleSet,
    options: &ScanOptions,
) -> Result<Scanned, ScanError> {
    let found = discover_until(inputs, &options.read.watch)?;
    let passes = if options.filter.is_empty() { 1 } else { 2 };
    let watch = &options.read.watch;
    watch.expect(passes * found.families.iter().map(bytes_of).sum::<u64>());
    let (everything, remembered) = everything(&found, rules, options)?;
    if options.filter.is_empty() {
        return Ok(Scanned {
            rollup: everything,
            everything: remembered,
        });
    }
    let by_source = options.filter.names_a_source();
    let pass = Pass {
        found: &found,
        rules,
        options,
        filter: &options.filter,
        sources: by_source.then(|| Sources::matching(&options.filter, &everything)),
        covered: Some(&everything.covered()),
        cache: None,
        writer: None,
    };
    let rollup = pass.with_copies(pass.logs());
    if watch.is_cancelled() {
        return Err(ScanError::Cancelled);
    }
    Ok(Scanned {
        rollup,
        everything: Some(remembered.unwrap_or(everything)),
    })
}

/// The rollup of all existing logs, using the cache where possible; and, with a history, the rollup of
/// the logs and the history together.
fn everything(
    found: &Discovery,
    rules: &RuleSet,
    options: &ScanOptions,
) -> Result<(Rollup, Option<Rollup>), ScanError> {
    let options = &ScanOptions {
        read: ReadOptions {
            fingerprints: options.history.is_some(),
            ..options.read.clone()
        },
        ..options.clone()
    };
    let cache = options.cache.as_ref();
    let history = options.history.as_ref();
    let writer = history
        .map(|history| HistoryWriter::new(history, &options.read.watch))
        .transpose()?;
    let pass = Pass {
        found,
        rules,
        options,
        filter: &Filter::default(),
        sources: None,
        covered: None,
        cache: cache.map(|cache| Keys::new(cache, rules, options)),
        writer: writer.as_ref(),
    };
    let mut logs = pass.logs();
    cache.into_iter().for_each(Cache::trim);
    let remembered = match &writer {
        Some(writer) if !options.read.watch.is_cancelled() => {
            let mut known = writer.gone(&logs);
            known.merge(logs.clone());
            writer.tell(&mut logs);
            Some(pass.with_copies(known))
        }
        _ => None,
    };
    let everything = pass.with_copies(logs);
    if options.read.watch.is_cancelled() {
        return Err(ScanError::Cancelled);
    }
    Ok((everything, remembered))
}

/// Reads everything behind `inputs` into the caller's sinks: `make` creates one per thread, and all of
/// them are returned. Nothing is filtered or classified.
///
/// ```
/// use dragline_scan::{ScanOptions, scan_into};
/// use dragline_schema::{Position, Problem, Record, Sink, SourceFile};
///
/// #[derive(Default)]
/// struct Bytes(u64);
/// impl Sink for Bytes {
///     fn file(&mut self, _: &SourceFile) {}
///     fn record(&mut self, record: &Record<'_>, _: Position) {
///         if let dragline_schema::Event::Request(request) = &record.event {
///             self.0 += request.bytes.unwrap_or(0);
///         }
///     }
///     fn problem(&mut self, _: &Problem<'_>) {}
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # std::fs::write(dir.path().join("a.log"), "{\"level\":\"info\",\"time\":1772623353,\"url\":\"https://a.test/\",\"status\":200,\"bytes\":7}\n")?;
/// let logs = vec![dir.path().display().to_string()];
/// let parts = scan_into(&logs, &ScanOptions::default(), Bytes::default)?;
/// assert_eq!(parts.iter().map(|part| part.0).sum::<u64>(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`scan`].
pub fn scan_into<S: Sink + Send>(
    inputs: &[String],
    options: &ScanOptions,
    make: impl Fn() -> S + Sync,
) -> Result<Vec<S>, ScanError> {
    let found = discover_until(inputs, &options.read.watch)?;
    let families: Vec<&Family> = found.families.iter().collect();
    let watch = &options.read.watch;
    watch.expect(found.families.iter().map(bytes_of).sum());
    let parts = in_parallel(options.threads(), &families, make, |family, mut sink| {
        read_family(family, &options.read, &mut sink);
        sink
    });
    if watch.is_cancelled() {
        return Err(ScanError::Cancelled);
    }
    Ok(parts)
}

/// Reads everything behind `inputs` twice: first into a rollup, which determines the run of each line,
/// then record by record into the caller's sinks, one per thread. The sinks get only records that pass
/// the filter; the rollup always covers everything, with a history also what is only there. Without
/// `wants_rows` the second pass is skipped. Logs that were last written more than a day before `since` are
/// not read again.
///
/// # Errors
/// As [`scan`].
pub fn scan_rows<S: RowSink>(
    inputs: &[String],
    rules: &RuleSet,
    options: &ScanOptions,
    wants_rows: bool,
    make: impl Fn() -> S + Sync,
) -> Result<(Rollup, Vec<S>), ScanError> {
    let found = discover_until(inputs, &options.read.watch)?;
    let watch = &options.read.watch;
    let passes = 1 + u64::from(wants_rows);
    watch.expect(passes * found.families.iter().map(bytes_of).sum::<u64>());
    let (rollup, remembered) = everything(&found, rules, options)?;
    let (runs, covered) = (runs_of(&rollup), rollup.covered());
    let telling = rollup.telling_runs();
    let since = options.filter.since.filter(|_| wants_rows);
    let is_wanted =
        |family: &&Family| wants_rows && since.is_none_or(|since| is_written_since(family, since));
    let families: Vec<&Family> = found.families.iter().filter(is_wanted).collect();
    let labeller = Labeller {
        rules,
        reclassifies: options.reclassify,
    };
    let rows = in_parallel(options.threads(), &families, make, |family, sink| {
        let mut maker = RowMaker {
            family: &family.name,
            runs: &runs,
            telling: &telling,
            filter: &options.filter,
            labeller,
            copied: Some(&covered).filter(|_| family.is_error_copy),
            sink,
            file: String::new(),
            last: None,
        };
        read_family(family, &options.read, &mut maker);
        maker.sink
    });
    if watch.is_cancelled() {
        return Err(ScanError::Cancelled);
    }
    Ok((remembered.unwrap_or(rollup), rows))
}

/// How much later than its file's modification the time of a line can be: lines without a zone may be read in the wrong
/// one. In microseconds.
const ZONES: i64 = 26 * 3_600 * 1_000_000;

/// Whether some file of a family may hold lines of `since` or later.
fn is_written_since(family: &Family, since: Timestamp) -> bool {
    let mut files = family.files.iter();
    files.any(|file| {
        let modified = file.source.modified;
        modified.is_none_or(|modified| modified.plus_micros(ZONES) >= since)
    })
}

/// Distributes families over threads: each thread starts with the result of `make` and adds one family
/// after another.
fn in_parallel<S: Send>(
    jobs: usize,
    families: &[&Family],
    make: impl Fn() -> S + Sync,
    add: impl Fn(&Family, S) -> S + Sync,
) -> Vec<S> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut part = make();
        while let Some(family) = families.get(next.fetch_add(1, Ordering::Relaxed)) {
            part = add(family, part);
        }
        part
    };
    std::thread::scope(|scope| {
        let threads = 0..jobs.clamp(1, families.len().max(1));
        // If the system refuses more threads, the existing ones do the work.
        let spawned = threads.map_while(|_| {
            let builder = std::thread::Builder::new();
            builder.spawn_scoped(scope, work).ok()
        });
        let threads: Vec<_> = spawned.collect();
        if threads.is_empty() {
            return vec![work()];
        }
        let join = |thread: std::thread::ScopedJoinHandle<'_, S>| match thread.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}

/// Merges a thread's part and its pool into one rollup.
fn merged(part: Rollup, pool: Pool) -> Rollup {
    let mut whole = pool.into_rollup();
    pool::merge(&mut whole, part);
    whole
}

fn bytes_of(family: &Family) -> u64 {
    family.files.iter().map(|file| file.bytes).sum()
}

/// One pass over all files.
struct Pass<'p> {
    found: &'p Discovery,
    rules: &'p RuleSet,
    options: &'p ScanOptions,
    filter: &'p Filter,
    /// The sources that count; `None` if all do.
    sources: Option<Sources>,
    /// The numbered lines in the logs, if a filter hides some of them from this pass.
    covered: Option<&'p Covered>,
    /// The cache, if nothing is filtered.
    cache: Option<Keys<'p>>,
    /// The writer of the history, if there is one.
    writer: Option<&'p HistoryWriter<'p>>,
}

impl Pass<'_> {
    /// Reads everything except the recorders' error copies.
    fn logs(&self) -> Rollup {
        let families = self.found.families.iter();
        let logs: Vec<&Family> = families.filter(|family| !family.is_error_copy).collect();
        self.read(&logs, None, self.skipped())
    }

    /// Adds the error copies. Only those of their lines count that are not, or no longer, in the logs
    /// themselves.
    fn with_copies(&self, logs: Rollup) -> Rollup {
        let families = self.found.families.iter();
        let copies: Vec<&Family> = families.filter(|family| family.is_error_copy).collect();
        if copies.is_empty() {
            return logs;
        }
        let covered = self.covered.cloned().unwrap_or_else(|| logs.covered());
        self.read(&copies, Some(&covered), logs)
    }

    /// Reads families in parallel into a rollup.
    fn read(&self, families: &[&Family], copied: Option<&Covered>, into: Rollup) -> Rollup {
        let pool = Pool::new(into);
        let add = |family: &Family, mut rollup: Rollup| {
            rollup = self.family(family, copied, rollup, &pool);
            pool.relieve(&mut rollup);
            rollup
        };
        let parts = in_parallel(self.threads(), families, Rollup::default, add);
        let mut whole = pool.into_rollup();
        let parts = parts.into_iter();
        parts.for_each(|part| pool::merge(&mut whole, part));
        whole
    }

    fn family(
        &self,
        family: &Family,
        copied: Option<&Covered>,
        mut rollup: Rollup,
        pool: &Pool,
    ) -> Rollup {
        if let (Some(writer), None) = (self.writer, copied) {
            rollup.merge(self.remembered_family(writer, family));
            return rollup;
        }
        let mut reader = FamilyReader::new(&family.name, &self.options.read);
        for file in &family.files {
            let is_cached = copied.is_none() && self.cache.is_some() && cache::is_worth(file);
            if is_cached {
                rollup.merge(self.part(family, file, &mut reader).0);
            } else {
                rollup = self.file(family, file, &mut reader, copied, rollup, pool).0;
            }
            pool.relieve(&mut rollup);
        }
        self.finish(family, copied, reader, rollup, pool)
    }

    /// Reads a family file by file, because the history stores one entry per file.
    fn remembered_family(&self, writer: &HistoryWriter<'_>, family: &Family) -> Rollup {
        let mut whole = Rollup::default();
        let mut reader = FamilyReader::new(&family.name, &self.options.read);
        let Some((last, files)) = family.files.split_last() else {
            return whole;
        };
        for file in files {
            let (mut part, text) = self.part(family, file, &mut reader);
            self.keep(writer, family, file, text, &mut part);
            whole.merge(part);
        }
        let (part, text) = self.part(family, last, &mut reader);
        let apart = Pool::default();
        let mut part = self.finish(family, None, reader, part, &apart);
        part = merged(part, apart);
        self.keep(writer, family, last, text, &mut part);
        whole.merge(part);
        whole
    }

    fn keep(
        &self,
        writer: &HistoryWriter<'_>,
        family: &Family,
        file: &LogFile,
        text: Option<Fingerprint>,
        part: &mut Rollup,
    ) {
        if !self.options.read.watch.is_cancelled() {
            writer.keep(&family.name, file, text, part);
        }
    }

    /// The rollup of one file, from the cache or by reading it, and its fingerprint if it was read.
    fn part(
        &self,
        family: &Family,
        file: &LogFile,
        reader: &mut FamilyReader,
    ) -> (Rollup, Option<Fingerprint>) {
        let key = self
            .cache
            .as_ref()
            .and_then(|cache| cache.key(family, file, reader));
        if let Some(entry) = key.as_ref().and_then(Key::get)
            && reader.restore(&entry.state)
        {
            self.options.read.watch.advance(file.bytes);
            return (entry.rollup, None);
        }
        let pool = Pool::default();
        let (part, text) = self.file(family, file, reader, None, Rollup::default(), &pool);
        let mut part = merged(part, pool);
        if let Some(key) = key.filter(|_| !self.options.read.watch.is_cancelled()) {
            key.put(reader, &mut part);
        }
        (part, text)
    }

    /// Adds the records that the reader still holds at the end of a family.
    fn finish(
        &self,
        family: &Family,
        copied: Option<&Covered>,
        reader: FamilyReader,
        rollup: Rollup,
        pool: &Pool,
    ) -> Rollup {
        let mut observer = self.observer(family, copied, rollup, pool);
        if let Some(last) = family.files.last() {
            observer.file(&last.source);
        }
        reader.finish(&mut observer);
        observer.into_rollup()
    }

    /// Reads one file into a rollup.
    fn file(
        &self,
        family: &Family,
        file: &LogFile,
        reader: &mut FamilyReader,
        copied: Option<&Covered>,
        mut rollup: Rollup,
        pool: &Pool,
    ) -> (Rollup, Option<Fingerprint>) {
        // A separate pool: its counts are dropped if the lines turn out to need reading in order.
        let apart = Pool::default();
        let make = || self.observer(family, copied, Rollup::default(), &apart);
        let threads = self.threads() / self.found.families.len().max(1);
        let split = reader.read_split(file, threads, OUT_OF_ORDER, make);
        let summary = if let Some((summary, parts)) = split {
            let parts = parts.into_iter().map(Observer::into_rollup);
            parts.for_each(|part| apart.add(part));
            rollup = merged(rollup, apart);
            summary
        } else {
            let mut observer = self.observer(family, copied, rollup, pool);
            let summary = reader.read(file, &mut observer);
            rollup = observer.into_rollup();
            summary
        };
        let FileSummary {
            path,
            bytes,
            lines,
            zoneless,
            zone,
            truncated,
            fingerprint,
            ..
        } = summary;
        rollup.end_file(&path, bytes, lines, zoneless, truncated);
        rollup.set_zone(&path, zone);
        (rollup, fingerprint)
    }

    /// Maximum number of threads.
    fn threads(&self) -> usize {
        self.options.threads()
    }

    fn observer<'o>(
        &'o self,
        family: &'o Family,
        copied: Option<&'o Covered>,
        rollup: Rollup,
        pool: &'o Pool,
    ) -> Observer<'o> {
        let labeller = Labeller {
            rules: self.rules,
            reclassifies: self.options.reclassify,
        };
        Observer::new(
            &family.name,
            rollup,
            pool,
            labeller,
            self.filter,
            self.sources.as_ref(),
            &self.options.read.map,
        )
        .of_copies(copied)
    }

    /// The problems of files that were found but not read.
    fn skipped(&self) -> Rollup {
        let mut rollup = Rollup::default();
        for skipped in &self.found.skipped {
            rollup.begin_file("", &skipped.source);
            let problem = Problem {
                kind: skipped.kind,
                at: None,
                detail: &skipped.detail,
            };
            rollup.observe_problem(&problem);
        }
        rollup
    }
}
