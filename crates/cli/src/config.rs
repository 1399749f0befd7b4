//! What `dragline.toml` says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dragline_classifier::Context;
use serde::Deserialize;

/// The name that is looked for in the current directory.
const NAME: &str = "dragline.toml";

/// A configuration file. Keys that nobody knows are errors: a setting that is not read is worse
/// than none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) rules: Rules,
    pub(crate) severity: SeverityConfig,
    pub(crate) sites: BTreeMap<String, Site>,
}

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

impl Config {
    /// The named file, or the one in the current directory, or nothing.
    pub(crate) fn load(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = match named {
            Some(path) => path,
            None if Path::new(NAME).exists() => Path::new(NAME),
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let name = path.display();
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let hint = hint(text).map_or(String::new(), |hint| format!("\n{hint}"));
            anyhow::anyhow!("{name} is no configuration: {error}{hint}")
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
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
