//! A table whose size is bounded even for hostile input.

use std::borrow::Borrow;
use std::collections::{BTreeSet, BinaryHeap};
use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// A table of at most `cap` keys. It keeps the keys with the smallest hashes, in whatever order they
/// arrive, and adds up the values of all others. Two tables therefore merge into the same table as one
/// that saw everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bounded<K, V> {
    cap: usize,
    /// The kept keys by hash; keys with equal hashes share an entry.
    kept: FxHashMap<u64, Vec<(K, V)>>,
    /// Number of keys kept.
    len: usize,
    /// The hashes of the kept keys, largest on top.
    largest: BinaryHeap<u64>,
    overflow: Option<V>,
}

/// Adds up values of a table.
pub trait Add {
    /// Adds the other value.
    fn add(&mut self, other: Self);
}

impl Add for u64 {
    fn add(&mut self, other: Self) {
        *self += other;
    }
}

impl<K: Ord + Hash, V: Default + Add> Bounded<K, V> {
    /// An empty table of at most `cap` keys.
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            kept: FxHashMap::default(),
            len: 0,
            largest: BinaryHeap::new(),
            overflow: None,
        }
    }

    /// The value of a key, or the value shared by all keys that are not kept.
    pub fn entry<Q>(&mut self, key: &Q) -> &mut V
    where
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
        K: Borrow<Q>,
    {
        let hash = hash_of(key);
        let place = self.kept.get(&hash).and_then(|keys| place_of(keys, key));
        let place = place.or_else(|| self.insert(hash, key.to_owned()));
        match place.and_then(|place| self.kept.get_mut(&hash)?.get_mut(place)) {
            Some((_, value)) => value,
            None => self.overflow.get_or_insert_default(),
        }
    }

    /// Inserts a new key and evicts the key with the largest hash if the table is full. Returns the
    /// new key's index among the keys with its hash; `None` if the new key itself was evicted.
    fn insert(&mut self, hash: u64, key: K) -> Option<usize> {
        let keys = self.kept.entry(hash).or_default();
        if keys.is_empty() {
            self.largest.push(hash);
        }
        let place = keys.partition_point(|(held, _)| *held < key);
        keys.insert(place, (key, V::default()));
        self.len += 1;
        if self.len <= self.cap {
            return Some(place);
        }
        let evicted = self.evict()?;
        (evicted != (hash, place)).then_some(place)
    }

    /// Evicts the key with the largest hash, adds its value to the overflow, and returns its hash and index.
    fn evict(&mut self) -> Option<(u64, usize)> {
        let hash = *self.largest.peek()?;
        let keys = self.kept.get_mut(&hash)?;
        let (_, value) = keys.pop()?;
        let place = keys.len();
        if keys.is_empty() {
            self.kept.remove(&hash);
            self.largest.pop();
        }
        self.len -= 1;
        self.overflow.get_or_insert_default().add(value);
        Some((hash, place))
    }

    /// Rebuilds the table with the current hashes of its keys.
    pub(crate) fn rehashed(mut self) -> Self {
        let mut table = Self::new(self.cap);
        table.overflow = self.overflow.take();
        for (key, value) in self.into_kept() {
            table.put(key, value);
        }
        table
    }

    /// Adds to the value of a key.
    fn put(&mut self, key: K, value: V) {
        let hash = hash_of(&key);
        let held = self.kept.get(&hash).and_then(|keys| place_of(keys, &key));
        let place = held.or_else(|| self.insert(hash, key));
        match place.and_then(|place| self.kept.get_mut(&hash)?.get_mut(place)) {
            Some((_, held)) => held.add(value),
            None => self.overflow.get_or_insert_default().add(value),
        }
    }

    /// Adds the other table.
    pub fn merge(&mut self, other: Self) {
        for (key, value) in other.kept.into_values().flatten() {
            self.put(key, value);
        }
        if let Some(overflow) = other.overflow {
            self.overflow.get_or_insert_default().add(overflow);
        }
    }

    /// The kept keys, in an order that does not depend on the order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut kept: Vec<_> = self.kept.iter().collect();
        kept.sort_unstable_by_key(|(hash, _)| **hash);
        let keys = kept.into_iter().flat_map(|(_, keys)| keys);
        keys.map(|(key, value)| (key, value))
    }

    /// The kept keys with their values, in the order of [`Bounded::iter`].
    pub fn into_kept(self) -> impl Iterator<Item = (K, V)> {
        let mut kept: Vec<_> = self.kept.into_iter().collect();
        kept.sort_unstable_by_key(|(hash, _)| *hash);
        kept.into_iter().flat_map(|(_, keys)| keys)
    }

    /// Number of distinct keys seen. Exact as long as all were kept; otherwise estimated from the density of the
    /// smallest hashes (Bar-Yossef et al., "Counting distinct elements in a data stream", 2002), which needs no extra
    /// memory. The standard error is one over the square root of the table's size: 3 % for 1,024 keys.
    pub fn distinct(&self) -> u64 {
        match (&self.overflow, self.largest.peek()) {
            (Some(_), Some(largest)) => estimate(self.len, *largest),
            _ => self.len as u64,
        }
    }

    /// Number of kept keys.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The sum of the values of all keys that are not kept; `None` if all are kept.
    pub fn overflow(&self) -> Option<&V> {
        self.overflow.as_ref()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Bounded<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.cap == other.cap && self.kept == other.kept && self.overflow == other.overflow
    }
}

fn place_of<K: Borrow<Q>, V, Q: ?Sized + Eq>(keys: &[(K, V)], key: &Q) -> Option<usize> {
    keys.iter().position(|(held, _)| held.borrow() == key)
}

/// A hash that is the same on every machine, so that tables from different machines can be merged.
pub(crate) fn hash_of<Q: ?Sized + Hash>(key: &Q) -> u64 {
    let mut hasher = OneShot::default();
    key.hash(&mut hasher);
    hasher.0
}

/// Hashes each piece with XXH3, seeded with the hash so far. Keys are one or a few short pieces, for
/// which the streaming state of XXH3 would be too large.
#[derive(Default)]
struct OneShot(u64);

impl Hasher for OneShot {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u8(&mut self, byte: u8) {
        // String terminators and enum tags.
        self.0 = self.0.rotate_left(5) ^ u64::from(byte);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Estimates the number of distinct keys if `kept` of them have hashes of at most `largest`.
fn estimate(kept: usize, largest: u64) -> u64 {
    let share = (largest as f64 + 1.0) / 2f64.powi(64);
    (kept.saturating_sub(1) as f64 / share).round() as u64
}

/// Counts distinct values in bounded memory by keeping the smallest of their hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distinct {
    hashes: BTreeSet<u64>,
    /// Hashes from here on are not kept: the largest kept hash when the set is full.
    limit: u64,
}

impl Default for Distinct {
    fn default() -> Self {
        Self {
            hashes: BTreeSet::new(),
            limit: u64::MAX,
        }
    }
}

impl Distinct {
    /// Maximum number of hashes kept, for a standard error of 3 %.
    const MOST: usize = 1024;

    /// Adds a text.
    pub fn observe(&mut self, text: &str) {
        self.take(xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
    }

    fn take(&mut self, hash: u64) {
        if hash >= self.limit || !self.hashes.insert(hash) {
            return;
        }
        if self.hashes.len() > Self::MOST {
            self.hashes.pop_last();
        }
        if self.hashes.len() == Self::MOST {
            self.limit = self.hashes.last().copied().unwrap_or(u64::MAX);
        }
    }

    /// Number of distinct values, exact up to 1,023; see [`Bounded::distinct`].
    pub fn count(&self) -> u64 {
        match self.hashes.last() {
            Some(largest) if self.hashes.len() >= Self::MOST => {
                estimate(self.hashes.len(), *largest)
            }
            _ => self.hashes.len() as u64,
        }
    }
}

impl Add for Distinct {
    fn add(&mut self, other: Self) {
        let hashes = other.hashes.into_iter();
        hashes.for_each(|hash| self.take(hash));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn different_things_are_counted() {
        let mut table: Bounded<String, u64> = Bounded::new(1024);
        let (mut whole, mut halves) = (
            Distinct::default(),
            [Distinct::default(), Distinct::default()],
        );
        for n in 0..50_000 {
            let text = format!("host{n}.test");
            *table.entry(text.as_str()) += 1;
            whole.observe(&text);
            halves[n % 2].observe(&text);
            if n == 999 {
                assert_eq!((table.distinct(), whole.count()), (1000, 1000));
            }
        }
        let [mut first, second] = halves;
        first.add(second);
        assert_eq!(first, whole);
        for count in [table.distinct(), whole.count()] {
            // Three standard errors.
            assert!((45_300..54_700).contains(&count), "{count}");
        }
    }

    fn table(keys: &[u8], cap: usize) -> Bounded<String, u64> {
        let mut table: Bounded<String, u64> = Bounded::new(cap);
        for key in keys {
            *table.entry(key.to_string().as_str()) += 1;
        }
        table
    }

    proptest! {
        #[test]
        fn any_split_merges_to_the_same(keys in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, cap in 1usize..20) {
            let at = at.index(keys.len() + 1);
            let whole = table(&keys, cap);
            let (left, right) = (table(&keys[..at], cap), table(&keys[at..], cap));
            let mut merged = right.clone();
            merged.merge(left.clone());
            prop_assert_eq!(&merged, &whole);
            let mut merged = left;
            merged.merge(right);
            prop_assert_eq!(&merged, &whole);
            let total = whole.iter().map(|(_, n)| n).sum::<u64>() + whole.overflow().copied().unwrap_or(0);
            prop_assert_eq!(total, keys.len() as u64);
            prop_assert!(whole.len() <= cap);
        }
    }
}
