//! Tracks which of a writer's line numbers were seen, to detect missing lines.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dragline_schema::{Record, Timestamp};
use serde::{Deserialize, Serialize};

/// Maximum number of ranges per writer. With more, the log is a selection of its lines (for example, the output
/// of `grep`), so the numbers are only counted and no longer kept as ranges.
const MAX_RANGES: usize = 1 << 16;
/// Maximum number of writers per source; those with the smallest names are kept.
const MAX_WRITERS: usize = 1 << 12;
/// Minimum number of out-of-order numbers that are collected before they are sorted in.
const LATE: usize = 1 << 10;

/// The first and the last number, and the time of the line with the last number.
type Range = (u64, u64, Option<Timestamp>);

/// A set of numbers as sorted, disjoint ranges, each with the time of its last number.
///
/// Numbers usually arrive in order. Out-of-order numbers are collected and sorted in as a batch: in a
/// shuffled log, inserting them one by one would move all later ranges each time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Range>", into = "Vec<Range>")]
pub(crate) struct SeqRanges {
    ranges: Vec<Range>,
    late: Vec<Range>,
}

impl From<Vec<Range>> for SeqRanges {
    fn from(ranges: Vec<Range>) -> Self {
        // The stored data may be damaged.
        let late = ranges.into_iter().filter(|(first, last, _)| first <= last);
        let mut own = Self {
            ranges: Vec::new(),
            late: late.collect(),
        };
        own.settle();
        own
    }
}

impl From<SeqRanges> for Vec<Range> {
    fn from(mut own: SeqRanges) -> Self {
        own.settle();
        own.ranges
    }
}

impl PartialEq for SeqRanges {
    fn eq(&self, other: &Self) -> bool {
        self.settled() == other.settled()
    }
}

impl Eq for SeqRanges {}

impl SeqRanges {
    /// Adds a number.
    pub(crate) fn insert(&mut self, seq: u64, at: Option<Timestamp>) {
        match self.ranges.last_mut() {
            Some((_, last, time)) if last.checked_add(1) == Some(seq) => (*last, *time) = (seq, at),
            Some((_, last, _)) if seq <= *last => self.insert_late((seq, seq, at)),
            _ => self.ranges.push((seq, seq, at)),
        }
    }

    fn insert_late(&mut self, range: Range) {
        self.late.push(range);
        if self.late.len() >= LATE.max(self.ranges.len() / 2) {
            self.settle();
        }
    }

    /// Merges the out-of-order ranges into the sorted ones.
    fn settle(&mut self) {
        if !self.late.is_empty() {
            let mut late = std::mem::take(&mut self.late);
            late.sort_unstable();
            self.ranges = united(&self.ranges, &late);
        }
    }

    fn settled(&self) -> Cow<'_, [Range]> {
        if self.late.is_empty() {
            return Cow::Borrowed(&self.ranges);
        }
        let mut own = self.clone();
        own.settle();
        Cow::Owned(own.ranges)
    }

    /// Adds all numbers of the other set.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        self.ranges = united(&self.ranges, &other.ranges);
    }

    /// Whether there are too many ranges to keep.
    fn is_scattered(&self) -> bool {
        self.ranges.len() + self.late.len() > MAX_RANGES
    }

    /// Whether the number was added.
    pub(crate) fn contains(&self, seq: u64) -> bool {
        let ranges = self.settled();
        let after = ranges.partition_point(|(first, ..)| *first <= seq);
        after > 0 && ranges[after - 1].1 >= seq
    }

    /// Number of values missing between the first and the last.
    fn missing(&self) -> u64 {
        self.settled()
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].1 - 1)
            .fold(0, u64::saturating_add)
    }

    /// The earliest time of a line that is followed by missing lines.
    fn missing_since(&self) -> Option<Timestamp> {
        let ranges = self.settled();
        let (_, rest) = ranges.split_last()?;
        rest.iter().filter_map(|(_, _, at)| *at).min()
    }
}

/// Merges two lists of ranges, each sorted by first number.
fn united(a: &[Range], b: &[Range]) -> Vec<Range> {
    let mut united: Vec<Range> = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let Some((first, last, at)) = match (a.peek(), b.peek()) {
        (Some(one), Some(other)) if other.0 < one.0 => b.next(),
        (Some(_), _) => a.next(),
        (None, _) => b.next(),
    } {
        match united.last_mut() {
            // Join ranges that overlap or touch.
            Some((_, end, time)) if *first <= end.saturating_add(1) => {
                (*end, *time) = (*end, *time).max((*last, *at));
            }
            _ => united.push((*first, *last, *at)),
        }
    }
    united
}

/// The numbers of a writer with too many ranges, as extremes and a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scattered {
    first: u64,
    last: u64,
    /// Number of lines; a line that is in the logs twice may be counted twice.
    count: u64,
}

impl Scattered {
    fn of(ranges: &SeqRanges) -> Option<Self> {
        let settled = ranges.settled();
        let count = settled.iter().map(|(first, last, _)| last - first + 1);
        Some(Self {
            first: settled.first()?.0,
            last: settled.last()?.1,
            count: count.fold(0, u64::saturating_add),
        })
    }

    fn add(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count = self.count.saturating_add(other.count);
    }

    fn missing(&self) -> u64 {
        (self.last - self.first)
            .saturating_add(1)
            .saturating_sub(self.count)
    }
}

/// The numbers of a source's lines, by writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(crate) struct Numbers {
    /// By writer, sorted; usually there is only one.
    pub(crate) ranges: Vec<(String, SeqRanges)>,
    pub(crate) scattered: BTreeMap<String, Scattered>,
}

/// The serialised form of [`Numbers`]: ranges by writer. [`Scattered`] numbers have [`SCATTERED`] before the
/// writer's name and are written as two ranges: first to last, and the count.
type Written = BTreeMap<String, Vec<Range>>;
const SCATTERED: char = '\u{1}';

impl From<Written> for Numbers {
    fn from(written: Written) -> Self {
        let mut numbers = Self::default();
        for (writer, ranges) in written {
            match (writer.strip_prefix(SCATTERED), &*ranges) {
                (Some(writer), &[(first, last, _), (count, ..)]) if first <= last => {
                    let scattered = Scattered { first, last, count };
                    numbers.scattered.insert(writer.to_owned(), scattered);
                }
                (Some(_), _) => {}
                (None, _) => {
                    // `written` is sorted by writer, so the list stays sorted.
                    numbers.ranges.push((writer, ranges.into()));
                }
            }
        }
        numbers
    }
}

impl From<Numbers> for Written {
    fn from(numbers: Numbers) -> Self {
        let ranges = numbers.ranges.into_iter();
        let scattered = numbers.scattered.into_iter().map(|(writer, held)| {
            let written = vec![
                (held.first, held.last, None),
                (held.count, held.count, None),
            ];
            (format!("{SCATTERED}{writer}"), written)
        });
        ranges
            .map(|(writer, held)| (writer, held.into()))
            .chain(scattered)
            .collect()
    }
}

impl Numbers {
    /// Adds a line's number.
    pub(crate) fn insert(&mut self, writer: &str, seq: u64, at: Option<Timestamp>) {
        if let Ok(place) = self.place(writer) {
            let ranges = &mut self.ranges[place].1;
            ranges.insert(seq, at);
            if ranges.is_scattered() {
                self.scatter(writer);
            }
            return;
        }
        let mut ranges = SeqRanges::default();
        ranges.insert(seq, at);
        self.merge_ranges(writer.to_owned(), ranges);
    }

    /// The index of a writer's ranges, or the index to insert them at.
    fn place(&self, writer: &str) -> Result<usize, usize> {
        self.ranges
            .binary_search_by(|(held, _)| held.as_str().cmp(writer))
    }

    /// Adds all numbers of `other`.
    pub(crate) fn merge(&mut self, other: Self) {
        for (writer, ranges) in other.ranges {
            self.merge_ranges(writer, ranges);
        }
        for (writer, scattered) in other.scattered {
            self.scatter(&writer);
            self.add_scattered(writer, scattered);
        }
        self.bound();
    }

    fn merge_ranges(&mut self, writer: String, ranges: SeqRanges) {
        if self.scattered.contains_key(&writer) {
            if let Some(more) = Scattered::of(&ranges) {
                self.add_scattered(writer, more);
            }
            return;
        }
        let place = match self.place(&writer) {
            Ok(place) => {
                self.ranges[place].1.merge(ranges);
                place
            }
            Err(place) => {
                self.ranges.insert(place, (writer.clone(), ranges));
                place
            }
        };
        if self.ranges[place].1.is_scattered() {
            self.scatter(&writer);
        }
        self.bound();
    }

    /// Replaces a writer's ranges by a count.
    fn scatter(&mut self, writer: &str) {
        if let Ok(place) = self.place(writer) {
            let (writer, ranges) = self.ranges.remove(place);
            if let Some(scattered) = Scattered::of(&ranges) {
                self.add_scattered(writer, scattered);
            }
        }
    }

    fn add_scattered(&mut self, writer: String, more: Scattered) {
        match self.scattered.get_mut(&writer) {
            Some(held) => held.add(more),
            None => {
                self.scattered.insert(writer, more);
            }
        }
    }

    fn bound(&mut self) {
        self.ranges.truncate(MAX_WRITERS);
        while self.scattered.len() > MAX_WRITERS {
            self.scattered.pop_last();
        }
    }

    /// Number of values missing between the first and the last of each writer.
    pub(crate) fn missing(&self) -> u64 {
        let ranges = self.ranges.iter().map(|(_, held)| held.missing());
        let scattered = self.scattered.values().map(Scattered::missing);
        ranges.chain(scattered).fold(0, u64::saturating_add)
    }

    /// The earliest time of a line that is followed by missing lines. Unknown for [`Scattered`] numbers.
    pub(crate) fn missing_since(&self) -> Option<Timestamp> {
        let ranges = self.ranges.iter();
        ranges.filter_map(|(_, held)| held.missing_since()).min()
    }
}

/// The numbered lines that were observed, by writer and run.
#[derive(Clone, Debug, Default)]
pub struct Covered(BTreeMap<(String, RunKeyParts), SeqRanges>);

/// Scraper, site and run, as named in a line.
type RunKeyParts = [Option<String>; 3];

impl Covered {
    pub(crate) fn add(&mut self, writer: &str, run: RunKeyParts, ranges: &SeqRanges) {
        let entry = self.0.entry((writer.to_owned(), run)).or_default();
        entry.merge(ranges.clone());
    }

    /// Whether the line was observed.
    pub fn contains(&self, record: &Record<'_>) -> bool {
        let (Some(writer), Some(seq)) = (&record.writer_id, record.seq) else {
            return false;
        };
        let parts = [&record.scraper_id, &record.site, &record.run_id];
        let run = parts.map(|part| part.as_deref().map(str::to_owned));
        self.0
            .get(&(writer.to_string(), run))
            .is_some_and(|ranges| ranges.contains(seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_the_set_of_what_was_inserted(
            seqs in proptest::collection::vec(0u64..60, 1..60),
            at: prop::sample::Index,
        ) {
            let ranges = |seqs: &[u64]| seqs.iter().fold(SeqRanges::default(), |mut r, s| { r.insert(*s, Some(Timestamp::from_seconds(*s as i64))); r });
            let whole = ranges(&seqs);
            let at = at.index(seqs.len());
            let mut merged = ranges(&seqs[at..]);
            merged.merge(ranges(&seqs[..at]));
            prop_assert_eq!(&merged, &whole);
            let set: BTreeSet<u64> = seqs.iter().copied().collect();
            let span = set.last().unwrap() - set.first().unwrap() + 1;
            prop_assert_eq!(whole.missing(), span - set.len() as u64);
            // The number before the first missing one.
            let before = set.iter().find(|seq| !set.contains(&(*seq + 1)) && *seq < set.last().unwrap());
            prop_assert_eq!(whole.missing_since(), before.map(|seq| Timestamp::from_seconds(*seq as i64)));
            prop_assert!((0..62).all(|seq| whole.contains(seq) == set.contains(&seq)));
        }
    }

    #[test]
    fn a_selection_of_lines_is_counted_and_not_kept() {
        let numbers = |seqs: &mut dyn Iterator<Item = u64>| {
            let mut numbers = Numbers::default();
            seqs.for_each(|seq| {
                numbers.insert("w", seq, Some(Timestamp::from_seconds(seq as i64)));
            });
            numbers
        };
        let count = 3 * MAX_RANGES as u64;
        let whole = numbers(&mut (0..count).map(|nth| nth * 3));
        assert_eq!(whole.missing(), (count - 1) * 2);
        assert_eq!(whole.missing_since(), None);
        let written: Written = whole.clone().into();
        assert!(written["\u{1}w"].len() == 2 && Numbers::from(written) == whole);
        // In any order, and in parts that are merged.
        let mut parts = numbers(
            &mut (0..count)
                .rev()
                .filter(|nth| nth % 2 == 0)
                .map(|nth| nth * 3),
        );
        parts.merge(numbers(
            &mut (0..count).filter(|nth| nth % 2 == 1).map(|nth| nth * 3),
        ));
        assert_eq!(parts, whole);
        assert!(whole.ranges.is_empty());
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut numbers = Numbers::default();
        for seq in [u64::MAX, 0, u64::MAX - 1, 7, u64::MAX] {
            numbers.insert("w", seq, None);
            numbers.insert("x", seq, None);
        }
        assert_eq!(numbers.missing(), u64::MAX);
    }
}
