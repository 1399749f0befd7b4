//! The report of a round: what people and programs read.

use std::collections::BTreeMap;

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Check, Config, Target};
use crate::health::Memory;
use crate::kind::Kind;
use crate::measurement::{FailureKind, Values};
use crate::result::{Level, Source, Status};
use crate::state::{Change, State};

/// Status of everything that is checked.
///
/// This is the contract with programs that read the JSON. Unknown is null, never 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Time of the round.
    pub generated_at: Timestamp,
    /// The worst status of all checks; inconclusive without any.
    pub status: Status,
    /// Share of sites that are not critical among those whose status is known, 0 to 100.
    pub sites_accessible_percent: Option<f64>,
    /// The worst status of the databases; null without any.
    pub database_status: Option<Status>,
    /// What concerns several checks at once.
    pub notices: Vec<Notice>,
    /// One for each check, in the order of the configuration.
    pub checks: Vec<CheckReport>,
}

/// One message in place of one for each check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// Since when.
    pub since: Timestamp,
    /// A sentence.
    pub message: String,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The own network is down.
    UplinkDown,
}

/// Status of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// What kind of check it is.
    pub kind: Kind,
    /// What is checked, without secrets.
    pub target: String,
    /// Status after the thresholds.
    pub status: Status,
    /// When the status began.
    pub since: Option<Timestamp>,
    /// The level before it became inconclusive; otherwise that of the status.
    pub last_level: Option<Level>,
    /// Time of the last result.
    pub checked_at: Option<Timestamp>,
    /// Who saw it.
    pub source: Option<Source>,
    /// What the last result said before the thresholds.
    pub last_result: Status,
    /// A sentence about the last result; null when there is nothing to say.
    pub message: Option<String>,
    /// Why the last result failed.
    pub failure: Option<FailureKind>,
    /// What the last result measured; durations are seconds.
    pub values: Values,
    /// Results in a row that contradict the status.
    pub results_in_a_row: u32,
    /// Results in a row that would change it.
    pub results_needed: u32,
    /// Share of known results of the last day or so that were not critical, 0 to 100.
    pub availability_percent: Option<f64>,
    /// The change of the status that this round made.
    pub change: Option<Change>,
}

impl Report {
    pub(crate) fn new(
        now: Timestamp,
        config: &Config,
        memory: &Memory,
        changes: &BTreeMap<String, Change>,
    ) -> Self {
        let unknown = State::default();
        let report = |check: &Check| {
            let state = memory.checks.get(&check.name).unwrap_or(&unknown);
            CheckReport::new(check, state, changes.get(&check.name).cloned())
        };
        let checks: Vec<_> = config.checks.iter().map(report).collect();
        let worst = checks.iter().map(|check| check.status).max();
        Self {
            generated_at: now,
            status: worst.unwrap_or(Status::Inconclusive),
            sites_accessible_percent: count_accessible(&checks),
            database_status: checks
                .iter()
                .filter(|check| check.kind == Kind::Database)
                .map(|check| check.status)
                .max(),
            notices: find_notices(&checks, memory),
            checks,
        }
    }

    /// The name of the own network in [`statuses`](Self::statuses).
    pub const UPLINK: &str = "uplink";

    /// The status of each check, since when it has it, and the same of the own network: critical while it is down, inconclusive
    /// while no check of this configuration would show it. A check that is called like it stands for it.
    pub fn statuses(&self) -> Vec<(&str, Status, Option<Timestamp>)> {
        let mut notices = self.notices.iter();
        let down = notices.find(|notice| notice.kind == NoticeKind::UplinkDown);
        let shows = |check: &CheckReport| matches!(check.kind, Kind::Site | Kind::Tcp | Kind::Tls);
        let uplink = match down {
            Some(_) => Status::Critical,
            None if self.checks.iter().any(shows) => Status::Healthy,
            None => Status::Inconclusive,
        };
        let checks = self.checks.iter();
        let mut statuses: Vec<_> = checks
            .map(|check| (&*check.name, check.status, check.since))
            .collect();
        if statuses.iter().all(|(name, ..)| *name != Self::UPLINK) {
            statuses.push((Self::UPLINK, uplink, down.map(|down| down.since)));
        }
        statuses
    }

    /// What each check said, and what is said of the own network while it is down.
    pub fn messages(&self) -> impl Iterator<Item = (&str, &str)> {
        let uplink = self
            .notices
            .iter()
            .filter(|notice| notice.kind == NoticeKind::UplinkDown);
        let uplink = uplink.map(|notice| (Self::UPLINK, &*notice.message));
        let checks = self.checks.iter();
        uplink.chain(checks.filter_map(|check| Some((&*check.name, check.message.as_deref()?))))
    }

    /// Exit code of a command: 1 when something is critical, otherwise 0.
    ///
    /// Degraded and inconclusive are not failures: the own network being down says nothing about the sites.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.status == Status::Critical)
    }
}

fn count_accessible(checks: &[CheckReport]) -> Option<f64> {
    let sites = checks.iter().filter(|check| check.kind == Kind::Site);
    let known: Vec<_> = sites
        .filter(|site| site.status != Status::Inconclusive)
        .collect();
    let good = known
        .iter()
        .filter(|site| site.status != Status::Critical)
        .count();
    (!known.is_empty()).then(|| 100.0 * good as f64 / known.len() as f64)
}

/// One notice when the own network is down, however many checks it concerns.
fn find_notices(checks: &[CheckReport], memory: &Memory) -> Vec<Notice> {
    let Some(since) = memory.uplink.down_since else {
        return Vec::new();
    };
    let concerned = checks.iter().filter(|check| {
        let is_silent = check.failure.is_some_and(|kind| !kind.is_answer());
        check.status == Status::Inconclusive && is_silent
    });
    let kinds: Vec<_> = concerned.map(|check| check.failure).collect();
    // Behind the login page of a network every handshake fails.
    let or = if kinds.contains(&Some(FailureKind::Tls)) {
        " or intercepted"
    } else {
        ""
    };
    vec![Notice {
        kind: NoticeKind::UplinkDown,
        since,
        message: format!(
            "The own network is down{or}: nothing on the internet answers. {} checks are inconclusive.",
            kinds.len()
        ),
    }]
}

impl CheckReport {
    fn new(check: &Check, state: &State, change: Option<Change>) -> Self {
        let last = state.last();
        let status = state.status();
        let result = last.and_then(|last| last.level);
        let is_worse = result > state.level();
        let is_dated = matches!(check.target, Target::Logs { .. } | Target::Run { .. });
        let needed = match (is_dated, is_worse) {
            (true, _) => 1,
            (false, true) => check.thresholds.failures,
            (false, false) => check.thresholds.successes,
        };
        Self {
            name: check.name.clone(),
            kind: check.kind(),
            target: check.target.to_string(),
            status,
            since: match status {
                Status::Inconclusive => state.inconclusive_since(),
                _ => state.since(),
            },
            last_level: state.level(),
            checked_at: last.map(|last| last.at),
            source: last.map(|last| last.source),
            last_result: result.into(),
            message: last
                .map(|last| last.message.clone())
                .filter(|message| !message.is_empty()),
            failure: last.and_then(|last| last.failure),
            values: last.map(|last| last.values.clone()).unwrap_or_default(),
            results_in_a_row: state.worse_in_a_row().max(state.better_in_a_row()),
            results_needed: needed,
            availability_percent: state.availability_percent(),
            change,
        }
    }
}
