//! A line that was read, and where it stands.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::IntoOwned;
use crate::{ErrorText, Event, Level, Problem, Timestamp};

/// One record of a log, borrowed from the bytes it was read from.
///
/// `None` means that the line does not say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record<'a> {
    /// When it was written.
    pub timestamp: Option<Timestamp>,
    /// How loud it is.
    pub level: Option<Level>,
    /// The module or logger that wrote it.
    pub target: Option<Cow<'a, str>>,
    /// Which scraper.
    pub scraper_id: Option<Cow<'a, str>>,
    /// Which site.
    pub site: Option<Cow<'a, str>>,
    /// Which run.
    pub run_id: Option<Cow<'a, str>>,
    /// The writing process (Dragline's own lines).
    pub writer_id: Option<Cow<'a, str>>,
    /// The line's number within writer and run (Dragline's own lines).
    pub seq: Option<u64>,
    /// What it says to people.
    pub message: Option<Cow<'a, str>>,
    /// What it says to programs.
    pub event: Event<'a>,
    /// The language it was written in.
    pub dialect: Dialect,
    /// Whether its time names no zone: it is in the one that the reader was told.
    pub is_zoneless: bool,
    /// Whether it is a request of which the line tells neither a status nor an error. (In the wire
    /// format a request without a status got no answer.)
    pub is_unjudged: bool,
    /// Whether it is a request of which an HTTP library tells, not the scraper: it counts where the
    /// scraper itself tells of none.
    pub is_echo: bool,
    /// Where the user's own fields stand; `dragline_ingest::own_fields` reads them.
    pub own: Own<'a>,
}

/// Where the fields stand that a line has beside what its record says: nothing is read of them before somebody
/// asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Own<'a> {
    /// In no place but the message.
    #[default]
    None,
    /// In the line, which is a JSON object or logfmt.
    Line(Cow<'a, [u8]>),
    /// In pairs beside the message, as spans have them.
    Pairs(Cow<'a, [(String, String)]>),
}

impl Own<'_> {
    fn into_owned(self) -> Own<'static> {
        match self {
            Self::None => Own::None,
            Self::Line(line) => Own::Line(Cow::Owned(line.into_owned())),
            Self::Pairs(pairs) => Own::Pairs(Cow::Owned(pairs.into_owned())),
        }
    }
}

impl Record<'_> {
    /// Whether the record counts as an error: a `scraper_error` event, or anything at ERROR or above.
    pub fn is_error(&self) -> bool {
        matches!(self.event, Event::ScraperError(_)) || self.level.is_some_and(Level::is_error)
    }

    /// The same without a borrow, for who needs it longer than the line that it was read from.
    pub fn into_owned(self) -> Record<'static> {
        let own = |text: Option<Cow<'_, str>>| text.map(IntoOwned::into_owned);
        Record {
            timestamp: self.timestamp,
            level: self.level,
            target: own(self.target),
            scraper_id: own(self.scraper_id),
            site: own(self.site),
            run_id: own(self.run_id),
            writer_id: own(self.writer_id),
            seq: self.seq,
            message: own(self.message),
            event: self.event.into_owned(),
            dialect: self.dialect,
            is_zoneless: self.is_zoneless,
            is_unjudged: self.is_unjudged,
            is_echo: self.is_echo,
            own: self.own.into_owned(),
        }
    }

    /// What a classifier looks at; `None` when the record is no error.
    pub fn error_text(&self) -> Option<ErrorText<'_>> {
        self.is_error().then(|| ErrorText::of(self))
    }
}

/// The language that a record was written in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Wire format v1.
    #[default]
    Dragline,
    /// JSON lines of another writer, read by the names of their keys.
    Json,
    /// loguru with `serialize=True`.
    LoguruJson,
    /// pino.
    PinoJson,
    /// tracing-subscriber's JSON, nested or flattened.
    TracingJson,
    /// Scrapy's text log.
    Scrapy,
    /// Crawlee's text log, of JavaScript.
    Crawlee,
    /// Crawlee's text log, of Python.
    CrawleePython,
    /// loguru's text.
    Loguru,
    /// Text as logback and log4j write it.
    Java,
    /// logfmt: pairs of keys and values.
    Logfmt,
    /// Text with a time, a level and mostly a logger: Python's `logging`, tracing, `env_logger`.
    Text,
    /// OTLP in JSON, the protocol of OpenTelemetry.
    Otlp,
    /// Text in a format that the user described.
    Custom,
}

impl Dialect {
    /// The name in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dragline => "dragline",
            Self::Json => "json",
            Self::LoguruJson => "loguru_json",
            Self::PinoJson => "pino_json",
            Self::TracingJson => "tracing_json",
            Self::Scrapy => "scrapy",
            Self::Crawlee => "crawlee",
            Self::CrawleePython => "crawlee_python",
            Self::Loguru => "loguru",
            Self::Java => "java",
            Self::Logfmt => "logfmt",
            Self::Text => "text",
            Self::Otlp => "otlp",
            Self::Custom => "custom",
        }
    }
}

/// The identity of a run. A part that no line names is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunKey {
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
    pub site: Option<String>,
    /// Which run.
    pub run_id: Option<String>,
}

impl RunKey {
    /// Whether this names a run, and not just lines outside of any.
    pub fn is_run(&self) -> bool {
        self.run_id.is_some()
    }
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
        write!(
            f,
            "{}/{}/{}",
            part(&self.scraper_id),
            part(&self.site),
            part(&self.run_id)
        )
    }
}

/// Where a record stands in its file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    /// The compressed member, from 0; always 0 in plain files.
    pub member: u32,
    /// The line, from 1, as `zcat FILE | sed -n LINEp` counts.
    pub line: u64,
    /// The byte where the line starts, from 0, after decompression.
    pub offset: u64,
}

/// A file that records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path, as it was given or found below what was given.
    pub path: String,
    /// A hash of what the file begins with: the same for a copy, whatever its name or compression.
    pub content_id: u64,
    /// When the file was last written, where the file system tells.
    pub modified: Option<Timestamp>,
}

/// Where a reader puts what it reads: events and problems are both results.
///
/// Calls come in the order of the files and of the lines in them; between two calls of
/// [`Sink::file`] everything belongs to the first of the two.
pub trait Sink {
    /// A file begins.
    fn file(&mut self, file: &SourceFile);
    /// A record was read.
    fn record(&mut self, record: &Record<'_>, at: Position);
    /// Something could not be read.
    fn problem(&mut self, problem: &Problem<'_>);
}
