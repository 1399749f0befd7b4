//! Keeps a rollup within its limits: wider buckets, wider sketches, fewer sources.

use std::sync::Arc;

use dragline_schema::Timestamp;
use rustc_hash::FxHashSet;

use super::{MAX_BUCKETS, Rollup, SKETCH_WIDTHS, WIDTHS, floor};
use crate::bounded::{Add as _, hash_of};
use crate::source::SourceKey;

impl Rollup {
    /// Extends the period and widens the buckets if necessary.
    pub(crate) fn widen(&mut self, time: Timestamp) {
        let (first, last) = self.period.unwrap_or((time, time));
        if first <= time && time <= last && self.period.is_some() {
            return;
        }
        let (first, last) = (first.min(time), last.max(time));
        self.period = Some((first, last));
        let span = last.since(first);
        let fits = |width: &&i64| span / **width <= MAX_BUCKETS;
        let width = *WIDTHS.iter().find(fits).unwrap_or(&self.width);
        if width > self.width {
            self.width = width;
            self.rebucket();
        }
    }

    /// Widens the buckets until their number is within the limit. The smallest width that suffices for
    /// all data also suffices for every part of it.
    pub(super) fn bound_buckets(&mut self) {
        while self.activity.len() > self.limits.buckets
            && let Some(wider) = WIDTHS.into_iter().find(|width| *width > self.width)
        {
            self.width = wider;
            self.rebucket();
        }
    }

    /// Widens the time ranges of the sketches until their number is within the limit.
    pub(super) fn bound_sketches(&mut self) {
        while self.latency.len() > self.limits.sketches
            && let Some(wider) = SKETCH_WIDTHS
                .into_iter()
                .find(|width| *width > self.sketch_width)
        {
            self.sketch_width = wider;
            self.rebucket();
        }
    }

    /// Moves all counts to buckets of the current, larger widths.
    pub(super) fn rebucket(&mut self) {
        let width = self.width;
        if self
            .activity
            .keys()
            .any(|(_, start)| floor(*start, width) != *start)
        {
            for ((source, start), counters) in std::mem::take(&mut self.activity) {
                let key = (source, floor(start, width));
                self.activity.entry(key).or_default().add(counters);
            }
        }
        let width = self.sketch_width;
        if self
            .latency
            .keys()
            .any(|(_, start)| floor(*start, width) != *start)
        {
            for ((source, start), latency) in std::mem::take(&mut self.latency) {
                let key = (source, floor(start, width));
                self.latency.entry(key).or_default().merge(&latency);
            }
        }
    }

    /// Keeps the sources with the smallest hashes separate and sums up all others. It does not matter when
    /// this happens: a summed-up source that occurs again is summed up again, because enough sources with
    /// smaller hashes are already kept.
    pub(crate) fn bound_sources(&mut self) {
        // For summed-up sources only the sums are kept, however they were merged.
        let mut rest = self.sources.iter_mut().filter(|(key, _)| key.is_rest);
        if let Some((_, stats)) = rest.next() {
            **stats = std::mem::take(&mut **stats).into_rest();
        }
        let mut hashes: Vec<(u64, u32)> = (0..)
            .zip(&self.sources)
            .filter(|(_, (key, _))| !key.is_rest)
            .map(|(place, (key, _))| (hash_of(&**key), place))
            .collect();
        if hashes.len() <= self.limits.sources {
            return;
        }
        hashes.sort_unstable();
        let kept = &hashes[..self.limits.sources];
        self.largest = kept.last().map(|(hash, _)| *hash);
        let is_kept: FxHashSet<u32> = kept.iter().map(|(_, place)| *place).collect();
        let sources = std::mem::take(&mut self.sources);
        self.index.clear();
        self.current.source = None;
        self.current.own = None;
        let rest = self.intern(Arc::new(SourceKey::rest()));
        let places: Vec<u32> = (0..)
            .zip(sources)
            .map(|(place, (key, stats))| {
                if is_kept.contains(&place) {
                    let place = self.intern(key);
                    self.sources[place as usize].1 = stats;
                    place
                } else {
                    self.sources[rest as usize].1.add(stats.into_rest());
                    rest
                }
            })
            .collect();
        for ((source, start), counters) in std::mem::take(&mut self.activity) {
            let key = (places[source as usize], start);
            self.activity.entry(key).or_default().add(counters);
        }
        for ((source, start), latency) in std::mem::take(&mut self.latency) {
            let key = (places[source as usize], start);
            self.latency.entry(key).or_default().merge(&latency);
        }
    }
}
