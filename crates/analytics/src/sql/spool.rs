//! Rows on their way to a frame: in memory while they are few, in Parquet files beyond.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dragline_scan::{Row, RowSink};
use polars::prelude::*;

use super::SqlError;
use super::builder::Builder;
use super::tables::{Column, Table};

/// So many rows become a frame.
const BATCH: usize = 1 << 17;

/// How the directories of spools are called.
const PREFIX: &str = "dragline-sql-";
/// No query takes so long: what is older was left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_hours(24);

/// Where the rows of all threads go.
pub(super) struct Spool {
    dir: tempfile::TempDir,
    /// Bytes that may be held in memory.
    limit: usize,
    held: AtomicUsize,
    parts: AtomicUsize,
    /// By table, in the order in which they came.
    frames: Mutex<Vec<(usize, Part)>>,
    failed: Mutex<Option<SqlError>>,
}

enum Part {
    Held(DataFrame),
    File(PathBuf),
}

impl Spool {
    /// A spool with its files under `dir`, which holds so many bytes in memory.
    pub(super) fn new(dir: &Path, limit: usize) -> Result<Self, SqlError> {
        let spool = |source| SqlError::Spool {
            path: dir.to_owned(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(spool)?;
        remove_abandoned(dir);
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(dir)
            .map_err(spool)?;
        Ok(Self {
            dir,
            limit,
            held: AtomicUsize::new(0),
            parts: AtomicUsize::new(0),
            frames: Mutex::default(),
            failed: Mutex::default(),
        })
    }

    /// Takes a frame of a table.
    fn add(&self, table: usize, frame: DataFrame) {
        let bytes = frame.estimated_size();
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let part = if held <= self.limit {
            Ok(Part::Held(frame))
        } else {
            self.held.fetch_sub(bytes, Ordering::Relaxed);
            self.write(frame).map(Part::File)
        };
        match part {
            Ok(part) => lock(&self.frames).push((table, part)),
            Err(error) => {
                lock(&self.failed).get_or_insert(error);
            }
        }
    }

    fn write(&self, mut frame: DataFrame) -> Result<PathBuf, SqlError> {
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.path().join(format!("{number}.parquet"));
        let file = File::create(&path).map_err(|source| SqlError::Spool {
            path: path.clone(),
            source,
        })?;
        ParquetWriter::new(file)
            .with_compression(ParquetCompression::Snappy)
            .finish(&mut frame)?;
        Ok(path)
    }

    /// Whether anything is in files.
    pub(super) fn has_files(&self) -> bool {
        self.parts.load(Ordering::Relaxed) > 0
    }

    /// The rows of a table, whose columns are these.
    pub(super) fn table(
        &self,
        table: usize,
        columns: &[&'static Column],
    ) -> Result<LazyFrame, SqlError> {
        if let Some(error) = lock(&self.failed).take() {
            return Err(error);
        }
        let mut parts = Vec::new();
        lock(&self.frames).retain_mut(|(of, part)| {
            if *of == table {
                parts.push(std::mem::replace(part, Part::File(PathBuf::new())));
            }
            *of != table
        });
        let mut whole = Builder::new(columns.iter().copied()).take()?;
        let mut files = Vec::new();
        // One node for polars to read, of memory or of files.
        let is_filed = parts.iter().any(|part| matches!(part, Part::File(_)));
        for part in parts {
            match part {
                Part::Held(frame) if is_filed => files.push(self.write(frame)?),
                Part::Held(frame) => {
                    whole.vstack_mut_owned(frame)?;
                }
                Part::File(path) => files.push(path),
            }
        }
        if files.is_empty() {
            return Ok(whole.lazy());
        }
        let paths: Result<_, _> = files
            .iter()
            .map(|path| PlRefPath::try_from_path(path))
            .collect();
        Ok(LazyFrame::scan_parquet_files(
            paths?,
            ScanArgsParquet::default(),
        )?)
    }
}

/// A panic of another thread is passed on where that is joined.
/// Removes the spools of processes that were killed.
fn remove_abandoned(dir: &Path) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let is_spool = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| modified.elapsed().ok());
        if is_spool && age.is_some_and(|age| age >= ABANDONED) {
            // Somebody else's is not ours to remove.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One thread's rows.
pub(super) struct Rows<'s> {
    spool: &'s Spool,
    tables: Vec<(usize, &'static Table, Builder)>,
}

impl<'s> Rows<'s> {
    pub(super) fn new(
        spool: &'s Spool,
        wanted: &[(usize, &'static Table, Vec<&'static Column>)],
    ) -> Self {
        let table = |(place, table, columns): &(usize, &'static Table, Vec<&'static Column>)| {
            (*place, *table, Builder::new(columns.iter().copied()))
        };
        Self {
            spool,
            tables: wanted.iter().map(table).collect(),
        }
    }

    /// Hands over what is left.
    pub(super) fn finish(mut self) -> Result<(), SqlError> {
        for (place, _, builder) in &mut self.tables {
            if builder.rows() > 0 {
                self.spool.add(*place, builder.take()?);
            }
        }
        Ok(())
    }
}

impl RowSink for Rows<'_> {
    fn row(&mut self, row: &Row<'_>) {
        for (place, table, builder) in &mut self.tables {
            if !(table.takes)(row) {
                continue;
            }
            builder.push(row);
            if builder.rows() >= BATCH {
                match builder.take() {
                    Ok(frame) => self.spool.add(*place, frame),
                    Err(error) => {
                        lock(&self.spool.failed).get_or_insert(error.into());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_behind_is_removed_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, days: u8| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            let age = ABANDONED * u32::from(days);
            let then = std::time::SystemTime::now() - age;
            File::open(&path).unwrap().set_modified(then).unwrap();
            path
        };
        let abandoned = make("dragline-sql-a", 1);
        let others = [make("dragline-sql-b", 0), make("photographs", 1)];
        let spool = Spool::new(dir.path(), 0).unwrap();
        assert!(!abandoned.exists() && others.iter().all(|path| path.exists()));
        drop(spool);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), others.len());
    }
}
