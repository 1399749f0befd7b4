//! Follows the text of logs as bytes, for those who copy it elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dragline_schema::ProblemKind;

use super::checkpoint::{Checkpoint, Kept, KeptFile};
use super::listing::{self, FileId, Found, Look};
use super::piece::{Open, is_begun_only, is_young, line_start, see};
use super::tracked::{HEAD, Progress, SHORTEST, Same};
use super::tracker::{Gone, Start, Tracked, Tracker};
use super::{MAX_GONE, may_come_from};
use crate::discover::start_of;
use crate::watch::Watch;

/// A text: what was written into one file, whatever the file is called now, plain or packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its number, which no other text gets.
    pub number: u64,
    /// The name of its log: what the rotated files of a log have in common.
    pub log: String,
    /// The file that has it now.
    pub path: PathBuf,
    /// Where it begins in the file: 0, unless the file began as a copy of another one.
    pub base: u64,
    /// How far it was taken, in decompressed bytes from the start of the file.
    pub offset: u64,
    /// How far it is known to go. An archive may go further; it ends where nothing more can be read.
    pub end: u64,
    /// Whether reading from `offset` can give more.
    pub has_more: bool,
    /// Whether the file is an archive, which is read from its beginning whenever another file was read meanwhile.
    pub is_packed: bool,
}

/// A text whose file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoneText {
    /// Its number.
    pub number: u64,
    /// Number of bytes of it that were seen and not taken.
    pub missing: u64,
}

/// What the files look like now.
#[derive(Debug, Default)]
pub struct Looked {
    /// All texts, by log, the oldest first.
    pub texts: Vec<Text>,
    /// The texts whose files are gone. They may come back, as archives.
    pub gone: Vec<GoneText>,
    /// Paths that cannot be read or are not logs, and why; each once.
    pub troubles: Vec<(PathBuf, String)>,
}

/// What is known of a text that was taken before, without its file: the hashes of its beginning and of its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signature {
    /// Length of the text in bytes.
    pub length: u64,
    /// Number of bytes at the beginning that `head` is the hash of.
    pub head_length: u64,
    /// XXH3 of the beginning.
    pub head: u64,
    /// Number of bytes at the end that `tail` is the hash of.
    pub tail_length: u64,
    /// XXH3 of the end.
    pub tail: u64,
}

/// Follows texts: like [`Follower`](super::Follower), but hands out bytes and learns from the caller which of
/// them were taken.
///
/// A text keeps its number when its file is renamed, copied and truncated, packed, or deleted while an archive of it
/// exists. So a caller that takes bytes by number and offset takes each byte of a log once. What it recognises a file by, and
/// what no look can see, is the same as for the follower of lines.
pub struct TextFollower {
    inputs: Vec<String>,
    logs: BTreeMap<String, Tracker>,
    /// Names of the logs without files, most recent last.
    gone: Vec<String>,
    is_first: bool,
    /// The number of the next text.
    next: u64,
    /// Texts that were taken before, for files that are found at the next look.
    recovered: Vec<Progress>,
    /// Archives that were read to their end: what they looked like then, and where the end is.
    spent: HashMap<u64, (Look, u64)>,
    open: Option<Open>,
    told: BTreeSet<PathBuf>,
    watch: Arc<Watch>,
}

impl std::fmt::Debug for TextFollower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextFollower")
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}

impl TextFollower {
    /// Follows files, directories and globs. They need not exist yet.
    pub fn new(inputs: &[String]) -> Self {
        Self {
            inputs: inputs.to_vec(),
            logs: BTreeMap::new(),
            gone: Vec::new(),
            is_first: true,
            next: 1,
            recovered: Vec::new(),
            spent: HashMap::new(),
            open: None,
            told: BTreeSet::new(),
            watch: Arc::default(),
        }
    }

    /// Continues from a checkpoint. `next` is the first number that was never given to a text.
    pub fn resume(inputs: &[String], checkpoint: Checkpoint, next: u64) -> Self {
        let mut follower = Self::new(inputs);
        follower.is_first = false;
        let highest = checkpoint.all().map(|progress| progress.text).max();
        follower.next = next.max(highest.unwrap_or_default() + 1);
        for kept in checkpoint.families {
            let tracker = Tracker::restore(kept.files, kept.gone);
            follower.logs.insert(kept.name, tracker);
        }
        follower
    }

    /// Stops a look or a read when it is cancelled.
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Gives numbers to texts of which only signatures are known. Files of the next look that contain one of them
    /// continue it.
    pub fn recover(&mut self, signatures: impl IntoIterator<Item = Signature>) -> Vec<u64> {
        let first = self.next;
        for signature in signatures {
            self.recovered.push(Progress {
                offset: signature.length,
                head_length: signature.head_length,
                head: signature.head,
                tail_end: signature.length,
                tail_length: signature.tail_length,
                tail: signature.tail,
                text: self.next,
                ..Progress::default()
            });
            self.next += 1;
        }
        self.recovered
            .retain(|one| !one.is_empty() && one.is_plausible());
        (first..self.next).collect()
    }

    /// Looks at the files.
    pub fn look(&mut self) -> Looked {
        let mut looked = Looked::default();
        let listing = listing::list(&self.inputs);
        for (path, why) in listing.troubles {
            self.tell(&path, &why, &mut looked);
        }
        let mut found = listing.families;
        let (mut known, mut begun) = (Vec::new(), Vec::new());
        for (name, tracker) in &self.logs {
            let files = found.remove(name).unwrap_or_default();
            // Logs with new files come last: those files may be copies of files that other logs have.
            let is_new = tracker.has_new(&files);
            let kind = if is_new { &mut begun } else { &mut known };
            kind.push((name.clone(), files));
        }
        begun.extend(found);
        for (name, files) in known {
            self.look_at(&name, files, false, &mut looked);
        }
        for (name, files) in begun {
            self.look_at(&name, files, true, &mut looked);
        }
        self.is_first = false;
        if !self.watch.is_cancelled() {
            self.recovered.clear();
        }
        looked.texts.sort_by(|a, b| a.log.cmp(&b.log));
        self.add_gone(&mut looked);
        self.forget();
        looked
    }

    /// Looks at the files of one log.
    fn look_at(&mut self, name: &str, mut files: Vec<Found>, has_new: bool, looked: &mut Looked) {
        let watch = Arc::clone(&self.watch);
        let mut tracker = self.logs.remove(name).unwrap_or_default();
        let had_files = !tracker.files.is_empty();
        tracker.recognise(&mut files);
        tracker.look_after(&files, None, &watch);
        if has_new {
            let mut read = self.recovered.clone();
            if !self.is_first {
                let others = self
                    .logs
                    .iter()
                    .filter(|(other, _)| may_come_from(&files, other));
                read.extend(others.flat_map(|(_, other)| other.read_so_far()).cloned());
            }
            tracker.adopt(read);
        }
        let known = tracker.files.iter().map(|tracked| tracked.found.id);
        let mut places: HashMap<FileId, usize> = known.zip(0..).collect();
        for file in files {
            if watch.is_cancelled() {
                break;
            }
            if let Some(place) = places.get(&file.id).copied() {
                self.see(&mut tracker.files[place], looked);
            } else if file.look.size > 0
                && let Some(tracked) = self.begin(&mut tracker, &file, looked)
            {
                places.insert(file.id, tracker.files.len());
                tracker.files.push(tracked);
            }
            if let Some(place) = places.get(&file.id) {
                looked
                    .texts
                    .extend(self.describe(name, &tracker.files[*place]));
            }
        }
        tracker.give_back();
        if tracker.files.is_empty() && had_files {
            self.gone.push(name.to_owned());
        }
        self.logs.insert(name.to_owned(), tracker);
    }

    /// Notes what a known file has now.
    fn see(&mut self, tracked: &mut Tracked, looked: &mut Looked) {
        let found = &tracked.found;
        if tracked.read_at == Some(found.look) || tracked.progress.text == 0 {
            return;
        }
        let progress = &mut tracked.progress;
        let seen = if found.is_packed {
            // An archive that is still being written may be another text in an inode that was used before.
            let same = progress.compare_all(&found.path, true, &self.watch);
            Ok(progress.is_empty() || same == Same::Yes)
        } else {
            see(found, progress)
        };
        match seen {
            Ok(true) => tracked.read_at = Some(found.look),
            // Another file has this name by now, or that is not clear yet: the next look finds out.
            Ok(false) => {}
            Err(error) => {
                let (path, why) = (found.path.clone(), format!("cannot read the file: {error}"));
                self.tell(&path, &why, looked);
            }
        }
    }

    /// Decides which text a new file has. `None` while that is unknown.
    fn begin(
        &mut self,
        tracker: &mut Tracker,
        file: &Found,
        looked: &mut Looked,
    ) -> Option<Tracked> {
        let watch = Arc::clone(&self.watch);
        let Start::At(mut progress, _) = tracker.begin(file, &watch) else {
            return None;
        };
        if progress.is_empty() {
            if is_begun_only(file) {
                return None;
            }
            if let (_, Some((kind, detail))) = start_of(&file.path) {
                if kind != ProblemKind::EmptyFile {
                    self.tell(&file.path, &detail, looked);
                }
                let mut skipped = Tracked::new(file.clone(), progress);
                skipped.read_at = Some(file.look);
                return Some(skipped);
            }
            let behind = tracker.behind_copies(file, &watch).tail_end;
            progress = self.text_from(file, behind);
        } else if self.is_followed(tracker, progress.text) {
            // A copy of a file that still exists: what is appended to it is another text.
            progress = self.text_from(file, progress.tail_end);
        }
        if watch.is_cancelled() {
            return None;
        }
        let mut tracked = Tracked::new(file.clone(), progress);
        if file.is_packed && tracked.progress.is_empty() {
            // What identifies it is known once it was read.
            let piece = self.read_tracked(&mut tracked, HEAD).unwrap_or_default();
            self.open = None;
            let is_cut = !piece.faults.is_empty() || file.look.size < SHORTEST;
            if piece.bytes.len() < HEAD && is_cut && is_young(file) {
                // A few bytes of an archive that is being written identify nothing.
                return None;
            }
        }
        self.see(&mut tracked, looked);
        Some(tracked)
    }

    /// A new text in a file, behind what other texts have of it.
    fn text_from(&mut self, file: &Found, behind: u64) -> Progress {
        let base = line_start(file, behind);
        let number = self.next;
        self.next += 1;
        Progress {
            offset: base,
            base,
            text: number,
            ..Progress::default()
        }
    }

    fn is_followed(&self, tracker: &Tracker, number: u64) -> bool {
        let others = self.logs.values().chain([tracker]);
        let mut files = others.flat_map(|tracker| &tracker.files);
        files.any(|file| file.progress.text == number)
    }

    fn describe(&self, log: &str, tracked: &Tracked) -> Option<Text> {
        let (found, progress) = (&tracked.found, &tracked.progress);
        if progress.text == 0 || progress.is_empty() {
            return None;
        }
        let spent_at = self.spent.get(&progress.text);
        let is_spent = spent_at == Some(&(found.look, progress.offset));
        Some(Text {
            number: progress.text,
            log: log.to_owned(),
            path: found.path.clone(),
            base: progress.base,
            offset: progress.offset,
            end: progress.tail_end.max(progress.offset),
            has_more: tracked.read_at == Some(found.look)
                && (progress.offset < progress.tail_end || (found.is_packed && !is_spent)),
            is_packed: found.is_packed,
        })
    }

    fn add_gone(&self, looked: &mut Looked) {
        let followed: BTreeSet<u64> = looked.texts.iter().map(|text| text.number).collect();
        let gone = self.logs.values().flat_map(|tracker| &tracker.gone);
        let gone = gone.map(|gone| &gone.progress);
        let lost: BTreeMap<u64, u64> = gone
            .filter(|progress| progress.text > 0 && !followed.contains(&progress.text))
            .map(|one| (one.text, one.tail_end.saturating_sub(one.offset)))
            .collect();
        let gone_text = |(number, missing)| GoneText { number, missing };
        looked.gone = lost.into_iter().map(gone_text).collect();
    }

    /// Removes the logs that were deleted longest ago.
    fn forget(&mut self) {
        let surplus = self.gone.len().saturating_sub(MAX_GONE);
        for name in self.gone.drain(..surplus) {
            if self.logs.get(&name).is_some_and(|log| log.files.is_empty()) {
                self.logs.remove(&name);
            }
        }
        let logs = &self.logs;
        let all = || logs.values().flat_map(|log| &log.files);
        self.spent
            .retain(|number, _| all().any(|file| file.progress.text == *number));
    }

    fn tell(&mut self, path: &Path, why: &str, looked: &mut Looked) {
        if self.told.insert(path.to_owned()) {
            looked.troubles.push((path.to_owned(), why.to_owned()));
        }
    }

    fn find(&self, number: u64) -> Option<(String, usize)> {
        self.logs.iter().find_map(|(name, log)| {
            let place = log
                .files
                .iter()
                .position(|file| file.progress.text == number)?;
            Some((name.clone(), place))
        })
    }

    /// Reads at most `limit` bytes of a text, from where it was taken up to. Nothing, if its file changed since the
    /// last look.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&mut self, number: u64, limit: usize) -> std::io::Result<Piece> {
        let Some((name, place)) = self.find(number) else {
            return Ok(Piece::default());
        };
        let Some(mut log) = self.logs.remove(&name) else {
            return Ok(Piece::default());
        };
        let read = self.read_tracked(&mut log.files[place], limit);
        self.logs.insert(name, log);
        read
    }

    fn read_tracked(&mut self, tracked: &mut Tracked, limit: usize) -> std::io::Result<Piece> {
        let (found, progress) = (&tracked.found, &mut tracked.progress);
        let is_at = |open: &Open| open.is_at(progress.text, found.id, progress.offset);
        let mut open = match self.open.take().filter(is_at) {
            Some(open) => open,
            None => match Open::at(found, progress, &self.watch)? {
                Some(open) => open,
                None => return Ok(Piece::default()),
            },
        };
        let piece = open.read(progress, limit)?;
        let is_end = piece.bytes.is_empty() && !self.watch.is_cancelled();
        if is_end && found.is_packed {
            self.spent
                .insert(progress.text, (found.look, progress.offset));
        } else if !is_end {
            self.open = Some(open);
        }
        Ok(piece)
    }

    /// The bytes of a text up to `offset` were taken. They will not be read again. An earlier offset takes it back.
    pub fn take(&mut self, number: u64, offset: u64) {
        for log in self.logs.values_mut() {
            let files = log.files.iter_mut().map(|file| &mut file.progress);
            let gone = log.gone.iter_mut().map(|gone| &mut gone.progress);
            for progress in files.chain(gone).filter(|one| one.text == number) {
                progress.offset = offset.max(progress.base);
            }
        }
    }

    /// Where a text begins in its file, and how far it was taken; also of a file that is gone.
    pub fn taken(&self, number: u64) -> Option<(u64, u64)> {
        let mut all = self.logs.values().flat_map(Tracker::read_so_far);
        let progress = all.find(|progress| progress.text == number)?;
        Some((progress.base, progress.offset))
    }

    /// The positions up to which all texts were taken.
    pub fn checkpoint(&self) -> Checkpoint {
        let is_text = |progress: &&Progress| progress.text > 0;
        let kept = |(name, log): (&String, &Tracker)| {
            let files = log.files.iter().filter(|file| file.progress.text > 0);
            let gone = log.gone.iter().map(|gone: &Gone| &gone.progress);
            Kept {
                name: name.clone(),
                state: String::new(),
                files: files
                    .map(|file| KeptFile::of(file, file.progress.clone()))
                    .collect(),
                gone: gone.filter(is_text).cloned().collect(),
            }
        };
        Checkpoint::of(self.logs.iter().map(kept).collect())
    }

    /// The first number that no text has.
    pub fn next_number(&self) -> u64 {
        self.next
    }
}

/// Bytes of a text.
#[derive(Debug, Default)]
pub struct Piece {
    /// The bytes; none at the end.
    pub bytes: Vec<u8>,
    /// What could not be read before or after them, one sentence each.
    pub faults: Vec<String>,
}
