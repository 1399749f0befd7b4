//! Measurements on their way to stores and to disk.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher as _};

use dragline_schema::Timestamp;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

use super::query::SeriesId;
use super::retention::floor;
use super::slot::Slot;
use super::store::{Store, Update};
use crate::Kind;
use crate::crawl::{CrawlMetric, Measure, Measurement};
use crate::sketch::Sketch;

/// Measurements in slots of one width, for programs that follow logs: they are counted here without a lock, and then
/// added to a [`Store`] ([`Store::merge`]) and to what is kept on disk (serde).
///
/// Merging is associative and commutative, apart from the rounding of sums, so that parts can be joined in any order
/// and grouping. It holds no more series than its own measurements have; the store bounds them.
///
/// ```
/// use dragline_metrics::{Delta, Observer, Store, Timestamp, Window};
/// use dragline_schema::{Event, Record, Request};
///
/// let mut delta = Delta::new(10);
/// let at = Timestamp::from_seconds(1_772_600_000);
/// let request = Request { status_code: Some(503), ..Request::default() };
/// let record = Record { timestamp: Some(at), event: Event::Request(request), ..Record::default() };
/// Observer::default().observe(&record, None, &mut delta);
///
/// let mut store = Store::default();
/// store.merge(&delta);
/// let failed = store.summarise("dragline_requests", &[("outcome", "failed")], Window::until(at, 60));
/// assert_eq!(failed.unwrap().increase, Some(1.0));
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Delta {
    /// In microseconds.
    width: i64,
    series: HashTable<(SeriesId, BTreeMap<i64, Slot>)>,
    untimed: u64,
    rejected: u64,
}

/// The same as lists, in the order of the series.
#[derive(Serialize, Deserialize)]
struct Stored {
    width: i64,
    series: Vec<(SeriesId, BTreeMap<i64, Slot>)>,
}

impl From<Stored> for Delta {
    fn from(stored: Stored) -> Self {
        let mut delta = Self {
            width: stored.width.max(1),
            ..Self::default()
        };
        for (id, slots) in stored.series {
            delta.extend(&id, slots);
        }
        delta
    }
}

impl From<Delta> for Stored {
    fn from(delta: Delta) -> Self {
        let mut series: Vec<_> = delta.series.into_iter().collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Self {
            width: delta.width,
            series,
        }
    }
}

impl Delta {
    /// No measurements yet, in slots of this width in seconds.
    pub fn new(seconds: u32) -> Self {
        Self {
            width: i64::from(seconds.max(1)) * 1_000_000,
            ..Self::default()
        }
    }

    /// Whether there are no measurements.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Number of slots of all series.
    pub fn slots(&self) -> usize {
        self.series.iter().map(|(_, slots)| slots.len()).sum()
    }

    /// The series, in no order.
    pub fn series(&self) -> impl Iterator<Item = &SeriesId> {
        self.series.iter().map(|(id, _)| id)
    }

    /// Adds all measurements of another one, in slots of this one's width.
    pub fn merge(&mut self, other: &Self) {
        for (id, slots) in &other.series {
            self.extend(id, slots.clone());
        }
        self.untimed += other.untimed;
        self.rejected += other.rejected;
    }

    /// Adds those slots of another one that are wanted, by their series and the time of their latest value.
    pub fn merge_where(&mut self, other: &Self, is_wanted: impl Fn(&SeriesId, Timestamp) -> bool) {
        for (id, slots) in &other.series {
            let recent = slots.iter().filter(|(_, slot)| is_wanted(id, slot.at));
            let recent: Vec<_> = recent.map(|(start, slot)| (*start, slot.clone())).collect();
            if !recent.is_empty() {
                self.extend(id, recent);
            }
        }
    }

    /// Splits by time: the parts begin at multiples of `seconds` (their start is given), and have slots of `width`
    /// seconds.
    pub fn split(&self, seconds: u32, width: u32) -> BTreeMap<i64, Self> {
        let length = i64::from(seconds.max(1)) * 1_000_000;
        let mut parts = BTreeMap::<i64, Self>::new();
        for (id, slots) in &self.series {
            for (start, slot) in slots {
                let part = parts.entry(floor(*start, length) / 1_000_000);
                let part = part.or_insert_with(|| Self::new(width));
                part.extend(id, [(*start, slot.clone())]);
            }
        }
        parts
    }

    /// Passes the measurements from `from` on again to something that measures: a counter's slot as one increase, a
    /// gauge's as its latest value, a histogram's as its quantiles, one for each value and at most `values`.
    pub fn replay(&self, from: Timestamp, values: u64, out: &mut dyn Measure) {
        for (id, slots) in &self.series {
            let Some(metric) = CrawlMetric::from_name(&id.name) else {
                continue;
            };
            let value = |name: &&str| {
                let held = id.labels.iter().find(|(held, _)| held == name);
                held.map_or("", |(_, value)| value.as_str())
            };
            let labels: Vec<&str> = metric.labels().iter().map(value).collect();
            for slot in slots.values().filter(|slot| slot.at >= from) {
                let mut put = |update| {
                    let measurement = Measurement {
                        metric,
                        labels: &labels,
                        update,
                    };
                    out.measure(Some(slot.at), &measurement);
                };
                match (id.kind, &slot.sketch) {
                    (Kind::Counter, _) => put(Update::Add(slot.increase)),
                    (Kind::Gauge, _) => put(Update::Set(slot.last)),
                    (Kind::Histogram, Some(sketch)) => {
                        let count = sketch.count().min(values);
                        let rank = |nth: u64| (nth as f64 + 0.5) / count as f64;
                        (0..count)
                            .filter_map(|nth| sketch.quantile(rank(nth)))
                            .for_each(|value| {
                                put(Update::Observe(value));
                            });
                    }
                    (Kind::Histogram, None) => {}
                }
            }
        }
    }

    fn extend(&mut self, id: &SeriesId, slots: impl IntoIterator<Item = (i64, Slot)>) {
        let hash = hash_of(
            &id.name,
            id.labels.iter().map(|(a, b)| (a.as_str(), b.as_str())),
        );
        let entry = self.series.entry(hash, |held| held.0 == *id, rehash);
        let held = match entry {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(place) => place.insert((id.clone(), BTreeMap::new())).into_mut(),
        };
        for (start, slot) in slots {
            put(&mut held.1, floor(start, self.width), slot);
        }
    }
}

fn put(slots: &mut BTreeMap<i64, Slot>, start: i64, slot: Slot) {
    match slots.entry(start) {
        std::collections::btree_map::Entry::Occupied(mut held) => held.get_mut().merge(&slot),
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(slot);
        }
    }
}

fn hash_of<'p>(name: &str, labels: impl Iterator<Item = (&'p str, &'p str)>) -> u64 {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    for pair in labels {
        pair.hash(&mut hasher);
    }
    hasher.finish()
}

fn rehash((id, _): &(SeriesId, BTreeMap<i64, Slot>)) -> u64 {
    hash_of(
        &id.name,
        id.labels.iter().map(|(a, b)| (a.as_str(), b.as_str())),
    )
}

impl Measure for Delta {
    fn measure(&mut self, at: Option<Timestamp>, measurement: &Measurement<'_>) {
        let Some(at) = at else {
            self.untimed += 1;
            return;
        };
        let metric = measurement.metric;
        let values = measurement.labels;
        // The labels of a metric are always given in the same order; stores and files have them by name.
        let pairs = || metric.labels().iter().copied().zip(values.iter().copied());
        let hash = hash_of(metric.name(), pairs());
        let is_same = |held: &(SeriesId, BTreeMap<i64, Slot>)| {
            held.0.name == metric.name()
                && held.0.labels.len() == values.len()
                && pairs().all(|pair| {
                    held.0
                        .labels
                        .iter()
                        .any(|(a, b)| (a.as_str(), b.as_str()) == pair)
                })
        };
        let held = match self.series.entry(hash, is_same, rehash) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(place) => {
                let labels = pairs().map(|(name, value)| (name.to_owned(), value.to_owned()));
                let id = SeriesId {
                    name: metric.name().to_owned(),
                    labels: labels.collect(),
                    kind: metric.kind(),
                };
                place.insert((id, BTreeMap::new())).into_mut()
            }
        };
        let start = floor(at.as_micros(), self.width);
        let is_valid = match measurement.update {
            Update::Add(amount) => amount.is_finite() && amount >= 0.0,
            Update::Set(value) | Update::Observe(value) => value.is_finite(),
        };
        if !is_valid {
            self.rejected += 1;
            return;
        }
        match held.1.get_mut(&start) {
            Some(slot) => slot.update(at, measurement.update),
            None => {
                held.1
                    .insert(start, Slot::of_update(at, measurement.update));
            }
        }
    }
}

impl Slot {
    /// A slot with one value.
    fn of_update(at: Timestamp, update: Update) -> Self {
        match update {
            Update::Add(amount) => Self::of_amount(at, amount),
            Update::Set(value) | Update::Observe(value) => {
                let mut sketch = Sketch::default();
                sketch.add(value);
                Self::of_values(at, value, sketch)
            }
        }
    }

    /// Adds one value.
    fn update(&mut self, at: Timestamp, update: Update) {
        let (Update::Add(value) | Update::Set(value) | Update::Observe(value)) = update;
        if at >= self.at {
            (self.at, self.last) = (at, value);
        }
        self.count += 1;
        match (update, &mut self.sketch) {
            (Update::Add(amount), _) => self.increase += amount,
            (_, Some(sketch)) => sketch.add(value),
            (_, none @ None) => {
                let mut sketch = Sketch::default();
                sketch.add(value);
                *none = Some(Box::new(sketch));
            }
        }
    }
}

impl Store {
    /// Adds measurements that were collected elsewhere.
    pub fn merge(&mut self, delta: &Delta) {
        // Oldest first: a new slot moves those of all series before it.
        let mut slots: Vec<(i64, &SeriesId, &Slot)> = Vec::with_capacity(delta.slots());
        for (id, held) in &delta.series {
            slots.extend(held.iter().map(|(start, slot)| (*start, id, slot)));
        }
        slots.sort_by_key(|(start, _, _)| *start);
        let mut labels: Vec<(&str, &str)> = Vec::new();
        for (_, id, slot) in slots {
            labels.clear();
            labels.extend(
                id.labels
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str())),
            );
            self.add(&id.name, &labels, id.kind, slot.clone());
        }
        self.count_losses(delta.untimed, delta.rejected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CrawlMetric, Window};

    fn measured(seed: u64, count: usize) -> Delta {
        let mut delta = Delta::new(10);
        let mut state = seed;
        for _ in 0..count {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = Timestamp::from_seconds(1_772_600_000 + (state >> 33) as i64 % 600);
            let site = ["a", "b", "c"][(state >> 20) as usize % 3];
            let measurement = Measurement {
                metric: CrawlMetric::RequestDuration,
                labels: &["shop", site],
                update: Update::Observe((state >> 40) as f64 % 7.0),
            };
            delta.measure(Some(at), &measurement);
        }
        delta
    }

    fn sorted(delta: &Delta) -> Vec<(SeriesId, BTreeMap<i64, Slot>)> {
        Stored::from(delta.clone()).series
    }

    #[test]
    fn parts_join_to_the_whole_in_any_order() {
        let (a, b) = (measured(1, 500), measured(2, 300));
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        for (one, other) in sorted(&ab).iter().zip(sorted(&ba)) {
            assert_eq!(one.0, other.0);
            let counts =
                |slots: &BTreeMap<i64, Slot>| slots.values().map(|s| s.count).collect::<Vec<_>>();
            assert_eq!(counts(&one.1), counts(&other.1));
        }
        let count = |delta: &Delta| -> u64 {
            delta
                .series
                .iter()
                .flat_map(|(_, slots)| slots.values())
                .map(|slot| slot.count)
                .sum()
        };
        assert_eq!(count(&ab), 800);
        let parts = ab.split(60, 60);
        assert!(parts.len() >= 10, "{}", parts.len());
        assert_eq!(parts.values().map(count).sum::<u64>(), 800);
    }

    #[test]
    fn what_was_stored_is_the_same() {
        let delta = measured(3, 200);
        let json = serde_json::to_string(&delta).unwrap();
        let read: Delta = serde_json::from_str(&json).unwrap();
        assert_eq!(sorted(&read), sorted(&delta));
    }

    #[test]
    fn a_store_answers_as_if_it_had_seen_every_measurement() {
        let delta = measured(4, 400);
        let mut store = Store::default();
        store.merge(&delta);
        let now = Timestamp::from_seconds(1_772_600_700);
        let stats = store.summarise(
            "dragline_request_duration_seconds",
            &[("site", "b")],
            Window::until(now, 900),
        );
        let count: u64 = sorted(&delta)
            .iter()
            .filter(|(id, _)| id.labels.contains(&("site".into(), "b".into())))
            .flat_map(|(_, slots)| slots.values())
            .map(|slot| slot.count)
            .sum();
        assert_eq!(stats.unwrap().count, count);
    }
}
