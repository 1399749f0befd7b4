//! Mail by SMTP.

use std::time::Duration;

use dragline_schema::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use super::config::{EmailConfig, SmtpTls};
use super::secret::{Secret, scrub};
use super::{Outcome, format_timeout};
use crate::notice::Notice;
use crate::render;

/// A mail server, and who mails whom.
pub(super) struct MailChannel {
    transport: SmtpTransport,
    from: Mailbox,
    to: Vec<Mailbox>,
    secrets: Vec<Secret>,
    timeout: Duration,
}

impl MailChannel {
    pub(super) fn new(config: &EmailConfig, timeout: Duration) -> Result<Self, String> {
        let from = mailbox("from", &config.from)?;
        let to = config
            .to
            .iter()
            .filter(|to| !to.trim().is_empty())
            .map(|to| mailbox("to", to));
        let to: Vec<Mailbox> = to.collect::<Result<_, _>>()?;
        if to.is_empty() {
            return Err("to: name at least one recipient".to_owned());
        }
        let mut builder = SmtpTransport::builder_dangerous(&config.host)
            .port(config.port)
            .timeout(Some(timeout))
            .tls(tls(config)?);
        let mut secrets = Vec::new();
        match (&config.user, &config.password) {
            (Some(user), Some(password)) => {
                let is_local = matches!(config.host.as_str(), "localhost" | "127.0.0.1" | "::1");
                if config.tls == SmtpTls::None && !is_local {
                    return Err(
                        "tls: a password is not sent in the clear: use starttls or tls".to_owned(),
                    );
                }
                let password = password.read()?;
                builder = builder
                    .credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
                secrets.push(password);
            }
            (None, None) => {}
            (Some(_), None) => {
                return Err(
                    "password: a user needs one; a relay without authentication needs no user"
                        .to_owned(),
                );
            }
            (None, Some(_)) => return Err("user: a password needs one".to_owned()),
        }
        Ok(Self {
            transport: builder.build(),
            from,
            to,
            secrets,
            timeout,
        })
    }

    pub(super) fn send(&self, notice: &Notice, now: Timestamp) -> Outcome {
        let message = match self.message(notice, now) {
            Ok(message) => message,
            Err(error) => {
                return Outcome::Refused {
                    error: format!("the mail cannot be made: {error}"),
                };
            }
        };
        match self.transport.send(&message) {
            Ok(_) => Outcome::Delivered,
            Err(error) => self.judge(&error),
        }
    }

    fn message(&self, notice: &Notice, now: Timestamp) -> Result<Message, lettre::error::Error> {
        let mail = render::mail(notice);
        let seconds = u64::try_from(now.as_seconds()).unwrap_or(0);
        let date = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(mail.subject)
            .date(date)
            // The same for each attempt, so that a mail client shows a second copy once.
            .message_id(Some(format!("<{}@dragline>", notice.key)))
            // Autoresponders stay quiet (RFC 3834).
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Dragline-Key", &notice.key));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let body = MultiPart::alternative()
            .singlepart(SinglePart::plain(mail.text))
            .singlepart(SinglePart::html(mail.html));
        if notice.attachments.is_empty() {
            return builder.multipart(body);
        }
        let mut whole = MultiPart::mixed().multipart(body);
        for file in &notice.attachments {
            // An invalid type is shown as text.
            let media_type =
                ContentType::parse(&file.media_type).unwrap_or(ContentType::TEXT_PLAIN);
            let part = lettre::message::Attachment::new(file.name.clone());
            whole = whole.singlepart(part.body(file.content.clone(), media_type));
        }
        builder.multipart(whole)
    }

    /// A permanent answer is final; everything else may be better later.
    fn judge(&self, error: &lettre::transport::smtp::Error) -> Outcome {
        let code = error.status().map(|code| code.to_string());
        let text = if error.is_timeout() || is_late(error) {
            format_timeout(self.timeout)
        } else {
            describe(error)
        };
        let secrets: Vec<&Secret> = self.secrets.iter().collect();
        let said = code.map(|code| format!(" ({code})")).unwrap_or_default();
        // Before anything is cut: half a secret would not be recognised.
        let text = scrub(&text, &secrets);
        let error_text = render::cut(&format!("the mail server{said}: {text}"), 300);
        if error.is_permanent() {
            Outcome::Refused { error: error_text }
        } else {
            Outcome::retry(error_text)
        }
    }
}

/// Whether the server did not answer in time. The library calls that a network error where the socket says that it would
/// block.
fn is_late(error: &lettre::transport::smtp::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let error = cause.downcast_ref::<std::io::Error>();
        if error.is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
            return true;
        }
        source = cause.source();
    }
    false
}

/// The error with its causes: the library's own text does not name them.
fn describe(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    text
}

fn mailbox(key: &str, text: &str) -> Result<Mailbox, String> {
    text.trim().parse().map_err(|_| {
        format!("{key}: {text:?} is no mail address: write alerts@example.com or \"Alerts <alerts@example.com>\"")
    })
}

fn tls(config: &EmailConfig) -> Result<Tls, String> {
    if config.tls == SmtpTls::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let shown = path.display();
        let pem = std::fs::read(path)
            .map_err(|error| format!("ca_file: cannot read {shown}: {error}"))?;
        let certificate = Certificate::from_pem(&pem)
            .map_err(|_| format!("ca_file: {shown} is no certificate in PEM"))?;
        parameters = parameters
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    let parameters = parameters
        .build()
        .map_err(|error| format!("tls: {error}"))?;
    Ok(match config.tls {
        SmtpTls::Tls => Tls::Wrapper(parameters),
        _ => Tls::Required(parameters),
    })
}

/// A header that the library has no type for; the value is ours, and of ASCII.
fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}
