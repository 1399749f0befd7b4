//! Structured logs: structlog's of a Python program, and pino's of a Node program.

use std::fmt::Display;

use serde_json::Value;

use super::native::{Failure, Item, Request, Run, Tally, What};
use super::{Record, fingerprint, text};
use crate::writer::instant;

/// A JSON object as it is written, with the blanks that its writer leaves.
pub(super) struct Object {
    text: String,
    comma: &'static str,
    colon: &'static str,
}

impl Object {
    /// As Python's `json.dumps` writes it.
    pub(super) fn python() -> Self {
        Self::new(", ", ": ")
    }

    /// As `JSON.stringify` writes it.
    pub(super) fn node() -> Self {
        Self::new(",", ":")
    }

    fn new(comma: &'static str, colon: &'static str) -> Self {
        Self {
            text: String::new(),
            comma,
            colon,
        }
    }

    /// A field of which the JSON is given.
    pub(super) fn raw(&mut self, key: &str, value: &dyn Display) {
        let between = if self.text.is_empty() {
            "{"
        } else {
            self.comma
        };
        let field = format!("{between}\"{key}\"{}{value}", self.colon);
        self.text.push_str(&field);
    }

    /// A text.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.raw(key, &quoted(value));
    }

    /// The object; it has a field at least.
    pub(super) fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A price or an author; null where it is missing.
fn detail(item: &Item) -> (&'static str, String) {
    let null = || "null".to_owned();
    if item.article {
        let author = item.author.as_deref();
        ("author", author.map_or_else(null, quoted))
    } else {
        let price = item.price;
        ("price", price.map_or_else(null, |price| price.to_string()))
    }
}

/// A run as structlog writes it: the event's own fields first, what is bound behind them.
pub(super) fn structlog(run: &Run) -> Vec<Record> {
    let mut tally = Tally::default();
    let mut records = Vec::new();
    for event in &run.events {
        tally.see(&event.what);
        let mut object = Object::python();
        let (level, name) = structlog_fields(&mut object, run, &event.what, &tally);
        object.text("event", name);
        object.text("site", &run.site);
        object.text("run_id", &run.id);
        object.text("scraper", &run.scraper);
        object.text("level", level);
        let time = instant(event.time);
        object.text("timestamp", &format!("{time:.6}"));
        records.push(Record {
            time: event.time,
            text: object.end(),
        });
    }
    records
}

/// Puts an event's own fields into the object; its level and its name.
fn structlog_fields(
    object: &mut Object,
    run: &Run,
    what: &What,
    tally: &Tally,
) -> (&'static str, &'static str) {
    match what {
        What::Started(concurrency) => {
            object.text("version", "1.4.0");
            object.raw("concurrency", concurrency);
            ("info", "run_started")
        }
        What::Request(request) => structlog_request(object, request),
        What::Wait(url, seconds) => {
            object.text("url", url);
            object.raw("retry_after", &format!("{seconds:?}"));
            ("warning", "rate_limited")
        }
        What::Failure(failure) => structlog_failure(object, run, failure),
        What::Item(item) => {
            let (key, value) = detail(item);
            object.text("url", &item.url);
            object.text("item_id", &item.id);
            object.text(if item.article { "title" } else { "name" }, &item.name());
            object.raw(key, &value);
            ("info", "item_scraped")
        }
        What::Duplicate(item) => {
            object.text("url", &item.url);
            object.text("item_id", &item.id);
            ("info", "duplicate_skipped")
        }
        What::Queue(size) => {
            object.raw("queue_size", size);
            ("debug", "queue")
        }
        What::Waiting(pending) => {
            object.raw("pending", pending);
            ("info", "waiting_for_workers")
        }
        What::Left(left) => {
            object.raw("left", left);
            ("info", "progress")
        }
        What::Finished => {
            object.text("reason", "finished");
            object.raw("pages", &tally.pages);
            object.raw("items", &tally.items);
            object.raw("errors", &tally.errors);
            ("info", "run_finished")
        }
    }
}

fn structlog_request(object: &mut Object, request: &Request) -> (&'static str, &'static str) {
    object.text("url", &request.url);
    let elapsed = format!("{:.1}", request.ms);
    let Some(status) = request.status else {
        object.raw("attempt", &request.attempt);
        object.text("error", "ConnectTimeout");
        object.text("detail", "no answer in 10 s");
        object.raw("elapsed_ms", &elapsed);
        return ("warning", "request_failed");
    };
    object.raw("status", &status);
    object.raw("attempt", &request.attempt);
    object.raw("bytes", &request.bytes);
    object.raw("elapsed_ms", &elapsed);
    ("info", "request_done")
}

fn structlog_failure(
    object: &mut Object,
    run: &Run,
    failure: &Failure,
) -> (&'static str, &'static str) {
    object.text("url", &failure.url);
    if failure.fetching {
        object.raw("attempts", &failure.attempts);
        object.text("error_type", text::short(&failure.kind));
        object.text("error_message", &failure.message);
        return ("error", "page_failed");
    }
    // The processor that formats exceptions leaves the traceback as a text.
    object.text("exception", &text::traceback(run, failure));
    ("error", "item_failed")
}

/// A run as pino writes it: what is bound first, the message last.
pub(super) fn pino(run: &Run) -> Vec<Record> {
    let process = 2000 + fingerprint(&[&run.family, &run.id]) % 30_000;
    let mut tally = Tally::default();
    let mut records = Vec::new();
    for event in &run.events {
        tally.see(&event.what);
        let mut fields = Vec::new();
        let (level, message) = pino_fields(&mut fields, run, &event.what, &tally);
        let mut object = Object::node();
        object.raw("level", &level);
        object.raw("time", &event.time.div_euclid(1000));
        object.raw("pid", &process);
        object.text("hostname", "scraper-01");
        object.text("scraper", &run.scraper);
        object.text("runId", &run.id);
        for (key, value) in &fields {
            object.raw(key, value);
        }
        object.text("msg", message);
        records.push(Record {
            time: event.time,
            text: object.end(),
        });
    }
    records
}

/// Keys and their JSON.
type Fields = Vec<(&'static str, String)>;

/// Puts an event's own fields into the list; its level and its message.
fn pino_fields(fields: &mut Fields, run: &Run, what: &What, tally: &Tally) -> (u8, &'static str) {
    match what {
        What::Started(concurrency) => {
            fields.push(("node", quoted("v20.20.2")));
            fields.push(("concurrency", concurrency.to_string()));
            (30, "run started")
        }
        What::Request(request) => pino_request(fields, request),
        What::Wait(url, seconds) => {
            fields.push(("url", quoted(url)));
            fields.push(("retryAfter", seconds.to_string()));
            (40, "rate limited")
        }
        What::Failure(failure) => {
            let kind = node_class(&failure.kind);
            fields.push(("err", error(kind, &failure.message, run, failure)));
            fields.push(("url", quoted(&failure.url)));
            (50, "scrape failed")
        }
        What::Item(item) => {
            let (key, value) = detail(item);
            let mut object = Object::node();
            object.text("id", &item.id);
            object.text(if item.article { "title" } else { "name" }, &item.name());
            object.raw(key, &value);
            fields.push(("url", quoted(&item.url)));
            fields.push(("item", object.end()));
            (30, "item scraped")
        }
        What::Duplicate(item) => {
            fields.push(("url", quoted(&item.url)));
            fields.push(("itemId", quoted(&item.id)));
            (30, "duplicate skipped")
        }
        What::Queue(size) => {
            fields.push(("queueSize", size.to_string()));
            (20, "queue")
        }
        What::Waiting(pending) => {
            fields.push(("pending", pending.to_string()));
            (30, "waiting for workers")
        }
        What::Left(left) => {
            fields.push(("left", left.to_string()));
            (30, "progress")
        }
        What::Finished => {
            fields.push(("items", tally.items.to_string()));
            fields.push(("failed", tally.errors.to_string()));
            fields.push(("urls", tally.pages.to_string()));
            (30, "run finished")
        }
    }
}

fn pino_request(fields: &mut Fields, request: &Request) -> (u8, &'static str) {
    let mut asked = Object::node();
    asked.text("method", "GET");
    asked.text("url", &request.url);
    let asked = ("req", asked.end());
    let Some(status) = request.status else {
        let message = "Connect Timeout Error (attempted address, timeout: 10000ms)";
        let mut object = Object::node();
        object.text("type", "ConnectTimeoutError");
        object.text("message", message);
        object.text("code", "UND_ERR_CONNECT_TIMEOUT");
        fields.push(("err", object.end()));
        fields.push(asked);
        fields.push(("responseTime", format!("{:.0}", request.ms)));
        fields.push(("attempt", request.attempt.to_string()));
        let again = request.retried;
        return (
            40,
            if again {
                "request failed, will retry"
            } else {
                "request failed"
            },
        );
    };
    let mut answer = Object::node();
    answer.raw("statusCode", &status);
    answer.raw("bytes", &request.bytes);
    fields.push(asked);
    fields.push(("res", answer.end()));
    fields.push(("responseTime", format!("{:.0}", request.ms)));
    fields.push(("attempt", request.attempt.to_string()));
    (30, "request completed")
}

/// An error as pino's serializer shows it.
fn error(kind: &str, message: &str, run: &Run, failure: &Failure) -> String {
    let mut object = Object::node();
    object.text("type", kind);
    object.text("message", message);
    object.text("stack", &stack(kind, message, run, failure));
    object.end()
}

/// What an error is called in a Node program.
pub(super) fn node_class(kind: &str) -> &str {
    match kind {
        "serde_json::Error" => "SyntaxError",
        "hyper::Error" => "SocketError",
        "ConnectTimeout" => "ConnectTimeoutError",
        "HttpStatusError" => "HTTPError",
        "AttributeError" => "TypeError",
        other => other,
    }
}

/// A stack as Node shows it.
pub(super) fn stack(kind: &str, message: &str, run: &Run, failure: &Failure) -> String {
    let (line, function, _) = text::place(failure);
    let (column, file) = (8 + line % 50, &run.scraper);
    format!(
        "{kind}: {message}\n    at {function} (file:///srv/{file}/scrape.js:{line}:{column})\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)\n    at async file:///srv/{file}/main.js:103:19"
    )
}
