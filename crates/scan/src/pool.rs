//! Collects the results of several threads.
//!
//! Each thread counts into its own rollup and moves its contents to the pool once they exceed a small size, so
//! memory use hardly depends on the number of threads. Merged parts give the same rollup as one thread would.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dragline_rollup::Rollup;

/// Approximate size in bytes above which a thread moves its rollup to the pool.
const PART: usize = 8 << 20;
/// Number of records between two checks of the size.
pub(crate) const RECORDS_BETWEEN_LOOKS: u32 = 1 << 8;

/// A rollup that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Rollup>);

impl Pool {
    pub(crate) fn new(rollup: Rollup) -> Self {
        Self(Mutex::new(rollup))
    }

    /// Ignores poisoning: the panic of a thread is propagated when it is joined.
    fn held(&self) -> MutexGuard<'_, Rollup> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the contents of the rollup to the pool if they are large. Its next records still belong to its
    /// current file.
    pub(crate) fn relieve(&self, rollup: &mut Rollup) {
        if rollup.weight() > PART {
            let part = rollup.take_part();
            let mut held = self.held();
            merge(&mut held, part);
            rollup.follow_bound(&held);
        }
    }

    /// Adds a part.
    pub(crate) fn add(&self, part: Rollup) {
        merge(&mut self.held(), part);
    }

    pub(crate) fn into_rollup(self) -> Rollup {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Merges the smaller rollup into the larger, because the merged data briefly exists twice.
pub(crate) fn merge(whole: &mut Rollup, mut part: Rollup) {
    if part.weight() > whole.weight() {
        std::mem::swap(whole, &mut part);
    }
    whole.merge(part);
}
