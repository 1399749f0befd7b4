//! Questions in SQL, over every event and over what was counted.
//!
//! [`ask`] reads the logs, builds the tables that a query names, of them only the columns that it
//! names, and lets polars answer. What does not fit into memory goes through Parquet files beside the
//! cache, which are removed with the answer. [`TABLES`] and [`COUNTED`] are the tables.
//!
//! [`export()`] writes the tables of events as Parquet, by day and scraper, for other engines.

mod answer;
mod builder;
mod describe;
mod dialect;
mod export;
mod finished;
mod logs;
mod spool;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use dragline_classifier::RuleSet;
use dragline_rollup::Finished;
use dragline_scan::{ScanError, ScanOptions, scan_rows};
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

/// Of the memory that a process may take, rows that are held may have one of so many parts.
const HELD: usize = 4;

/// How many queries are being answered.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Whether a query is being answered in this process: a panic then is an answer that cannot be given, which
/// [`ask`] says.
pub fn is_asking() -> bool {
    ASKED.load(Ordering::Relaxed) > 0
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The query names no table.
    #[error("there is no table{0}; there are {1}")]
    NoTable(String, String),
    /// It asks nothing.
    #[error(
        "only questions are answered, which begin with SELECT, WITH, EXPLAIN, SHOW TABLES or DESCRIBE; this begins with {0}"
    )]
    NoQuestion(String),
    /// A part of the query has a table's name.
    #[error("{0} is a table: give what WITH defines another name")]
    Shadowed(&'static str),
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
    /// The engine gave up in the middle of it.
    #[error("the query cannot be answered: the engine stopped with {0:?}")]
    Stopped(String),
    /// Tables cannot be written.
    #[error("cannot write {path}: {source}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: PolarsError,
    },
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
    /// The directory to export to has something in it, or another export is writing it.
    #[error("{0} is not empty; name a new directory")]
    NotEmpty(PathBuf),
}

impl SqlError {
    /// Whether the query is to blame, not the logs or the machine.
    pub fn is_about_the_query(&self) -> bool {
        match self {
            Self::NoTable(..)
            | Self::NoQuestion(_)
            | Self::NoColumn { .. }
            | Self::Shadowed(_)
            | Self::Stopped(_) => true,
            Self::Query(error) => !matches!(error, PolarsError::IO { .. }),
            Self::Parquet { .. } | Self::Scan(_) | Self::Spool { .. } | Self::NotEmpty(_) => false,
        }
    }
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

/// An answer, and what was read for it.
#[derive(Debug)]
pub struct Asked {
    /// The answer.
    pub answer: Answer,
    /// What was counted: it says what could not be read.
    pub finished: Finished,
}

/// A table of events that a query names, by its place in [`TABLES`], with the columns that it names.
type Wanted = (usize, &'static Table, Vec<&'static Column>);

/// Answers a query.
///
/// # Errors
/// When the query is wrong or names no table, or the logs cannot be read.
pub fn ask(question: &Question<'_>, query: &str) -> Result<Asked, SqlError> {
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
    let (spool, finished) = read(question, &wanted)?;
    let mut context = SQLContext::new();
    for (place, table, columns) in &wanted {
        context.register(table.name, spool.table(*place, columns)?);
    }
    for name in counted {
        context.register(
            name,
            finished::table(name, &finished, question.rules)?.lazy(),
        );
    }
    let answer = answer(&mut context, &dialect::translated(query), spool.has_files())?;
    let answer = answer.map_err(|error| explained(error, &wanted))?;
    Ok(Asked {
        answer: Answer::new(answer),
        finished,
    })
}

/// No table is named, or one that is not there.
fn no_table(words: &[String], all: &[&str]) -> SqlError {
    let mut pairs = words.windows(2);
    let named = pairs.find(|pair| matches!(&*pair[0], "from" | "join"));
    let named = named.map_or_else(
        || " in the query".to_owned(),
        |pair| format!(" `{}`", pair[1]),
    );
    SqlError::NoTable(named, all.join(", "))
}

/// Reads the logs once, for the tables of events that are wanted and for what is counted.
fn read(question: &Question<'_>, wanted: &[Wanted]) -> Result<(Spool, Finished), SqlError> {
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
    rows.into_iter().try_for_each(Rows::finish)?;
    let finished = rollup.finish(question.now);
    Ok((spool, finished))
}

/// The address space for the stack of a query, in bytes; what is not used takes no memory.
const QUERY_STACK: usize = 512 << 20;

/// Lets the engine answer. What it cannot do, it sometimes says by a panic.
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
    // The engine walks a query by recursion: a few hundred terms are more than a common stack holds.
    let answered = std::thread::scope(|scope| {
        let asked = std::thread::Builder::new()
            .name("query".into())
            .stack_size(QUERY_STACK)
            .spawn_scoped(scope, || {
                let answer = context.execute(query)?.collect_with_engine(engine)?;
                // A query has one answer; only lazy sinks have several.
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

/// polars knows only the columns that were built; a person wants to know which there are.
fn explained(error: PolarsError, wanted: &[Wanted]) -> SqlError {
    let text = error.to_string();
    let Some((said, _)) = text
        .split_once("; valid columns")
        .filter(|_| !wanted.is_empty())
    else {
        return error.into();
    };
    let of = |(_, table, _): &Wanted| {
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
    let asks_for_all = squeezed.replace("count(*)", "").contains('*')
        || words.iter().any(|word| UNNAMED.contains(&&**word))
        // A quoted name that is a pattern.
        || ["\"^", "`^"].iter().any(|quoted| squeezed.contains(quoted))
        || count_of(words, "from") > count_of(words, "select");
    let is_named = |column: &&'static Column| {
        let is_in_all = asks_for_all && column.name != tables::UNLESS_NAMED;
        is_in_all || words.iter().any(|word| word == column.name)
    };
    let columns: Vec<&'static Column> = table.columns().filter(is_named).collect();
    if columns.is_empty() {
        // A frame has a height only by a column.
        return table.columns().take(1).collect();
    }
    columns
}

/// The table whose name a query gives to a part of its own: the engine would take the table.
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

/// Words of queries that use columns without naming them: `NATURAL JOIN` those that both tables have,
/// `COLUMNS('…')` those that match, `TABLE t` all.
const UNNAMED: [&str; 3] = ["natural", "columns", "table"];

fn count_of(words: &[String], wanted: &str) -> usize {
    words.iter().filter(|word| *word == wanted).count()
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
        // What is built only where it is named is in none of them.
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
