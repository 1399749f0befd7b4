//! Directories that Dragline created and marked.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::{TEMPORARY_PREFIX, Temporary, open_own};

/// The content that marks a `CACHEDIR.TAG` file, so that backup tools skip the directory
/// (<https://bford.info/cachedir/>).
pub const CACHE_SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55";

/// Maximum number of bytes read from a mark file.
const LONGEST_MARK: u64 = 4096;

/// The file that marks a directory as Dragline's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The file name.
    pub name: &'static str,
    /// The text at the start of the file. Each kind of directory has its own text.
    pub text: &'static str,
}

/// The reason why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnedDirError {
    /// The path is empty, which would mean the current directory.
    #[error("the directory path is empty")]
    Empty,
    /// The directory contains files and does not have Dragline's mark.
    #[error(
        "{path} contains files that Dragline did not create (Dragline's mark file {mark} is missing): use a new or \
         empty directory"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// The name of the missing mark file.
        mark: &'static str,
    },
    /// The directory cannot be created or read.
    #[error("cannot use the directory {path}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A directory that is marked as Dragline's, or that [`OwnedDir::claim`] will mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedDir {
    path: PathBuf,
    mark: Mark,
}

impl OwnedDir {
    /// Accepts a directory that has the mark, is empty or does not exist yet. Writes nothing.
    ///
    /// # Errors
    /// When the path is empty, is not a directory, or is a directory that contains files and has no mark.
    pub fn check(path: PathBuf, mark: Mark) -> Result<Self, OwnedDirError> {
        Self::check_or_adopt(path, mark, |_| false)
    }

    /// Like [`OwnedDir::check`], but also accepts an unmarked directory in which `is_own` accepts every
    /// entry: an earlier version of Dragline created it.
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
            // A file with the mark's name but other content is foreign as well. Checked again here because the
            // mark may have been created just now.
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

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory exists and has the mark.
    pub fn is_marked(&self) -> bool {
        let mut text = String::new();
        let read = open_own(&self.path.join(self.mark.name))
            .and_then(|file| file.take(LONGEST_MARK).read_to_string(&mut text));
        read.is_ok() && text.starts_with(self.mark.text)
    }

    /// Creates the directory and its mark file.
    ///
    /// # Errors
    /// When the directory or the mark file cannot be created.
    pub fn claim(&self) -> io::Result<()> {
        if self.is_marked() {
            return Ok(());
        }
        fs::create_dir_all(&self.path)?;
        let mut mark = Temporary::new_in(&self.path)?;
        mark.write_all(self.mark.text.as_bytes())?;
        mark.write_all(b"\n")?;
        match mark.persist_new(&self.path.join(self.mark.name)) {
            // Another process has created the mark in the meantime.
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
