//! The tables that can be asked, each declared once: its columns, what they hold, where from.

use std::borrow::Cow;
use std::sync::LazyLock;

use dragline_rollup::ErrorLabel;
use dragline_scan::Row;
use dragline_schema::{
    ArticleStored, Event, EventField, EventType, FieldKind, Level, ProductAction, ProductProcessed,
    Request, ScraperError, Value, host_of,
};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number that is not negative.
    Count,
    /// Any number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A time, UTC, in microseconds.
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

/// A column of a table of events.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What that means.
    pub about: &'static str,
    get: Get,
}

impl Column {
    /// The value in a row.
    pub(super) fn value<'r>(&self, row: &'r Row<'r>) -> Cell<'r> {
        match self.get {
            Get::Of(get) => get(row),
            Get::Field(name) => row.record.event.get(name).map_or(Cell::Null, cell),
        }
    }

    /// The column of an event's field. `table` is a word of SQL's own.
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

/// A table with a row for each event of a kind.
#[derive(Clone)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Its own columns, beside [`COMMON`].
    pub own: Vec<Column>,
    takes: Takes,
}

/// Which rows a table has.
#[derive(Clone, Copy)]
enum Takes {
    Rows(fn(&Row<'_>) -> bool),
    /// Those of an event of the wire format.
    Type(EventType),
}

impl Table {
    /// All its columns, in order.
    pub fn columns(&'static self) -> impl Iterator<Item = &'static Column> {
        COMMON.iter().chain(&self.own)
    }

    /// Whether it has a row for that one.
    pub(super) fn takes(&self, row: &Row<'_>) -> bool {
        match self.takes {
            Takes::Rows(takes) => takes(row),
            Takes::Type(own) => row.record.event.event_type() == Some(own),
        }
    }

    /// The table of the events of a type.
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

/// Columns that every table of events has.
pub const COMMON: &[Column] = columns! {
    "at" Time "when it was logged" => |row| row.record.timestamp.map_or(Cell::Null, |time| Cell::Time(time.as_micros()));
    "scraper_id" Text "which scraper" => |row| text(row.run.scraper_id.as_deref());
    "site" Text "which site" => |row| text(row.run.site.as_deref());
    "run_id" Text "which run" => |row| text(row.run.run_id.as_deref());
    "level" Text "how loud: TRACE, DEBUG, INFO, WARN, ERROR, CRITICAL" => |row| text(row.record.level.map(Level::as_str));
    "file" Text "the file that it stands in" => |row| Cell::Text(Cow::Borrowed(row.file));
    "line" Count "its line there, from 1" => |row| Cell::Count(row.at.line);
    "fields" Text "the user's own fields as a JSON object; not in `*`, ask for it by name" => |row| fields(row);
};

/// The column that is built only when a query names it.
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

/// Of an item of either kind.
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

/// The tables of events. Those that are nothing but a type of the wire format's have its fields as columns.
pub static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let mut tables = told();
    tables.extend([
        Table::of_type(
            "searches",
            "Searches that a scraper made.",
            EventType::SearchQuery,
        ),
        Table::of_type(
            "queue",
            "The lengths of queues, at moments.",
            EventType::QueueSize,
        ),
        Table::of_type(
            "database",
            "Calls to scrapers' databases.",
            EventType::DatabaseOperation,
        ),
        Table::of_type(
            "system",
            "The machines, at moments.",
            EventType::SystemSample,
        ),
        Table::of_type(
            "duplicates",
            "What was recognised as already known.",
            EventType::DuplicateDetected,
        ),
        Table::of_type(
            "rate_limits",
            "Times that a site asked to slow down.",
            EventType::RateLimit,
        ),
    ]);
    tables
});

/// The tables that say more than the fields of their events.
fn told() -> Vec<Table> {
    vec![
    Table {
        name: "events",
        about: "Every record, whatever it says.",
        own: columns! {
            "event_type" Text "the type of event, of the wire format; null for plain lines" => |row| text(row.record.event.event_type().map(EventType::as_str));
            "message" Text "what it says to people" => |row| text(row.record.message.as_deref());
            "target" Text "the module or logger that wrote it" => |row| text(row.record.target.as_deref());
            "dialect" Text "the format that it was read from" => |row| text(Some(row.record.dialect.as_str()));
        }
        .to_vec(),
        takes: Takes::Rows(|_| true),
    },
    Table {
        name: "requests",
        about: "HTTP attempts that were logged one by one.",
        own: columns! {
            "url" Text "what was asked for" => |row| request(row, |event| text(event.url.as_deref()));
            "host" Text "the URL's host" => |row| request(row, |event| text(event.url.as_deref().and_then(host_of)));
            "method" Text "the method" => |row| request(row, |event| text(event.method.as_deref()));
            "status_code" Count "the answer's status; null without an answer" => |row| request(row, |event| count(event.status_code.map(u64::from)));
            "failed" Flag "status 400 or above, or no answer; null when the log does not tell" => |row| failed(row);
            "response_time_ms" Number "how long the answer took, in milliseconds" => |row| request(row, |event| number(event.response_time_ms));
            "bytes" Count "the size of the answer's body" => |row| request(row, |event| count(event.bytes));
            "attempt" Count "which attempt at this URL, from 1" => |row| request(row, |event| count(event.attempt));
            "proxy" Text "the proxy" => |row| request(row, |event| text(event.proxy.as_deref()));
            "retry_after_seconds" Number "the answer's Retry-After" => |row| request(row, |event| number(event.retry_after_seconds));
            "error_type" Text "the error's type when there was no answer" => |row| request(row, |event| text(event.error_type.as_deref()));
        }
        .to_vec(),
        takes: Takes::Rows(|row| matches!(row.record.event, Event::Request(_))),
    },
    Table {
        name: "items",
        about: "Products and articles, whatever was done with them.",
        own: columns! {
            "kind" Text "product or article" => |row| text(Some(if matches!(row.record.event, Event::ArticleStored(_)) { "article" } else { "product" }));
            "action" Text "found, added, updated, saved or failed; articles are saved" => |row| item(row, |p| text(p.action.as_deref()), |_| text(Some(ProductAction::Saved.as_str())));
            "item_id" Text "its id, in the scraper's terms" => |row| item(row, |p| text(p.product_id.as_deref()), |a| text(a.article_id.as_deref()));
            "url" Text "the page it stands on" => |row| item(row, |p| text(p.url.as_deref()), |a| text(a.url.as_deref()));
            "price" Number "its price" => |row| product(row, |event| number(event.price));
            "fields_missing" Text "names of fields that came out empty, as a JSON array" => |row| item(row, |p| text(p.fields_missing.as_ref().map(|json| &*json.0)), |a| text(a.fields_missing.as_ref().map(|json| &*json.0)));
            "word_count" Count "words of an article" => |row| article(row, |event| count(event.word_count));
            "language" Text "the language of an article" => |row| article(row, |event| text(event.language.as_deref()));
            "processing_time_ms" Number "from page to storage, of an article" => |row| article(row, |event| number(event.processing_time_ms));
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
            "error_type" Text "the error's type" => |row| label(row, |label| label.error_type);
            "error_message" Text "what it says" => |row| label(row, |label| label.message);
            "category" Text "one of the eight categories" => |row| label(row, |label| label.category.as_str());
            "sub_category" Text "the finer kind" => |row| label(row, |label| label.sub_category);
            "severity" Text "low, medium, high or critical" => |row| label(row, |label| label.severity.as_str());
            "rule" Text "the rule that decided; null when none did" => |row| row.label.map_or(Cell::Null, |label| text(label.rule));
            "group_id" Text "errors that are the same but for what varies have the same" => |row| row.label.map_or(Cell::Null, |label| Cell::Text(format!("{:016x}", label.group).into()));
            "template" Text "the message without what varies" => |row| label(row, |label| label.template);
            "url" Text "the page it happened on" => |row| error(row, |event| text(event.url.as_deref()));
            "status_code" Count "the HTTP status that goes with it" => |row| error(row, |event| count(event.status_code.map(u64::from)));
            "function" Text "the function it happened in" => |row| error(row, |event| text(event.function.as_deref()));
            "traceback" Text "stack or backtrace" => |row| error(row, |event| text(event.traceback.as_deref()));
            "causes" Text "what caused it, outermost first: a JSON array of objects with error_type and error_message" => |row| error(row, |event| text(event.causes.as_ref().map(|json| &*json.0)));
            "context" Text "whatever else the author added, a JSON object" => |row| error(row, |event| text(event.context.as_ref().map(|json| &*json.0)));
            "consecutive_failures" Count "failures in a row up to this one, in its run" => |row| error(row, |event| count(event.consecutive_failures));
        }
        .to_vec(),
        takes: Takes::Rows(|row| row.label.is_some()),
    },
]
}
