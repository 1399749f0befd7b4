//! What Scrapy's own messages say.

use std::borrow::Cow;

use dragline_schema::{Level, RunStatus, RunSummary, Timestamp};

use super::logparser::literals;
use super::settings::settings;
use crate::meaning::map::Map;
use crate::parsing::literal::{Literal, parse_dict};
use crate::parsing::split_at_sign;

/// A message that carries facts.
#[derive(Debug, PartialEq)]
pub(crate) enum Fact<'m> {
    /// `Scrapy 2.13.0 started (bot: demo)`
    Started { bot: &'m str },
    /// An HTTP attempt: an answer that reached the spider, was redirected, or will be tried again;
    /// without a status, one that got no answer.
    Attempt {
        url: &'m str,
        method: &'m str,
        status: Option<u16>,
        attempt: Option<u64>,
    },
    /// The run is about to end; it says once more that it did.
    Closing { reason: &'m str },
    /// The same answer's line stands elsewhere.
    GaveUpOnStatus { url: &'m str, status: u16 },
    /// An error on a page.
    PageError { url: &'m str, download: bool },
    /// An item reached the end of the pipelines.
    Scraped { url: Option<&'m str> },
    /// A pipeline refused an item.
    Dropped,
    /// A request that was made before.
    Duplicate { url: &'m str },
    /// What the crawler was set to, a JSON object.
    Settings(String),
    /// The statistics at the end.
    Stats(Box<RunSummary<'static>>),
    /// The end.
    Closed { reason: &'m str },
}

/// Whether Scrapy says that it begins.
pub(crate) fn is_start(message: &str) -> bool {
    message.starts_with("Scrapy ") && message.contains(" started (bot: ")
}

/// Reads a whole message, continuation lines and all.
pub(crate) fn read<'m>(logger: &str, message: &'m str) -> Option<Fact<'m>> {
    let first = first_line(message);
    let after = |prefix: &str| first.strip_prefix(prefix);
    if let Some(rest) = after("Scrapy ") {
        let bot = rest.split_once(" started (bot: ")?.1.strip_suffix(')')?;
        return Some(Fact::Started { bot });
    }
    if let Some(rest) = after("Crawled (").or_else(|| after("Redirecting (")) {
        let (status, rest) = split_at_sign(rest, b')')?;
        // `Redirecting (302) to <GET B> from <GET A>`: the answer was A's.
        let from = rest.starts_with(" to ").then(|| rest.rsplit_once(" from "));
        let rest = from.flatten().map_or(rest, |(_, from)| from);
        let (method, url) = request(rest)?;
        // A page that names the next one in itself was answered as any other.
        let is_meta = status == "meta refresh";
        return Some(Fact::Attempt {
            url,
            method,
            status: if is_meta {
                Some(200)
            } else {
                status.parse().ok()
            },
            attempt: None,
        });
    }
    if let Some(rest) =
        after("Discarding ").filter(|rest| rest.ends_with("max redirections reached"))
    {
        // An answer that was a redirect; the line does not say which, and 302 is the usual one.
        let (method, url) = request(rest)?;
        return Some(Fact::Attempt {
            url,
            method,
            status: Some(302),
            attempt: None,
        });
    }
    let gave_up = first.starts_with("Gave up retrying ");
    if let Some(rest) = after("Retrying ").or_else(|| after("Gave up retrying ")) {
        let (method, url) = request(rest)?;
        let (_, rest) = rest.split_once("> (failed ")?;
        let (times, reason) = rest.split_once(" times):")?;
        return Some(match status_in_front(reason) {
            Some(status) if gave_up => Fact::GaveUpOnStatus { url, status },
            status => Fact::Attempt {
                url,
                method,
                status,
                attempt: times.parse().ok(),
            },
        });
    }
    if let Some(rest) = after("Spider error processing ") {
        return Some(Fact::PageError {
            url: request(rest)?.1,
            download: false,
        });
    }
    if let Some(rest) = after("Error downloading ") {
        let url = request(rest)?.1;
        // The middleware for robots.txt may name the page that it wanted robots.txt for.
        let is_page = logger.ends_with("robotstxt") && !url.ends_with("/robots.txt");
        let download = !is_page && !message.contains("IgnoreRequest");
        return Some(Fact::PageError { url, download });
    }
    if let Some(rest) = after("Scraped from ") {
        return Some(Fact::Scraped {
            url: response(rest),
        });
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
        // The totals so far: of a run that is killed there is nothing else.
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

/// A message without the lines behind it.
pub(super) fn first_line(message: &str) -> &str {
    let first = split_at_sign(message, b'\n').map_or(message, |(first, _)| first);
    first.strip_suffix('\r').unwrap_or(first)
}

/// Method and URL of ` … <GET http://…> …`.
fn request(text: &str) -> Option<(&str, &str)> {
    let (_, inner) = split_at_sign(text, b'<')?;
    let (method, rest) = split_at_sign(inner, b' ')?;
    Some((method, split_at_sign(rest, b'>')?.0))
}

/// URL of `<200 http://…>`.
fn response(text: &str) -> Option<&str> {
    let (_, rest) = split_at_sign(text.strip_prefix('<')?, b' ')?;
    Some(split_at_sign(rest, b'>')?.0)
}

/// The status of ` 503 Service Unavailable`.
fn status_in_front(reason: &str) -> Option<u16> {
    let (number, _) = reason.trim_start().split_once(' ')?;
    number
        .parse()
        .ok()
        .filter(|status| number.len() == 3 && (100..600).contains(status))
}

/// How a run ended, by the reason it gives. Reasons of a spider's own are its own decision.
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

/// The statistics in the terms of the definitions. A request failed when its status is 400 or
/// above, or when no answer came (`request_count` − `response_count`; the exception count is of no
/// use for that, as it holds requests that were never sent).
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
        // Scrapy counts from zero: a key that is absent was never counted up.
        summary.items.get_or_insert(0);
        summary.items_failed.get_or_insert(0);
        summary.bytes.get_or_insert(0);
        summary.duplicates.get_or_insert(0);
        summary.pages.get_or_insert(0);
    }
    summary
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

/// The statistics that the user named, under those names, and those that none of Scrapy's own parts keeps.
pub(super) fn own(stats: Vec<(String, f64)>, map: &Map) -> Vec<(String, f64)> {
    let own = stats
        .into_iter()
        .filter_map(|(key, value)| match map.stat_of(&key) {
            Some(name) => Some((name.to_owned(), value)),
            None => (!is_scrapys(&key)).then_some((key, value)),
        });
    own.collect()
}

/// Whether a part of Scrapy itself keeps that statistic.
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
    let part = key.split_once('/').map_or(key, |(part, _)| part);
    PARTS.binary_search(&part).is_ok() || matches!(part, "start_time" | "urllength")
}

/// A line's head: `2026-03-04 11:22:33 [scrapy.core.engine] DEBUG: `.
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

/// Two accounts of crawlers that ran in one process, added up. Each counts all lines of the process, so that of
/// the levels the larger number holds.
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
