//! Files that were found.

use std::path::PathBuf;

use dragline_schema::{ProblemKind, SourceFile};

/// This much of a file tells what it is.
pub(crate) const START: usize = 64 << 10;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is, what it begins with, when it was written.
    pub source: SourceFile,
    /// Where it is, to the byte: names need not be UTF-8.
    pub path: PathBuf,
    /// Its size on disk.
    pub bytes: u64,
}

/// A file that was not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub source: SourceFile,
    /// Why.
    pub kind: ProblemKind,
    /// The reason in a sentence.
    pub detail: String,
}
