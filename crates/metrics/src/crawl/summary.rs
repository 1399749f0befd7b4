//! The statistics that a program reports about its own run: Scrapy's dump, Crawlee's statistics.
//!
//! A run's lines or its statistics are counted, never both: a log at INFO may have no line for a request.

use dragline_schema::{Event, Record, RunSummary, Timestamp};

use super::CrawlMetric as M;
use super::output::{Output, seconds};
use crate::window::Update::{Add, Observe, Set};

/// What was counted of a run so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Whether requests have lines of their own.
    requests_have_lines: bool,
    /// Whether items have lines of their own.
    items_have_lines: bool,
    /// Whether duplicates have lines of their own.
    duplicates_have_lines: bool,
    /// What the run's statistics said last; programs repeat them with higher totals.
    requests: u64,
    failed: u64,
    bytes: u64,
    items: u64,
    items_failed: u64,
    duplicates: u64,
    pages: u64,
}

/// By how much a total rose. A total that is not reported did not.
fn rise(held: &mut u64, total: Option<u64>) -> u64 {
    let more = total.unwrap_or(0).saturating_sub(*held);
    *held += more;
    more
}

impl Counted {
    /// Notes what the lines of the run tell.
    pub(super) fn note(&mut self, record: &Record<'_>) {
        match &record.event {
            Event::Request(_) if !record.is_echo => self.requests_have_lines = true,
            Event::ProductProcessed(_) | Event::ArticleStored(_) => self.items_have_lines = true,
            Event::DuplicateDetected(_) => self.duplicates_have_lines = true,
            _ => {}
        }
    }

    /// Counts what the run's statistics say and no line does.
    pub(super) fn count(&mut self, summary: &RunSummary<'_>, out: &mut Output<'_>) {
        let mut add = |metric: M, label: Option<&str>, more: u64| match label {
            _ if more == 0 => {}
            Some(label) => out.run_and(metric, label, Add(more as f64)),
            None => out.run(metric, Add(more as f64)),
        };
        if !self.requests_have_lines {
            let requests = rise(&mut self.requests, summary.requests);
            let failed = rise(&mut self.failed, summary.requests_failed);
            let rest = match summary.requests_failed {
                Some(_) => "success",
                None => "unknown",
            };
            add(M::Requests, Some("failed"), failed);
            add(M::Requests, Some(rest), requests.saturating_sub(failed));
            add(M::ResponseBytes, None, rise(&mut self.bytes, summary.bytes));
        }
        if !self.items_have_lines {
            let failed = rise(&mut self.items_failed, summary.items_failed);
            add(
                M::Products,
                Some("saved"),
                rise(&mut self.items, summary.items),
            );
            add(M::Products, Some("failed"), failed);
        }
        if !self.duplicates_have_lines {
            let duplicates = rise(&mut self.duplicates, summary.duplicates);
            add(M::Duplicates, None, duplicates);
        }
        add(M::Pages, None, rise(&mut self.pages, summary.pages));
    }
}

/// Whether the statistics are the last of their run.
pub(super) fn is_final(summary: &RunSummary<'_>) -> bool {
    summary.end.is_some() || summary.finish_reason.is_some()
}

/// Counts the end of a run that reports it with its statistics.
pub(super) fn observe_final(summary: &RunSummary<'_>, out: &mut Output<'_>) {
    // Scrapy's word; others say why the run was stopped, but not whether that is a failure.
    let is_success = summary.finish_reason.as_deref() == Some("finished");
    let status = if is_success { "success" } else { "unknown" };
    out.run_and(M::RunsFinished, status, Add(1.0));
    if let Some(at) = out.at.filter(|_| is_success) {
        out.run(M::LastSuccess, Set(seconds(at)));
    }
    let duration = |(start, end): (Timestamp, Timestamp)| end.since(start).max(0) as f64 / 1e6;
    let values = [
        (M::RunDuration, summary.start.zip(summary.end).map(duration)),
        (M::RunRequests, summary.requests.map(|count| count as f64)),
        (M::RunItems, summary.items.map(|count| count as f64)),
    ];
    for (metric, value) in values {
        if let Some(value) = value {
            out.run(metric, Observe(value));
        }
    }
}
