//! The metrics crate from outside.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
#![allow(clippy::float_cmp, reason = "exact numbers are expected")]

mod crawl;
mod docs;
mod export;
#[cfg(feature = "facade")]
mod facade;
mod parsers;
mod registry;
mod windows;
