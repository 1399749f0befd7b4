//! Failed requests that warnings, errors and announcements of retries tell in words: `failed to fetch https://…: 403 Forbidden`,
//! `attempt 2 for https://… timed out, retrying`.
//!
//! Such a message is about one URL, in its text or in a field of its record, and names a status that sites refuse with, a
//! sign that no answer came, or a verb of fetching beside a word for a failure. A page that could not be parsed was
//! fetched.

use dragline_schema::{Failure, url_hash};

use crate::framing::crash::{error_line, split_type};

use super::answer::{STATUSES, bare, is_method, only_url, status_at, url_of};
use super::wording::is_again;

/// Maximum length of a text that is looked at, in bytes, and of its words.
const LONGEST: usize = 400;
const MOST_WORDS: usize = 40;
/// Maximum length of what stands before a library's words: `ERR: `.
const LONGEST_MARK: usize = 16;
/// Maximum number of words from a verb to its URL.
const NEAR: usize = 3;

/// Words of requests that got no answer, also as parts of the names of errors.
const UNANSWERED: [&str; 15] = [
    "eai_again",
    "econnrefused",
    "econnreset",
    "ehostunreach",
    "enetunreach",
    "enotfound",
    "err_",
    "etimedout",
    "connecterror",
    "connectionerror",
    "getaddrinfo",
    "refused",
    "timedout",
    "timeout",
    "unreachable",
];
const FAILURES: [&str; 10] = [
    "cannot",
    "could",
    "couldn",
    "error",
    "exception",
    "failed",
    "failing",
    "failure",
    "fails",
    "unable",
];
/// Verbs of fetching, and nouns for it.
const FETCHING: [&str; 22] = [
    "access",
    "connect",
    "connecting",
    "crawl",
    "crawling",
    "download",
    "downloading",
    "fetch",
    "fetching",
    "get",
    "load",
    "loading",
    "navigate",
    "navigating",
    "open",
    "opening",
    "reach",
    "request",
    "requesting",
    "retrieve",
    "visit",
    "visiting",
];

/// A failed request in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Told<'t> {
    /// The URL, if the text has it.
    pub(super) url: Option<&'t str>,
    pub(super) failure: Failure,
}

/// The failed request that a text tells. `names_url` says whether a field of the record has the URL.
pub(super) fn told(text: &str, names_url: bool) -> Option<Told<'_>> {
    let text = text.lines().next().unwrap_or_default();
    if let Some(failure) = of_pool(text) {
        return Some(Told { url: None, failure });
    }
    let end = (0..=LONGEST.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))?;
    let words: Vec<&str> = unquoted(&text[..end]).take(MOST_WORDS).collect();
    let has_url = words.iter().any(|word| url_of(word).is_some());
    let url = only_url(&words);
    if url.is_none() && (has_url || !names_url) {
        return None;
    }
    let is_retried = is_again(text);
    let refuses = |status: &u16| *status >= 400 && STATUSES.contains(status);
    let mut statuses = (0..words.len()).filter_map(|at| status_at(&words, at));
    let status = statuses.find(refuses);
    let told = Told {
        url: url.map(|(_, url)| url),
        failure: Failure {
            status,
            is_retried,
            url: url.map(|(_, url)| url_hash(url)),
            ..Failure::default()
        },
    };
    if status.is_some() {
        return Some(told);
    }
    let lower: Vec<String> = words
        .iter()
        .map(|word| match url_of(word) {
            Some(_) => String::new(),
            None => bare(word).to_lowercase(),
        })
        .collect();
    let is_fetch = |at: usize| {
        let is_near = url.is_none_or(|(url, _)| at < url && url - at <= NEAR);
        // `<GET https://…>` is a name of the request.
        is_near && !is_method(bare(words[at])) && FETCHING.contains(&lower[at].as_str())
    };
    let fails = lower.iter().any(|word| FAILURES.contains(&word.as_str()));
    // `https://… -> ServerDisconnectedError: Server disconnected`
    let is_raised = || words.iter().any(|word| RAISED.contains(&bare(word)));
    let has_failed =
        is_unanswered(&lower) || is_raised() || (fails && (0..lower.len()).any(is_fetch));
    has_failed.then_some(told)
}

/// What an error of a connection pool begins with.
pub(super) const POOL: &str = "ConnectionPool(host='";

/// `HTTPSConnectionPool(host='a.test', port=443): Max retries exceeded with url: /1 (Caused by …)`: an error of urllib3,
/// which names a host and a path instead of a URL.
fn of_pool(text: &str) -> Option<Failure> {
    let (before, behind) = text.split_once(POOL)?;
    let (host, behind) = behind.split_once('\'')?;
    let (_, path) = behind.split_once("with url: ")?;
    let path = path.split_whitespace().next()?;
    let scheme = if before.ends_with("HTTPS") {
        "https"
    } else {
        "http"
    };
    Some(Failure {
        is_retried: is_again(before),
        url: Some(url_hash(&format!("{scheme}://{host}{path}"))),
        ..Failure::default()
    })
}

/// Whether a text says that a site sent a captcha or a notice of a block in place of a page.
pub(super) fn refuses(text: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "captcha",
        "access denied",
        "are you human",
        "are you a robot",
        "robot check",
        "bot detect",
        "challenge page",
        "blocked by",
    ];
    const DENIALS: [&str; 5] = ["solved", "solving", "no captcha", "without", "passed"];
    let text = text.lines().next().unwrap_or_default();
    if text.len() > LONGEST {
        return false;
    }
    let text = text.to_lowercase();
    SIGNS.iter().any(|sign| text.contains(sign)) && !DENIALS.iter().any(|word| text.contains(word))
}

/// Whether the line of an answer says that the site sent its login form in place of the page.
pub(super) fn asks_to_log_in(text: &str) -> bool {
    const SIGNS: [&str; 9] = [
        "is a login form",
        "is a login page",
        "is the login form",
        "is the login page",
        "login form instead",
        "login page instead",
        "not logged in",
        "session expired",
        "session has expired",
    ];
    // Fast path: most lines contain neither word.
    let may_say = |word: &[u8]| memchr::memmem::find(text.as_bytes(), word).is_some();
    if text.len() > LONGEST || !(may_say(b"log") || may_say(b"expired")) {
        return false;
    }
    let text = text.to_lowercase();
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// The status in what axios says of a failed request, if the text says nothing of which page that was.
pub(super) fn of_axios(text: &str) -> Option<u16> {
    let (before, rest) = text.split_once("Request failed with status code ")?;
    let status = rest.get(..3)?.parse().ok();
    let is_bare = before.len() < LONGEST_MARK && !text.contains("://");
    status.filter(|status| is_bare && *status >= 400 && STATUSES.contains(status))
}

/// Whether a text says in words that something failed.
pub(super) fn fails(text: &str) -> bool {
    let parts = text.split(|c: char| !c.is_alphanumeric());
    let mut parts = parts.map(str::to_lowercase);
    parts.any(|word| FAILURES.contains(&&*word))
}

/// Whether the name of an error is one of a request without an answer, or with a status that refuses.
pub(super) fn is_of_request(error_type: &str) -> bool {
    let name = error_type.to_lowercase();
    let parts = ["httperror", "httpstatuserror", "axioserror", "requesterror"];
    parts
        .iter()
        .chain(&UNANSWERED)
        .any(|part| name.contains(part))
}

/// Exceptions that only HTTP clients raise, of requests without an answer or with a status that refuses.
const RAISED: [&str; 24] = [
    "AxiosError",
    "ChunkedEncodingError",
    "ClientConnectorError",
    "ClientException",
    "ClientResponseError",
    "ConnectError",
    "ConnectException",
    "ConnectTimeout",
    "ConnectTimeoutError",
    "HTTPError",
    "HTTPStatusError",
    "HttpStatusException",
    "MaxRetryError",
    "NewConnectionError",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "ReadTimeoutError",
    "RemoteProtocolError",
    "ServerDisconnectedError",
    "ServerException",
    "SocketTimeoutException",
    "TooManyRedirects",
    "UnknownHostException",
];
/// Clients whose general exceptions are of requests too; those of databases have the same names.
const CLIENTS: [&str; 4] = ["requests.", "aiohttp.", "httpx.", "urllib3."];
const GENERAL: [&str; 4] = ["ConnectionError", "SSLError", "Timeout", "TimeoutError"];

/// The failed request of which an exception, or one of its causes, was raised.
pub(super) fn of_exception(traceback: &str) -> Option<Failure> {
    let lines = traceback
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace));
    let mut errors = lines.filter_map(|line| {
        let line = line.strip_prefix("Caused by: ").unwrap_or(line);
        // `ReadTimeout: …` is named like no other error.
        error_line(line).or_else(|| Some(split_type(line)).filter(|(name, _)| !name.is_empty()))
    });
    let message = errors.find_map(|(error_type, message)| {
        let name = error_type.rsplit(['.', '\\', ':', '/']).next()?;
        let is_clients = CLIENTS.iter().any(|client| error_type.starts_with(client));
        let is_one = RAISED.contains(&name) || (is_clients && GENERAL.contains(&name));
        is_one.then_some(message)
    })?;
    Some(
        told(message, true)
            .map(|told| told.failure)
            .unwrap_or_default(),
    )
}

fn is_unanswered(lower: &[String]) -> bool {
    let says = |word: &String| UNANSWERED.iter().any(|part| word.contains(part));
    let pair = |pair: &[String]| {
        matches!(
            (pair[0].as_str(), pair[1].as_str()),
            ("timed", "out")
                | ("hang", "up")
                | ("deadline", "exceeded")
                | ("connection", "reset" | "aborted" | "closed")
        )
    };
    lower.iter().any(says) || lower.windows(2).any(pair)
}

/// The words outside of quotation marks: what others said is no status of this request.
fn unquoted(text: &str) -> impl Iterator<Item = &str> {
    let mut open = None;
    text.split_whitespace().filter(move |word| {
        if let Some(mark) = open {
            open = (!word.contains(mark)).then_some(mark);
            return false;
        }
        // After a bracket it is the text of an exception.
        let value = word.split_once('=').map_or(*word, |(_, value)| value);
        let mark = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        open = mark.filter(|mark| !value[1..].contains(*mark));
        mark.is_none() || url_of(word).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_in_words() {
        for (text, expected) in [
            ("Failed to fetch https://a.test/1: ReadTimeout", Some(None)),
            (
                "Failed to fetch https://a.test/1: 403 Client Error: Forbidden for url: https://a.test/1",
                Some(Some(403)),
            ),
            ("Status 403 for https://a.test/1", Some(Some(403))),
            (
                "Attempt 1 failed for https://a.test/1: 429 Too Many Requests, retrying in 5s",
                Some(Some(429)),
            ),
            (
                "Retry after exception StatusCodeException('Bad status code: 429',) on https://a.test/q?id=1",
                Some(Some(429)),
            ),
            ("https://a.test/1 timed out", Some(None)),
            (
                "no answer: HTTPSConnectionPool(host='a.test', port=443): Max retries exceeded with url: /1 (Caused by \
                 ConnectTimeoutError(<urllib3.connection.HTTPSConnection object at 0x7f3c5c0>, 'Connection timed out'))",
                Some(None),
            ),
            ("could not load https://a.test/1", Some(None)),
            ("error while loading page https://a.test/1", Some(None)),
            ("https://a.test/1 failed: HTTP 500", Some(Some(500))),
            (
                "❌ Error scraping https://a.test/1: 404 Client Error",
                Some(Some(404)),
            ),
            (
                "page.goto: net::ERR_CONNECTION_REFUSED at https://a.test/1",
                Some(None),
            ),
            (
                "could not fetch https://a.test/1: HTTP 404",
                Some(Some(404)),
            ),
            ("bad answer from https://a.test/1 (503)", Some(Some(503))),
            ("slow answer from https://a.test/1 (200)", None),
            ("price changed on https://a.test/1", None),
            ("socket hang up at https://a.test/1", Some(None)),
            (
                "https://a.test/1 -> ServerDisconnectedError: Server disconnected",
                Some(None),
            ),
            // What was fetched and could not be used, several pages, other numbers.
            ("Failed to parse https://a.test/1: KeyError: 'price'", None),
            (
                "could not get the price of the chair on https://a.test/1",
                None,
            ),
            (
                "error in https://a.test/1 and https://a.test/2: timeout",
                None,
            ),
            ("only 404 of 500 rows from https://a.test/1", None),
            ("failed to fetch", None),
            ("Spider error processing <GET https://a.test/1>", None),
        ] {
            let found = told(text, false).map(|told| told.failure.status);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_captcha_in_place_of_a_page_is_a_refusal() {
        for (text, expected) in [
            ("Captcha page instead of results at https://a.test/1", true),
            ("Blocked by Cloudflare on https://a.test/1", true),
            ("solved the captcha of https://a.test/1", false),
            ("no price on https://a.test/1", false),
        ] {
            assert_eq!(refuses(text), expected, "{text}");
        }
        assert!(asks_to_log_in(
            "GET https://a.test/1 200 - this is the login form"
        ));
        assert!(!asks_to_log_in(
            "GET https://a.test/login 200 - login form sent"
        ));
    }

    #[test]
    fn a_field_may_have_the_url() {
        for (text, expected) in [
            ("fetch failed", Some(None)),
            ("Request failed with status code 503", Some(Some(503))),
            ("Timeout 30000ms exceeded", Some(None)),
            ("page failed", None),
            ("no element for h1.title", None),
        ] {
            let found = told(text, true).map(|told| told.failure.status);
            assert_eq!(found, expected, "{text}");
        }
        for (name, expected) in [
            ("ReadTimeout", true),
            ("requests.exceptions.ConnectionError", true),
            ("HTTPStatusError", true),
            ("KeyError", false),
        ] {
            assert_eq!(is_of_request(name), expected, "{name}");
        }
    }
}
