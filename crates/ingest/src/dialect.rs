//! Text formats that the user describes.

use std::sync::Arc;

use dragline_schema::{Dialect, Position};
use regex::Regex;

use crate::meaning::text::{Begun, When};

/// A text format, told by a regular expression with named groups.
///
/// `message` must be among the groups; `time`, `level` and `logger` are the head's other parts, and
/// any further group is a field of that name (`url`, `status`, `elapsed_ms`, `spider` and so on,
/// under the names that JSON lines use). A line that does not match continues the record before it.
///
/// ```
/// use dragline_ingest::TextDialect;
///
/// let pattern = r"^(?P<time>\S+ \S+) <(?P<level>\w+)> (?P<message>.*)$";
/// assert!(TextDialect::new("shop", pattern, Some("%d/%m/%y %H:%M:%S")).is_ok());
/// assert!(TextDialect::new("shop", "(?P<text>.*)", None).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct TextDialect {
    name: String,
    pattern: Regex,
    time_format: Option<Arc<str>>,
}

/// What is wrong with a described format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialectError {
    /// The expression is none.
    #[error("the pattern of the dialect {name} is no regular expression: {source}")]
    Pattern {
        /// The dialect.
        name: String,
        /// What is wrong.
        source: Box<regex::Error>,
    },
    /// The group that every format needs is not there.
    #[error(
        "the pattern of the dialect {0} has no group `message`: write (?P<message>.*) where the \
         message stands"
    )]
    NoMessage(String),
    /// The form of the time is none.
    #[error("time_format {format:?} of the dialect {name} is no form of a time: {source}")]
    TimeFormat {
        /// The dialect.
        name: String,
        /// What was written.
        format: String,
        /// What is wrong.
        source: jiff::Error,
    },
}

impl TextDialect {
    /// Describes a format. `time_format` says how `time` is written, in the terms of strptime
    /// (`%d.%m.%Y %H:%M:%S`); without it, the usual forms are known.
    ///
    /// # Errors
    /// When the pattern is no regular expression or has no group `message`, or the form of the time is none.
    pub fn new(name: &str, pattern: &str, time_format: Option<&str>) -> Result<Self, DialectError> {
        let pattern = Regex::new(pattern).map_err(|source| DialectError::Pattern {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        if !pattern
            .capture_names()
            .flatten()
            .any(|name| name == "message")
        {
            return Err(DialectError::NoMessage(name.to_owned()));
        }
        if let Some(format) = time_format {
            let sample = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
            jiff::fmt::strtime::format(format, &sample).map_err(|source| {
                DialectError::TimeFormat {
                    name: name.to_owned(),
                    format: format.to_owned(),
                    source,
                }
            })?;
        }
        Ok(Self {
            name: name.to_owned(),
            pattern,
            time_format: time_format.map(Arc::from),
        })
    }

    /// Everything that decides how a line is read, as text.
    pub(crate) fn identity(&self) -> String {
        format!("{}\n{}\n{:?}", self.name, self.pattern, self.time_format)
    }

    /// What a line begins; `None` when it begins no record.
    pub(crate) fn begin(&self, line: &str, at: Position) -> Option<Begun> {
        let found = self.pattern.captures(line)?;
        let part = |name: &str| found.name(name).map(|part| part.as_str().trim());
        let mut begun = Begun::new(
            Dialect::Custom,
            part("time").map(|time| match &self.time_format {
                Some(format) => When::Described(time.to_owned(), Arc::clone(format)),
                None => When::Text(time.to_owned()),
            }),
            part("level").unwrap_or_default(),
            part("logger"),
            part("message")?,
            at,
        );
        for name in self.pattern.capture_names().flatten() {
            if !matches!(name, "time" | "level" | "logger" | "message")
                && let Some(value) = part(name).filter(|value| !value.is_empty())
            {
                begun.fields.push((name.to_owned(), value.to_owned()));
            }
        }
        Some(begun)
    }
}
