//! Standard output and standard error, for which nobody waits.
//!
//! Whoever reads there may be slow, or gone, or hold the stream's lock: so a thread of its own writes,
//! from a buffer that is bounded. What does not fit is left out, and said so; the files have it.

use std::io::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sys;

const CAPACITY: usize = 1 << 20;

/// A stream with its thread.
#[derive(Clone, Debug)]
pub(crate) struct Outlet(Arc<Shared>);

/// Which stream.
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
    /// A forked process has no such thread.
    generation: u64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// The thread is writing.
    busy: bool,
    /// So many lines did not fit.
    skipped: u64,
    /// Nobody reads any more.
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
        // The thread ends with the process: nobody can wait for a stream that is not read.
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

    /// Hands over whole lines. `false`: they did not fit, or nobody reads any more.
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

    /// Waits until everything is written, but not for ever.
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

    /// Waits a while for lines and writes them; `false` when nobody reads any more.
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
            let note = format!("dragline: {} lines are not shown here\n", state.skipped);
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
                "cannot write to standard output: {error}; no more goes there"
            ));
            return false;
        }
        !state.closed
    }
}
