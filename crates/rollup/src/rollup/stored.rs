//! Writes rollups as bytes and reads them back; estimates their size in memory.

use std::sync::Arc;

use super::{Rollup, Source};

impl Rollup {
    /// Serialises the rollup for [`Rollup::decode`] in the same version of this crate.
    pub fn encode(&mut self) -> Vec<u8> {
        self.settle();
        // Maps, lists, numbers and strings always serialise.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// Deserialises the result of [`Rollup::encode`]; `None` if the bytes are invalid.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rollup: Self = postcard::from_bytes(bytes).ok()?;
        rollup.reindexed()
    }

    /// Serialises the rollup as `MessagePack` with field names, so that later versions of this crate can
    /// read it with [`Rollup::recall`].
    ///
    /// # Errors
    /// If serialisation fails, which would be a bug.
    pub fn record(&mut self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        self.settle();
        rmp_serde::to_vec_named(self)
    }

    /// Deserialises the result of [`Rollup::record`] from any version; fields unknown to that version are
    /// empty. `None` if the bytes are invalid.
    pub fn recall(bytes: &[u8]) -> Option<Self> {
        let mut rollup: Self = rmp_serde::from_slice(bytes).ok()?;
        // Another version may compute other hashes for these keys.
        rollup.cells = rollup.cells.rehashed();
        rollup.signs = rollup.signs.rehashed();
        rollup.reindexed()
    }

    /// Rebuilds the index; `None` if counts refer to a missing source.
    fn reindexed(mut self) -> Option<Self> {
        let index = |(place, (key, _)): (u32, &Source)| (Arc::clone(key), place);
        self.index = (0..).zip(&self.sources).map(index).collect();
        let count = self.sources.len();
        let mut counted = self.activity.keys().chain(self.latency.keys());
        let is_whole = counted.all(|(source, _)| (*source as usize) < count);
        (is_whole && self.width > 0 && self.sketch_width > 0).then_some(self)
    }

    /// Approximate memory use in bytes.
    pub fn weight(&self) -> usize {
        const SOURCE: usize = 2000;
        const BUCKET: usize = 500;
        const SKETCH: usize = 1000;
        const GROUP: usize = 3000;
        const CELL: usize = 200;
        const SIGN: usize = 400;
        const FILE: usize = 500;
        self.sources.len() * SOURCE
            + self.activity.len() * BUCKET
            + self.latency.len() * SKETCH
            + self.groups.len() * GROUP
            + self.cells.len() * CELL
            + self.signs.len() * SIGN
            + self.unread.len() * SIGN
            + (self.files.len() + self.problems.len()) * FILE
    }
}
