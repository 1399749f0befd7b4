//! Text as Python writes it: the standard library's `logging` and loguru, with tracebacks.

use super::native::{Failure, Item, Request, Run, Tally, What};
use super::{Level, Record, fingerprint};
use crate::writer::instant;

/// What an exception is called where a traceback ends.
pub(super) fn qualified(kind: &str) -> &str {
    match kind {
        "serde_json::Error" => "json.decoder.JSONDecodeError",
        "hyper::Error" => "httpx.RemoteProtocolError",
        "ConnectTimeout" => "httpx.ConnectTimeout",
        "HttpStatusError" => "httpx.HTTPStatusError",
        "ProxyError" => "httpx.ProxyError",
        "IncompleteRead" => "http.client.IncompleteRead",
        "SSLCertVerificationError" => "ssl.SSLCertVerificationError",
        "UniqueViolation" => "psycopg.errors.UniqueViolation",
        "DatabaseError" => "sqlite3.DatabaseError",
        other => other,
    }
}

/// What an exception is called without its module.
pub(super) fn short(kind: &str) -> &str {
    let name = qualified(kind);
    name.rsplit('.').next().unwrap_or(name)
}

/// Where in the user's code an error was raised: line, function and statement, the same for errors
/// that differ by numbers only.
pub(super) fn place(failure: &Failure) -> (u64, &'static str, &'static str) {
    const PLACES: [(&str, &str); 6] = [
        ("parse_detail", "item = self.read(node)"),
        ("read_price", "return convert(node.text)"),
        ("read_images", "images = [load(link) for link in links]"),
        ("store", "cursor.execute(INSERT, row)"),
        ("read_dates", "return strptime(node.text, FORMAT)"),
        ("parse_list", "rows = decode(body)"),
    ];
    let mut parts = failure
        .message
        .split(|letter: char| letter.is_ascii_digit());
    let steady = parts.next().unwrap_or_default();
    let number = fingerprint(&[failure.kind.as_str(), steady]);
    let (function, code) = PLACES[number as usize % PLACES.len()];
    (30 + number / 8 % 90, function, code)
}

/// A traceback as Python prints it.
pub(super) fn traceback(run: &Run, failure: &Failure) -> String {
    let package = run.scraper.replace('-', "_");
    let (line, function, code) = place(failure);
    let kind = qualified(&failure.kind);
    format!(
        "Traceback (most recent call last):
  File \"/srv/{package}/main.py\", line 88, in run
    self.handle(page)
  File \"/srv/{package}/spider.py\", line {line}, in {function}
    {code}
{kind}: {}",
        failure.message
    )
}

/// A traceback as loguru prints it, with values.
pub(super) fn loguru_traceback(run: &Run, failure: &Failure) -> String {
    let package = run.scraper.replace('-', "_");
    let (line, function, code) = place(failure);
    let kind = qualified(&failure.kind);
    let node = fingerprint(&[&run.id]) % 0x00ff_ffff;
    format!(
        "Traceback (most recent call last):

  File \"/srv/{package}/main.py\", line 107, in <module>
    main()
    └ <function main at 0x7f78{node:06x}60>

> File \"/srv/{package}/main.py\", line 102, in main
    handle(page)
    │      └ <Page '{}'>
    └ <function handle at 0x7f78{node:06x}c0>

  File \"/srv/{package}/spider.py\", line {line}, in {function}
    {code}

{kind}: {}",
        failure.url, failure.message
    )
}

/// A record of `logging`: time, level, logger.
pub(super) fn python(time: i64, level: Level, logger: &str, message: &str) -> Record {
    let head = instant(time).strftime("%Y-%m-%d %H:%M:%S,%3f");
    let text = format!("{head} {} {logger}: {message}", level.name());
    Record { time, text }
}

/// A record in loguru's default format.
pub(super) fn loguru_record(time: i64, level: Level, place: &str, message: &str) -> Record {
    let head = instant(time).strftime("%Y-%m-%d %H:%M:%S.%3f");
    let text = format!("{head} | {:<8} | {place} - {message}", level.name());
    Record { time, text }
}

/// How loud an answer is.
pub(super) fn loudness(request: &Request) -> Level {
    if request.is_good() {
        Level::Info
    } else {
        Level::Warning
    }
}

/// What is said of an attempt that is not the first.
fn again(attempt: u32) -> String {
    if attempt > 1 {
        format!(" (attempt {attempt})")
    } else {
        String::new()
    }
}

/// A price or an author as Python shows it.
fn shown(item: &Item) -> String {
    if item.article {
        let author = item.author.as_ref();
        let author = author.map_or("None".to_owned(), |author| format!("'{author}'"));
        format!("author={author}")
    } else {
        let price = item.price;
        let price = price.map_or("None".to_owned(), |price| format!("{price:?}"));
        format!("price={price}")
    }
}

/// A run in the words of somebody who uses `logging`.
pub(super) fn logging(run: &Run) -> Vec<Record> {
    let logger = run.scraper.replace('-', ".");
    let mut tally = Tally::default();
    let mut records = Vec::new();
    for event in &run.events {
        tally.see(&event.what);
        let idle = tally.idle(&event.what);
        if let Some((level, message)) = logging_message(run, &event.what, idle, &tally) {
            records.push(python(event.time, level, &logger, &message));
        }
    }
    records
}

fn logging_message(
    run: &Run,
    what: &What,
    idle: Option<u64>,
    tally: &Tally,
) -> Option<(Level, String)> {
    Some(match what {
        What::Started(_) => (Level::Info, "run started".to_owned()),
        What::Request(request) => (loudness(request), logging_request(request)),
        What::Wait(url, seconds) => (
            Level::Warning,
            format!("429 from {url}, retry after {seconds:.0}s"),
        ),
        What::Failure(failure) => {
            let (url, attempts) = (&failure.url, failure.attempts);
            let traceback = traceback(run, failure);
            let what = if failure.fetching {
                format!("giving up on {url} after {attempts} attempts\n{traceback}")
            } else {
                format!("page failed: {url}\n{traceback}")
            };
            (Level::Error, what)
        }
        What::Item(item) => {
            let (id, name, url, shown) = (&item.id, item.name(), &item.url, shown(item));
            let what = format!("item id={id} name='{name}' {shown} url={url}");
            (Level::Info, what)
        }
        What::Duplicate(item) => {
            let what = format!("skipping duplicate item id={} url={}", item.id, item.url);
            (Level::Info, what)
        }
        What::Queue(_) | What::Waiting(_) => {
            let pending = idle?;
            let what = format!("waiting for workers, {pending} requests pending");
            (Level::Info, what)
        }
        What::Left(left) => (Level::Info, format!("{left} pages to go")),
        What::Finished => (Level::Info, format!("run finished: {} items", tally.items)),
    })
}

fn logging_request(request: &Request) -> String {
    let (url, attempt) = (&request.url, request.attempt);
    let Some(status) = request.status else {
        return format!("attempt {attempt} for {url} failed: ConnectTimeout: no answer in 10 s");
    };
    let (seconds, again) = (request.ms / 1000.0, again(attempt));
    format!("GET {url} -> {status} in {seconds:.3}s{again}")
}

/// The name of a run's file, without its end, as loguru fills in `{time}`.
pub(super) fn loguru_file(run: &Run) -> String {
    let time = instant(run.start()).strftime("%Y-%m-%d_%H-%M-%S_%6f");
    format!("{}_{time}", run.family)
}

/// A run in the words of somebody who uses loguru.
pub(super) fn loguru(run: &Run) -> Vec<Record> {
    let first = run.scraper.split('-').next().unwrap_or(&run.scraper);
    let mut tally = Tally::default();
    let mut records = Vec::new();
    for event in &run.events {
        tally.see(&event.what);
        let idle = tally.idle(&event.what);
        if let Some((level, line, message)) = loguru_message(run, &event.what, idle, &tally) {
            let place = format!("{first}.spider:{line}");
            records.push(loguru_record(event.time, level, &place, &message));
        }
    }
    records
}

fn loguru_message(
    run: &Run,
    what: &What,
    idle: Option<u64>,
    tally: &Tally,
) -> Option<(Level, &'static str, String)> {
    Some(match what {
        What::Started(_) => (Level::Info, "main:89", "Run started".to_owned()),
        What::Request(request) => loguru_request(request),
        What::Wait(_, seconds) => (
            Level::Warning,
            "fetch:59",
            format!("Rate limited, sleeping {seconds:.0} s"),
        ),
        What::Failure(failure) => {
            let (url, attempts) = (&failure.url, failure.attempts);
            let traceback = loguru_traceback(run, failure);
            if failure.fetching {
                let what = format!("Could not get {url} after {attempts} attempts\n{traceback}");
                (Level::Error, "main:100", what)
            } else {
                let what = format!("Page could not be parsed: {url}\n{traceback}");
                (Level::Error, "main:102", what)
            }
        }
        What::Item(item) => {
            let what = format!("Item {}: {}, {}", item.id, item.name(), shown(item));
            (Level::Success, "product:83", what)
        }
        What::Duplicate(item) => {
            let what = format!("Item {} is a duplicate, skipped", item.id);
            (Level::Info, "product:79", what)
        }
        What::Queue(_) | What::Waiting(_) => {
            let pending = idle?;
            let what = format!("Waiting for workers, {pending} pages pending");
            (Level::Info, "main:95", what)
        }
        What::Left(left) => (Level::Debug, "main:93", format!("{left} pages to go")),
        What::Finished => {
            let what = format!(
                "Run finished: {} items on {} pages",
                tally.items, tally.pages
            );
            (Level::Info, "main:118", what)
        }
    })
}

fn loguru_request(request: &Request) -> (Level, &'static str, String) {
    let (url, ms, again) = (&request.url, request.ms, again(request.attempt));
    if let Some(status) = request.status {
        let what = format!("GET {url} -> {status} in {ms:.0} ms{again}");
        (loudness(request), "fetch:56", what)
    } else {
        let what = format!("GET {url} failed (ConnectTimeout): no answer in 10 s{again}");
        (Level::Warning, "fetch:47", what)
    }
}
