//! What the simulation did, in the report's terms.

use std::collections::BTreeMap;

use dragline_logging::Timestamp;
use serde::{Deserialize, Serialize};

use crate::DemoOptions;

/// What was logged and what was planted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// `dragline.truth/1`.
    pub schema: String,
    /// The seed.
    pub seed: u64,
    /// How many days.
    pub days: u32,
    /// The end of the last day.
    pub end: Timestamp,
    /// Everything together.
    pub totals: Totals,
    /// By scraper.
    pub scrapers: Vec<ScraperTruth>,
    /// What was planted, by onset.
    pub incidents: Vec<Incident>,
}

/// One scraper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScraperTruth {
    /// Which scraper.
    pub scraper_id: String,
    /// Which site.
    pub site: String,
    /// What it logged.
    pub totals: Totals,
}

/// Counts by the report's definitions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// HTTP attempts.
    pub requests: u64,
    /// HTTP attempts with a status of 400 or above or without an answer.
    pub requests_failed: u64,
    /// Items stored.
    pub items: u64,
    /// Products found; absent for scrapers that do not say.
    pub items_found: Option<u64>,
    /// Products lost.
    pub items_failed: u64,
    /// Errors.
    pub errors: u64,
    /// Records at WARN.
    pub warnings: u64,
    /// Rate limits.
    pub rate_limits: u64,
    /// Bytes of answers.
    pub bytes: u64,
    /// Answers by status.
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

/// Something that was planted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The kind, in the report's words.
    pub kind: String,
    /// Which scraper.
    pub scraper_id: String,
    /// Which site.
    pub site: String,
    /// The first affected event.
    pub since: Timestamp,
    /// The last affected event.
    pub until: Timestamp,
    /// The run, where it is about one.
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
