//! What was known of logs that are gone.
//!
//! Logs are deleted after some weeks; what is normal for a scraper takes longer to learn. A history
//! keeps the rollup of every file that was read, in a directory for each day. A file is known again by
//! the name of its family, its first line and the time of its first record, however it was rotated,
//! moved or packed meanwhile: as long as it is there, it counts, and the history's word on it does not. So nothing counts twice,
//! and a history can be copied, merged with another by copying its files, and thinned out by deleting
//! days.
//!
//! Entries name their fields, so that later versions read them, too.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dragline_ingest::LogFile;
use dragline_rollup::Rollup;
use xxhash_rust::xxh3::xxh3_64;

/// What an entry begins with; the number is the version of the container, not of the rollup in it.
const MAGIC: &[u8; 8] = b"DRAGHIS1";
/// Entries are written once and kept for long.
const LEVEL: i32 = 6;

/// Why a history cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Its directory or a file in it cannot be read.
    #[error("cannot read the history {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file in it cannot be written.
    #[error("cannot write the history {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file in it is no entry.
    #[error("{0} is no entry of a history, or a damaged one: remove it")]
    Damaged(PathBuf),
}

/// A directory of what was known.
#[derive(Debug, Clone)]
pub struct History {
    dir: PathBuf,
}

/// An entry's name: its file's beginning, and the day of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    day: String,
    key: u64,
}

impl History {
    /// A history in a directory, which is made when something is kept.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Everything that it knows.
    ///
    /// # Errors
    /// When it cannot be read, or one of its entries is damaged.
    pub fn all(&self) -> Result<Rollup, HistoryError> {
        self.without(&BTreeSet::new())
    }

    /// What it knows of other files than these.
    pub(crate) fn without(&self, present: &BTreeSet<Entry>) -> Result<Rollup, HistoryError> {
        let mut whole = Rollup::default();
        for day in self.listed(&self.dir)? {
            let name = day
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            for path in self.listed(&day)? {
                let is_entry = path
                    .extension()
                    .is_some_and(|extension| extension == "rollup");
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                let key = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
                let (true, Some(key)) = (is_entry, key) else {
                    continue;
                };
                let entry = Entry {
                    day: name.clone(),
                    key,
                };
                if !present.contains(&entry) {
                    whole.merge(read(&path)?.1);
                }
            }
        }
        Ok(whole)
    }

    /// The entries of a directory, by name; none of one that is not there (yet).
    fn listed(&self, dir: &Path) -> Result<Vec<PathBuf>, HistoryError> {
        let failed = |source| HistoryError::Read {
            path: dir.to_owned(),
            source,
        };
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && dir == self.dir => {
                return Ok(Vec::new());
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && dir != self.dir => {
                return Ok(Vec::new());
            }
            entries => entries.map_err(failed)?,
        };
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
            .map_err(failed)?;
        paths.sort();
        Ok(paths)
    }

    /// Keeps what a file was rolled up to, unless more of it is known already; gives the entry's name,
    /// `None` for a file without a time.
    pub(crate) fn keep(
        &self,
        family: &str,
        file: &LogFile,
        rollup: &mut Rollup,
    ) -> Result<Option<Entry>, HistoryError> {
        let Some((first, _)) = rollup.period() else {
            return Ok(None);
        };
        // Directories are moved, and named in several ways.
        let name = family.rsplit('/').next().unwrap_or(family);
        let mut beginning = name.as_bytes().to_vec();
        beginning.extend(file.first_line.to_le_bytes());
        beginning.extend(first.as_seconds().to_le_bytes());
        let entry = Entry {
            day: first.to_civil().date().to_string(),
            key: xxh3_64(&beginning),
        };
        let path = self.path(&entry);
        let events = rollup.events();
        let is_known = known_events(&path).is_some_and(|known| known >= events);
        if !is_known {
            write(&path, events, rollup).map_err(|source| HistoryError::Write { path, source })?;
        }
        Ok(Some(entry))
    }

    fn path(&self, entry: &Entry) -> PathBuf {
        self.dir
            .join(&entry.day)
            .join(format!("{:016x}.rollup", entry.key))
    }
}

/// Remembers what came of the files of one scan, for any number of threads.
pub(crate) struct Keeper<'h> {
    history: &'h History,
    kept: Mutex<Result<BTreeSet<Entry>, HistoryError>>,
}

impl<'h> Keeper<'h> {
    pub(crate) fn new(history: &'h History) -> Self {
        Self {
            history,
            kept: Mutex::new(Ok(BTreeSet::new())),
        }
    }

    /// Keeps what a file was rolled up to. After the first fault nothing more is kept.
    pub(crate) fn keep(&self, family: &str, file: &LogFile, rollup: &mut Rollup) {
        let kept = self.history.keep(family, file, rollup);
        // A thread that panicked holding it has left it whole.
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *all, kept) {
            (Ok(all), Ok(entry)) => all.extend(entry),
            (all @ Ok(_), Err(error)) => *all = Err(error),
            (Err(_), _) => {}
        }
    }

    /// What is known of files that are gone.
    pub(crate) fn gone(&self) -> Result<Rollup, HistoryError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let present = std::mem::replace(&mut *kept, Ok(BTreeSet::new()))?;
        self.history.without(&present)
    }
}

/// How many records an entry is of, by its first bytes.
fn known_events(path: &Path) -> Option<u64> {
    let mut start = [0; 16];
    let mut file = fs::File::open(path).ok()?;
    io::Read::read_exact(&mut file, &mut start).ok()?;
    let (magic, events) = start.split_first_chunk::<8>()?;
    (magic == MAGIC).then(|| u64::from_le_bytes(*events.first_chunk().unwrap_or(&[0; 8])))
}

fn write(path: &Path, events: u64, rollup: &mut Rollup) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(dir)?;
    let packed = zstd::encode_all(&*rollup.record(), LEVEL)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(MAGIC)?;
    file.write_all(&events.to_le_bytes())?;
    file.write_all(&xxh3_64(&packed).to_le_bytes())?;
    file.write_all(&packed)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn read(path: &Path) -> Result<(u64, Rollup), HistoryError> {
    let bytes = fs::read(path).map_err(|source| HistoryError::Read {
        path: path.to_owned(),
        source,
    })?;
    let parsed = || {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (events, rest) = rest.split_first_chunk::<8>()?;
        let (checksum, packed) = rest.split_first_chunk::<8>()?;
        if magic != MAGIC || u64::from_le_bytes(*checksum) != xxh3_64(packed) {
            return None;
        }
        let rollup = Rollup::recall(&zstd::decode_all(packed).ok()?)?;
        Some((u64::from_le_bytes(*events), rollup))
    };
    parsed().ok_or_else(|| HistoryError::Damaged(path.to_owned()))
}
