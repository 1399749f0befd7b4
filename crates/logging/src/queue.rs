//! The queue between the callers and the writer thread.
//!
//! Lines go into one buffer under one lock. The same lock assigns each line its sequence number and decides
//! where a new file starts. The numbers are therefore in order in the file, and rotation depends only on
//! the lines and not on when the thread writes them. The thread swaps the full buffer for its empty one and
//! writes without holding the lock.
//!
//! The size of the buffer is limited. When it is full, a line waits for a time that depends on its level
//! ([`Patience`]) and is then dropped and counted. A dropped line gets no number, so it leaves no gap. Lines
//! up to INFO cannot use the last eighth of the buffer, which is reserved for WARN and ERROR. After a line
//! has waited without success, later lines are dropped without waiting until the thread makes progress. As soon as
//! it does, a `log_dropped` line reports how many lines were dropped.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dragline_schema::{Timestamp, wire};
use tracing::Level;

use crate::clock::Clock;
use crate::config::Patience;
use crate::levels::{LEVELS, level_index};
use crate::schedule::Schedule;

/// Number of waiting bytes that triggers a write.
const BATCH_BYTES: usize = 256 << 10;

/// After the queue is closed, failed writes are retried at this interval and for this long.
const CLOSING_PAUSE: Duration = Duration::from_millis(50);
const CLOSING_PATIENCE: Duration = Duration::from_secs(2);

/// The sequence number counter of one run.
pub(crate) type SeqCounter = Arc<AtomicU64>;

/// The options of a queue.
#[derive(Debug)]
pub(crate) struct QueueOptions {
    pub(crate) writer_id: String,
    /// Maximum number of waiting bytes.
    pub(crate) capacity: usize,
    pub(crate) patience: Patience,
    pub(crate) schedule: Schedule,
    /// Whether errors are also written to the error files.
    pub(crate) error_copy: bool,
    /// Whether an error wakes the thread at once.
    pub(crate) flush_errors: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The queue, shared by the callers and the writer thread.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Signals the thread that there is work.
    work: Condvar,
    /// Signals waiting callers that there is space or that a flush is done.
    done: Condvar,
    /// Number of waiting bytes at which the thread is woken.
    wake_at: usize,
    /// `,"writer_id":"…","seq":`
    numbering: Vec<u8>,
    options: QueueOptions,
}

#[derive(Debug)]
struct State {
    batch: Batch,
    schedule: Schedule,
    error_schedule: Schedule,
    /// The next sequence number of lines outside of runs.
    next_seq: u64,
    /// Whether the thread waits for work.
    is_thread_idle: bool,
    /// Whether the thread should write before the interval ends.
    is_urgent: bool,
    /// Number of waiting callers.
    waiting: usize,
    /// Whether a wait for space has timed out and the thread has written nothing since.
    is_stuck: bool,
    /// Pending requests to the thread.
    asked: Asked,
    closed: bool,
    /// After the queue is closed: when to stop retrying failed writes.
    closing_until: Option<Instant>,
    /// Numbers of flushes: requested, taken by the thread, and done.
    flushes_asked: u64,
    flushes_taken: u64,
    flushes_done: u64,
    /// The error of the latest write, if it failed.
    failing: Option<String>,
    /// Number of dropped lines not yet reported by a `log_dropped` line, by level.
    dropped: [u64; 5],
    totals: Totals,
}

/// Requests to the thread, apart from writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Check whether the open files are still at their paths.
    pub(crate) reopen: bool,
}

/// Statistics about all lines so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) written_lines: u64,
    pub(crate) written_bytes: u64,
    pub(crate) lost_lines: u64,
    pub(crate) dropped_lines: [u64; 5],
    pub(crate) last_error: Option<String>,
}

/// Whole lines that the thread takes from the queue.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) lines: Lines,
    /// The lines that also go to the error files.
    pub(crate) errors: Lines,
    /// When the current files end.
    pub(crate) ends: [Option<Timestamp>; 2],
    pub(crate) asked: Asked,
}

/// Whole lines for one family of files.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) bytes: Vec<u8>,
    /// Offsets in `bytes` at which a new file starts.
    pub(crate) cuts: Vec<usize>,
    pub(crate) count: u64,
}

impl Lines {
    fn clear(&mut self) {
        self.bytes.clear();
        self.cuts.clear();
        self.count = 0;
    }
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.errors.clear();
    }
}

/// What the thread does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Write,
    /// Everything is written and the queue is closed.
    End,
}

impl Queue {
    pub(crate) fn new(options: QueueOptions) -> Self {
        let mut numbering = b",\"writer_id\":".to_vec();
        wire::push_text(&options.writer_id, &mut numbering);
        numbering.extend_from_slice(b",\"seq\":");
        let state = State {
            batch: Batch::default(),
            schedule: options.schedule.clone(),
            error_schedule: options.schedule.clone(),
            next_seq: 0,
            is_thread_idle: false,
            is_urgent: false,
            waiting: 0,
            is_stuck: false,
            asked: Asked::default(),
            closed: false,
            closing_until: None,
            flushes_asked: 0,
            flushes_taken: 0,
            flushes_done: 0,
            failing: None,
            dropped: [0; 5],
            totals: Totals::default(),
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
            wake_at: BATCH_BYTES.min(options.capacity / 2).max(1),
            numbering,
            options,
        }
    }

    /// Creates a batch with capacity for everything that may wait, so that its buffer is never
    /// reallocated. The operating system allocates the pages only when they are used.
    pub(crate) fn empty_batch(&self) -> Batch {
        let mut batch = Batch::default();
        batch
            .lines
            .bytes
            .reserve(self.options.capacity + (self.options.capacity >> 3));
        batch
    }

    /// Ignores poisoning: a panic while the lock is held leaves at most an incomplete line in the
    /// buffer, which is better than losing all later lines.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, with its number from `seq` or from the writer's own counter. If there is no space, it
    /// waits for the time of its level and is then dropped. After the queue is closed, the line is lost.
    /// Both cases are counted.
    pub(crate) fn push(
        &self,
        time: Timestamp,
        level: Level,
        seq: Option<&SeqCounter>,
        head: &[u8],
        tail: &[u8],
    ) {
        let bytes = head.len() + self.numbering.len() + 20 + tail.len();
        let mut state = self.lock();
        if !self.has_room(&state, level, bytes) {
            match self.wait_for_room(state, level, bytes) {
                Some(with_room) => state = with_room,
                None => return,
            }
        }
        if state.closed {
            state.totals.lost_lines += 1;
            return;
        }
        // The counter is changed only under the lock.
        let number = match seq {
            Some(seq) => {
                let number = seq.load(Relaxed);
                seq.store(number + 1, Relaxed);
                number
            }
            None => state.take_number(),
        };
        self.append(&mut state, time, level, head, number, tail);
        state.is_urgent |= level == Level::ERROR && self.options.flush_errors;
        let waiting = state.batch.lines.bytes.len();
        if state.is_thread_idle && (waiting >= self.wake_at || state.is_urgent) {
            // Wake the thread only once, because it costs a system call.
            state.is_thread_idle = false;
            drop(state);
            self.work.notify_one();
        }
    }

    /// Adds a line that the recorder writes itself, outside of runs. `fields`: `,"key":value`, concatenated.
    pub(crate) fn push_own(&self, level: Level, fields: &[u8]) {
        let time = self.options.clock.now();
        let (head, tail) = (head_of_own(time, level), [fields, b"}\n"].concat());
        self.push(time, level, None, head.as_bytes(), &tail);
    }

    fn append(
        &self,
        state: &mut State,
        time: Timestamp,
        level: Level,
        head: &[u8],
        number: u64,
        tail: &[u8],
    ) {
        let State {
            batch,
            schedule,
            error_schedule,
            ..
        } = state;
        let lines = &mut batch.lines;
        if schedule.begins_file(time) {
            lines.cuts.push(lines.bytes.len());
        }
        let start = lines.bytes.len();
        lines.bytes.extend_from_slice(head);
        lines.bytes.extend_from_slice(&self.numbering);
        lines
            .bytes
            .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        lines.bytes.extend_from_slice(tail);
        lines.count += 1;
        if level == Level::ERROR && self.options.error_copy {
            let errors = &mut batch.errors;
            if error_schedule.begins_file(time) {
                errors.cuts.push(errors.bytes.len());
            }
            errors.bytes.extend_from_slice(&lines.bytes[start..]);
            errors.count += 1;
        }
    }

    /// Whether `bytes` more bytes of the level fit. An empty buffer accepts a line of any size.
    fn has_room(&self, state: &State, level: Level, bytes: usize) -> bool {
        let used = state.batch.lines.bytes.len() + state.batch.errors.bytes.len();
        let capacity = if level >= Level::INFO {
            self.options.capacity - self.options.capacity / 8
        } else {
            self.options.capacity
        };
        used == 0 || used + bytes <= capacity
    }

    /// Waits for space. `None`: the wait timed out and the line is counted as dropped.
    fn wait_for_room<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        level: Level,
        bytes: usize,
    ) -> Option<MutexGuard<'s, State>> {
        let patience = self.options.patience.of(level);
        let until = Instant::now().checked_add(patience);
        while !state.closed && !self.has_room(&state, level, bytes) {
            // Callers without a time limit keep waiting even when the queue is stuck.
            let left = match until {
                Some(_) if state.is_stuck => Duration::ZERO,
                Some(until) => until.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            if left.is_zero() {
                state.is_stuck = true;
                state.dropped[level_index(level)] += 1;
                state.totals.dropped_lines[level_index(level)] += 1;
                return None;
            }
            state.waiting += 1;
            state.is_urgent = true;
            self.work.notify_one();
            state = wait(&self.done, state, left);
            state.waiting -= 1;
        }
        Some(state)
    }

    /// Waits until enough lines are waiting, `interval` has passed or a write is requested. Then swaps the
    /// waiting lines for `empty`.
    pub(crate) fn take(&self, empty: &mut Batch, interval: Duration) -> Work {
        let mut state = self.lock();
        let until = Instant::now() + interval;
        while state.is_idle(self.wake_at) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.is_thread_idle = true;
            state = wait(&self.work, state, left);
        }
        state.is_thread_idle = false;
        self.tell_of_dropped(&mut state);
        empty.asked = std::mem::take(&mut state.asked);
        empty.ends = [state.schedule.end(), state.error_schedule.end()];
        state.is_urgent = false;
        state.flushes_taken = state.flushes_asked;
        if state.batch.lines.bytes.is_empty() && state.batch.lines.cuts.is_empty() {
            state.flushes_done = state.flushes_taken;
            self.notify_waiting(&state);
            return if state.closed { Work::End } else { Work::Write };
        }
        let State { batch, .. } = &mut *state;
        std::mem::swap(&mut batch.lines, &mut empty.lines);
        std::mem::swap(&mut batch.errors, &mut empty.errors);
        // There is space again.
        self.notify_waiting(&state);
        Work::Write
    }

    /// Adds a `log_dropped` line if lines were dropped.
    fn tell_of_dropped(&self, state: &mut State) {
        let dropped: u64 = state.dropped.iter().sum();
        if dropped == 0 {
            return;
        }
        let time = self.options.clock.now();
        let head = head_of_own(time, Level::WARN);
        let mut tail = format!(
            ",\"event_type\":\"log_dropped\",\"message\":\"the queue was full\",\"dropped\":{dropped},\"dropped_by_level\":{{"
        );
        let by_level = LEVELS
            .iter()
            .zip(state.dropped)
            .filter(|(_, count)| *count > 0);
        for (index, (level, count)) in by_level.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            tail.push_str(&format!("{comma}\"{level}\":{count}"));
        }
        tail.push_str("}}\n");
        state.dropped = [0; 5];
        let number = state.take_number();
        let (head, tail) = (head.as_bytes(), tail.as_bytes());
        self.append(state, time, Level::WARN, head, number, tail);
    }

    fn notify_waiting(&self, state: &State) {
        if state.waiting > 0 {
            self.done.notify_all();
        }
    }

    /// Reports that lines were written.
    pub(crate) fn settle(&self, lines: u64, bytes: u64) {
        let mut state = self.lock();
        state.totals.written_lines += lines;
        state.totals.written_bytes += bytes;
        state.failing = None;
        state.is_stuck = false;
        state.flushes_done = state.flushes_taken;
        self.notify_waiting(&state);
    }

    /// Reports that lines are permanently lost.
    pub(crate) fn settle_lost(&self, lines: u64) {
        let mut state = self.lock();
        state.totals.lost_lines += lines;
        state.flushes_done = state.flushes_taken;
        self.notify_waiting(&state);
    }

    /// Reports that a write failed. Waits for `pause`, or until a flush is requested or the queue is closed.
    /// Returns whether to retry.
    pub(crate) fn fail(&self, error: String, pause: Duration) -> bool {
        let mut state = self.lock();
        state.totals.last_error = Some(error.clone());
        state.failing = Some(error);
        // Callers that wait for a flush get the error.
        state.flushes_taken = state.flushes_asked;
        state.flushes_done = state.flushes_taken;
        self.notify_waiting(&state);
        let pause = match state.closing_until {
            Some(end) if end <= Instant::now() => return false,
            Some(_) => pause.min(CLOSING_PAUSE),
            None => pause,
        };
        let asked = state.flushes_asked;
        let until = Instant::now() + pause;
        let was_closed = state.closed;
        while state.closed == was_closed && state.flushes_asked == asked {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = wait(&self.work, state, left);
        }
        true
    }

    /// Waits until all lines so far are written, and until the thread has checked that the files are at
    /// their paths.
    ///
    /// # Errors
    /// When the latest write failed, or when it takes longer than `patience`.
    pub(crate) fn flush(&self, patience: Duration) -> Result<(), String> {
        let mut state = self.lock();
        let until = Instant::now().checked_add(patience);
        if !state.closed {
            state.flushes_asked += 1;
            state.asked.reopen = true;
        }
        let mine = state.flushes_asked;
        self.work.notify_one();
        while state.flushes_done < mine {
            let left = until.map_or(Duration::MAX, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(format!("the logs were not written within {patience:?}"));
            }
            state.waiting += 1;
            state = wait(&self.done, state, left);
            state.waiting -= 1;
        }
        state.failing.clone().map_or(Ok(()), Err)
    }

    /// Starts a new file with the next line.
    pub(crate) fn roll(&self) {
        let mut state = self.lock();
        let State { batch, .. } = &mut *state;
        for lines in [&mut batch.lines, &mut batch.errors] {
            lines.cuts.push(lines.bytes.len());
        }
        // The rotation intervals restart.
        state.schedule.restart();
        state.error_schedule.restart();
        state.is_urgent = true;
        self.work.notify_one();
    }

    /// Makes the thread check whether the open files are still at their paths.
    pub(crate) fn reopen(&self) {
        let mut state = self.lock();
        state.asked.reopen = true;
        state.is_urgent = true;
        self.work.notify_one();
    }

    /// Closes the queue: it accepts no more lines, and the thread writes the remaining ones and ends.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.closing_until = Some(Instant::now() + CLOSING_PATIENCE);
        // Check the files, so that the last lines are at the expected paths.
        state.asked.reopen = true;
        self.work.notify_one();
        self.done.notify_all();
    }

    /// Marks the thread as ended after a panic, so that no caller waits for it.
    pub(crate) fn die(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.totals.lost_lines += state.batch.lines.count;
        state.batch.clear();
        state.flushes_done = u64::MAX;
        state
            .failing
            .get_or_insert_with(|| "the thread that writes the logs has panicked".to_owned());
        self.done.notify_all();
    }

    /// The totals so far, and the number of waiting bytes.
    pub(crate) fn totals(&self) -> (Totals, usize) {
        let state = self.lock();
        (state.totals.clone(), state.batch.lines.bytes.len())
    }
}

impl State {
    fn is_idle(&self, wake_at: usize) -> bool {
        self.batch.lines.bytes.len() < wake_at
            && !self.closed
            && !self.is_urgent
            && self.flushes_asked == self.flushes_taken
    }

    fn take_number(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }
}

/// The head of a line about the recorder itself.
fn head_of_own(time: Timestamp, level: Level) -> String {
    format!("{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"target\":\"dragline\"")
}

fn wait<'s>(
    condvar: &Condvar,
    state: MutexGuard<'s, State>,
    time: Duration,
) -> MutexGuard<'s, State> {
    condvar
        .wait_timeout(state, time)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}
