//! The store: slots of time for every series.

use std::hash::{Hash as _, Hasher as _};

use dragline_schema::Timestamp;
use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::retention::{Retention, floor};
use super::series::Series;
use super::slot::Slot;
use crate::family::{AnyFamily, MAX_LABEL_BYTES, OVERFLOW};
use crate::sketch::Sketch;
use crate::{Family, Kind, Registry};

/// A change of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// Adds an amount from 0 up to a counter.
    Add(f64),
    /// Sets a gauge.
    Set(f64),
    /// Adds a value to a histogram.
    Observe(f64),
}

impl Update {
    fn kind(self) -> Kind {
        match self {
            Self::Add(_) => Kind::Counter,
            Self::Set(_) => Kind::Gauge,
            Self::Observe(_) => Kind::Histogram,
        }
    }
}

/// A change of a series, with the name and the labels of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'s> {
    /// The name of the metric.
    pub name: &'s str,
    /// Names and values of the labels, in any order.
    pub labels: &'s [(&'s str, &'s str)],
    /// The change.
    pub update: Update,
}

/// What a store did not keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Updates older than the retention.
    pub late: u64,
    /// Updates later than the time set with [`Store::set_now`] allows.
    pub early: u64,
    /// Updates without a time.
    pub untimed: u64,
    /// Updates that make no sense: NaN, infinities, negative amounts, another type than the series has.
    pub rejected: u64,
    /// Updates of series beyond the maximum, which went to the overflow series of their name. The totals of a
    /// registry's counters were left out.
    pub overflowed: u64,
    /// Updates that were dropped because there are even too many names.
    pub refused: u64,
}

/// The registry keeps no values for a store: create it with [`Registry::windowed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry keeps no values for windows: create it with `Registry::windowed`")]
pub struct NotWindowed;

/// How far ahead of the clock an update may be, in microseconds.
const MAX_AHEAD: i64 = 300_000_000;

/// Statistics of series over windows of time.
///
/// Values are kept in slots, as counts and sketches. Old slots are joined into wider ones, as [`Retention`]
/// says. Times are passed in and may come in any order: a late value is added to the slot to which it belongs.
///
/// A series without an update during the whole retention is forgotten; the total of a counter then starts again.
///
/// The memory is bounded by [`Retention::max_bytes`], plus one slot of the finest resolution for each series:
/// the bound is enforced whenever a new such slot begins.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) retention: Retention,
    pub(super) table: HashTable<Series>,
    /// The latest time of a value, in microseconds.
    pub(super) newest: Option<i64>,
    /// The earliest time of a value, in microseconds.
    pub(super) since: i64,
    /// Where each level starts.
    starts: Vec<i64>,
    /// Everything before was dropped, because of age or memory.
    pub(super) dropped_before: i64,
    now: Option<Timestamp>,
    losses: Losses,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(Retention::default())
    }
}

impl Store {
    /// An empty store.
    pub fn new(retention: Retention) -> Self {
        Self {
            starts: vec![i64::MIN; retention.len()],
            retention,
            table: HashTable::new(),
            newest: None,
            since: i64::MAX,
            dropped_before: i64::MIN,
            now: None,
            losses: Losses::default(),
        }
    }

    /// Sets the time of the clock. From then on, updates that are more than five minutes later are dropped
    /// and counted: a single line with a wrong date would make everything else too old. Call it regularly
    /// when times come from logs.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = Some(now);
    }

    pub(crate) fn count_untimed(&mut self) {
        self.losses.untimed += 1;
    }

    pub(super) fn count_losses(&mut self, untimed: u64, rejected: u64) {
        self.losses.untimed += untimed;
        self.losses.rejected += rejected;
    }

    /// Records a change at a time.
    pub fn record(&mut self, at: Timestamp, sample: &Sample<'_>) {
        let slot = match sample.update {
            Update::Add(amount) if amount.is_finite() && amount >= 0.0 => {
                Slot::of_amount(at, amount)
            }
            Update::Set(value) | Update::Observe(value) if value.is_finite() => {
                let mut sketch = Sketch::default();
                sketch.add(value);
                Slot::of_values(at, value, sketch)
            }
            _ => {
                self.losses.rejected += 1;
                return;
            }
        };
        self.add(sample.name, sample.labels, sample.update.kind(), slot);
    }

    /// Records the values of all metrics of a registry: the increase of counters and the values of histograms
    /// since the last call, and the values of gauges. A registry can be read by one store only. Call it at
    /// regular intervals, after [`Registry::collect`]; its resolution is the finest useful interval.
    ///
    /// # Errors
    /// When the registry was not created with [`Registry::windowed`].
    pub fn collect(&mut self, now: Timestamp, registry: &Registry) -> Result<(), NotWindowed> {
        if !registry.is_windowed() {
            return Err(NotWindowed);
        }
        for family in registry.families() {
            match family {
                AnyFamily::Counter(family) => self.read(&family, now, |store, labels, counter| {
                    store.read_total(now, family.descriptor().name(), labels, counter.value());
                }),
                AnyFamily::Gauge(family) => self.read(&family, now, |store, labels, gauge| {
                    let update = gauge.value().map(Update::Set);
                    let name = family.descriptor().name();
                    if let Some(update) = update {
                        store.record(
                            now,
                            &Sample {
                                name,
                                labels,
                                update,
                            },
                        );
                    }
                }),
                AnyFamily::Histogram(family) => self.read(&family, now, |store, labels, values| {
                    if let Some(recent) = values.take_recent() {
                        let slot = Slot::of_values(now, recent.last, recent.sketch);
                        let name = family.descriptor().name();
                        store.add(name, labels, Kind::Histogram, slot);
                    }
                }),
            }
        }
        Ok(())
    }

    fn read<T>(
        &mut self,
        family: &Family<T>,
        now: Timestamp,
        read: impl Fn(&mut Self, &[(&str, &str)], &T),
    ) {
        self.reach(now.as_micros());
        let names = &family.descriptor().labels;
        family.each(|values, handle| {
            let labels: Vec<(&str, &str)> = names
                .iter()
                .map(|name| &**name)
                .zip(values.iter().copied())
                .collect();
            read(&mut *self, &labels, handle);
        });
    }

    /// Records the difference to the total that was read before. A smaller total was counted from 0 again.
    fn read_total(&mut self, at: Timestamp, name: &str, labels: &[(&str, &str)], total: f64) {
        let found = self
            .table
            .find(hash_of(name, labels), is_same(name, labels));
        if found.is_none() && self.table.len() >= self.retention.max_series {
            // The overflow series cannot tell by how much each of several totals rose.
            self.losses.overflowed += 1;
            return;
        }
        let before = found.and_then(|series| series.reading).unwrap_or(0.0);
        let more = if total < before {
            total
        } else {
            total - before
        };
        self.add(name, labels, Kind::Counter, Slot::of_amount(at, more));
        if let Some(series) = self
            .table
            .find_mut(hash_of(name, labels), is_same(name, labels))
        {
            series.reading = Some(total);
        }
    }

    pub(super) fn add(&mut self, name: &str, labels: &[(&str, &str)], kind: Kind, slot: Slot) {
        let at = slot.at.as_micros();
        if self
            .now
            .is_some_and(|now| at > now.as_micros().saturating_add(MAX_AHEAD))
        {
            self.losses.early += 1;
            return;
        }
        self.reach(at);
        let level = self.level_of(at);
        let Some(level) = level.filter(|_| at >= self.dropped_before) else {
            self.losses.late += 1;
            return;
        };
        let start = floor(at, self.retention.width(level));
        self.since = self.since.min(at);
        let Some(series) = self.series_mut(name, labels, kind) else {
            return;
        };
        if series.kind == kind {
            series.add(level, start, slot);
        } else {
            self.losses.rejected += 1;
        }
    }

    /// The series with a name and labels, or the overflow series of the name.
    fn series_mut(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        kind: Kind,
    ) -> Option<&mut Series> {
        let max = self.retention.max_series;
        let is_known = self
            .table
            .find(hash_of(name, labels), is_same(name, labels))
            .is_some();
        if is_known || self.table.len() < max {
            return Some(self.insert(name, labels, kind));
        }
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, _)| (*name, OVERFLOW)).collect();
        let is_known = self
            .table
            .find(hash_of(name, &labels), is_same(name, &labels))
            .is_some();
        if !is_known && self.table.len() >= max.saturating_mul(2) {
            self.losses.refused += 1;
            return None;
        }
        self.losses.overflowed += 1;
        Some(self.insert(name, &labels, kind))
    }

    fn insert(&mut self, name: &str, labels: &[(&str, &str)], kind: Kind) -> &mut Series {
        let rehash = |series: &Series| {
            let labels = series
                .labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            hash_pairs(&series.name, labels)
        };
        let levels = self.retention.len();
        let new = || {
            let own =
                |(name, value): &(&str, &str)| ((*name).to_owned(), fitting(value).to_owned());
            let mut labels: Vec<_> = labels.iter().map(own).collect();
            labels.sort();
            Series::new(name, labels, kind, levels)
        };
        let hash = hash_of(name, labels);
        let entry = self.table.entry(hash, is_same(name, labels), rehash);
        entry.or_insert_with(new).into_mut()
    }

    /// Makes room for a time: moves old slots when a new slot of the finest resolution begins.
    fn reach(&mut self, at: i64) {
        let width = self.retention.width(0);
        match self.newest {
            Some(newest) if at <= newest => return,
            Some(newest) if floor(newest, width) == floor(at, width) => {
                self.newest = Some(at);
                return;
            }
            _ => {}
        }
        self.newest = Some(at);
        self.starts = self.retention.starts(at);
        for series in &mut self.table {
            series.advance(&self.starts, &self.retention);
        }
        let oldest = self.starts.last().copied().unwrap_or(i64::MIN);
        self.dropped_before = self.dropped_before.max(oldest);
        self.table.retain(|series| !series.is_empty());
        self.fit();
    }

    /// Drops the oldest slots of all series until the rest fits into the memory.
    fn fit(&mut self) {
        while self.bytes() > self.retention.max_bytes {
            let Some(oldest) = self.table.iter().filter_map(Series::oldest).min() else {
                return;
            };
            let width = self.retention.width(self.level_of(oldest).unwrap_or(0));
            let before = floor(oldest, width).saturating_add(width);
            // The current slot is kept in any case.
            if self.newest.is_some_and(|newest| before > newest) {
                return;
            }
            for series in &mut self.table {
                series.drop_before(before);
            }
            self.dropped_before = before;
            self.table.retain(|series| !series.is_empty());
        }
    }

    /// The level that a time belongs to; `None` when it is too old.
    pub(super) fn level_of(&self, at: i64) -> Option<usize> {
        self.starts.iter().position(|start| at >= *start)
    }

    /// What was not kept.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// The start of the kept values; `None` before anything was dropped.
    pub fn kept_since(&self) -> Option<Timestamp> {
        (self.dropped_before > i64::MIN).then(|| Timestamp::from_micros(self.dropped_before))
    }

    /// Number of series.
    pub fn series_count(&self) -> usize {
        self.table.len()
    }

    /// An estimate of the memory that the series use, in bytes.
    pub fn bytes(&self) -> usize {
        self.table.iter().map(Series::bytes).sum()
    }
}

fn fitting(value: &str) -> &str {
    dragline_schema::clip(value, MAX_LABEL_BYTES)
}

fn is_same(name: &str, labels: &[(&str, &str)]) -> impl Fn(&Series) -> bool {
    move |series| {
        let is_held = |(name, value): &(&str, &str)| {
            let mut held = series.labels.iter();
            held.any(|(held, held_value)| held == name && held_value == fitting(value))
        };
        series.name == name && series.labels.len() == labels.len() && labels.iter().all(is_held)
    }
}

fn hash_of(name: &str, labels: &[(&str, &str)]) -> u64 {
    hash_pairs(name, labels.iter().copied())
}

/// A hash that does not depend on the order of the labels.
fn hash_pairs<'p>(name: &str, labels: impl Iterator<Item = (&'p str, &'p str)>) -> u64 {
    let hash = |(name, value): (&str, &str)| {
        let mut hasher = FxHasher::default();
        name.hash(&mut hasher);
        fitting(value).hash(&mut hasher);
        hasher.finish()
    };
    labels.map(hash).fold(hash((name, "")), u64::wrapping_add)
}
