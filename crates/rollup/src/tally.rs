//! Counts for a small number of keys.

use crate::bounded::Add;
use serde::{Deserialize, Serialize};

/// Counts by key, for a small number of keys such as statuses, levels or dialects. Sorted by key;
/// contains no zero counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally<K>(Vec<(K, u64)>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy> Tally<K> {
    /// Adds to a key's count.
    pub fn count(&mut self, key: K, count: u64) {
        // The table is small, so a linear search is fastest.
        if let Some((_, held)) = self.0.iter_mut().find(|(held, _)| *held == key) {
            *held += count;
        } else if count > 0 {
            let place = self.0.partition_point(|(held, _)| *held < key);
            self.0.insert(place, (key, count));
        }
    }

    /// Sets a key's count.
    pub(crate) fn set(&mut self, key: K, count: u64) {
        self.0.retain(|(held, _)| *held != key);
        self.count(key, count);
    }

    /// A key's count; 0 if it was not counted.
    pub fn get(&self, key: K) -> u64 {
        let held = self.0.iter().find(|(held, _)| *held == key);
        held.map_or(0, |(_, count)| *count)
    }

    /// The keys and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().copied()
    }
}

impl<K: Ord + Copy> Add for Tally<K> {
    fn add(&mut self, other: Self) {
        for (key, count) in other.0 {
            self.count(key, count);
        }
    }
}

impl<K: Ord + Copy> FromIterator<(K, u64)> for Tally<K> {
    fn from_iter<I: IntoIterator<Item = (K, u64)>>(pairs: I) -> Self {
        let mut tally = Self::default();
        for (key, count) in pairs {
            tally.count(key, count);
        }
        tally
    }
}
