//! The heads of plain text logs: Python's `logging`, loguru, logback and log4j, tracing and
//! `env_logger`, and what is like them.

use std::sync::LazyLock;

use dragline_schema::Dialect;
use regex::Regex;

use super::Head;

/// A date and a time, in brackets or not, with or without a zone.
const TIME: &str = r"\[?(?P<time>(?:\d{4}[-/]\d\d[-/]\d\d[T ]|\d\d\.\d\d\.\d{4} )\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d)\b)?)\]?";
const LEVEL: &str = r"(?P<level>(?i:TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARN|WARNING|ERROR|CRITICAL|FATAL|SEVERE|TRC|DBG|INF|WRN|ERR|FTL))\b";

/// The orders in which heads are written, the most telling first.
const FORMATS: [(Dialect, &str); 11] = [
    // loguru: TIME | LEVEL    | module:function:line - message
    (
        Dialect::Loguru,
        r"^TIME \| LEVEL +\| (?P<logger>\S+:\S+:\d+) - (?P<message>.*)$",
    ),
    // Python: TIME - logger - LEVEL - message
    (
        Dialect::Text,
        r"^TIME - (?P<logger>\S+) - LEVEL - (?P<message>.*)$",
    ),
    // logback, log4j: TIME [thread] LEVEL logger - message
    (
        Dialect::Java,
        r"^TIME \[[^\]]+\] LEVEL +(?P<logger>[\w.$]+)(?:\(\d+\))?(?::| +-) ?(?P<message>.*)$",
    ),
    // env_logger: [TIME LEVEL logger] message
    (
        Dialect::Text,
        r"^TIME +LEVEL +(?P<logger>[\w:.$/-]+)\] (?P<message>.*)$",
    ),
    // Flask: TIME LEVEL in module: message
    (
        Dialect::Text,
        r"^TIME +LEVEL in (?P<logger>[\w.]+): ?(?P<message>.*)$",
    ),
    // zap's console, with or without a logger before the caller: TIME, LEVEL, caller, message
    (
        Dialect::Text,
        r"^TIME\tLEVEL\t(?P<logger>\S+)\t(?P<message>.*)$",
    ),
    // Like Scrapy's, with fractions of seconds: TIME [logger] LEVEL: message
    (
        Dialect::Text,
        r"^TIME \[(?P<logger>[^\]\s]+)\] +LEVEL: ?(?P<message>.*)$",
    ),
    // TIME LEVEL [logger] message
    (
        Dialect::Java,
        r"^TIME +\[?LEVEL\]? +\[(?P<logger>[^\]\s]+)\] ?[-:]? ?(?P<message>.*)$",
    ),
    // Python, tracing: TIME LEVEL logger: message
    (
        Dialect::Text,
        r"^TIME(?: -| \|)? +\[?LEVEL\]?(?: -| \||:)? +(?P<logger>[\w.$/-]+(?:::\w+)*)(?::| -| \|) (?P<message>.*)$",
    ),
    // TIME LEVEL message
    (
        Dialect::Text,
        r"^TIME(?: -| \|)? +\[?LEVEL\]?(?: -| \||:)? +(?P<message>.*)$",
    ),
    // Python's `basicConfig`: level:logger:message
    (
        Dialect::Text,
        r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):(?P<logger>[\w.]+):(?P<message>.*)$",
    ),
];
static COMPILED: LazyLock<Vec<(Dialect, Regex)>> = LazyLock::new(|| {
    let compile = |(dialect, format): (Dialect, &str)| {
        let pattern = format.replace("TIME", TIME).replace("LEVEL", LEVEL);
        let regex = Regex::new(&pattern);
        (
            dialect,
            regex.expect("a pattern of ours, which a test compiles"),
        )
    };
    FORMATS.into_iter().map(compile).collect()
});

/// Reads a line's head.
pub(super) fn head(line: &str) -> Option<Head<'_>> {
    // A date, or one in brackets, or a level in capitals.
    let first = line.trim_start_matches('[').as_bytes().first()?;
    if !first.is_ascii_digit() && !first.is_ascii_uppercase() {
        return None;
    }
    COMPILED.iter().find_map(|(dialect, regex)| {
        let found = regex.captures(line)?;
        let part = |name: &str| found.name(name).map(|part| part.as_str());
        Some(Head {
            dialect: *dialect,
            time: part("time"),
            level: part("level")?,
            logger: part("logger"),
            message: part("message")?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_orders() {
        let time = "2026-11-22 06:13:32,473";
        for (line, dialect, level, logger, message) in [
            (
                "T INFO news: run started",
                Dialect::Text,
                "INFO",
                Some("news"),
                "run started",
            ),
            (
                "T - shop.spider - WARNING - slow",
                Dialect::Text,
                "WARNING",
                Some("shop.spider"),
                "slow",
            ),
            (
                "T | SUCCESS  | shop.main:get:56 - GET -> 200",
                Dialect::Loguru,
                "SUCCESS",
                Some("shop.main:get:56"),
                "GET -> 200",
            ),
            (
                "T [pool-1-thread-2] ERROR com.shop.Crawler - page 3",
                Dialect::Java,
                "ERROR",
                Some("com.shop.Crawler"),
                "page 3",
            ),
            (
                "T [main] INFO  com.shop.Crawler: page 3",
                Dialect::Java,
                "INFO",
                Some("com.shop.Crawler"),
                "page 3",
            ),
            (
                "T  WARN [c.s.Crawler] page 3",
                Dialect::Java,
                "WARN",
                Some("c.s.Crawler"),
                "page 3",
            ),
            (
                "[T INFO  shop::fetch] got 3 pages",
                Dialect::Text,
                "INFO",
                Some("shop::fetch"),
                "got 3 pages",
            ),
            (
                "T  INFO shop::fetch: got 3 pages",
                Dialect::Text,
                "INFO",
                Some("shop::fetch"),
                "got 3 pages",
            ),
            (
                "[T] [ERROR] it broke",
                Dialect::Text,
                "ERROR",
                None,
                "it broke",
            ),
            (
                "T ERROR it broke: badly",
                Dialect::Text,
                "ERROR",
                None,
                "it broke: badly",
            ),
            (
                "T error: it broke",
                Dialect::Text,
                "error",
                None,
                "it broke",
            ),
        ] {
            let line = line.replace('T', time).replace(&format!("GE{time}"), "GET");
            let expected = Head {
                dialect,
                time: Some(time),
                level,
                logger,
                message,
            };
            let read = head(&line);
            assert_eq!(read, Some(expected), "{line}");
        }
    }

    #[test]
    fn python_without_a_time() {
        let read = head("WARNING:news.fetch:slow page").unwrap();
        assert_eq!(
            (read.time, read.level, read.logger),
            (None, "WARNING", Some("news.fetch"))
        );
    }

    #[test]
    fn what_is_no_head() {
        for line in [
            "",
            "2026-11-22",
            "2026-11-22 06:13:32 something happened",
            "Traceback (most recent call last):",
            "ValueError: INFO",
            "  2026-11-22 06:13:32 INFO indented",
            "ERROR: no logger",
        ] {
            assert_eq!(head(line), None, "{line}");
        }
    }
}
