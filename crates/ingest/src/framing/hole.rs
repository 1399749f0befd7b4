//! NUL bytes in the middle of a line.

use dragline_schema::{Position, ProblemKind, Sink};

use super::report;
use crate::framing::lines::HOLE;

/// NUL bytes within a line.
pub(crate) struct Hole<'l> {
    pub(crate) before: &'l str,
    pub(crate) zeros: usize,
    pub(crate) behind: &'l str,
}

impl<'l> Hole<'l> {
    /// The first hole: so many that they are no part of a text, or those at its end.
    pub(crate) fn find(line: &'l str) -> Option<Self> {
        let mut from = 0;
        while let Some(at) = memchr::memchr(0, &line.as_bytes()[from..]) {
            let at = from + at;
            let rest = &line.as_bytes()[at..];
            let zeros = rest.iter().take_while(|byte| **byte == 0).count();
            if zeros >= HOLE || zeros == rest.len() {
                return Some(Self {
                    before: &line[..at],
                    zeros,
                    behind: &line[at + zeros..],
                });
            }
            from = at + zeros;
        }
        None
    }
}

/// Reports NUL bytes that were passed over.
pub(crate) fn report_hole(at: Position, bytes: u64, sink: &mut dyn Sink) {
    let detail = format!(
        "{bytes} NUL bytes, as a file has that was truncated under its writer or cut by a power loss: passed over"
    );
    report(sink, ProblemKind::NulBytes, Some(at), &detail);
}
