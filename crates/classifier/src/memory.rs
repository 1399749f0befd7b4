//! What was decided lately, so that an error that comes again is not matched again.

use dragline_schema::ErrorCategory;
use xxhash_rust::xxh3::Xxh3;

/// So many decisions are remembered by each thread (about 200 KiB).
const PLACES: usize = 1 << 12;

/// Which rule won, if any, and what else the error could be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) rule: Option<u32>,
    pub(crate) runner_up: Option<ErrorCategory>,
}

/// A table in which a newer decision takes the place of an older one with the same hash's end.
/// Decisions are found by 128 bits of their texts' hash, so that two texts are not taken for one.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The rule set whose decisions these are.
    owner: u64,
    places: Vec<Option<(u128, Decision)>>,
}

impl Memory {
    /// Forgets what other rules decided.
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

/// The key of texts that stand one after the other, and of a status.
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
