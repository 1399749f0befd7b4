//! The tables of events as Parquet files, by day and scraper.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dragline_rollup::Finished;
use dragline_scan::{Row, RowSink, ScanError, Watch, scan_rows};
use polars::prelude::*;

use super::builder::Builder;
use super::tables::{Column, TABLES, Table};
use super::{COUNTED, Question, SqlError, finished, spool};

/// So many rows of a partition become a file.
const BATCH: usize = 1 << 18;
/// Of the memory that a process may take, rows may have one of so many parts.
const MEMORY: usize = 4;
/// What a partition takes beside its rows, in bytes.
const PARTITION: usize = 16 << 10;
/// The file that says that a directory is being written.
const CLAIM: &str = ".dragline-export";
/// The value of a partition that has none, as Hive writes it.
const NONE: &str = "__HIVE_DEFAULT_PARTITION__";
/// A longer name of a partition is cut, and gets its hash.
const LONGEST: usize = 160;
/// What is in the partitions' names is not in the files.
const PARTITIONED_BY: &str = "scraper_id";

/// What was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows by table, in the tables' order.
    pub rows: Vec<(&'static str, u64)>,
    /// Parquet files.
    pub files: usize,
}

/// Writes the tables of events to `DIR/TABLE/date=DAY/scraper_id=ID/NUMBER.parquet`, and those of what
/// was counted to `DIR/TABLE.parquet`.
///
/// Where no event could be read, nothing is written.
///
/// # Errors
/// When there is something in the directory, a file cannot be written, or the logs cannot be read.
pub fn export(
    question: &Question<'_>,
    dir: &Path,
) -> Result<(Option<Exported>, Finished), SqlError> {
    let target = Target::claim(dir, &question.options.read.watch)?;
    let exported = write(question, &target);
    // Half an export is none, and stands in the way of the next.
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
    for (name, ..) in COUNTED {
        let frame = finished::table(name, &finished, rules)?;
        exported.rows.push((name, frame.height() as u64));
        target.files.fetch_add(1, Ordering::Relaxed);
        target.write(&PathBuf::from(format!("{name}.parquet")), frame)?;
        is_stopped()?;
    }
    exported.files = target.files.load(Ordering::Relaxed);
    Ok((Some(exported), finished))
}

/// The directory that is written, which nobody else writes.
struct Target<'d> {
    dir: &'d Path,
    /// What is told to stop writes nothing more.
    watch: &'d Watch,
    files: AtomicUsize,
    failed: Mutex<Option<SqlError>>,
    /// The files and directories that this export made, in that order.
    made: Mutex<Vec<PathBuf>>,
}

impl<'d> Target<'d> {
    /// Makes the directory, or takes one that is empty.
    fn claim(dir: &'d Path, watch: &'d Watch) -> Result<Self, SqlError> {
        let target = Self {
            dir,
            watch,
            files: AtomicUsize::new(0),
            failed: Mutex::default(),
            made: Mutex::default(),
        };
        let unwritable = |source| SqlError::Spool {
            path: dir.to_owned(),
            source,
        };
        if dir.is_symlink() && !dir.exists() {
            let nowhere = std::io::Error::other("it is a link that leads nowhere");
            return Err(unwritable(nowhere));
        }
        if !dir.is_dir() {
            target.make_dir(dir).map_err(unwritable)?;
        }
        let claim = dir.join(CLAIM);
        match File::create_new(&claim) {
            Ok(_) => target.note(claim),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(SqlError::NotEmpty(dir.to_owned()));
            }
            Err(error) => {
                target.release(true);
                return Err(unwritable(error));
            }
        }
        let entries = std::fs::read_dir(dir).map_err(unwritable)?;
        if entries.flatten().any(|entry| entry.file_name() != CLAIM) {
            target.release(true);
            return Err(SqlError::NotEmpty(dir.to_owned()));
        }
        Ok(target)
    }

    /// Remembers what was made, also for the case that the process is ended from outside.
    fn note(&self, made: PathBuf) {
        dragline_files::hold(&made);
        self.made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(made);
    }

    /// Makes a directory and those above it.
    fn make_dir(&self, dir: &Path) -> std::io::Result<()> {
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty())
            && !parent.is_dir()
        {
            self.make_dir(parent)?;
        }
        match std::fs::create_dir(dir) {
            Ok(()) => self.note(dir.to_owned()),
            // Another thread needs it, too.
            Err(_) if dir.is_dir() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives the directory back; after a failure without anything that this export made.
    fn release(&self, is_failed: bool) {
        let claim = self.dir.join(CLAIM);
        let mut made =
            std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        for path in &made {
            dragline_files::let_go(path);
        }
        made.retain(|path| is_failed || *path == claim);
        // A directory is empty when what was made in it later is gone.
        for path in made.into_iter().rev() {
            let _ = if path.is_dir() {
                std::fs::remove_dir(path)
            } else {
                std::fs::remove_file(path)
            };
        }
    }

    /// Writes a partition's rows; the first failure is kept.
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

    /// Writes a Parquet file, and the directories above it.
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
}

/// Where a row goes.
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

/// A value as a directory's name: what has a meaning there stands as `%` and two digits, as Hive does it.
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
        // No file system takes it whole.
        let hash = xxhash_rust::xxh3::xxh3_64(value.as_bytes());
        name.truncate(name.floor_char_boundary(LONGEST));
        name.push_str(&format!("-{hash:016x}"));
    }
    name
}

/// One thread's partitions.
struct Partitions<'t> {
    target: &'t Target<'t>,
    open: BTreeMap<Partition, Builder>,
    /// Bytes that are held, and that may be.
    held: usize,
    limit: usize,
    rows: Vec<u64>,
}

fn columns(table: &'static Table) -> impl Iterator<Item = &'static Column> {
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

    /// Makes room: the largest partitions become files, until half of it is free.
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
