//! Temporary files and directories that are removed however the process ends.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::TEMPORARY_PREFIX;

/// The paths to remove when the process ends.
static HELD: Mutex<BTreeMap<PathBuf, What>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Created under a random name: removed with its content.
    Temporary,
    /// Created under a name that the user knows: a directory is removed only when it is empty.
    Made,
}

fn held() -> MutexGuard<'static, BTreeMap<PathBuf, What>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all temporary files and directories of this process. For a process that ends without dropping
/// its values.
pub fn remove_temporaries() {
    remove_held(|_| true);
}

/// Registers a file or directory that this process created as temporary, until [`let_go`] is called. A
/// directory is removed only when it is empty.
pub fn hold(path: &Path) {
    held().insert(path.to_owned(), What::Made);
}

/// Unregisters a path that is no longer temporary or has been removed.
pub fn let_go(path: &Path) {
    held().remove(path);
}

fn remove_held(is_wanted: impl Fn(&Path) -> bool) {
    let mut held = held();
    let wanted = held.extract_if(.., |path, _| is_wanted(path));
    let wanted: Vec<(PathBuf, What)> = wanted.collect();
    drop(held);
    // In reverse order, so that the content of a directory is removed before the directory.
    for (path, what) in wanted.into_iter().rev() {
        let _ = match what {
            _ if !path.is_dir() => fs::remove_file(path),
            // It is ours: the random name was created exclusively.
            What::Temporary => fs::remove_dir_all(path),
            What::Made => fs::remove_dir(path),
        };
    }
}

/// A new file with a random name, which is removed on drop unless it is persisted.
#[derive(Debug)]
pub struct Temporary {
    file: tempfile::NamedTempFile,
    name: Name,
}

/// Registers a path as temporary for as long as the value lives.
#[derive(Debug)]
struct Name(PathBuf);

impl Name {
    fn new(path: &Path) -> Self {
        held().insert(path.to_owned(), What::Temporary);
        Self(path.to_owned())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        held().remove(&self.0);
    }
}

impl Temporary {
    /// Creates a temporary file in a directory, with the default permissions of new files.
    ///
    /// # Errors
    /// When the directory is not writable.
    pub fn new_in(dir: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY_PREFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(dir)?;
        let name = Name::new(file.path());
        Ok(Self { file, name })
    }

    /// Creates a temporary file in the system's temporary directory, readable only by the current user.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn new() -> io::Result<Self> {
        let file = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile()?;
        let name = Name::new(file.path());
        Ok(Self { file, name })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Sets the permissions of the file.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.file.as_file().set_permissions(permissions)
    }

    /// Renames the file to `path`, replacing any existing file.
    ///
    /// # Errors
    /// When the file cannot be synced or renamed.
    pub fn persist(self, path: &Path) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(path).map_err(|error| error.error)?;
        drop(self.name);
        // The name is on disk only after the directory is synced. Some file systems cannot sync directories.
        if let Ok(dir) = File::open(directory_of(path)) {
            let _ = dir.sync_all();
        }
        Ok(())
    }

    /// Renames the file to `path`, unless a file with that name exists.
    ///
    /// # Errors
    /// When `path` exists or the file cannot be renamed.
    pub fn persist_new(self, path: &Path) -> io::Result<()> {
        self.file
            .persist_noclobber(path)
            .map_err(|error| error.error)?;
        Ok(())
    }
}

impl Write for Temporary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A new directory with a random name, which is removed on drop with all its content.
#[derive(Debug)]
pub struct TemporaryDir {
    dir: tempfile::TempDir,
    _name: Name,
}

impl TemporaryDir {
    /// Creates a temporary directory in `dir`. Its name starts with `prefix`.
    ///
    /// # Errors
    /// When the directory is not writable.
    pub fn new_in(dir: &Path, prefix: &str) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(prefix).tempdir_in(dir)?;
        let name = Name::new(dir.path());
        Ok(Self { dir, _name: name })
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_or_forgotten_goes_and_what_is_persisted_stays() {
        let dir = tempfile::tempdir().unwrap();
        drop(Temporary::new_in(dir.path()).unwrap());
        let mut kept = Temporary::new_in(dir.path()).unwrap();
        kept.write_all(b"x").unwrap();
        kept.persist(&dir.path().join("kept")).unwrap();
        std::mem::forget(Temporary::new_in(dir.path()).unwrap());
        let spool = TemporaryDir::new_in(dir.path(), "spool-").unwrap();
        fs::write(spool.path().join("part"), "x").unwrap();
        std::mem::forget(spool);
        // This process also holds the files of other tests.
        remove_held(|path| path.starts_with(dir.path()));
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
