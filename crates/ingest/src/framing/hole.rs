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
    /// The first hole: enough consecutive NUL bytes not to be part of a text, or NUL bytes at the end of the line.
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

/// Reports NUL bytes that were skipped.
pub(crate) fn report_hole(at: Position, bytes: u64, sink: &mut dyn Sink) {
    let detail = format!(
        "{bytes} NUL bytes skipped: the file was truncated while being written, or lost data in a power failure"
    );
    report(sink, ProblemKind::NulBytes, Some(at), &detail);
}
