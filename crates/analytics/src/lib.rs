//! Logs as dataframes.
//!
//! [`Logs`] gives access to log files as tables, each a lazy frame. [`Frames`] holds a finished rollup as polars
//! dataframes, for grouping and sorting. [`sql`] runs SQL queries over all events and over the counters, and exports
//! the event tables as Parquet. [`trends()`] computes trends over whole days.
//!
//! ```
//! use dragline_analytics::Frames;
//! use dragline_classifier::RuleSet;
//! use dragline_scan::{ScanOptions, scan};
//! use dragline_schema::Timestamp;
//!
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("a.log"), "{\"level\":\"error\",\"time\":1772623353,\"msg\":\"connection refused\"}\n")?;
//! let logs = vec![dir.path().display().to_string()];
//! let now = Timestamp::from_seconds(1_772_700_000);
//! let finished = scan(&logs, &RuleSet::shipped(), &ScanOptions::default())?.rollup.finish(now);
//! let frames = Frames::of(&finished)?;
//! assert_eq!(frames.by_day()?.height(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod frames;
pub mod sql;
mod trends;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/dataframes.md")]
struct Dataframes;

pub use self::sql::Logs;
pub use frames::{COUNTERS, Counter, Frames, FramesError, counter_names, success_rate};
pub use trends::{
    ChangePoint, Daily, Direction, Forecast, ForecastDay, Kind, Seasonality, Trend, forecast,
    trends, whole_days,
};
