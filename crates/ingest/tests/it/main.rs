//! The reader on real files.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod follow;
