//! Gates for `dragline diff`: `items>-10%`, `errors.site_change<=0`.

use std::str::FromStr;

use dragline_schema::ErrorCategory;

use super::{GateResult, MetricChange};

/// A condition on the change of a metric from A to B.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    text: String,
    metric: String,
    comparison: Comparison,
    limit: f64,
    /// Whether the limit is a percentage of A.
    is_relative: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

/// The text is not a valid gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid gate {0:?}: write a metric ({known}, errors.CATEGORY, field_fill.FIELD, stats.NAME), a comparison \
     (< <= > >= == !=) and the allowed change from A to B, in percent of A with %, such as 'items>-10%' or \
     'errors.site_change<=0'", known = METRICS.join(", ")
)]
pub struct GateError(String);

/// Metrics that can be compared, in addition to errors by category, fields and custom statistics.
pub(super) const METRICS: [&str; 13] = [
    "requests",
    "success_rate",
    "items",
    "items_per_100_pages",
    "item_yield",
    "errors",
    "rate_limits",
    "response_time_ms.p50",
    "response_time_ms.p95",
    "response_time_ms.p99",
    "bytes",
    "bytes_per_page",
    "duration_seconds",
];

/// Longer operators first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl FromStr for Gate {
    type Err = GateError;

    fn from_str(text: &str) -> Result<Self, GateError> {
        let no_gate = || GateError(text.to_owned());
        let at = text.find(['<', '>', '=', '!']).ok_or_else(no_gate)?;
        let (metric, rest) = text.split_at(at);
        let (sign, comparison) = COMPARISONS
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(no_gate)?;
        let limit = rest[sign.len()..].trim();
        let (limit, is_relative) = match limit.strip_suffix('%') {
            Some(limit) => (limit.trim(), true),
            None => (limit, false),
        };
        let limit: f64 = limit.parse().map_err(|_| no_gate())?;
        let metric = metric.trim();
        let is_known = METRICS.contains(&metric)
            || metric
                .strip_prefix("errors.")
                .is_some_and(|name| name.parse::<ErrorCategory>().is_ok())
            || ["field_fill.", "stats."]
                .iter()
                .any(|own| metric.starts_with(own));
        if !is_known || !limit.is_finite() {
            return Err(no_gate());
        }
        Ok(Self {
            text: text.to_owned(),
            metric: metric.to_owned(),
            comparison,
            limit: if is_relative { limit / 100.0 } else { limit },
            is_relative,
        })
    }
}

impl Gate {
    /// Returns the metric of the gate.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// Checks the change of its metric. An unknown change fails.
    pub(super) fn judge(&self, metrics: &[MetricChange]) -> GateResult {
        let found = metrics.iter().find(|change| change.metric == self.metric);
        let observed = found.and_then(|change| {
            if self.is_relative {
                // Zero in both runs is no change.
                let is_nothing = change.a == Some(0.0) && change.b == Some(0.0);
                change.relative.or(is_nothing.then_some(0.0))
            } else {
                change.change
            }
        });
        GateResult {
            gate: self.text.clone(),
            passes: observed.is_some_and(|observed| self.holds(observed)),
            observed,
        }
    }

    fn holds(&self, observed: f64) -> bool {
        let limit = self.limit;
        match self.comparison {
            Comparison::Less => observed < limit,
            Comparison::LessOrEqual => observed <= limit,
            Comparison::Greater => observed > limit,
            Comparison::GreaterOrEqual => observed >= limit,
            Comparison::Equal => (observed - limit).abs() < 1e-9,
            Comparison::NotEqual => (observed - limit).abs() >= 1e-9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(a: f64, b: f64) -> Vec<MetricChange> {
        vec![super::super::change(
            "items".to_owned(),
            Some(a),
            Some(b),
            None,
        )]
    }

    #[test]
    fn gates_compare_what_changed() {
        for (gate, a, b, passes) in [
            ("items>-10%", 100.0, 91.0, true),
            ("items>-10%", 100.0, 90.0, false),
            ("items >= -10 %", 100.0, 90.0, true),
            ("items<=0", 3.0, 3.0, true),
            ("items<=0", 3.0, 4.0, false),
            ("items==0", 3.0, 3.0, true),
            ("items!=0", 3.0, 3.0, false),
            ("items>-10%", 0.0, 0.0, true),
            ("items<10%", 0.0, 5.0, false),
            ("errors<10%", 1.0, 1.0, false),
        ] {
            let parsed: Gate = gate.parse().unwrap();
            assert_eq!(parsed.judge(&change(a, b)).passes, passes, "{gate} {a} {b}");
        }
    }

    #[test]
    fn what_is_no_gate_is_said() {
        for text in [
            "",
            "items",
            "items>",
            ">5",
            "items=5",
            "items>x%",
            "items>inf",
            "other<1",
            "errors.x<1",
        ] {
            assert!(text.parse::<Gate>().is_err(), "{text}");
        }
    }
}
