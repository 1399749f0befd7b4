//! Questions in SQL, over every event and over what was counted.
//!
//! [`ask`] reads the logs, builds the tables that a query names, of them only the columns that it
//! names, and lets polars answer. What does not fit into memory goes through Parquet files beside the
//! cache, which are removed with the answer. [`TABLES`] and [`COUNTED`] are the tables.
//!
//! [`export()`] writes the tables of events as Parquet, by day and scraper, for other engines.

mod answer;
mod builder;
mod export;
mod finished;
mod spool;
mod tables;

use std::path::{Path, PathBuf};

use dragline_classifier::RuleSet;
use dragline_scan::{ScanError, ScanOptions, scan_rows};
use dragline_schema::Timestamp;
use polars::prelude::*;
use polars::sql::SQLContext;

pub use answer::Answer;
pub(crate) use answer::shown;
pub use export::{Exported, export};
pub use finished::{COUNTED, has_counters};
pub use tables::{COMMON, Column, Kind, TABLES, Table};

pub use crate::frames::counter_names;

use self::spool::{Rows, Spool};

/// So many bytes of rows are held in memory.
const HELD: usize = 512 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The query names no table.
    #[error("the query names no table; there are {0}")]
    NoTable(String),
    /// It asks nothing.
    #[error(
        "only questions are answered, which begin with SELECT, WITH or EXPLAIN; this begins with {0}"
    )]
    NoQuestion(String),
    /// A column is not there.
    #[error("{error}. {columns}")]
    NoColumn {
        /// What polars says.
        error: String,
        /// The columns that there are.
        columns: String,
    },
    /// The query is wrong, or cannot be answered.
    #[error("the query cannot be answered: {0}")]
    Query(#[from] PolarsError),
    /// The logs cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// There is no room for what does not fit into memory.
    #[error("cannot write {path}: {source}")]
    Spool {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The directory to export to has something in it.
    #[error("{0} is not empty; name a new directory")]
    NotEmpty(PathBuf),
}

/// What is read, and how.
#[derive(Debug, Clone)]
pub struct Question<'q> {
    /// Files, directories, globs.
    pub inputs: &'q [String],
    /// Rules that say what an error is.
    pub rules: &'q RuleSet,
    /// How the logs are read. The filter holds for the tables of events; `runs`, `files` and
    /// `activity_by_bucket` are of everything.
    pub options: &'q ScanOptions,
    /// Where files may be kept that do not fit into memory.
    pub spool: &'q Path,
    /// Now: whether a run without an end is still running.
    pub now: Timestamp,
}

/// Answers a query.
///
/// # Errors
/// When the query is wrong or names no table, or the logs cannot be read.
pub fn ask(question: &Question<'_>, query: &str) -> Result<Answer, SqlError> {
    let words = words_of(query);
    let first = words.first().cloned().unwrap_or_default();
    if !matches!(&*first, "select" | "with" | "explain") {
        return Err(SqlError::NoQuestion(first.to_uppercase()));
    }
    let named = |name: &str| words.iter().any(|word| word == name);
    let wanted: Vec<(usize, &'static Table, Vec<&'static Column>)> = TABLES
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
        return Err(SqlError::NoTable(all.join(", ")));
    }
    let spool = Spool::new(question.spool, HELD)?;
    let mut context = SQLContext::new();
    let make = || Rows::new(&spool, &wanted);
    let Question {
        inputs,
        rules,
        options,
        ..
    } = question;
    let (rollup, rows) = scan_rows(inputs, rules, options, !wanted.is_empty(), make)?;
    rows.into_iter().try_for_each(Rows::finish)?;
    for (place, table, columns) in &wanted {
        context.register(table.name, spool.table(*place, columns)?);
    }
    let finished = rollup.finish(question.now);
    for name in counted {
        context.register(name, finished::table(name, &finished)?.lazy());
    }
    let engine = if spool.has_files() {
        Engine::Streaming
    } else {
        Engine::InMemory
    };
    let answer = context.execute(query);
    let answer = answer.and_then(|answer| answer.collect_with_engine(engine));
    let answer = answer.map_err(|error| explained(error, &wanted))?;
    // A query has one answer; only lazy sinks have several.
    Ok(Answer::new(answer.unwrap_single()))
}

/// polars knows only the columns that were built; a person wants to know which there are.
fn explained(
    error: PolarsError,
    wanted: &[(usize, &'static Table, Vec<&'static Column>)],
) -> SqlError {
    let text = error.to_string();
    let Some((said, _)) = text
        .split_once("; valid columns")
        .filter(|_| !wanted.is_empty())
    else {
        return error.into();
    };
    let of = |(_, table, _): &(usize, &'static Table, Vec<&'static Column>)| {
        let names: Vec<&str> = table.columns().map(|column| column.name).collect();
        format!("{} has {}", table.name, names.join(", "))
    };
    let columns: Vec<String> = wanted.iter().map(of).collect();
    SqlError::NoColumn {
        error: said.to_owned(),
        columns: columns.join("; "),
    }
}

/// The columns that a query names of a table, or all when it asks for all.
fn columns_of(table: &'static Table, query: &str, words: &[String]) -> Vec<&'static Column> {
    // `count(*)` asks for no column.
    let squeezed: String = query.to_ascii_lowercase().split_whitespace().collect();
    let asks_for_all = squeezed.replace("count(*)", "").contains('*');
    let is_named =
        |column: &&'static Column| asks_for_all || words.iter().any(|word| word == column.name);
    let columns: Vec<&'static Column> = table.columns().filter(is_named).collect();
    if columns.is_empty() {
        // A frame has a height only by a column.
        return table.columns().take(1).collect();
    }
    columns
}

/// The query's words, in small letters.
fn words_of(query: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let words = query.split(|c| !is_part(c)).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(names("select * from requests").len(), 18);
        assert_eq!(
            names("select avg(r.response_time_ms) from requests r where r.failed"),
            ["failed", "response_time_ms"]
        );
    }
}
