//! `dragline sql` and `dragline export`: logs as tables.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::sync::{Arc, Once};

use anyhow::Context as _;
use dragline_analytics::sql::{self, Answer, Cells, Question};
use dragline_report::render;

use super::read::{QUERYING, scan_options};
use crate::args::{ExportArgs, InputArgs, SqlArgs, SqlFormat, WrongUsage};
use crate::output;
use crate::output::tell;
use crate::progress::watched;
use crate::session::Session;

/// `dragline sql`
pub(crate) fn sql(args: &SqlArgs) -> anyhow::Result<()> {
    if args.safe_cells && args.format() != SqlFormat::Csv {
        return Err(WrongUsage::new("--safe-cells requires --format csv").into());
    }
    let is_binary = args.format() == SqlFormat::Parquet;
    if is_binary && args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(WrongUsage::new("cannot print Parquet to a terminal; use --output").into());
    }
    if let Some(answer) = sql::describe(&args.query) {
        return write_answer(&answer?, args);
    }
    if args.logs.is_empty() {
        let sentence = "no logs to query: name files, directories or globs after the query";
        return Err(WrongUsage::new(sentence).into());
    }
    let session = Session::open(&args.input.rules)?;
    let sql::Asked {
        answer,
        finished,
        notes,
    } = with_question(&session, &args.logs, &args.input, |question| {
        sql::ask(question, &args.query)
    })?;
    super::read::check_read(&finished)?;
    super::read::check_filter(&session, &finished, &args.input.filter)?;
    output::check_target(args.output.as_deref(), &args.input.rules, &finished)?;
    write_answer(&answer, args)?;
    notes.iter().for_each(|note| tell(note));
    Ok(())
}

fn write_answer(answer: &Answer, args: &SqlArgs) -> anyhow::Result<()> {
    match &args.output {
        Some(path) => dragline_files::replace(path, |out| write(answer, args, out))
            .with_context(|| format!("cannot write {}", path.display())),
        None => write(answer, args, BufWriter::new(std::io::stdout().lock())),
    }
}

fn write(answer: &Answer, args: &SqlArgs, mut out: impl Write) -> anyhow::Result<()> {
    match args.format() {
        SqlFormat::Table => {
            let mut terminal = output::terminal(args.output.is_none());
            // A program that reads the table wants all of it.
            if args.output.is_some() || !std::io::stdout().is_terminal() {
                terminal.width = usize::MAX;
            }
            let text = render::text(&render::answer(answer, args.limit), &terminal);
            out.write_all(text.as_bytes())?;
        }
        SqlFormat::Csv => {
            let cells = if args.safe_cells {
                Cells::Safe
            } else {
                Cells::Plain
            };
            let is_shown = args.output.is_none() && std::io::stdout().is_terminal();
            if is_shown {
                let mut text = Vec::new();
                answer.write_csv(&mut text, cells)?;
                let text = String::from_utf8_lossy(&text);
                for line in text.lines() {
                    writeln!(out, "{}", render::clean(line))?;
                }
            } else {
                answer.write_csv(&mut out, cells)?;
            }
        }
        SqlFormat::Json => {
            let mut lines = Vec::new();
            answer.write_json(&mut lines)?;
            out.write_all(render::clean_json(&String::from_utf8_lossy(&lines)).as_bytes())?;
        }
        SqlFormat::Parquet => answer.write_parquet(&mut out)?,
    }
    Ok(out.flush()?)
}

/// `dragline export`
pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.input.rules)?;
    let (exported, finished) = with_question(&session, &args.logs, &args.input, |question| {
        sql::export(question, &args.output)
    })?;
    let Some(exported) = exported else {
        return super::read::check_read(&finished);
    };
    super::read::check_filter(&session, &finished, &args.input.filter)?;
    let rows: Vec<String> = exported
        .rows
        .iter()
        .map(|(table, rows)| format!("{rows} {table}"))
        .collect();
    let added = if exported.is_extended {
        "added"
    } else {
        "written"
    };
    tell(&format!(
        "{added} {} files in {}: {}",
        exported.files,
        args.output.display(),
        rows.join(", ")
    ));
    exported.notes.iter().for_each(|note| tell(note));
    super::read::check_read(&finished)
}

pub(super) fn with_question<T>(
    session: &Session,
    logs: &[String],
    args: &InputArgs,
    work: impl FnOnce(&Question<'_>) -> Result<T, sql::SqlError>,
) -> anyhow::Result<T> {
    let options = scan_options(session, args, QUERYING)?;
    let watch = Arc::clone(&options.read.watch);
    // Directory for temporary files that do not fit into memory: the cache, unless it cannot be written.
    let kept = options.cache.as_ref().filter(|cache| cache.claim().is_ok());
    let kept = kept.map(|cache| cache.dir().to_owned());
    let question = Question {
        inputs: logs,
        rules: &session.rules,
        options: &options,
        spool: &kept.unwrap_or_else(std::env::temp_dir),
        now: session.now,
    };
    quiet_panics();
    let memory = options.read.memory.total();
    Ok(watched(&watch, memory, || work(&question))??)
}

/// If the query engine panics, an error message is shown instead of the panic's message.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !sql::is_asking() {
                usual(panic);
            }
        }));
    });
}
