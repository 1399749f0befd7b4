//! A received file, and what remains of it when it is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use dragline_ingest::{Signature, signature};
use serde::{Deserialize, Serialize};

use super::{ReceiveError, Taken, checked, entries, read_json, write_json};

/// What begins the name of the file that remembers a removed beginning. Hidden files are not followed.
const MARK: &str = ".until.";
/// Largest number of directories in a name.
const MOST_PARTS: usize = 40;

/// What remains of a removed file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Number of bytes that were removed.
    pub(super) until: u64,
    /// Whether the file with these bytes is still being removed.
    pub(super) is_leaving: bool,
    pub(super) head_length: u64,
    pub(super) head: u64,
    pub(super) tail_length: u64,
    pub(super) tail: u64,
}

/// A received file: its path, and how much was removed from its beginning.
pub(super) struct Place {
    pub(super) path: PathBuf,
    mark: Mark,
}

impl Place {
    /// Where a file of a machine is, or will be.
    pub(super) fn of(host: &Path, file: &str) -> Result<Self, ReceiveError> {
        let parts: Vec<&str> = file.split('/').collect();
        if parts.len() > MOST_PARTS {
            return Err(ReceiveError::Invalid(format!(
                "the file has {} directories; {MOST_PARTS} are allowed",
                parts.len()
            )));
        }
        let mut path = host.to_owned();
        for part in parts {
            path.push(checked("file", part)?);
        }
        Self::at(path).map_err(|error| occupied(error, file))
    }

    fn at(path: PathBuf) -> io::Result<Self> {
        let mark = read_json(&mark_of(&path))?.unwrap_or_default();
        let mut place = Self { path, mark };
        if place.mark.is_leaving {
            // The process ended while it was removed.
            place.leave()?;
        }
        Ok(place)
    }

    /// Number of bytes that the file has here; `None` if there is no file.
    fn length(&self) -> io::Result<Option<u64>> {
        match self.path.metadata() {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Appends what is new.
    pub(super) fn take(
        &self,
        file: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Taken, ReceiveError> {
        let length = self.length()?;
        let held = self.mark.until + length.unwrap_or_default();
        if offset > held {
            return Err(ReceiveError::Gap { offset, next: held });
        }
        let known = (held - offset).min(bytes.len() as u64);
        if !self.has(offset, &bytes[..known as usize])? {
            return Err(ReceiveError::Differs {
                file: file.to_owned(),
                end: offset + known,
            });
        }
        let new = &bytes[known as usize..];
        if !new.is_empty() {
            if length.is_none()
                && let Some(dir) = self.path.parent()
            {
                fs::create_dir_all(dir).map_err(|error| occupied(error, file))?;
            }
            append(&self.path, length.unwrap_or_default(), new)
                .map_err(|error| occupied(error, file))?;
        }
        Ok(Taken {
            next_offset: held + new.len() as u64,
            new_bytes: new.len() as u64,
        })
    }

    /// Whether the bytes from an offset on are these. What was removed cannot be compared.
    fn has(&self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        let removed = self
            .mark
            .until
            .saturating_sub(offset)
            .min(bytes.len() as u64);
        let bytes = &bytes[removed as usize..];
        if bytes.is_empty() {
            return Ok(true);
        }
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset + removed - self.mark.until))?;
        let mut held = vec![0; bytes.len()];
        file.read_exact(&mut held)?;
        Ok(held == bytes)
    }

    /// What identifies everything that was received.
    pub(super) fn signature(&self) -> io::Result<Signature> {
        let Mark { until, .. } = self.mark;
        let removed = Signature {
            length: until,
            head_length: self.mark.head_length,
            head: self.mark.head,
            tail_length: self.mark.tail_length,
            tail: self.mark.tail,
        };
        if self.length()?.unwrap_or_default() == 0 {
            return Ok(removed);
        }
        let here = signature(&self.path)?;
        if until == 0 {
            return Ok(here);
        }
        Ok(Signature {
            length: until + here.length,
            tail_length: here.tail_length,
            tail: here.tail,
            ..removed
        })
    }

    /// Removes the file; what identifies it and how far it had come stays.
    pub(super) fn remove(mut self) -> io::Result<()> {
        let signature = self.signature()?;
        self.mark = Mark {
            until: signature.length,
            is_leaving: true,
            head_length: signature.head_length,
            head: signature.head,
            tail_length: signature.tail_length,
            tail: signature.tail,
        };
        write_json(&mark_of(&self.path), &self.mark)?;
        self.leave()
    }

    /// Ends a removal. Nothing is appended before, so the file has nothing that the mark does not count.
    fn leave(&mut self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.mark.is_leaving = false;
        write_json(&mark_of(&self.path), &self.mark)
    }
}

/// A file where a directory is needed, or the other way round, is a mistake of the sender.
fn occupied(error: io::Error, file: &str) -> ReceiveError {
    use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory};
    match error.kind() {
        AlreadyExists | IsADirectory | NotADirectory => ReceiveError::Invalid(format!(
            "{file}: a part of this path is a file, or all of it is a directory"
        )),
        _ => ReceiveError::Io(error),
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

/// The file that remembers the removed beginning of another.
pub(super) fn mark_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{MARK}{name}"))
}

/// The received files below a directory, also removed ones, by path.
pub(super) fn places_below(dir: &Path) -> io::Result<Vec<Place>> {
    let mut paths = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in entries(&dir)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else if let Some(removed) = name.strip_prefix(MARK) {
                paths.push(dir.join(removed));
            } else if !name.starts_with('.') {
                paths.push(entry.path());
            }
        }
    }
    paths.sort();
    paths.dedup();
    paths.into_iter().map(Place::at).collect()
}
