//! The median and upper percentiles of a duration over time.
//!
//! On a linear axis, a median of 80 ms below a 99th percentile of 4 s is a flat line at zero. The axis is therefore
//! logarithmic when the percentiles are far apart.

use crate::time_series::{Palette, Series, TimeSeries, draw};
use crate::{Chart, Format, Mark};

/// When the largest 99th percentile is this many times the usual median, the axis is logarithmic.
const FAR_APART: f64 = 20.0;

/// Percentiles over time, as three line weights of one hue. The axis starts at zero, or is logarithmic if the largest
/// 99th percentile is at least twenty times the usual median.
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
    fn is_far_apart(&self) -> bool {
        let finite = |values: &[Option<f64>]| -> Vec<f64> {
            let values = values.iter().flatten().copied();
            values.filter(|value| value.is_finite()).collect()
        };
        let mut medians = finite(&self.p50);
        medians.sort_by(f64::total_cmp);
        let most = finite(&self.p99).into_iter().fold(0.0, f64::max);
        let usual = medians.get(medians.len() / 2);
        usual.is_some_and(|usual| *usual > 0.0 && most >= FAR_APART * usual)
    }

    fn lines(&self) -> TimeSeries {
        let is_log = self.is_far_apart();
        let named = [("p50", &self.p50), ("p95", &self.p95), ("p99", &self.p99)];
        TimeSeries {
            title: self.title.clone(),
            desc: self.desc.clone(),
            unit: if is_log {
                format!("{}, logarithmic scale", self.unit)
            } else {
                self.unit.clone()
            },
            format: self.format,
            from_zero: true,
            is_log,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_that_are_far_apart_are_on_a_logarithmic_scale() {
        let chart = |p99: f64| Percentiles {
            unit: "response time".into(),
            format: Format::Milliseconds,
            times: vec![0, 3_600_000_000],
            p50: vec![Some(80.0), Some(90.0)],
            p95: vec![Some(200.0), None],
            p99: vec![Some(300.0), Some(p99)],
            ..Percentiles::default()
        };
        assert!(!chart(900.0).svg().contains("logarithmic"));
        let far = chart(4000.0).svg();
        assert!(far.contains("logarithmic scale"), "{far}");
        for tick in ["50\u{202f}ms", "1\u{202f}s", "5\u{202f}s"] {
            assert!(far.contains(tick), "{tick} {far}");
        }
    }
}
