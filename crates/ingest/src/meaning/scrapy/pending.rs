//! A record whose lines may continue.

use dragline_schema::{Position, Timestamp};

use super::Pending;
use crate::framing::body::is_typed;
use crate::framing::crash::{self, Extent};
use crate::meaning::text::Message;
use crate::parsing::time::Local;
use crate::parsing::{Object, scalar};

impl Pending {
    /// The record's time.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// Where the record begins.
    pub(crate) fn at(&self) -> Position {
        self.at
    }

    /// Its first line.
    pub(crate) fn message(&self) -> Message<'_> {
        Message {
            text: &self.text,
            level: Some(self.level),
            logger: Some(&self.logger),
            time: self.time,
        }
    }

    /// Moves the time to the season that an envelope shows.
    pub(crate) fn taken(&mut self, local: &Local, taken_at: Option<Timestamp>) {
        self.time = self.time.map(|time| local.in_season(time, taken_at));
    }

    /// Whether a line belongs to this record.
    pub(super) fn takes(&mut self, line: &str) -> bool {
        if let Some(extent) = &mut self.extent {
            if extent.takes(line) {
                return true;
            }
            self.extent = None;
        }
        if !line.trim().is_empty()
            && let Some(extent) = Extent::begin(line)
        {
            // An item may quote any text of a page.
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
    /// Removes what a formatter appended to the message, ` ({"spider": "<LinesSpider 'tram_lines' at 0x7f0c>"})`,
    /// and returns the spider's name.
    pub(super) fn cut_extra(&mut self) -> Option<String> {
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

/// The name of a spider as written by a formatter: `tram_lines`, `<LinesSpider 'tram_lines' at 0x7f0c>`.
pub(super) fn spider_of(text: &str) -> Option<String> {
    let name = match text.split_once('\'') {
        Some((_, rest)) => rest.split_once('\'')?.0,
        None => text,
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// Whether the line after a message always belongs to it, whatever it looks like.
pub(super) fn has_body(message: &str) -> bool {
    message.starts_with("Scraped from")
        || message.starts_with("Dropped: ")
        || message.ends_with(':')
}

/// Loggers of libraries, which are not spiders.
const LIBRARIES: [&str; 55] = [
    "scrapy",
    "root",
    "asyncio",
    "twisted",
    "urllib3",
    "playwright",
    "protego",
    "filelock",
    "tldextract",
    "selenium",
    "seleniumwire",
    "websockets",
    "charset_normalizer",
    "chardet",
    "botocore",
    "boto3",
    "s3transfer",
    "pymongo",
    "peewee",
    "PIL",
    "httpx",
    "httpcore",
    "hpack",
    "h2",
    "parso",
    "trafilatura",
    "newspaper",
    "pika",
    "kafka",
    "redis",
    "celery",
    "kombu",
    "sqlalchemy",
    "psycopg",
    "psycopg2",
    "elasticsearch",
    "elastic_transport",
    "openai",
    "nltk",
    "pdfminer",
    "fontTools",
    "matplotlib",
    "numexpr",
    "WDM",
    "apscheduler",
    "concurrent",
    "faker",
    "readability",
    "requests",
    "cssselect",
    "parsel",
    "w3lib",
    "itemloaders",
    "stdout",
    "stderr",
];

/// Whether a logger is a spider's: it has no dot and is not from a well-known library.
pub(super) fn is_spider(logger: &str) -> bool {
    !logger.is_empty()
        && !logger.contains('.')
        && !LIBRARIES.contains(&logger)
        && !logger.starts_with("scrapy")
        && !logger.starts_with('_')
        && !logger.contains(',')
        && logger != "-"
        && !logger.contains('#')
}
