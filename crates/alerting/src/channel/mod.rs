//! Channels: where notices go. `[channels.NAME]` in the configuration.
//!
//! [`Channels::load`] reads them and their secrets; [`Channels::deliver`] sends notices, each channel in its own
//! thread, so that one that hangs or fails never stops another. Nothing is retried here: an [`Outcome`] says what to
//! do, and the caller decides again when the time has come.

mod address;
mod config;
mod http;
mod outcome;
mod secret;
mod smtp;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use dragline_schema::Timestamp;

pub use address::is_public;
pub use config::{
    CHANNEL_KEYS, ChannelConfig, ChannelKey, ChannelKind, EmailConfig, SmtpTls,
    load as load_configs,
};
pub use http::request;
pub use outcome::{Outcome, backoff};
pub use secret::{MaybeSecret, Secret, SecretRef};

use crate::duration;
use crate::notice::Notice;
use crate::render;

/// The least time between two messages to one incoming webhook of Slack.
const SLACK_PACE: Duration = Duration::from_millis(1_050);

/// A channel that is ready to send.
pub struct Channel {
    name: String,
    transport: Transport,
}

enum Transport {
    Http(Box<http::HttpChannel>),
    Mail(Box<smtp::MailChannel>),
    File(std::path::PathBuf),
    Stderr,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.transport {
            Transport::Http(channel) => channel.kind_name(),
            Transport::Mail(_) => "email",
            Transport::File(_) => "file",
            Transport::Stderr => "stderr",
        };
        f.debug_struct("Channel")
            .field("name", &self.name)
            .field("type", &kind)
            .finish()
    }
}

impl Channel {
    /// Makes a channel; reads its secrets.
    ///
    /// # Errors
    /// A sentence without secrets that says which setting is wrong.
    pub fn new(name: &str, config: &ChannelConfig) -> Result<Self, String> {
        let fail = |error: String| format!("[channels.{name}]: {error}");
        let transport = match &config.kind {
            ChannelKind::Email(email) => Transport::Mail(Box::new(
                smtp::MailChannel::new(email, config.timeout).map_err(fail)?,
            )),
            ChannelKind::File { path } => Transport::File(path.clone()),
            ChannelKind::Stderr {} => Transport::Stderr,
            _ => Transport::Http(Box::new(http::HttpChannel::new(config).map_err(fail)?)),
        };
        Ok(Self {
            name: name.to_owned(),
            transport,
        })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a notice at `now`, which goes into signatures.
    pub fn send(&self, notice: &Notice, now: Timestamp) -> Outcome {
        match &self.transport {
            Transport::Http(channel) => channel.send(notice, now),
            Transport::Mail(channel) => channel.send(notice, now),
            Transport::File(path) => append(path, &render::json_line(notice)),
            Transport::Stderr => {
                let text = render::plain(notice);
                match writeln!(std::io::stderr().lock(), "{text}") {
                    Ok(()) => Outcome::Delivered,
                    Err(error) => Outcome::retry(format!("cannot write to stderr: {error}")),
                }
            }
        }
    }

    fn pace(&self) -> Duration {
        match &self.transport {
            Transport::Http(channel) if channel.is_slack() => SLACK_PACE,
            _ => Duration::ZERO,
        }
    }
}

/// Appends one line. It is one call of `write`, so that lines of two processes do not mix.
fn append(path: &std::path::Path, line: &str) -> Outcome {
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).append(true).open(path);
    match file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())) {
        Ok(()) => Outcome::Delivered,
        Err(error) => Outcome::retry(format!("cannot write to {}: {error}", path.display())),
    }
}

/// The names that are used and not among the known ones, each with a suggestion.
pub fn find_unknown<'u, 'k, K: Iterator<Item = &'k str>>(
    used: impl IntoIterator<Item = &'u str>,
    known: impl Fn() -> K,
) -> Vec<String> {
    let unknown = used
        .into_iter()
        .filter(|name| known().all(|known| known != *name));
    unknown
        .map(|name| {
            let hint = crate::suggest::nearest(name, known());
            let hint = hint.map(|known| format!(" Did you mean {known:?}?"));
            format!(
                "there is no channel {name:?}: define [channels.{name}].{}",
                hint.unwrap_or_default()
            )
        })
        .collect()
}

/// All channels, by name.
#[derive(Debug, Default)]
pub struct Channels {
    usable: BTreeMap<String, Channel>,
    /// Why the others cannot be used: a secret that is missing, a wrong address.
    broken: BTreeMap<String, String>,
    /// What tells that a channel was configured anew.
    marks: BTreeMap<String, String>,
}

impl Channels {
    /// Reads `[channels.NAME]` from TOML; other sections are not looked at. The others work beside a channel with an
    /// error; its own notices wait until it is mended. `file` is the name for error messages.
    pub fn load(file: &str, text: &str) -> (Self, Vec<String>) {
        let (configs, mut errors) = config::load(file, text);
        let mut channels = Self {
            marks: config::marks(text),
            ..Self::default()
        };
        for (name, config) in configs {
            match Channel::new(&name, &config) {
                Ok(channel) => channels.insert(channel),
                Err(error) => {
                    errors.push(format!("{file}: {error}"));
                    channels.broken.insert(name, error);
                }
            }
        }
        (channels, errors)
    }

    /// Adds a channel.
    pub fn insert(&mut self, channel: Channel) {
        self.usable.insert(channel.name.clone(), channel);
    }

    /// The names, also of channels that cannot be used.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.usable.keys().chain(self.broken.keys());
        names.map(String::as_str)
    }

    /// A channel by name; `None` if there is none, or if it cannot be used.
    pub fn get(&self, name: &str) -> Option<&Channel> {
        self.usable.get(name)
    }

    /// Why a channel cannot be used.
    pub fn why_broken(&self, name: &str) -> Option<&str> {
        self.broken.get(name).map(String::as_str)
    }

    /// A text that is another one once the settings of a channel, or the file of a secret of it, were changed. It says nothing
    /// of secrets; a changed variable of the environment does not change it.
    pub fn mark(&self, name: &str) -> &str {
        self.marks.get(name).map_or("", String::as_str)
    }

    /// The names that are used and not defined, each with a suggestion.
    pub fn find_unknown<'n>(&self, used: impl IntoIterator<Item = &'n str>) -> Vec<String> {
        find_unknown(used, || self.names())
    }

    /// Sends notices to channels (by name), each channel in its own thread; the outcomes are in the same order.
    pub fn deliver(&self, notices: &[(&str, &Notice)], now: Timestamp) -> Vec<Outcome> {
        let unsent = Outcome::retry("the channel's thread failed".to_owned());
        let mut outcomes = vec![unsent; notices.len()];
        self.deliver_each(notices, now, |_, of_channel| {
            for (index, outcome) in of_channel {
                outcomes[index] = outcome;
            }
        });
        outcomes
    }

    /// Sends notices as [`Channels::deliver`] does. `done` gets the outcomes of each channel as soon as it is done, with the
    /// places of the notices, and the number of channels that are not done yet.
    pub fn deliver_each(
        &self,
        notices: &[(&str, &Notice)],
        now: Timestamp,
        mut done: impl FnMut(usize, Vec<(usize, Outcome)>),
    ) {
        let mut by_channel: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, (channel, _)) in notices.iter().enumerate() {
            by_channel.entry(channel).or_default().push(index);
        }
        let mut waiting = by_channel.len();
        let (finished, results) = mpsc::channel();
        std::thread::scope(|scope| {
            for (channel, indices) in &by_channel {
                let finished = finished.clone();
                scope.spawn(move || {
                    let outcomes = self.deliver_in_order(channel, indices, notices, now);
                    // Who does not listen any more has failed itself.
                    let _ = finished.send(outcomes);
                });
            }
            drop(finished);
            for outcomes in results {
                waiting -= 1;
                done(waiting, outcomes);
            }
        });
    }

    /// The notices of one channel. Once one has to wait, the later ones wait behind it.
    fn deliver_in_order(
        &self,
        name: &str,
        indices: &[usize],
        notices: &[(&str, &Notice)],
        now: Timestamp,
    ) -> Vec<(usize, Outcome)> {
        let Some(channel) = self.usable.get(name) else {
            let outcome = match self.broken.get(name) {
                Some(why) => Outcome::retry(why.clone()),
                None => Outcome::Refused {
                    error: format!("there is no channel {name:?}: define [channels.{name}]"),
                },
            };
            let outcomes = indices.iter().map(|index| (*index, outcome.clone()));
            return outcomes.collect();
        };
        let mut outcomes: Vec<(usize, Outcome)> = Vec::new();
        for &index in indices {
            let waiting = outcomes
                .last()
                .map(|(_, outcome)| outcome)
                .filter(|last| last.is_retry())
                .cloned();
            let outcome = waiting.unwrap_or_else(|| {
                if !outcomes.is_empty() {
                    std::thread::sleep(channel.pace());
                }
                channel.send(notices[index].1, now)
            });
            outcomes.push((index, outcome));
        }
        outcomes
    }
}

/// The default limit of one delivery.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

pub(crate) fn format_timeout(timeout: Duration) -> String {
    format!("no answer within {}", duration::format(timeout))
}
