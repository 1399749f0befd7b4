//! What can be typed.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use dragline_schema::{Level, Timestamp};
use jiff::tz::TimeZone;

use crate::times;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold());

/// Reports on scrapers' logs: what broke, since when, on what evidence, and what to do.
#[derive(Debug, Parser)]
#[command(name = "dragline", version, styles = STYLES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Report on logs: verdicts, incidents, numbers, errors, runs
    #[command(after_help = "Examples:
  dragline report logs/
  dragline report logs/ --since 7d --output report.md
  dragline report logs/ --output report.html
  dragline report logs/ --incident 1
  dragline report logs/ --history known/
  dragline report --from-rollups --history known/
  dragline report logs/ --fail-on blocked,down || mail -s 'scrapers' me < report.txt
  dragline report 'logs/shop.*.jsonl.gz' --scraper shop --format json | jq .totals")]
    Report(ReportArgs),
    /// Show the errors: by category, severity and type, and in groups with a sample each
    #[command(after_help = "Examples:
  dragline errors logs/
  dragline errors logs/ --since yesterday --limit 50
  dragline errors logs/ --group 5d1e
  dragline errors logs/ --format json | jq '.groups[0]'")]
    Errors(ErrorsArgs),
    /// Show every run with its verdict and its last sign of life
    #[command(after_help = "Examples:
  dragline runs logs/
  dragline runs logs/ --scraper shop --format json | jq '.[] | select(.verdict == \"killed\")'")]
    Runs(ReadArgs),
    /// Compare two runs, or a run with what is normal for it
    #[command(
        long_about = "Compare two runs, or a run with what is normal for it.\n\nA and B are ids of runs, or their beginnings, `last` \
(the latest run) or `previous` (the one before B); A may be `baseline`. Gates are conditions on the change from A to B.",
        after_help = "Examples:
  dragline diff previous last logs/ --scraper shop
  dragline diff baseline shop-1772623353 logs/
  dragline diff baseline last logs/ --gate 'items>-10%' --gate 'errors.site_change<=0' --format markdown

Exit codes: 0 all gates passed, 1 a gate failed or a run is not there, 2 wrong usage."
    )]
    Diff(DiffArgs),
    /// Show a line of a log and what stands around it, also inside an archive
    #[command(after_help = "Examples:
  dragline show logs/shop.20260304T112233Z.a1b2c3.0.jsonl.gz:345
  dragline show scrapy.log:1204 -C 20")]
    Show(ShowArgs),
    /// Show what to look at and what to do for a kind of trouble
    #[command(after_help = "Examples:
  dragline runbook
  dragline runbook blocked")]
    Runbook {
        /// Its name, or a kind of insight (`block_wave`); all are listed without a name
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Show what scrapers log, while they log it: every format, one order
    #[command(
        long_about = "Show what scrapers log, while they log it: every format, in the order of time.\n\nFiles may be rotated, packed, \
deleted and made anew meanwhile; files that come later are followed, too.",
        after_help = "Examples:
  dragline tail logs/
  dragline tail logs/ --level warn --scraper shop
  dragline tail logs/ -n 100 --no-follow --grep '/product/17'
  dragline tail logs/ --format json --state tail.state | jq -r .message"
    )]
    Tail(TailArgs),
    /// Ask the logs in SQL: every event, and what was counted
    #[command(
        long_about = tables(),
        after_help = "Examples:
  dragline sql 'SELECT host, status_code, count(*) n FROM requests GROUP BY host, status_code ORDER BY n DESC' logs/
  dragline sql 'SELECT * FROM errors WHERE category = '\\''blocked'\\'' LIMIT 5' logs/ --since 7d
  dragline sql 'SELECT run_id, items, duration_seconds FROM runs' logs/ --format csv --output runs.csv"
    )]
    Sql(SqlArgs),
    /// Write every event as Parquet, by day and scraper, for DuckDB, polars or Spark
    #[command(after_help = "Examples:
  dragline export logs/ --output events/
  duckdb -c \"SELECT date, count(*) FROM read_parquet('events/requests/**/*.parquet', hive_partitioning=true) GROUP BY date\"")]
    Export(ExportArgs),
    /// Move old logs elsewhere: copied, verified, remembered, and only then removed
    #[command(
        long_about = "Move old logs elsewhere.\n\nEach log that was last written before --older-than is copied below --to, the copy is \
read back and must have the same hash, and then the log is removed. With --history, what is in the logs is remembered first, so that reports \
still know what was normal. What is not a log, is a link or has several names, is open in a program, or changes meanwhile, stays.",
        after_help = "Examples:
  dragline archive logs/ --older-than 30d --to /mnt/old --dry-run
  dragline archive logs/ --older-than 30d --to /mnt/old --history known/

Exit codes: 0 done, 1 some file could not be moved, 2 wrong usage."
    )]
    Archive(ArchiveArgs),
    /// Say of each line of standard input what error it is
    #[command(
        long_about = "Say of each line of standard input what error it is.\n\nA line is a JSON object with a type and a message \
(error_type, error_message, or any of the names that log writers give them), or plain text. Each comes back as a JSON object with \
error_category, error_sub_category, error_severity, error_rule and error_runner_up added, in order, one for one.\n\nEvery line is \
taken for an error, whatever its level says: filter before.",
        after_help = "Examples:
  echo 'TimeoutError: page 3' | dragline classify
  jq -c 'select(.level==\"ERROR\")' app.jsonl | dragline classify | jq -r .error_category | sort | uniq -c"
    )]
    Classify(RulesArgs),
    /// Look at the rules that say what an error is
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Make, show and check dragline.toml: one file for recorder, reader and report
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say what this program is, what it would use, whether it could, and what is in the logs
    #[command(after_help = "Examples:
  dragline doctor
  dragline doctor logs/

Exit codes: 0 all is well, 1 something is not.")]
    Doctor(DoctorArgs),
    /// Let a simulated fleet write logs through the recorder, and report on them
    #[command(after_help = "Examples:
  dragline demo
  dragline demo /tmp/demo --days 30 --seed 5")]
    Demo(DemoArgs),
}

/// What to read, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Files, directories or globs (quoted); plain, .gz or .zst; `-` is standard input
    #[arg(required_unless_present = "from_rollups", value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) history: HistoryArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What is known of logs that are gone.
#[derive(Debug, Args)]
#[command(next_help_heading = "History")]
pub(crate) struct HistoryArgs {
    /// Remember in a directory what is in the logs, and know what was in those that are gone: what is
    /// normal takes longer to learn than logs are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) history: Option<PathBuf>,
    /// Report on the history alone, without any logs
    #[arg(long, requires = "history", conflicts_with = "logs")]
    pub(crate) from_rollups: bool,
}

/// A report, and when it is bad news.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Exit with 1 when a scraper has one of these verdicts, or an open incident one of these kinds
    /// (comma-separated: `blocked`, `down`, `layout_changed`, …, or `block_wave`, `new_error`, …)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = bad_news, help_heading = "Output")]
    pub(crate) fail_on: Vec<String>,
    /// Show one incident alone, with the lines that show it: its number in the report, or its id
    #[arg(long, value_name = "N|ID", help_heading = "Output")]
    pub(crate) incident: Option<String>,
}

/// What to compare.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// What B is compared with: a run, or `baseline`
    #[arg(value_name = "A")]
    pub(crate) a: String,
    /// The run
    #[arg(value_name = "B")]
    pub(crate) b: String,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// A condition on the change of a metric, such as 'items>-10%'; may be given more than once
    #[arg(long, value_name = "GATE", allow_hyphen_values = true)]
    pub(crate) gate: Vec<dragline_report::diff::Gate>,
}

/// What to read, and how.
#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) rules: RulesArgs,
    /// Let the rules label errors that the scraper labelled itself when it logged them
    #[arg(long, help_heading = "Rules")]
    pub(crate) reclassify: bool,
    /// How many threads read [default: one for each processor]
    #[arg(long, value_name = "N", help_heading = "Reading", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Read every file, also those that did not change since they were read last
    #[arg(long, help_heading = "Reading")]
    pub(crate) no_cache: bool,
    /// How much memory may be used, such as 2GiB; what does not fit is folded, goes through files, or is
    /// refused, and is said so [default: 512MiB, 1GiB for sql and export]
    #[arg(long, value_name = "SIZE", help_heading = "Reading", value_parser = memory)]
    pub(crate) memory: Option<usize>,
}

/// A question, and of what.
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// The query
    #[arg(value_name = "QUERY")]
    pub(crate) query: String,
    /// Files, directories or globs (quoted); plain, .gz or .zst; `-` is standard input
    #[arg(value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// How the answer is shown [default: as --output ends (.csv, .json, .parquet), else table]
    #[arg(
        long = "format",
        value_enum,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    named_format: Option<SqlFormat>,
    /// Where it is written [default: standard output]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// How many rows a table shows
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Output")]
    pub(crate) limit: usize,
    /// With --format csv: put an apostrophe before what a spreadsheet would take for a formula
    #[arg(long, help_heading = "Output")]
    pub(crate) safe_cells: bool,
}

impl SqlArgs {
    /// The format that was named, or that the output's name has.
    pub(crate) fn format(&self) -> SqlFormat {
        self.named_format
            .unwrap_or_else(|| match ending(self.output.as_ref()).as_deref() {
                Some("csv") => SqlFormat::Csv,
                Some("json" | "jsonl" | "ndjson") => SqlFormat::Json,
                Some("parquet") => SqlFormat::Parquet,
                _ => SqlFormat::Table,
            })
    }
}

/// How a file's name ends, in small letters.
fn ending(path: Option<&PathBuf>) -> Option<String> {
    let end = path?.extension()?.to_str()?;
    Some(end.to_ascii_lowercase())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlFormat {
    /// For the terminal
    Table,
    /// Comma-separated values, the names first
    Csv,
    /// A JSON object for each row, one a line
    Json,
    /// An Apache Parquet file
    Parquet,
}

/// What to export, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Files, directories or globs (quoted); plain, .gz or .zst; `-` is standard input
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// The directory to write, which must be new or empty
    #[arg(long, short, value_name = "DIR", help_heading = "Output")]
    pub(crate) output: PathBuf,
}

/// What to follow.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Files, directories or globs (quoted); what is not there yet may come
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    /// How many records are shown of what is there already: the last ones that are wanted
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) lines: usize,
    /// Show everything that is there already
    #[arg(long)]
    pub(crate) from_start: bool,
    /// Show what is there, and end
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Only records whose line, as it is shown, matches the regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,
    /// Keep in a file how far everything was shown, and go on there the next time
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// How records are shown
    #[arg(long, value_enum, default_value_t = TailFormat::Text)]
    pub(crate) format: TailFormat,
    /// How much memory may be used, such as 2GiB [default: 512MiB]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<usize>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// The configuration: text formats, and what records mean
    /// [default: dragline.toml in the current directory, when there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TailFormat {
    /// A line for people
    Text,
    /// Dragline's wire format, whoever wrote the record
    Json,
}

/// Which rules say what an error is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rules")]
pub(crate) struct RulesArgs {
    /// A rule file (TOML) beside the shipped rules: its rules win against equals, and replace those
    /// with the same id; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Vec<PathBuf>,
    /// Only the rules of the files, none of the shipped ones
    #[arg(long)]
    pub(crate) no_shipped_rules: bool,
    /// The configuration: priorities of sites, rule files, what raises severities
    /// [default: dragline.toml in the current directory, when there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Show all rules: what each stands for, how bad that is, and what to do
    #[command(after_help = "Examples:
  dragline rules list
  dragline rules list --rules mine.toml --format json | jq -r '.[].id'")]
    List {
        #[command(flatten)]
        rules: RulesArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Say what an error is, by which rule and which piece of its text, and what else it could be
    #[command(after_help = "Examples:
  dragline rules explain 'httpx.ConnectTimeout: timed out'
  dragline rules explain 'the page says no' --status 403")]
    Explain {
        /// The error: `Type: message`, or a message alone
        #[arg(value_name = "TEXT")]
        text: String,
        /// The HTTP status that came with it
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(100..1000))]
        status: Option<u16>,
        #[command(flatten)]
        rules: RulesArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Propose rules for the errors that no rule knows, as TOML that can be pasted into a rule file
    #[command(
        long_about = "Propose rules for the errors that no rule knows.\n\nThe messages that stayed unknown are grouped into templates. Each \
template is printed as a rule, with the number of errors it explains, samples as its tests, and what it would also match of what other rules \
win. The category is a guess from the words of the other rules' tests: whoever pastes the rule decides.",
        after_help = "Examples:
  dragline rules suggest logs/ >> mine.toml
  dragline rules suggest logs/ --limit 3 --format json | jq '.[].pattern'
  dragline rules check mine.toml"
    )]
    Suggest {
        #[command(flatten)]
        read: Box<ReadArgs>,
        /// How many proposals
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: usize,
    },
    /// Check rule files: keys, patterns, rules that cannot be reached, and their own tests
    #[command(after_help = "Examples:
  dragline rules check mine.toml

Exit codes: 0 all is well, 1 something is wrong.")]
    Check {
        /// Rule files (TOML)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Without the shipped rules beside them
        #[arg(long)]
        no_shipped_rules: bool,
    },
}

/// What to move, and where to.
#[derive(Debug, Args)]
pub(crate) struct ArchiveArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Only logs that were last written before this: `30d`, a date, a time
    #[arg(long, value_name = "TIME")]
    pub(crate) older_than: String,
    /// The directory of the copies; it is made when it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// Say what would go, and move nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Files, directories or globs (quoted) that are to be read, too
    #[arg(value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    /// The configuration [default: dragline.toml in the current directory, when there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl DoctorArgs {
    /// The shipped rules, and the configuration that was named.
    pub(crate) fn rules(&self) -> RulesArgs {
        RulesArgs {
            rules: Vec::new(),
            no_shipped_rules: false,
            config: self.config.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a file in which every setting is said and none is set
    #[command(after_help = "Examples:
  dragline config init
  dragline config init --env")]
    Init {
        /// Where it is written; what is there already stays
        /// [default: dragline.toml, with --env dragline.env]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// The recorder's settings as variables of the environment instead
        #[arg(long)]
        env: bool,
    },
    /// Show what holds: every setting, and whether the environment, the file or nobody says so
    #[command(after_help = "Examples:
  dragline config show
  dragline config show --format json | jq '.[] | select(.from != \"default\")'")]
    Show {
        /// The configuration [default: dragline.toml in the current directory, when there is one]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Check a file: keys, values, patterns, names
    #[command(after_help = "Examples:
  dragline config check
  dragline config check production.toml

Exit codes: 0 all is well, 2 something is wrong.")]
    Check {
        /// Configurations [default: dragline.toml]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ErrorsArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// How many groups are shown (JSON has them all)
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Show one group alone, with the lines where it can be seen: its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    pub(crate) group: Option<String>,
}

/// A line, and how much around it.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The place as reports name it: a file and a line, from 1
    #[arg(value_name = "FILE:LINE")]
    pub(crate) place: String,
    /// How many lines before and behind it
    #[arg(long, short = 'C', value_name = "N", default_value_t = 5)]
    pub(crate) context: u64,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// From this time on: RFC 3339, a date, `today`, `yesterday`, `monday`, or `7d`, `30min`,
    /// `2 days ago` before --until or now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
    /// Of this scraper only
    #[arg(long, value_name = "ID")]
    pub(crate) scraper: Option<String>,
    /// Of this site and those below it only: `example.com` takes `shop.example.com`, too
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Option<String>,
    /// Of this run only
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// On this level or above
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub(crate) level: Option<Level>,
    /// The zone of times that name none, such as `Europe/Berlin`
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = times::zone)]
    pub(crate) tz: TimeZone,
    /// Which stands first in dates such as 03/04/2026, where no date of the log tells it
    #[arg(long, value_name = "ORDER", value_enum)]
    pub(crate) date_order: Option<DateOrder>,
}

/// Which of two numbers of a date stands first.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum DateOrder {
    DayFirst,
    MonthFirst,
}

impl From<DateOrder> for dragline_ingest::DateOrder {
    fn from(order: DateOrder) -> Self {
        match order {
            DateOrder::DayFirst => Self::DayFirst,
            DateOrder::MonthFirst => Self::MonthFirst,
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// How it is shown [default: as --output ends (.html, .md, .json), else text]
    #[arg(long = "format", value_enum, value_name = "FORMAT")]
    named_format: Option<Format>,
    /// Where it is written [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

impl OutputArgs {
    /// The format that was named, or that the output's name has.
    pub(crate) fn format(&self) -> Format {
        self.named_format
            .unwrap_or_else(|| match ending(self.output.as_ref()).as_deref() {
                Some("html" | "htm") => Format::Html,
                Some("md" | "markdown") => Format::Markdown,
                Some("json") => Format::Json,
                _ => Format::Text,
            })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For the terminal
    Text,
    /// For tickets and mails
    Markdown,
    /// One page with charts, which opens anywhere
    Html,
    /// The contract dragline.report/1 (docs/report.schema.json)
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the logs, the truth and the report are written
    #[arg(value_name = "DIR", default_value = "demo")]
    pub(crate) dir: PathBuf,
    /// How many days are simulated
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub(crate) days: u32,
    /// The same seed on the same day gives the same logs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// What can be asked in SQL.
fn tables() -> String {
    use dragline_analytics::sql::{COMMON, COUNTED, TABLES, counter_names, has_counters};
    let names = |names: Vec<&str>| names.join(", ");
    let common = names(COMMON.iter().map(|column| column.name).collect());
    let mut text = format!(
        "Ask the logs in SQL.\n\nThe dialect is that of polars; docs/sql.md says what the columns mean. Tables of events, \
         which all have {common}:\n"
    );
    for table in TABLES.iter() {
        let own = names(table.own.iter().map(|column| column.name).collect());
        text += &format!("\n{}: {own}", table.name);
    }
    let counters = names(counter_names().collect());
    text += "\n\nTables of what was counted:\n";
    for (name, _, columns) in COUNTED {
        let own = names(columns.iter().map(|(name, ..)| *name).collect());
        let more = if has_counters(name) {
            ", and the counters"
        } else {
            ""
        };
        text += &format!("\n{name}: {own}{more}");
    }
    text + &format!("\n\nThe counters: {counters}.")
}

/// Something that was typed or written wrongly, found out after clap had read it.
#[derive(Debug)]
pub(crate) struct WrongUsage(String);

impl WrongUsage {
    pub(crate) fn new(sentence: &str) -> Self {
        Self(sentence.to_owned())
    }

    /// The same of an error and what caused it.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        Self(crate::sentence(error))
    }
}

impl std::fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}

/// What is wrong in files that somebody wants checked.
#[derive(Debug)]
pub(crate) struct Faulty(pub(crate) String);

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Faulty {}

impl FilterArgs {
    /// The filter that was meant, at that time.
    pub(crate) fn resolve(&self, now: Timestamp) -> Result<dragline_scan::Filter, WrongUsage> {
        let time = |text: &Option<String>, now: Timestamp| {
            let parse = |text: &String| {
                times::parse(text, now, &self.tz).map_err(|error| WrongUsage(error.to_string()))
            };
            text.as_ref().map(parse).transpose()
        };
        let until = time(&self.until, now)?;
        let filter = dragline_scan::Filter {
            // The seven days before the end that was asked for.
            since: time(&self.since, until.unwrap_or(now))?,
            until,
            scraper: self.scraper.clone(),
            site: self.site.clone(),
            run: self.run.clone(),
            level: self.level,
        };
        if let (Some(since), Some(until)) = (filter.since, filter.until)
            && since >= until
        {
            let sentence = format!("--since {since} is not before --until {until}");
            return Err(WrongUsage(sentence));
        }
        Ok(filter)
    }
}

fn bad_news(word: &str) -> Result<String, String> {
    let (word, all) = (word.trim(), dragline_report::bad_news());
    if all.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(format!(
        "{word:?} is neither a verdict nor a kind of incident; there are {}",
        all.join(", ")
    ))
}

/// Less is not enough for a report on little.
const LEAST_MEMORY: u64 = 128 << 20;

fn memory(text: &str) -> Result<usize, String> {
    let bytes = text
        .parse::<bytesize::ByteSize>()
        .map_err(|_| format!("{text:?} is not a size such as 512MiB or 2GiB"))?;
    if bytes.as_u64() < LEAST_MEMORY {
        return Err(format!(
            "{text:?} is too little: at least 128MiB are needed"
        ));
    }
    usize::try_from(bytes.as_u64()).map_err(|_| format!("{text:?} is more than a process can have"))
}

fn level(word: &str) -> Result<Level, String> {
    Level::from_word(word)
        .ok_or_else(|| format!("{word:?} is no level such as debug, info, warn or error"))
}
