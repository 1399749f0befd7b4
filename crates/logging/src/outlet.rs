//! Non-blocking output to standard output and standard error.
//!
//! The reader of a stream may be slow or gone, or another thread may hold the stream's lock. Therefore a
//! separate thread writes the lines, from a buffer of limited size. Lines that do not fit are skipped, and
//! their number is reported; the log files still contain them.

use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sys;

const CAPACITY: usize = 1 << 20;

/// An output stream with its writing thread.
#[derive(Clone, Debug)]
pub(crate) struct Outlet(Arc<Shared>);

/// The stream to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

#[derive(Debug)]
struct Shared {
    stream: Stream,
    state: Mutex<State>,
    changed: Condvar,
    /// The process in which the thread runs. It does not exist in forked processes.
    generation: u64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Whether the thread is writing.
    busy: bool,
    /// Number of lines that did not fit.
    skipped: u64,
    /// Whether the reader has closed the stream.
    closed: bool,
}

impl Outlet {
    pub(crate) fn start(stream: Stream) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            stream,
            state: Mutex::default(),
            changed: Condvar::new(),
            generation: sys::generation(),
        });
        // The thread is not joined, because it may be blocked on a stream that is not read.
        let its = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("dragline-console".to_owned())
            .spawn(move || {
                let mut text = Vec::new();
                while let Some(shared) = its.upgrade() {
                    if !shared.turn(&mut text) {
                        return;
                    }
                }
            })?;
        Ok(Self(shared))
    }

    /// Passes whole lines to the thread. `false`: they did not fit, or the stream is closed.
    pub(crate) fn push(&self, lines: &[u8]) -> bool {
        let mut state = self.0.lock();
        let is_here = self.0.generation == sys::generation();
        let fits = state.waiting.is_empty() || state.waiting.len() + lines.len() <= CAPACITY;
        if state.closed || !is_here || !fits {
            state.skipped += memchr::memchr_iter(b'\n', lines).count() as u64;
            return false;
        }
        state.waiting.extend_from_slice(lines);
        drop(state);
        self.0.changed.notify_all();
        true
    }

    /// Waits until everything is written, at most for `patience`.
    pub(crate) fn flush(&self, patience: Duration) {
        if self.0.generation != sys::generation() {
            return;
        }
        let state = self.0.lock();
        let is_busy =
            |state: &mut State| (state.busy || !state.waiting.is_empty()) && !state.closed;
        let _ = self.0.changed.wait_timeout_while(state, patience, is_busy);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits up to a second for lines and writes them. Returns `false` when the stream is closed.
    fn turn(&self, text: &mut Vec<u8>) -> bool {
        let until = Instant::now() + Duration::from_secs(1);
        let mut state = self.lock();
        while state.waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        text.clear();
        std::mem::swap(&mut state.waiting, text);
        if self.stream == Stream::Err && state.skipped > 0 {
            let note = format!("dragline: {} lines skipped in this output\n", state.skipped);
            text.extend_from_slice(note.as_bytes());
        }
        state.skipped = 0;
        state.busy = true;
        drop(state);
        let result = match self.stream {
            Stream::Out => {
                let mut stream = std::io::stdout().lock();
                stream.write_all(text).and_then(|()| stream.flush())
            }
            Stream::Err => std::io::stderr().lock().write_all(text),
        };
        let mut state = self.lock();
        state.busy = false;
        state.closed = result.is_err();
        self.changed.notify_all();
        if let Err(error) = result
            && self.stream == Stream::Out
        {
            sys::complain(&format!(
                "cannot write to standard output: {error}; no more lines are written there"
            ));
            return false;
        }
        !state.closed
    }
}
