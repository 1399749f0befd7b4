//! `dragline sql` and `dragline export`: the logs as tables.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use dragline_analytics::render;
use dragline_analytics::sql::{self, Answer, Question};

use super::read::{scan_options, tell};
use crate::args::{ExportArgs, InputArgs, SqlArgs, SqlFormat};
use crate::progress::watched;
use crate::{output, times};

/// `dragline sql`
pub(crate) fn sql(args: &SqlArgs) -> anyhow::Result<()> {
    let is_binary = args.format == SqlFormat::Parquet;
    if is_binary && args.output.is_none() && std::io::stdout().is_terminal() {
        bail!("Parquet is nothing for a terminal: name a file with --output");
    }
    let answer = with_question(&args.logs, &args.input, |question| {
        sql::ask(question, &args.query)
    })?;
    match &args.output {
        Some(path) => {
            let named = || format!("cannot write {}", path.display());
            let mut temporary = path.as_os_str().to_owned();
            temporary.push(".tmp");
            let file = File::create(&temporary).with_context(named)?;
            write(&answer, args, BufWriter::new(file)).with_context(named)?;
            std::fs::rename(&temporary, path).with_context(named)
        }
        None => write(&answer, args, BufWriter::new(std::io::stdout().lock())),
    }
}

fn write(answer: &Answer, args: &SqlArgs, mut out: impl Write) -> anyhow::Result<()> {
    match args.format {
        SqlFormat::Table => {
            let terminal = output::terminal(args.output.is_none());
            let text = render::text(&render::answer(answer, args.limit), &terminal);
            out.write_all(text.as_bytes())?;
        }
        SqlFormat::Csv => answer.write_csv(&mut out)?,
        SqlFormat::Json => answer.write_json(&mut out)?,
        SqlFormat::Parquet => answer.write_parquet(&mut out)?,
    }
    Ok(out.flush()?)
}

/// `dragline export`
pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let exported = with_question(&args.logs, &args.input, |question| {
        sql::export(question, &args.output)
    })?;
    let rows: Vec<String> = exported
        .rows
        .iter()
        .map(|(table, rows)| format!("{rows} {table}"))
        .collect();
    tell(&format!(
        "{} files in {}: {}",
        exported.files,
        args.output.display(),
        rows.join(", ")
    ));
    Ok(())
}

pub(super) fn with_question<T>(
    logs: &[String],
    args: &InputArgs,
    work: impl FnOnce(&Question<'_>) -> Result<T, sql::SqlError>,
) -> anyhow::Result<T> {
    let now = times::now()?;
    let rules = super::rules::compiled(&args.rules)?;
    let options = scan_options(args, now)?;
    let watch = Arc::clone(&options.read.watch);
    // Where there is room for what does not fit into memory.
    let kept = options.cache.as_ref().map(|cache| cache.dir().to_owned());
    let question = Question {
        inputs: logs,
        rules: &rules,
        options: &options,
        spool: &kept.unwrap_or_else(std::env::temp_dir),
        now,
    };
    Ok(watched(&watch, || work(&question))?)
}
