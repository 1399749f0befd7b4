//! The slots of one series.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dragline_schema::Timestamp;

use super::retention::{Retention, floor};
use super::slot::Slot;
use crate::Kind;

/// A series and its slots.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) kind: Kind,
    /// The slots of each level, by their start in microseconds.
    levels: Vec<BTreeMap<i64, Slot>>,
    /// The sum of all amounts of a counter.
    pub(super) total: f64,
    /// The total that was read last, for counters that are read and not added to.
    pub(super) reading: Option<f64>,
    /// The memory that the series uses, in bytes.
    bytes: usize,
}

impl Series {
    pub(super) fn new(
        name: &str,
        labels: Vec<(String, String)>,
        kind: Kind,
        levels: usize,
    ) -> Self {
        let text =
            |(name, value): &(String, String)| name.len() + value.len() + size_of::<[String; 2]>();
        let bytes = size_of::<Self>() + name.len() + labels.iter().map(text).sum::<usize>();
        Self {
            name: name.to_owned(),
            labels,
            kind,
            levels: vec![BTreeMap::new(); levels],
            total: 0.0,
            reading: None,
            bytes,
        }
    }

    /// Adds values to the slot of a level that starts at `start`.
    pub(super) fn add(&mut self, level: usize, start: i64, new: Slot) {
        self.total += new.increase;
        self.place(level, start, new);
    }

    fn place(&mut self, level: usize, start: i64, new: Slot) {
        match self.levels[level].entry(start) {
            Entry::Occupied(mut held) => {
                let before = held.get().bytes();
                held.get_mut().merge(&new);
                // The sum contains what the slot used before.
                self.bytes = self.bytes + held.get().bytes() - before;
            }
            Entry::Vacant(place) => {
                self.bytes += new.bytes();
                place.insert(new);
            }
        }
    }

    /// Moves the slots that are too old for their level to the next one, and drops those that are too old for the last.
    pub(super) fn advance(&mut self, starts: &[i64], retention: &Retention) {
        for (level, start) in starts.iter().enumerate() {
            for (at, slot) in self.take_before(level, *start) {
                if level + 1 < starts.len() {
                    self.place(level + 1, floor(at, retention.width(level + 1)), slot);
                }
            }
        }
    }

    /// Drops all slots that start before a moment.
    pub(super) fn drop_before(&mut self, start: i64) {
        for level in 0..self.levels.len() {
            self.take_before(level, start);
        }
    }

    /// Takes the slots of a level that start before a moment.
    fn take_before(&mut self, level: usize, start: i64) -> BTreeMap<i64, Slot> {
        let slots = &mut self.levels[level];
        // Most of the time there are none.
        if slots
            .first_key_value()
            .is_none_or(|(first, _)| *first >= start)
        {
            return BTreeMap::new();
        }
        let kept = slots.split_off(&start);
        let taken = std::mem::replace(slots, kept);
        self.bytes -= taken.values().map(Slot::bytes).sum::<usize>();
        taken
    }

    /// The start of the oldest slot.
    pub(super) fn oldest(&self) -> Option<i64> {
        let first = |level: &BTreeMap<i64, Slot>| level.keys().next().copied();
        self.levels.iter().filter_map(first).min()
    }

    /// The slots that start in a range, oldest first.
    pub(super) fn range(&self, from: i64, to: i64) -> impl Iterator<Item = &Slot> {
        // The coarser levels hold the older slots.
        let levels = self.levels.iter().rev();
        levels.flat_map(move |level| level.range(from..to.max(from)).map(|(_, slot)| slot))
    }

    /// When the series was last updated.
    pub(super) fn updated(&self) -> Option<Timestamp> {
        let latest = |level: &BTreeMap<i64, Slot>| level.values().map(|slot| slot.at).next_back();
        self.levels.iter().filter_map(latest).max()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.levels.iter().all(BTreeMap::is_empty)
    }

    /// The memory that the series uses, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::Sketch;

    #[test]
    fn the_memory_is_the_sum_of_the_slots() {
        let retention = Retention::default();
        let mut series = Series::new("x", Vec::new(), Kind::Gauge, retention.len());
        let empty = series.bytes();
        for step in 0..2_000_i64 {
            let at = Timestamp::from_seconds(step * 7);
            let mut sketch = Sketch::default();
            (0..step % 5).for_each(|value| sketch.add(value as f64 * step as f64));
            let start = floor(at.as_micros(), retention.width(0));
            series.add(0, start, Slot::of_values(at, 0.0, sketch));
            series.advance(&retention.starts(at.as_micros()), &retention);
        }
        let slots = series.levels.iter().flat_map(BTreeMap::values);
        assert_eq!(
            series.bytes(),
            empty + slots.map(Slot::bytes).sum::<usize>()
        );
        assert!(!series.levels[2].is_empty(), "slots have moved");
        series.drop_before(i64::MAX);
        assert_eq!(series.bytes(), empty);
        assert!(series.is_empty());
    }
}
