//! Writes SVG: coordinates with one decimal, paths, and the document.

use std::fmt::Write as _;

use crate::text::escape;

/// The anchor of a text.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A coordinate in tenths of a unit. Integers do not accumulate rounding errors and print the same everywhere.
fn tenths(value: f64) -> i64 {
    if value.is_finite() {
        (value.clamp(-1e6, 1e6) * 10.0).round() as i64
    } else {
        0
    }
}

/// Writes tenths as a decimal; a minus sign replaces the separator.
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

/// Formats a coordinate, rounded to a tenth.
pub(crate) fn num(value: f64) -> String {
    let mut out = String::new();
    write_tenths(&mut out, tenths(value));
    out
}

/// Path data with relative coordinates, which are shorter.
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

    /// A straight line between places in whole units.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.move_to(from.0.round(), from.1.round());
        self.line_to(to.0.round(), to.1.round());
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

    /// A line through points, interrupted at every gap, and the points between two gaps, which no line reaches.
    pub(crate) fn polyline(places: impl Iterator<Item = Option<(f64, f64)>>) -> (Self, Self) {
        let (mut line, mut dots) = (Self::default(), Self::default());
        let mut first = None;
        let mut is_line = false;
        for place in places.chain([None]) {
            match (place, first) {
                (Some(place), None) => first = Some(place),
                (Some((x, y)), Some((from_x, from_y))) => {
                    if !is_line {
                        line.move_to(from_x, from_y);
                        is_line = true;
                    }
                    line.line_to(x, y);
                }
                (None, Some((x, y))) => {
                    if !is_line {
                        dots.dot(x, y);
                    }
                    (first, is_line) = (None, false);
                }
                (None, None) => {}
            }
        }
        (line, dots)
    }

    /// A stroke without length, which round caps make a dot.
    pub(crate) fn dot(&mut self, x: f64, y: f64) {
        self.move_to(x, y);
        self.data.push_str("h0");
    }

    /// The area between `lower` and `upper` of `(x, lower, upper)`, interrupted at every gap. Its soft edge needs no tenths
    /// of a unit.
    pub(crate) fn band(places: &[Option<(f64, f64, f64)>]) -> Self {
        let mut path = Self::default();
        for run in places.split(Option::is_none) {
            let run = run.iter().flatten();
            let mut run: Vec<_> = run
                .map(|(x, lower, upper)| (x.round(), lower.round(), upper.round()))
                .collect();
            if let [(x, lower, upper)] = run[..] {
                // A single point has no area; a width of two units makes it visible.
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

/// The data that the script needs for the cursor of a chart: the positions of its points, as a grid of
/// columns and rows, and the size of the cursor.
///
/// Point `row * columns.len() + column` belongs to the table row with that index; see `charts.js`.
pub(crate) struct Places {
    pub(crate) columns: Vec<f64>,
    pub(crate) rows: Vec<f64>,
    pub(crate) cursor: (f64, f64),
}

/// The body of a chart that is being drawn.
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

    /// Adds markup that must be well-formed.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// Adds a text with its baseline at `y`, both in whole units. The text is escaped.
    pub(crate) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y) = (num(x.round()), num(y.round()));
        let class = attribute("class", class);
        let text = escape(text);
        let _ = write!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\"{anchor}{class}>{text}</text>"
        );
    }

    /// Adds a path, unless it is empty.
    pub(crate) fn path(&mut self, class: &str, path: &Path) {
        if !path.data.is_empty() {
            let _ = write!(self.body, "<path class=\"{class}\" d=\"{}\"/>", path.data);
        }
    }

    /// Adds a straight line between places in whole units.
    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let mut path = Path::default();
        path.line(from, to);
        self.path(class, &path);
    }

    /// Returns the complete document with the given height.
    pub(crate) fn finish(self, height: f64, title: &str, desc: &str, places: &Places) -> String {
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

/// Positions for the script: `FIRST+STEP*COUNT` if their distances are equal, which is shorter, otherwise each of them.
fn list(values: &[f64]) -> String {
    if let [first, _, _, .., last] = values {
        let step = (last - first) / (values.len() - 1) as f64;
        let is_even = |(i, value): (usize, &f64)| (first + step * i as f64 - value).abs() < 0.1;
        if values.iter().enumerate().all(is_even) {
            return format!("{}+{step:.3}*{}", num(*first), values.len());
        }
    }
    values.iter().map(|v| num(*v)).collect::<Vec<_>>().join(" ")
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
    fn positions_with_equal_distances_are_short() {
        assert_eq!(list(&[2.0, 3.25, 4.5, 5.75]), "2+1.250*4");
        assert_eq!(list(&[2.0, 3.0, 9.0]), "2 3 9");
        assert_eq!(list(&[2.0, 3.0]), "2 3");
    }

    #[test]
    fn gaps_break_lines_and_bands() {
        let (line, dots) = Path::polyline(
            [Some((0.0, 1.0)), Some((2.5, 0.0)), None, Some((5.0, 5.0))].into_iter(),
        );
        assert_eq!((line.data(), dots.data()), ("M0 1l2.5-1", "M5 5h0"));
        let band = Path::band(&[Some((0.0, 9.0, 1.0)), Some((4.0, 8.0, 2.0)), None]);
        assert_eq!(band.data(), "M0 1l4 1l0 6l-4 1z");
    }
}
