//! The activity of runs over time.

use serde::{Deserialize, Serialize};

use crate::counters::Counters;

/// The activity of a run in one time bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActivityRow {
    /// The bucket's start, in microseconds.
    pub start: i64,
    /// The run, as an index in [`Finished::runs`](crate::Finished::runs).
    pub run: usize,
    /// The counts.
    pub counters: Counters,
}
