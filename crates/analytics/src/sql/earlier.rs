//! An earlier export in the target directory, which a new one extends.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use dragline_rollup::Finished;
use dragline_scan::Filter;
use polars::prelude::*;

use super::builder::Builder;
use super::export::{CLAIM, columns};
use super::tables::{TABLES, Table};
use super::{COUNTED, SqlError};

/// The number of the first new file in a directory that contains an export; `None` if it contains none.
///
/// # Errors
/// If it contains anything else, or an export with other columns.
pub(super) fn find(dir: &Path) -> Result<Option<usize>, SqlError> {
    let mut is_export = false;
    for entry in entries(dir)? {
        let name = name_of(&entry);
        // Hidden files are of no concern; the claim is one.
        if name == CLAIM || name.starts_with('.') {
            continue;
        }
        let is_table = TABLES.iter().any(|table| table.name == name) && entry.is_dir();
        let counted = name.strip_suffix(".parquet");
        let is_counted =
            counted.is_some_and(|name| COUNTED.iter().any(|(known, ..)| *known == name));
        if !is_table && !is_counted {
            return Err(SqlError::NoExport {
                dir: dir.to_owned(),
                other: name,
            });
        }
        is_export = true;
    }
    if !is_export {
        return Ok(None);
    }
    let mut next = 0;
    for table in TABLES.iter() {
        let files = parquet_files(&dir.join(table.name))?;
        if let Some(file) = files.first() {
            check_columns(table, file)?;
        }
        let numbers = files
            .iter()
            .filter_map(|file| file.file_stem()?.to_str()?.parse().ok());
        next = numbers.fold(next, |next: usize, number: usize| next.max(number + 1));
    }
    Ok(Some(next))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, SqlError> {
    let failed = |source| SqlError::Spool {
        path: dir.to_owned(),
        source,
    };
    let entries = fs::read_dir(dir).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The files of a table's partitions: `TABLE/date=DAY/scraper_id=ID/NUMBER.parquet`.
fn parquet_files(table: &Path) -> Result<Vec<PathBuf>, SqlError> {
    let mut level = vec![table.to_owned()];
    for _ in 0..3 {
        let dirs = level.iter().filter(|path| path.is_dir());
        let inner: Result<Vec<_>, _> = dirs.map(|dir| entries(dir)).collect();
        level = inner?.concat();
    }
    level.retain(|path| path.extension().is_some_and(|end| end == "parquet"));
    Ok(level)
}

/// Checks that a file of an earlier export has the columns that this one writes.
fn check_columns(table: &'static Table, path: &Path) -> Result<(), SqlError> {
    let new = Builder::new(columns(table)).take()?;
    compare(&schema_of(path)?, new.schema(), path)
}

fn schema_of(path: &Path) -> Result<Schema, SqlError> {
    let unreadable = |source: PolarsError| SqlError::OtherColumns {
        path: path.to_owned(),
        difference: format!("it is not readable as Parquet ({source})"),
    };
    let file = File::open(path).map_err(|source| SqlError::Spool {
        path: path.to_owned(),
        source,
    })?;
    let empty = ParquetReader::new(file).with_slice(Some((0, 0))).finish();
    Ok((**empty.map_err(unreadable)?.schema()).clone())
}

fn compare(old: &Schema, new: &Schema, path: &Path) -> Result<(), SqlError> {
    let more = old.iter_names().find(|name| !new.contains(name));
    let less = new.iter_names().find(|name| !old.contains(name));
    let other = new
        .iter()
        .find(|(name, kind)| old.get(name).is_some_and(|old| old != *kind));
    let difference = match (less, more, other) {
        (Some(name), ..) => format!("it has no column `{name}`, which this version writes"),
        (_, Some(name), _) => {
            format!("it has a column `{name}`, which this version does not write")
        }
        (.., Some((name, kind))) => format!("its column `{name}` does not have the type {kind}"),
        (None, None, None) => return Ok(()),
    };
    Err(SqlError::OtherColumns {
        path: path.to_owned(),
        difference,
    })
}

/// The rows of an earlier file, if it exists, and the new ones.
pub(super) fn extended(path: &Path, new: DataFrame) -> Result<DataFrame, SqlError> {
    if path.symlink_metadata().is_err() {
        return Ok(new);
    }
    compare(&schema_of(path)?, new.schema(), path)?;
    let file = File::open(path).map_err(|source| SqlError::Spool {
        path: path.to_owned(),
        source,
    })?;
    let mut old = ParquetReader::new(file).finish()?;
    let names: Vec<PlSmallStr> = old.get_column_names_owned();
    old.vstack_mut(&new.select(names)?)?;
    Ok(old)
}

/// Checks that no log is exported a second time. With a filter, other rows of the same logs may be added.
pub(super) fn check_logs(dir: &Path, finished: &Finished, filter: &Filter) -> Result<(), SqlError> {
    let path = dir.join("files.parquet");
    if !filter.is_empty() || path.symlink_metadata().is_err() {
        return Ok(());
    }
    let file = File::open(&path).map_err(|source| SqlError::Spool { path, source })?;
    let old = ParquetReader::new(file)
        .with_columns(Some(vec!["path".to_owned()]))
        .finish()?;
    let old: BTreeSet<&str> = old.column("path")?.str()?.iter().flatten().collect();
    let logs = finished.files.iter().filter(|(_, file)| file.events > 0);
    let again = logs.map(|(path, _)| path);
    let again: Vec<&String> = again.filter(|path| old.contains(path.as_str())).collect();
    match again.first() {
        None => Ok(()),
        Some(first) => Err(SqlError::Exported {
            dir: dir.to_owned(),
            files: again.len(),
            first: (*first).clone(),
        }),
    }
}
