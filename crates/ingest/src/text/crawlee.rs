//! Crawlee's text logs, of JavaScript and of Python.
//!
//! Neither says when unless it is told to, nor which request got which status; the statistics at a
//! run's end are the run's account, as Scrapy's are. A request was tried as often as its place in
//! the retry histogram says, so that attempts are the histogram's weighted sum.

use std::borrow::Cow;
use std::sync::LazyLock;

use dragline_schema::{
    Dialect, Event, Position, Record, RunSummary, ScraperEnd, ScraperError, ScraperStart, Sink,
};
use regex::Regex;

use super::Head;

/// `INFO  CheerioCrawler:Statistics: message`
static JAVASCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^(?:(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) +)?(?P<level>ERROR|SFAIL|WARN|INFO|DEBUG|PERF) +(?P<logger>[A-Z]\w*(?::\w+)*): ?(?P<message>.*)$";
    Regex::new(pattern).expect("a pattern of ours, which a test compiles")
});
/// `[crawlee.crawlers] INFO  message`
static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^\[(?P<logger>[A-Za-z_][\w.]*)\] (?P<level>DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL) +(?P<message>.*)$";
    Regex::new(pattern).expect("a pattern of ours, which a test compiles")
});

/// Reads a line's head.
pub(super) fn head(line: &str) -> Option<Head<'_>> {
    let (dialect, regex) = if line.starts_with('[') {
        (Dialect::CrawleePython, &*PYTHON)
    } else {
        (Dialect::Crawlee, &*JAVASCRIPT)
    };
    let found = regex.captures(line)?;
    let part = |name: &str| found.name(name).map(|part| part.as_str());
    Some(Head {
        dialect,
        time: part("time"),
        level: part("level")?,
        logger: part("logger"),
        message: part("message")?,
    })
}

/// The runs of a family.
pub(super) struct Crawlee {
    /// The family's name, hashed, for the ids of runs, which Crawlee does not give.
    family: u32,
    runs: u32,
    run_id: String,
}

/// What the statistics say.
#[derive(Debug, Default, PartialEq)]
struct Statistics {
    finished: Option<u64>,
    histogram: Vec<u64>,
}

impl Crawlee {
    pub(super) fn new(family: &str) -> Self {
        Self {
            family: xxhash_rust::xxh3::xxh3_64(family.as_bytes()) as u32,
            runs: 0,
            run_id: String::new(),
        }
    }

    /// Says of a record whose it is, and hands over what it tells of its run beside itself.
    pub(super) fn tell<'r>(
        &'r mut self,
        text: &'r str,
        record: &mut Record<'r>,
        at: Position,
        sink: &mut dyn Sink,
    ) {
        let message = text.lines().next().unwrap_or_default();
        let starts = message.starts_with("Starting the crawler");
        if starts || self.runs == 0 {
            self.runs += 1;
            self.run_id = format!("{}-{:08x}", self.runs, self.family);
        }
        record.run_id = Some(Cow::Borrowed(&self.run_id));
        if starts {
            record.event = Event::ScraperStart(ScraperStart::default());
        } else if message.starts_with("Finished! Total") {
            record.event = Event::ScraperEnd(end());
        } else if message.starts_with("Final request statistics") {
            let summary = summary(&Statistics::read(text));
            let account = Record {
                event: Event::Summary(Box::new(summary)),
                ..record.clone()
            };
            sink.record(&account, at);
            if record.dialect == Dialect::CrawleePython {
                // Its last word.
                record.event = Event::ScraperEnd(end());
            }
        } else if let Event::ScraperError(error) = &mut record.event {
            failed_request(text, error);
        }
    }
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
        .map(|(tries, count)| tries * count)
        .sum();
    let requests = (!statistics.histogram.is_empty()).then_some(attempts);
    RunSummary {
        requests,
        requests_failed: requests
            .zip(statistics.finished)
            .map(|(requests, finished)| requests.saturating_sub(finished)),
        ..RunSummary::default()
    }
}

impl Statistics {
    /// From JSON behind the message, or from a box below it.
    fn read(text: &str) -> Self {
        let value_of = |names: [&str; 2]| {
            names.iter().find_map(|name| {
                let rest = &text[text.find(name)? + name.len()..];
                let rest = rest.trim_start_matches(['"', ':', ' ', '│', '=']);
                let end = if rest.starts_with('[') {
                    rest.find(']')? + 1
                } else {
                    rest.find(|c: char| !c.is_ascii_digit())?
                };
                Some(&rest[..end])
            })
        };
        let finished = value_of(["requestsFinished", "requests_finished"]);
        let histogram = value_of(["retryHistogram", "retry_histogram"]).unwrap_or_default();
        let counts = histogram.trim_matches(['[', ']']).split(',');
        Self {
            finished: finished.and_then(|text| text.parse().ok()),
            // A place that nobody reached is null.
            histogram: counts
                .filter(|count| !count.trim().is_empty())
                .map(|count| count.trim().parse().unwrap_or(0))
                .collect(),
        }
    }
}

/// `Request failed and reached maximum retries. Type: message` and the request as JSON at the end.
fn failed_request<'r>(text: &'r str, error: &mut ScraperError<'r>) {
    const SAYS: [&str; 2] = [
        "Request failed and reached maximum retries. ",
        "Request failed and reached maximum retries\n",
    ];
    let Some(rest) = SAYS.iter().find_map(|says| text.strip_prefix(says)) else {
        return;
    };
    let first = rest.trim_start().lines().next().unwrap_or_default();
    if error.traceback.is_none() {
        let first = first
            .split_once(" {\"id\":")
            .map_or(first, |(message, _)| message);
        let (error_type, message) = crate::traceback::split_type(first);
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
        assert_eq!(read.time, Some("2026-03-04T11:22:33.123Z"));
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
        assert_eq!(
            (read.finished, read.histogram.clone()),
            (Some(196), vec![178, 18, 16, 0, 1])
        );
        let counted = summary(&read);
        assert_eq!(
            (counted.requests, counted.requests_failed),
            (Some(267), Some(71))
        );
        let boxed = "Final request statistics:\n┌────┐\n│ requests_finished   │ 196   │\n│ retry_histogram │ [186, 12, 13, 2] │\n└──┘";
        let read = Statistics::read(boxed);
        assert_eq!(
            (read.finished, read.histogram),
            (Some(196), vec![186, 12, 13, 2])
        );
        assert_eq!(
            summary(&Statistics::read("Final request statistics")).requests,
            None
        );
    }
}
