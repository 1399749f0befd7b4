//! The files of one log, as they are created, rotated and deleted.

use std::collections::HashMap;
use std::sync::Arc;

use dragline_schema::{ProblemKind, Sink, SourceFile, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use super::Begin;
use super::checkpoint::{Kept, KeptFile};
use super::listing::{FileId, Found};
use super::tracked::Progress;
use super::tracker::{Start, Tracked, Tracker};
use crate::calendar;
use crate::decoder::Decoder;
use crate::discover::start_of;
use crate::framing::report;
use crate::options::ReadOptions;
use crate::parsing::time::Calendar;

/// One log.
pub(super) struct Family {
    name: String,
    decoder: Decoder,
    pub(super) tracker: Tracker,
    /// The file whose lines the decoder read last.
    current: Current,
    /// Number of bytes of text that existed before and were skipped.
    passed: u64,
}

/// The file whose lines were read last.
#[derive(Default)]
struct Current(Option<(FileId, SourceFile)>);

/// Maximum size of a file, in bytes, whose date order is determined again as it grows.
const GROWING: u64 = 1 << 20;

impl Family {
    pub(super) fn new(name: &str, options: &ReadOptions) -> Self {
        Self {
            name: name.to_owned(),
            decoder: Decoder::new(name, options),
            tracker: Tracker::default(),
            current: Current::default(),
            passed: 0,
        }
    }

    pub(super) fn restore(kept: Kept, options: &ReadOptions) -> Self {
        let mut family = Self::new(&kept.name, options);
        // A state of another version is ignored. Then only the lines themselves count.
        let _ = family.decoder.restore(kept.state.as_bytes());
        family.tracker = Tracker::restore(kept.files, kept.gone);
        family
    }

    /// The read positions of all files. The open record will be read again.
    pub(super) fn keep(&self) -> Kept {
        // A copy of the file with the open record continues at that record.
        let is_open = |tracked: &&Tracked| self.current.id() == Some(tracked.found.id);
        let followed = self
            .tracker
            .files
            .iter()
            .find(is_open)
            .map(|tracked| &tracked.progress);
        let gone = self
            .tracker
            .gone
            .iter()
            .rfind(|gone| gone.is_open && self.current.id().is_none());
        let holds_open = followed.or(gone.map(|gone| &gone.progress));
        let open = self.decoder.open_at();
        let kept = |progress: &Progress| match open {
            Some(at) if holds_open == Some(progress) => progress.rewound(at),
            _ => progress.clone(),
        };
        let file = |tracked: &Tracked| KeptFile::of(tracked, kept(&tracked.progress));
        let gone = self.tracker.gone.iter();
        Kept {
            name: self.name.clone(),
            // The state is JSON.
            state: String::from_utf8_lossy(&self.decoder.state()).into_owned(),
            files: self.tracker.files.iter().map(file).collect(),
            gone: gone.map(|gone| kept(&gone.progress)).collect(),
        }
    }

    /// Whether none of its files exists, and no record is open.
    pub(super) fn is_gone(&self) -> bool {
        self.tracker.files.is_empty() && self.decoder.open_at().is_none()
    }

    /// Number of its files.
    pub(super) fn count(&self) -> usize {
        self.tracker.files.len()
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
        for tracked in &mut self.tracker.files {
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
        for tracked in &self.tracker.files {
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

    /// Reads everything new, until cancelled. Returns the number of lines.
    pub(super) fn poll(&mut self, mut found: Vec<Found>, begin: Begin, sink: &mut dyn Sink) -> u64 {
        let watch = Arc::clone(&self.decoder.options().watch);
        self.tracker.recognise(&mut found);
        if self.tracker.look_after(&found, self.current.id(), &watch) {
            self.current = Current::default();
        }
        if let Begin::Before(bytes) = begin {
            self.pass_over(&found, bytes);
        }
        let known = self.tracker.files.iter().map(|tracked| tracked.found.id);
        let mut places: HashMap<FileId, usize> = known.zip(0..).collect();
        let mut lines = 0;
        for file in found {
            if watch.is_cancelled() {
                break;
            }
            let place = match places.get(&file.id) {
                Some(place) => *place,
                None => match self.tracker.begin(&file, &watch) {
                    Start::At(progress, is_open) if !watch.is_cancelled() => {
                        if is_open && self.current.id().is_none() {
                            self.current = Current(Some((file.id, source_file(&file))));
                        }
                        self.tracker
                            .files
                            .push(Tracked::new(file.clone(), progress));
                        places.insert(file.id, self.tracker.files.len() - 1);
                        self.tracker.files.len() - 1
                    }
                    _ => continue,
                },
            };
            lines += self.read(place, sink);
        }
        lines
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
        self.tracker.files.extend(passed);
    }

    /// Reads the new part of a file.
    fn read(&mut self, place: usize, sink: &mut dyn Sink) -> u64 {
        let file = &self.tracker.files[place];
        if file.progress == Progress::default() {
            let watch = &self.decoder.options().watch;
            let behind = self.tracker.behind_copies(&file.found, watch);
            self.tracker.files[place].progress = behind;
        }
        let tracked = &mut self.tracker.files[place];
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
