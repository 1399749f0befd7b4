//! URLs that never show their secrets.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::{Host, ParseError, Url};

/// A URL. [`Display`](fmt::Display) and [`Debug`] show no user, password, query or fragment, and of a URL that
/// came from the environment or a file no path either: the path of a webhook is its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    shows_path: bool,
}

/// A text that is not a URL. It does not contain the text, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(pub(crate) String);

/// Shortest text that is searched for in messages; shorter ones would blot out ordinary words.
const SHORTEST_SECRET: usize = 4;
/// Parts of a path from which on they may be a token.
const LONG_PART: usize = 8;
/// Parameters of databases' URLs that messages need.
const HARMLESS: [&str; 5] = ["host", "unix_socket", "sslmode", "ssl-mode", "charset"];

impl Address {
    /// Reads a URL with a host. `shows_path` is whether its path may be shown.
    ///
    /// # Errors
    /// When the text is not a URL or has no host.
    pub fn parse(text: &str, shows_path: bool) -> Result<Self, AddressError> {
        let fail = |reason: &str| AddressError(reason.to_owned());
        let url = Url::parse(text.trim()).map_err(|error| match error {
            ParseError::RelativeUrlWithoutBase => fail("the URL has no scheme such as https://"),
            error if text.contains('@') => AddressError(format!(
                "the URL cannot be read ({error}); special characters in a password are written \
                 percent-encoded, such as %40 for @ and %23 for #"
            )),
            error => AddressError(format!("the URL cannot be read ({error})")),
        })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(fail("the URL has no host"));
        }
        Ok(Self { url, shows_path })
    }

    /// The URL itself.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The address that a redirect leads to.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        let url = self.url.join(location).ok()?;
        Some(Self {
            url,
            shows_path: self.shows_path,
        })
    }

    /// Host without brackets.
    pub fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// Port, or that of the scheme.
    pub fn port(&self) -> Option<u16> {
        self.url.port().or_else(|| default_port(self.scheme()))
    }

    /// Scheme without a driver: `postgresql+asyncpg` is `postgresql`.
    pub fn scheme(&self) -> &str {
        let scheme = self.url.scheme();
        scheme.split_once('+').map_or(scheme, |(scheme, _)| scheme)
    }

    /// Whether it contains a password.
    pub fn has_password(&self) -> bool {
        self.url
            .password()
            .is_some_and(|password| !password.is_empty())
    }

    /// User, decoded.
    pub(crate) fn user(&self) -> String {
        decode(self.url.username())
    }

    /// Password, decoded. An empty password is one.
    pub(crate) fn password(&self) -> Option<String> {
        self.url.password().map(decode)
    }

    /// Path without the first slash, decoded: the name of a database.
    #[cfg(any(test, feature = "mysql", feature = "postgres"))]
    pub(crate) fn path_name(&self) -> String {
        decode(self.url.path().trim_start_matches('/'))
    }

    /// Value of a parameter of the query.
    #[cfg(any(test, feature = "mysql", feature = "postgres"))]
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.url.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// Texts that no message may contain: the password and the parameters, and of a hidden path its long parts.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets = self.credentials();
        if !self.shows_path {
            let host = self.host();
            let parts = self.url.path_segments().into_iter().flatten();
            let parts = parts.filter(|part| part.len() >= LONG_PART && !host.contains(part));
            secrets.extend(parts.map(decode));
        }
        secrets
    }

    /// The same without the path, which in the URL of a database is its name.
    pub(crate) fn credentials(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        if let Some(password) = self.url.password() {
            secrets.extend([password.to_owned(), decode(password)]);
        }
        for (name, value) in self.url.query_pairs() {
            if !HARMLESS.contains(&name.as_ref()) {
                secrets.push(value.into_owned());
            }
        }
        secrets
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Ports of services that scrapers use.
fn default_port(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "http" => 80,
        "https" => 443,
        "postgres" | "postgresql" => 5432,
        "mysql" | "mariadb" => 3306,
        "redis" | "rediss" => 6379,
        "mongodb" => 27017,
        "amqp" => 5672,
        "amqps" => 5671,
        "smtp" => 25,
        "smtps" => 465,
        "elasticsearch" => 9200,
        "kafka" => 9092,
        "memcached" => 11211,
        "ssh" => 22,
        _ => return None,
    })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            self.scheme(),
            self.url.host_str().unwrap_or("")
        )?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        let path = self.url.path();
        match (self.shows_path, path) {
            (true, _) | (false, "" | "/") => f.write_str(path)?,
            (false, _) => f.write_str("/…")?,
        }
        if self.url.query().is_some() {
            f.write_str("?…")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Replaces secrets in a message, the longest first so that no part of one is left.
pub(crate) fn scrub(message: &str, secrets: &[String]) -> String {
    let mut secrets: Vec<_> = secrets
        .iter()
        .filter(|secret| secret.len() >= SHORTEST_SECRET)
        .collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut clean = message.to_owned();
    for secret in secrets {
        clean = clean.replace(secret.as_str(), "***");
    }
    clean
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, shows_path: bool) -> String {
        let address = Address::parse(text, shows_path).unwrap();
        assert_eq!(format!("{address:?}"), format!("Address({address})"));
        address.to_string()
    }

    #[test]
    fn no_secret_is_shown() {
        for (text, shows_path, expected) in [
            (
                "https://shop.example.com/p/1",
                true,
                "https://shop.example.com/p/1",
            ),
            (
                "https://u:hunter2@shop.example.com/?key=abcdef#x",
                true,
                "https://shop.example.com/?…",
            ),
            (
                "https://hooks.example.com/services/T00/B11/s3cr3t",
                false,
                "https://hooks.example.com/…",
            ),
            (
                "postgresql+asyncpg://bot:p%40ss@db:6543/shop",
                false,
                "postgresql://db:6543/…",
            ),
            (
                "https://shop.example.com",
                false,
                "https://shop.example.com/",
            ),
        ] {
            assert_eq!(shown(text, shows_path), expected);
        }
    }

    #[test]
    fn passwords_are_decoded_and_may_be_empty_or_hold_anything() {
        for (text, password) in [
            ("mysql://u:a%25sb@h/d", Some("a%sb")),
            ("mysql://u:a%40b@h/d", Some("a@b")),
            // As SQLAlchemy reads it: the last @ ends the password.
            ("mysql://u:a@b@h/d", Some("a@b")),
            ("postgres://u:@h/d", None),
            ("postgres://u@h/d", None),
        ] {
            let address = Address::parse(text, false).unwrap();
            assert_eq!(address.password().as_deref(), password, "{text}");
            assert_eq!(address.host(), "h", "{text}");
            assert_eq!(address.path_name(), "d", "{text}");
        }
    }

    #[test]
    fn errors_do_not_quote_what_may_be_a_secret() {
        for text in [
            "postgres://u:hunter2#x@db/d",
            "hunter2",
            "postgres:///hunter2",
        ] {
            let error = Address::parse(text, false).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn messages_are_scrubbed_of_every_form() {
        let address =
            Address::parse("https://u:p%40ssw@h/a/longsegment?token=t0k%2Fen", false).unwrap();
        let message = "p@ssw p%40ssw t0k/en longsegment fine";
        let clean = scrub(message, &address.secrets());
        assert_eq!(clean, "*** *** *** *** fine");
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(
            password in "[A-Za-z0-9@:#%/?é ]{4,20}",
            shows_path in any::<bool>(),
        ) {
            let encoded: String = utf8_percent_encode(&password, NON_ALPHANUMERIC).collect();
            let address = Address::parse(&format!("mysql://u:{encoded}@h/d"), shows_path).unwrap();
            prop_assert_eq!(address.password(), Some(password.clone()));
            prop_assert_eq!(address.to_string().contains(&encoded), false);
            let message = format!("cannot use {password} or {encoded}");
            let clean = scrub(&message, &address.credentials());
            prop_assert!(!clean.contains(&password) && !clean.contains(&encoded), "{}", clean);
        }

        #[test]
        fn any_text_is_read_or_refused_without_being_quoted(text in "\\PC{0,40}", rest in "[ -~]{0,30}") {
            for text in [text, format!("postgres://u:sEcReTpW{rest}"), format!("sqlite:{rest}")] {
                let errors = [
                    Address::parse(&text, false).err(),
                    crate::Database::parse(&text, std::path::Path::new("/")).err(),
                ];
                for error in errors.into_iter().flatten() {
                    prop_assert!(!error.to_string().contains("sEcReTpW"), "{}", error);
                }
                let _ = crate::config::parse_host_port(&text);
            }
        }
    }

    #[test]
    fn ports_come_from_the_scheme() {
        let port = |text| Address::parse(text, true).unwrap().port();
        assert_eq!(port("rediss://cache/0"), Some(6379));
        assert_eq!(port("https://h"), Some(443));
        assert_eq!(port("postgresql+psycopg2://h/d"), Some(5432));
        assert_eq!(port("custom://h"), None);
        assert_eq!(port("custom://[::1]:99"), Some(99));
    }
}
