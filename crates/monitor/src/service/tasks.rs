//! What the service does regularly, and whether it succeeded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use dragline_schema::Timestamp;

/// One task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskState {
    /// When it last succeeded; `None` if it never did.
    pub last_success: Option<Timestamp>,
    /// Why it failed the last time; `None` if it did not.
    pub error: Option<String>,
}

/// All tasks by name.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<BTreeMap<&'static str, TaskState>>);

impl Tasks {
    /// Writes down what became of a task. Returns whether that is other than before.
    pub(crate) fn note(
        &self,
        name: &'static str,
        now: Timestamp,
        outcome: Result<(), String>,
    ) -> bool {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let task = tasks.entry(name).or_default();
        let error = outcome.err();
        if error.is_none() {
            task.last_success = Some(now);
        }
        let is_other = task.error != error;
        task.error = error;
        is_other
    }

    /// Writes down that a task failed.
    pub(crate) fn fail(&self, name: &'static str, error: &str) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.entry(name).or_default().error = Some(error.to_owned());
    }

    /// Removes a task that is not done any more.
    pub(crate) fn forget(&self, name: &str) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.remove(name);
    }

    /// All tasks.
    pub(crate) fn all(&self) -> Vec<(&'static str, TaskState)> {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks
            .iter()
            .map(|(name, task)| (*name, task.clone()))
            .collect()
    }

    /// Why a task failed the last time.
    pub(crate) fn error_of(&self, name: &str) -> Option<String> {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.get(name)?.error.clone()
    }

    /// When a task last succeeded.
    pub(crate) fn success_of(&self, name: &str) -> Option<Timestamp> {
        let tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.get(name)?.last_success
    }
}
