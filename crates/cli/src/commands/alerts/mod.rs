//! `dragline alerts`: rules judged on logs, and notices, without a service.

mod backtest;
mod check;
mod lint;
mod run;
mod view;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use dragline_alerting::config::AlertConfig;
use dragline_alerting::store::AlertStore;
use dragline_insights::Limits;
use dragline_report::render;
use dragline_scan::ScanOptions;
use dragline_watch::{Scene, Wanted, look};

use super::read;
use crate::args::{AlertLogs, AlertRules, AlertsCommand, WrongUsage};
use crate::output;
use crate::progress::watched;
use crate::session::Session;

/// `dragline alerts …`
pub(crate) fn alerts(command: &AlertsCommand) -> anyhow::Result<()> {
    match command {
        AlertsCommand::Run(args) => run::run(args),
        AlertsCommand::List(args) => view::list(args),
        AlertsCommand::History { state, last } => view::history(state, *last),
        AlertsCommand::Ack { alert, state, by } => view::acknowledge(alert, state, by.as_deref()),
        AlertsCommand::Silence(args) => view::silence(args),
        AlertsCommand::Check { rules } => check::check(rules),
        AlertsCommand::Test { files, rules } => check::test(files, rules),
        AlertsCommand::SendTest { channel, config } => check::send_test(channel, config.as_ref()),
        AlertsCommand::Backtest(args) => backtest::backtest(args),
        AlertsCommand::Suggest(args) => backtest::suggest(args),
        AlertsCommand::Export {
            program,
            rules,
            output,
        } => check::export(*program, rules, output.as_deref()),
    }
}

/// The configuration with the rules of the named files.
fn load(session: &Session, rules: &AlertRules) -> anyhow::Result<AlertConfig> {
    let mut config = session.config.alerts();
    for path in &rules.rules {
        let name = path.display().to_string();
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the rules {name}"));
        let text = text.map_err(|error| WrongUsage::of(&error))?;
        let mistakes = config.add_rules(&name, &text);
        if !mistakes.is_empty() {
            return Err(WrongUsage::new(&mistakes.join("\n")).into());
        }
    }
    Ok(config)
}

/// What the rules need besides themselves.
struct Context {
    limits: Limits,
    muted: Vec<String>,
}

impl Context {
    fn of(session: &Session) -> Self {
        let mutes = session.config.mutes(session.now);
        let is_now = |until: Option<dragline_schema::Timestamp>| {
            until.is_none_or(|until| session.now <= until)
        };
        let muted = mutes.iter().filter(|mute| is_now(mute.until));
        Self {
            limits: session.config.limits(),
            muted: muted.map(|mute| mute.group.clone()).collect(),
        }
    }

    fn wanted<'w>(&'w self, config: &'w AlertConfig, session: &Session) -> Wanted<'w> {
        Wanted {
            config: config.watch,
            ..Wanted::all(&config.rules, &self.limits, &self.muted, session.now)
        }
    }
}

/// Reads some logs, or all of the arguments.
fn read_logs(
    session: &Session,
    args: &AlertLogs,
    logs: &[String],
    wanted: &Wanted<'_>,
) -> anyhow::Result<Scene> {
    let options = ScanOptions {
        history: read::named_history(args.history.as_ref())?,
        ..read::resources(session, &args.reading, read::READING)?
    };
    let watch = Arc::clone(&options.read.watch);
    let memory = options.read.memory.total();
    let scene = watched(&watch, memory, || {
        look(logs, &session.rules, &options, wanted)
    })??;
    read::check_read(&scene.finished)?;
    if args.history.is_some() && is_empty(logs)? {
        // What the history knows says nothing of now.
        anyhow::bail!("nothing could be read: the inputs contain no lines");
    }
    if scene.untimed > 0 {
        output::tell(&format!(
            "{} changes of metrics have no time: no rule can judge them",
            scene.untimed
        ));
    }
    Ok(scene)
}

/// Whether all files are empty.
fn is_empty(logs: &[String]) -> anyhow::Result<bool> {
    if logs.iter().any(|log| log == "-") {
        return Ok(false);
    }
    let found = dragline_ingest::discover(logs)?;
    let mut files = found.families.iter().flat_map(|family| &family.files);
    Ok(!files.any(|file| fs::metadata(&file.path).is_ok_and(|about| about.len() > 0)))
}

/// The stored state, locked against a second command that would overwrite it.
struct State {
    path: PathBuf,
    store: AlertStore,
    /// Holds the lock; `None` if the state is only read.
    lock: Option<File>,
}

impl State {
    /// Opens the state. A missing file is an empty state.
    fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let lock_path = with_ending(path, "lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .with_context(|| format!("cannot open {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                anyhow::bail!("another command works with {shown}: try again when it has ended");
            }
            Err(fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", lock_path.display()));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            store: read_store(path)?,
            lock: Some(lock),
        })
    }

    /// Reads the state to show it; nothing can be saved. The file is replaced as a whole, so that no lock is needed.
    fn read(path: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            store: read_store(path)?,
            lock: None,
        })
    }

    fn check_exists(path: &Path) -> anyhow::Result<()> {
        if path.exists() {
            return Ok(());
        }
        let sentence = format!(
            "there is no state {}: `dragline alerts run` creates it",
            path.display()
        );
        Err(WrongUsage::new(&sentence).into())
    }

    fn save(&self) -> anyhow::Result<()> {
        debug_assert!(
            self.lock.is_some(),
            "a state that is only read is not saved"
        );
        output::write_file(&self.path, &self.store.to_json())
    }
}

/// Reads a stored state. A missing file is an empty state.
fn read_store(path: &Path) -> anyhow::Result<AlertStore> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) => AlertStore::from_json(&text).map_err(|problem| {
            WrongUsage::new(&format!(
                "--state {shown}: {problem}; restore it, or remove it: then all begins anew, and what fires is sent again"
            ))
            .into()
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(AlertStore::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read the state {shown}")),
    }
}

/// A file beside another one.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// The name of the user, for actions.
fn user() -> String {
    let named = ["USER", "LOGNAME", "USERNAME"].into_iter();
    let name = named
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown".to_owned())
}

/// Text that quotes logs, without control characters.
fn clean(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(render::clean).collect();
    lines.join("\n")
}
