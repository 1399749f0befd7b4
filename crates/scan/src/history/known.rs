//! An in-memory index of a history, for finding the entry of a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use dragline_ingest::Fingerprint;

use super::entry::{Head, Seen};
use super::overlap::Counted;

/// Maximum number of candidate entries for longer files with the same first line.
const MAX_LONGER: usize = 64;

/// An entry with at least this share of lines in common with others counts as a duplicate; a sample is no more precise.
const WHOLE: f64 = 0.95;

/// The index of all entries.
#[derive(Debug, Default)]
pub(super) struct Known {
    entries: Vec<Entry>,
    /// Entries by the state of their file.
    seen: HashMap<Seen, usize>,
    /// Entries by the first line of their text.
    first_lines: HashMap<(u64, u64), Vec<usize>>,
    /// Entries by the last mark of their text.
    last_marks: HashMap<(u64, u64), Vec<usize>>,
    /// Version 1 entries, which identify their files only by the first bytes.
    first_version: Vec<usize>,
    /// Entries that are invalid or could not be written, and why.
    pub(super) problems: Vec<(PathBuf, String)>,
    /// Entries that are not fully counted, and why.
    pub(super) left_out: Vec<(PathBuf, String)>,
}

/// An entry, and whether its file was found.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    events: u64,
    family: String,
    is_dated: bool,
    length: u64,
    whole: u64,
    /// A sample of the lines of the file.
    lines: Vec<u64>,
    is_present: bool,
}

/// An entry whose file was not found and whose lines are not all counted elsewhere.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) path: PathBuf,
    /// Number of its events.
    pub(super) events: u64,
    /// The share of its lines that is already counted elsewhere.
    pub(super) share: f64,
}

/// How the text of an entry and that of a file may match, judging by the index alone.
#[derive(Debug)]
pub(super) enum Likeness {
    /// The texts are equal.
    Same,
    /// The entry's text is shorter; the texts are equal up to its last mark.
    Shorter { length: u64, whole: u64 },
    /// The entry's text is longer and starts with the same line.
    Longer { path: PathBuf },
    /// The entry is of version 1 and has only the first bytes.
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
            // Lines without a time can recur identically, so they prove nothing.
            lines: text
                .filter(|_| head.is_dated)
                .map_or_else(Vec::new, |text| text.lines.clone()),
            is_present,
        });
    }

    /// Marks the file of the entry as present. Returns the entry's path and number of records.
    pub(super) fn mark(&mut self, place: usize) -> (PathBuf, u64) {
        let entry = &mut self.entries[place];
        entry.is_present = true;
        (entry.path.clone(), entry.events)
    }

    /// Marks the entry of a file that has not changed since it was stored.
    pub(super) fn mark_unchanged(&mut self, seen: &Seen) -> Option<(PathBuf, u64)> {
        let place = *self.seen.get(seen)?;
        Some(self.mark(place))
    }

    /// Replaces the sample of lines of an entry.
    pub(super) fn resample(&mut self, path: &Path, lines: &[u64]) {
        let mut entries = self.entries.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.path == path) {
            lines.clone_into(&mut entry.lines);
        }
    }

    /// The entries whose files were not found, longest first.
    pub(super) fn gone(&self) -> Vec<Gone> {
        let (present, mut gone): (Vec<&Entry>, Vec<&Entry>) =
            self.entries.iter().partition(|entry| entry.is_present);
        let mut counted = Counted::default();
        present.iter().for_each(|entry| counted.add(&entry.lines));
        // Longest first: the shorter ones may be contained in it.
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

    /// The entries that may belong to the same file, most certain first.
    pub(super) fn candidates(&self, head: &Head, text: &Fingerprint) -> Vec<(usize, Likeness)> {
        // Texts without times can recur identically, so their names must match, too.
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
        // The longest is the latest state of the same file.
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
