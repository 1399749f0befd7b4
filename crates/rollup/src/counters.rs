//! Counters, sums and sketches that can be merged.

use std::fmt;

use dragline_schema::{ErrorCategory, Level};
use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

use crate::bounded::Add;
use crate::course::Totals;
use crate::failures::Told;
use crate::tally::Tally;

/// The counts of a run or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Number of records.
    pub events: u64,
    /// HTTP attempts.
    pub requests: u64,
    /// HTTP attempts with a status of 400 or above, or without a response.
    pub requests_failed: u64,
    /// HTTP attempts whose outcome is not in the log.
    pub requests_unjudged: u64,
    /// Failed HTTP attempts that messages tell in words; they are among [`requests`](Self::requests).
    pub requests_told: u64,
    /// The same, told by errors and by announcements of retries. [`Rollup::finish`](crate::Rollup::finish) counts them as
    /// requests if nothing else tells how requests fail.
    pub(crate) told_by_errors: Told,
    pub(crate) told_by_retries: Told,
    /// Failed HTTP attempts of a run whose log does not tell how the others ended: they are in no success rate, and not
    /// among [`requests_failed`](Self::requests_failed).
    pub requests_failed_alone: u64,
    /// Bytes of responses.
    pub bytes: u64,
    /// Products found on pages.
    pub found: u64,
    /// Products stored for the first time.
    pub added: u64,
    /// Products stored again.
    pub updated: u64,
    /// Products stored, new or not.
    pub saved: u64,
    /// Products counted by messages such as `scraped 12 items`; they are counted only in runs that log no product
    /// one by one.
    pub batched: u64,
    /// Messages that counted them.
    pub batches: u64,
    /// The most that one of these messages counted.
    pub largest_batch: u64,
    /// Totals of products that ends of runs told; they are counted only in runs that tell nothing else about products.
    pub(crate) totals: Spread,
    /// Products lost.
    pub failed: u64,
    /// Articles stored.
    pub articles: u64,
    /// Items recognised as duplicates.
    pub duplicates: u64,
    /// Errors.
    pub errors: u64,
    /// Items of which an error says that they could not be stored; [`Rollup::finish`](crate::Rollup::finish) adds them to
    /// [`failed`](Self::failed).
    pub lost: u64,
    /// Records at WARN.
    pub warnings: u64,
    /// Number of times that the site rate-limited the scraper.
    pub rate_limits: u64,
    /// Responses by status.
    pub status_codes: Tally<u16>,
    /// Records by level; records without one are left out.
    pub levels: Tally<Level>,
    /// Response times, in microseconds.
    pub response_time: Spread,
    /// Errors by category.
    pub categories: Tally<ErrorCategory>,
    /// Errors by which a site refuses requests: blocked, captcha, permission, throttled.
    pub refusals: u64,
    /// HTTP attempts after the first for the same page.
    pub retries: u64,
    /// Bytes of responses to failed requests.
    pub failed_bytes: u64,
    /// Total response time of failed requests, in microseconds.
    pub failed_micros: u64,
    /// Time spent waiting for rate limits, in microseconds.
    pub waited_micros: u64,
    /// Time spent waiting for the scraper's database, in microseconds.
    pub database_micros: u64,
    /// Logged queue lengths.
    pub queue: Spread,
    /// Items with missing fields.
    pub incomplete: u64,
    /// Total time from page to storage, in microseconds.
    pub processing_micros: u64,
    /// Number of searches.
    pub searches: u64,
    /// Samples of CPU usage, in thousandths of a percent.
    pub cpu: Spread,
    /// HTTP attempts through a proxy.
    pub proxied_requests: u64,
    /// Bytes of responses through a proxy.
    pub proxied_bytes: u64,
    /// The largest totals that the run has logged so far; [`Rollup::finish`](crate::Rollup::finish) uses them up.
    pub(crate) so_far: Totals,
}

impl Counters {
    /// Products added, updated or saved, and articles stored.
    pub fn items(&self) -> u64 {
        let parts = [self.single_items(), self.batched];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// The same, logged one by one.
    pub(crate) fn single_items(&self) -> u64 {
        let parts = [self.added, self.updated, self.saved, self.articles];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Whether one message told the total of the items, and no other counted any.
    pub(crate) fn has_total(&self) -> bool {
        self.batches == 0 && self.totals.count == 1
    }

    /// Counts the items of the total that the end of a run told.
    pub(crate) fn take_total(&mut self) {
        self.batched = self.batched.saturating_add(self.totals.sum);
        self.batches += self.totals.count;
    }

    /// Adds the other counters.
    pub fn merge(&mut self, other: &Self) {
        self.add(other.clone());
    }

    /// Resets everything about requests.
    pub(crate) fn forget_requests(&mut self) {
        self.requests = 0;
        self.requests_failed = 0;
        self.requests_unjudged = 0;
        self.requests_told = 0;
        self.requests_failed_alone = 0;
        self.told_by_errors = Told::default();
        self.told_by_retries = Told::default();
        self.bytes = 0;
        self.status_codes = Tally::default();
        self.response_time = Spread::default();
        self.retries = 0;
        self.failed_bytes = 0;
        self.failed_micros = 0;
        self.proxied_requests = 0;
        self.proxied_bytes = 0;
    }

    /// Whether any work was done: a request or an item.
    pub fn has_activity(&self) -> bool {
        self.requests > 0 || self.items() > 0 || self.found > 0
    }
}

impl Add for Counters {
    fn add(&mut self, other: Self) {
        self.events = self.events.saturating_add(other.events);
        self.requests = self.requests.saturating_add(other.requests);
        self.requests_failed = self.requests_failed.saturating_add(other.requests_failed);
        self.requests_unjudged = self
            .requests_unjudged
            .saturating_add(other.requests_unjudged);
        self.requests_told = self.requests_told.saturating_add(other.requests_told);
        self.requests_failed_alone = self
            .requests_failed_alone
            .saturating_add(other.requests_failed_alone);
        self.told_by_errors.add(other.told_by_errors);
        self.told_by_retries.add(other.told_by_retries);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.found = self.found.saturating_add(other.found);
        self.added = self.added.saturating_add(other.added);
        self.updated = self.updated.saturating_add(other.updated);
        self.saved = self.saved.saturating_add(other.saved);
        self.failed = self.failed.saturating_add(other.failed);
        self.lost = self.lost.saturating_add(other.lost);
        self.batched = self.batched.saturating_add(other.batched);
        self.batches = self.batches.saturating_add(other.batches);
        self.largest_batch = self.largest_batch.max(other.largest_batch);
        self.totals.add(other.totals);
        self.articles = self.articles.saturating_add(other.articles);
        self.duplicates = self.duplicates.saturating_add(other.duplicates);
        self.errors = self.errors.saturating_add(other.errors);
        self.warnings = self.warnings.saturating_add(other.warnings);
        self.rate_limits = self.rate_limits.saturating_add(other.rate_limits);
        self.status_codes.add(other.status_codes);
        self.levels.add(other.levels);
        self.response_time.add(other.response_time);
        self.categories.add(other.categories);
        self.refusals = self.refusals.saturating_add(other.refusals);
        self.retries = self.retries.saturating_add(other.retries);
        self.failed_bytes = self.failed_bytes.saturating_add(other.failed_bytes);
        self.failed_micros = self.failed_micros.saturating_add(other.failed_micros);
        self.waited_micros = self.waited_micros.saturating_add(other.waited_micros);
        self.database_micros = self.database_micros.saturating_add(other.database_micros);
        self.queue.add(other.queue);
        self.incomplete = self.incomplete.saturating_add(other.incomplete);
        self.processing_micros = self
            .processing_micros
            .saturating_add(other.processing_micros);
        self.searches = self.searches.saturating_add(other.searches);
        self.cpu.add(other.cpu);
        self.proxied_requests = self.proxied_requests.saturating_add(other.proxied_requests);
        self.proxied_bytes = self.proxied_bytes.saturating_add(other.proxied_bytes);
        self.so_far.add(other.so_far);
    }
}

/// Count, sum, minimum and maximum of a measure, in integer units (microseconds for times).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spread {
    /// Number of values.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The largest.
    pub max: u64,
    /// The smallest; not meaningful if there are no values.
    pub min: u64,
}

impl Spread {
    /// A spread of one value.
    pub fn of(value: u64) -> Self {
        Self {
            count: 1,
            sum: value,
            max: value,
            min: value,
        }
    }

    /// Adds a value.
    pub fn observe(&mut self, value: u64) {
        self.add(Self::of(value));
    }

    /// The mean; `None` if there are no values.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }
}

impl Add for Spread {
    fn add(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 {
            other.min
        } else {
            self.min.min(other.min)
        };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// Quantiles of a time in milliseconds, within [`Latency::RELATIVE_ERROR`] of the true value
/// (Masson, Rim, Lee: *DDSketch*, VLDB 2019).
#[derive(Clone, Serialize, Deserialize)]
pub struct Latency(DDSketch);

impl Latency {
    /// Maximum relative error of a quantile.
    pub const RELATIVE_ERROR: f64 = 0.01;
    /// Enough bins for values from a microsecond to a year, so the sketch never collapses bins.
    const BINS: u32 = 2048;

    /// Adds a value in milliseconds; ignores invalid times.
    pub fn observe(&mut self, milliseconds: f64) {
        if milliseconds.is_finite() && milliseconds >= 0.0 {
            self.0.add(milliseconds);
        }
    }

    /// Adds the values of the other sketch.
    pub fn merge(&mut self, other: &Self) {
        // Cannot fail: all sketches have the same configuration.
        let _ = self.0.merge(&other.0);
    }

    /// The quantile `q` (0 to 1); `None` if there are no values.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.0.quantile(q).ok().flatten()
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self(DDSketch::new(Config::new(
            Self::RELATIVE_ERROR,
            Self::BINS,
            0.001,
        )))
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latency({} values)", self.0.count())
    }
}

/// Equal if the counts and the quantiles in steps of 5 % are equal.
impl PartialEq for Latency {
    fn eq(&self, other: &Self) -> bool {
        let steps = |latency: &Self| {
            (0..=20)
                .map(|n| latency.quantile(f64::from(n) / 20.0))
                .collect::<Vec<_>>()
        };
        self.0.count() == other.0.count() && steps(self) == steps(other)
    }
}
