//! Reads and writes history entries.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::Path;

use dragline_files::{Temporary, open_own};
use dragline_ingest::{Fingerprint, LogFile};
use dragline_rollup::Rollup;
use xxhash_rust::xxh3::xxh3_64;

/// The first bytes of an entry; the digit is the version of the container, not of the rollup in it.
const MAGIC: &[u8; 8] = b"DRAGHIS2";
/// The same for version 1, which identified files by their beginnings.
const MAGIC_1: &[u8; 8] = b"DRAGHIS1";
/// Number of bytes that count as the beginning of a file.
pub(super) const BEGINNING: usize = 4 << 10;
/// Compression level; favours size, because entries are written once and kept for a long time.
const LEVEL: i32 = 6;
/// Maximum length in bytes of a length-prefixed part of an entry; a fingerprint takes a few kilobytes.
const LONGEST_PIECE: usize = 64 << 10;
/// Maximum size of a compressed entry in bytes; larger ones are not read.
const LARGEST_PACKED: u64 = 64 << 20;
/// The same for an uncompressed entry.
const LARGEST: u64 = 256 << 20;

/// The header of an entry, before the rollup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Number of records in the rollup.
    pub(super) events: u64,
    pub(super) family: String,
    /// The state of the file when it was read.
    pub(super) seen: Option<Seen>,
    /// Whether any record has a time.
    pub(super) is_dated: bool,
    pub(super) identity: Identity,
}

/// What identifies a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    Text(Fingerprint),
    /// The first bytes of the file, which are all that version 1 stored.
    Beginning(Vec<u8>),
}

impl Identity {
    pub(super) fn text(&self) -> Option<&Fingerprint> {
        match self {
            Self::Text(text) => Some(text),
            Self::Beginning(_) => None,
        }
    }
}

/// The state of a file. If it has not changed, the file need not be read to be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    path: u64,
    bytes: u64,
    modified: Option<i64>,
    content_id: u64,
}

impl Seen {
    pub(super) fn of(file: &LogFile) -> Self {
        Self {
            path: xxh3_64(file.source.path.as_bytes()),
            bytes: file.bytes,
            modified: file
                .source
                .modified
                .map(dragline_schema::Timestamp::as_micros),
            content_id: file.source.content_id,
        }
    }
}

/// The serialised form of [`Head`], with field names.
#[derive(serde::Serialize, serde::Deserialize)]
struct Written {
    events: u64,
    family: String,
    is_dated: bool,
    path: u64,
    bytes: u64,
    modified: Option<i64>,
    content_id: u64,
    text: Fingerprint,
}

impl Head {
    /// The bytes from which the file name of the entry is derived.
    pub(super) fn name(&self) -> Vec<u8> {
        let mut name = self.family.clone().into_bytes();
        match &self.identity {
            Identity::Text(text) => {
                name.extend(text.length.to_le_bytes());
                name.extend(text.whole.to_le_bytes());
            }
            Identity::Beginning(start) => name.extend(start),
        }
        name
    }

    /// Whether a file starts like that of this version 1 entry: one beginning is a prefix of the other and
    /// is long enough to identify the file, or both have the same family name.
    pub(super) fn begins_as(&self, start: &[u8], family: &str) -> bool {
        let Identity::Beginning(held) = &self.identity else {
            return false;
        };
        let shorter = held.len().min(start.len());
        let is_sure = shorter >= super::TELLING || self.family == family;
        shorter > 0 && held[..shorter] == start[..shorter] && is_sure
    }

    fn encode(&self) -> Option<Vec<u8>> {
        let (Identity::Text(text), Some(seen)) = (&self.identity, &self.seen) else {
            return None;
        };
        let written = Written {
            events: self.events,
            family: self.family.clone(),
            is_dated: self.is_dated,
            path: seen.path,
            bytes: seen.bytes,
            modified: seen.modified,
            content_id: seen.content_id,
            text: text.clone(),
        };
        rmp_serde::to_vec_named(&written).ok()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let written: Written = rmp_serde::from_slice(bytes).ok()?;
        Some(Self {
            events: written.events,
            family: written.family,
            seen: Some(Seen {
                path: written.path,
                bytes: written.bytes,
                modified: written.modified,
                content_id: written.content_id,
            }),
            is_dated: written.is_dated,
            identity: Identity::Text(written.text),
        })
    }
}

fn no_entry() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "damaged or not a history entry; remove it",
    )
}

fn number(file: &mut File) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Reads a length-prefixed part.
fn piece(file: &mut File, most: usize) -> io::Result<Vec<u8>> {
    let length = usize::try_from(number(file)?).unwrap_or(usize::MAX);
    if length > most {
        return Err(no_entry());
    }
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads the header of an entry.
pub(super) fn read_head(path: &Path) -> io::Result<Head> {
    Ok(head_of(&mut open_own(path)?)?.0)
}

/// Reads the header and returns it with the hashes that the checksum covers in addition to the rollup.
fn head_of(file: &mut File) -> io::Result<(Head, Vec<u64>)> {
    let mut read = || -> io::Result<(Head, Vec<u64>)> {
        let mut magic = [0; 8];
        file.read_exact(&mut magic)?;
        if magic == *MAGIC_1 {
            return first_version(file);
        }
        if magic != *MAGIC {
            return Err(no_entry());
        }
        let bytes = piece(file, LONGEST_PIECE)?;
        let head = Head::decode(&bytes).ok_or_else(no_entry)?;
        Ok((head, vec![xxh3_64(&bytes)]))
    };
    read().map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => no_entry(),
        _ => error,
    })
}

fn first_version(file: &mut File) -> io::Result<(Head, Vec<u64>)> {
    let events = number(file)?;
    let family = piece(file, BEGINNING)?;
    let beginning = piece(file, BEGINNING)?;
    let hashed = vec![events, xxh3_64(&family), xxh3_64(&beginning)];
    let head = Head {
        events,
        family: String::from_utf8(family).map_err(|_| no_entry())?,
        seen: None,
        is_dated: true,
        identity: Identity::Beginning(beginning),
    };
    Ok((head, hashed))
}

/// Reads the rollup of an entry.
pub(super) fn read(path: &Path) -> io::Result<Rollup> {
    let mut file = open_own(path)?;
    let (_, hashed) = head_of(&mut file)?;
    let checksum = number(&mut file).map_err(|_| no_entry())?;
    let mut packed = Vec::new();
    file.take(LARGEST_PACKED).read_to_end(&mut packed)?;
    if checksum != checksum_of(hashed, &packed) {
        return Err(no_entry());
    }
    let mut recorded = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(&*packed)?;
    decoder.take(LARGEST).read_to_end(&mut recorded)?;
    Rollup::recall(&recorded).ok_or_else(no_entry)
}

fn checksum_of(mut hashed: Vec<u64>, packed: &[u8]) -> u64 {
    hashed.push(xxh3_64(packed));
    let bytes: Vec<u8> = hashed.into_iter().flat_map(u64::to_le_bytes).collect();
    xxh3_64(&bytes)
}

/// Writes an entry atomically: to a temporary file that is then renamed.
pub(super) fn write(path: &Path, head: &Head, rollup: &mut Rollup) -> io::Result<()> {
    // Do not replace a link or a directory with that name.
    if path.symlink_metadata().is_ok_and(|held| !held.is_file()) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let dir = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(dir)?;
    let recorded = rollup.record().map_err(io::Error::other)?;
    let packed = zstd::encode_all(&*recorded, LEVEL)?;
    let head = head.encode().ok_or_else(no_entry)?;
    let mut file = Temporary::new_in(dir)?;
    file.write_all(MAGIC)?;
    file.write_all(&(head.len() as u64).to_le_bytes())?;
    file.write_all(&head)?;
    let checksum = checksum_of(vec![xxh3_64(&head)], &packed);
    file.write_all(&checksum.to_le_bytes())?;
    file.write_all(&packed)?;
    file.persist(path)
}
