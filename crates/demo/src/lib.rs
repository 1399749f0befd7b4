//! A simulated fleet of scrapers.
//!
//! Four scrapers work for some days against sites that exist only here, under a clock that the
//! simulation moves. What they log goes through Dragline's recorder like any scraper's: rotation,
//! compression and numbering happen for real. Four incidents are planted: a block wave, a layout
//! change that drops items while pages still answer 200, a run that is killed, and an error that was
//! never there before.
//!
//! [`Truth`] says what was logged and what was planted, counted by the simulation itself. This crate
//! knows nothing of how logs are read or judged, so that the two can be held against each other.
//!
//! ```
//! use dragline_demo::{DemoOptions, simulate};
//! use dragline_logging::Timestamp;
//!
//! # let dir = tempfile::tempdir()?;
//! let end = Timestamp::from_seconds(1_772_582_400); // midnight UTC
//! let options = DemoOptions { logs: dir.path().to_owned(), days: 2, seed: 7, end };
//! let truth = simulate(&options, &|_| {})?;
//! assert!(truth.totals.requests > 1000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod fleet;
mod scraper;
mod truth;

use std::path::PathBuf;

use dragline_logging::{InitError, Timestamp};

pub use truth::{Incident, ScraperTruth, Totals, Truth};

/// What to simulate.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// The directory for the log files.
    pub logs: PathBuf,
    /// How many days.
    pub days: u32,
    /// The same seed gives the same logs.
    pub seed: u64,
    /// The end of the last day; the time of day is cut off.
    pub end: Timestamp,
}

/// A simulation that could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// No days.
    #[error("a simulation needs at least 1 day and at most 366, not {0}")]
    Days(u32),
    /// A recorder did not start.
    #[error(transparent)]
    Recorder(#[from] InitError),
    /// A recorder lost lines.
    #[error("the recorder of {scraper} lost {lost} lines: {reason}")]
    Lost {
        /// The scraper.
        scraper: String,
        /// How many lines.
        lost: u64,
        /// The recorder's last error.
        reason: String,
    },
}

/// Simulates the fleet; `progress` hears how many of the scrapers are done.
///
/// # Errors
/// When the days make no sense, or a recorder cannot write.
pub fn simulate(options: &DemoOptions, progress: &dyn Fn(usize)) -> Result<Truth, DemoError> {
    if !(1..=366).contains(&options.days) {
        return Err(DemoError::Days(options.days));
    }
    let plan = fleet::plan(options);
    let mut scrapers = Vec::new();
    let mut incidents = Vec::new();
    for (index, scraper) in plan.iter().enumerate() {
        let (truth, planted) = scraper::simulate(scraper, options)?;
        scrapers.push(truth);
        incidents.extend(planted);
        progress(index + 1);
    }
    incidents.sort_by_key(|a| a.since);
    Ok(Truth::new(options, scrapers, incidents))
}

/// How many scrapers the fleet has.
pub const SCRAPERS: usize = 4;

/// Whether a file of that name is a log that a demo's recorder wrote.
pub fn is_log(name: &str) -> bool {
    name.parse::<dragline_logging::FileName>().is_ok()
}
