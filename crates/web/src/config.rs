//! The section `[web]` of `dragline.toml`: where to listen, and whom to let in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::token::{TokenEntry, TokenError, Tokens};

/// The section `[web]`.
///
/// ```toml
/// [web]
/// listen = "0.0.0.0:8443"
/// hosts = ["monitor.example.com"]
///
/// [web.tls]
/// certificate = "monitor.crt"
/// key = "monitor.key"
///
/// [[web.tokens]]
/// name = "alex"
/// role = "act"
/// hash = "sha256:…"
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebConfig {
    /// Address and port; port 0 takes a free one. Another address than loopback needs tokens.
    pub listen: SocketAddr,
    /// Names by which browsers reach the page, besides `localhost` and IP addresses. A request for another name is
    /// refused: it comes from a page that made its own name point here.
    pub hosts: Vec<String>,
    /// The path under which a proxy serves the page, such as `/dragline`; empty for the root.
    pub base_path: String,
    /// Addresses of proxies whose `X-Forwarded-…` headers are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Who may read and act. Without any, everybody on this machine may do both.
    pub tokens: Vec<TokenEntry>,
    /// Certificate and key; without them the page is served without encryption.
    pub tls: Option<TlsFiles>,
    /// Limits.
    pub limits: Limits,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            hosts: Vec::new(),
            base_path: String::new(),
            trusted_proxies: Vec::new(),
            tokens: Vec::new(),
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// Files for TLS, PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate, followed by those that signed it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What one client may take from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of streams of changes.
    pub streams: usize,
    /// Seconds within which the headers of a request must have arrived.
    pub header_seconds: u64,
    /// Seconds within which a request must have been read and answered.
    pub request_seconds: u64,
    /// Maximum size of a form or a JSON body in bytes.
    pub body_bytes: usize,
    /// Maximum size of a batch of log lines in bytes, as sent.
    pub ingest_bytes: usize,
    /// Maximum number of requests that are answered at the same time.
    pub workers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            streams: 512,
            header_seconds: 10,
            request_seconds: 30,
            body_bytes: 64 * 1024,
            ingest_bytes: 8 * 1024 * 1024,
            workers: 32,
        }
    }
}

/// A mistake in the section.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebConfigError {
    /// Another address than loopback without tokens.
    #[error(
        "web.listen: {0} can be reached from other machines, and there are no tokens; add a [[web.tokens]] entry, or listen on 127.0.0.1"
    )]
    OpenWithoutTokens(SocketAddr),
    /// A public name without tokens.
    #[error(
        "web.hosts: {0:?} is a name for other machines, and there are no tokens; add a [[web.tokens]] entry"
    )]
    NamedWithoutTokens(String),
    /// A proxy without tokens.
    #[error(
        "web.trusted_proxies: a proxy lets others in, and there are no tokens; add a [[web.tokens]] entry"
    )]
    ProxyWithoutTokens,
    /// A name that is not one.
    #[error("web.hosts: invalid name {0:?}; write the name alone, without scheme, port and path")]
    InvalidHost(String),
    /// A path that is not one.
    #[error(
        "web.base_path: invalid path {0:?}; begin with \"/\", end without it, and use letters, digits, \"-\", \"_\" and \".\" between"
    )]
    InvalidBasePath(String),
    /// A limit that lets nothing through.
    #[error("web.limits.{0}: 0 would refuse everything; write a positive number")]
    ZeroLimit(&'static str),
    /// A wrong token.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl WebConfig {
    /// Checks everything that can be checked without opening a file or a port.
    ///
    /// # Errors
    /// The first mistake, with its key.
    pub fn check(&self) -> Result<Tokens, WebConfigError> {
        let tokens = Tokens::new(&self.tokens)?;
        if tokens.is_empty() {
            self.check_is_local()?;
        }
        if let Some(host) = self.hosts.iter().find(|host| !is_host_name(host)) {
            return Err(WebConfigError::InvalidHost(host.clone()));
        }
        if !is_base_path(&self.base_path) {
            return Err(WebConfigError::InvalidBasePath(self.base_path.clone()));
        }
        let limits = [
            ("connections", self.limits.connections as u64),
            ("streams", self.limits.streams as u64),
            ("header_seconds", self.limits.header_seconds),
            ("request_seconds", self.limits.request_seconds),
            ("body_bytes", self.limits.body_bytes as u64),
            ("ingest_bytes", self.limits.ingest_bytes as u64),
            ("workers", self.limits.workers as u64),
        ];
        match limits.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(WebConfigError::ZeroLimit(name)),
            None => Ok(tokens),
        }
    }

    fn check_is_local(&self) -> Result<(), WebConfigError> {
        if !self.listen.ip().is_loopback() {
            return Err(WebConfigError::OpenWithoutTokens(self.listen));
        }
        if let Some(host) = self.hosts.first() {
            return Err(WebConfigError::NamedWithoutTokens(host.clone()));
        }
        if !self.trusted_proxies.is_empty() {
            return Err(WebConfigError::ProxyWithoutTokens);
        }
        Ok(())
    }
}

fn is_host_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    !name.is_empty() && name.len() < 254 && name.chars().all(is_part)
}

fn is_base_path(path: &str) -> bool {
    let is_part = |part: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(is_plain)
    };
    path.is_empty()
        || path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Role, Token};

    fn with_token() -> WebConfig {
        let token = Token::from_bytes([7; 32]);
        WebConfig {
            tokens: vec![token.entry("alex", Role::Act)],
            ..WebConfig::default()
        }
    }

    #[test]
    fn another_address_than_loopback_needs_tokens() {
        let open: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        let config = WebConfig {
            listen: open,
            ..WebConfig::default()
        };
        assert_eq!(
            config.check().unwrap_err(),
            WebConfigError::OpenWithoutTokens(open)
        );
        let config = WebConfig {
            listen: open,
            ..with_token()
        };
        assert!(config.check().is_ok());
        assert!(WebConfig::default().check().is_ok());
    }

    #[test]
    fn what_lets_others_in_needs_tokens() {
        let named = WebConfig {
            hosts: vec!["monitor.example.com".into()],
            ..WebConfig::default()
        };
        assert!(matches!(
            named.check(),
            Err(WebConfigError::NamedWithoutTokens(_))
        ));
        let proxied = WebConfig {
            trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
            ..WebConfig::default()
        };
        assert_eq!(
            proxied.check().unwrap_err(),
            WebConfigError::ProxyWithoutTokens
        );
    }

    #[test]
    fn paths_and_names_are_plain() {
        for (path, is_valid) in [
            ("", true),
            ("/dragline", true),
            ("/a/b-c", true),
            ("dragline", false),
            ("/", false),
            ("/a/", false),
            ("/..", false),
            ("/a b", false),
            ("/{x}", false),
        ] {
            assert_eq!(is_base_path(path), is_valid, "{path}");
        }
        let config = WebConfig {
            hosts: vec!["https://monitor.example.com".into()],
            ..with_token()
        };
        assert!(matches!(
            config.check(),
            Err(WebConfigError::InvalidHost(_))
        ));
    }

    #[test]
    fn a_limit_of_zero_is_refused() {
        let mut config = WebConfig::default();
        config.limits.workers = 0;
        assert_eq!(
            config.check().unwrap_err(),
            WebConfigError::ZeroLimit("workers")
        );
    }
}
