//! What the fleets are called, and what their errors say.
//!
//! The messages are those of real libraries, with numbers and addresses that vary from one to the
//! next. None holds a quotation mark or a backslash, so that they stand in JSON as they are.

use fastrand::Rng;

/// Scrapers and the sites that they read, the second for those that read two.
pub(crate) const SCRAPERS: &[(&str, [&str; 2])] = &[
    ("shop-prices", ["shop.example.com", "shop.example.de"]),
    ("news-crawler", ["news.example.org", "wire.example.net"]),
    (
        "market-watch",
        ["market.example.net", "auction.example.com"],
    ),
    ("jobs-board", ["jobs.example.com", "careers.example.org"]),
    ("flat-finder", ["flats.example.de", "houses.example.at"]),
    ("car-parts", ["parts.example.com", "tyres.example.com"]),
    (
        "book-catalogue",
        ["books.example.org", "used-books.example.org"],
    ),
    (
        "press-releases",
        ["press.example.gov", "ministry.example.gov"],
    ),
    ("hotel-rates", ["hotels.example.com", "hostels.example.com"]),
    (
        "recipe-index",
        ["recipes.example.net", "kitchen.example.net"],
    ),
    ("grocery", ["grocer.example.co.uk", "bakery.example.co.uk"]),
    (
        "court-notices",
        ["courts.example.gov", "tribunal.example.gov"],
    ),
];

/// A kind of error: its type and how its message is made, from an address and a number.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    /// The exception's name.
    pub(crate) name: &'static str,
    /// The message, with `{url}` and `{n}` for what varies.
    text: &'static str,
}

impl Fault {
    /// One such message.
    pub(crate) fn message(&self, url: &str, rng: &mut Rng) -> String {
        let number = rng.u32(1..5000).to_string();
        self.text.replace("{url}", url).replace("{n}", &number)
    }
}

const fn fault(name: &'static str, text: &'static str) -> Fault {
    Fault { name, text }
}

/// What goes wrong on any day somewhere.
pub(crate) const BACKGROUND: &[Fault] = &[
    fault(
        "serde_json::Error",
        "EOF while parsing a value at line 1 column {n}",
    ),
    fault(
        "ImageError",
        "cannot read the image of {url}: Connection reset by peer (os error 104)",
    ),
    fault(
        "UnicodeDecodeError",
        "'utf-8' codec can't decode byte 0xe4 in position {n}: invalid start byte",
    ),
    fault(
        "ValueError",
        "could not convert string to float: 'ab {n},-' on {url}",
    ),
    fault(
        "MissingElement",
        "selector `div.shipping` matched no element on {url}",
    ),
    fault("KeyError", "'availability'"),
    fault(
        "DateError",
        "time data '{n}. Brumaire' does not match format '%d.%m.%Y'",
    ),
];

/// What is seen once or twice a month, and means nothing.
pub(crate) const STRAY: &[Fault] = &[
    fault(
        "IncompleteRead",
        "IncompleteRead({n} bytes read, 812 more expected)",
    ),
    fault(
        "RecursionError",
        "maximum recursion depth exceeded while reading {url}",
    ),
    fault("hyper::Error", "connection closed before message completed"),
];

/// What was never there before the day on which it came to stay.
pub(crate) const NOVEL: &[Fault] = &[
    fault(
        "SSLCertVerificationError",
        "certificate verify failed: certificate has expired (_ssl.c:{n}) for {url}",
    ),
    fault(
        "OSError",
        "[Errno 28] No space left on device: '/data/images/{n}.jpg'",
    ),
    fault(
        "AttributeError",
        "'NoneType' object has no attribute 'text' in parse_detail of {url}",
    ),
    fault(
        "UniqueViolation",
        "duplicate key value violates unique constraint items_pkey: Key (id)=({n}) already exists",
    ),
    fault(
        "LoginRequired",
        "the session of account {n} has expired, {url} sends to the login page",
    ),
    fault(
        "ProxyError",
        "proxy 10.0.4.17:{n} refused the connection to {url}",
    ),
    fault(
        "UnknownCurrency",
        "no exchange rate for currency code XDR in offer {n}",
    ),
];

/// A connection that was not made in time.
pub(crate) const TIMEOUT: Fault = fault("ConnectTimeout", "connect to {url} timed out after 10 s");
/// An answer of the server's that says that it is its fault.
pub(crate) const SERVER: Fault = fault(
    "HttpStatusError",
    "server error for {url}: 503 Service Unavailable",
);
/// An answer that keeps the scraper out.
pub(crate) const FORBIDDEN: Fault =
    fault("HttpStatusError", "client error for {url}: 403 Forbidden");
/// An answer that asks for patience.
pub(crate) const THROTTLED: Fault = fault(
    "HttpStatusError",
    "client error for {url}: 429 Too Many Requests",
);
/// A wall in place of the page.
pub(crate) const CHALLENGE: Fault = fault(
    "ChallengePage",
    "captcha challenge instead of content on {url}",
);
/// A store that takes nothing.
pub(crate) const LOCKED: Fault = fault(
    "DatabaseError",
    "error returned from database: (code: 5) database is locked",
);
/// A page that is no longer what it was.
pub(crate) const SELECTOR: Fault = fault(
    "MissingElement",
    "selector `h1.title > span.name` matched no element on {url}",
);
/// A field of a page that is no longer there.
pub(crate) const FIELD: Fault = fault(
    "MissingElement",
    "selector `span.price` matched no element on {url}",
);
