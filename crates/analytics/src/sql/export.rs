//! The tables of events as Parquet files, by day and scraper.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use dragline_scan::{Row, RowSink, scan_rows};
use polars::prelude::*;

use super::builder::Builder;
use super::tables::{Column, TABLES, Table};
use super::{COUNTED, Question, SqlError, finished};

/// So many rows of a partition become a file.
const BATCH: usize = 1 << 18;
/// So many rows are held by a thread; then its largest partition becomes a file.
const HELD: usize = 1 << 20;
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
/// # Errors
/// When there is something in the directory, a file cannot be written, or the logs cannot be read.
pub fn export(question: &Question<'_>, dir: &Path) -> Result<Exported, SqlError> {
    let exported = write(question, dir);
    // Half an export is none, and stands in the way of the next.
    if exported.is_err() && !matches!(exported, Err(SqlError::NotEmpty(_))) {
        let _ = std::fs::remove_dir_all(dir);
    }
    exported
}

fn write(question: &Question<'_>, dir: &Path) -> Result<Exported, SqlError> {
    let unwritable = |source| SqlError::Spool {
        path: dir.to_owned(),
        source,
    };
    std::fs::create_dir_all(dir).map_err(unwritable)?;
    if std::fs::read_dir(dir).map_err(unwritable)?.next().is_some() {
        return Err(SqlError::NotEmpty(dir.to_owned()));
    }
    let target = Target {
        dir,
        files: AtomicUsize::new(0),
        failed: Mutex::default(),
    };
    let make = || Partitions {
        target: &target,
        open: BTreeMap::new(),
        held: 0,
        rows: vec![0; TABLES.len()],
    };
    let Question {
        inputs,
        rules,
        options,
        ..
    } = question;
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
    exported.rows = TABLES.iter().map(|table| table.name).zip(rows).collect();
    let finished = rollup.finish(question.now);
    for (name, ..) in COUNTED {
        let frame = finished::table(name, &finished)?;
        exported.rows.push((name, frame.height() as u64));
        target.files.fetch_add(1, Ordering::Relaxed);
        write_file(&dir.join(format!("{name}.parquet")), frame)?;
    }
    exported.files = target.files.load(Ordering::Relaxed);
    Ok(exported)
}

/// The directory that is written.
struct Target<'d> {
    dir: &'d Path,
    files: AtomicUsize,
    failed: Mutex<Option<SqlError>>,
}

impl Target<'_> {
    /// Writes a partition's rows; the first failure is kept.
    fn add(&self, partition: &Partition, builder: &mut Builder) {
        if builder.rows() == 0 {
            return;
        }
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number}.parquet");
        let path = self.dir.join(partition.path()).join(name);
        let written = builder.take().map_err(SqlError::from);
        if let Err(error) = written.and_then(|frame| write_file(&path, frame))
            && let Ok(mut failed) = self.failed.lock()
        {
            failed.get_or_insert(error);
        }
    }
}

/// Writes a Parquet file, and the directories above it.
fn write_file(path: &Path, mut frame: DataFrame) -> Result<(), SqlError> {
    let write = || -> std::io::Result<File> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        File::create(path)
    };
    let file = write().map_err(|source| SqlError::Spool {
        path: path.to_owned(),
        source,
    })?;
    ParquetWriter::new(file)
        .with_compression(ParquetCompression::Snappy)
        .finish(&mut frame)?;
    Ok(())
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
            let time = dragline_schema::Timestamp::from_micros(day * crate::frames::DAY);
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
    let is_plain = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') || *byte >= 0x80
    };
    let bytes: Vec<u8> = value
        .bytes()
        .flat_map(|byte| {
            if is_plain(&byte) {
                vec![byte]
            } else {
                format!("%{byte:02X}").into_bytes()
            }
        })
        .collect();
    // Only ASCII was replaced.
    let mut name = String::from_utf8_lossy(&bytes).into_owned();
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
    held: usize,
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

    /// Makes room: the largest partition becomes a file.
    fn write_largest(&mut self) {
        let largest = self.open.iter().max_by_key(|(_, builder)| builder.rows());
        if let Some(partition) = largest.map(|(partition, _)| partition.clone())
            && let Some(mut builder) = self.open.remove(&partition)
        {
            self.held -= builder.rows();
            self.target.add(&partition, &mut builder);
        }
    }
}

impl RowSink for Partitions<'_> {
    fn row(&mut self, row: &Row<'_>) {
        let time = row
            .record
            .timestamp
            .map(dragline_schema::Timestamp::as_micros);
        let day = time.map(|micros| micros.div_euclid(crate::frames::DAY));
        for (place, table) in TABLES.iter().enumerate() {
            if !(table.takes)(row) {
                continue;
            }
            let partition = Partition {
                table: place,
                day,
                scraper: row.run.scraper_id.clone(),
            };
            self.rows[place] += 1;
            self.held += 1;
            let builder = self
                .open
                .entry(partition)
                .or_insert_with(|| Builder::new(columns(table)));
            builder.push(row);
            if builder.rows() >= BATCH || self.held > HELD {
                self.write_largest();
            }
        }
    }
}
