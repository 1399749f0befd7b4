//! `dragline doctor`: checks the installation, the settings, the directories and the logs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dragline_report::render::{Align, Block, Document, Tone};
use dragline_rollup::Finished;
use serde_json::{Value, json};

use super::config::holding;
use crate::args::{DoctorArgs, Faulty};
use crate::config::Config;
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
}

/// `dragline doctor`
pub(crate) fn doctor(args: &DoctorArgs) -> anyhow::Result<()> {
    let mut all = vec![
        Finding::well("version", version()),
        Finding::well("machine", machine()),
        clock(),
    ];
    let config = match Config::find(args.config.as_deref()) {
        Ok((config, path)) => {
            all.push(configuration(&config, path.as_deref()));
            config
        }
        Err(error) => {
            all.push(Finding {
                what: "configuration",
                is_well: false,
                told: format!("{error:#}"),
            });
            Config::default()
        }
    };
    all.extend(settings(&config, args.config.as_deref()));
    all.extend(directories(&config));
    if !args.logs.is_empty() {
        all.extend(logs(args)?);
    }
    let values: Vec<Value> = all
        .iter()
        .map(|one| json!({"what": one.what, "ok": one.is_well, "detail": one.told}))
        .collect();
    output::write(&args.output, || document(&all), &values)?;
    let bad: Vec<&str> = all
        .iter()
        .filter(|one| !one.is_well)
        .map(|one| one.what)
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(Faulty(format!("failed checks: {}", bad.join(", "))).into())
}

fn document(all: &[Finding]) -> Document {
    let headers = [
        (Align::Fixed, ""),
        (Align::Fixed, "check"),
        (Align::Left, "result"),
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
        Err(error) => Finding {
            what: "clock",
            is_well: false,
            told: format!("{error:#}"),
        },
    }
}

fn configuration(config: &Config, path: Option<&Path>) -> Finding {
    let told = match path {
        Some(path) => path.display().to_string(),
        None => "none: all settings are defaults or environment variables".to_owned(),
    };
    match config.check() {
        Ok(()) => Finding::well("configuration", told),
        Err(error) => Finding {
            what: "configuration",
            is_well: false,
            told: format!("{told}: {error:#}"),
        },
    }
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
            Err(error) => Finding {
                what: "cache",
                is_well: false,
                told: format!("{} is not writable: {error}", cache.dir().display()),
            },
        }),
        Ok(None) => all.push(Finding::well("cache", "disabled")),
        Err(error) => all.push(Finding {
            what: "cache",
            is_well: false,
            told: format!("{error:#}"),
        }),
    }
    all.push(recorder(config));
    all
}

/// Checks the directory that a recorder with these settings would write to.
fn recorder(config: &Config) -> Finding {
    let set = holding(config, None);
    let dir = set.iter().find(|setting| setting.key == "logging.dir");
    let dir = PathBuf::from(dir.map_or("logs", |setting| &setting.value));
    if dir.exists() {
        return writable("recorder's logs", &dir);
    }
    let told = format!("{} does not exist; the recorder creates it", dir.display());
    Finding::well("recorder's logs", told)
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
            Some(sentence) => Finding {
                what: "unread",
                is_well: false,
                told: format!("{sentence}; `dragline report` lists them"),
            },
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
