//! The largest groups, as horizontal bars with their names and values.

use crate::frame::{empty, is_narrow, usable};
use crate::scale::clean;
use crate::svg::{Anchor, Canvas, Path, Places};
use crate::table::{Cell, Table};
use crate::text::{FONT, fit, width as text_width};
use crate::{Chart, Format};

/// Horizontal bars that start at zero, in the given order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarRow {
    /// The title: the finding in words.
    pub title: String,
    /// One or two sentences for readers who cannot see the chart.
    pub desc: String,
    /// The unit of the values: `errors in 24 hours`.
    pub unit: String,
    /// How values are written.
    pub format: Format,
    /// The bars, the first at the top.
    pub bars: Vec<Bar>,
}

/// One bar of a [`BarRow`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bar {
    /// The bar's name. Cut in the middle if it is too long; the table shows it in full.
    pub label: String,
    /// The bar's length. Missing, negative and infinite values have no bar.
    pub value: Option<f64>,
}

const TOP: f64 = 22.0;
const BAR: f64 = 14.0;

/// The layout of labels and bars.
struct Layout {
    /// The left edge of the bars.
    left: f64,
    /// Maximum length of a bar.
    room: f64,
    /// The height of a row, and the offset of the bar in it.
    row: f64,
    bar: f64,
}

impl BarRow {
    /// Puts the names beside the bars; on a phone above them, so that long messages fit.
    fn layout(&self, width: f64) -> Layout {
        let widest = |texts: &mut dyn Iterator<Item = f64>| texts.fold(0.0, f64::max);
        let values = widest(
            &mut self
                .bars
                .iter()
                .map(|bar| 1.1 * text_width(&self.written(bar))),
        ) + 6.0;
        if is_narrow(width) {
            return Layout {
                left: 0.0,
                room: (width - values).max(20.0),
                row: 40.0,
                bar: 18.0,
            };
        }
        let labels = widest(
            &mut self
                .bars
                .iter()
                .map(|bar| text_width(&fit(&bar.label, width * 0.45))),
        );
        let left = labels + 12.0;
        Layout {
            left,
            room: (width - left - values).max(20.0),
            row: 24.0,
            bar: 4.0,
        }
    }

    fn written(&self, bar: &Bar) -> String {
        clean(bar.value).map_or_else(|| "no data".to_owned(), |value| self.format.value(value))
    }
}

impl Chart for BarRow {
    fn title(&self) -> &str {
        &self.title
    }

    fn draw(&self, width: f64) -> String {
        let width = usable(width);
        if self.bars.is_empty() {
            return empty(width, &self.title, &self.desc);
        }
        let layout = self.layout(width);
        let length = |bar: &Bar| clean(bar.value).unwrap_or(0.0).max(0.0);
        let longest = self
            .bars
            .iter()
            .map(length)
            .fold(f64::MIN_POSITIVE, f64::max);
        let mut canvas = Canvas::new(width);
        canvas.text(0.0, FONT, Anchor::Start, "muted", &fit(&self.unit, width));
        let mut path = Path::default();
        for (i, bar) in self.bars.iter().enumerate() {
            let top = TOP + layout.row * i as f64;
            let size = layout.room * (length(bar) / longest);
            let baseline = top + layout.bar + BAR - 3.0;
            if size > 0.0 {
                // Non-zero values always get a visible bar.
                path.rect(layout.left, top + layout.bar, size.max(1.0), BAR);
            }
            let (y, room) = if layout.left > 0.0 {
                (baseline, layout.left - 10.0)
            } else {
                (top + 13.0, width)
            };
            canvas.text(0.0, y, Anchor::Start, "", &fit(&bar.label, room));
            canvas.text(
                layout.left + size + 6.0,
                baseline,
                Anchor::Start,
                "value",
                &self.written(bar),
            );
        }
        canvas.path("bar", &path);
        let height = TOP + layout.row * self.bars.len() as f64;
        if layout.left > 0.0 {
            canvas.line("base", (layout.left, TOP), (layout.left, height));
        }
        let rows = (0..self.bars.len()).map(|i| TOP + layout.row * (i as f64 + 0.5));
        let places = Places {
            columns: vec![width / 2.0],
            rows: rows.collect(),
            cursor: (width - 1.0, layout.row - 1.0),
        };
        canvas.finish(height + 6.0, &self.title, &self.desc, &places)
    }

    fn table(&self) -> String {
        let mut table = Table::new(&self.unit, &[("Group", false), ("Value", true)]);
        for bar in &self.bars {
            table.row(&bar.label, &[Cell::number(clean(bar.value), self.format)]);
        }
        table.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_begin_at_zero_and_long_names_are_whole_in_the_table() {
        let name = "timeout after 30 s while reading ".repeat(5);
        let bar = |label: &str, value| Bar {
            label: label.into(),
            value,
        };
        let chart = BarRow {
            bars: vec![
                bar(&name, Some(200.0)),
                bar("b", Some(100.0)),
                bar("c", Some(-3.0)),
            ],
            ..BarRow::default()
        };
        assert!(chart.svg().contains('…') && chart.table().contains(&name));
        let svg = chart.draw(340.0);
        let bars = svg.split("class=\"bar\" d=\"").nth(1).unwrap();
        assert_eq!(bars.split('"').next().unwrap().matches('M').count(), 2);
    }
}
