//! Which file has which text: files recognised again after they were renamed, copied, packed or deleted.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::checkpoint::KeptFile;
use super::listing::{FileId, Found, Look};
use super::tracked::{Beginning, Progress, Same, Trouble};
use crate::framing::open::Source;
use crate::names::OrderKey;
use crate::watch::Watch;

/// Maximum number of deleted files whose read positions are remembered.
const MAX_GONE: usize = 64;
/// Number of polls to wait for an archive that is still incomplete.
const PATIENCE: u32 = 5;

/// The files of one log, with how far each was read.
#[derive(Default)]
pub(super) struct Tracker {
    pub(super) files: Vec<Tracked>,
    /// Deleted files, most recent last.
    pub(super) gone: Vec<Gone>,
    /// Files that may be copies of others that still exist.
    waiting: HashMap<FileId, Waiting>,
}

/// A file that is followed.
pub(super) struct Tracked {
    pub(super) found: Found,
    pub(super) progress: Progress,
    /// Size and time at the last read. `None` if the file may not be the one that was read.
    pub(super) read_at: Option<Look>,
    /// Problems of the file. They are reported when the file is no longer growing, because it may still be
    /// incomplete.
    pub(super) troubles: Vec<Trouble>,
    /// Whether they were reported.
    pub(super) is_told: bool,
}

/// A deleted file.
pub(super) struct Gone {
    pub(super) progress: Progress,
    /// Whether the open record started in it. A copy may contain the rest of the record.
    pub(super) is_open: bool,
    /// Whether it belonged to another log.
    pub(super) is_adopted: bool,
}

struct Waiting {
    look: Look,
    looks: u32,
}

/// Where to start reading a new file.
pub(super) enum Start {
    /// Here; with whether the open record began in a deleted file whose text this is.
    At(Progress, bool),
    /// Do not read it yet.
    Wait,
}

impl Tracker {
    /// The files of a checkpoint.
    pub(super) fn restore(files: Vec<KeptFile>, gone: Vec<Progress>) -> Self {
        let tracked = |file: KeptFile| {
            let found = Found {
                is_packed: false,
                path: PathBuf::from(file.path),
                order: <(OrderKey, bool)>::default(),
                id: (file.device, file.inode),
                look: Look {
                    size: 0,
                    modified: None,
                },
            };
            Tracked::new(found, file.progress)
        };
        Self {
            files: files.into_iter().map(tracked).collect(),
            gone: gone.into_iter().map(Gone::of).collect(),
            waiting: HashMap::new(),
        }
    }

    /// Whether it has files that did not exist at the last poll.
    pub(super) fn has_new(&self, found: &[Found]) -> bool {
        let known: HashSet<FileId> = self.files.iter().map(|tracked| tracked.found.id).collect();
        found.iter().any(|file| !known.contains(&file.id))
    }

    /// The read positions of its files, including deleted ones.
    pub(super) fn read_so_far(&self) -> impl Iterator<Item = &Progress> {
        let files = self.files.iter().map(|tracked| &tracked.progress);
        files.chain(self.gone.iter().map(|gone| &gone.progress))
    }

    /// Adds the read positions of another log. New files may be moved, copied or compressed files of that log.
    pub(super) fn adopt(&mut self, read: Vec<Progress>) {
        let adopted = |progress| Gone {
            progress,
            is_open: false,
            is_adopted: true,
        };
        let read = read.into_iter().filter(|progress| !progress.is_empty());
        self.gone.splice(..0, read.map(adopted));
    }

    /// Removes adopted positions that no new file matched. They belong to the other log.
    pub(super) fn give_back(&mut self) {
        self.gone.retain(|gone| !gone.is_adopted);
    }

    /// Detects archives by their first bytes, unless the files are unchanged.
    pub(super) fn recognise(&self, found: &mut [Found]) {
        let known: HashMap<FileId, &Tracked> = self.files.iter().map(|t| (t.found.id, t)).collect();
        for file in found {
            let known = known.get(&file.id);
            match known.filter(|known| known.read_at == Some(file.look)) {
                Some(known) => file.is_packed = known.found.is_packed,
                None => file.is_packed |= file.look.size > 0 && Source::is_archive(&file.path),
            }
        }
    }

    /// Checks the files of the last poll: unchanged, replaced or deleted. Returns whether `current` is none of them any
    /// more.
    pub(super) fn look_after(
        &mut self,
        found: &[Found],
        current: Option<FileId>,
        watch: &Arc<Watch>,
    ) -> bool {
        let found: HashMap<FileId, &Found> = found.iter().map(|file| (file.id, file)).collect();
        let mut gone = Vec::new();
        self.files.retain_mut(|tracked| {
            let is_open = current == Some(tracked.found.id);
            let mut leave = |progress| {
                gone.push(Gone {
                    progress,
                    is_open,
                    is_adopted: false,
                });
            };
            let Some(now) = found.get(&tracked.found.id) else {
                leave(tracked.progress.clone());
                return false;
            };
            tracked.found = (*now).clone();
            let is_as_it_was = tracked.read_at == Some(now.look);
            if is_as_it_was || tracked.progress.is_empty() {
                // An empty file cannot be identified.
                return is_as_it_was;
            }
            // Truncated, or another file with the same inode: treated as a new file.
            let same = tracked
                .progress
                .compare_all(&now.path, now.is_packed, watch);
            if same == Same::No {
                leave(std::mem::take(&mut tracked.progress));
            }
            same != Same::No
        });
        // Empty files cannot be recognized again, and a text that never went on behind a copy's has nothing of its own.
        gone.retain(|gone| gone.progress.tail_end > gone.progress.base);
        let has_left = gone.iter().any(|gone| gone.is_open);
        self.gone.extend(gone);
        let surplus = self.gone.len().saturating_sub(MAX_GONE);
        self.gone.drain(..surplus);
        self.waiting.retain(|id, _| found.contains_key(id));
        has_left
    }

    /// Determines where to start reading a new file. A copy of a file that was read continues at the original's read
    /// position.
    pub(super) fn begin(&mut self, file: &Found, watch: &Arc<Watch>) -> Start {
        let beginning = Beginning::of(&file.path, file.is_packed);
        let compare =
            |progress: &Progress| progress.compare(&beginning, &file.path, file.is_packed, watch);
        let mut is_unclear = false;
        // Copies have names of older files. A file with a newer name is not a copy, even if it starts with the same
        // text.
        for original in &self.files {
            let may_be = file.is_packed || file.order < original.found.order;
            if !may_be || original.progress.is_empty() {
                continue;
            }
            match compare(&original.progress) {
                // The original is read, as long as it exists.
                Same::Yes => return Start::Wait,
                Same::No => {}
                // The file is being compressed.
                Same::Unclear if file.is_archive_of(&original.found) => return Start::Wait,
                Same::Unclear => is_unclear = true,
            }
        }
        for (place, gone) in self.gone.iter().enumerate().rev() {
            match compare(&gone.progress) {
                Same::Yes => {
                    let gone = self.gone.remove(place);
                    self.gone.retain(|other| other.progress != gone.progress);
                    return Start::At(gone.progress, gone.is_open);
                }
                Same::No => {}
                Same::Unclear => is_unclear = true,
            }
        }
        if is_unclear && self.is_growing(file) {
            return Start::Wait;
        }
        Start::At(Progress::default(), false)
    }

    /// The position after everything that other files contain of this file's start. While logrotate copies a file
    /// before truncating it, both exist.
    pub(super) fn behind_copies(&self, file: &Found, watch: &Arc<Watch>) -> Progress {
        if file.look.size == 0 {
            return Progress::default();
        }
        let beginning = Beginning::of(&file.path, file.is_packed);
        let holds = |other: &&Tracked| {
            let progress = &other.progress;
            other.found.id != file.id
                && !progress.is_empty()
                && progress.compare(&beginning, &file.path, file.is_packed, watch) == Same::Yes
        };
        let others = self.files.iter().filter(holds);
        let behind = others.max_by_key(|other| other.progress.tail_end);
        behind.map_or_else(Progress::default, |other| other.progress.clone())
    }

    /// Whether an archive may still be growing.
    fn is_growing(&mut self, file: &Found) -> bool {
        let waiting = self.waiting.entry(file.id).or_insert(Waiting {
            look: file.look,
            looks: 0,
        });
        if waiting.look != file.look {
            waiting.looks = 0;
            waiting.look = file.look;
        }
        waiting.looks += 1;
        waiting.looks < PATIENCE
    }
}

impl Tracked {
    pub(super) fn new(found: Found, progress: Progress) -> Self {
        Self {
            found,
            progress,
            read_at: None,
            troubles: Vec::new(),
            is_told: false,
        }
    }
}

impl Gone {
    pub(super) fn of(progress: Progress) -> Self {
        Self {
            progress,
            is_open: false,
            is_adopted: false,
        }
    }
}

impl KeptFile {
    /// A file with a read position.
    pub(super) fn of(tracked: &Tracked, progress: Progress) -> Self {
        Self {
            path: tracked.found.path.display().to_string(),
            device: tracked.found.id.0,
            inode: tracked.found.id.1,
            progress,
        }
    }
}
