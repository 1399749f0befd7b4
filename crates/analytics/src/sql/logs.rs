//! Logs as lazy frames, for whoever knows polars.

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

/// Logs of which each table is a lazy frame.
///
/// Every call reads the logs once, and makes of them only what it was asked for: what is filtered by time, scraper,
/// site, run or level ([`ScanOptions::filter`]) and the columns that are not wanted are left out while they are read.
/// What does not fit into the memory of [`ScanOptions::read`] goes through files, which are there as long as this is.
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
    /// Where rows go that do not fit into memory.
    spool: TemporaryDir,
    /// The spools of the frames that were given.
    spools: Mutex<Vec<Spool>>,
}

impl Logs {
    /// Logs by files, directories and globs, with the shipped rules and the usual options. What there is shows when a
    /// frame is asked for.
    ///
    /// # Errors
    /// When there is no place for temporary files.
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

    /// With these rules.
    #[must_use]
    pub fn with_rules(mut self, rules: RuleSet) -> Self {
        self.rules = rules;
        self
    }

    /// Read so, and filtered.
    #[must_use]
    pub fn with_options(mut self, options: ScanOptions) -> Self {
        self.options = options;
        self
    }

    /// As of then: whether a run without an end is still running.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The names of all tables: those of events, then those of what was counted.
    pub fn tables() -> impl Iterator<Item = &'static str> {
        let events = TABLES.iter().map(|table| table.name);
        events.chain(COUNTED.iter().map(|(name, ..)| *name))
    }

    /// A table, with all its columns.
    ///
    /// # Errors
    /// When there is no such table, or the logs cannot be read.
    pub fn frame(&self, table: &str) -> Result<LazyFrame, SqlError> {
        self.columns(table, &[])
    }

    /// A table, with these columns only (all of them when none is named).
    ///
    /// # Errors
    /// When there is no such table or column, or the logs cannot be read.
    pub fn columns(&self, table: &str, columns: &[&str]) -> Result<LazyFrame, SqlError> {
        let question = self.question();
        let events = TABLES.iter().enumerate();
        let Some((place, known)) = events.into_iter().find(|(_, known)| known.name == table) else {
            let is_counted = COUNTED.iter().any(|(name, ..)| *name == table);
            if !is_counted {
                let all: Vec<&str> = Self::tables().collect();
                return Err(SqlError::NoTable(format!(" `{table}`"), all.join(", ")));
            }
            let (_, finished) = read(&question, &[])?;
            let frame = finished::table(table, &finished, &self.rules)?.lazy();
            return Ok(if columns.is_empty() {
                frame
            } else {
                frame.select(columns.iter().map(|name| col(*name)).collect::<Vec<_>>())
            });
        };
        let wanted = wanted(known, columns)?;
        let (spool, _) = read(&question, &[(place, known, wanted.clone())])?;
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
    // A clock before 1970 is none.
    Timestamp::from_micros(since.map_or(0, |since| since.as_micros() as i64))
}

/// The columns of a table that have these names; all when there are none.
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
