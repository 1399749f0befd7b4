//! What the user says of other writers' records, where their names and messages mislead.

use std::collections::BTreeMap;

use regex::Regex;

use super::alias::{Slot, slot_named};

/// Corrections to how records of other writers are read. Dragline's own lines need none.
#[derive(Debug, Clone, Default)]
pub struct Map {
    fields: BTreeMap<String, Mapped>,
    /// The names of the user's statistics, by the fields or Scrapy's statistics that hold them.
    stats: BTreeMap<String, String>,
    events: Vec<(Regex, Meaning)>,
}

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mapped {
    /// It fills a slot.
    Slot(Slot),
    /// It is how long the answer took; so many milliseconds are one of it.
    Duration(f64),
}

/// What a record is.
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

/// What is wrong with a correction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Nothing of that name is read.
    #[error(
        "no record has a {0}: the names are timestamp, level, message, target, error_type, \
         error_message, traceback, scraper_id, run_id, site, url, status, method, bytes, attempt, \
         response_time_ms and response_time_seconds"
    )]
    Field(String),
    /// A record cannot be that.
    #[error("a record is no {0}: it is a request, an item, an item_failed, an error or a log")]
    Meaning(String),
    /// The expression is none.
    #[error("the message {pattern} is no regular expression: {source}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong.
        source: Box<regex::Error>,
    },
}

impl Map {
    /// A map without corrections.
    pub fn new() -> Self {
        Self::default()
    }

    /// The field `theirs` is what the definitions call `ours`; it wins against all other names for
    /// it.
    ///
    /// # Errors
    /// When no record has an `ours`.
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

    /// Records whose message matches are this. Of several patterns the first counts.
    ///
    /// # Errors
    /// When the pattern is no regular expression.
    pub fn event(&mut self, message: &str, is: Meaning) -> Result<(), MapError> {
        let regex = Regex::new(message).map_err(|source| MapError::Pattern {
            pattern: message.to_owned(),
            source: Box::new(source),
        })?;
        self.events.push((regex, is));
        Ok(())
    }

    /// The field `theirs` holds a number of the run's own that is called `name`: the last one counts. So does the
    /// statistic `theirs` of Scrapy's.
    pub fn stat(&mut self, name: &str, theirs: &str) {
        self.stats.insert(theirs.to_owned(), name.to_owned());
    }

    /// Whether it names numbers of the run's own.
    pub fn has_stats(&self) -> bool {
        !self.stats.is_empty()
    }

    /// What the user calls the number in a field, or in a statistic of Scrapy's.
    pub(crate) fn stat_of(&self, theirs: &str) -> Option<&str> {
        self.stats.get(theirs).map(String::as_str)
    }

    /// What the user says of a field.
    pub(crate) fn mapped(&self, path: &str) -> Option<Mapped> {
        if self.fields.is_empty() {
            return None;
        }
        self.fields.get(path).copied()
    }

    /// What the user says of a message.
    pub(crate) fn meaning(&self, message: &str) -> Option<Meaning> {
        let found = self
            .events
            .iter()
            .find(|(regex, _)| regex.is_match(message));
        found.map(|(_, meaning)| *meaning)
    }

    /// Everything that it says, as text.
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
