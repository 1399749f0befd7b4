//! Rendering of a comparison of two runs.

use super::document::{Align, Document, Tone};
use super::words::{known, minute, number, plural};
use crate::diff::{Diff, ErrorChange, MetricChange, Side};

/// Maximum number of errors shown per side.
const TOP_ERRORS: usize = 10;

/// Renders the comparison: changed metrics, new and gone errors, gates.
pub fn diff(diff: &Diff) -> Document {
    let mut document = Document::default();
    let failed = diff.gates.iter().filter(|gate| !gate.passes).count();
    document.title(match (failed, diff.gates.len()) {
        (_, 0) => format!("{} compared with {}", diff.b.run_id, diff.a.run_id),
        (0, all) => format!(
            "{} passed: {} compared with {}",
            plural(all as u64, "gate"),
            diff.b.run_id,
            diff.a.run_id
        ),
        (failed, all) => format!(
            "{failed} of {} failed: {} compared with {}",
            plural(all as u64, "gate"),
            diff.b.run_id,
            diff.a.run_id
        ),
    });
    document.lines(vec![side("A", &diff.a), side("B", &diff.b)]);
    if (&diff.a.scraper_id, &diff.a.site) != (&diff.b.scraper_id, &diff.b.site) {
        let sentence =
            "A and B are runs of different scrapers or sites: differences need not be changes.";
        document.text(Tone::Warning, sentence);
    }
    gates(diff, &mut document);
    document.heading("What changed");
    let rows = diff
        .metrics
        .iter()
        .filter(|metric| is_shown(metric))
        .map(row);
    document.table(
        &[
            (Align::Fixed, "metric"),
            (Align::Right, "A"),
            (Align::Right, "B"),
            (Align::Right, "change"),
            (Align::Right, "%"),
            (Align::SpareRight, "expected"),
        ],
        rows.collect(),
    );
    config(diff, &mut document);
    errors(
        "Errors only in B",
        &diff.new_errors,
        Tone::Warning,
        &mut document,
    );
    errors(
        "Errors only in A",
        &diff.gone_errors,
        Tone::Plain,
        &mut document,
    );
    document
}

/// Adds the configuration differences.
fn config(diff: &Diff, document: &mut Document) {
    if diff.config.is_empty() {
        return;
    }
    document.heading("Configuration differences");
    let value = |value: &Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "not set".to_owned(),
    };
    let rows = diff.config.iter().map(|change| {
        let cells = vec![change.key.clone(), value(&change.a), value(&change.b)];
        (Tone::Plain, cells)
    });
    document.table(
        &[(Align::Left, "key"), (Align::Cut, "A"), (Align::Cut, "B")],
        rows.collect(),
    );
}

fn side(name: &str, side: &Side) -> String {
    let who = match (&side.scraper_id, &side.site) {
        (Some(scraper), Some(site)) => format!("{scraper} on {site}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "an unnamed scraper".to_owned(),
    };
    if side.start.is_none() && side.verdict.is_none() {
        return format!("{name}  baseline of {who}");
    }
    let (start, verdict) = (minute(side.start.as_ref()), known(side.verdict.as_ref()));
    format!("{name}  {}: {who}, {start} UTC, {verdict}", side.run_id)
}

fn gates(diff: &Diff, document: &mut Document) {
    let rows = diff.gates.iter().map(|gate| {
        let (tone, word) = if gate.passes {
            (Tone::Good, "passed")
        } else {
            (Tone::Critical, "failed")
        };
        let observed = match gate.observed {
            Some(value) if gate.gate.trim_end().ends_with('%') => signed(value * 100.0) + " %",
            Some(value) => signed(value),
            None => "unknown".to_owned(),
        };
        (tone, vec![word.to_owned(), gate.gate.clone(), observed])
    });
    document.table(
        &[
            (Align::Fixed, "gate"),
            (Align::Left, "condition"),
            (Align::Right, "change"),
        ],
        rows.collect(),
    );
}

/// Error categories with zero errors on both sides are not shown.
fn is_shown(metric: &MetricChange) -> bool {
    !(metric.metric.starts_with("errors.")
        && metric.a.unwrap_or(0.0) == 0.0
        && metric.b.unwrap_or(0.0) == 0.0)
}

fn row(metric: &MetricChange) -> (Tone, Vec<String>) {
    let value = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), number);
    let is_outside = metric
        .expected
        .as_ref()
        .zip(metric.b)
        .is_some_and(|(expected, b)| b < expected.lower || b > expected.upper);
    let expected = metric
        .expected
        .as_ref()
        .map_or_else(String::new, |expected| {
            range(&number(expected.lower), &number(expected.upper))
        });
    let tone = if is_outside {
        Tone::Warning
    } else {
        Tone::Plain
    };
    let relative = metric
        .relative
        .map_or_else(String::new, |share| signed(share * 100.0));
    let cells = vec![
        metric.metric.clone(),
        value(metric.a),
        value(metric.b),
        metric.change.map_or_else(String::new, signed),
        relative,
        expected,
    ];
    (tone, cells)
}

/// `3 to 5`, or `about 3`
fn range(lower: &str, upper: &str) -> String {
    if lower == upper {
        format!("about {lower}")
    } else {
        format!("{lower} to {upper}")
    }
}

fn signed(value: f64) -> String {
    let text = number(value.abs());
    match () {
        () if text == "0" => text,
        () if value < 0.0 => format!("−{text}"),
        () => format!("+{text}"),
    }
}

fn errors(heading: &str, errors: &[ErrorChange], tone: Tone, document: &mut Document) {
    if errors.is_empty() {
        return;
    }
    document.heading(heading);
    let point = |error: &ErrorChange| {
        (
            tone,
            format!("{}: {}", error.category.replace('_', " "), error.template),
            Vec::new(),
        )
    };
    document.list(errors.iter().take(TOP_ERRORS).map(point).collect());
    if errors.len() > TOP_ERRORS {
        document.text(
            Tone::Muted,
            format!("and {} more", errors.len() - TOP_ERRORS),
        );
    }
}
