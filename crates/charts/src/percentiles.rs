//! The median and upper percentiles of a duration over time.

use crate::time_series::{Palette, Series, TimeSeries, draw};
use crate::{Chart, Format, Mark};

/// Percentiles over time, as three line weights of one hue on an axis from zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// The title: the finding in words.
    pub title: String,
    /// One or two sentences for readers who cannot see the chart.
    pub desc: String,
    /// What is measured: `response time`.
    pub unit: String,
    /// How values are written.
    pub format: Format,
    /// The times, in microseconds since 1970 UTC.
    pub times: Vec<i64>,
    /// The median at each time.
    pub p50: Vec<Option<f64>>,
    /// The 95th percentile at each time.
    pub p95: Vec<Option<f64>>,
    /// The 99th percentile at each time.
    pub p99: Vec<Option<f64>>,
    /// Change points.
    pub marks: Vec<Mark>,
}

impl Percentiles {
    fn lines(&self) -> TimeSeries {
        let named = [("p50", &self.p50), ("p95", &self.p95), ("p99", &self.p99)];
        TimeSeries {
            title: self.title.clone(),
            desc: self.desc.clone(),
            unit: self.unit.clone(),
            format: self.format,
            from_zero: true,
            times: self.times.clone(),
            series: named
                .map(|(label, values)| Series {
                    label: label.into(),
                    values: values.clone(),
                })
                .into(),
            marks: self.marks.clone(),
            ..TimeSeries::default()
        }
    }
}

impl Chart for Percentiles {
    fn title(&self) -> &str {
        &self.title
    }

    fn draw(&self, width: f64) -> String {
        draw(&self.lines(), Palette::Weights, width)
    }

    fn table(&self) -> String {
        self.lines().table()
    }
}
