//! Tests of the crate from outside.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
#![allow(
    clippy::unnecessary_debug_formatting,
    reason = "paths become strings of TOML"
)]

mod alertmanager;
mod channels;
mod docs;
mod exported;
mod histories;
mod model;
mod prometheus;
mod server;
mod sinks;
mod sleep;
mod smtp;

/// Says, past the test harness, that a test is skipped.
pub(crate) fn skip(what: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
