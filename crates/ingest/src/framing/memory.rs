//! The memory limit for reading.
//!
//! A process stays within the memory limit, regardless of its number of threads and of the content of the files.
//! Most buffers are limited by the longest line. Decompressing whole archive members is faster but needs more
//! memory, which is leased here. If no memory is left, the slower way is used, which produces the same result.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Default memory limit of a process, in bytes.
const DEFAULT: usize = 512 << 20;
/// Memory that a thread may need for its longest line, in all representations up to the record, in bytes.
const THREAD: usize = 32 << 20;

/// The memory limit for reading, shared by all reading threads.
#[derive(Debug)]
pub struct Memory {
    total: usize,
    /// Number of bytes that can still be leased.
    left: AtomicUsize,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of(DEFAULT)
    }
}

impl Memory {
    /// Creates a limit of `bytes` in total.
    pub fn of(bytes: usize) -> Self {
        Self {
            total: bytes,
            // The rest is for stored parts of records, and for threads.
            left: AtomicUsize::new(bytes / 4),
        }
    }

    /// The limit in bytes.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The number of threads that fit into the memory, at most `wanted`.
    pub fn threads(&self, wanted: usize) -> usize {
        wanted.clamp(1, (self.total / THREAD).max(1))
    }

    /// Leases bytes until the lease is dropped. Returns `None` if too few are left.
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

/// Leased bytes.
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
