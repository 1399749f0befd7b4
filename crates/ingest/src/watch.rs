//! Looking at a long reading from outside: how far it is, and stopping it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// How far a reading is. Shared between the threads that read and whoever waits for them.
#[derive(Debug, Default)]
pub struct Watch {
    read: AtomicU64,
    total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Watch {
    /// Bytes on disk that were read so far.
    pub fn done(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Bytes on disk that are to be read, as far as is known.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// More bytes are to be read.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Relaxed);
    }

    /// So many bytes on disk were read, or need not be read.
    pub fn advance(&self, bytes: u64) {
        self.read.fetch_add(bytes, Relaxed);
    }

    /// Ends the reading soon: files seem to end where they are.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Relaxed);
    }

    /// Whether the reading was ended: what was read is not all that is there.
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Relaxed)
    }
}
