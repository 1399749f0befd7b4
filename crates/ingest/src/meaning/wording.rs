//! Recognises requests and items in the words of any program, by their own evidence.
//!
//! A message with one URL and a verb of fetching (`Visited https://…`, `page_fetched url=…`) is a request; without a
//! status, its outcome stays unknown. A verb of saving with a noun of the trade (`saved product 17`, `upserted offer
//! sku=…`) is an item; with a number and a plural (`scraped 12 items`), it is that many. Totals at the end of a run
//! repeat what other messages counted and are excluded.

use super::answer::{status, url_of};
use super::prose::milliseconds;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Said<'m> {
    /// A request; the status is `None` if the message does not contain one.
    Page {
        url: &'m str,
        status: Option<u16>,
        milliseconds: Option<f64>,
    },
    /// Items: one, or as many as the message counts.
    Items {
        count: Option<u32>,
        url: Option<&'m str>,
    },
}

/// Verbs of fetching, in the past tense.
const FETCHED: [&str; 16] = [
    "crawled",
    "downloaded",
    "fetched",
    "got",
    "hit",
    "loaded",
    "navigated",
    "opened",
    "pulled",
    "rendered",
    "requested",
    "retrieved",
    "scanned",
    "spidered",
    "viewed",
    "visited",
];
/// Nouns for a request, and words that say that it has ended.
const FETCHES: [&str; 6] = [
    "crawl",
    "download",
    "downloading",
    "fetch",
    "fetching",
    "request",
];
const FINISHED: [&str; 4] = ["completed", "finished", "succeeded", "ended"];
const FAILURES: [&str; 12] = [
    "cannot",
    "could",
    "couldn",
    "error",
    "failed",
    "failure",
    "failing",
    "refused",
    "timed",
    "timeout",
    "unable",
    "unreachable",
];
/// Verbs of saving, in the past tense.
const SAVED: [&str; 22] = [
    "added",
    "appended",
    "archived",
    "captured",
    "collected",
    "committed",
    "created",
    "exported",
    "extracted",
    "harvested",
    "imported",
    "indexed",
    "inserted",
    "parsed",
    "persisted",
    "recorded",
    "saved",
    "scraped",
    "stored",
    "updated",
    "upserted",
    "written",
];
/// Nouns of the trade, in the singular.
pub(super) const NOUNS: [&str; 34] = [
    "ad", "advert", "article", "auction", "book", "car", "company", "deal", "document", "entry",
    "event", "flat", "hotel", "house", "item", "job", "listing", "lot", "movie", "notice", "offer",
    "paper", "posting", "product", "profile", "property", "quote", "recipe", "record", "review",
    "row", "sku", "story", "vehicle",
];
/// Words of messages that are not items, or repeat others.
const DENIALS: [&str; 30] = [
    "all",
    "already",
    "altogether",
    "be",
    "before",
    "cannot",
    "complete",
    "completed",
    "csv",
    "done",
    "duplicate",
    "error",
    "failed",
    "far",
    "feed",
    "file",
    "finished",
    "invalid",
    "links",
    "never",
    "no",
    "not",
    "nothing",
    "so",
    "starting",
    "summary",
    "total",
    "totals",
    "urls",
    "xlsx",
];
/// What is saved and is no item.
pub(super) const NO_ITEMS: [&str; 22] = [
    "backup",
    "batch",
    "cache",
    "checkpoint",
    "chunk",
    "config",
    "cookie",
    "cookies",
    "html",
    "image",
    "job",
    "page",
    "proxy",
    "request",
    "response",
    "screenshot",
    "session",
    "settings",
    "snapshot",
    "state",
    "task",
    "token",
];
/// Words of messages about retries, which repeat other messages.
const AGAIN: [&str; 8] = [
    "attempt",
    "giving",
    "gave",
    "reclaiming",
    "redirect",
    "redirecting",
    "retry",
    "retrying",
];

/// Maximum number of items that one message counts.
const MOST_ITEMS: u32 = 100_000;
/// Maximum number of words that are looked at.
const MOST_WORDS: usize = 24;

/// A message's words, in lower case, without its URLs; and the only URL, if there is exactly one.
struct Words<'m> {
    lower: Vec<String>,
    url: Option<&'m str>,
    urls: usize,
}

impl<'m> Words<'m> {
    fn of(message: &'m str) -> Self {
        let mut words = Self {
            lower: Vec::new(),
            url: None,
            urls: 0,
        };
        let (mut is_quoted, mut is_titled) = (false, false);
        for raw in message.split_whitespace().take(MOST_WORDS) {
            // `title='Error 404 T-shirt'`
            let was_titled = is_titled;
            let title = raw.split_once("='").filter(|(key, _)| is_title(key));
            is_titled =
                title.map_or(is_titled, |_| true) && !closes(title.map_or(raw, |(_, text)| text));
            if was_titled || title.is_some() {
                continue;
            }
            // Quoted text is not the program's own.
            let quotes = raw.bytes().filter(|byte| *byte == b'"').count();
            let was_quoted = is_quoted;
            is_quoted ^= quotes % 2 == 1;
            if was_quoted || (quotes > 0 && is_quoted) {
                continue;
            }
            if let Some(url) = url_of(raw) {
                words.url = Some(url);
                words.urls += 1;
                continue;
            }
            let parts = raw
                .split(|c: char| !c.is_alphanumeric())
                .filter(|part| !part.is_empty());
            words.lower.extend(parts.map(str::to_lowercase));
        }
        words
    }

    fn has(&self, known: &[&str]) -> bool {
        self.lower.iter().any(|word| known.contains(&word.as_str()))
    }
}

/// Whether a key names a title, of which the words may be any.
fn is_title(key: &str) -> bool {
    ["headline", "name", "title"]
        .iter()
        .any(|name| key.ends_with(name))
}

/// Whether a word ends a text in single quotes.
fn closes(word: &str) -> bool {
    word.trim_end_matches([',', ';', '.', ')', ']', '}'])
        .ends_with('\'')
}

/// Fast path: whether a message may contain a verb in the past tense. Most do not.
fn may_say(bytes: &[u8]) -> bool {
    let ends = |at: usize| bytes.get(at).is_none_or(|next| !next.is_ascii_alphabetic());
    let is_past = |at: usize| {
        at > 1
            && matches!(bytes[at - 1], b'e' | b'E')
            && bytes[at - 2].is_ascii_alphabetic()
            && ends(at + 1)
    };
    let mut past = memchr::memchr2_iter(b'd', b'D', bytes);
    // `got`, `hit`, `written`.
    past.any(is_past)
        || [&b"ot "[..], b"it ", b"ritten"]
            .iter()
            .any(|end| memchr::memmem::find(bytes, end).is_some())
}

/// What a message of a quiet level says. `is_named` says whether a field of the record identifies an item.
pub(super) fn quiet(message: &str, is_named: bool) -> Option<Said<'_>> {
    if message.len() > 400 || !may_say(message.as_bytes()) || message.contains('\n') {
        return None;
    }
    let words = Words::of(message);
    if let Some(items) = items(&words, message, is_named) {
        return Some(items);
    }
    let url = words.url.filter(|_| words.urls == 1)?;
    // `Download finished: https://…`
    let is_finished = words.has(&FETCHES) && words.has(&FINISHED);
    // `Crawl complete for https://…: crawled 7 pages`
    let counts = |pair: &[String]| {
        let is_number = pair[0].bytes().all(|byte| byte.is_ascii_digit());
        is_number && matches!(&*pair[1], "pages" | "urls" | "requests")
    };
    if words.lower.windows(2).any(counts) {
        return None;
    }
    ((is_finished || words.has(&FETCHED)) && !words.has(&AGAIN) && !words.has(&FAILURES)).then(
        || Said::Page {
            url,
            status: status(
                &message
                    .split_whitespace()
                    .take(MOST_WORDS)
                    .collect::<Vec<_>>(),
            ),
            milliseconds: milliseconds(message),
        },
    )
}

/// Whether a message says that something was saved that may be an item, whatever it is called.
pub(super) fn saves(message: &str) -> bool {
    let words = Words::of(message);
    let first = |known: &[&str]| {
        let mut first = words.lower.iter().take(3);
        first.any(|word| known.contains(&word.as_str()))
    };
    // `event put into index`
    let puts = first(&["put"]) && words.has(&["in", "into"]);
    (first(&SAVED) || puts) && !words.has(&DENIALS) && !words.has(&NO_ITEMS)
}

/// Whether a message says that what it is about succeeded.
pub(super) fn succeeds(message: &str) -> bool {
    const SUCCESSES: [&str; 5] = ["ok", "succeeded", "success", "successful", "successfully"];
    let words = Words::of(message);
    words.has(&SUCCESSES) && !words.has(&FAILURES) || message.contains("成功")
}

/// Whether a message is about a retry, and so repeats another one.
pub(super) fn is_again(message: &str) -> bool {
    Words::of(message).has(&AGAIN)
}

/// How many items the end of a run says that it saved: `export finished, 12 rows saved`.
pub(super) fn total(message: &str) -> Option<u32> {
    const ENDS: [&str; 10] = [
        "all",
        "altogether",
        "complete",
        "completed",
        "done",
        "finished",
        "so",
        "summary",
        "total",
        "totals",
    ];
    if message.len() > 400 || !may_say(message.as_bytes()) || message.contains('\n') {
        return None;
    }
    let words = Words::of(message);
    let is_end = |word: &String| ENDS.contains(&word.as_str());
    let is_denial = |word: &String| DENIALS.contains(&word.as_str()) && !is_end(word);
    let may_tell = words.has(&SAVED) && words.lower.iter().any(is_end);
    if !may_tell || words.lower.iter().any(is_denial) {
        return None;
    }
    counted(&words.lower)
}

/// What is an item only if a number of it was saved.
const SAVED_IN_NUMBERS: [&str; 7] = [
    "comments", "messages", "photos", "posts", "results", "tweets", "videos",
];

/// The number before a plural noun of the trade: `12 items`, `12 new offers`; `saved 100 messages`.
fn counted(lower: &[String]) -> Option<u32> {
    let single = |word: &str| NOUNS.contains(&word);
    let plural = |word: &str| {
        let stem = word.strip_suffix("ies").map(|stem| format!("{stem}y"));
        let stem = stem.or_else(|| word.strip_suffix('s').map(str::to_owned));
        stem.is_some_and(|stem| single(&stem))
    };
    let number = |at: usize| lower[at].parse::<u32>().ok();
    let saved = |at: usize| {
        let verb = at.checked_sub(2).map(|at| lower[at].as_str());
        SAVED_IN_NUMBERS.contains(&&*lower[at]) && verb.is_some_and(|verb| SAVED.contains(&verb))
    };
    let places = (0..lower.len()).filter(|at| plural(&lower[*at]) || saved(*at));
    let mut counts = places.filter_map(|at| {
        let is_new = |at: usize| matches!(&*lower[at], "more" | "new" | "unique" | "valid");
        let further = at.checked_sub(2).filter(|_| is_new(at - 1));
        let before = at.checked_sub(1).and_then(number);
        before.or_else(|| further.and_then(number))
    });
    counts.find(|count| *count <= MOST_ITEMS)
}

/// `saved product 17`, `product saved: 17`, `scraped 12 items`.
fn items<'m>(words: &Words<'m>, message: &str, is_named: bool) -> Option<Said<'m>> {
    if !words.has(&SAVED) || words.has(&DENIALS) {
        return None;
    }
    let lower = &words.lower;
    if let Some(count) = counted(lower) {
        return Some(Said::Items {
            count: Some(count),
            url: words.url,
        });
    }
    // A noun alone may be anything: an item has an identity.
    let is_one = lower.iter().any(|word| NOUNS.contains(&word.as_str()));
    let has_identity = is_named
        || words.url.is_some()
        || lower
            .iter()
            .any(|word| word.bytes().any(|b| b.is_ascii_digit()))
        || message.contains(": ");
    (is_one && has_identity).then_some(Said::Items {
        count: None,
        url: words.url,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://shop.test/p/1";

    #[test]
    fn pages_are_recognised_by_verb_and_url() {
        for (message, expected) in [
            ("Visited https://shop.test/p/1", Some(None)),
            (
                "loaded https://shop.test/p/1: HTTP 200, 18234 bytes",
                Some(Some(200)),
            ),
            (
                "page_fetched url=https://shop.test/p/1 http_status=200",
                Some(Some(200)),
            ),
            ("Downloaded https://shop.test/p/1 in 310 ms", Some(None)),
            ("opened https://shop.test/p/1 (404, 0.42s)", Some(Some(404))),
            ("Download Finished: https://shop.test/p/1", Some(None)),
            ("finished downloading https://shop.test/p/1", Some(None)),
            ("Visiting https://shop.test/p/1", None),
            ("retrying, got https://shop.test/p/1", None),
            ("Got two: https://shop.test/p/1 https://shop.test/p/2", None),
            ("Fetched 12 pages", None),
            (
                "Crawl complete for https://shop.test/p/1: Crawled [7] pages",
                None,
            ),
        ] {
            let said = quiet(message, false).map(|said| match said {
                Said::Page { url, status, .. } => {
                    assert_eq!(url, URL);
                    status
                }
                other @ Said::Items { .. } => panic!("{message}: {other:?}"),
            });
            assert_eq!(said, expected, "{message}");
        }
    }

    #[test]
    fn items_are_recognised_by_verb_and_noun() {
        for (message, expected) in [
            ("event=product_saved id=17", Some(None)),
            ("saved product 17 url=https://shop.test/p/1", Some(None)),
            ("scraped 12 items", Some(Some(12))),
            ("saved 100 messages (offset_id=9000)", Some(Some(100))),
            (
                "exported 12 new products from https://shop.test/p/1",
                Some(Some(12)),
            ),
            ("upserted offer sku=17 price=12.50", Some(None)),
            ("Product saved: blue chair", Some(None)),
            ("persisted 3 entries", Some(Some(3))),
            ("Total: saved 120 items", None),
            ("finished, stored 120 items", None),
            ("Stored jsonlines feed (51 items) in: items.jsonl", None),
            ("product not saved: 17", None),
            ("saved session", None),
            ("updated record", None),
        ] {
            let said = quiet(message, false).map(|said| match said {
                Said::Items { count, .. } => count,
                other @ Said::Page { .. } => panic!("{message}: {other:?}"),
            });
            assert_eq!(said, expected, "{message}");
        }
    }

    #[test]
    fn the_end_of_a_run_tells_a_total() {
        for (message, expected) in [
            ("export finished, 12 rows saved", Some(12)),
            ("export finished, 0 rows saved", Some(0)),
            ("done: saved 7 new offers", Some(7)),
            ("Total: 40 items scraped", Some(40)),
            ("12 rows saved", None),
            ("export finished, 12 rows not saved", None),
            ("finished page 3, 12 links saved", None),
        ] {
            assert_eq!(total(message), expected, "{message}");
        }
        assert!(saves("lot put into the table"));
        assert!(!saves("lot put aside"));
    }
}
