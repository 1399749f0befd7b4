//! Scrapy's text: runs, tracebacks, and statistics that count what nobody could.

use super::pen::{MESSAGES, Pen, SCRAPERS, URLS};
use crate::dice::Dice as _;

/// Names of statistics, as Scrapy has them, and some that only look like it.
const STATISTICS: &[&str] = &[
    "downloader/request_bytes",
    "downloader/request_count",
    "downloader/request_method_count/GET",
    "downloader/response_bytes",
    "downloader/response_count",
    "downloader/response_status_count/200",
    "downloader/response_status_count/404",
    "downloader/response_status_count/99999999999999999999",
    "downloader/response_status_count/-1",
    "downloader/exception_count",
    "elapsed_time_seconds",
    "item_dropped_count",
    "item_scraped_count",
    "log_count/ERROR",
    "log_count/WARNING",
    "memusage/max",
    "response_received_count",
    "retry/count",
    "retry/reason_count/503 Service Unavailable",
    "spider_exceptions/ValueError",
];

/// Values of statistics, as Python would write them, or not.
const VALUES: &[&str] = &[
    "18446744073709551616",
    "-1",
    "1e308",
    "inf",
    "nan",
    "None",
    "True",
    "'12'",
    "datetime.datetime(9999, 12, 31, 23, 59, 59)",
    "datetime.datetime(0, 0, 0)",
    "datetime.datetime(2026, 3, 4, 11, 22, 33, 999999999, tzinfo=datetime.timezone.utc)",
    "datetime.timedelta(days=999999999)",
    "{'a': {'b': [1, 2",
    "defaultdict(<class 'int'>, {'x': 1})",
    "'unclosed",
    "[[[[[[[[[[[[[[[[",
    "",
];

/// About so many lines of one spider or several.
pub(crate) fn log(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let mut text = String::new();
    let spider = pen.line(SCRAPERS);
    begin(pen, &mut text);
    for _ in 0..lines {
        match pen.rng.u8(..20) {
            0..=8 => crawled(pen, &mut text),
            9..=12 => scraped(pen, &mut text),
            13 | 14 => trouble(pen, &mut text, &spider),
            15 if pen.is_wild() => begin(pen, &mut text),
            16 if pen.is_wild() => statistics(pen, &mut text),
            _ => {
                let said = pen.line(MESSAGES);
                head(pen, &mut text, &spider, "INFO", &said);
            }
        }
    }
    if pen.rng.chance(0.7) {
        statistics(pen, &mut text);
        head(
            pen,
            &mut text,
            "scrapy.core.engine",
            "INFO",
            "Spider closed (finished)",
        );
    }
    text.into_bytes()
}

fn head(pen: &mut Pen, text: &mut String, logger: &str, level: &str, message: &str) {
    let time = pen.whole_time();
    text.push_str(&format!("{time} [{logger}] {level}: {message}\n"));
}

fn begin(pen: &mut Pen, text: &mut String) {
    let bot = pen.line(&["shop"]);
    let message = format!("Scrapy 2.19.0 started (bot: {bot})");
    head(pen, text, "scrapy.utils.log", "INFO", &message);
    head(
        pen,
        text,
        "scrapy.crawler",
        "INFO",
        "Overridden settings:\n{'BOT_NAME': 'shop',\n 'LOG_LEVEL': 'DEBUG'}",
    );
    head(pen, text, "scrapy.core.engine", "INFO", "Spider opened");
}

fn crawled(pen: &mut Pen, text: &mut String) {
    let (status, url) = (pen.status(), pen.line(URLS));
    let message = match pen.rng.u8(..6) {
        0 => format!("Retrying <GET {url}> (failed 1 times): 503 Service Unavailable"),
        1 => format!("Redirecting (302) to <GET {url}> from <GET {url}>"),
        2 => format!("Gave up retrying <GET {url}> (failed 3 times): {status} Unknown"),
        _ => format!("Crawled ({status}) <GET {url}> (referer: None) ['cached']"),
    };
    head(pen, text, "scrapy.core.engine", "DEBUG", &message);
}

fn scraped(pen: &mut Pen, text: &mut String) {
    let (status, url, name) = (pen.status(), pen.line(URLS), pen.text(&["Mat", "Teekanne"]));
    let price = pen.fraction(90.0);
    let message = format!("Scraped from <{status} {url}>\n{{'name': '{name}', 'price': {price}}}");
    head(pen, text, "scrapy.core.scraper", "DEBUG", &message);
}

fn trouble(pen: &mut Pen, text: &mut String, spider: &str) {
    let (url, said) = (pen.line(URLS), pen.line(MESSAGES));
    let message = format!(
        "Spider error processing <GET {url}> (referer: None)\n{}",
        traceback(pen)
    );
    if pen.rng.chance(0.5) {
        head(pen, text, "scrapy.core.scraper", "ERROR", &message);
    } else {
        head(pen, text, spider, "ERROR", &said);
    }
}

/// A traceback of Python's, whole or cut.
pub(crate) fn traceback(pen: &mut Pen) -> String {
    let mut text = String::from("Traceback (most recent call last):\n");
    let frames = if pen.is_wild() {
        pen.rng.usize(0..3000)
    } else {
        pen.rng.usize(1..5)
    };
    for frame in 0..frames {
        text.push_str(&format!(
            "  File \"/srv/shop/spiders/{frame}.py\", line {}, in parse\n    price = row['price']\n",
            pen.rng.u32(..)
        ));
    }
    let said = pen.text(&["'price'", "list index out of range"]);
    let kind = pen.line(&["KeyError", "IndexError", "shop.errors.SelectorError"]);
    text.push_str(&format!("{kind}: {said}"));
    if pen.rng.chance(0.1) {
        text.push_str(
            "\n\nDuring handling of the above exception, another exception occurred:\n\n\
             Traceback (most recent call last):\n",
        );
    }
    text
}

fn statistics(pen: &mut Pen, text: &mut String) {
    let mut pairs = Vec::new();
    for name in STATISTICS {
        if pen.rng.chance(0.8) {
            let value = if pen.is_wild() {
                pen.rng.pick(VALUES).to_owned()
            } else {
                pen.rng.u32(..500).to_string()
            };
            pairs.push(format!("'{name}': {value}"));
        }
    }
    if pen.is_wild() {
        let odd = pen.text(&["reason"]);
        pairs.push(format!("'finish_reason': '{odd}'"));
    }
    let end = if pen.is_wild() { "" } else { "}" };
    let message = format!("Dumping Scrapy stats:\n{{{}{end}", pairs.join(",\n "));
    head(pen, text, "scrapy.statscollectors", "INFO", &message);
}
