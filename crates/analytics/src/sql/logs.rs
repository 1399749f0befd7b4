//! Logs as lazy frames, for use with polars.

use std::path::Path;
use std::sync::Mutex;

use dragline_classifier::RuleSet;
use dragline_files::TemporaryDir;
use dragline_scan::ScanOptions;
use dragline_schema::Timestamp;
use polars::prelude::*;

use super::spool::Spool;
use super::tables::{Column, TABLES, Table};
use super::{COUNTED, Question, SqlError, finished, read};

/// Log files whose tables are available as lazy frames.
///
/// Every call reads the logs once and builds only the requested data: events that [`ScanOptions::filter`] excludes (by
/// time, scraper, site, run or level) and unwanted columns are skipped while reading. Rows that do not fit into the
/// memory of [`ScanOptions::read`] are written to temporary files, which are removed when this value is dropped.
///
/// ```
/// use dragline_analytics::Logs;
/// use polars::prelude::*;
///
/// # let dir = tempfile::tempdir()?;
/// # let line = |status| format!("{{\"level\":\"info\",\"time\":1772623353,\"msg\":\"fetched\",\"url\":\"https://shop.example.org/\",\"status\":{status}}}\n");
/// # std::fs::write(dir.path().join("a.log"), [line(200), line(403), line(403)].concat())?;
/// # let path = dir.path().display().to_string();
/// let logs = Logs::open([path])?;
/// let refused = logs
///     .frame("requests")?
///     .filter(col("status_code").eq(lit(403)))
///     .group_by([col("host")])
///     .agg([len().alias("refused")])
///     .collect()?;
/// assert_eq!(refused.column("refused")?.u32()?.get(0), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Logs {
    inputs: Vec<String>,
    rules: RuleSet,
    options: ScanOptions,
    now: Timestamp,
    /// The directory for rows that do not fit into memory.
    spool: TemporaryDir,
    /// The spools of the frames that were handed out.
    spools: Mutex<Vec<Spool>>,
}

impl Logs {
    /// Opens files, directories and globs, with the shipped rules and default options. The inputs are only read when a
    /// frame is requested.
    ///
    /// # Errors
    /// If the directory for temporary files cannot be created.
    pub fn open<P: Into<String>>(inputs: impl IntoIterator<Item = P>) -> Result<Self, SqlError> {
        let base = std::env::temp_dir();
        let spool = TemporaryDir::new_in(&base, "dragline-logs-");
        Ok(Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            rules: RuleSet::shipped(),
            options: ScanOptions::default(),
            now: now(),
            spool: spool.map_err(|source| SqlError::Spool { path: base, source })?,
            spools: Mutex::default(),
        })
    }

    /// Sets the classification rules.
    #[must_use]
    pub fn with_rules(mut self, rules: RuleSet) -> Self {
        self.rules = rules;
        self
    }

    /// Sets the read options and the filter.
    #[must_use]
    pub fn with_options(mut self, options: ScanOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the current time, which decides whether a run without an end is still running.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The names of all tables: first the event tables, then the tables of counters.
    pub fn tables() -> impl Iterator<Item = &'static str> {
        let events = TABLES.iter().map(|table| table.name);
        events.chain(COUNTED.iter().map(|(name, ..)| *name))
    }

    /// A table with all its columns.
    ///
    /// # Errors
    /// If there is no such table, or the logs cannot be read.
    pub fn frame(&self, table: &str) -> Result<LazyFrame, SqlError> {
        self.columns(table, &[])
    }

    /// A table with the given columns only (with all columns if `columns` is empty).
    ///
    /// # Errors
    /// If there is no such table or column, or the logs cannot be read.
    pub fn columns(&self, table: &str, columns: &[&str]) -> Result<LazyFrame, SqlError> {
        let question = self.question();
        let events = TABLES.iter().enumerate();
        let Some((place, known)) = events.into_iter().find(|(_, known)| known.name == table) else {
            let is_counted = COUNTED.iter().any(|(name, ..)| *name == table);
            if !is_counted {
                let all: Vec<&str> = Self::tables().collect();
                return Err(SqlError::NoTable(format!(" `{table}`"), all.join(", ")));
            }
            let (_, finished, _) = read(&question, &[])?;
            let filter = &self.options.filter;
            let frame = finished::table(table, &finished, &self.rules, filter)?.lazy();
            return Ok(if columns.is_empty() {
                frame
            } else {
                frame.select(columns.iter().map(|name| col(*name)).collect::<Vec<_>>())
            });
        };
        let wanted = wanted(known, columns)?;
        let (spool, ..) = read(&question, &[(place, known, wanted.clone())])?;
        let frame = spool.table(place, &wanted)?;
        let mut spools = self
            .spools
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        spools.push(spool);
        Ok(frame)
    }

    fn question(&self) -> Question<'_> {
        Question {
            inputs: &self.inputs,
            rules: &self.rules,
            options: &self.options,
            spool: Path::new(self.spool.path()),
            now: self.now,
        }
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 counts as 1970.
    Timestamp::from_micros(since.map_or(0, |since| since.as_micros() as i64))
}

/// The columns with the given names; all columns if `names` is empty.
fn wanted(table: &'static Table, names: &[&str]) -> Result<Vec<&'static Column>, SqlError> {
    let all = || table.columns();
    if names.is_empty() {
        return Ok(all().collect());
    }
    let find = |name: &&str| {
        all().find(|column| column.name == *name).ok_or_else(|| {
            let known: Vec<&str> = all().map(|column| column.name).collect();
            SqlError::NoColumn {
                error: format!("there is no column {name}"),
                columns: format!("{} has {}", table.name, known.join(", ")),
            }
        })
    };
    names.iter().map(find).collect()
}
