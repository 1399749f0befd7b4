//! What a store keeps of the values in one slot of time.

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sketch::Sketch;

/// The values of a series in one slot of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// When the latest value was recorded.
    pub(super) at: Timestamp,
    /// The latest value; of a counter, the latest amount.
    pub(super) last: f64,
    /// Number of values.
    pub(super) count: u64,
    /// The sum of a counter's amounts.
    pub(super) increase: f64,
    /// The values of a gauge or histogram; a counter has none.
    pub(super) sketch: Option<Box<Sketch>>,
}

impl Slot {
    /// A slot with an amount that was added to a counter.
    pub(super) fn of_amount(at: Timestamp, amount: f64) -> Self {
        Self {
            at,
            last: amount,
            count: 1,
            increase: amount,
            sketch: None,
        }
    }

    /// A slot with values of a gauge or histogram.
    pub(super) fn of_values(at: Timestamp, last: f64, sketch: Sketch) -> Self {
        Self {
            at,
            last,
            count: sketch.count(),
            increase: 0.0,
            sketch: Some(Box::new(sketch)),
        }
    }

    /// Adds the values of another slot, recorded after these if the times are equal.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.at >= self.at {
            (self.at, self.last) = (other.at, other.last);
        }
        self.count += other.count;
        self.increase += other.increase;
        match (&mut self.sketch, &other.sketch) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours @ None, Some(theirs)) => *ours = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// The memory that the slot uses, in bytes, with its share of the map that holds it.
    pub(super) fn bytes(&self) -> usize {
        let sketch = self.sketch.as_ref();
        let sketch = sketch.map_or(0, |sketch| size_of::<Sketch>() + sketch.bin_bytes());
        // The nodes of a `BTreeMap` are at least half full.
        2 * (size_of::<i64>() + size_of::<Self>()) + sketch
    }
}
