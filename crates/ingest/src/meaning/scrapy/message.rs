//! Parses Scrapy's own messages.

use std::borrow::Cow;

use dragline_schema::{Level, Progress, RunStatus, RunSummary, Timestamp};

use super::settings::settings;
use crate::meaning::map::Map;
use crate::parsing::literal::{Literal, parse_dict};
use crate::parsing::split_at_sign;

/// A fact reported by a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Fact<'m> {
    /// `Scrapy 2.13.0 started (bot: demo)`
    Started { bot: &'m str },
    /// An HTTP attempt: a response that reached the spider, was redirected, or will be retried.
    /// Without a status, there was no response.
    Attempt {
        url: &'m str,
        method: &'m str,
        status: Option<u16>,
        attempt: Option<u64>,
    },
    /// The spider is closing; `Closed` normally follows.
    Closing { reason: &'m str },
    /// The last retry got an error status. Not an attempt, because another line reports the same response.
    GaveUpOnStatus { url: &'m str, status: u16 },
    /// An error on a page.
    PageError { url: &'m str, download: bool },
    /// An item reached the end of the pipelines.
    Scraped { url: Option<&'m str> },
    /// A pipeline broke on an item.
    Lost,
    /// A pipeline refused an item.
    Dropped,
    /// A request that was made before.
    Duplicate { url: &'m str },
    /// The crawler's settings, as a JSON object.
    Settings(String),
    /// The statistics at the end of the run, or the totals so far.
    Stats(Box<RunSummary<'static>>),
    /// The totals so far, once a minute.
    Progress(Progress),
    /// The spider was closed.
    Closed { reason: &'m str },
}

/// Whether it is Scrapy's first message of a run.
pub(crate) fn is_start(message: &str) -> bool {
    message.starts_with("Scrapy ") && message.contains(" started (bot: ")
}

/// A message about an HTTP attempt.
fn attempt(first: &str) -> Option<Fact<'_>> {
    let after = |prefix: &str| first.strip_prefix(prefix);
    if let Some(rest) = after("Crawled (").or_else(|| after("Redirecting (")) {
        return response_attempt(rest);
    }
    if let Some(rest) =
        after("Discarding ").filter(|rest| rest.ends_with("max redirections reached"))
    {
        // The response was a redirect; its status is not logged, and 302 is the most common one.
        return request(rest).map(|(method, url)| Fact::Attempt {
            url,
            method,
            status: Some(302),
            attempt: None,
        });
    }
    if let Some(rest) = after("Gave up retrying ") {
        return retry(rest, true);
    }
    retry(after("Retrying ")?, false)
}

/// `200) <GET http://…> …`, and `302) to <GET B> from <GET A>`, whose response is A's.
fn response_attempt(rest: &str) -> Option<Fact<'_>> {
    let (status, rest) = split_at_sign(rest, b')')?;
    let from = rest.starts_with(" to ").then(|| rest.rsplit_once(" from "));
    let rest = from.flatten().map_or(rest, |(_, from)| from);
    let (method, url) = request(rest)?;
    // A page with a meta refresh had a normal response.
    let is_meta = status == "meta refresh";
    Some(Fact::Attempt {
        url,
        method,
        status: if is_meta {
            Some(200)
        } else {
            status.parse().ok()
        },
        attempt: None,
    })
}

/// `<GET http://…> (failed 2 times): 503 Service Unavailable`
fn retry(rest: &str, gave_up: bool) -> Option<Fact<'_>> {
    let (method, url) = request(rest)?;
    let (_, rest) = rest.split_once("> (failed ")?;
    let (times, reason) = rest.split_once(" times):")?;
    Some(match status_in_front(reason) {
        Some(status) if gave_up => Fact::GaveUpOnStatus { url, status },
        status => Fact::Attempt {
            url,
            method,
            status,
            attempt: times.parse().ok(),
        },
    })
}

/// Parses a whole message, including continuation lines.
pub(crate) fn read<'m>(logger: &str, message: &'m str) -> Option<Fact<'m>> {
    let first = first_line(message);
    let after = |prefix: &str| first.strip_prefix(prefix);
    if let Some(rest) = after("Scrapy ") {
        let bot = rest.split_once(" started (bot: ")?.1.strip_suffix(')')?;
        return Some(Fact::Started { bot });
    }
    if let Some(attempt) = attempt(first) {
        return Some(attempt);
    }
    if logger.ends_with("logstats") && first.starts_with("Crawled ") {
        return progress(first).map(Fact::Progress);
    }
    if let Some(rest) = after("Spider error processing ") {
        return Some(Fact::PageError {
            url: request(rest)?.1,
            download: false,
        });
    }
    if let Some(rest) = after("Error downloading ") {
        let url = request(rest)?.1;
        // The robots.txt middleware may log the page for which it requested robots.txt.
        let is_page = logger.ends_with("robotstxt") && !url.ends_with("/robots.txt");
        let download = !is_page && !message.contains("IgnoreRequest");
        return Some(Fact::PageError { url, download });
    }
    if let Some(rest) = after("Scraped from ") {
        return Some(Fact::Scraped {
            url: response(rest),
        });
    }
    if after("Error processing ").is_some() && logger.ends_with("scraper") {
        return Some(Fact::Lost);
    }
    if after("Dropped: ").is_some() {
        return Some(Fact::Dropped);
    }
    if let Some(rest) = after("Filtered duplicate request: ") {
        return Some(Fact::Duplicate {
            url: request(rest)?.1,
        });
    }
    if first.starts_with("Overridden settings:") {
        return Some(Fact::Settings(settings(message.split_once(':')?.1)?));
    }
    if first.starts_with("Dumping Scrapy stats:") {
        let dict = parse_dict(message.split_once(':')?.1)?;
        return Some(Fact::Stats(Box::new(summary(&dict))));
    }
    if first.starts_with('{') && (logger.ends_with("periodic_log") || logger.ends_with("logstats"))
    {
        // The totals so far: the only statistics of a run that is killed.
        let object: serde_json::Value = serde_json::from_str(message).ok()?;
        let stats = object.get("stats")?.as_object()?;
        return Some(Fact::Stats(Box::new(summary(&literals(stats)))));
    }
    if let Some(reason) = after("Closing spider (") {
        let reason = reason.strip_suffix(')')?;
        return Some(Fact::Closing { reason });
    }
    let reason = after("Spider closed (")?.strip_suffix(')')?;
    Some(Fact::Closed { reason })
}

/// `Crawled 12 pages (at 6 pages/min), scraped 10 items (at 5 items/min)`
fn progress(first: &str) -> Option<Progress> {
    let (pages, rest) = first.strip_prefix("Crawled ")?.split_once(" pages (at ")?;
    let (items, _) = rest.split_once("scraped ")?.1.split_once(" items")?;
    Some(Progress {
        pages: pages.parse().ok()?,
        items: items.parse().ok()?,
        ..Progress::default()
    })
}

/// The first line of a message.
pub(super) fn first_line(message: &str) -> &str {
    let first = split_at_sign(message, b'\n').map_or(message, |(first, _)| first);
    first.strip_suffix('\r').unwrap_or(first)
}

/// Method and URL in ` … <GET http://…> …`.
fn request(text: &str) -> Option<(&str, &str)> {
    let (_, inner) = split_at_sign(text, b'<')?;
    let (method, rest) = split_at_sign(inner, b' ')?;
    Some((method, split_at_sign(rest, b'>')?.0))
}

/// URL in `<200 http://…>`.
fn response(text: &str) -> Option<&str> {
    let (_, rest) = split_at_sign(text.strip_prefix('<')?, b' ')?;
    Some(split_at_sign(rest, b'>')?.0)
}

/// The status in ` 503 Service Unavailable`.
fn status_in_front(reason: &str) -> Option<u16> {
    let (number, _) = reason.trim_start().split_once(' ')?;
    number
        .parse()
        .ok()
        .filter(|status| number.len() == 3 && (100..600).contains(status))
}

/// The run status for a finish reason. Custom reasons are a spider's own decision and count as success.
pub(crate) fn status_of(reason: &str) -> RunStatus {
    match reason {
        "shutdown" | "cancelled" => RunStatus::Cancelled,
        "start_error"
        | "memusage_exceeded"
        | "closespider_errorcount"
        | "closespider_timeout_no_item" => RunStatus::Failed,
        _ => RunStatus::Success,
    }
}

/// Converts Scrapy's statistics to the terms of the definitions. A request failed if its status is 400 or
/// above, or if there was no response (`request_count` − `response_count`; the exception count is unsuitable,
/// because it includes requests that were never sent).
pub(super) fn summary(dict: &[(String, Literal)]) -> RunSummary<'static> {
    let mut summary = RunSummary::default();
    let mut responses = None;
    for (key, value) in dict {
        let count = value.count();
        match (key.as_str(), value) {
            ("downloader/request_count", _) => summary.requests = count,
            ("downloader/response_count", _) => responses = count,
            ("downloader/response_bytes", _) => summary.bytes = count,
            ("response_received_count", _) => summary.pages = count,
            ("item_scraped_count", _) => summary.items = count,
            ("item_dropped_count", _) => summary.items_failed = count,
            ("dupefilter/filtered", _) => summary.duplicates = count,
            ("retry/count", _) => {
                summary.retries = count;
                // It may also be mapped to one of the scraper's own statistics.
                keyed_count(&mut summary, key, value);
            }
            ("start_time", Literal::Time(time)) => summary.start = Some(*time),
            ("finish_time", Literal::Time(time)) => summary.end = Some(*time),
            ("finish_reason", Literal::Text(reason)) => {
                summary.finish_reason = Some(Cow::Owned(reason.clone()));
            }
            (key, _) => keyed_count(&mut summary, key, value),
        }
    }
    if let Some(requests) = summary.requests {
        let failed = summary
            .status_codes
            .iter()
            .filter(|(status, _)| *status >= 400);
        let bad = failed.fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        let unanswered = requests.saturating_sub(responses.unwrap_or(0));
        summary.requests_failed = Some(unanswered.saturating_add(bad));
        // Scrapy omits counters that are zero.
        summary.items.get_or_insert(0);
        summary.items_failed.get_or_insert(0);
        summary.bytes.get_or_insert(0);
        summary.duplicates.get_or_insert(0);
        summary.retries.get_or_insert(0);
        summary.pages.get_or_insert(0);
    }
    summary
}

/// Converts JSON statistics to the literals of Scrapy's dump.
pub(super) fn literals(
    stats: &serde_json::Map<String, serde_json::Value>,
) -> Vec<(String, Literal)> {
    let literal = |value: &serde_json::Value| match value {
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Literal::Int(whole),
            None => number.as_f64().map_or(Literal::Other, Literal::Float),
        },
        serde_json::Value::String(text) => Literal::Text(text.clone()),
        _ => Literal::Other,
    };
    let entries = stats.iter();
    entries
        .map(|(key, value)| (key.clone(), literal(value)))
        .collect()
}

fn keyed_count(summary: &mut RunSummary<'_>, key: &str, value: &Literal) {
    let status = key.strip_prefix("downloader/response_status_count/");
    let level = key.strip_prefix("log_count/").and_then(Level::from_word);
    match (
        value.count(),
        status.and_then(|status| status.parse().ok()),
        level,
    ) {
        (Some(count), Some(status), _) => summary.status_codes.push((status, count)),
        (Some(count), None, Some(level)) => summary.levels.push((level, count)),
        _ => summary
            .own
            .extend(value.number().map(|number| (key.to_owned(), number))),
    }
}

/// The statistics that the user named, under those names, and those that are not from Scrapy's own components.
pub(super) fn own(stats: Vec<(String, f64)>, map: &Map) -> Vec<(String, f64)> {
    let own = stats
        .into_iter()
        .filter_map(|(key, value)| match map.stat_of(&key) {
            Some(name) => Some((name.to_owned(), value)),
            None => (!is_scrapys(&key)).then_some((key, value)),
        });
    own.collect()
}

/// Whether a statistic is from one of Scrapy's own components.
fn is_scrapys(key: &str) -> bool {
    const PARTS: [&str; 25] = [
        "downloader",
        "dupefilter",
        "elapsed_time_seconds",
        "feedexport",
        "finish_reason",
        "finish_time",
        "httpcache",
        "httpcompression",
        "httperror",
        "item_dropped_count",
        "item_dropped_reasons_count",
        "item_scraped_count",
        "items_per_minute",
        "log_count",
        "memdebug",
        "memusage",
        "offsite",
        "request_depth_count",
        "request_depth_max",
        "response_received_count",
        "responses_per_minute",
        "retry",
        "robotstxt",
        "scheduler",
        "spider_exceptions",
    ];
    // People want to see what a site forbids.
    if key == "robotstxt/forbidden" {
        return false;
    }
    let part = key.split_once('/').map_or(key, |(part, _)| part);
    PARTS.binary_search(&part).is_ok() || matches!(part, "start_time" | "urllength")
}

/// A line's header, `2026-03-04 11:22:33 [scrapy.core.engine] DEBUG: `, and its message.
#[derive(Debug, PartialEq)]
pub(crate) struct Head<'l> {
    pub(crate) time: &'l str,
    pub(crate) logger: &'l str,
    pub(crate) level: Level,
    pub(crate) message: &'l str,
}

impl<'l> Head<'l> {
    pub(crate) fn parse(line: &'l str) -> Option<Self> {
        let bytes = line.as_bytes();
        if bytes.len() < 24 || bytes[4] != b'-' || bytes[10] != b' ' || &bytes[19..21] != b" [" {
            return None;
        }
        if !bytes[..4].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let behind = line.get(21..)?;
        let ends = |at: &usize| behind.as_bytes()[at + 1..].starts_with(b" ");
        let end = memchr::memchr_iter(b']', behind.as_bytes()).find(ends)?;
        let (logger, rest) = (&behind[..end], &behind[end + 2..]);
        let (level, message) = split_at_sign(rest, b':')?;
        let level =
            Level::from_word(level).filter(|_| level.bytes().all(|b| b.is_ascii_uppercase()))?;
        let message = message.strip_prefix(' ').unwrap_or(message);
        Some(Self {
            time: line.get(..19)?,
            logger,
            level,
            message,
        })
    }

    pub(crate) fn timestamp(&self, local: &crate::parsing::time::Local) -> Option<Timestamp> {
        local.parse(self.time).map(|(time, _)| time)
    }
}

/// Adds up the statistics of two crawlers that ran in one process. Each counts the log lines of the whole process,
/// so the larger count per level is used.
pub(super) fn added(sum: RunSummary<'static>, told: &RunSummary<'_>) -> RunSummary<'static> {
    fn both(a: Option<u64>, b: Option<u64>) -> Option<u64> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (one, other) => one.or(other),
        }
    }
    let mut status_codes = sum.status_codes;
    for (status, count) in &told.status_codes {
        match status_codes.iter_mut().find(|(known, _)| known == status) {
            Some((_, sum)) => *sum = sum.saturating_add(*count),
            None => status_codes.push((*status, *count)),
        }
    }
    let mut levels = sum.levels;
    for (level, count) in &told.levels {
        match levels.iter_mut().find(|(known, _)| known == level) {
            Some((_, most)) => *most = (*most).max(*count),
            None => levels.push((*level, *count)),
        }
    }
    let mut own = sum.own;
    for (name, number) in &told.own {
        match own.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += number,
            None => own.push((name.clone(), *number)),
        }
    }
    RunSummary {
        own,
        pages: both(sum.pages, told.pages),
        start: [sum.start, told.start].into_iter().flatten().min(),
        end: sum.end.max(told.end),
        requests: both(sum.requests, told.requests),
        requests_failed: both(sum.requests_failed, told.requests_failed),
        status_codes,
        bytes: both(sum.bytes, told.bytes),
        items: both(sum.items, told.items),
        items_failed: both(sum.items_failed, told.items_failed),
        levels,
        duplicates: both(sum.duplicates, told.duplicates),
        retries: both(sum.retries, told.retries),
        ..RunSummary::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_from_what_looks_like_them() {
        let head = Head::parse("2026-03-04 11:22:33 [shop] ERROR: Feed: gone").unwrap();
        assert_eq!(
            (head.logger, head.level, head.message),
            ("shop", Level::Error, "Feed: gone")
        );
        for line in [
            "2026-03-04 11:22:33 UTC",
            "2026-03-04 11:22:33 [no level here",
            "2026-03-04 11:22:33 [x] not a level: y",
            "Traceback (most recent call last):",
            "größe-03-04 11:22:33 [x] INFO: y",
        ] {
            assert_eq!(Head::parse(line), None, "{line}");
        }
    }

    #[test]
    fn attempts_are_counted_once_whatever_became_of_them() {
        let attempt = |message| match read("scrapy", message) {
            Some(Fact::Attempt { url, status, .. }) => Some((url, status)),
            _ => None,
        };
        assert_eq!(
            attempt("Crawled (404) <GET http://x/a> (referer: None)"),
            Some(("http://x/a", Some(404)))
        );
        assert_eq!(
            attempt("Crawled (200) <GET http://x/a> (referer: None) ['cached']"),
            Some(("http://x/a", Some(200)))
        );
        assert_eq!(
            attempt("Redirecting (301) to <GET http://x/b> from <GET http://x/a>"),
            Some(("http://x/a", Some(301)))
        );
        assert_eq!(
            attempt("Retrying <GET http://x/a> (failed 1 times): 503 Service Unavailable"),
            Some(("http://x/a", Some(503)))
        );
        assert_eq!(
            attempt("Retrying <GET http://x/a> (failed 1 times): "),
            Some(("http://x/a", None))
        );
        assert_eq!(
            attempt("Gave up retrying <GET http://x/a> (failed 3 times): DNS lookup failed"),
            Some(("http://x/a", None))
        );
        assert_eq!(
            attempt(
                "Gave up retrying <GET http://x/a> (failed 3 times): 500 Internal Server Error"
            ),
            None
        );
        assert_eq!(
            attempt("Filtered offsite request to 'd': <GET http://d/>"),
            None
        );
    }

    #[test]
    fn the_totals_so_far_are_read() {
        let message = "Crawled 127 pages (at 64 pages/min), scraped 98 items (at 40 items/min)";
        let told = Progress {
            pages: 127,
            items: 98,
            ..Progress::default()
        };
        let logger = "scrapy.extensions.logstats";
        assert_eq!(read(logger, message), Some(Fact::Progress(told)));
        assert_eq!(read("shop", message), None);
    }

    #[test]
    fn the_statistics_become_the_runs_account() {
        let message = "Dumping Scrapy stats:\n{'downloader/request_count': 10,\n 'downloader/response_count': 8,\n 'downloader/response_status_count/200': 5,\n 'downloader/response_status_count/404': 3,\n 'log_count/ERROR': 2,\n 'finish_reason': 'finished'}";
        let Some(Fact::Stats(summary)) = read("scrapy.statscollectors", message) else {
            panic!()
        };
        assert_eq!(summary.requests, Some(10));
        assert_eq!(summary.requests_failed, Some(5));
        assert_eq!(summary.items, Some(0));
        assert_eq!(summary.status_codes, [(200, 5), (404, 3)]);
        assert_eq!(summary.levels, [(Level::Error, 2)]);
        assert_eq!(summary.finish_reason.as_deref(), Some("finished"));
    }
}
