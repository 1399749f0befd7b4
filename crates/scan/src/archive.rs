//! Moves old logs to an archive directory: copy, verify, then remove.
//!
//! [`plan`] determines for every log whether it can be moved and, if not, why; [`take`] moves one. Only regular files
//! are moved that were found as logs, were last written before the requested time and are not open in any program. The
//! copy gets the same relative path below the archive directory. It is read back and must have the same hash before
//! the log is removed. A log that changed in the meantime stays.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use dragline_files::Temporary;
use dragline_ingest::Discovery;
use xxhash_rust::xxh3::Xxh3;

/// A log and the decision whether to move it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The log.
    pub path: PathBuf,
    /// The path of its copy.
    pub target: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Why it stays; `None` if it is to be moved.
    pub stays: Option<Stays>,
}

/// Why a log stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stays {
    /// It was written after the requested time.
    Young,
    /// A program has it open.
    Held,
    /// It is a link, has several hard links, or is not a regular file.
    Strange,
    /// Another file has the name of its copy: one in the archive directory, or the copy of another log.
    Taken,
}

impl Stays {
    /// The reason as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Young => "modified too recently",
            Self::Held => "held open by a program",
            Self::Strange => "a link, or a file with several hard links",
            Self::Taken => "another file has its name in the archive",
        }
    }
}

/// Why logs cannot be moved to a directory.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive directory is a directory with logs.
    #[error("{} is the directory of the logs: name another one with --to", .0.display())]
    Same(PathBuf),
    /// The archive directory is below the logs, so that the copies would be logs again.
    #[error("{} is inside {}, where the logs are: name a directory outside with --to", to.display(), logs.display())]
    InLogs {
        /// The archive directory.
        to: PathBuf,
        /// The input that contains it.
        logs: PathBuf,
    },
    /// Logs are in the archive directory.
    #[error("{} is inside {}, where the logs go: name other logs, or another directory with --to", logs.display(), to.display())]
    InArchive {
        /// The log or directory.
        logs: PathBuf,
        /// The archive directory.
        to: PathBuf,
    },
}

/// Decides for all found logs whether to move them: those last modified before `before` are moved to `to`.
///
/// # Errors
/// If the logs are in the archive directory, or that is in them.
pub fn plan(
    inputs: &[String],
    found: &Discovery,
    before: SystemTime,
    to: &Path,
) -> Result<Vec<Planned>, ArchiveError> {
    let roots: Vec<&Path> = inputs
        .iter()
        .map(Path::new)
        .filter(|path| path.is_dir())
        .collect();
    let files = || found.families.iter().flat_map(|family| &family.files);
    check_apart(&roots, files().map(|file| file.path.as_path()), to)?;
    let held = Held::now();
    let mut all: Vec<Planned> = files()
        .map(|file| Planned {
            path: file.path.clone(),
            target: to.join(below(&file.path, &roots)),
            bytes: file.bytes,
            stays: stays(&file.path, before, &held),
        })
        .collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    let mut names = BTreeSet::new();
    for one in all.iter_mut().filter(|one| one.stays.is_none()) {
        if !names.insert(one.target.clone()) || is_other(&one.path, &one.target) {
            one.stays = Some(Stays::Taken);
        }
    }
    Ok(all)
}

/// Checks that the archive directory and the logs are not inside each other.
fn check_apart<'p>(
    roots: &[&'p Path],
    files: impl Iterator<Item = &'p Path>,
    to: &Path,
) -> Result<(), ArchiveError> {
    let to_real = real(to);
    for root in roots {
        let logs = real(root);
        if logs == to_real {
            return Err(ArchiveError::Same(to.to_owned()));
        }
        if to_real.starts_with(&logs) {
            return Err(ArchiveError::InLogs {
                to: to.to_owned(),
                logs: (*root).to_owned(),
            });
        }
    }
    let mut logs = roots.iter().copied().chain(files);
    match logs.find(|path| real(path).starts_with(&to_real)) {
        None => Ok(()),
        Some(logs) => Err(ArchiveError::InArchive {
            logs: logs.to_owned(),
            to: to.to_owned(),
        }),
    }
}

/// The path without links. What does not exist yet is taken as it is.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let parts = path.ancestors().find_map(|parent| {
        let real = parent.canonicalize().ok()?;
        Some(real.join(path.strip_prefix(parent).ok()?))
    });
    // `join` with an empty path adds a slash, which comparisons ignore.
    parts.unwrap_or(path)
}

/// Whether the target exists and differs from the log.
fn is_other(log: &Path, target: &Path) -> bool {
    if target.symlink_metadata().is_err() {
        return false;
    }
    let of = |path: &Path| hash(&mut dragline_files::open_own(path)?);
    match (of(log), of(target)) {
        (Ok(log), Ok(target)) => log != target,
        _ => true,
    }
}

/// The path relative to the input directory; for a file given directly, its name.
fn below(path: &Path, roots: &[&Path]) -> PathBuf {
    let inner = roots.iter().filter_map(|root| path.strip_prefix(root).ok());
    let shortest = inner.min_by_key(|inner| inner.components().count());
    let name = || PathBuf::from(path.file_name().unwrap_or_default());
    shortest.map_or_else(name, Path::to_owned)
}

fn stays(path: &Path, before: SystemTime, held: &Held) -> Option<Stays> {
    let Ok(metadata) = path.symlink_metadata() else {
        return Some(Stays::Strange);
    };
    if !metadata.is_file() || has_other_names(&metadata) {
        return Some(Stays::Strange);
    }
    if metadata
        .modified()
        .map_or(true, |written| written >= before)
    {
        return Some(Stays::Young);
    }
    (is_locked(path) || held.has(&metadata)).then_some(Stays::Held)
}

#[cfg(unix)]
fn has_other_names(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.nlink() > 1
}

#[cfg(not(unix))]
fn has_other_names(_: &fs::Metadata) -> bool {
    false
}

/// Whether a recorder is writing the file: recorders lock their files.
fn is_locked(path: &Path) -> bool {
    let file = File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

/// The files that other programs have open, as far as this process may see (Linux only).
struct Held(BTreeSet<(u64, u64)>);

impl Held {
    #[cfg(target_os = "linux")]
    fn now() -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let own = std::process::id().to_string();
        let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
        let processes = entries(Path::new("/proc")).filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.bytes().all(|byte| byte.is_ascii_digit()) && *name != *own
        });
        let open = processes.flat_map(|process| entries(&process.path().join("fd")));
        let files = open.filter_map(|open| fs::metadata(open.path()).ok());
        let files = files.filter(fs::Metadata::is_file);
        Self(files.map(|file| (file.dev(), file.ino())).collect())
    }

    #[cfg(not(target_os = "linux"))]
    fn now() -> Self {
        Self(Default::default())
    }

    #[cfg(unix)]
    fn has(&self, metadata: &fs::Metadata) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        self.0.contains(&(metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    fn has(&self, _: &fs::Metadata) -> bool {
        false
    }
}

/// Moves a log: copies it, reads the copy back, and removes the log if both are equal.
///
/// # Errors
/// If another file has the name of the copy, the copy cannot be written or differs from the log, or the log changed
/// in the meantime. The log then stays unchanged.
pub fn take(planned: &Planned) -> io::Result<()> {
    let (path, target) = (&planned.path, &planned.target);
    let mut log = dragline_files::open_own(path)?;
    let before = log.metadata()?;
    if target.symlink_metadata().is_ok() {
        // An earlier attempt may have made this copy.
        let copied = hash(&mut dragline_files::open_own(target)?)?;
        if copied != hash(&mut log)? {
            let sentence = format!("{} already exists with different content", target.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, sentence));
        }
    } else {
        copy(&mut log, target, &before)?;
    }
    let now = path.symlink_metadata()?;
    let is_same =
        now.len() == before.len() && now.modified().ok() == before.modified().ok() && now.is_file();
    if !is_same {
        return Err(io::Error::other(
            "it was modified in the meantime and was not removed",
        ));
    }
    fs::remove_file(path)
}

fn copy(log: &mut File, target: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut copy = Temporary::new_in(dir)?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = log.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
        copy.write_all(&buffer[..length])?;
    }
    copy.set_permissions(metadata.permissions())?;
    let written = File::open(copy.path())?;
    written.sync_all()?;
    if hash(&mut File::open(copy.path())?)? != hasher.digest128() {
        return Err(io::Error::other("the copy differs from the log"));
    }
    if let Ok(at) = metadata.modified() {
        let _ = File::options()
            .append(true)
            .open(copy.path())?
            .set_modified(at);
    }
    copy.persist(target)?;
    // Make the directory entry durable, too.
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(())
}

fn hash(file: &mut File) -> io::Result<u128> {
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(hasher.digest128());
        }
        hasher.update(&buffer[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn old(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(at)
            .unwrap();
    }

    const LINE: &str = "{\"level\":\"info\",\"time\":1772623353,\"msg\":\"x\"}\n";

    fn planned(dir: &Path) -> Vec<Planned> {
        let inputs = [dir.join("logs").to_string_lossy().into_owned()];
        let found = dragline_ingest::discover(&inputs).unwrap();
        let before = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000);
        plan(&inputs, &found, before, &dir.join("old")).unwrap()
    }

    #[test]
    fn only_what_is_old_and_nobodys_goes() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        old(&logs.join("shop/a.jsonl"), LINE);
        old(&logs.join("held.jsonl"), &LINE.replace('x', "held"));
        fs::write(logs.join("young.jsonl"), LINE.replace('x', "young")).unwrap();
        let held = File::options()
            .append(true)
            .open(logs.join("held.jsonl"))
            .unwrap();
        held.lock().unwrap();
        let told: Vec<_> = planned(dir.path())
            .into_iter()
            .map(|one| {
                (
                    one.path.file_name().unwrap().to_string_lossy().into_owned(),
                    one.stays,
                )
            })
            .collect();
        let expected = [
            ("held.jsonl".to_owned(), Some(Stays::Held)),
            ("a.jsonl".to_owned(), None),
            ("young.jsonl".to_owned(), Some(Stays::Young)),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn logs_and_archive_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        old(&logs.join("shop/a.jsonl"), LINE);
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let refused = |inputs: &[String], to: &Path| {
            let found = dragline_ingest::discover(inputs).unwrap();
            plan(inputs, &found, SystemTime::now(), to).unwrap_err()
        };
        assert_eq!(
            refused(&[text(&logs)], &logs),
            ArchiveError::Same(logs.clone())
        );
        assert_eq!(
            refused(&[text(&logs)], &logs.join("shop/../old")).to_string(),
            format!(
                "{} is inside {}, where the logs are: name a directory outside with --to",
                logs.join("shop/../old").display(),
                logs.display()
            )
        );
        for input in [
            logs.join("shop"),
            logs.join("shop/a.jsonl"),
            logs.join("shop/*.jsonl"),
        ] {
            let error = refused(&[text(&input)], &logs);
            assert!(matches!(error, ArchiveError::InArchive { .. }), "{error}");
        }
    }

    #[test]
    fn a_name_is_given_once() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        old(&logs.join("a/x.jsonl"), LINE);
        old(&logs.join("b/x.jsonl"), &LINE.replace('x', "other"));
        old(&logs.join("b/y.jsonl"), &LINE.replace('x', "third"));
        old(&dir.path().join("old/y.jsonl"), LINE);
        let inputs = ["a/x", "b/x", "b/y"].map(|name| {
            let path = logs.join(name).with_extension("jsonl");
            path.to_string_lossy().into_owned()
        });
        let found = dragline_ingest::discover(&inputs).unwrap();
        let all = plan(&inputs, &found, SystemTime::now(), &dir.path().join("old")).unwrap();
        let stays: Vec<_> = all.iter().map(|one| one.stays).collect();
        assert_eq!(stays, [None, Some(Stays::Taken), Some(Stays::Taken)]);
    }

    #[test]
    fn a_log_is_removed_only_when_its_copy_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/shop/a.jsonl");
        old(&path, LINE);
        let all = planned(dir.path());
        assert_eq!(all[0].target, dir.path().join("old/shop/a.jsonl"));
        // Another file has its name.
        fs::create_dir_all(dir.path().join("old/shop")).unwrap();
        fs::write(&all[0].target, "other").unwrap();
        assert!(take(&all[0]).is_err() && path.exists());
        fs::remove_file(&all[0].target).unwrap();
        take(&all[0]).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read_to_string(&all[0].target).unwrap(), LINE);
        // An attempt that was interrupted before the removal is completed.
        old(&path, LINE);
        take(&all[0]).unwrap();
        assert!(!path.exists());
        assert_eq!(
            fs::read_dir(dir.path().join("old/shop")).unwrap().count(),
            1
        );
    }
}
