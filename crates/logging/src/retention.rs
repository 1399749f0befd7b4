//! Decides which closed files are removed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dragline_schema::Timestamp;

use crate::family::Family;
use crate::file_name::FileName;

/// The limits for the closed files of a family. A file is removed when it exceeds any of the limits; the
/// oldest files are removed first. The open file is never removed, nor is a file that another process has
/// locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Maximum age, counted from the first line of a file. `None`: unlimited.
    pub max_age: Option<Duration>,
    /// Maximum number of closed files. `None`: unlimited.
    pub max_files: Option<usize>,
    /// Maximum total size of the closed files, in bytes. `None`: unlimited.
    pub max_bytes: Option<u64>,
}

impl Retention {
    /// Keeps everything.
    pub const FOREVER: Self = Self {
        max_age: None,
        max_files: None,
        max_bytes: None,
    };

    /// Keeps everything that is younger than the given number of days.
    pub const fn days(days: u64) -> Self {
        Self {
            max_age: Some(Duration::from_secs(days * 86_400)),
            ..Self::FOREVER
        }
    }
}

/// A closed file of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) name: FileName,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// The files to remove, oldest first. The age is taken from the file name, so that copying a file does
/// not make it younger. The newest files are kept up to the limits for number and size.
pub(crate) fn plan(mut files: Vec<Closed>, keep: &Retention, now: Timestamp) -> Vec<Closed> {
    let key = |file: &Closed| {
        (
            file.name.began,
            file.name.writer_id.clone(),
            file.name.number,
        )
    };
    files.sort_by_key(|file| std::cmp::Reverse(key(file)));
    let oldest = keep
        .max_age
        .map(|age| now.plus_micros(-i64::try_from(age.as_micros()).unwrap_or(i64::MAX)));
    let mut bytes = 0u64;
    let mut kept = 0usize;
    let mut full = false;
    let mut gone: Vec<Closed> = files
        .into_iter()
        .filter(|file| {
            bytes = bytes.saturating_add(file.bytes);
            let too_old = oldest.is_some_and(|oldest| file.name.began < oldest);
            // Once a file does not fit, all older files are removed too, so that no gap remains.
            full |= keep.max_files.is_some_and(|most| kept >= most)
                || keep.max_bytes.is_some_and(|most| bytes > most);
            kept += 1;
            too_old || full
        })
        .collect();
    gone.reverse();
    gone
}

/// The closed files in a family's directory, and the number of locked files. Files whose names do not
/// match the family's name format are ignored. A locked file is not closed, unless it is in `ours`.
pub(crate) fn closed_files(family: &Family, ours: &[&Path]) -> io::Result<(Vec<Closed>, u64)> {
    let mut files = Vec::new();
    let mut held = 0;
    for entry in std::fs::read_dir(&family.dir)? {
        let Ok(entry) = entry else { continue };
        let parsed = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<FileName>().ok());
        let (Some(name), Ok(metadata)) = (parsed, entry.metadata()) else {
            continue;
        };
        let path = entry.path();
        if !family.owns(&name) || !metadata.is_file() {
            continue;
        }
        if !ours.contains(&&*path) && is_held(&path) {
            held += 1;
        } else {
            files.push(Closed {
                name,
                path,
                bytes: metadata.len(),
            });
        }
    }
    Ok((files, held))
}

/// Locks a file for as long as it is open, to mark it as in use. Has no effect on file systems without
/// locks.
pub(crate) fn hold(file: &File) {
    let _ = file.try_lock();
}

/// Tries to lock a file, to mark it as in use. Returns `false` if another process has locked it. Returns
/// `true` on file systems without locks.
pub(crate) fn try_hold(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether some process has locked the file. A file that cannot be opened counts as locked. On file
/// systems without locks, a recently modified file counts as locked.
pub(crate) fn is_held(path: &Path) -> bool {
    let Ok(file) = open_regular(path, OpenOptions::new().read(true)) else {
        return true;
    };
    match file.try_lock() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => was_written_lately(&file),
    }
}

/// Time after the last modification during which a file counts as being written.
pub(crate) const QUIET: Duration = Duration::from_mins(10);

/// Whether a file was modified within the last [`QUIET`] period.
pub(crate) fn was_written_lately(file: &File) -> bool {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    age.is_none_or(|age| age < QUIET)
}

/// Opens a regular file. Does not follow symbolic links and does not block on a FIFO.
///
/// # Errors
/// When the file cannot be opened or is not a regular file.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let not_regular = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    if !path.symlink_metadata()?.is_file() {
        return Err(not_regular());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(not_regular())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_name::{Codec, Format};
    use proptest::prelude::*;

    const DAY: i64 = 86_400;

    fn file(day: i64, bytes: u64) -> Closed {
        let name = FileName {
            family: "shop".into(),
            began: Timestamp::from_seconds(day * DAY),
            writer_id: "w".into(),
            number: day as u64,
            format: Format::Json,
            codec: Some(Codec::Gzip),
            errors: false,
        };
        Closed {
            path: name.to_string().into(),
            name,
            bytes,
        }
    }

    fn gone(files: &[Closed], keep: Retention, now: i64) -> Vec<i64> {
        let now = Timestamp::from_seconds(now * DAY);
        plan(files.to_vec(), &keep, now)
            .iter()
            .map(|f| f.name.began.as_seconds() / DAY)
            .collect()
    }

    #[test]
    fn each_limit_takes_the_oldest_first() {
        let files: Vec<Closed> = [3, 1, 4, 2, 5].map(|day| file(day, 10)).to_vec();
        assert_eq!(gone(&files, Retention::FOREVER, 1000), [0i64; 0]);
        assert_eq!(gone(&files, Retention::days(3), 6), [1, 2]);
        let count = Retention {
            max_files: Some(2),
            ..Retention::FOREVER
        };
        assert_eq!(gone(&files, count, 6), [1, 2, 3]);
        let bytes = Retention {
            max_bytes: Some(39),
            ..Retention::FOREVER
        };
        assert_eq!(gone(&files, bytes, 6), [1, 2]);
        let all = Retention {
            max_files: Some(4),
            max_bytes: Some(20),
            ..Retention::days(100)
        };
        assert_eq!(gone(&files, all, 6), [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn what_stays_is_within_the_limits_and_newer_than_what_goes(
            files in proptest::collection::btree_map(0i64..100, 0u64..1000, 0..30),
            max_files in proptest::option::of(0usize..20),
            max_bytes in proptest::option::of(0u64..9000),
            age in proptest::option::of(0u64..120),
        ) {
            let files: Vec<Closed> = files.into_iter().map(|(day, bytes)| file(day, bytes)).collect();
            let max_age = age.map(|days| Duration::from_secs(days * DAY as u64));
            let keep = Retention { max_age, max_files, max_bytes };
            let gone = plan(files.clone(), &keep, Timestamp::from_seconds(100 * DAY));
            let stay: Vec<&Closed> = files.iter().filter(|file| !gone.contains(file)).collect();
            prop_assert!(stay.len() <= max_files.unwrap_or(usize::MAX));
            prop_assert!(stay.iter().map(|f| f.bytes).sum::<u64>() <= max_bytes.unwrap_or(u64::MAX));
            let newest_gone = gone.iter().map(|file| file.name.began).max();
            prop_assert!(stay.iter().all(|file| Some(file.name.began) > newest_gone));
        }
    }
}
