//! What a recorder can be told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::retention::Retention;

/// When a new file begins, besides when the old one is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rotation {
    /// At midnight UTC.
    #[default]
    Daily,
    /// Never.
    Never,
}

/// How a recorder writes: where, how much, and when a new file begins.
///
/// ```
/// use dragline_logging::Config;
///
/// let config = Config::new("logs").name("shop").max_file_bytes(8 << 20).level("info,hyper=warn");
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) dir: PathBuf,
    pub(crate) name: String,
    pub(crate) level: String,
    pub(crate) rotation: Rotation,
    pub(crate) max_file_bytes: u64,
    pub(crate) compress: bool,
    pub(crate) retention: Retention,
    pub(crate) queue_bytes: usize,
    pub(crate) flush_interval: Duration,
    pub(crate) writer_id: Option<String>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An environment variable holds no usable value.
    #[error("{variable} is {value:?}, which is no {expected}")]
    Variable {
        /// The variable's name.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
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
}

impl Config {
    /// Writes into `dir`, with the defaults that the setters state.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            dir: dir.as_ref().to_owned(),
            name: program_name(),
            level: "info".to_owned(),
            rotation: Rotation::Daily,
            max_file_bytes: 64 << 20,
            compress: true,
            retention: Retention::days(30),
            queue_bytes: 16 << 20,
            flush_interval: Duration::from_secs(1),
            writer_id: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Reads the environment: `DRAGLINE_DIR` (default `logs`), `DRAGLINE_NAME`, `DRAGLINE_LEVEL`,
    /// `DRAGLINE_MAX_FILE_BYTES`, `DRAGLINE_COMPRESS` (`true` or `false`).
    ///
    /// # Errors
    /// When a variable holds no usable value; the error names both.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::new(lookup("DRAGLINE_DIR").unwrap_or_else(|| "logs".to_owned()));
        if let Some(name) = lookup("DRAGLINE_NAME") {
            config.name = name;
        }
        if let Some(level) = lookup("DRAGLINE_LEVEL") {
            config.level = level;
        }
        let wrong = |variable, value, expected| ConfigError::Variable {
            variable,
            value,
            expected,
        };
        if let Some(value) = lookup("DRAGLINE_MAX_FILE_BYTES") {
            config.max_file_bytes = value.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
                wrong("DRAGLINE_MAX_FILE_BYTES", value, "number of bytes above 0")
            })?;
        }
        if let Some(value) = lookup("DRAGLINE_COMPRESS") {
            config.compress = value
                .parse()
                .map_err(|_| wrong("DRAGLINE_COMPRESS", value, "`true` or `false`"))?;
        }
        config.check()?;
        Ok(config)
    }

    /// The first part of the files' names. Default: the program's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// What is written: a level, or directives per target as `EnvFilter` reads them. Default
    /// `info`. The typed events of runs have the target `dragline` and are written from `info` up
    /// unless a directive names that target.
    #[must_use]
    pub fn level(mut self, level: impl Into<String>) -> Self {
        self.level = level.into();
        self
    }

    /// When a new file begins. Default: daily, at midnight UTC.
    #[must_use]
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// A file never grows beyond this, unless a single line does. Default 64 MiB.
    #[must_use]
    pub fn max_file_bytes(mut self, bytes: u64) -> Self {
        self.max_file_bytes = bytes.max(1);
        self
    }

    /// Whether closed files are compressed with gzip. Default: yes.
    #[must_use]
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Which closed files go, and when. Default: those that began more than 30 days ago. It is looked
    /// at when the recorder starts and whenever a file is closed.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// How many bytes may wait to be written before callers wait too. Default 16 MiB.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// How long a line may wait to be written. Default 1 s.
    #[must_use]
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = interval;
        self
    }

    /// The writing process's id in lines and file names. Default: random, as it must be unique.
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

    /// Checks what the setters cannot.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for part in [Some(&self.name), self.writer_id.as_ref()]
            .into_iter()
            .flatten()
        {
            if !crate::file_name::is_part(part) {
                return Err(ConfigError::Name(part.clone()));
            }
        }
        self.filter().map(drop)
    }

    /// The filter for a layer of this configuration.
    pub(crate) fn filter(&self) -> Result<tracing_subscriber::EnvFilter, ConfigError> {
        let directives = format!("{}=info,{}", crate::typed::TARGET, self.level);
        tracing_subscriber::EnvFilter::builder()
            .parse(directives)
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
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn every_variable_has_an_effect() {
        let config = env(&[
            ("DRAGLINE_DIR", "elsewhere"),
            ("DRAGLINE_NAME", "shop"),
            ("DRAGLINE_LEVEL", "debug"),
            ("DRAGLINE_MAX_FILE_BYTES", "4096"),
            ("DRAGLINE_COMPRESS", "false"),
        ])
        .unwrap();
        assert_eq!(config.dir, Path::new("elsewhere"));
        assert_eq!(config.name, "shop");
        assert_eq!(config.level, "debug");
        assert_eq!(config.max_file_bytes, 4096);
        assert!(!config.compress);
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_variable() {
        let message = |pairs| env(pairs).unwrap_err().to_string();
        assert_eq!(
            message(&[("DRAGLINE_MAX_FILE_BYTES", "lots")]),
            "DRAGLINE_MAX_FILE_BYTES is \"lots\", which is no number of bytes above 0",
        );
        assert!(message(&[("DRAGLINE_NAME", "a/b")]).contains("\"a/b\""));
        assert!(message(&[("DRAGLINE_LEVEL", "info,=x=y")]).contains("info,=x=y"));
    }
}
