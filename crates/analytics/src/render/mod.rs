//! The report for people: one document, several renderings.

mod document;
mod live;
mod markdown;
mod rows;
mod terminal;
mod views;
mod words;

pub use document::{Align, Block, Document, Tone};
pub use live::record;
pub use markdown::markdown;
pub use rows::answer;
pub use terminal::{Terminal, text};
pub use views::{errors, report, runs, unread};
