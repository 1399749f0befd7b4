//! What the sender keeps: how far each text was taken, and what the service calls it.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use dragline_ingest::Checkpoint;
use serde::{Deserialize, Serialize};

/// The format. It is the first thing in the file, so that no reader takes it for a log.
const SCHEMA: &str = "dragline.ship/1";
/// Maximum file size that is read.
const LARGEST: u64 = 256 << 20;

/// The content of a state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    schema: String,
    /// The service.
    pub(crate) to: String,
    /// The machine's name there.
    pub(crate) host: String,
    /// The number of the next text.
    pub(crate) next: u64,
    /// The time in the newest name, in microseconds since 1970.
    pub(crate) stamp: i64,
    /// What is known of texts, by number.
    pub(crate) texts: BTreeMap<u64, Known>,
    pub(crate) checkpoint: Checkpoint,
}

/// What is known of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// What the service calls it.
    pub(crate) file: String,
    /// The path of its file when it was last seen.
    pub(crate) path: PathBuf,
    /// Whether the service does not take it; that was said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_given_up: bool,
    /// Number of bytes that were said to be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<u64>,
}

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It cannot be read or written.
    #[error("cannot {what} the state file {path}: {source}", path = path.display())]
    Io {
        /// The operation that failed.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It has another content.
    #[error(
        "{path} is not a state file of this version ({detail}): name another one with --state, or remove it; what the \
         service already has is not sent again", path = path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Another process uses it.
    #[error("another dragline ship uses {path}: let it end, or name another file with --state", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

impl State {
    pub(crate) fn new(to: &str, host: &str, checkpoint: Checkpoint) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            to: to.to_owned(),
            host: host.to_owned(),
            next: 1,
            stamp: 0,
            texts: BTreeMap::new(),
            checkpoint,
        }
    }

    /// Writes it atomically: to a temporary file, which is synced and then renamed.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<(), StateError> {
        let write = || -> io::Result<()> {
            let text = serde_json::to_string(self)?;
            dragline_files::replace(path, |out| out.write_all(text.as_bytes()))
        };
        write().map_err(|source| StateError::Io {
            what: "write",
            path: path.to_owned(),
            source,
        })
    }

    /// Loads it. `None` if the file does not exist.
    ///
    /// # Errors
    /// If the file cannot be read, or is no state of this version.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, StateError> {
        let io = |source| StateError::Io {
            what: "read",
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        // Reading from a pipe might never end.
        if !file.metadata().map_err(io)?.is_file() {
            return Err(io(io::Error::other("not a regular file")));
        }
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).map_err(io)?;
        let format = |detail: String| StateError::Format {
            path: path.to_owned(),
            detail,
        };
        let state: Self =
            serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
        if state.schema != SCHEMA {
            return Err(format(format!("{:?}, not {SCHEMA:?}", state.schema)));
        }
        if !state.checkpoint.is_plausible() {
            return Err(format("it contains impossible file lengths".to_owned()));
        }
        Ok(Some(state))
    }
}

/// Makes sure that one process uses a state file. The lock ends with the process.
///
/// # Errors
/// If another process uses it, or the file beside it cannot be made.
pub fn lock(path: &Path) -> Result<File, StateError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let failed = |source| StateError::Io {
        what: "lock",
        path: PathBuf::from(&beside),
        source,
    };
    let file = File::options()
        .create(true)
        .append(true)
        .open(&beside)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
