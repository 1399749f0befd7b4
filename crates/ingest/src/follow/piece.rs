//! Reads pieces of texts, and what identifies a file by its content.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::listing::{FileId, Found, id_of};
use super::texts::{Piece, Signature};
use super::tracked::{HEAD, Progress, TAIL, Windows};
use crate::framing::open::{Source, read_start};
use crate::watch::Watch;

/// Number of bytes per read when something is searched backwards.
const STEP: u64 = 64 << 10;
/// Longest line whose beginning is searched, in bytes.
const LONGEST_LINE: u64 = 1 << 20;
/// What nobody went on with for this long is taken as it is.
const QUIET: Duration = Duration::from_secs(10);
/// Maximum number of damaged parts that are passed over in one read.
const MAX_FAULTS: usize = 100;

/// A file that is open at some position.
pub(super) struct Open {
    number: u64,
    id: FileId,
    at: u64,
    kind: Kind,
}

enum Kind {
    Plain(File),
    Packed(Box<Source>, Windows),
}

impl Open {
    /// Opens a file where its text was taken up to. `None` if another file has this name by now.
    pub(super) fn at(
        found: &Found,
        progress: &Progress,
        watch: &Arc<Watch>,
    ) -> io::Result<Option<Self>> {
        let open = |kind| Self {
            number: progress.text,
            id: found.id,
            at: progress.offset,
            kind,
        };
        let mut file = File::open(&found.path)?;
        if id_of(&found.path, &file.metadata()?) != found.id {
            return Ok(None);
        }
        if !found.is_packed {
            file.seek(SeekFrom::Start(progress.offset))?;
            return Ok(Some(open(Kind::Plain(file))));
        }
        let mut source = Source::open_quietly(&found.path, watch)?;
        let mut windows = Windows::default();
        let mut left = progress.offset;
        let mut faults = 0;
        while left > 0 && !watch.is_cancelled() {
            let (bytes, fault) = read_start(&mut source, left.min(STEP) as usize);
            faults += usize::from(fault.is_some());
            if (bytes.is_empty() && fault.is_none()) || faults > MAX_FAULTS {
                break;
            }
            left -= bytes.len() as u64;
            windows.push(&bytes);
        }
        Ok((left == 0).then(|| open(Kind::Packed(Box::new(source), windows))))
    }

    /// Whether it is this text of this file at this position.
    pub(super) fn is_at(&self, number: u64, id: FileId, offset: u64) -> bool {
        (self.number, self.id, self.at) == (number, id, offset)
    }

    /// Reads on. What it reads of an archive identifies the archive from then on.
    pub(super) fn read(&mut self, progress: &mut Progress, limit: usize) -> io::Result<Piece> {
        let mut piece = Piece::default();
        match &mut self.kind {
            Kind::Plain(file) => {
                let known = progress.tail_end.saturating_sub(self.at);
                file.take(known.min(limit as u64))
                    .read_to_end(&mut piece.bytes)?;
                if !ends_as_known(file, progress)? {
                    // It was truncated and written again since the last look.
                    return Ok(Piece::default());
                }
                file.seek(SeekFrom::Start(self.at + piece.bytes.len() as u64))?;
            }
            Kind::Packed(source, windows) => {
                for _ in 0..MAX_FAULTS {
                    let (bytes, fault) = read_start(source, limit - piece.bytes.len());
                    let is_end = bytes.is_empty() && fault.is_none();
                    windows.push(&bytes);
                    piece.bytes.extend(bytes);
                    piece.faults.extend(fault.map(|fault| fault.to_string()));
                    if is_end || piece.bytes.len() >= limit {
                        break;
                    }
                }
                let end = self.at + piece.bytes.len() as u64;
                if end > progress.tail_end {
                    windows.note_until(end, progress);
                }
            }
        }
        self.at += piece.bytes.len() as u64;
        Ok(piece)
    }
}

/// Notes how far a plain file goes, and what identifies it. Bytes that a writer only reserved (zeros at the end) do not
/// count yet. `false` if another file has this name by now.
pub(super) fn see(found: &Found, progress: &mut Progress) -> io::Result<bool> {
    let mut file = File::open(&found.path)?;
    let metadata = file.metadata()?;
    if id_of(&found.path, &metadata) != found.id {
        return Ok(false);
    }
    let end = end_of_text(
        &mut file,
        found.look.size.min(metadata.len()),
        progress.tail_end,
    )?;
    if end > progress.tail_end {
        windows_of(&mut file, end)?.note_until(end, progress);
    }
    Ok(true)
}

/// Whether a file was written a moment ago.
pub(super) fn is_young(found: &Found) -> bool {
    let age = found.look.modified.and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age <= QUIET)
}

/// Whether a plain file has only a part of its first line, and was written a moment ago. A few bytes identify no file.
pub(super) fn is_begun_only(found: &Found) -> bool {
    if found.is_packed || found.look.size >= HEAD as u64 || !is_young(found) {
        return false;
    }
    let mut start = Vec::new();
    let read = File::open(&found.path).and_then(|mut file| file.read_to_end(&mut start));
    read.is_ok() && !start.contains(&b'\n')
}

/// The end of the last byte that is not zero, not before `known`.
fn end_of_text(file: &mut File, size: u64, known: u64) -> io::Result<u64> {
    let mut end = size;
    while end > known {
        let begin = end.saturating_sub(STEP).max(known);
        let bytes = read_range(file, begin, end)?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(known)
}

/// Whether the bytes before the known end are still there.
fn ends_as_known(file: &mut File, progress: &Progress) -> io::Result<bool> {
    if file.metadata()?.len() < progress.tail_end {
        return Ok(false);
    }
    let tail = read_range(
        file,
        progress.tail_end - progress.tail_length,
        progress.tail_end,
    )?;
    Ok(xxh3_64(&tail) == progress.tail)
}

fn windows_of(file: &mut File, end: u64) -> io::Result<Windows> {
    Ok(Windows {
        head: read_range(file, 0, end.min(HEAD as u64))?,
        tail: read_range(file, end.saturating_sub(TAIL as u64), end)?,
    })
}

fn read_range(file: &mut File, begin: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (end - begin) as usize];
    file.seek(SeekFrom::Start(begin))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The beginning of the line that `offset` is in; `offset` itself in an archive, or if the line is too long.
pub(super) fn line_start(found: &Found, offset: u64) -> u64 {
    let search = || -> io::Result<Option<u64>> {
        let begin = offset.saturating_sub(LONGEST_LINE);
        let before = read_range(&mut File::open(&found.path)?, begin, offset)?;
        let end = memchr::memrchr(b'\n', &before).map(|at| begin + at as u64 + 1);
        Ok(end.or((begin == 0).then_some(0)))
    };
    if offset == 0 || found.is_packed {
        return offset;
    }
    search().ok().flatten().unwrap_or(offset)
}

/// What identifies a plain file by its content.
///
/// # Errors
/// If the file cannot be read.
pub fn signature(path: &Path) -> io::Result<Signature> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let windows = windows_of(&mut file, length)?;
    Ok(Signature {
        length,
        head_length: windows.head.len() as u64,
        head: xxh3_64(&windows.head),
        tail_length: windows.tail.len() as u64,
        tail: xxh3_64(&windows.tail),
    })
}
