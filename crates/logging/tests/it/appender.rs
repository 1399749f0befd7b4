//! What tracing-appender's queue does where the recorder does something else: the claims of
//! docs/decisions/0020-a-queue-of-its-own.md. What the recorder does is tested in `policy` and `faults`.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use dragline_logging::RollingWriter;
use tracing_appender::non_blocking::NonBlockingBuilder;

use super::*;
use crate::faults::child_command;

/// A file that takes each line when the test says so, and tells that it has one.
struct Gated {
    taken: Sender<()>,
    permits: Receiver<()>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Write for Gated {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        // The test may not listen.
        self.taken.send(()).ok();
        self.permits.recv().map_err(std::io::Error::other)?;
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        self.lines.lock().unwrap().push(text);
        Ok(line.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The test's hold on such a file.
struct Gate {
    taken: Receiver<()>,
    permit: Sender<()>,
    lines: Arc<Mutex<Vec<String>>>,
}

fn gated() -> (Gated, Gate) {
    let (taken, is_taken) = channel();
    let (permit, permits) = channel();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let gated = Gated {
        taken,
        permits,
        lines: Arc::clone(&lines),
    };
    let gate = Gate {
        taken: is_taken,
        permit,
        lines,
    };
    (gated, gate)
}

#[test]
fn a_full_queue_drops_errors_like_all_else_and_the_file_does_not_say_so() {
    let (file, gate) = gated();
    let builder = NonBlockingBuilder::default().buffered_lines_limit(10);
    let (writer, guard) = builder.finish(file);
    let dropped = writer.error_counter();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_writer(writer)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(n = 0);
        // The thread has it in its hands, and takes no other.
        gate.taken.recv().unwrap();
        for n in 1..21 {
            tracing::info!(n);
        }
        tracing::error!("loud");
    });
    assert_eq!(dropped.dropped_lines(), 11);
    (0..100).for_each(|_| gate.permit.send(()).unwrap());
    drop(guard);
    let lines = gate.lines.lock().unwrap();
    assert_eq!(lines.len(), 11);
    assert!(
        lines
            .iter()
            .all(|line| line.contains("INFO") && line.contains("n="))
    );
}

#[test]
fn a_guard_gives_up_after_a_second_and_says_nothing() {
    let (file, gate) = gated();
    let (mut writer, guard) = tracing_appender::non_blocking(file);
    writer.write_all(b"a line\n").unwrap();
    let dropped = writer.error_counter();
    let started = Instant::now();
    drop(guard);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(dropped.dropped_lines(), 0);
    assert!(gate.lines.lock().unwrap().is_empty());
}

#[test]
fn a_failed_write_loses_its_line_and_is_not_counted() {
    /// Fails for the first lines, as a full disk does.
    struct Full(u32, Arc<Mutex<Vec<u8>>>);
    impl Write for Full {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            if self.0 > 0 {
                self.0 -= 1;
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.1.lock().unwrap().write(line)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let text = Arc::default();
    let (mut writer, guard) = tracing_appender::non_blocking(Full(3, Arc::clone(&text)));
    for n in 0..5 {
        writer.write_all(format!("{n}\n").as_bytes()).unwrap();
    }
    let dropped = writer.error_counter();
    drop(guard);
    let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
    assert!(!text.contains('0') && text.contains('4'), "{text}");
    assert_eq!(dropped.dropped_lines(), 0);
}

/// A number has to be taken before the line is passed to the queue.
#[test]
fn numbers_are_not_in_the_order_of_the_lines() {
    let (file, gate) = gated();
    (0..2).for_each(|_| gate.permit.send(()).unwrap());
    let (writer, guard) = tracing_appender::non_blocking(file);
    let seq = AtomicU64::new(0);
    let (mut slow, mut quick) = (writer.clone(), writer);
    let (taken, is_taken) = channel();
    let (written, is_written) = channel();
    std::thread::scope(|scope| {
        let seq = &seq;
        scope.spawn(move || {
            let number = seq.fetch_add(1, Relaxed);
            taken.send(()).unwrap();
            // The scheduler may stop a thread here for as long as it likes.
            is_written.recv().unwrap();
            slow.write_all(format!("{number}\n").as_bytes()).unwrap();
        });
        is_taken.recv().unwrap();
        let number = seq.fetch_add(1, Relaxed);
        quick.write_all(format!("{number}\n").as_bytes()).unwrap();
        written.send(()).unwrap();
    });
    drop(guard);
    assert_eq!(*gate.lines.lock().unwrap(), ["1", "0"]);
}

/// Logs much and exits, as a program that calls `std::process::exit`.
pub(crate) fn exits(dir: &Path) {
    let files = RollingWriter::new(&Config::new(dir).name("shop")).unwrap();
    let builder = NonBlockingBuilder::default().lossy(false);
    let (mut writer, guard) = builder.finish(files);
    let line = "a line of a scraper, which is as long as lines are\n".as_bytes();
    for _ in 0..LINES {
        writer.write_all(line).unwrap();
    }
    std::mem::forget(guard);
    std::process::exit(0);
}

const LINES: usize = 100_000;

#[test]
fn a_program_that_exits_loses_what_waits() {
    // Each line is a system call, so that the thread is behind. It may catch up on a busy machine.
    let loses = |_| {
        let dir = tempfile::tempdir().unwrap();
        let mut child = child_command("appender-exit", dir.path()).spawn().unwrap();
        assert!(child.wait().unwrap().success());
        let written = files(dir.path())
            .into_iter()
            .map(|file| text(&file).lines().count());
        let written: usize = written.sum();
        println!("{written} of {LINES} lines written");
        written < LINES
    };
    assert!((0..20).any(loses));
}

#[test]
fn every_line_is_a_write() {
    struct Counted(Arc<AtomicU64>);
    impl Write for Counted {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.fetch_add(1, Relaxed);
            Ok(line.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let writes = Arc::new(AtomicU64::new(0));
    let builder = NonBlockingBuilder::default().lossy(false);
    let (mut writer, guard) = builder.finish(Counted(Arc::clone(&writes)));
    (0..1_000).for_each(|n| writer.write_all(format!("{n}\n").as_bytes()).unwrap());
    drop(guard);
    assert_eq!(writes.load(Relaxed), 1_000);
}
