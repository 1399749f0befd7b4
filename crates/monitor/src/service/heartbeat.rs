//! The thread that tells somebody else regularly that the service works.

use std::sync::Arc;
use std::time::Duration;

use super::{Monitor, upkeep};

/// Without a heartbeat in the configuration, the thread looks for one this often.
const LOOK: Duration = Duration::from_secs(30);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Sends heartbeats until the service ends. None is sent while a thread hangs.
pub(super) fn run(monitor: &Arc<Monitor>) {
    loop {
        let settings = monitor.settings();
        let every = match &settings.monitor.heartbeat {
            None => LOOK,
            Some(heartbeat) => {
                let outcome = if upkeep::is_alive(monitor) {
                    send(heartbeat)
                } else {
                    Err("no heartbeat was sent, because a part of the service hangs".to_owned())
                };
                monitor.tasks.note("heartbeat", monitor.time(), outcome);
                heartbeat.every
            }
        };
        if monitor.pause(every) {
            return;
        }
    }
}

/// Requests the address once. The error never names it: it may hold a secret.
fn send(heartbeat: &crate::config::Heartbeat) -> Result<(), String> {
    let url = heartbeat.url.read()?;
    dragline_alerting::channel::request(&url, TIMEOUT)
        .map_err(|error| format!("the heartbeat failed: {error}"))
}
