//! The arguments of `sql` and `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::InputArgs;

/// Options of `dragline sql`.
#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// SQL query
    #[arg(value_name = "QUERY")]
    pub(crate) query: String,
    /// Files, directories or globs (quoted); plain, .gz or .zst; `-` is standard input
    #[arg(value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Output format [default: by the extension of --output (.csv, .json, .parquet), else table]
    #[arg(
        long = "format",
        value_enum,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    named_format: Option<SqlFormat>,
    /// Output file [default: standard output]
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub(crate) output: Option<PathBuf>,
    /// Maximum number of rows in a table
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Output")]
    pub(crate) limit: usize,
    /// With --format csv: prefix cells that a spreadsheet would evaluate as a formula with an apostrophe
    #[arg(long, help_heading = "Output")]
    pub(crate) safe_cells: bool,
}

impl SqlArgs {
    /// Returns the format given, or the one that the extension of the output implies.
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

/// Returns the extension of a file name in lower case.
pub(super) fn ending(path: Option<&PathBuf>) -> Option<String> {
    let end = path?.extension()?.to_str()?;
    Some(end.to_ascii_lowercase())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SqlFormat {
    /// Text for the terminal
    Table,
    /// Comma-separated values with a header row
    Csv,
    /// JSON Lines: one object per row
    Json,
    /// Apache Parquet
    Parquet,
}

/// Options of `dragline export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Files, directories or globs (quoted); plain, .gz or .zst; `-` is standard input
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<String>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Directory to write to: new, empty, or with an earlier export, to which the rows are added
    #[arg(long, short, value_name = "DIR", help_heading = "Output")]
    pub(crate) output: PathBuf,
}

/// Returns the help text with the SQL tables and their columns.
pub(super) fn tables() -> String {
    use dragline_analytics::sql::{COMMON, COUNTED, TABLES, counter_names, has_counters};
    let names = |names: Vec<&str>| names.join(", ");
    let common = names(COMMON.iter().map(|column| column.name).collect());
    let mut text = format!(
        "Query the logs in SQL.\n\nThe SQL dialect is that of polars; docs/sql.md describes the columns. Tables \
         of events, which all have {common}:\n"
    );
    for table in TABLES.iter() {
        let own = names(table.own.iter().map(|column| column.name).collect());
        text += &format!("\n{}: {own}", table.name);
    }
    let counters = names(counter_names().collect());
    text += "\n\nAggregated tables:\n";
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
