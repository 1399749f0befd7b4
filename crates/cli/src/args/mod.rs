//! Command-line arguments.

mod alerts;
mod errors;
mod filter;
mod output;
mod query;
mod read;
mod rules;
mod serve;
mod ship;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::alerts::{
    AlertLogs, AlertRules, AlertsCommand, BacktestArgs, ExportFor, RunArgs, SilenceArgs, StateArgs,
    StateFile, StateFormat, SuggestArgs,
};
pub(crate) use self::errors::{Faulty, WrongUsage};
pub(crate) use self::filter::FilterArgs;
pub(crate) use self::output::{Format, OutputArgs};
use self::query::tables;
pub(crate) use self::query::{ExportArgs, SqlArgs, SqlFormat};
pub(crate) use self::read::{
    DiffArgs, ExplainArgs, InputArgs, ReadArgs, ReadingArgs, ReportArgs, TailArgs, TailFormat,
};
pub(crate) use self::rules::{ConfigCommand, MapCommand, RulesArgs, RulesCommand};
pub(crate) use self::serve::{BackupArgs, RestoreArgs, ServeArgs, TokenCommand};
pub(crate) use self::ship::ShipArgs;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold());

/// Reports on scraper logs: what broke, since when, the evidence, and what to do.
#[derive(Debug, Parser)]
#[command(name = "dragline", version, styles = STYLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Report on logs: verdicts, incidents, totals, errors, runs
    #[command(after_help = "Examples:
  dragline report logs/
  dragline report logs/ --since 7d --output report.md
  dragline report logs/ --output report.html
  dragline report logs/ --incident 1
  dragline report logs/ --capsules incidents/
  dragline report logs/ --history known/
  dragline report --from-rollups --history known/
  dragline report logs/ --since 7d --send mail
  dragline report logs/ --fail-on blocked,down || mail -s 'scrapers' me < report.txt
  dragline report 'logs/shop.*.jsonl.gz' --scraper shop --format json | jq .totals")]
    Report(ReportArgs),
    /// Show errors by category, severity and type, and in groups with a sample each
    #[command(after_help = "Examples:
  dragline errors logs/
  dragline errors logs/ --since yesterday --limit 50
  dragline errors logs/ --group 5d1e
  dragline errors logs/ --format json | jq '.groups[0]'")]
    Errors(ErrorsArgs),
    /// Show every run with its verdict and last activity
    #[command(after_help = "Examples:
  dragline runs logs/
  dragline runs logs/ --scraper shop --format json | jq '.[] | select(.verdict == \"killed\")'")]
    Runs(ReadArgs),
    /// Compare two runs, or a run with its baseline
    #[command(
        long_about = "Compare two runs, or a run with its baseline.\n\nA and B are run ids, prefixes of run ids, \
`last` (the latest run) or `previous` (the run before B); A may be `baseline`. Gates are conditions on the change from \
A to B.",
        after_help = "Examples:
  dragline diff previous last logs/ --scraper shop
  dragline diff baseline shop-1772623353 logs/
  dragline diff baseline last logs/ --gate 'items>-10%' --gate 'errors.site_change<=0'
  dragline diff baseline last logs/ --output diff.md

Exit codes: 0 all gates passed, 1 a gate failed or a run was not found, 2 wrong usage."
    )]
    Diff(DiffArgs),
    /// Show a line of a log with its context, also inside compressed files
    #[command(after_help = "Examples:
  dragline show logs/shop.20260304T112233Z.a1b2c3.0.jsonl.gz:345
  dragline show scrapy.log:1204 -C 20")]
    Show(ShowArgs),
    /// Judge an incident capsule again, without its logs, and show the incident
    #[command(
        long_about = "Judge an incident capsule again, without its logs, and show the incident.\n\n`dragline report \
--capsules DIR` and the pages of the service make capsules. The analysis runs on the counts in the capsule, with the \
rules and limits in it; no log and no network is needed.",
        after_help = "Examples:
  dragline explain incidents/layout_change-9b0a8acb.capsule
  dragline explain incidents/layout_change-9b0a8acb.capsule --format json | jq .verdict

Exit codes: 0 the verdict is the same as when the capsule was made; 1 it differs, or the file is damaged, not a \
capsule, or of a later version; 2 wrong usage."
    )]
    Explain(ExplainArgs),
    /// Show the runbook for a kind of incident: what to check and what to do
    #[command(after_help = "Examples:
  dragline runbook
  dragline runbook blocked")]
    Runbook {
        /// Name of a runbook, or a kind of insight (`block_wave`); without a name, all runbooks are listed
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Follow logs while they are written: all formats, in order of time
    #[command(
        long_about = "Follow logs while they are written: all formats, in order of time.\n\nFiles may be rotated, \
compressed, deleted and recreated meanwhile; files created later are followed, too.",
        after_help = "Examples:
  dragline tail logs/
  dragline tail logs/ --level warn --scraper shop
  dragline tail logs/ -n 100 --no-follow --grep '/product/17'
  dragline tail logs/ --format json --state tail.state | jq -r .message"
    )]
    Tail(TailArgs),
    /// Query the logs in SQL: all events, and aggregated tables
    #[command(
        long_about = tables(),
        after_help = "Examples:
  dragline sql 'SELECT host, count(*) n FROM requests GROUP BY host ORDER BY n DESC' logs/
  dragline sql \"SELECT * FROM errors WHERE category = 'rate_limit' LIMIT 5\" logs/ --since 7d
  dragline sql 'SELECT run_id, items, duration_seconds FROM runs' logs/ --output runs.csv"
    )]
    Sql(SqlArgs),
    /// Write every event as Parquet, by day and scraper, for DuckDB, polars or Spark
    #[command(after_help = "Examples:
  dragline export logs/ --output events/
  duckdb -c \"SELECT date, count(*) FROM 'events/requests/**/*.parquet' GROUP BY date\"")]
    Export(ExportArgs),
    /// Move old logs elsewhere: copy, verify, record in the history, then remove
    #[command(
        long_about = "Move old logs elsewhere.\n\nEach log last written before --older-than is copied below --to. The \
copy is read back and must have the same hash; then the log is removed. With --history, the counts of the logs are \
recorded first, so that baselines still include them. A file is not moved if it is not a log, is a link or has several \
names, is open in a program, or changes meanwhile.",
        after_help = "Examples:
  dragline archive logs/ --older-than 30d --to /mnt/old --dry-run
  dragline archive logs/ --older-than 30d --to /mnt/old --history known/

Exit codes: 0 done, 1 some file could not be moved, 2 wrong usage."
    )]
    Archive(ArchiveArgs),
    /// Classify each line of standard input as an error
    #[command(
        long_about = "Classify each line of standard input as an error.\n\nA line is a JSON object with a type and a \
message (error_type, error_message, or any of the names that log libraries give them), or plain text. For each line, \
one JSON object is written, in the same order, with error_category, error_sub_category, error_severity, error_rule and \
error_runner_up added.\n\nEvery line is treated as an error, whatever its level: filter before.",
        after_help = "Examples:
  echo 'TimeoutError: page 3' | dragline classify
  jq -c 'select(.level==\"ERROR\")' app.jsonl | dragline classify > labelled.jsonl"
    )]
    Classify(RulesArgs),
    /// List, explain, propose and check classification rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Propose entries that describe messages the reader does not understand
    #[command(subcommand)]
    Map(MapCommand),
    /// Create, show and check dragline.toml: one file for recorder, reader and report
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check the installation: version, settings, directories and, if given, logs
    #[command(after_help = "Examples:
  dragline doctor
  dragline doctor logs/

Exit codes: 0 all checks passed, 1 a check failed.")]
    Doctor(DoctorArgs),
    /// Check sites, databases, ports, disks, logs and runs, as [health] in dragline.toml says
    #[command(
        long_about = "Check sites, databases, ports, disks, logs and runs, as [health] in dragline.toml says.\n\nWith \
LOGS, sites that scrapers requested in the last five minutes are judged by these requests and get none from the check, \
and runs and events of scrapers are known. With --state, results in a row are counted across calls; without it, each \
call decides by one result.",
        after_help = "Examples:
  dragline health
  dragline health logs/ --state health.json
  dragline health --format json | jq '.checks[] | select(.status != \"healthy\")'

Exit codes: 0 nothing is critical, 1 something is critical, 2 wrong usage."
    )]
    Health(HealthArgs),
    /// Follow logs, judge them, notify, and show it all on a page
    #[command(
        long_about = "Follow logs, judge them, notify, and show it all on a page.\n\nThe service keeps what it counted \
in a database in the state directory, and goes on where it was after a restart. It reads dragline.toml again on SIGHUP; \
a file with mistakes leaves the settings as they were.",
        after_help = "Examples:
  dragline serve logs/
  dragline serve logs/ --listen 127.0.0.1:9000 --state /var/lib/dragline
  dragline serve /var/log/scrapers '/srv/*/logs' --config /etc/dragline.toml"
    )]
    Serve(ServeArgs),
    /// Send logs to a `dragline serve` on another machine, each byte once
    #[command(
        long_about = "Send logs to a `dragline serve` on another machine, each byte once.\n\nFiles may be rotated, \
compressed, deleted and recreated meanwhile; files created later are sent, too. While the service does not answer, \
nothing is lost: the logs are the buffer. What was sent is kept in the state file; without it, the service says \
what it has. The token (role ship) is read from --token-file or from DRAGLINE_TOKEN.",
        after_help = "Examples:
  dragline ship /var/log/scrapers --to https://dragline.example.com --token-file /etc/dragline.token
  dragline ship logs/ --to http://127.0.0.1:8080 --host crawler-1 --state /var/lib/ship.state
  dragline ship logs/ --to https://dragline.example.com --once --every 1h

Exit codes: 0 stopped, or with --once everything is sent; 1 the service does not take it or does not answer, 2 wrong \
usage."
    )]
    Ship(ShipArgs),
    /// Create tokens for the pages of the service
    #[command(subcommand)]
    Token(TokenCommand),
    /// Copy what the service keeps into a new directory: database, received logs, configuration
    #[command(after_help = "Examples:
  dragline backup /mnt/backup/2026-03-04 --state /var/lib/dragline
  dragline backup /mnt/backup/2026-03-04 --config /etc/dragline.toml

The service may run meanwhile.")]
    Backup(BackupArgs),
    /// Put back what `dragline backup` copied; the service must not run
    #[command(after_help = "Examples:
  dragline restore /mnt/backup/2026-03-04 --state /var/lib/dragline")]
    Restore(RestoreArgs),
    /// Judge logs by alert rules, and send notices, without a service
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Simulate a fleet that writes logs through the recorder, and report on them
    #[command(after_help = "Examples:
  dragline demo
  dragline demo --live
  dragline demo /tmp/demo --days 30 --seed 5")]
    Demo(DemoArgs),
}

/// Options of `dragline archive`.
#[derive(Debug, Args)]
pub(crate) struct ArchiveArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Only logs last written before this time: `30d`, a date or a time
    #[arg(long, value_name = "TIME")]
    pub(crate) older_than: String,
    /// Directory for the copies; created if missing
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Show what would be moved, and move nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Options of `dragline doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Files, directories or globs (quoted) to read and check
    #[arg(value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    /// Configuration file [default: dragline.toml in the current directory, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl DoctorArgs {
    /// Returns the shipped rules with the given configuration.
    pub(crate) fn rules(&self) -> RulesArgs {
        RulesArgs::of_config(self.config.as_ref())
    }
}

/// Options of `dragline health`.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Files, directories or globs (quoted) with the scrapers' logs
    #[arg(value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    /// Configuration file [default: dragline.toml in the current directory, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// File that stores the states of the checks, to count results in a row from one call to the next
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = HealthFormat::Text)]
    pub(crate) format: HealthFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HealthFormat {
    /// Table of at most 80 columns
    Text,
    /// JSON
    Json,
}

impl HealthArgs {
    /// Returns the shipped rules with the given configuration.
    pub(crate) fn rules(&self) -> RulesArgs {
        RulesArgs::of_config(self.config.as_ref())
    }
}

#[derive(Debug, Args)]
pub(crate) struct ErrorsArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Maximum number of groups shown (JSON has all)
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Show only this group, with its log lines: its id, or a prefix of it
    #[arg(long, value_name = "ID")]
    pub(crate) group: Option<String>,
}

/// Options of `dragline show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// File and line (from 1), as reports print it
    #[arg(value_name = "FILE:LINE")]
    pub(crate) place: String,
    /// Number of lines before and after it
    #[arg(long, short = 'C', value_name = "N", default_value_t = 5)]
    pub(crate) context: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Directory for the logs, the report and truth.json, which lists the planted incidents
    #[arg(value_name = "DIR", default_value = "demo")]
    pub(crate) dir: PathBuf,
    /// Number of days to simulate
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub(crate) days: u32,
    /// Random seed; the same seed on the same day produces the same logs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Then go on: scrapers log live, a site begins to refuse one after a minute, and the page shows it until Ctrl-C
    #[arg(long)]
    pub(crate) live: bool,
    /// Address and port of the page of --live; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080",
        requires = "live"
    )]
    pub(crate) listen: std::net::SocketAddr,
}
