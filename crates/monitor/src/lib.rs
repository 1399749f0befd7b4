//! The service of Dragline: it follows logs, keeps what it counted, judges, checks health, and sends notices.
//!
//! ```text
//! logs → follow → batches → store (SQLite) → judge → report, findings
//!           ├→ live view, windows of measurements ──────────┐     │
//!           └→ alerts (rules, states) → notices → channels  ├→ Backend of the pages
//!                            health checks ─────────────────┘
//! ```
//!
//! - [`store`]: one SQLite database with one writing thread. It holds counts, runs, states and histories, and no log
//!   line. What was counted and up to where it was read are committed together, so that the totals after any crash are
//!   those of a fresh report.
//! - [`follow`]: reads what is written, counts it in rollups by day, scraper and site, and keeps the live view.
//! - [`judge`](mod@judge): makes the report of the last weeks from the stored rollups.
//! - [`reports`]: reports that are sent regularly.
//! - [`service`]: the threads, and the state that they share: [`service::Monitor`]. It implements the trait
//!   [`dragline_web::Backend`], which is all that the pages know of it.
//! - [`settings`] and [`config`]: what the configuration says.
//!
//! Times come from a clock that is passed in.

pub mod alerts;
pub mod archive;
mod backend;
pub mod config;
mod fixes;
pub mod follow;
pub mod judge;
pub mod originals;
mod receive;
pub mod reports;
pub mod service;
pub mod settings;
pub mod store;
