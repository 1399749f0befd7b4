//! The slots of one series.

use std::collections::BTreeMap;

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
}

impl Series {
    pub(super) fn new(
        name: &str,
        labels: Vec<(String, String)>,
        kind: Kind,
        levels: usize,
    ) -> Self {
        Self {
            name: name.to_owned(),
            labels,
            kind,
            levels: vec![BTreeMap::new(); levels],
            total: 0.0,
            reading: None,
        }
    }

    /// Adds values to the slot of a level that starts at `start`.
    pub(super) fn add(&mut self, level: usize, start: i64, new: Slot) {
        self.total += new.increase;
        add_to(&mut self.levels[level], start, new);
    }

    /// Moves the slots that are too old for their level to the next one, and drops those that are too old for the last.
    pub(super) fn advance(&mut self, starts: &[i64], retention: &Retention) {
        for (level, start) in starts.iter().enumerate() {
            let kept = self.levels[level].split_off(start);
            let old = std::mem::replace(&mut self.levels[level], kept);
            if let Some(next) = self.levels.get_mut(level + 1) {
                for (at, slot) in old {
                    add_to(next, floor(at, retention.width(level + 1)), slot);
                }
            }
        }
    }

    /// Drops all slots that start before a moment.
    pub(super) fn drop_before(&mut self, start: i64) {
        for level in &mut self.levels {
            *level = level.split_off(&start);
        }
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
        let slots = self.levels.iter().flat_map(BTreeMap::values);
        let text =
            |(name, value): &(String, String)| name.len() + value.len() + size_of::<[String; 2]>();
        let labels: usize = self.labels.iter().map(text).sum();
        size_of::<Self>() + self.name.len() + labels + slots.map(Slot::bytes).sum::<usize>()
    }
}

fn add_to(level: &mut BTreeMap<i64, Slot>, start: i64, new: Slot) {
    match level.get_mut(&start) {
        Some(slot) => slot.merge(&new),
        None => {
            level.insert(start, new);
        }
    }
}
