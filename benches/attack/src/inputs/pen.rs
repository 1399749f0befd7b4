//! What every writer of logs needs: a clock, words and numbers, now and then absurd ones.

use fastrand::Rng;

use super::hostile::{INSTANTS, NUMBERS, TEXTS, TIMES};
use crate::dice::Dice as _;

/// 2026-03-04 11:22:33 UTC, in microseconds.
const BEGIN: i64 = 1_772_623_353_000_000;
/// Microseconds.
const SECOND: i64 = 1_000_000;

pub(crate) const SCRAPERS: &[&str] = &["shop", "news-crawler", "jobs", "shop", "shop"];
pub(crate) const SITES: &[&str] = &["shop.example.com", "news.example.org", "jobs.example.net"];
pub(crate) const MESSAGES: &[&str] = &[
    "page fetched",
    "scraped item 7",
    "waiting before the next page",
    "GET http://shop.example.com/p/1 returned 200 (274 bytes) in 4 ms",
    "Retrying <GET http://shop.example.com/p/2> (failed 1 times): 503 Service Unavailable",
    "selector `h1.title` matched no element",
    "connect timed out after 10 s",
    "database is locked",
];
pub(crate) const ERRORS: &[&str] = &[
    "KeyError",
    "httpx.ConnectTimeout",
    "requests.exceptions.ConnectionError",
    "shop::Error::Parse",
    "TypeError",
];
pub(crate) const URLS: &[&str] = &[
    "https://shop.example.com/p/1",
    "https://shop.example.com/p/2?page=3&token=abc",
    "http://news.example.org:8080/a/b/c#d",
    "http://user:secret@jobs.example.net/",
    "ftp://[::1]:99999/%00%ff",
];

/// Writes one log.
pub(crate) struct Pen {
    pub(crate) rng: Rng,
    /// How often something is absurd.
    pub(crate) wild: f64,
    /// Microseconds since 1970.
    now: i64,
}

impl Pen {
    pub(crate) fn new(mut rng: Rng) -> Self {
        let wild = rng.weighted(&[(3, 0.0), (4, 0.02), (3, 0.15), (1, 0.6)]);
        let now = BEGIN + rng.i64(0..20 * 86_400) * SECOND;
        Self { rng, wild, now }
    }

    /// Whether what comes next is absurd.
    pub(crate) fn is_wild(&mut self) -> bool {
        let wild = self.wild;
        self.rng.chance(wild)
    }

    /// Time passes, seldom backwards.
    pub(crate) fn tick(&mut self) -> i64 {
        let step = if self.is_wild() {
            self.rng.i64(-86_400 * SECOND..86_400 * SECOND)
        } else {
            self.rng.i64(1000..3 * SECOND)
        };
        self.now += step;
        self.now
    }

    /// Nothing happens for so many seconds.
    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
    }

    /// RFC 3339, or what somebody took for it.
    pub(crate) fn time(&mut self) -> String {
        let now = self.tick();
        if self.is_wild() {
            return self.rng.pick(TIMES).to_owned();
        }
        stamp(now, 'T', 6) + "Z"
    }

    /// As Python's `logging` has it.
    pub(crate) fn spaced_time(&mut self) -> String {
        let now = self.tick();
        if self.is_wild() {
            return self.rng.pick(TIMES).replace('T', " ");
        }
        stamp(now, ' ', 3).replace('.', ",")
    }

    /// Without a fraction, as Scrapy has it.
    pub(crate) fn whole_time(&mut self) -> String {
        let now = self.tick();
        if self.is_wild() {
            return self.rng.pick(TIMES).replace('T', " ");
        }
        stamp(now, ' ', 0)
    }

    /// Milliseconds since 1970, as JSON.
    pub(crate) fn instant(&mut self) -> String {
        let now = self.tick();
        if self.is_wild() {
            return self.rng.pick(INSTANTS).to_owned();
        }
        (now / 1000).to_string()
    }

    /// A text, usually one of these.
    pub(crate) fn text(&mut self, usual: &[&str]) -> String {
        if !self.is_wild() {
            return self.rng.pick(usual).to_owned();
        }
        let hostile = self.rng.pick(TEXTS);
        match self.rng.u8(..12) {
            0..=4 => hostile.to_owned(),
            5..=8 => format!("{} {hostile} {}", self.rng.pick(usual), self.rng.u32(..99)),
            9 => hostile.repeat(self.rng.usize(1..400)),
            10 => "x".repeat(self.rng.usize(1..40_000)),
            _ => format!("{hostile}{}", self.rng.pick(TEXTS)),
        }
    }

    /// A text without line breaks, for formats that have one record a line.
    pub(crate) fn line(&mut self, usual: &[&str]) -> String {
        self.text(usual).replace('\n', " ")
    }

    /// A text as a JSON string.
    pub(crate) fn json(&mut self, usual: &[&str]) -> String {
        let text = self.text(usual);
        self.quoted(&text)
    }

    /// A text as a JSON string, escaped in one of the ways that writers have.
    pub(crate) fn quoted(&mut self, text: &str) -> String {
        let is_ascii = self.rng.chance(0.3);
        let is_raw = self.is_wild() && self.rng.chance(0.3);
        let mut quoted = String::from("\"");
        for letter in text.chars() {
            match letter {
                '"' | '\\' => quoted.extend(['\\', letter]),
                '\n' if !is_raw => quoted.push_str("\\n"),
                letter if letter < ' ' && !is_raw => escape(&mut quoted, letter),
                letter if !letter.is_ascii() && is_ascii => escape(&mut quoted, letter),
                letter => quoted.push(letter),
            }
        }
        if self.is_wild() {
            // Half a pair, an unknown escape, one that is cut.
            quoted.push_str(self.rng.pick(&[
                "\\ud83d",
                "\\udc00\\ud800",
                "\\q",
                "\\u12",
                "\\u0000",
            ]));
        }
        quoted.push('"');
        quoted
    }

    /// A whole number, as JSON.
    pub(crate) fn number(&mut self, below: u64) -> String {
        if self.is_wild() {
            return self.rng.pick(NUMBERS).to_owned();
        }
        self.rng.u64(..below).to_string()
    }

    /// A fraction, as JSON.
    pub(crate) fn fraction(&mut self, below: f64) -> String {
        if self.is_wild() {
            return self.rng.pick(NUMBERS).to_owned();
        }
        format!("{:.3}", self.rng.f64() * below)
    }

    /// A status of HTTP.
    pub(crate) fn status(&mut self) -> String {
        if self.is_wild() {
            return self.rng.pick(NUMBERS).to_owned();
        }
        self.rng
            .weighted(&[(12, "200"), (2, "404"), (2, "503"), (1, "429"), (1, "403")])
            .to_owned()
    }

    /// Brackets within brackets, often not closed.
    pub(crate) fn nested(&mut self) -> String {
        let depth = self.rng.pick(&[3, 60, 127, 128, 129, 1_000, 10_000]);
        let (open, close) = self
            .rng
            .pick(&[("[", "]"), ("{\"a\":", "}"), ("[{\"b\":", "}]")]);
        let closed = if self.rng.chance(0.7) { depth } else { 0 };
        format!("{}0{}", open.repeat(depth), close.repeat(closed))
    }
}

fn escape(into: &mut String, letter: char) {
    let mut units = [0; 2];
    for unit in letter.encode_utf16(&mut units) {
        into.push_str(&format!("\\u{unit:04x}"));
    }
}

/// Date and time of an instant in microseconds, with so many digits of a second's fraction.
pub(crate) fn stamp(micros: i64, between: char, digits: usize) -> String {
    let (seconds, rest) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text =
        format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}");
    if digits > 0 {
        let fraction = format!("{rest:06}");
        text.push('.');
        text.push_str(&fraction[..digits.min(6)]);
    }
    text
}

/// The date of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_become_dates() {
        assert_eq!(stamp(BEGIN, 'T', 6), "2026-03-04T11:22:33.000000");
        assert_eq!(stamp(-1, ' ', 3), "1969-12-31 23:59:59.999");
        assert_eq!(stamp(951_782_400 * SECOND, ' ', 0), "2000-02-29 00:00:00");
    }
}
