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
//! ```
//! use dragline_classifier::RuleSet;
//! use dragline_scan::{ScanOptions, scan};
//!
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("a.log"), "{\"level\":\"error\",\"time\":1772623353,\"msg\":\"connection refused\"}\n")?;
//! let logs = vec![dir.path().display().to_string()];
//! let scanned = scan(&logs, &RuleSet::shipped(), &ScanOptions::default(), &|_| {})?;
//! let finished = scanned.rollup.finish(dragline_schema::Timestamp::from_seconds(1_772_623_999));
//! assert_eq!(finished.runs[0].counters.errors, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod filter;
mod observer;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dragline_classifier::RuleSet;
use dragline_ingest::{Discovery, Family, discover, read_family};
use dragline_rollup::{Covered, Rollup};
use dragline_schema::{Problem, Sink};

pub use dragline_ingest::{DiscoverError, ReadOptions};
pub use filter::Filter;

use crate::filter::Sources;
use crate::observer::Observer;

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
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            read: ReadOptions::default(),
            jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            filter: Filter::default(),
            reclassify: false,
        }
    }
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on disk that were read.
    pub done: u64,
    /// Bytes on disk that are to be read.
    pub total: u64,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// What was asked for.
    pub rollup: Rollup,
    /// Everything that is there, when the filter leaves something out.
    pub everything: Option<Rollup>,
}

/// Reads everything behind `inputs` (files, directories, globs). `progress` is called now and then,
/// from any thread.
///
/// # Errors
/// When something named is not there. What is there and cannot be read is a problem in the rollup.
pub fn scan(
    inputs: &[String],
    rules: &RuleSet,
    options: &ScanOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Scanned, DiscoverError> {
    let found = discover(inputs)?;
    let no_filter = Filter::default();
    let mut pass = Pass {
        found: &found,
        rules,
        options,
        filter: &no_filter,
        sources: None,
        covered: None,
        progress,
    };
    let everything = pass.run();
    if options.filter.is_empty() {
        return Ok(Scanned {
            rollup: everything,
            everything: None,
        });
    }
    let covered = everything.covered();
    pass.covered = Some(&covered);
    pass.filter = &options.filter;
    if options.filter.names_a_source() {
        pass.sources = Some(Sources::matching(&options.filter, &everything));
    }
    Ok(Scanned {
        rollup: pass.run(),
        everything: Some(everything),
    })
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
/// let parts = scan_into(&logs, &ScanOptions::default(), &|_| {}, Bytes::default)?;
/// assert_eq!(parts.iter().map(|part| part.0).sum::<u64>(), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`scan`].
pub fn scan_into<S: Sink + Send>(
    inputs: &[String],
    options: &ScanOptions,
    progress: &(dyn Fn(Progress) + Sync),
    make: impl Fn() -> S + Sync,
) -> Result<Vec<S>, DiscoverError> {
    let found = discover(inputs)?;
    let families: Vec<&Family> = found.families.iter().collect();
    let workers = Workers {
        jobs: options.jobs,
        total: found.families.iter().map(bytes_of).sum(),
        done: &AtomicU64::new(0),
        progress,
    };
    Ok(workers.run(&families, make, |family, mut sink| {
        read_family(family, &options.read, &mut sink);
        sink
    }))
}

/// Threads that share families among them.
struct Workers<'w> {
    jobs: usize,
    /// Bytes on disk that are to be read and that were read.
    total: u64,
    done: &'w AtomicU64,
    progress: &'w (dyn Fn(Progress) + Sync),
}

impl Workers<'_> {
    /// Lets every thread begin with what `make` makes and add family after family to it.
    fn run<S: Send>(
        &self,
        families: &[&Family],
        make: impl Fn() -> S + Sync,
        add: impl Fn(&Family, S) -> S + Sync,
    ) -> Vec<S> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut part = make();
            while let Some(family) = families.get(next.fetch_add(1, Ordering::Relaxed)) {
                part = add(family, part);
                let bytes = bytes_of(family);
                let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
                let total = self.total;
                (self.progress)(Progress { done, total });
            }
            part
        };
        std::thread::scope(|scope| {
            let threads = 0..self.jobs.clamp(1, families.len().max(1));
            let threads: Vec<_> = threads.map(|_| scope.spawn(work)).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, S>| match thread.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            threads.into_iter().map(join).collect()
        })
    }
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
    progress: &'p (dyn Fn(Progress) + Sync),
}

impl Pass<'_> {
    /// Reads everything; the recorders' copies of their errors last, as only those lines of them
    /// count that are not in the logs themselves (any more).
    fn run(&self) -> Rollup {
        let (copies, logs): (Vec<_>, Vec<_>) = self
            .found
            .families
            .iter()
            .partition(|family| family.is_error_copy);
        let done = AtomicU64::new(0);
        let mut whole = self.read(&logs, None, self.skipped(), &done);
        if !copies.is_empty() {
            let covered = self.covered.cloned().unwrap_or_else(|| whole.covered());
            whole = self.read(&copies, Some(&covered), whole, &done);
        }
        whole
    }

    /// Reads families in parallel into a rollup.
    fn read(
        &self,
        families: &[&Family],
        copied: Option<&Covered>,
        into: Rollup,
        done: &AtomicU64,
    ) -> Rollup {
        let parts = Workers {
            jobs: self.options.jobs,
            total: self.found.families.iter().map(bytes_of).sum(),
            done,
            progress: self.progress,
        }
        .run(families, Rollup::default, |family, rollup| {
            self.family(family, copied, rollup)
        });
        let mut whole = into;
        parts.into_iter().for_each(|part| whole.merge(part));
        whole
    }

    fn family(&self, family: &Family, copied: Option<&Covered>, rollup: Rollup) -> Rollup {
        let mut observer = Observer::new(
            &family.name,
            rollup,
            self.rules,
            self.filter,
            self.sources.as_ref(),
        )
        .reclassify(self.options.reclassify)
        .of_copies(copied);
        let files = read_family(family, &self.options.read, &mut observer);
        let mut rollup = observer.into_rollup();
        for file in files {
            rollup.end_file(
                &file.path,
                file.bytes,
                file.lines,
                file.zoneless,
                file.truncated,
            );
        }
        rollup
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
