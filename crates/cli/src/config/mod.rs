//! The configuration file `dragline.toml`.

mod analysis;
pub(crate) mod template;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use anyhow::Context as _;
use dragline_classifier::Context;
use dragline_report::render::Layout;
use dragline_report::{Limits, Mute, Prices};
use dragline_scan::{Cache, Map, TextDialect};
use dragline_schema::Timestamp;
use serde::Deserialize;

use crate::args::WrongUsage;

pub(crate) use self::analysis::PanelConfig;
use self::analysis::{CostConfig, LimitsConfig, MuteConfig, ReportConfig};

/// Maximum size of a configuration, in bytes.
const LARGEST: u64 = 16 << 20;
/// File name that is looked up in the current directory.
pub(crate) const NAME: &str = "dragline.toml";

/// A configuration file. Unknown keys are errors, because a setting that is silently ignored is worse than
/// none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) rules: Rules,
    pub(crate) severity: SeverityConfig,
    pub(crate) sites: BTreeMap<String, Site>,
    dialects: Vec<DialectConfig>,
    map: MapConfig,
    cache: CacheConfig,
    cost: Option<CostConfig>,
    mute: Vec<MuteConfig>,
    limits: LimitsConfig,
    pub(crate) report: ReportConfig,
    /// Section of the recorder, which checks it itself.
    #[allow(dead_code, reason = "the recorder reads it from the text")]
    logging: toml::Table,
    /// Section of the health checks, which check it themselves.
    health: toml::Table,
    /// Directory of the file; relative paths start from it.
    #[serde(skip)]
    base: PathBuf,
    /// The whole file as a TOML table.
    #[serde(skip)]
    pub(crate) table: toml::Table,
}

/// `[[dialects]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DialectConfig {
    name: String,
    /// Regular expression with the group `message` and optional further groups.
    pattern: String,
    /// Format of the group `time`, in strptime syntax.
    time_format: Option<String>,
}

/// `[map]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MapConfig {
    /// Dragline's field names, and the names in the log.
    fields: BTreeMap<String, OneOrMore>,
    /// Names of custom statistics, and the fields that contain them.
    stats: BTreeMap<String, OneOrMore>,
    events: Vec<MapEvent>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::More(names) => names,
        }
    }
}

/// `[[map.events]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MapEvent {
    /// Regular expression that the message must match.
    message: String,
    is: String,
}

/// `[cache]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CacheConfig {
    /// Relative to the configuration file.
    dir: Option<PathBuf>,
    max_mib: Option<u64>,
}

/// Default size of the cache, in MiB.
const CACHE_MIB: u64 = 1024;

/// `[rules]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// Rule files added to the shipped rules; relative to the configuration file.
    pub(crate) files: Vec<PathBuf>,
}

/// `[severity]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SeverityConfig {
    /// Number of consecutive failures above which an error has high severity.
    consecutive_failures: Option<u64>,
    /// Number of errors of a site within one minute from which each is one severity higher.
    burst_per_minute: Option<u64>,
}

/// `[sites.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Site {
    priority: Priority,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Priority {
    #[default]
    Normal,
    /// Errors of this site are one severity higher.
    Critical,
}

fn check_length(bytes: u64) -> std::io::Result<()> {
    if bytes > LARGEST {
        return Err(std::io::Error::other("the file is larger than 16 MiB"));
    }
    Ok(())
}

impl Config {
    /// Loads the given file, or the one in the current directory, or the defaults. The use of a file found in
    /// the current directory is printed, because the user did not request it.
    pub(crate) fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self::find(named)?.0)
    }

    /// Does the same, and also returns the path of the file.
    pub(crate) fn find(named: Option<&Path>) -> anyhow::Result<(Self, Option<PathBuf>)> {
        static SAID: Once = Once::new();
        let path = match named {
            Some(path) => path,
            // A dangling link or a file without permission counts as a configuration that cannot be read.
            None if Path::new(NAME).symlink_metadata().is_ok() => {
                SAID.call_once(|| {
                    crate::output::tell(&format!("using {NAME} in the current directory"));
                });
                Path::new(NAME)
            }
            None => return Ok((Self::default(), None)),
        };
        let read = || -> anyhow::Result<Self> {
            let mut text = String::new();
            // A given file may be a pipe; a found file must be a regular file, so that opening cannot block.
            let open = if named.is_some() {
                File::open(path)
            } else {
                dragline_files::open_regular(path)
            };
            let read = open.and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
            read.and_then(|length| check_length(length as u64))
                .with_context(|| format!("cannot read the configuration {}", path.display()))?;
            Self::parse(path, &text)
        };
        let config = read().map_err(|error| WrongUsage::of(&error))?;
        Ok((config, Some(path.to_owned())))
    }

    /// Checks the parts that are otherwise checked only when needed.
    ///
    /// # Errors
    /// The first problem.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let now = crate::times::now()?;
        self.prices()?;
        self.mutes(now)?;
        self.layout()?;
        self.dialects()?;
        self.map()?;
        self.health()?;
        Ok(())
    }

    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let name = path.display();
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let hint = hint(text).or_else(|| nearest_key(error.message()));
            let hint = hint.map_or(String::new(), |hint| format!("\n{hint}"));
            anyhow::anyhow!("invalid configuration {name}: {error}{hint}")
        })?;
        config.table = text.parse()?;
        dragline_logging::Config::from_toml(text)
            .with_context(|| format!("in the configuration {name}"))?;
        let base = path.parent().unwrap_or(Path::new(""));
        base.clone_into(&mut config.base);
        if let Some(dir) = config
            .cache
            .dir
            .as_mut()
            .filter(|dir| !dir.as_os_str().is_empty())
        {
            *dir = base.join(&*dir);
        }
        for file in &mut config.rules.files {
            *file = base.join(&*file);
            if !file.is_file() {
                anyhow::bail!(
                    "{name}: the rule file {} in [rules] files does not exist: paths are relative \
                     to the configuration file",
                    file.display()
                );
            }
        }
        Ok(config)
    }

    /// Returns the health checks.
    pub(crate) fn health(&self) -> anyhow::Result<dragline_health::Config> {
        let environment = dragline_health::Environment::of_process(&self.base);
        let config = dragline_health::Config::from_table(&self.health, &environment);
        usage(config.context("in the configuration"))
    }

    /// Returns the prices.
    pub(crate) fn prices(&self) -> anyhow::Result<Option<Prices>> {
        let prices = self.cost.as_ref().map(CostConfig::prices);
        usage(prices.transpose().context("in the configuration"))
    }

    /// Returns the muted errors.
    pub(crate) fn mutes(&self, now: Timestamp) -> anyhow::Result<Vec<Mute>> {
        let mutes = self.mute.iter().map(|mute| mute.mute(now));
        let mutes: anyhow::Result<Vec<Mute>> = mutes.collect();
        usage(mutes.context("in the configuration"))
    }

    /// Returns the fixed limits.
    pub(crate) fn limits(&self) -> Limits {
        self.limits.limits()
    }

    /// Returns the layout of the report.
    pub(crate) fn layout(&self) -> anyhow::Result<Layout> {
        usage(self.report.layout().context("in the configuration"))
    }

    /// Returns the custom text formats.
    pub(crate) fn dialects(&self) -> anyhow::Result<Arc<[TextDialect]>> {
        let describe = |dialect: &DialectConfig| {
            let format = dialect.time_format.as_deref();
            TextDialect::new(&dialect.name, &dialect.pattern, format)
        };
        let dialects: Result<Vec<_>, _> = self.dialects.iter().map(describe).collect();
        Ok(usage(dialects.context("in the configuration"))?.into())
    }

    /// Returns the mapping of fields and events in other log formats.
    pub(crate) fn map(&self) -> anyhow::Result<Arc<Map>> {
        usage(self.meanings())
    }

    fn meanings(&self) -> anyhow::Result<Arc<Map>> {
        let mut map = Map::new();
        for (name, theirs) in &self.map.stats {
            theirs
                .names()
                .iter()
                .for_each(|field| map.stat(name, field));
        }
        for (ours, theirs) in &self.map.fields {
            for name in theirs.names() {
                map.field(ours, name)
                    .context("in the configuration's [map.fields]")?;
            }
        }
        for event in &self.map.events {
            let is = event
                .is
                .parse()
                .context("in the configuration's [[map.events]]")?;
            map.event(&event.message, is)
                .context("in the configuration's [[map.events]]")?;
        }
        Ok(Arc::new(map))
    }

    /// Returns the cache: in the configured directory, else in the user's cache directory. If the latter
    /// contains other files, there is no cache, and a message says so.
    pub(crate) fn cache(&self) -> anyhow::Result<Option<Cache>> {
        let bytes = self
            .cache
            .max_mib
            .unwrap_or(CACHE_MIB)
            .saturating_mul(1 << 20);
        if bytes == 0 {
            return Ok(None);
        }
        if let Some(dir) = &self.cache.dir {
            let cache = Cache::new(dir, bytes);
            let named = cache.map_err(|error| WrongUsage::new(&format!("[cache] dir: {error}")));
            return Ok(Some(named?));
        }
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let dir = match (variable("XDG_CACHE_HOME"), variable("HOME")) {
            (Some(base), _) => PathBuf::from(base).join("dragline"),
            (None, Some(home)) => PathBuf::from(home).join(".cache/dragline"),
            (None, None) => return Ok(None),
        };
        Ok(match Cache::in_usual_place(dir, bytes) {
            Ok(cache) => Some(cache),
            Err(error) => {
                crate::output::tell(&format!("the cache is disabled: {error}"));
                None
            }
        })
    }

    /// Returns the settings that raise severities.
    pub(crate) fn context(&self) -> Context {
        let default = Context::default();
        let is_critical = |(_, site): &(&String, &Site)| site.priority == Priority::Critical;
        let critical = self.sites.iter().filter(is_critical);
        Context {
            consecutive_failures: self
                .severity
                .consecutive_failures
                .unwrap_or(default.consecutive_failures),
            burst_per_minute: self
                .severity
                .burst_per_minute
                .unwrap_or(default.burst_per_minute),
            critical_sites: critical.map(|(name, _)| name.clone()).collect(),
        }
    }
}

/// Turns an error in the configuration into wrong usage.
fn usage<T>(result: anyhow::Result<T>) -> anyhow::Result<T> {
    result.map_err(|error| WrongUsage::of(&error).into())
}

/// Suggests the known key that is most similar to an unknown one.
fn nearest_key(message: &str) -> Option<String> {
    const ALIKE: f64 = 0.75;
    let mut names = message
        .strip_prefix("unknown field `")?
        .split('`')
        .step_by(2);
    let typed = names.next()?;
    let alike = names.map(|name| (strsim::jaro_winkler(typed, name), name));
    let (alike, name) = alike.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (alike >= ALIKE).then(|| format!("did you mean `{name}`?"))
}

/// Suggests a fix for common mistakes in a file that cannot be parsed.
fn hint(text: &str) -> Option<String> {
    let of_line = |line: &str| {
        let line = line.trim();
        let site = line.strip_prefix("[sites.")?.strip_suffix(']')?;
        let is_bare = site.contains('.') && !site.contains(['"', '\'']);
        is_bare.then(|| format!("a name with dots needs quotes: [sites.\"{site}\"]"))
    };
    let is_text = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let is_one = key.trim() == "files" && value.trim().starts_with(['"', '\'']);
        is_one.then(|| format!("files is a list: files = [{}]", value.trim()))
    };
    text.lines()
        .find_map(|line| of_line(line).or_else(|| is_text(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Config> {
        Config::parse(Path::new("conf/dragline.toml"), text)
    }

    #[test]
    fn every_setting_has_an_effect() {
        let directory = tempfile::tempdir().unwrap();
        let rules = directory.path().join("mine.toml");
        std::fs::write(&rules, "").unwrap();
        let config = Config::parse(
            &directory.path().join("dragline.toml"),
            "[rules]\nfiles = ['mine.toml']\n[severity]\nconsecutive_failures = 3\nburst_per_minute = 50\n\
             [sites.'shop.example.com']\npriority = 'critical'\n[sites.b]\npriority = 'normal'\n",
        )
        .unwrap();
        assert_eq!(config.rules.files, [rules]);
        let context = config.context();
        assert_eq!(
            (context.consecutive_failures, context.burst_per_minute),
            (3, 50)
        );
        assert_eq!(Vec::from_iter(context.critical_sites), ["shop.example.com"]);
        assert_eq!(Config::default().context(), Context::default());
    }

    #[test]
    fn what_other_writers_mean_is_said_here() {
        let config = parse(
            "[[dialects]]\nname = 'shop'\npattern = '^<(?P<level>\\w+)> (?P<message>.*)$'\n\
             [map.fields]\nstatus = 'code'\nurl = ['page', 'address']\n\
             [[map.events]]\nmessage = '^row'\nis = 'item'\n[cache]\ndir = 'kept'\n",
        )
        .unwrap();
        assert_eq!(config.dialects().unwrap().len(), 1);
        assert!(config.map().is_ok() && config.cache().unwrap().is_some());
        for (text, part) in [
            ("[map.fields]\ncolour = 'x'", "colour"),
            ("[[map.events]]\nmessage = '('\nis = 'item'", "pattern ("),
            ("[[map.events]]\nmessage = 'x'\nis = 'thing'", "thing"),
        ] {
            let error = format!("{:#}", parse(text).unwrap().map().unwrap_err());
            assert!(error.contains(part) && error.contains("[map"), "{error}");
        }
        let error = parse("[[dialects]]\nname = 'shop'\npattern = 'x'")
            .unwrap()
            .dialects()
            .unwrap_err();
        assert!(
            format!("{error:#}").contains("(?P<message>.*)"),
            "{error:#}"
        );
        let cache = |text: &str| parse(text).unwrap().cache();
        assert!(cache("[cache]\nmax_mib = 0").unwrap().is_none());
        for dir in ["''", "'/'"] {
            let error = cache(&format!("[cache]\ndir = {dir}")).unwrap_err();
            assert!(error.to_string().contains("[cache] dir"), "{error}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_line() {
        for (text, part) in [
            ("[severity]\nburst = 3", "burst"),
            ("[sites.a]\npriority = 'high'", "high"),
            ("[rule]\n", "rule"),
            (
                "[sites.a.test]\npriority = 'critical'",
                "[sites.\"a.test\"]",
            ),
            ("[rules]\nfiles = 'a.toml'", "files = ['a.toml']"),
            ("[rules]\nfiles = ['none.toml']", "none.toml"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(
                error.contains(part) && error.contains("dragline.toml"),
                "{error}"
            );
        }
    }
}
