//! What `dragline.toml` says.

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

/// More of a configuration is not read, in bytes.
const LARGEST: u64 = 16 << 20;
/// The name that is looked for in the current directory.
pub(crate) const NAME: &str = "dragline.toml";

/// A configuration file. Keys that nobody knows are errors: a setting that is not read is worse
/// than none.
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
    /// The recorder's; it is checked by the recorder.
    #[allow(dead_code, reason = "the recorder reads it from the text")]
    logging: toml::Table,
    /// The whole, as it stands in the file.
    #[serde(skip)]
    pub(crate) table: toml::Table,
}

/// `[[dialects]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DialectConfig {
    name: String,
    /// A regular expression with the group `message`, and further ones.
    pattern: String,
    /// How the group `time` is written, as strptime has it.
    time_format: Option<String>,
}

/// `[map]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MapConfig {
    /// Our names of fields, and theirs.
    fields: BTreeMap<String, OneOrMore>,
    /// The user's names of numbers, and the fields that hold them.
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
    /// A regular expression that the message matches.
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

/// So much is kept of what came of files, in MiB.
const CACHE_MIB: u64 = 1024;

/// `[rules]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// Rule files beside the shipped rules; relative to the configuration file.
    pub(crate) files: Vec<PathBuf>,
}

/// `[severity]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SeverityConfig {
    /// More failures in a row than this make an error high.
    consecutive_failures: Option<u64>,
    /// So many errors of a site within a minute make each one step worse.
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
    /// Its errors are one step worse.
    Critical,
}

fn check_length(bytes: u64) -> std::io::Result<()> {
    if bytes > LARGEST {
        return Err(std::io::Error::other("it is longer than 16 MiB"));
    }
    Ok(())
}

impl Config {
    /// The named file, or the one in the current directory, or nothing. That of the current directory is
    /// said to be used: it came with the directory, not with the command.
    pub(crate) fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self::find(named)?.0)
    }

    /// The same, and the file that it is.
    pub(crate) fn find(named: Option<&Path>) -> anyhow::Result<(Self, Option<PathBuf>)> {
        static SAID: Once = Once::new();
        let path = match named {
            Some(path) => path,
            // A link that leads nowhere, or where nobody may look, is one that cannot be read.
            None if Path::new(NAME).symlink_metadata().is_ok() => {
                SAID.call_once(|| {
                    crate::output::tell(&format!("{NAME} of the current directory is used"));
                });
                Path::new(NAME)
            }
            None => return Ok((Self::default(), None)),
        };
        let read = || -> anyhow::Result<Self> {
            let mut text = String::new();
            // What somebody named may be a pipe; what was found is not waited for.
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

    /// Everything in it that is looked at only when it is needed.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let now = crate::times::now()?;
        self.prices()?;
        self.mutes(now)?;
        self.layout()?;
        self.dialects()?;
        self.map()?;
        Ok(())
    }

    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let name = path.display();
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let hint = hint(text).or_else(|| nearest_key(error.message()));
            let hint = hint.map_or(String::new(), |hint| format!("\n{hint}"));
            anyhow::anyhow!("{name} is no configuration: {error}{hint}")
        })?;
        config.table = text.parse()?;
        dragline_logging::Config::from_toml(text)
            .with_context(|| format!("in the configuration {name}"))?;
        let base = path.parent().unwrap_or(Path::new(""));
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
                    "{name} names the rule file {} in [rules] files, and there is none: the path \
                     is relative to the configuration",
                    file.display()
                );
            }
        }
        Ok(config)
    }

    /// What things cost.
    pub(crate) fn prices(&self) -> anyhow::Result<Option<Prices>> {
        let prices = self.cost.as_ref().map(CostConfig::prices);
        usage(prices.transpose().context("in the configuration"))
    }

    /// The errors that are known.
    pub(crate) fn mutes(&self, now: Timestamp) -> anyhow::Result<Vec<Mute>> {
        let mutes = self.mute.iter().map(|mute| mute.mute(now));
        let mutes: anyhow::Result<Vec<Mute>> = mutes.collect();
        usage(mutes.context("in the configuration"))
    }

    /// What is too much whatever is usual.
    pub(crate) fn limits(&self) -> Limits {
        self.limits.limits()
    }

    /// What of a report is shown.
    pub(crate) fn layout(&self) -> anyhow::Result<Layout> {
        usage(self.report.layout().context("in the configuration"))
    }

    /// The text formats that it describes.
    pub(crate) fn dialects(&self) -> anyhow::Result<Arc<[TextDialect]>> {
        let describe = |dialect: &DialectConfig| {
            let format = dialect.time_format.as_deref();
            TextDialect::new(&dialect.name, &dialect.pattern, format)
        };
        let dialects: Result<Vec<_>, _> = self.dialects.iter().map(describe).collect();
        Ok(usage(dialects.context("in the configuration"))?.into())
    }

    /// What it says of other writers' records.
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

    /// Where what came of files is kept: the configured directory, else the user's for such things. That is
    /// left out, with a word, where somebody put other things.
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
                crate::output::tell(&format!("nothing is cached: {error}"));
                None
            }
        })
    }

    /// What raises severities.
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

/// What is wrong in a configuration is wrong usage.
fn usage<T>(result: anyhow::Result<T>) -> anyhow::Result<T> {
    result.map_err(|error| WrongUsage::of(&error).into())
}

/// The key that was meant by one that nobody knows.
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

/// What is often meant by a text that cannot be read.
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
            ("[[map.events]]\nmessage = '('\nis = 'item'", "message ("),
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
