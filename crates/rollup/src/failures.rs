//! Failed requests that records tell in words.
//!
//! A scraper may log a line for each page that it fetched, and an error for each that it did not: `failed to fetch
//! https://…: 403`. Counted by its lines alone, all of its requests would have succeeded. Where the lines of requests
//! say themselves that they failed, an error about a page repeats one of them, and is not counted again; so does the
//! announcement of a retry, also where it is only words that say so.

use std::collections::BTreeMap;

use dragline_schema::Failure;
use serde::{Deserialize, Serialize};

use crate::bounded::Add;
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

/// Counts the failures that errors and announcements of retries tell, unless the scraper's requests tell theirs.
pub(crate) fn count_told(
    counters: &mut Counters,
    buckets: &mut BTreeMap<i64, Counters>,
    habits: Habits,
) {
    for counters in buckets.values_mut().chain([counters]) {
        let by_errors = std::mem::take(&mut counters.told_by_errors);
        let by_retries = std::mem::take(&mut counters.told_by_retries);
        let are_new = [
            (by_errors, !habits.fails),
            (by_retries, !habits.fails && !habits.tells_failures),
        ];
        for (told, _) in are_new.into_iter().filter(|(_, is_new)| *is_new) {
            counters.requests += told.count;
            counters.requests_failed += told.count;
            counters.requests_told += told.count;
            counters.status_codes.add(told.statuses);
        }
    }
}

/// Leaves out how requests ended where a run tells that only of failures, so that nothing is known of the others: then
/// there is no success rate, and where failures are the only requests, no number of requests either.
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
        counters.requests_failed = 0;
    }
}
