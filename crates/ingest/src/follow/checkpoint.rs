//! The read positions of all files, on disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::tracked::Progress;

/// The format of a checkpoint.
const VERSION: u32 = 1;
/// Maximum file size that is read. A checkpoint takes a few hundred bytes per followed file.
const LARGEST: u64 = 256 << 20;

/// The read positions of a [`Follower`](super::Follower).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    version: u32,
    pub(super) families: Vec<Kept>,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) name: String,
    /// The decoder state that the next line depends on.
    pub(super) state: String,
    pub(super) files: Vec<KeptFile>,
    pub(super) gone: Vec<Progress>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptFile {
    pub(super) path: String,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) progress: Progress,
}

/// Why a checkpoint could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("cannot {what} the checkpoint {path}: {source}")]
    Io {
        /// The operation that failed.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a valid checkpoint.
    #[error("{path} is not a checkpoint of this version: {source}; remove it to begin anew")]
    Format {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
}

impl Checkpoint {
    pub(super) fn of(families: Vec<Kept>) -> Self {
        Self {
            version: VERSION,
            families,
        }
    }

    /// Whether a follower can have made it. One from a damaged file may contain lengths that no file has.
    pub fn is_plausible(&self) -> bool {
        let mut all = self.all();
        self.version == VERSION && all.all(Progress::is_plausible)
    }

    /// The read positions of all files, also of deleted ones.
    pub(super) fn all(&self) -> impl Iterator<Item = &Progress> {
        self.families.iter().flat_map(|kept| {
            let files = kept.files.iter().map(|file| &file.progress);
            files.chain(&kept.gone)
        })
    }

    /// Writes the checkpoint atomically: to a temporary file, which is synced and then renamed.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let write = || -> io::Result<()> {
            let text = serde_json::to_string(self)?;
            dragline_files::replace(path, |out| out.write_all(text.as_bytes()))
        };
        write().map_err(|source| CheckpointError::Io {
            what: "write",
            path: path.to_owned(),
            source,
        })
    }

    /// Loads a checkpoint. `None` if the file does not exist.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a checkpoint of this version.
    pub fn load(path: &Path) -> Result<Option<Self>, CheckpointError> {
        let mut text = Vec::new();
        // Reading from a pipe might never end.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(CheckpointError::Io {
                what: "read",
                path: path.to_owned(),
                source: io::Error::other("not a regular file"),
            });
        }
        // A larger file is rejected, because truncated JSON is invalid.
        let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(CheckpointError::Io {
                    what: "read",
                    path: path.to_owned(),
                    source,
                });
            }
        }
        let format = |source| CheckpointError::Format {
            path: path.to_owned(),
            source,
        };
        let checkpoint: Self = serde_json::from_slice(&text).map_err(format)?;
        if checkpoint.version != VERSION {
            let other = format!("its version is {}, not {VERSION}", checkpoint.version);
            return Err(format(serde::de::Error::custom(other)));
        }
        if !checkpoint.is_plausible() {
            let other = "it contains impossible file lengths".to_owned();
            return Err(format(serde::de::Error::custom(other)));
        }
        Ok(Some(checkpoint))
    }
}
