//! Rollups as dataframes, and the report on them.
//!
//! [`Frames`] are a finished rollup as polars dataframes, for everything that groups and sorts.
//! [`report()`] makes a [`Report`] of a finished rollup: the contract `dragline.report/1` as data,
//! from which [`render`] makes text and Markdown, and serde makes JSON. Everything is a function of
//! its inputs; the time is passed in.
//!
//! What is normal for a scraper on a site is learned from its own runs: the median of a metric over
//! the other runs, and their spread around it. A run is unusual when it lies far outside, and an
//! incident is a stretch of unusual runs. With too few runs nothing is claimed.
//!
//! ```
//! use dragline_analytics::{ReportOptions, render, report};
//! use dragline_classifier::RuleSet;
//! use dragline_scan::{ScanOptions, scan};
//! use dragline_schema::Timestamp;
//!
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("a.log"), "{\"level\":\"error\",\"time\":1772623353,\"msg\":\"connection refused\"}\n")?;
//! let rules = RuleSet::shipped();
//! let logs = vec![dir.path().display().to_string()];
//! let now = Timestamp::from_seconds(1_772_700_000);
//! let finished = scan(&logs, &rules, &ScanOptions::default())?.rollup.finish(now);
//! let report = report(&finished, None, &rules, &ReportOptions::at(now))?;
//! assert_eq!(report.errors.by_category["network"], 1);
//! println!("{}", render::text(&render::report(&report, &render::Layout::default()), &render::Terminal::default()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod diff;
mod frames;
mod lookup;
pub mod model;
pub mod render;
mod report;
mod runbooks;
pub mod sql;
mod trends;

pub use dragline_insights::Limits;
pub use frames::{Frames, FramesError};
pub use model::Report;
pub use report::{
    Activity, ByScraper, Mute, Prices, ReportOptions, activity, bad_news, folded, reasons_to_fail,
    report, trust,
};
pub use runbooks::{RUNBOOKS, runbook, runbook_title};
