//! Files that discovery found or skipped.

use std::path::PathBuf;

use dragline_schema::{ProblemKind, SourceFile};

/// Number of bytes at a file's start that decide what it is.
pub(crate) const START: usize = 64 << 10;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its path, the hash of its first bytes, and its modification time.
    pub source: SourceFile,
    /// Its exact path, which need not be UTF-8.
    pub path: PathBuf,
    /// Its size on disk.
    pub bytes: u64,
}

/// A skipped file, and why it was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub source: SourceFile,
    /// The kind of problem.
    pub kind: ProblemKind,
    /// The reason, as text.
    pub detail: String,
}
