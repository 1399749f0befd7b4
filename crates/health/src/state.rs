//! The state of a check: results in a row, the status that they confirm, and a bounded history.

use std::collections::VecDeque;

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field::Field;
use crate::result::{CheckResult, Level, Status};

/// How many results in a row change a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Worse results in a row before the status becomes worse; at least 1.
    pub failures: u32,
    /// Better results in a row before the status becomes better; at least 1.
    pub successes: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            failures: 3,
            successes: 2,
        }
    }
}

impl Thresholds {
    /// Largest number of results in a row that can be required.
    pub const MAX: u32 = 100;
}

/// Results that the history of a check keeps: a day, at one every five minutes.
pub const HISTORY: usize = 288;
/// Changes of status that are kept.
pub const CHANGES: usize = 50;
/// Results that decide whether a check is unsteady.
const UNSTEADY_OF: usize = 10;
/// Results that must be known before a check is called unsteady.
const UNSTEADY_LEAST: usize = 6;

/// State of one check. It survives restarts as JSON: a run of failures goes on where it was.
///
/// ```
/// use dragline_health::{CheckResult, Level, Source, State, Status, Thresholds, Values};
/// use dragline_schema::Timestamp;
///
/// let mut state = State::default();
/// let mut observe = |minute: i64, level| {
///     let result = CheckResult {
///         at: Timestamp::from_seconds(60 * minute),
///         level: Some(level),
///         since: None,
///         message: String::new(),
///         failure: None,
///         source: Source::Probe,
///         values: Values::new(),
///     };
///     state.observe(&result, Thresholds { failures: 2, successes: 1 });
///     state.status()
/// };
/// assert_eq!(observe(0, Level::Healthy), Status::Healthy);
/// assert_eq!(observe(5, Level::Critical), Status::Healthy); // one of two
/// assert_eq!(observe(10, Level::Critical), Status::Critical);
/// assert_eq!(observe(15, Level::Healthy), Status::Healthy);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The level that enough results in a row confirmed; none before the first.
    confirmed: Option<Level>,
    /// Whether too many of the last results failed, though never enough in a row.
    unsteady: bool,
    /// When the present level began.
    since: Option<Timestamp>,
    /// When the check stopped telling anything, if the last result told nothing.
    inconclusive_since: Option<Timestamp>,
    /// The last conclusive results, oldest first.
    recent: VecDeque<Recent>,
    /// The last result.
    last: Option<CheckResult>,
    /// Results of the last day or so, oldest first.
    history: VecDeque<HistoryEntry>,
    /// Changes of the status, oldest first.
    changes: VecDeque<Change>,
    /// When the site's certificate expires, as last seen.
    pub(crate) certificate_expires: Option<Timestamp>,
    /// When the certificate was last seen.
    pub(crate) certificate_seen: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Recent {
    at: Timestamp,
    level: Level,
}

/// One result in the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When it was checked.
    pub at: Timestamp,
    /// What the check found, before any threshold.
    pub status: Status,
    /// Seconds; none if it was not measured.
    pub response_time: Option<f64>,
    /// Why, unless it was healthy.
    pub message: Option<String>,
}

/// A change of the status.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When the new level began: the first of the results in a row, or a deadline.
    pub at: Timestamp,
    /// When it was noticed.
    pub noticed_at: Timestamp,
    /// Level before; none for the first.
    pub from: Option<Level>,
    /// Level after.
    pub to: Level,
    /// Why.
    pub reason: String,
}

impl State {
    /// Status now: the confirmed level, or inconclusive when the last result told nothing.
    pub fn status(&self) -> Status {
        match self.inconclusive_since {
            Some(_) => Status::Inconclusive,
            None => self.level().into(),
        }
    }

    /// The level that was confirmed last. It is held while results are inconclusive.
    pub fn level(&self) -> Option<Level> {
        let level = self.confirmed?;
        Some(if self.unsteady {
            level.max(Level::Degraded)
        } else {
            level
        })
    }

    /// When the level of [`State::level`] began.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// When the check stopped telling anything, if its last result told nothing.
    pub fn inconclusive_since(&self) -> Option<Timestamp> {
        self.inconclusive_since
    }

    /// The last result, before any threshold.
    pub fn last(&self) -> Option<&CheckResult> {
        self.last.as_ref()
    }

    /// Results, oldest first, at most [`HISTORY`].
    pub fn history(&self) -> impl ExactSizeIterator<Item = &HistoryEntry> {
        self.history.iter()
    }

    /// Changes of the status, oldest first, at most [`CHANGES`].
    pub fn changes(&self) -> impl ExactSizeIterator<Item = &Change> {
        self.changes.iter()
    }

    /// Share of conclusive results in the history that were not critical, 0 to 100.
    pub fn availability_percent(&self) -> Option<f64> {
        let known = self
            .history
            .iter()
            .filter(|entry| entry.status != Status::Inconclusive);
        let (mut all, mut good) = (0_u32, 0_u32);
        for entry in known {
            all += 1;
            good += u32::from(entry.status != Status::Critical);
        }
        (all > 0).then(|| 100.0 * f64::from(good) / f64::from(all))
    }

    /// Results in a row, up to now, that are worse than the confirmed level.
    pub fn worse_in_a_row(&self) -> u32 {
        let confirmed = self.confirmed.unwrap_or(Level::Healthy);
        self.count_last(|level| level > confirmed)
    }

    /// Results in a row, up to now, that are better than the confirmed level.
    pub fn better_in_a_row(&self) -> u32 {
        let confirmed = self.confirmed.unwrap_or(Level::Healthy);
        self.count_last(|level| level < confirmed)
    }

    fn count_last(&self, is_one: impl Fn(Level) -> bool) -> u32 {
        let last = self.recent.iter().rev();
        last.take_while(|recent| is_one(recent.level)).count() as u32
    }

    /// Takes a result into account, and returns the change of the status that it made.
    ///
    /// An inconclusive result changes nothing but that the status is inconclusive: runs of failures and of
    /// successes neither end nor grow.
    pub fn observe(&mut self, result: &CheckResult, thresholds: Thresholds) -> Option<Change> {
        self.remember(result);
        let Some(level) = result.level else {
            self.inconclusive_since.get_or_insert(result.at);
            return None;
        };
        self.inconclusive_since = None;
        let before = self.level();
        let at = match result.since {
            Some(since) => self.take_dated(level, since),
            None => self.take(result.at, level, thresholds),
        };
        let to = self.level()?;
        if before == Some(to) {
            return None;
        }
        // A clock that was set back must not date a level into the future.
        let at = at.min(result.at);
        self.since = Some(at);
        let change = Change {
            at,
            noticed_at: result.at,
            from: before,
            to,
            reason: self.describe(result, to, level),
        };
        push_bounded(&mut self.changes, change.clone(), CHANGES);
        Some(change)
    }

    fn remember(&mut self, result: &CheckResult) {
        let is_healthy = result.level == Some(Level::Healthy);
        let entry = HistoryEntry {
            at: result.at,
            status: result.level.into(),
            response_time: result.values.get(&Field::ResponseTime).copied(),
            message: (!is_healthy).then(|| result.message.clone()),
        };
        push_bounded(&mut self.history, entry, HISTORY);
        self.last = Some(result.clone());
    }

    /// Takes a level whose beginning is known; returns that beginning.
    fn take_dated(&mut self, level: Level, since: Timestamp) -> Timestamp {
        self.confirmed = Some(level);
        self.unsteady = false;
        self.recent.clear();
        since
    }

    /// Takes a level, and returns when the present level began if it is a new one.
    fn take(&mut self, at: Timestamp, level: Level, thresholds: Thresholds) -> Timestamp {
        let failures = thresholds.failures.clamp(1, Thresholds::MAX) as usize;
        let successes = thresholds.successes.clamp(1, Thresholds::MAX) as usize;
        let kept = failures.max(successes).max(UNSTEADY_OF);
        push_bounded(&mut self.recent, Recent { at, level }, kept);
        let Some(confirmed) = self.confirmed else {
            // There is nothing to defend yet: the first result is the status.
            self.confirmed = Some(level);
            return at;
        };
        let worse = self.agreed(failures, |levels| levels.min());
        let better = self.agreed(successes, |levels| levels.max());
        let (count, new) = match (worse, better) {
            (Some(level), _) if level > confirmed => (failures, level),
            (_, Some(level)) if level < confirmed => (successes, level),
            _ => return self.update_unsteadiness(at),
        };
        self.confirmed = Some(new);
        let began = self.recent.iter().rev().nth(count - 1);
        let began = began.map_or(at, |recent| recent.at);
        // What was before the change says nothing about how steady it is now.
        self.unsteady = false;
        self.recent.drain(..self.recent.len() - count);
        began
    }

    /// The level that the last `count` results have in common, or none if there are fewer.
    fn agreed(
        &self,
        count: usize,
        bound: impl Fn(&mut dyn Iterator<Item = Level>) -> Option<Level>,
    ) -> Option<Level> {
        let skipped = self.recent.len().checked_sub(count)?;
        bound(&mut self.recent.iter().skip(skipped).map(|recent| recent.level))
    }

    /// A server behind a balancer that fails every other time never fails three times in a row.
    /// Returns when the present level began if it changed.
    fn update_unsteadiness(&mut self, at: Timestamp) -> Timestamp {
        let skipped = self.recent.len().saturating_sub(UNSTEADY_OF);
        let last = || self.recent.iter().skip(skipped);
        let failed = last().filter(|recent| recent.level == Level::Critical);
        let (count, known) = (failed.count(), last().count());
        if self.unsteady {
            self.unsteady = 5 * count > known;
            return at;
        }
        self.unsteady = known >= UNSTEADY_LEAST && 2 * count >= known;
        let first = last().find(|recent| recent.level == Level::Critical);
        first.map_or(at, |recent| recent.at)
    }

    fn describe(&self, result: &CheckResult, to: Level, level: Level) -> String {
        if self.unsteady && to != level {
            let known = self.recent.len().min(UNSTEADY_OF);
            return format!("unsteady: at least half of the last {known} checks failed");
        }
        if result.message.is_empty() && to == Level::Healthy {
            return "all conditions hold".to_owned();
        }
        result.message.clone()
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, value: T, most: usize) {
    queue.push_back(value);
    while queue.len() > most {
        queue.pop_front();
    }
}

#[cfg(test)]
mod tests;
