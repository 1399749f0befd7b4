//! The watch: alert rules, their state, and who is notified of what.

pub mod duration;
mod labels;
pub mod severity;
pub mod state;
mod suggest;

pub use labels::{LabelMatch, Labels, Matchers};
