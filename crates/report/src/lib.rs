//! The report: what broke, since when, on what evidence, what to do.
//!
//! [`report()`] turns a finished rollup into a [`Report`], the contract `dragline.report/1` as data.
//! [`render`] turns a report into text, Markdown and an HTML page; serde turns it into JSON. [`mod@diff`]
//! compares two runs and checks gates. All functions are pure: the current time is a parameter.
//!
//! [`dragline_insights`] detects incidents and [`dragline_analytics`] computes trends; this crate turns both
//! into sentences and tables for a reader who was not there.
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
    Activity, ByScraper, Days, Mute, Prices, ReportOptions, ScraperDays, Seen, activity, bad_news,
    folded, insight, reasons_to_fail, report, report_with, trust,
};
pub use dragline_analytics::FramesError;
pub use dragline_insights::{Fleet, Limits};
pub use model::Report;
pub use runbooks::{RUNBOOKS, runbook, runbook_title};
