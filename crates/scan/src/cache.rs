//! What came of files that did not change.
//!
//! An entry holds the rollup of one file and the reader's state behind it. Its name is a hash of all
//! that they depend on: the program, the rules, how lines are read, the family's name, the reader's
//! state before the file, and the file's path, size, time and beginning. So an entry is never wrong,
//! only useless; entries that nobody used for long are removed when there is too much of them.
//!
//! An entry holds its own key beside a checksum: one that is damaged, or has another one's name, is made
//! anew. Entries are written to a file of their own and renamed, so that any number of processes can share
//! a directory.
//!
//! The directory is one that Dragline made and marked with a `CACHEDIR.TAG`; any other with files in it is
//! refused. In it, only regular files are touched that have an entry's name and begin as an entry does.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use dragline_classifier::RuleSet;
use dragline_files::{CACHE_SIGNATURE, Mark, OwnedDir, OwnedDirError, Temporary, open_own};
use dragline_ingest::{Family, FamilyReader, LogFile};
use dragline_rollup::Rollup;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::ScanOptions;

/// The format of entries.
const VERSION: u32 = 7;
/// What an entry begins with.
const MAGIC: &[u8; 8] = b"DRAGCAC5";
/// How the names of entries end, behind a key in hexadecimal digits.
const ENDING: &str = ".rollup";
/// Smaller files are read as fast as what came of them. In bytes on disk.
const LEAST: u64 = 64 << 10;
/// A file that was written so recently is being written.
const SETTLED: Duration = Duration::from_mins(1);
/// A little faster than it makes smaller.
const LEVEL: i32 = 1;
/// Larger entries are neither written nor read, in bytes: packed, and unpacked.
const LARGEST_PACKED: u64 = 64 << 20;
const LARGEST: u64 = 128 << 20;

const MARK: Mark = Mark {
    name: "CACHEDIR.TAG",
    text: MARK_TEXT,
};
/// The signature that backups know, and whose directory it is.
const MARK_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of Dragline's: \
it can be removed, and is made anew.";
const _: () = assert!(MARK_TEXT.len() > CACHE_SIGNATURE.len());

/// A directory of entries.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: OwnedDir,
    max_bytes: u64,
}

impl Cache {
    /// A cache in a directory, which need not be there yet, of at most so many bytes.
    ///
    /// # Errors
    /// When the directory was not made by Dragline and is not empty.
    pub fn new(dir: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, OwnedDirError> {
        let dir = OwnedDir::check(dir.into(), MARK)?;
        Ok(Self { dir, max_bytes })
    }

    /// A cache in the place that caches are made in when nobody names one. There an earlier version may
    /// have made it, without a mark.
    ///
    /// # Errors
    /// As [`Cache::new`].
    pub fn in_usual_place(dir: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, OwnedDirError> {
        let dir = OwnedDir::check_or_adopt(dir.into(), MARK, |entry| {
            let name = entry.file_name();
            key_of(&name).is_some() || name.to_string_lossy().starts_with("dragline-sql-")
        })?;
        Ok(Self { dir, max_bytes })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes the directory, unless it is there.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn claim(&self) -> io::Result<()> {
        self.dir.claim()
    }

    fn path(&self, key: u128) -> PathBuf {
        self.dir.path().join(format!("{key:032x}{ENDING}"))
    }

    fn read(&self, key: u128) -> Option<Vec<u8>> {
        let file = open_own(&self.path(key)).ok()?;
        if file.metadata().ok()?.len() > LARGEST_PACKED {
            return None;
        }
        let mut bytes = Vec::new();
        (&file).take(LARGEST_PACKED).read_to_end(&mut bytes).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (held, rest) = rest.split_first_chunk::<16>()?;
        let (checksum, packed) = rest.split_first_chunk::<16>()?;
        let is_whole = u128::from_le_bytes(*checksum) == xxh3_128(packed);
        if u128::from_le_bytes(*held) != key || !is_whole {
            return None;
        }
        // What is used is not the first to go.
        let _ = file.set_modified(SystemTime::now());
        let mut entry = Vec::new();
        let decoder = zstd::stream::read::Decoder::new(packed).ok()?;
        let read = decoder.take(LARGEST + 1).read_to_end(&mut entry).ok()?;
        (read as u64 <= LARGEST).then_some(entry)
    }

    /// Without an entry everything still works, so that what fails here is nobody's concern.
    fn write(&self, key: u128, entry: &[u8]) -> io::Result<()> {
        let packed = zstd::encode_all(entry, LEVEL)?;
        if entry.len() as u64 > LARGEST || packed.len() as u64 + 40 > LARGEST_PACKED {
            return Ok(());
        }
        self.claim()?;
        let path = self.path(key);
        // A link or a directory of that name is not ours.
        if path.symlink_metadata().is_ok_and(|held| !held.is_file()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut file = Temporary::new_in(self.dir.path())?;
        file.write_all(MAGIC)?;
        file.write_all(&key.to_le_bytes())?;
        file.write_all(&xxh3_128(&packed).to_le_bytes())?;
        file.write_all(&packed)?;
        file.persist(&path)
    }

    /// Removes what was used longest ago until the rest is small enough.
    pub(crate) fn trim(&self) {
        if !self.dir.is_marked() {
            return;
        }
        let Ok(entries) = fs::read_dir(self.dir.path()) else {
            return;
        };
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter(|entry| key_of(&entry.file_name()).is_some())
            .filter_map(|entry| {
                // Of a link this is the link's own.
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        entries.sort();
        for (_, bytes, path) in entries {
            if total <= self.max_bytes {
                return;
            }
            if is_entry(&path) && fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
    }
}

/// The key that an entry's name says.
fn key_of(name: &std::ffi::OsStr) -> Option<u128> {
    let digits = name.to_str()?.strip_suffix(ENDING)?;
    let is_key = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_name = digits.len() == 32 && digits.bytes().all(is_key);
    is_name.then(|| u128::from_str_radix(digits, 16).ok())?
}

/// Whether a file begins as an entry does.
fn is_entry(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    let read = open_own(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *MAGIC
}

/// Names entries for one way of reading.
pub(crate) struct Keys<'c> {
    cache: &'c Cache,
    base: Xxh3,
    now: SystemTime,
}

/// The name of an entry.
pub(crate) struct Key<'c> {
    cache: &'c Cache,
    hash: u128,
    /// Whether the file is written no more.
    is_settled: bool,
}

/// What came of a file.
pub(crate) struct Entry {
    /// The reader's state behind it.
    pub(crate) state: Vec<u8>,
    pub(crate) rollup: Rollup,
}

impl<'c> Keys<'c> {
    pub(crate) fn new(cache: &'c Cache, rules: &RuleSet, options: &ScanOptions) -> Self {
        let mut base = Xxh3::new();
        add(&mut base, &VERSION.to_le_bytes());
        add(&mut base, program().as_bytes());
        add(&mut base, &rules.identity().to_le_bytes());
        add(&mut base, options.read.identity().as_bytes());
        add(&mut base, &[u8::from(options.reclassify)]);
        Self {
            cache,
            base,
            now: SystemTime::now(),
        }
    }

    /// The name of what comes of a file, read after what was read; `None` when it is not worth one.
    pub(crate) fn key(
        &self,
        family: &Family,
        file: &LogFile,
        reader: &FamilyReader,
    ) -> Option<Key<'c>> {
        if !is_worth(file) {
            return None;
        }
        let modified = file.path.metadata().ok()?.modified().ok()?;
        let age = self.now.duration_since(modified).ok();
        let mut hash = self.base.clone();
        add(&mut hash, family.name.as_bytes());
        add(&mut hash, &reader.state());
        add(&mut hash, file.source.path.as_bytes());
        add(&mut hash, &file.source.content_id.to_le_bytes());
        add(&mut hash, &file.bytes.to_le_bytes());
        add(&mut hash, format!("{modified:?}").as_bytes());
        Some(Key {
            cache: self.cache,
            hash: hash.digest128(),
            is_settled: age.is_some_and(|age| age > SETTLED),
        })
    }
}

impl Key<'_> {
    pub(crate) fn get(&self) -> Option<Entry> {
        let entry = self.cache.read(self.hash)?;
        let (length, rest) = entry.split_first_chunk::<4>()?;
        let (state, rollup) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Entry {
            state: state.to_vec(),
            rollup: Rollup::decode(rollup)?,
        })
    }

    /// Keeps what came of the file.
    pub(crate) fn put(&self, reader: &FamilyReader, rollup: &mut Rollup) {
        if !self.is_settled {
            return;
        }
        let state = reader.state();
        let mut entry = (state.len() as u32).to_le_bytes().to_vec();
        entry.extend(state);
        entry.extend(rollup.encode());
        let _ = self.cache.write(self.hash, &entry);
    }
}

/// Whether what comes of a file is worth keeping.
pub(crate) fn is_worth(file: &LogFile) -> bool {
    file.bytes >= LEAST
}

/// Adds a part that cannot run into the next.
fn add(hash: &mut Xxh3, part: &[u8]) {
    hash.update(&(part.len() as u64).to_le_bytes());
    hash.update(part);
}

/// What makes this program another than one that would read otherwise.
fn program() -> String {
    let exe = std::env::current_exe().ok();
    let metadata = exe.as_deref().and_then(|path: &Path| path.metadata().ok());
    let built = metadata.map(|metadata| (metadata.len(), metadata.modified().ok()));
    format!("{} {built:?}", env!("CARGO_PKG_VERSION"))
}
