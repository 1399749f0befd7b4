//! A table that hostile input cannot make large.

use std::collections::BTreeMap;
use std::hash::Hash;

/// A table of at most `cap` keys. It keeps those with the smallest hash, whatever the order in which
/// they come, and adds up the rest: so two tables merge into the same as one that saw everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded<K: Ord, V> {
    cap: usize,
    kept: BTreeMap<(u64, K), V>,
    overflow: Option<V>,
}

/// Adding up values of a table.
pub trait Add {
    /// Adds the other value.
    fn add(&mut self, other: Self);
}

impl Add for u64 {
    fn add(&mut self, other: Self) {
        *self += other;
    }
}

impl<K: Ord + Hash + Clone, V: Default + Add> Bounded<K, V> {
    /// An empty table of at most `cap` keys.
    pub fn new(cap: usize) -> Self {
        Self {
            cap,
            kept: BTreeMap::new(),
            overflow: None,
        }
    }

    /// The value of a key, or the one that all keys beyond the table's size share.
    pub fn entry<Q>(&mut self, key: &Q) -> &mut V
    where
        Q: ?Sized + Hash + ToOwned<Owned = K>,
        K: std::borrow::Borrow<Q>,
    {
        let hash = hash_of(key);
        if self.kept.len() >= self.cap && self.is_beyond(hash, key) {
            return self.overflow.get_or_insert_default();
        }
        let slot = (hash, key.to_owned());
        if !self.kept.contains_key(&slot) {
            self.kept.insert(slot.clone(), V::default());
            self.shrink();
        }
        // `shrink` takes the largest key, and this one is below it.
        match self.kept.get_mut(&slot) {
            Some(value) => value,
            None => self.overflow.get_or_insert_default(),
        }
    }

    fn is_beyond<Q>(&self, hash: u64, key: &Q) -> bool
    where
        Q: ?Sized + ToOwned<Owned = K>,
        K: std::borrow::Borrow<Q>,
    {
        let Some(((largest, _), _)) = self.kept.last_key_value() else {
            return true;
        };
        hash > *largest || (hash == *largest && !self.kept.contains_key(&(hash, key.to_owned())))
    }

    fn shrink(&mut self) {
        while self.kept.len() > self.cap {
            if let Some((_, value)) = self.kept.pop_last() {
                self.overflow.get_or_insert_default().add(value);
            }
        }
    }

    /// Adds the other table.
    pub fn merge(&mut self, other: Self) {
        for (key, value) in other.kept {
            self.kept.entry(key).or_default().add(value);
        }
        if let Some(overflow) = other.overflow {
            self.overflow.get_or_insert_default().add(overflow);
        }
        self.shrink();
    }

    /// The keys that were kept, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.kept.iter().map(|((_, key), value)| (key, value))
    }

    /// The keys that were kept, with their values.
    pub fn into_kept(self) -> impl Iterator<Item = (K, V)> {
        self.kept.into_iter().map(|((_, key), value)| (key, value))
    }

    /// How many keys were kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The sum of all keys beyond the table's size.
    pub fn overflow(&self) -> Option<&V> {
        self.overflow.as_ref()
    }
}

fn hash_of<Q: ?Sized + Hash>(key: &Q) -> u64 {
    use std::hash::Hasher as _;
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(keys: &[u8], cap: usize) -> Bounded<String, u64> {
        let mut table = Bounded::new(cap);
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
