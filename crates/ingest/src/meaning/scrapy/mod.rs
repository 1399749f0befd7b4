//! Scrapy's text logs: multi-line records, several runs in one file.
//!
//! A record starts with a header (`2026-03-04 11:22:33 [logger] LEVEL: `); every line without one
//! continues the previous record. A run starts at `Scrapy … started`; all lines belong to it until the next
//! run starts, because Scrapy still logs after it has closed the spider.

mod events;
pub(crate) mod logparser;
mod message;
mod pending;
mod settings;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dragline_schema::{
    Dialect, Event, Level, Position, Record, RunSummary, ScraperStart, Sink, Timestamp,
};
use serde::{Deserialize, Serialize};

use xxhash_rust::xxh3::xxh3_64;

use self::events::{ended, error, event, record};
use self::logparser::Job;
use self::message::{Fact, Head};
use self::pending::{has_body, is_spider, spider_of};
use crate::framing::body::Body;
use crate::framing::crash::Extent;
use crate::framing::lines::append;
use crate::meaning::map::Map;
use crate::meaning::text::Begun;
use crate::parsing::time::Local;

/// Maximum size of a record's text in bytes; further lines are read and dropped.
const MAX_RECORD: usize = 1 << 20;
/// Twisted's announcement of an error, which follows in the next record.
const UNHANDLED: &str = "Unhandled error in Deferred:";
/// Maximum number of URLs remembered as given up.
const MAX_GIVEN_UP: usize = 10_000;

/// The decoder of one family of files.
#[derive(Default)]
pub(crate) struct Scrapy {
    /// Hash of the family's name, used for run ids, because Scrapy does not log any. Scrapers on two machines
    /// can start in the same second and log under the same file name.
    family: u32,
    /// The user's names for statistics.
    map: Arc<Map>,
    pending: Option<Pending>,
    /// The spider's name, if a formatter adds it to each message.
    json_spider: Option<String>,
    /// The text of a record that another one seemed to interrupt.
    interrupted: Option<Body>,
    state: State,
}

/// What previous lines say about the current run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    run: Option<RunState>,
    /// Number of runs started in each second, to make their ids unique.
    started: BTreeMap<String, u32>,
    /// Whether Scrapy's lines are in a user-defined format.
    has_own_format: bool,
}

/// An open record, which may continue.
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
    /// The spider's name, known only once the spider itself logs.
    spider: Option<String>,
    spider_told: bool,
    /// Number of crawlers that the process opened, and of those it closed.
    #[serde(default)]
    opened: u32,
    #[serde(default)]
    closed: u32,
    /// Sum of the statistics of the process's crawlers so far. Not saved, because crawlers that run at the same
    /// time report together.
    #[serde(skip)]
    account: Option<RunSummary<'static>>,
    /// The hashes of URLs.
    given_up: BTreeSet<u64>,
    last: Option<(Timestamp, Position)>,
}

impl RunState {
    /// Whether all opened crawlers are closed.
    fn is_closed(&self) -> bool {
        self.closed > 0 && self.closed >= self.opened
    }

    /// Adds a crawler's statistics to those of the crawlers that ran in the process at the same time.
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

    /// Starts a record with this line; `None` if it has no header.
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

    /// Takes over a text record of Scrapy in a user-defined format; leaves others unchanged.
    pub(crate) fn claim(
        &mut self,
        begun: &mut Begun,
        local: &Local,
        taken_at: Option<Timestamp>,
    ) -> Option<Pending> {
        let logger = begun.logger.as_deref().unwrap_or_default();
        let is_own = logger == "scrapy" || logger.starts_with("scrapy.");
        // Celery's format, among others, omits the logger.
        let begins = logger.is_empty() && message::is_start(&begun.text);
        self.state.has_own_format |= is_own || begins;
        let level = Level::from_word(&begun.level);
        let level = level.filter(|_| self.state.has_own_format)?;
        Some(Pending {
            // If its format has no time, use the envelope's.
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

    /// Takes over a record of Scrapy that a formatter wrote as JSON.
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

    /// Discards the open record.
    pub(crate) fn drop_pending(&mut self) {
        self.pending = None;
    }

    /// The text of the open record.
    pub(crate) fn pending_text(&self) -> Option<&str> {
        self.pending.as_ref().map(|pending| &*pending.text)
    }

    /// Opens a record; the caller must flush the previous one first.
    pub(crate) fn open(&mut self, begun: Pending) {
        self.pending = Some(begun);
    }

    /// Whether a new record is the rest of the open one: Twisted announces an unhandled error in one record and
    /// describes it in the next.
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

    /// Takes a line of a text that a record seemed to interrupt: text quoted in an item can look like a record.
    fn goes_on_behind(&mut self, line: &str) -> bool {
        let is_own = self.interrupted.as_ref().is_some_and(Body::is_open);
        if is_own && let Some(body) = &mut self.interrupted {
            body.takes(line);
        }
        is_own
    }

    /// Whether a record is open, which the next line may continue.
    pub(crate) fn is_open(&self) -> bool {
        self.pending.is_some()
    }

    /// The open record's time, if its level is below error.
    pub(crate) fn logged_at(&self) -> Option<Timestamp> {
        let pending = self.pending.as_ref()?;
        pending.time.filter(|_| pending.level < Level::Error)
    }

    /// The position of the open record.
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

    /// Whether the open record expects another line, whatever that looks like.
    pub(crate) fn awaits(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| {
            pending.body.awaits() || (!pending.text.contains('\n') && has_body(&pending.text))
        })
    }

    /// Whether the next line may be part of a crash that the open record logs.
    pub(crate) fn is_in_crash(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.extent.is_some())
    }

    /// The current run's id and bot name.
    pub(crate) fn run(&self) -> Option<(&str, Option<&str>)> {
        let run = self.state.run.as_ref()?;
        Some((&run.run_id, run.bot.as_deref()))
    }

    /// Passes the open record, now complete, to the sink.
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

    /// Passes on what is left at the end of the family.
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
        // A process that runs crawlers one after the other logs `Scrapy … started` only once.
        // The middleware of Scrapy's project template repeats it with the spider's name.
        let opens = message::first_line(&pending.text).trim_end() == "Spider opened";
        if opens
            && let Some(run) = &self.state.run
            && run.is_closed()
        {
            let bot = run.bot.clone();
            self.tell_spider(sink);
            self.state.run = Some(self.new_run(bot, pending.time));
        }
        if self.state.run.is_none() {
            // The file starts in the middle of a run.
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
        let items_lost = u32::from(fact == Some(Fact::Lost));
        let event = match event(fact, pending, run) {
            Event::Summary(mut summary)
                if summary.config.is_none() && summary.progress.is_none() =>
            {
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
            items_lost,
            dialect: Dialect::Scrapy,
            is_zoneless: true,
            ..Record::default()
        };
        sink.record(&record, pending.at);
        if closing {
            self.tell_spider(sink);
        }
    }

    /// Passes on the records of a logparser job, which is a run of its own.
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
            let items_lost = u32::from(fact == Some(Fact::Lost));
            // Requests and items are already in the statistics.
            let event = match event(fact, &line, &mut run) {
                event @ Event::ScraperError(_) => event,
                _ if line.level.is_error() => Event::ScraperError(error(&line)),
                _ => Event::Log,
            };
            let message = Some(Cow::Borrowed(message::first_line(&line.text)));
            let record = Record {
                message,
                items_lost,
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

    /// Reports the spider's name when it is known and the run is over, once per run.
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
