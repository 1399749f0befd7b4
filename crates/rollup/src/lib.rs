//! Aggregates millions of records into the data that a report needs.
//!
//! A [`Rollup`] observes records one by one and keeps counts, sketches and some evidence, but not the
//! records. The rollups of two parts of the logs [`merge`](Rollup::merge) into the rollup of both, in
//! any order and any grouping: a rollup is a commutative monoid, and property tests check this. Threads,
//! machines and days can therefore be processed independently and merged afterwards.
//!
//! To make this possible, sums are integers (microseconds, bytes), quantiles are `DDSketch`es, bounded
//! tables keep the keys with the smallest hashes plus an exact total of all others, and the evidence
//! kept is the smallest by (content, offset). Decisions that depend on the order or on all records are
//! made once, in [`Rollup::finish`]: which run a line without a run id belongs to, whether a run's own
//! statistics or its lines count, and how a run without an end line ended. The result is [`Finished`],
//! which contains the [`Verdict`] of each run.
//!
//! ```
//! use dragline_rollup::Rollup;
//! use dragline_schema::{Event, Position, Record, Request, SourceFile, Timestamp};
//!
//! let file = SourceFile { path: "a.jsonl".into(), content_id: 1, modified: None };
//! let mut rollup = Rollup::default();
//! rollup.begin_file("a", &file);
//! let record = Record {
//!     timestamp: Some(Timestamp::from_seconds(1_772_623_353)),
//!     run_id: Some("r1".into()),
//!     event: Event::Request(Request { status_code: Some(404), ..Request::default() }),
//!     ..Record::default()
//! };
//! rollup.observe(&record, Position::default(), None);
//! let finished = rollup.finish(Timestamp::from_seconds(1_772_700_000));
//! assert_eq!(finished.runs[0].counters.requests_failed, 1);
//! ```

mod activity;
mod bounded;
mod count;
mod counters;
mod course;
mod cut;
mod errors;
mod evidence;
mod failures;
mod finish;
mod guessed;
mod habits;
mod identity;
mod idle;
mod mixed;
mod observe;
mod order;
mod part;
mod period;
mod reconcile;
mod rollup;
mod sections;
mod seq;
mod signs;
mod source;
mod tally;
mod tasks;
mod unread;
mod verdict;

pub use activity::ActivityRow;
pub use bounded::{Bounded, Distinct};
pub use counters::{Counters, Latency, Spread};
pub use errors::{Cell, ErrorLabel, Group, Sample};
pub use evidence::Evidence;
pub use finish::{Finished, GroupRow, Known, RunRow};
pub use order::Order;
pub use period::Strays;
pub use rollup::{FileEntry, Limits, OUT_OF_ORDER, ProblemEntry, Rollup};
pub use sections::{
    Articles, Database, Domain, Domains, Duplicates, Fields, Machine, Operation, Queue, Rare,
    Running, Search, Sections, System, Warned, Warnings,
};
pub use seq::Covered;
pub use signs::{FirstSign, SIGN_WIDTH, Sign};
pub use source::{Declared, LastError, RunEnd, SourceKey};
pub use tally::Tally;
pub use unread::UnreadForm;
pub use verdict::Verdict;
