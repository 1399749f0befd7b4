//! From logs to alerts: what the rules need is taken from the logs, judged at the time when it happened, and explained.
//!
//! ```text
//! logs → scan ─┬─ rows ─→ Meter (metrics by minute), Traffic (requests by site and proxy, lines of trouble)
//!              └─ rollup → insights ─→ findings, values of runs, runs that are due
//!                             all of them → observations → alerting::watch → notices, explained by Scene
//! ```
//!
//! - [`look`] reads logs and returns a [`Scene`]: everything that the rules and the notices need to know.
//! - A [`Meter`] turns events into samples of metrics, minute by minute of event time.
//! - [`Scene::explain`] looks up what a notice says about an alert: lines, the command that shows more, and the
//!   comparison with other scrapers on the same site and other sites by the same proxy.
//! - [`evaluate`] is one round without a service: it goes on where the last one stopped, and equals a watch that never
//!   slept.
//! - [`mod@suggest`] proposes rules, tuned against the incidents that the analyst found.
//!
//! ```
//! use dragline_alerting::rule;
//! use dragline_alerting::store::AlertStore;
//! use dragline_classifier::RuleSet;
//! use dragline_insights::Limits;
//! use dragline_scan::ScanOptions;
//! use dragline_schema::Timestamp;
//! use dragline_watch::{Wanted, evaluate, look};
//!
//! # let dir = tempfile::tempdir()?;
//! let line = |second: i64| format!("{{\"timestamp\":\"2026-03-04T06:00:{second:02}Z\",\"level\":\"INFO\",\"scraper_id\":\"mint\",\
//!     \"site\":\"shop.example.org\",\"event_type\":\"request\",\"url\":\"https://shop.example.org/\",\"status_code\":503}}\n");
//! std::fs::write(dir.path().join("mint.log"), (0..60).map(line).collect::<String>())?;
//!
//! let now = Timestamp::parse("2026-03-04T06:05:00Z")?;
//! let (rules, mut store) = (rule::default_rules(), AlertStore::default());
//! let (limits, muted) = (Limits::default(), Vec::new());
//! let wanted = Wanted::all(&rules, &limits, &muted, now);
//! let logs = [dir.path().display().to_string()];
//! let scene = look(&logs, &RuleSet::shipped(), &ScanOptions::default(), &wanted)?;
//! let round = evaluate(&scene, &wanted, &mut store, &[]);
//! let fired = round.changes.iter().find_map(|change| change.alert.as_ref()).unwrap();
//! assert_eq!(fired.summary, "60 requests of mint failed within 10 minutes");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod again;
mod checks;
mod explain;
mod findings;
mod late;
mod meter;
mod round;
mod scene;
pub mod suggest;
mod traffic;

pub use checks::{check_names, of_checks, switch_off_unchecked};
pub use explain::{Found, explain, facts, is_behind, shell_word, shell_words};
pub use findings::{of_analysis, run_metrics, watched_kinds};
pub use late::{Late, Seen};
pub use meter::Meter;
pub use round::{Round, evaluate};
pub use scene::{Scene, Wanted, look};
pub use traffic::{Lines, Traffic};
