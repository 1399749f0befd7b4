//! The typed events of wire format v1, each declared once: its name, its fields, their order.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::value::{FieldKind, FieldValue, IntoOwned, Json, Value};
use crate::{Level, Timestamp};

type Text<'a> = Cow<'a, str>;

/// A field of a type of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventField {
    /// Its name in a line.
    pub name: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// What that means, in a sentence that begins with a blank.
    pub about: &'static str,
}

/// Declares an event's struct; the order of the fields is their order in a line.
macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $name:ident = $wire:literal {
            $( $(#[doc = $about:literal])+ $field:ident : $kind:ty, )*
        }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq)]
            pub struct $name<'a> {
                $( $(#[doc = $about])+ pub $field: Option<$kind>, )*
                // Events without text borrow nothing, and still share one shape.
                #[doc(hidden)]
                pub borrows: PhantomData<&'a ()>,
            }

            impl<'a> $name<'a> {
                /// The names of the fields, in their order in a line.
                pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

                /// The fields, in their order in a line.
                pub const COLUMNS: &'static [EventField] = &[$(EventField {
                    name: stringify!($field),
                    kind: <$kind as FieldValue<'a>>::KIND,
                    about: concat!($($about),+),
                }),*];

                #[inline]
                fn set(&mut self, key: &str, value: Value<'a>) -> Result<(), Value<'a>> {
                    match key {
                        $( stringify!($field) => {
                            self.$field = FieldValue::read(value);
                            Ok(())
                        } )*
                        _ => Err(value),
                    }
                }

                fn get(&self, key: &str) -> Option<Value<'_>> {
                    match key {
                        $( stringify!($field) => self.$field.as_ref().map(FieldValue::show), )*
                        _ => None,
                    }
                }

                fn into_owned(self) -> $name<'static> {
                    $name {
                        $( $field: self.$field.map(IntoOwned::into_owned), )*
                        borrows: PhantomData,
                    }
                }

                fn each(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
                    $( if let Some(value) = &self.$field {
                        visit(stringify!($field), value.show());
                    } )*
                }
            }
        )*

        /// The types of event that wire format v1 knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the structs of the same names say it")]
        pub enum EventType { $($name,)* }

        impl EventType {
            /// All types, in the order of the format's table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in a line's `event_type`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The type of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($wire => Some(Self::$name),)* _ => None }
            }

            /// The type's own fields, in their order in a line.
            pub fn columns(self) -> &'static [EventField] {
                match self { $(Self::$name => $name::COLUMNS,)* }
            }

            /// The names of the type's own fields, in their order in a line.
            pub fn fields(self) -> &'static [&'static str] {
                match self { $(Self::$name => $name::FIELDS,)* }
            }

            /// An event of this type without any field.
            pub fn empty<'a>(self) -> Event<'a> {
                match self { $(Self::$name => Event::$name(Default::default()),)* }
            }
        }

        /// What a record says, beside its message.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(missing_docs, reason = "the structs of the same names say it")]
        pub enum Event<'a> {
            /// A plain line.
            #[default]
            Log,
            $($name($name<'a>),)*
            /// A run's own final account, read from other writers (Scrapy's statistics).
            Summary(Box<RunSummary<'a>>),
        }

        impl<'a> Event<'a> {
            /// The event's type; `None` for plain lines and for accounts of other writers.
            pub fn event_type(&self) -> Option<EventType> {
                match self {
                    $(Self::$name(_) => Some(EventType::$name),)*
                    Self::Log | Self::Summary(_) => None,
                }
            }

            /// Whether it is a run's own account, read from another writer.
            pub fn is_summary(&self) -> bool {
                matches!(self, Self::Summary(_))
            }

            /// Sets the field of that name.
            ///
            /// # Errors
            /// Gives the value back when the event has no such field. A value of the wrong kind
            /// leaves the field empty.
            #[inline]
            pub fn set(&mut self, key: &str, value: Value<'a>) -> Result<(), Value<'a>> {
                match self {
                    $(Self::$name(event) => event.set(key, value),)*
                    Self::Log | Self::Summary(_) => Err(value),
                }
            }

            /// The value of the field of that name; `None` when it is not set, or there is none.
            pub fn get(&self, key: &str) -> Option<Value<'_>> {
                match self {
                    $(Self::$name(event) => event.get(key),)*
                    Self::Log | Self::Summary(_) => None,
                }
            }

            /// The same without a borrow.
            pub fn into_owned(self) -> Event<'static> {
                match self {
                    $(Self::$name(event) => Event::$name(event.into_owned()),)*
                    Self::Log => Event::Log,
                    Self::Summary(summary) => Event::Summary(Box::new(summary.into_owned())),
                }
            }

            /// Visits the fields that are set, in their order in a line.
            pub fn each_field(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
                match self {
                    $(Self::$name(event) => event.each(visit),)*
                    Self::Log | Self::Summary(_) => {}
                }
            }
        }
    };
}

events! {
    /// A run begins.
    ScraperStart = "scraper_start" {
        /// The run's configuration, an object.
        config: Json<'a>,
        /// The machine that it runs on, by name.
        host: Text<'a>,
    }
    /// A run ends, with its own account. Counts are totals of the run.
    ScraperEnd = "scraper_end" {
        /// `success`, `failed`, `cancelled` or `panicked`.
        status: Text<'a>,
        /// Why it ended, in the scraper's words.
        finish_reason: Text<'a>,
        /// From start to end, in seconds.
        duration_seconds: f64,
        /// Products seen on pages.
        products_found: u64,
        /// Products stored for the first time.
        products_added: u64,
        /// Products stored again with changes.
        products_updated: u64,
        /// Products stored, by scrapers that do not tell new from known.
        products_saved: u64,
        /// Products that could not be read or stored.
        products_failed: u64,
        /// Articles stored.
        articles_stored: u64,
        /// Pages that were read, by the scraper's own count.
        pages_scraped: u64,
        /// HTTP attempts.
        requests_made: u64,
        /// `scraper_error` events.
        errors_count: u64,
        /// `rate_limit` events.
        rate_limits_hit: u64,
        /// Bytes of response bodies.
        bytes_downloaded: u64,
        /// What the author counted and measured beside that: an object of numbers by name.
        stats: Json<'a>,
    }
    /// One HTTP attempt.
    Request = "request" {
        /// The URL that was asked for.
        url: Text<'a>,
        /// The method, in capitals.
        method: Text<'a>,
        /// The answer's status; absent when there was no answer.
        status_code: u16,
        /// From the request to the answer, in milliseconds.
        response_time_ms: f64,
        /// Size of the answer's body.
        bytes: u64,
        /// Which attempt at this URL, from 1.
        attempt: u64,
        /// The proxy that was used, without credentials.
        proxy: Text<'a>,
        /// The answer's `Retry-After`, in seconds.
        retry_after_seconds: f64,
        /// The error's type when there was no answer.
        error_type: Text<'a>,
    }
    /// A product was found, stored or lost.
    ProductProcessed = "product_processed" {
        /// `found`, `added`, `updated`, `saved` or `failed`.
        action: Text<'a>,
        /// The product's id in the site's or the scraper's terms.
        product_id: Text<'a>,
        /// The page it stands on.
        url: Text<'a>,
        /// Its price, in the site's currency.
        price: f64,
        /// Names of fields that came out empty, an array.
        fields_missing: Json<'a>,
    }
    /// An article was stored.
    ArticleStored = "article_stored" {
        /// The article's id.
        article_id: Text<'a>,
        /// The page it stands on.
        url: Text<'a>,
        /// Words in its text.
        word_count: u64,
        /// Its language, as a code such as `en`.
        language: Text<'a>,
        /// From page to storage, in milliseconds.
        processing_time_ms: f64,
        /// Names of fields that came out empty, an array.
        fields_missing: Json<'a>,
    }
    /// Something was recognised as already known.
    DuplicateDetected = "duplicate_detected" {
        /// The page that repeats something.
        url: Text<'a>,
        /// How sure the scraper is, 0 to 1.
        confidence: f64,
    }
    /// A search was made.
    SearchQuery = "search_query" {
        /// What was searched for.
        query: Text<'a>,
        /// How many results came.
        result_count: u64,
        /// From query to results, in milliseconds.
        response_time_ms: f64,
    }
    /// The length of the scraper's queue at a moment.
    QueueSize = "queue_size" {
        /// Entries waiting.
        queue_size: u64,
    }
    /// A call to the scraper's database.
    DatabaseOperation = "database_operation" {
        /// What was done: `insert`, `select`, …
        operation: Text<'a>,
        /// The table.
        table: Text<'a>,
        /// How long it took, in milliseconds.
        duration_ms: f64,
        /// Open connections at that moment.
        connections_active: u64,
    }
    /// The machine at a moment.
    SystemSample = "system_sample" {
        /// The machine, by name.
        host: Text<'a>,
        /// CPU in use, 0 to 100.
        cpu_percent: f64,
        /// Memory in use, 0 to 100.
        memory_percent: f64,
        /// Memory in use, bytes.
        memory_used_bytes: u64,
        /// Memory that programs can still have, bytes.
        memory_available_bytes: u64,
        /// Disk in use, 0 to 100.
        disk_percent: f64,
        /// Disk in use, bytes.
        disk_used_bytes: u64,
        /// Disk that is free, bytes.
        disk_free_bytes: u64,
        /// Bytes sent since the machine started.
        network_sent_bytes: u64,
        /// Bytes received since the machine started.
        network_received_bytes: u64,
    }
    /// Something went wrong.
    ScraperError = "scraper_error" {
        /// The error's type, as the program names it.
        error_type: Text<'a>,
        /// The error's message.
        error_message: Text<'a>,
        /// What caused it, outermost first: an array of objects with `error_type` and
        /// `error_message`.
        causes: Json<'a>,
        /// Stack or backtrace, as text.
        traceback: Text<'a>,
        /// The page it happened on.
        url: Text<'a>,
        /// The HTTP status that goes with it.
        status_code: u16,
        /// One of the eight categories, when the scraper classified it.
        error_category: Text<'a>,
        /// One of the four severities, when the scraper classified it.
        error_severity: Text<'a>,
        /// Failures in a row up to this one, in this run.
        consecutive_failures: u64,
        /// The function it happened in.
        function: Text<'a>,
        /// Whatever else the author added, an object.
        context: Json<'a>,
    }
    /// The site asked to slow down.
    RateLimit = "rate_limit" {
        /// How long the scraper waits, in seconds.
        wait_time_seconds: f64,
        /// Why: `429`, `503`, the site's words.
        reason: Text<'a>,
        /// The page it was said for.
        url: Text<'a>,
    }
    /// The recorder could not write some events.
    LogDropped = "log_dropped" {
        /// How many.
        dropped: u64,
        /// How many on each level, an object.
        dropped_by_level: Json<'a>,
        /// First and last sequence number lost, an array of two.
        lost_seq: Json<'a>,
    }
}

/// What was done with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the events' fields say it")]
pub enum ProductAction {
    Found,
    Added,
    Updated,
    Saved,
    Failed,
}

impl ProductAction {
    /// The name in a line's `action`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Saved => "saved",
            Self::Failed => "failed",
        }
    }

    /// The action of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Found,
            Self::Added,
            Self::Updated,
            Self::Saved,
            Self::Failed,
        ]
        .into_iter()
        .find(|action| action.as_str() == name)
    }
}

/// How a run says it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum RunStatus {
    Success,
    Failed,
    Cancelled,
    Panicked,
}

impl RunStatus {
    /// The name in a line's `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Success, Self::Failed, Self::Cancelled, Self::Panicked]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run's own final account in the terms of the definitions, whatever its writer calls them.
/// What the account does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary<'a> {
    /// The scraper's name, where it becomes known only after the run's first lines.
    pub scraper_id: Option<Text<'a>>,
    /// When the run says it started.
    pub start: Option<Timestamp>,
    /// When the run says it ended.
    pub end: Option<Timestamp>,
    /// Why it ended.
    pub finish_reason: Option<Text<'a>>,
    /// HTTP attempts.
    pub requests: Option<u64>,
    /// HTTP attempts with a status of 400 or above or without an answer.
    pub requests_failed: Option<u64>,
    /// Answers by status.
    pub status_codes: Vec<(u16, u64)>,
    /// Bytes of answers.
    pub bytes: Option<u64>,
    /// Items stored.
    pub items: Option<u64>,
    /// Items dropped or lost.
    pub items_failed: Option<u64>,
    /// Lines on each level.
    pub levels: Vec<(Level, u64)>,
    /// Requests that were filtered as already known.
    pub duplicates: Option<u64>,
    /// Pages that came to the scraper.
    pub pages: Option<u64>,
    /// Numbers that the user gave names of their own.
    pub own: Vec<(String, f64)>,
    /// What the run was configured with; nothing else is told then.
    pub config: Option<Json<'a>>,
}

impl RunSummary<'_> {
    fn into_owned(self) -> RunSummary<'static> {
        RunSummary {
            scraper_id: self.scraper_id.map(IntoOwned::into_owned),
            finish_reason: self.finish_reason.map(IntoOwned::into_owned),
            start: self.start,
            end: self.end,
            requests: self.requests,
            requests_failed: self.requests_failed,
            status_codes: self.status_codes,
            bytes: self.bytes,
            items: self.items,
            items_failed: self.items_failed,
            levels: self.levels,
            duplicates: self.duplicates,
            pages: self.pages,
            own: self.own,
            config: self.config.map(IntoOwned::into_owned),
        }
    }
}
