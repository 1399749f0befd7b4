//! Health checks of what scrapers depend on: sites, databases, ports, disks, logs and runs.
//!
//! A [`Config`] (the section `[health]` of `dragline.toml`) lists [`Check`]s. [`Health::run`] performs those
//! that are due and returns a [`Report`], as a table ([`Report::to_text`]) or as JSON.
//!
//! # From a measurement to a status
//!
//! A probe measures ([`Measurement`]: status, phases of the latency, days of the certificate, free space) or
//! fails ([`Failure`]). [`Condition`]s such as `status == 200` or `response_time < 800ms` turn that into a
//! [`CheckResult`] with a [`Level`]: those under `conditions` make it critical, those under `degraded_unless`
//! degraded. A [`State`] takes one result after the other. The status becomes worse after `failure_threshold`
//! worse results in a row, better after `success_threshold` better ones; it is dated to the first of them. A
//! state is plain data (serde), so a run of failures goes on after a restart.
//!
//! # What this crate does differently
//!
//! - **Passive first.** A site that scrapers request anyway is judged by their requests ([`Signals`]); only a
//!   silent site is probed. [`plan()`] decides, as a pure function.
//! - **The own network is not a site's fault.** When every site fails at once without an answer, the checks are
//!   inconclusive and one [`Notice`] says so ([`weigh`]). What is in the own network goes on being judged.
//! - **Freshness is dated to its deadline** ([`judge_freshness`]), not to when somebody looked.
//! - **Nothing is changed by looking.** A missing SQLite file is a failure and is not created; a webhook's
//!   server is connected to and nothing is posted.
//! - **No secret is shown.** URLs print without user, password and query; messages of libraries are searched
//!   for them.
//!
//! The core (conditions, states, freshness, plan, own network) has no clock, no randomness and no I/O: time is
//! passed in. Postgres and MySQL are the features `postgres` and `mysql`.
//!
//! ```
//! use dragline_health::{Config, Environment, Health, Signals, Status, Timestamp};
//!
//! let text = r#"
//! [[health.checks]]
//! name = "disk of the logs"
//! type = "disk"
//! path = "."
//! conditions = ["free_percent >= 0"]
//! degraded_unless = ["free_percent >= 0"]
//!
//! [[health.checks]]
//! name = "nightly run"
//! type = "run"
//! scraper = "shop"
//! period = "1d"
//! grace = "2h"
//! "#;
//! let config = Config::from_toml(text, &Environment::of_process("."))?;
//! let mut signals = Signals::default();
//! signals.last_run.insert("shop".into(), Timestamp::parse("2026-03-04T02:00:00Z")?);
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! let mut health = Health::new(config);
//! let now = Timestamp::parse("2026-03-05T03:00:00Z")?;
//! let report = runtime.block_on(health.run(now, &signals));
//! assert_eq!(report.status, Status::Degraded);
//! assert_eq!(report.checks[1].since, Some(Timestamp::parse("2026-03-05T02:00:00Z")?));
//! assert_eq!(report.exit_code(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod condition;
mod config;
mod database;
mod duration;
mod field;
mod freshness;
mod health;
mod kind;
mod measurement;
mod perform;
mod plan;
mod probe;
mod render;
mod report;
mod result;
mod runtime;
mod signals;
mod state;
mod uplink;

pub use address::{Address, AddressError};
pub use condition::{Condition, ConditionError, Verdict};
pub use config::{
    Check, Config, ConfigError, DEFAULT_CONCURRENCY, DEFAULT_INTERVAL, Environment, Headers,
    HostPort, Target,
};
pub use database::Database;
pub use dragline_schema::Timestamp;
pub use field::{Field, Unit};
pub use freshness::{Schedule, judge_freshness};
pub use health::{Health, Memory};
pub use kind::Kind;
pub use measurement::{Body, Failure, FailureKind, Measurement, Probed, Values};
pub use plan::{Active, LEAST_REQUESTS, SiteTraffic, Step, Traffic, plan};
pub use report::{CheckReport, Notice, NoticeKind, Report};
pub use result::{CheckResult, Conditions, Level, Source, Status, judge};
pub use signals::Signals;
pub use state::{CHANGES, Change, HISTORY, HistoryEntry, State, Thresholds};
pub use uplink::{Contact, Evidence, Uplink, weigh};
