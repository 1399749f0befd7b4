//! The classification of errors: eight categories, four severities and the reason.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Event, Record};

/// A name that is not in a closed vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The unknown name.
    pub name: String,
    /// The valid names.
    pub expected: &'static [&'static str],
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown name {:?}: expected one of {}",
            self.name,
            self.expected.join(", ")
        )
    }
}

impl std::error::Error for UnknownName {}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $word:literal, )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $( $(#[$variant_doc])* $variant, )* }

        impl $name {
            /// All values, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            const NAMES: &'static [&'static str] = &[$($word),*];

            /// The name used in log lines, rules and reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownName;
            fn from_str(name: &str) -> Result<Self, UnknownName> {
                match name {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownName { name: name.to_owned(), expected: Self::NAMES }),
                }
            }
        }
    };
}

vocabulary! {
    /// The area in which an error has to be fixed. The vocabulary is closed; finer distinctions are sub-categories.
    ErrorCategory {
        /// The connection to the site: DNS, TLS, connections, timeouts, 5xx, proxies.
        Network = "network",
        /// The content cannot be parsed: JSON, HTML, encodings, numbers, dates.
        Parsing = "parsing",
        /// The scraper's own database.
        Database = "database",
        /// The site throttles or blocks the scraper: 429, captchas, anti-bot walls.
        RateLimit = "rate_limit",
        /// The scraper is not authenticated or authorised: 401, 403, 407, logins, tokens.
        Authentication = "authentication",
        /// The site has changed: 404, missing selectors, elements and fields.
        SiteChange = "site_change",
        /// The machine that the scraper runs on: disk, memory, file handles, browsers, permissions.
        System = "system",
        /// No rule matches; consider adding one.
        Unknown = "unknown",
    }
}

vocabulary! {
    /// The severity of an error, lowest first.
    Severity {
        /// The scraper will retry, or a single field or item is lost.
        Low = "low",
        /// A request or page failed after its retries.
        Medium = "medium",
        /// A whole site or run is stopped.
        High = "high",
        /// Data is lost or the whole operation stops.
        Critical = "critical",
    }
}

/// One link in an error's chain of causes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cause<'a> {
    /// The error type, as the program names it; empty when the log does not contain it.
    #[serde(default, borrow, deserialize_with = "text_or_null")]
    pub error_type: Cow<'a, str>,
    /// The error message.
    #[serde(default, borrow, deserialize_with = "text_or_null")]
    pub error_message: Cow<'a, str>,
}

impl<'a> Cause<'a> {
    /// Parses the causes of a `scraper_error` line; `None` when the text is not such an array.
    pub fn parse_all(json: &'a str) -> Option<Vec<Self>> {
        // Almost every chain has at most one cause, so this allocates little.
        serde_json::from_str(json).ok()
    }
}

/// Reads `null` as an empty text: writers may use it when they do not know the type.
fn text_or_null<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Cow<'a, str>, D::Error> {
    Ok(Option::<Cow<'a, str>>::deserialize(from)?.unwrap_or_default())
}

/// The input of a classifier.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorText<'a> {
    /// The error type; empty when the record does not contain one.
    pub error_type: Cow<'a, str>,
    /// The error message, or the record's message when the error has none.
    pub message: Cow<'a, str>,
    /// The chain of causes, outermost first.
    pub causes: Vec<Cause<'a>>,
    /// Stack trace or backtrace.
    pub traceback: Option<&'a str>,
    /// The HTTP status code that belongs to the error.
    pub status_code: Option<u16>,
    /// The URL of the page on which the error occurred.
    pub url: Option<&'a str>,
    /// Number of consecutive failures, including this one.
    pub consecutive_failures: Option<u64>,
    /// Number of errors of the run in the same minute, including this one; `None` when they are not counted.
    pub errors_last_minute: Option<u64>,
    /// The site, which determines the priority.
    pub site: Option<&'a str>,
}

impl<'a> ErrorText<'a> {
    pub(crate) fn of(record: &'a Record<'_>) -> Self {
        let message = record.message.as_deref().unwrap_or_default();
        let mut text = Self {
            site: record.site.as_deref(),
            ..Self::default()
        };
        match &record.event {
            Event::ScraperError(error) => {
                text.error_type = error.error_type.as_deref().unwrap_or_default().into();
                text.message = error.error_message.as_deref().unwrap_or(message).into();
                text.causes = error
                    .causes
                    .as_ref()
                    .and_then(|json| Cause::parse_all(&json.0))
                    .unwrap_or_default();
                text.traceback = error.traceback.as_deref();
                text.status_code = error.status_code;
                text.url = error.url.as_deref();
                text.consecutive_failures = error.consecutive_failures;
            }
            Event::Request(request) => {
                text.error_type = request.error_type.as_deref().unwrap_or_default().into();
                text.message = message.into();
                text.status_code = request.status_code;
                text.url = request.url.as_deref();
            }
            _ => text.message = message.into(),
        }
        // Without a site in the line, the requested host is the site.
        text.site = text.site.or_else(|| text.url.and_then(crate::host_of));
        text
    }
}

/// Why a severity differs from the rule's. Adjustments only raise the severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// More consecutive failures than the limit.
    ConsecutiveFailures,
    /// The site's priority in the configuration.
    SitePriority,
    /// Many errors of the site within a minute.
    Burst,
}

/// The classification of an error, and the reason for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict<'r> {
    /// The category.
    pub category: ErrorCategory,
    /// The sub-category, such as `timeout` or `captcha`; empty for unknown errors.
    pub sub_category: &'r str,
    /// The severity, including adjustments.
    pub severity: Severity,
    /// The id of the matching rule; `None` when no rule matched.
    pub rule: Option<&'r str>,
    /// The text that the rule matched, if the caller requested it.
    pub matched: Option<String>,
    /// The category of the second-best rule, when it differs.
    pub runner_up: Option<ErrorCategory>,
    /// The adjustments that raised the severity.
    pub adjustments: Vec<Adjustment>,
}

/// Classifies errors.
///
/// Implementations must be pure: the same error text always gets the same verdict.
pub trait Classify {
    /// Classifies an error.
    fn classify(&self, error: &ErrorText<'_>) -> Verdict<'_>;
}
