//! The table of a chart, with the same values as text.

use crate::Format;
use crate::marks::Mark;
use crate::text::escape;
use crate::time::Civil;

/// The text of a missing value.
const MISSING: &str = "–";

/// One cell: its text, and an optional number to sort by.
pub(crate) struct Cell {
    text: String,
    key: Option<String>,
    numeric: bool,
}

impl Cell {
    pub(crate) fn number(value: Option<f64>, format: Format) -> Self {
        let text = value.map_or_else(|| MISSING.to_owned(), |value| format.value(value));
        // The script reads other numbers from their text.
        let has_units = matches!(format, Format::Milliseconds | Format::Bytes);
        Self {
            text,
            key: value.filter(|_| has_units).map(key),
            numeric: true,
        }
    }

    /// A range, sorted by its lower end; of a range without width, its value.
    pub(crate) fn range(range: Option<(f64, f64)>, format: Format) -> Self {
        let text = range.map_or_else(
            || MISSING.to_owned(),
            |(low, high)| match (format.value(low), format.value(high)) {
                (low, high) if low == high => format!("about {low}"),
                (low, high) => format!("{low} to {high}"),
            },
        );
        Self {
            text,
            key: range.map(|(low, _)| key(low)),
            numeric: true,
        }
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            key: None,
            numeric: false,
        }
    }
}

/// What a number is sorted by: one digit more than is shown.
fn key(value: f64) -> String {
    let rounded = format!("{value:.3e}").parse().unwrap_or(value);
    format!("{rounded}")
}

/// A table that is being written.
pub(crate) struct Table {
    head: String,
    body: String,
}

impl Table {
    /// Starts a table with a caption and column headers; each header says whether its column is numeric.
    pub(crate) fn new(caption: &str, heads: &[(&str, bool)]) -> Self {
        let mut head = format!("<caption>{}</caption><thead><tr>", escape(caption));
        for (text, numeric) in heads {
            head.push_str("<th scope=\"col\"");
            head.push_str(if *numeric { " class=\"n\">" } else { ">" });
            head.push_str(&escape(text));
            head.push_str("</th>");
        }
        head.push_str("</tr></thead>");
        Self {
            head,
            body: String::new(),
        }
    }

    /// Adds a row whose first cell is a time.
    pub(crate) fn time_row(&mut self, time: i64, cells: &[Cell]) {
        // Its text is a time that machines read, too.
        let first = format!("<time>{}</time>", Civil::of(time).stamp());
        self.markup_row(&first, cells);
    }

    /// Adds a row whose first cell is a text.
    pub(crate) fn row(&mut self, first: &str, cells: &[Cell]) {
        self.markup_row(&escape(first), cells);
    }

    fn markup_row(&mut self, first: &str, cells: &[Cell]) {
        self.body
            .push_str(&format!("<tr><th scope=\"row\">{first}</th>"));
        for Cell { text, key, numeric } in cells {
            self.body
                .push_str(if *numeric { "<td class=\"n\"" } else { "<td" });
            if let Some(key) = key {
                self.body.push_str(&format!(" data-v=\"{key}\""));
            }
            self.body.push_str(&format!(">{}</td>", escape(text)));
        }
        self.body.push_str("</tr>");
    }

    pub(crate) fn finish(self) -> String {
        format!(
            "<table class=\"sortable\">{}<tbody>{}</tbody></table>",
            self.head, self.body
        )
    }
}

/// For each time, the labels of the marks nearest to it.
pub(crate) fn marks_by_time(times: &[i64], marks: &[Mark]) -> Vec<String> {
    let mut texts = vec![Vec::new(); times.len()];
    for mark in marks {
        let nearest = (0..times.len()).min_by_key(|i| times[*i].abs_diff(mark.time));
        if let Some(i) = nearest {
            let text = format!("{} {}", Civil::of(mark.time).short(), mark.label);
            texts[i].push(text.trim_end().to_owned());
        }
    }
    texts.into_iter().map(|texts| texts.join("; ")).collect()
}
