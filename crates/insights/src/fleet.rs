//! What the rest of a fleet decides about the findings of some scrapers, so that these can be judged apart from it.
//!
//! A finding rests on its scraper's own series, with three exceptions: with many comparisons some deviate by chance, so
//! the threshold depends on all of them; a drop in requests that most scrapers share is a holiday; and limits on the
//! whole fleet are compared with its totals. These are few numbers, and they are here.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::episodes::Track;
use crate::limits::Whole;
use crate::names::Name;
use crate::series::{DAY, Series};

/// The rest of a fleet, for [`Analysis::within`](crate::Analysis::within).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fleet {
    /// Maximum probability of a comparison that counts as significant: while it is determined which runs are not
    /// learned from, and finally.
    pub thresholds: (f64, f64),
    /// By day (days since 1970-01-01 UTC): how far the requests of each other scraper deviated from what was expected.
    pub requests: BTreeMap<i64, Vec<f64>>,
    /// The totals.
    pub whole: Whole,
}

impl Fleet {
    /// How far the requests of the scrapers deviated on these days, without those that are `kept`.
    pub(crate) fn requests_of(
        all: &[Series<'_>],
        tracks: &[Track],
        is_kept: impl Fn(&Name) -> bool,
        days: RangeInclusive<i64>,
    ) -> BTreeMap<i64, Vec<f64>> {
        let mut requests: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        let others = tracks.iter().filter(|track| track.is_of_requests());
        for track in others.filter(|track| !is_kept(&track.series(all).name)) {
            for day in days.clone() {
                let deviation = track.deviation_on(all, day);
                if let Some(deviation) = deviation {
                    requests.entry(day).or_default().push(deviation);
                }
            }
        }
        requests
    }
}

/// The days from a time to another, in microseconds.
pub(crate) fn days(from: i64, until: i64) -> RangeInclusive<i64> {
    from.div_euclid(DAY)..=until.div_euclid(DAY)
}
