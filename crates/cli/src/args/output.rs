//! Where a result goes, and in which format.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::query::ending;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Output format [default: by the extension of --output (.html, .md, .json), else text]
    #[arg(long = "format", value_enum, value_name = "FORMAT")]
    named_format: Option<Format>,
    /// Output file [default: standard output]
    #[arg(long, short, value_name = "FILE", value_parser = output_file)]
    pub(crate) output: Option<PathBuf>,
}

/// A file to write to. `-` would become a file of this name.
pub(super) fn output_file(text: &str) -> Result<PathBuf, String> {
    if text == "-" {
        return Err("standard output is the default: leave --output out".to_owned());
    }
    Ok(PathBuf::from(text))
}

impl OutputArgs {
    /// Returns the format given, or the one that the extension of the output implies.
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
    /// Text for the terminal
    Text,
    /// Markdown for tickets and emails
    Markdown,
    /// One self-contained page with charts
    Html,
    /// JSON with the schema dragline.report/1 (docs/report.schema.json)
    Json,
}
