//! Input that could not be read, and the reason.

use serde::{Deserialize, Serialize};

use crate::Position;

/// The kinds of problems with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The file could not be opened or read.
    UnreadableFile,
    /// A compressed file is truncated.
    TruncatedFile,
    /// A compressed file contains bytes that its format does not allow.
    CorruptFile,
    /// The file is binary.
    BinaryFile,
    /// The file is empty.
    EmptyFile,
    /// The file is not a log, judging by its name or by its own description.
    NotALog,
    /// A file with the same content was already read under another name.
    DuplicateFile,
    /// The last line is incomplete.
    TornLine,
    /// A line that matches no known log format.
    BadLine,
    /// A line longer than the limit.
    OversizedLine,
    /// A record without a readable time.
    NoTimestamp,
    /// A record without a time, which was estimated from the name of its file.
    EstimatedTime,
    /// A record with an ambiguous date: the day and the month cannot be told apart.
    AmbiguousDate,
    /// NUL bytes in place of text.
    NulBytes,
    /// Most lines of a text file look like continuations and were added to the records before them.
    MostlyParts,
    /// Lines of a text file repeat the ones before them, as a second handler of a logger writes them.
    DoubledLines,
}

impl ProblemKind {
    /// The name used in reports.
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
            Self::EstimatedTime => "estimated_time",
            Self::AmbiguousDate => "ambiguous_date",
            Self::NulBytes => "nul_bytes",
            Self::MostlyParts => "mostly_parts",
            Self::DoubledLines => "doubled_lines",
        }
    }

    /// Whether the problem is a lost line.
    pub fn is_lost_line(self) -> bool {
        matches!(self, Self::TornLine | Self::BadLine | Self::OversizedLine)
    }
}

/// Input that could not be read, in the file of the latest [`Sink::file`](crate::Sink::file) call.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem<'a> {
    /// The kind of problem.
    pub kind: ProblemKind,
    /// The position; `None` when the problem concerns the whole file.
    pub at: Option<Position>,
    /// A description, or the text at that position.
    pub detail: &'a str,
}
