//! What other machines send: bytes of their logs, each written once.
//!
//! A file is identified by what its sender says of its content, not by its name, and its length here is the offset up
//! to which it was received. So a batch that comes twice, late or in another order changes nothing, also after a crash:
//! there is no second place that could say something else. The files are followed like all others.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dragline_schema::Timestamp;
use dragline_web::IngestBatch;
use dragline_web::model::Sender;

/// The directory of received files in the state directory.
pub(crate) const DIRECTORY: &str = "received";
/// The name of the file that remembers how far a removed file had come.
const MARK: &str = "received-until";
/// A machine that sent nothing for this long, in microseconds, is silent.
const SILENT: i64 = 300_000_000;
/// Largest batch after decompression, in bytes.
const LARGEST: u64 = 64 << 20;

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// Bytes before it are missing.
    #[error(
        "the batch begins at {offset}, and {next} is the next byte that is missing: send from there"
    )]
    Gap { offset: u64, next: u64 },
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be written.
    #[error("the batch cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// What was taken of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) next_offset: u64,
    pub(crate) new_bytes: u64,
}

/// Receives files.
#[derive(Debug)]
pub(crate) struct Receiver {
    dir: PathBuf,
    /// When each machine was last heard of, and the bytes taken since the start. The lock also orders writing.
    senders: Mutex<BTreeMap<String, (Timestamp, u64)>>,
}

impl Receiver {
    /// Receives into a directory below the state directory.
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            dir: state.join(DIRECTORY),
            senders: Mutex::default(),
        }
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes a batch. What is known already is left out.
    pub(crate) fn take(&self, batch: &IngestBatch, now: Timestamp) -> Result<Taken, ReceiveError> {
        let name = batch.file.rsplit(['/', '\\']).next().unwrap_or_default();
        let dir = self
            .dir
            .join(checked("host", &batch.host)?)
            .join(checked("identity", &batch.identity)?);
        let name = checked("file", name)?;
        let bytes = decompressed(batch)?;
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = senders.entry(batch.host.clone()).or_insert((now, 0));
        sender.0 = now.max(sender.0);
        // The name that it had first: the sender may have rotated it since.
        let path = existing(&dir)?.unwrap_or_else(|| dir.join(name));
        let held = match path.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => removed_until(&dir)?,
            Err(error) => return Err(error.into()),
        };
        if batch.offset > held {
            return Err(ReceiveError::Gap {
                offset: batch.offset,
                next: held,
            });
        }
        let known = (held - batch.offset).min(bytes.len() as u64);
        let new = &bytes[known as usize..];
        if !new.is_empty() {
            fs::create_dir_all(&dir)?;
            append(&path, held, new)?;
            sender.1 += new.len() as u64;
        }
        Ok(Taken {
            next_offset: held + new.len() as u64,
            new_bytes: new.len() as u64,
        })
    }

    /// The machines that sent something since the start.
    pub(crate) fn senders(&self, now: Timestamp) -> Vec<Sender> {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = |(host, (last_seen, bytes)): (&String, &(Timestamp, u64))| Sender {
            host: host.clone(),
            last_seen: *last_seen,
            is_silent: now.since(*last_seen) > SILENT,
            bytes: *bytes,
        };
        senders.iter().map(sender).collect()
    }

    /// Removes files that were last written before a time; how far they had come is remembered. Returns their number.
    pub(crate) fn remove_old(&self, before: Timestamp) -> io::Result<usize> {
        let _writing = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for host in directories(&self.dir)? {
            for dir in directories(&host)? {
                let Some(path) = existing(&dir)? else {
                    continue;
                };
                let metadata = path.metadata()?;
                let modified = jiff::Timestamp::try_from(metadata.modified()?).map(Timestamp::from);
                if modified.is_ok_and(|modified| modified < before) {
                    let until = metadata.len().to_string();
                    dragline_files::replace(&dir.join(MARK), |out| {
                        out.write_all(until.as_bytes())
                    })?;
                    fs::remove_file(&path)?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }
}

/// Appends bytes to a file of known length; an incomplete write is undone.
fn append(path: &Path, length: u64, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    if written.is_err() {
        // A torn batch would shift everything after it.
        file.set_len(length)?;
    }
    written
}

/// A name that can be one part of a path.
fn checked<'n>(what: &str, name: &'n str) -> Result<&'n str, ReceiveError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !name.is_empty()
        && name.len() <= 200
        && name.chars().all(is_plain)
        && !name.starts_with('.');
    if is_name && name != MARK {
        return Ok(name);
    }
    Err(ReceiveError::Invalid(format!(
        "invalid {what} {name:?}: use letters, digits, \".\", \"-\" and \"_\", at most 200, not beginning with a point"
    )))
}

fn decompressed(batch: &IngestBatch) -> Result<Vec<u8>, ReceiveError> {
    match batch.encoding.as_deref() {
        None => Ok(batch.body.clone()),
        Some("zstd") => {
            let decoder = zstd::stream::read::Decoder::with_buffer(&*batch.body)?;
            let mut bytes = Vec::new();
            let read = decoder.take(LARGEST + 1).read_to_end(&mut bytes);
            read.map_err(|error| {
                ReceiveError::Invalid(format!("the batch is not valid zstd: {error}"))
            })?;
            if bytes.len() as u64 > LARGEST {
                return Err(ReceiveError::Invalid(
                    "the batch is larger than 64 MiB: send smaller ones".to_owned(),
                ));
            }
            Ok(bytes)
        }
        Some(other) => Err(ReceiveError::Invalid(format!(
            "unknown encoding {other:?}: use zstd, or none"
        ))),
    }
}

/// The received file in a directory.
fn existing(dir: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let is_other = name == MARK || name.to_string_lossy().starts_with('.');
        if entry.file_type()?.is_file() && !is_other {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// How far a file had come that was removed; 0 if there was none.
fn removed_until(dir: &Path) -> Result<u64, ReceiveError> {
    let mut text = String::new();
    match File::open(dir.join(MARK)) {
        Ok(mut file) => file.read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    text.trim()
        .parse()
        .map_err(|_| ReceiveError::Io(io::Error::other("the mark of a removed file is damaged")))
}

fn directories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(offset: u64, body: &[u8]) -> IngestBatch {
        IngestBatch {
            host: "crawler-1".to_owned(),
            file: "/var/log/shop.jsonl".to_owned(),
            identity: "ab12".to_owned(),
            offset,
            encoding: None,
            body: body.to_vec(),
        }
    }

    #[test]
    fn a_link_that_repeats_reorders_and_tears_gives_the_same_file() {
        let text: Vec<u8> = (0..5_000_u32)
            .flat_map(|n| format!("line {n}\n").into_bytes())
            .collect();
        for seed in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            let mut random = fastrand::Rng::with_seed(seed);
            let mut next = 0;
            while next < text.len() as u64 {
                // Sometimes a new process receives, sometimes the batch is old, sometimes too early.
                let receiver = Receiver::new(dir.path());
                let offset = random
                    .u64(next.saturating_sub(900)..=next + 300)
                    .min(text.len() as u64);
                let end = (offset as usize + random.usize(1..2_000)).min(text.len());
                let mut one = batch(offset, &text[offset as usize..end]);
                if random.bool() {
                    one.body = zstd::bulk::compress(&one.body, 1).unwrap();
                    one.encoding = Some("zstd".to_owned());
                }
                match receiver.take(&one, Timestamp::from_seconds(1)) {
                    Ok(taken) => {
                        assert_eq!(taken.next_offset, next.max(end as u64));
                        next = taken.next_offset;
                    }
                    Err(ReceiveError::Gap { next: missing, .. }) => assert_eq!(missing, next),
                    Err(error) => panic!("{error}"),
                }
            }
            let path = dir.path().join("received/crawler-1/ab12/shop.jsonl");
            assert!(fs::read(path).unwrap() == text, "seed {seed}");
        }
    }

    #[test]
    fn a_removed_file_does_not_begin_again() {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::new(dir.path());
        receiver
            .take(&batch(0, b"one\n"), Timestamp::from_seconds(1))
            .unwrap();
        let later = Timestamp::parse("2100-01-01T00:00:00Z").unwrap();
        assert_eq!(receiver.remove_old(later).unwrap(), 1);
        let again = receiver
            .take(&batch(0, b"one\n"), Timestamp::from_seconds(1))
            .unwrap();
        assert_eq!((again.next_offset, again.new_bytes), (4, 0));
    }

    #[test]
    fn names_cannot_lead_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let receiver = Receiver::new(dir.path());
        for (host, identity, file) in [
            ("..", "ab", "a.log"),
            ("a/b", "ab", "a.log"),
            ("a", "../x", "a.log"),
            ("a", "ab", ".."),
            ("a", "ab", "/etc/"),
            ("a", "ab", MARK),
        ] {
            let one = IngestBatch {
                host: host.to_owned(),
                identity: identity.to_owned(),
                file: file.to_owned(),
                ..batch(0, b"x")
            };
            let refused = receiver.take(&one, Timestamp::from_seconds(1));
            assert!(
                matches!(refused, Err(ReceiveError::Invalid(_))),
                "{host} {identity} {file}"
            );
        }
    }
}
