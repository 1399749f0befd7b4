//! The bytes between the callers and the thread that writes.
//!
//! Lines go into one buffer under one lock. The same lock gives each line its number and decides
//! where a new file begins, so that numbers stand in the file in their order and rotation depends on
//! the lines alone, not on when the thread comes to write them. The thread swaps the full buffer
//! for its empty one and writes without the lock.
//!
//! The buffer is bounded by bytes. What a line does when it is full depends on its level: it waits
//! for so long, then it is dropped and counted ([`Patience`]); it never gets a number, so that
//! dropped lines leave no gap. Lines up to INFO leave an eighth of the room to the others. Once a
//! wait was in vain, nobody waits again until the thread gets on. As soon as it does, a
//! `log_dropped` line says what was dropped.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dragline_schema::{Timestamp, wire};
use tracing::Level;

use crate::clock::Clock;
use crate::config::Patience;
use crate::schedule::Schedule;

/// One write of the thread is worth this many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// After the end, what cannot be written is tried again so often, and for so long.
const CLOSING_PAUSE: Duration = Duration::from_millis(50);
const CLOSING_PATIENCE: Duration = Duration::from_secs(2);

/// Counts the lines of one run.
pub(crate) type SeqCounter = Arc<AtomicU64>;

/// The levels, quietest first: the order of counts by level.
pub(crate) const LEVELS: [Level; 5] = [
    Level::TRACE,
    Level::DEBUG,
    Level::INFO,
    Level::WARN,
    Level::ERROR,
];

/// A level's place in [`LEVELS`].
pub(crate) fn level_index(level: Level) -> usize {
    match level {
        Level::TRACE => 0,
        Level::DEBUG => 1,
        Level::INFO => 2,
        Level::WARN => 3,
        Level::ERROR => 4,
    }
}

/// What a queue is told.
#[derive(Debug)]
pub(crate) struct QueueOptions {
    pub(crate) writer_id: String,
    /// So many bytes may wait.
    pub(crate) capacity: usize,
    pub(crate) patience: Patience,
    pub(crate) schedule: Schedule,
    /// Whether errors are written to a family of their own, too.
    pub(crate) error_copy: bool,
    /// Whether an error wakes the thread at once.
    pub(crate) flush_errors: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The queue's two ends share this.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Something for the thread to do.
    work: Condvar,
    /// Something for callers to wait for: room, or a flush.
    done: Condvar,
    /// The thread is woken at this many waiting bytes.
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
    /// The next number of a line outside of runs.
    next_seq: u64,
    /// The thread waits for work.
    is_thread_idle: bool,
    /// Somebody does not want to wait for the interval.
    is_urgent: bool,
    /// So many callers wait.
    waiting: usize,
    /// A wait was in vain, and the thread has got nowhere since.
    is_stuck: bool,
    /// Files are to be looked after: [`Asked`].
    asked: Asked,
    closed: bool,
    /// After the end, writing is tried for so long.
    closing_until: Option<Instant>,
    /// Flushes that were asked for, those whose lines the thread has, and those that are done.
    flushes_asked: u64,
    flushes_taken: u64,
    flushes_done: u64,
    /// Why the last write failed, if it did.
    failing: Option<String>,
    /// Dropped lines that no line tells of yet, by level.
    dropped: [u64; 5],
    totals: Totals,
}

/// What the thread is asked to do, besides writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// To see whether the files are still where they were.
    pub(crate) reopen: bool,
}

/// What has become of all lines so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) written_lines: u64,
    pub(crate) written_bytes: u64,
    pub(crate) lost_lines: u64,
    pub(crate) dropped_lines: [u64; 5],
    pub(crate) last_error: Option<String>,
}

/// Whole lines on their way to their files.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) lines: Lines,
    /// Those that go to the error family, too.
    pub(crate) errors: Lines,
    /// When the files of the last lines end.
    pub(crate) ends: [Option<Timestamp>; 2],
    pub(crate) asked: Asked,
}

/// Whole lines on their way to one family.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) bytes: Vec<u8>,
    /// Where in `bytes` a new file begins.
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

/// What the thread is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Write,
    /// Everything is written and no more will come.
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

    /// Room for everything that may wait, so that a buffer never moves. The pages are only taken
    /// when they are used.
    pub(crate) fn empty_batch(&self) -> Batch {
        let mut batch = Batch::default();
        batch
            .lines
            .bytes
            .reserve(self.options.capacity + (self.options.capacity >> 3));
        batch
    }

    /// A panic while the lock is held leaves at worst a torn line in the buffer; going on beats
    /// losing everything behind it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a line in, giving it its number from `seq`, or the writer's own. When there is no room
    /// it waits as long as its level may, and is dropped then. After the end it is lost. Both are
    /// counted.
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
        // Only changed under the lock.
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
            // Once is enough: waking costs a system call.
            state.is_thread_idle = false;
            drop(state);
            self.work.notify_one();
        }
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

    /// Whether so many bytes of that level fit. A line alone always does.
    fn has_room(&self, state: &State, level: Level, bytes: usize) -> bool {
        let used = state.batch.lines.bytes.len() + state.batch.errors.bytes.len();
        let capacity = if level >= Level::INFO {
            self.options.capacity - self.options.capacity / 8
        } else {
            self.options.capacity
        };
        used == 0 || used + bytes <= capacity
    }

    /// Waits for room. `None`: in vain, and the line is counted as dropped.
    fn wait_for_room<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        level: Level,
        bytes: usize,
    ) -> Option<MutexGuard<'s, State>> {
        let patience = self.options.patience.of(level);
        let until = Instant::now().checked_add(patience);
        while !state.closed && !self.has_room(&state, level, bytes) {
            // Who waits for ever does so even when others have given up.
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

    /// Swaps the waiting lines for `empty`; waits until enough are waiting, `interval` has passed,
    /// or somebody asks.
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
        // There is room again.
        self.notify_waiting(&state);
        Work::Write
    }

    /// Puts a `log_dropped` line in, if lines were dropped.
    fn tell_of_dropped(&self, state: &mut State) {
        let dropped: u64 = state.dropped.iter().sum();
        if dropped == 0 {
            return;
        }
        let time = self.options.clock.now();
        let head = format!("{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"target\":\"dragline\"");
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
        self.append(
            state,
            time,
            Level::WARN,
            head.as_bytes(),
            number,
            tail.as_bytes(),
        );
    }

    fn notify_waiting(&self, state: &State) {
        if state.waiting > 0 {
            self.done.notify_all();
        }
    }

    /// Tells that so much was written.
    pub(crate) fn settle(&self, lines: u64, bytes: u64) {
        let mut state = self.lock();
        state.totals.written_lines += lines;
        state.totals.written_bytes += bytes;
        state.failing = None;
        state.is_stuck = false;
        state.flushes_done = state.flushes_taken;
        self.notify_waiting(&state);
    }

    /// Tells that so many lines are lost for good.
    pub(crate) fn settle_lost(&self, lines: u64) {
        let mut state = self.lock();
        state.totals.lost_lines += lines;
        state.flushes_done = state.flushes_taken;
        self.notify_waiting(&state);
    }

    /// Tells that writing failed, and waits for `pause` before the next attempt, or until somebody
    /// asks for it. Gives whether there is to be another attempt.
    pub(crate) fn fail(&self, error: String, pause: Duration) -> bool {
        let mut state = self.lock();
        state.totals.last_error = Some(error.clone());
        state.failing = Some(error);
        // Whoever waits for a flush learns that it failed.
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

    /// Waits until everything that was put in before is in its file, and the file in its place.
    ///
    /// # Errors
    /// Why it is not, or that it took longer than `patience`.
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

    /// The next line begins a new file.
    pub(crate) fn roll(&self) {
        let mut state = self.lock();
        let State { batch, .. } = &mut *state;
        for lines in [&mut batch.lines, &mut batch.errors] {
            lines.cuts.push(lines.bytes.len());
        }
        // Intervals begin anew.
        state.schedule.restart();
        state.error_schedule.restart();
        state.is_urgent = true;
        self.work.notify_one();
    }

    /// The thread looks whether its files are still where they were.
    pub(crate) fn reopen(&self) {
        let mut state = self.lock();
        state.asked.reopen = true;
        state.is_urgent = true;
        self.work.notify_one();
    }

    /// Takes no more lines; the thread writes the rest and ends.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.closing_until = Some(Instant::now() + CLOSING_PATIENCE);
        // The last lines are to be where people look for them.
        state.asked.reopen = true;
        self.work.notify_one();
        self.done.notify_all();
    }

    /// The thread is gone: nobody waits for it any more.
    pub(crate) fn die(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.totals.lost_lines += state.batch.lines.count;
        state.batch.clear();
        state.flushes_done = u64::MAX;
        state
            .failing
            .get_or_insert_with(|| "the thread that writes the logs is gone".to_owned());
        self.done.notify_all();
    }

    /// Totals so far, and the bytes that wait.
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
