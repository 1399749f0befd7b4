//! Reconciles a run's declared totals with the counts of its lines.

use std::collections::BTreeMap;

use crate::counters::Counters;
use crate::course::{Course, divide};
use crate::source::Declared;

/// A counter, with accessors for its declared and its counted value.
struct Field {
    name: &'static str,
    /// Whether it counts items or what becomes of them, not requests.
    is_of_items: bool,
    declared: fn(&Declared) -> Option<u64>,
    counter: fn(&mut Counters) -> &mut u64,
}

/// Counters of which even complete logs have fewer lines, so that a difference is no disagreement: Scrapy logs only the
/// first duplicate, and not which responses are those of a further attempt.
const FEW_LINES: [&str; 2] = ["duplicates", "retries"];

macro_rules! field {
    ($name:ident, $is_of_items:literal) => {
        Field {
            name: stringify!($name),
            is_of_items: $is_of_items,
            declared: |d| d.$name,
            counter: |c| &mut c.$name,
        }
    };
}

const FIELDS: [Field; 12] = [
    field!(requests, false),
    field!(requests_failed, false),
    field!(requests_unjudged, false),
    field!(bytes, false),
    field!(found, true),
    field!(added, true),
    field!(updated, true),
    field!(saved, true),
    field!(failed, true),
    field!(articles, true),
    field!(duplicates, false),
    field!(retries, false),
];

/// Adjusts the run's buckets so that they add up to the declared totals, where those take precedence:
/// for every counter of a statistics dump, and for counters of a `scraper_end` for which no line was
/// logged. Missing counts are divided by the course of the run, as far as it told it, or else added to the bucket of
/// the declaration; surplus counts are subtracted from the last buckets. Returns a sentence for each counter where lines
/// and declaration disagree.
pub(crate) fn reconcile(
    total: &mut Counters,
    buckets: &mut BTreeMap<i64, Counters>,
    declared: &Declared,
    (course, bucket): (&Course, Option<i64>),
) -> Vec<String> {
    let mut disagreements = Vec::new();
    for field in &FIELDS {
        let Some(wanted) = (field.declared)(declared) else {
            continue;
        };
        let counted = *(field.counter)(total);
        if !declared.is_truth && counted > 0 {
            continue;
        }
        // At INFO a scraper logs few of its requests and items, which is not a disagreement.
        let is_comparable = !FEW_LINES.contains(&field.name);
        if is_comparable && counted != wanted && counted > wanted / 2 {
            let name = field.name;
            disagreements.push(format!(
                "{name}: {counted} in its log lines, {wanted} in its statistics"
            ));
        }
        *(field.counter)(total) = wanted;
        let weights = if field.is_of_items {
            &course.items
        } else {
            &course.pages
        };
        settle(buckets, (weights, bucket), counted, wanted, field.counter);
    }
    if let Some(wanted) = &declared.status_codes {
        let codes: Vec<u16> = total
            .status_codes
            .iter()
            .chain(wanted.iter())
            .map(|(code, _)| code)
            .collect();
        for code in codes {
            let counted = total.status_codes.get(code);
            let wanted = wanted.get(code);
            total.status_codes.set(code, wanted);
            settle_code(buckets, (&course.pages, bucket), code, counted, wanted);
        }
    }
    disagreements
}

/// The buckets that missing counts belong to, and how many belong to each.
fn places(missing: u64, (weights, bucket): (&BTreeMap<i64, u64>, Option<i64>)) -> Vec<(i64, u64)> {
    let at_end = || bucket.map(|bucket| (bucket, missing)).into_iter();
    divide(missing, weights).unwrap_or_else(|| at_end().collect())
}

fn settle(
    buckets: &mut BTreeMap<i64, Counters>,
    where_to: (&BTreeMap<i64, u64>, Option<i64>),
    counted: u64,
    wanted: u64,
    counter: fn(&mut Counters) -> &mut u64,
) {
    if wanted > counted {
        for (bucket, part) in places(wanted - counted, where_to) {
            *counter(buckets.entry(bucket).or_default()) += part;
        }
        return;
    }
    let mut surplus = counted - wanted;
    for counters in buckets.values_mut().rev() {
        let value = counter(counters);
        let taken = surplus.min(*value);
        *value -= taken;
        surplus -= taken;
    }
}

fn settle_code(
    buckets: &mut BTreeMap<i64, Counters>,
    where_to: (&BTreeMap<i64, u64>, Option<i64>),
    code: u16,
    counted: u64,
    wanted: u64,
) {
    if wanted > counted {
        for (bucket, part) in places(wanted - counted, where_to) {
            let codes = &mut buckets.entry(bucket).or_default().status_codes;
            codes.count(code, part);
        }
        return;
    }
    let mut surplus = counted - wanted;
    for counters in buckets.values_mut().rev() {
        let held = counters.status_codes.get(code);
        let taken = surplus.min(held);
        counters.status_codes.set(code, held - taken);
        surplus -= taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::Add as _;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_buckets_add_up_to_the_declaration(
            lines in proptest::collection::vec((0i64..5, 0u64..9, 0u64..9), 1..8),
            requests in 0u64..40,
            found in 0u64..40,
            pages in proptest::collection::btree_map(0i64..5, 0u64..9, 0..4),
        ) {
            let mut total = Counters::default();
            let mut buckets: BTreeMap<i64, Counters> = BTreeMap::new();
            for (bucket, ok, bad) in lines {
                let status_codes = [(200, ok), (404, bad)].into_iter().filter(|(_, n)| *n > 0).collect();
                let counters = Counters { requests: ok + bad, status_codes, ..Counters::default() };
                total.add(counters.clone());
                buckets.entry(bucket).or_default().add(counters);
            }
            let declared = Declared {
                is_truth: true,
                requests: Some(requests + found),
                status_codes: Some([(200, requests), (503, found)].into_iter().filter(|(_, n)| *n > 0).collect()),
                ..Declared::default()
            };
            let course = Course { pages, ..Course::default() };
            reconcile(&mut total, &mut buckets, &declared, (&course, Some(4)));
            let mut sum = Counters::default();
            for counters in buckets.into_values() {
                sum.add(counters);
            }
            prop_assert_eq!(sum.requests, requests + found);
            prop_assert_eq!(&sum.status_codes, &declared.status_codes.unwrap());
            prop_assert_eq!(sum, total);
        }
    }

    #[test]
    fn an_end_counts_only_where_no_line_does() {
        let mut total = Counters {
            requests: 3,
            ..Counters::default()
        };
        let mut buckets = BTreeMap::from([(0, total.clone())]);
        let declared = Declared {
            requests: Some(9),
            saved: Some(5),
            ..Declared::default()
        };
        let course = Course::default();
        let disagreements = reconcile(&mut total, &mut buckets, &declared, (&course, Some(0)));
        assert_eq!((total.requests, total.saved), (3, 5));
        assert!(disagreements.is_empty());
    }
}
