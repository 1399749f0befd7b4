//! Framing: splits bytes into lines, removes the envelopes around lines, and joins lines into records.
//!
//! This module uses [`parsing`](crate::parsing) to learn how a line is written. It never interprets what a line
//! means.

pub(crate) mod bar;
pub(crate) mod body;
pub(crate) mod crash;
pub(crate) mod document;
pub(crate) mod envelope;
pub(crate) mod fingerprint;
pub(crate) mod frames;
pub(crate) mod hole;
pub(crate) mod journal;
pub(crate) mod lines;
pub(crate) mod listed;
pub(crate) mod members;
pub(crate) mod memory;
pub(crate) mod multiplexed;
pub(crate) mod octets;
pub(crate) mod open;
pub(crate) mod table;
pub(crate) mod utf16;

use dragline_schema::{Position, Problem, ProblemKind, Sink};

/// Reports input that could not be read.
pub(crate) fn report(sink: &mut dyn Sink, kind: ProblemKind, at: Option<Position>, detail: &str) {
    sink.problem(&Problem { kind, at, detail });
}
