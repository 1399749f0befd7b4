//! The first room: bytes into lines, lines out of what stands around them, lines into records.
//!
//! What it asks of others is how a line is written ([`parsing`](crate::parsing)), never what it means.

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
pub(crate) mod members;
pub(crate) mod memory;
pub(crate) mod multiplexed;
pub(crate) mod octets;
pub(crate) mod open;

use dragline_schema::{Position, Problem, ProblemKind, Sink};

/// Hands over what could not be read.
pub(crate) fn report(sink: &mut dyn Sink, kind: ProblemKind, at: Option<Position>, detail: &str) {
    sink.problem(&Problem { kind, at, detail });
}
