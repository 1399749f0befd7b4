//! Caches the results for unchanged files.
//!
//! An entry holds the rollup of one file and the reader's state after it. Its name is a hash of everything
//! they depend on: the program, the rules, the read options, the family's name, the reader's state before
//! the file, and the file's path, size, modification time and beginning. An entry is therefore never wrong,
//! at most useless. If the cache is too large, the least recently used entries are removed.
//!
//! An entry also contains its own key and a checksum; a damaged or renamed entry is replaced. Entries are
//! written to a temporary file and renamed, so any number of processes can share a directory.
//!
//! The directory must have been created by Dragline and marked with a `CACHEDIR.TAG`; any other non-empty
//! directory is refused. Only regular files with the name and the magic number of an entry are modified.

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

/// The version of the entry format.
const VERSION: u32 = 16;
/// The first bytes of an entry.
const MAGIC: &[u8; 8] = b"DRAGCAC5";
/// The extension of entries, after the key in hexadecimal digits.
const ENDING: &str = ".rollup";
/// Minimum file size in bytes on disk; smaller files are read as fast as their entries.
const LEAST: u64 = 64 << 10;
/// A file modified more recently than this may still be being written.
const SETTLED: Duration = Duration::from_mins(1);
/// Compression level; favours speed over size.
const LEVEL: i32 = 1;
/// Maximum size of a compressed entry in bytes; larger ones are neither written nor read.
const LARGEST_PACKED: u64 = 64 << 20;
/// The same for an uncompressed entry.
const LARGEST: u64 = 128 << 20;

const MARK: Mark = Mark {
    name: "CACHEDIR.TAG",
    text: MARK_TEXT,
};
/// The signature recognised by backup programs, and the owner of the directory.
const MARK_TEXT: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a cache of Dragline's: \
it can be removed, and is made anew.";
const _: () = assert!(MARK_TEXT.len() > CACHE_SIGNATURE.len());

/// A cache directory.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: OwnedDir,
    max_bytes: u64,
}

impl Cache {
    /// A cache of at most `max_bytes` in a directory, which need not exist yet.
    ///
    /// # Errors
    /// If the directory was not created by Dragline and is not empty.
    pub fn new(dir: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, OwnedDirError> {
        let dir = OwnedDir::check(dir.into(), MARK)?;
        Ok(Self { dir, max_bytes })
    }

    /// A cache in the default directory, which an earlier version may have created without a mark.
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

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Creates the directory if it does not exist.
    ///
    /// # Errors
    /// If it cannot be created or written.
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
        // Used entries are removed last.
        let _ = file.set_modified(SystemTime::now());
        let mut entry = Vec::new();
        let decoder = zstd::stream::read::Decoder::new(packed).ok()?;
        let read = decoder.take(LARGEST + 1).read_to_end(&mut entry).ok()?;
        (read as u64 <= LARGEST).then_some(entry)
    }

    /// Writes an entry. Callers may ignore errors, because everything works without the entry.
    fn write(&self, key: u128, entry: &[u8]) -> io::Result<()> {
        let packed = zstd::encode_all(entry, LEVEL)?;
        if entry.len() as u64 > LARGEST || packed.len() as u64 + 40 > LARGEST_PACKED {
            return Ok(());
        }
        self.claim()?;
        let path = self.path(key);
        // Do not replace a link or a directory with that name.
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

    /// Removes the least recently used entries until the size is within the limit.
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
                // Does not follow links.
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

/// The key in an entry's file name.
fn key_of(name: &std::ffi::OsStr) -> Option<u128> {
    let digits = name.to_str()?.strip_suffix(ENDING)?;
    let is_key = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_name = digits.len() == 32 && digits.bytes().all(is_key);
    is_name.then(|| u128::from_str_radix(digits, 16).ok())?
}

/// Whether a file starts like an entry.
fn is_entry(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    let read = open_own(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *MAGIC
}

/// Computes entry keys for one set of options and rules.
pub(crate) struct Keys<'c> {
    cache: &'c Cache,
    base: Xxh3,
    now: SystemTime,
}

/// The key of an entry.
pub(crate) struct Key<'c> {
    cache: &'c Cache,
    hash: u128,
    /// Whether the file is no longer being written.
    is_settled: bool,
}

/// The cached result for a file.
pub(crate) struct Entry {
    /// The reader's state after the file.
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

    /// The key for a file read with the reader in its current state; `None` if the file is not worth caching.
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

    /// Stores the result for the file.
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

/// Whether a file is large enough to cache.
pub(crate) fn is_worth(file: &LogFile) -> bool {
    file.bytes >= LEAST
}

/// Adds a length-prefixed part to the hash.
fn add(hash: &mut Xxh3, part: &[u8]) {
    hash.update(&(part.len() as u64).to_le_bytes());
    hash.update(part);
}

/// Identifies this build of the program.
fn program() -> String {
    let exe = std::env::current_exe().ok();
    let metadata = exe.as_deref().and_then(|path: &Path| path.metadata().ok());
    let built = metadata.map(|metadata| (metadata.len(), metadata.modified().ok()));
    format!("{} {built:?}", env!("CARGO_PKG_VERSION"))
}
