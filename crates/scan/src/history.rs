//! Keeps the results for logs after the logs are deleted.
//!
//! Logs are often deleted after a few weeks, but learning what is normal for a scraper takes longer. A
//! history stores the rollup of every file that was read, in directories named after the day of its first
//! record. A file is recognised by the [`Fingerprint`] of its text, even if it grew or was rotated, renamed,
//! moved or compressed. As long as the file exists, it is used instead of its entry, so nothing is counted
//! twice. A history can be copied, merged with another by copying its files, and pruned by deleting days.
//!
//! The directory must have been created and marked by Dragline, or created by an earlier version, in which
//! case it contains only days. Only regular files that start like an entry are read, replaced or counted.
//!
//! An entry that cannot be read is reported and skipped. Entries contain field names, so that later versions
//! can read them.

mod entry;
mod known;
mod overlap;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dragline_files::{Mark, OwnedDir, OwnedDirError, TEMPORARY_PREFIX};
use dragline_ingest::{Alike, Fingerprint, LogFile, Watch, beginning, fingerprint, hash_of_first};
use dragline_rollup::{Rollup, SourceKey};
use dragline_schema::{Problem, ProblemKind, SourceFile};
use xxhash_rust::xxh3::xxh3_64;

use self::entry::{BEGINNING, Head, Identity, Seen};
use self::known::{Gone, Known, Likeness};

/// Minimum length in bytes of a common beginning that identifies a file of a version 1 entry under any name.
const TELLING: usize = 512;
/// The directory of entries for files without times.
const UNDATED: &str = "undated";

/// If at least this share of a log's lines is already counted, its lines without a run are left out.
const HALF: f64 = 0.5;

/// A run as named or bounded in its lines: scraper, site and run id. A guessed one differs when its log was trimmed.
type Run = (Option<String>, Option<String>, String);

fn run_of(source: &SourceKey) -> Option<Run> {
    let run = source.run_id.clone().filter(|_| !source.is_guessed)?;
    Some((source.scraper_id.clone(), source.site.clone(), run))
}

const MARK: Mark = Mark {
    name: "DRAGLINE-HISTORY",
    text: "What Dragline knows of logs that may be gone: it cannot be made anew without them.",
};

/// A reason why a history cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// It cannot be read.
    #[error("cannot read the history {path}: {source}")]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The directory does not belong to Dragline.
    #[error("cannot store a history in this directory: {0}")]
    Foreign(#[from] OwnedDirError),
}

/// A history directory.
#[derive(Debug, Clone)]
pub struct History {
    dir: OwnedDir,
}

impl History {
    /// A history in a directory, which is created when the first entry is stored.
    ///
    /// # Errors
    /// If the directory contains something else.
    pub fn new(dir: impl Into<PathBuf>) -> Result<Self, HistoryError> {
        let is_day = |entry: &fs::DirEntry| {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            is_dir && is_day(&entry.file_name().to_string_lossy())
        };
        let dir = OwnedDir::check_or_adopt(dir.into(), MARK, is_day)?;
        Ok(Self { dir })
    }

    /// The rollup of all entries. Entries that cannot be read are problems in the rollup.
    ///
    /// # Errors
    /// If the directory does not exist or cannot be read.
    pub fn all(&self) -> Result<Rollup, HistoryError> {
        fs::read_dir(self.dir.path()).map_err(|source| self.failed(source))?;
        Ok(HistoryWriter::new(self, &Arc::default())?.gone(&Rollup::default()))
    }

    fn failed(&self, source: io::Error) -> HistoryError {
        HistoryError::Unreadable {
            path: self.dir.path().to_owned(),
            source,
        }
    }

    /// The paths of all entries, sorted; empty if nothing was stored yet.
    fn paths(&self) -> Result<Vec<PathBuf>, HistoryError> {
        let listed = |dir: &Path| -> io::Result<Vec<PathBuf>> {
            match fs::read_dir(dir) {
                // The history is new, or is being pruned at the same time.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                entries => entries?
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect(),
            }
        };
        let is_entry = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            name.is_some_and(|name| {
                name.ends_with(".rollup") && !name.starts_with(TEMPORARY_PREFIX)
            })
        };
        let mut paths = Vec::new();
        for day in listed(self.dir.path()).map_err(|source| self.failed(source))? {
            // Do not follow links: their targets are not part of the history.
            let is_dir = day.symlink_metadata().is_ok_and(|day| day.is_dir());
            let name = day.file_name().map(|name| name.to_string_lossy());
            if is_dir && name.is_some_and(|name| is_day(&name)) {
                let own = listed(&day).map_err(|source| self.failed(source))?;
                paths.extend(own.into_iter().filter(is_entry));
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// Whether a name is that of a day directory.
fn is_day(name: &str) -> bool {
    let is_date = |name: &str| {
        let digits = name.bytes().filter(u8::is_ascii_digit).count();
        name.len() >= 10 && digits + 2 == name.trim_start_matches('-').len()
    };
    name == UNDATED || is_date(name)
}

/// Stores the results for the files of one scan, for any number of threads.
pub(crate) struct HistoryWriter<'h> {
    history: &'h History,
    watch: Arc<Watch>,
    known: Mutex<Known>,
}

impl<'h> HistoryWriter<'h> {
    pub(crate) fn new(history: &'h History, watch: &Arc<Watch>) -> Result<Self, HistoryError> {
        let mut known = Known::default();
        for path in history.paths()? {
            match entry::read_head(&path) {
                Ok(head) => known.add(path, &head, false),
                // Deleted in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => known.problems.push((path, error.to_string())),
            }
        }
        Ok(Self {
            history,
            watch: Arc::clone(watch),
            known: Mutex::new(known),
        })
    }

    /// Ignores poisoning: a panicking thread leaves the value consistent.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the rollup of a file, unless the history already has one with at least as many events. Computes the
    /// fingerprint if it is not given.
    pub(crate) fn keep(
        &self,
        family: &str,
        file: &LogFile,
        text: Option<Fingerprint>,
        rollup: &mut Rollup,
    ) {
        // Ignore the directory: it can be moved and be given in different forms.
        let family = family.rsplit('/').next().unwrap_or(family).to_owned();
        let seen = Seen::of(file);
        let unchanged = self.known().mark_unchanged(&seen);
        if let Some((path, events)) = unchanged
            && events >= rollup.events()
            && entry::read(&path).is_ok()
        {
            return;
        }
        let Some(text) = text.or_else(|| fingerprint(&file.path, &self.watch).ok()) else {
            return;
        };
        let head = Head {
            events: rollup.events(),
            family,
            seen: Some(seen),
            is_dated: rollup.period().is_some(),
            identity: Identity::Text(text),
        };
        self.keep_text(&head, file, rollup);
    }

    fn keep_text(&self, head: &Head, file: &LogFile, rollup: &mut Rollup) {
        let held = self.find(head, file);
        if let Some((path, events)) = &held
            && *events >= head.events
            && entry::read(path).is_ok()
        {
            return;
        }
        let is_new = held.is_none();
        let path = held.map_or_else(|| self.path(head, rollup), |(path, _)| path);
        let written = self
            .history
            .dir
            .claim()
            .and_then(|()| entry::write(&path, head, rollup));
        match written {
            Ok(()) if is_new => self.known().add(path, head, true),
            // `find` has already marked it as present.
            Ok(()) => {
                let lines = head.identity.text().map_or(&[][..], |text| &text.lines);
                self.known().resample(&path, lines);
            }
            Err(error) => self
                .known()
                .problems
                .push((path, format!("cannot be written: {error}"))),
        }
    }

    /// Finds the entry of the same file and marks it as present. Returns its path and number of records.
    fn find(&self, head: &Head, file: &LogFile) -> Option<(PathBuf, u64)> {
        let text = head.identity.text()?;
        let candidates = self.known().candidates(head, text);
        let is_same = |likeness: &Likeness| match likeness {
            Likeness::Same => true,
            // The entry's text is the shorter one, so all of it can be compared.
            Likeness::Shorter { length, whole } => {
                hash_of_first(&file.path, *length, &self.watch).is_ok_and(|hash| hash == *whole)
            }
            Likeness::Longer { path } => entry::read_head(path).is_ok_and(|held| {
                let held = held.identity.text().cloned().unwrap_or_default();
                held.compare(text) != Alike::No
            }),
            Likeness::FirstVersion { path } => entry::read_head(path).is_ok_and(|held| {
                let start = beginning(&file.path, BEGINNING).unwrap_or_default();
                held.begins_as(&start, &head.family)
            }),
        };
        let found = candidates.iter().find(|(_, likeness)| is_same(likeness));
        let place = found.map(|(place, _)| *place)?;
        Some(self.known().mark(place))
    }

    /// The path of a new entry.
    fn path(&self, head: &Head, rollup: &Rollup) -> PathBuf {
        let day = rollup
            .period()
            .map(|(first, _)| first.to_civil().date().to_string());
        let dir = self
            .history
            .dir
            .path()
            .join(day.as_deref().unwrap_or(UNDATED));
        dir.join(format!("{:016x}.rollup", xxh3_64(&head.name())))
    }

    /// The rollup of the entries whose files were not found in this scan. `there` is the rollup of the
    /// files that were found.
    pub(crate) fn gone(&self, there: &Rollup) -> Rollup {
        let mut whole = Rollup::default();
        let mut runs: HashSet<Run> = there.sources().filter_map(|(key, _)| run_of(key)).collect();
        let gone = self.known().gone();
        for Gone {
            path,
            events,
            share,
        } in gone
        {
            if self.watch.is_cancelled() {
                break;
            }
            let mut rollup = match entry::read(&path) {
                Ok(rollup) => rollup,
                Err(error) => {
                    self.known().problems.push((path, error.to_string()));
                    continue;
                }
            };
            if share > 0.0 {
                // Keep only runs that are not counted elsewhere.
                rollup = rollup.only(|source| match run_of(source) {
                    Some(run) => !runs.contains(&run),
                    None => share < HALF,
                });
                let why = overlap::sentence(events, rollup.events(), share);
                self.known().left_out.push((path, why));
            }
            runs.extend(rollup.sources().filter_map(|(key, _)| run_of(key)));
            whole.merge(rollup);
        }
        self.tell(&mut whole);
        whole
    }

    /// Reports entries that could not be read or written, and those that are not fully counted.
    pub(crate) fn tell(&self, rollup: &mut Rollup) {
        let known = self.known();
        let unreadable = known
            .problems
            .iter()
            .zip(std::iter::repeat(ProblemKind::UnreadableFile));
        let doubled = known
            .left_out
            .iter()
            .zip(std::iter::repeat(ProblemKind::DuplicateFile));
        for ((path, why), kind) in unreadable.chain(doubled) {
            let source = SourceFile {
                path: path.display().to_string(),
                content_id: 0,
                modified: None,
            };
            rollup.begin_file("", &source);
            rollup.observe_problem(&Problem {
                kind,
                at: None,
                detail: &format!("history entry: {why}"),
            });
        }
    }
}
