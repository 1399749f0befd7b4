//! What a history holds, at a glance: enough to find a file's entry.

use std::collections::HashMap;
use std::path::PathBuf;

use dragline_ingest::Fingerprint;

use super::entry::{Head, Seen};

/// So many entries of longer files that begin with the same line are looked at.
const MAX_LONGER: usize = 64;

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
    is_present: bool,
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

    /// The paths of entries whose files are not there.
    pub(super) fn gone(&self) -> Vec<PathBuf> {
        let gone = self.entries.iter().filter(|entry| !entry.is_present);
        gone.map(|entry| entry.path.clone()).collect()
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
