//! The bytes between the callers and the thread that writes.
//!
//! Lines go into one buffer under one lock. The same lock gives each line its number and decides
//! where a new day begins, so that numbers stand in the file in their order and rotation depends on
//! the lines alone, not on when the thread comes to write them. The thread swaps the full buffer
//! for its empty one and writes without the lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use dragline_schema::Timestamp;

use crate::config::Rotation;

/// One write of the thread is worth this many bytes.
const BATCH_BYTES: usize = 64 << 10;
const DAY: i64 = 86_400_000_000;

/// Counts the lines of one run, or those outside of runs.
pub(crate) type SeqCounter = Arc<AtomicU64>;

/// The queue's two ends share this.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Something for the thread to do.
    work: Condvar,
    /// Something for callers to wait for: room, or a flush.
    done: Condvar,
    capacity: usize,
    /// The thread is woken at this many waiting bytes.
    wake_at: usize,
    rotation: Rotation,
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    /// The time at which the next line begins a new file; unset before the first line.
    next_roll: Option<Timestamp>,
    closed: bool,
    /// Flushes that were asked for, and those that are done.
    flushes_asked: u64,
    flushes_done: u64,
    totals: Totals,
}

/// What has become of all lines so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) lines: u64,
    pub(crate) written_lines: u64,
    pub(crate) written_bytes: u64,
    pub(crate) lost_lines: u64,
    pub(crate) last_error: Option<String>,
}

/// Whole lines on their way to the file.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    /// Where in `bytes` a new file begins.
    pub(crate) cuts: Vec<usize>,
    pub(crate) lines: u64,
}

/// The pieces of a line, in order; `seq` comes between the first two.
pub(crate) struct LineParts<'l> {
    pub(crate) head: &'l [u8],
    pub(crate) event_type: &'l [u8],
    pub(crate) message: &'l [u8],
    pub(crate) fields: &'l [u8],
}

/// What the thread is to do next.
pub(crate) enum Work {
    Write,
    /// Everything is written and no more will come.
    End,
}

impl Queue {
    pub(crate) fn new(capacity: usize, rotation: Rotation) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            capacity,
            wake_at: BATCH_BYTES.min(capacity),
            rotation,
        }
    }

    /// A panic while the lock is held leaves at worst a torn line in the buffer; going on beats
    /// losing everything behind it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Puts a line in, giving it its number; waits while the queue is full. After the end, the line
    /// is counted as lost.
    pub(crate) fn push(&self, time: Timestamp, seq: &AtomicU64, parts: &LineParts<'_>) {
        let mut state = self.lock();
        while state.batch.bytes.len() > self.capacity && !state.closed {
            self.work.notify_one();
            state = self
                .done
                .wait(state)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        state.totals.lines += 1;
        if state.closed {
            state.totals.lost_lines += 1;
            return;
        }
        self.cut_at_midnight(&mut state, time);
        let seq = seq.fetch_add(1, Ordering::Relaxed);
        let bytes = &mut state.batch.bytes;
        bytes.extend_from_slice(parts.head);
        bytes.extend_from_slice(b",\"seq\":");
        bytes.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
        bytes.extend_from_slice(parts.event_type);
        bytes.extend_from_slice(parts.message);
        bytes.extend_from_slice(parts.fields);
        bytes.extend_from_slice(b"}\n");
        state.batch.lines += 1;
        if state.batch.bytes.len() >= self.wake_at {
            self.work.notify_one();
        }
    }

    /// A line of a later day begins a new file; an earlier one (the clock went back) does not.
    fn cut_at_midnight(&self, state: &mut State, time: Timestamp) {
        if self.rotation == Rotation::Never {
            return;
        }
        let passed = state.next_roll.is_some_and(|roll| time >= roll);
        if passed {
            state.batch.cuts.push(state.batch.bytes.len());
        }
        if passed || state.next_roll.is_none() {
            let day = time.as_micros().div_euclid(DAY);
            state.next_roll = Some(Timestamp::from_micros((day + 1) * DAY));
        }
    }

    /// Swaps the waiting lines for `empty`; waits until enough are waiting, `interval` has passed,
    /// or somebody asks.
    pub(crate) fn take(&self, empty: &mut Batch, interval: Duration) -> Work {
        let state = self.lock();
        let idle = |state: &mut State| {
            state.batch.bytes.len() < self.wake_at
                && !state.closed
                && state.flushes_asked == state.flushes_done
        };
        let (mut state, _) = self
            .work
            .wait_timeout_while(state, interval, idle)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.batch.bytes.is_empty() {
            state.flushes_done = state.flushes_asked;
            self.done.notify_all();
            return if state.closed { Work::End } else { Work::Write };
        }
        std::mem::swap(&mut state.batch, empty);
        Work::Write
    }

    /// Tells what became of a batch.
    pub(crate) fn settle(&self, written: u64, bytes: u64, lost: u64, error: Option<String>) {
        let mut state = self.lock();
        state.totals.written_lines += written;
        state.totals.written_bytes += bytes;
        state.totals.lost_lines += lost;
        if error.is_some() {
            state.totals.last_error = error;
        }
        self.done.notify_all();
    }

    /// Waits until everything that was put in before is written or lost.
    pub(crate) fn flush(&self) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.flushes_asked += 1;
        let mine = state.flushes_asked;
        self.work.notify_one();
        while state.flushes_done < mine && !state.closed {
            state = self
                .done
                .wait(state)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Takes no more lines; the thread writes the rest and ends.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
        self.done.notify_all();
    }

    /// Totals so far, and the bytes that wait.
    pub(crate) fn totals(&self) -> (Totals, usize) {
        let state = self.lock();
        (state.totals.clone(), state.batch.bytes.len())
    }
}
