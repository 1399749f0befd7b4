//! Rendering of a document as text for a terminal or a pipe.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr as _;

use super::columns::{Column, fitted};
use super::document::{Align, Block, Document, Point, Tone};

/// Properties of the output.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Width in columns; tables and sentences are fitted to it.
    pub width: usize,
    /// Whether tones are coloured.
    pub color: bool,
}

impl Default for Terminal {
    /// Defaults for a pipe: 120 columns, no colour.
    fn default() -> Self {
        Self {
            width: 120,
            color: false,
        }
    }
}

/// Renders the document.
pub fn text(document: &Document, terminal: &Terminal) -> String {
    let mut out = String::new();
    write_blocks(&mut out, &document.blocks, terminal);
    out
}

fn write_blocks(out: &mut String, blocks: &[Block], terminal: &Terminal) {
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        match block {
            Block::Fold { summary, blocks } => {
                title(out, summary, terminal);
                write_blocks(out, blocks, terminal);
            }
            Block::Title(text) | Block::Heading(text) => {
                title(out, text, terminal);
            }
            Block::Text(tone, text) => {
                for row in wrap(&clean(text), terminal.width) {
                    line(out, &terminal.tone(*tone, &row));
                }
            }
            Block::List { first, points } => list(out, *first, points, terminal),
            Block::Lines(lines) => {
                for text in lines {
                    let rows = wrap(&clean(text), terminal.width.saturating_sub(14));
                    for (nth, row) in rows.iter().enumerate() {
                        let lead = if nth == 0 { "" } else { "              " };
                        line(out, &format!("{lead}{row}"));
                    }
                }
            }
            Block::Figure(_) => {}
            Block::Verbatim(lines) => {
                lines.iter().for_each(|text| line(out, &clean(text)));
            }
            Block::Table { headers, rows, .. } => table(out, headers, rows, terminal),
        }
    }
}

fn title(out: &mut String, text: &str, terminal: &Terminal) {
    for row in wrap(&clean(text), terminal.width) {
        line(out, &terminal.paint(BOLD, &row));
    }
}

fn list(out: &mut String, first: usize, points: &[Point], terminal: &Terminal) {
    let last = first + points.len();
    // All texts of a list start in the same column.
    let digits = last.saturating_sub(1).to_string().len().max(2);
    let indent = " ".repeat(digits + 2);
    let width = terminal.width.saturating_sub(digits + 2);
    for (number, (tone, point, below)) in (first..).zip(points) {
        let mark = format!("{number:>digits$}. ");
        for (nth, row) in wrap(&clean(point), width).iter().enumerate() {
            let lead = if nth == 0 { &mark } else { &indent };
            line(out, &format!("{lead}{}", terminal.tone(*tone, row)));
        }
        for row in below
            .iter()
            .flat_map(|text| wrap(&clean(&text.plain()), width))
        {
            let row = format!("{indent}{row}");
            line(out, &terminal.tone(Tone::Muted, &row));
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn table(
    out: &mut String,
    headers: &[(Align, String)],
    rows: &[(Tone, Vec<String>)],
    terminal: &Terminal,
) {
    let (columns, dropped) = fitted(headers, rows, terminal.width);
    let join = |cell: &dyn Fn(&Column) -> String, tone: Tone| {
        let mut row = String::new();
        for (index, column) in columns.iter().enumerate() {
            let cell = column.padded(&cell(column));
            if index == 0 {
                // Only the text has the tone, not the space around it.
                row.push_str(&terminal.tone_inside(tone, &cell));
            } else {
                row.push_str("  ");
                row.push_str(&cell);
            }
        }
        row
    };
    if columns.iter().any(|column| !column.head.is_empty()) {
        let names = join(&|column| column.head.clone(), Tone::Plain);
        line(out, &terminal.paint(MUTED, names.trim_end()));
    }
    for (nth, (tone, _)) in rows.iter().enumerate() {
        line(out, &join(&|column| column.cells[nth].clone(), *tone));
    }
    if !dropped.is_empty() {
        let legend = format!("Not shown at this width: {}.", dropped.join(", "));
        for row in wrap(&legend, terminal.width) {
            line(out, &terminal.tone(Tone::Muted, &row));
        }
    }
}

/// Wraps text at spaces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.width();
        if used > 0 && used + 1 + length > width {
            rows.push(String::new());
            used = 0;
        }
        // There is always a last row.
        if let Some(row) = rows.last_mut() {
            if used > 0 {
                row.push(' ');
                used += 1;
            }
            row.push_str(word);
            used += length;
        }
    }
    rows
}

/// Makes text from a log safe to print on one line: characters that would move the cursor, control the
/// terminal, start a new line, or change the direction of writing are replaced by spaces.
///
/// Every output for people passes text from input through this function.
pub fn clean(text: &str) -> String {
    text.replace(dragline_charts::is_hidden, " ")
}

/// Escapes characters in JSON that control terminals; the value stays the same.
pub fn clean_json(json: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| c > '\u{7e}' && dragline_charts::is_hidden(c);
    if !json.contains(is_escaped) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

const BOLD: &str = "1";
const MUTED: &str = "2";

impl Terminal {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Sets the tone of a text, but not of the spaces before and after it.
    fn tone_inside(&self, tone: Tone, text: &str) -> String {
        let inside = text.trim();
        if inside.is_empty() {
            return text.to_owned();
        }
        text.replacen(inside, &self.tone(tone, inside), 1)
    }

    pub(super) fn tone(&self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => self.paint("32", text),
            Tone::Warning => self.paint("33", text),
            Tone::Critical => self.paint("31", text),
            Tone::Muted => self.paint(MUTED, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(document: &Document, width: usize) -> Vec<String> {
        text(
            document,
            &Terminal {
                width,
                color: false,
            },
        )
        .lines()
        .map(str::to_owned)
        .collect()
    }

    proptest! {
        #[test]
        fn a_table_fits_the_terminal(
            cells in proptest::collection::vec(("\\PC{0,80}", "[0-9]{1,9}"), 1..6),
            width in 40usize..160,
        ) {
            let mut document = Document::default();
            let rows_of = cells.into_iter().map(|(a, b)| (Tone::Critical, vec![a, b])).collect();
            document.table(&[(Align::Cut, "message"), (Align::Right, "count")], rows_of);
            for row in rows(&document, width) {
                prop_assert!(row.width() <= width, "{} > {width}: {row}", row.width());
            }
        }
    }

    #[test]
    fn hostile_text_cannot_reach_the_terminal() {
        let mut document = Document::default();
        document.text(Tone::Plain, "a\u{1b}[31mred\r\nb\u{202e}c");
        assert_eq!(rows(&document, 80), ["a [31mred  b c"]);
    }
}
