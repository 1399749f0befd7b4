//! Everything together, in numbers.

use super::super::document::Document;
use super::super::words::{bytes, count, number, percent, some, unknown};
use crate::model::Report;

pub(super) fn totals(report: &Report, document: &mut Document) {
    let totals = &report.totals;
    let mut lines: Vec<String> = Vec::new();
    let mut row = |name: &str, value: String, more: String| {
        let gap = if value.is_empty() || more.is_empty() {
            ""
        } else {
            ": "
        };
        lines.push(format!("{name:<14}{value}{gap}{more}"));
    };
    let rate = |value: Option<f64>| value.map(|n| format!("{} a minute of run time", number(n)));
    let parts =
        |parts: [Option<String>; 3]| parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    row(
        "requests",
        some(totals.requests),
        parts([
            totals
                .requests_failed
                .map(|n| format!("{} failed", count(n))),
            totals
                .success_rate
                .map(|share| format!("{} succeeded", percent(Some(share)))),
            rate(totals.requests_per_minute),
        ]),
    );
    let found = totals.items_found.map(|n| {
        format!(
            "{} found, of which {} became items",
            count(n),
            percent(totals.item_yield)
        )
    });
    row(
        "items",
        some(totals.items),
        parts([
            totals.items_failed.map(|n| format!("{} failed", count(n))),
            found,
            rate(totals.items_per_minute),
        ]),
    );
    if let Some(time) = &totals.response_time_ms {
        row(
            "response time",
            format!("{} ms", number(time.p50)),
            format!(
                "median; p95 {} ms, p99 {} ms, at most {} ms",
                number(time.p95),
                number(time.p99),
                number(time.max)
            ),
        );
    }
    let codes: Vec<String> = totals
        .status_codes
        .iter()
        .map(|(status, n)| format!("{status}: {}", count(*n)))
        .collect();
    if !codes.is_empty() {
        row("status codes", String::new(), codes.join("  "));
    }
    row("rate limits", count(totals.rate_limits), String::new());
    row(
        "bytes",
        totals.bytes.map_or_else(unknown, bytes),
        String::new(),
    );
    let pages: Vec<u64> = report.runs.iter().filter_map(|run| run.pages).collect();
    if !pages.is_empty() {
        row("pages", count(pages.iter().sum()), String::new());
    }
    if let Some(duplicates) = &report.duplicates {
        let sure = duplicates.confidence.as_ref();
        let sure = sure.map(|c| format!("{} sure on average", percent(Some(c.mean))));
        row(
            "duplicates",
            count(duplicates.detected),
            sure.unwrap_or_default(),
        );
    }
    document.lines(lines);
}
