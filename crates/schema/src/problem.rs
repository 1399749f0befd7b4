//! What could not be read, and why.

use serde::{Deserialize, Serialize};

use crate::Position;

/// The kinds of things that can be wrong with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The file could not be opened or read.
    UnreadableFile,
    /// A compressed file ends before its end.
    TruncatedFile,
    /// A compressed file holds bytes that its format does not allow.
    CorruptFile,
    /// The file is binary.
    BinaryFile,
    /// The file holds nothing.
    EmptyFile,
    /// The file is no log by its name or by what it says of itself.
    NotALog,
    /// The same content stands under another name that was read.
    DuplicateFile,
    /// The last line stops in the middle.
    TornLine,
    /// A line that no dialect recognises.
    BadLine,
    /// A line longer than the limit.
    OversizedLine,
    /// A record without a time that can be read.
    NoTimestamp,
    /// A record whose date has a day and a month that nothing tells apart.
    AmbiguousDate,
    /// NUL bytes in place of text.
    NulBytes,
    /// Most lines of a text file were taken for parts of the records before them, by their look alone.
    MostlyParts,
}

impl ProblemKind {
    /// The name in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnreadableFile => "unreadable_file",
            Self::TruncatedFile => "truncated_file",
            Self::CorruptFile => "corrupt_file",
            Self::BinaryFile => "binary_file",
            Self::EmptyFile => "empty_file",
            Self::NotALog => "not_a_log",
            Self::DuplicateFile => "duplicate_file",
            Self::TornLine => "torn_line",
            Self::BadLine => "bad_line",
            Self::OversizedLine => "oversized_line",
            Self::NoTimestamp => "no_timestamp",
            Self::AmbiguousDate => "ambiguous_date",
            Self::NulBytes => "nul_bytes",
            Self::MostlyParts => "mostly_parts",
        }
    }

    /// Whether it is a line that was lost.
    pub fn is_lost_line(self) -> bool {
        matches!(self, Self::TornLine | Self::BadLine | Self::OversizedLine)
    }
}

/// Something that could not be read, in the file that was last begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem<'a> {
    /// What kind.
    pub kind: ProblemKind,
    /// Where, when it is not the file as a whole.
    pub at: Option<Position>,
    /// One sentence, or what stands there.
    pub detail: &'a str,
}
