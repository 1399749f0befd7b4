//! The names of metrics in words, and how their values are written.

use super::html::{self, format_of, length};
use crate::model::{Range, ValueFormat};

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Is(ValueFormat),
    Seconds,
}

impl Unit {
    /// The unit of a metric, by its name.
    pub(super) fn of(metric: &str) -> Self {
        let name = metric.split('.').next().unwrap_or_default();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        if ends(&["_share", "_rate", "_yield", "field_fill", "_per_request"])
            && name != "seconds_per_request"
        {
            Self::Is(ValueFormat::Percent)
        } else if ends(&["_seconds", "seconds_per_request"]) {
            Self::Seconds
        } else if ends(&["_ms"]) {
            Self::Is(ValueFormat::Milliseconds)
        } else if ends(&["bytes", "bytes_per_page"]) {
            Self::Is(ValueFormat::Bytes)
        } else {
            Self::Is(ValueFormat::Number)
        }
    }

    /// A value for people.
    pub(super) fn value(self, value: f64) -> String {
        match self {
            Self::Is(format) => format_of(format).value(value),
            Self::Seconds if value < 60.0 => {
                format!("{} s", format_of(ValueFormat::Number).value(value))
            }
            Self::Seconds => length(value),
        }
    }

    /// A range for people: one value where both ends are written alike.
    pub(super) fn range(self, range: Range) -> String {
        let [lower, upper] = [range.lower, range.upper].map(|end| self.value(end));
        if lower == upper {
            lower
        } else {
            format!("{lower} to {upper}")
        }
    }
}

/// A metric in the words of the sentences of findings. What is between backticks is code.
pub(super) fn metric(name: &str) -> String {
    let (name, part) = name.split_once('.').unwrap_or((name, ""));
    let words = match name {
        "blocked_share" => "refused requests",
        "failed_share" => "failed requests",
        "item_yield" => "share of found items that were stored",
        "items_failed_share" => "lost items",
        "duplicate_share" => "duplicates per page",
        "retry_share" => "retries",
        "queue_size" => "queue length",
        "queue_left_share" => "unprocessed share of the queue",
        "waiting_share" => "time spent waiting for the site",
        "database_share" => "time spent waiting for the database",
        "processing_share" => "time spent processing and storing pages",
        "seconds_per_request" => "time per request",
        "duration_seconds" => "duration",
        "response_time_ms" if part == "p50" => "response time",
        "response_time_ms" if part == "mean" => "mean response time",
        "errors" if !part.is_empty() => return format!("{} errors", part.replace('_', " ")),
        "field_fill" => return format!("items that have `{}`", html::cut_middle(part, 40)),
        "stats" => return format!("`{}`", html::cut_middle(part, 40)),
        _ if part.is_empty() => return name.replace('_', " "),
        _ => return format!("{} {}", name.replace('_', " "), part.replace('_', " ")),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_words_and_units() {
        for (name, words, value, shown) in [
            ("blocked_share", "refused requests", 0.581, "58.1\u{202f}%"),
            (
                "field_fill.price",
                "items that have `price`",
                0.5,
                "50\u{202f}%",
            ),
            ("items_per_100_pages", "items per 100 pages", 18.3, "18.3"),
            ("errors.rate_limit", "rate limit errors", 38.0, "38"),
            ("duration_seconds", "duration", 28_004.0, "7 h 46 min"),
            ("seconds_per_request", "time per request", 0.25, "0.25 s"),
            (
                "response_time_ms.p50",
                "response time",
                250.0,
                "250\u{202f}ms",
            ),
            ("bytes_per_page", "bytes per page", 4_200.0, "4.2\u{202f}kB"),
        ] {
            assert_eq!(metric(name), words);
            assert_eq!(Unit::of(name).value(value), shown, "{name}");
        }
        let none = Range::default();
        assert_eq!(Unit::of("errors.database").range(none), "0");
    }
}
