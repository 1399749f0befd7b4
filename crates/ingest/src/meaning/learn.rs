//! Learns from a part of a log which forms of messages report requests and items.
//!
//! A program words its messages as it likes, but it repeats them. A form with one URL that changes from line to line,
//! and with a status, a varying duration or a varying size, reports requests. A form with an identity that changes and
//! a price or a URL reports items. Forms are judged only where the reader understands no requests, or no items, of the
//! log by its words, so that nothing counts twice; of several forms about the same URLs one is chosen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{Event, Level, Position, Problem, Record, Sink, SourceFile, url_hash};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::answer::STATUSES;
use super::besides::split_attempt;
use super::form::{Form, MOST_PARTS};
use super::wording;

/// Maximum number of forms that are observed, and that are learned.
const MOST_FORMS: usize = 512;
const MOST_LEARNED: usize = 32;
/// Minimum number of lines of a form.
const LEAST_LINES: u64 = 5;
/// Maximum number of different values that are kept of a part.
const MOST_VALUES: usize = 64;
/// Keys of an item's identity and of its price.
const IDENTITIES: [&str; 12] = [
    "article", "asin", "ean", "id", "isbn", "item", "name", "product", "ref", "sku", "title", "upc",
];
const PRICES: [&str; 6] = ["amount", "cost", "price", "salary", "eur", "usd"];
const CURRENCIES: [&str; 8] = ["EUR", "USD", "GBP", "CHF", "€", "$", "£", "PLN"];

/// What a form of messages reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reported {
    /// A request; the numbers are the indexes of the form's parts.
    Request {
        status: Option<u8>,
        duration: Option<u8>,
        bytes: Option<u8>,
    },
    Item,
}

/// The forms that were learned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Learned(BTreeMap<u64, Reported>);

impl Learned {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form of a message and what it reports, if that was learned.
    pub(super) fn read<'m>(&self, message: &'m str) -> Option<(Form<'m>, Reported)> {
        let form = Form::of(split_attempt(message).0)?;
        let reported = *self.0.get(&form.id)?;
        Some((form, reported))
    }

    /// Adds the forms of another file of the same log.
    pub(crate) fn add(&mut self, other: &Self) {
        for (form, reported) in &other.0 {
            if self.0.len() < MOST_LEARNED {
                self.0.entry(*form).or_insert(*reported);
            }
        }
    }
}

/// Observes the records of a part of a log.
#[derive(Debug, Default)]
pub(crate) struct Learner {
    /// By scraper and form.
    forms: BTreeMap<(u64, u64), Observed>,
    /// The scrapers whose requests, and whose items, are understood by their words or fields.
    with_requests: BTreeSet<u64>,
    with_items: BTreeSet<u64>,
}

/// The lines of one form.
#[derive(Debug, Default)]
struct Observed {
    lines: u64,
    urls: FxHashSet<u64>,
    has_several: bool,
    /// Whether a word denies that it reports anything new.
    is_denied: bool,
    /// Whether it says that something was saved.
    saves: bool,
    /// Whether it says that something succeeded.
    succeeds: bool,
    /// Whether a field identifies an item.
    has_identity: bool,
    /// Whether the number of what the message is about is behind a verb of saving and a noun.
    subject_is_saved: bool,
    /// The part with the number of what the message is about.
    subject: Option<usize>,
    /// The sizes in a field.
    sizes: FxHashSet<u64>,
    parts: [Column; MOST_PARTS],
}

/// The values of one part of a form.
#[derive(Debug, Default)]
struct Column {
    lines: u64,
    values: BTreeSet<u64>,
    statuses: u64,
    successes: u64,
    durations: u64,
    sizes: u64,
    identities: u64,
    names: u64,
    /// How many numbers follow the one before directly, and the last one.
    counted: u64,
    last: u64,
    prices: u64,
}

impl Sink for Learner {
    fn file(&mut self, _: &SourceFile) {}

    fn record(&mut self, record: &Record<'_>, _: Position) {
        let is_quiet = record.level.is_none_or(|level| level < Level::Warn);
        // Two programs of one log each have their own words.
        let scraper = record.scraper_id.as_deref().or(record.service.as_deref());
        let scraper = xxh3_64(scraper.unwrap_or_default().as_bytes());
        match &record.event {
            Event::Request(_) if is_quiet && !record.is_echo => {
                self.with_requests.insert(scraper);
            }
            Event::ProductProcessed(_) | Event::ArticleStored(_) => {
                self.with_items.insert(scraper);
            }
            Event::Log => self.observe(scraper, record),
            _ => {}
        }
    }

    fn problem(&mut self, _: &Problem<'_>) {}
}

impl Learner {
    fn observe(&mut self, scraper: u64, record: &Record<'_>) {
        let (Some(unread), Some(message)) = (record.unread, record.message.as_deref()) else {
            return;
        };
        let message = split_attempt(message).0;
        let Some(form) = Form::of(message) else {
            return;
        };
        let key = (scraper, form.id);
        if self.forms.len() >= MOST_FORMS && !self.forms.contains_key(&key) {
            return;
        }
        let observed = self.forms.entry(key).or_default();
        if observed.lines == 0 {
            observed.is_denied = super::denial::is_denied(message);
            observed.saves = wording::saves(message);
            observed.succeeds = wording::succeeds(message);
            observed.has_identity = unread.has_identity;
            let saved = saved_subject(message);
            observed.subject_is_saved = saved.is_some();
            let number = saved.or_else(|| subject(message));
            observed.subject = form.parts().position(|part| Some(part.text) == number);
        }
        observed.lines += 1;
        observed.has_identity &= unread.has_identity;
        // Of several URLs, the first one is the page's.
        observed.has_several |= form.urls > 1;
        let first = form.first.map(url_hash);
        if let Some(url) = unread.url.or(first) {
            add(&mut observed.urls, url);
        }
        if let Some(bytes) = unread.bytes {
            add(&mut observed.sizes, bytes);
        }
        for (part, column) in form.parts().zip(&mut observed.parts) {
            column.observe(&part);
        }
    }

    /// The forms that report requests or items.
    pub(crate) fn learned(&self) -> Learned {
        let mut learned = Learned::default();
        self.choose(&self.with_requests, Observed::as_request, &mut learned);
        self.choose(&self.with_items, Observed::as_item, &mut learned);
        learned
    }

    /// Adds the strongest forms of the scrapers that are not `known`. A form about URLs of which another one reports
    /// is left out.
    fn choose(
        &self,
        known: &BTreeSet<u64>,
        judge: impl Fn(&Observed) -> Option<(u8, Reported)>,
        learned: &mut Learned,
    ) {
        let unknown = self
            .forms
            .iter()
            .filter(|((scraper, _), _)| !known.contains(scraper));
        let mut judged: Vec<_> = unknown
            .filter_map(|(key, observed)| {
                let (strength, reported) = judge(observed)?;
                Some((
                    Reverse((strength, observed.lines)),
                    *key,
                    observed,
                    reported,
                ))
            })
            .collect();
        judged.sort_by_key(|(order, key, ..)| (*order, *key));
        let mut chosen: Vec<&Observed> = Vec::new();
        for (_, (_, form), observed, reported) in judged {
            let is_repeated = chosen.iter().any(|other| other.shares(observed));
            if is_repeated || learned.0.len() >= MOST_LEARNED {
                continue;
            }
            chosen.push(observed);
            learned.0.entry(form).or_insert(reported);
        }
    }
}

impl Observed {
    /// Whether both forms are about the same URLs.
    fn shares(&self, other: &Self) -> bool {
        let common = self.urls.intersection(&other.urls).count();
        common * 5 > self.urls.len().min(other.urls.len())
    }

    /// Whether it is about URLs that change. (Retries repeat them; a monitor visits the same ones every day.)
    fn has_urls(&self) -> bool {
        let enough = (self.lines / 2).clamp(4, MOST_VALUES as u64 / 2);
        self.urls.len() as u64 >= enough
    }

    /// As a request, with its strength: a status is stronger than a size, a size than a duration, and a duration than
    /// a word of success.
    fn as_request(&self) -> Option<(u8, Reported)> {
        if self.lines < LEAST_LINES || self.is_denied || self.urls.is_empty() {
            return None;
        }
        let index = |is: fn(&Column, u64) -> bool| {
            let found = self.parts.iter().position(|part| is(part, self.lines));
            found.map(|index| index as u8)
        };
        let status = index(Column::is_status);
        let duration = index(Column::is_duration);
        let bytes = index(Column::is_size);
        // What has a status and a duration or a size is an answer, however often its URL comes again.
        let duration = duration.or_else(|| status.and(index(Column::is_timed)));
        let is_answer = status.is_some() && (duration.is_some() || bytes.is_some());
        if !is_answer && (self.has_several || !self.has_urls()) {
            return None;
        }
        let strength = 8 * u8::from(status.is_some())
            + 4 * u8::from(bytes.is_some() || self.sizes.len() > 2)
            + 2 * u8::from(duration.is_some())
            + u8::from(self.succeeds && !self.saves);
        (strength > 0).then_some((
            strength,
            Reported::Request {
                status,
                duration,
                bytes,
            },
        ))
    }

    /// As an item: two of an identity, a price, a changing URL and a verb of saving, and nothing of a request.
    fn as_item(&self) -> Option<(u8, Reported)> {
        if self.lines < LEAST_LINES || self.is_denied {
            return None;
        }
        let any = |is: fn(&Column, u64) -> bool| self.parts.iter().any(|part| is(part, self.lines));
        if any(Column::is_status) || any(Column::is_duration) || any(Column::is_size) {
            return None;
        }
        let is_name = |column: &Column, lines| column.is_name(lines);
        let is_named = self.saves && self.parts.iter().any(|part| is_name(part, self.lines));
        let subject = self.subject.and_then(|index| self.parts.get(index));
        // `updated course 100`, `updated course 101`: what was saved is not counted by its number, and the next run saves
        // the same again.
        let is_saved = self.saves && self.subject_is_saved;
        let is_numbered = subject.is_some_and(|part| {
            let differs = part.lines == self.lines && part.values.len() as u64 >= LEAST_LINES;
            part.is_number(self.lines) || (is_saved && differs)
        });
        let is_known = is_numbered || any(Column::is_identity);
        let identity = u8::from(self.has_identity || is_named || is_known);
        let price = u8::from(any(Column::is_price));
        let has_page = !self.has_several && self.has_urls();
        let strength = identity + price + u8::from(has_page) + u8::from(self.saves);
        (strength > 1).then_some((strength, Reported::Item))
    }
}

impl Column {
    fn observe(&mut self, part: &super::form::Part<'_>) {
        self.lines += 1;
        if self.values.len() < MOST_VALUES {
            self.values.insert(xxh3_64(part.text.as_bytes()));
        }
        let status = part.status().filter(|status| STATUSES.contains(status));
        self.statuses += u64::from(status.is_some());
        self.successes += u64::from(status.is_some_and(|status| status < 400));
        self.durations += u64::from(part.milliseconds().is_some());
        self.sizes += u64::from(part.bytes().is_some());
        let key = part.key.to_ascii_lowercase();
        let last = key.rsplit(['_', '.', '-']).next().unwrap_or_default();
        self.identities += u64::from(IDENTITIES.contains(&last));
        let has_letters = part.text.bytes().any(|byte| byte.is_ascii_alphabetic());
        self.names += u64::from(has_letters && part.key.is_empty() && part.unit.is_empty());
        if let Ok(number) = part.text.parse::<u64>() {
            self.counted += u64::from(number == self.last.saturating_add(1));
            self.last = number;
        }
        let is_priced = PRICES.contains(&last) || CURRENCIES.contains(&part.unit);
        self.prices += u64::from(is_priced && part.text.parse::<f64>().is_ok());
    }

    /// Whether nearly all values differ, as far as they were kept.
    fn varies(&self, share: usize) -> bool {
        self.values.len() > 2 && self.values.len() * share >= (self.lines as usize).min(MOST_VALUES)
    }

    /// Statuses, most of them or some among others of success: the worse a site answers, the fewer they are.
    fn is_status(&self, lines: u64) -> bool {
        let varies = self.successes > 0 && self.values.len() > 1;
        self.lines == lines && self.statuses == lines && (self.successes * 2 >= lines || varies)
    }

    fn is_duration(&self, lines: u64) -> bool {
        self.lines == lines && self.durations == lines && self.varies(4)
    }

    /// Durations of which some differ: beside a status that is enough.
    fn is_timed(&self, lines: u64) -> bool {
        self.lines == lines && self.durations == lines && self.values.len() > 2
    }

    fn is_size(&self, lines: u64) -> bool {
        self.lines == lines && self.sizes == lines && self.varies(4)
    }

    fn is_identity(&self, lines: u64) -> bool {
        self.lines == lines && self.identities == lines && self.varies(2)
    }

    /// Names or ids that differ.
    fn is_name(&self, lines: u64) -> bool {
        self.lines == lines && self.names == lines && self.varies(2)
    }

    /// Numbers that may name what a message is about: a counter names nothing.
    fn is_number(&self, lines: u64) -> bool {
        self.lines == lines && self.counted * 2 < lines && self.varies(2)
    }

    fn is_price(&self, lines: u64) -> bool {
        self.lines == lines && self.prices * 10 >= lines * 9 && self.varies(8)
    }
}

fn add(values: &mut FxHashSet<u64>, value: u64) {
    if values.len() < MOST_VALUES {
        values.insert(value);
    }
}

/// The number of what was saved: `updated course 100`.
fn saved_subject(message: &str) -> Option<&str> {
    let mut words = message.split_ascii_whitespace();
    let is_noun = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let (_, noun, number) = (words.next()?, words.next()?, words.next()?);
    let number = number.trim_end_matches([',', '.', ':', ';', '!']);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_noun(noun) && is_number).then_some(number)
}

/// What a message is about: the number between a noun and its verb, as in `lot 1903 stored` (in `stored 1903 lots`, it
/// counts them), or the id between a noun and a colon, as in `Item p17: Small teapot`.
fn subject(message: &str) -> Option<&str> {
    let is_verb = |word: &str| {
        let word = word.trim_end_matches([',', '.', ':', ';', '!']);
        word.ends_with("ed") || matches!(word, "kept" | "put" | "written")
    };
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let mut words = message.split_ascii_whitespace();
    let mut last = words.next().filter(|word| is_word(word));
    let titled = words.clone().next().and_then(|id| id.strip_suffix(':'));
    let is_id = |id: &&str| {
        id.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && id.bytes().any(|byte| byte.is_ascii_digit())
    };
    if let Some(id) = titled.filter(is_id).filter(|_| last.is_some()) {
        return Some(id);
    }
    let mut number = None;
    for word in words.take(6) {
        if number.is_some() && is_verb(word) {
            return number;
        }
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        number = last.and(is_number.then_some(word));
        last = Some(word).filter(|word| is_word(word));
    }
    None
}

#[cfg(test)]
mod tests {
    use dragline_schema::Unread;

    use super::*;

    /// What the reader would pass on about these messages.
    fn learner(messages: impl IntoIterator<Item = String>) -> Learner {
        let mut learner = Learner::default();
        for message in messages {
            let form = Form::of(&message).expect("one line");
            let unread = Unread {
                form: form.id,
                url: form.url.map(url_hash),
                ..Unread::default()
            };
            let record = Record {
                message: Some((&*message).into()),
                unread: Some(unread),
                ..Record::default()
            };
            learner.record(&record, Position::default());
        }
        learner
    }

    fn reported(messages: &[fn(u32) -> String]) -> Vec<Reported> {
        let all = (1..=12).flat_map(|n| messages.iter().map(move |message| message(n)));
        learner(all).learned().0.into_values().collect()
    }

    #[test]
    fn a_url_with_a_status_a_duration_or_a_size_is_a_request() {
        let request = |status, duration, bytes| {
            vec![Reported::Request {
                status,
                duration,
                bytes,
            }]
        };
        let status = |n: u32| {
            format!(
                "{} ok https://shop.test/p/{n}",
                if n == 3 { 503 } else { 200 }
            )
        };
        assert_eq!(reported(&[status]), request(Some(0), None, None));
        let duration = |n: u32| format!("munched https://shop.test/p/{n} [{}ms]", 300 + n * 7);
        assert_eq!(reported(&[duration]), request(None, Some(0), None));
        let size = |n: u32| format!("https://shop.test/p/{n} is here, {} bytes", 18_000 + n);
        assert_eq!(reported(&[size]), request(None, None, Some(0)));
    }

    #[test]
    fn a_number_that_does_not_vary_is_a_setting() {
        assert_eq!(
            reported(&[|n| format!("limit of 30s for https://shop.test/p/{n}")]),
            []
        );
        // 300 and 404 do not outnumber successes.
        assert_eq!(
            reported(&[|n| format!("gone 404 https://shop.test/p/{n}")]),
            []
        );
    }

    #[test]
    fn a_number_between_noun_and_verb_names_an_item() {
        assert_eq!(
            reported(&[|n| format!(
                "castle {} updated (built {})",
                n * 7919 % 9000,
                1100 + n * 13
            )]),
            [Reported::Item]
        );
        let priced = |n: u32| format!("lot {} filed under B, {} EUR", n * 7919 % 9000, 40 + n);
        assert_eq!(reported(&[priced]), [Reported::Item]);
        // A counter, a number of things, and what nobody saved.
        assert_eq!(reported(&[|n| format!("page {n} updated")]), []);
        assert_eq!(
            reported(&[|n| format!("saved {} rows", n * 7919 % 900)]),
            []
        );
        assert_eq!(
            reported(&[|n| format!("tab {} closed", n * 7919 % 900)]),
            []
        );
    }

    #[test]
    fn a_name_with_a_price_behind_an_id_is_an_item() {
        let item = |n: u32| {
            let names = ["Small teapot", "Large red puzzle", "Oak lamp"];
            format!("Item p90{n}: {}, price={n}.73", names[n as usize % 3])
        };
        let failed = |n: u32| format!("Item p90{n}: Failed to parse it, price={n}.73");
        assert_eq!(reported(&[item]), [Reported::Item]);
        assert_eq!(reported(&[failed]), []);
    }

    #[test]
    fn announcements_report_nothing() {
        assert_eq!(
            reported(&[|n| format!("sleeping {}ms before https://shop.test/p/{n}", n * 31)]),
            []
        );
        assert_eq!(
            reported(&[|n| format!("walking on to https://shop.test/p/{n}")]),
            []
        );
    }

    #[test]
    fn two_forms_about_the_same_urls_are_one_request() {
        let got = |n: u32| format!("munched https://shop.test/p/{n} 200");
        let parsed = |n: u32| format!("understood https://shop.test/p/{n} in {}ms", 10 + n);
        assert_eq!(
            reported(&[got, parsed]),
            [Reported::Request {
                status: Some(0),
                duration: None,
                bytes: None
            }]
        );
        let list = |n: u32| format!("walked list https://shop.test/list/{n} [{}ms]", 300 + n * 7);
        let page = |n: u32| format!("walked page https://shop.test/p/{n} [{}ms]", 300 + n * 7);
        assert_eq!(reported(&[list, page]).len(), 2);
    }

    #[test]
    fn an_identity_with_a_price_or_a_url_is_an_item() {
        let item = |n: u32| format!("into the basket: sku=A{n} price={n}.50");
        assert_eq!(reported(&[item]), [Reported::Item]);
        assert_eq!(
            reported(&[|n| format!("sku=A{n} is already known, price={n}.50")]),
            []
        );
        assert_eq!(reported(&[|n| format!("worker {n} is up")]), []);
        // Whatever is saved is an item if it has an identity.
        for saved in [
            |n: u32| format!("saved album id=A{n}"),
            |n: u32| format!("Saved fare route=R{n} price={n}.50"),
            |n: u32| format!("Saved release R{n} \"Album {n}\""),
        ] {
            assert_eq!(reported(&[saved]), [Reported::Item]);
        }
        for other in [
            |n: u32| format!("saved page {n}"),
            |n: u32| format!("Saved screenshot id=A{n}"),
            |n: u32| format!("wrote file name=a{n}.html"),
        ] {
            assert_eq!(reported(&[other]), []);
        }
    }
}
