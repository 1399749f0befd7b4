//! What a recorder can be told.

mod options;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use options::{Config, OptionInfo};
pub use value::{Compression, ConsoleMode, Patience};

use crate::clock::Clock;
use crate::retention::Retention;

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable or key holds no usable value.
    #[error("{key} is {value:?}, which is no {expected}")]
    Value {
        /// The variable's name, or the key with its section.
        key: String,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A key that is none of ours.
    #[error("[logging] has no key {key:?}{}", did_you_mean(.key))]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A text that is no TOML.
    #[error("the configuration is no TOML: {0}")]
    Toml(#[from] toml::de::Error),
    /// A file that cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// A fault in a file.
    #[error("in {path}: {source}")]
    InFile {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: Box<ConfigError>,
    },
    /// The name cannot be part of a file's name.
    #[error(
        "the name {0:?} cannot stand in a file name: use letters, digits, `-` and `_`, at most 64"
    )]
    Name(String),
    /// The level is no filter.
    #[error("the level {level:?} is no filter such as `info` or `info,hyper=warn`: {source}")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A word in the level is none.
    #[error(
        "{word:?} in the level {level:?} is no level: write trace, debug, info, warn, error or off, or target=level as in `info,hyper=warn`"
    )]
    LevelWord {
        /// What was given.
        level: String,
        /// The word in it.
        word: String,
    },
    /// A setting is out of its range.
    #[error("{setting} must be {range}")]
    Range {
        /// The setting.
        setting: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// A compression that is not there.
    #[error(
        "{0:?} is no compression that this build has: levels of gzip are 1 to 9, those of zstd 1 to 19, and zstd needs the feature `zstd`"
    )]
    Compression(Compression),
}

/// A variable of the environment. One that is no UTF-8 is shown as it is to be seen in the error.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn did_you_mean(key: &str) -> String {
    let distance = |name: &str| {
        let common = key
            .bytes()
            .zip(name.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        key.len().max(name.len()) - common
    };
    let nearest = Config::OPTIONS
        .iter()
        .min_by_key(|option| distance(option.name));
    nearest.map_or(String::new(), |option| {
        format!("; is it {:?}?", option.name)
    })
}

impl Config {
    /// Writes into `dir`, with the defaults that the other settings state.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self::default().dir(dir.as_ref())
    }

    /// Reads the environment: first the TOML file that `DRAGLINE_CONFIG` names, if it does, then a
    /// variable for each setting: `DRAGLINE_DIR`, `DRAGLINE_LEVEL`, ….
    ///
    /// # Errors
    /// When the file cannot be read, or a variable or key holds no usable value; the error names it.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(variable)
    }

    /// Reads the section `[logging]` of a TOML text. What it does not set has its default.
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
    /// When the text is no TOML, or the section has an unknown key or no usable value.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        config.apply_toml(text)?;
        config.check()?;
        Ok(config)
    }

    /// Reads the section `[logging]` of a TOML file, then the environment.
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
            // An empty variable is one that was not set, as compose files and shells leave it.
            let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
            let mut value = lookup(&variable);
            if value.is_none() && option.name == "level" {
                "MONITORING_LOG_LEVEL".clone_into(&mut variable);
                // The old name takes Python's words.
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
                    expected: expected.unwrap_or("setting"),
                });
            }
        }
        self.check()
    }

    /// Which closed files stay.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.keep_age = retention.max_age;
        self.keep_files = retention.max_files;
        self.keep_bytes = retention.max_bytes;
        self
    }

    /// Which closed files of the copy of the errors stay.
    #[must_use]
    pub fn error_retention(mut self, retention: Retention) -> Self {
        self.error_keep_age = retention.max_age;
        self.error_keep_files = retention.max_files;
        self.error_keep_bytes = retention.max_bytes;
        self
    }

    /// The writing process's id in lines and file names. Default: random, as it must be unique. No
    /// setting of a file or the environment: two processes would share it.
    #[must_use]
    pub fn writer_id(mut self, id: impl Into<String>) -> Self {
        self.writer_id = Some(id.into());
        self
    }

    /// Where the time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A program may change its directory; its logs stay where they were.
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

    /// The first part of the files' names.
    pub(crate) fn family(&self) -> String {
        if self.name.is_empty() {
            program_name()
        } else {
            self.name.clone()
        }
    }

    /// What stays of the family, or of its copy of the errors.
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

    /// The size at which a file of the family ends: several must fit in what may stay.
    pub(crate) fn file_bytes(&self, errors: bool) -> u64 {
        let kept = self.kept(errors).max_bytes.unwrap_or(u64::MAX);
        self.max_file_bytes.min(kept / 8).max(1)
    }

    /// Checks what the setters cannot.
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
        self.check_level()?;
        self.filter().map(drop)
    }

    /// `EnvFilter` takes any word for a target, and then records nothing else.
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

/// The program's file name, with what cannot stand in a log file's name replaced.
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
