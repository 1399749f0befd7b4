//! Writing SVG: coordinates to a tenth of a unit, paths, and the document around them.

use std::fmt::Write as _;

use crate::text::escape;

/// Where a text is held.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A coordinate in tenths of a unit. Integers cannot drift and print the same everywhere.
fn tenths(value: f64) -> i64 {
    if value.is_finite() {
        (value.clamp(-1e6, 1e6) * 10.0).round() as i64
    } else {
        0
    }
}

/// Writes tenths as a decimal, the sign serving as separator where it can.
fn write_tenths(out: &mut String, tenths: i64) {
    let separated = out.ends_with(|c: char| c.is_ascii_alphabetic()) || tenths < 0;
    if !separated && !out.is_empty() {
        out.push(' ');
    }
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, tenth) = (tenths.abs() / 10, tenths.abs() % 10);
    let _ = match tenth {
        0 => write!(out, "{sign}{whole}"),
        _ => write!(out, "{sign}{whole}.{tenth}"),
    };
}

/// A coordinate, rounded to a tenth.
pub(crate) fn num(value: f64) -> String {
    let mut out = String::new();
    write_tenths(&mut out, tenths(value));
    out
}

/// Path data with relative coordinates, which are short.
#[derive(Default)]
pub(crate) struct Path {
    data: String,
    at: (i64, i64),
}

impl Path {
    pub(crate) fn move_to(&mut self, x: f64, y: f64) {
        self.at = (tenths(x), tenths(y));
        self.data.push('M');
        write_tenths(&mut self.data, self.at.0);
        write_tenths(&mut self.data, self.at.1);
    }

    pub(crate) fn line_to(&mut self, x: f64, y: f64) {
        let (x, y) = (tenths(x), tenths(y));
        self.data.push('l');
        write_tenths(&mut self.data, x - self.at.0);
        write_tenths(&mut self.data, y - self.at.1);
        self.at = (x, y);
    }

    pub(crate) fn close(&mut self) {
        self.data.push('z');
    }

    pub(crate) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64) {
        let (w, h) = (
            tenths(x + width) - tenths(x),
            tenths(y + height) - tenths(y),
        );
        self.move_to(x, y);
        for (axis, length) in [('h', w), ('v', h), ('h', -w)] {
            self.data.push(axis);
            write_tenths(&mut self.data, length);
        }
        self.close();
    }

    /// A line through places, broken at every gap. A place between two gaps becomes a dot: a
    /// stroke without length, which round caps make visible.
    pub(crate) fn polyline(places: impl Iterator<Item = Option<(f64, f64)>>) -> Self {
        let mut path = Self::default();
        let mut length = 0_usize;
        for place in places.chain([None]) {
            match place {
                Some((x, y)) if length == 0 => path.move_to(x, y),
                Some((x, y)) => path.line_to(x, y),
                None if length == 1 => path.data.push_str("h0"),
                None => {}
            }
            length = if place.is_some() { length + 1 } else { 0 };
        }
        path
    }

    /// The area between `(x, lower, upper)`, broken at every gap.
    pub(crate) fn band(places: &[Option<(f64, f64, f64)>]) -> Self {
        let mut path = Self::default();
        for run in places.split(Option::is_none) {
            let mut run: Vec<_> = run.iter().flatten().copied().collect();
            if let [(x, lower, upper)] = run[..] {
                // One place alone has no area; two units make it visible.
                run = vec![(x - 1.0, lower, upper), (x + 1.0, lower, upper)];
            }
            let Some(&(x, _, upper)) = run.first() else {
                continue;
            };
            path.move_to(x, upper);
            run.iter()
                .skip(1)
                .for_each(|&(x, _, upper)| path.line_to(x, upper));
            run.iter()
                .rev()
                .for_each(|&(x, lower, _)| path.line_to(x, lower));
            path.close();
        }
        path
    }

    pub(crate) fn data(&self) -> &str {
        &self.data
    }
}

/// What the script needs to put a cursor on a chart: the places of its points, as the product of
/// columns and rows, and the size of the cursor.
///
/// Point `row * columns.len() + column` belongs to that row of the chart's table; see `charts.js`.
pub(crate) struct Places {
    pub(crate) columns: Vec<f64>,
    pub(crate) rows: Vec<f64>,
    pub(crate) cursor: (f64, f64),
}

/// The body of a chart while it is drawn.
pub(crate) struct Canvas {
    pub(crate) width: f64,
    body: String,
}

impl Canvas {
    pub(crate) fn new(width: f64) -> Self {
        Self {
            width,
            body: String::new(),
        }
    }

    /// Markup that is known to be well-formed.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// A text with its baseline at `y`; escaped here.
    pub(crate) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y) = (num(x), num(y));
        let class = attribute("class", class);
        let text = escape(text);
        let _ = write!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\"{anchor}{class}>{text}</text>"
        );
    }

    /// A path; nothing when it is empty.
    pub(crate) fn path(&mut self, class: &str, path: &Path) {
        if !path.data.is_empty() {
            let _ = write!(self.body, "<path class=\"{class}\" d=\"{}\"/>", path.data);
        }
    }

    /// A straight line.
    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let mut path = Path::default();
        path.move_to(from.0, from.1);
        path.line_to(to.0, to.1);
        self.path(class, &path);
    }

    /// The whole document, as high as told.
    pub(crate) fn finish(self, height: f64, title: &str, desc: &str, places: &Places) -> String {
        let list = |values: &[f64]| values.iter().map(|v| num(*v)).collect::<Vec<_>>().join(" ");
        let data = if places.columns.is_empty() || places.rows.is_empty() {
            String::new()
        } else {
            format!(
                " tabindex=\"0\" data-x=\"{}\" data-y=\"{}\" data-cursor=\"{}\"",
                list(&places.columns),
                list(&places.rows),
                list(&[places.cursor.0, places.cursor.1]),
            )
        };
        format!(
            "<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" \
             role=\"img\"{data}><title>{}</title><desc>{}</desc>{}</svg>",
            num(self.width),
            num(height),
            escape(title),
            escape(desc),
            self.body,
        )
    }
}

fn attribute(name: &str, value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else {
        format!(" {name}=\"{value}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short_and_rounded() {
        assert_eq!(
            [0.04, -0.04, 12.25, -3.0, f64::NAN].map(num),
            ["0", "0", "12.3", "-3", "0"]
        );
    }

    #[test]
    fn gaps_break_lines_and_bands() {
        let line = Path::polyline(
            [Some((0.0, 1.0)), Some((2.5, 0.0)), None, Some((5.0, 5.0))].into_iter(),
        );
        assert_eq!(line.data(), "M0 1l2.5-1M5 5h0");
        let band = Path::band(&[Some((0.0, 9.0, 1.0)), Some((4.0, 8.0, 2.0)), None]);
        assert_eq!(band.data(), "M0 1l4 1l0 6l-4 1z");
    }
}
