//! What a report needs of millions of records.
//!
//! A [`Rollup`] observes records one by one and keeps counts, sketches and a little evidence, but no
//! record. Two rollups of two parts of the logs [`merge`](Rollup::merge) into the rollup of both, in
//! any order and any grouping: a rollup is a commutative monoid, and property tests hold it. That is
//! what lets many threads, many machines and many days work apart and be added up.
//!
//! For that, sums are integers (microseconds, bytes), quantiles are `DDSketch`es, bounded tables keep
//! the keys with the smallest hash beside an exact total of the rest, and evidence is the smallest
//! by (content, offset). What depends on order, or on the whole, is decided once, in
//! [`Rollup::finish`]: which run a line without a run's id belongs to, whether a run's own account
//! or its lines count, what became of a run without an end. [`Finished`] is the result, and the
//! [`Verdict`] of each run is in it.
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

mod bounded;
mod count;
mod counters;
mod errors;
mod evidence;
mod finish;
mod identity;
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
mod verdict;

pub use bounded::{Bounded, Distinct};
pub use counters::{Counters, Latency, Spread};
pub use errors::{Cell, ErrorLabel, Group, Sample};
pub use evidence::Evidence;
pub use finish::{ActivityRow, Finished, GroupRow, Known, RunRow};
pub use order::Order;
pub use period::Strays;
pub use rollup::{FileEntry, Limits, OUT_OF_ORDER, ProblemEntry, Rollup};
pub use sections::{
    Articles, Database, Domain, Domains, Duplicates, Fields, Machine, Operation, Queue, Rare,
    Running, Search, Sections, System,
};
pub use seq::Covered;
pub use signs::{FirstSign, SIGN_WIDTH, Sign};
pub use source::{Declared, RunEnd, SourceKey};
pub use tally::Tally;
pub use verdict::Verdict;
