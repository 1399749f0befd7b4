//! Requests described in a message's text: `GET http://… returned 200 (274 bytes) in 4 ms`,
//! `HTTP Request: GET http://… "HTTP/1.1 200 OK"`, `GET http://… failed after 7 ms: …`.

use dragline_schema::host_of;

use super::answer::{bare, is_duration, is_method, is_status, only_url, status, unit, url_of};
use super::form::Form;

/// A request described in a message.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Prose<'m> {
    pub(crate) method: &'m str,
    pub(crate) url: &'m str,
    /// `None` if the message says that there was no response.
    pub(crate) status: Option<u16>,
    pub(crate) milliseconds: Option<f64>,
    pub(crate) bytes: Option<u64>,
}

/// Messages about retries and skipped requests repeat earlier ones. Scrapy's own messages are read by its own
/// dialect, or are duplicates.
const AGAIN: [&str; 7] = [
    "Crawled (",
    "etry",
    "Ignoring",
    "ave up",
    "ttempt ",
    "giving up",
    "edirect",
];

/// Words that mean that no response came.
const FAILURES: [&str; 6] = ["failed", "timed", "timeout", "refused", "reset", "error"];
/// Number of words after the URL among which a status is searched.
const NEAR: usize = 4;

/// Loggers of HTTP libraries that log every request themselves.
const LIBRARIES: [&str; 3] = ["httpx", "urllib3.connectionpool", "reqwest::connect"];

/// Whether a logger is an HTTP library's.
pub(crate) fn is_library(logger: &str) -> bool {
    LIBRARIES.contains(&logger) || logger.starts_with("System.Net.Http.HttpClient")
}

/// Whether a URL is a browser's control port or a `WebDriver` command, not a request to a site.
pub(crate) fn is_control(url: &str) -> bool {
    let scheme = memchr::memchr(b':', url.as_bytes()).unwrap_or(url.len());
    let Some(rest) = url[scheme..].strip_prefix("://") else {
        return false;
    };
    let host = memchr::memchr(b'/', rest.as_bytes()).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host);
    let is_loopback = || {
        let host = host.rsplit('@').next().unwrap_or(host);
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "localhost" | "127.0.0.1" | "[::1]" | "0.0.0.0")
    };
    let path = path.strip_prefix("/wd/hub").unwrap_or(path);
    let command = path.strip_prefix("/session");
    let is_command = command.is_some_and(|rest| {
        let id = rest
            .trim_start_matches('/')
            .split(['/', '?'])
            .next()
            .unwrap_or_default();
        rest.is_empty()
            || (rest.starts_with('/')
                && id.len() >= 4
                && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
    });
    let is_port = ["/json/", "/devtools/", "/status", "/shutdown"]
        .iter()
        .any(|begin| path.starts_with(begin));
    is_command || (is_port && is_loopback())
}

/// Reads urllib3's message about a response: `https://x.test:443 "GET /p/1 HTTP/1.1" 200 274`. The
/// scheme's default port is removed from the URL.
pub(crate) fn urllib3(message: &str) -> Option<(String, Prose<'_>)> {
    let (base, rest) = message.split_once(" \"")?;
    let (scheme, _) = base.split_once("://")?;
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let (request, rest) = rest.split_once("\" ")?;
    let mut request = request.split(' ');
    let (method, path) = (request.next()?, request.next()?);
    let mut rest = rest.split(' ');
    let status = rest.next()?.parse().ok().filter(|n| is_status(*n))?;
    let url = format!("{}{path}", base.strip_suffix(usual).unwrap_or(base));
    is_method(method).then_some((
        url,
        Prose {
            method,
            status: Some(status),
            bytes: rest.next().and_then(|bytes| bytes.parse().ok()),
            ..Prose::default()
        },
    ))
}

/// Reads the outcome of a request of .NET's `HttpClient`, which names its URL in another line: `Received HTTP response headers
/// after 380.7045ms - 200`, `HTTP request failed after 30012.5ms`. (`End processing HTTP request` is the same request as the
/// retrying handler sees it.)
pub(crate) fn dotnet(message: &str) -> Option<Prose<'_>> {
    let milliseconds = |text: &str| text.strip_suffix("ms")?.replace(',', ".").parse().ok();
    if let Some(took) = message.strip_prefix("HTTP request failed after ") {
        return Some(Prose {
            milliseconds: Some(milliseconds(took.trim_end_matches('.'))?),
            ..Prose::default()
        });
    }
    let rest = message.strip_prefix("Received HTTP response headers after ")?;
    let (took, status) = rest.split_once(" - ")?;
    Some(Prose {
        status: Some(status.parse().ok().filter(|n| is_status(*n))?),
        milliseconds: Some(milliseconds(took)?),
        ..Prose::default()
    })
}

/// Reads `Crawl4AI`'s message about a page, `https://… | ✓ | ⏱: 0.08s` or `https://… | Error: …`: the URL, whether it
/// failed, its status and its duration in milliseconds.
pub(crate) fn crawl4ai(message: &str) -> Option<(&str, bool, Option<u16>, Option<f64>)> {
    let (url, rest) = message.split_once(" | ")?;
    let url = url.trim();
    host_of(url).filter(|_| url.starts_with("http"))?;
    let has_failed = !rest.starts_with('✓');
    // Older versions draw a box with the error below it.
    if has_failed && rest.trim() == "Error:" || url.ends_with("...") {
        return None;
    }
    let status = rest
        .split_once("HTTP ")
        .and_then(|(_, rest)| rest.get(..3)?.parse().ok());
    let seconds = rest
        .split_once("⏱: ")
        .and_then(|(_, rest)| rest.split('s').next());
    let milliseconds = seconds.and_then(|text| Some(text.parse::<f64>().ok()? * 1000.0));
    Some((
        url,
        has_failed,
        status.filter(|n| is_status(*n)),
        milliseconds,
    ))
}

/// Reads a message that starts with a method and a URL and contains the outcome.
pub(crate) fn request(message: &str) -> Option<Prose<'_>> {
    let message = message.strip_prefix("HTTP Request: ").unwrap_or(message);
    let message = message.strip_prefix("HTTP ").unwrap_or(message);
    let (method, rest) = message.split_once(' ')?;
    if !is_method(method) {
        return None;
    }
    let (url, rest) = rest.split_once(' ')?;
    if !url.starts_with("http") || host_of(url).is_none() {
        return None;
    }
    let words: Vec<&str> = rest
        .split_whitespace()
        .map(|word| word.trim_matches(['"', '\'', '(', ')', '[', ']', ',', ':', ';']))
        .take(24)
        .collect();
    let status = words
        .iter()
        .enumerate()
        .take(NEAR)
        .find_map(|(place, word)| {
            let status = word
                .parse()
                .ok()
                .filter(|n| word.len() == 3 && is_status(*n))?;
            let next = words.get(place + 1).copied().unwrap_or_default();
            (unit(next).is_none() && next != "bytes").then_some(status)
        });
    let fails = |word: &&str| {
        FAILURES
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
    };
    if status.is_none() && !words.iter().any(fails) {
        return None;
    }
    Some(Prose {
        method,
        url,
        status,
        milliseconds: words.windows(2).find_map(duration),
        bytes: words
            .windows(2)
            .find(|pair| pair[1] == "bytes")
            .and_then(|pair| pair[0].parse().ok()),
    })
}

/// Heritrix's statuses below zero that are of requests: others say why it did not ask
/// (<https://heritrix.readthedocs.io/en/latest/glossary.html#status-codes>).
const ATTEMPTED: std::ops::RangeInclusive<i32> = -404..=-1;

/// Reads a message in columns: a status, a size, possibly a duration, and the URL:
/// `200  5123 https://… LLE https://… text/html`, `#001: 404 4406 148.7ms https://…`.
pub(crate) fn columns(message: &str) -> Option<Prose<'_>> {
    let mut words = message.split_ascii_whitespace().peekable();
    words.next_if(|word| word.starts_with('#'));
    let code: i32 = words.next()?.parse().ok()?;
    let status = u16::try_from(code).ok().filter(|status| is_status(*status));
    if status.is_none() && !ATTEMPTED.contains(&code) {
        return None;
    }
    let size = words.next()?;
    let bytes = size.parse().ok();
    if bytes.is_none() && size != "-" {
        return None;
    }
    let took = words.next_if(|word| is_duration(word));
    let url = url_of(words.next()?)?;
    Some(Prose {
        method: "",
        url,
        status,
        milliseconds: took.and_then(|word| duration(&["", word])),
        bytes,
    })
}

/// Reads a message that contains a URL and a status in free wording: `[200] GET https://…`,
/// `https://… -> 404`, `Fetched https://… (200) in 0.31 seconds`, `Response code 503 for https://…`. A number
/// without such a context is not a status.
pub(crate) fn told(message: &str) -> Option<Prose<'_>> {
    // pyspider's processor repeats the page that its fetcher fetched.
    if !message.contains("http")
        || message.starts_with("process ")
        || message.contains('\n')
        || AGAIN.iter().any(|words| message.contains(words))
    {
        return None;
    }
    let raw: Vec<&str> = message.split_whitespace().take(32).collect();
    let (_, url) = only_url(&raw)?;
    let status = status(&raw)?;
    let pairs = || raw.windows(2);
    Some(Prose {
        method: raw
            .iter()
            .map(|word| bare(word))
            .find(|word| is_method(word))
            .unwrap_or(""),
        url,
        status: Some(status),
        milliseconds: pairs()
            .find_map(|pair| {
                let clean = [
                    pair[0].trim_matches(['(', ')', ',']),
                    pair[1].trim_matches(['(', ')', ',']),
                ];
                duration(&clean)
            })
            .or_else(|| duration_of_form(message)),
        bytes: None,
    })
}

/// `in 4 ms`, `52ms`.
fn duration(pair: &[&str]) -> Option<f64> {
    let digits = pair[1]
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(pair[1].len());
    let (number, suffix) = pair[1].split_at(digits);
    if let (Ok(number), Some(scale)) = (number.parse::<f64>(), unit(suffix)) {
        return Some(number * scale);
    }
    // StormCrawler's `in msec 84`.
    if pair[0] == "msec" {
        return pair[1].parse().ok();
    }
    Some(pair[0].parse::<f64>().ok()? * unit(pair[1])?)
}

/// The first duration in a message, in milliseconds.
pub(super) fn milliseconds(message: &str) -> Option<f64> {
    let clean = |word: &'_ str| word.trim_matches(['(', ')', ',', '[', ']']).to_owned();
    let words: Vec<String> = message.split_whitespace().take(32).map(clean).collect();
    words
        .windows(2)
        .find_map(|pair| duration(&[&pair[0], &pair[1]]))
        .or_else(|| duration_of_form(message))
}

/// The first duration among a message's varying parts: `[84ms]`, `+84ms`, `elapsed=0.084s`, `duration_ms=84`.
fn duration_of_form(message: &str) -> Option<f64> {
    let form = Form::of(message)?;
    form.parts().find_map(|part| part.milliseconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotnet_tells_each_request_in_several_lines() {
        for (message, status, took) in [
            (
                "Received HTTP response headers after 380.7ms - 200",
                Some(200),
                380.7,
            ),
            ("HTTP request failed after 30012.5ms", None, 30_012.5),
        ] {
            let told = dotnet(message).unwrap();
            assert_eq!((told.status, told.milliseconds), (status, Some(took)));
        }
        assert_eq!(dotnet("End processing HTTP request after 1ms - 200"), None);
    }

    #[test]
    fn messages_that_tell_of_requests() {
        let request = |status, milliseconds, bytes| {
            Some(Prose {
                method: "GET",
                url: "http://x.test/p/1",
                status,
                milliseconds,
                bytes,
            })
        };
        for (message, expected) in [
            (
                "returned 200 (274 bytes) in 4 ms",
                request(Some(200), Some(4.0), Some(274)),
            ),
            ("\"HTTP/1.1 404 Not Found\"", request(Some(404), None, None)),
            ("-> 503 in 1.5s", request(Some(503), Some(1500.0), None)),
            (
                "failed after 703 ms: Read timed out",
                request(None, Some(703.0), None),
            ),
            ("took 200 ms", None),
            ("is next", None),
        ] {
            let message = format!("GET http://x.test/p/1 {message}");
            assert_eq!(super::request(&message), expected, "{message}");
        }
        let (url, told) = urllib3("https://x.test:443 \"GET /p/1?a=b HTTP/1.1\" 404 None").unwrap();
        assert_eq!(
            (&*url, told.status, told.bytes),
            ("https://x.test/p/1?a=b", Some(404), None)
        );
        assert!(urllib3("Starting new HTTPS connection (1): x.test:443").is_none());
        for (message, expected) in [
            ("[200] GET http://x.test/2 (0.2s)", Some((200, Some(200.0)))),
            ("http://x.test/3 -> 404", Some((404, None))),
            ("fetched http://x.test/3 503 12ms", Some((503, Some(12.0)))),
            ("fetched http://x.test/3 200", Some((200, None))),
            (
                "fetched http://x.test/3 (200) [84ms]",
                Some((200, Some(84.0))),
            ),
            ("got http://x.test/3 +84ms [200]", Some((200, Some(84.0)))),
            (
                "got (200) http://x.test/3 elapsed=0.084s",
                Some((200, Some(84.0))),
            ),
            (
                "got (200) http://x.test/3 duration_ms=84",
                Some((200, Some(84.0))),
            ),
            ("got http://x.test/3 200 rows", None),
            ("GET 404 http://x.test/3 12ms", Some((404, Some(12.0)))),
            (
                "Fetched http://x.test/3 with status 200 in msec 84",
                Some((200, Some(84.0))),
            ),
            (
                "Fetched http://x.test/4 (200) in 0.31 seconds",
                Some((200, Some(310.0))),
            ),
            ("Response code 503 for http://x.test/5", Some((503, None))),
            ("Requesting http://x.test/7 ... 200 OK", Some((200, None))),
            (
                "Response: \"200 http://x.test/8\" 0.084 seconds",
                Some((200, Some(84.0))),
            ),
            ("Crawled (200) <GET http://x.test/9> (referer: None)", None),
            ("found 200 items on http://x.test/9", None),
            ("http://x.test/9 took 200 ms", None),
            (
                "redirected (301) from http://x.test/9 to http://x.test/10",
                None,
            ),
        ] {
            let told = super::told(message).map(|told| (told.status.unwrap(), told.milliseconds));
            assert_eq!(told, expected, "{message}");
        }
        for (message, expected) in [
            (
                "  200   5123 https://a.test/ LLE https://b.test/ text/html",
                Some((Some(200), None)),
            ),
            ("-2 - https://a.test/ P https://b.test/", Some((None, None))),
            (
                "#001:  404 4406 150.5ms https://a.test/ https://b.test/",
                Some((Some(404), Some(150.5))),
            ),
            ("-9998 - https://a.test/ E https://b.test/ robots", None),
            ("200 rows https://a.test/", None),
            ("200 5123 dns:a.test", None),
        ] {
            let read = columns(message).map(|told| (told.status, told.milliseconds));
            assert_eq!(read, expected, "{message}");
        }
        assert_eq!(super::request("GET /p/1 returned 200"), None);
        assert!(
            super::request("HTTP Request: POST https://x.test/ \"HTTP/2 201 Created\"").is_some()
        );
    }
}
