//! Finds, opens and decodes scrapers' logs.
//!
//! [`discover()`] turns files, directories and globs into [`Family`]s: the rotated files of one log,
//! in order. [`read_family`] reads one family and passes every [`Record`](dragline_schema::Record) with its
//! [`Position`](dragline_schema::Position) to a [`Sink`](dragline_schema::Sink). Nothing is dropped silently:
//! unreadable input is reported as a [`Problem`](dragline_schema::Problem) with its position, and counted.
//!
//! The dialect is detected for each record, not for each file, because files get mixed and appended to:
//!
//! - one JSON object per line (`json`): Dragline's own wire format, and the output of structlog, loguru,
//!   pino, winston, python-json-logger and tracing-subscriber, recognised by their key names;
//! - Scrapy's text format (`scrapy`): multi-line records, tracebacks, several runs in one file, and
//!   the statistics at the end of a run;
//! - other text with line headers (`text`): Python's `logging`, loguru, logback and log4j, tracing and
//!   `env_logger`, logfmt, Crawlee for JavaScript and for Python.
//!
//! Every other line is counted as a bad line. Families can be read in parallel; within a family the
//! order matters, because a text record can continue over several lines and files.
//!
//! ```
//! use dragline_ingest::{ReadOptions, discover, read_family};
//! use dragline_schema::{Position, Problem, Record, Sink, SourceFile};
//!
//! #[derive(Default)]
//! struct Count(usize);
//! impl Sink for Count {
//!     fn file(&mut self, _: &SourceFile) {}
//!     fn record(&mut self, _: &Record<'_>, _: Position) { self.0 += 1 }
//!     fn problem(&mut self, problem: &Problem<'_>) { eprintln!("{}", problem.detail) }
//! }
//!
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("a.log"), "{\"level\":\"info\",\"time\":1772623353,\"msg\":\"hi\"}\n")?;
//! let found = discover(&[dir.path().display().to_string()])?;
//! let mut count = Count::default();
//! for family in &found.families {
//!     read_family(family, &ReadOptions::default(), &mut count);
//! }
//! assert_eq!(count.0, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backwards;
mod calendar;
mod clock;
mod copies;
mod decoder;
mod dialect;
mod discover;
mod excerpt;
mod follow;
mod forms;
mod found;
mod framing;
#[cfg(fuzzing)]
pub mod fuzzing;
mod globs;
mod meaning;
mod names;
mod options;
mod own;
mod own_logs;
mod parsing;
mod read;
mod sample;
mod split;
mod watch;
mod zone;

pub use dialect::{DialectError, TextDialect};
pub use discover::{DiscoverError, Discovery, Family, check_patterns, discover, discover_until};
pub use excerpt::{excerpt, pick};
pub use follow::{
    Begin, Checkpoint, CheckpointError, Follower, GoneText, Looked, Piece, Signature, Text,
    TextFollower, signature,
};
pub use found::{LogFile, Skipped};
pub use framing::fingerprint::{Alike, Fingerprint};
pub use framing::memory::Memory;
pub use framing::open::{beginning, fingerprint, hash_of_first};
pub use meaning::form::pattern as message_pattern;
pub use meaning::map::{Map, MapError, Meaning};
pub use meaning::{decode_error, members};
pub use names::{family_name, recorded_name, without_compression};
pub use options::ReadOptions;
pub use own::{own_fields, own_fields_json, own_stats};
pub use own_logs::OWN_LOGS;
pub use parsing::object::without_lone_surrogates;
pub use parsing::time::DateOrder;
pub use read::{FamilyReader, FileSummary, read_family};
pub use sample::SIZE as SAMPLED_LINES;
pub use watch::Watch;
