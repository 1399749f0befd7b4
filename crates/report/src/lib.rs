//! The report: what broke, since when, on what evidence, what to do.
//!
//! [`report()`] makes a [`Report`] of a finished rollup: the contract `dragline.report/1` as data,
//! from which [`render`] makes text, Markdown and a page, and serde makes JSON. [`mod@diff`] compares two of them, and holds
//! one against gates. Everything is a function of its inputs; the time is passed in.
//!
//! What is worth knowing is found by [`dragline_insights`], where numbers go is told by
//! [`dragline_analytics`]; here both become sentences and figures that somebody who was not there understands.
//!
//! ```
//! use dragline_classifier::RuleSet;
//! use dragline_report::{ReportOptions, render, report};
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

mod assemble;
pub mod diff;
mod lookup;
pub mod model;
pub mod render;
mod runbooks;

pub use assemble::{
    Activity, ByScraper, Days, Mute, Prices, ReportOptions, ScraperDays, activity, bad_news,
    folded, reasons_to_fail, report, trust,
};
pub use dragline_insights::Limits;
pub use model::Report;
pub use runbooks::{RUNBOOKS, runbook, runbook_title};
