//! Conditions: `status == 200`, `response_time < 800ms`, `body matches "cart"`.
//!
//! One line is `FIELD OPERATOR VALUE`. Every field has a unit, and a condition with the wrong unit is an
//! error when the configuration is read, not a check that can never fail.

mod parse;

use std::fmt;
use std::ops::RangeInclusive;

use regex::Regex;

use crate::field::{Field, Unit};
use crate::measurement::Measurement;

pub use parse::ConditionError;

/// One requirement of a check.
///
/// ```
/// use dragline_health::{Condition, Field};
///
/// let condition: Condition = "response_time < 800ms".parse()?;
/// assert_eq!(condition.field(), Field::ResponseTime);
/// let error = "respons_time < 800ms".parse::<Condition>().unwrap_err();
/// assert!(error.to_string().contains("did you mean `response_time`?"));
/// # Ok::<(), dragline_health::ConditionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    field: Field,
    test: Test,
    /// Whether it holds when nothing was measured: a default that does not fit every check.
    is_optional: bool,
}

/// The part of a condition after the field.
#[derive(Clone, Debug)]
enum Test {
    Compare(Operator, f64),
    In(Vec<RangeInclusive<f64>>),
    Matches { pattern: Regex, negated: bool },
    Text { text: String, negated: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Numbers that differ by less are equal: `==` on a measured value would otherwise never hold.
const TOLERANCE: f64 = 0.001;

impl Operator {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Equal => (value - limit).abs() < TOLERANCE,
            Self::NotEqual => (value - limit).abs() >= TOLERANCE,
            Self::Less => value < limit,
            Self::LessOrEqual => value <= limit,
            Self::Greater => value > limit,
            Self::GreaterOrEqual => value >= limit,
        }
    }
}

/// What a condition says about a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not hold; the sentence names the value.
    Fails(String),
    /// The measurement lacks the value; the sentence says so.
    Unknown(String),
}

impl Condition {
    /// The value that it is about.
    pub fn field(&self) -> Field {
        self.field
    }

    /// Largest value that it allows, if it is an upper limit.
    pub(crate) fn upper_limit(&self) -> Option<f64> {
        match &self.test {
            Test::Compare(Operator::Less | Operator::LessOrEqual, limit) => Some(*limit),
            _ => None,
        }
    }

    /// Compares it with a measurement.
    pub fn evaluate(&self, measurement: &Measurement) -> Verdict {
        match &self.test {
            Test::Compare(..) | Test::In(_) => self.evaluate_number(measurement),
            Test::Matches { .. } | Test::Text { .. } => self.evaluate_text(measurement),
        }
    }

    fn evaluate_number(&self, measurement: &Measurement) -> Verdict {
        let Some(value) = measurement.get(self.field) else {
            return self.unknown();
        };
        let holds = match &self.test {
            Test::Compare(operator, limit) => operator.holds(value, *limit),
            Test::In(ranges) => ranges.iter().any(|range| range.contains(&value)),
            Test::Matches { .. } | Test::Text { .. } => false,
        };
        if holds {
            return Verdict::Holds;
        }
        let shown = show(self.field, value);
        Verdict::Fails(format!(
            "{} is {shown} (condition: {self})",
            self.field.name()
        ))
    }

    fn evaluate_text(&self, measurement: &Measurement) -> Verdict {
        let Some(body) = &measurement.body else {
            return self.unknown();
        };
        let (holds, negated) = match &self.test {
            Test::Matches { pattern, negated } => (pattern.is_match(&body.text), *negated),
            Test::Text { text, negated } => (body.text == *text, *negated),
            Test::Compare(..) | Test::In(_) => (false, false),
        };
        if holds != negated {
            return Verdict::Holds;
        }
        let extent = if body.is_cut {
            "its first mebibyte"
        } else {
            "it"
        };
        let found = if negated { "has" } else { "lacks" };
        Verdict::Fails(format!(
            "the body is not as expected: {extent} {found} the text of the condition {self}"
        ))
    }

    /// The same condition, which holds when its field was not measured.
    #[must_use]
    pub(crate) fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    fn unknown(&self) -> Verdict {
        if self.is_optional {
            return Verdict::Holds;
        }
        Verdict::Unknown(format!(
            "{} was not measured (condition: {self})",
            self.field.name()
        ))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Shows a value in the unit in which a condition would write it.
pub(crate) fn show(field: Field, value: f64) -> String {
    match field.unit() {
        Unit::Duration => show_duration(value),
        Unit::Percent => format!("{value:.1} %"),
        Unit::Bytes => show_bytes(value),
        Unit::Number if value.fract() == 0.0 => format!("{value:.0}"),
        Unit::Number | Unit::Text => format!("{value:.1}"),
    }
}

/// Shows seconds: `0.8 ms`, `120 ms`, `1.5 s`, `12 min`, `3.5 h`, `4 days`.
pub(crate) fn show_duration(seconds: f64) -> String {
    let (number, unit) = match seconds {
        s if s < 0.0095 => (format!("{:.1}", s * 1e3), "ms"),
        s if s < 0.9995 => (format!("{:.0}", s * 1e3), "ms"),
        s if s < 99.95 => (format!("{s:.1}"), "s"),
        s if s < 7200.0 => (format!("{:.0}", s / 60.0), "min"),
        s if s < 172_800.0 => (format!("{:.1}", s / 3600.0), "h"),
        s => (format!("{:.1}", s / 86_400.0), "days"),
    };
    format!("{} {unit}", number.trim_end_matches(".0"))
}

fn show_bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests;
