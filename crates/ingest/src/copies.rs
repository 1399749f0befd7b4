//! Finds files with the same content, so that nothing is counted twice.
//!
//! Examples are a copy, a plain file next to its archive, or a truncated archive. The decompressed text is
//! compared. Each file is read only a few times, even if many files start alike: equal texts are found by their
//! hash, and texts that are a prefix of another by the last of their marks ([`Fingerprint`]).
//!
//! Equal texts without any times are not treated as copies when their names differ: a program that logs no
//! times writes the same lines whenever the same things happen.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use dragline_schema::ProblemKind;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::found::{LogFile, START, Skipped};
use crate::framing::fingerprint::{Fingerprint, Tap};
use crate::framing::open::{Source, fingerprint, hash_of_first, read_start};
use crate::names::{copied_family, without_compression};
use crate::watch::Watch;

/// Maximum number of fingerprints kept for files that start alike; in larger groups each is computed twice.
const MAX_HELD: usize = 1000;
/// Maximum number of files compared in full with a shorter one whose marks they share.
const MAX_COMPARED: usize = 4;

/// The start of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning {
    /// A hash of the first bytes.
    pub(crate) head: u64,
    /// Number of bytes read; fewer than [`START`] means the whole file.
    pub(crate) length: usize,
}

/// Removes files whose content another file has. If one is a prefix of the other, the longer one stays.
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
    search.merged();
    let copies = search.copies;
    let skipped = copies.keys().map(|&copy| {
        // Follow copies of copies to the file that is read.
        let mut original = copies[&copy];
        while let Some(next) = copies.get(&original) {
            original = *next;
        }
        let of = &files[original].source.path;
        Skipped {
            source: files[copy].source.clone(),
            kind: ProblemKind::DuplicateFile,
            detail: format!("has the same lines as {of}, which was read"),
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
    /// Copies, mapped to their originals.
    copies: BTreeMap<usize, usize>,
}

impl Search<'_> {
    fn add(&mut self, copy: usize, original: usize) {
        let is_taken = self.copies.contains_key(&copy) || self.copies.contains_key(&original);
        if !is_taken && self.may_be_copies(copy, original) {
            self.copies.insert(copy, original);
        }
    }

    /// A recorder's error file repeats single lines, not files; those are recognised by their sequence numbers.
    /// Texts without times may be equal without being copies.
    fn may_be_copies(&self, a: usize, b: usize) -> bool {
        let path = |index: usize| &*self.files[index].source.path;
        let is_error_copy = |index| copied_family(path(index)).is_some();
        let is_one_name = || without_compression(path(a)) == without_compression(path(b));
        is_error_copy(a) == is_error_copy(b) && (is_one_name() || names_a_time(&self.files[a].path))
    }

    /// Compares small files, whose whole text was already hashed.
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

    /// Compares a file with its archive, which may have only a part of it (so far).
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

    /// Finds the other parts of a file that people made of several: behind a part that is its beginning, the text of
    /// another file follows whole.
    fn merged(&mut self) {
        let beginnings: Vec<(usize, usize)> = self.copies.iter().map(|(a, b)| (*a, *b)).collect();
        for (first, whole) in beginnings {
            let is_copied = self.copies.contains_key(&whole);
            let Some(mut behind) = length_of(&self.files[first].path).filter(|_| !is_copied) else {
                continue;
            };
            while let Some((part, length)) = self.part_at(whole, behind) {
                self.add(part, whole);
                if !self.copies.contains_key(&part) {
                    break;
                }
                behind += length;
            }
        }
    }

    /// The file whose whole text is in another one from an offset on, and its length.
    fn part_at(&self, whole: usize, offset: u64) -> Option<(usize, u64)> {
        let path = &self.files[whole].path;
        let start = read_start(&mut open_at(path, offset)?, START).0;
        let may_be = |part: &usize| {
            let Beginning { head, length } = self.beginnings[*part];
            let is_other = *part != whole && !self.copies.contains_key(part);
            is_other && length > 0 && head_of(&start[..start.len().min(length)]) == head
        };
        let mut parts = (0..self.files.len()).filter(may_be);
        parts.find_map(|part| {
            if self.watch.is_cancelled() {
                return None;
            }
            let mut whole = open_at(path, offset)?;
            let mut source = Source::open_in_pieces(&self.files[part].path).ok()?;
            let mut length = 0;
            loop {
                let text = read_start(&mut source, START).0;
                if text.is_empty() {
                    return Some((part, length)).filter(|(_, length)| *length > 0);
                }
                if read_start(&mut whole, text.len()).0 != text {
                    return None;
                }
                length += text.len() as u64;
            }
        })
    }

    /// Compares files that start with the same bytes.
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

    /// Finds the copies among files that start with the same bytes.
    fn group(&mut self, group: &[usize]) {
        let mut sharing: FxHashMap<u64, usize> = FxHashMap::default();
        for &index in group {
            *sharing.entry(self.content_id(index)).or_default() += 1;
        }
        // The beginning of a long file is enough unless others share it.
        let is_whole = |index: usize| {
            self.beginnings[index].length < START || sharing[&self.content_id(index)] > 1
        };
        let known = |index: usize| -> Option<Fingerprint> {
            let path = &self.files[index].path;
            if self.watch.is_cancelled() {
                None
            } else if is_whole(index) && self.beginnings[index].length == START {
                fingerprint(path, self.watch).ok()
            } else {
                beginning_of(path)
            }
        };
        let held: FxHashMap<usize, Option<Fingerprint>> = if group.len() <= MAX_HELD {
            group.iter().map(|index| (*index, known(*index))).collect()
        } else {
            FxHashMap::default()
        };
        let known = |index: usize| held.get(&index).cloned().unwrap_or_else(|| known(index));

        // Texts by their last mark: longer texts may continue from there.
        let mut ends: FxHashMap<(u64, u64), Vec<Shorter>> = FxHashMap::default();
        for &index in group.iter().filter(|index| is_whole(**index)) {
            if let Some(text) = known(index)
                && let Some(last) = text.marks.last()
            {
                ends.entry(*last)
                    .or_default()
                    .push(Shorter::of(index, &text));
            }
        }
        let mut found = self.equal_texts(&mut ends);
        for &index in group {
            let marks = known(index).map(|text| text.marks).unwrap_or_default();
            for mark in &marks {
                for shorter in ends.get_mut(mark).into_iter().flatten() {
                    if self.goes_on(shorter, index) {
                        found.push((shorter.index, index));
                    }
                }
                if let Some(shorter) = ends.get_mut(mark) {
                    shorter.retain(|shorter| shorter.compared < MAX_COMPARED);
                }
            }
        }
        found
            .into_iter()
            .for_each(|(copy, original)| self.add(copy, original));
    }

    fn content_id(&self, index: usize) -> u64 {
        self.files[index].source.content_id
    }

    /// Pairs each text with the first one equal to it.
    fn equal_texts(&self, ends: &mut FxHashMap<(u64, u64), Vec<Shorter>>) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for texts in ends.values_mut() {
            let mut first: FxHashMap<(u64, u64, bool), usize> = FxHashMap::default();
            texts.retain(|text| {
                let is_error_copy = copied_family(&self.files[text.index].source.path).is_some();
                let key = (text.length, text.whole, is_error_copy);
                let original = *first.entry(key).or_insert(text.index);
                if original != text.index {
                    found.push((text.index, original));
                }
                original == text.index
            });
        }
        found
    }

    /// Whether another file's text starts with the whole shorter text and continues.
    fn goes_on(&self, shorter: &mut Shorter, index: usize) -> bool {
        if shorter.index == index || shorter.compared >= MAX_COMPARED {
            return false;
        }
        shorter.compared += 1;
        let path = &self.files[index].path;
        // One more byte is enough.
        let is_longer = self.beginnings[index].length as u64 > shorter.length
            || beginning_is_longer(path, shorter.length);
        let hash = hash_of_first(path, shorter.length, self.watch);
        is_longer && hash.is_ok_and(|hash| hash == shorter.whole)
    }
}

/// Whether a file's text is longer than `length` bytes.
fn beginning_is_longer(path: &Path, length: u64) -> bool {
    let Ok(mut source) = Source::open_in_pieces(path) else {
        return false;
    };
    let mut seen = 0;
    source.each_piece(|piece| {
        seen += piece.len() as u64;
        seen <= length
    });
    seen > length
}

/// The length of a file's text.
fn length_of(path: &Path) -> Option<u64> {
    let mut source = Source::open_in_pieces(path).ok()?;
    let mut length = 0;
    source.each_piece(|piece| {
        length += piece.len() as u64;
        true
    });
    Some(length)
}

/// A file's text from an offset on.
fn open_at(path: &Path, offset: u64) -> Option<Source> {
    let mut source = Source::open_in_pieces(path).ok()?;
    let mut left = offset;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(START);
        let skipped = read_start(&mut source, most).0.len() as u64;
        if skipped == 0 {
            return None;
        }
        left -= skipped;
    }
    Some(source)
}

/// A text that may be a prefix of another.
struct Shorter {
    index: usize,
    length: u64,
    whole: u64,
    /// Number of files it was compared with.
    compared: usize,
}

impl Shorter {
    fn of(index: usize, text: &Fingerprint) -> Self {
        Self {
            index,
            length: text.length,
            whole: text.whole,
            compared: 0,
        }
    }
}

/// The fingerprint of a file's first bytes.
fn beginning_of(path: &Path) -> Option<Fingerprint> {
    let mut source = Source::open_in_pieces(path).ok()?;
    let mut tap = Tap::default();
    tap.update(&read_start(&mut source, START).0);
    Some(tap.finish())
}

/// Whether anything at a file's start looks like a time: minutes after a colon, or at least as many digits as
/// epoch seconds have.
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

/// Compares two texts where one is a prefix of the other: `Less` if `a` is the shorter one. `None` if they
/// differ.
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

/// A hash of a text's first bytes: a truncated copy starts like its original.
pub(crate) fn head_of(start: &[u8]) -> u64 {
    /// Number of bytes hashed.
    const HEAD: usize = 512;
    xxh3_64(&start[..start.len().min(HEAD)])
}

#[cfg(test)]
mod tests {
    use crate::discover::discover;

    #[test]
    fn a_file_made_of_others_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let part = |day: u32, lines: u32| -> String {
            let line = |n| {
                format!(
                    "2026-03-{day:02} 10:{:02}:{:02} INFO shop: x\n",
                    n / 60,
                    n % 60
                )
            };
            (0..lines).map(line).collect()
        };
        // One is longer than what is compared at once.
        let parts = [part(4, 30), part(5, 2500), part(6, 20)];
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        for (name, text) in [
            ("a.log.2", &parts[0]),
            ("a.log.1", &parts[1]),
            ("a.log", &parts[2]),
        ] {
            write(name, text);
        }
        write("all.log", &parts.concat());
        write("other.log", &part(7, 9));
        let found = discover(&[dir.path().display().to_string()]).unwrap();
        let names = |paths: Vec<&str>| -> Vec<String> {
            let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
            paths.into_iter().map(name).collect()
        };
        let read = found.families.iter().flat_map(|family| &family.files);
        let read = names(read.map(|file| &*file.source.path).collect());
        let skipped = names(found.skipped.iter().map(|one| &*one.source.path).collect());
        assert_eq!(read, ["all.log", "other.log"]);
        assert_eq!(skipped, ["a.log", "a.log.1", "a.log.2"]);
    }
}
