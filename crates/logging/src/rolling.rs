//! One family of files: the open file, and the start of new files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use dragline_schema::Timestamp;

use crate::family::Family;
use crate::file_name::{Codec, FileName};
use crate::queue::Lines;
use crate::retention;

/// A closed file.
#[derive(Debug)]
pub(crate) struct ClosedFile {
    /// The open (and locked) file. `None` when too many are open; it is then opened when it is compressed.
    pub(crate) file: Option<File>,
    pub(crate) path: PathBuf,
    pub(crate) errors: bool,
    /// Whether the file is left over from another process.
    pub(crate) is_leftover: bool,
}

/// A write that failed.
#[derive(Debug)]
pub(crate) struct WriteError {
    pub(crate) sentence: String,
    /// Whether the disk is full.
    pub(crate) is_full: bool,
}

impl WriteError {
    fn new(what: &str, path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        Self {
            sentence: format!("cannot {what} {}: {error}", path.display()),
            is_full: matches!(error.kind(), StorageFull | QuotaExceeded),
        }
    }
}

/// Writes whole lines to files with a maximum size.
#[derive(Debug)]
pub(crate) struct RollingFile {
    family: Family,
    writer_id: String,
    next_number: u64,
    open: Option<OpenFile>,
    /// Closed files not yet returned by `take_closed`.
    closed: Vec<ClosedFile>,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl RollingFile {
    pub(crate) fn new(family: Family, writer_id: String) -> Self {
        Self {
            family,
            writer_id,
            next_number: 0,
            open: None,
            closed: Vec::new(),
        }
    }

    /// Writes the lines starting at offset `at`. Starts a new file at each cut and when a file is full.
    /// `at` is advanced by the exact number of bytes written: after an error, the next call continues
    /// there, so that no line is incomplete or duplicated.
    ///
    /// A file is named after the time of its first line, or after `now` if the line has no time.
    pub(crate) fn write(
        &mut self,
        lines: &Lines,
        at: &mut usize,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let bytes = &lines.bytes;
        loop {
            let is_line_start = *at == 0 || bytes[*at - 1] == b'\n';
            if is_line_start && lines.cuts.binary_search(at).is_ok() {
                self.roll();
            }
            if *at == bytes.len() {
                return Ok(());
            }
            let next_cut = lines.cuts.partition_point(|cut| cut <= at);
            let end = lines.cuts.get(next_cut).copied().unwrap_or(bytes.len());
            let rest = &bytes[*at..end];
            let chunk = if is_line_start {
                self.fitting(rest)
            } else {
                // The rest of a line goes to the same file as its beginning.
                line_len(rest)
            };
            if chunk == 0 {
                self.roll();
                continue;
            }
            *at += self.append(&rest[..chunk], now)?;
        }
    }

    /// Number of bytes of whole lines that still fit in the open file. A line that is too long for any
    /// file gets a file of its own.
    fn fitting(&self, lines: &[u8]) -> usize {
        let used = self.open.as_ref().map_or(0, |open| open.bytes);
        let room = usize::try_from(self.family.max_file_bytes.saturating_sub(used));
        let room = room.unwrap_or(usize::MAX);
        if lines.len() <= room {
            return lines.len();
        }
        match memchr::memrchr(b'\n', &lines[..room]) {
            Some(end) => end + 1,
            None if used == 0 => line_len(lines),
            None => 0,
        }
    }

    /// Writes some of the bytes and returns how many.
    fn append(&mut self, bytes: &[u8], now: Timestamp) -> Result<usize, WriteError> {
        if self.open.is_none() {
            self.open = Some(self.create(time_of(bytes).unwrap_or(now))?);
        }
        // Set just above.
        let Some(open) = &mut self.open else {
            return Ok(0);
        };
        let written = loop {
            match open.file.write(bytes) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let written = written.map_err(|error| WriteError::new("write to", &open.path, &error))?;
        open.bytes += written as u64;
        Ok(written)
    }

    /// Creates the next file. Never opens an existing file, and never uses a name if a compressed file
    /// with that name exists.
    fn create(&mut self, began: Timestamp) -> Result<OpenFile, WriteError> {
        let dir = self.family.dir.clone();
        loop {
            let name = FileName {
                family: self.family.name.clone(),
                errors: self.family.errors,
                began,
                writer_id: self.writer_id.clone(),
                number: self.next_number,
                format: self.family.format,
                codec: None,
            };
            let path = dir.join(name.to_string());
            let is_taken = |codec: &Codec| {
                let codec = Some(*codec);
                dir.join(
                    FileName {
                        codec,
                        ..name.clone()
                    }
                    .to_string(),
                )
                .exists()
            };
            if Codec::ALL.iter().any(is_taken) {
                self.next_number += 1;
                continue;
            }
            let mut options = OpenOptions::new();
            match options.read(true).append(true).create_new(true).open(&path) {
                Ok(file) => {
                    // Another process may already have taken the new file as a leftover: try again.
                    if !retention::try_hold(&file) || !is_still_there(&file, &path) {
                        continue;
                    }
                    self.next_number += 1;
                    self.family.point_link_at(&path);
                    return Ok(OpenFile {
                        file,
                        path,
                        bytes: 0,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.next_number += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !dir.exists() => {
                    std::fs::create_dir_all(&dir)
                        .map_err(|error| WriteError::new("create", &dir, &error))?;
                }
                Err(error) => return Err(WriteError::new("create", &path, &error)),
            }
        }
    }

    /// Closes the open file unless it is empty. The next line starts a new one.
    pub(crate) fn roll(&mut self) {
        if let Some(OpenFile { file, path, .. }) = self.open.take_if(|open| open.bytes > 0) {
            self.closed.push(ClosedFile {
                file: Some(file),
                path,
                errors: self.family.errors,
                is_leftover: false,
            });
        }
    }

    /// Closes the open file if it was moved or removed, so that the next line starts a new one. If a line
    /// was only partly written to that file, `at` goes back to its beginning.
    pub(crate) fn check(&mut self, lines: &Lines, at: &mut usize) {
        let is_lost = |open: &mut OpenFile| !is_still_there(&open.file, &open.path);
        if self.open.take_if(is_lost).is_some() {
            *at = memchr::memrchr(b'\n', &lines.bytes[..*at]).map_or(0, |end| end + 1);
        } else if let Some(open) = &mut self.open
            && let Ok(metadata) = open.file.metadata()
        {
            // Another program may have truncated it.
            open.bytes = metadata.len();
        }
    }

    /// Syncs the written data to disk.
    pub(crate) fn sync(&mut self) -> Result<(), WriteError> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let synced = open.file.sync_data();
        synced.map_err(|error| WriteError::new("sync", &open.path, &error))
    }

    /// Returns the files closed since the last call.
    pub(crate) fn take_closed(&mut self) -> Vec<ClosedFile> {
        std::mem::take(&mut self.closed)
    }
}

/// The length of the first line, including its line feed.
fn line_len(lines: &[u8]) -> usize {
    memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1)
}

#[cfg(unix)]
fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.dev() == there.dev() && ours.ino() == there.ino(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still_there(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// The time of the first line: from `{"timestamp":"2026-03-04T11:22:33.123456Z",…`, or from the beginning
/// of a text line.
fn time_of(lines: &[u8]) -> Option<Timestamp> {
    let time = lines.strip_prefix(br#"{"timestamp":""#).unwrap_or(lines);
    let text = std::str::from_utf8(time.get(..Timestamp::TEXT_LEN)?).ok()?;
    Timestamp::parse(text).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::file_name::Format;
    use proptest::prelude::*;

    pub(crate) fn family(dir: &Path, max_file_bytes: u64) -> Family {
        Family {
            dir: dir.to_owned(),
            name: "t".into(),
            errors: false,
            format: Format::Json,
            max_file_bytes,
            symlink: true,
        }
    }

    fn line(second: i64, padding: usize) -> String {
        format!(
            "{{\"timestamp\":\"{}\",\"x\":\"{}\"}}\n",
            Timestamp::from_seconds(second),
            "x".repeat(padding),
        )
    }

    fn lines(texts: &[String]) -> Lines {
        Lines {
            bytes: texts.concat().into_bytes(),
            cuts: Vec::new(),
            count: texts.len() as u64,
        }
    }

    fn names(dir: &Path) -> Vec<FileName> {
        let mut names: Vec<FileName> = std::fs::read_dir(dir)
            .unwrap()
            .filter_map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .into_string()
                    .unwrap()
                    .parse()
                    .ok()
            })
            .collect();
        names.sort_by_key(|name| name.number);
        names
    }

    const NOW: i64 = 1_772_600_000;

    #[test]
    fn a_file_that_was_moved_away_is_followed_by_another() {
        let dir = tempfile::tempdir().unwrap();
        let mut rolling = RollingFile::new(family(dir.path(), 1 << 20), "w".into());
        let now = Timestamp::from_seconds(NOW);
        let first = lines(&[line(NOW, 1)]);
        rolling.write(&first, &mut 0, now).unwrap();
        let path = dir.path().join(names(dir.path())[0].to_string());
        assert_eq!(
            std::fs::read_link(dir.path().join("t.current")).unwrap(),
            path.file_name().unwrap()
        );
        let moved = dir.path().join("moved.1");
        std::fs::rename(&path, &moved).unwrap();
        // Simulates a full disk in the middle of a line.
        let second = lines(&[line(NOW + 1, 2), line(NOW + 2, 3)]);
        let mut at = line(NOW + 1, 2).len() + 5;
        rolling.check(&second, &mut at);
        assert_eq!(at, line(NOW + 1, 2).len());
        rolling.write(&second, &mut at, now).unwrap();
        let new = dir.path().join(names(dir.path())[0].to_string());
        assert_eq!(std::fs::read_to_string(moved).unwrap(), line(NOW, 1));
        assert_eq!(std::fs::read_to_string(new).unwrap(), line(NOW + 2, 3));
        assert!(rolling.take_closed().is_empty());
    }

    #[test]
    fn a_name_that_is_taken_in_any_form_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["0.jsonl", "1.jsonl.gz", "2.jsonl.zst"] {
            let name = format!("t.20260304T045320Z.w.{name}");
            std::fs::write(dir.path().join(name), "theirs").unwrap();
        }
        let mut rolling = RollingFile::new(family(dir.path(), 1 << 20), "w".into());
        let now = Timestamp::from_seconds(NOW);
        rolling
            .write(&lines(&["no time\n".into()]), &mut 0, now)
            .unwrap();
        let ours = dir.path().join("t.20260304T045320Z.w.3.jsonl");
        assert_eq!(std::fs::read_to_string(ours).unwrap(), "no time\n");
        assert_eq!(names(dir.path()).len(), 4);
    }

    #[test]
    fn a_directory_that_is_gone_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("a/b");
        let mut rolling = RollingFile::new(family(&inside, 1 << 20), "w".into());
        let now = Timestamp::from_seconds(NOW);
        for _ in 0..2 {
            rolling.check(&Lines::default(), &mut 0);
            rolling.write(&lines(&[line(NOW, 1)]), &mut 0, now).unwrap();
            assert_eq!(names(&inside).len(), 1);
            std::fs::remove_dir_all(&inside).unwrap();
        }
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
            let mut rolling = RollingFile::new(family(dir.path(), max_bytes), "w".into());
            let all_lines: Vec<String> =
                paddings.iter().enumerate().map(|(n, pad)| line(n as i64, *pad)).collect();
            for (batch_index, chunk) in all_lines.chunks(batch_lines).enumerate() {
                let mut batch = lines(chunk);
                let mut end = 0;
                for (index, line) in chunk.iter().enumerate() {
                    if (batch_index * batch_lines + index) % cut_every == cut_every - 1 {
                        batch.cuts.push(end);
                    }
                    end += line.len();
                }
                let mut at = 0;
                prop_assert!(rolling.write(&batch, &mut at, Timestamp::from_seconds(0)).is_ok());
                prop_assert_eq!(at, batch.bytes.len());
            }
            let mut all = String::new();
            for name in names(dir.path()) {
                let text = std::fs::read_to_string(dir.path().join(name.to_string())).unwrap();
                prop_assert!(text.len() as u64 <= max_bytes || text.lines().count() == 1);
                prop_assert_eq!(time_of(text.as_bytes()), Some(name.began));
                all.push_str(&text);
            }
            prop_assert_eq!(all, all_lines.concat());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_where_the_link_would_be_is_somebodys() {
        let dir = tempfile::tempdir().unwrap();
        let own = family(dir.path(), 100);
        let [link, fresh] = own.links();
        std::fs::write(&link, "mine").unwrap();
        own.point_link_at(&dir.path().join("t.19700101T000000Z.w.0.jsonl"));
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "mine");
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&fresh, "mine").unwrap();
        own.point_link_at(&dir.path().join("t.19700101T000000Z.w.0.jsonl"));
        assert_eq!(std::fs::read_to_string(&fresh).unwrap(), "mine");
        std::fs::remove_file(&fresh).unwrap();
        own.point_link_at(&dir.path().join("t.19700101T000000Z.w.0.jsonl"));
        assert!(link.is_symlink());
    }
}
