//! The position in the logs that supports a finding.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A position in a log file. Ordered by content and offset, so the order does not depend on file names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// A hash of the start of the file.
    pub content_id: u64,
    /// The byte offset of the line, after decompression.
    pub offset: u64,
    /// The line number, from 1.
    pub line: u64,
    /// The path of the file.
    pub path: Arc<str>,
}
