//! The log of `dragline serve` itself, written by our own recorder.

use anyhow::Context as _;
use dragline_files::OwnedDir;
use dragline_ingest::OWN_LOGS;
use dragline_logging::{Config, ConsoleMode, Guard};
use dragline_monitor::config::MonitorConfig;

use crate::args::WrongUsage;

/// The directory in the state directory.
const DIRECTORY: &str = "log";
/// The first part of the names of its files.
const NAME: &str = "dragline";
/// The variable of the original monitors.
const VARIABLE: &str = "MONITORING_LOG_LEVEL";
/// The largest total size, in bytes.
const LARGEST: u64 = 256 << 20;

/// Starts to record what the service says of itself. The directory is marked, so that nobody counts it as logs of
/// scrapers. The log ends with the guard.
pub(super) fn start(monitor: &MonitorConfig) -> anyhow::Result<Guard> {
    let variable = std::env::var(VARIABLE)
        .ok()
        .filter(|level| !level.is_empty());
    let level = monitor.log_level.clone().or(variable);
    let level = level.unwrap_or_else(|| "info".to_owned());
    let dir = OwnedDir::check(monitor.state.join(DIRECTORY), OWN_LOGS)
        .map_err(|error| WrongUsage::new(&error.to_string()))?;
    dir.claim()
        .with_context(|| format!("cannot write to {}", dir.path().display()))?;
    let config = Config::new(dir.path())
        .name(NAME)
        .level(level)
        // What people have to see is on the page and, from WARN up, on standard error.
        .console(ConsoleMode::Compact)
        .console_level(tracing::Level::WARN)
        .keep_bytes(Some(LARGEST));
    dragline_logging::init(config).context("cannot record what the service does")
}
