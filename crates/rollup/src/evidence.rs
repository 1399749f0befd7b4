//! Where a person can look something up.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A place in a file. The order is that of content and offset, so that it does not depend on names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// What the file begins with, hashed.
    pub content_id: u64,
    /// The byte where the line starts, after decompression.
    pub offset: u64,
    /// The line, from 1.
    pub line: u64,
    /// The file.
    pub path: Arc<str>,
}
