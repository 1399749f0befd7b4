//! Detects wrong timestamps from the order of a file's records.
//!
//! A writer appends records in time order. If the times jump ahead by hours and later come back, a few
//! records were written with a wrong clock. The file then ends at the time of its last record, not at the
//! latest time in it.

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

/// Minimum backward step in microseconds that concurrent writers of one file cannot explain.
const STEP: i64 = 3_600_000_000;
/// Maximum number of backward steps; a file with more has several writers or another order.
const FEW: u64 = 3;

/// The last record of a file and the backward steps in its times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    /// The offset and time of the last record with a time.
    pub last: Option<(u64, Timestamp)>,
    /// Number of records at least an hour earlier than the record before them.
    pub steps_back: u64,
}

impl Order {
    /// Adds the next record of the file.
    pub(crate) fn observe(&mut self, time: Timestamp, offset: u64) {
        let is_back = self.last.is_some_and(|(_, last)| last.since(time) >= STEP);
        self.steps_back += u64::from(is_back);
        self.last = Some((offset, time));
    }

    /// Takes the counts so far; the last record is kept, so that the next one is compared with it.
    pub(crate) fn take_counts(&mut self) -> Self {
        let taken = *self;
        self.steps_back = 0;
        taken
    }

    /// Adds the data of another part of the file.
    pub(crate) fn add(&mut self, other: &Self) {
        self.last = self.last.max(other.last);
        self.steps_back += other.steps_back;
    }

    /// The time of the last record, if the times jumped ahead before it and came back.
    pub(crate) fn came_back_to(&self) -> Option<Timestamp> {
        let (_, last) = self.last?;
        (1..=FEW).contains(&self.steps_back).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = STEP;

    fn order(hours: &[i64]) -> Order {
        let mut order = Order::default();
        for (offset, hour) in (0..).zip(hours) {
            order.observe(Timestamp::from_micros(hour * HOUR), offset);
        }
        order
    }

    #[test]
    fn what_went_ahead_and_came_back_is_told() {
        let at = |hour| Some(Timestamp::from_micros(hour * HOUR));
        assert_eq!(order(&[1, 2, 30, 30, 3, 4]).came_back_to(), at(4));
        assert_eq!(order(&[1, 2, 30]).came_back_to(), None);
        // Newest first, and two writers.
        assert_eq!(order(&[9, 8, 7, 6, 5]).came_back_to(), None);
        assert_eq!(order(&[1, 9, 1, 9, 2, 10, 2, 10, 3]).came_back_to(), None);
    }

    #[test]
    fn parts_give_what_the_whole_gives() {
        let mut whole = order(&[1, 30, 2, 3]);
        let (mut sum, mut part) = (Order::default(), Order::default());
        for (offset, hour) in (0..).zip([1, 30, 2, 3]) {
            part.observe(Timestamp::from_micros(hour * HOUR), offset);
            sum.add(&part.take_counts());
        }
        assert_eq!(sum, whole.take_counts());
    }
}
