//! The doors: a layer to compose with others, or everything at once.

use std::sync::Arc;

use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Config;
use crate::layer::DraglineLayer;
use crate::recorder::{Guard, InitError, Recorder};

/// A layer that records, to compose with others, and the guard of its recorder. The layer does not
/// filter; add a filter of your own, or use [`init`].
///
/// # Errors
/// As [`Recorder::start`].
pub fn layer(config: &Config) -> Result<(DraglineLayer, Guard), InitError> {
    let (recorder, guard) = Recorder::start(config)?;
    Ok((
        DraglineLayer::new(recorder, Arc::clone(&config.clock)),
        guard,
    ))
}

/// Records everything that this program traces, filtered by the configured level. Call it first in
/// `main` and keep the guard to the end.
///
/// # Errors
/// As [`Recorder::start`], and when the program has a global subscriber already.
pub fn init(config: impl std::borrow::Borrow<Config>) -> Result<Guard, InitError> {
    let config = config.borrow();
    let (layer, guard) = layer(config)?;
    tracing_subscriber::registry()
        .with(layer.with_filter(config.filter()?))
        .try_init()
        .map_err(InitError::Subscriber)?;
    Ok(guard)
}
