//! Rules and configuration: which are used, and the commands that show and check them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{OutputArgs, ReadArgs};

/// Classification rules.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Rules")]
pub(crate) struct RulesArgs {
    /// Rule file (TOML) to add to the shipped rules: its rules win at equal priority and replace rules with
    /// the same id; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Vec<PathBuf>,
    /// Use only the rules of the files, not the shipped rules
    #[arg(long)]
    pub(crate) no_shipped_rules: bool,
    /// Configuration file: site priorities, rule files, severity settings [default: dragline.toml in the
    /// current directory, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl RulesArgs {
    pub(crate) fn of_config(config: Option<&PathBuf>) -> Self {
        Self {
            rules: Vec::new(),
            no_shipped_rules: false,
            config: config.cloned(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// List all rules with category, severity and priority
    #[command(after_help = "Examples:
  dragline rules list
  dragline rules list --rules mine.toml --format json | jq -r '.[].id'")]
    List {
        #[command(flatten)]
        rules: RulesArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Explain how an error is classified: the rule, the matched text, and alternatives
    #[command(after_help = "Examples:
  dragline rules explain 'httpx.ConnectTimeout: timed out'
  dragline rules explain 'the page says no' --status 403")]
    Explain {
        /// The error: `Type: message`, or only a message
        #[arg(value_name = "TEXT")]
        text: String,
        /// HTTP status of the response
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(100..1000))]
        status: Option<u16>,
        #[command(flatten)]
        rules: RulesArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Propose rules for unclassified errors, as TOML for a rule file
    #[command(
        long_about = "Propose rules for unclassified errors.\n\nThe messages of unclassified errors are grouped into \
templates. Each template is printed as a rule, with the number of errors it matches, samples as its tests, and the \
test texts of other rules that it would also match. The category is guessed from the words of the other rules' tests: \
check it before you use the rule.",
        after_help = "Examples:
  dragline rules suggest logs/ >> mine.toml
  dragline rules suggest logs/ --limit 3 --format json | jq '.[].pattern'
  dragline rules check mine.toml"
    )]
    Suggest {
        #[command(flatten)]
        read: Box<ReadArgs>,
        /// Maximum number of proposals
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: usize,
    },
    /// Check rule files: keys, patterns, unreachable rules, and the rules' own tests
    #[command(after_help = "Examples:
  dragline rules check mine.toml

Exit codes: 0 no problems, 1 problems found.")]
    Check {
        /// Rule files (TOML)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Check the files without the shipped rules
        #[arg(long)]
        no_shipped_rules: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MapCommand {
    /// Print [[map.events]] entries for messages in which no request, item or error was recognised
    #[command(
        long_about = "Print [[map.events]] entries for messages in which no request, item or error was recognised.\n\n\
Messages that differ only in URLs, numbers and values are one entry, the most frequent first, with the number of lines \
and a sample. What they mean cannot be known from the messages: replace `is = \"log\"` by request, item, item_failed or \
error where they should count, and remove the entries that should not.",
        after_help = "Examples:
  dragline map suggest logs/ >> dragline.toml
  dragline map suggest logs/ --limit 3 --format json | jq -r '.[].message'"
    )]
    Suggest {
        #[command(flatten)]
        read: Box<ReadArgs>,
        /// Maximum number of entries
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: usize,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a configuration file that lists every setting, commented out
    #[command(after_help = "Examples:
  dragline config init
  dragline config init --env")]
    Init {
        /// File to create; an existing file is not overwritten [default: dragline.toml, with --env
        /// dragline.env]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Write the recorder's settings as environment variables instead
        #[arg(long)]
        env: bool,
    },
    /// Show every setting in effect, and whether it comes from the environment, the file or the default
    #[command(after_help = "Examples:
  dragline config show
  dragline config show --format json | jq '.[] | select(.from != \"default\")'")]
    Show {
        /// Configuration file [default: dragline.toml in the current directory, if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Check a configuration file: keys, values, patterns, names
    #[command(after_help = "Examples:
  dragline config check
  dragline config check production.toml

Exit codes: 0 no problems, 2 problems found.")]
    Check {
        /// Configuration files [default: dragline.toml]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}
