//! Where the threads' parts come together.
//!
//! Each thread counts into a rollup of its own, and hands over what it has as soon as that is more than a
//! small part of the memory: so it does not matter how many threads there are. A rollup that is merged from
//! any parts is what one thread would have made.

use std::sync::{Mutex, MutexGuard, PoisonError};

use dragline_rollup::Rollup;

/// A thread hands over a rollup of about so many bytes.
const PART: usize = 8 << 20;
/// So many records are observed before its size is looked at.
pub(crate) const RECORDS_BETWEEN_LOOKS: u32 = 1 << 8;

/// A rollup that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Rollup>);

impl Pool {
    pub(crate) fn new(rollup: Rollup) -> Self {
        Self(Mutex::new(rollup))
    }

    /// A thread that panicked holding it is passed on where that is joined.
    fn held(&self) -> MutexGuard<'_, Rollup> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes everything that the rollup observed, if it is large; what it observes next still stands in its
    /// current file.
    pub(crate) fn relieve(&self, rollup: &mut Rollup) {
        if rollup.weight() > PART {
            let part = rollup.take_part();
            let mut held = self.held();
            merge(&mut held, part);
            rollup.follow_bound(&held);
        }
    }

    /// Takes a part.
    pub(crate) fn add(&self, part: Rollup) {
        merge(&mut self.held(), part);
    }

    pub(crate) fn into_rollup(self) -> Rollup {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the smaller to the larger: what is merged is there twice for a moment.
pub(crate) fn merge(whole: &mut Rollup, mut part: Rollup) {
    if part.weight() > whole.weight() {
        std::mem::swap(whole, &mut part);
    }
    whole.merge(part);
}
