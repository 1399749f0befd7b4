//! The event tables, each declared once: its columns, their types, descriptions and sources.

use std::borrow::Cow;
use std::sync::LazyLock;

use dragline_rollup::ErrorLabel;
use dragline_scan::Row;
use dragline_schema::{
    ArticleStored, Event, EventField, EventType, FieldKind, Level, ProductAction, ProductProcessed,
    Request, ScraperError, Value, host_of,
};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A non-negative integer.
    Count,
    /// Any number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A time in UTC, in microseconds.
    Time,
}

impl Kind {
    /// The type's name in SQL.
    pub fn as_sql(self) -> &'static str {
        match self {
            Self::Text => "VARCHAR",
            Self::Count => "BIGINT",
            Self::Number => "DOUBLE",
            Self::Flag => "BOOLEAN",
            Self::Time => "TIMESTAMP",
        }
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'r> {
    Null,
    Text(Cow<'r, str>),
    Count(u64),
    Number(f64),
    Flag(bool),
    /// Microseconds since 1970-01-01, UTC.
    Time(i64),
}

/// Where a column's values come from.
#[derive(Clone, Copy)]
enum Get {
    Of(for<'r> fn(&'r Row<'r>) -> Cell<'r>),
    /// A field of the event, as the wire format declares it.
    Field(&'static str),
}

/// A column of an event table.
#[derive(Clone, Copy)]
pub struct Column {
    /// The column's name.
    pub name: &'static str,
    /// The column's type.
    pub kind: Kind,
    /// A description of its values.
    pub about: &'static str,
    get: Get,
}

impl Column {
    /// The column's value in a row.
    pub(super) fn value<'r>(&self, row: &'r Row<'r>) -> Cell<'r> {
        match self.get {
            Get::Of(get) => get(row),
            Get::Field(name) => row.record.event.get(name).map_or(Cell::Null, cell),
        }
    }

    /// The column of an event's field. The field `table` is renamed because TABLE is an SQL keyword.
    fn of_field(field: &EventField) -> Self {
        Self {
            name: if field.name == "table" {
                "table_name"
            } else {
                field.name
            },
            kind: match field.kind {
                FieldKind::Text | FieldKind::Json => Kind::Text,
                FieldKind::Count => Kind::Count,
                FieldKind::Number => Kind::Number,
            },
            about: field.about,
            get: Get::Field(field.name),
        }
    }
}

fn cell(value: Value<'_>) -> Cell<'_> {
    match value {
        Value::Bool(is) => Cell::Flag(is),
        Value::U64(count) => Cell::Count(count),
        Value::I64(number) => Cell::Number(number as f64),
        Value::F64(number) => Cell::Number(number),
        Value::Str(text) | Value::Json(text) => Cell::Text(text),
    }
}

/// A table with one row per event of a kind.
#[derive(Clone)]
pub struct Table {
    /// The table's name.
    pub name: &'static str,
    /// A description of its rows.
    pub about: &'static str,
    /// The table's own columns, in addition to [`COMMON`].
    pub own: Vec<Column>,
    takes: Takes,
}

/// Which rows belong to a table.
#[derive(Clone, Copy)]
enum Takes {
    Rows(fn(&Row<'_>) -> bool),
    /// Rows with this event type of the wire format.
    Type(EventType),
}

impl Table {
    /// All columns, in order.
    pub fn columns(&'static self) -> impl Iterator<Item = &'static Column> {
        COMMON.iter().chain(&self.own)
    }

    /// Whether the row belongs to this table.
    pub(super) fn takes(&self, row: &Row<'_>) -> bool {
        match self.takes {
            Takes::Rows(takes) => takes(row),
            Takes::Type(own) => row.record.event.event_type() == Some(own),
        }
    }

    /// The table of one event type.
    fn of_type(name: &'static str, about: &'static str, own: EventType) -> Self {
        Self {
            name,
            about,
            own: own.columns().iter().map(Column::of_field).collect(),
            takes: Takes::Type(own),
        }
    }
}

fn text(value: Option<&str>) -> Cell<'_> {
    value.map_or(Cell::Null, |text| Cell::Text(Cow::Borrowed(text)))
}

fn count<'r>(value: Option<u64>) -> Cell<'r> {
    value.map_or(Cell::Null, Cell::Count)
}

fn number<'r>(value: Option<f64>) -> Cell<'r> {
    value.map_or(Cell::Null, Cell::Number)
}

macro_rules! columns {
    ($($name:literal $kind:ident $about:literal => |$row:ident| $get:expr;)*) => {
        &[$(Column {
            name: $name,
            kind: Kind::$kind,
            about: $about,
            get: Get::Of(|$row| $get),
        }),*]
    };
}

/// The columns that every event table has.
pub const COMMON: &[Column] = columns! {
    "at" Time "when the event was logged" => |row| row.record.timestamp.map_or(Cell::Null, |time| Cell::Time(time.as_micros()));
    "scraper_id" Text "the scraper" => |row| text(row.run.scraper_id.as_deref());
    "site" Text "the site" => |row| text(row.run.site.as_deref());
    "run_id" Text "the run" => |row| text(row.run.run_id.as_deref());
    "level" Text "the log level: TRACE, DEBUG, INFO, WARN, ERROR, CRITICAL" => |row| text(row.record.level.map(Level::as_str));
    "file" Text "the log file" => |row| Cell::Text(Cow::Borrowed(row.file));
    "line" Count "the line number in the file, from 1" => |row| Cell::Count(row.at.line);
    "fields" Text "the user's own fields, a JSON object; not part of `*`, so select it by name" => |row| fields(row);
};

/// The column that is built only if a query names it.
pub(super) const UNLESS_NAMED: &str = "fields";

fn fields<'r>(row: &'r Row<'r>) -> Cell<'r> {
    dragline_scan::own_fields_json(row.record).map_or(Cell::Null, |json| Cell::Text(json.into()))
}

fn request<'r>(row: &'r Row<'r>, get: impl FnOnce(&'r Request<'r>) -> Cell<'r>) -> Cell<'r> {
    match &row.record.event {
        Event::Request(event) => get(event),
        _ => Cell::Null,
    }
}

fn product<'r>(
    row: &'r Row<'r>,
    get: impl FnOnce(&'r ProductProcessed<'r>) -> Cell<'r>,
) -> Cell<'r> {
    match &row.record.event {
        Event::ProductProcessed(event) => get(event),
        _ => Cell::Null,
    }
}

fn article<'r>(row: &'r Row<'r>, get: impl FnOnce(&'r ArticleStored<'r>) -> Cell<'r>) -> Cell<'r> {
    match &row.record.event {
        Event::ArticleStored(event) => get(event),
        _ => Cell::Null,
    }
}

/// Reads a value from a product or an article.
fn item<'r>(
    row: &'r Row<'r>,
    of_product: impl FnOnce(&'r ProductProcessed<'r>) -> Cell<'r>,
    of_article: impl FnOnce(&'r ArticleStored<'r>) -> Cell<'r>,
) -> Cell<'r> {
    match &row.record.event {
        Event::ProductProcessed(event) => of_product(event),
        Event::ArticleStored(event) => of_article(event),
        _ => Cell::Null,
    }
}

fn error<'r>(row: &'r Row<'r>, get: impl FnOnce(&'r ScraperError<'r>) -> Cell<'r>) -> Cell<'r> {
    match &row.record.event {
        Event::ScraperError(event) => get(event),
        _ => Cell::Null,
    }
}

fn label<'r>(row: &'r Row<'r>, get: impl FnOnce(&'r ErrorLabel<'r>) -> &'r str) -> Cell<'r> {
    text(row.label.map(get).filter(|text| !text.is_empty()))
}

fn failed<'r>(row: &'r Row<'r>) -> Cell<'r> {
    request(row, |event| {
        if row.record.is_unjudged {
            return Cell::Null;
        }
        Cell::Flag(event.status_code.is_none_or(|status| status >= 400))
    })
}

/// The event tables. Tables of a single event type have the fields of that type as columns.
pub static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let mut tables = told();
    tables.extend([
        Table::of_type(
            "searches",
            "Searches that a scraper made.",
            EventType::SearchQuery,
        ),
        Table::of_type("queue", "Samples of queue lengths.", EventType::QueueSize),
        Table::of_type(
            "database",
            "Calls to scrapers' databases.",
            EventType::DatabaseOperation,
        ),
        Table::of_type(
            "system",
            "Samples of machine metrics.",
            EventType::SystemSample,
        ),
        Table::of_type(
            "duplicates",
            "Items or pages recognised as duplicates.",
            EventType::DuplicateDetected,
        ),
        Table::of_type(
            "rate_limits",
            "Rate limits: a site asked the scraper to slow down.",
            EventType::RateLimit,
        ),
    ]);
    tables
});

/// The tables whose columns are more than the fields of one event type.
fn told() -> Vec<Table> {
    vec![
    Table {
        name: "events",
        about: "All log records.",
        own: columns! {
            "event_type" Text "the event type in the wire format; null for plain lines" => |row| text(row.record.event.event_type().map(EventType::as_str));
            "message" Text "the log message" => |row| text(row.record.message.as_deref());
            "target" Text "the module or logger that wrote it" => |row| text(row.record.target.as_deref());
            "dialect" Text "the log format" => |row| text(Some(row.record.dialect.as_str()));
        }
        .to_vec(),
        takes: Takes::Rows(|_| true),
    },
    Table {
        name: "requests",
        about: "HTTP attempts that were logged individually.",
        own: columns! {
            "url" Text "the requested URL" => |row| request(row, |event| text(event.url.as_deref()));
            "host" Text "the URL's host" => |row| request(row, |event| text(event.url.as_deref().and_then(host_of)));
            "method" Text "the HTTP method" => |row| request(row, |event| text(event.method.as_deref()));
            "status_code" Count "the HTTP status; null without a response" => |row| request(row, |event| count(event.status_code.map(u64::from)));
            "failed" Flag "true for status 400 or above, or no response; null if the log does not say" => |row| failed(row);
            "response_time_ms" Number "response time, in milliseconds" => |row| request(row, |event| number(event.response_time_ms));
            "bytes" Count "the size of the response body, in bytes" => |row| request(row, |event| count(event.bytes));
            "attempt" Count "the number of the attempt at this URL, from 1" => |row| request(row, |event| count(event.attempt));
            "proxy" Text "the proxy" => |row| request(row, |event| text(event.proxy.as_deref()));
            "retry_after_seconds" Number "the Retry-After header of the response, in seconds" => |row| request(row, |event| number(event.retry_after_seconds));
            "error_type" Text "the error type if there was no response" => |row| request(row, |event| text(event.error_type.as_deref()));
        }
        .to_vec(),
        takes: Takes::Rows(|row| matches!(row.record.event, Event::Request(_))),
    },
    Table {
        name: "items",
        about: "Products and articles, with the action that was logged.",
        own: columns! {
            "kind" Text "product or article" => |row| text(Some(if matches!(row.record.event, Event::ArticleStored(_)) { "article" } else { "product" }));
            "action" Text "found, added, updated, saved or failed; articles are saved" => |row| item(row, |p| text(p.action.as_deref()), |_| text(Some(ProductAction::Saved.as_str())));
            "item_id" Text "the item's id, as assigned by the scraper" => |row| item(row, |p| text(p.product_id.as_deref()), |a| text(a.article_id.as_deref()));
            "url" Text "the page that contains it" => |row| item(row, |p| text(p.url.as_deref()), |a| text(a.url.as_deref()));
            "price" Number "the price" => |row| product(row, |event| number(event.price));
            "fields_missing" Text "the names of empty fields, a JSON array" => |row| item(row, |p| text(p.fields_missing.as_ref().map(|json| &*json.0)), |a| text(a.fields_missing.as_ref().map(|json| &*json.0)));
            "word_count" Count "the number of words of an article" => |row| article(row, |event| count(event.word_count));
            "language" Text "the language of an article" => |row| article(row, |event| text(event.language.as_deref()));
            "processing_time_ms" Number "processing time of an article, from page to storage, in milliseconds" => |row| article(row, |event| number(event.processing_time_ms));
        }
        .to_vec(),
        takes: Takes::Rows(|row| {
            matches!(
                row.record.event,
                Event::ProductProcessed(_) | Event::ArticleStored(_)
            )
        }),
    },
    Table {
        name: "errors",
        about: "Errors: `scraper_error` events and other records at ERROR or above.",
        own: columns! {
            "error_type" Text "the error type" => |row| label(row, |label| label.error_type);
            "error_message" Text "the error message" => |row| label(row, |label| label.message);
            "category" Text "one of the eight categories" => |row| label(row, |label| label.category.as_str());
            "sub_category" Text "the sub-category" => |row| label(row, |label| label.sub_category);
            "severity" Text "low, medium, high or critical" => |row| label(row, |label| label.severity.as_str());
            "rule" Text "the rule that classified it; null if no rule matched" => |row| row.label.map_or(Cell::Null, |label| text(label.rule));
            "group_id" Text "the id of the error group; errors that differ only in variable parts share it" => |row| row.label.map_or(Cell::Null, |label| Cell::Text(format!("{:016x}", label.group).into()));
            "template" Text "the message without its variable parts" => |row| label(row, |label| label.template);
            "url" Text "the page on which it occurred" => |row| error(row, |event| text(event.url.as_deref()));
            "status_code" Count "the associated HTTP status" => |row| error(row, |event| count(event.status_code.map(u64::from)));
            "function" Text "the function in which it occurred" => |row| error(row, |event| text(event.function.as_deref()));
            "traceback" Text "the stack trace" => |row| error(row, |event| text(event.traceback.as_deref()));
            "causes" Text "the causes, outermost first: a JSON array of objects with error_type and error_message" => |row| error(row, |event| text(event.causes.as_ref().map(|json| &*json.0)));
            "context" Text "additional context, a JSON object" => |row| error(row, |event| text(event.context.as_ref().map(|json| &*json.0)));
            "consecutive_failures" Count "the number of consecutive failures in the run, including this one" => |row| error(row, |event| count(event.consecutive_failures));
        }
        .to_vec(),
        takes: Takes::Rows(|row| row.label.is_some()),
    },
]
}
