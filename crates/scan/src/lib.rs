//! Many log files in parallel through reading, classifying and rolling up.
//!
//! [`scan`] finds the files behind what a person named, gives each family of rotated files to one
//! of several threads, lets every error be classified, and merges the threads' rollups into one.
//! What was found and not taken (binary files, copies, documents) is in the rollup too, as problems.
//!
//! A [`Filter`] leaves records out of the numbers, but not out of what is known: how a run ended,
//! whether lines are missing and what is normal are told by everything that is there. So a scan
//! with a filter reads twice, and gives the rollup of everything beside the one that was asked for.
//!
//! What came of files that did not change is kept in a [`Cache`], when there is one: the result is
//! the same with and without. How far a scan is, and stopping it, is up to the
//! [`Watch`] in its options.
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
mod pool;
mod rows;

use std::sync::atomic::{AtomicUsize, Ordering};

use dragline_classifier::RuleSet;
use dragline_ingest::{
    Discovery, Family, FamilyReader, FileSummary, Fingerprint, LogFile, discover_until, read_family,
};
use dragline_rollup::{Covered, OUT_OF_ORDER, Rollup};
use dragline_schema::{Problem, Sink};

pub use cache::Cache;
pub use dragline_files::OwnedDirError;
pub use dragline_ingest::{
    DialectError, DiscoverError, Map, MapError, Meaning, Memory, ReadOptions, TextDialect, Watch,
    own_fields, own_fields_json,
};
pub use filter::Filter;
pub use history::{History, HistoryError};
pub use rows::{Row, RowSink};

use crate::cache::{Key, Keys};
use crate::filter::Sources;
use crate::history::Keeper;
use crate::label::Labeller;
use crate::observer::Observer;
use crate::pool::Pool;
use crate::rows::{RowMaker, runs_of};

/// How to scan.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// How to read.
    pub read: ReadOptions,
    /// How many threads. Default: one for each processor.
    pub jobs: usize,
    /// What to leave out.
    pub filter: Filter,
    /// Whether the rules label errors that carry a label already. Default: no, the scraper knew.
    pub reclassify: bool,
    /// Where what came of unchanged files is kept. Default: nowhere.
    pub cache: Option<Cache>,
    /// Where what is known of logs is kept for when they are gone. Default: nowhere.
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
    /// How many threads read: those that are asked for, as far as the memory goes.
    fn threads(&self) -> usize {
        self.read.memory.threads(self.jobs)
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// Something named is not there.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The [`Watch`] was told to stop.
    #[error("the reading was stopped")]
    Cancelled,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// What was asked for.
    pub rollup: Rollup,
    /// Everything that is known, when that is more: what the filter leaves out, and what the history
    /// remembers.
    pub everything: Option<Rollup>,
}

/// Reads everything behind `inputs` (files, directories, globs, `-` for standard input).
///
/// # Errors
/// When something named is not there, or the reading was stopped. What is there and cannot be read
/// is a problem in the rollup.
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
        keeper: None,
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

/// The rollup of everything that is there, of what is kept as far as that goes; and of that and what
/// the history remembers beside it, when there is one.
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
    let keeper = history
        .map(|history| Keeper::new(history, &options.read.watch))
        .transpose()?;
    let pass = Pass {
        found,
        rules,
        options,
        filter: &Filter::default(),
        sources: None,
        covered: None,
        cache: cache.map(|cache| Keys::new(cache, rules, options)),
        keeper: keeper.as_ref(),
    };
    let mut logs = pass.logs();
    cache.into_iter().for_each(Cache::trim);
    let remembered = match &keeper {
        Some(keeper) if !options.read.watch.is_cancelled() => {
            let mut known = keeper.gone(&logs);
            known.merge(logs.clone());
            keeper.tell(&mut logs);
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

/// Reads everything behind `inputs` into sinks of the caller's own, one for each thread: `make`
/// makes them, and what they have become is given back. Nothing is left out or classified.
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

/// Reads everything behind `inputs` twice: into a rollup, which tells whose lines they are, and record
/// by record, as far as the filter takes it, into sinks of the caller's own, one for each thread.
/// The rollup is of everything, whatever the filter says. Without `wants_rows` the second reading is
/// left out.
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
    let (rollup, _) = everything(&found, rules, options)?;
    let (runs, covered) = (runs_of(&rollup), rollup.covered());
    let telling = rollup.telling_runs();
    let families: Vec<&Family> = found.families.iter().filter(|_| wants_rows).collect();
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
    Ok((rollup, rows))
}

/// Shares families among threads: every one begins with what `make` makes and adds family after
/// family to it.
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
        // Where the system gives no more threads, those that there are do the work.
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

/// Both parts of one rollup.
fn merged(part: Rollup, pool: Pool) -> Rollup {
    let mut whole = pool.into_rollup();
    pool::merge(&mut whole, part);
    whole
}

fn bytes_of(family: &Family) -> u64 {
    family.files.iter().map(|file| file.bytes).sum()
}

/// One reading of all files.
struct Pass<'p> {
    found: &'p Discovery,
    rules: &'p RuleSet,
    options: &'p ScanOptions,
    filter: &'p Filter,
    /// Whose lines count, when not everybody's do.
    sources: Option<Sources>,
    /// The numbered lines that are in the logs, when a filter does not let the pass see all of them.
    covered: Option<&'p Covered>,
    /// Where what came of files is kept, when nothing is left out.
    cache: Option<Keys<'p>>,
    /// Where what came of files is remembered.
    keeper: Option<&'p Keeper<'p>>,
}

impl Pass<'_> {
    /// Reads everything but the recorders' copies of their errors.
    fn logs(&self) -> Rollup {
        let families = self.found.families.iter();
        let logs: Vec<&Family> = families.filter(|family| !family.is_error_copy).collect();
        self.read(&logs, None, self.skipped())
    }

    /// Reads the copies, too: only those lines of them count that are not in the logs themselves (any
    /// more).
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
        if let (Some(keeper), None) = (self.keeper, copied) {
            rollup.merge(self.remembered_family(keeper, family));
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

    /// Reads a family file by file, as that is how it is remembered.
    fn remembered_family(&self, keeper: &Keeper<'_>, family: &Family) -> Rollup {
        let mut whole = Rollup::default();
        let mut reader = FamilyReader::new(&family.name, &self.options.read);
        let Some((last, files)) = family.files.split_last() else {
            return whole;
        };
        for file in files {
            let (mut part, text) = self.part(family, file, &mut reader);
            self.keep(keeper, family, file, text, &mut part);
            whole.merge(part);
        }
        let (part, text) = self.part(family, last, &mut reader);
        let apart = Pool::default();
        let mut part = self.finish(family, None, reader, part, &apart);
        part = merged(part, apart);
        self.keep(keeper, family, last, text, &mut part);
        whole.merge(part);
        whole
    }

    fn keep(
        &self,
        keeper: &Keeper<'_>,
        family: &Family,
        file: &LogFile,
        text: Option<Fingerprint>,
        part: &mut Rollup,
    ) {
        if !self.options.read.watch.is_cancelled() {
            keeper.keep(&family.name, file, text, part);
        }
    }

    /// What came of one file, by the cache or by reading it; with its fingerprint, when it was read.
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

    /// Adds what the reader holds back at a family's end.
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
        // When it turns out that the lines are to be read in order, what was counted is thrown away.
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
            truncated,
            fingerprint,
            ..
        } = summary;
        rollup.end_file(&path, bytes, lines, zoneless, truncated);
        (rollup, fingerprint)
    }

    /// How many threads there may be. With many families each has its own already.
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

    /// What was found and not taken.
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
