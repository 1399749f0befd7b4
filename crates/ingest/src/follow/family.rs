//! The files of one log, as they are created, rotated and deleted.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use dragline_schema::{ProblemKind, Sink, SourceFile, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use super::Begin;
use super::checkpoint::{Kept, KeptFile};
use super::listing::{FileId, Found, Look};
use super::tracked::{Beginning, Progress, Same, Trouble};
use crate::calendar;
use crate::decoder::Decoder;
use crate::discover::start_of;
use crate::framing::open::Source;
use crate::framing::report;
use crate::names::OrderKey;
use crate::options::ReadOptions;
use crate::parsing::time::Calendar;

/// Maximum number of deleted files whose read positions are remembered.
const MAX_GONE: usize = 64;
/// Number of polls to wait for an archive that is still incomplete.
const PATIENCE: u32 = 5;

/// One log.
pub(super) struct Family {
    name: String,
    decoder: Decoder,
    files: Vec<Tracked>,
    /// Deleted files, most recent last.
    gone: Vec<Gone>,
    /// Files that may be copies of others that still exist.
    waiting: HashMap<FileId, Waiting>,
    /// The file whose lines the decoder read last.
    current: Current,
    /// Number of bytes of text that existed before and were skipped.
    passed: u64,
}

/// The file whose lines were read last.
#[derive(Default)]
struct Current(Option<(FileId, SourceFile)>);

/// A file that is followed.
struct Tracked {
    found: Found,
    progress: Progress,
    /// Size and time at the last read. `None` if the file may not be the one that was read.
    read_at: Option<Look>,
    /// Problems of the file. They are reported when the file is no longer growing, because it may still be
    /// incomplete.
    troubles: Vec<Trouble>,
    /// Whether they were reported.
    is_told: bool,
}

/// Maximum size of a file, in bytes, whose date order is determined again as it grows.
const GROWING: u64 = 1 << 20;

/// A deleted file.
struct Gone {
    progress: Progress,
    /// Whether the open record started in it. A copy may contain the rest of the record.
    is_open: bool,
    /// Whether it belonged to another log.
    is_adopted: bool,
}

struct Waiting {
    look: Look,
    looks: u32,
}

/// Where to start reading a new file.
enum Start {
    At(Progress),
    /// Do not read it yet.
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
            current: Current::default(),
            passed: 0,
        }
    }

    pub(super) fn restore(kept: Kept, options: &ReadOptions) -> Self {
        let mut family = Self::new(&kept.name, options);
        // A state of another version is ignored. Then only the lines themselves count.
        let _ = family.decoder.restore(kept.state.as_bytes());
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
        family.files = kept.files.into_iter().map(tracked).collect();
        let gone = |progress| Gone {
            progress,
            is_open: false,
            is_adopted: false,
        };
        family.gone = kept.gone.into_iter().map(gone).collect();
        family
    }

    /// The read positions of all files. The open record will be read again.
    pub(super) fn keep(&self) -> Kept {
        // A copy of the file with the open record continues at that record.
        let is_open = |tracked: &&Tracked| self.current.id() == Some(tracked.found.id);
        let followed = self
            .files
            .iter()
            .find(is_open)
            .map(|tracked| &tracked.progress);
        let gone = self
            .gone
            .iter()
            .rfind(|gone| gone.is_open && self.current.id().is_none());
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
            // The state is JSON.
            state: String::from_utf8_lossy(&self.decoder.state()).into_owned(),
            files: self.files.iter().map(file).collect(),
            gone: self.gone.iter().map(|gone| kept(&gone.progress)).collect(),
        }
    }

    /// Whether none of its files exists, and no record is open.
    pub(super) fn is_gone(&self) -> bool {
        self.files.is_empty() && self.decoder.open_at().is_none()
    }

    /// Number of its files.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Number of bytes of text that existed before and were skipped.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Passes the open record to the sink, and reports what could not be read.
    pub(super) fn settle(&mut self, sink: &mut dyn Sink) {
        if self.decoder.open_at().is_some() {
            self.current.announce(sink);
            self.decoder.end_file(sink);
        }
        for tracked in &mut self.files {
            let troubles = std::mem::take(&mut tracked.troubles);
            if troubles.is_empty() || std::mem::replace(&mut tracked.is_told, true) {
                continue;
            }
            sink.file(&source_file(&tracked.found));
            for (kind, at, detail) in &troubles {
                report(sink, *kind, *at, detail);
            }
        }
    }

    /// Reads unfinished last lines, because no more text is expected.
    pub(super) fn finish(&mut self, sink: &mut dyn Sink) {
        for tracked in &self.files {
            let max_line = self.decoder.options().max_line;
            let found = &tracked.found;
            let unended = || tracked.progress.unended(&found.path, max_line);
            if let Some((rest, at)) = (!found.is_packed).then(unended).flatten() {
                turn_to(found, &mut self.decoder, &mut self.current, sink);
                self.decoder.line(&rest, at, false, sink);
            }
        }
        self.settle(sink);
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

    /// Reads everything new, until cancelled. Returns the number of lines.
    pub(super) fn poll(&mut self, mut found: Vec<Found>, begin: Begin, sink: &mut dyn Sink) -> u64 {
        self.recognise(&mut found);
        self.look_after(&found);
        if let Begin::Before(bytes) = begin {
            self.pass_over(&found, bytes);
        }
        let known = self.files.iter().map(|tracked| tracked.found.id);
        let mut places: HashMap<FileId, usize> = known.zip(0..).collect();
        let watch = Arc::clone(&self.decoder.options().watch);
        let mut lines = 0;
        for file in found {
            if watch.is_cancelled() {
                break;
            }
            let place = match places.get(&file.id) {
                Some(place) => *place,
                None => match self.begin(&file) {
                    Start::At(progress) if !watch.is_cancelled() => {
                        self.files.push(Tracked::new(file.clone(), progress));
                        places.insert(file.id, self.files.len() - 1);
                        self.files.len() - 1
                    }
                    _ => continue,
                },
            };
            lines += self.read(place, sink);
        }
        lines
    }

    /// Detects archives by their first bytes, unless the files are unchanged.
    fn recognise(&self, found: &mut [Found]) {
        let known: HashMap<FileId, &Tracked> = self.files.iter().map(|t| (t.found.id, t)).collect();
        for file in found {
            let known = known.get(&file.id);
            match known.filter(|known| known.read_at == Some(file.look)) {
                Some(known) => file.is_packed = known.found.is_packed,
                None => file.is_packed |= file.look.size > 0 && Source::is_archive(&file.path),
            }
        }
    }

    /// Checks the files of the last poll: unchanged, replaced or deleted.
    fn look_after(&mut self, found: &[Found]) {
        let found: HashMap<FileId, &Found> = found.iter().map(|file| (file.id, file)).collect();
        let (current, mut gone) = (self.current.id(), Vec::new());
        let watch = Arc::clone(&self.decoder.options().watch);
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
                .compare_all(&now.path, now.is_packed, &watch);
            if same == Same::No {
                leave(std::mem::take(&mut tracked.progress));
            }
            same != Same::No
        });
        // Empty files cannot be recognized again.
        gone.retain(|gone| !gone.progress.is_empty());
        if gone.iter().any(|gone| gone.is_open) {
            self.current = Current::default();
        }
        self.gone.extend(gone);
        let surplus = self.gone.len().saturating_sub(MAX_GONE);
        self.gone.drain(..surplus);
        self.waiting.retain(|id, _| found.contains_key(id));
    }

    /// Determines where to start reading a new file. A copy of a file that was read continues at the original's read
    /// position.
    fn begin(&mut self, file: &Found) -> Start {
        let watch = Arc::clone(&self.decoder.options().watch);
        let beginning = Beginning::of(&file.path, file.is_packed);
        let compare =
            |progress: &Progress| progress.compare(&beginning, &file.path, file.is_packed, &watch);
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
                    if gone.is_open && self.current.id().is_none() {
                        self.current = Current(Some((file.id, source_file(file))));
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

    /// The position after everything that other files contain of this file's start. While logrotate copies a file
    /// before truncating it, both exist.
    fn behind_copies(&self, file: &Found) -> Progress {
        if file.look.size == 0 {
            return Progress::default();
        }
        let beginning = Beginning::of(&file.path, file.is_packed);
        let watch = &self.decoder.options().watch;
        let holds = |other: &&Tracked| {
            let progress = &other.progress;
            other.found.id != file.id
                && !progress.is_empty()
                && progress.compare(&beginning, &file.path, file.is_packed, watch) == Same::Yes
        };
        let others = self.files.iter().filter(holds);
        let behind = others.max_by_key(|other| other.progress.offset);
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

    /// Skips what existed before the start, except the last `bytes` bytes of text.
    fn pass_over(&mut self, found: &[Found], bytes: u64) {
        let mut left = bytes;
        let options = self.decoder.options();
        let mut passed = Vec::new();
        for file in found.iter().rev() {
            if options.watch.is_cancelled() {
                return;
            }
            let mut progress = Progress::default();
            // Read errors are reported when the file is read.
            let size = if file.is_packed {
                if left < u64::MAX {
                    let _ = progress.pass_archive(&file.path, &options.watch);
                }
                progress.offset
            } else {
                let limit = file.look.size.saturating_sub(left);
                let _ = progress.read_plain(&file.path, limit, options, None);
                file.look.size
            };
            if file.is_packed && left > 0 {
                progress = Progress::at(size.saturating_sub(left));
            }
            self.passed += progress.offset;
            left = left.saturating_sub(size);
            passed.push(Tracked::new(file.clone(), progress));
        }
        passed.reverse();
        self.files.extend(passed);
    }

    /// Reads the new part of a file.
    fn read(&mut self, place: usize, sink: &mut dyn Sink) -> u64 {
        let file = &self.files[place];
        if file.progress == Progress::default() {
            self.files[place].progress = self.behind_copies(&file.found);
        }
        let tracked = &mut self.files[place];
        let (file, progress) = (&tracked.found, &mut tracked.progress);
        let is_as_it_was = tracked.read_at == Some(file.look);
        if is_as_it_was || !(file.is_packed || file.look.size > progress.offset) {
            return 0;
        }
        if progress.is_empty()
            && let (_, Some((kind, detail))) = start_of(&file.path)
            // An empty file may be filled later.
            && kind != ProblemKind::EmptyFile
        {
            tracked.read_at = Some(file.look);
            tracked.troubles = vec![(kind, None, detail.into_owned())];
            return 0;
        }
        let (decoder, current) = (&mut self.decoder, &mut self.current);
        // A file without new lines does not end the open record of another file.
        let mut is_announced = false;
        let mut begin = |decoder: &mut Decoder, sink: &mut dyn Sink| {
            if std::mem::replace(&mut is_announced, true) {
                return;
            }
            turn_to(file, decoder, current, sink);
        };
        let read = if file.is_packed {
            progress.read_archive(&file.path, decoder, sink, &mut begin)
        } else {
            begin(decoder, sink);
            if decoder.order().is_none() && file.look.size <= GROWING {
                // If the first lines do not show the date order, lines added since may do so.
                decoder.set_calendar(calendar_of(file, decoder));
            }
            let options = decoder.options().clone();
            let taken = progress.read_plain(&file.path, u64::MAX, &options, Some((decoder, sink)));
            taken.map(|count| (count, Vec::new()))
        };
        // After a failed or cancelled read, the file is read again at the next poll.
        let is_whole = read.is_ok() && !self.decoder.options().watch.is_cancelled();
        tracked.read_at = is_whole.then_some(file.look);
        let (count, troubles) = read.unwrap_or_else(|error| {
            let detail = format!("cannot read the file: {error}");
            (0, vec![(ProblemKind::UnreadableFile, None, detail)])
        });
        tracked.troubles = troubles;
        count
    }
}

impl Current {
    fn id(&self) -> Option<FileId> {
        self.0.as_ref().map(|(id, _)| *id)
    }

    fn announce(&self, sink: &mut dyn Sink) {
        if let Some((_, source)) = &self.0 {
            sink.file(source);
        }
    }
}

impl Tracked {
    fn new(found: Found, progress: Progress) -> Self {
        Self {
            found,
            progress,
            read_at: None,
            troubles: Vec::new(),
            is_told: false,
        }
    }
}

/// Switches the decoder to this file.
fn turn_to(file: &Found, decoder: &mut Decoder, current: &mut Current, sink: &mut dyn Sink) {
    current.announce(sink);
    if current.id() != Some(file.id) {
        decoder.end_file(sink);
        decoder.begin_file(None, true);
        decoder.set_calendar(calendar_of(file, decoder));
        *current = Current(Some((file.id, source_file(file))));
        current.announce(sink);
    }
}

/// What a file reveals about the times in it.
fn calendar_of(file: &Found, decoder: &Decoder) -> Calendar {
    let options = decoder.options();
    let order = options.dates.or(decoder.order());
    let modified = source_file(file).modified;
    calendar::of(&file.path, modified, order, &options.watch)
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
