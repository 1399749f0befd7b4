//! What was known of logs that are gone.
//!
//! Logs are deleted after some weeks; what is normal for a scraper takes longer to learn. A history
//! keeps the rollup of every file that was read, in directories by the day of its first record. A file is
//! known again by its first bytes, however it grew, was rotated, renamed, moved or packed meanwhile (a very
//! small one also by the name of its family): as long as it is there, it counts, and the history's word on it does not. So nothing
//! counts twice, and a history can be copied, merged with another by copying its files, and thinned out by
//! deleting days.
//!
//! An entry that cannot be read is told and left out. Entries name their fields, so that later versions
//! read them, too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dragline_ingest::{LogFile, beginning};
use dragline_rollup::Rollup;
use dragline_schema::{Problem, ProblemKind, SourceFile};
use xxhash_rust::xxh3::xxh3_64;

/// What an entry begins with; the number is the version of the container, not of the rollup in it.
const MAGIC: &[u8; 8] = b"DRAGHIS1";
/// So many bytes of a file are its beginning.
const BEGINNING: usize = 4 << 10;
/// Files are looked for by so many.
const START: usize = 64;
/// What has so many bytes in common is one file, whatever its name.
const TELLING: usize = 512;
/// Entries are written once and kept for long.
const LEVEL: i32 = 6;
/// Where entries of files without any time are.
const UNDATED: &str = "undated";

/// Why a history cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the history {path}: {source}")]
pub struct HistoryError {
    path: PathBuf,
    source: io::Error,
}

/// A directory of what was known.
#[derive(Debug, Clone)]
pub struct History {
    dir: PathBuf,
}

/// What stands before the rollup in an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    /// How many records it is of.
    events: u64,
    family: String,
    /// The file's first bytes.
    beginning: Vec<u8>,
}

impl Head {
    /// Of everything that an entry holds.
    fn checksum(&self, packed: &[u8]) -> u64 {
        let family = xxh3_64(self.family.as_bytes());
        let parts = [
            self.events,
            family,
            xxh3_64(&self.beginning),
            xxh3_64(packed),
        ];
        xxh3_64(&parts.map(u64::to_le_bytes).concat())
    }
}

/// An entry, and whether its file is there.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    head: Head,
    is_present: bool,
}

impl History {
    /// A history in a directory, which is made when something is kept.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Everything that it knows. Entries that cannot be read are problems in the rollup.
    ///
    /// # Errors
    /// When the directory is not there or cannot be read.
    pub fn all(&self) -> Result<Rollup, HistoryError> {
        fs::read_dir(&self.dir).map_err(|source| self.failed(source))?;
        Ok(Keeper::new(self)?.gone())
    }

    fn failed(&self, source: io::Error) -> HistoryError {
        HistoryError {
            path: self.dir.clone(),
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
        let is_entry = |path: &PathBuf| path.extension().is_some_and(|end| end == "rollup");
        let mut paths = Vec::new();
        for day in listed(&self.dir).map_err(|source| self.failed(source))? {
            if day.is_dir() {
                let own = listed(&day).map_err(|source| self.failed(source))?;
                paths.extend(own.into_iter().filter(is_entry));
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// Remembers what comes of the files of one scan, for any number of threads.
pub(crate) struct Keeper<'h> {
    history: &'h History,
    known: Mutex<Known>,
}

/// What a history holds.
#[derive(Debug, Default)]
struct Known {
    entries: Vec<Entry>,
    /// The entries whose files begin with these bytes.
    starts: BTreeMap<Vec<u8>, Vec<usize>>,
    /// The entries of files that are shorter.
    short: Vec<usize>,
    /// Entries that are none, or could not be written, and why.
    problems: Vec<(PathBuf, String)>,
}

impl<'h> Keeper<'h> {
    pub(crate) fn new(history: &'h History) -> Result<Self, HistoryError> {
        let mut known = Known::default();
        for path in history.paths()? {
            match File::open(&path).and_then(|mut file| read_head(&mut file)) {
                Ok(head) => known.add(path, head, false),
                // Deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => known.problems.push((path, error.to_string())),
            }
        }
        Ok(Self {
            history,
            known: Mutex::new(known),
        })
    }

    /// A thread that panicked holding it has left it whole.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a file was rolled up to, unless more of it is known already.
    pub(crate) fn keep(&self, family: &str, file: &LogFile, rollup: &mut Rollup) {
        let Ok(beginning) = beginning(&file.path, BEGINNING) else {
            return;
        };
        // Directories are moved, and named in several ways.
        let family = family.rsplit('/').next().unwrap_or(family).to_owned();
        let head = Head {
            events: rollup.events(),
            family,
            beginning,
        };
        let held = self.known().find(&head);
        if let Some((path, events)) = &held
            && *events >= head.events
            && read(path).is_ok()
        {
            return;
        }
        let is_new = held.is_none();
        let path = held.map_or_else(|| self.path(&head, rollup), |(path, _)| path);
        match write(&path, &head, rollup) {
            Ok(()) if is_new => self.known().add(path, head, true),
            // It is marked as there already, and nothing else of it matters in this scan.
            Ok(()) => {}
            Err(error) => self
                .known()
                .problems
                .push((path, format!("cannot be written: {error}"))),
        }
    }

    /// A new entry's place.
    fn path(&self, head: &Head, rollup: &Rollup) -> PathBuf {
        let day = rollup
            .period()
            .map(|(first, _)| first.to_civil().date().to_string());
        let mut name = head.family.clone().into_bytes();
        name.extend(&head.beginning);
        let dir = self.history.dir.join(day.as_deref().unwrap_or(UNDATED));
        dir.join(format!("{:016x}.rollup", xxh3_64(&name)))
    }

    /// What is known of files that were not kept in this scan: they are gone.
    pub(crate) fn gone(&self) -> Rollup {
        let mut whole = Rollup::default();
        let mut known = self.known();
        let Known {
            entries, problems, ..
        } = &mut *known;
        for entry in entries.iter().filter(|entry| !entry.is_present) {
            match read(&entry.path) {
                Ok(rollup) => whole.merge(rollup),
                Err(error) => problems.push((entry.path.clone(), error.to_string())),
            }
        }
        drop(known);
        self.tell(&mut whole);
        whole
    }

    /// Tells of entries that could not be read or written.
    pub(crate) fn tell(&self, rollup: &mut Rollup) {
        for (path, why) in &self.known().problems {
            let source = SourceFile {
                path: path.display().to_string(),
                content_id: 0,
                modified: None,
            };
            rollup.begin_file("", &source);
            rollup.observe_problem(&Problem {
                kind: ProblemKind::UnreadableFile,
                at: None,
                detail: &format!("an entry of the history: {why}"),
            });
        }
    }
}

impl Known {
    fn add(&mut self, path: PathBuf, head: Head, is_present: bool) {
        let entry = Entry {
            path,
            head,
            is_present,
        };
        let own = match entry.head.beginning.get(..START) {
            Some(start) => self.starts.entry(start.to_vec()).or_default(),
            None => &mut self.short,
        };
        own.push(self.entries.len());
        self.entries.push(entry);
    }

    /// The entry of the same file, which is there then: one beginning is the other's. Gives its path and how
    /// many records it is of.
    fn find(&mut self, head: &Head) -> Option<(PathBuf, u64)> {
        let common = |place: &usize| {
            let held = &self.entries[*place].head;
            let shorter = held.beginning.len().min(head.beginning.len());
            let is_same = shorter > 0 && held.beginning[..shorter] == head.beginning[..shorter];
            // A few bytes are alike in many files.
            let is_sure = shorter >= TELLING || held.family == head.family;
            (is_same && is_sure).then_some(shorter)
        };
        let candidates: Vec<usize> = match head.beginning.get(..START) {
            Some(start) => {
                let alike = self.starts.get(start).into_iter().flatten();
                alike.chain(&self.short).copied().collect()
            }
            None => (0..self.entries.len()).collect(),
        };
        let same = candidates
            .into_iter()
            .filter(|place| common(place).is_some());
        let best = same.max_by_key(common)?;
        let entry = &mut self.entries[best];
        entry.is_present = true;
        Some((entry.path.clone(), entry.head.events))
    }
}

fn no_entry() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "it is damaged, or none; remove it",
    )
}

fn number(file: &mut File) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// A piece that its length stands before.
fn piece(file: &mut File, most: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(number(file)?).unwrap_or(usize::MAX);
    if length > most {
        return Err(no_entry());
    }
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_head(file: &mut File) -> io::Result<Head> {
    let read = |file: &mut File| -> io::Result<Head> {
        let mut magic = [0; 8];
        file.read_exact(&mut magic)?;
        if magic != *MAGIC {
            return Err(no_entry());
        }
        let events = number(file)?;
        let family = piece(file, BEGINNING)?;
        Ok(Head {
            events,
            family: String::from_utf8(family).map_err(|_| no_entry())?,
            beginning: piece(file, BEGINNING)?,
        })
    };
    read(file).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => no_entry(),
        _ => error,
    })
}

fn read(path: &Path) -> io::Result<Rollup> {
    let mut file = File::open(path)?;
    let head = read_head(&mut file)?;
    let checksum = number(&mut file).map_err(|_| no_entry())?;
    let mut packed = Vec::new();
    file.read_to_end(&mut packed)?;
    if checksum != head.checksum(&packed) {
        return Err(no_entry());
    }
    Rollup::recall(&zstd::decode_all(&*packed)?).ok_or_else(no_entry)
}

/// Writes an entry whole: under a temporary name, then renamed.
fn write(path: &Path, head: &Head, rollup: &mut Rollup) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(dir)?;
    let recorded = rollup.record().map_err(io::Error::other)?;
    let packed = zstd::encode_all(&*recorded, LEVEL)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(MAGIC)?;
    file.write_all(&head.events.to_le_bytes())?;
    for piece in [head.family.as_bytes(), &head.beginning] {
        file.write_all(&(piece.len() as u64).to_le_bytes())?;
        file.write_all(piece)?;
    }
    file.write_all(&head.checksum(&packed).to_le_bytes())?;
    file.write_all(&packed)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
