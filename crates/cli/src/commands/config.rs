//! `dragline config`: one file for recorder, reader and report.

use std::path::{Path, PathBuf};

use dragline_logging::Config as Recorder;
use dragline_report::render::{Align, Block, Document, Tone};
use serde_json::json;

use crate::args::{ConfigCommand, OutputArgs, WrongUsage};
use crate::config::{Config, NAME, listed, template, variable_mistakes, variable_of};
use crate::output;

/// `dragline config …`
pub(crate) fn config(command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Init { file, env } => init(file.as_deref(), *env),
        ConfigCommand::Show { config, output } => show(config.as_deref(), output),
        ConfigCommand::Check { files } => check(files),
    }
}

/// Writes a file that lists every setting, commented out. An existing file is not overwritten.
fn init(file: Option<&Path>, env: bool) -> anyhow::Result<()> {
    let (name, text) = if env {
        ("dragline.env", variables())
    } else {
        (NAME, template::text())
    };
    let path = file.unwrap_or(Path::new(name));
    let made = dragline_files::create(path, text.as_bytes());
    made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let sentence = format!("{} already exists: choose another file", path.display());
            WrongUsage::new(&sentence).into()
        }
        _ => anyhow::Error::from(error).context(format!("cannot write {}", path.display())),
    })?;
    output::tell(&format!(
        "wrote {}: every setting with its default, commented out",
        path.display()
    ));
    Ok(())
}

/// Returns the recorder's settings as environment variables.
fn variables() -> String {
    let mut text =
        String::from("# Recorder settings; environment variables override dragline.toml.\n");
    for option in Recorder::OPTIONS {
        text += "\n";
        for line in option.about {
            text += &format!("#{line}\n");
        }
        text += &format!("# {}={}\n", variable_of(option.name), option.default);
    }
    text
}

/// A setting in effect, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) from: String,
}

fn show(named: Option<&Path>, output: &OutputArgs) -> anyhow::Result<()> {
    let (config, path) = Config::find(named)?;
    warnings(&config);
    let all = holding(&config, path.as_deref());
    let document = || {
        let mut document = Document::default();
        let title = match &path {
            Some(path) => format!("Settings in effect, with {}", path.display()),
            None => "Settings in effect, without a configuration file".to_owned(),
        };
        document.blocks.push(Block::Title(title));
        let headers = [
            (Align::Fixed, "setting"),
            (Align::Cut, "value"),
            (Align::Left, "from"),
        ];
        let rows = all.iter().map(|setting| {
            let tone = if setting.from == DEFAULT {
                Tone::Muted
            } else {
                Tone::Plain
            };
            let cells = [&setting.key, &setting.value, &setting.from].map(Clone::clone);
            (tone, cells.to_vec())
        });
        document.blocks.push(Block::table(&headers, rows.collect()));
        document
    };
    let values: Vec<_> = all
        .iter()
        .map(|one| json!({"key": one.key, "value": one.value, "from": one.from}))
        .collect();
    output::write(output, document, &values)
}

pub(super) const DEFAULT: &str = "default";

/// Returns every setting with its value from the environment, the file or the default.
pub(super) fn holding(config: &Config, path: Option<&Path>) -> Vec<Holding> {
    let file = path.map_or_else(String::new, |path| path.display().to_string());
    let mut set = template::flattened(&config.table);
    let mut all = Vec::new();
    for (key, default) in template::settings() {
        let name = key.strip_prefix("logging.");
        let variable = name.map(variable_of);
        let variable = variable.and_then(|name| Some((std::env::var(&name).ok()?, name)));
        let own = set.remove(&key);
        let (value, from) = match (variable.filter(|(value, _)| !value.is_empty()), own) {
            (Some((value, name)), _) => (value, name),
            (None, Some(value)) => (value, file.clone()),
            (None, None) => (default, DEFAULT.to_owned()),
        };
        all.push(Holding { key, value, from });
    }
    // Keys with user-defined names.
    all.extend(set.into_iter().map(|(key, value)| Holding {
        key,
        value,
        from: file.clone(),
    }));
    all
}

/// Prints what is wrong outside of the file: variables without effect or with invalid values, and directories that
/// cannot be written on this machine.
fn warnings(config: &Config) {
    for mistake in variable_mistakes(environment()) {
        output::tell(&mistake.to_string());
    }
    if let Err(sentence) = super::doctor::creatable(&recorder_dir(config)) {
        output::tell(&format!("[logging] dir: {sentence}"));
    }
}

/// Environment variables. Invalid UTF-8 is replaced, so that it can be shown.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Returns the directory that a recorder with these settings writes to.
pub(super) fn recorder_dir(config: &Config) -> PathBuf {
    let set = holding(config, None);
    let dir = set.iter().find(|setting| setting.key == "logging.dir");
    PathBuf::from(dir.map_or("logs", |setting| &setting.value))
}

fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    let usual = [PathBuf::from(NAME)];
    let files = if files.is_empty() { &usual } else { files };
    let mut wrong = Vec::new();
    for file in files {
        let examined = Config::examine(Some(file))?;
        let mut mistakes = examined.mistakes;
        mistakes.extend(examined.config.panel_mistakes());
        // By line.
        mistakes.sort();
        warnings(&examined.config);
        if mistakes.is_empty() {
            output::show(&format!("{}: no problems found\n", file.display()))?;
        }
        wrong.extend(mistakes);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(WrongUsage::new(&listed(&wrong)).into())
}
