//! Reads lines of a file, compressed or not, by their numbers.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use dragline_schema::Position;

use crate::framing::lines::{Line, LineReader};
use crate::framing::open::Source;
use crate::options::ReadOptions;
use crate::watch::Watch;

/// The lines from `first` to `last` (1-based), each with its number; fewer if the file ends earlier. Invalid
/// UTF-8 is replaced. Oversized lines (see [`ReadOptions`]) and runs of NUL bytes are replaced by a description.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("a.log");
/// std::fs::write(&path, "one\ntwo\nthree\n")?;
/// let lines = dragline_ingest::excerpt(&path, 2, 9, &Default::default())?;
/// assert_eq!(lines, [(2, "two".to_owned()), (3, "three".to_owned())]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the file cannot be opened, or is damaged before the first line.
pub fn excerpt(
    path: &Path,
    first: u64,
    last: u64,
    watch: &Arc<Watch>,
) -> io::Result<Vec<(u64, String)>> {
    let lines = read(path, last, |line| line >= first, watch)?;
    Ok(lines
        .into_iter()
        .map(|(at, text)| (at.line, text))
        .collect())
}

/// The lines with these numbers (1-based), each with its position, in the order of the file. Otherwise as [`excerpt`].
///
/// # Errors
/// As [`excerpt`].
pub fn pick(
    path: &Path,
    numbers: &BTreeSet<u64>,
    watch: &Arc<Watch>,
) -> io::Result<Vec<(Position, String)>> {
    let last = numbers.last().copied().unwrap_or(0);
    read(path, last, |line| numbers.contains(&line), watch)
}

fn read(
    path: &Path,
    last: u64,
    is_wanted: impl Fn(u64) -> bool,
    watch: &Arc<Watch>,
) -> io::Result<Vec<(Position, String)>> {
    let source = Source::open_quietly(path, watch)?;
    let mut reader = LineReader::new(source, ReadOptions::default().max_line);
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line() {
        let (at, text) = match line {
            Line::Text { bytes, at, .. } => {
                let text = || String::from_utf8_lossy(bytes).into_owned();
                (at, is_wanted(at.line).then(text))
            }
            Line::Oversized { at, bytes } => (at, Some(format!("… a line of {bytes} bytes"))),
            Line::Hole { at, bytes } => (at, Some(format!("… {bytes} NUL bytes"))),
        };
        if at.line > last {
            break;
        }
        if is_wanted(at.line) {
            lines.extend(text.map(|text| (at, text)));
        }
    }
    if lines.is_empty()
        && let Some(fault) = reader.faults().first()
    {
        return Err(io::Error::new(fault.error.kind(), fault.error.to_string()));
    }
    Ok(lines)
}
