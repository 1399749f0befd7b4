//! Typed reading of one TOML table.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::{Table, Value};

use super::ConfigError;
use crate::state::Thresholds;
use dragline_schema::{nearest, parse_duration};

/// A table whose keys are all known.
pub(crate) struct Section<'a> {
    at: String,
    table: &'a Table,
}

/// Shorter intervals would burden what is checked.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

impl<'a> Section<'a> {
    /// Takes a table; a key that is not known is an error.
    pub(crate) fn new(
        at: impl Into<String>,
        table: &'a Table,
        known: &[&str],
    ) -> Result<Self, ConfigError> {
        let section = Self {
            at: at.into(),
            table,
        };
        match table.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(section),
            Some(key) => {
                let hint = match nearest(key, known.iter().copied()) {
                    Some(similar) => format!("did you mean `{similar}`?"),
                    None => format!("the keys are {}", known.join(", ")),
                };
                Err(section.error(key, format!("unknown key; {hint}")))
            }
        }
    }

    /// An error at a key.
    pub(crate) fn error(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        ConfigError::new(format!("{}.{key}", self.at), reason)
    }

    fn wrong(&self, key: &str, expected: &str) -> ConfigError {
        self.error(key, format!("expected {expected}"))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => {
                Err(self.error(key, "the text is empty"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a text in quotes")),
        }
    }

    pub(crate) fn required(&self, key: &str) -> Result<&'a str, ConfigError> {
        self.text(key)?
            .ok_or_else(|| self.error(key, "the key is missing"))
    }

    pub(crate) fn number(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let number = value
            .as_integer()
            .and_then(|number| u64::try_from(number).ok());
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Ok(Some(number));
        }
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        Err(self.wrong(key, &expected))
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    pub(crate) fn duration(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        let expected = "a time such as \"30s\", \"5m\" or \"1d\"";
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        match value.as_str().and_then(parse_duration) {
            Some(duration) => Ok(Some(duration)),
            None => Err(self.wrong(key, expected)),
        }
    }

    /// A duration above zero.
    pub(crate) fn positive(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        match self.duration(key)? {
            Some(Duration::ZERO) => Err(self.error(key, "the time must be above 0")),
            other => Ok(other),
        }
    }

    pub(crate) fn interval(&self) -> Result<Option<Duration>, ConfigError> {
        match self.duration("interval")? {
            Some(interval) if interval < SHORTEST_INTERVAL => {
                Err(self.error("interval", "the interval must be at least \"1s\""))
            }
            other => Ok(other),
        }
    }

    pub(crate) fn thresholds(&self, defaults: Thresholds) -> Result<Thresholds, ConfigError> {
        let range = || 1..=u64::from(Thresholds::MAX);
        let failures = self.number("failure_threshold", range())?;
        let successes = self.number("success_threshold", range())?;
        Ok(Thresholds {
            failures: failures.map_or(defaults.failures, |number| number as u32),
            successes: successes.map_or(defaults.successes, |number| number as u32),
        })
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let texts = value.as_array().map(|values| {
            let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        match texts.flatten() {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.wrong(key, "a list of texts in quotes")),
        }
    }

    pub(crate) fn table(&self, key: &str) -> Result<Option<&'a Table>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table)),
            Some(_) => Err(self.wrong(key, "a table")),
        }
    }

    pub(crate) fn tables(&self, key: &str) -> Result<Vec<&'a Table>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let tables = value.as_array().map(|values| {
            values
                .iter()
                .map(Value::as_table)
                .collect::<Option<Vec<_>>>()
        });
        match tables.flatten() {
            Some(tables) => Ok(tables),
            None => Err(self.wrong(key, &format!("sections `[[{}.{key}]]`", self.at))),
        }
    }
}
