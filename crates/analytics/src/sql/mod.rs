//! SQL queries over all events and over the counters.
//!
//! [`ask`] reads the logs, builds only the tables and columns that the query names, and runs the query in
//! polars. Rows that do not fit into memory are written to temporary Parquet files next to the cache, which
//! are removed with the answer. [`TABLES`] and [`COUNTED`] list the tables.
//!
//! [`check`] checks a query without any logs.
//!
//! [`export()`] writes the event tables as Parquet, partitioned by day and scraper, for other engines.

mod answer;
mod builder;
mod describe;
mod dialect;
mod earlier;
mod export;
mod finished;
mod logs;
mod notes;
mod spool;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use dragline_classifier::RuleSet;
use dragline_rollup::Finished;
use dragline_scan::{Filter, ScanError, ScanOptions, scan_rows};
use dragline_schema::Timestamp;
use polars::prelude::*;
use polars::sql::SQLContext;

pub use answer::{Answer, Cells, shown};
pub use describe::describe;
pub use export::{Exported, export};
pub use finished::{COUNTED, has_counters};
pub use logs::Logs;
pub use tables::{COMMON, Column, Kind, TABLES, Table};

pub use crate::frames::counter_names;

use self::spool::{Rows, Spool};

/// Rows may use 1/`HELD` of the process's memory limit.
const HELD: usize = 4;

/// Number of queries currently running.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Whether a query is currently running in this process. If so, a panic may come from the query engine; [`ask`]
/// reports it as an error.
pub fn is_asking() -> bool {
    ASKED.load(Ordering::Relaxed) > 0
}

/// Why a query or an export failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The query names no table, or an unknown one.
    #[error("there is no table{0}; available tables: {1}")]
    NoTable(String, String),
    /// It is not a SELECT query.
    #[error(
        "only SELECT queries are supported: a query must begin with SELECT, WITH, EXPLAIN, SHOW TABLES or DESCRIBE, not with {0}"
    )]
    NoQuestion(String),
    /// A WITH part of the query has the name of a table.
    #[error("{0} is a table: use another name in WITH")]
    Shadowed(&'static str),
    /// The query names an unknown column.
    #[error("{error}. {columns}")]
    NoColumn {
        /// The error message of polars.
        error: String,
        /// The available columns.
        columns: String,
    },
    /// The query is invalid, or polars cannot run it.
    #[error("cannot run the query: {0}")]
    Query(#[from] PolarsError),
    /// The engine panicked while it ran the query.
    #[error("cannot run the query: the engine stopped with {0:?}")]
    Stopped(String),
    /// A table cannot be written as Parquet.
    #[error("cannot write {path}: {source}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: PolarsError,
    },
    /// The logs cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A file or directory cannot be written, e.g. for rows that do not fit into memory.
    #[error("cannot write {path}: {source}")]
    Spool {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The directory contains something else than an export.
    #[error(
        "{dir} is not an export: it contains {other}; name a new directory, or one with an earlier export"
    )]
    NoExport {
        /// The directory.
        dir: PathBuf,
        /// What it contains.
        other: String,
    },
    /// Another export is writing to the directory.
    #[error("another export is writing to {0}; if none is running, remove {name} from it", name = export::CLAIM)]
    Busy(PathBuf),
    /// The earlier export has other columns.
    #[error("{path} cannot be extended: {difference}; name a new directory")]
    OtherColumns {
        /// A file of the earlier export.
        path: PathBuf,
        /// A difference.
        difference: String,
    },
    /// The earlier export contains logs that would be exported again.
    #[error(
        "{dir} already contains {files} of these logs ({first}), whose rows would be there twice; name only new \
         logs, use a filter such as --since, or name a new directory"
    )]
    Exported {
        /// The directory.
        dir: PathBuf,
        /// The number of logs that it already contains.
        files: usize,
        /// One of them.
        first: String,
    },
}

impl SqlError {
    /// Whether the query caused the error, not the logs or the machine.
    pub fn is_about_the_query(&self) -> bool {
        match self {
            Self::NoTable(..)
            | Self::NoQuestion(_)
            | Self::NoColumn { .. }
            | Self::Shadowed(_)
            | Self::Stopped(_) => true,
            Self::Query(error) => !matches!(error, PolarsError::IO { .. }),
            Self::Parquet { .. }
            | Self::Scan(_)
            | Self::Spool { .. }
            | Self::NoExport { .. }
            | Self::Busy(_)
            | Self::OtherColumns { .. }
            | Self::Exported { .. } => false,
        }
    }
}

/// What to read, and how.
#[derive(Debug, Clone)]
pub struct Question<'q> {
    /// Files, directories and globs.
    pub inputs: &'q [String],
    /// The rules that classify errors.
    pub rules: &'q RuleSet,
    /// How the logs are read. The filter's times and level apply only to the event tables, its scraper, site and run
    /// to all tables except `files`; see [`Asked::notes`].
    pub options: &'q ScanOptions,
    /// The directory for rows that do not fit into memory.
    pub spool: &'q Path,
    /// The current time. It decides whether a run without an end is still running.
    pub now: Timestamp,
}

/// An answer, and the rollup of the logs that were read for it.
#[derive(Debug)]
pub struct Asked {
    /// The answer.
    pub answer: Answer,
    /// The counters; they also contain what could not be read.
    pub finished: Finished,
    /// What the answer does not show by itself, as sentences: numbers that the logs contain only as totals, and
    /// filters that do not apply to a table.
    pub notes: Vec<String>,
}

/// An event table that a query names: its index in [`TABLES`], the table, and the columns that the query names.
type Wanted = (usize, &'static Table, Vec<&'static Column>);

/// The tables that a query names.
struct Plan {
    /// The tables of events.
    wanted: Vec<Wanted>,
    /// The tables of counters.
    counted: Vec<&'static str>,
}

impl Plan {
    fn of(query: &str) -> Result<Self, SqlError> {
        let words = words_of(query);
        let first = words.first().cloned().unwrap_or_default();
        if !matches!(&*first, "select" | "with" | "explain") {
            return Err(SqlError::NoQuestion(first.to_uppercase()));
        }
        let named = |name: &str| words.iter().any(|word| word == name);
        let wanted: Vec<Wanted> = TABLES
            .iter()
            .enumerate()
            .filter(|(_, table)| named(table.name))
            .map(|(place, table)| (place, table, columns_of(table, query, &words)))
            .collect();
        let counted: Vec<&str> = COUNTED
            .iter()
            .map(|(name, ..)| *name)
            .filter(|name| named(name))
            .collect();
        if wanted.is_empty() && counted.is_empty() {
            let all = TABLES.iter().map(|table| table.name);
            let all: Vec<&str> = all.chain(COUNTED.iter().map(|(name, ..)| *name)).collect();
            return Err(no_table(&words, &all));
        }
        if let Some(table) = shadowed(&words) {
            return Err(SqlError::Shadowed(table));
        }
        Ok(Self { wanted, counted })
    }

    /// Runs the query on the tables.
    fn answer(
        &self,
        query: &str,
        spool: &Spool,
        finished: &Finished,
        (rules, filter): (&RuleSet, &Filter),
    ) -> Result<DataFrame, SqlError> {
        let mut context = SQLContext::new();
        for (place, table, columns) in &self.wanted {
            context.register(table.name, spool.table(*place, columns)?);
        }
        for name in &self.counted {
            let frame = finished::table(name, finished, rules, filter)?;
            context.register(name, frame.lazy());
        }
        let answer = answer(&mut context, &dialect::translated(query), spool.has_files())?;
        answer.map_err(|error| explained(error, self))
    }
}

/// Runs a query.
///
/// # Errors
/// If the query is invalid or names no known table, or if the logs cannot be read.
pub fn ask(question: &Question<'_>, query: &str) -> Result<Asked, SqlError> {
    let plan = Plan::of(query)?;
    let (spool, finished, rows) = read(question, &plan.wanted)?;
    let filter = &question.options.filter;
    let answer = plan.answer(query, &spool, &finished, (question.rules, filter))?;
    // A column may have the name of a table: `SELECT requests FROM runs`.
    let words = words_of(query);
    let is_read = |table: &str| {
        let mut pairs = words.windows(2);
        pairs.any(|pair| matches!(&*pair[0], "from" | "join" | "table") && pair[1] == table)
    };
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|(table, _)| is_read(table))
        .collect();
    let counted = plan.counted.iter().copied();
    let mut notes = notes::totals(&rows, &finished, filter);
    notes.extend(notes::filters(
        counted.filter(|table| is_read(table)),
        filter,
    ));
    Ok(Asked {
        answer: Answer::new(answer),
        finished,
        notes,
    })
}

/// Checks a query without any logs: its syntax, and whether its tables and columns exist. Returns the names of the
/// result's columns.
///
/// # Errors
/// If the query is invalid.
pub fn check(query: &str) -> Result<Vec<String>, SqlError> {
    let plan = Plan::of(query)?;
    let spool = Spool::new(&std::env::temp_dir(), usize::MAX, 1);
    let finished = dragline_rollup::Rollup::default().finish(Timestamp::from_seconds(0));
    let with = (&RuleSet::shipped(), &Filter::default());
    let answer = plan.answer(query, &spool, &finished, with)?;
    Ok(Answer::new(answer).columns())
}

/// The error for a query that names no table, or an unknown one.
fn no_table(words: &[String], all: &[&str]) -> SqlError {
    let mut pairs = words.windows(2);
    let named = pairs.find(|pair| matches!(&*pair[0], "from" | "join"));
    let named = named.map_or_else(
        || " in the query".to_owned(),
        |pair| format!(" `{}`", pair[1]),
    );
    SqlError::NoTable(named, all.join(", "))
}

/// The rows, the counters, and the number of rows of each table.
type Read = (Spool, Finished, Vec<(&'static str, u64)>);

/// Reads the logs once, for the wanted event tables and for the counters.
fn read(question: &Question<'_>, wanted: &[Wanted]) -> Result<Read, SqlError> {
    let options = question.options;
    let spool = Spool::new(
        question.spool,
        options.read.memory.total() / HELD,
        options.jobs,
    );
    let make = || Rows::new(&spool, wanted);
    let (rollup, rows) = scan_rows(
        question.inputs,
        question.rules,
        options,
        !wanted.is_empty(),
        make,
    )?;
    let mut counts: Vec<(&str, u64)> = wanted.iter().map(|(_, table, _)| (table.name, 0)).collect();
    for part in rows {
        for ((_, sum), more) in counts.iter_mut().zip(part.finish()?) {
            *sum += more;
        }
    }
    let finished = rollup.finish(question.now);
    Ok((spool, finished, counts))
}

/// The stack size of the query thread, in bytes. Unused address space takes no memory.
const QUERY_STACK: usize = 512 << 20;

/// Runs the query in the engine. The engine sometimes panics on queries that it does not support.
fn answer(
    context: &mut SQLContext,
    query: &str,
    is_streamed: bool,
) -> Result<PolarsResult<DataFrame>, SqlError> {
    let engine = if is_streamed {
        Engine::Streaming
    } else {
        Engine::InMemory
    };
    ASKED.fetch_add(1, Ordering::Relaxed);
    // The engine recurses over the query: a few hundred terms overflow a default stack.
    let answered = std::thread::scope(|scope| {
        let asked = std::thread::Builder::new()
            .name("query".into())
            .stack_size(QUERY_STACK)
            .spawn_scoped(scope, || {
                let answer = context.execute(query)?.collect_with_engine(engine)?;
                // A query has one result; only lazy sinks have several.
                Ok(answer.unwrap_single())
            });
        match asked {
            Ok(asked) => asked.join(),
            Err(error) => Ok(Err(error.into())),
        }
    });
    ASKED.fetch_sub(1, Ordering::Relaxed);
    answered.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        SqlError::Stopped(text.unwrap_or_default())
    })
}

/// Replaces the list of valid columns in a polars error. polars knows only the columns that were built, but users need
/// the list of all columns.
fn explained(error: PolarsError, plan: &Plan) -> SqlError {
    let text = error.to_string();
    let Some((said, _)) = text.split_once("; valid columns") else {
        return error.into();
    };
    let of = |name: &str, columns: Vec<&str>| format!("{name} has {}", columns.join(", "));
    let wanted = plan.wanted.iter().map(|(_, table, _)| {
        of(
            table.name,
            table.columns().map(|column| column.name).collect(),
        )
    });
    let is_named = |(name, ..): &&(&str, _, _)| plan.counted.contains(name);
    let counted = COUNTED.iter().filter(is_named).map(|(name, _, own)| {
        let counters = counter_names().filter(|_| has_counters(name));
        of(
            name,
            own.iter().map(|(name, ..)| *name).chain(counters).collect(),
        )
    });
    let columns: Vec<String> = wanted.chain(counted).collect();
    SqlError::NoColumn {
        error: said.to_owned(),
        columns: columns.join("; "),
    }
}

/// The columns of a table that a query names, or all if it selects all.
fn columns_of(table: &'static Table, query: &str, words: &[String]) -> Vec<&'static Column> {
    // `count(*)` needs no column.
    let squeezed: String = query.to_ascii_lowercase().split_whitespace().collect();
    let asks_for_all = squeezed.replace("count(*)", "").contains('*')
        || words.iter().any(|word| UNNAMED.contains(&&**word))
        // A quoted name that is a regular expression.
        || ["\"^", "`^"].iter().any(|quoted| squeezed.contains(quoted))
        || count_of(words, "from") > count_of(words, "select");
    let is_named = |column: &&'static Column| {
        let is_in_all = asks_for_all && column.name != tables::UNLESS_NAMED;
        is_in_all || words.iter().any(|word| word == column.name)
    };
    let columns: Vec<&'static Column> = table.columns().filter(is_named).collect();
    if columns.is_empty() {
        // A frame needs a column to have a height.
        return table.columns().take(1).collect();
    }
    columns
}

/// The table whose name the query also defines in WITH; the engine would use the table instead.
fn shadowed(words: &[String]) -> Option<&'static str> {
    let is_with = words.first().is_some_and(|first| first == "with");
    let names = TABLES.iter().map(|table| table.name);
    let mut names = names.chain(COUNTED.iter().map(|(name, ..)| *name));
    let is_defined = |name: &&str| {
        let mut pairs = words.windows(3);
        pairs.any(|three| {
            three[0] == *name
                && three[1] == "as"
                && matches!(&*three[2], "select" | "with" | "from")
        })
    };
    names.find(|name| is_with && is_defined(name))
}

/// Keywords that use columns without naming them: `NATURAL JOIN` uses the common columns of both tables,
/// `COLUMNS('…')` the matching columns, and `TABLE t` all columns.
const UNNAMED: [&str; 3] = ["natural", "columns", "table"];

fn count_of(words: &[String], wanted: &str) -> usize {
    words.iter().filter(|word| *word == wanted).count()
}

/// The query's words, in lower case.
fn words_of(query: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let words = query.split(|c| !is_part(c)).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_query_that_has_a_tables_name_is_found() {
        let found = |query: &str| shadowed(&words_of(query));
        let query = "WITH requests AS (SELECT * FROM requests) SELECT 1 FROM requests";
        assert_eq!(found(query), Some("requests"));
        assert_eq!(
            found("WITH r AS (SELECT * FROM requests) SELECT 1 FROM r"),
            None
        );
        assert_eq!(found("SELECT requests AS a FROM runs"), None);
    }

    #[test]
    fn only_the_columns_that_are_named() {
        let requests = TABLES
            .iter()
            .find(|table| table.name == "requests")
            .unwrap();
        let names = |query: &str| -> Vec<&str> {
            let columns = columns_of(requests, query, &words_of(query));
            columns.iter().map(|column| column.name).collect()
        };
        assert_eq!(
            names("SELECT Site, count(*) FROM requests GROUP BY site"),
            ["site"]
        );
        assert_eq!(names("select count ( * ) from requests"), ["at"]);
        // A column that is built only when named is not part of `*`.
        let all = requests.columns().count() - 1;
        for query in [
            "select * from requests",
            "select count(*) from requests natural join errors",
            "select COLUMNS('^s') from requests",
            "select count(*) from (from requests)",
            "select count(*) from (table requests)",
            "select r.* from requests r",
            "select \"^s.*$\" from requests",
        ] {
            assert_eq!(names(query).len(), all, "{query}");
        }
        assert_eq!(
            names("select avg(r.response_time_ms) from requests r where r.failed"),
            ["failed", "response_time_ms"]
        );
        assert_eq!(names("select url, fields from requests"), ["fields", "url"]);
        assert_eq!(names("select *, fields from requests").len(), all + 1);
    }
}
