//! Fits a table into the width of a terminal.

use unicode_width::UnicodeWidthStr as _;

use super::cut::cut_column;
use super::document::{Align, Tone};
use super::terminal::clean;

const GAP: usize = 2;
/// Minimum width to which a column is cut while others can be cut instead.
const LEAST: usize = 10;

/// A column that is shown: its texts, cut to its width.
pub(super) struct Column {
    align: Align,
    width: usize,
    /// The header.
    pub(super) head: String,
    /// The cells, one for each row.
    pub(super) cells: Vec<String>,
}

impl Column {
    /// A text with spaces up to the width of the column.
    pub(super) fn padded(&self, text: &str) -> String {
        let pad = " ".repeat(self.width.saturating_sub(text.width()));
        match self.align {
            Align::Right | Align::SpareRight => pad + text,
            _ => text.to_owned() + &pad,
        }
    }
}

/// Returns the columns that are shown at a width, and the headers of those that are dropped.
pub(super) fn fitted(
    headers: &[(Align, String)],
    rows: &[(Tone, Vec<String>)],
    width: usize,
) -> (Vec<Column>, Vec<String>) {
    // Column names may come from a query.
    let headers: Vec<(Align, String)> = headers
        .iter()
        .map(|(align, name)| (*align, clean(name)))
        .collect();
    let texts = |index: usize| -> Vec<String> {
        let cells = rows.iter().map(|(_, cells)| cells.get(index));
        cells
            .map(|cell| clean(cell.map_or("", String::as_str)))
            .collect()
    };
    let cells: Vec<Vec<String>> = (0..headers.len()).map(texts).collect();
    let wanted = headers.iter().zip(&cells).map(|((_, name), cells)| {
        let widths = cells.iter().map(|cell| cell.width());
        widths.max().unwrap_or(0).max(name.width())
    });
    let wanted: Vec<usize> = wanted.collect();
    let shown = shown_columns(&wanted, &headers, width);
    let mut widths: Vec<usize> = shown.iter().map(|index| wanted[*index]).collect();
    let aligned: Vec<Align> = shown.iter().map(|index| headers[*index].0).collect();
    shrink(&mut widths, &aligned, width);
    let dropped = (0..headers.len()).filter(|index| !shown.contains(index));
    let dropped = dropped.map(|index| headers[index].1.clone()).collect();
    let columns = shown.iter().zip(widths).map(|(index, width)| {
        let texts: Vec<&str> = cells[*index].iter().map(String::as_str).collect();
        let (align, name) = &headers[*index];
        Column {
            align: *align,
            width,
            head: cut_column(&[name], width).concat(),
            cells: cut_column(&texts, width),
        }
    });
    (columns.collect(), dropped)
}

/// Returns the indexes of the shown columns: optional columns are dropped from the right until the minimum
/// widths fit.
fn shown_columns(wanted: &[usize], headers: &[(Align, String)], width: usize) -> Vec<usize> {
    let least = |index: &usize| match headers[*index].0 {
        Align::Cut | Align::Left => wanted[*index].min(LEAST),
        Align::Fixed | Align::Spare | Align::SpareRight | Align::Right => wanted[*index],
    };
    let mut shown: Vec<usize> = (0..headers.len()).collect();
    while shown.iter().map(least).sum::<usize>() + GAP * shown.len().saturating_sub(1) > width {
        let is_spare =
            |index: &usize| matches!(headers[*index].0, Align::Spare | Align::SpareRight);
        let Some(spare) = shown.iter().rposition(is_spare) else {
            break;
        };
        shown.remove(spare);
    }
    shown
}

/// Shrinks the widest columns that may be cut, then any text column, until the table fits. Numbers and
/// verdicts are never cut: a row that is too long is better than a wrong value.
fn shrink(widths: &mut [usize], aligned: &[Align], width: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    for cuttable in [&[Align::Cut][..], &[Align::Cut, Align::Left]] {
        while widths.iter().sum::<usize>() + gaps > width {
            let widest = (0..widths.len())
                .filter(|index| cuttable.contains(&aligned[*index]) && widths[*index] > LEAST)
                .max_by_key(|index| widths[*index]);
            let Some(widest) = widest else { break };
            widths[widest] -= 1;
        }
    }
}
