//! Stores rows until they become a frame: in memory up to a limit, then in Parquet files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use dragline_files::{TemporaryDir, open_own};
use dragline_scan::{Row, RowSink};
use polars::prelude::*;

use super::builder::Builder;
use super::tables::{Column, Table};
use super::{SqlError, Wanted};

/// Number of rows, over all threads, after which the collected rows become a frame.
const BATCH: usize = 1 << 18;

/// The name prefix of spool directories.
const PREFIX: &str = "dragline-sql-";
/// The marker file in each spool directory, which the owning process keeps locked, and its content.
const MARK: &str = "DRAGLINE-SPOOL";
const MARK_TEXT: &[u8] = b"Rows of a query that Dragline answers; they go with the answer.\n";

/// Collects the rows of all threads.
pub(super) struct Spool {
    /// The parent of the spool directory, which is created when rows do not fit into memory.
    base: PathBuf,
    dir: Mutex<Option<SpoolDir>>,
    /// Maximum number of bytes held in memory.
    limit: usize,
    /// Number of rows, and of bytes, after which a thread's rows become a frame.
    batch: usize,
    batch_bytes: usize,
    held: AtomicUsize,
    parts: AtomicUsize,
    /// The parts with their table's index, in order of arrival.
    frames: Mutex<Vec<(usize, Part)>>,
    failed: Mutex<Option<SqlError>>,
}

enum Part {
    Held(DataFrame),
    File(PathBuf),
}

/// A directory of parts. Its marker file is locked while the process lives.
struct SpoolDir {
    dir: TemporaryDir,
    _lock: File,
}

impl SpoolDir {
    fn new(base: &Path) -> io::Result<Self> {
        fs::create_dir_all(base)?;
        remove_abandoned(base);
        let dir = TemporaryDir::new_in(base, PREFIX)?;
        let mut lock = File::create_new(dir.path().join(MARK))?;
        // If files cannot be locked, abandoned directories are not removed.
        let _ = lock.lock();
        lock.write_all(MARK_TEXT)?;
        Ok(Self { dir, _lock: lock })
    }
}

impl Spool {
    /// A spool that holds at most `limit` bytes in memory and writes its files below `dir`.
    pub(super) fn new(dir: &Path, limit: usize, threads: usize) -> Self {
        Self {
            base: dir.to_owned(),
            dir: Mutex::default(),
            limit,
            batch: (BATCH / threads.max(1)).clamp(1 << 12, 1 << 17),
            batch_bytes: (limit / 4 / threads.max(1)).clamp(1 << 20, 64 << 20),
            held: AtomicUsize::new(0),
            parts: AtomicUsize::new(0),
            frames: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// The path of a new part.
    fn next_path(&self) -> Result<PathBuf, SqlError> {
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let mut dir = lock(&self.dir);
        let dir = match &mut *dir {
            Some(dir) => dir,
            none => none.insert(SpoolDir::new(&self.base).map_err(|source| SqlError::Spool {
                path: self.base.clone(),
                source,
            })?),
        };
        Ok(dir.dir.path().join(format!("{number}.parquet")))
    }

    /// Adds a frame of a table.
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
        let path = self.next_path()?;
        let file = File::create_new(&path).map_err(|source| SqlError::Spool {
            path: path.clone(),
            source,
        })?;
        write_parquet(file, &mut frame, &path)?;
        Ok(path)
    }

    /// Whether any rows were written to files.
    pub(super) fn has_files(&self) -> bool {
        self.parts.load(Ordering::Relaxed) > 0
    }

    /// The rows of a table with the given columns.
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
        // Build a single source for polars: all in memory or all in files.
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

/// Removes the spools of killed processes: directories whose marker file is not locked. Only files that spools
/// create are removed.
fn remove_abandoned(dir: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let is_named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_named && is_dir {
            // Directories that cannot be removed may belong to another user; ignore the error.
            let _ = remove_if_abandoned(&entry.path());
        }
    }
}

fn remove_if_abandoned(dir: &Path) -> io::Result<()> {
    let mark = dir.join(MARK);
    let mut text = Vec::new();
    let file = open_own(&mark)?;
    io::Read::read_to_end(&mut io::Read::take(&file, 1024), &mut text)?;
    if text != MARK_TEXT || file.try_lock().is_err() {
        return Ok(());
    }
    for entry in fs::read_dir(dir)?.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".parquet"));
        let is_part = number.is_some_and(|number| number.parse::<usize>().is_ok());
        if is_part && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(mark)?;
    // If the directory is not empty now, it holds foreign files: then this fails and it stays.
    fs::remove_dir(dir)
}

/// Locks a mutex, ignoring poisoning: the panic of another thread is propagated when that thread is joined.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The row sink of one thread.
pub(super) struct Rows<'s> {
    spool: &'s Spool,
    tables: Vec<(usize, &'static Table, Builder)>,
    /// The number of rows of each table.
    counts: Vec<u64>,
}

impl<'s> Rows<'s> {
    pub(super) fn new(spool: &'s Spool, wanted: &[Wanted]) -> Self {
        let table = |(place, table, columns): &Wanted| {
            (*place, *table, Builder::new(columns.iter().copied()))
        };
        Self {
            spool,
            tables: wanted.iter().map(table).collect(),
            counts: vec![0; wanted.len()],
        }
    }

    /// Hands the remaining rows to the spool and returns the number of rows of each table.
    pub(super) fn finish(mut self) -> Result<Vec<u64>, SqlError> {
        for (place, _, builder) in &mut self.tables {
            if builder.rows() > 0 {
                self.spool.add(*place, builder.take()?);
            }
        }
        Ok(self.counts)
    }
}

impl RowSink for Rows<'_> {
    fn row(&mut self, row: &Row<'_>) {
        for ((place, table, builder), count) in self.tables.iter_mut().zip(&mut self.counts) {
            if !table.takes(row) {
                continue;
            }
            *count += 1;
            builder.push(row);
            let spool = self.spool;
            if builder.rows() >= spool.batch || builder.bytes() >= spool.batch_bytes {
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

/// Writes a frame as Parquet. The output is buffered because the encoder writes some parts byte by byte.
pub(super) fn write_parquet(
    file: File,
    frame: &mut DataFrame,
    path: &Path,
) -> Result<(), SqlError> {
    let mut out = BufWriter::new(file);
    ParquetWriter::new(&mut out)
        .with_compression(ParquetCompression::Snappy)
        .finish(frame)
        .map_err(|source| SqlError::Parquet {
            path: path.to_owned(),
            source,
        })?;
    out.flush().map_err(|source| SqlError::Spool {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_behind_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, text: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join(MARK), text).unwrap();
            fs::write(path.join("0.parquet"), "").unwrap();
            path
        };
        let abandoned = make("dragline-sql-a", MARK_TEXT);
        let alive = make("dragline-sql-b", MARK_TEXT);
        let lock = File::open(alive.join(MARK)).unwrap();
        lock.lock().unwrap();
        let notes = make("dragline-sql-c", MARK_TEXT);
        fs::write(notes.join("notes.md"), "mine").unwrap();
        let others = [
            make("dragline-sql-d", b"mine"),
            make("photographs", MARK_TEXT),
        ];
        let spool = SpoolDir::new(dir.path()).unwrap();
        assert!(!abandoned.exists());
        assert!(alive.join("0.parquet").exists() && notes.join("notes.md").exists());
        assert!(others.iter().all(|path| path.join("0.parquet").exists()));
        let before = fs::read_dir(dir.path()).unwrap().count();
        drop(spool);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), before - 1);
    }

    #[test]
    fn nothing_is_written_while_everything_fits() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("file");
        fs::write(&base, "").unwrap();
        let spool = Spool::new(&base, 1 << 20, 2);
        spool.add(0, df!("a" => [1, 2]).unwrap());
        assert!(!spool.has_files() && lock(&spool.failed).is_none());
        let full = Spool::new(&base, 0, 2);
        full.add(0, df!("a" => [1, 2]).unwrap());
        assert!(lock(&full.failed).is_some());
    }
}
