//! The memory that reading may take.
//!
//! A process reads with as much memory as it was given, however many threads it has and whatever stands in
//! the files. Most buffers have a bound of their own: the longest line. What makes reading faster and takes
//! more, whole members of archives, is leased here; where nothing is left the slower way is taken, which
//! gives the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a process may take when nobody says otherwise, in bytes.
const DEFAULT: usize = 512 << 20;
/// What a thread may need for its longest line, in all forms that it has on its way to a record, in bytes.
const THREAD: usize = 32 << 20;

/// How much memory reading may take. Shared by all threads that read.
#[derive(Debug)]
pub struct Memory {
    total: usize,
    /// What can be leased still.
    left: AtomicUsize,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of(DEFAULT)
    }
}

impl Memory {
    /// So many bytes in all.
    pub fn of(bytes: usize) -> Self {
        Self {
            total: bytes,
            // The rest is for what is kept of records, and for threads.
            left: AtomicUsize::new(bytes / 4),
        }
    }

    /// How many bytes there are in all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The largest number of threads that there is room for, of those that are wanted.
    pub fn threads(&self, wanted: usize) -> usize {
        wanted.clamp(1, (self.total / THREAD).max(1))
    }

    /// Takes bytes until the lease is dropped; `None` when there are not so many.
    pub(crate) fn lease(self: &Arc<Self>, bytes: usize) -> Option<Lease> {
        let take = |left: usize| left.checked_sub(bytes);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.is_ok().then(|| Lease {
            memory: Arc::clone(self),
            bytes,
        })
    }
}

/// Bytes that were taken.
#[derive(Debug)]
pub(crate) struct Lease {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.memory.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_leased_comes_back() {
        let memory = Arc::new(Memory::of(400));
        let first = memory.lease(60);
        assert!(first.is_some() && memory.lease(60).is_none());
        drop(first);
        assert!(memory.lease(100).is_some());
        assert_eq!(memory.threads(8), 1);
        assert_eq!(Memory::default().threads(64), 16);
    }
}
