//! Crawlee's logs, for JavaScript and for Python.
//!
//! By default lines have no time, and no line contains a request's status; a run's totals come from the
//! statistics at its end, as in Scrapy. The nth entry of the retry histogram counts the requests with n
//! attempts, so the total number of attempts is the histogram's weighted sum.

use std::borrow::Cow;
use std::sync::LazyLock;

use dragline_schema::{
    Dialect, Event, Position, Progress, Record, RunSummary, ScraperEnd, ScraperError, ScraperStart,
    Sink, host_of,
};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::parsing::head::Head;
use crate::parsing::time::stamp;

/// `INFO  CheerioCrawler:Statistics: message`
static JAVASCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^(?:(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) +)?(?P<level>ERROR|SFAIL|WARN|INFO|DEBUG|PERF) +(?P<logger>[A-Z]\w*(?::\w+)*): ?(?P<message>.*)$";
    Regex::new(pattern).expect("built-in pattern, compiled by a test")
});
/// `[crawlee.crawlers] INFO  message`
static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^\[(?P<logger>[A-Za-z_][\w.]*)\] (?P<level>DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL) +(?P<message>.*)$";
    Regex::new(pattern).expect("built-in pattern, compiled by a test")
});

/// Parses a line's header.
pub(super) fn head(line: &str) -> Option<Head<'_>> {
    // Skip the regular expressions for most lines.
    let (dialect, regex) = match line.as_bytes() {
        [b'[', ..] => (Dialect::CrawleePython, &*PYTHON),
        [b'E' | b'S' | b'W' | b'I' | b'D' | b'P', ..]
        | [b'0'..=b'9', _, _, _, _, _, _, _, _, _, b'T', ..] => (Dialect::Crawlee, &*JAVASCRIPT),
        _ => return None,
    };
    let found = regex.captures(line)?;
    let part = |name: &str| found.name(name).map(|part| part.as_str());
    Some(Head {
        dialect,
        time: part("time").and_then(stamp).map(|(time, _)| time),
        level: part("level")?,
        logger: part("logger"),
        message: part("message")?,
        body: part("message")?,
        level_at: 0,
        time_at: 0,
        spans: Vec::new(),
        thread: None,
    })
}

/// The runs of a family.
pub(crate) struct Crawlee {
    /// Hash of the family's name, used for run ids, because Crawlee does not log any.
    family: u32,
    state: State,
    run_id: String,
    /// The number of runs that started in the current file, and how long the run took until its last statistics.
    started: u32,
    runtime: u64,
}

/// What previous lines say about the current run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    runs: u32,
    #[serde(default)]
    is_python: bool,
    /// Whether the final statistics were the last that the crawler said.
    #[serde(default)]
    is_over: bool,
}

/// The statistics at a run's end.
#[derive(Debug, Default, PartialEq)]
struct Statistics {
    histogram: Vec<u64>,
    /// Whether some pages failed, and none succeeded.
    is_failure: bool,
}

impl Crawlee {
    pub(super) fn new(family: &str) -> Self {
        Self {
            family: xxhash_rust::xxh3::xxh3_64(family.as_bytes()) as u32,
            state: State::default(),
            run_id: String::new(),
            started: 0,
            runtime: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state.clone()
    }

    pub(crate) fn restore(&mut self, state: State) {
        self.state = state;
        self.run_id = self.name();
    }

    /// Whether another stream of the same program is in a later run.
    pub(crate) fn is_before(&self, other: &State) -> bool {
        self.state.runs < other.runs
    }

    /// Starts a file.
    pub(super) fn begin_file(&mut self) {
        (self.started, self.runtime) = (0, 0);
    }

    /// How long after the beginning of the file a message was written, in milliseconds, as far as the statistics tell.
    /// `None` for a second run in the file, which begins at an unknown time.
    pub(super) fn runtime(&mut self, text: &str) -> Option<u64> {
        self.started += u32::from(text.starts_with("Starting the crawler"));
        let names = ["crawlerRuntimeMillis", "crawler_runtime"];
        if let Some(told) = value_in(text, names) {
            let millis = match told.parse::<f64>() {
                Ok(number) if text.contains(names[0]) => Some(number),
                Ok(seconds) => Some(seconds * 1000.0),
                Err(_) => crate::parsing::duration::milliseconds(told),
            };
            let is_later = |millis: &f64| *millis >= self.runtime as f64;
            let millis = millis.filter(is_later).map(|millis| millis as u64);
            self.runtime = millis.unwrap_or(self.runtime);
        }
        (self.started < 2).then_some(self.runtime)
    }

    /// Whether a run has started, so that lines without a logger are from its own code.
    pub(super) fn is_running(&self) -> bool {
        self.state.runs > 0
    }

    /// The dialect of the current run.
    pub(super) fn dialect(&self) -> Dialect {
        if self.state.is_python {
            Dialect::CrawleePython
        } else {
            Dialect::Crawlee
        }
    }

    /// Assigns a record of the run's own code to the run.
    pub(super) fn own(&self, record: &mut Record<'_>) {
        record.run_id = Some(Cow::Owned(self.run_id.clone()));
    }

    /// The id of the current run.
    fn name(&self) -> String {
        format!("{}-{:08x}", self.state.runs, self.family)
    }

    /// Assigns a record to its run, and passes on a summary record if it contains the run's statistics. `text` is
    /// the message with all continuation lines.
    pub(super) fn tell<'r>(
        &mut self,
        text: &'r str,
        record: &mut Record<'r>,
        at: Position,
        sink: &mut dyn Sink,
    ) {
        let message = text.lines().next().unwrap_or_default();
        self.tell_message(message, text, record, at, sink);
    }

    /// Like `tell`, for a JSON record, in which other members take the place of continuation lines.
    pub(crate) fn tell_json<'r>(
        &mut self,
        line: &'r str,
        record: &mut Record<'r>,
        at: Position,
        sink: &mut dyn Sink,
    ) {
        let message = record.message.clone().unwrap_or_default();
        let is_python = is_python(record);
        record.dialect = if is_python {
            Dialect::CrawleePython
        } else {
            Dialect::Crawlee
        };
        let text = match message.split_once(": ") {
            Some((_, text)) if !is_python => text,
            _ => &message,
        };
        let mut told = Record {
            event: std::mem::take(&mut record.event),
            ..record.clone()
        };
        if let (Event::ScraperError(error), Some(rest)) = (&mut told.event, failure(text)) {
            let (error_type, message) = crate::framing::crash::split_type(rest);
            let owned = |text: &str| (!text.is_empty()).then(|| Cow::Owned(text.to_owned()));
            if error.traceback.is_none() {
                error.error_type = owned(error_type).or(error.error_type.take());
                error.error_message = owned(message);
            }
        }
        record.event = std::mem::take(&mut told.event);
        let text = text.to_owned();
        self.tell_message(&text, line, record, at, sink);
    }

    fn tell_message<'r>(
        &mut self,
        message: &str,
        text: &'r str,
        record: &mut Record<'r>,
        at: Position,
        sink: &mut dyn Sink,
    ) {
        let starts = message.starts_with("Starting the crawler");
        let is_other = record.dialect == Dialect::CrawleePython && !is_python(record);
        if self.state.runs == 0 && is_other {
            // Apify's own lines, in the same form, do not show that a crawler runs.
            return;
        }
        if record.site.is_none() {
            record.site = url_of(message, text)
                .and_then(host_of)
                .map(|host| Cow::Owned(host.to_owned()));
        }
        // In Python, the first statistics of the next crawler are the first that it says.
        let begins_anew = self.state.is_over && message.starts_with("Current request statistics");
        if starts || begins_anew || self.state.runs == 0 {
            self.state.runs += 1;
            self.run_id = self.name();
        }
        self.state.is_python = record.dialect == Dialect::CrawleePython;
        self.state.is_over &= !starts && !begins_anew;
        record.run_id = Some(Cow::Owned(self.run_id.clone()));
        if starts {
            record.event = Event::ScraperStart(ScraperStart::default());
        } else if message.starts_with("Finished! Total") {
            record.event = Event::ScraperEnd(end());
        } else if message.starts_with("Final request statistics") {
            let statistics = Statistics::read(text);
            pass_on(progress(text), record, at, sink);
            pass_on(Some(summary(&statistics)), record, at, sink);
            if record.dialect == Dialect::CrawleePython {
                // The last line of a run in Python.
                record.event = Event::ScraperEnd(end());
                self.state.is_over = true;
            }
        } else if message.contains("request statistics") {
            pass_on(progress(text), record, at, sink);
        } else if let Event::ScraperError(error) = &mut record.event {
            failed_request(text, error);
        }
    }
}

/// The URL of the page that a message is about: that of a record's `url`, or one behind a word of the crawler's.
fn url_of<'m>(message: &'m str, text: &'m str) -> Option<&'m str> {
    let of_json = || {
        text.split_once("\"url\":")
            .map(|(_, rest)| rest.trim_start_matches([' ', '"']))
    };
    let of_words = || {
        if let Some(rest) = message.strip_prefix("Request to ") {
            return Some(rest);
        }
        let (word, rest) = message.split_once(' ')?;
        matches!(
            word,
            "Processing" | "processing" | "Crawling" | "crawling" | "Scraping" | "scraping"
        )
        .then_some(rest)
    };
    let rest = of_json().or_else(of_words)?;
    let url = rest.split(['"', ' ', '\n']).next()?;
    (url.starts_with("http://") || url.starts_with("https://")).then_some(url)
}

/// Passes on a summary as an additional record, which is not a line of the log.
fn pass_on(
    summary: Option<RunSummary<'_>>,
    record: &Record<'_>,
    at: Position,
    sink: &mut dyn Sink,
) {
    if let Some(summary) = summary {
        let account = Record {
            event: Event::Summary(Box::new(summary)),
            level: None,
            ..record.clone()
        };
        sink.record(&account, at);
    }
}

/// The requests so far and their mean time: `"requestAvgFinishedDurationMillis":412,"requestsTotal":57` in
/// JavaScript; in Python, `request_avg_finished_duration` has a unit or is in seconds.
fn progress<'a>(text: &str) -> Option<RunSummary<'a>> {
    let total = value_in(text, ["requestsTotal", "requests_total"])?;
    let total: u64 = total.parse().ok().filter(|total| *total <= MAX_COUNT)?;
    let names = [
        "requestAvgFinishedDurationMillis",
        "request_avg_finished_duration",
    ];
    let mean = value_in(text, names)?;
    let is_millis = text.contains(names[0]);
    let mean = match mean.parse::<f64>() {
        Ok(number) if is_millis => number,
        Ok(seconds) => seconds * 1000.0,
        Err(_) => crate::parsing::duration::milliseconds(mean)?,
    };
    let micros = mean * 1000.0 * total as f64;
    let is_plausible = (0.0..MAX_COUNT as f64).contains(&micros);
    is_plausible.then(|| RunSummary {
        progress: Some(Progress {
            pages: total,
            timed: total,
            micros: micros as u64,
            ..Progress::default()
        }),
        ..RunSummary::default()
    })
}

/// The value behind one of the names, in JSON or in a drawn table.
fn value_in<'t>(text: &'t str, names: [&str; 2]) -> Option<&'t str> {
    names.iter().find_map(|name| {
        let rest = &text[text.find(name)? + name.len()..];
        let rest = rest.trim_start_matches(['"', ':', ' ', '│', '=']);
        let end = if rest.starts_with('[') {
            rest.find(']')? + 1
        } else {
            rest.find([',', '}', '"', ' ', '│', '\n'])?
        };
        Some(&rest[..end])
    })
}

/// Crawlee's crawlers in both languages. Listed by name because other classes may end in `Crawler`, too.
const CRAWLERS: [&str; 11] = [
    "BasicCrawler",
    "HttpCrawler",
    "CheerioCrawler",
    "JSDOMCrawler",
    "LinkeDOMCrawler",
    "PuppeteerCrawler",
    "PlaywrightCrawler",
    "AdaptivePlaywrightCrawler",
    "BeautifulSoupCrawler",
    "ParselCrawler",
    "StagehandCrawler",
];

/// Whether a JSON record is Crawlee's: by the logger, or by the name before the message.
pub(crate) fn is_of(record: &Record<'_>) -> bool {
    if record.dialect != Dialect::Json {
        return false;
    }
    let message = record.message.as_deref().unwrap_or_default();
    let name = message.split(':').next().unwrap_or_default();
    (CRAWLERS.contains(&name) && message.contains(": ")) || is_python(record)
}

fn is_python(record: &Record<'_>) -> bool {
    is_logger(record.target.as_deref().unwrap_or_default())
}

/// Whether a Python logger is Crawlee's.
pub(super) fn is_logger(logger: &str) -> bool {
    logger == "crawlee" || logger.starts_with("crawlee.") || CRAWLERS.contains(&logger)
}

fn end<'a>() -> ScraperEnd<'a> {
    ScraperEnd {
        status: Some("success".into()),
        finish_reason: Some("finished".into()),
        ..ScraperEnd::default()
    }
}

fn summary<'a>(statistics: &Statistics) -> RunSummary<'a> {
    let attempts = (1..)
        .zip(&statistics.histogram)
        .fold(0u64, |sum, (tries, count)| {
            sum.saturating_add(u64::saturating_mul(tries, *count))
        });
    let pages = statistics
        .histogram
        .iter()
        .copied()
        .fold(0, u64::saturating_add);
    let requests = (!statistics.histogram.is_empty()).then_some(attempts);
    // The number of failed requests is unknown: an attempt also fails if the page's handler does. If no page came, all
    // have.
    RunSummary {
        requests,
        requests_failed: requests.filter(|_| statistics.is_failure),
        retries: requests.map(|attempts| attempts.saturating_sub(pages)),
        ..RunSummary::default()
    }
}

impl Statistics {
    /// Reads JSON after the message, or a drawn table below it.
    fn read(text: &str) -> Self {
        let names = ["retryHistogram", "retry_histogram"];
        let histogram = value_in(text, names).unwrap_or_default();
        let count = |names| value_in(text, names).and_then(|told| told.parse::<u64>().ok());
        let finished = count(["requestsFinished\"", "requests_finished"]);
        let failed = count(["requestsFailed\"", "requests_failed"]);
        let counts = histogram.trim_matches(['[', ']']).split(',');
        Self {
            is_failure: finished == Some(0) && failed > Some(0),
            // An attempt count that no request reached is null.
            histogram: counts
                .filter(|count| !count.trim().is_empty())
                .map(|count| count.trim().parse().unwrap_or(0).min(MAX_COUNT))
                .collect(),
        }
    }
}

/// Larger counts are errors and could overflow a sum.
const MAX_COUNT: u64 = 1_000_000_000_000;

/// The text after Crawlee's message that a request was given up.
fn failure(text: &str) -> Option<&str> {
    const SAYS: [&str; 2] = [
        "Request failed and reached maximum retries. ",
        "Request failed and reached maximum retries\n",
    ];
    SAYS.iter().find_map(|says| text.strip_prefix(says))
}

/// Reads `Request failed and reached maximum retries. Type: message`, with the request as JSON at the end.
fn failed_request<'r>(text: &'r str, error: &mut ScraperError<'r>) {
    let Some(rest) = failure(text) else {
        return;
    };
    let first = rest.trim_start().lines().next().unwrap_or_default();
    let first = first
        .split_once(" {\"id\":")
        .map_or(first, |(message, _)| message);
    if !first.is_empty() && !first.starts_with("Traceback") {
        let (error_type, message) = crate::framing::crash::split_type(first);
        error.error_type = (!error_type.is_empty()).then(|| error_type.into());
        error.error_message = Some(message.into());
    }
    let url = text
        .rsplit_once("\"url\":\"")
        .and_then(|(_, url)| url.split_once('"'));
    error.url = url.map(|(url, _)| Cow::Borrowed(url));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_both() {
        let read = head("ERROR CheerioCrawler:Statistics: Request failed").unwrap();
        assert_eq!(
            (read.level, read.logger),
            ("ERROR", Some("CheerioCrawler:Statistics"))
        );
        assert_eq!(read.message, "Request failed");
        let read = head("2026-03-04T11:22:33.123Z INFO  PuppeteerCrawler: Starting").unwrap();
        assert!(read.time.is_some());
        let read = head("[crawlee._utils.robots] WARN  Failed to fetch").unwrap();
        assert_eq!((read.dialect, read.level), (Dialect::CrawleePython, "WARN"));
        assert_eq!(head("[2026-03-04] INFO x"), None);
        assert_eq!(head("ERROR: no logger"), None);
        assert_eq!(head("INFO lower: no crawler"), None);
    }

    #[test]
    fn statistics_as_json_and_as_a_box() {
        let json = r#"Final request statistics: {"requestsFinished":196,"requestsFailed":17,"retryHistogram":[178,18,16,null,1],"requestsTotal":213}"#;
        let read = Statistics::read(json);
        assert_eq!(read.histogram, [178, 18, 16, 0, 1]);
        let counted = summary(&read);
        assert_eq!(
            (counted.requests, counted.requests_failed),
            (Some(267), None)
        );
        let now = r#"request statistics: {"requestAvgFailedDurationMillis":null,"requestAvgFinishedDurationMillis":412,"requestsTotal":57,"retryHistogram":[57]}"#;
        let told = Progress {
            pages: 57,
            timed: 57,
            micros: 57 * 412_000,
            ..Progress::default()
        };
        assert_eq!(progress(now).unwrap().progress, Some(told));
        let python = "Current request statistics:\n│ requests_total │ 57 │\n│ request_avg_finished_duration │ 412ms │\n";
        assert_eq!(progress(python).unwrap().progress, Some(told));
        let none = r#"{"requestAvgFinishedDurationMillis":null,"requestsTotal":0}"#;
        assert_eq!(progress(none), None);
        let boxed = "Final request statistics:\n┌────┐\n│ requests_finished   │ 196   │\n│ retry_histogram │ [186, 12, 13, 2] │\n└──┘";
        let read = Statistics::read(boxed);
        assert_eq!(read.histogram, [186, 12, 13, 2]);
        assert_eq!(
            summary(&Statistics::read("Final request statistics")).requests,
            None
        );
    }
}
