//! Records read from a log, and their positions.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::IntoOwned;
use crate::{ErrorText, Event, Level, Problem, Timestamp};

/// One record of a log, borrowed from the bytes it was read from.
///
/// A field is `None` when the line does not contain it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record<'a> {
    /// When the record was written.
    pub timestamp: Option<Timestamp>,
    /// The log level.
    pub level: Option<Level>,
    /// The module or logger that wrote the record.
    pub target: Option<Cow<'a, str>>,
    /// The scraper's id.
    pub scraper_id: Option<Cow<'a, str>>,
    /// The site.
    pub site: Option<Cow<'a, str>>,
    /// The run's id.
    pub run_id: Option<Cow<'a, str>>,
    /// The id of the writing process (only in Dragline's own lines).
    pub writer_id: Option<Cow<'a, str>>,
    /// The line's sequence number within its writer and run (only in Dragline's own lines).
    pub seq: Option<u64>,
    /// The human-readable message.
    pub message: Option<Cow<'a, str>>,
    /// The typed content.
    pub event: Event<'a>,
    /// The log format of the record.
    pub dialect: Dialect,
    /// Whether the record's time has no time zone. The reader then used the time zone configured for it.
    pub is_zoneless: bool,
    /// Whether the record is a request whose line contains neither a status nor an error, so that
    /// its outcome is unknown. (In wire format v1, a request without a status got no response.)
    pub is_unjudged: bool,
    /// Whether the record is a request logged by an HTTP library and not by the scraper. It is
    /// counted only when the scraper itself logs no requests.
    pub is_echo: bool,
    /// How many items a message counts; `None` for a record about one item. In a record of no item it is the total that
    /// the end of a run tells.
    pub items: Option<u32>,
    /// The failed HTTP attempt that the record's message tells in words: of a request, of an error, or of the
    /// announcement of a retry. It counts once: where the scraper's requests say themselves how they ended, it is left
    /// out.
    pub failure: Option<Failure>,
    /// How many items the record, an error, says could not be stored.
    pub items_lost: u32,
    /// Where the user's own fields are; `dragline_ingest::own_fields` reads them.
    pub own: Own<'a>,
    /// What is known of a message that told the reader nothing; `None` if it was understood, or was not
    /// examined.
    pub unread: Option<Unread>,
    /// Whether no line names or bounds the record's run, but a silence before its first line does.
    pub is_run_guessed: bool,
    /// The program that wrote the line, as the envelope around it names it: a service, an app, a dyno. In a record of a
    /// supervisor, the program that it started or that ended.
    pub service: Option<Cow<'a, str>>,
    /// Whether a supervisor wrote the record, which started the program that [`service`](Self::service) names or saw it
    /// end.
    pub is_supervisors: bool,
    /// Whether it says that the program failed as a whole: `run failed`, an exit code, a killed process.
    pub is_fatal: bool,
}

/// A failed HTTP attempt that a record tells in words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The status of the answer; `None` if the words name none.
    pub status: Option<u16>,
    /// Whether a further attempt is announced.
    pub is_retried: bool,
    /// Whether the site sent something else in place of the page: a captcha, a notice of a block. The answer itself may
    /// have been a success, so this is no further request.
    pub is_refusal: bool,
    /// The hash of the URL ([`url_hash`]); `None` if the words name none.
    pub url: Option<u64>,
}

/// A hash by which URLs are compared: equal for URLs that differ only in a slash at the end.
pub fn url_hash(url: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(url.trim_end_matches('/').as_bytes())
}

/// A message of another writer in which the reader recognised neither a request, an item, an error nor the start or
/// end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Equal for messages that differ only in their varying parts: URLs, numbers, values.
    pub form: u64,
    /// A hash of the URL in the message or in a field, if there is exactly one.
    pub url: Option<u64>,
    /// The size in a field, in bytes.
    pub bytes: Option<u64>,
    /// Whether a field identifies an item, such as `sku`.
    pub has_identity: bool,
    /// Number of lines that it stands for: only some of the messages without a URL are examined.
    pub lines: u32,
}

/// Where the fields of a line are that its record does not contain. They are parsed only on request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Own<'a> {
    /// There are none outside the message.
    #[default]
    None,
    /// In the raw line, which is a JSON object or logfmt.
    Line(Cow<'a, [u8]>),
    /// In key-value pairs stored separately from the message, such as the fields of spans.
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
    /// Whether the record counts as an error: a `scraper_error` event, anything at ERROR or above, or a supervisor's
    /// record of a program that failed.
    pub fn is_error(&self) -> bool {
        let has_failed = || match &self.event {
            Event::ScraperError(_) => true,
            Event::ScraperEnd(end) => {
                self.is_supervisors && end.status.as_deref() == Some("failed")
            }
            _ => false,
        };
        self.level.is_some_and(Level::is_error) || has_failed()
    }

    /// Converts to an owned record, which can outlive the line that it was read from.
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
            items: self.items,
            failure: self.failure,
            items_lost: self.items_lost,
            own: self.own.into_owned(),
            unread: self.unread,
            is_run_guessed: self.is_run_guessed,
            service: own(self.service),
            is_supervisors: self.is_supervisors,
            is_fatal: self.is_fatal,
        }
    }

    /// The input for a classifier; `None` when the record is not an error.
    pub fn error_text(&self) -> Option<ErrorText<'_>> {
        self.is_error().then(|| ErrorText::of(self))
    }
}

/// The log format that a record was written in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Wire format v1.
    #[default]
    Dragline,
    /// JSON lines of another writer, interpreted by their key names.
    Json,
    /// loguru with `serialize=True`.
    LoguruJson,
    /// pino.
    PinoJson,
    /// tracing-subscriber's JSON, nested or flattened.
    TracingJson,
    /// Scrapy's text log.
    Scrapy,
    /// Crawlee's text log (JavaScript).
    Crawlee,
    /// Crawlee's text log (Python).
    CrawleePython,
    /// loguru's text.
    Loguru,
    /// Text in the format of logback and log4j.
    Java,
    /// logfmt: key-value pairs.
    Logfmt,
    /// Text with a time, a level and usually a logger: Python's `logging`, tracing, `env_logger`.
    Text,
    /// OTLP JSON, the protocol of OpenTelemetry.
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

/// The identity of a run. A part that no line contains is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunKey {
    /// The scraper's id.
    pub scraper_id: Option<String>,
    /// The site.
    pub site: Option<String>,
    /// The run's id.
    pub run_id: Option<String>,
}

impl RunKey {
    /// Whether this identifies a run, and not lines outside of runs.
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

/// The position of a record in its file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    /// Index of the compressed member, starting at 0; always 0 in plain files.
    pub member: u32,
    /// Line number, starting at 1, as in `zcat FILE | sed -n LINEp`.
    pub line: u64,
    /// Byte offset of the start of the line after decompression, starting at 0.
    pub offset: u64,
}

/// A file that records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as given, or as found below a given directory.
    pub path: String,
    /// A hash of the beginning of the content. A copy has the same hash, whatever its name or compression.
    pub content_id: u64,
    /// When the file was last modified; `None` when the file system does not provide it.
    pub modified: Option<Timestamp>,
}

/// Receives the results of a reader: records and problems.
///
/// The reader makes its calls in the order of the files and of the lines in them. Each record and
/// each problem belongs to the file of the latest [`Sink::file`] call. Records are borrowed: an
/// implementor copies what it needs after the call returns.
pub trait Sink {
    /// A new file starts.
    fn file(&mut self, file: &SourceFile);
    /// A record was read.
    fn record(&mut self, record: &Record<'_>, at: Position);
    /// Input could not be read.
    fn problem(&mut self, problem: &Problem<'_>);
}

/// Observes the typed events that a program logs.
///
/// Implementations run in the thread that logs, so they must be fast and must not log themselves. The record
/// has a time, a level, the fields of its event and, inside a run, the scraper, the site and the run's id.
pub trait Observe {
    /// Observes an event.
    fn observe(&self, record: &Record<'_>);
}
