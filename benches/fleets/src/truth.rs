//! What is true of a fleet: who ran, and what was planted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::incident::Kind;

/// What is true of a fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// What the fleet was made from.
    pub seed: u64,
    /// Lines in its logs, as the wire format has them.
    pub lines: u64,
    /// Who ran.
    pub scrapers: Vec<ScraperTruth>,
    /// What befell them.
    pub incidents: Vec<Incident>,
}

/// A scraper on a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScraperTruth {
    /// Its id.
    pub scraper_id: String,
    /// The site.
    pub site: String,
    /// How many runs it made.
    pub runs: usize,
    /// How many days it was there.
    pub days: usize,
    /// Whether it was given up before the period's end: to call its further runs missed is no fault.
    pub retired: bool,
}

/// What befell a scraper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What it was.
    pub kind: Kind,
    /// What it may be called, the right name first.
    pub accept: Vec<Kind>,
    /// What follows from it, and is nothing false.
    pub related: Vec<Kind>,
    /// Whom it befell.
    pub scraper_id: String,
    /// On which site.
    pub site: String,
    /// The first event that it changed.
    pub since: Timestamp,
    /// Other moments that may honestly be called its onset.
    pub also_since: Vec<Timestamp>,
    /// The last event that it changed.
    pub until: Timestamp,
    /// How strong it was, by its kind's measure.
    pub strength: f64,
    /// How strong it must be, for this scraper, to be asked for.
    pub minimum: f64,
    /// How many events it changed, made or took away.
    pub events: u64,
    /// The first run that it touched; none for a run that never was.
    pub first_run: Option<String>,
    /// The scraper's interval between two runs.
    pub interval_seconds: i64,
}

impl Truth {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            lines: 0,
            scrapers: Vec::new(),
            incidents: Vec::new(),
        }
    }

    /// Scrapers times days.
    pub fn scraper_days(&self) -> usize {
        self.scrapers.iter().map(|scraper| scraper.days).sum()
    }
}
