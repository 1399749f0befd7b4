//! `dragline doctor`: checks the installation, the settings, the directories and the logs.

use std::collections::BTreeMap;
use std::path::Path;

use dragline_logging::ConfigError;
use dragline_report::render::{Align, Block, Document, Tone};
use dragline_rollup::Finished;
use serde_json::{Value, json};

use super::config::{environment, holding, recorder_dir};
use crate::args::{DoctorArgs, Faulty, WrongUsage};
use crate::config::{Config, RECORDER_FILE, variable_mistakes};
use crate::output;
use crate::session::Session;

/// Result of a check.
struct Finding {
    what: &'static str,
    is_well: bool,
    told: String,
}

impl Finding {
    fn well(what: &'static str, told: impl Into<String>) -> Self {
        Self {
            what,
            is_well: true,
            told: told.into(),
        }
    }

    /// Whether it is a mistake in the configuration.
    fn is_configuration(&self) -> bool {
        self.what == "configuration" && !self.is_well
    }

    fn wrong(what: &'static str, told: impl Into<String>) -> Self {
        Self {
            is_well: false,
            ..Self::well(what, told)
        }
    }
}

/// `dragline doctor`
pub(crate) fn doctor(args: &DoctorArgs) -> anyhow::Result<()> {
    let mut all = vec![
        Finding::well("version", version()),
        Finding::well("machine", machine()),
        clock(),
    ];
    let config = configuration(args.config.as_deref(), &mut all);
    all.extend(variables());
    all.extend(settings(&config, args.config.as_deref()));
    all.extend(directories(&config));
    if !args.logs.is_empty() {
        all.extend(match logs(args) {
            Err(error) if crate::is_stopped(&error) => return Err(error),
            // The mistakes are in the list.
            Err(error) if error.is::<WrongUsage>() && all.iter().any(Finding::is_configuration) => {
                vec![Finding::wrong(
                    "logs",
                    "not read, because of the configuration",
                )]
            }
            told => {
                told.unwrap_or_else(|error| vec![Finding::wrong("logs", crate::sentence(&error))])
            }
        });
    }
    let values: Vec<Value> = all
        .iter()
        .map(|one| json!({"what": one.what, "ok": one.is_well, "detail": one.told}))
        .collect();
    output::write(&args.output, || document(&all), &values)?;
    let mut bad: Vec<&str> = all
        .iter()
        .filter(|one| !one.is_well)
        .map(|one| one.what)
        .collect();
    bad.dedup();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Faulty(format!("failed checks: {}", bad.join(", "))).into())
}

fn document(all: &[Finding]) -> Document {
    let headers = [
        (Align::Fixed, ""),
        (Align::Fixed, "check"),
        // A sentence that is cut does not help.
        (Align::Fixed, "result"),
    ];
    let rows = all.iter().map(|one| {
        let (tone, word) = if one.is_well {
            (Tone::Good, "ok")
        } else {
            (Tone::Critical, "failed")
        };
        (
            tone,
            vec![word.to_owned(), one.what.to_owned(), one.told.clone()],
        )
    });
    Document {
        blocks: vec![Block::table(&headers, rows.collect())],
    }
}

fn version() -> String {
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    format!(
        "dragline {}, a {build} build for {} on {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let s = if cores == 1 { "" } else { "s" };
    format!("{cores} processor{s} available")
}

/// Checks the current time.
fn clock() -> Finding {
    let zone = jiff::tz::TimeZone::system();
    let zone = zone.iana_name().unwrap_or("unnamed").to_owned();
    match crate::times::now() {
        Ok(now) => {
            let set = std::env::var_os("SOURCE_DATE_EPOCH").is_some();
            let by = if set { " (SOURCE_DATE_EPOCH)" } else { "" };
            Finding::well("clock", format!("{now}{by}; system time zone: {zone}"))
        }
        Err(error) => Finding::wrong("clock", format!("{error:#}")),
    }
}

/// Reads the configuration and adds what is wrong in it; what is wrong is left out.
fn configuration(named: Option<&Path>, all: &mut Vec<Finding>) -> Config {
    let examined = match Config::examine(named) {
        Ok(examined) => examined,
        Err(error) => {
            all.push(Finding::wrong("configuration", format!("{error:#}")));
            return Config::default();
        }
    };
    let mut mistakes = examined.mistakes;
    mistakes.extend(examined.config.panel_mistakes());
    mistakes.sort();
    if mistakes.is_empty() {
        let told = examined.path.map_or_else(
            || "none: all settings are defaults or environment variables".to_owned(),
            |path| path.display().to_string(),
        );
        all.push(Finding::well("configuration", told));
    }
    let wrong = mistakes.iter().map(ToString::to_string);
    all.extend(wrong.map(|told| Finding::wrong("configuration", told)));
    examined.config
}

/// Checks the environment variables of the recorder, and the file that they name.
fn variables() -> Vec<Finding> {
    let mistakes = variable_mistakes(environment());
    let mut all: Vec<Finding> = mistakes
        .iter()
        .map(|mistake| Finding::wrong("variable", mistake.to_string()))
        .collect();
    if let Some(path) = std::env::var_os(RECORDER_FILE) {
        let told = match dragline_logging::Config::from_env() {
            Ok(_) => None,
            // A wrong variable is in the list.
            Err(ConfigError::Value { key, .. }) if !key.starts_with('[') => None,
            Err(error) => Some(crate::sentence(&error.into())),
        };
        let path = Path::new(&path).display();
        all.push(match told {
            Some(told) => Finding::wrong("variable", format!("{RECORDER_FILE} = {path}: {told}")),
            None => Finding::well(
                "variable",
                format!("{RECORDER_FILE} = {path}, for the recorder only"),
            ),
        });
    }
    all
}

/// Returns the settings that differ from the defaults.
fn settings(config: &Config, named: Option<&Path>) -> Vec<Finding> {
    let path = named.unwrap_or(Path::new(crate::config::NAME));
    let all = holding(config, Some(path)).into_iter();
    let set = all.filter(|setting| setting.from != super::config::DEFAULT);
    set.map(|setting| {
        let value = if is_secret(&setting.key) {
            "(set)"
        } else {
            &setting.value
        };
        Finding::well(
            "setting",
            format!("{} = {value} (from {})", setting.key, setting.from),
        )
    })
    .collect()
}

/// Whether a setting's value is secret.
fn is_secret(key: &str) -> bool {
    let secret = ["password", "secret", "token", "key"];
    let words = key.split(['.', '_']);
    words.into_iter().any(|word| secret.contains(&word))
}

/// Checks the directories that are written to.
fn directories(config: &Config) -> Vec<Finding> {
    let mut all = vec![writable("temporary files", &std::env::temp_dir())];
    match config.cache() {
        Ok(Some(cache)) => all.push(match cache.claim() {
            Ok(()) => Finding::well("cache", cache.dir().display().to_string()),
            Err(error) => Finding::wrong(
                "cache",
                format!("{} is not writable: {error}", cache.dir().display()),
            ),
        }),
        Ok(None) => all.push(Finding::well("cache", "disabled")),
        Err(error) => all.push(Finding::wrong("cache", format!("{error:#}"))),
    }
    all.push(recorder(config));
    all
}

/// Checks the directory that a recorder with these settings would write to.
fn recorder(config: &Config) -> Finding {
    let dir = recorder_dir(config);
    match creatable(&dir) {
        Ok(told) => Finding::well(RECORDED, told),
        Err(told) => Finding::wrong(RECORDED, told),
    }
}

const RECORDED: &str = "recorder's logs";

/// Whether a directory can be written, or created if it does not exist; what was found, as a sentence.
pub(super) fn creatable(dir: &Path) -> Result<String, String> {
    let shown = dir.display();
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    // The root exists.
    let existing = absolute
        .ancestors()
        .find(|parent| parent.symlink_metadata().is_ok());
    let existing = existing.unwrap_or(Path::new("/"));
    let is_there = existing == absolute;
    match dragline_files::Temporary::new_in(existing) {
        Ok(_) if is_there => Ok(format!("{shown} is writable")),
        Ok(_) => Ok(format!("{shown} does not exist; the recorder creates it")),
        Err(error) if is_there => Err(format!("{shown} is not writable: {error}")),
        Err(error) => Err(format!(
            "{shown} does not exist and cannot be created, because {} is not writable: {error}",
            existing.display()
        )),
    }
}

/// Checks that a directory is writable, by creating a temporary file in it.
fn writable(what: &'static str, dir: &Path) -> Finding {
    match dragline_files::Temporary::new_in(dir) {
        Ok(_) => Finding::well(what, format!("{} is writable", dir.display())),
        Err(error) => Finding {
            what,
            is_well: false,
            told: format!("{} is not writable: {error}", dir.display()),
        },
    }
}

/// Reads the logs and returns what was found in each directory.
fn logs(args: &DoctorArgs) -> anyhow::Result<Vec<Finding>> {
    let session = Session::open(&args.rules())?;
    let finished = super::read::scanned(&session, &args.logs)?;
    let mut all = by_directory(&finished);
    let formats = finished.dialects.iter();
    let formats: Vec<String> = formats
        .map(|(name, events)| format!("{events} {}", name.as_str()))
        .collect();
    all.push(Finding {
        what: "formats",
        is_well: !formats.is_empty(),
        told: if formats.is_empty() {
            "no events read".to_owned()
        } else {
            format!("events: {}", formats.join(", "))
        },
    });
    all.push(
        match dragline_report::render::unread(&dragline_report::trust(&finished)) {
            Some(sentence) => Finding::wrong(
                "unread",
                format!("{sentence}; `dragline report` lists them"),
            ),
            None => Finding::well("unread", "everything could be read"),
        },
    );
    Ok(all)
}

fn by_directory(finished: &Finished) -> Vec<Finding> {
    let mut directories: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (path, file) in &finished.files {
        let directory = path
            .rsplit_once('/')
            .map_or(".", |(directory, _)| directory);
        let (files, events) = directories.entry(directory).or_default();
        *files += 1;
        *events += file.events;
    }
    let told = directories.into_iter().map(|(directory, (files, events))| {
        let s = if files == 1 { "" } else { "s" };
        Finding::well(
            "logs",
            format!("{directory}: {files} file{s}, {events} events"),
        )
    });
    told.collect()
}
