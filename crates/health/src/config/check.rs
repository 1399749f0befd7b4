//! One `[[health.checks]]`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use toml::{Table, Value};

use dragline_schema::nearest;

use super::section::Section;
use super::{COMMON, ConfigError, Defaults, Environment, HostPort, parse_host_port};
use crate::address::Address;
use crate::condition::Condition;
use crate::database::Database;
use crate::freshness::Schedule;
use crate::kind::Kind;
use crate::result::Conditions;
use crate::state::Thresholds;

/// One check.
#[derive(Clone, Debug)]
pub struct Check {
    /// Unique name.
    pub name: String,
    /// What is checked.
    pub target: Target,
    /// Time between two checks.
    pub interval: Duration,
    /// Time after which it has failed.
    pub timeout: Duration,
    /// Results in a row that change its status.
    pub thresholds: Thresholds,
    /// What must hold.
    pub conditions: Conditions,
    /// Whether it needs the way to the internet.
    pub is_remote: bool,
}

/// What is checked, with what the check needs.
#[derive(Clone, Debug)]
pub enum Target {
    /// An HTTP site.
    Site {
        /// Its URL.
        address: Address,
        /// Name under which scrapers' requests are counted.
        site: String,
        /// Whether `HEAD` is used instead of `GET`.
        is_head: bool,
        /// Headers that are sent.
        headers: Headers,
        /// Redirects that are followed; one more is a failure.
        max_redirects: u32,
        /// Whether requests of scrapers stand in for probes.
        is_passive: bool,
    },
    /// A database.
    Database(Database),
    /// A port.
    Tcp(HostPort),
    /// A port that speaks TLS.
    Tls {
        /// Where.
        to: HostPort,
    },
    /// A file system, by a path on it.
    Disk(PathBuf),
    /// Log files, or the events of a scraper.
    Logs {
        /// A file, or a directory that is searched.
        path: Option<PathBuf>,
        /// Scraper whose last event is passed in.
        scraper: Option<String>,
        /// When the next line is due.
        schedule: Option<Schedule>,
    },
    /// The end of a scraper's last run, passed in.
    Run {
        /// The scraper.
        scraper: String,
        /// When the next run is due.
        schedule: Option<Schedule>,
    },
}

/// Headers of a request. Their values are secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(pub(crate) Vec<(String, String)>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Redirects that are followed by default.
const DEFAULT_REDIRECTS: u64 = 5;

pub(super) fn read(
    index: usize,
    table: &Table,
    defaults: Defaults,
    environment: &Environment<'_>,
) -> Result<Check, ConfigError> {
    let name = table.get("name").and_then(Value::as_str);
    let at = match name {
        Some(name) => format!("health.checks[{index}] ({name})"),
        None => format!("health.checks[{index}]"),
    };
    let kind = read_kind(&at, table)?;
    let known: Vec<_> = COMMON.iter().chain(kind.keys()).copied().collect();
    let section = Section::new(at, table, &known)?;
    let (target, is_remote) = read_target(kind, &section, environment)?;
    let timeout = section.positive("timeout")?;
    Ok(Check {
        name: section.required("name")?.to_owned(),
        interval: section.interval()?.unwrap_or(defaults.interval),
        timeout: timeout.unwrap_or(kind.default_timeout()),
        thresholds: section.thresholds(defaults.thresholds)?,
        conditions: read_conditions(kind, &section)?,
        target,
        is_remote,
    })
}

fn read_kind(at: &str, table: &Table) -> Result<Kind, ConfigError> {
    let names = || Kind::ALL.iter().map(|kind| kind.name());
    let all = names().collect::<Vec<_>>().join(", ");
    let key = format!("{at}.type");
    let Some(value) = table.get("type") else {
        return Err(ConfigError::new(
            key,
            format!("the key is missing; types are {all}"),
        ));
    };
    let typed = value.as_str().unwrap_or_default();
    Kind::by_name(typed).ok_or_else(|| {
        let hint = match nearest(typed, names()) {
            Some(similar) => format!("did you mean \"{similar}\"?"),
            None => format!("types are {all}"),
        };
        ConfigError::new(key, format!("unknown type {typed:?}; {hint}"))
    })
}

/// Reads what is checked, and whether the way there is the internet.
fn read_target(
    kind: Kind,
    section: &Section<'_>,
    environment: &Environment<'_>,
) -> Result<(Target, bool), ConfigError> {
    let target = match kind {
        Kind::Site => read_site(section, environment)?,
        Kind::Database => {
            let text = read_url(section, environment)?;
            let database = Database::parse(&text.text, &environment.base)
                .map_err(|error| section.error(text.key, error.to_string()))?;
            if let Database::Postgres(address) | Database::Mysql(address) = &database {
                refuse_password(section, &text, address)?;
            }
            Target::Database(database)
        }
        Kind::Tcp => Target::Tcp(read_port(section, environment)?),
        Kind::Tls => Target::Tls {
            to: read_port(section, environment)?,
        },
        Kind::Disk => Target::Disk(environment.base.join(section.required("path")?)),
        Kind::Logs => read_logs(section, environment)?,
        Kind::Run => {
            let schedule = read_schedule(section)?;
            if schedule.is_none() && !section.has("conditions") {
                return Err(section.error("period", "the key is missing: how often is a run due?"));
            }
            Target::Run {
                scraper: section.required("scraper")?.to_owned(),
                schedule,
            }
        }
    };
    let is_remote = read_network(section, &target)?;
    Ok((target, is_remote))
}

fn read_site(section: &Section<'_>, environment: &Environment<'_>) -> Result<Target, ConfigError> {
    let text = read_url(section, environment)?;
    let address = Address::parse(&text.text, text.is_public())
        .map_err(|error| section.error(text.key, error.to_string()))?;
    if !matches!(address.scheme(), "http" | "https") {
        return Err(section.error(text.key, "a site needs a URL with http:// or https://"));
    }
    refuse_password(section, &text, &address)?;
    let is_head = match section.text("method")? {
        None | Some("GET") => false,
        Some("HEAD") => true,
        Some(_) => {
            return Err(section.error(
                "method",
                "the method is \"GET\" or \"HEAD\": a check changes nothing",
            ));
        }
    };
    let max_redirects = section.number("max_redirects", 0..=20)?;
    Ok(Target::Site {
        site: match section.text("site")? {
            Some(site) => site.to_owned(),
            None => address.host(),
        },
        address,
        is_head,
        headers: read_headers(section, environment)?,
        is_passive: section.flag("passive")?.unwrap_or(true),
        max_redirects: max_redirects.unwrap_or(DEFAULT_REDIRECTS) as u32,
    })
}

/// Reads `headers = { Accept = "text/html", Authorization = { env = "TOKEN" } }`.
fn read_headers(
    section: &Section<'_>,
    environment: &Environment<'_>,
) -> Result<Headers, ConfigError> {
    let mut headers = Vec::new();
    for (name, value) in section.table("headers")?.into_iter().flatten() {
        let key = format!("headers.{name}");
        let variable = value.as_table().and_then(|table| table.get("env"));
        let value = match (value.as_str(), variable.and_then(Value::as_str)) {
            (Some(text), _) => text.to_owned(),
            (None, Some(variable)) => (environment.variable)(variable)
                .ok_or_else(|| section.error(&key, unset(variable)))?,
            (None, None) => {
                return Err(section.error(&key, "expected a text or { env = \"VARIABLE\" }"));
            }
        };
        let is_valid = hyper::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && hyper::header::HeaderValue::from_str(&value).is_ok();
        if !is_valid {
            return Err(section.error(&key, "the header has characters that HTTP does not allow"));
        }
        headers.push((name.clone(), value));
    }
    Ok(Headers(headers))
}

fn read_port(
    section: &Section<'_>,
    environment: &Environment<'_>,
) -> Result<HostPort, ConfigError> {
    let text = read_url(section, environment)?;
    if let Some(port) = parse_host_port(&text.text) {
        return Ok(port);
    }
    let address = Address::parse(&text.text, false).map_err(|error| {
        section.error(text.key, format!("expected host:port or a URL; {error}"))
    })?;
    refuse_password(section, &text, &address)?;
    match address.port() {
        Some(port) => Ok(HostPort {
            host: address.host(),
            port,
        }),
        None => Err(section.error(
            text.key,
            "the URL has no port, and its scheme has none by default",
        )),
    }
}

fn read_logs(section: &Section<'_>, environment: &Environment<'_>) -> Result<Target, ConfigError> {
    let path = section
        .text("path")?
        .map(|path| environment.base.join(path));
    let scraper = section.text("scraper")?.map(str::to_owned);
    if path.is_some() == scraper.is_some() {
        return Err(section.error("path", "give either `path` or `scraper`"));
    }
    let schedule = read_schedule(section)?;
    if schedule.is_none() && !section.has("conditions") {
        return Err(section.error(
            "period",
            "the key is missing: how long may the logs be silent?",
        ));
    }
    Ok(Target::Logs {
        path,
        scraper,
        schedule,
    })
}

fn read_schedule(section: &Section<'_>) -> Result<Option<Schedule>, ConfigError> {
    let grace = section.duration("grace")?;
    match section.positive("period")? {
        Some(period) => Ok(Some(Schedule {
            period,
            grace: grace.unwrap_or_default(),
        })),
        None if grace.is_some() => {
            Err(section.error("period", "the key is missing beside `grace`"))
        }
        None => Ok(None),
    }
}

/// A URL, and the key that it came from.
struct UrlText {
    text: String,
    key: &'static str,
}

impl UrlText {
    /// Whether it stands in the configuration itself.
    fn is_public(&self) -> bool {
        self.key == "url"
    }
}

fn read_url(section: &Section<'_>, environment: &Environment<'_>) -> Result<UrlText, ConfigError> {
    const SOURCES: [&str; 3] = ["url", "url_env", "url_file"];
    let mut given = SOURCES.into_iter().filter(|key| section.has(key));
    let (Some(key), None) = (given.next(), given.next()) else {
        return Err(section.error("url", "give exactly one of `url`, `url_env` and `url_file`"));
    };
    let value = section.required(key)?;
    let text = match key {
        "url_env" => {
            (environment.variable)(value).ok_or_else(|| section.error(key, unset(value)))?
        }
        "url_file" => {
            let path = environment.base.join(value);
            (environment.secret_file)(&path).map_err(|error| {
                section.error(key, format!("cannot read {}: {error}", path.display()))
            })?
        }
        _ => value.to_owned(),
    };
    let text = text.trim().to_owned();
    if text.is_empty() {
        return Err(section.error(key, "the URL is empty"));
    }
    Ok(UrlText { text, key })
}

fn unset(variable: &str) -> String {
    format!("the environment variable {variable} is not set")
}

/// Passwords belong into the environment or a file, not into a configuration that is committed and shown.
fn refuse_password(
    section: &Section<'_>,
    text: &UrlText,
    address: &Address,
) -> Result<(), ConfigError> {
    if text.is_public() && address.has_password() {
        return Err(section.error(
            text.key,
            "the URL contains a password; put it into an environment variable and use `url_env`, or into a file and use `url_file`",
        ));
    }
    Ok(())
}

/// `network = "internet"` or `"local"`; by default private addresses are local.
fn read_network(section: &Section<'_>, target: &Target) -> Result<bool, ConfigError> {
    let host = match target {
        Target::Site { address, .. }
        | Target::Database(Database::Postgres(address) | Database::Mysql(address)) => {
            address.host()
        }
        Target::Tcp(to) | Target::Tls { to } => to.host.clone(),
        Target::Database(Database::Sqlite { .. })
        | Target::Disk(_)
        | Target::Logs { .. }
        | Target::Run { .. } => return Ok(false),
    };
    match section.text("network")? {
        Some("internet") => Ok(true),
        Some("local") => Ok(false),
        Some(_) => Err(section.error("network", "the network is \"internet\" or \"local\"")),
        None => Ok(is_on_the_internet(&host)),
    }
}

/// Whether a host is, by its name or address, not in the own network.
fn is_on_the_internet(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
        return !(address.is_loopback() || address.is_private() || address.is_link_local());
    }
    if let Ok(address) = host.parse::<std::net::Ipv6Addr>() {
        let is_local = address.is_unique_local() || address.is_unicast_link_local();
        return !(address.is_loopback() || is_local);
    }
    // A name without a dot is one of the own network or of a container.
    let local = [".localhost", ".local", ".internal", ".lan", ".home.arpa"];
    host.contains('.') && !local.iter().any(|suffix| host.ends_with(suffix))
}

fn read_conditions(kind: Kind, section: &Section<'_>) -> Result<Conditions, ConfigError> {
    let read = |key: &str| -> Result<Vec<Condition>, ConfigError> {
        let texts = section.texts(key)?.unwrap_or_default();
        let parsed = texts.iter().map(|text| {
            let condition: Condition = text
                .parse()
                .map_err(|error: crate::ConditionError| section.error(key, error.to_string()))?;
            check_field(kind, section, key, &condition)?;
            Ok(condition)
        });
        parsed.collect()
    };
    let mut conditions = Conditions {
        critical: read("conditions")?,
        degraded: read("degraded_unless")?,
    };
    let (critical, degraded) = kind.default_conditions();
    let given = conditions.clone();
    let missing = |defaults: &[&str]| -> Vec<Condition> {
        let defaults = defaults.iter().map(|text| {
            let condition: Condition = text
                .parse()
                .expect("a test reads the default conditions of every kind");
            condition.optional()
        });
        defaults
            .filter(|condition| !given.mention(condition.field()))
            .collect()
    };
    conditions.critical.extend(missing(critical));
    conditions.degraded.extend(missing(degraded));
    Ok(conditions)
}

fn check_field(
    kind: Kind,
    section: &Section<'_>,
    key: &str,
    condition: &Condition,
) -> Result<(), ConfigError> {
    let field = condition.field();
    if field.kinds().contains(&kind) {
        return Ok(());
    }
    let of_kind = crate::Field::ALL
        .iter()
        .filter(|field| field.kinds().contains(&kind));
    let names: Vec<_> = of_kind.map(|field| field.name()).collect();
    let reason = format!(
        "a check of type \"{}\" has no {}; its fields are {}",
        kind.name(),
        field.name(),
        names.join(", ")
    );
    Err(section.error(key, reason))
}
