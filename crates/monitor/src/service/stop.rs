//! How threads learn that the service ends.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A request to end, which wakes everybody who waits.
#[derive(Debug, Default)]
pub(super) struct Stop {
    is_requested: Mutex<bool>,
    requested: Condvar,
}

impl Stop {
    pub(super) fn request(&self) {
        *self
            .is_requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.requested.notify_all();
    }

    pub(super) fn is_requested(&self) -> bool {
        *self
            .is_requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a time, or until the end is requested. Returns whether it is.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut is_requested = self
            .is_requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !*is_requested {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.requested.wait_timeout(is_requested, left);
            is_requested = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
