//! Follows logs while they are written.
//!
//! A [`Follower`] checks its inputs repeatedly and passes every new line to the sink exactly once, even if files are
//! renamed, copied and truncated, compressed, or deleted and recreated in the meantime. It identifies a file by its
//! inode *and* by its first bytes and the bytes before the read position: inodes are reused, and a copy has a
//! different one. For deleted files it remembers the read position, so that a copy under a rotated name, or an
//! archive, continues where the original ended.
//!
//! The only lines lost are those that no poll can see: lines written and deleted between two polls, and lines written
//! between the copy and the truncation of logrotate's `copytruncate`.
//!
//! [`Follower::checkpoint`] returns the read positions of all files. A caller that stores it atomically with the
//! results of the lines neither loses nor duplicates a line, whenever the process dies.
//!
//! ```
//! use dragline_ingest::{Begin, Follower, ReadOptions};
//! use dragline_schema::{Position, Problem, Record, Sink, SourceFile};
//!
//! #[derive(Default)]
//! struct Messages(Vec<String>);
//! impl Sink for Messages {
//!     fn file(&mut self, _: &SourceFile) {}
//!     fn record(&mut self, record: &Record<'_>, _: Position) {
//!         self.0.extend(record.message.as_deref().map(str::to_owned));
//!     }
//!     fn problem(&mut self, _: &Problem<'_>) {}
//! }
//!
//! # let dir = tempfile::tempdir()?;
//! let log = dir.path().join("app.log");
//! let line = |text| format!("{{\"level\":\"info\",\"time\":1772623353,\"msg\":\"{text}\"}}\n");
//! std::fs::write(&log, line("one"))?;
//! let inputs = [dir.path().display().to_string()];
//! let mut follower = Follower::new(&inputs, &ReadOptions::default(), Begin::Start);
//! let mut messages = Messages::default();
//! follower.poll(&mut messages);
//! std::fs::rename(&log, dir.path().join("app.log.1"))?;
//! std::fs::write(&log, line("two"))?;
//! follower.poll(&mut messages);
//! assert_eq!(messages.0, ["one", "two"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod family;
mod listing;
mod piece;
mod texts;
mod tracked;
mod tracker;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use dragline_schema::{ProblemKind, Sink, SourceFile};

pub use self::checkpoint::{Checkpoint, CheckpointError};
use self::family::Family;
use self::listing::Found;
pub use self::piece::signature;
pub use self::texts::{GoneText, Looked, Piece, Signature, Text, TextFollower};
use self::tracked::Progress;
use crate::framing::report;
use crate::options::ReadOptions;

/// Maximum number of deleted logs whose read positions are remembered.
const MAX_GONE: usize = 1000;

/// Where to start reading files that already exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At the start of the files.
    Start,
    /// This many bytes of text before the end of each family, at the start of the next line.
    Before(u64),
}

/// Follows logs.
pub struct Follower {
    inputs: Vec<String>,
    options: ReadOptions,
    begin: Begin,
    families: BTreeMap<String, Family>,
    /// Names of the deleted families, most recent last.
    gone: Vec<String>,
    /// Whether nothing has been polled yet.
    is_first: bool,
    /// Paths that were already reported as missing or unreadable.
    told: BTreeSet<PathBuf>,
}

impl Follower {
    /// Follows files, directories and globs. They need not exist yet.
    pub fn new(inputs: &[String], options: &ReadOptions, begin: Begin) -> Self {
        Self {
            inputs: inputs.to_vec(),
            options: options.clone(),
            begin,
            families: BTreeMap::new(),
            gone: Vec::new(),
            is_first: true,
            told: BTreeSet::new(),
        }
    }

    /// Continues from a checkpoint. Files that were created since are read from their start.
    pub fn resume(inputs: &[String], options: &ReadOptions, checkpoint: Checkpoint) -> Self {
        let mut follower = Self::new(inputs, options, Begin::Start);
        follower.is_first = false;
        for kept in checkpoint.families {
            let name = kept.name.clone();
            follower
                .families
                .insert(name, Family::restore(kept, options));
        }
        follower
    }

    /// Passes everything written since the last poll to the sink. Returns the number of lines.
    ///
    /// If [`ReadOptions::watch`] is cancelled, it stops soon. What was passed to the sink counts as read.
    pub fn poll(&mut self, sink: &mut dyn Sink) -> u64 {
        let mut lines = 0;
        let listing = listing::list(&self.inputs);
        for (path, why) in listing.troubles {
            self.tell(path, &why, sink);
        }
        let mut found = listing.families;
        // A family whose files are all deleted is still known, because its archives may appear.
        let known: Vec<String> = self.families.keys().cloned().collect();
        let (mut begun, mut new) = (Vec::new(), Vec::new());
        for name in known {
            let files = found.remove(&name).unwrap_or_default();
            // Families with new files come last: those files may be copies of files that other families read in this
            // poll.
            if self.families[&name].tracker.has_new(&files) {
                begun.push((name, files, Begin::Start));
            } else {
                lines += self.poll_family(&name, files, Begin::Start, sink);
            }
        }
        for (name, files) in found {
            let family = Family::new(&name, &self.options);
            self.families.insert(name.clone(), family);
            new.push((name, files, self.begin));
        }
        let is_first = self.is_first;
        for (name, files, begin) in begun.into_iter().chain(new) {
            if !is_first {
                self.adopt(&name, &files);
            }
            lines += self.poll_family(&name, files, begin, sink);
        }
        self.is_first = false;
        self.forget();
        // Files found later did not exist at the start.
        self.begin = Begin::Start;
        lines
    }

    fn poll_family(
        &mut self,
        name: &str,
        files: Vec<Found>,
        begin: Begin,
        sink: &mut dyn Sink,
    ) -> u64 {
        let Some(family) = self.families.get_mut(name) else {
            return 0;
        };
        let was_gone = family.is_gone();
        let lines = family.poll(files, begin, sink);
        family.tracker.give_back();
        if family.is_gone() && !was_gone {
            self.gone.push(name.to_owned());
        }
        lines
    }

    /// Passes the read positions of other logs to a family, because its new files may come from another log, judging
    /// by their names (`olddir`, copies, archives).
    fn adopt(&mut self, name: &str, files: &[Found]) {
        let may_be = |other: &&String| *other != name && may_come_from(files, other);
        let others = self.families.iter().filter(|(other, _)| may_be(other));
        let read = others.flat_map(|(_, family)| family.tracker.read_so_far());
        let read: Vec<Progress> = read.cloned().collect();
        if let Some(family) = self.families.get_mut(name) {
            family.tracker.adopt(read);
        }
    }

    /// Removes the logs that were deleted longest ago.
    fn forget(&mut self) {
        let surplus = self.gone.len().saturating_sub(MAX_GONE);
        for name in self.gone.drain(..surplus) {
            // It may have been recreated.
            if self.families.get(&name).is_some_and(Family::is_gone) {
                self.families.remove(&name);
            }
        }
    }

    /// Whether there is no file to follow.
    pub fn is_empty(&self) -> bool {
        self.families.values().all(Family::is_gone)
    }

    /// Number of files that are followed.
    pub fn files(&self) -> usize {
        self.families.values().map(Family::count).sum()
    }

    /// Number of bytes of text that existed before and were skipped.
    pub fn passed(&self) -> u64 {
        self.families.values().map(Family::passed).sum()
    }

    /// Reports once what cannot be followed.
    fn tell(&mut self, path: PathBuf, why: &str, sink: &mut dyn Sink) {
        if !self.told.contains(&path) {
            sink.file(&SourceFile {
                path: path.display().to_string(),
                content_id: 0,
                modified: None,
            });
            report(sink, ProblemKind::UnreadableFile, None, why);
            self.told.insert(path);
        }
    }

    /// Passes everything to the sink, including unfinished last lines: for use when no more lines are expected. A
    /// checkpoint taken afterwards does not count those lines as read.
    pub fn finish(&mut self, sink: &mut dyn Sink) {
        for family in self.families.values_mut() {
            family.finish(sink);
        }
    }

    /// Passes open records to the sink: for use when no lines have arrived for a while.
    pub fn settle(&mut self, sink: &mut dyn Sink) {
        for family in self.families.values_mut() {
            family.settle(sink);
        }
    }

    /// The read positions of all files. An open record does not count as read.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::of(self.families.values().map(Family::keep).collect())
    }
}

/// Whether files may come from another log, judging by their names.
fn may_come_from(files: &[Found], log: &str) -> bool {
    let log = Path::new(log).file_name().map(OsStr::to_string_lossy);
    let starts_alike = |file: &Found| {
        let name = file.path.file_name().map(OsStr::to_string_lossy);
        matches!((name, &log), (Some(name), Some(log)) if name.starts_with(&**log))
    };
    files.iter().any(starts_alike)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dragline_schema::{Position, Problem, Record};

    use super::*;
    use crate::watch::Watch;

    /// Cancels after each thousand records.
    struct Impatient {
        watch: Arc<Watch>,
        lines: Vec<u64>,
    }

    impl Sink for Impatient {
        fn file(&mut self, _: &SourceFile) {}

        fn record(&mut self, _: &Record<'_>, at: Position) {
            self.lines.push(at.line);
            if self.lines.len().is_multiple_of(1_000) {
                self.watch.cancel();
            }
        }

        fn problem(&mut self, problem: &Problem<'_>) {
            panic!("{problem:?}");
        }
    }

    #[test]
    fn a_cancelled_poll_goes_on_with_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let line =
            |n: u32| format!("{{\"level\":\"info\",\"time\":1772623353,\"msg\":\"line {n}\"}}\n");
        let text: String = (0..20_000).map(line).collect();
        std::fs::write(dir.path().join("app.log"), &text).unwrap();
        let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
        std::fs::write(dir.path().join("other.log.zst"), packed).unwrap();
        let options = ReadOptions::default();
        let mut sink = Impatient {
            watch: Arc::clone(&options.watch),
            lines: Vec::new(),
        };
        let inputs = [dir.path().display().to_string()];
        let mut follower = Follower::new(&inputs, &options, Begin::Start);
        let mut polls = 0;
        while sink.lines.len() < 40_000 {
            options.watch.resume();
            polls += 1;
            assert!(
                polls < 100,
                "{} lines after {polls} polls",
                sink.lines.len()
            );
            follower.poll(&mut sink);
        }
        options.watch.resume();
        assert_eq!(follower.poll(&mut sink), 0);
        let mut lines = sink.lines;
        lines.sort_unstable();
        let twice: Vec<u64> = (1..=20_000).flat_map(|line| [line, line]).collect();
        assert_eq!(lines, twice);
        assert_eq!(follower.files(), 2);
    }
}
