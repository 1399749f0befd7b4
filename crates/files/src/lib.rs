//! Safe writing to disk, without touching files that Dragline does not own.
//!
//! Dragline runs in directories that contain other programs' files, often as root, with paths from a
//! configuration file. Three rules therefore hold for everything that it writes, except the recorder's
//! logs:
//!
//! - **A named output keeps its file type.** [`replace()`] writes a regular file to a new file with a
//!   random name in the same directory, created exclusively, and renames it when it is complete. Symbolic
//!   links are followed: the temporary file is in the directory of the target. A device, a FIFO or a
//!   process substitution is opened and written, not replaced.
//! - **Dragline cleans only directories that it created and marked.** An [`OwnedDir`] contains a mark file.
//!   A directory with files but without the mark belongs to someone else and is refused with an error.
//! - **Dragline reads back, replaces and removes only its own files.** [`open_own`] opens only regular
//!   files, does not follow links and does not block on a FIFO. Its callers check the magic number inside.
//!
//! ```
//! use dragline_files::{Mark, OwnedDir, replace};
//! use std::io::Write as _;
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! replace(&dir.join("report.md"), |out| out.write_all(b"# All is well\n"))?;
//!
//! const MARK: Mark = Mark { name: "MINE", text: "made by this example" };
//! let cache = OwnedDir::check(dir.join("cache"), MARK)?;
//! cache.claim()?;
//! assert!(dir.join("cache/MINE").is_file());
//! // The directory with the report was not made by Dragline.
//! assert!(OwnedDir::check(dir.to_owned(), MARK).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod owned_dir;
mod replace;
mod temporary;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

pub use owned_dir::{CACHE_SIGNATURE, Mark, OwnedDir, OwnedDirError};
pub use replace::replace;
pub use temporary::{Temporary, TemporaryDir, hold, let_go, remove_temporaries};

/// The prefix of the names of temporary files.
pub const TEMPORARY_PREFIX: &str = ".dragline-";

/// Opens a regular file for reading. Does not follow symbolic links and does not block on a FIFO.
///
/// # Errors
/// When the file cannot be opened or is not a regular file.
pub fn open_own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    let is_link = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink());
    if is_link {
        return Err(not_regular());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(not_regular())
    }
}

/// Opens a regular file for reading. Follows symbolic links and does not block on a FIFO.
///
/// # Errors
/// When the file cannot be opened or is not a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(not_regular())
    }
}

/// Creates a file with the given content.
///
/// # Errors
/// When the file exists already (`AlreadyExists`) or cannot be written.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    File::create_new(path)?.write_all(bytes)
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let fifo = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        assert!(open_own(&file).is_ok());
        for other in [link, fifo, dir.path().to_owned()] {
            assert!(open_own(&other).is_err(), "{}", other.display());
        }
    }
}
