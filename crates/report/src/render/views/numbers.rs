//! Totals.

use super::super::document::Document;
use super::super::words::{bytes, count, number, percent, some, unknown};
use crate::model::{Report, Totals};

/// The lines of the section: a name, a value, and details.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, name: &str, value: &str, details: &str) {
        let gap = if value.is_empty() || details.is_empty() {
            ""
        } else {
            ": "
        };
        self.0.push(format!("{name:<14}{value}{gap}{details}"));
    }
}

fn joined(parts: [Option<String>; 3]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn rate(value: Option<f64>) -> Option<String> {
    value.map(|n| format!("{} per minute of run time", number(n)))
}

pub(super) fn totals(report: &Report, document: &mut Document) {
    let totals = &report.totals;
    let mut lines = Lines::default();
    work(totals, &mut lines);
    if let Some(time) = &totals.response_time_ms {
        let details = format!(
            "median; p95 {} ms, p99 {} ms, maximum {} ms",
            number(time.p95),
            number(time.p99),
            number(time.max)
        );
        lines.add(
            "response time",
            &format!("{} ms", number(time.p50)),
            &details,
        );
    }
    let codes = totals.status_codes.iter();
    let codes: Vec<String> = codes
        .map(|(status, n)| format!("{status}: {}", count(*n)))
        .collect();
    if !codes.is_empty() {
        lines.add("status codes", "", &codes.join("  "));
    }
    lines.add("rate limits", &count(totals.rate_limits), "");
    lines.add("bytes", &totals.bytes.map_or_else(unknown, bytes), "");
    let pages: Vec<u64> = report.runs.iter().filter_map(|run| run.pages).collect();
    if !pages.is_empty() {
        lines.add("pages", &count(pages.iter().sum()), "");
    }
    if let Some(duplicates) = &report.duplicates {
        let sure = duplicates.confidence.as_ref();
        let sure = sure.map(|c| format!("mean confidence {}", percent(Some(c.mean))));
        let detected = count(duplicates.detected);
        lines.add("duplicates", &detected, &sure.unwrap_or_default());
    }
    document.lines(lines.0);
}

/// Requests and items.
fn work(totals: &Totals, lines: &mut Lines) {
    let failed = |value: Option<u64>| value.map(|n| format!("{} failed", count(n)));
    let succeeded = totals.success_rate;
    let succeeded = succeeded.map(|share| format!("{} succeeded", percent(Some(share))));
    let requests = [
        failed(totals.requests_failed),
        succeeded,
        rate(totals.requests_per_minute),
    ];
    lines.add("requests", &some(totals.requests), &joined(requests));
    let found = totals.items_found.map(|n| {
        format!(
            "{} found, {} of them became items",
            count(n),
            percent(totals.item_yield)
        )
    });
    let items = [
        failed(totals.items_failed),
        found,
        rate(totals.items_per_minute),
    ];
    lines.add("items", &some(totals.items), &joined(items));
}
