//! Non-blocking output to standard output and standard error.
//!
//! The reader of a stream may be slow or gone, or another thread may hold the stream's lock. Therefore a
//! separate thread writes the lines, from a buffer of limited size. Lines that do not fit are dropped and
//! counted; the log files still contain them.
//!
//! Waking a thread costs the caller more than recording an event. The thread is therefore woken only when it
//! sleeps or when its buffer is half full. After it has written something, it looks for more every
//! [`NAP`], and falls asleep only when nothing came for [`NAPS`] times that long.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of waiting bytes.
const CAPACITY: usize = 1 << 20;

/// Longest delay between a line and its output while the program is busy.
const NAP: Duration = Duration::from_millis(20);
const NAPS: u32 = 50;

/// What the thread does with whole lines.
pub(crate) trait Sink: Send + 'static {
    /// Writes the lines. Stores in `written` the number of lines that are written so far.
    ///
    /// # Errors
    /// When the stream is closed. No more lines are written then.
    fn write(&mut self, lines: &[u8], written: &AtomicU64) -> io::Result<()>;

    /// The text that reports lines that were not written; `None` where it would be misread.
    fn note(&self, dropped: u64) -> Option<String>;
}

/// An output stream with its writing thread, which ends when the outlet is dropped.
#[derive(Debug)]
pub(crate) struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Signals the thread that there is work.
    work: Condvar,
    /// Signals that the thread has written something.
    done: Condvar,
    /// Number of lines in flight that are written.
    written: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Number of lines that the thread is writing.
    in_flight: u64,
    /// Whether the thread must be woken.
    is_asleep: bool,
    /// Number of callers that wait until everything is written.
    flushing: u32,
    /// Whether a flush timed out and the thread has written nothing since.
    is_stuck: bool,
    /// Whether the outlet is dropped.
    is_ending: bool,
    /// Why the stream cannot be written any more.
    closed: Option<String>,
    /// Number of dropped lines in total.
    dropped: u64,
    /// Number of dropped lines that no note in the output reports, and that the thread is reporting.
    unreported: u64,
    reporting: u64,
}

impl Outlet {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(sink: impl Sink) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        // The thread is not joined, because it may be blocked on a stream that is not read.
        let its = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("dragline-console".to_owned())
            .spawn(move || its.run(sink))?;
        Ok(Self(shared))
    }

    /// Passes whole lines, given in pieces, to the thread. `false`: they do not fit, or the stream is closed.
    pub(crate) fn offer(&self, pieces: &[&[u8]]) -> bool {
        let mut state = self.0.lock();
        let before = state.waiting.len();
        let after = before + pieces.iter().map(|piece| piece.len()).sum::<usize>();
        if state.closed.is_some() || (after > CAPACITY && before > 0) {
            return false;
        }
        for piece in pieces {
            state.waiting.extend_from_slice(piece);
        }
        let is_half_full = before < CAPACITY / 2 && after >= CAPACITY / 2;
        if std::mem::take(&mut state.is_asleep) || is_half_full {
            drop(state);
            self.0.work.notify_one();
        }
        true
    }

    /// Like [`Outlet::offer`]; lines that are not accepted are counted as dropped.
    pub(crate) fn push(&self, pieces: &[&[u8]]) {
        if !self.offer(pieces) {
            let mut state = self.0.lock();
            state.drop_lines(pieces.iter().map(|piece| count_lines(piece)).sum());
        }
    }

    /// Waits until everything is written, at most for `patience`. After a wait that failed it does not wait again
    /// until the thread has written something.
    pub(crate) fn flush(&self, patience: Duration) {
        let mut state = self.0.lock();
        if state.is_stuck {
            return;
        }
        state.flushing += 1;
        self.0.work.notify_one();
        let is_busy = |state: &mut State| {
            (state.in_flight > 0 || !state.waiting.is_empty()) && state.closed.is_none()
        };
        let waited = self.0.done.wait_timeout_while(state, patience, is_busy);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        state.flushing -= 1;
        state.is_stuck = timeout.timed_out();
    }

    /// Number of dropped lines so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Number of lines that are not in the output and not reported there, and why.
    pub(crate) fn unshown(&self) -> Option<(u64, String)> {
        let state = self.0.lock();
        let dropped = state.unreported + state.reporting;
        let in_flight = state.in_flight.saturating_sub(self.0.written.load(Relaxed));
        let count = dropped + in_flight + count_lines(&state.waiting);
        let reason = state.closed.clone();
        (count > 0).then(|| {
            (
                count,
                reason.unwrap_or_else(|| "nobody reads it".to_owned()),
            )
        })
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.0.lock().is_ending = true;
        self.0.work.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines until the outlet is dropped or the stream is closed.
    fn run(&self, mut sink: impl Sink) {
        let mut lines = Vec::new();
        while let Some(dropped) = self.take(&mut lines) {
            let note = (dropped > 0).then(|| sink.note(dropped)).flatten();
            let mut result = sink.write(&lines, &self.written);
            if result.is_ok() {
                self.written.store(u64::MAX, Relaxed);
            }
            // The dropped lines came after those that filled the buffer.
            if let (Ok(()), Some(note)) = (&result, &note) {
                result = sink.write(note.as_bytes(), &AtomicU64::new(0));
            }
            let is_open = result.is_ok();
            self.settle(result, note.is_some());
            if !is_open {
                return;
            }
            lines.clear();
        }
    }

    /// Waits for lines, swaps them for the empty buffer and returns the number of dropped lines to report.
    /// `None`: there will be no more.
    fn take(&self, empty: &mut Vec<u8>) -> Option<u64> {
        let mut state = self.lock();
        let until = Instant::now() + NAP;
        // Lines that come now are collected without a wake-up.
        while !state.is_wanted() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = wait(&self.work, state, left);
        }
        let mut naps = 0;
        while state.waiting.is_empty() && !state.is_ending {
            state.is_asleep = naps >= NAPS;
            let pause = if state.is_asleep { Duration::MAX } else { NAP };
            state = wait(&self.work, state, pause);
            naps += 1;
        }
        state.is_asleep = false;
        state.in_flight = count_lines(&state.waiting);
        self.written.store(0, Relaxed);
        state.reporting = std::mem::take(&mut state.unreported);
        std::mem::swap(&mut state.waiting, empty);
        (!empty.is_empty()).then_some(state.reporting)
    }

    /// Records what the thread has written.
    fn settle(&self, result: io::Result<()>, has_reported: bool) {
        let mut state = self.lock();
        let reporting = std::mem::take(&mut state.reporting);
        if result.is_err() || !has_reported {
            state.unreported += reporting;
        }
        if let Err(error) = result {
            let written = self.written.load(Relaxed);
            let lost = state.in_flight.saturating_sub(written);
            let waiting = count_lines(&state.waiting);
            state.waiting = Vec::new();
            state.drop_lines(lost + waiting);
            state.closed = Some(error.to_string());
        }
        state.in_flight = 0;
        state.is_stuck = false;
        self.done.notify_all();
    }
}

impl State {
    /// Whether the thread should write now.
    fn is_wanted(&self) -> bool {
        self.flushing > 0 || self.is_ending || self.waiting.len() >= CAPACITY / 2
    }

    fn drop_lines(&mut self, count: u64) {
        self.dropped += count;
        self.unreported += count;
    }
}

fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

fn wait<'s>(
    condvar: &Condvar,
    state: MutexGuard<'s, State>,
    time: Duration,
) -> MutexGuard<'s, State> {
    let waited = condvar.wait_timeout(state, time);
    waited.unwrap_or_else(PoisonError::into_inner).0
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// The number of lines that the reader took, and whether it is still there.
    type Answer = (u64, io::Result<()>);

    /// Passes what is written to the test and waits for its answer.
    struct Reader {
        output: Sender<String>,
        answers: Receiver<Answer>,
    }

    impl Sink for Reader {
        fn write(&mut self, lines: &[u8], written: &AtomicU64) -> io::Result<()> {
            let text = String::from_utf8_lossy(lines).into_owned();
            self.output.send(text).map_err(io::Error::other)?;
            let (taken, result) = self.answers.recv().map_err(io::Error::other)?;
            written.store(taken, Relaxed);
            result
        }

        fn note(&self, dropped: u64) -> Option<String> {
            Some(format!("{dropped} dropped\n"))
        }
    }

    fn outlet() -> (Outlet, Receiver<String>, Sender<Answer>) {
        let (output, written) = channel();
        let (answer, answers) = channel();
        let reader = Reader { output, answers };
        (Outlet::start(reader).unwrap(), written, answer)
    }

    const SECOND: Duration = Duration::from_secs(20);

    #[test]
    fn a_reader_that_stops_costs_lines_and_they_are_counted_and_reported() {
        let (outlet, output, answer) = outlet();
        outlet.push(&[b"0", b"\n"]);
        // The thread is stuck with the first line from here on.
        assert_eq!(output.recv_timeout(SECOND).unwrap(), "0\n");
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        let fitting = CAPACITY / line.len();
        for _ in 0..fitting + 7 {
            outlet.push(&[&line]);
        }
        assert_eq!(outlet.dropped(), 7);
        let (unshown, reason) = outlet.unshown().unwrap();
        assert_eq!((unshown, &*reason), (fitting as u64 + 8, "nobody reads it"));
        // The first flush waits, the second one knows better.
        outlet.flush(Duration::from_millis(10));
        outlet.flush(Duration::from_hours(1));
        answer.send((0, Ok(()))).unwrap();
        assert_eq!(
            output.recv_timeout(SECOND).unwrap(),
            String::from_utf8(line).unwrap().repeat(fitting)
        );
        answer.send((0, Ok(()))).unwrap();
        assert_eq!(output.recv_timeout(SECOND).unwrap(), "7 dropped\n");
        answer.send((0, Ok(()))).unwrap();
        outlet.flush(SECOND);
        assert_eq!(outlet.unshown(), None);
        assert_eq!(outlet.dropped(), 7);
    }

    #[test]
    fn a_closed_stream_counts_everything_that_it_did_not_take() {
        let (outlet, output, answer) = outlet();
        outlet.push(&[b"0\n1\n2\n"]);
        assert_eq!(output.recv_timeout(SECOND).unwrap(), "0\n1\n2\n");
        outlet.push(&[b"3\n"]);
        let error = io::Error::from(io::ErrorKind::BrokenPipe);
        answer.send((2, Err(error))).unwrap();
        outlet.flush(SECOND);
        outlet.push(&[b"4\n"]);
        assert!(!outlet.offer(&[b"5\n"]));
        assert_eq!(outlet.unshown(), Some((3, "broken pipe".to_owned())));
    }

    #[test]
    fn what_waits_when_the_outlet_is_dropped_is_still_written_in_order() {
        let (outlet, output, answer) = outlet();
        for line in 0..100 {
            outlet.push(&[format!("{line}\n").as_bytes()]);
        }
        drop(outlet);
        let mut all = String::new();
        while let Ok(some) = output.recv_timeout(SECOND) {
            all.push_str(&some);
            answer.send((0, Ok(()))).unwrap();
        }
        let expected: Vec<String> = (0..100).map(|line| line.to_string()).collect();
        assert_eq!(all.lines().collect::<Vec<_>>(), expected);
    }
}
