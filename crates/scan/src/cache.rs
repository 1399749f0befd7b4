//! What came of files that did not change.
//!
//! An entry holds the rollup of one file and the reader's state behind it. Its name is a hash of all
//! that they depend on: the program, the rules, how lines are read, the family's name, the reader's
//! state before the file, and the file's path, size, time and beginning. So an entry is never wrong,
//! only useless; entries that nobody used for long are removed when there is too much of them.
//!
//! Entries are written to a file of their own and renamed, so that any number of processes can share
//! a directory. One that is damaged does not have the checksum that it names, and is made anew.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use dragline_classifier::RuleSet;
use dragline_ingest::{Family, FamilyReader, LogFile};
use dragline_rollup::Rollup;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::ScanOptions;

/// The format of entries.
const VERSION: u32 = 4;
/// Smaller files are read as fast as what came of them. In bytes on disk.
const LEAST: u64 = 64 << 10;
/// A file that was written so recently is being written.
const SETTLED: Duration = Duration::from_mins(1);
/// A little faster than it makes smaller.
const LEVEL: i32 = 1;
/// An entry's own checksum goes before it.
const CHECKSUM: usize = 16;

/// A directory of entries.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    max_bytes: u64,
}

impl Cache {
    /// A cache in a directory, which need not be there yet, of at most so many bytes.
    pub fn new(dir: impl Into<PathBuf>, max_bytes: u64) -> Self {
        Self {
            dir: dir.into(),
            max_bytes,
        }
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, key: u128) -> PathBuf {
        self.dir.join(format!("{key:032x}.rollup"))
    }

    fn read(&self, key: u128) -> Option<Vec<u8>> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let (checksum, packed) = bytes.split_first_chunk::<CHECKSUM>()?;
        if u128::from_le_bytes(*checksum) != xxh3_128(packed) {
            return None;
        }
        // What is used is not the first to go.
        if let Ok(file) = File::open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        zstd::decode_all(packed).ok()
    }

    /// Without an entry everything still works, so that what fails here is nobody's concern.
    fn write(&self, key: u128, entry: &[u8]) -> std::io::Result<()> {
        let packed = zstd::encode_all(entry, LEVEL)?;
        fs::create_dir_all(&self.dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(&xxh3_128(&packed).to_le_bytes())?;
        file.write_all(&packed)?;
        file.persist(self.path(key))?;
        Ok(())
    }

    /// Removes what was used longest ago until the rest is small enough.
    pub(crate) fn trim(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
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
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
    }
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
