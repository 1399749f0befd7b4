//! What other machines send: bytes of their logs, each written once.
//!
//! A file lies below the name of its machine, under the name that the sender gave it permanently. Its length here, with what
//! was removed from its beginning, is the offset up to which it was received. So a batch that comes twice, late or in
//! another order changes nothing, also after a crash: there is no second place that could say something else. The files
//! are followed like all others.

mod place;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dragline_alerting::{Labels, Observation};
use dragline_schema::Timestamp;
use dragline_web::IngestBatch;
use dragline_web::model::{HeldFile, Sender};
use serde::{Deserialize, Serialize};

use self::place::{Place, places_below};

/// The directory of received files in the state directory.
pub(crate) const DIRECTORY: &str = "received";
/// The file that remembers when a machine was last heard of.
const SEEN: &str = ".seen";
/// What was heard is kept this often, in microseconds.
const KEEP_SEEN: i64 = 10_000_000;
/// A machine that does not say how often it sends is expected this often, in seconds.
const EVERY: u64 = 60;
/// The name of a machine's signs of life in rules.
const SIGN: &str = "machine";
/// A hundred years, in seconds.
const FOREVER: f64 = 3e9;
/// Largest batch after decompression, in bytes.
const LARGEST: u64 = 64 << 20;
/// Longest part of a path, in bytes.
const LONGEST_NAME: usize = 200;

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// Bytes before it are missing.
    #[error(
        "the batch begins at {offset}, and {next} is the next byte that is missing: send from there"
    )]
    Gap { offset: u64, next: u64 },
    /// What was received under this name has another content.
    #[error(
        "bytes of {file} before {end} were received before, and are others now: a file with other content needs another \
         name"
    )]
    Differs { file: String, end: u64 },
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

/// When a machine was last heard of, and how often it is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    at: Timestamp,
    every: u64,
}

impl Seen {
    /// A machine that was not heard of for longer than this, in microseconds, is silent: half as long again as it
    /// announced, and five minutes for what may happen to a link or a timer.
    fn patience(self) -> i64 {
        (self.every.min(400 * 86_400) as i64 * 3 / 2 + 300) * 1_000_000
    }
}

/// A machine, since the start.
#[derive(Debug)]
struct Machine {
    seen: Seen,
    /// What its file says.
    kept: Option<Seen>,
    bytes: u64,
}

/// Receives files.
#[derive(Debug)]
pub(crate) struct Receiver {
    dir: PathBuf,
    /// The lock also orders writing.
    machines: Mutex<BTreeMap<String, Machine>>,
}

impl Receiver {
    /// Receives into a directory below the state directory. Machines that sent before are known.
    pub(crate) fn new(state: &Path) -> Self {
        let dir = state.join(DIRECTORY);
        let machine = |path: PathBuf| {
            let seen: Seen = read_json(&path.join(SEEN)).ok().flatten()?;
            let machine = Machine {
                seen,
                kept: Some(seen),
                bytes: 0,
            };
            Some((path.file_name()?.to_str()?.to_owned(), machine))
        };
        let known = directories(&dir).unwrap_or_default();
        let machines = known.into_iter().filter_map(machine).collect();
        Self {
            dir,
            machines: Mutex::new(machines),
        }
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes a batch. What is known already is left out. A batch without a file is a sign of life.
    pub(crate) fn take(&self, batch: &IngestBatch, now: Timestamp) -> Result<Taken, ReceiveError> {
        let host = self.dir.join(checked("host", &batch.host)?);
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &batch.file else {
            if !batch.body.is_empty() {
                let sentence = "bytes without a file: name it".to_owned();
                return Err(ReceiveError::Invalid(sentence));
            }
            hear(&mut machines, &host, batch, now, 0)?;
            return Ok(Taken {
                next_offset: 0,
                new_bytes: 0,
            });
        };
        let place = Place::of(&host, file)?;
        let bytes = decompressed(batch)?;
        let taken = place.take(file, batch.offset, &bytes);
        let new_bytes = taken.as_ref().map_or(0, |taken| taken.new_bytes);
        // A batch that is not taken is a sign of life as well.
        hear(&mut machines, &host, batch, now, new_bytes)?;
        taken
    }

    /// The files that a machine has sent.
    pub(crate) fn held(&self, host: &str) -> Result<Vec<HeldFile>, ReceiveError> {
        let host = self.dir.join(checked("host", host)?);
        let _writing = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = Vec::new();
        for place in places_below(&host)? {
            let signature = place.signature()?;
            let name = place.path.strip_prefix(&host).unwrap_or(&place.path);
            held.push(HeldFile {
                file: name.to_string_lossy().into_owned(),
                length: signature.length,
                head_length: signature.head_length,
                head: format!("{:016x}", signature.head),
                tail_length: signature.tail_length,
                tail: format!("{:016x}", signature.tail),
            });
        }
        Ok(held)
    }

    /// The machines that sent something, also before the start.
    pub(crate) fn senders(&self, now: Timestamp) -> Vec<Sender> {
        let machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = |(host, machine): (&String, &Machine)| Sender {
            host: host.clone(),
            last_seen: machine.seen.at,
            is_silent: now.since(machine.seen.at) > machine.seen.patience(),
            bytes: machine.bytes,
        };
        machines.iter().map(sender).collect()
    }

    /// The signs of life of all machines, for rules with `freshness = "machine"`. A machine whose directory was removed
    /// is forgotten: its last sign is one that is never overdue.
    pub(crate) fn signs(&self, now: Timestamp) -> Vec<Observation> {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = |host: &str, at: Timestamp, seconds: f64| {
            let mut labels = Labels::new();
            labels.insert("host", host);
            Observation::freshness(SIGN, labels, at, seconds)
        };
        let gone = machines.extract_if(.., |host, _| !self.dir.join(host).is_dir());
        let mut signs: Vec<_> = gone.map(|(host, _)| sign(&host, now, FOREVER)).collect();
        signs.extend(machines.iter().map(|(host, machine)| {
            let Seen { at, .. } = machine.seen;
            sign(host, at, machine.seen.patience() as f64 / 1e6)
        }));
        signs
    }

    /// Removes files that were last written before a time; how far they had come is remembered. Returns their number.
    pub(crate) fn remove_old(&self, before: Timestamp) -> io::Result<usize> {
        let _writing = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for host in directories(&self.dir)? {
            for place in places_below(&host)? {
                let Ok(metadata) = place.path.metadata() else {
                    continue;
                };
                let modified = jiff::Timestamp::try_from(metadata.modified()?).map(Timestamp::from);
                if modified.is_ok_and(|modified| modified < before) {
                    place.remove()?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }
}

/// Notes that a machine was heard of.
fn hear(
    machines: &mut BTreeMap<String, Machine>,
    dir: &Path,
    batch: &IngestBatch,
    now: Timestamp,
    bytes: u64,
) -> io::Result<()> {
    let every = batch.every.unwrap_or(EVERY);
    let machine = machines.entry(batch.host.clone()).or_insert(Machine {
        seen: Seen { at: now, every },
        kept: None,
        bytes: 0,
    });
    machine.bytes += bytes;
    machine.seen = Seen {
        at: now.max(machine.seen.at),
        every,
    };
    let is_kept = |kept: Seen| kept.every == every && now.since(kept.at) < KEEP_SEEN;
    if machine.kept.is_some_and(is_kept) {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    write_json(&dir.join(SEEN), &machine.seen)?;
    machine.kept = Some(machine.seen);
    Ok(())
}

/// A name that can be one part of a path.
fn checked<'n>(what: &str, name: &'n str) -> Result<&'n str, ReceiveError> {
    let is_bad = |c: char| c.is_control() || matches!(c, '/' | '\\');
    let is_name = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.starts_with('.')
        && !name.contains(is_bad);
    if is_name {
        return Ok(name);
    }
    Err(ReceiveError::Invalid(format!(
        "invalid {what} {name:?}: a name has 1 to {LONGEST_NAME} bytes, no control characters, no \"/\" and no \"\\\", \
         and does not begin with a point"
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

fn entries(dir: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn directories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in entries(dir)? {
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a small file of ours; `None` if it does not exist.
fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged = |error| io::Error::other(format!("{} is damaged: {error}", path.display()));
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let text = serde_json::to_vec(value)?;
    dragline_files::replace(path, |out| out.write_all(&text))
}
