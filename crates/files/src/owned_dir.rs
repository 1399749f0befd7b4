//! Directories that Dragline made.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::{TEMPORARY_PREFIX, Temporary, open_own};

/// What a `CACHEDIR.TAG` begins with, so that backups leave the directory out
/// (<https://bford.info/cachedir/>).
pub const CACHE_SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55";

/// More of a mark is not read, in bytes.
const LONGEST_MARK: u64 = 4096;

/// The file that says whose a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The file's name.
    pub name: &'static str,
    /// What the file begins with; each of Dragline's kinds of directory has another text.
    pub text: &'static str,
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnedDirError {
    /// An empty path would be the current directory.
    #[error("the directory's name is empty")]
    Empty,
    /// Somebody else's.
    #[error(
        "{path} holds files that Dragline did not put there (it has no {mark} of Dragline's): name a new or an \
         empty directory"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// The mark that is missing.
        mark: &'static str,
    },
    /// It cannot be made or read.
    #[error("cannot use the directory {path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A directory that is marked as Dragline's, or will be when something is put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedDir {
    path: PathBuf,
    mark: Mark,
}

impl OwnedDir {
    /// A directory that has the mark, is empty, or is not there yet. Nothing is written.
    ///
    /// # Errors
    /// When the path is empty, is not a directory, or is a directory with files in it and without the mark.
    pub fn check(path: PathBuf, mark: Mark) -> Result<Self, OwnedDirError> {
        Self::check_or_adopt(path, mark, |_| false)
    }

    /// The same, and a directory without the mark that holds nothing but names that `is_own` knows: an
    /// earlier version made it.
    ///
    /// # Errors
    /// As [`OwnedDir::check`].
    pub fn check_or_adopt(
        path: PathBuf,
        mark: Mark,
        is_own: impl Fn(&fs::DirEntry) -> bool,
    ) -> Result<Self, OwnedDirError> {
        if path.as_os_str().is_empty() {
            return Err(OwnedDirError::Empty);
        }
        let dir = Self { path, mark };
        if dir.is_marked() {
            return Ok(dir);
        }
        let entries = match fs::read_dir(&dir.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(dir),
            entries => entries.map_err(|source| dir.failed(source))?,
        };
        for entry in entries {
            let entry = entry.map_err(|source| dir.failed(source))?;
            // Another process may be marking the directory at this moment.
            let is_temporary = is_temporary(&entry.file_name());
            // What has the mark's name and is none is somebody else's, too, unless it was made just now.
            let is_mark = entry.file_name() == mark.name && dir.is_marked();
            if !is_temporary && !is_mark && !is_own(&entry) {
                return Err(OwnedDirError::Foreign {
                    path: dir.path,
                    mark: mark.name,
                });
            }
        }
        Ok(dir)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there and has the mark.
    pub fn is_marked(&self) -> bool {
        let mut text = String::new();
        let read = open_own(&self.path.join(self.mark.name))
            .and_then(|file| file.take(LONGEST_MARK).read_to_string(&mut text));
        read.is_ok() && text.starts_with(self.mark.text)
    }

    /// Makes the directory and marks it.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn claim(&self) -> io::Result<()> {
        if self.is_marked() {
            return Ok(());
        }
        fs::create_dir_all(&self.path)?;
        let mut mark = Temporary::new_in(&self.path)?;
        mark.write_all(self.mark.text.as_bytes())?;
        mark.write_all(b"\n")?;
        match mark.persist_new(&self.path.join(self.mark.name)) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.is_marked() => {
                Ok(())
            }
            marked => marked,
        }
    }

    fn failed(&self, source: io::Error) -> OwnedDirError {
        OwnedDirError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with(TEMPORARY_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        name: "CACHEDIR.TAG",
        text: CACHE_SIGNATURE,
    };

    fn check(path: &Path) -> Result<OwnedDir, OwnedDirError> {
        OwnedDir::check(path.to_owned(), MARK)
    }

    #[test]
    fn a_new_or_empty_directory_is_taken_and_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("a/b");
        for path in [&new, &dir.path().join("empty")] {
            let own = check(path).unwrap();
            assert!(!own.is_marked());
            own.claim().unwrap();
            fs::write(path.join("entry"), "").unwrap();
            assert!(check(path).unwrap().is_marked());
            own.claim().unwrap();
        }
    }

    #[test]
    fn what_others_made_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let named = |name: &str| dir.path().join(name);
        fs::write(named("file"), "x").unwrap();
        fs::create_dir(named("sources")).unwrap();
        fs::write(named("sources/main.py"), "").unwrap();
        fs::create_dir(named("look-alike")).unwrap();
        fs::write(named("look-alike/CACHEDIR.TAG"), "mine").unwrap();
        fs::write(named("look-alike/other"), "mine").unwrap();
        for name in ["file", "sources", "look-alike"] {
            let error = check(&named(name)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(matches!(check(Path::new("")), Err(OwnedDirError::Empty)));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_no_mark() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("tag");
        fs::write(&real, CACHE_SIGNATURE).unwrap();
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&real, other.join("CACHEDIR.TAG")).unwrap();
        fs::write(other.join("file"), "").unwrap();
        assert!(check(&other).is_err());
    }
}
