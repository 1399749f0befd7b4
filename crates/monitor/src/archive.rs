//! Copies of what the service keeps: the database, received logs, configuration and rules.
//!
//! A backup is a directory with plain files, so that every part can be looked at, and a manifest with its version and
//! the sizes of all files. It is complete when the manifest is there, which is written last.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::receive;
use crate::store::{self, DATABASE, StoreError};

/// The name of the manifest.
const MANIFEST: &str = "manifest.json";
/// Name and version of the format.
const FORMAT: &str = "dragline.backup/1";
/// The directory of configuration and rules.
const CONFIGURATION: &str = "configuration";

/// Why a backup cannot be made or put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It would replace something.
    #[error("{0} exists already: choose another directory, or move it away")]
    Exists(PathBuf),
    /// It is not a complete backup.
    #[error("{path} is not a complete backup: {why}")]
    Incomplete {
        /// The directory.
        path: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Number of files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: String,
    program: String,
    made_at: Timestamp,
    /// Paths below the directory, with sizes.
    files: Vec<(String, u64)>,
}

/// Copies the state and the named files into a new directory. The service may run.
///
/// # Errors
/// If something cannot be read or written, or the directory exists already.
pub fn back_up(
    state: &Path,
    to: &Path,
    files: &[PathBuf],
    now: Timestamp,
) -> Result<Copied, ArchiveError> {
    let database = state.join(DATABASE);
    if !database.is_file() {
        return Err(ArchiveError::Io {
            path: database,
            source: io::ErrorKind::NotFound.into(),
        });
    }
    fs::create_dir(to).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ArchiveError::Exists(to.to_owned()),
        _ => failed(to)(source),
    })?;
    store::copy(&database, &to.join(DATABASE))?;
    copy_tree(
        &state.join(receive::DIRECTORY),
        &to.join(receive::DIRECTORY),
    )?;
    let configuration = to.join(CONFIGURATION);
    fs::create_dir(&configuration).map_err(failed(&configuration))?;
    for file in files {
        let name = file.file_name().unwrap_or(file.as_os_str());
        copy_file(file, &configuration.join(name))?;
    }
    let mut listed = Vec::new();
    list(to, to, &mut listed)?;
    let copied = Copied {
        files: listed.len() as u64,
        bytes: listed.iter().map(|(_, bytes)| bytes).sum(),
    };
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: now,
        files: listed,
    };
    let json = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    let path = to.join(MANIFEST);
    dragline_files::replace(&path, |out| out.write_all(&json)).map_err(failed(&path))?;
    Ok(copied)
}

/// Puts a backup's database and received logs into a state directory without a database.
///
/// # Errors
/// If the backup is not complete or of a later version, or the directory has a database or is in use.
pub fn restore(from: &Path, state: &Path) -> Result<Copied, ArchiveError> {
    let incomplete = |why: String| ArchiveError::Incomplete {
        path: from.to_owned(),
        why,
    };
    let path = from.join(MANIFEST);
    let json = fs::read(&path).map_err(|error| incomplete(format!("{MANIFEST}: {error}")))?;
    let manifest: Manifest = serde_json::from_slice(&json)
        .map_err(|error| incomplete(format!("{MANIFEST}: {error}")))?;
    if manifest.format != FORMAT {
        return Err(incomplete(format!(
            "its format is {:?}, this version reads {FORMAT:?}",
            manifest.format
        )));
    }
    for (name, bytes) in &manifest.files {
        let size = from.join(name).metadata().map(|metadata| metadata.len());
        if size.as_ref().ok() != Some(bytes) {
            return Err(incomplete(format!(
                "{name} is missing or has another size than {bytes} bytes"
            )));
        }
    }
    let target = state.join(DATABASE);
    let received = state.join(receive::DIRECTORY);
    if let Some(there) = [&target, &received].into_iter().find(|path| path.exists()) {
        return Err(ArchiveError::Exists(there.clone()));
    }
    fs::create_dir_all(state).map_err(failed(state))?;
    copy_tree(&from.join(receive::DIRECTORY), &received)?;
    // Copied under another name first: a torn copy must not look like the database.
    let partial = state.join("dragline.db.restoring");
    copy_file(&from.join(DATABASE), &partial)?;
    fs::rename(&partial, &target).map_err(failed(&target))?;
    // Opening checks it, and brings it to this version.
    drop(store::Store::open(state)?);
    let is_restored = |name: &&(String, u64)| !name.0.starts_with(CONFIGURATION);
    let restored: Vec<_> = manifest.files.iter().filter(is_restored).collect();
    Ok(Copied {
        files: restored.len() as u64,
        bytes: restored.iter().map(|(_, bytes)| bytes).sum(),
    })
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |source| ArchiveError::Io {
        path: path.clone(),
        source,
    }
}

fn copy_file(from: &Path, to: &Path) -> Result<(), ArchiveError> {
    fs::copy(from, to).map_err(failed(from))?;
    Ok(())
}

/// Copies a directory with everything in it; one that does not exist is left out.
fn copy_tree(from: &Path, to: &Path) -> Result<(), ArchiveError> {
    if !from.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(failed(&path))?.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            copy_file(&path, &target)?;
        }
    }
    Ok(())
}

/// Lists all files below a directory.
fn list(root: &Path, dir: &Path, into: &mut Vec<(String, u64)>) -> Result<(), ArchiveError> {
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed(dir))? {
        entries.push(entry.map_err(failed(dir))?.path());
    }
    entries.sort();
    for path in entries {
        if path.is_dir() {
            list(root, &path, into)?;
        } else {
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            into.push((name, path.metadata().map_err(failed(&path))?.len()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_backed_up_while_the_service_runs_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (state, backup, other) = (
            dir.path().join("state"),
            dir.path().join("backup"),
            dir.path().join("other"),
        );
        let store = store::Store::open(&state).unwrap();
        store.set_state("example", b"kept").unwrap();
        fs::create_dir_all(state.join("received/a/b")).unwrap();
        fs::write(state.join("received/a/b/x.log"), "line\n").unwrap();
        let config = dir.path().join("dragline.toml");
        fs::write(&config, "[monitor]\n").unwrap();
        let now = Timestamp::from_seconds(1_772_582_400);
        let made = back_up(&state, &backup, &[config], now).unwrap();
        assert_eq!(made.files, 3);
        assert!(matches!(
            back_up(&state, &backup, &[], now),
            Err(ArchiveError::Exists(_))
        ));
        // Never over what is there.
        drop(store);
        assert!(matches!(
            restore(&backup, &state),
            Err(ArchiveError::Exists(_))
        ));
        assert_eq!(restore(&backup, &other).unwrap().files, 2);
        let store = store::Store::open(&other).unwrap();
        assert_eq!(
            store.state("example").unwrap().as_deref(),
            Some(&b"kept"[..])
        );
        assert_eq!(
            fs::read(other.join("received/a/b/x.log")).unwrap(),
            b"line\n"
        );
    }

    #[test]
    fn a_torn_backup_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (state, backup) = (dir.path().join("state"), dir.path().join("backup"));
        drop(store::Store::open(&state).unwrap());
        back_up(&state, &backup, &[], Timestamp::from_seconds(0)).unwrap();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(backup.join(DATABASE))
            .unwrap();
        file.set_len(4_096).unwrap();
        let error = restore(&backup, &dir.path().join("other"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("not a complete backup") && error.contains(DATABASE),
            "{error}"
        );
        assert!(!dir.path().join("other").join(DATABASE).exists());
    }
}
