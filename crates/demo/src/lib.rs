//! A simulated fleet of scrapers.
//!
//! Four scrapers run for some days against simulated sites, with a clock that the simulation advances.
//! They log through Dragline's recorder like any scraper, with real rotation, compression and numbering.
//! The simulation plants four incidents: a block wave, a layout change that drops items while pages still
//! answer 200, a run that is killed, and an error that never occurred before.
//!
//! [`Truth`] contains what was logged and what was planted, counted by the simulation itself. This crate
//! does not use the code that reads and analyses logs, so a report can be checked against [`Truth`].
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
    /// Number of days to simulate.
    pub days: u32,
    /// Seed of the random numbers; the same seed produces the same logs.
    pub seed: u64,
    /// The end of the last day. The time of day is ignored.
    pub end: Timestamp,
}

/// The reason why a simulation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The number of days is out of range.
    #[error("the number of days must be from 1 to 366, not {0}")]
    Days(u32),
    /// A recorder did not start.
    #[error(transparent)]
    Recorder(#[from] InitError),
    /// A recorder lost lines.
    #[error("the recorder of {scraper} lost {lost} lines: {reason}")]
    Lost {
        /// The scraper.
        scraper: String,
        /// Number of lost lines.
        lost: u64,
        /// The recorder's last error.
        reason: String,
    },
}

/// Simulates the fleet. Calls `progress` with the number of finished scrapers after each scraper.
///
/// # Errors
/// When the number of days is out of range, or a recorder cannot write.
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

/// Number of scrapers in the fleet.
pub const SCRAPERS: usize = 4;

/// Whether a file name is one that the demo's recorders use for logs.
pub fn is_log(name: &str) -> bool {
    name.parse::<dragline_logging::FileName>().is_ok()
}
