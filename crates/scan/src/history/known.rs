//! What a history holds, at a glance: enough to find a file's entry.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use dragline_ingest::Fingerprint;

use super::entry::{Head, Seen};
use super::overlap::Counted;

/// So many entries of longer files that begin with the same line are looked at.
const MAX_LONGER: usize = 64;

/// Who has so much in common with others has nothing of his own: a sample does not tell more.
const WHOLE: f64 = 0.95;

/// The entries.
#[derive(Debug, Default)]
pub(super) struct Known {
    entries: Vec<Entry>,
    /// The entry of a file that looked so.
    seen: HashMap<Seen, usize>,
    /// Those of texts that begin with this line.
    first_lines: HashMap<(u64, u64), Vec<usize>>,
    /// Those of texts whose last mark is this.
    last_marks: HashMap<(u64, u64), Vec<usize>>,
    /// Those that know their files by their first bytes only.
    first_version: Vec<usize>,
    /// Entries that are none, or could not be written, and why.
    pub(super) problems: Vec<(PathBuf, String)>,
    /// Entries that do not count, and why.
    pub(super) left_out: Vec<(PathBuf, String)>,
}

/// An entry, and whether its file is there.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    events: u64,
    family: String,
    is_dated: bool,
    length: u64,
    whole: u64,
    /// A sample of its lines.
    lines: Vec<u64>,
    is_present: bool,
}

/// An entry whose file is not there, with lines that do not all count already.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) path: PathBuf,
    /// Its events.
    pub(super) events: u64,
    /// The part of its lines that counts already.
    pub(super) share: f64,
}

/// How an entry's text and a file's are alike, as far as is known.
#[derive(Debug)]
pub(super) enum Likeness {
    /// They are the same.
    Same,
    /// The entry's is shorter; up to its last mark they are the same.
    Shorter { length: u64, whole: u64 },
    /// The entry's is longer, and begins with the same line.
    Longer { path: PathBuf },
    /// The entry has only the first bytes.
    FirstVersion { path: PathBuf },
}

impl Known {
    pub(super) fn add(&mut self, path: PathBuf, head: &Head, is_present: bool) {
        let place = self.entries.len();
        let text = head.identity.text();
        match text {
            Some(text) => {
                let marks = [text.marks.first(), text.marks.last()];
                for (table, mark) in [&mut self.first_lines, &mut self.last_marks]
                    .into_iter()
                    .zip(marks)
                {
                    if let Some(mark) = mark {
                        table.entry(*mark).or_default().push(place);
                    }
                }
            }
            None => self.first_version.push(place),
        }
        if let Some(seen) = &head.seen {
            self.seen.insert(seen.clone(), place);
        }
        self.entries.push(Entry {
            path,
            events: head.events,
            family: head.family.clone(),
            is_dated: head.is_dated,
            length: text.map_or(0, |text| text.length),
            whole: text.map_or(0, |text| text.whole),
            // What names no time is written again in the same words.
            lines: text
                .filter(|_| head.is_dated)
                .map_or_else(Vec::new, |text| text.lines.clone()),
            is_present,
        });
    }

    /// The file of the entry is there. Gives the entry's path and how many records it is of.
    pub(super) fn mark(&mut self, place: usize) -> (PathBuf, u64) {
        let entry = &mut self.entries[place];
        entry.is_present = true;
        (entry.path.clone(), entry.events)
    }

    /// The same of the entry of a file that is as it was when it was kept.
    pub(super) fn mark_unchanged(&mut self, seen: &Seen) -> Option<(PathBuf, u64)> {
        let place = *self.seen.get(seen)?;
        Some(self.mark(place))
    }

    /// The entry's file has these lines now.
    pub(super) fn resample(&mut self, path: &Path, lines: &[u64]) {
        let mut entries = self.entries.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.path == path) {
            lines.clone_into(&mut entry.lines);
        }
    }

    /// The entries whose files are not there, those with the most lines first.
    pub(super) fn gone(&self) -> Vec<Gone> {
        let (present, mut gone): (Vec<&Entry>, Vec<&Entry>) =
            self.entries.iter().partition(|entry| entry.is_present);
        let mut counted = Counted::default();
        present.iter().for_each(|entry| counted.add(&entry.lines));
        // Of those that are gone, the longest has what the others have of it.
        gone.sort_by(|a, b| (b.length, &a.path).cmp(&(a.length, &b.path)));
        let mut told = Vec::new();
        for entry in gone {
            let share = counted.share(&entry.lines);
            if share < WHOLE {
                counted.add(&entry.lines);
                told.push(Gone {
                    path: entry.path.clone(),
                    events: entry.events,
                    share,
                });
            }
        }
        told
    }

    /// The entries that may be of the same file, the surest first.
    pub(super) fn candidates(&self, head: &Head, text: &Fingerprint) -> Vec<(usize, Likeness)> {
        // What names no time is known by its name, too: the same is written again.
        let may_be = |place: &&usize| {
            let entry = &self.entries[**place];
            (entry.is_dated && head.is_dated) || entry.family == head.family
        };
        let marks = text.marks.iter();
        let shorter = marks.filter_map(|mark| self.last_marks.get(mark)).flatten();
        let mut found: Vec<(usize, Likeness)> = shorter
            .filter(may_be)
            .filter_map(|&place| Some((place, self.shorter(place, text)?)))
            .collect();
        // The longest is the last state of the same file.
        found.sort_by_key(|(place, _)| std::cmp::Reverse(self.entries[*place].length));
        let line = text
            .marks
            .first()
            .and_then(|mark| self.first_lines.get(mark));
        let longer = line.into_iter().flatten().filter(may_be);
        let longer = longer.filter(|place| self.entries[**place].length > text.length);
        found.extend(longer.take(MAX_LONGER).map(|&place| {
            let path = self.entries[place].path.clone();
            (place, Likeness::Longer { path })
        }));
        found.extend(self.first_version.iter().map(|&place| {
            let path = self.entries[place].path.clone();
            (place, Likeness::FirstVersion { path })
        }));
        found
    }

    fn shorter(&self, place: usize, text: &Fingerprint) -> Option<Likeness> {
        let Entry { length, whole, .. } = self.entries[place];
        if length == text.length {
            return (whole == text.whole).then_some(Likeness::Same);
        }
        (length < text.length).then_some(Likeness::Shorter { length, whole })
    }
}
