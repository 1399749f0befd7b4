//! Rendering of a report for people: one document, several output formats.

mod blocks;
mod columns;
mod comparison;
mod cut;
mod document;
mod figures;
mod handbook;
mod html;
mod incident;
mod layout;
mod live;
mod markdown;
mod panels;
mod rows;
mod terminal;
mod views;
mod words;

pub use comparison::diff;
pub use document::{Align, Below, Block, Document, Point, Tone};
pub use html::{document_page, page};
pub use incident::{incident, numbered_lines, show_lines};
pub use layout::{Layout, Metric, Section, UnknownName};
pub use live::record;
pub use markdown::markdown;
pub use rows::answer;
pub use terminal::{Terminal, clean, clean_json, text};
pub use views::{errors, headline, numbered, report, runs, sections, unread};
