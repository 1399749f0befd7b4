//! The writer thread.
//!
//! When a write fails, the thread keeps the remaining data and retries from the exact byte, after a pause
//! that grows to some seconds. In the meantime the queue fills up and applies its policy. A failed write
//! never causes files to be removed (unless `make_room` is set) or a new file to be started. When the disk
//! has space again, writing resumes automatically.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline_schema::Timestamp;

use crate::clock::Clock;
use crate::complain::complain;
use crate::config::Config;
use crate::family::Family;
use crate::file_name::Format;
use crate::janitor::Janitor;
use crate::outlet::Outlet;
use crate::queue::{Batch, Lines, Queue, Work};
use crate::rolling::{RollingFile, WriteError};
use crate::text;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The main files or the error files of a configuration.
pub(crate) fn family(config: &Config, errors: bool) -> Family {
    Family {
        dir: config.dir.clone(),
        name: config.family(),
        errors,
        format: config.format,
        max_file_bytes: config.file_bytes(errors),
        symlink: config.symlink,
    }
}

/// The families that a configuration writes.
pub(crate) fn families(config: &Config) -> Vec<Family> {
    if !config.files {
        return Vec::new();
    }
    let kinds = if config.error_copy {
        &[false, true][..]
    } else {
        &[false]
    };
    kinds.iter().map(|errors| family(config, *errors)).collect()
}

/// Takes batches from the queue until it ends.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    /// The main files and the error files.
    files: Vec<RollingFile>,
    janitor: Option<Janitor>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    format: Format,
    fsync: bool,
    make_room: bool,
    /// Standard output, if the lines also go there.
    stdout: Option<Arc<Outlet>>,
    last_check: Instant,
}

impl Writer {
    pub(crate) fn new(
        config: &Config,
        writer_id: &str,
        queue: Arc<Queue>,
        stdout: Option<Arc<Outlet>>,
    ) -> std::io::Result<Self> {
        let families = families(config);
        let files = families.iter();
        let files = files.map(|family| RollingFile::new(family.clone(), writer_id.to_owned()));
        let files = files.collect();
        let janitor = if families.is_empty() {
            None
        } else {
            let kept = families.into_iter().map(|family| {
                let keep = config.kept(family.errors);
                (family, keep)
            });
            let clock = Arc::clone(&config.clock);
            Some(Janitor::start(kept.collect(), config.compression, clock)?)
        };
        Ok(Self {
            queue,
            files,
            janitor,
            clock: Arc::clone(&config.clock),
            interval: config.flush_interval,
            format: config.format,
            fsync: config.fsync,
            make_room: config.make_room,
            stdout,
            last_check: Instant::now(),
        })
    }

    pub(crate) fn run(mut self) {
        // If this thread panics, no caller waits for it.
        let _dies = Dies(Arc::clone(&self.queue));
        let mut batch = self.queue.empty_batch();
        loop {
            let work = self.queue.take(&mut batch, self.interval);
            let now = self.clock.now();
            if batch.asked.reopen || self.last_check.elapsed() >= self.interval {
                self.check_files(&Batch::default(), &mut [0; 2]);
            }
            if !batch.lines.bytes.is_empty() || !batch.lines.cuts.is_empty() {
                self.deliver(&mut batch, now);
                batch.clear();
            }
            self.roll_files_that_ended(&batch, now);
            self.pass_on_closed();
            if work == Work::End {
                // Stop the janitor before the open files are unlocked, so that it does not treat them as leftovers.
                drop(self.janitor.take());
                if let Some(stdout) = &self.stdout {
                    stdout.flush(Duration::from_secs(2));
                }
                return;
            }
        }
    }

    /// Closes files that have reached their end, even if no lines arrive.
    fn roll_files_that_ended(&mut self, batch: &Batch, now: Timestamp) {
        for (file, end) in self.files.iter_mut().zip(batch.ends) {
            if end.is_some_and(|end| end <= now) {
                file.roll();
            }
        }
    }

    fn check_files(&mut self, batch: &Batch, at: &mut [usize; 2]) {
        self.last_check = Instant::now();
        let lines = [&batch.lines, &batch.errors];
        for ((file, lines), at) in self.files.iter_mut().zip(lines).zip(at) {
            file.check(lines, at);
        }
    }

    fn pass_on_closed(&mut self) {
        let Some(janitor) = &self.janitor else { return };
        for file in &mut self.files {
            for closed in file.take_closed() {
                janitor.take(closed);
            }
        }
    }

    /// Writes the batch and retries until it succeeds, or until the closed queue stops the retries.
    fn deliver(&mut self, batch: &mut Batch, now: Timestamp) {
        self.write_to_stdout(&batch.lines);
        if self.format == Format::Text {
            for lines in [&mut batch.lines, &mut batch.errors] {
                *lines = text::render_lines(lines);
            }
        }
        let mut at = [0; 2];
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.write(batch, &mut at, now) {
            if error.is_full && self.make_room && self.make_room() {
                continue;
            }
            if pause == FIRST_PAUSE {
                complain(&format!("{}; retrying", error.sentence));
            }
            if !self.queue.fail(error.sentence, pause) {
                let rest = &batch.lines.bytes[at[0]..];
                let lost = memchr::memchr_iter(b'\n', rest).count() as u64;
                complain(&format!("{lost} log lines were lost at shutdown"));
                self.queue.settle(batch.lines.count - lost, at[0] as u64);
                return self.queue.settle_lost(lost);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.check_files(batch, &mut at);
        }
        if pause > FIRST_PAUSE {
            complain("writing logs works again");
        }
        self.queue
            .settle(batch.lines.count, batch.lines.bytes.len() as u64);
    }

    fn write(
        &mut self,
        batch: &Batch,
        at: &mut [usize; 2],
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let lines = [&batch.lines, &batch.errors];
        for ((file, lines), at) in self.files.iter_mut().zip(lines).zip(at) {
            let result = file.write(lines, at, now);
            if let Some(janitor) = &self.janitor {
                // Apply the limits before the next file is written.
                file.take_closed()
                    .into_iter()
                    .for_each(|closed| janitor.take(closed));
            }
            result?;
            if self.fsync && !lines.bytes.is_empty() {
                file.sync()?;
            }
        }
        Ok(())
    }

    fn make_room(&self) -> bool {
        self.janitor.as_ref().is_some_and(Janitor::remove_oldest)
    }

    /// Writes to standard output. If there are also files, lines that standard output does not accept are
    /// dropped and counted. If standard output is the only destination, the write is retried like a write to disk.
    fn write_to_stdout(&mut self, lines: &Lines) {
        let Some(stdout) = &self.stdout else { return };
        for piece in pieces(&lines.bytes) {
            if !self.files.is_empty() {
                stdout.push(&[piece]);
                continue;
            }
            while !stdout.offer(&[piece]) {
                let sentence = "standard output does not accept more lines".to_owned();
                if !self.queue.fail(sentence, FIRST_PAUSE) {
                    return;
                }
            }
        }
    }
}

/// Splits the bytes into pieces of whole lines.
fn pieces(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    const PIECE: usize = 64 << 10;
    std::iter::from_fn(move || {
        let some = bytes.get(..PIECE).unwrap_or(bytes);
        let end = match memchr::memrchr(b'\n', some) {
            Some(end) => end + 1,
            None => memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1),
        };
        let (piece, rest) = bytes.split_at(end);
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Notifies the queue when the thread panics.
struct Dies(Arc<Queue>);

impl Drop for Dies {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.die();
        }
    }
}
