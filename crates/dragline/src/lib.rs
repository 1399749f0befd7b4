//! The crate that a scraper adds to its `Cargo.toml`.
//!
//! ```
//! # let logs = tempfile::tempdir()?;
//! # let config = || Ok::<_, dragline::ConfigError>(dragline::Config::new(logs.path()));
//! # use std::time::Duration;
//! let _logs = dragline::init(config()?)?; // or dragline::Config::from_env()?
//! let run = dragline::Run::start("shop", "shop.example.com");
//! run.request("https://shop.example.com/p/1").status(200).elapsed(Duration::from_millis(87)).log();
//! run.product("p1").price(12.5).log(dragline::Action::Added);
//! run.finish();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! After `init`, every event inside the run's scope is written as a line of JSON with scraper, site and
//! run. This holds for typed and plain `tracing` events, on any thread and across any `.await`. The log
//! files rotate daily, are compressed when they are closed, and survive a crash. `dragline report logs/`
//! reads them.
//!
//! - [`init`] records everything that the program traces. [`layer`] composes with other layers.
//! - [`Run`] is the context: [`Run::scope`] for futures, [`Run::in_scope`] for closures,
//!   [`Run::span`] for `.instrument`. Its methods log the typed events.
//! - [`monitored`] makes a function a run.
//! - [`Config`] sets where and how to write, in code, in TOML or in the environment. [`Guard`] keeps the
//!   recorder running until the end of `main`.
//! - With the feature `classify`, `classify_errors(RuleSet::shipped())` labels every error with its
//!   category and severity when it is logged.
//! - With the feature `metrics`, `observe_events(metrics::EventCounter::new(&registry)?)` counts every typed
//!   event into a registry, for Prometheus and for statistics over windows of time.
//! - With the feature `system`, [`Config::system_sample`] records the machine's resource usage at an interval.
//! - [`RollingWriter`] provides the rotating files alone, for use with another formatter.
//!
//! This crate only re-exports: the code is in `dragline-logging` and `dragline-macros`.

#[cfg(feature = "classify")]
pub use dragline_classifier::{Context as SeverityContext, RuleSet, RulesError};
#[doc(hidden)]
pub use dragline_logging::monitor;
pub use dragline_logging::{
    Action, ArticleEvent, Clock, Codec, Compression, Config, ConfigError, ConsoleLevel,
    ConsoleMode, ContextValue, DatabaseEvent, DraglineLayer, ErrorEvent, FileName, Format, Guard,
    InitError, ManualClock, OptionInfo, Patience, ProductEvent, Recorder, RequestEvent, Retention,
    RollingWriter, Rotation, Run, RunBuilder, RunStatus, SampleInterval, Status, SystemClock,
    SystemEvent, TimeZone, Timestamp, init, layer,
};
#[cfg(feature = "classify")]
pub use dragline_logging::{ClassifierSet, classify_errors};
#[cfg(feature = "metrics")]
pub use dragline_logging::{ObserverSet, observe_events};
pub use dragline_macros::monitored;
#[cfg(feature = "metrics")]
pub use dragline_metrics as metrics;
