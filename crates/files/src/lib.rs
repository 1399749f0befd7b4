//! What Dragline writes to disk, and how it leaves everybody else's files alone.
//!
//! Dragline runs in directories that matter to somebody, often as root, with paths that come from a
//! configuration file. So three rules hold for everything that it writes beside the recorder's logs:
//!
//! - **A named output is written, never replaced by something else.** [`replace()`] writes a regular file
//!   under a random name beside it, created exclusively, and renames it when it is whole. Links are
//!   followed to their target's directory. A device, a FIFO or a process substitution is opened and
//!   written, and stays what it is.
//! - **A directory that Dragline cleans is one that it made and marked.** An [`OwnedDir`] holds a mark.
//!   A directory that has files in it and no mark is somebody else's, and is refused with a sentence.
//! - **A file that Dragline reads back, replaces or removes is its own.** [`open_own`] opens regular files
//!   only, follows no link and waits for no FIFO; whoever calls it checks the magic number inside.
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

/// What the names of temporary files begin with.
pub const TEMPORARY_PREFIX: &str = ".dragline-";

/// Opens a regular file for reading. A link is not followed, and a FIFO is not waited for.
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

/// Opens a regular file, or what a link leads to, for reading; a FIFO is not waited for.
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

/// Writes a file that is not there yet.
///
/// # Errors
/// When there is one (`AlreadyExists`), or it cannot be written.
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
