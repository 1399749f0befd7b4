//! The types that every part of Dragline shares.
//!
//! A scraper's log is a stream of [`Record`]s. A record has a time and a level, and usually belongs
//! to a *run* of a *scraper* on a *site* ([`RunKey`]). Some records are typed ([`Event`]): a request,
//! a product, an error. Dragline's own recorder writes them in wire format v1 ([`wire`]). The readers
//! of other programs' logs translate into the same records, so that all later stages handle a single
//! format.
//!
//! A record borrows from the bytes it was read from and lives only for the duration of the call that
//! passes it to a [`Sink`]. Its [`Position`] is passed along: the line and byte offset where a person
//! can look it up. Input that cannot be read is reported as a [`Problem`], a result like any other.
//! A [`Classify`] implementation determines the [`Verdict`] of an error. An [`Observe`] implementation sees the
//! events of a running program.
//!
//! This crate accesses no files and no clocks and starts no threads. Callers pass times in as
//! [`Timestamp`]s.
//!
//! ```
//! use dragline_schema::{Event, Level, Record, Request, Timestamp, wire};
//!
//! let record = Record {
//!     timestamp: Some(Timestamp::from_micros(1_772_623_353_123_456)),
//!     level: Some(Level::Info),
//!     scraper_id: Some("shop".into()),
//!     site: Some("shop.example.com".into()),
//!     run_id: Some("r1".into()),
//!     event: Event::Request(Request {
//!         url: Some("https://shop.example.com/p/1".into()),
//!         status_code: Some(200),
//!         ..Request::default()
//!     }),
//!     ..Record::default()
//! };
//! let mut line = Vec::new();
//! wire::encode(&record, &mut line);
//! assert_eq!(
//!     std::str::from_utf8(&line).unwrap(),
//!     r#"{"timestamp":"2026-03-04T11:22:33.123456Z","level":"INFO","scraper_id":"shop","site":"shop.example.com","run_id":"r1","event_type":"request","url":"https://shop.example.com/p/1","status_code":200}
//! "#,
//! );
//! ```

mod event;
mod level;
mod problem;
mod record;
mod text;
mod time;
mod value;
mod verdict;
pub mod wire;

pub use event::{
    ArticleStored, DatabaseOperation, DuplicateDetected, Event, EventField, EventType, LogDropped,
    ProductAction, ProductProcessed, Progress, QueueSize, RateLimit, Request, RunStatus,
    RunSummary, ScraperEnd, ScraperError, ScraperStart, SearchQuery, SystemSample,
};
pub use level::Level;
pub use problem::{Problem, ProblemKind};
pub use record::{
    Dialect, Failure, Observe, Own, Position, Record, RunKey, Sink, SourceFile, Unread, url_hash,
};
pub use text::{clip, host_of, nearest, parse_duration};
pub use time::{ParseTimestampError, Timestamp};
pub use value::{FieldKind, FieldValue, Json, Value};
pub use verdict::{
    Adjustment, Cause, Classify, ErrorCategory, ErrorText, Severity, UnknownName, Verdict,
};
