//! Tests of the service from outside.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
#![allow(
    clippy::unnecessary_debug_formatting,
    reason = "paths become strings of TOML"
)]

mod capsule;
mod crashes;
mod fleet;
mod past;
mod reports;
mod service;
mod world;
