//! The entry points: a layer to compose with others, or a complete setup.

use std::sync::Arc;

use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, ConsoleMode};
use crate::console::ConsolePlan;
use crate::exit;
use crate::layer::DraglineLayer;
use crate::line::Limits;
use crate::recorder::{Guard, InitError, Recorder};
use crate::redact::Redactor;
use crate::typed::{self, TARGET};

/// Creates a recording layer to compose with others, and the guard of its recorder. The layer does not
/// filter events; add your own filter, or use [`init`].
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tracing_subscriber::prelude::*;
///
/// let config = dragline_logging::Config::new(dir.path());
/// let (layer, guard) = dragline_logging::layer(&config)?;
/// let level = tracing_subscriber::EnvFilter::new("info");
/// let subscriber = tracing_subscriber::registry().with(layer.with_filter(level));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Recorder::start`].
pub fn layer(config: &Config) -> Result<(DraglineLayer, Guard), InitError> {
    // A program that composes layers usually has its own console layer.
    let console = match config.console {
        ConsoleMode::Auto => None,
        _ => ConsolePlan::new(config),
    };
    layer_with(config, console)
}

/// Records everything that the program traces or logs with the `log` crate, filtered by the configured
/// level, and shows it on the console. Call it first in `main` and keep the guard until the end.
///
/// # Errors
/// As [`Recorder::start`], and when the program already has a global subscriber.
pub fn init(config: impl std::borrow::Borrow<Config>) -> Result<Guard, InitError> {
    let config = config.borrow();
    let (layer, guard) = layer_with(config, ConsolePlan::new(config))?;
    // A run's span is always enabled, so that no level filter removes the context of the events inside. Its
    // typed events are enabled from INFO up, unless a directive names their target.
    let is_named = config.names_target();
    let typed = filter_fn(move |metadata| {
        metadata.target() == TARGET
            && (metadata.is_span() || (!is_named && *metadata.level() <= Level::INFO))
    });
    tracing_subscriber::registry()
        .with(layer.with_filter(config.filter()?.or(typed)))
        .try_init()
        .map_err(InitError::Subscriber)?;
    Ok(guard)
}

fn layer_with(
    config: &Config,
    console: Option<ConsolePlan>,
) -> Result<(DraglineLayer, Guard), InitError> {
    let (recorder, guard) = Recorder::start_with(config, console)?;
    if config.panic_hook {
        exit::record_panics();
    }
    if config.backtraces {
        typed::capture_backtraces();
    }
    if config.flush_on_signal {
        exit::flush_on_signals();
    }
    let limits = Limits {
        redactor: Redactor::new(&config.redact, config.redact_urls),
        max_value_bytes: config.max_value_bytes,
        location: config.location,
    };
    let clock = Arc::clone(&config.clock);
    Ok((DraglineLayer::new(recorder, clock, limits), guard))
}
