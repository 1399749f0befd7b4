//! The configuration of a recorder.

mod options;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use options::{Config, OptionInfo};
pub use value::{Compression, ConsoleLevel, ConsoleMode, Patience, SampleInterval};

use self::value::Setting as _;
use crate::clock::Clock;
use crate::retention::Retention;

/// The reason why a configuration is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable or key has an invalid value.
    #[error("{key} is {value:?}: expected {expected}")]
    Value {
        /// The variable's name, or the key with its section.
        key: String,
        /// The invalid value.
        value: String,
        /// A description of the expected value.
        expected: &'static str,
    },
    /// An unknown key.
    #[error("[logging] has no key {key:?}{}", did_you_mean(.key))]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// The text is not valid TOML.
    #[error("the configuration is not valid TOML: {0}")]
    Toml(#[from] toml::de::Error),
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file has an error.
    #[error("in {path}: {source}")]
    InFile {
        /// The file.
        path: PathBuf,
        /// The error.
        source: Box<ConfigError>,
    },
    /// The name cannot be part of a file name.
    #[error(
        "the name {0:?} cannot be part of a file name: use at most 64 letters, digits, `-` and `_`"
    )]
    Name(String),
    /// The level is not a valid filter.
    #[error(
        "invalid level {level:?}: expected a filter such as `info` or `info,hyper=warn`: {source}"
    )]
    Level {
        /// The invalid level.
        level: String,
        /// The cause.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A word in the level is not a level.
    #[error(
        "invalid level {level:?}: {word:?} is not a level; use trace, debug, info, warn, error or off, or \
         target=level as in `info,hyper=warn`"
    )]
    LevelWord {
        /// The invalid level.
        level: String,
        /// The word that is not a level.
        word: String,
    },
    /// A setting is out of its range.
    #[error("{setting} must be {range}")]
    Range {
        /// The setting.
        setting: &'static str,
        /// The valid range.
        range: &'static str,
    },
    /// The setting needs a feature that this program is built without.
    #[error(
        "{setting} needs the feature `{feature}`, which this program is built without: add it to `features` of dragline in Cargo.toml, or remove the setting"
    )]
    Feature {
        /// The setting.
        setting: &'static str,
        /// The feature.
        feature: &'static str,
    },
    /// The compression is not available.
    #[error(
        "compression {0:?} is not available: gzip has levels 1 to 9, zstd 1 to 19 with the feature `zstd`"
    )]
    Compression(Compression),
}

/// Reads an environment variable. Invalid UTF-8 is replaced, so that the value can be shown in the error.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn did_you_mean(key: &str) -> String {
    let names = Config::OPTIONS.iter().map(|option| option.name);
    dragline_schema::nearest(key, names).map_or(String::new(), |name| format!("; is it {name:?}?"))
}

impl Config {
    /// A configuration that writes to `dir` and has the defaults for all other settings.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self::default().dir(dir.as_ref())
    }

    /// Reads the configuration from the environment: first the TOML file that `DRAGLINE_CONFIG` names,
    /// if it is set, then one variable per setting: `DRAGLINE_DIR`, `DRAGLINE_LEVEL`, ….
    ///
    /// # Errors
    /// When the file cannot be read, or a variable or key has an invalid value. The error names it.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(variable)
    }

    /// Reads the section `[logging]` of a TOML text. Settings that are not in the text have their defaults.
    ///
    /// ```
    /// let config = dragline_logging::Config::from_toml(r#"
    ///     [logging]
    ///     dir = "/var/log/shop"
    ///     keep_bytes = "10 GiB"
    ///     redact = ["password", "token"]
    /// "#)?;
    /// # Ok::<(), dragline_logging::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// When the text is not valid TOML, or the section has an unknown key or an invalid value.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        config.apply_toml(text)?;
        config.check()?;
        Ok(config)
    }

    /// Reads the section `[logging]` of a TOML file, then the environment variables.
    ///
    /// # Errors
    /// As [`Config::from_toml`] and [`Config::from_env`], and when the file cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        config.apply_file(path.as_ref())?;
        config.apply_lookup(variable)?;
        Ok(config)
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = lookup("DRAGLINE_CONFIG") {
            config.apply_file(Path::new(&path))?;
        }
        config.apply_lookup(lookup)?;
        Ok(config)
    }

    fn apply_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let path = path.to_owned();
        match std::fs::read_to_string(&path) {
            Ok(text) => self
                .apply_toml(&text)
                .map_err(|source| ConfigError::InFile {
                    path,
                    source: Box::new(source),
                }),
            Err(source) => Err(ConfigError::File { path, source }),
        }
    }

    fn apply_toml(&mut self, text: &str) -> Result<(), ConfigError> {
        let document: toml::Table = text.parse()?;
        let Some(section) = document.get("logging") else {
            return Ok(());
        };
        let not_a_section = toml::Table::from_iter([("logging".to_owned(), section.clone())]);
        for (key, value) in section.as_table().unwrap_or(&not_a_section) {
            let text = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Array(values) => {
                    let texts = values
                        .iter()
                        .map(|v| v.as_str().map_or(v.to_string(), str::to_owned));
                    texts.collect::<Vec<_>>().join(",")
                }
                other => other.to_string(),
            };
            self.set(key, &text).map_err(|expected| match expected {
                Some(expected) => ConfigError::Value {
                    key: format!("[logging] {key}"),
                    value: text,
                    expected,
                },
                None => ConfigError::UnknownKey { key: key.clone() },
            })?;
        }
        Ok(())
    }

    fn apply_lookup(&mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
        for option in Self::OPTIONS {
            let mut variable = format!("DRAGLINE_{}", option.name.to_ascii_uppercase());
            // An empty variable counts as not set: compose files and shells pass unset variables as empty.
            let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
            let mut value = lookup(&variable);
            if value.is_none() && option.name == "level" {
                "MONITORING_LOG_LEVEL".clone_into(&mut variable);
                // The old variable accepts the level names of Python.
                value = lookup(&variable).map(|level| match level.to_ascii_uppercase().as_str() {
                    "WARNING" | "30" => "warn".to_owned(),
                    "CRITICAL" | "FATAL" | "40" | "50" => "error".to_owned(),
                    "20" => "info".to_owned(),
                    "10" => "debug".to_owned(),
                    _ => level,
                });
            }
            let Some(value) = value else { continue };
            if let Err(expected) = self.set(option.name, &value) {
                return Err(ConfigError::Value {
                    key: variable,
                    value,
                    expected: expected.unwrap_or("a setting"),
                });
            }
        }
        self.check()
    }

    /// Which closed files are kept.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.keep_age = retention.max_age;
        self.keep_files = retention.max_files;
        self.keep_bytes = retention.max_bytes;
        self
    }

    /// Which closed error files are kept.
    #[must_use]
    pub fn error_retention(mut self, retention: Retention) -> Self {
        self.error_keep_age = retention.max_age;
        self.error_keep_files = retention.max_files;
        self.error_keep_bytes = retention.max_bytes;
        self
    }

    /// The id of the writing process in lines and file names. Default: random, because it must be
    /// unique. It cannot be set in a file or in the environment, where two processes would share it.
    #[must_use]
    pub fn writer_id(mut self, id: impl Into<String>) -> Self {
        self.writer_id = Some(id.into());
        self
    }

    /// The clock to use. Default: the system clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes the directory absolute, so that the logs stay in place when the program changes its directory.
    pub(crate) fn with_absolute_dir(mut self) -> Self {
        if let Ok(dir) = std::path::absolute(&self.dir) {
            self.dir = dir;
        }
        self
    }

    /// Whether a directive of the level names the target of the typed events.
    pub(crate) fn names_target(&self) -> bool {
        let target = |directive: &str| {
            directive
                .split('=')
                .next()
                .map(|target| target.trim() == crate::typed::TARGET)
        };
        self.level
            .split(',')
            .any(|directive| target(directive) == Some(true))
    }

    /// The first part of the file names.
    pub(crate) fn family(&self) -> String {
        if self.name.is_empty() {
            program_name()
        } else {
            self.name.clone()
        }
    }

    /// The retention of the family, or of its error files.
    pub(crate) fn kept(&self, errors: bool) -> Retention {
        let (max_age, max_files, max_bytes) = if errors {
            (
                self.error_keep_age,
                self.error_keep_files,
                self.error_keep_bytes,
            )
        } else {
            (self.keep_age, self.keep_files, self.keep_bytes)
        };
        Retention {
            max_age,
            max_files,
            max_bytes,
        }
    }

    /// Maximum size of a file of the family. It is limited so that several files fit in `keep_bytes`.
    pub(crate) fn file_bytes(&self, errors: bool) -> u64 {
        let kept = self.kept(errors).max_bytes.unwrap_or(u64::MAX);
        self.max_file_bytes.min(kept / 8).max(1)
    }

    /// Checks everything that the setters cannot check.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for part in [Some(&self.family()), self.writer_id.as_ref()]
            .into_iter()
            .flatten()
        {
            if !crate::file_name::is_part(part) {
                return Err(ConfigError::Name(part.clone()));
            }
        }
        if !self.compression.is_possible() {
            return Err(ConfigError::Compression(self.compression));
        }
        let day = Duration::from_hours(24);
        for (setting, holds, range) in [
            (
                "flush_interval",
                (Duration::from_millis(1)..=day).contains(&self.flush_interval),
                "1 ms to a day",
            ),
            (
                "queue_bytes",
                (1..=16 << 30).contains(&self.queue_bytes),
                "1 byte to 16 GiB",
            ),
            (
                "keep_bytes",
                self.keep_bytes.is_none_or(|bytes| bytes >= 4 << 10),
                "4 KiB or more",
            ),
            (
                "error_keep_bytes",
                self.error_keep_bytes.is_none_or(|bytes| bytes >= 4 << 10),
                "4 KiB or more",
            ),
        ] {
            if !holds {
                return Err(ConfigError::Range { setting, range });
            }
        }
        self.check_system_sample()?;
        self.check_level()?;
        self.filter().map(drop)
    }

    fn check_system_sample(&self) -> Result<(), ConfigError> {
        let setting = "system_sample";
        match &self.system_sample {
            SampleInterval::Off => Ok(()),
            SampleInterval::Invalid(text) => Err(ConfigError::Value {
                key: setting.to_owned(),
                value: text.clone(),
                expected: SampleInterval::EXPECTED,
            }),
            SampleInterval::Every(interval) => {
                let possible = Duration::from_secs(1)..=Duration::from_hours(24);
                let range = "1 second to a day";
                let is_possible = possible.contains(interval);
                is_possible
                    .then_some(())
                    .ok_or(ConfigError::Range { setting, range })
            }
        }
    }

    /// Checks that this program has the features that the settings need. Other programs may read the same
    /// configuration, so that this is no part of [`Config::check`].
    pub(crate) fn check_features(&self) -> Result<(), ConfigError> {
        match self.system_sample {
            SampleInterval::Every(_) if !cfg!(feature = "system") => Err(ConfigError::Feature {
                setting: "system_sample",
                feature: "system",
            }),
            _ => Ok(()),
        }
    }

    /// Rejects unknown words. `EnvFilter` would treat such a word as a target and record nothing else.
    fn check_level(&self) -> Result<(), ConfigError> {
        let is_level = |word: &str| {
            let words = ["trace", "debug", "info", "warn", "error", "off"];
            words.iter().any(|level| word.eq_ignore_ascii_case(level))
        };
        for word in self.level.split(',').map(str::trim) {
            if !word.contains(['=', '[', ':']) && !is_level(word) {
                return Err(ConfigError::LevelWord {
                    level: self.level.clone(),
                    word: word.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The filter for a layer of this configuration.
    pub(crate) fn filter(&self) -> Result<tracing_subscriber::EnvFilter, ConfigError> {
        tracing_subscriber::EnvFilter::builder()
            .parse(&self.level)
            .map_err(|source| ConfigError::Level {
                level: self.level.clone(),
                source,
            })
    }
}

/// The program's file name, with characters replaced that are not allowed in a log file name.
fn program_name() -> String {
    let name = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .unwrap_or_default();
    let mut name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '_'
            }
        })
        .take(64)
        .collect();
    if name.is_empty() {
        name.push_str("scraper");
    }
    name
}

#[cfg(test)]
mod tests;
