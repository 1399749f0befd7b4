//! The files of one log, as they come and go.

use std::collections::HashMap;
use std::path::PathBuf;

use dragline_schema::{ProblemKind, Sink, SourceFile, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use super::Begin;
use super::checkpoint::{Kept, KeptFile};
use super::listing::{FileId, Found, Look};
use super::tracked::{Progress, Same};
use crate::decoder::{Decoder, report};
use crate::names::OrderKey;
use crate::options::ReadOptions;

/// Of so many files that are gone it is remembered how far they were read.
const MAX_GONE: usize = 64;
/// An archive that is no more than begun is waited for so many looks.
const PATIENCE: u32 = 5;

/// One log.
pub(super) struct Family {
    name: String,
    decoder: Decoder,
    files: Vec<Tracked>,
    /// Files that are no more, the last one last.
    gone: Vec<Gone>,
    /// Files that may be copies of others that are still there.
    waiting: HashMap<FileId, Waiting>,
    /// The file whose lines the decoder had last.
    current: Option<FileId>,
}

/// A file that is followed.
struct Tracked {
    found: Found,
    progress: Progress,
    /// How it looked when it was read last; `None` when it is not known to be what was read.
    read_at: Option<Look>,
    /// Whether it was said that it cannot be read.
    is_told: bool,
}

/// A file that is no more.
struct Gone {
    progress: Progress,
    /// Whether the record that is open began in it: what continues it may be in a copy.
    is_open: bool,
}

struct Waiting {
    look: Look,
    looks: u32,
}

/// Where a file begins that was not seen before.
enum Start {
    At(Progress),
    /// Not yet.
    Wait,
}

impl Family {
    pub(super) fn new(name: &str, options: &ReadOptions) -> Self {
        Self {
            name: name.to_owned(),
            decoder: Decoder::new(name, options),
            files: Vec::new(),
            gone: Vec::new(),
            waiting: HashMap::new(),
            current: None,
        }
    }

    pub(super) fn restore(kept: Kept, options: &ReadOptions) -> Self {
        let mut family = Self::new(&kept.name, options);
        // A state of another version is none: then the lines speak for themselves.
        let _ = family.decoder.restore(kept.state.as_bytes());
        let tracked = |file: KeptFile| Tracked {
            found: Found {
                path: PathBuf::from(file.path),
                order: <(OrderKey, bool)>::default(),
                id: (file.device, file.inode),
                look: Look {
                    size: 0,
                    modified: None,
                },
            },
            progress: file.progress,
            read_at: None,
            is_told: false,
        };
        family.files = kept.files.into_iter().map(tracked).collect();
        let gone = |progress| Gone {
            progress,
            is_open: false,
        };
        family.gone = kept.gone.into_iter().map(gone).collect();
        family
    }

    /// How far everything was read: what is open is to be read again.
    pub(super) fn keep(&self) -> Kept {
        // A copy of the file that holds the open record goes on where that does.
        let is_open = |tracked: &&Tracked| self.current == Some(tracked.found.id);
        let followed = self
            .files
            .iter()
            .find(is_open)
            .map(|tracked| &tracked.progress);
        let gone = self
            .gone
            .iter()
            .rfind(|gone| gone.is_open && self.current.is_none());
        let holds_open = followed.or(gone.map(|gone| &gone.progress));
        let open = self.decoder.open_at();
        let kept = |progress: &Progress| match open {
            Some(at) if holds_open == Some(progress) => progress.rewound(at),
            _ => progress.clone(),
        };
        let file = |tracked: &Tracked| KeptFile {
            path: tracked.found.path.display().to_string(),
            device: tracked.found.id.0,
            inode: tracked.found.id.1,
            progress: kept(&tracked.progress),
        };
        Kept {
            name: self.name.clone(),
            // It is JSON.
            state: String::from_utf8_lossy(&self.decoder.state()).into_owned(),
            files: self.files.iter().map(file).collect(),
            gone: self.gone.iter().map(|gone| kept(&gone.progress)).collect(),
        }
    }

    /// Hands over the record whose lines may go on.
    pub(super) fn settle(&mut self, sink: &mut dyn Sink) {
        if self.decoder.open_at().is_some() {
            self.decoder.end_file(sink);
        }
    }

    /// Hands over what came; gives the number of lines.
    pub(super) fn poll(&mut self, found: Vec<Found>, begin: Begin, sink: &mut dyn Sink) -> u64 {
        self.look_after(&found);
        let last = found
            .iter()
            .rfind(|file| !file.is_compressed())
            .map(|file| file.id);
        let mut lines = 0;
        for file in found {
            if !self.files.iter().any(|tracked| tracked.found.id == file.id) {
                let start = match begin {
                    Begin::Start => self.start_of(&file),
                    Begin::Before(bytes) => self.pass_over(&file, bytes, last == Some(file.id)),
                };
                let Start::At(progress) = start else { continue };
                self.files.push(Tracked {
                    found: file.clone(),
                    progress,
                    read_at: None,
                    is_told: false,
                });
            }
            lines += self.read(file.id, sink);
        }
        lines
    }

    /// What became of the files that were there at the last look.
    fn look_after(&mut self, found: &[Found]) {
        let (current, mut gone) = (self.current, Vec::new());
        self.files.retain_mut(|tracked| {
            let is_open = current == Some(tracked.found.id);
            let mut leave = |progress| gone.push(Gone { progress, is_open });
            let Some(now) = found.iter().find(|file| file.id == tracked.found.id) else {
                leave(tracked.progress.clone());
                return false;
            };
            tracked.found = now.clone();
            let is_as_it_was = tracked.read_at == Some(now.look);
            if is_as_it_was || tracked.progress.is_empty() {
                // Of what was empty nothing is known.
                return is_as_it_was;
            }
            // Truncated, or another file that got the same inode: a new one.
            let is_new = tracked.progress.compare(&now.path, now.is_compressed()) == Same::No;
            if is_new {
                leave(std::mem::take(&mut tracked.progress));
            }
            !is_new
        });
        // What was read is known by what was there; nothing was, of files that were not read.
        gone.retain(|gone| !gone.progress.is_empty());
        if gone.iter().any(|gone| gone.is_open) {
            self.current = None;
        }
        self.gone.extend(gone);
        let surplus = self.gone.len().saturating_sub(MAX_GONE);
        self.gone.drain(..surplus);
        self.waiting
            .retain(|id, _| found.iter().any(|file| file.id == *id));
    }

    /// Where a file begins that was not seen before: a copy of one that was read goes on where that
    /// was left.
    fn start_of(&mut self, file: &Found) -> Start {
        let is_compressed = file.is_compressed();
        let mut is_unclear = false;
        // Copies have names of older files; what has a newer name is no copy, though it may begin
        // with the same words.
        for original in &self.files {
            let may_be = is_compressed || file.order < original.found.order;
            if !may_be || original.progress.is_empty() {
                continue;
            }
            match original.progress.compare(&file.path, is_compressed) {
                // What it holds is read where it comes from, as long as that is there.
                Same::Yes => return Start::Wait,
                Same::No => {}
                // It is being packed.
                Same::Unclear if file.is_archive_of(&original.found) => return Start::Wait,
                Same::Unclear => is_unclear = true,
            }
        }
        for (place, gone) in self.gone.iter().enumerate().rev() {
            match gone.progress.compare(&file.path, is_compressed) {
                Same::Yes => {
                    let gone = self.gone.remove(place);
                    self.gone.retain(|other| other.progress != gone.progress);
                    if gone.is_open && self.current.is_none() {
                        self.current = Some(file.id);
                    }
                    return Start::At(gone.progress);
                }
                Same::No => {}
                Same::Unclear => is_unclear = true,
            }
        }
        if is_unclear && self.is_growing(file) {
            return Start::Wait;
        }
        Start::At(Progress::default())
    }

    /// Whether an archive may still be written.
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

    /// Passes over what a file holds that was there before the following began.
    fn pass_over(&self, file: &Found, bytes: u64, is_last: bool) -> Start {
        let mut progress = Progress::default();
        let limit = if is_last {
            file.look.size.saturating_sub(bytes)
        } else {
            file.look.size
        };
        let max_line = self.decoder.options().max_line;
        // What cannot be read is told when it is read.
        if file.is_compressed() {
            let _ = progress.pass_archive(&file.path);
        } else {
            let _ = progress.read_plain(&file.path, limit, max_line, None);
        }
        Start::At(progress)
    }

    /// A file that begins with all that another one held goes on behind that: both are there while
    /// logrotate copies before it truncates.
    fn go_on_behind_copies(&mut self, id: FileId) {
        let Some(place) = self.files.iter().position(|tracked| tracked.found.id == id) else {
            return;
        };
        let file = &self.files[place];
        if !file.progress.is_empty() || file.found.look.size == 0 {
            return;
        }
        let holds = |other: &&Tracked| {
            let progress = &other.progress;
            let is_other = other.found.id != id && !progress.is_empty();
            let is_compressed = file.found.is_compressed();
            is_other && progress.compare(&file.found.path, is_compressed) == Same::Yes
        };
        let behind = self
            .files
            .iter()
            .filter(holds)
            .max_by_key(|other| other.progress.offset);
        if let Some(progress) = behind.map(|other| other.progress.clone()) {
            self.files[place].progress = progress;
        }
    }

    /// Hands over what a file has beyond what was read.
    fn read(&mut self, id: FileId, sink: &mut dyn Sink) -> u64 {
        self.go_on_behind_copies(id);
        let Some(tracked) = self.files.iter_mut().find(|tracked| tracked.found.id == id) else {
            return 0;
        };
        let file = &tracked.found;
        let progress = &mut tracked.progress;
        let is_as_it_was = tracked.read_at == Some(file.look);
        if is_as_it_was || !(file.is_compressed() || file.look.size > progress.offset) {
            return 0;
        }
        let max_line = self.decoder.options().max_line;
        let (decoder, current) = (&mut self.decoder, &mut self.current);
        // A file that has nothing new does not end the record that another one holds.
        let mut begin = |decoder: &mut Decoder, sink: &mut dyn Sink| {
            if *current != Some(id) {
                decoder.end_file(sink);
                decoder.begin_file(None, true);
                *current = Some(id);
                sink.file(&source_file(file));
            }
        };
        let read = if file.is_compressed() {
            progress.read_archive(&file.path, decoder, sink, &mut begin)
        } else {
            begin(decoder, sink);
            progress.read_plain(&file.path, u64::MAX, max_line, Some((decoder, &mut *sink)))
        };
        // What could not be read now may be later.
        tracked.read_at = read.is_ok().then_some(file.look);
        read.unwrap_or_else(|error| {
            if !std::mem::replace(&mut tracked.is_told, true) {
                let detail = format!("cannot read the file: {error}");
                report(sink, ProblemKind::UnreadableFile, None, &detail);
            }
            0
        })
    }
}

fn source_file(file: &Found) -> SourceFile {
    let path = file.path.display().to_string();
    let modified = file
        .look
        .modified
        .and_then(|time| jiff::Timestamp::try_from(time).ok());
    SourceFile {
        content_id: xxh3_64(path.as_bytes()),
        path,
        modified: modified.map(Timestamp::from),
    }
}
