//! Following logs while they are written.
//!
//! A [`Follower`] looks again and again at what was named, and hands over every line that came, each
//! exactly once, whatever happens to the files meanwhile: they are renamed, copied and truncated,
//! compressed, deleted and made anew. It knows a file by its inode *and* by what it begins with and
//! what stands before the place up to which it was read: an inode is used again, and a copy has
//! another one. Of files that are gone it remembers how far they were read, so that a copy under a
//! rotated name, or an archive, goes on where the original was left.
//!
//! What cannot be known is lost: lines that were written and deleted between two looks, and lines
//! that were written between the copy and the truncation of logrotate's `copytruncate`.
//!
//! [`Follower::checkpoint`] is how far everything was read. Who keeps it together with what came of
//! the lines loses and doubles none, whenever the process dies.
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
mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use dragline_schema::{ProblemKind, Sink, SourceFile};

pub use self::checkpoint::{Checkpoint, CheckpointError};
use self::family::Family;
use self::listing::Found;
use self::tracked::Progress;
use crate::framing::report;
use crate::options::ReadOptions;

/// Of so many logs that are gone it is remembered how far they were read.
const MAX_GONE: usize = 1000;

/// Where the following of files begins that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At their beginning.
    Start,
    /// So many bytes of text before the end of each family, at the next line's beginning.
    Before(u64),
}

/// Follows logs.
pub struct Follower {
    inputs: Vec<String>,
    options: ReadOptions,
    begin: Begin,
    families: BTreeMap<String, Family>,
    /// The names of those that are gone, the last one last.
    gone: Vec<String>,
    /// Whether nothing was looked at yet.
    is_first: bool,
    /// What was said not to be there, or not to be readable.
    told: BTreeSet<PathBuf>,
}

impl Follower {
    /// Follows files, directories and globs; what is not there yet may come.
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

    /// Goes on where a checkpoint was taken. Files that came since are read from their beginning.
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

    /// Hands over what came since the last look; gives the number of lines.
    ///
    /// When [`ReadOptions::watch`] is cancelled, it ends soon; what was handed over is known.
    pub fn poll(&mut self, sink: &mut dyn Sink) -> u64 {
        let mut lines = 0;
        let listing = listing::list(&self.inputs);
        for (path, why) in listing.troubles {
            self.tell(path, &why, sink);
        }
        let mut found = listing.families;
        // A family of which every file is gone is still known: its archives may come.
        let known: Vec<String> = self.families.keys().cloned().collect();
        let (mut begun, mut new) = (Vec::new(), Vec::new());
        for name in known {
            let files = found.remove(&name).unwrap_or_default();
            // What others have read is known when they have read it.
            if self.families[&name].has_new(&files) {
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
        // Whatever comes later was not there.
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
        family.give_back();
        if family.is_gone() && !was_gone {
            self.gone.push(name.to_owned());
        }
        lines
    }

    /// A family whose new files may be another log's by their names (`olddir`, copies, archives): it is told
    /// how far those were read.
    fn adopt(&mut self, name: &str, files: &[Found]) {
        let starts_with = |path: &Path, log: &str| {
            let name = path.file_name().map(OsStr::to_string_lossy);
            let log = Path::new(log).file_name().map(OsStr::to_string_lossy);
            matches!((name, log), (Some(name), Some(log)) if name.starts_with(&*log))
        };
        let may_be = |other: &&String| {
            *other != name && files.iter().any(|file| starts_with(&file.path, other))
        };
        let others = self.families.iter().filter(|(other, _)| may_be(other));
        let read = others.flat_map(|(_, family)| family.read_so_far());
        let read: Vec<Progress> = read.cloned().collect();
        if let Some(family) = self.families.get_mut(name) {
            family.adopt(read);
        }
    }

    /// Forgets the logs that are gone longest.
    fn forget(&mut self) {
        let surplus = self.gone.len().saturating_sub(MAX_GONE);
        for name in self.gone.drain(..surplus) {
            // It may have come back.
            if self.families.get(&name).is_some_and(Family::is_gone) {
                self.families.remove(&name);
            }
        }
    }

    /// Whether there is any file to follow.
    pub fn is_empty(&self) -> bool {
        self.families.values().all(Family::is_gone)
    }

    /// So many bytes of text were there before the following began, and are passed over.
    pub fn passed(&self) -> u64 {
        self.families.values().map(Family::passed).sum()
    }

    /// Reports, once, what cannot be followed.
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

    /// Hands over what there is to the end, last lines without an end, too: for when nothing more is waited
    /// for. A checkpoint that is taken then does not count those as read.
    pub fn finish(&mut self, sink: &mut dyn Sink) {
        for family in self.families.values_mut() {
            family.finish(sink);
        }
    }

    /// Hands over records whose lines may go on: for when nothing came for a while.
    pub fn settle(&mut self, sink: &mut dyn Sink) {
        for family in self.families.values_mut() {
            family.settle(sink);
        }
    }

    /// How far everything was read. A record whose lines may go on was not.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::of(self.families.values().map(Family::keep).collect())
    }
}
