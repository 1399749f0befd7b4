//! The totals that a run logs from time to time, and what they say about when its work was done.
//!
//! A run at level INFO may log none of its requests, only their number so far, and all totals at its end. Without these,
//! all its work would seem to be done in its last minute.

use std::collections::BTreeMap;

use dragline_schema::{Progress, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bounded::Add;
use crate::counters::{Counters, Spread};

/// Larger totals are errors in the log.
const LARGEST: u64 = 1_000_000_000_000_000;

/// Totals so far. They only grow, so of two the larger one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Totals {
    pub(crate) pages: u64,
    pub(crate) items: u64,
    timed: u64,
    micros: u64,
}

impl Totals {
    /// What a run has told so far; implausible totals count as unknown.
    pub(crate) fn of(told: &Progress) -> Self {
        let plausible = |total: u64| if total <= LARGEST { total } else { 0 };
        Self {
            pages: plausible(told.pages),
            items: plausible(told.items),
            timed: plausible(told.timed),
            micros: plausible(told.micros),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            pages: self.pages - before.pages,
            items: self.items - before.items,
            timed: self.timed - before.timed,
            micros: self.micros - before.micros,
        }
    }
}

impl Add for Totals {
    fn add(&mut self, other: Self) {
        self.pages = self.pages.max(other.pages);
        self.items = self.items.max(other.items);
        self.timed = self.timed.max(other.timed);
        self.micros = self.micros.max(other.micros);
    }
}

/// How much of a run's work each bucket of time has.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub(crate) pages: BTreeMap<i64, u64>,
    pub(crate) items: BTreeMap<i64, u64>,
}

impl Course {
    /// When the first and the last work was done, in microseconds as far as the buckets tell and not after the run's
    /// `last` line, and how many pages and items there were.
    pub(crate) fn activity(
        &self,
        width: i64,
        last: Option<Timestamp>,
    ) -> Option<(Timestamp, Timestamp, u64)> {
        let work = self.pages.iter().map(|(start, pages)| {
            let items = self.items.get(start).copied().unwrap_or(0);
            (*start, pages + items)
        });
        let mut done = work.filter(|(_, count)| *count > 0);
        let (first, mut count) = done.next()?;
        let mut end = first + width;
        for (start, more) in done {
            end = start + width;
            count += more;
        }
        let end = Timestamp::from_micros(end);
        let end = last.map_or(end, |last| end.min(last));
        Some((Timestamp::from_micros(first), end, count))
    }

    /// Removes the totals so far; nothing is known of the course.
    pub(crate) fn forget(total: &mut Counters, buckets: &mut BTreeMap<i64, Counters>) -> Self {
        for counters in buckets.values_mut().chain([total]) {
            counters.so_far = Totals::default();
        }
        Self::default()
    }
}

/// Takes the totals so far from a run's counters, adds the response times that follow from them where no line has any,
/// and, for a run that logs nothing else, its requests and items.
pub(crate) fn take_course(
    total: &mut Counters,
    buckets: &mut BTreeMap<i64, Counters>,
    is_declared: bool,
) -> Course {
    let whole = std::mem::take(&mut total.so_far);
    let mut course = Course::default();
    if whole == Totals::default() {
        return course;
    }
    let is_untimed = total.response_time.count == 0;
    let has_no_requests = !is_declared && total.requests == 0;
    let has_no_items = !is_declared && total.items() == 0;
    let mut before = Totals::default();
    for (start, counters) in buckets {
        let mut now = std::mem::take(&mut counters.so_far);
        now.add(before);
        let own = now.since(before);
        before = now;
        course.pages.insert(*start, own.pages);
        course.items.insert(*start, own.items);
        for counters in [counters, &mut *total] {
            if is_untimed && own.timed > 0 {
                counters.response_time.add(Spread {
                    count: own.timed,
                    sum: own.micros,
                    min: own.micros / own.timed,
                    max: own.micros / own.timed,
                });
            }
            if has_no_requests {
                counters.requests += own.pages;
                counters.requests_unjudged += own.pages;
            }
            if has_no_items {
                counters.saved += own.items;
            }
        }
    }
    course
}

/// Divides an amount in proportion to weights; the parts add up to it. `None` if all weights are 0.
pub(crate) fn divide(amount: u64, weights: &BTreeMap<i64, u64>) -> Option<Vec<(i64, u64)>> {
    let sum: u128 = weights.values().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return None;
    }
    let (mut so_far, mut given) = (0, 0);
    let parts = weights.iter().map(|(start, weight)| {
        so_far += u128::from(*weight);
        let until = (u128::from(amount) * so_far / sum) as u64;
        let part = until - given;
        given = until;
        (*start, part)
    });
    Some(parts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_add_up(amount in 0u64..1 << 50, weights in proptest::collection::btree_map(0i64..9, 0u64..1 << 40, 0..6)) {
            if let Some(parts) = divide(amount, &weights) {
                prop_assert_eq!(parts.iter().map(|(_, part)| part).sum::<u64>(), amount);
                prop_assert!(parts.iter().all(|(start, part)| *part == 0 || weights[start] > 0));
            }
        }
    }

    #[test]
    fn a_run_without_other_counts_has_those_it_told() {
        let told = |pages, items| Counters {
            so_far: Totals::of(&Progress {
                pages,
                items,
                timed: pages,
                micros: pages * 1000,
            }),
            ..Counters::default()
        };
        let mut buckets = BTreeMap::from([(0, told(10, 8)), (1, told(10, 8)), (2, told(40, 9))]);
        let mut total = told(40, 9);
        let course = take_course(&mut total, &mut buckets, false);
        assert_eq!(course.pages, BTreeMap::from([(0, 10), (1, 0), (2, 30)]));
        assert_eq!(course.items, BTreeMap::from([(0, 8), (1, 0), (2, 1)]));
        assert_eq!(
            (total.requests, total.requests_unjudged, total.items()),
            (40, 40, 9)
        );
        assert_eq!(
            (total.response_time.count, total.response_time.sum),
            (40, 40_000)
        );
        assert_eq!((buckets[&2].requests, buckets[&2].items()), (30, 1));
        let mut sum = Counters::default();
        for counters in buckets.into_values() {
            sum.add(counters);
        }
        assert_eq!(sum, total);
    }
}
