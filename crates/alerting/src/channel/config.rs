//! `[channels.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::{MaybeSecret, SecretRef, TIMEOUT};
use crate::labels::hexadecimal;
use crate::{duration, suggest};

/// One channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelConfig {
    /// What it is, with the settings of its kind.
    pub kind: ChannelKind,
    /// How long one delivery may take.
    pub timeout: Duration,
    /// Whether it may reach addresses that are not public, and by plain HTTP.
    pub allow_private: bool,
}

/// The kind of a channel (`type`), with its settings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ChannelKind {
    /// Mail by SMTP.
    Email(EmailConfig),
    /// An incoming webhook of Slack.
    Slack {
        /// The address, which is the secret.
        url: SecretRef,
        /// Another channel than the webhook's own, where it may.
        channel: Option<String>,
    },
    /// A webhook of Discord.
    Discord {
        /// The address, which is the secret.
        url: SecretRef,
    },
    /// A bot of Telegram.
    Telegram {
        /// The bot's token.
        token: SecretRef,
        /// Where it writes to.
        chat_id: String,
        /// The API.
        #[serde(default = "telegram_api")]
        api: String,
    },
    /// A topic of ntfy.
    Ntfy {
        /// The server.
        #[serde(default = "ntfy_server")]
        server: String,
        /// The topic. Anybody who knows it can read it, so it may be a secret.
        topic: MaybeSecret,
        /// An access token.
        token: Option<SecretRef>,
    },
    /// Alertmanager's API v2.
    Alertmanager {
        /// The address of the server.
        url: MaybeSecret,
        /// A bearer token.
        token: Option<SecretRef>,
        /// How long an alert is valid without a repetition.
        #[serde(default = "a_day", with = "duration")]
        valid_for: Duration,
    },
    /// A webhook of yours.
    Webhook {
        /// The address.
        url: MaybeSecret,
        /// The key of the signature.
        secret: Option<SecretRef>,
        /// Further headers.
        #[serde(default)]
        headers: BTreeMap<String, MaybeSecret>,
        /// The body; without one, the notice as JSON.
        template: Option<String>,
        /// The content type of the body.
        #[serde(default = "json_type")]
        content_type: String,
    },
    /// A file of JSON lines.
    File {
        /// The path.
        path: PathBuf,
    },
    /// The standard error of the process.
    Stderr {},
}

/// Mail by SMTP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// The server.
    pub host: String,
    /// The port.
    #[serde(default = "smtp_port")]
    pub port: u16,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: SmtpTls,
    /// The user name; without one, the server is a relay without authentication.
    pub user: Option<String>,
    /// The password.
    pub password: Option<SecretRef>,
    /// The sender, which is often not the user name.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// A certificate authority of your own, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// How a connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// It begins in the clear and must be upgraded before anything else.
    #[default]
    Starttls,
    /// From the first byte.
    Tls,
    /// Not at all: for a relay on the same machine.
    None,
}

/// For each channel of the TOML, what tells that it was configured anew: see [`Channels::mark`](super::Channels::mark).
pub(super) fn marks(text: &str) -> BTreeMap<String, String> {
    let all = toml::from_str::<Table>(text).ok();
    let channels = all.and_then(|mut all| match all.remove("channels") {
        Some(Value::Table(channels)) => Some(channels),
        _ => None,
    });
    let mark = |(name, settings): (String, Value)| {
        let mut hash = Sha256::new();
        hash.update(settings.to_string());
        for file in settings.as_table().into_iter().flat_map(secret_files) {
            let changed = std::fs::metadata(file).and_then(|about| about.modified());
            hash.update(format!("{:?}", changed.ok()));
        }
        (name, hexadecimal(&hash.finalize()[..8]))
    };
    channels.into_iter().flatten().map(mark).collect()
}

/// The files of the secrets in a table and the tables within.
fn secret_files(table: &Table) -> Vec<&str> {
    let mut files = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => files.extend(secret_files(inner)),
            Value::String(file) if key == "file" => files.push(file.as_str()),
            _ => {}
        }
    }
    files
}

fn telegram_api() -> String {
    "https://api.telegram.org".to_owned()
}

fn ntfy_server() -> String {
    "https://ntfy.sh".to_owned()
}

fn a_day() -> Duration {
    Duration::from_hours(24)
}

fn json_type() -> String {
    "application/json".to_owned()
}

fn smtp_port() -> u16 {
    587
}

/// A setting of a channel, for the documentation.
#[derive(Clone, Copy, Debug)]
pub struct ChannelKey {
    /// The `type`s that have it; `all` for all.
    pub of: &'static str,
    /// The key.
    pub name: &'static str,
    /// The default; empty for none.
    pub default: &'static str,
    /// What it sets.
    pub text: &'static str,
}

macro_rules! keys {
    ($($of:literal $name:literal = $default:literal, $text:literal;)*) => {
        /// Every key of a channel, in the order of the documentation.
        pub const CHANNEL_KEYS: &[ChannelKey] =
            &[$(ChannelKey { of: $of, name: $name, default: $default, text: $text },)*];
    };
}

keys! {
    "all" "type" = "", "`email`, `slack`, `discord`, `telegram`, `ntfy`, `alertmanager`, `webhook`, `file` or `stderr`.";
    "all" "timeout" = "15s", "How long one delivery may take.";
    "all" "allow_private" = "false", "Whether it may reach addresses that are not public, and by plain HTTP.";
    "email" "host" = "", "The mail server.";
    "email" "port" = "587", "Its port.";
    "email" "tls" = "starttls", "`starttls`, `tls` or `none` (a relay on the same machine).";
    "email" "user" = "", "The user name; without one, the server is a relay without authentication.";
    "email" "password" = "", "Secret. The password.";
    "email" "from" = "", "The sender: `Dragline <alerts@example.com>`.";
    "email" "to" = "", "The recipients.";
    "email" "ca_file" = "", "A certificate authority of your own, in PEM.";
    "slack" "url" = "", "Secret. The address of the incoming webhook.";
    "slack" "channel" = "", "Another channel than the webhook's own, where it may.";
    "discord" "url" = "", "Secret. The address of the webhook.";
    "telegram" "token" = "", "Secret. The bot's token.";
    "telegram" "chat_id" = "", "Where the bot writes to.";
    "telegram" "api" = "https://api.telegram.org", "The API.";
    "ntfy" "server" = "https://ntfy.sh", "The server.";
    "ntfy" "topic" = "", "Text or secret. The topic.";
    "ntfy" "token" = "", "Secret. An access token.";
    "alertmanager" "url" = "", "Text or secret. The address of the server.";
    "alertmanager" "token" = "", "Secret. A bearer token.";
    "alertmanager" "valid_for" = "1d", "How long an alert is valid without a repetition.";
    "webhook" "url" = "", "Text or secret. The address.";
    "webhook" "secret" = "", "Secret. The key of the signature (HMAC-SHA-256).";
    "webhook" "headers" = "{}", "Further headers; a value is text or secret.";
    "webhook" "template" = "", "The body; without one, the notice as JSON.";
    "webhook" "content_type" = "application/json", "The content type of the body.";
    "file" "path" = "", "A file to which each notice is appended as one line of JSON.";
}

/// Reads `[channels.NAME]` without their secrets. An error names the file, the channel and the key.
pub fn load(file: &str, text: &str) -> (BTreeMap<String, ChannelConfig>, Vec<String>) {
    let (mut channels, mut errors) = (BTreeMap::new(), Vec::new());
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => {
            return (
                channels,
                vec![format!("{file}: invalid TOML: {}", error.message())],
            );
        }
    };
    let defined = table
        .get("channels")
        .and_then(Value::as_table)
        .cloned()
        .unwrap_or_default();
    for (name, value) in defined {
        match read(value) {
            Ok(channel) => {
                channels.insert(name, channel);
            }
            Err(error) => errors.push(format!("{file}: [channels.{name}]: {error}")),
        }
    }
    (channels, errors)
}

fn read(value: Value) -> Result<ChannelConfig, String> {
    let Value::Table(mut table) = value else {
        return Err("expected a table".to_owned());
    };
    check_keys(&table)?;
    let timeout = match table.remove("timeout") {
        None => TIMEOUT,
        Some(Value::String(text)) => {
            duration::parse(&text).map_err(|error| format!("timeout: {error}"))?
        }
        Some(_) => return Err("timeout: expected a duration such as \"15s\"".to_owned()),
    };
    let allow_private = match table.remove("allow_private") {
        None => false,
        Some(Value::Boolean(allowed)) => allowed,
        Some(_) => return Err("allow_private: expected true or false".to_owned()),
    };
    if timeout.is_zero() {
        return Err("timeout: nothing answers within 0s".to_owned());
    }
    // The parser's message names the key and the kind of value, never the value.
    let kind: ChannelKind = Value::Table(table)
        .try_into()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    check_secrets(&kind)?;
    Ok(ChannelConfig {
        kind,
        timeout,
        allow_private,
    })
}

/// What may be written in the configuration must not hold a secret.
fn check_secrets(kind: &ChannelKind) -> Result<(), String> {
    match kind {
        ChannelKind::Ntfy { topic, .. } => topic.check("topic"),
        ChannelKind::Alertmanager { url, .. } => url.check("url"),
        ChannelKind::Webhook { url, headers, .. } => {
            url.check("url")?;
            let mut headers = headers.iter();
            headers.try_for_each(|(name, value)| value.check(name))
        }
        _ => Ok(()),
    }
}

fn check_keys(table: &Table) -> Result<(), String> {
    let types = "email slack discord telegram ntfy alertmanager webhook file stderr".split(' ');
    let Some(kind) = table.get("type").and_then(Value::as_str) else {
        return Err(format!(
            "a channel needs a type: {}",
            types.collect::<Vec<_>>().join(", ")
        ));
    };
    if !types.clone().any(|known| known == kind) {
        return Err(format!(
            "type = {kind:?}: unknown type: {}",
            suggest::sentence(kind, types)
        ));
    }
    let known = CHANNEL_KEYS
        .iter()
        .filter(|key| key.of == "all" || key.of == kind)
        .map(|key| key.name);
    match table
        .keys()
        .find(|key| !known.clone().any(|known| known == **key))
    {
        None => Ok(()),
        Some(key) => Err(format!(
            "{key}: unknown key: {}",
            suggest::sentence(key, known)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> String {
        let (_, errors) = load("dragline.toml", text);
        errors.join("\n")
    }

    #[test]
    fn an_error_names_the_channel_and_the_key_and_spares_the_others() {
        let (channels, errors) = load(
            "dragline.toml",
            "[channels.a]\ntype = \"stderr\"\n[channels.b]\ntype = \"slak\"\n[channels.c]\ntype = \"file\"\npaht = \"x\"",
        );
        assert_eq!(channels.len(), 1);
        assert_eq!(
            errors,
            [
                "dragline.toml: [channels.b]: type = \"slak\": unknown type: did you mean \"slack\"?",
                "dragline.toml: [channels.c]: paht: unknown key: did you mean \"path\"?",
            ]
        );
    }

    #[test]
    fn secrets_are_not_written_into_the_configuration() {
        for (kind, key) in [("slack", "url"), ("discord", "url"), ("telegram", "token")] {
            let error = errors(&format!(
                "[channels.x]\ntype = {kind:?}\n{key} = \"hunter2hunter2\"\nchat_id = \"1\""
            ));
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains("dragline.toml: [channels.x]"), "{error}");
        }
        let error = errors(
            "[channels.x]\ntype = \"telegram\"\ntoken = \"hunter2hunter2\"\nchat_id = \"1\"",
        );
        assert!(
            error.contains("env") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn a_text_that_looks_like_a_secret_is_not_taken() {
        let refused = [
            ("url = 'https://me:hunter2@example.com/hook'", "url"),
            ("url = 'https://example.com/hook?token=hunter2'", "url"),
            ("url = 'https://hooks.slack.com/services/hunter2'", "url"),
            (
                "url = 'https://example.com/'\nheaders = { Authorization = 'Bearer hunter2' }",
                "Authorization",
            ),
            (
                "url = 'https://example.com/'\nheaders = { X-Api-Key = 'hunter2' }",
                "X-Api-Key",
            ),
        ];
        for (text, key) in refused {
            let error = errors(&format!("[channels.x]\ntype = 'webhook'\n{text}"));
            let told = format!("[channels.x]: {key} holds a secret");
            assert!(
                error.contains(&told) && !error.contains("hunter2"),
                "{error}"
            );
        }
        let taken = "url = 'https://example.com:8443/alerts/scrapers?team=crawl'\nheaders = { X-Team = 'crawl' }";
        assert_eq!(
            errors(&format!("[channels.x]\ntype = 'webhook'\n{taken}")),
            ""
        );
    }

    #[test]
    fn every_documented_key_is_read() {
        let value = |key: &ChannelKey| match (key.name, key.text) {
            ("to", _) => "[\"a@example.com\"]".to_owned(),
            ("headers", _) => "{ a = \"b\" }".to_owned(),
            ("port", _) => "25".to_owned(),
            ("allow_private", _) => "true".to_owned(),
            ("timeout" | "valid_for", _) => "\"9s\"".to_owned(),
            ("tls", _) => "\"none\"".to_owned(),
            (_, text) if text.starts_with("Secret") => "{ env = \"X\" }".to_owned(),
            _ => "\"x\"".to_owned(),
        };
        for kind in [
            "email",
            "slack",
            "discord",
            "telegram",
            "ntfy",
            "alertmanager",
            "webhook",
            "file",
            "stderr",
        ] {
            let mut text = format!("[channels.x]\ntype = {kind:?}\n");
            for key in CHANNEL_KEYS
                .iter()
                .filter(|key| key.of == kind || (key.of == "all" && key.name != "type"))
            {
                text.push_str(&format!("{} = {}\n", key.name, value(key)));
            }
            let (channels, errors) = load("dragline.toml", &text);
            assert_eq!((channels.len(), errors.as_slice()), (1, &[][..]), "{text}");
        }
    }
}
