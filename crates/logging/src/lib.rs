//! Dragline's recorder: a [`tracing`] layer that writes a scraper's events into rotating,
//! compressed JSON files.
//!
//! A [`Recorder`] is one family of files and the threads behind it. The [`DraglineLayer`] turns
//! tracing events into lines of the wire format v1 and hands them to the recorder's queue; one thread
//! writes whole lines in batches and begins new files; another, of the lowest priority, compresses
//! closed files and removes old ones. The [`Guard`] ends it all.
//!
//! A [`Run`] gives events their context. It opens a span with `scraper_id`, `site` and `run_id`;
//! every event inside, on whatever thread and behind whatever `.await`, is written with them. Its
//! methods log the typed events of the format and count them, so that the run's last line carries
//! its totals.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! use dragline_logging::{Config, Run};
//! use tracing_subscriber::prelude::*;
//!
//! let (layer, guard) = dragline_logging::layer(&Config::new(dir.path()).name("shop"))?;
//! tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
//!     let run = Run::start("shop", "shop.example.com");
//!     run.request("https://shop.example.com/p/1").status(200).bytes(18_234).log();
//!     run.in_scope(|| tracing::info!(page = 1, "listing read"));
//!     run.finish();
//! });
//! drop(guard); // Everything is on disk now.
//! # let file = std::fs::read_dir(dir.path())?.next().unwrap()?.path();
//! # assert_eq!(std::fs::read_to_string(file)?.lines().count(), 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is safe when
//!
//! A line is in the file at the latest one flush interval (default 1 s) after its event, at once when
//! 256 KiB are waiting or when it is an error. [`Recorder::flush`] waits for it; dropping the
//! [`Guard`], a panic and the end of the program do so too. A process that is killed loses what was
//! still queued; the numbers (`seq`) in the lines let the reader see how much. When the disk is full
//! the recorder keeps what it has, drops what no longer fits by the [`Patience`] of each level, counts
//! it, and goes on by itself. `docs/recorder.md` has the whole table.
//!
//! A file is named `NAME.YYYYMMDDTHHMMSSZ.WRITER.N.jsonl` ([`FileName`]), by the time of its first
//! line, the writing process and a counter, so that two processes never share one. [`Config`] says
//! when files end, how they are compressed and what stays.

mod callsite;
mod classify;
mod clock;
mod compress;
mod config;
mod console;
mod context;
mod core;
mod exit;
mod file_name;
mod init;
mod janitor;
mod layer;
mod line;
#[doc(hidden)]
pub mod monitor;
mod outlet;
mod queue;
mod recorder;
mod redact;
mod retention;
mod rolling;
mod rolling_writer;
mod run;
mod schedule;
mod sys;
mod text;
mod typed;
mod writer;

pub use classify::{ClassifierSet, classify_errors};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{Compression, Config, ConfigError, ConsoleMode, OptionInfo, Patience};
pub use dragline_schema::{ProductAction as Action, RunStatus, Timestamp};
pub use file_name::{Codec, FileName, Format, ParseFileNameError};
pub use init::{init, layer};
pub use jiff::tz::TimeZone;
pub use layer::DraglineLayer;
pub use recorder::{Guard, InitError, Recorder, Status};
pub use retention::Retention;
pub use rolling_writer::RollingWriter;
pub use run::{Run, RunBuilder};
pub use schedule::Rotation;
pub use typed::{
    ArticleEvent, ContextValue, DatabaseEvent, ErrorEvent, ProductEvent, RequestEvent, SystemEvent,
};
