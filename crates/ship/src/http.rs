//! The way to the service by HTTP.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dragline_ingest::Signature;
use serde::Deserialize;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::transport::{Batch, Held, Outcome, Refusal, Transport};

/// The path of the operation, behind the address of the service.
const PATH: &str = "/api/v1/ingest";
/// Longest time for one request and its answer.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Longest time until a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// Largest answer that is read, in bytes: about 100,000 files.
const ANSWER: u64 = 32 << 20;
/// Longest part of an answer that is not understood and is shown, in characters.
const SHOWN: usize = 200;

/// Why there is no way to a service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address is none.
    #[error(
        "invalid address {0:?}: write it as https://dragline.example.com or http://127.0.0.1:8080"
    )]
    Address(String),
    /// The token cannot be sent.
    #[error("the token contains characters that no token has")]
    Token,
    /// The certificates cannot be used.
    #[error("cannot use the certificates of {path}: {detail}", path = path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

/// Sends to `POST /api/v1/ingest`.
pub struct Http {
    agent: ureq::Agent,
    url: String,
    authorization: Option<String>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Taken {
    next_offset: u64,
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
    next_offset: Option<u64>,
}

#[derive(Deserialize)]
struct HeldList {
    files: Vec<HeldFile>,
}

#[derive(Deserialize)]
struct HeldFile {
    file: String,
    length: u64,
    head_length: u64,
    head: String,
    tail_length: u64,
    tail: String,
}

impl Http {
    /// A way to the service at an address, with a token. Certificates of servers must be issued by one of the system's
    /// authorities, or by one in `authorities` (PEM).
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub fn new(
        to: &str,
        token: Option<&str>,
        authorities: Option<&std::path::Path>,
    ) -> Result<Self, HttpError> {
        let to = to.trim_end_matches('/');
        let is_address = |uri: &Uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && uri.query().is_none()
        };
        let uri = to.parse::<Uri>().ok().filter(is_address);
        if uri.is_none() {
            return Err(HttpError::Address(to.to_owned()));
        }
        let is_plain = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_some_and(|token| !is_plain(token)) {
            return Err(HttpError::Token);
        }
        Ok(Self {
            agent: agent(&roots(authorities)?),
            url: format!("{to}{PATH}"),
            authorization: token.map(|token| format!("Bearer {token}")),
        })
    }
}

fn roots(authorities: Option<&std::path::Path>) -> Result<Vec<Certificate<'static>>, HttpError> {
    let Some(path) = authorities else {
        let system = rustls_native_certs::load_native_certs().certs;
        let owned = |der: &_| Certificate::from_der(AsRef::<[u8]>::as_ref(der)).to_owned();
        return Ok(system.iter().map(owned).collect());
    };
    let bad = |detail: String| HttpError::Certificates {
        path: path.to_owned(),
        detail,
    };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let items: Result<Vec<PemItem<'static>>, ureq::Error> = parse_pem(&pem).collect();
    let items = items.map_err(|error| bad(error.to_string()))?;
    let certificate = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    let found: Vec<Certificate<'static>> = items.into_iter().filter_map(certificate).collect();
    if found.is_empty() {
        return Err(bad("there is no certificate in it (PEM)".to_owned()));
    }
    Ok(found)
}

fn agent(roots: &[Certificate<'static>]) -> ureq::Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(roots))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        // The token goes to the address that was given, and nowhere else.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(TIMEOUT))
        .timeout_connect(Some(CONNECT))
        .user_agent(concat!("dragline/", env!("CARGO_PKG_VERSION")))
        .build();
    config.into()
}

impl Transport for Http {
    fn send(&mut self, batch: &Batch) -> Outcome {
        let mut request = self
            .agent
            .post(&self.url)
            .query("host", &batch.host)
            .query("every", batch.every.to_string())
            .content_type("application/octet-stream");
        if let Some(file) = &batch.file {
            request = request
                .query("file", file)
                .query("offset", batch.offset.to_string())
                .header("Content-Encoding", "zstd");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let answered = request.send(&batch.body[..]).and_then(read);
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) => return Outcome::Unreachable(describe(&error)),
        };
        match (answer.status, serde_json::from_slice::<Taken>(&answer.body)) {
            (200, Ok(Taken { next_offset })) => Outcome::Taken { next_offset },
            (409, _) => match serde_json::from_slice(&answer.body) {
                Ok(Problem {
                    next_offset: Some(next_offset),
                    ..
                }) => Outcome::Gap { next_offset },
                _ => Outcome::Refused(answer.refusal()),
            },
            _ => Outcome::Refused(answer.refusal()),
        }
    }

    fn held(&mut self, host: &str) -> Result<Vec<Held>, Outcome> {
        let mut request = self.agent.get(&self.url).query("host", host);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let answer = request.call().and_then(read);
        let answer = answer.map_err(|error| Outcome::Unreachable(describe(&error)))?;
        match (
            answer.status,
            serde_json::from_slice::<HeldList>(&answer.body),
        ) {
            (200, Ok(list)) => Ok(list.files.into_iter().filter_map(HeldFile::held).collect()),
            _ => Err(Outcome::Refused(answer.refusal())),
        }
    }
}

impl HeldFile {
    fn held(self) -> Option<Held> {
        Some(Held {
            file: self.file,
            signature: Signature {
                length: self.length,
                head_length: self.head_length,
                head: u64::from_str_radix(&self.head, 16).ok()?,
                tail_length: self.tail_length,
                tail: u64::from_str_radix(&self.tail, 16).ok()?,
            },
        })
    }
}

/// An answer that was read completely.
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

fn read(mut answer: Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    Ok(Answer {
        status: answer.status().as_u16(),
        retry_after: retry_after(answer.headers()),
        body: answer
            .body_mut()
            .with_config()
            .limit(ANSWER)
            .read_to_vec()?,
    })
}

impl Answer {
    fn refusal(&self) -> Refusal {
        let problem = serde_json::from_slice::<Problem>(&self.body).ok();
        let foreign = || {
            let text = String::from_utf8_lossy(&self.body);
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let shown: String = words.chars().take(SHOWN).collect();
            format!("the answer is not one of Dragline: {shown:?}")
        };
        let detail = problem.map_or_else(foreign, |problem| problem.detail);
        Refusal {
            status: self.status,
            detail,
            retry_after: self.retry_after,
        }
    }
}

/// `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(until.duration_since(jiff::Timestamp::now())).ok()
}

fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
        ureq::Error::HostNotFound => "the host was not found".to_owned(),
        ureq::Error::ConnectionFailed => "the connection failed".to_owned(),
        ureq::Error::Io(error) => format!("the connection failed: {error}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tokens_and_certificates_are_checked() {
        for address in [
            "dragline.example.com",
            "ftp://a",
            "http://",
            "https://a/?x=1",
            "",
        ] {
            let error = Http::new(address, None, None).unwrap_err();
            assert!(matches!(error, HttpError::Address(_)), "{address}");
        }
        let http = Http::new("https://a.example.com/base/", Some("dragline_x"), None).unwrap();
        assert_eq!(http.url, "https://a.example.com/base/api/v1/ingest");
        assert!(!format!("{http:?}").contains("dragline_x"));
        assert!(Http::new("http://a", Some("a\nb"), None).is_err());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "nothing").unwrap();
        let error = Http::new("http://a", None, Some(&path)).unwrap_err();
        assert!(error.to_string().contains("no certificate"), "{error}");
    }

    #[test]
    fn a_service_says_when_to_come_back() {
        let after = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(after("120"), Some(Duration::from_mins(2)));
        assert!(after("Fri, 31 Dec 2100 23:59:59 GMT").unwrap() > Duration::from_hours(1));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        assert_eq!(after("soon"), None);
    }
}
