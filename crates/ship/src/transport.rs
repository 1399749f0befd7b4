//! What goes over the link, whatever the link is.

use std::time::Duration;

use dragline_ingest::Signature;

/// A request of a machine: bytes of one file, or a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The machine.
    pub host: String,
    /// The file, as the service calls it; `None` for a sign of life.
    pub file: Option<String>,
    /// Where the bytes begin in the file.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// The bytes, compressed with zstd. Empty for a sign of life.
    pub body: Vec<u8>,
    /// Longest time until the next request of this machine, in seconds.
    pub every: u64,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service has the file up to here.
    Taken {
        /// Where the next batch has to begin.
        next_offset: u64,
    },
    /// The service lacks bytes before this batch.
    Gap {
        /// The first byte that it lacks.
        next_offset: u64,
    },
    /// The service answered that it does not take this.
    Refused(Refusal),
    /// There was no answer, or not a whole one: the batch may have arrived.
    Unreachable(String),
}

/// An answer that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What the service says.
    pub detail: String,
    /// When to try again, if it says so.
    pub retry_after: Option<Duration>,
}

/// A file that the service has from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What the service calls it.
    pub file: String,
    /// What identifies its content.
    pub signature: Signature,
}

/// A way to the service.
pub trait Transport {
    /// Sends a batch and waits for what became of it.
    ///
    /// Anything may happen to a batch: it arrives and the answer is lost, it arrives twice, or later than the next one.
    /// An implementor must not say [`Outcome::Taken`] unless the service said so.
    fn send(&mut self, batch: &Batch) -> Outcome;

    /// Asks for the files that the service has from a machine.
    ///
    /// # Errors
    /// If there is no answer, or one that is not a list: [`Outcome::Refused`] or [`Outcome::Unreachable`].
    fn held(&mut self, host: &str) -> Result<Vec<Held>, Outcome>;
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn send(&mut self, batch: &Batch) -> Outcome {
        (**self).send(batch)
    }

    fn held(&mut self, host: &str) -> Result<Vec<Held>, Outcome> {
        (**self).held(host)
    }
}
