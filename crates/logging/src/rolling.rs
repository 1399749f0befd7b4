//! One family of files: the open one, and how the next begins.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;

use dragline_schema::Timestamp;

use crate::file_name::FileName;
use crate::queue::Batch;

/// The lines of a batch that became safe before an error, and the error.
pub(crate) struct Failure {
    pub(crate) written: u64,
    pub(crate) bytes: u64,
    pub(crate) error: String,
}

/// Writes whole lines into files that never exceed their size.
#[derive(Debug)]
pub(crate) struct RollingFile {
    dir: PathBuf,
    family: String,
    writer_id: String,
    max_bytes: u64,
    next_number: u64,
    open: Option<OpenFile>,
    /// Closed files that nobody has asked for yet.
    closed: Vec<PathBuf>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl RollingFile {
    pub(crate) fn new(dir: PathBuf, family: String, writer_id: String, max_bytes: u64) -> Self {
        Self {
            dir,
            family,
            writer_id,
            max_bytes,
            next_number: 0,
            open: None,
            closed: Vec::new(),
        }
    }

    /// Writes the batch, beginning new files where it says so and where a file is full.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<(), Failure> {
        let mut done = Failure {
            written: 0,
            bytes: 0,
            error: String::new(),
        };
        let mut from = 0;
        for &cut in batch.cuts.iter().chain([&batch.bytes.len()]) {
            if from != 0 || batch.cuts.first() == Some(&0) {
                self.roll();
            }
            let mut rest = &batch.bytes[from..cut];
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(self.fitting(rest));
                if chunk.is_empty() {
                    self.roll();
                    continue;
                }
                if let Err(error) = self.append(chunk) {
                    return Err(Failure { error, ..done });
                }
                done.written += memchr::memchr_iter(b'\n', chunk).count() as u64;
                done.bytes += chunk.len() as u64;
                rest = after;
            }
            from = cut;
        }
        Ok(())
    }

    /// How many bytes of whole lines still fit in the open file. A line that is too long for any
    /// file gets one of its own.
    fn fitting(&self, lines: &[u8]) -> usize {
        let used = self.open.as_ref().map_or(0, |open| open.bytes);
        let room = usize::try_from(self.max_bytes.saturating_sub(used)).unwrap_or(usize::MAX);
        if lines.len() <= room {
            return lines.len();
        }
        let whole = lines[..room]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole == 0 && used == 0 {
            return lines
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(lines.len(), |at| at + 1);
        }
        whole
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        if self.open.is_none() {
            self.open = Some(self.create(lines)?);
        }
        // Just filled.
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        open.file
            .write_all(lines)
            .map_err(|error| format!("cannot write to {}: {error}", open.path.display()))?;
        open.bytes += lines.len() as u64;
        Ok(())
    }

    /// Creates the next file, named by the time of its first line. Never opens one that exists.
    fn create(&mut self, lines: &[u8]) -> Result<OpenFile, String> {
        loop {
            let name = FileName {
                family: self.family.clone(),
                began: time_of(lines).unwrap_or(Timestamp::from_seconds(0)),
                writer_id: self.writer_id.clone(),
                number: self.next_number,
                compressed: false,
            };
            let path = self.dir.join(name.to_string());
            let compressed = self.dir.join(
                FileName {
                    compressed: true,
                    ..name
                }
                .to_string(),
            );
            self.next_number += 1;
            if compressed.exists() {
                continue;
            }
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => {
                    crate::retention::hold(&file);
                    return Ok(OpenFile {
                        file,
                        path,
                        bytes: 0,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("cannot create {}: {error}", path.display())),
            }
        }
    }

    /// Closes the open file; the next line begins a new one.
    fn roll(&mut self) {
        if let Some(open) = self.open.take() {
            self.closed.push(open.path);
        }
    }

    /// The files that were closed since the last call.
    pub(crate) fn take_closed(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.closed)
    }
}

/// The time of the first of our own lines: `{"timestamp":"2026-03-04T11:22:33.123456Z",…`.
fn time_of(lines: &[u8]) -> Option<Timestamp> {
    let start = br#"{"timestamp":""#.len();
    let text = std::str::from_utf8(lines.get(start..start + Timestamp::TEXT_LEN)?).ok()?;
    Timestamp::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(second: i64, padding: usize) -> String {
        format!(
            "{{\"timestamp\":\"{}\",\"x\":\"{}\"}}\n",
            Timestamp::from_seconds(second),
            "x".repeat(padding),
        )
    }

    proptest! {
        // Each case writes files.
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_line_is_written_once_and_in_order(
            paddings in proptest::collection::vec(0usize..200, 1..60),
            batch_lines in 1usize..20,
            cut_every in 1usize..30,
            max_bytes in 60u64..1000,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut rolling =
                RollingFile::new(dir.path().to_owned(), "t".into(), "w".into(), max_bytes);
            let lines: Vec<String> =
                paddings.iter().enumerate().map(|(n, pad)| line(n as i64, *pad)).collect();
            for (batch_index, chunk) in lines.chunks(batch_lines).enumerate() {
                let mut batch = Batch::default();
                for (index, line) in chunk.iter().enumerate() {
                    if (batch_index * batch_lines + index) % cut_every == cut_every - 1 {
                        batch.cuts.push(batch.bytes.len());
                    }
                    batch.bytes.extend_from_slice(line.as_bytes());
                    batch.lines += 1;
                }
                prop_assert!(rolling.write(&batch).is_ok());
            }
            let mut files: Vec<FileName> = std::fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap().parse().unwrap())
                .collect();
            files.sort_by_key(|name| name.number);
            let mut all = String::new();
            for name in &files {
                let text = std::fs::read_to_string(dir.path().join(name.to_string())).unwrap();
                prop_assert!(text.len() as u64 <= max_bytes || text.lines().count() == 1);
                prop_assert_eq!(time_of(text.as_bytes()), Some(name.began));
                all.push_str(&text);
            }
            prop_assert_eq!(all, lines.concat());
        }
    }
}
