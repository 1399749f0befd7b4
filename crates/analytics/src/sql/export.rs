//! Exports the event tables as Parquet files, partitioned by day and scraper.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dragline_files::Temporary;
use dragline_rollup::Finished;
use dragline_scan::{Row, RowSink, ScanError, Watch, scan_rows};
use polars::prelude::*;

use super::builder::Builder;
use super::tables::{Column, TABLES, Table};
use super::{COUNTED, Question, SqlError, earlier, finished, notes, spool};

/// Maximum number of rows per file of a partition.
const BATCH: usize = 1 << 18;
/// Rows may use 1/`MEMORY` of the process's memory limit.
const MEMORY: usize = 4;
/// The memory overhead of a partition, in bytes.
const PARTITION: usize = 16 << 10;
/// The file that marks a directory as being written.
pub(super) const CLAIM: &str = ".dragline-export";
/// The directory name for a null partition value, as in Hive.
const NONE: &str = "__HIVE_DEFAULT_PARTITION__";
/// Maximum length of a partition's name; a longer name is truncated and gets a hash.
const LONGEST: usize = 160;
/// The partition column, which the files do not contain.
pub(super) const PARTITIONED_BY: &str = "scraper_id";

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// The number of rows that were added per table, in table order.
    pub rows: Vec<(&'static str, u64)>,
    /// The number of Parquet files that were written.
    pub files: usize,
    /// Whether the directory contained an earlier export.
    pub is_extended: bool,
    /// What the tables do not show by themselves, as in [`Asked::notes`](super::Asked::notes).
    pub notes: Vec<String>,
}

/// Writes the event tables to `DIR/TABLE/date=DAY/scraper_id=ID/NUMBER.parquet`, and the tables of counters
/// to `DIR/TABLE.parquet`. Rows are added to an earlier export in the directory.
///
/// If no event could be read, nothing is written.
///
/// # Errors
/// If the directory contains anything else than an export, or an export with other columns or with the same logs; if
/// a file cannot be written, or the logs cannot be read.
pub fn export(
    question: &Question<'_>,
    dir: &Path,
) -> Result<(Option<Exported>, Finished), SqlError> {
    let target = Target::claim(dir, &question.options.read.watch)?;
    let exported = write(question, &target);
    // A partial export is useless and would block the next one, so remove it.
    target.release(!matches!(exported, Ok((Some(_), _))));
    exported
}

fn write(
    question: &Question<'_>,
    target: &Target<'_>,
) -> Result<(Option<Exported>, Finished), SqlError> {
    let Question {
        inputs,
        rules,
        options,
        ..
    } = question;
    let threads = options.jobs.max(1);
    let limit = options.read.memory.total() / MEMORY / threads;
    let make = || Partitions {
        target,
        open: BTreeMap::new(),
        held: 0,
        limit,
        rows: vec![0; TABLES.len()],
    };
    let (rollup, parts) = scan_rows(inputs, rules, options, true, make)?;
    let mut exported = Exported::default();
    let mut rows = vec![0; TABLES.len()];
    for part in parts {
        for (sum, more) in rows.iter_mut().zip(part.finish()) {
            *sum += more;
        }
    }
    if let Some(error) = target
        .failed
        .lock()
        .ok()
        .and_then(|mut failed| failed.take())
    {
        return Err(error);
    }
    let is_stopped = || {
        let is_stopped = options.read.watch.is_cancelled();
        is_stopped
            .then_some(SqlError::Scan(ScanError::Cancelled))
            .map_or(Ok(()), Err)
    };
    is_stopped()?;
    exported.rows = TABLES.iter().map(|table| table.name).zip(rows).collect();
    let finished = rollup.finish(question.now);
    if finished.dialects.is_empty() {
        return Ok((None, finished));
    }
    let filter = &options.filter;
    earlier::check_logs(target.dir, &finished, filter)?;
    exported.notes = notes::totals(&exported.rows, &finished, filter);
    let tables = COUNTED.iter().map(|(name, ..)| *name);
    exported.notes.extend(notes::filters(tables, filter));
    let mut counted = Vec::new();
    for (name, ..) in COUNTED {
        let frame = finished::table(name, &finished, rules, filter)?;
        exported.rows.push((name, frame.height() as u64));
        counted.push(target.prepare(&format!("{name}.parquet"), frame)?);
        is_stopped()?;
    }
    // These files may replace earlier ones, so they appear last and together.
    for (file, path) in counted {
        target.put(file, &path)?;
    }
    exported.files = target.files.load(Ordering::Relaxed) - target.first;
    exported.is_extended = target.is_extended;
    Ok((Some(exported), finished))
}

/// The target directory, claimed for this export alone. It may contain an earlier export.
struct Target<'d> {
    dir: &'d Path,
    /// Signals cancellation, after which nothing more is written.
    watch: &'d Watch,
    /// The number of the next file. Those below `first` are of earlier exports.
    files: AtomicUsize,
    first: usize,
    is_extended: bool,
    failed: Mutex<Option<SqlError>>,
    /// The files and directories that this export created, in order of creation.
    made: Mutex<Vec<PathBuf>>,
}

impl<'d> Target<'d> {
    /// Creates the directory, or claims an existing one that is empty or contains an export.
    fn claim(dir: &'d Path, watch: &'d Watch) -> Result<Self, SqlError> {
        let mut target = Self {
            dir,
            watch,
            files: AtomicUsize::new(0),
            first: 0,
            is_extended: false,
            failed: Mutex::default(),
            made: Mutex::default(),
        };
        let unwritable = |source| SqlError::Spool {
            path: dir.to_owned(),
            source,
        };
        if dir.is_symlink() && !dir.exists() {
            let nowhere = std::io::Error::other("it is a broken symbolic link");
            return Err(unwritable(nowhere));
        }
        if !dir.is_dir() {
            target.make_dir(dir).map_err(unwritable)?;
        }
        let claim = dir.join(CLAIM);
        match File::create_new(&claim) {
            Ok(_) => target.note(claim),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(SqlError::Busy(dir.to_owned()));
            }
            Err(error) => {
                target.release(true);
                return Err(unwritable(error));
            }
        }
        match earlier::find(dir) {
            Ok(first) => {
                target.is_extended = first.is_some();
                target.first = first.unwrap_or(0);
                target.files = AtomicUsize::new(target.first);
                Ok(target)
            }
            Err(error) => {
                target.release(true);
                Err(error)
            }
        }
    }

    /// Records a created path, so that it is removed on failure or when the process is terminated.
    fn note(&self, made: PathBuf) {
        dragline_files::hold(&made);
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(made);
    }

    /// Creates a directory and its parents.
    fn make_dir(&self, dir: &Path) -> std::io::Result<()> {
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty())
            && !parent.is_dir()
        {
            self.make_dir(parent)?;
        }
        match std::fs::create_dir(dir) {
            Ok(()) => self.note(dir.to_owned()),
            // Another thread created it in the meantime.
            Err(_) if dir.is_dir() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Releases the directory. After a failure, removes everything that this export created.
    fn release(&self, is_failed: bool) {
        let claim = self.dir.join(CLAIM);
        let mut made =
            std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for path in &made {
            dragline_files::let_go(path);
        }
        made.retain(|path| is_failed || *path == claim);
        // In reverse order, so that directories are empty when they are removed.
        for path in made.into_iter().rev() {
            let _ = if path.is_dir() {
                std::fs::remove_dir(path)
            } else {
                std::fs::remove_file(path)
            };
        }
    }

    /// Writes a partition's rows and keeps the first error.
    fn add(&self, partition: &Partition, builder: &mut Builder) {
        if builder.rows() == 0 || self.watch.is_cancelled() {
            return;
        }
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = partition.path().join(format!("{number}.parquet"));
        let written = builder.take().map_err(SqlError::from);
        if let Err(error) = written.and_then(|frame| self.write(&path, frame))
            && let Ok(mut failed) = self.failed.lock()
        {
            failed.get_or_insert(error);
        }
    }

    /// Writes a Parquet file and creates its parent directories.
    fn write(&self, path: &Path, mut frame: DataFrame) -> Result<(), SqlError> {
        let path = self.dir.join(path);
        let create = || -> std::io::Result<File> {
            if let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) {
                self.make_dir(parent)?;
            }
            File::create_new(&path)
        };
        let file = create().map_err(|source| SqlError::Spool {
            path: path.clone(),
            source,
        })?;
        self.note(path.clone());
        spool::write_parquet(file, &mut frame, &path)
    }

    /// Writes a table to a temporary file, after the rows of an earlier export.
    fn prepare(&self, name: &str, frame: DataFrame) -> Result<(Temporary, PathBuf), SqlError> {
        let path = self.dir.join(name);
        let mut frame = earlier::extended(&path, frame)?;
        let failed = |source| SqlError::Spool {
            path: path.clone(),
            source,
        };
        let file = Temporary::new_in(self.dir).map_err(failed)?;
        let out = File::options().write(true).open(file.path());
        spool::write_parquet(out.map_err(failed)?, &mut frame, &path)?;
        self.files.fetch_add(1, Ordering::Relaxed);
        Ok((file, path))
    }

    /// Puts such a file into its place.
    fn put(&self, file: Temporary, path: &Path) -> Result<(), SqlError> {
        let is_new = path.symlink_metadata().is_err();
        file.persist(path).map_err(|source| SqlError::Spool {
            path: path.to_owned(),
            source,
        })?;
        if is_new {
            self.note(path.to_owned());
        }
        Ok(())
    }
}

/// The partition of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Partition {
    table: usize,
    /// Days since 1970-01-01.
    day: Option<i64>,
    scraper: Option<String>,
}

impl Partition {
    fn path(&self) -> PathBuf {
        let table = TABLES[self.table].name;
        let day = self.day.map(|day| {
            let time = dragline_schema::Timestamp::from_micros(day * dragline_insights::DAY);
            time.to_string().chars().take(10).collect::<String>()
        });
        let scraper = self.scraper.as_deref().map(escaped);
        let or_none = |value: Option<String>| value.unwrap_or_else(|| NONE.to_owned());
        PathBuf::from(table)
            .join(format!("date={}", or_none(day)))
            .join(format!("{PARTITIONED_BY}={}", or_none(scraper)))
    }
}

/// A value as a directory name: special characters are percent-encoded, as in Hive.
fn escaped(value: &str) -> String {
    let is_plain = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_' | '.')
            || (!c.is_ascii() && !dragline_charts::is_hidden(c))
    };
    let mut name = String::with_capacity(value.len());
    for c in value.chars() {
        if is_plain(c) {
            name.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    if name.len() > LONGEST {
        // Most file systems limit the length of a name.
        let hash = xxhash_rust::xxh3::xxh3_64(value.as_bytes());
        name.truncate(name.floor_char_boundary(LONGEST));
        name.push_str(&format!("-{hash:016x}"));
    }
    name
}

/// The open partitions of one thread.
struct Partitions<'t> {
    target: &'t Target<'t>,
    open: BTreeMap<Partition, Builder>,
    /// The number of bytes held in memory, and its maximum.
    held: usize,
    limit: usize,
    rows: Vec<u64>,
}

pub(super) fn columns(table: &'static Table) -> impl Iterator<Item = &'static Column> {
    table
        .columns()
        .filter(|column| column.name != PARTITIONED_BY)
}

impl Partitions<'_> {
    fn finish(mut self) -> Vec<u64> {
        for (partition, builder) in &mut self.open {
            self.target.add(partition, builder);
        }
        self.rows
    }

    /// Frees memory: writes the largest partitions to files until at most half of the limit is used.
    fn write_largest(&mut self) {
        let mut sizes: Vec<(usize, Partition)> = self
            .open
            .iter()
            .map(|(partition, builder)| (builder.bytes(), partition.clone()))
            .collect();
        sizes.sort_by(|a, b| b.cmp(a));
        for (_, partition) in sizes {
            if self.held <= self.limit / 2 {
                return;
            }
            self.write_partition(&partition);
        }
    }

    fn write_partition(&mut self, partition: &Partition) {
        if let Some(mut builder) = self.open.remove(partition) {
            self.held -= (builder.bytes() + PARTITION).min(self.held);
            self.target.add(partition, &mut builder);
        }
    }
}

impl RowSink for Partitions<'_> {
    fn row(&mut self, row: &Row<'_>) {
        let time = row
            .record
            .timestamp
            .map(dragline_schema::Timestamp::as_micros);
        let day = time.map(|micros| micros.div_euclid(dragline_insights::DAY));
        for (place, table) in TABLES.iter().enumerate() {
            if !table.takes(row) {
                continue;
            }
            let partition = Partition {
                table: place,
                day,
                scraper: row.run.scraper_id.clone(),
            };
            self.rows[place] += 1;
            let builder = match self.open.entry(partition.clone()) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(new) => {
                    self.held += PARTITION;
                    new.insert(Builder::new(columns(table)))
                }
            };
            let before = builder.bytes();
            builder.push(row);
            self.held += builder.bytes() - before;
            if builder.rows() >= BATCH {
                self.write_partition(&partition);
            } else if self.held > self.limit {
                self.write_largest();
            }
        }
    }
}
