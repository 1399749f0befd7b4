//! Everything about alerts in a configuration file, read at once: rules, the watch, who is notified, channels.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::channel;
use crate::notify::NotifyConfig;
use crate::rule::{self, LoadedRules, Rule};
use crate::watch::WatchConfig;

/// A mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The section or key: `alerts.rules`, `rule`, `notify`, `channels`.
    pub at: String,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// `[alerts]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    /// Files of rules, relative to the configuration.
    rules: Vec<PathBuf>,
    /// Whether the default rules count.
    defaults: bool,
    #[serde(with = "crate::duration")]
    interval: Duration,
    #[serde(with = "crate::duration")]
    lateness: Duration,
    #[serde(with = "crate::duration")]
    max_lag: Duration,
}

impl Default for Section {
    fn default() -> Self {
        let watch = WatchConfig::default();
        Self {
            rules: Vec::new(),
            defaults: true,
            interval: watch.interval,
            lateness: watch.lateness,
            max_lag: watch.max_lag,
        }
    }
}

/// The sections `[alerts]`, `[[rule]]`, `[notify]`, `[scrapers.NAME]`, `[[route]]`, `[[silence]]`, `[[inhibit]]` and
/// `[channels.NAME]`.
///
/// ```
/// use std::path::Path;
/// use dragline_alerting::config::AlertConfig;
///
/// let (config, mistakes) = AlertConfig::load("dragline.toml", r#"
///     [[rule]]
///     alert = "queue_backup"
///     expr = "min(dragline_queue_size[1m]) > 5000"
///     [notify]
///     channels = ["mail"]
/// "#, Path::new(""));
/// // The default rules, of which one is replaced.
/// assert_eq!(config.rules.len(), 8);
/// assert_eq!(mistakes[0].problem, "there is no channel \"mail\": define [channels.mail].");
/// ```
#[derive(Clone, Debug, Default)]
pub struct AlertConfig {
    /// The rules: the default ones, those of files, and those of the configuration itself. A later rule replaces an
    /// earlier one of the same name.
    pub rules: Vec<Rule>,
    /// The settings of the watch.
    pub watch: WatchConfig,
    /// Who is notified.
    pub notify: NotifyConfig,
}

impl AlertConfig {
    /// Reads the sections from TOML; other sections are not looked at. What is wrong is left out and listed. Secrets
    /// of channels are not read: [`Channels::load`](crate::channel::Channels::load) does that, for commands that send something.
    ///
    /// `file` is the name for messages, `base` the directory from which relative paths start.
    pub fn load(file: &str, text: &str, base: &Path) -> (Self, Vec<Mistake>) {
        let table: toml::Table = text.parse().unwrap_or_default();
        let mut mistakes = Vec::new();
        let section: Section = match table.get("alerts").cloned() {
            None => Section::default(),
            Some(value) => value.try_into().unwrap_or_else(|error: toml::de::Error| {
                mistakes.push(Mistake::at("alerts", error.message()));
                Section::default()
            }),
        };
        if section.interval < Duration::from_secs(1) {
            mistakes.push(Mistake::at("alerts.interval", "expected at least 1s"));
        }
        let mut rules = if section.defaults {
            rule::default_rules()
        } else {
            Vec::new()
        };
        for path in &section.rules {
            let path = base.join(path);
            let name = path.display().to_string();
            match std::fs::read_to_string(&path) {
                Ok(text) => add(
                    &mut rules,
                    rule::load(&name, &text),
                    "alerts.rules",
                    &mut mistakes,
                ),
                Err(error) => {
                    let problem = format!(
                        "cannot read {name}: {error}; paths are relative to the configuration file"
                    );
                    mistakes.push(Mistake::at("alerts.rules", &problem));
                }
            }
        }
        if let Some(own) = table.get("rule") {
            add(
                &mut rules,
                rule::from_value(file, own),
                "rule",
                &mut mistakes,
            );
        }
        let notify = NotifyConfig::load(file, text).unwrap_or_else(|problem| {
            mistakes.push(Mistake::at("notify", &problem));
            NotifyConfig::default()
        });
        let (channels, errors) = channel::load_configs(file, text);
        mistakes.extend(errors.iter().map(|error| Mistake::at("channels", error)));
        let escalations = rules.iter().flat_map(|rule| &rule.escalate);
        let named = escalations.flat_map(|step| step.channels.iter().map(String::as_str));
        let mut used: Vec<&str> = notify.named_channels().into_iter().chain(named).collect();
        used.sort_unstable();
        used.dedup();
        let unknown = channel::find_unknown(used, || channels.keys().map(String::as_str));
        mistakes.extend(unknown.iter().map(|problem| Mistake::at("notify", problem)));
        let watch = WatchConfig {
            interval: section.interval.max(Duration::from_secs(1)),
            lateness: section.lateness,
            max_lag: section.max_lag,
        };
        (
            Self {
                rules,
                watch,
                notify,
            },
            mistakes,
        )
    }

    /// Adds the rules of a file in place of those with the same names; returns what is wrong in it.
    pub fn add_rules(&mut self, file: &str, text: &str) -> Vec<String> {
        let mut mistakes = Vec::new();
        add(
            &mut self.rules,
            rule::load(file, text),
            "rule",
            &mut mistakes,
        );
        mistakes
            .into_iter()
            .map(|mistake| mistake.problem)
            .collect()
    }
}

impl Mistake {
    fn at(at: &str, problem: &str) -> Self {
        Self {
            at: at.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

fn add(rules: &mut Vec<Rule>, loaded: LoadedRules, at: &str, mistakes: &mut Vec<Mistake>) {
    for rule in loaded.rules {
        rules.retain(|earlier| earlier.name != rule.name);
        rules.push(rule);
    }
    let errors = loaded.errors.iter();
    mistakes.extend(errors.map(|error| Mistake::at(at, &error.to_string())));
}
