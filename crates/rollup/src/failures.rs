//! Failed requests that records tell in words.
//!
//! A scraper may log a line for each page that it fetched, and an error for each that it did not: `failed to fetch
//! https://…: 403`. Counted by its lines alone, all of its requests would have succeeded. An error about a page of which
//! a request's own line says that it failed repeats that line; so does an error with a status that such lines have. Any
//! other error about a page is a request of its own, once a second, unless the run has a line for most of such pages.
//! Errors that name no page, and announcements of retries, are counted only where no line of a request says that it
//! failed.

use std::collections::BTreeMap;

use dragline_schema::{Event, Failure, Position, Record, url_hash};
use serde::{Deserialize, Serialize};

use crate::bounded::{Add, Bounded};
use crate::count::failed;
use crate::counters::Counters;
use crate::habits::Habits;
use crate::tally::Tally;

/// Failed requests that errors, or announcements of retries, tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    count: u64,
    statuses: Tally<u16>,
}

impl Told {
    pub(crate) fn observe(&mut self, failure: Failure) {
        self.count += 1;
        if let Some(status) = failure.status {
            self.statuses.count(status, 1);
        }
    }
}

impl Add for Told {
    fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.statuses.add(other.statuses);
    }
}

/// Maximum number of pages of a source, and of failures of a page, that are kept.
const MOST_PAGES: usize = 1024;
const MOST_TIMES: usize = 16;

/// The pages that could not be fetched, according to the lines of requests and to errors, by the hash of their URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FailedPages(Bounded<u64, Page>);

/// A page that could not be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    /// Whether the line of a request says so.
    by_line: bool,
    /// When errors say so, in seconds, and with which status. Errors without a time have a negative number.
    by_errors: BTreeMap<i64, Option<u16>>,
}

impl Default for FailedPages {
    fn default() -> Self {
        Self(Bounded::new(MOST_PAGES))
    }
}

impl FailedPages {
    /// Adds what a record says about a page. An error of the network that names a page is a request without an answer,
    /// whatever its words.
    pub(crate) fn observe(&mut self, record: &Record<'_>, is_network: bool, at: Position) {
        let unanswered = || match &record.event {
            Event::ScraperError(error) if is_network => Some(Failure {
                status: error.status_code,
                url: error.url.as_deref().map(url_hash),
                ..Failure::default()
            }),
            _ => None,
        };
        match (&record.event, record.failure.or_else(unanswered)) {
            (Event::Request(request), _) if failed(record, request) => {
                if let Some(url) = request.url.as_deref() {
                    self.0.entry(&url_hash(url)).by_line = true;
                }
            }
            (Event::Request(_), _) => {}
            (_, Some(failure)) if !failure.is_retried && !failure.is_refusal => {
                let (Some(url), status) = (failure.url, failure.status) else {
                    return;
                };
                let time = record.timestamp.map(|time| time.as_micros() / 1_000_000);
                let time = time.unwrap_or(-1 - at.offset as i64);
                self.0.entry(&url).add(Page {
                    by_line: false,
                    by_errors: [(time, status)].into(),
                });
            }
            _ => {}
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// Times and statuses of the requests that only errors tell.
    fn only_told(self, statuses: &Tally<u16>) -> Vec<(i64, Option<u16>)> {
        let pages = self.0.into_kept().map(|(_, page)| page);
        let (repeated, only_told): (Vec<Page>, Vec<Page>) = pages
            .filter(|page| !page.by_errors.is_empty())
            .partition(|page| page.by_line);
        // Who logs both for most pages does so for all: the URL of an error may be written in another way.
        if repeated.len() > only_told.len() {
            return Vec::new();
        }
        let only_told = only_told.into_iter();
        let told = only_told.flat_map(|page| page.by_errors);
        told.filter(|(_, status)| status.is_none_or(|status| statuses.get(status) == 0))
            .collect()
    }
}

impl Add for Page {
    fn add(&mut self, other: Self) {
        self.by_line |= other.by_line;
        for (time, status) in other.by_errors {
            let held = self.by_errors.entry(time).or_default();
            *held = (*held).max(status);
        }
        while self.by_errors.len() > MOST_TIMES {
            self.by_errors.pop_last();
        }
    }
}

/// Counts the failures that only errors, or only announcements of retries, tell. `width` is that of the buckets, in
/// microseconds.
pub(crate) fn count_told(
    counters: &mut Counters,
    (buckets, width): (&mut BTreeMap<i64, Counters>, i64),
    pages: FailedPages,
    habits: Habits,
) {
    let only_told = pages.only_told(&counters.status_codes);
    let names_pages = !only_told.is_empty();
    for (time, status) in only_told {
        let mut told = Told::default();
        told.observe(Failure {
            status,
            ..Failure::default()
        });
        let start = (time * 1_000_000).div_euclid(width) * width;
        let bucket = buckets.get_mut(&start).filter(|_| time >= 0);
        for counters in bucket.into_iter().chain([&mut *counters]) {
            counters.add_told(&told);
        }
    }
    for counters in buckets.values_mut().chain([counters]) {
        let by_errors = std::mem::take(&mut counters.told_by_errors);
        let by_retries = std::mem::take(&mut counters.told_by_retries);
        let are_new = [
            // Beside errors that name their page, others repeat them.
            (by_errors, !habits.fails && !names_pages),
            (by_retries, !habits.fails && !habits.tells_failures),
        ];
        for (told, _) in are_new.into_iter().filter(|(_, is_new)| *is_new) {
            counters.add_told(&told);
        }
    }
}

impl Counters {
    fn add_told(&mut self, told: &Told) {
        self.requests += told.count;
        self.requests_failed += told.count;
        self.requests_told += told.count;
        self.status_codes.add(told.statuses.clone());
    }
}

/// Leaves out how requests ended where a run tells that only of failures, so that nothing is known of the others: then
/// there is no success rate, and where failures are the only requests, no number of requests either. The failures stay
/// counted, apart from all rates.
pub(crate) fn leave_out_one_sided(
    counters: &mut Counters,
    buckets: &mut BTreeMap<i64, Counters>,
    habits: Habits,
) {
    let judged = counters.requests.saturating_sub(counters.requests_unjudged);
    let is_all = counters.requests_told == counters.requests;
    // If failures are most of what a run says, there is nothing else.
    let is_little = counters.requests_told * 2 < counters.events;
    let only_fails = counters.requests_unjudged > 0 || (is_all && is_little && !habits.succeeds);
    if judged != counters.requests_failed || !only_fails {
        return;
    }
    for counters in buckets.values_mut().chain([counters]) {
        if is_all {
            counters.requests = 0;
        }
        counters.requests_unjudged = counters.requests;
        counters.requests_failed_alone = std::mem::take(&mut counters.requests_failed);
    }
}
