//! Rendering of SQL results.

use super::document::{Align, Block, Document, Tone};
use super::words::count;
use dragline_analytics::sql::{Answer, shown};

/// Renders the rows of an SQL result, with a note if there are none or not all are shown.
pub fn answer(answer: &Answer, limit: usize) -> Document {
    let mut document = Document::default();
    let align = |is_number: bool| if is_number { Align::Right } else { Align::Left };
    let headers = answer.columns().into_iter().zip(answer.are_numbers());
    let rows: Vec<(Tone, Vec<String>)> = (0..answer.height().min(limit))
        .map(|row| (Tone::Plain, answer.row(row).iter().map(shown).collect()))
        .collect();
    if rows.is_empty() {
        document.text(Tone::Muted, "0 rows".to_owned());
        return document;
    }
    document.blocks.push(Block::Table {
        headers: headers
            .map(|(name, is_number)| (align(is_number), name))
            .collect(),
        rows,
        figures: Vec::new(),
        is_stacked: false,
    });
    if answer.height() > limit {
        let (shown, all) = (count(limit as u64), count(answer.height() as u64));
        let sentence = format!(
            "Showing {shown} of {all} rows; --format csv, json or parquet writes all of them."
        );
        document.text(Tone::Muted, sentence);
    }
    document
}
