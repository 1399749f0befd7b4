//! A word-sized line chart for table cells.

use crate::Format;
use crate::scale::{Domain, clean};
use crate::svg::Path;
use crate::text::escape;

const WIDTH: f64 = 96.0;
const HEIGHT: f64 = 20.0;
/// Margin for half the stroke width and for the dot at the end.
const INSET: f64 = 3.0;

/// A small line chart of one row's values.
///
/// All sparklines of a column must share [`min`](Self::min) and [`max`](Self::max), and the column's
/// header should say so; otherwise rows cannot be compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparkline {
    /// What the line shows: `items per day, last 14 days`.
    pub label: String,
    /// The values at equal distances; `None` is a gap.
    pub values: Vec<Option<f64>>,
    /// The lower end of the column's scale.
    pub min: f64,
    /// The upper end of the column's scale.
    pub max: f64,
    /// The format of values in the text summary.
    pub format: Format,
}

impl Sparkline {
    /// Renders the `<svg>`, 96 by 20, with the summary as `aria-label`.
    pub fn svg(&self) -> String {
        let domain = self.domain();
        let count = self.values.len().saturating_sub(1).max(1) as f64;
        let places = self.values.iter().enumerate().map(|(i, value)| {
            let x = INSET + (WIDTH - 2.0 * INSET) * i as f64 / count;
            clean(*value).map(|v| (x, domain.place(v, HEIGHT - INSET, INSET)))
        });
        let last = places.clone().flatten().last();
        let (line, mut dots) = Path::polyline(places);
        if let Some((x, y)) = last {
            dots.dot(x, y);
        }
        format!(
            "<svg class=\"spark\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} \
             {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{}\">\
             <path class=\"line s0\" d=\"{}\"/><path class=\"dot\" d=\"{}\"/></svg>",
            escape(&self.summary()),
            line.data(),
            dots.data(),
        )
    }

    fn domain(&self) -> Domain {
        let (min, max) = (
            clean(Some(self.min)).unwrap_or(0.0),
            clean(Some(self.max)).unwrap_or(0.0),
        );
        let (low, high) = (min.min(max), min.max(max));
        if low < high {
            return Domain {
                low,
                high,
                step: high - low,
                is_log: false,
            };
        }
        Domain::of([low].into_iter(), false, 1.0)
    }

    /// A text summary of the line.
    fn summary(&self) -> String {
        let known: Vec<f64> = self
            .values
            .iter()
            .filter_map(|value| clean(*value))
            .collect();
        let (Some(first), Some(last)) = (known.first(), known.last()) else {
            return format!("{}: no values", self.label);
        };
        let lowest = known.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let [first, last, lowest, highest] =
            [*first, *last, lowest, highest].map(|value| self.format.value(value));
        format!(
            "{}: first {first}, last {last}, lowest {lowest}, highest {highest}",
            self.label
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_the_columns() {
        let line = |max| Sparkline {
            label: "items".into(),
            values: vec![Some(0.0), None, Some(10.0)],
            max,
            ..Sparkline::default()
        };
        assert!(
            line(10.0).svg().contains("d=\"M3 17h0M93 3h0M93 3h0\""),
            "{}",
            line(10.0).svg()
        );
        assert!(line(20.0).svg().contains("d=\"M3 17h0M93 10h0M93 10h0\""));
        assert!(
            line(10.0)
                .svg()
                .contains("aria-label=\"items: first 0, last 10, lowest 0, highest 10\"")
        );
    }
}
