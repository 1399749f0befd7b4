//! The typed events of wire format v1. Each is declared once, with its name and its fields in order.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::value::{FieldKind, FieldValue, IntoOwned, Json, Value};
use crate::{Level, Timestamp};

type Text<'a> = Cow<'a, str>;

/// A field of an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventField {
    /// The field's key in a line.
    pub name: &'static str,
    /// The kind of value.
    pub kind: FieldKind,
    /// The field's description: one sentence, starting with a space.
    pub about: &'static str,
}

/// Declares the event structs. Fields are written to a line in declaration order.
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
                // Events without text borrow nothing but need the lifetime parameter all the same.
                #[doc(hidden)]
                pub borrows: PhantomData<&'a ()>,
            }

            impl<'a> $name<'a> {
                /// The names of the fields, in line order.
                pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

                /// The fields, in line order.
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

        /// The event types of wire format v1.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the structs of the same names document them")]
        pub enum EventType { $($name,)* }

        impl EventType {
            /// All event types, in the order in which the format documents them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The value of `event_type` in a line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// Looks up an event type by name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($wire => Some(Self::$name),)* _ => None }
            }

            /// The fields of this event type, in line order.
            pub fn columns(self) -> &'static [EventField] {
                match self { $(Self::$name => $name::COLUMNS,)* }
            }

            /// The names of the fields of this event type, in line order.
            pub fn fields(self) -> &'static [&'static str] {
                match self { $(Self::$name => $name::FIELDS,)* }
            }

            /// An event of this type with no fields set.
            pub fn empty<'a>(self) -> Event<'a> {
                match self { $(Self::$name => Event::$name(Default::default()),)* }
            }
        }

        /// The typed content of a record, apart from its message.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(missing_docs, reason = "the structs of the same names document them")]
        pub enum Event<'a> {
            /// A plain line without typed content.
            #[default]
            Log,
            $($name($name<'a>),)*
            /// A run's own final statistics, read from another writer's log (Scrapy's statistics dump).
            Summary(Box<RunSummary<'a>>),
        }

        impl<'a> Event<'a> {
            /// The event type; `None` for plain lines and for [`Event::Summary`].
            pub fn event_type(&self) -> Option<EventType> {
                match self {
                    $(Self::$name(_) => Some(EventType::$name),)*
                    Self::Log | Self::Summary(_) => None,
                }
            }

            /// Whether this is a run's own final statistics, read from another writer's log.
            pub fn is_summary(&self) -> bool {
                matches!(self, Self::Summary(_))
            }

            /// Sets the field named `key`.
            ///
            /// # Errors
            /// Returns the value when the event has no such field. A value of the wrong kind leaves
            /// the field empty.
            #[inline]
            pub fn set(&mut self, key: &str, value: Value<'a>) -> Result<(), Value<'a>> {
                match self {
                    $(Self::$name(event) => event.set(key, value),)*
                    Self::Log | Self::Summary(_) => Err(value),
                }
            }

            /// The value of the field named `key`; `None` when it is not set or does not exist.
            pub fn get(&self, key: &str) -> Option<Value<'_>> {
                match self {
                    $(Self::$name(event) => event.get(key),)*
                    Self::Log | Self::Summary(_) => None,
                }
            }

            /// Converts to an owned event.
            pub fn into_owned(self) -> Event<'static> {
                match self {
                    $(Self::$name(event) => Event::$name(event.into_owned()),)*
                    Self::Log => Event::Log,
                    Self::Summary(summary) => Event::Summary(Box::new(summary.into_owned())),
                }
            }

            /// Visits the fields that are set, in line order.
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
    /// A run starts.
    ScraperStart = "scraper_start" {
        /// The run's configuration (object).
        config: Json<'a>,
        /// The name of the machine that the run is on.
        host: Text<'a>,
    }
    /// A run ends and reports its totals.
    ScraperEnd = "scraper_end" {
        /// `success`, `failed`, `cancelled` or `panicked`.
        status: Text<'a>,
        /// Why the run ended, in the scraper's words.
        finish_reason: Text<'a>,
        /// Duration of the run, in seconds.
        duration_seconds: f64,
        /// Products seen on pages.
        products_found: u64,
        /// Products stored for the first time.
        products_added: u64,
        /// Products stored again with changes.
        products_updated: u64,
        /// Products stored by scrapers that do not distinguish new from known products.
        products_saved: u64,
        /// Products that could not be extracted or stored.
        products_failed: u64,
        /// Articles stored.
        articles_stored: u64,
        /// Pages scraped, as counted by the scraper.
        pages_scraped: u64,
        /// HTTP requests, counting every attempt.
        requests_made: u64,
        /// Number of `scraper_error` events.
        errors_count: u64,
        /// Number of `rate_limit` events.
        rate_limits_hit: u64,
        /// Total size of the response bodies, in bytes.
        bytes_downloaded: u64,
        /// The scraper's own statistics (object of numbers by name).
        stats: Json<'a>,
    }
    /// One HTTP attempt.
    Request = "request" {
        /// The requested URL.
        url: Text<'a>,
        /// The HTTP method, in upper case.
        method: Text<'a>,
        /// The status code of the response; absent when there was no response.
        status_code: u16,
        /// Time from the request to the response, in milliseconds.
        response_time_ms: f64,
        /// Size of the response body, in bytes.
        bytes: u64,
        /// Number of the attempt at this URL, starting at 1.
        attempt: u64,
        /// The proxy used, without credentials.
        proxy: Text<'a>,
        /// The response's `Retry-After`, in seconds.
        retry_after_seconds: f64,
        /// The error type when there was no response.
        error_type: Text<'a>,
    }
    /// A product was found or stored, or could not be extracted or stored.
    ProductProcessed = "product_processed" {
        /// `found`, `added`, `updated`, `saved` or `failed`.
        action: Text<'a>,
        /// The product's id, as the site or the scraper defines it.
        product_id: Text<'a>,
        /// The URL of the product's page.
        url: Text<'a>,
        /// The price, in the site's currency.
        price: f64,
        /// Names of the fields that were empty (array).
        fields_missing: Json<'a>,
    }
    /// An article was stored.
    ArticleStored = "article_stored" {
        /// The article's id.
        article_id: Text<'a>,
        /// The URL of the article's page.
        url: Text<'a>,
        /// Number of words in the text.
        word_count: u64,
        /// The language, as a code such as `en`.
        language: Text<'a>,
        /// Time from the page to storage, in milliseconds.
        processing_time_ms: f64,
        /// Names of the fields that were empty (array).
        fields_missing: Json<'a>,
    }
    /// An item was recognised as a duplicate.
    DuplicateDetected = "duplicate_detected" {
        /// The URL of the page with the duplicate.
        url: Text<'a>,
        /// The scraper's confidence, from 0 to 1.
        confidence: f64,
    }
    /// A search was run.
    SearchQuery = "search_query" {
        /// The search query.
        query: Text<'a>,
        /// Number of results.
        result_count: u64,
        /// Time from the query to the results, in milliseconds.
        response_time_ms: f64,
    }
    /// The length of the scraper's queue at one moment.
    QueueSize = "queue_size" {
        /// Number of waiting entries.
        queue_size: u64,
    }
    /// A call to the scraper's database.
    DatabaseOperation = "database_operation" {
        /// The operation: `insert`, `select`, …
        operation: Text<'a>,
        /// The table.
        table: Text<'a>,
        /// Duration of the operation, in milliseconds.
        duration_ms: f64,
        /// Number of open connections at that moment.
        connections_active: u64,
    }
    /// The resource usage of a machine at one moment.
    SystemSample = "system_sample" {
        /// The name of the machine.
        host: Text<'a>,
        /// CPU usage, from 0 to 100.
        cpu_percent: f64,
        /// Memory usage, from 0 to 100.
        memory_percent: f64,
        /// Memory used, in bytes.
        memory_used_bytes: u64,
        /// Memory available to programs, in bytes.
        memory_available_bytes: u64,
        /// Disk usage, from 0 to 100.
        disk_percent: f64,
        /// Disk space used, in bytes.
        disk_used_bytes: u64,
        /// Free disk space, in bytes.
        disk_free_bytes: u64,
        /// Bytes sent since the machine started.
        network_sent_bytes: u64,
        /// Bytes received since the machine started.
        network_received_bytes: u64,
    }
    /// An error occurred.
    ScraperError = "scraper_error" {
        /// The error type, as the program names it.
        error_type: Text<'a>,
        /// The error message.
        error_message: Text<'a>,
        /// The chain of causes, outermost first (array of objects with `error_type` and
        /// `error_message`).
        causes: Json<'a>,
        /// Stack trace or backtrace, as text.
        traceback: Text<'a>,
        /// The URL of the page on which the error occurred.
        url: Text<'a>,
        /// The HTTP status code that belongs to the error.
        status_code: u16,
        /// One of the eight error categories, when the scraper classified the error.
        error_category: Text<'a>,
        /// One of the four severities, when the scraper classified the error.
        error_severity: Text<'a>,
        /// Number of consecutive failures in this run, including this one.
        consecutive_failures: u64,
        /// The function in which the error occurred.
        function: Text<'a>,
        /// Further details that the scraper added (object).
        context: Json<'a>,
    }
    /// The site asked the scraper to slow down.
    RateLimit = "rate_limit" {
        /// Time that the scraper waits, in seconds.
        wait_time_seconds: f64,
        /// The reason: `429`, `503` or the site's message.
        reason: Text<'a>,
        /// The rate-limited URL.
        url: Text<'a>,
    }
    /// The recorder could not write some events.
    LogDropped = "log_dropped" {
        /// Number of dropped events.
        dropped: u64,
        /// Number of dropped events by log level (object).
        dropped_by_level: Json<'a>,
        /// First and last lost sequence number (array of two).
        lost_seq: Json<'a>,
    }
}

/// What happened to a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the field `action` documents them")]
pub enum ProductAction {
    Found,
    Added,
    Updated,
    Saved,
    Failed,
}

impl ProductAction {
    /// The value of `action` in a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Saved => "saved",
            Self::Failed => "failed",
        }
    }

    /// Looks up an action by name.
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

/// The outcome that a run reports at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum RunStatus {
    Success,
    Failed,
    Cancelled,
    Panicked,
}

impl RunStatus {
    /// The value of `status` in a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
        }
    }

    /// Looks up a status by name.
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

/// A run's own final statistics, translated from the writer's terms to Dragline's.
/// A value that the statistics do not contain is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary<'a> {
    /// The scraper's name, when it becomes known only after the run's first lines.
    pub scraper_id: Option<Text<'a>>,
    /// The start time that the run reports.
    pub start: Option<Timestamp>,
    /// The end time that the run reports.
    pub end: Option<Timestamp>,
    /// Why the run ended.
    pub finish_reason: Option<Text<'a>>,
    /// HTTP requests, counting every attempt.
    pub requests: Option<u64>,
    /// HTTP requests with a status of 400 or above, or without a response.
    pub requests_failed: Option<u64>,
    /// Number of responses by status code.
    pub status_codes: Vec<(u16, u64)>,
    /// Total size of the responses, in bytes.
    pub bytes: Option<u64>,
    /// Items stored.
    pub items: Option<u64>,
    /// Items dropped or lost.
    pub items_failed: Option<u64>,
    /// Number of lines by log level.
    pub levels: Vec<(Level, u64)>,
    /// Number of requests filtered out as duplicates.
    pub duplicates: Option<u64>,
    /// HTTP requests after the first for the same page, because the first failed.
    pub retries: Option<u64>,
    /// Number of pages that the scraper received.
    pub pages: Option<u64>,
    /// User-defined statistics, by name.
    pub own: Vec<(String, f64)>,
    /// The run's configuration. A summary with a configuration contains nothing else.
    pub config: Option<Json<'a>>,
    /// The run's totals so far. A summary with these contains nothing else.
    pub progress: Option<Progress>,
}

/// A run's totals so far, which it logs from time to time. What the log does not say is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pages that the scraper received.
    pub pages: u64,
    /// Items stored.
    pub items: u64,
    /// Requests whose response time is known.
    pub timed: u64,
    /// The sum of these times, in microseconds.
    pub micros: u64,
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
            retries: self.retries,
            pages: self.pages,
            own: self.own,
            config: self.config.map(IntoOwned::into_owned),
            progress: self.progress,
        }
    }
}
impl Event<'_> {
    /// The URL of the page that the event is about; its host is that of the site if no line names one.
    pub fn page_url(&self) -> Option<&str> {
        match self {
            Self::Request(request) => request.url.as_deref(),
            Self::ProductProcessed(product) => product.url.as_deref(),
            Self::ScraperError(error) => error.url.as_deref(),
            _ => None,
        }
    }
}
