//! The labels at the right of a chart over time.

use crate::frame::Frame;
use crate::scale::spread;
use crate::svg::{Anchor, Canvas};
use crate::text::{fit, width as text_width};
use crate::time_series::{Data, Palette, TimeSeries};

/// A label at the right of the plot: its text, the style of its line, and the last value.
pub(crate) struct Label {
    text: String,
    class: String,
    value: f64,
}

/// The length of the line sample before a label.
pub(crate) const SWATCH: f64 = 10.0;

/// The labels of all lines, bands and forecasts; none where there is one line alone.
pub(crate) fn labels(chart: &TimeSeries, data: &Data, palette: Palette, room: f64) -> Vec<Label> {
    let last = |line: &[Option<f64>]| line.iter().rev().flatten().next().copied();
    let mut labels = Vec::new();
    let mut add = |text: &str, class: String, value: Option<f64>| {
        if let Some(value) = value.filter(|_| !text.is_empty()) {
            labels.push(Label {
                text: fit(text, room),
                class,
                value,
            });
        }
    };
    for (i, (series, line)) in chart.series.iter().zip(&data.lines).enumerate() {
        add(&series.label, palette.class(i), last(line));
    }
    let expected = data.expected.iter().rev().flatten().next();
    add(
        "expected",
        "swatch".to_owned(),
        expected.map(|(a, b)| f64::midpoint(*a, *b)),
    );
    let forecast = data.forecast.last();
    add(
        "forecast",
        "line forecast".to_owned(),
        forecast.map(|point| point.mean),
    );
    // What a single line shows is in the title and the unit.
    if labels.len() == 1 {
        labels.clear();
    }
    labels
}

/// The space at the right that labels need.
pub(crate) fn right_of(labels: &[Label]) -> f64 {
    let widths = labels.iter().map(|label| text_width(&label.text));
    widths
        .reduce(f64::max)
        .map_or(8.0, |widest| widest + SWATCH + 12.0)
}

pub(crate) fn draw_labels(canvas: &mut Canvas, frame: &Frame, labels: &[Label]) {
    let wishes: Vec<f64> = labels.iter().map(|label| frame.y(label.value)).collect();
    let places = spread(&wishes, 15.0, frame.top + 4.0, frame.bottom - 4.0);
    for (label, y) in labels.iter().zip(places) {
        let x = frame.right + 8.0;
        canvas.line(&label.class, (x, y), (x + SWATCH, y));
        canvas.text(x + SWATCH + 4.0, y + 4.0, Anchor::Start, "", &label.text);
    }
}
