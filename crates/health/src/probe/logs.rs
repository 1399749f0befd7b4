//! The newest file below a path.

use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use dragline_schema::Timestamp;

/// Depth to which directories are searched.
const DEEPEST: usize = 8;
/// Files that are looked at; in a directory with more the newest may be missed, so it is an error.
const MOST_FILES: usize = 200_000;

/// When the newest file at or below a path was modified; none if there is no file.
///
/// Links are not followed, except the path itself.
///
/// # Errors
/// When the path is missing or has too many files. A directory below it that cannot be read is left out.
pub(crate) fn find_newest(path: &Path) -> io::Result<Option<Timestamp>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(read_modified(&metadata));
    }
    let mut newest = None;
    let mut looked_at = 0;
    let mut directories = vec![(path.to_owned(), 0)];
    while let Some((directory, depth)) = directories.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            looked_at += 1;
            if looked_at > MOST_FILES {
                return Err(io::Error::other(format!(
                    "there are more than {MOST_FILES} files"
                )));
            }
            match look_at(&entry) {
                Found::File(modified) => newest = newest.max(modified),
                Found::Directory if depth < DEEPEST => directories.push((entry.path(), depth + 1)),
                Found::Directory | Found::Other => {}
            }
        }
    }
    Ok(newest)
}

enum Found {
    File(Option<Timestamp>),
    Directory,
    Other,
}

fn look_at(entry: &DirEntry) -> Found {
    match entry.metadata() {
        Ok(metadata) if metadata.is_file() => Found::File(read_modified(&metadata)),
        Ok(metadata) if metadata.is_dir() => Found::Directory,
        _ => Found::Other,
    }
}

fn read_modified(metadata: &Metadata) -> Option<Timestamp> {
    let modified = metadata.modified().ok()?;
    let micros = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_micros()).ok()?,
    };
    Some(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, create_dir};
    use std::time::Duration;

    use super::*;

    fn write(path: &Path, seconds: u64) {
        let file = File::create(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    }

    #[test]
    fn the_newest_file_counts_at_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find_newest(dir.path()).unwrap(), None);
        write(&dir.path().join("a.log"), 1000);
        create_dir(dir.path().join("shop")).unwrap();
        write(&dir.path().join("shop/b.log"), 2000);
        let newest = find_newest(dir.path()).unwrap();
        assert_eq!(newest, Some(Timestamp::from_seconds(2000)));
        // A single file.
        let newest = find_newest(&dir.path().join("a.log")).unwrap();
        assert_eq!(newest, Some(Timestamp::from_seconds(1000)));
        assert!(find_newest(&dir.path().join("gone")).is_err());
    }
}
