//! What the simulation logged and planted, in the report's terms.

use std::collections::BTreeMap;

use dragline_logging::Timestamp;
use serde::{Deserialize, Serialize};

use crate::DemoOptions;

/// What the simulation logged and planted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The schema: `dragline.truth/1`.
    pub schema: String,
    /// The seed.
    pub seed: u64,
    /// Number of simulated days.
    pub days: u32,
    /// The end of the last day.
    pub end: Timestamp,
    /// Totals of all scrapers.
    pub totals: Totals,
    /// Totals by scraper.
    pub scrapers: Vec<ScraperTruth>,
    /// The planted incidents, ordered by start time.
    pub incidents: Vec<Incident>,
}

/// The totals of one scraper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScraperTruth {
    /// The scraper's id.
    pub scraper_id: String,
    /// The site.
    pub site: String,
    /// What the scraper logged.
    pub totals: Totals,
}

/// Counts according to the report's definitions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Number of runs.
    pub runs: u64,
    /// HTTP requests, counting every attempt.
    pub requests: u64,
    /// HTTP requests with a status of 400 or above, or without a response.
    pub requests_failed: u64,
    /// Items stored.
    pub items: u64,
    /// Products found; `None` for scrapers that do not log found products.
    pub items_found: Option<u64>,
    /// Products that could not be extracted or stored.
    pub items_failed: u64,
    /// Errors.
    pub errors: u64,
    /// Number of records at WARN.
    pub warnings: u64,
    /// Rate limits.
    pub rate_limits: u64,
    /// Total size of the responses, in bytes.
    pub bytes: u64,
    /// Number of responses by status code.
    pub status_codes: BTreeMap<String, u64>,
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.requests += other.requests;
        self.requests_failed += other.requests_failed;
        self.items += other.items;
        if let Some(found) = other.items_found {
            *self.items_found.get_or_insert(0) += found;
        }
        self.items_failed += other.items_failed;
        self.errors += other.errors;
        self.warnings += other.warnings;
        self.rate_limits += other.rate_limits;
        self.bytes += other.bytes;
        for (status, count) in &other.status_codes {
            *self.status_codes.entry(status.clone()).or_default() += count;
        }
    }
}

/// A planted incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The incident kind, as in the report.
    pub kind: String,
    /// The scraper's id.
    pub scraper_id: String,
    /// The site.
    pub site: String,
    /// Time of the first affected event.
    pub since: Timestamp,
    /// Time of the last affected event.
    pub until: Timestamp,
    /// The run's id, if the incident concerns a single run.
    pub run_id: Option<String>,
}

impl Truth {
    pub(crate) fn new(
        options: &DemoOptions,
        scrapers: Vec<ScraperTruth>,
        incidents: Vec<Incident>,
    ) -> Self {
        let mut totals = Totals::default();
        scrapers
            .iter()
            .for_each(|scraper| totals.add(&scraper.totals));
        Self {
            schema: "dragline.truth/1".to_owned(),
            seed: options.seed,
            days: options.days,
            end: options.end,
            totals,
            scrapers,
            incidents,
        }
    }
}
