//! The two text formats. They differ in the names of counters, in escaping and in what may stand between the samples.

use std::fmt::Write as _;

use crate::snapshot::{Metric, Series, Value};
use crate::{Kind, Unit};

/// A text format.
#[derive(Clone, Copy, PartialEq)]
enum Format {
    OpenMetrics,
    Prometheus,
}

/// The metrics as OpenMetrics 1.0, which Prometheus requests by default. Histograms have classic buckets.
///
/// ```
/// use dragline_metrics::{Descriptor, Registry, export};
///
/// let registry = Registry::new();
/// let pages = Descriptor::counter("shop_pages", "Pages scraped.").labels(["site"]);
/// registry.counter(pages)?.get(&["shop.example.com"]).add(3);
/// assert!(export::openmetrics(&registry.snapshot()).contains(
/// r#"# TYPE shop_pages counter
/// ## HELP shop_pages Pages scraped.
/// shop_pages_total{site="shop.example.com"} 3
/// "#));
/// # Ok::<(), dragline_metrics::RegisterError>(())
/// ```
pub fn openmetrics(metrics: &[Metric]) -> String {
    let mut out = write_metrics(metrics, Format::OpenMetrics);
    out.push_str("# EOF\n");
    out
}

/// The metrics in the text format 0.0.4 of Prometheus, which the textfile collector of `node_exporter` and
/// `promtool check metrics` read. They do not read OpenMetrics.
pub fn prometheus(metrics: &[Metric]) -> String {
    write_metrics(metrics, Format::Prometheus)
}

fn write_metrics(metrics: &[Metric], format: Format) -> String {
    let mut out = String::new();
    for metric in metrics {
        let name = match (format, metric.kind) {
            (Format::Prometheus, Kind::Counter) => format!("{}_total", metric.name),
            _ => metric.name.clone(),
        };
        push_line(&mut out, format_args!("# TYPE {name} {}", metric.kind));
        if let (Format::OpenMetrics, Some(unit)) = (format, metric.unit.map(Unit::as_str)) {
            push_line(&mut out, format_args!("# UNIT {name} {unit}"));
        }
        let mut help = String::new();
        push_escaped(&mut help, &metric.help, format == Format::OpenMetrics);
        push_line(&mut out, format_args!("# HELP {name} {help}"));
        for series in &metric.series {
            push_series(&mut out, &metric.name, series);
        }
    }
    out
}

fn push_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(line);
    out.push('\n');
}

fn push_series(out: &mut String, name: &str, series: &Series) {
    let mut labels = String::new();
    for (name, value) in &series.labels {
        push_label(&mut labels, name, |out| push_escaped(out, value, true));
    }
    match &series.value {
        Value::Counter(total) => push_sample(out, name, "_total", &labels, &number(*total)),
        Value::Gauge(value) => push_sample(out, name, "", &labels, &number(*value)),
        Value::Histogram(distribution) => {
            let common = labels.len();
            let mut bucket = |out: &mut String, bound: &str, count: u64| {
                labels.truncate(common);
                push_label(&mut labels, "le", |out| out.push_str(bound));
                push_sample(out, name, "_bucket", &labels, &count.to_string());
            };
            for (bound, count) in &distribution.buckets {
                bucket(out, &bound_text(*bound), *count);
            }
            bucket(out, "+Inf", distribution.count);
            labels.truncate(common);
            let count = distribution.count.to_string();
            push_sample(out, name, "_count", &labels, &count);
            push_sample(out, name, "_sum", &labels, &number(distribution.sum));
        }
    }
}

fn push_label(labels: &mut String, name: &str, push_value: impl FnOnce(&mut String)) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    push_value(labels);
    labels.push('"');
}

fn push_sample(out: &mut String, name: &str, suffix: &str, labels: &str, value: &str) {
    out.push_str(name);
    out.push_str(suffix);
    if !labels.is_empty() {
        out.push('{');
        out.push_str(labels);
        out.push('}');
    }
    out.push(' ');
    out.push_str(value);
    out.push('\n');
}

/// A number in the shortest form that parses back to the same number.
fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        value.to_string()
    } else {
        format!("{value:?}")
    }
}

/// The canonical form of a bound, as Go writes it: `1.0`, `1e+06`.
fn bound_text(bound: f64) -> String {
    if (1e-4..1e6).contains(&bound) {
        return format!("{bound:?}");
    }
    let text = format!("{bound:e}");
    // Rust writes every float with an exponent in this form.
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Escapes a backslash, a line feed and, except in the help text of Prometheus' format, a quote.
fn push_escaped(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}
