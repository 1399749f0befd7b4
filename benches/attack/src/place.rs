//! A directory of its own for each run, with a home, a cache and a place for temporary files in it.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// 2026-03-05, in seconds: so old are files unless something is said of them.
const WRITTEN: u64 = 1_772_668_800;

/// A directory among the logs that nobody may look into.
pub(crate) const CLOSED: &str = "closed";

/// Where a run happens.
pub(crate) struct Place {
    dir: TempDir,
    is_kept: bool,
    /// Where logs and the configuration are, and usually the current directory.
    pub(crate) work: PathBuf,
    pub(crate) logs: PathBuf,
    pub(crate) home: PathBuf,
    /// `XDG_CACHE_HOME`
    pub(crate) cache: PathBuf,
    /// `TMPDIR`
    pub(crate) tmp: PathBuf,
    /// What links lead to, and nobody names.
    pub(crate) outside: PathBuf,
}

impl Place {
    /// A new place below a directory.
    pub(crate) fn new(base: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(base)
            .context("a directory for a run cannot be made")?;
        let root = dir.path();
        let place = Self {
            work: root.join("work"),
            logs: root.join("work/logs"),
            home: root.join("home"),
            cache: root.join("cache"),
            tmp: root.join("tmp"),
            outside: root.join("outside"),
            dir,
            is_kept: false,
        };
        let dirs = [
            &place.logs,
            &place.home,
            &place.cache,
            &place.tmp,
            &place.outside,
        ];
        for dir in dirs {
            fs::create_dir_all(dir)?;
        }
        Ok(place)
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// The cache's directory, where nothing else is configured.
    pub(crate) fn kept(&self) -> PathBuf {
        self.cache.join("dragline")
    }

    /// Keeps it for people to look at.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.is_kept = true;
        self.root().to_owned()
    }

    /// Gives everything to the user that commands run as.
    pub(crate) fn give(&self, user: Option<u32>) -> Result<()> {
        let Some(user) = user else {
            return Ok(());
        };
        let mut left = vec![self.root().to_owned()];
        while let Some(path) = left.pop() {
            if path.symlink_metadata()?.is_dir() {
                for entry in fs::read_dir(&path)? {
                    left.push(entry?.path());
                }
            }
            lchown(&path, Some(user), Some(user))?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept {
            // What is in a closed directory cannot be removed.
            let _ = mode(&self.logs.join(CLOSED), 0o755);
        }
    }
}

/// Writes a file that has been there for long. Directories above it are made.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    age(path, WRITTEN)
}

/// Says when a file or directory was written, in seconds since 1970.
pub(crate) fn age(path: &Path, seconds: u64) -> Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path)?.set_modified(time)?;
    Ok(())
}

/// Makes a link; one that is there already is left alone, as is a name that cannot be.
pub(crate) fn link(target: &Path, path: &Path) {
    let _ = symlink(target, path);
}

/// Makes a FIFO, where the system can and nothing is there.
pub(crate) fn fifo(path: &Path) {
    if path.symlink_metadata().is_err() {
        let _ = Command::new("mkfifo").arg("--").arg(path).status();
    }
}

/// Makes a socket that nobody listens at, where its path is short enough for one.
pub(crate) fn socket(path: &Path) {
    drop(UnixListener::bind(path));
}

pub(crate) fn mode(path: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

/// A path with something behind its name.
pub(crate) fn with_end(path: &Path, end: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
