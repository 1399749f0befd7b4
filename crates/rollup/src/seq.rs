//! Which of a writer's numbers were seen.

use std::collections::BTreeMap;

use dragline_schema::{Record, Timestamp};
use serde::{Deserialize, Serialize};

/// Sets of numbers as ranges, in order, with gaps between them; each with the time of its last number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeqRanges(Vec<(u64, u64, Option<Timestamp>)>);

impl SeqRanges {
    /// Adds a number; numbers mostly come in order.
    pub(crate) fn insert(&mut self, seq: u64, at: Option<Timestamp>) {
        if let Some((_, last, time)) = self.0.last_mut()
            && seq.checked_sub(1) == Some(*last)
        {
            (*last, *time) = (seq, at);
            return;
        }
        self.insert_range((seq, seq, at));
    }

    fn insert_range(&mut self, (first, last, at): (u64, u64, Option<Timestamp>)) {
        // Everything that touches the new range becomes one with it.
        let from = self
            .0
            .partition_point(|(_, end, _)| end.saturating_add(1) < first);
        let to = self
            .0
            .partition_point(|(start, ..)| *start <= last.saturating_add(1));
        let merged =
            self.0[from..to]
                .iter()
                .fold((first, last, at), |(a, b, at), (start, end, time)| {
                    let (last, at) = (b, at).max((*end, *time));
                    (a.min(*start), last, at)
                });
        self.0.splice(from..to, [merged]);
    }

    /// Adds all numbers of the other.
    pub(crate) fn merge(&mut self, other: Self) {
        for range in other.0 {
            self.insert_range(range);
        }
    }

    /// Whether the number was added.
    pub(crate) fn contains(&self, seq: u64) -> bool {
        let after = self.0.partition_point(|(first, ..)| *first <= seq);
        after > 0 && self.0[after - 1].1 >= seq
    }

    /// Numbers that are missing between the first and the last.
    pub(crate) fn missing(&self) -> u64 {
        self.0
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].1 - 1)
            .sum()
    }

    /// When the first line was written behind which some are missing.
    pub(crate) fn missing_since(&self) -> Option<Timestamp> {
        let (_, rest) = self.0.split_last()?;
        rest.iter().filter_map(|(_, _, at)| *at).min()
    }
}

/// The numbered lines that were observed: by writer and run.
#[derive(Clone, Debug, Default)]
pub struct Covered(BTreeMap<(String, RunKeyParts), SeqRanges>);

/// Scraper, site and run, as a line names them.
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
            // The number before the first one that is missing.
            let before = set.iter().find(|seq| !set.contains(&(*seq + 1)) && *seq < set.last().unwrap());
            prop_assert_eq!(whole.missing_since(), before.map(|seq| Timestamp::from_seconds(*seq as i64)));
            prop_assert!((0..62).all(|seq| whole.contains(seq) == set.contains(&seq)));
        }
    }
}
