//! What the sender needs to know, and why it ends.

use std::path::PathBuf;

use crate::state::StateError;

/// What to send, whose it is, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files, directories and globs.
    pub inputs: Vec<String>,
    /// The service's address, for messages and to recognise the state of another one.
    pub to: String,
    /// The name of this machine.
    pub host: String,
    /// Where the state is kept.
    pub state: PathBuf,
    /// Whether to end when everything is sent.
    pub is_once: bool,
    /// Longest time until the service hears of this machine again, in seconds.
    pub every: u64,
    /// A random number, which spreads the pauses of several machines.
    pub seed: u64,
}

/// Why the sender ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShipError {
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The service does not take what is sent.
    #[error("{to} does not take the logs ({status}): {detail}{remedy}")]
    Refused {
        /// The service.
        to: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        detail: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The service does not answer.
    #[error(
        "{to} does not answer: {why}; {bytes} bytes of {files} files are not sent, the next call sends them"
    )]
    Unreachable {
        /// The service.
        to: String,
        /// What happened.
        why: String,
        /// Number of files that wait.
        files: u64,
        /// Their bytes that wait.
        bytes: u64,
    },
}
