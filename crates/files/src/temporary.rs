//! Files and directories that go away, whatever becomes of the process.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::TEMPORARY_PREFIX;

/// What is there now.
static HELD: Mutex<BTreeMap<PathBuf, What>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Under a random name: with all that is in it.
    Temporary,
    /// Under a name that the user knows: a directory only when nothing else is in it.
    Made,
}

fn held() -> MutexGuard<'static, BTreeMap<PathBuf, What>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all temporary files and directories of this process: for a process that ends without dropping
/// what it holds.
pub fn remove_temporaries() {
    remove_held(|_| true);
}

/// Counts a file or a directory that this process made among the temporary ones, until it is let go. A
/// directory goes only when nothing else is in it.
pub fn hold(path: &Path) {
    held().insert(path.to_owned(), What::Made);
}

/// The file is not temporary, or is gone.
pub fn let_go(path: &Path) {
    held().remove(path);
}

fn remove_held(is_wanted: impl Fn(&Path) -> bool) {
    let mut held = held();
    let wanted = held.extract_if(.., |path, _| is_wanted(path));
    let wanted: Vec<(PathBuf, What)> = wanted.collect();
    drop(held);
    // What is in a directory stands behind it.
    for (path, what) in wanted.into_iter().rev() {
        let _ = match what {
            _ if !path.is_dir() => fs::remove_file(path),
            // It is ours by its name, which nobody else could create.
            What::Temporary => fs::remove_dir_all(path),
            What::Made => fs::remove_dir(path),
        };
    }
}

/// A new file under a random name, which goes away unless it is persisted.
#[derive(Debug)]
pub struct Temporary {
    file: tempfile::NamedTempFile,
    name: Name,
}

/// A path that is known to be temporary.
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
    /// Creates one in a directory, with the permissions of any new file.
    ///
    /// # Errors
    /// When the directory cannot be written.
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

    /// Creates one where the system has such files, readable by nobody else.
    ///
    /// # Errors
    /// When there is no room.
    pub fn new() -> io::Result<Self> {
        let file = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .tempfile()?;
        let name = Name::new(file.path());
        Ok(Self { file, name })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Gives it the permissions of another.
    ///
    /// # Errors
    /// When the file system does not.
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.file.as_file().set_permissions(permissions)
    }

    /// Gives it its name, in place of the file of that name.
    ///
    /// # Errors
    /// When it cannot be synced or renamed.
    pub fn persist(self, path: &Path) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(path).map_err(|error| error.error)?;
        drop(self.name);
        // The name is on disk when its directory is. Some file systems cannot sync one.
        if let Ok(dir) = File::open(directory_of(path)) {
            let _ = dir.sync_all();
        }
        Ok(())
    }

    /// Gives it its name, unless a file has that name.
    ///
    /// # Errors
    /// When there is one, or it cannot be renamed.
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

/// A new directory under a random name, which goes away with all that is in it.
#[derive(Debug)]
pub struct TemporaryDir {
    dir: tempfile::TempDir,
    _name: Name,
}

impl TemporaryDir {
    /// Creates one in a directory; its name begins with the prefix.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn new_in(dir: &Path, prefix: &str) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(prefix).tempdir_in(dir)?;
        let name = Name::new(dir.path());
        Ok(Self { dir, _name: name })
    }

    /// Where it is.
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
        // The other tests' files are held by this process, too.
        remove_held(|path| path.starts_with(dir.path()));
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
