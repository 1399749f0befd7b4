//! Rendering of a document as text for a terminal or a pipe.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::document::{Align, Block, Document, Tone};

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

const GAP: usize = 2;
/// Minimum width to which a column is cut while others can be cut instead.
const LEAST: usize = 10;

/// Renders the document.
pub fn text(document: &Document, terminal: &Terminal) -> String {
    let mut out = String::new();
    for (index, block) in document.blocks.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        match block {
            Block::Title(text) | Block::Heading(text) => {
                for row in wrap(&clean(text), terminal.width) {
                    line(&mut out, &terminal.paint(BOLD, &row));
                }
            }
            Block::Text(tone, text) => {
                for row in wrap(&clean(text), terminal.width) {
                    line(&mut out, &terminal.tone(*tone, &row));
                }
            }
            Block::List(points) => {
                for (number, (tone, point, below)) in points.iter().enumerate() {
                    let mark = format!("{:>2}. ", number + 1);
                    let rows = wrap(&clean(point), terminal.width.saturating_sub(4));
                    for (nth, row) in rows.iter().enumerate() {
                        let lead = if nth == 0 { mark.as_str() } else { "    " };
                        line(&mut out, &format!("{lead}{}", terminal.tone(*tone, row)));
                    }
                    for row in below
                        .iter()
                        .flat_map(|b| wrap(&clean(b), terminal.width.saturating_sub(4)))
                    {
                        line(&mut out, &terminal.tone(Tone::Muted, &format!("    {row}")));
                    }
                }
            }
            Block::Lines(lines) => {
                for text in lines {
                    let rows = wrap(&clean(text), terminal.width.saturating_sub(14));
                    for (nth, row) in rows.iter().enumerate() {
                        let lead = if nth == 0 { "" } else { "              " };
                        line(&mut out, &format!("{lead}{row}"));
                    }
                }
            }
            Block::Figure(_) => {}
            Block::Verbatim(lines) => {
                lines.iter().for_each(|text| line(&mut out, &clean(text)));
            }
            Block::Table { headers, rows, .. } => table(&mut out, headers, rows, terminal),
        }
    }
    out
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
    // Column names may come from a query.
    let headers: Vec<(Align, String)> = headers
        .iter()
        .map(|(align, name)| (*align, clean(name)))
        .collect();
    let headers = &*headers;
    let rows: Vec<(Tone, Vec<String>)> = rows
        .iter()
        .map(|(tone, cells)| (*tone, cells.iter().map(|cell| clean(cell)).collect()))
        .collect();
    let wanted: Vec<usize> = (0..headers.len())
        .map(|index| {
            let cells = rows.iter().filter_map(|(_, cells)| cells.get(index));
            cells
                .map(|cell| cell.width())
                .chain([headers[index].1.width()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let shown = shown_columns(&wanted, headers, terminal.width);
    let headers: Vec<(Align, String)> = shown.iter().map(|index| headers[*index].clone()).collect();
    let mut widths: Vec<usize> = shown.iter().map(|index| wanted[*index]).collect();
    let rows: Vec<(Tone, Vec<String>)> = rows
        .into_iter()
        .map(|(tone, cells)| {
            let cell = |index: &usize| cells.get(*index).cloned().unwrap_or_default();
            (tone, shown.iter().map(cell).collect())
        })
        .collect();
    shrink(&mut widths, &headers, terminal.width);
    let set = |cells: &[String], tone: Tone| {
        let mut row = String::new();
        for (index, ((align, _), width)) in headers.iter().zip(&widths).enumerate() {
            let cell = cut(cells.get(index).map_or("", String::as_str), *width);
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            let cell = if index == 0 {
                terminal.tone(tone, &cell)
            } else {
                cell
            };
            let gap = if index == 0 { "" } else { "  " };
            row.push_str(gap);
            row.push_str(&match align {
                Align::Right | Align::SpareRight => pad + &cell,
                _ => cell + &pad,
            });
        }
        row
    };
    if headers.iter().any(|(_, name)| !name.is_empty()) {
        let names: Vec<String> = headers.iter().map(|(_, name)| name.clone()).collect();
        line(
            out,
            &terminal.paint(MUTED, set(&names, Tone::Plain).trim_end()),
        );
    }
    for (tone, cells) in &rows {
        line(out, &set(cells, *tone));
    }
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
fn shrink(widths: &mut [usize], headers: &[(Align, String)], width: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    for cuttable in [&[Align::Cut][..], &[Align::Cut, Align::Left]] {
        while widths.iter().sum::<usize>() + gaps > width {
            let widest = (0..widths.len())
                .filter(|index| cuttable.contains(&headers[*index].0) && widths[*index] > LEAST)
                .max_by_key(|index| widths[*index]);
            let Some(widest) = widest else { break };
            widths[widest] -= 1;
        }
    }
}

/// Cuts in the middle: the ends of a path or message are the most informative.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let keep = width.saturating_sub(1);
    let head = take(text.chars(), keep.div_ceil(2));
    let tail: String = take(text.chars().rev(), keep / 2).chars().rev().collect();
    format!("{head}…{tail}")
}

fn take(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
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

    #[test]
    fn a_long_text_is_cut_in_the_middle() {
        assert_eq!(cut("abcdefghij", 5), "ab…ij");
        assert_eq!(cut("größe", 5), "größe");
    }
}
