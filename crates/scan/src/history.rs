//! What was known of logs that are gone.
//!
//! Logs are deleted after some weeks; what is normal for a scraper takes longer to learn. A history
//! keeps the rollup of every file that was read, in directories by the day of its first record. A file is
//! known again by the [`Fingerprint`] of its text, however it grew, was rotated, renamed, moved or packed
//! meanwhile: as long as it is there, it counts, and the history's word on it does not. So nothing
//! counts twice, and a history can be copied, merged with another by copying its files, and thinned out by
//! deleting days.
//!
//! The directory is one that Dragline made and marked, or an earlier version made, which holds nothing but
//! days. Only regular files that begin as an entry does are read, replaced or counted.
//!
//! An entry that cannot be read is told and left out. Entries name their fields, so that later versions
//! read them, too.

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

/// What a file of the first version has in common with another, in bytes, is enough whatever its name.
const TELLING: usize = 512;
/// Where entries of files without any time are.
const UNDATED: &str = "undated";

/// Where so much of a log counts already, its lines that name no run are left out; else they count.
const HALF: f64 = 0.5;

/// A run by what its lines say.
type Run = (Option<String>, Option<String>, String);

fn run_of(source: &SourceKey) -> Option<Run> {
    let run = source.run_id.clone()?;
    Some((source.scraper_id.clone(), source.site.clone(), run))
}

const MARK: Mark = Mark {
    name: "DRAGLINE-HISTORY",
    text: "What Dragline knows of logs that may be gone: it cannot be made anew without them.",
};

/// Why a history cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// It cannot be read.
    #[error("cannot read the history {path}: {source}")]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The directory is somebody else's.
    #[error("cannot keep a history there: {0}")]
    Foreign(#[from] OwnedDirError),
}

/// A directory of what was known.
#[derive(Debug, Clone)]
pub struct History {
    dir: OwnedDir,
}

impl History {
    /// A history in a directory, which is made when something is kept.
    ///
    /// # Errors
    /// When the directory holds something else.
    pub fn new(dir: impl Into<PathBuf>) -> Result<Self, HistoryError> {
        let is_day = |entry: &fs::DirEntry| {
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            is_dir && is_day(&entry.file_name().to_string_lossy())
        };
        let dir = OwnedDir::check_or_adopt(dir.into(), MARK, is_day)?;
        Ok(Self { dir })
    }

    /// Everything that it knows. Entries that cannot be read are problems in the rollup.
    ///
    /// # Errors
    /// When the directory is not there or cannot be read.
    pub fn all(&self) -> Result<Rollup, HistoryError> {
        fs::read_dir(self.dir.path()).map_err(|source| self.failed(source))?;
        Ok(Keeper::new(self, &Arc::default())?.gone(&Rollup::default()))
    }

    fn failed(&self, source: io::Error) -> HistoryError {
        HistoryError::Unreadable {
            path: self.dir.path().to_owned(),
            source,
        }
    }

    /// The paths of all entries, in order; none when nothing was kept yet.
    fn paths(&self) -> Result<Vec<PathBuf>, HistoryError> {
        let listed = |dir: &Path| -> io::Result<Vec<PathBuf>> {
            match fs::read_dir(dir) {
                // Somebody thins it out meanwhile, or it is new.
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
            // Not a link: what it leads to is not the history's.
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

/// Whether a directory of a history is called so.
fn is_day(name: &str) -> bool {
    let is_date = |name: &str| {
        let digits = name.bytes().filter(u8::is_ascii_digit).count();
        name.len() >= 10 && digits + 2 == name.trim_start_matches('-').len()
    };
    name == UNDATED || is_date(name)
}

/// Remembers what comes of the files of one scan, for any number of threads.
pub(crate) struct Keeper<'h> {
    history: &'h History,
    watch: Arc<Watch>,
    known: Mutex<Known>,
}

impl<'h> Keeper<'h> {
    pub(crate) fn new(history: &'h History, watch: &Arc<Watch>) -> Result<Self, HistoryError> {
        let mut known = Known::default();
        for path in history.paths()? {
            match entry::read_head(&path) {
                Ok(head) => known.add(path, &head, false),
                // Deleted meanwhile.
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

    /// A thread that panicked holding it has left it whole.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a file was rolled up to, unless more of it is known already. Its fingerprint is taken
    /// when nobody has it.
    pub(crate) fn keep(
        &self,
        family: &str,
        file: &LogFile,
        text: Option<Fingerprint>,
        rollup: &mut Rollup,
    ) {
        // Directories are moved, and named in several ways.
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
            // It is marked as there already.
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

    /// The entry of the same file, which is there then. Gives its path and how many records it is of.
    fn find(&self, head: &Head, file: &LogFile) -> Option<(PathBuf, u64)> {
        let text = head.identity.text()?;
        let candidates = self.known().candidates(head, text);
        let is_same = |likeness: &Likeness| match likeness {
            Likeness::Same => true,
            // What is known is the shorter: its whole text can be compared.
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

    /// A new entry's place.
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

    /// What is known of files that were not kept in this scan: they are gone. `there` is what is known of
    /// those that are.
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
                // A line is counted with its run: a run that others know counts there.
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

    /// Tells of entries that could not be read or written.
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
                detail: &format!("an entry of the history: {why}"),
            });
        }
    }
}
