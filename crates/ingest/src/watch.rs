//! Progress and cancellation of a long read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Progress of a read, shared between the reading threads and the caller.
#[derive(Debug, Default)]
pub struct Watch {
    read: AtomicU64,
    total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Watch {
    /// Number of bytes on disk read so far.
    pub fn done(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Total number of bytes on disk to read, as known so far.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Adds bytes to the total.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Relaxed);
    }

    /// Counts bytes on disk as read, or as not needed.
    pub fn advance(&self, bytes: u64) {
        self.read.fetch_add(bytes, Relaxed);
    }

    /// Cancels the read: readers soon behave as if the files ended at their current position.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Relaxed);
    }

    /// Withdraws a cancellation, so that a [`Follower`](crate::Follower) can go on.
    pub fn resume(&self) {
        self.is_cancelled.store(false, Relaxed);
    }

    /// Whether the read was cancelled; its result is then incomplete.
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Relaxed)
    }
}
