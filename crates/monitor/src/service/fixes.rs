//! The fixes of the service, in memory and in the database.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{MutexGuard, PoisonError};

use super::{Monitor, ServiceError};
use crate::fixes::{Fixes, STATE};
use crate::store::Store;

impl Monitor {
    /// The findings that were marked as mended.
    pub(crate) fn fixes(&self) -> MutexGuard<'_, Fixes> {
        self.fixes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the fixes; `change` returns whether it did. What cannot be stored is not changed.
    pub(crate) fn change_fixes(
        &self,
        change: impl FnOnce(&mut Fixes) -> bool,
    ) -> Result<(), String> {
        let mut held = self.fixes();
        let mut fixes = held.clone();
        if change(&mut fixes) {
            let stored = self.store.set_state(STATE, &fixes.to_json());
            stored.map_err(|error| error.to_string())?;
            *held = fixes;
        }
        Ok(())
    }

    /// Lets the next analysis begin as soon as the last one has rested.
    pub(crate) fn analyse_soon(&self) {
        self.has_news.store(true, Relaxed);
    }
}

/// Reads the stored fixes.
pub(super) fn load(store: &Store) -> Result<Fixes, ServiceError> {
    let stored = store.state(STATE)?;
    let fixes = stored.map(|json| Fixes::from_json(&json)).transpose();
    fixes
        .map(Option::unwrap_or_default)
        .map_err(ServiceError::State)
}
