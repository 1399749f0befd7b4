//! User-defined corrections for other writers' records whose field names or messages are misleading.

use std::collections::BTreeMap;

use regex::Regex;

use super::alias::{Slot, slot_named};
use super::learn::Learned;

/// Corrections to how records of other writers are read. They do not apply to Dragline's own lines.
#[derive(Debug, Clone, Default)]
pub struct Map {
    fields: BTreeMap<String, Mapped>,
    /// The user's names for statistics, by field name or by key in Scrapy's statistics.
    stats: BTreeMap<String, String>,
    events: Vec<(Regex, Meaning)>,
    /// What was learned from the log itself; it is not the user's.
    pub(crate) learned: Learned,
}

/// The user-defined role of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mapped {
    /// It fills a slot.
    Slot(Slot),
    /// It is the response time, with this many milliseconds per unit.
    Duration(f64),
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// An HTTP attempt.
    Request,
    /// An item that was stored.
    Item,
    /// An item that was lost.
    ItemFailed,
    /// An error, whatever its level.
    Error,
    /// None of these.
    Log,
}

/// Why a correction is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Records have no field of that name.
    #[error(
        "unknown field {0}: valid names are timestamp, level, message, target, error_type, \
         error_message, traceback, scraper_id, run_id, site, url, status, method, bytes, attempt, \
         response_time_ms and response_time_seconds"
    )]
    Field(String),
    /// Unknown kind of record.
    #[error("unknown kind of record {0}: use request, item, item_failed, error or log")]
    Meaning(String),
    /// The message pattern is not a valid regular expression.
    #[error("invalid message pattern {pattern}: {source}")]
    Pattern {
        /// The pattern given.
        pattern: String,
        /// The error in the pattern.
        source: Box<regex::Error>,
    },
}

impl Map {
    /// Creates a map without corrections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps the field `theirs` to `ours`, a name of the definitions. It takes precedence over all other
    /// names for that field.
    ///
    /// # Errors
    /// If `ours` is not a known name.
    pub fn field(&mut self, ours: &str, theirs: &str) -> Result<(), MapError> {
        let mapped = match ours {
            "response_time_ms" => Mapped::Duration(1.0),
            "response_time_seconds" => Mapped::Duration(1000.0),
            name => match slot_named(name) {
                Some(slot) => Mapped::Slot(slot),
                None => return Err(MapError::Field(name.to_owned())),
            },
        };
        self.fields.insert(theirs.to_owned(), mapped);
        Ok(())
    }

    /// Sets the kind of records whose message matches the pattern. If several patterns match, the first counts.
    /// Groups named `url`, `status`, `bytes`, `response_time_ms`, `response_time_seconds` and `count` (the number of
    /// items) give values that no field of the record has.
    ///
    /// # Errors
    /// If the pattern is not a valid regular expression.
    pub fn event(&mut self, message: &str, is: Meaning) -> Result<(), MapError> {
        let regex = Regex::new(message).map_err(|source| MapError::Pattern {
            pattern: message.to_owned(),
            source: Box::new(source),
        })?;
        self.events.push((regex, is));
        Ok(())
    }

    /// Declares that the field `theirs`, or the key `theirs` in Scrapy's statistics, contains the run's statistic
    /// `name`. The last value counts.
    pub fn stat(&mut self, name: &str, theirs: &str) {
        self.stats.insert(theirs.to_owned(), name.to_owned());
    }

    /// Whether it names statistics.
    pub fn has_stats(&self) -> bool {
        !self.stats.is_empty()
    }

    /// The user's name for the statistic in a field, or under a key in Scrapy's statistics.
    pub(crate) fn stat_of(&self, theirs: &str) -> Option<&str> {
        self.stats.get(theirs).map(String::as_str)
    }

    /// The same map, with what was learned from the log.
    pub(crate) fn with_learned(&self, learned: Learned) -> Self {
        Self {
            learned,
            ..self.clone()
        }
    }

    /// The user-defined role of a field.
    pub(crate) fn mapped(&self, path: &str) -> Option<Mapped> {
        if self.fields.is_empty() {
            return None;
        }
        self.fields.get(path).copied()
    }

    /// The user-defined kind of records with this message, and the pattern that matches it.
    pub(crate) fn meaning(&self, message: &str) -> Option<(Meaning, &Regex)> {
        let found = self
            .events
            .iter()
            .find(|(regex, _)| regex.is_match(message));
        found.map(|(regex, meaning)| (*meaning, regex))
    }

    /// The whole map as text.
    pub(crate) fn identity(&self) -> String {
        let events: Vec<_> = self
            .events
            .iter()
            .map(|(regex, meaning)| (regex.as_str(), meaning))
            .collect();
        format!("{:?}\n{:?}\n{events:?}", self.fields, self.stats)
    }
}

impl std::str::FromStr for Meaning {
    type Err = MapError;

    fn from_str(name: &str) -> Result<Self, MapError> {
        match name {
            "request" => Ok(Self::Request),
            "item" => Ok(Self::Item),
            "item_failed" => Ok(Self::ItemFailed),
            "error" => Ok(Self::Error),
            "log" => Ok(Self::Log),
            other => Err(MapError::Meaning(other.to_owned())),
        }
    }
}
