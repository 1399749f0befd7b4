//! Updates the statistics of a source with single records.

use std::collections::BTreeMap;

use dragline_schema::{Dialect, Event, Json, Level, Record, RunStatus, Timestamp, host_of};

use crate::count::{bytes_of, failed};
use crate::evidence::Evidence;
use crate::sections::thousandths;
use crate::source::{Declared, LONGEST_NAME, RunEnd, SourceStats, bounded_name, earlier};

/// A backward step of the clock larger than this, in microseconds, is counted as clock skew.
const CLOCK_SKEW: i64 = 600_000_000;
/// Maximum length of a host name in bytes (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 255;

/// Maximum size of a run's configuration in bytes; larger ones are not kept.
const LONGEST_CONFIG: usize = 4096;

/// Maximum line number; the largest integer that is exact in every language. Larger ones are invalid.
const LARGEST_NUMBER: u64 = 1 << 53;

impl SourceStats {
    /// Records the line number, to detect missing lines.
    pub(crate) fn observe_seq(&mut self, record: &Record<'_>) {
        let writer = record.writer_id.as_deref();
        if let (Some(writer), Some(seq)) = (
            writer.filter(|writer| writer.len() <= LONGEST_NAME),
            record.seq.filter(|seq| *seq <= LARGEST_NUMBER),
        ) {
            self.numbers.insert(writer, seq, record.timestamp);
        }
    }

    /// Detects backward steps of a source's clock within a file: the clock was set, or there are two writers.
    pub(crate) fn observe_clock(
        &mut self,
        source: u32,
        own: &mut Option<(u32, Timestamp)>,
        time: Timestamp,
    ) {
        let before = own.filter(|(last, _)| *last == source);
        let latest = before.map_or(time, |(_, latest)| latest);
        if latest.since(time) > CLOCK_SKEW {
            self.skewed += 1;
            self.skewed_since = earlier(self.skewed_since, Some(latest));
        }
        *own = Some((source, latest.max(time)));
    }

    /// Counts the host of the record's URL; the most frequent one is the run's site if no line names a site.
    pub(crate) fn observe_host<'r>(&mut self, record: &'r Record<'_>) -> Option<&'r str> {
        let host = record
            .event
            .page_url()
            .and_then(host_of)
            .filter(|host| host.len() <= LONGEST_HOST)?;
        *self.hosts.entry(host) += 1;
        Some(host)
    }

    /// Counts a request by host.
    pub(crate) fn observe_domain(&mut self, record: &Record<'_>, host: Option<&str>) {
        if let (Some(host), Event::Request(request)) = (host, &record.event) {
            let domain = self.sections.own().domains.0.entry(host);
            domain.requests += 1;
            domain.requests_failed += u64::from(failed(record, request));
            domain.bytes += bytes_of(request);
            domain.sized += u64::from(request.bytes.is_some());
        }
    }

    /// Records the start, the end, the declared totals and other facts about the whole run.
    pub(crate) fn observe_life(&mut self, record: &Record<'_>, evidence: &dyn Fn() -> Evidence) {
        if record.is_fatal {
            self.died = self.died.max(record.timestamp);
        }
        match &record.event {
            Event::ScraperStart(start) => {
                self.started = earlier(self.started, record.timestamp);
                self.is_supervised |= record.is_supervisors;
                self.configure(record.timestamp, start.config.as_ref());
                let host = start.host.as_deref().map(bounded_name);
                let told = host.map(|host| (record.timestamp, host));
                self.machine = self.machine.take().max(told);
            }
            Event::Summary(summary) if summary.config.is_some() => {
                self.configure(record.timestamp, summary.config.as_ref());
            }
            Event::ScraperEnd(end) => {
                let status = end.status.as_deref().and_then(RunStatus::from_name);
                let reason = end.finish_reason.as_deref().map(bounded_name);
                self.end_at(record.timestamp, status, reason, evidence);
                if record.dialect == Dialect::Dragline {
                    self.declare(declared_by_end(end, record.timestamp));
                }
            }
            Event::Summary(summary) if summary.progress.is_some() => {}
            Event::Summary(summary) => {
                self.declare(declared_by_summary(summary, record.timestamp));
            }
            Event::QueueSize(queue) => {
                let told = record.timestamp.zip(queue.queue_size);
                self.queue = self.queue.max(told);
            }
            Event::RateLimit(limit) => {
                self.wait(record.timestamp, limit.wait_time_seconds.unwrap_or(0.0));
            }
            Event::LogDropped(dropped) => self.dropped += dropped.dropped.unwrap_or(0),
            _ => {}
        }
    }

    /// Records the configuration; the latest is kept.
    fn configure(&mut self, at: Option<Timestamp>, config: Option<&Json<'_>>) {
        let config = config.map(|json| &*json.0);
        let told = config.filter(|config| config.len() <= LONGEST_CONFIG);
        let told = told.map(|config| (at, config.to_owned()));
        self.config = self.config.take().max(told);
    }

    fn end_at(
        &mut self,
        at: Option<Timestamp>,
        status: Option<RunStatus>,
        reason: Option<String>,
        evidence: &dyn Fn() -> Evidence,
    ) {
        let end = RunEnd {
            at,
            status: status.unwrap_or(RunStatus::Success),
            reason,
        };
        self.ends += 1;
        // A program that does not stop when told to, and is killed, has failed. The supervisor may write no time.
        let is_killed = self.end.as_ref().is_some_and(|held| {
            held.status == RunStatus::Cancelled
                && end.status == RunStatus::Failed
                && (at.is_none() || at >= held.at)
        });
        if is_killed || Some(&end) > self.end.as_ref() {
            self.end = Some(end);
            self.end_place = Some(evidence());
        }
    }

    fn declare(&mut self, mut new: Declared) {
        new.drop_faults();
        let held = self.declared.as_ref().map(|held| (held.is_truth, held.at));
        if held.is_none_or(|held| (new.is_truth, new.at) >= held) {
            self.declared = Some(new);
        }
    }
}

/// Maximum number of custom statistics per run.
const MOST_OWN: usize = 100;
/// Maximum length of their names, in bytes.
const LONGEST_OWN: usize = 64;
/// Maximum absolute value of a custom statistic.
const LARGEST: f64 = 1e12;

/// The custom statistics of a run, in thousandths. Values that are not numbers are ignored.
fn own_of(end: &dragline_schema::ScraperEnd<'_>) -> BTreeMap<String, i64> {
    let json = end.stats.as_ref().map_or("{}", |stats| &*stats.0);
    let numbers: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(json).unwrap_or_default();
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, value)| own_number(&name, value.as_f64()?));
    numbers.take(MOST_OWN).collect()
}

/// A custom statistic in thousandths; `None` if the name is too long or the value too large.
pub(crate) fn own_number(name: &str, value: f64) -> Option<(String, i64)> {
    let is_right = name.len() <= LONGEST_OWN && value.abs() <= LARGEST;
    is_right.then(|| (name.to_owned(), (value * 1000.0).round() as i64))
}

/// The totals of other writers' statistics.
fn declared_by_summary(
    summary: &dragline_schema::RunSummary<'_>,
    at: Option<Timestamp>,
) -> Declared {
    let status_codes = summary.status_codes.iter().copied().collect();
    let level = |level| {
        let counts = summary.levels.iter().filter(|(held, _)| *held == level);
        counts.map(|(_, count)| count).sum::<u64>()
    };
    let tells_failures = summary.requests_failed.is_some();
    Declared {
        is_truth: true,
        at,
        start: summary.start,
        end: summary.end,
        requests: summary.requests,
        requests_failed: summary.requests_failed,
        requests_unjudged: summary.requests.filter(|_| !tells_failures),
        status_codes: tells_failures.then_some(status_codes),
        bytes: summary.bytes,
        saved: summary.items,
        failed: summary.items_failed,
        // A scraper may also log duplicates that its framework does not count.
        duplicates: summary.duplicates.filter(|count| *count > 0),
        retries: summary.retries,
        pages: summary.pages,
        own: summary
            .own
            .iter()
            .filter_map(|(name, value)| own_number(name, *value))
            .take(MOST_OWN)
            .collect(),
        errors: (!summary.levels.is_empty()).then(|| level(Level::Error) + level(Level::Critical)),
        warnings: (!summary.levels.is_empty()).then(|| level(Level::Warn)),
        ..Declared::default()
    }
}

fn declared_by_end(end: &dragline_schema::ScraperEnd<'_>, at: Option<Timestamp>) -> Declared {
    Declared {
        is_truth: false,
        at,
        duration: end.duration_seconds.and_then(|s| thousandths(s * 1000.0)),
        requests: end.requests_made,
        bytes: end.bytes_downloaded,
        found: end.products_found,
        added: end.products_added,
        updated: end.products_updated,
        saved: end.products_saved,
        failed: end.products_failed,
        articles: end.articles_stored,
        errors: end.errors_count,
        rate_limits: end.rate_limits_hit,
        pages: end.pages_scraped,
        own: own_of(end),
        ..Declared::default()
    }
}
