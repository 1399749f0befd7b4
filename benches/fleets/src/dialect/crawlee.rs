//! Crawlee's log: as JSON, or as the text without times that it writes without settings.
//!
//! Requests that succeed stand in the statistics, once a minute and at the end; those that fail are
//! lines. An item is a line of the handler's own.

use std::collections::BTreeMap;

use super::json::{Object, node_class, quoted, stack};
use super::native::{Failure, Item, Request, Run, What};
use super::{Level, Record, fingerprint};
use crate::dice::seeded;
use crate::writer::{MINUTE, instant};

/// A pause longer than this is none of Crawlee's own: its clock jumped, or lines are lost.
const PAUSE: i64 = 8 * MINUTE;
/// Where Crawlee gives up on a request.
const STACK: &str = "
    at CheerioCrawler._requestFunction (/srv/scrapers/node_modules/@crawlee/http/internals/http-crawler.js:461:23)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at async wrap (/srv/scrapers/node_modules/@apify/timeout/cjs/index.cjs:56:21)";

/// Keys and their JSON.
type Data<'a> = &'a [(&'a str, String)];

/// A run's records.
pub(super) fn records(run: &Run, json: bool) -> Vec<Record> {
    let mut crawl = Crawl {
        run,
        json,
        records: Vec::new(),
        histogram: Vec::new(),
        finished: 0,
        failed: 0,
        finished_ms: 0.0,
        failed_ms: 0.0,
        errors: BTreeMap::new(),
        tick: run.start(),
        last: run.start(),
    };
    for event in &run.events {
        crawl.pass(event.time);
        match &event.what {
            What::Started(_) => crawl.say(event.time, Level::Info, "Starting the crawler.", &[]),
            What::Request(request) => crawl.request(event.time, request),
            What::Failure(failure) => crawl.failure(event.time, failure),
            What::Item(item) => crawl.item(event.time, item),
            What::Duplicate(item) => {
                let url = [("url", quoted(&item.url))];
                crawl.say(event.time, Level::Info, "Skipped duplicate item", &url);
            }
            What::Finished => crawl.close(event.time),
            _ => {}
        }
    }
    crawl.records
}

/// A crawl at work.
struct Crawl<'a> {
    run: &'a Run,
    json: bool,
    records: Vec<Record>,
    /// Requests that are done, by how often they were tried again.
    histogram: Vec<u64>,
    finished: u64,
    failed: u64,
    finished_ms: f64,
    failed_ms: f64,
    /// Errors by what they say.
    errors: BTreeMap<String, u64>,
    /// When it last told how it stands.
    tick: i64,
    /// The last event.
    last: i64,
}

impl Crawl<'_> {
    /// A record of the crawler's.
    fn say(&mut self, time: i64, level: Level, message: &str, data: Data<'_>) {
        self.write(time, level, &format!("CheerioCrawler: {message}"), data);
    }

    fn write(&mut self, time: i64, level: Level, message: &str, data: Data<'_>) {
        let text = if self.json {
            let time = instant(time);
            let mut object = Object::node();
            object.text("time", &format!("{time:.3}"));
            object.text("level", level.name());
            object.text("msg", message);
            for (key, value) in data {
                object.raw(key, value);
            }
            object.end()
        } else {
            let level = match level {
                Level::Warning => "WARN",
                other => other.name(),
            };
            let mut line = format!("{level:<5} {message}");
            if !data.is_empty() {
                let mut object = Object::node();
                for (key, value) in data {
                    object.raw(key, value);
                }
                line.push(' ');
                line.push_str(&object.end());
            }
            line
        };
        self.records.push(Record { time, text });
    }

    /// The lines of each minute that has passed.
    fn pass(&mut self, time: i64) {
        if (time - self.last).abs() > PAUSE {
            self.tick = time;
        }
        while self.tick + MINUTE <= time {
            self.tick += MINUTE;
            let tick = self.tick;
            let mut data = self.averages(tick);
            data.push(("retryHistogram", self.histogram_shown()));
            let message = "CheerioCrawler:Statistics: CheerioCrawler request statistics:";
            self.write(tick, Level::Info, message, &data);
            let connections = self.run.concurrency();
            let state = [
                ("currentConcurrency", connections.to_string()),
                ("desiredConcurrency", connections.to_string()),
                ("systemStatus", system_status()),
            ];
            let message = "CheerioCrawler:AutoscaledPool: state";
            self.write(tick, Level::Info, message, &state);
        }
        self.last = time;
    }

    /// What every account of the requests holds.
    fn averages(&self, time: i64) -> Vec<(&'static str, String)> {
        let millis = ((time - self.run.start()) / 1000).max(1);
        let average = |sum: f64, count: u64| match count {
            0 => "null".to_owned(),
            _ => format!("{:.0}", sum / count as f64),
        };
        let per_minute = |count: u64| format!("{:.0}", count as f64 * 60_000.0 / millis as f64);
        let total = self.finished_ms + self.failed_ms;
        let requests = self.finished + self.failed;
        let failed = average(self.failed_ms, self.failed);
        let finished = average(self.finished_ms, self.finished);
        vec![
            ("requestAvgFailedDurationMillis", failed),
            ("requestAvgFinishedDurationMillis", finished),
            ("requestsFinishedPerMinute", per_minute(self.finished)),
            ("requestsFailedPerMinute", per_minute(self.failed)),
            ("requestTotalDurationMillis", format!("{total:.0}")),
            ("requestsTotal", requests.to_string()),
            ("crawlerRuntimeMillis", millis.to_string()),
        ]
    }

    /// No request is as good as null.
    fn histogram_shown(&self) -> String {
        let places = self.histogram.iter().map(|count| match count {
            0 => "null".to_owned(),
            _ => count.to_string(),
        });
        format!("[{}]", places.collect::<Vec<_>>().join(","))
    }

    fn request(&mut self, time: i64, request: &Request) {
        let reason = reason(request);
        let url = ("url", quoted(&request.url));
        if request.retried {
            self.blame(&reason);
            let message =
                format!("Reclaiming failed request back to the list or queue. {reason}\n");
            let data = [
                ("id", quoted(&id(&request.url))),
                url,
                ("retryCount", request.attempt.to_string()),
            ];
            self.say(time, Level::Warning, &message, &data);
            return;
        }
        let retries = request.attempt.saturating_sub(1) as usize;
        if self.histogram.len() <= retries {
            self.histogram.resize(retries + 1, 0);
        }
        self.histogram[retries] += 1;
        // A page that is gone is a page to Crawlee; its handler finds nothing on it.
        let gone = request.status == Some(404);
        if request.walled || !(request.is_good() || gone) {
            self.failed += 1;
            self.failed_ms += request.ms;
            if !request.walled {
                self.blame(&reason);
                self.fail(time, &request.url, &format!("Error: {reason}{STACK}"));
            }
            return;
        }
        self.finished += 1;
        self.finished_ms += request.ms;
        if gone {
            let data = [url, ("status", "404".to_owned())];
            self.say(time, Level::Warning, "Page is gone", &data);
        } else if request.is_list() {
            let links = 10 + fingerprint(&[&request.url]) % 20;
            let message = format!("Listing {}", request.url);
            self.say(
                time,
                Level::Info,
                &message,
                &[("products", links.to_string())],
            );
        }
    }

    fn blame(&mut self, reason: &str) {
        *self.errors.entry(reason.to_owned()).or_default() += 1;
    }

    /// A request that is given up.
    fn fail(&mut self, time: i64, url: &str, error: &str) {
        let message = format!("Request failed and reached maximum retries. {error}");
        let data = [
            ("id", quoted(&id(url))),
            ("url", quoted(url)),
            ("method", quoted("GET")),
            ("uniqueKey", quoted(url)),
        ];
        self.say(time, Level::Error, &message, &data);
    }

    /// An error of the handler's: a wall fails the request, anything else is caught and logged.
    fn failure(&mut self, time: i64, failure: &Failure) {
        if failure.fetching {
            return;
        }
        let kind = node_class(&failure.kind);
        let stack = stack(kind, &failure.message, self.run, failure);
        if failure.kind == "ChallengePage" {
            self.blame(kind);
            self.fail(time, &failure.url, &stack);
            return;
        }
        let message = if failure.kind == "DatabaseError" {
            "Could not save item"
        } else {
            "Could not read all of the page"
        };
        let url = ("url", quoted(&failure.url));
        if self.json {
            let mut exception = Object::node();
            exception.text("name", kind);
            exception.text("message", &failure.message);
            exception.text("stack", &stack);
            let data = [url, ("exception", exception.end())];
            self.say(time, Level::Error, message, &data);
        } else {
            self.say(time, Level::Error, message, &[url]);
            if let Some(record) = self.records.last_mut() {
                record.text.push_str("\n  ");
                record.text.push_str(&stack.replace('\n', "\n  "));
            }
        }
    }

    fn item(&mut self, time: i64, item: &Item) {
        let null = || "null".to_owned();
        let url = ("url", quoted(&item.url));
        let name = quoted(&item.name());
        let data = if item.article {
            let author = item.author.as_deref().map_or_else(null, quoted);
            [url, ("title", name), ("author", author)]
        } else {
            let price = item.price.map_or_else(null, |price| price.to_string());
            [url, ("name", name), ("price", price)]
        };
        self.say(time, Level::Info, "Saved item", &data);
    }

    fn close(&mut self, time: i64) {
        let (finished, failed) = (self.finished, self.failed);
        let done = "All requests from the queue have been processed, the crawler will shut down.";
        self.say(time, Level::Info, done, &[]);
        let mut data = vec![
            ("requestsFinished", finished.to_string()),
            ("requestsFailed", failed.to_string()),
            ("retryHistogram", self.histogram_shown()),
        ];
        data.extend(self.averages(time));
        self.say(time, Level::Info, "Final request statistics:", &data);
        if !self.errors.is_empty() {
            let analysis = self.analysis();
            self.say(time, Level::Info, "Error analysis:", &analysis);
        }
        let total = finished + failed;
        let message =
            format!("Finished! Total {total} requests: {finished} succeeded, {failed} failed.");
        let data = [("terminal", "true".to_owned())];
        self.say(time, Level::Info, &message, &data);
    }

    /// How many errors there were, and the commonest three.
    fn analysis(&self) -> [(&'static str, String); 3] {
        let mut common: Vec<(&String, &u64)> = self.errors.iter().collect();
        common.sort_by(|left, right| right.1.cmp(left.1));
        let total: u64 = self.errors.values().sum();
        let shown: Vec<String> = common
            .iter()
            .take(3)
            .map(|(error, count)| quoted(&format!("{count}x: {error}")))
            .collect();
        [
            ("totalErrors", total.to_string()),
            ("uniqueErrors", self.errors.len().to_string()),
            ("mostCommonErrors", format!("[{}]", shown.join(","))),
        ]
    }
}

/// Why an attempt failed.
fn reason(request: &Request) -> String {
    match request.status {
        None => "request timed out after 10 seconds.".to_owned(),
        Some(status @ (403 | 429)) => format!("Request blocked - received {status} status code."),
        Some(status) if status >= 500 => {
            format!("{status} - Internal Server Error: upstream unavailable")
        }
        Some(_) => "Page is incomplete".to_owned(),
    }
}

/// A request's id: fifteen letters and digits that follow from its address.
fn id(url: &str) -> String {
    let mut letters = seeded(fingerprint(&[url]), 0);
    (0..15).map(|_| letters.alphanumeric()).collect()
}

/// An idle machine, as its pool sees it.
fn system_status() -> String {
    let load = |name: &str, limit: f64| {
        format!(r#""{name}":{{"isOverloaded":false,"limitRatio":{limit},"actualRatio":0}}"#)
    };
    format!(
        r#"{{"isSystemIdle":true,{},{},{},{}}}"#,
        load("memInfo", 0.2),
        load("eventLoopInfo", 0.6),
        load("cpuInfo", 0.4),
        load("clientInfo", 0.3)
    )
}
