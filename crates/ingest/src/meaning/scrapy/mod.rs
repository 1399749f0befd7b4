//! Scrapy's text logs: records over many lines, several runs in one file.
//!
//! A record begins with a head (`2026-03-04 11:22:33 [logger] LEVEL: `); every line without one
//! continues the record before it. A run begins at `Scrapy … started`; the lines that follow belong
//! to it until the next one begins, because Scrapy still writes after it closed the spider.

pub(crate) mod logparser;
mod message;
mod settings;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dragline_schema::{
    Dialect, DuplicateDetected, Event, Json, Level, Position, ProductAction, ProductProcessed,
    Record, Request, RunSummary, ScraperEnd, ScraperError, ScraperStart, Sink, Timestamp,
};
use serde::{Deserialize, Serialize};

use xxhash_rust::xxh3::xxh3_64;

use self::logparser::Job;
use self::message::{Fact, Head};
use crate::framing::body::{Body, is_typed};
use crate::framing::crash::{self, Extent};
use crate::framing::lines::append;
use crate::meaning::map::Map;
use crate::meaning::text::Begun;
use crate::meaning::traceback;
use crate::parsing::time::Local;
use crate::parsing::{Object, scalar};

/// A record's text is kept up to this size; more lines of it are read and left out.
const MAX_RECORD: usize = 1 << 20;
/// What Twisted says before it says what it was.
const UNHANDLED: &str = "Unhandled error in Deferred:";
/// Of so many URLs we remember that their request was given up.
const MAX_GIVEN_UP: usize = 10_000;

/// The decoder of one family of files.
#[derive(Default)]
pub(crate) struct Scrapy {
    /// The family's name, hashed, for the ids of runs, which Scrapy does not give: two machines'
    /// scrapers start in the same second and log under the same file name.
    family: u32,
    /// What the user calls its statistics.
    map: Arc<Map>,
    pending: Option<Pending>,
    /// The spider's name, where a formatter writes it beside each message.
    json_spider: Option<String>,
    /// The text of a record that another seemed to interrupt.
    interrupted: Option<Body>,
    state: State,
}

/// What the lines before one say of its run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    run: Option<RunState>,
    /// How many runs began in each second, so that their ids differ.
    started: BTreeMap<String, u32>,
    /// Whether lines of Scrapy's came in a format of somebody's own.
    has_own_format: bool,
}

/// A record whose lines may go on.
pub(crate) struct Pending {
    time: Option<Timestamp>,
    logger: String,
    level: Level,
    text: String,
    at: Position,
    body: Body,
    extent: Option<Extent>,
    had_crash: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RunState {
    bot: Option<String>,
    run_id: String,
    /// The spider's name shows only where it logs itself.
    spider: Option<String>,
    spider_told: bool,
    /// How many crawlers the process opened, and how many of them it closed.
    #[serde(default)]
    opened: u32,
    #[serde(default)]
    closed: u32,
    /// What the crawlers of the process told so far; not kept, as only the same moment tells it.
    #[serde(skip)]
    account: Option<RunSummary<'static>>,
    /// The hashes of URLs.
    given_up: BTreeSet<u64>,
    last: Option<(Timestamp, Position)>,
}

impl RunState {
    /// Whether all crawlers are closed that it opened.
    fn is_closed(&self) -> bool {
        self.closed > 0 && self.closed >= self.opened
    }

    /// The account of the process: a crawler's, with those of the others that ran at the same time.
    fn sum<'r>(&mut self, told: RunSummary<'r>) -> RunSummary<'r> {
        if self.opened < 2 {
            return told;
        }
        let sum = match self.account.take() {
            Some(before) => message::added(before, &told),
            None => message::added(RunSummary::default(), &told),
        };
        self.account = Some(sum.clone());
        RunSummary {
            scraper_id: told.scraper_id,
            finish_reason: told.finish_reason,
            ..sum
        }
    }
}

impl Scrapy {
    pub(crate) fn new(family: &str, map: Arc<Map>) -> Self {
        let family = xxh3_64(family.as_bytes()) as u32;
        Self {
            family,
            map,
            ..Self::default()
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state.clone()
    }

    pub(crate) fn restore(&mut self, state: State) {
        self.state = state;
    }

    /// What a line begins; `None` when it begins no record.
    pub(crate) fn begin(line: &str, at: Position, local: &Local) -> Option<Pending> {
        let head = Head::parse(line)?;
        Some(Pending {
            time: head.timestamp(local),
            logger: head.logger.to_owned(),
            level: head.level,
            body: Body::of(head.message),
            text: head.message.to_owned(),
            at,
            extent: None,
            had_crash: false,
        })
    }

    /// Takes a record of Scrapy's that has a format of somebody's own; leaves others as they are.
    pub(crate) fn claim(
        &mut self,
        begun: &mut Begun,
        local: &Local,
        taken_at: Option<Timestamp>,
    ) -> Option<Pending> {
        let logger = begun.logger.as_deref().unwrap_or_default();
        let is_own = logger == "scrapy" || logger.starts_with("scrapy.");
        // Celery's format, and others, leave the logger out.
        let begins = logger.is_empty() && message::is_start(&begun.text);
        self.state.has_own_format |= is_own || begins;
        let level = Level::from_word(&begun.level);
        let level = level.filter(|_| self.state.has_own_format)?;
        Some(Pending {
            // Where its format has none, what an envelope says holds.
            time: begun.timestamp(local).map(|(time, _)| time).or(taken_at),
            logger: begun.logger.take().unwrap_or_default(),
            level,
            body: Body::of(&begun.text),
            text: std::mem::take(&mut begun.text),
            at: begun.at,
            extent: None,
            had_crash: false,
        })
    }

    /// Takes a record of Scrapy's that another formatter wrote as JSON.
    pub(crate) fn claim_json(&mut self, record: &Record<'_>, at: Position) -> Option<Pending> {
        let logger = record.target.as_deref()?;
        let is_own = logger == "scrapy" || logger.starts_with("scrapy.");
        if !is_own || record.dialect == Dialect::Dragline {
            return None;
        }
        self.json_spider = record
            .scraper_id
            .as_deref()
            .and_then(spider_of)
            .or(self.json_spider.take());
        let mut text = record.message.as_deref()?.to_owned();
        if let Event::ScraperError(error) = &record.event
            && let Some(traceback) = &error.traceback
            && !text.contains("Traceback (most")
        {
            text.push('\n');
            text.push_str(traceback);
        }
        Some(Pending {
            time: record.timestamp,
            logger: logger.to_owned(),
            level: record.level.unwrap_or(Level::Info),
            body: Body::of(&text),
            text,
            at,
            extent: None,
            had_crash: false,
        })
    }

    /// Forgets the open record.
    pub(crate) fn drop_pending(&mut self) {
        self.pending = None;
    }

    /// The text of the open record.
    pub(crate) fn pending_text(&self) -> Option<&str> {
        self.pending.as_ref().map(|pending| &*pending.text)
    }

    /// Opens the record that a line began; the one before it is to be flushed first.
    pub(crate) fn open(&mut self, begun: Pending) {
        self.pending = Some(begun);
    }

    /// Whether a record that begins is the rest of the open one: Twisted says in one that nobody handled an error,
    /// and in the next what it was.
    pub(crate) fn completes(&mut self, begun: &Pending) -> bool {
        let Some(pending) = &mut self.pending else {
            return false;
        };
        let is_announced = pending.text.trim_end() == UNHANDLED && pending.level == begun.level;
        let is_rest =
            is_announced && begun.text.trim().is_empty() && pending.logger == begun.logger;
        if is_rest {
            pending.text.truncate(UNHANDLED.len());
        }
        is_rest
    }

    /// Takes a line of a text that a record seemed to interrupt: what an item quotes may look like one.
    fn goes_on_behind(&mut self, line: &str) -> bool {
        let is_own = self.interrupted.as_ref().is_some_and(Body::is_open);
        if is_own && let Some(body) = &mut self.interrupted {
            body.takes(line);
        }
        is_own
    }

    /// Whether a record is open that the next line may continue.
    pub(crate) fn is_open(&self) -> bool {
        self.pending.is_some()
    }

    /// When the open record was written, if it is no error.
    pub(crate) fn logged_at(&self) -> Option<Timestamp> {
        let pending = self.pending.as_ref()?;
        pending.time.filter(|_| pending.level < Level::Error)
    }

    /// Where the open record begins.
    pub(crate) fn open_at(&self) -> Option<Position> {
        self.pending.as_ref().map(|pending| pending.at)
    }

    /// Takes a line that continues the open record; `false` when it does not.
    pub(crate) fn go_on(&mut self, line: &str) -> bool {
        let Some(pending) = &mut self.pending else {
            return false;
        };
        let is_own = pending.takes(line);
        if is_own {
            append(&mut pending.text, line, MAX_RECORD);
        }
        is_own || self.goes_on_behind(line)
    }

    /// Whether the open record waits for a line, whatever that looks like.
    pub(crate) fn awaits(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| {
            pending.body.awaits() || (!pending.text.contains('\n') && has_body(&pending.text))
        })
    }

    /// Whether a line is within the crash that the open record logged.
    pub(crate) fn is_in_crash(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.extent.is_some())
    }

    /// The current run's id, and whose it is.
    pub(crate) fn run(&self) -> Option<(&str, Option<&str>)> {
        let run = self.state.run.as_ref()?;
        Some((&run.run_id, run.bot.as_deref()))
    }

    /// Hands over the open record: nothing continues it.
    pub(crate) fn flush(&mut self, sink: &mut dyn Sink) {
        if let Some(mut pending) = self.pending.take() {
            self.json_spider = pending.cut_extra().or(self.json_spider.take());
            if pending.body.is_open() {
                self.interrupted = Some(pending.body);
            } else if !self.interrupted.as_ref().is_some_and(Body::is_open) {
                self.interrupted = None;
            }
            self.emit(&pending, sink);
        }
    }

    /// Hands over what is left at the end of the family.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) {
        self.flush(sink);
        self.tell_spider(sink);
    }

    fn emit(&mut self, pending: &Pending, sink: &mut dyn Sink) {
        let fact = message::read(&pending.logger, &pending.text);
        if let Some(Fact::Started { bot }) = fact {
            self.tell_spider(sink);
            self.state.run = Some(self.new_run(Some(bot.to_owned()), pending.time));
        }
        // One process runs crawlers one after the other, and says once that it began.
        let opens = pending.text.starts_with("Spider opened");
        if opens
            && let Some(run) = &self.state.run
            && run.is_closed()
        {
            let bot = run.bot.clone();
            self.tell_spider(sink);
            self.state.run = Some(self.new_run(bot, pending.time));
        }
        if self.state.run.is_none() {
            // The file begins in the middle of a run.
            self.state.run = Some(self.new_run(None, pending.time));
        }
        let Some(run) = &mut self.state.run else {
            return;
        };
        if let Some(spider) = &self.json_spider {
            run.spider.get_or_insert_with(|| spider.clone());
        }
        if is_spider(&pending.logger) {
            run.spider.get_or_insert_with(|| pending.logger.clone());
        }
        run.opened += u32::from(opens);
        let event = match event(fact, pending, run) {
            Event::Summary(mut summary) if summary.config.is_none() => {
                summary.own = message::own(summary.own, &self.map);
                Event::Summary(Box::new(run.sum(*summary)))
            }
            event => event,
        };
        if let Some(time) = pending.time {
            run.last = Some((time, pending.at));
        }
        let closing = matches!(event, Event::ScraperEnd(_));
        run.closed += u32::from(pending.text.starts_with("Spider closed ("));
        let record = Record {
            timestamp: pending.time,
            level: Some(pending.level),
            target: Some(Cow::Borrowed(&pending.logger)),
            scraper_id: run.bot.as_deref().map(Cow::Borrowed),
            run_id: Some(Cow::Borrowed(&run.run_id)),
            message: Some(Cow::Borrowed(message::first_line(&pending.text))),
            event,
            dialect: Dialect::Scrapy,
            is_zoneless: true,
            ..Record::default()
        };
        sink.record(&record, pending.at);
        if closing {
            self.tell_spider(sink);
        }
    }

    /// Hands over a job that logparser tells of: it is a run by itself.
    pub(crate) fn tell_job(&mut self, job: &Job, at: Position, local: &Local, sink: &mut dyn Sink) {
        let mut run = self.new_run(job.bot.clone(), job.start);
        run.run_id = job.id.clone().unwrap_or(run.run_id);
        let run_id = run.run_id.clone();
        let scraper = job.spider.as_deref().or(job.bot.as_deref());
        let of = (scraper, &*run_id);
        let mut tell = |time, event| sink.record(&record(time, Level::Info, event, of), at);
        tell(job.start, Event::ScraperStart(ScraperStart::default()));
        let mut summary = job.summary.clone();
        summary.own = message::own(summary.own, &self.map);
        tell(job.end, Event::Summary(Box::new(summary)));
        if let Some(reason) = job.finish_reason.as_deref() {
            tell(job.end, Event::ScraperEnd(ended(reason)));
        }
        for text in &job.lines {
            let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
            let Some(mut line) = Self::begin(first, at, local) else {
                continue;
            };
            append(&mut line.text, rest, MAX_RECORD);
            let fact = message::read(&line.logger, &line.text);
            // Requests and items are in the statistics.
            let event = match event(fact, &line, &mut run) {
                event @ Event::ScraperError(_) => event,
                _ if line.level.is_error() => Event::ScraperError(error(&line)),
                _ => Event::Log,
            };
            let message = Some(Cow::Borrowed(message::first_line(&line.text)));
            let record = Record {
                message,
                target: Some(Cow::Borrowed(&line.logger)),
                ..record(line.time, line.level, event, of)
            };
            sink.record(&record, at);
        }
    }

    fn new_run(&mut self, bot: Option<String>, time: Option<Timestamp>) -> RunState {
        let start = time.map_or_else(
            || "unknown".to_owned(),
            |time| time.to_civil().strftime("%Y%m%dT%H%M%S").to_string(),
        );
        let count = self.state.started.entry(start.clone()).or_default();
        *count += 1;
        let nth = if *count > 1 {
            format!("-{count}")
        } else {
            String::new()
        };
        RunState {
            bot,
            run_id: format!("{start}{nth}-{:08x}", self.family),
            spider: None,
            spider_told: false,
            opened: 0,
            closed: 0,
            account: None,
            given_up: BTreeSet::new(),
            last: None,
        }
    }

    /// Tells the spider's name, once it is known and the run is over.
    fn tell_spider(&mut self, sink: &mut dyn Sink) {
        let Some(run) = &mut self.state.run else {
            return;
        };
        let (Some(spider), Some((time, at)), false) = (&run.spider, run.last, run.spider_told)
        else {
            return;
        };
        run.spider_told = true;
        let summary = RunSummary {
            scraper_id: Some(Cow::Borrowed(spider)),
            ..RunSummary::default()
        };
        let record = Record {
            timestamp: Some(time),
            scraper_id: run.bot.as_deref().map(Cow::Borrowed),
            run_id: Some(Cow::Borrowed(&run.run_id)),
            event: Event::Summary(Box::new(summary)),
            dialect: Dialect::Scrapy,
            ..Record::default()
        };
        sink.record(&record, at);
    }
}

impl Pending {
    /// When it was written.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Whether a line belongs to it.
    fn takes(&mut self, line: &str) -> bool {
        if let Some(extent) = &mut self.extent {
            if extent.takes(line) {
                return true;
            }
            self.extent = None;
        }
        if !line.trim().is_empty()
            && let Some(extent) = Extent::begin(line)
        {
            // An item may hold whatever a page did.
            let is_quoted = self.body.is_open();
            let is_group = line.trim_start().starts_with("+ Exception Group");
            let is_indented = line.starts_with([' ', '\t']) && !is_group;
            let is_own = crash::may_have_logged(Some(self.level)) || is_indented || is_quoted;
            if self.had_crash || !is_own {
                return false;
            }
            if !is_quoted {
                self.extent = Some(extent.logged());
                self.had_crash = true;
                return true;
            }
        }
        self.body.takes(line)
            || (!self.text.contains('\n') && has_body(&self.text))
            || (self.level.is_error() && is_typed(line))
    }
}

impl Pending {
    /// Takes away what a formatter put behind the message, ` ({"spider": "<LinesSpider 'tram_lines' at 0x7f0c>"})`;
    /// gives the spider that it names.
    fn cut_extra(&mut self) -> Option<String> {
        let text = self.text.trim_end();
        let begin = text.strip_suffix("})")?.rfind(" ({\"")?;
        let object = Object::parse(&text[begin + 2..text.len() - 1])?;
        if !object
            .fields
            .iter()
            .all(|(key, _)| key == "spider" || key == "crawler")
        {
            return None;
        }
        let spider = object.fields.iter().find(|(key, _)| key == "spider");
        let spider = spider.and_then(|(_, raw)| scalar(raw)?.into_text());
        let spider = spider.and_then(|shown| spider_of(&shown));
        self.text.truncate(begin);
        spider
    }
}

/// The name of a spider that a formatter wrote: `tram_lines`, `<LinesSpider 'tram_lines' at 0x7f0c>`.
fn spider_of(text: &str) -> Option<String> {
    let name = match text.split_once('\'') {
        Some((_, rest)) => rest.split_once('\'')?.0,
        None => text,
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// Whether a message's next line is what it is about, however that looks.
fn has_body(message: &str) -> bool {
    message.starts_with("Scraped from")
        || message.starts_with("Dropped: ")
        || message.ends_with(':')
}

/// Loggers without a dot are a spider's, but for those of well-known libraries.
fn is_spider(logger: &str) -> bool {
    !logger.is_empty()
        && !logger.contains('.')
        && !matches!(
            logger,
            "scrapy"
                | "root"
                | "asyncio"
                | "twisted"
                | "urllib3"
                | "playwright"
                | "protego"
                | "filelock"
                | "tldextract"
                | "selenium"
                | "seleniumwire"
                | "websockets"
                | "charset_normalizer"
                | "chardet"
                | "botocore"
                | "boto3"
                | "s3transfer"
                | "pymongo"
                | "peewee"
                | "PIL"
                | "httpx"
                | "httpcore"
                | "hpack"
                | "h2"
                | "parso"
                | "trafilatura"
                | "newspaper"
                | "pika"
                | "kafka"
                | "redis"
                | "celery"
                | "kombu"
                | "sqlalchemy"
                | "psycopg"
                | "psycopg2"
                | "elasticsearch"
                | "elastic_transport"
                | "openai"
                | "nltk"
                | "pdfminer"
                | "fontTools"
                | "matplotlib"
                | "numexpr"
                | "WDM"
                | "apscheduler"
                | "concurrent"
                | "faker"
                | "readability"
                | "requests"
                | "cssselect"
                | "parsel"
                | "w3lib"
                | "itemloaders"
                | "stdout"
                | "stderr"
        )
        && !logger.starts_with("scrapy")
        && !logger.starts_with('_')
        && !logger.contains(',')
        && logger != "-"
        && !logger.contains('#')
}

/// What the record says to programs.
fn event<'p>(fact: Option<Fact<'p>>, pending: &'p Pending, run: &mut RunState) -> Event<'p> {
    match fact {
        Some(Fact::Started { .. }) => Event::ScraperStart(ScraperStart::default()),
        Some(Fact::Attempt {
            url,
            method,
            status,
            attempt,
        }) => {
            if pending.level.is_error() && run.given_up.len() < MAX_GIVEN_UP {
                run.given_up.insert(xxh3_64(url.as_bytes()));
            }
            Event::Request(Request {
                url: Some(url.into()),
                method: Some(method.into()),
                status_code: status,
                attempt,
                ..Request::default()
            })
        }
        Some(Fact::PageError {
            url,
            download: true,
        }) if !run.given_up.contains(&xxh3_64(url.as_bytes())) => {
            // The only line of an attempt that nobody tried again.
            let error = error(pending);
            Event::Request(Request {
                url: Some(url.into()),
                error_type: error.error_type,
                ..Request::default()
            })
        }
        Some(Fact::PageError { url, .. }) => Event::ScraperError(ScraperError {
            url: Some(url.into()),
            ..error(pending)
        }),
        Some(Fact::GaveUpOnStatus { url, status }) => Event::ScraperError(ScraperError {
            url: Some(url.into()),
            status_code: Some(status),
            ..error(pending)
        }),
        Some(Fact::Scraped { url }) => product(ProductAction::Saved, url),
        Some(Fact::Dropped) => product(ProductAction::Failed, None),
        Some(Fact::Duplicate { url }) => Event::DuplicateDetected(DuplicateDetected {
            url: Some(url.into()),
            ..DuplicateDetected::default()
        }),
        Some(Fact::Settings(config)) => Event::Summary(Box::new(RunSummary {
            config: Some(Json(config.into())),
            ..RunSummary::default()
        })),
        Some(Fact::Stats(summary)) => Event::Summary(summary),
        Some(Fact::Closed { reason }) => Event::ScraperEnd(ended(reason)),
        // Who was told to stop and is ended before it has: it did not finish, and it knew.
        Some(Fact::Closing { reason })
            if message::status_of(reason) != dragline_schema::RunStatus::Success =>
        {
            Event::ScraperEnd(ended(reason))
        }
        // Twisted says so, and then what it was.
        None if pending.text.trim_end() == UNHANDLED => Event::Log,
        None if pending.level.is_error() => Event::ScraperError(error(pending)),
        Some(Fact::Closing { .. }) | None => Event::Log,
    }
}

/// A record of a job's.
fn record<'r>(
    timestamp: Option<Timestamp>,
    level: Level,
    event: Event<'r>,
    (scraper, run_id): (Option<&'r str>, &'r str),
) -> Record<'r> {
    Record {
        timestamp,
        level: Some(level),
        scraper_id: scraper.map(Cow::Borrowed),
        run_id: Some(Cow::Borrowed(run_id)),
        event,
        dialect: Dialect::Scrapy,
        is_zoneless: true,
        ..Record::default()
    }
}

fn ended(reason: &str) -> ScraperEnd<'_> {
    ScraperEnd {
        status: Some(message::status_of(reason).as_str().into()),
        finish_reason: Some(reason.into()),
        ..ScraperEnd::default()
    }
}

fn product(action: ProductAction, url: Option<&str>) -> Event<'_> {
    Event::ProductProcessed(ProductProcessed {
        action: Some(action.as_str().into()),
        url: url.map(Cow::Borrowed),
        ..ProductProcessed::default()
    })
}

/// What asyncio says of a future that nobody asked: `future: <Future finished exception=Type('message')>`.
fn of_future(text: &str) -> Option<ScraperError<'_>> {
    let (_, told) = text.split_once(" exception=")?;
    let (error_type, rest) = told.split_once('(')?;
    let is_type = error_type
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    let message = rest.rsplit_once(')').map_or(rest, |(message, _)| message);
    let message = message.trim_matches(['\'', '"']);
    is_type.then(|| ScraperError {
        error_type: Some(error_type.into()),
        error_message: Some(message.into()),
        ..ScraperError::default()
    })
}

/// Type, message and causes out of the traceback that follows a record; without one, the record's
/// first line is the message.
fn error(pending: &Pending) -> ScraperError<'_> {
    let Some(parsed) = traceback::parse(&pending.text) else {
        return of_future(&pending.text).unwrap_or_default();
    };
    let text = |text| Some(Cow::Borrowed(text)).filter(|text: &Cow<'_, str>| !text.is_empty());
    let start = pending.text.find("Traceback (most").unwrap_or(0);
    let causes = (!parsed.causes.is_empty())
        .then(|| serde_json::to_string(&parsed.causes).ok())
        .flatten()
        .map(|json| Json(Cow::Owned(json)));
    ScraperError {
        error_type: text(parsed.error_type),
        error_message: text(parsed.message),
        causes,
        traceback: Some(Cow::Borrowed(&pending.text[start..])),
        function: parsed.function.map(Cow::Borrowed),
        ..ScraperError::default()
    }
}
