//! Everything together, in numbers.

use super::super::document::{Document, Tone};
use super::super::words::{bytes, count, number, percent, plural, some, unknown};
use crate::model::{Report, Totals};

pub(super) fn totals(totals: &Totals, document: &mut Document) {
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
    document.lines(lines);
}

/// One line for each section that was logged.
pub(super) fn sections(report: &Report, document: &mut Document) {
    let mut lines = Vec::new();
    if let Some(domains) = &report.domains {
        lines.push(format!("{} asked", plural(domains.distinct, "host")));
    }
    if let Some(articles) = &report.articles {
        let words = articles.word_count.as_ref();
        let words = words.map_or_else(String::new, |w| {
            format!(", {} words on average", number(w.mean))
        });
        lines.push(format!("{}{words}", plural(articles.stored, "article")));
    }
    if let Some(search) = &report.search {
        lines.push(format!(
            "{} made",
            plural(search.searches, "search request")
        ));
    }
    if let Some(queue) = &report.queue {
        lines.push(format!(
            "a queue of at most {}",
            number(queue.queue_size.max)
        ));
    }
    if let Some(duplicates) = &report.duplicates {
        lines.push(plural(duplicates.detected, "duplicate"));
    }
    if let Some(database) = &report.database {
        let took = database.duration_ms.as_ref();
        let took = took.map_or_else(String::new, |t| {
            format!(", {} ms on average", number(t.mean))
        });
        lines.push(format!(
            "{}{took}",
            plural(database.operations, "database operation")
        ));
    }
    if let Some(cpu) = report
        .system
        .as_ref()
        .and_then(|system| system.cpu_percent.as_ref())
    {
        lines.push(format!(
            "CPU {} % on average, {} % at most",
            number(cpu.mean),
            number(cpu.max)
        ));
    }
    if !lines.is_empty() {
        document.text(Tone::Plain, format!("{}.", lines.join("; ")));
    }
}
