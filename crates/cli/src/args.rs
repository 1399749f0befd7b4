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
  dragline report logs/ --since 7d --format markdown --output report.md
  dragline report 'logs/shop.*.jsonl.gz' --scraper shop --format json | jq .totals")]
    Report(ReadArgs),
    /// Show the errors: by category, severity and type, and in groups with a sample each
    #[command(after_help = "Examples:
  dragline errors logs/
  dragline errors logs/ --since yesterday --limit 50
  dragline errors logs/ --format json | jq '.groups[0]'")]
    Errors(ErrorsArgs),
    /// Show every run with its verdict and its last sign of life
    #[command(after_help = "Examples:
  dragline runs logs/
  dragline runs logs/ --scraper shop --format json | jq '.[] | select(.verdict == \"killed\")'")]
    Runs(ReadArgs),
    /// Let a simulated fleet write logs through the recorder, and report on them
    #[command(after_help = "Examples:
  dragline demo
  dragline demo /tmp/demo --days 30 --seed 5")]
    Demo(DemoArgs),
}

/// What to read, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Files, directories or globs (quoted); plain, .gz or .zst
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Rule files (TOML) instead of the shipped rules; may be given more than once
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub(crate) rules: Vec<PathBuf>,
    /// How many threads read [default: one for each processor]
    #[arg(long, value_name = "N", help_heading = "Reading", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct ErrorsArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// How many groups are shown (JSON has them all)
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// From this time on: RFC 3339, a date, `7d`, `36h`, `yesterday`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
    /// Of this scraper only
    #[arg(long, value_name = "ID")]
    pub(crate) scraper: Option<String>,
    /// Of this site only
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
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Where it is written [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For the terminal
    Text,
    /// For tickets and mails
    Markdown,
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

/// Something that was typed wrongly, found out after clap had read it.
#[derive(Debug)]
pub(crate) struct WrongUsage(String);

impl std::fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongUsage {}

impl FilterArgs {
    /// The filter that was meant, at that time.
    pub(crate) fn resolve(&self, now: Timestamp) -> Result<dragline_scan::Filter, WrongUsage> {
        let time = |text: &Option<String>| {
            let parse = |text: &String| {
                times::parse(text, now, &self.tz).map_err(|error| WrongUsage(error.to_string()))
            };
            text.as_ref().map(parse).transpose()
        };
        let filter = dragline_scan::Filter {
            since: time(&self.since)?,
            until: time(&self.until)?,
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

fn level(word: &str) -> Result<Level, String> {
    Level::from_word(word)
        .ok_or_else(|| format!("{word:?} is no level such as debug, info, warn or error"))
}
