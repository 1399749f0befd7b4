//! Which of a writer's numbers were seen.

/// Sets of numbers as ranges, in order, with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeqRanges(Vec<(u64, u64)>);

impl SeqRanges {
    /// Adds a number; numbers mostly come in order.
    pub(crate) fn insert(&mut self, seq: u64) {
        if let Some((_, last)) = self.0.last_mut()
            && seq.checked_sub(1) == Some(*last)
        {
            *last = seq;
            return;
        }
        self.insert_range((seq, seq));
    }

    fn insert_range(&mut self, (first, last): (u64, u64)) {
        // Everything that touches the new range becomes one with it.
        let from = self
            .0
            .partition_point(|(_, end)| end.saturating_add(1) < first);
        let to = self
            .0
            .partition_point(|(start, _)| *start <= last.saturating_add(1));
        let merged = self.0[from..to]
            .iter()
            .fold((first, last), |(a, b), (start, end)| {
                (a.min(*start), b.max(*end))
            });
        self.0.splice(from..to, [merged]);
    }

    /// Adds all numbers of the other.
    pub(crate) fn merge(&mut self, other: Self) {
        for range in other.0 {
            self.insert_range(range);
        }
    }

    /// Numbers that are missing between the first and the last.
    pub(crate) fn missing(&self) -> u64 {
        self.0
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].1 - 1)
            .sum()
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
            let ranges = |seqs: &[u64]| seqs.iter().fold(SeqRanges::default(), |mut r, s| { r.insert(*s); r });
            let whole = ranges(&seqs);
            let at = at.index(seqs.len());
            let mut merged = ranges(&seqs[at..]);
            merged.merge(ranges(&seqs[..at]));
            prop_assert_eq!(&merged, &whole);
            let set: BTreeSet<u64> = seqs.iter().copied().collect();
            let span = set.last().unwrap() - set.first().unwrap() + 1;
            prop_assert_eq!(whole.missing(), span - set.len() as u64);
        }
    }
}
