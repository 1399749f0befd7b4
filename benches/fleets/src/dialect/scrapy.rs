//! Scrapy's own log: a file a job, as scrapyd keeps them, `PROJECT/SPIDER/JOB.log`.
//!
//! All spiders belong to one bot. Only some of them log lines of their own, and so name themselves;
//! of the others the path and the settings tell. At INFO requests and items stand in the statistics
//! alone, which a job that was killed has none of.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use jiff::tz::TimeZone;

use super::native::{Failure, Item, Request, Run, What};
use super::{Level, Record, phrase, text};
use crate::dice::Dice as _;
use crate::writer::{MINUTE, SECOND, instant};

const CORE: &str = "scrapy.core.engine";
const RETRY: &str = "scrapy.downloadermiddlewares.retry";
const SCRAPER: &str = "scrapy.core.scraper";
/// A pause longer than this is none of Scrapy's own: its clock jumped, or lines are lost.
const PAUSE: i64 = 8 * MINUTE;

/// What every job says of the machine.
const VERSIONS: &str = "Versions:
{'lxml': '5.4.0',
 'libxml2': '2.13.8',
 'cssselect': '1.3.0',
 'parsel': '1.10.0',
 'w3lib': '2.3.1',
 'Twisted': '24.11.0',
 'Python': '3.12.3 (main, Feb  4 2025, 14:48:35) [GCC 13.3.0]',
 'pyOpenSSL': '25.1.0 (OpenSSL 3.5.0 8 Apr 2025)',
 'cryptography': '45.0.2',
 'Platform': 'Linux-6.8.0-58-generic-x86_64-with-glibc2.39'}";
const EXTENSIONS: &str = "Enabled extensions:
['scrapy.extensions.corestats.CoreStats',
 'scrapy.extensions.logcount.LogCount',
 'scrapy.extensions.telnet.TelnetConsole',
 'scrapy.extensions.memusage.MemoryUsage',
 'scrapy.extensions.logstats.LogStats']";
const DOWNLOADER: &str = "Enabled downloader middlewares:
['scrapy.downloadermiddlewares.offsite.OffsiteMiddleware',
 'scrapy.downloadermiddlewares.httpauth.HttpAuthMiddleware',
 'scrapy.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware',
 'scrapy.downloadermiddlewares.defaultheaders.DefaultHeadersMiddleware',
 'scrapy.downloadermiddlewares.useragent.UserAgentMiddleware',
 'scrapy.downloadermiddlewares.retry.RetryMiddleware',
 'scrapy.downloadermiddlewares.redirect.MetaRefreshMiddleware',
 'scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware',
 'scrapy.downloadermiddlewares.redirect.RedirectMiddleware',
 'scrapy.downloadermiddlewares.cookies.CookiesMiddleware',
 'scrapy.downloadermiddlewares.httpproxy.HttpProxyMiddleware',
 'scrapy.downloadermiddlewares.stats.DownloaderStats']";
const SPIDER: &str = "Enabled spider middlewares:
['scrapy.spidermiddlewares.start.StartSpiderMiddleware',
 'scrapy.spidermiddlewares.httperror.HttpErrorMiddleware',
 'scrapy.spidermiddlewares.referer.RefererMiddleware',
 'scrapy.spidermiddlewares.urllength.UrlLengthMiddleware',
 'scrapy.spidermiddlewares.depth.DepthMiddleware']";
const PIPELINES: &str = "Enabled item pipelines:
['crawl.pipelines.DuplicatesPipeline', 'crawl.pipelines.StorePipeline']";
/// The frames between Scrapy and a spider's callback.
const CALLBACK: &str = "Traceback (most recent call last):
  File \"/srv/crawl/venv/lib/python3.12/site-packages/scrapy/utils/defer.py\", line 343, in aiter_errback
    yield await it.__anext__()
          ^^^^^^^^^^^^^^^^^^^^
  File \"/srv/crawl/venv/lib/python3.12/site-packages/scrapy/utils/python.py\", line 374, in __anext__
    return await self.data.__anext__()
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File \"/srv/crawl/venv/lib/python3.12/site-packages/scrapy/core/spidermw.py\", line 119, in process_async
    async for r in iterable:
";
/// The frames of a download that took too long.
const DOWNLOAD: &str = "Traceback (most recent call last):
  File \"/srv/crawl/venv/lib/python3.12/site-packages/twisted/internet/defer.py\", line 2013, in _inlineCallbacks
    result = context.run(
             ^^^^^^^^^^^^
  File \"/srv/crawl/venv/lib/python3.12/site-packages/scrapy/core/downloader/handlers/http11.py\", line 402, in _cb_timeout
    raise TimeoutError(f\"Getting {url} took longer than {timeout} seconds.\")
";

/// The name of a job's log without its end, and its records.
pub(super) fn records(
    run: &Run,
    debug: bool,
    voice: &mut Rng,
    rng: &mut Rng,
) -> (String, Vec<Record>) {
    let name = format!("crawl/{}/{:032x}", run.scraper, rng.u128(..));
    let mut job = Job {
        run,
        debug,
        talks: voice.chance(0.6),
        records: Vec::new(),
        levels: BTreeMap::new(),
        stats: BTreeMap::new(),
        pages: 0,
        items: 0,
        told: (0, 0),
        opened: run.start() + rng.i64(90_000..190_000),
        tick: 0,
        last: run.start(),
        memory: rng.u64(60_000_000..90_000_000) / 4096 * 4096,
    };
    job.open(&name, rng);
    for event in &run.events {
        job.pass(event.time);
        match &event.what {
            What::Request(request) => job.request(event.time, request),
            What::Failure(failure) if !failure.fetching => job.failure(event.time, failure),
            What::Item(item) => job.item(event.time, item),
            What::Duplicate(item) => job.duplicate(event.time, item),
            What::Finished => job.close(event.time),
            _ => {}
        }
    }
    (name, job.records)
}

/// A crawl at work.
struct Job<'a> {
    run: &'a Run,
    debug: bool,
    /// The spider logs lines of its own.
    talks: bool,
    records: Vec<Record>,
    /// Records by level.
    levels: BTreeMap<&'static str, u64>,
    stats: BTreeMap<String, u64>,
    pages: u64,
    items: u64,
    /// Pages and items a minute ago.
    told: (u64, u64),
    opened: i64,
    /// When it last told of them.
    tick: i64,
    /// The last event.
    last: i64,
    memory: u64,
}

impl Job<'_> {
    fn say(&mut self, time: i64, logger: &str, level: Level, message: &str) {
        if level == Level::Debug && !self.debug {
            return;
        }
        *self.levels.entry(level.name()).or_default() += 1;
        let head = instant(time).strftime("%Y-%m-%d %H:%M:%S");
        let text = format!("{head} [{logger}] {}: {message}", level.name());
        self.records.push(Record { time, text });
    }

    fn count(&mut self, key: &str, by: u64) {
        *self.stats.entry(key.to_owned()).or_default() += by;
    }

    /// What is said before the first request.
    fn open(&mut self, name: &str, rng: &mut Rng) {
        let (begin, opened) = (self.run.start(), self.opened);
        let log = "scrapy.utils.log";
        let middleware = "scrapy.middleware";
        let telnet = "scrapy.extensions.telnet";
        let started = "Scrapy 2.13.0 started (bot: crawl)";
        let password = format!("Telnet Password: {:016x}", rng.u64(..));
        let reactor = "Using reactor: twisted.internet.asyncioreactor.AsyncioSelectorReactor";
        let event_loop = "Using asyncio event loop: asyncio.unix_events._UnixSelectorEventLoop";
        self.say(begin, log, Level::Info, started);
        self.say(begin, log, Level::Info, VERSIONS);
        let addons = "Enabled addons:\n[]";
        self.say(begin, "scrapy.addons", Level::Info, addons);
        let selector = "Using selector: EpollSelector";
        self.say(begin, "asyncio", Level::Debug, selector);
        self.say(begin, log, Level::Debug, reactor);
        self.say(begin, log, Level::Debug, event_loop);
        self.say(begin, telnet, Level::Info, &password);
        self.say(begin, middleware, Level::Info, EXTENSIONS);
        let settings = self.settings(name);
        self.say(begin, "scrapy.crawler", Level::Info, &settings);
        for enabled in [DOWNLOADER, SPIDER, PIPELINES] {
            self.say(opened, middleware, Level::Info, enabled);
        }
        self.say(opened, CORE, Level::Info, "Spider opened");
        self.log_stats(opened);
        let console = "Telnet console listening on 127.0.0.1:6023";
        self.say(opened, telnet, Level::Info, console);
    }

    /// What the project and scrapyd set.
    fn settings(&self, name: &str) -> String {
        let mut settings = vec![
            "'BOT_NAME': 'crawl'".to_owned(),
            format!("'CONCURRENT_REQUESTS': {}", self.run.concurrency()),
            "'DOWNLOAD_TIMEOUT': 10".to_owned(),
            format!("'LOG_FILE': 'logs/{name}.log'"),
        ];
        if !self.debug {
            settings.push("'LOG_LEVEL': 'INFO'".to_owned());
        }
        settings.push("'NEWSPIDER_MODULE': 'crawl.spiders'".to_owned());
        if self.never_retries() {
            settings.push("'RETRY_ENABLED': False".to_owned());
        }
        settings.push("'SPIDER_MODULES': ['crawl.spiders']".to_owned());
        format!("Overridden settings:\n{{{}}}", settings.join(",\n "))
    }

    /// Whether requests failed that could have been tried again, and none was.
    fn never_retries(&self) -> bool {
        let requests = || {
            self.run
                .events
                .iter()
                .filter_map(|event| match &event.what {
                    What::Request(request) => Some(request),
                    _ => None,
                })
        };
        requests().any(Request::is_passing) && !requests().any(|request| request.retried)
    }

    /// The line of each minute that has passed.
    fn pass(&mut self, time: i64) {
        if (time - self.last).abs() > PAUSE {
            self.tick = time;
        }
        while self.tick + MINUTE <= time {
            self.log_stats(self.tick + MINUTE);
        }
        self.last = time;
    }

    fn log_stats(&mut self, time: i64) {
        let (pages, items) = (self.pages, self.items);
        let message = format!(
            "Crawled {pages} pages (at {} pages/min), scraped {items} items (at {} items/min)",
            pages - self.told.0,
            items - self.told.1,
        );
        self.say(time, "scrapy.extensions.logstats", Level::Info, &message);
        self.told = (pages, items);
        self.tick = time;
    }

    fn request(&mut self, time: i64, request: &Request) {
        let url = &request.url;
        self.count("downloader/request_bytes", 260 + url.len() as u64);
        for key in [
            "downloader/request_count",
            "downloader/request_method_count/GET",
            "scheduler/dequeued",
            "scheduler/dequeued/memory",
            "scheduler/enqueued",
            "scheduler/enqueued/memory",
        ] {
            self.count(key, 1);
        }
        let Some(status) = request.status else {
            self.timeout(time, request);
            return;
        };
        self.count("downloader/response_count", 1);
        self.count("downloader/response_bytes", request.bytes + 240);
        let key = format!("downloader/response_status_count/{status}");
        self.count(&key, 1);
        let words = match status {
            429 => "Unknown Status",
            _ => phrase(status),
        };
        let reason = format!("{status} {words}");
        // The middleware tries again before the spider hears of it.
        if status >= 400 && request.retried {
            self.retry(time, request, &reason, &reason);
            return;
        }
        if request.is_passing() && request.attempt > 2 {
            self.give_up(time, request, &reason);
        }
        self.pages += 1;
        self.count("response_received_count", 1);
        let crawled = format!("Crawled ({status}) <GET {url}> (referer: None)");
        self.say(time, CORE, Level::Debug, &crawled);
        if status >= 400 {
            self.ignore(time, url, status);
        } else if request.retried {
            self.retry(time, request, "incomplete page", "incomplete page");
        } else if request.is_list() {
            self.list(time, url);
        }
    }

    fn ignore(&mut self, time: i64, url: &str, status: u16) {
        self.count("httperror/response_ignored_count", 1);
        let key = format!("httperror/response_ignored_status_count/{status}");
        self.count(&key, 1);
        let message = format!(
            "Ignoring response <{status} {url}>: HTTP status code is not handled or not allowed"
        );
        let logger = "scrapy.spidermiddlewares.httperror";
        self.say(time, logger, Level::Info, &message);
    }

    fn retry(&mut self, time: i64, request: &Request, reason: &str, key: &str) {
        self.count("retry/count", 1);
        let key = format!("retry/reason_count/{key}");
        self.count(&key, 1);
        let message = format!(
            "Retrying <GET {}> (failed {} times): {reason}",
            request.url, request.attempt
        );
        self.say(time, RETRY, Level::Debug, &message);
    }

    fn give_up(&mut self, time: i64, request: &Request, reason: &str) {
        self.count("retry/max_reached", 1);
        let message = format!(
            "Gave up retrying <GET {}> (failed {} times): {reason}",
            request.url, request.attempt
        );
        self.say(time, RETRY, Level::Error, &message);
    }

    /// Nobody answered.
    fn timeout(&mut self, time: i64, request: &Request) {
        let url = &request.url;
        let kind = "twisted.internet.error.TimeoutError";
        let reason = format!(
            "User timeout caused connection failure: Getting {url} took longer than 10.0 seconds.."
        );
        self.count("downloader/exception_count", 1);
        let key = format!("downloader/exception_type_count/{kind}");
        self.count(&key, 1);
        if request.retried {
            self.retry(time, request, &reason, kind);
            return;
        }
        if request.attempt > 2 {
            self.give_up(time, request, &reason);
        }
        let message = format!("Error downloading <GET {url}>\n{DOWNLOAD}{kind}: {reason}");
        self.say(time, SCRAPER, Level::Error, &message);
    }

    /// Some of the links of a list are known.
    fn list(&mut self, time: i64, url: &str) {
        if !self.stats.contains_key("dupefilter/filtered") {
            let message = format!(
                "Filtered duplicate request: <GET {url}> - no more duplicates will be shown (see DUPEFILTER_DEBUG to show all duplicates)"
            );
            self.say(time, "scrapy.dupefilters", Level::Debug, &message);
        }
        self.count("dupefilter/filtered", 1);
        if self.talks {
            let spider = &self.run.scraper;
            self.say(time, spider, Level::Info, &format!("Listing {url}"));
        }
    }

    /// An error on a page that was got.
    fn failure(&mut self, time: i64, failure: &Failure) {
        let url = &failure.url;
        let module = self.run.scraper.replace('-', "_");
        let (line, function, code) = text::place(failure);
        let kind = text::qualified(&failure.kind);
        let frames = |frames: &str, file: &str| {
            format!(
                "{frames}  File \"/srv/crawl/crawl/{file}.py\", line {line}, in {function}\n    {code}\n{kind}: {}",
                failure.message
            )
        };
        let spider = format!("spiders/{module}");
        let top = "Traceback (most recent call last):\n";
        if failure.survived {
            // The spider caught it, said so, and went on.
            let caught = frames(top, &spider);
            let logger = &self.run.scraper;
            let message = format!("Could not read all of {url}\n{caught}");
            self.say(time, logger, Level::Error, &message);
        } else if failure.kind == "DatabaseError" {
            let message = format!(
                "Error processing {{'url': '{url}'}}\n{}",
                frames(top, "pipelines")
            );
            self.say(time, SCRAPER, Level::Error, &message);
        } else {
            let key = format!("spider_exceptions/{}", text::short(&failure.kind));
            self.count(&key, 1);
            self.count("spider_exceptions/count", 1);
            let message = format!(
                "Spider error processing <GET {url}> (referer: None)\n{}",
                frames(CALLBACK, &spider)
            );
            self.say(time, SCRAPER, Level::Error, &message);
        }
    }

    fn item(&mut self, time: i64, item: &Item) {
        self.items += 1;
        self.count("item_scraped_count", 1);
        let message = format!("Scraped from <200 {}>\n{}", item.url, dict(item));
        self.say(time, SCRAPER, Level::Debug, &message);
    }

    fn duplicate(&mut self, time: i64, item: &Item) {
        self.count("item_dropped_count", 1);
        self.count("item_dropped_reasons_count/DropItem", 1);
        let message = format!("Dropped: Duplicate item found: {}\n{}", item.id, dict(item));
        self.say(time, SCRAPER, Level::Warning, &message);
    }

    fn close(&mut self, time: i64) {
        self.say(time, CORE, Level::Info, "Closing spider (finished)");
        let dump = self.dump(time);
        self.say(time, "scrapy.statscollectors", Level::Info, &dump);
        self.say(time, CORE, Level::Info, "Spider closed (finished)");
    }

    /// The statistics, as Python shows a dictionary.
    fn dump(&self, time: i64) -> String {
        let seconds = (time - self.opened).max(0) as f64 / SECOND as f64;
        let per_minute = |count: u64| format!("{:?}", count as f64 * 60.0 / seconds.max(1.0));
        let memory = self.memory.to_string();
        let more = [
            ("elapsed_time_seconds", format!("{seconds:?}")),
            ("finish_reason", "'finished'".to_owned()),
            ("finish_time", datetime(time)),
            ("items_per_minute", per_minute(self.items)),
            ("memusage/max", memory.clone()),
            ("memusage/startup", memory),
            ("responses_per_minute", per_minute(self.pages)),
            ("start_time", datetime(self.opened)),
        ];
        let counts = self.stats.iter();
        let mut stats: BTreeMap<String, String> = counts
            .map(|(key, count)| (key.clone(), count.to_string()))
            .collect();
        let levels = self.levels.iter();
        stats
            .extend(levels.map(|(level, lines)| (format!("log_count/{level}"), lines.to_string())));
        stats.extend(more.map(|(key, value)| (key.to_owned(), value)));
        let lines: Vec<String> = stats
            .iter()
            .map(|(key, value)| format!("'{key}': {value}"))
            .collect();
        format!("Dumping Scrapy stats:\n{{{}}}", lines.join(",\n "))
    }
}

/// An item as Python shows it; what is missing is None.
fn dict(item: &Item) -> String {
    let (id, url, name) = (&item.id, &item.url, item.name());
    if item.article {
        let author = item.author.as_ref();
        let author = author.map_or("None".to_owned(), |author| format!("'{author}'"));
        format!("{{'id': '{id}', 'title': '{name}', 'author': {author}, 'url': '{url}'}}")
    } else {
        let price = item.price;
        let price = price.map_or("None".to_owned(), |price| format!("{price:?}"));
        format!("{{'id': '{id}', 'name': '{name}', 'price': {price}, 'url': '{url}'}}")
    }
}

/// A time as Python shows it: without its end where that is zero.
pub(super) fn datetime(time: i64) -> String {
    let time = instant(time).to_zoned(TimeZone::UTC);
    let (second, micros) = (time.second(), time.subsec_nanosecond() / 1000);
    let mut text = format!(
        "datetime.datetime({}, {}, {}, {}, {}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute()
    );
    if second != 0 || micros != 0 {
        let _ = write!(text, ", {second}");
    }
    if micros != 0 {
        let _ = write!(text, ", {micros}");
    }
    text.push_str(", tzinfo=datetime.timezone.utc)");
    text
}
