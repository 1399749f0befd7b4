//! Dragline's recorder: a [`tracing`] layer that writes a scraper's events into rotating,
//! compressed JSON files.
//!
//! A [`Recorder`] owns one family of files and the threads that write them. The [`DraglineLayer`] turns
//! tracing events into lines of wire format v1 and puts them into the recorder's queue. One thread
//! writes whole lines in batches and starts new files. A second thread, with the lowest priority,
//! compresses closed files and removes old ones. The [`Guard`] stops the recorder.
//!
//! A [`Run`] gives events their context. It opens a span with `scraper_id`, `site` and `run_id`, and
//! every event inside the span is written with them, on any thread and across any `.await`. The methods
//! of a run log the typed events of the format and count them, so that the run's last line contains its
//! totals.
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
//! # Durability
//!
//! A line is in the file at most one flush interval (default 1 s) after its event. It is written at once
//! when 256 KiB are waiting or when the event is an error. [`Recorder::flush`] waits until all lines are
//! written, and so do dropping the [`Guard`], a panic and the end of the program. A process that is killed
//! loses the queued lines; the sequence numbers (`seq`) of the lines show how many. When the disk is full,
//! the recorder keeps the queued lines, drops lines that no longer fit according to the [`Patience`] of
//! their level, counts the dropped lines, and resumes automatically. `docs/recorder.md` lists all cases.
//!
//! A file is named `NAME.YYYYMMDDTHHMMSSZ.WRITER.N.jsonl` ([`FileName`]), after the time of its first
//! line, the writing process and a counter, so that two processes never write to the same file. [`Config`]
//! sets when files end, how they are compressed and how long they are kept.

mod callsite;
mod classify;
mod clock;
mod complain;
mod compress;
mod config;
mod console;
mod context;
mod core;
mod exit;
mod family;
mod file_name;
mod init;
mod janitor;
mod key;
mod layer;
mod levels;
mod line;
#[doc(hidden)]
pub mod monitor;
mod observe;
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
#[cfg(feature = "system")]
mod system;
mod text;
mod typed;
mod writer;
mod writer_id;

pub use classify::{ClassifierSet, classify_errors};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{
    Compression, Config, ConfigError, ConsoleLevel, ConsoleMode, OptionInfo, Patience,
    SampleInterval,
};
pub use dragline_schema::{ProductAction as Action, RunStatus, Timestamp};
pub use file_name::{Codec, FileName, Format, ParseFileNameError};
pub use init::{init, layer};
pub use jiff::tz::TimeZone;
pub use layer::DraglineLayer;
pub use observe::{ObserverSet, observe_events};
pub use recorder::{Guard, InitError, Recorder, Status};
pub use retention::Retention;
pub use rolling_writer::RollingWriter;
pub use run::{Run, RunBuilder};
pub use schedule::Rotation;
pub use typed::{
    ArticleEvent, ContextValue, DatabaseEvent, ErrorEvent, ProductEvent, RequestEvent, SystemEvent,
};
