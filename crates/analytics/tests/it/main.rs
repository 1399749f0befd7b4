//! Frames and questions over real logs.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod sql;
