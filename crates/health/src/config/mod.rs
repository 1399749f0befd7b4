//! The section `[health]` of `dragline.toml`.
//!
//! A key that nobody knows is an error that names the most similar one: a check that is silently not what its
//! author meant is worse than none.

mod check;
mod section;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::check::{Check, Headers, Target};
use self::section::Section;
use crate::address::Address;
use crate::database::Database;
use crate::kind::Kind;
use crate::state::Thresholds;

/// Checks and how to run them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Checks, in the order of the configuration; their names are unique.
    pub checks: Vec<Check>,
    /// Most checks that run at the same time.
    pub concurrency: usize,
    /// Hosts, as `host:port`, that tell whether the own network works when every site is silent.
    pub witnesses: Vec<HostPort>,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A mistake in the configuration. It never quotes a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct ConfigError {
    /// The section and the key.
    pub at: String,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

impl ConfigError {
    fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            reason: reason.into(),
        }
    }
}

/// Where a configuration finds what it refers to. Reading a configuration accesses nothing else.
pub struct Environment<'a> {
    /// Value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Text of a file with a secret.
    pub secret_file: &'a dyn Fn(&Path) -> std::io::Result<String>,
    /// Directory that relative paths start from.
    pub base: PathBuf,
}

impl Environment<'_> {
    /// The environment and the files of this process; relative paths start from `base`.
    pub fn of_process(base: impl Into<PathBuf>) -> Environment<'static> {
        Environment {
            variable: &|name| std::env::var(name).ok(),
            secret_file: &|path| std::fs::read_to_string(path),
            base: base.into(),
        }
    }
}

/// Keys of `[health]` itself.
pub(crate) const KEYS: &[&str] = &[
    "interval",
    "concurrency",
    "failure_threshold",
    "success_threshold",
    "witnesses",
    "checks",
];
/// Keys that every check has.
pub(crate) const COMMON: &[&str] = &[
    "name",
    "type",
    "interval",
    "timeout",
    "failure_threshold",
    "success_threshold",
    "conditions",
    "degraded_unless",
];

/// Time between two checks.
pub const DEFAULT_INTERVAL: Duration = Duration::from_mins(5);
/// Checks at the same time.
pub const DEFAULT_CONCURRENCY: usize = 8;
/// More at the same time would need more files than a process may open.
const MOST_CONCURRENT: u64 = 256;

/// What checks inherit from `[health]`.
#[derive(Clone, Copy, Debug)]
struct Defaults {
    interval: Duration,
    thresholds: Thresholds,
}

impl Config {
    /// Reads the section `[health]` of a TOML text.
    ///
    /// ```
    /// use dragline_health::{Config, Environment, Kind};
    ///
    /// let text = r#"
    /// [health]
    /// interval = "5m"
    ///
    /// [[health.checks]]
    /// name = "shop"
    /// type = "site"
    /// url = "https://shop.example.com/"
    /// conditions = ["status == 200", 'body matches "cart"']
    /// degraded_unless = ["response_time < 800ms"]
    /// "#;
    /// let config = Config::from_toml(text, &Environment::of_process("."))?;
    /// assert_eq!(config.checks[0].kind(), Kind::Site);
    /// # Ok::<(), dragline_health::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// When the text is not TOML, or the section has a mistake.
    pub fn from_toml(text: &str, environment: &Environment<'_>) -> Result<Self, ConfigError> {
        let table: toml::Table = toml::from_str(text)
            .map_err(|error| ConfigError::new("configuration", error.message()))?;
        match table.get("health") {
            Some(toml::Value::Table(section)) => Self::from_table(section, environment),
            Some(_) => Err(ConfigError::new("health", "expected a section `[health]`")),
            None => Self::from_table(&toml::Table::new(), environment),
        }
    }

    /// Reads a section `[health]`.
    ///
    /// # Errors
    /// When the section has a mistake.
    pub fn from_table(
        table: &toml::Table,
        environment: &Environment<'_>,
    ) -> Result<Self, ConfigError> {
        let section = Section::new("health", table, KEYS)?;
        let base = Thresholds::default();
        let defaults = Defaults {
            interval: section.interval()?.unwrap_or(DEFAULT_INTERVAL),
            thresholds: section.thresholds(base)?,
        };
        let concurrency = section.number("concurrency", 1..=MOST_CONCURRENT)?;
        let mut checks = Vec::<Check>::new();
        for (index, table) in section.tables("checks")?.into_iter().enumerate() {
            let check = check::read(index, table, defaults, environment)?;
            if checks.iter().any(|other| other.name == check.name) {
                let reason = format!("the name {:?} stands twice; names are unique", check.name);
                return Err(ConfigError::new(
                    format!("health.checks[{index}].name"),
                    reason,
                ));
            }
            checks.push(check);
        }
        Ok(Self {
            checks,
            concurrency: concurrency.map_or(DEFAULT_CONCURRENCY, |number| number as usize),
            witnesses: read_witnesses(&section)?,
        })
    }
}

fn read_witnesses(section: &Section<'_>) -> Result<Vec<HostPort>, ConfigError> {
    let texts = section.texts("witnesses")?.unwrap_or_default();
    let read = |text: &String| {
        parse_host_port(text).ok_or_else(|| {
            section.error(
                "witnesses",
                format!("{text:?} is not a host and port such as 192.0.2.1:53"),
            )
        })
    };
    texts.iter().map(read).collect()
}

/// Reads `host:port` or `[::1]:port`.
pub(crate) fn parse_host_port(text: &str) -> Option<HostPort> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_plain = !host.contains([':', '/', '@', '[', ']']) && !host.is_empty();
    let host = match inner {
        Some(inner) => inner,
        None if is_plain => host,
        None => return None,
    };
    Some(HostPort {
        host: host.to_owned(),
        port: port.parse().ok().filter(|port| *port > 0)?,
    })
}

/// What a check is about, for tables and JSON: without secrets.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site { address, .. } => address.fmt(f),
            Self::Database(Database::Sqlite { path }) => write!(f, "sqlite {}", path.display()),
            Self::Database(Database::Postgres(address) | Database::Mysql(address)) => {
                write!(f, "{}://{}", address.scheme(), Shown(address))
            }
            Self::Tcp(to) => write!(f, "{to}"),
            Self::Tls { to, .. } => write!(f, "tls {to}"),
            Self::Disk(path) => path.display().fmt(f),
            Self::Logs { path, scraper, .. } => match (path, scraper) {
                (Some(path), _) => path.display().fmt(f),
                (None, Some(scraper)) => write!(f, "events of {scraper}"),
                (None, None) => Ok(()),
            },
            Self::Run { scraper, .. } => write!(f, "runs of {scraper}"),
        }
    }
}

/// Host and port of a database.
struct Shown<'a>(&'a Address);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.port() {
            Some(port) => HostPort {
                host: self.0.host(),
                port,
            }
            .fmt(f),
            None => f.write_str(&self.0.host()),
        }
    }
}

impl Check {
    /// What kind of check it is.
    pub fn kind(&self) -> Kind {
        match self.target {
            Target::Site { .. } => Kind::Site,
            Target::Database(_) => Kind::Database,
            Target::Tcp(_) => Kind::Tcp,
            Target::Tls { .. } => Kind::Tls,
            Target::Disk(_) => Kind::Disk,
            Target::Logs { .. } => Kind::Logs,
            Target::Run { .. } => Kind::Run,
        }
    }
}

#[cfg(test)]
mod tests;
