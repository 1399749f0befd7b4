//! A cache of recent decisions, so that a repeated error is not matched again.

use dragline_schema::ErrorCategory;
use xxhash_rust::xxh3::Xxh3;

/// Number of decisions cached per thread (about 200 KiB).
const PLACES: usize = 1 << 12;

/// The winning rule, if any, and the second most likely category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) rule: Option<u32>,
    pub(crate) runner_up: Option<ErrorCategory>,
}

/// A direct-mapped cache: a newer decision replaces an older one in the same slot. Entries are keyed
/// by a 128-bit hash of the error's texts, so collisions are negligible.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The rule set that made these decisions.
    owner: u64,
    places: Vec<Option<(u128, Decision)>>,
}

impl Memory {
    /// Clears the cache if it belongs to another rule set.
    pub(crate) fn for_rules(&mut self, owner: u64) {
        if self.owner != owner || self.places.is_empty() {
            self.owner = owner;
            self.places.clear();
            self.places.resize(PLACES, None);
        }
    }

    pub(crate) fn get(&self, key: u128) -> Option<Decision> {
        let (held, decision) = self.places[place(key)]?;
        (held == key).then_some(decision)
    }

    pub(crate) fn put(&mut self, key: u128, decision: Decision) {
        self.places[place(key)] = Some((key, decision));
    }
}

fn place(key: u128) -> usize {
    key as usize % PLACES
}

/// The cache key of concatenated texts and a status.
pub(crate) fn key(
    texts: &[u8],
    lengths: impl Iterator<Item = (u8, usize)>,
    status: Option<u16>,
) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(texts);
    for (source, length) in lengths {
        hash.update(&[source]);
        hash.update(&(length as u32).to_le_bytes());
    }
    hash.update(&status.unwrap_or(0).to_le_bytes());
    hash.digest128()
}
