//! Arguments of `dragline alerts`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use dragline_alerting::duration;

use super::{OutputArgs, ReadingArgs, RulesArgs};

/// `dragline alerts …`
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Judge the logs, send notices, and end: for cron
    #[command(
        long_about = "Judge the logs, send notices, and end.\n\nEach call goes on where the last one stopped. Everything is \
judged at the time when it happened, so that late calls and late logs make no difference. Nothing is sent twice, except \
after a crash. The first call judges only the present. For cron, every five minutes: `*/5 * * * * dragline alerts run …`.",
        after_help = "Examples:
  dragline alerts run logs/ --state alerts.json
  dragline alerts run logs/ --state alerts.json --dry-run

Exit codes: 0 done, 1 the logs could not be read or a notice could not be sent, 2 wrong usage."
    )]
    Run(RunArgs),
    /// Show the alerts that fire
    #[command(after_help = "Examples:
  dragline alerts list --state alerts.json
  dragline alerts list --state alerts.json --format json | jq '.[].id'")]
    List(StateArgs),
    /// Show what happened: transitions, notices with their evidence, actions
    #[command(after_help = "Examples:
  dragline alerts history --state alerts.json --last 7d")]
    History {
        #[command(flatten)]
        state: StateArgs,
        /// Length of the period
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = period)]
        last: Duration,
    },
    /// Acknowledge an alert: no repetitions and no escalation until it gets worse
    #[command(after_help = "Examples:
  dragline alerts ack queue_backup-1f2e3d4c5b6a --state alerts.json
  dragline alerts ack queue_backup --state alerts.json --by night-shift")]
    Ack {
        /// Id of the alert, or the name of its rule for all alerts of the rule
        #[arg(value_name = "ALERT")]
        alert: String,
        #[command(flatten)]
        state: StateFile,
        /// Who acknowledges [default: the user's name]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// Send nothing about some alerts for a while; they are still judged
    #[command(after_help = "Examples:
  dragline alerts silence --state alerts.json --match site=shop.example.com --for 2h
  dragline alerts silence --state alerts.json --list
  dragline alerts silence --state alerts.json --end 7c0d1e9a5b34")]
    Silence(SilenceArgs),
    /// Check the rules, routes and channels of the configuration
    #[command(after_help = "Examples:
  dragline alerts check
  dragline alerts check --rules rules.toml

Exit codes: 0 everything is valid, 1 a rule or channel cannot work, 2 the configuration has mistakes.")]
    Check {
        #[command(flatten)]
        rules: AlertRules,
    },
    /// Run tests of rules: series of values, and which alerts must fire at what time
    #[command(after_help = "Examples:
  dragline alerts test tests.toml
  dragline alerts test tests.toml --rules rules.toml

A test:
  [[test]]
  name = \"a long queue\"
  series = [{ metric = 'dragline_queue_size{scraper_id=\"shop\"}', values = \"10x2 5000x10\" }]
  expect = [{ at = \"12m\", alert = \"queue_backup\", firing = [{ scraper_id = \"shop\" }] }]

Exit codes: 0 all tests passed, 1 a test failed, 2 wrong usage.")]
    Test {
        /// File with [[test]] tables
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        rules: AlertRules,
    },
    /// Send a notice to a channel, to see that it arrives
    #[command(after_help = "Examples:
  dragline alerts send-test mail")]
    SendTest {
        /// Name of a channel in the configuration
        #[arg(value_name = "CHANNEL")]
        channel: String,
        /// Configuration file [default: dragline.toml in the current directory, if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show what rules would have done over the history in the logs
    #[command(after_help = "Examples:
  dragline alerts backtest logs/
  dragline alerts backtest logs/ --rule crawler_failures --for 0s,5m,15m --threshold 20,50,100
  dragline alerts backtest logs/ --rules rules.toml --format json")]
    Backtest(BacktestArgs),
    /// Propose at most ten rules for the incidents that the logs contain, each with its backtest
    #[command(after_help = "Examples:
  dragline alerts suggest logs/ > rules.toml
  dragline alerts backtest logs/ --rules rules.toml")]
    Suggest(SuggestArgs),
    /// Write the rules for Prometheus, or the routes for Alertmanager
    #[command(after_help = "Examples:
  dragline alerts export prometheus --output rules.yml
  dragline alerts export alertmanager --output alertmanager.yml")]
    Export {
        /// Program to write for
        #[arg(value_enum, value_name = "PROGRAM")]
        program: ExportFor,
        #[command(flatten)]
        rules: AlertRules,
        /// Output file [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Another program that evaluates rules or sends notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFor {
    /// Rules
    Prometheus,
    /// Routes and receivers
    Alertmanager,
}

/// Logs that rules are judged on.
#[derive(Debug, Args)]
pub(crate) struct AlertLogs {
    /// Files, directories or globs (quoted); plain, .gz or .zst
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    /// Directory that keeps the counts of every log read, so that baselines include logs deleted since
    #[arg(long, value_name = "DIR")]
    pub(crate) history: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: AlertRules,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// Alert rules.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rules")]
pub(crate) struct AlertRules {
    /// File of alert rules (TOML) to add to those of the configuration; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Vec<PathBuf>,
    /// Configuration file [default: dragline.toml in the current directory, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl AlertRules {
    /// The shipped classification rules with the given configuration.
    pub(crate) fn session(&self) -> RulesArgs {
        RulesArgs::of_config(self.config.as_ref())
    }
}

/// Options of `dragline alerts run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) logs: AlertLogs,
    #[command(flatten)]
    pub(crate) state: StateFile,
    /// Show what would be sent; send and store nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = StateFormat::Text)]
    pub(crate) format: StateFormat,
}

/// The file that holds the state.
#[derive(Debug, Args)]
pub(crate) struct StateFile {
    /// File that holds states, notices and history; created by the first `alerts run`
    #[arg(long = "state", value_name = "FILE")]
    pub(crate) path: PathBuf,
}

/// The state, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    pub(crate) state: StateFile,
    /// Output format
    #[arg(long, value_enum, default_value_t = StateFormat::Text)]
    pub(crate) format: StateFormat,
}

/// Format of alerts and their history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateFormat {
    /// Human-readable lines
    Text,
    /// JSON
    Json,
}

/// Options of `dragline alerts silence`.
#[derive(Debug, Args)]
pub(crate) struct SilenceArgs {
    #[command(flatten)]
    pub(crate) state: StateFile,
    #[command(flatten)]
    pub(crate) rules: AlertRules,
    /// Label of the alerts: `site=shop.example.com`, `alertname=queue_backup`; * stands for any characters; may be
    /// repeated, all must match
    #[arg(long = "match", value_name = "LABEL=VALUE", value_parser = label, required_unless_present_any = ["list", "end"])]
    pub(crate) matchers: Vec<(String, String)>,
    /// How long
    #[arg(long = "for", value_name = "DURATION", value_parser = period, required_unless_present_any = ["list", "end"])]
    pub(crate) length: Option<Duration>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) comment: String,
    /// Who [default: the user's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Show the silences with their ids
    #[arg(long, conflicts_with_all = ["matchers", "length", "end"])]
    pub(crate) list: bool,
    /// End the silence with this id, or the beginning of one
    #[arg(long, value_name = "ID", conflicts_with_all = ["matchers", "length"])]
    pub(crate) end: Option<String>,
}

/// Options of `dragline alerts backtest`.
#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    #[command(flatten)]
    pub(crate) logs: AlertLogs,
    /// Only this rule; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) rule: Vec<String>,
    /// Other values of `for` to compare with (comma-separated)
    #[arg(long = "for", value_name = "LIST", value_delimiter = ',', value_parser = duration::parse)]
    pub(crate) holds: Vec<Duration>,
    /// Other thresholds to compare with (comma-separated)
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) threshold: Vec<f64>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `dragline alerts suggest`.
#[derive(Debug, Args)]
pub(crate) struct SuggestArgs {
    #[command(flatten)]
    pub(crate) logs: AlertLogs,
    /// Output format: the rules as TOML with comments, or JSON [default: json if --output ends with .json, else text]
    #[arg(long, value_enum)]
    format: Option<StateFormat>,
    /// Output file [default: standard output]
    #[arg(long, short, value_name = "FILE", value_parser = super::output::output_file)]
    pub(crate) output: Option<PathBuf>,
}

impl SuggestArgs {
    /// Whether JSON is wanted.
    pub(crate) fn is_json(&self) -> bool {
        let implied = super::query::ending(self.output.as_ref()).as_deref() == Some("json");
        self.format
            .map_or(implied, |format| format == StateFormat::Json)
    }
}

/// Parses a period, which is longer than nothing.
fn period(text: &str) -> Result<Duration, String> {
    let period = duration::parse(text)?;
    if period.is_zero() {
        return Err("expected more than 0s".to_owned());
    }
    Ok(period)
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected LABEL=VALUE")?;
    if name.is_empty() {
        return Err("expected LABEL=VALUE".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}
