//! Arguments of the commands that read logs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FilterArgs, OutputArgs, RulesArgs};

/// Inputs, filters and output of a reading command.
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

/// Options of the history.
#[derive(Debug, Args)]
#[command(next_help_heading = "History")]
pub(crate) struct HistoryArgs {
    /// Directory that keeps the counts of every log read, so that baselines include logs deleted since
    #[arg(long, value_name = "DIR")]
    pub(crate) history: Option<PathBuf>,
    /// Report from the history alone, without logs
    #[arg(long, requires = "history", conflicts_with = "logs")]
    pub(crate) from_rollups: bool,
}

/// Options of `dragline report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Exit with 1 if a scraper has one of these verdicts, or an open incident has one of these kinds
    /// (comma-separated: `blocked`, `down`, `layout_changed`, …, or `block_wave`, `new_error`, …)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = bad_news, help_heading = "Output")]
    pub(crate) fail_on: Vec<String>,
    /// Show only this incident, with its log lines: its number in the report, or its id
    #[arg(long, value_name = "N|ID", help_heading = "Output")]
    pub(crate) incident: Option<String>,
    /// Write one file per incident to this directory, for somebody without the logs: `dragline explain` judges it again
    #[arg(
        long,
        value_name = "DIR",
        help_heading = "Output",
        conflicts_with_all = ["incident", "from_rollups"]
    )]
    pub(crate) capsules: Option<PathBuf>,
    /// Send the report to this channel of the configuration, too; may be repeated
    #[arg(
        long,
        value_name = "CHANNEL",
        help_heading = "Output",
        conflicts_with = "incident"
    )]
    pub(crate) send: Vec<String>,
}

/// Options of `dragline explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Incident capsule
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Show the page as it was when the capsule was made, as Markdown
    #[arg(long, help_heading = "Output")]
    pub(crate) page: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Options of `dragline diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Run to compare B with, or `baseline`
    #[arg(value_name = "A")]
    pub(crate) a: String,
    /// Run to compare
    #[arg(value_name = "B")]
    pub(crate) b: String,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Condition on the change of a metric, such as 'items>-10%'; may be repeated
    #[arg(long, value_name = "GATE", allow_hyphen_values = true)]
    pub(crate) gate: Vec<dragline_report::diff::Gate>,
}

/// Filters, rules and resources for reading.
#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) rules: RulesArgs,
    /// Classify all errors by the rules, also errors that the scraper classified itself when it logged them
    #[arg(long, help_heading = "Rules")]
    pub(crate) reclassify: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// Resources for reading.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Number of reading threads [default: one per processor]
    #[arg(long, value_name = "N", help_heading = "Reading", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Read every file, also files unchanged since the last time
    #[arg(long, help_heading = "Reading")]
    pub(crate) no_cache: bool,
    /// Memory limit, such as 2GiB; what does not fit is aggregated, spilled to files or refused, and the
    /// output says so [default: 512MiB, 1GiB for sql and export]
    #[arg(long, value_name = "SIZE", help_heading = "Reading", value_parser = memory)]
    pub(crate) memory: Option<usize>,
}

/// Options of `dragline tail`.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Files, directories or globs (quoted); files may be created later
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    /// Number of existing records to show first: the last ones that match the filters
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    pub(crate) lines: usize,
    /// Show all existing records
    #[arg(long)]
    pub(crate) from_start: bool,
    /// Show existing records and exit
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Only records whose line, as printed, matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,
    /// File that stores the position in each log, to resume from there the next time
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = TailFormat::Text)]
    pub(crate) format: TailFormat,
    /// Memory limit, such as 2GiB [default: 512MiB]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<usize>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Configuration file: text formats, field names, events [default: dragline.toml in the current
    /// directory, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl TailArgs {
    /// Returns the shipped rules with the given configuration.
    pub(crate) fn rules(&self) -> RulesArgs {
        RulesArgs::of_config(self.config.as_ref())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TailFormat {
    /// Human-readable lines
    Text,
    /// Dragline's wire format, for records of any format
    Json,
}

fn bad_news(word: &str) -> Result<String, String> {
    let (word, all) = (word.trim(), dragline_report::bad_news());
    if all.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(format!(
        "unknown verdict or kind of incident {word:?}; use one of: {}",
        all.join(", ")
    ))
}

/// Minimum memory limit, which even a small report needs.
const LEAST_MEMORY: u64 = 128 << 20;

fn memory(text: &str) -> Result<usize, String> {
    let bytes = text
        .parse::<bytesize::ByteSize>()
        .map_err(|_| format!("invalid size {text:?}: use a size such as 512MiB or 2GiB"))?;
    if bytes.as_u64() < LEAST_MEMORY {
        return Err(format!(
            "{text:?} is too small: at least 128MiB is required"
        ));
    }
    usize::try_from(bytes.as_u64())
        .map_err(|_| format!("{text:?} is more than a process can address"))
}
