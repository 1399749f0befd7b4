//! The thread that writes the page *Now* as a file, for when the service does not answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dragline_schema::Timestamp;

use super::Monitor;
use crate::settings::Settings;

/// The time between two looks at whether a copy is due.
const LOOK: Duration = Duration::from_secs(5);
/// Its name in the state directory.
const NAME: &str = "now.html";

/// Writes copies until the service ends.
pub(super) fn run(monitor: &Arc<Monitor>) {
    let mut last: Option<Timestamp> = None;
    loop {
        let settings = monitor.settings();
        let every = settings.monitor.snapshot.every;
        let now = monitor.time();
        if every.is_zero() {
            monitor.tasks.forget("snapshot");
        } else if is_due(monitor, last, every, now) {
            last = Some(now);
            monitor
                .tasks
                .note("snapshot", now, write(monitor, &settings, every));
        }
        if monitor.pause(LOOK) {
            return;
        }
    }
}

/// Whether a copy is due. The first one waits for the analysis: an empty page must not replace the last copy of an
/// earlier start.
fn is_due(monitor: &Monitor, last: Option<Timestamp>, every: Duration, now: Timestamp) -> bool {
    let micros = every.as_micros() as i64;
    let since = |time: Timestamp| now.since(time) >= micros;
    let is_known = monitor.judged().is_some() || since(monitor.started_at);
    is_known && last.is_none_or(since)
}

fn write(monitor: &Monitor, settings: &Settings, every: Duration) -> Result<(), String> {
    let page = dragline_web::snapshot(monitor, every).map_err(|error| error.to_string())?;
    let path = path_of(settings);
    let written = dragline_files::replace(&path, |out| out.write_all(page.as_bytes()));
    written.map_err(|error: std::io::Error| format!("cannot write {}: {error}", path.display()))
}

fn path_of(settings: &Settings) -> PathBuf {
    let named = settings.monitor.snapshot.file.clone();
    named.unwrap_or_else(|| settings.monitor.state.join(NAME))
}
