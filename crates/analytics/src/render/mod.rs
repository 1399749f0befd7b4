//! The report for people: one document, several renderings.

mod document;
mod markdown;
mod terminal;
mod views;
mod words;

pub use document::{Align, Block, Document, Tone};
pub use markdown::markdown;
pub use terminal::{Terminal, text};
pub use views::{errors, report, runs, unread};
