//! The sender against a model of files, of a link and of a service.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod files;
mod link;
mod schedules;
mod troubles;
