//! Files that hold what another holds.
//!
//! A copy, a plain file beside its archive, an archive that was cut: counted twice, they would double what
//! happened. What is compared is text, whatever packs it. Each file is read a few times at most, however
//! many begin alike: equal texts are found by their hash, and beginnings of others by the last of their
//! marks ([`Fingerprint`]).
//!
//! Equal texts without any time are no copies when their names differ: a program that logs no times writes
//! the same whenever the same happens.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use dragline_schema::ProblemKind;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::discover::{LogFile, START, Skipped, copied_family, without_compression};
use crate::fingerprint::{Fingerprint, Tap, fingerprint, hash_of_first};
use crate::open::{Source, read_start};
use crate::watch::Watch;

/// Fingerprints of so many files that begin alike are held; of more they are taken twice.
const MAX_HELD: usize = 1000;
/// Of files that begin with all of a shorter one by their marks, so many are compared with it in full.
const MAX_COMPARED: usize = 4;

/// What is known of a file's beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning {
    /// A hash of the first bytes.
    pub(crate) head: u64,
    /// How many of the first bytes were looked at: fewer than [`START`] are all there are.
    pub(crate) length: usize,
}

/// Leaves out files that hold what another holds. Where one holds only the beginning of the other, the
/// longer stays.
pub(crate) fn drop_copies(
    files: &mut Vec<LogFile>,
    beginnings: &[Beginning],
    watch: &std::sync::Arc<Watch>,
) -> Vec<Skipped> {
    let mut search = Search {
        files,
        beginnings,
        watch,
        copies: BTreeMap::new(),
    };
    search.equal_small_files();
    search.same_stems();
    search.alike();
    let copies = search.copies;
    let skipped = copies.keys().map(|&copy| {
        // A copy of a copy is one of what was read.
        let mut original = copies[&copy];
        while let Some(next) = copies.get(&original) {
            original = *next;
        }
        let of = &files[original].source.path;
        Skipped {
            source: files[copy].source.clone(),
            kind: ProblemKind::DuplicateFile,
            detail: format!("holds the same lines as {of}, which was read"),
        }
    });
    let skipped = skipped.collect();
    let mut index = 0;
    files.retain(|_| {
        index += 1;
        !copies.contains_key(&(index - 1))
    });
    skipped
}

struct Search<'s> {
    files: &'s [LogFile],
    beginnings: &'s [Beginning],
    watch: &'s std::sync::Arc<Watch>,
    /// Each copy, and what it is a copy of.
    copies: BTreeMap<usize, usize>,
}

impl Search<'_> {
    fn add(&mut self, copy: usize, original: usize) {
        let is_taken = self.copies.contains_key(&copy) || self.copies.contains_key(&original);
        if !is_taken && self.may_be_copies(copy, original) {
            self.copies.insert(copy, original);
        }
    }

    /// A recorder's copy of its errors repeats lines, not files: what repeats is told by number. And what
    /// names no time says the same each time that the same happens.
    fn may_be_copies(&self, a: usize, b: usize) -> bool {
        let path = |index: usize| &*self.files[index].source.path;
        let is_error_copy = |index| copied_family(path(index)).is_some();
        let is_one_name = || without_compression(path(a)) == without_compression(path(b));
        is_error_copy(a) == is_error_copy(b) && (is_one_name() || names_a_time(&self.files[a].path))
    }

    /// Files whose whole text was looked at already.
    fn equal_small_files(&mut self) {
        let mut first: FxHashMap<(u64, usize, bool), usize> = FxHashMap::default();
        for (index, file) in self.files.iter().enumerate() {
            let length = self.beginnings[index].length;
            if length < START {
                let is_error_copy = copied_family(&file.source.path).is_some();
                let key = (file.source.content_id, length, is_error_copy);
                match first.get(&key) {
                    Some(original) => self.add(index, *original),
                    None => {
                        first.insert(key, index);
                    }
                }
            }
        }
    }

    /// A file beside its archive, however little of it the archive has (yet).
    fn same_stems(&mut self) {
        let mut by_stem: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, file) in self.files.iter().enumerate() {
            let stem = without_compression(&file.source.path);
            by_stem.entry(stem).or_default().push(index);
        }
        for group in by_stem.into_values() {
            for (nth, &a) in group.iter().enumerate() {
                for &b in &group[nth + 1..] {
                    match compare(&self.files[a].path, &self.files[b].path) {
                        Some(Ordering::Less) => self.add(a, b),
                        Some(_) => self.add(b, a),
                        None => {}
                    }
                }
            }
        }
    }

    /// Files that begin with the same bytes.
    fn alike(&mut self) {
        let mut by_head: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for index in 0..self.files.len() {
            if !self.copies.contains_key(&index) {
                let head = self.beginnings[index].head;
                by_head.entry(head).or_default().push(index);
            }
        }
        for group in by_head.into_values().filter(|group| group.len() > 1) {
            self.group(&group);
        }
    }

    fn group(&mut self, group: &[usize]) {
        let mut sharing: FxHashMap<u64, usize> = FxHashMap::default();
        for &index in group {
            *sharing
                .entry(self.files[index].source.content_id)
                .or_default() += 1;
        }
        // Of a long file the beginning is enough, unless others share it.
        let known = |index: usize| -> Option<Fingerprint> {
            let file = &self.files[index];
            let is_small = self.beginnings[index].length < START;
            if is_small || sharing[&file.source.content_id] == 1 {
                beginning_of(&file.path)
            } else {
                fingerprint(&file.path, self.watch).ok()
            }
        };
        let held: FxHashMap<usize, Option<Fingerprint>> = if group.len() <= MAX_HELD {
            group.iter().map(|index| (*index, known(*index))).collect()
        } else {
            FxHashMap::default()
        };
        let known = |index: usize| held.get(&index).cloned().unwrap_or_else(|| known(index));
        let mut ends: FxHashMap<(u64, u64), Vec<Shorter>> = FxHashMap::default();
        for &index in group {
            let is_whole = self.beginnings[index].length < START
                || sharing[&self.files[index].source.content_id] > 1;
            if self.watch.is_cancelled() {
                return;
            }
            if let (true, Some(text)) = (is_whole, known(index))
                && let Some(last) = text.marks.last()
            {
                ends.entry(*last).or_default().push(Shorter {
                    index,
                    length: text.length,
                    whole: text.whole,
                    compared: 0,
                });
            }
        }
        let mut found = Vec::new();
        for &index in group {
            let Some(text) = known(index).filter(|_| !self.watch.is_cancelled()) else {
                continue;
            };
            for mark in &text.marks {
                let shorter = ends.get_mut(mark).into_iter().flatten();
                for shorter in shorter.filter(|shorter| shorter.index != index) {
                    if self.is_beginning(shorter, index, &text) {
                        found.push((shorter.index, index));
                    }
                }
            }
        }
        found
            .into_iter()
            .for_each(|(copy, original)| self.add(copy, original));
    }

    /// Whether a text is another's beginning; of equal ones the later is.
    fn is_beginning(&self, shorter: &mut Shorter, index: usize, text: &Fingerprint) -> bool {
        let is_long = self.beginnings[index].length == START;
        let goes_on = text.length > shorter.length || (is_long && text.length == START as u64);
        if text.length == shorter.length && !(is_long && goes_on) {
            return text.whole == shorter.whole && shorter.index > index;
        }
        if !goes_on || shorter.compared >= MAX_COMPARED {
            return false;
        }
        shorter.compared += 1;
        let hash = hash_of_first(&self.files[index].path, shorter.length, self.watch);
        hash.is_ok_and(|hash| hash == shorter.whole)
    }
}

/// A text that may be another's beginning.
struct Shorter {
    index: usize,
    length: u64,
    whole: u64,
    /// With how many it was compared in full.
    compared: usize,
}

/// The fingerprint of a file's first bytes.
fn beginning_of(path: &Path) -> Option<Fingerprint> {
    let mut source = Source::open_in_pieces(path).ok()?;
    let mut tap = Tap::default();
    tap.update(&read_start(&mut source, START).0);
    Some(tap.finish())
}

/// Whether anything in a file's beginning looks like a time: minutes behind a colon, or as many digits as
/// seconds have had since 2001.
fn names_a_time(path: &Path) -> bool {
    let Ok(mut source) = Source::open_in_pieces(path) else {
        return true;
    };
    let start = read_start(&mut source, START).0;
    let is_clock = |part: &[u8]| matches!(part, [h, b':', m, n] if [h, m, n].iter().all(|b| b.is_ascii_digit()));
    start.windows(4).any(is_clock)
        || start
            .chunk_by(|a, b| a.is_ascii_digit() && b.is_ascii_digit())
            .any(|run| run.len() >= 10)
}

/// Whether one file's bytes begin with all of the other's: `Less` when `a` is the shorter. `None`
/// when they differ.
fn compare(a: &Path, b: &Path) -> Option<Ordering> {
    let mut a = Source::open_in_pieces(a).ok()?;
    let mut b = Source::open_in_pieces(b).ok()?;
    loop {
        let (start_a, start_b) = (read_start(&mut a, START).0, read_start(&mut b, START).0);
        let common = start_a.len().min(start_b.len());
        if start_a[..common] != start_b[..common] {
            return None;
        }
        if common < START {
            let has_more = |mut source: Source| !read_start(&mut source, 1).0.is_empty();
            let more_a = start_a.len() > common || has_more(a);
            let more_b = start_b.len() > common || has_more(b);
            return Some(more_a.cmp(&more_b));
        }
    }
}

/// A hash of a text's first bytes: a copy that was cut short begins like its original.
pub(crate) fn head_of(start: &[u8]) -> u64 {
    /// So many bytes.
    const HEAD: usize = 512;
    xxh3_64(&start[..start.len().min(HEAD)])
}
