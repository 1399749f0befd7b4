//! Reads lines of a file, compressed or not, by their numbers.

use std::io;
use std::path::Path;
use std::sync::Arc;

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
    let source = Source::open_quietly(path, watch)?;
    let mut reader = LineReader::new(source, ReadOptions::default().max_line);
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line() {
        let (at, text) = match line {
            Line::Text { bytes, at, .. } => {
                let is_wanted = (first..=last).contains(&at.line);
                (
                    at,
                    is_wanted.then(|| String::from_utf8_lossy(bytes).into_owned()),
                )
            }
            Line::Oversized { at, bytes } => (at, Some(format!("… a line of {bytes} bytes"))),
            Line::Hole { at, bytes } => (at, Some(format!("… {bytes} NUL bytes"))),
        };
        if at.line > last {
            break;
        }
        if at.line >= first {
            lines.extend(text.map(|text| (at.line, text)));
        }
    }
    if lines.is_empty()
        && let Some(fault) = reader.faults().first()
    {
        return Err(io::Error::new(fault.error.kind(), fault.error.to_string()));
    }
    Ok(lines)
}
