//! Who may ask: names, origins, tokens. Pure: what a request says, and what the configuration allows.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use dragline_schema::Timestamp;

use super::call::Caller;
use super::{Kind, Problem};
use crate::config::WebConfig;
use crate::session::{LENGTH_SECONDS, Sessions};
use crate::token::{Role, TokenEntry, Tokens};

/// The name of the page's cookie.
const COOKIE_NAME: &str = "dragline";

const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-forwarded-host"];

/// Pages load from themselves only, run no text as script or style, and are shown in no frame.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) is_tls: bool,
}

/// Decides about requests.
pub(crate) struct Guard {
    hosts: Vec<String>,
    proxies: Vec<IpAddr>,
    pub(crate) tokens: Tokens,
    sessions: Sessions,
    base: String,
}

impl Guard {
    pub(crate) fn new(config: &WebConfig, tokens: Tokens, key: [u8; 32]) -> Self {
        Self {
            hosts: config
                .hosts
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
            proxies: config.trusted_proxies.clone(),
            tokens,
            sessions: Sessions::new(key),
            base: config.base_path.clone(),
        }
    }

    /// Refuses a request for a name that is not ours, whatever it asks for.
    ///
    /// A page of another origin that lets its own name point to this machine (DNS rebinding) sends its own name. An
    /// IP address cannot be made to point elsewhere.
    pub(crate) fn check_host(&self, headers: &HeaderMap, peer: Peer) -> Result<(), Problem> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let Some(host) = host.filter(|_| hosts.next().is_none()) else {
            return Err(Problem::bad_request(
                "the request has no Host header, or several",
            ));
        };
        let name = name_of(host);
        let is_known =
            name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name);
        if !is_known {
            return Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                format!("this service is not called {name:?}; add the name to web.hosts if it is"),
            ));
        }
        let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        if is_forwarded && !self.is_trusted(peer) && self.tokens.is_empty() {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "a proxy forwards requests of others, and there are no tokens; add [[web.tokens]] entries and the proxy to web.trusted_proxies",
            ));
        }
        Ok(())
    }

    fn is_trusted(&self, peer: Peer) -> bool {
        self.proxies.contains(&peer.address.to_canonical())
    }

    /// Refuses what a page of another origin makes a browser send.
    pub(crate) fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let site = text(&HeaderName::from_static("sec-fetch-site"));
        let is_same_site = matches!(site, None | Some("same-origin" | "none"));
        let refuse = |what: &str| {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("a page of another origin may not {what}"),
            ))
        };
        if method == Method::GET || method == Method::HEAD {
            // A link from another page may be followed; anything else may not be loaded into one.
            let mode = text(&HeaderName::from_static("sec-fetch-mode"));
            return if is_same_site || mode == Some("navigate") {
                Ok(())
            } else {
                refuse("load this")
            };
        }
        match text(&ORIGIN) {
            Some(origin) => {
                let authority = origin.split_once("://").map(|(_, authority)| authority);
                let host = text(&HOST).unwrap_or_default();
                let is_own = authority.is_some_and(|own| own.eq_ignore_ascii_case(host));
                if is_own && is_same_site {
                    Ok(())
                } else {
                    refuse("change anything")
                }
            }
            // Browsers send the origin of whatever changes something. What sends a cookie is one.
            None if is_same_site && !headers.contains_key(COOKIE) => Ok(()),
            None => refuse("change anything"),
        }
    }

    /// Who asks. `Ok(None)`: nobody, and the route is for everybody.
    pub(crate) fn identify(
        &self,
        kind: Kind,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<Caller>, Problem> {
        if self.tokens.is_empty() {
            return Ok(Some(Caller {
                name: "local".to_owned(),
                role: Role::Act,
                has_session: false,
            }));
        }
        let caller = |entry: &TokenEntry, has_session| Caller {
            name: entry.name.clone(),
            role: entry.role,
            has_session,
        };
        if let Some(shown) = headers.get(AUTHORIZATION) {
            let token = shown.to_str().ok().and_then(bearer);
            let entry = token.and_then(|token| self.tokens.find(token));
            return entry
                .map(|entry| Some(caller(entry, false)))
                .ok_or_else(unauthorized);
        }
        let entry =
            cookie(headers).and_then(|cookie| self.sessions.check(cookie, &self.tokens, now));
        match entry {
            Some(entry) => Ok(Some(caller(entry, true))),
            None if kind == Kind::Public => Ok(None),
            None => Err(unauthorized()),
        }
    }

    /// The cookie for somebody who shows this token.
    pub(crate) fn sign_in(
        &self,
        token: &str,
        is_tls: bool,
        now: Timestamp,
    ) -> Result<String, Problem> {
        let entry = self
            .tokens
            .find(token.trim())
            .filter(|entry| entry.role != Role::Ship);
        let entry = entry.ok_or_else(|| {
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "this token is not known, or cannot read pages",
            )
        })?;
        let value = self.sessions.sign(entry, now);
        Ok(self.cookie(&value, LENGTH_SECONDS, is_tls))
    }

    /// The cookie that ends a session.
    pub(crate) fn sign_out(&self, is_tls: bool) -> String {
        self.cookie("", 0, is_tls)
    }

    fn cookie(&self, value: &str, seconds: i64, is_tls: bool) -> String {
        let secure = if is_tls { "; Secure" } else { "" };
        let path = &self.base;
        format!(
            "{COOKIE_NAME}={value}; Path={path}/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        )
    }

    /// Whether the browser sees an encrypted page.
    pub(crate) fn is_encrypted(&self, headers: &HeaderMap, peer: Peer) -> bool {
        let forwarded = headers
            .get("x-forwarded-proto")
            .and_then(|value| value.to_str().ok());
        peer.is_tls || (self.is_trusted(peer) && forwarded == Some("https"))
    }
}

/// Headers that every response has.
pub(crate) fn protect(headers: &mut HeaderMap, is_tls: bool) {
    let fixed = [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        let name = HeaderName::from_static(name);
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if is_tls {
        headers.insert(
            "strict-transport-security",
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    if headers.get("content-type").is_none() {
        headers.remove("content-disposition");
    }
}

/// Says how to show a token.
pub(crate) fn ask_for_token(headers: &mut HeaderMap) {
    headers.insert(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"dragline\""),
    );
}

fn unauthorized() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "a valid token is needed: send \"Authorization: Bearer TOKEN\", or sign in on the page",
    )
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}

/// The name or address of a Host header, without port and brackets.
fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer {
        address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        is_tls: false,
    };

    fn guard(config: &WebConfig) -> Guard {
        Guard::new(config, config.check().unwrap(), [1; 32])
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_our_names_are_answered() {
        let guard = guard(&WebConfig::default());
        for (host, status) in [
            ("localhost:8080", None),
            ("LOCALHOST", None),
            ("127.0.0.1:8080", None),
            ("[::1]:8080", None),
            ("192.0.2.7", None),
            ("evil.example.com", Some(421)),
            ("localhost.evil.example.com", Some(421)),
            ("127.0.0.1.evil.example.com:8080", Some(421)),
            ("", Some(421)),
        ] {
            let checked = guard.check_host(&headers(&[("host", host)]), PEER);
            let told = checked.err().map(|problem| problem.status.as_u16());
            assert_eq!(told, status, "{host}");
        }
        assert!(guard.check_host(&HeaderMap::new(), PEER).is_err());
        let forwarded = headers(&[("host", "localhost"), ("x-forwarded-for", "192.0.2.7")]);
        assert!(guard.check_host(&forwarded, PEER).is_err());
    }

    #[test]
    fn another_origin_changes_nothing() {
        let host = ("host", "localhost:8080");
        for (pairs, is_allowed) in [
            (vec![host], true),
            (vec![host, ("origin", "http://localhost:8080")], true),
            (vec![host, ("origin", "http://localhost:8081")], false),
            (vec![host, ("origin", "http://evil.example.com")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("cookie", "dragline=x")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (
                vec![
                    host,
                    ("sec-fetch-site", "same-site"),
                    ("origin", "http://localhost:8080"),
                ],
                false,
            ),
            (
                vec![
                    host,
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "http://localhost:8080"),
                ],
                true,
            ),
        ] {
            let checked = Guard::check_origin(&Method::POST, &headers(&pairs));
            assert_eq!(checked.is_ok(), is_allowed, "{pairs:?}");
        }
    }

    #[test]
    fn another_origin_loads_nothing_but_may_link() {
        let get = |pairs: &[(&'static str, &str)]| {
            Guard::check_origin(&Method::GET, &headers(pairs)).is_ok()
        };
        assert!(get(&[]));
        assert!(get(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate")
        ]));
        assert!(!get(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors")
        ]));
    }

    #[test]
    fn a_proxy_is_believed_only_when_it_is_named() {
        let token = crate::token::Token::from_bytes([1; 32]);
        let config = WebConfig {
            tokens: vec![token.entry("alex", Role::Act)],
            trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
            ..WebConfig::default()
        };
        let said = headers(&[("x-forwarded-proto", "https")]);
        assert!(guard(&config).is_encrypted(&said, PEER));
        let other = Peer {
            address: "192.0.2.7".parse().unwrap(),
            ..PEER
        };
        assert!(!guard(&config).is_encrypted(&said, other));
    }
}
