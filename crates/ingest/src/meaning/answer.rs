//! The URL and the status in the words of a message: `[200] https://…`, `https://… -> 404`,
//! `Status:[200] Url:[https://…]`, `https://…: 429.TooManyRequests (155 bytes)`.
//!
//! A number is a status only in a context that makes it one: brackets around it, a key or a word before it, a reason
//! phrase behind it (RFC 9110), or the message's URL directly before it.

use dragline_schema::host_of;

/// Statuses that sites answer with (RFC 9110, RFC 6585, those of proxies, shops and content networks, and one of
/// 999 that a network of jobs invented). A number outside of these is none.
pub(super) const STATUSES: [u16; 58] = [
    200, 201, 202, 203, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405,
    406, 407, 408, 409, 410, 412, 413, 418, 421, 422, 423, 425, 429, 430, 440, 444, 451, 456, 460,
    468, 499, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 561, 598, 599,
    999,
];
/// Words directly before a status.
const BEFORE: [&str; 16] = [
    "->",
    "=>",
    "answered",
    "code",
    "got",
    "http",
    "http/1.1",
    "http/2",
    "http/2.0",
    "received",
    "responded",
    "response",
    "returned",
    "status",
    "status_code",
    "statuscode",
];
/// Words directly before a status that refuses.
const BEFORE_REFUSAL: [&str; 2] = ["error", "with"];
/// Reason phrases begin with these words.
const BEHIND: [&str; 12] = [
    "OK",
    "Created",
    "Accepted",
    "Moved",
    "Found",
    "Not",
    "Bad",
    "Unauthorized",
    "Forbidden",
    "Too",
    "Internal",
    "Service",
];
/// Words directly behind a status that refuses, in any case: what HTTP libraries write.
const BEHIND_REFUSAL: [&str; 14] = [
    "bad",
    "client",
    "error",
    "forbidden",
    "for",
    "gateway",
    "gone",
    "internal",
    "not",
    "response",
    "server",
    "service",
    "too",
    "unauthorized",
];
/// Keys before the URL of another page, and words before that of a document about the error.
const REFERRERS: [&str; 7] = [
    "parent",
    "referer",
    "referrer",
    "parenturl",
    "foundon",
    "see",
    "check",
];
const METHODS: [&str; 7] = ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// Whether a word is a method of HTTP.
pub(super) fn is_method(word: &str) -> bool {
    METHODS.contains(&word)
}

/// Whether a number is a valid status. Of 100 to 199, only four are assigned (RFC 9110).
pub(super) fn is_status(number: u16) -> bool {
    matches!(number, 100..=103 | 200..=599 | 999)
}

/// Marks behind a URL that do not belong to it.
const END: [char; 11] = ['"', '\'', ')', '>', ']', ',', ';', ':', '.', '’', '”'];

/// The URL in a word: bare, in brackets or quotes, or behind `url=`.
pub(super) fn url_of(word: &str) -> Option<&str> {
    let begin = word.find("http")?;
    // In a path or a query it is a part of another URL.
    if word[..begin].contains(['/', '?', '&', '%']) {
        return None;
    }
    // `'https://a.test/7'\nFor more information`: the quotation ends it, and so does what no URL contains.
    let is_quoted = word[..begin].ends_with('\'');
    let is_foreign = |c: char| matches!(c, '"' | '\\' | '<' | '>') || (c == '\'' && is_quoted);
    let url = word[begin..].split(is_foreign).next().unwrap_or_default();
    let url = url.trim_end_matches(END);
    let is_url =
        (url.starts_with("http://") || url.starts_with("https://")) && host_of(url).is_some();
    is_url.then_some(url)
}

/// The only URL among words, with its place. Another one counts unless it is the same, or the page that linked it.
pub(super) fn only_url<'w>(words: &[&'w str]) -> Option<(usize, &'w str)> {
    let is_referrer = |at: usize, url: &str| {
        let own = words[at].strip_suffix(url).unwrap_or(words[at]);
        let own = own.split("http").next().unwrap_or_default();
        let before = at.checked_sub(1).map_or("", |at| words[at]);
        let key = bare(if bare(own).is_empty() { before } else { own });
        REFERRERS
            .iter()
            .any(|known| key.eq_ignore_ascii_case(known))
    };
    let mut urls = words
        .iter()
        .enumerate()
        .filter_map(|(at, word)| Some((at, url_of(word)?)))
        .filter(|(at, url)| !is_referrer(*at, url));
    let (at, url) = urls.next()?;
    urls.all(|(_, other)| other == url).then_some((at, url))
}

/// The first status among words.
pub(super) fn status(words: &[&str]) -> Option<u16> {
    (0..words.len())
        .find_map(|at| status_at(words, at))
        .or_else(|| by_phrase(words))
}

/// The status of a reason phrase behind a URL, with nothing else: `https://… (Not Found)`.
fn by_phrase(words: &[&str]) -> Option<u16> {
    let (url, phrase) = words.split_first()?;
    let [first, .., last] = phrase else {
        return None;
    };
    if !first.starts_with('(') || !last.ends_with(')') || url_of(url).is_none() {
        return None;
    }
    Some(match phrase.join(" ").trim_matches(['(', ')']) {
        "Bad Request" => 400,
        "Not Found" => 404,
        "Too Many Requests" => 429,
        "Internal Server Error" => 500,
        "Bad Gateway" => 502,
        "Service Unavailable" => 503,
        "Gateway Timeout" | "Gateway Time-out" => 504,
        _ => return None,
    })
}

/// The status at a place, if what surrounds it makes it one.
pub(super) fn status_at(words: &[&str], at: usize) -> Option<u16> {
    let word = words[at];
    let text = bare(word);
    // `200.OK`
    let (text, has_phrase) = match text.split_once('.') {
        Some((number, phrase)) if phrase.starts_with(|c: char| c.is_ascii_uppercase()) => {
            (number, true)
        }
        _ => (text, false),
    };
    let digits = text.len().checked_sub(3)?;
    let (key, number) = (text.get(..digits)?, text.get(digits..)?);
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || (!key.is_empty() && !key.ends_with(['=', ':', '[', '('])) {
        return None;
    }
    let status: u16 = number.parse().ok().filter(|number| is_status(*number))?;
    if has_phrase {
        return Some(status);
    }
    let next = words.get(at + 1).map_or("", |word| bare(word));
    if !key.is_empty() {
        let key = key.to_ascii_lowercase();
        let is_key = ["status", "code", "http"]
            .iter()
            .any(|part| key.contains(part));
        return (is_key && url_of(word).is_none()).then_some(status);
    }
    let refuses = status >= 400 && STATUSES.contains(&status);
    let is_bracketed = word.starts_with(['(', '[']) && word.contains([')', ']', ',', ':']);
    let before = at.checked_sub(1).map_or("", |at| words[at]);
    let lower = match before {
        "->" | "=>" => before.to_owned(),
        before => bare(before).to_ascii_lowercase(),
    };
    let behind_url = url_of(before).is_some() && {
        // `200`, `200 84ms`, `200 in 84 ms`, `200 (84 ms)`
        let is_last = match words[at + 1..] {
            [] | ["in", ..] => true,
            [next, ..] if is_duration(next) => true,
            [number, unit_of, ..] => {
                bare(number).parse::<f64>().is_ok() && unit(bare(unit_of)).is_some()
            }
            _ => false,
        };
        // `GET https://… 200 118 KB`
        let has_method = at > 1 && is_method(bare(words[at - 2]));
        let has_mark = before.ends_with(':') || at == 1 || has_method;
        refuses || has_mark || (is_last && word.len() == 3)
    };
    // npm's `GET 200 https://…`
    let behind_method =
        is_method(before) && words.get(at + 1).is_some_and(|word| url_of(word).is_some());
    // `status is 200`
    let is_sentence = matches!(&*lower, "is" | "was")
        && at > 1
        && matches!(
            &*bare(words[at - 2]).to_ascii_lowercase(),
            "status" | "code"
        );
    let is_told = is_sentence
        || BEFORE.contains(&&*lower)
        || BEHIND.contains(&next)
        || (refuses && BEFORE_REFUSAL.contains(&&*lower))
        || (refuses
            && BEHIND_REFUSAL
                .iter()
                .any(|known| next.eq_ignore_ascii_case(known)));
    let is_status = is_bracketed || behind_url || behind_method || is_told;
    (is_status && !counts(next)).then_some(status)
}

/// Whether a word behind a number says what it counts: `got 200 rows`, `took 200 ms`.
fn counts(word: &str) -> bool {
    unit(word).is_some()
        || (word.len() > 3
            && word.ends_with('s')
            && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// `84ms`, `(1.2s)`
pub(super) fn is_duration(word: &str) -> bool {
    let word = word.trim_matches(['(', ')', ',']);
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.');
    digits.is_some_and(|at| at > 0 && unit(&word[at..]).is_some())
}

/// The milliseconds of a unit of time.
pub(super) fn unit(word: &str) -> Option<f64> {
    match word {
        "ms" | "milliseconds" => Some(1.0),
        "s" | "sec" | "seconds" => Some(1000.0),
        _ => None,
    }
}

/// A word without the marks around it.
pub(super) fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_makes_a_number_a_status() {
        for (message, expected) in [
            ("[200] https://a.test/1", Some(200)),
            ("https://a.test/1 -> 404", Some(404)),
            ("Status:[404] Url:[https://a.test/1]", Some(404)),
            ("https://a.test/1 size: 12, status:200, 0.5s", Some(200)),
            (
                "https://a.test/1: 429.TooManyRequests (155 bytes)",
                Some(429),
            ),
            ("opened https://a.test/1 (404, 0.42s)", Some(404)),
            ("GET 404 https://a.test/1 12ms", Some(404)),
            ("https://a.test/1 503 Service Unavailable", Some(503)),
            ("error 503 at https://a.test/1", Some(503)),
            ("Request status is 200 for https://a.test/1", Some(200)),
            ("fetched https://a.test/1 200 in 0.4s", Some(200)),
            ("GET https://a.test/1 200 118 KB", Some(200)),
            ("https://a.test/1 (Not Found)", Some(404)),
            ("https://a.test/1 (Not Found yet)", None),
            ("got 200 rows from https://a.test/1", None),
            ("https://a.test/1 404 items", None),
            ("https://a.test/1 took 200 ms", None),
            ("https://a.test:443 is slow", None),
            ("width:200 https://a.test/1", None),
            ("https://a.test/1 v200.Ok", None),
        ] {
            let words: Vec<&str> = message.split_whitespace().collect();
            assert_eq!(status(&words), expected, "{message}");
        }
    }

    #[test]
    fn the_page_that_linked_another_is_not_its_url() {
        for (message, expected) in [
            (
                "Url:[https://a.test/1] Parent:[https://a.test/]",
                Some("https://a.test/1"),
            ),
            (
                "https://a.test/1 (referer: https://a.test/)",
                Some("https://a.test/1"),
            ),
            (
                "https://a.test/1: 403 for url: https://a.test/1",
                Some("https://a.test/1"),
            ),
            ("from https://a.test/1 to https://a.test/2", None),
            ("\"GET /scrape?u=https://a.test/1 HTTP/1.1\" 200", None),
            (
                "Fetching ‘https://a.test/1’ failed",
                Some("https://a.test/1"),
            ),
            ("nothing", None),
        ] {
            let words: Vec<&str> = message.split_whitespace().collect();
            assert_eq!(only_url(&words).map(|(_, url)| url), expected, "{message}");
        }
    }
}
