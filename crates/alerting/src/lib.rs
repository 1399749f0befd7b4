//! The watch: alert rules, their state, and who is notified of what, when, and why.
//!
//! Everything here is a library without a service: a cron job can evaluate, notify and end, and a daemon can do the
//! same every minute. The cores are pure. They read no clock, no file and no network; times are passed in.
//!
//! ```text
//! observations → watch (rules, states) → changes → notify (rows) → deliveries → notices → channels
//!                                            └────────────────── history ──────────┘
//! ```
//!
//! - [`Observation`]s come from others: samples of metrics, findings of the analyst, results of health checks, signs
//!   of life. Each has the time at which it *happened*.
//! - A [`rule::Rule`] says when that is an alert. Rules are TOML with the field names of Prometheus
//!   ([`rule::load`]); eight of them are [`rule::DEFAULTS`].
//! - A [`watch::Watch`] evaluates the rules minute by minute of event time, up to the watermark. Each alert (a rule
//!   and the labels of a series) has an [`AlertState`](state::AlertState): pending, firing, recovering, resolved.
//! - [`notify::NotifyState`] decides which channel is notified of which change, when: groups, cooldown, repetition,
//!   escalation, silences, a budget.
//! - A [`notice::Notice`] explains itself: value, threshold, evidence, the comparison with the control group, the
//!   runbook. [`render`] turns it into what each service takes; [`channel`] sends it.
//! - [`dispatch::Dispatch`] ties the last three together, [`history::History`] keeps what happened, and a
//!   [`store::AlertStore`] is all that is stored between two runs.
//! - [`config`] reads all of it from `dragline.toml`; [`testing`] runs tests of rules.
//! - [`backtest`], [`replay`] and [`export`] answer "what would this rule have done?", "which notices would have been
//!   sent?" and "how do I run this in Prometheus?".
//!
//! ```
//! use dragline_alerting::channel::Channels;
//! use dragline_alerting::dispatch::Dispatch;
//! use dragline_alerting::history::History;
//! use dragline_alerting::notice::Explanation;
//! use dragline_alerting::notify::{NotifyConfig, NotifyState};
//! use dragline_alerting::watch::{Watch, WatchConfig, WatchState};
//! use dragline_alerting::{Labels, Observation, Timestamp, rule};
//!
//! let toml = r#"
//!     [notify]
//!     channels = ["terminal"]
//!     group_wait = "0s"
//!     [channels.terminal]
//!     type = "stderr"
//! "#;
//! let config = NotifyConfig::load("dragline.toml", toml).unwrap();
//! let (channels, errors) = Channels::load("dragline.toml", toml);
//! assert!(errors.is_empty());
//!
//! let mut watch = Watch::new(WatchConfig::default(), rule::default_rules(), WatchState::default());
//! let minute = |minute: i64| Timestamp::from_seconds(1_772_582_400 + 60 * minute);
//! watch.start_at(minute(0));
//! for at in 0..20 {
//!     let host = Labels::from([("host", "crawler-1")]);
//!     watch.observe(Observation::metric("dragline_cpu_usage_ratio", host, minute(at), 0.97));
//! }
//! let changes = watch.advance(minute(20));
//!
//! let (mut notices, mut history) = (NotifyState::default(), History::default());
//! history.record_changes(&changes);
//! notices.record(&changes, minute(20));
//! let explain = |_: &dragline_alerting::Alert| Explanation {
//!     command: Some("dragline report logs --since 1h".into()),
//!     ..Explanation::default()
//! };
//! let dispatch = |minutes| Dispatch { channels: &channels, config: &config, now: minute(minutes), jitter: 0.5 };
//! let round = dispatch(20).run(&mut notices, &mut history, explain, |_, _| {});
//! assert_eq!(round.delivered, 1);
//! // What was sent is not sent again.
//! let round = dispatch(21).run(&mut notices, &mut history, explain, |_, _| {});
//! assert_eq!(round.delivered, 0);
//! ```

pub mod alert;
pub mod backtest;
pub mod channel;
pub mod config;
pub mod dispatch;
pub mod duration;
pub mod export;
pub mod history;
mod labels;
pub mod notice;
pub mod notify;
mod observation;
pub mod render;
pub mod replay;
pub mod rule;
pub mod severity;
pub mod state;
pub mod store;
mod suggest;
pub mod testing;
pub mod watch;

pub use alert::{Alert, AlertId, AlertStatus};
pub use dragline_schema::{Severity, Timestamp};
pub use labels::{LabelMatch, Labels, Matchers};
pub use observation::{Expected, HealthStatus, Observation, Topic};
