//! Text formats that the user describes.

use std::sync::Arc;

use dragline_schema::{Dialect, Position};
use regex::Regex;

use crate::meaning::text::{Begun, When};

/// A text format, defined by a regular expression with named groups.
///
/// The group `message` is required; `time`, `level` and `logger` are the other parts of the line header.
/// Any further group becomes a field of that name (`url`, `status`, `elapsed_ms`, `spider` and so on,
/// with the same names as in JSON lines). A line that does not match continues the previous record.
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

/// Why a user-defined text format is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialectError {
    /// The pattern is not a valid regular expression.
    #[error("invalid pattern of the dialect {name}: {source}")]
    Pattern {
        /// The dialect.
        name: String,
        /// The error in the pattern.
        source: Box<regex::Error>,
    },
    /// The required group `message` is missing.
    #[error(
        "the pattern of the dialect {0} has no group `message`: put (?P<message>.*) where the \
         message is"
    )]
    NoMessage(String),
    /// The time format is invalid.
    #[error("invalid time_format {format:?} of the dialect {name}: {source}")]
    TimeFormat {
        /// The dialect.
        name: String,
        /// The format given.
        format: String,
        /// The error in the format.
        source: jiff::Error,
    },
}

impl TextDialect {
    /// Defines a format. `time_format` is the strptime format of the group `time` (`%d.%m.%Y %H:%M:%S`);
    /// without it, the common formats are recognised.
    ///
    /// # Errors
    /// If the pattern is not a valid regular expression or has no group `message`, or the time format is
    /// invalid.
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

    /// Everything that affects how a line is read, as text.
    pub(crate) fn identity(&self) -> String {
        format!("{}\n{}\n{:?}", self.name, self.pattern, self.time_format)
    }

    /// Starts a record with this line; `None` if the line does not match.
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
