//! Pages, API and security over a real socket, with a backend in memory.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod api;
mod browser;
mod changes;
mod chromium;
mod client;
mod docs;
mod fleet;
mod hostile;
mod load;
mod pages;
mod security;
mod serve;
mod tls;

use std::sync::Arc;

use dragline_web::{Server, WebConfig};
use fleet::Fleet;

/// A server over a fleet, on a free port of this machine.
pub(crate) fn start(fleet: Fleet) -> (Server, Arc<Fleet>) {
    start_with(fleet, WebConfig::default())
}

/// The same with a configuration.
pub(crate) fn start_with(fleet: Fleet, mut config: WebConfig) -> (Server, Arc<Fleet>) {
    config.listen.set_port(0);
    let fleet = Arc::new(fleet);
    let server = Server::start(&config, fleet.clone(), Some([7; 32])).unwrap();
    (server, fleet)
}

/// Says, past the test harness, that a test is skipped.
pub(crate) fn skip(what: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
