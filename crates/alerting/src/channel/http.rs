//! Channels by HTTP.

use std::sync::Arc;
use std::time::Duration;

use dragline_schema::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::config::{ChannelConfig, ChannelKind};
use super::secret::{Secret, SecretRef, scrub};
use super::{Outcome, format_timeout, is_public, outcome};
use crate::labels::hexadecimal;
use crate::notice::Notice;
use crate::render;

/// How much of an answer is read.
const ANSWER_BYTES: u64 = 16 * 1024;

/// A channel that posts to an address.
pub(super) struct HttpChannel {
    agent: ureq::Agent,
    url: Secret,
    /// Parts of other secrets that a server may repeat on their own.
    hidden: Vec<Secret>,
    /// `Authorization` and further headers.
    headers: Vec<(String, Secret)>,
    signing_key: Option<Secret>,
    kind: Kind,
    timeout: Duration,
}

/// How the body is made.
enum Kind {
    Slack {
        channel: Option<String>,
    },
    Discord,
    Telegram {
        chat_id: String,
    },
    Ntfy {
        topic: Secret,
    },
    Alertmanager {
        valid_for: Duration,
    },
    Webhook {
        template: Option<String>,
        content_type: String,
    },
}

/// What the configuration of a channel says about its requests.
struct Requests {
    url: Secret,
    kind: Kind,
    headers: Vec<(String, Secret)>,
    signing_key: Option<Secret>,
}

impl Requests {
    fn to(url: Secret, kind: Kind) -> Self {
        Self {
            url,
            kind,
            headers: Vec::new(),
            signing_key: None,
        }
    }

    /// Adds a bearer token, if there is one.
    fn with_token(mut self, token: Option<&SecretRef>) -> Result<Self, String> {
        if let Some(token) = token {
            let value = Secret::new(format!("Bearer {}", token.read()?.reveal()));
            self.headers.push(("Authorization".to_owned(), value));
        }
        Ok(self)
    }

    /// Reads the secrets of a channel.
    fn read(kind: &ChannelKind) -> Result<Self, String> {
        Ok(match kind {
            ChannelKind::Slack { url, channel } => {
                let channel = channel.clone();
                Self::to(url.read()?, Kind::Slack { channel })
            }
            ChannelKind::Discord { url } => Self::to(url.read()?, Kind::Discord),
            ChannelKind::Telegram {
                token,
                chat_id,
                api,
            } => {
                let (api, token) = (api.trim_end_matches('/'), token.read()?);
                let url = format!("{api}/bot{}/sendMessage", token.reveal());
                let chat_id = chat_id.clone();
                Self::to(Secret::new(url), Kind::Telegram { chat_id })
            }
            ChannelKind::Ntfy {
                server,
                topic,
                token,
            } => {
                let topic = topic.read()?;
                Self::to(Secret::new(server), Kind::Ntfy { topic }).with_token(token.as_ref())?
            }
            ChannelKind::Alertmanager {
                url,
                token,
                valid_for,
            } => {
                let url = url.read()?;
                let url = format!("{}/api/v2/alerts", url.reveal().trim_end_matches('/'));
                let valid_for = *valid_for;
                Self::to(Secret::new(url), Kind::Alertmanager { valid_for })
                    .with_token(token.as_ref())?
            }
            ChannelKind::Webhook {
                url,
                secret,
                headers,
                template,
                content_type,
            } => {
                let (template, content_type) = (template.clone(), content_type.clone());
                let mut requests = Self::to(
                    url.read()?,
                    Kind::Webhook {
                        template,
                        content_type,
                    },
                );
                for (name, value) in headers {
                    requests.headers.push((name.clone(), value.read()?));
                }
                requests.signing_key = secret.as_ref().map(SecretRef::read).transpose()?;
                requests
            }
            ChannelKind::Email(_) | ChannelKind::File { .. } | ChannelKind::Stderr {} => {
                return Err("this channel does not post to an address".to_owned());
            }
        })
    }
}

impl HttpChannel {
    pub(super) fn new(config: &ChannelConfig) -> Result<Self, String> {
        let Requests {
            url,
            kind,
            headers,
            signing_key,
        } = Requests::read(&config.kind)?;
        check_url(&url, config.allow_private)?;
        check_headers(&headers)?;
        let hidden = parts_of(&url, &headers);
        let agent = agent(config.allow_private, config.timeout);
        Ok(Self {
            agent,
            url,
            hidden,
            headers,
            signing_key,
            kind,
            timeout: config.timeout,
        })
    }

    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Slack { .. } => "slack",
            Kind::Discord => "discord",
            Kind::Telegram { .. } => "telegram",
            Kind::Ntfy { .. } => "ntfy",
            Kind::Alertmanager { .. } => "alertmanager",
            Kind::Webhook { .. } => "webhook",
        }
    }

    pub(super) fn is_slack(&self) -> bool {
        matches!(self.kind, Kind::Slack { .. })
    }

    pub(super) fn send(&self, notice: &Notice, now: Timestamp) -> Outcome {
        let (body, content_type) = self.body(notice);
        let mut request = self
            .agent
            .post(self.url.reveal())
            .header("Content-Type", content_type)
            .header("Idempotency-Key", &notice.key);
        for (name, value) in &self.headers {
            request = request.header(name, value.reveal());
        }
        if let Some(key) = &self.signing_key {
            let seconds = now.as_seconds().to_string();
            request = request
                .header("X-Dragline-Timestamp", &seconds)
                .header("X-Dragline-Signature", sign(key, &seconds, &body));
        }
        match request.send(&body) {
            Ok(answer) => self.judge(answer, now),
            Err(error) => self.judge_error(&error),
        }
    }

    fn body(&self, notice: &Notice) -> (String, &str) {
        let json = "application/json";
        match &self.kind {
            Kind::Slack { channel } => {
                (render::slack(notice, channel.as_deref()).to_string(), json)
            }
            Kind::Discord => (render::discord(notice).to_string(), json),
            Kind::Telegram { chat_id } => (render::telegram(notice, chat_id).to_string(), json),
            Kind::Ntfy { topic } => (render::ntfy(notice, topic.reveal()).to_string(), json),
            Kind::Alertmanager { valid_for } => {
                (render::alertmanager(notice, *valid_for).to_string(), json)
            }
            Kind::Webhook {
                template,
                content_type,
            } => (render::webhook(notice, template.as_deref()), content_type),
        }
    }

    fn judge(&self, mut answer: ureq::http::Response<ureq::Body>, now: Timestamp) -> Outcome {
        let status = answer.status().as_u16();
        let headers = answer.headers();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let asked = header("retry-after");
        let asked = asked.and_then(|asked| outcome::retry_after(asked, header("date"), now));
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES)
            .lossy_utf8(true)
            .read_to_string();
        // Before anything is cut: half a secret would not be recognised.
        let body = scrub(&body.unwrap_or_default(), &self.secrets());
        match (outcome::of_answer(status, asked, &body), &self.kind) {
            (Outcome::Delivered, Kind::Slack { .. }) if body.trim() != "ok" => Outcome::Refused {
                error: format!(
                    "Slack answered {status} without \"ok\": {}",
                    render::cut(body.trim(), 200)
                ),
            },
            (outcome, _) => outcome,
        }
    }

    /// What went wrong on the way. The library's texts may quote the address, so only the kind is reported.
    fn judge_error(&self, error: &ureq::Error) -> Outcome {
        Outcome::retry(match error {
            ureq::Error::Timeout(_) => format_timeout(self.timeout),
            ureq::Error::HostNotFound => "the host was not found".to_owned(),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Outcome::Refused {
                    error: error.to_string(),
                };
            }
            ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
            ureq::Error::ConnectionFailed => "the connection failed".to_owned(),
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
                "the TLS connection failed: is the certificate valid?".to_owned()
            }
            ureq::Error::Protocol(_) => "the answer is no HTTP".to_owned(),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                return Outcome::Refused {
                    error: "the address or a header is invalid".to_owned(),
                };
            }
            _ => "the request failed".to_owned(),
        })
    }

    fn secrets(&self) -> Vec<&Secret> {
        let topic = match &self.kind {
            Kind::Ntfy { topic } => Some(topic),
            _ => None,
        };
        let headers = self.headers.iter().map(|(_, value)| value);
        [&self.url]
            .into_iter()
            .chain(&self.hidden)
            .chain(&self.signing_key)
            .chain(headers)
            .chain(topic)
            .collect()
    }
}

/// The path and the query of the address, each part of the path, and tokens without their `Bearer`.
fn parts_of(url: &Secret, headers: &[(String, Secret)]) -> Vec<Secret> {
    let path = url
        .reveal()
        .parse::<Uri>()
        .ok()
        .and_then(|uri| Some(uri.path_and_query()?.as_str().to_owned()));
    let path = path.unwrap_or_default();
    // Short parts are words such as `services`, and not the secret.
    let parts = path
        .split(['/', '?', '&', '='])
        .filter(|part| part.len() >= 8)
        .map(Secret::new);
    let tokens = headers
        .iter()
        .filter_map(|(_, value)| value.reveal().strip_prefix("Bearer "));
    let tokens: Vec<Secret> = tokens.map(Secret::new).collect();
    parts.chain(tokens).collect()
}

/// `sha256=` and the HMAC of the time, a point, and the body: a receiver with the key can verify the body
/// and its age.
pub(super) fn sign(key: &Secret, seconds: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes())
        .expect("an HMAC takes a key of any length");
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    format!("sha256={}", hexadecimal(&mac.finalize().into_bytes()))
}

/// The message says what is wrong, and never shows the address.
fn check_url(url: &Secret, allow_private: bool) -> Result<(), String> {
    let uri: Uri = url
        .reveal()
        .parse()
        .map_err(|_| "url: this is no address: write https://…".to_owned())?;
    match (uri.scheme_str(), uri.host()) {
        (_, None | Some("")) => Err("url: the address has no host".to_owned()),
        (Some("https"), _) => Ok(()),
        (Some("http"), _) if allow_private => Ok(()),
        (Some("http"), _) => {
            Err("url: plain HTTP needs allow_private = true; use https:// for anything beyond your network".to_owned())
        }
        _ => Err("url: the address must begin with https://".to_owned()),
    }
}

fn check_headers(headers: &[(String, Secret)]) -> Result<(), String> {
    for (name, value) in headers {
        let is_name = ureq::http::HeaderName::try_from(name.as_str()).is_ok();
        if !is_name || ureq::http::HeaderValue::try_from(value.reveal()).is_err() {
            return Err(format!(
                "headers: {name:?} or its value cannot stand in a header"
            ));
        }
    }
    Ok(())
}

/// Requests an address once, such as that of a service that expects signs of life. The error does not name it.
///
/// # Errors
/// A sentence, if there is no answer, or one other than success.
pub fn request(url: &Secret, timeout: Duration) -> Result<(), String> {
    let hide = |error: String| scrub(&error, &[url]);
    let answer = agent(true, timeout).get(url.reveal()).call();
    let answer = answer.map_err(|error| hide(error.to_string()))?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("the answer was {}", answer.status()))
    }
}

fn agent(allow_private: bool, timeout: Duration) -> ureq::Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificates = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<Certificate<'static>> = certificates
        .iter()
        .map(|der| Certificate::from_der(der.as_ref()).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(&roots))
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        // A redirect could lead anywhere, and would take the notice along.
        .max_redirects(0)
        .max_redirects_will_error(false)
        // A proxy from the environment would see the addresses, and resolve names past the check.
        .proxy(None)
        .timeout_global(Some(timeout))
        .user_agent(concat!("dragline/", env!("CARGO_PKG_VERSION")))
        .build();
    ureq::Agent::with_parts(
        config,
        DefaultConnector::default(),
        GuardedResolver { allow_private },
    )
}

/// Resolves names, and refuses addresses that are not public: the connection goes to an address that was checked, so
/// a name that resolves differently a moment later changes nothing.
#[derive(Debug)]
struct GuardedResolver {
    allow_private: bool,
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        if self.allow_private || found.iter().all(|address| is_public(address.ip())) {
            return Ok(found);
        }
        let refusal =
            "the address is not public: set allow_private = true if it is meant to be reached";
        Err(ureq::Error::Io(std::io::Error::new(
            std::io::ErrorKind::PermissionDenied,
            refusal,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_an_hmac() {
        // printf '1.{}' | openssl dgst -sha256 -hmac Jefe
        let expected = "sha256=dc7943cccf20f64327d263db5e2aca27c2b8175e8e6e7ea04f482091bf456b0f";
        assert_eq!(sign(&Secret::new("Jefe"), "1", "{}"), expected);
    }

    #[test]
    fn addresses_are_checked_without_being_shown() {
        for (url, allow_private, hint) in [
            ("http://hooks.example.com/hunter2", false, "allow_private"),
            ("hooks.example.com/hunter2", false, "https://"),
            ("ftp://example.com/hunter2", true, "https://"),
            ("https:///hunter2", true, "url:"),
            ("not an address hunter2", true, "url:"),
        ] {
            let error = check_url(&Secret::new(url), allow_private).unwrap_err();
            assert!(
                error.contains(hint) && !error.contains("hunter2"),
                "{error}"
            );
        }
        assert!(check_url(&Secret::new("https://example.com/x"), false).is_ok());
        assert!(check_url(&Secret::new("http://127.0.0.1:1/x"), true).is_ok());
    }
}
