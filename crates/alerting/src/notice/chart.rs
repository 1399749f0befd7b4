//! Requests over time, as columns.

use std::time::Duration;

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

/// A scraper's requests over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    /// How long each column is.
    pub width: Duration,
    /// The columns in the order of time, without gaps.
    pub columns: Vec<Column>,
}

/// The requests of a part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its start.
    pub start: Timestamp,
    /// Requests with a known outcome.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
}

impl Chart {
    /// The most requests of a column.
    pub fn highest(&self) -> u64 {
        let requests = self.columns.iter().map(|column| column.requests);
        requests.max().unwrap_or(0)
    }
}
