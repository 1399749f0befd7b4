//! What a source's records say of it, one by one.

use std::collections::BTreeMap;

use dragline_schema::{Dialect, Event, Json, Level, Record, RunStatus, Timestamp, host_of};

use crate::count::{bytes_of, failed};
use crate::evidence::Evidence;
use crate::sections::thousandths;
use crate::source::{Declared, LONGEST_NAME, RunEnd, SourceStats, bounded_name, earlier};

/// Further back than so goes no clock that is right, in microseconds.
const CLOCK_SKEW: i64 = 600_000_000;
/// No host has a longer name (RFC 1035, section 2.3.4), in bytes.
const LONGEST_HOST: usize = 255;

/// A longer configuration of a run is not kept, in bytes.
const LONGEST_CONFIG: usize = 4096;

/// A number of a line that is larger is a fault: what is exact in every language's numbers.
const LARGEST_NUMBER: u64 = 1 << 53;

impl SourceStats {
    /// The line's number: what tells whether all are there.
    pub(crate) fn observe_seq(&mut self, record: &Record<'_>) {
        let writer = record.writer_id.as_deref();
        if let (Some(writer), Some(seq)) = (
            writer.filter(|writer| writer.len() <= LONGEST_NAME),
            // Nobody counts further.
            record.seq.filter(|seq| *seq <= LARGEST_NUMBER),
        ) {
            self.numbers.insert(writer, seq, record.timestamp);
        }
    }

    /// The clock: a source whose time goes back within a file was set, or is two.
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

    /// The host that the record is about: what a run's site is when no line names one.
    pub(crate) fn observe_host<'r>(&mut self, record: &'r Record<'_>) -> Option<&'r str> {
        let url = match &record.event {
            Event::Request(request) => request.url.as_deref(),
            Event::ProductProcessed(product) => product.url.as_deref(),
            Event::ScraperError(error) => error.url.as_deref(),
            _ => None,
        };
        let host = url
            .and_then(host_of)
            .filter(|host| host.len() <= LONGEST_HOST)?;
        *self.hosts.entry(host) += 1;
        Some(host)
    }

    /// What the host was asked for.
    pub(crate) fn observe_domain(&mut self, record: &Record<'_>, host: Option<&str>) {
        if let (Some(host), Event::Request(request)) = (host, &record.event) {
            let domain = self.sections.own().domains.0.entry(host);
            domain.requests += 1;
            domain.requests_failed += u64::from(failed(record, request));
            domain.bytes += bytes_of(request);
        }
    }

    /// Start, end and the run's own account.
    pub(crate) fn observe_life(&mut self, record: &Record<'_>, evidence: &dyn Fn() -> Evidence) {
        match &record.event {
            Event::ScraperStart(start) => {
                self.started = earlier(self.started, record.timestamp);
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
            Event::Summary(summary) => {
                let status_codes = summary.status_codes.iter().copied().collect();
                let level = |level| {
                    let counts = summary.levels.iter().filter(|(held, _)| *held == level);
                    counts.map(|(_, count)| count).sum::<u64>()
                };
                let tells_failures = summary.requests_failed.is_some();
                self.declare(Declared {
                    is_truth: true,
                    at: record.timestamp,
                    start: summary.start,
                    end: summary.end,
                    requests: summary.requests,
                    requests_failed: summary.requests_failed,
                    requests_unjudged: summary.requests.filter(|_| !tells_failures),
                    status_codes: tells_failures.then_some(status_codes),
                    bytes: summary.bytes,
                    saved: summary.items,
                    failed: summary.items_failed,
                    duplicates: summary.duplicates,
                    pages: summary.pages,
                    own: summary
                        .own
                        .iter()
                        .filter_map(|(name, value)| own_number(name, *value))
                        .take(MOST_OWN)
                        .collect(),
                    errors: (!summary.levels.is_empty())
                        .then(|| level(Level::Error) + level(Level::Critical)),
                    warnings: (!summary.levels.is_empty()).then(|| level(Level::Warn)),
                    ..Declared::default()
                });
            }
            Event::QueueSize(queue) => {
                let told = record.timestamp.zip(queue.queue_size);
                self.queue = self.queue.max(told);
            }
            Event::LogDropped(dropped) => self.dropped += dropped.dropped.unwrap_or(0),
            _ => {}
        }
    }

    /// What the run was configured with, as the latest line has it.
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
        if Some(&end) > self.end.as_ref() {
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

/// So many statistics of a run's own are kept, of names of so many bytes.
const MOST_OWN: usize = 100;
const LONGEST_OWN: usize = 64;
/// No statistic is larger, either way.
const LARGEST: f64 = 1e12;

/// The statistics of a run's own, in thousandths. What is no number is left out.
fn own_of(end: &dragline_schema::ScraperEnd<'_>) -> BTreeMap<String, i64> {
    let json = end.stats.as_ref().map_or("{}", |stats| &*stats.0);
    let numbers: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(json).unwrap_or_default();
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, value)| own_number(&name, value.as_f64()?));
    numbers.take(MOST_OWN).collect()
}

/// A number of its own, in thousandths, when it and its name can be right.
pub(crate) fn own_number(name: &str, value: f64) -> Option<(String, i64)> {
    let is_right = name.len() <= LONGEST_OWN && value.abs() <= LARGEST;
    is_right.then(|| (name.to_owned(), (value * 1000.0).round() as i64))
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
