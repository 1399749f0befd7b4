//! The configuration file `dragline.toml`.

mod alerts;
mod analysis;
mod mistake;
mod reading;
mod recorder;
pub(crate) mod template;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use anyhow::Context as _;
use dragline_classifier::Context;
use dragline_monitor::config::MonitorConfig;
use dragline_report::render::Layout;
use dragline_report::{Limits, Mute, Prices};
use dragline_scan::{Cache, Map, OwnedDirError, TextDialect};
use dragline_schema::Timestamp;
use dragline_web::WebConfig;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::args::WrongUsage;

pub(crate) use self::analysis::PanelConfig;
use self::analysis::{CostConfig, LimitsConfig, MuteConfig, ReportConfig};
use self::mistake::{Parsed, Places};
use self::reading::{DialectConfig, MapConfig};

pub(crate) use self::mistake::Mistake;
pub(crate) use self::recorder::{FILE as RECORDER_FILE, TOKEN, variable_mistakes, variable_of};

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
    logging: toml::Table,
    /// Section of the health checks, which check it themselves.
    health: toml::Table,
    monitor: MonitorConfig,
    /// Section of the pages of the service, which check it themselves.
    web: toml::Table,
    /// Sections about alerts; see `alerts`.
    #[serde(rename = "alerts")]
    _alerts: IgnoredAny,
    #[serde(rename = "rule")]
    _rule: IgnoredAny,
    #[serde(rename = "notify")]
    _notify: IgnoredAny,
    #[serde(rename = "scrapers")]
    _scrapers: IgnoredAny,
    #[serde(rename = "route")]
    _route: IgnoredAny,
    #[serde(rename = "silence")]
    _silence: IgnoredAny,
    #[serde(rename = "inhibit")]
    _inhibit: IgnoredAny,
    #[serde(rename = "channels")]
    _channels: IgnoredAny,
    /// The text of the file, and its name for messages.
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    name: String,
    /// Directory of the file; relative paths start from it.
    #[serde(skip)]
    base: PathBuf,
    /// The whole file as a TOML table.
    #[serde(skip)]
    pub(crate) table: toml::Table,
    #[serde(skip)]
    places: Places,
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

/// What is wrong with a value, with the path to it.
type Problem = (mistake::Path, String);

impl Config {
    /// Loads the given file, or the one in the current directory, or the defaults. The use of a file found in
    /// the current directory is printed, because the user did not request it.
    pub(crate) fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        Ok(Self::find(named)?.0)
    }

    /// Does the same, and also returns the path of the file.
    pub(crate) fn find(named: Option<&Path>) -> anyhow::Result<(Self, Option<PathBuf>)> {
        let Examined {
            config,
            path,
            mistakes,
        } = Self::examine(named)?;
        if mistakes.is_empty() {
            return Ok((config, path));
        }
        Err(WrongUsage::new(&listed(&mistakes)).into())
    }

    /// Does the same, and returns all mistakes instead of failing.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn examine(named: Option<&Path>) -> anyhow::Result<Examined> {
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
            None => return Ok(Examined::default()),
        };
        let mut text = String::new();
        // A given file may be a pipe; a found file must be a regular file, so that opening cannot block.
        let open = if named.is_some() {
            File::open(path)
        } else {
            dragline_files::open_regular(path)
        };
        let read = open.and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
        let read = read
            .and_then(|length| check_length(length as u64))
            .with_context(|| format!("cannot read the configuration {}", path.display()));
        read.map_err(|error| WrongUsage::of(&error))?;
        let (config, mistakes) = Self::parse(path, &text, crate::times::now()?);
        Ok(Examined {
            config,
            path: Some(path.to_owned()),
            mistakes,
        })
    }

    /// Parses a file. What is wrong is left out, and listed in the order of the lines.
    fn parse(path: &Path, text: &str, now: Timestamp) -> (Self, Vec<Mistake>) {
        let parsed = Parsed::<Self>::of(&path.display().to_string(), text);
        let (mut config, mut mistakes) = (parsed.config, parsed.mistakes);
        config.places = parsed.places;
        // Without it there is a syntax error, which is listed.
        if let Ok(table) = text.parse() {
            config.table = table;
            text.clone_into(&mut config.text);
        }
        config.name = path.display().to_string();
        let base = path.parent().unwrap_or(Path::new(""));
        base.clone_into(&mut config.base);
        let dir = config.cache.dir.as_mut();
        if let Some(dir) = dir.filter(|dir| !dir.as_os_str().is_empty()) {
            *dir = base.join(&*dir);
        }
        for file in &mut config.rules.files {
            *file = base.join(&*file);
        }
        let problems = config.problems(now);
        let places = &config.places;
        mistakes.extend(
            problems
                .into_iter()
                .map(|(path, what)| places.mistake(&path, what)),
        );
        mistakes.sort_by_key(|mistake| mistake.line);
        (config, mistakes)
    }

    /// What only the owner of a section can see.
    fn problems(&self, now: Timestamp) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(cost) = &self.cost {
            cost.check(&mut problems);
        }
        for (index, mute) in self.mute.iter().enumerate() {
            mute.mute(index, now, &mut problems);
        }
        self.report.layout(&mut problems);
        reading::dialects(&self.dialects, &mut problems);
        self.map.map(&mut problems);
        for (index, file) in self.rules.files.iter().enumerate() {
            if !file.is_file() {
                let sentence = format!(
                    "there is no file {}: paths are relative to the configuration file",
                    file.display()
                );
                problems.push((mistake::at(&format!("rules.files.{index}")), sentence));
            }
        }
        if let Some(Err(error)) = self.named_cache() {
            let sentence = format!("not usable as a cache: {error}");
            problems.push((mistake::at("cache.dir"), sentence));
        }
        recorder::check(&self.logging, &mut problems);
        for (key, what) in self.monitor.problems() {
            problems.push((mistake::at(&format!("monitor.{key}")), what));
        }
        if let Some(what) = self
            .monitor
            .log_level
            .as_deref()
            .and_then(recorder::wrong_level)
        {
            problems.push((mistake::at("monitor.log_level"), what));
        }
        if let Err(error) = self.web() {
            problems.push((mistake::at("web"), error));
        }
        if let Err(error) = self.health_checks() {
            problems.push((place_of_check(&error.at), error.to_string()));
        }
        self.alert_problems(&mut problems);
        problems
    }

    /// Checks the queries of the panels: their syntax, tables and columns. This starts the query engine, so
    /// that it is not part of loading a configuration.
    pub(crate) fn panel_mistakes(&self) -> Vec<Mistake> {
        let panels = self.report.panels.iter().enumerate();
        let problems = panels.flat_map(|(index, panel)| {
            let problem = |(key, what): (&str, String)| {
                self.places
                    .mistake(&mistake::at(&format!("report.panels.{index}.{key}")), what)
            };
            panel
                .problems()
                .into_iter()
                .map(problem)
                .collect::<Vec<_>>()
        });
        problems.collect()
    }

    /// Returns the settings of the service; its directory and files are relative to the configuration file.
    pub(crate) fn monitor(&self) -> MonitorConfig {
        let mut config = self.monitor.clone();
        let section = self.table.get("monitor");
        if section.is_some_and(|section| section.get("state").is_some()) {
            config.state = self.base.join(&config.state);
        }
        if let Some(file) = &mut config.snapshot.file {
            *file = self.base.join(&*file);
        }
        config
    }

    /// Returns the settings of the pages.
    pub(crate) fn web(&self) -> Result<WebConfig, String> {
        let config: Result<WebConfig, _> = self.web.clone().try_into();
        let config = config.map_err(|error: toml::de::Error| error.message().to_owned())?;
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    /// Returns the directory that relative paths start from.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Returns the health checks.
    pub(crate) fn health(&self) -> anyhow::Result<dragline_health::Config> {
        let checks = self.health_checks().context("in the configuration");
        checks.map_err(|error| WrongUsage::of(&error).into())
    }

    fn health_checks(&self) -> Result<dragline_health::Config, dragline_health::ConfigError> {
        let environment = dragline_health::Environment::of_process(&self.base);
        dragline_health::Config::from_table(&self.health, &environment)
    }

    /// Returns the prices.
    pub(crate) fn prices(&self) -> Option<Prices> {
        self.cost.as_ref().map(CostConfig::prices)
    }

    // In the following, `parse` has reported the problems.

    /// Returns the muted errors.
    pub(crate) fn mutes(&self, now: Timestamp) -> Vec<Mute> {
        let mutes = self.mute.iter().enumerate();
        mutes
            .map(|(index, mute)| mute.mute(index, now, &mut Vec::new()))
            .collect()
    }

    /// Returns the fixed limits.
    pub(crate) fn limits(&self) -> Limits {
        self.limits.limits()
    }

    /// Returns the layout of the report.
    pub(crate) fn layout(&self) -> Layout {
        self.report.layout(&mut Vec::new())
    }

    /// Returns the custom text formats.
    pub(crate) fn dialects(&self) -> Arc<[TextDialect]> {
        reading::dialects(&self.dialects, &mut Vec::new()).into()
    }

    /// Returns the mapping of fields and events in other log formats.
    pub(crate) fn map(&self) -> Arc<Map> {
        Arc::new(self.map.map(&mut Vec::new()))
    }

    fn cache_bytes(&self) -> u64 {
        let mib = self.cache.max_mib.unwrap_or(CACHE_MIB);
        mib.saturating_mul(1 << 20)
    }

    /// Returns the cache in the configured directory.
    fn named_cache(&self) -> Option<Result<Cache, OwnedDirError>> {
        let dir = self.cache.dir.as_ref()?;
        Some(Cache::new(dir, self.cache_bytes()))
    }

    /// Returns the cache: in the configured directory, else in the user's cache directory. If the latter
    /// contains other files, there is no cache, and a message says so.
    pub(crate) fn cache(&self) -> anyhow::Result<Option<Cache>> {
        let bytes = self.cache_bytes();
        if bytes == 0 {
            return Ok(None);
        }
        if let Some(cache) = self.named_cache() {
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

/// A configuration, where it is from, and what is wrong in it.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    /// The configuration without its mistakes.
    pub(crate) config: Config,
    pub(crate) path: Option<PathBuf>,
    pub(crate) mistakes: Vec<Mistake>,
}

/// Mistakes as lines.
pub(crate) fn listed(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// The path to what `health.checks[2] (shop).timeout` names.
fn place_of_check(at: &str) -> mistake::Path {
    let Some((section, rest)) = at.split_once('[') else {
        return mistake::at(at);
    };
    let (index, rest) = rest.split_once(']').unwrap_or((rest, ""));
    // Names may contain anything.
    let key = rest.rsplit_once(").").map(|(_, key)| key);
    let key = key.map_or_else(String::new, |key| format!(".{key}"));
    mistake::at(&format!("{section}.{index}{key}"))
}

#[cfg(test)]
mod tests;
