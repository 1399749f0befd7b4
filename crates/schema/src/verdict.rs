//! What an error is: eight categories, four severities, and the reason.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Event, Record};

/// A word that is none of a closed vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The word.
    pub name: String,
    /// The words that would do.
    pub expected: &'static [&'static str],
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is none of {}", self.name, self.expected.join(", "))
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
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            const NAMES: &'static [&'static str] = &[$($word),*];

            /// The name in lines, rules and reports.
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
    /// Who has to act. The vocabulary is closed; finer distinctions are sub-categories.
    ErrorCategory {
        /// The way to the site: DNS, TLS, connections, time-outs, 5xx, proxies.
        Network = "network",
        /// The content cannot be read: JSON, HTML, encodings, numbers, dates.
        Parsing = "parsing",
        /// The scraper's own database.
        Database = "database",
        /// The site slows us down or keeps us out: 429, captchas, anti-bot walls.
        RateLimit = "rate_limit",
        /// We are not who we should be: 401, 403, 407, logins, tokens.
        Authentication = "authentication",
        /// The site is not what it was: 404, selectors, elements and fields gone.
        SiteChange = "site_change",
        /// The machine: disk, memory, file handles, browsers, permissions.
        System = "system",
        /// Nothing fits, which is worth a rule.
        Unknown = "unknown",
    }
}

vocabulary! {
    /// How bad it is, mildest first.
    Severity {
        /// Will be tried again, or one field or item is lost.
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
    /// The type, as the program names it; empty when it does not.
    #[serde(default, borrow, deserialize_with = "text_or_null")]
    pub error_type: Cow<'a, str>,
    /// The message.
    #[serde(default, borrow, deserialize_with = "text_or_null")]
    pub error_message: Cow<'a, str>,
}

impl<'a> Cause<'a> {
    /// The causes of a `scraper_error` line; `None` when the text is no such array.
    pub fn parse_all(json: &'a str) -> Option<Vec<Self>> {
        // Almost every chain is empty or one long, so this allocates little.
        serde_json::from_str(json).ok()
    }
}

/// A writer that knows no type may say so with `null`.
fn text_or_null<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Cow<'a, str>, D::Error> {
    Ok(Option::<Cow<'a, str>>::deserialize(from)?.unwrap_or_default())
}

/// What a classifier looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorText<'a> {
    /// The type; empty when the record names none.
    pub error_type: Cow<'a, str>,
    /// The error's message, or the record's when the error has none.
    pub message: Cow<'a, str>,
    /// What caused it, outermost first.
    pub causes: Vec<Cause<'a>>,
    /// Stack or backtrace.
    pub traceback: Option<&'a str>,
    /// The HTTP status that goes with it.
    pub status_code: Option<u16>,
    /// The page it happened on.
    pub url: Option<&'a str>,
    /// Failures in a row up to this one.
    pub consecutive_failures: Option<u64>,
    /// Errors of the run in the same minute up to this one, where somebody counts them.
    pub errors_last_minute: Option<u64>,
    /// The site, for priorities.
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
        // A line that names no site speaks of the host that was asked.
        text.site = text.site.or_else(|| text.url.and_then(crate::host_of));
        text
    }
}

/// Why a severity is not the rule's own. Adjustments only ever raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// More failures in a row than the limit.
    ConsecutiveFailures,
    /// The site's priority in the configuration.
    SitePriority,
    /// Many errors of the site within a minute.
    Burst,
}

/// What an error was found to be, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict<'r> {
    /// The category.
    pub category: ErrorCategory,
    /// The finer kind, such as `timeout` or `captcha`; empty for unknown errors.
    pub sub_category: &'r str,
    /// The severity, adjustments applied.
    pub severity: Severity,
    /// The rule's id; `None` when no rule matched.
    pub rule: Option<&'r str>,
    /// The piece of text that decided, where it was asked for.
    pub matched: Option<String>,
    /// The category of the best other rule, when it differs.
    pub runner_up: Option<ErrorCategory>,
    /// What raised the severity.
    pub adjustments: Vec<Adjustment>,
}

/// Something that labels errors. Pure: the same text gives the same verdict.
pub trait Classify {
    /// The verdict on an error.
    fn classify(&self, error: &ErrorText<'_>) -> Verdict<'_>;
}
