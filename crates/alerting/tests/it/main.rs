//! Tests of the crate from outside.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod channels;
mod docs;
mod exported;
mod histories;
mod model;
mod server;
mod sinks;
mod sleep;
mod smtp;
