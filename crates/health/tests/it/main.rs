//! Checks against real counterparts on loopback: sites, certificates, databases, a network that is gone.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]
#![allow(
    clippy::float_cmp,
    reason = "the values compared are whole, or passed through"
)]

mod databases;
mod docs;
mod server;
mod sites;
mod situations;
mod sqlite;

use std::path::Path;

use dragline_health::{CheckReport, Config, Environment, Health, Report, Signals};
use dragline_schema::Timestamp;

/// The time of all tests.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-03-04T11:00:00Z").unwrap()
}

/// `now` plus minutes.
pub(crate) fn minute(minutes: i64) -> Timestamp {
    now().plus_micros(minutes * 60_000_000)
}

/// Reads a configuration; the variables are `NAME=value`.
pub(crate) fn configure(text: &str, base: &Path, variables: &[&str]) -> Config {
    let find = |name: &str| {
        let mut pairs = variables.iter().filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    let environment = Environment {
        variable: &find,
        secret_file: &|path| std::fs::read_to_string(path),
        base: base.to_owned(),
    };
    Config::from_toml(text, &environment).unwrap()
}

/// Runs the checks of a configuration once.
pub(crate) async fn run(text: &str) -> Report {
    let mut health = Health::new(configure(text, Path::new("/nonexistent"), &[]));
    health.run(now(), &Signals::default()).await
}

/// Runs a configuration with one check.
pub(crate) async fn run_one(text: &str) -> CheckReport {
    let report = run(&format!("[[health.checks]]\nname = 'x'\n{text}")).await;
    report.checks.into_iter().next().unwrap()
}

/// The message of a check.
pub(crate) fn message(check: &CheckReport) -> &str {
    check.message.as_deref().unwrap_or_default()
}
