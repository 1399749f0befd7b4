//! The recorder: its queue, its writer thread, and the guard that stops both.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use dragline_schema::wire;
#[cfg(feature = "system")]
use dragline_schema::{Event, SystemSample};
use tracing::Level;

use crate::complain::complain;
#[cfg(feature = "system")]
use crate::config::SampleInterval;
use crate::config::{Config, ConfigError, ConsoleMode};
use crate::console::{Console, ConsolePlan, Stdout};
use crate::outlet::Outlet;
use crate::queue::{Queue, QueueOptions, Totals};
use crate::schedule::Schedule;
use crate::writer::Writer;
use crate::writer_id::new_writer_id;
use crate::{exit, sys};
#[cfg(feature = "system")]
use crate::{
    key::push_key,
    system::{Machine, Sampler},
};

/// The reason why a recorder could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory cannot be created.
    #[error("cannot create the log directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start the threads that write the logs: {0}")]
    Thread(std::io::Error),
    /// The program already has a global subscriber.
    #[error(
        "this program already has a global tracing subscriber: use dragline::layer to compose with it"
    )]
    Subscriber(#[source] tracing_subscriber::util::TryInitError),
}

/// A handle to one family of files and the threads that write it. It is cheap to clone, for use in a
/// signal handler or a health check. Layers share it; the [`Guard`] stops the recorder.
///
/// A forked process gets its own writer and files at its first event.
#[derive(Clone, Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
}

/// The state that all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    config: Config,
    console: Option<ConsolePlan>,
    first: Live,
}

/// The recorder in one process.
#[derive(Debug)]
pub(crate) struct Live {
    queue: Arc<Queue>,
    console: Option<Console>,
    /// Standard output, if the lines also go there.
    stdout: Option<Arc<Outlet>>,
    /// Number of lines that are not on the console, as reported in the files.
    reported_unshown: AtomicU64,
    #[cfg(feature = "system")]
    sampler: Option<Sampler>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The process, identified by its [`sys::generation`].
    generation: u64,
    /// The recorder in a process forked from this one.
    next: OnceLock<Box<Live>>,
}

/// Keeps a recorder running. Dropping the guard writes all waiting lines, waits some seconds for the
/// compression of closed files, and stops the recorder. Later events are lost and counted. Keep the
/// guard until the end of `main`.
///
/// A program that ends without dropping the guard (through `std::process::exit`, or because the guard is
/// in a static) still writes the waiting lines, but does not wait for compression.
#[must_use = "dropping the guard stops the recorder and later events are lost; keep it until the end of main"]
#[derive(Debug)]
pub struct Guard {
    recorder: Recorder,
}

/// Statistics about the lines of a recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Number of lines written to files.
    pub written_lines: u64,
    /// Size of the written lines, in bytes.
    pub written_bytes: u64,
    /// Number of lines dropped because the queue was full.
    pub dropped_lines: u64,
    /// Number of dropped lines by level: TRACE, DEBUG, INFO, WARN, ERROR.
    pub dropped_by_level: [u64; 5],
    /// Number of lines that the console did not show because nobody read it in time. The files have them.
    pub console_dropped_lines: u64,
    /// Number of lines that could not be written before the recorder stopped, or that came after it.
    pub lost_lines: u64,
    /// Number of bytes waiting to be written.
    pub queued_bytes: usize,
    /// The message of the latest error, which may already be resolved.
    pub last_error: Option<String>,
}

impl exit::AtExit for Shared {
    fn flush_at_exit(&self, patience: Duration) -> Result<(), String> {
        self.flush(patience)
    }
}

impl Recorder {
    /// Starts a recorder: creates the directory and starts the threads.
    ///
    /// # Errors
    /// When the configuration is invalid, or the directory or a thread cannot be created.
    pub fn start(config: &Config) -> Result<(Self, Guard), InitError> {
        Self::start_with(config, None)
    }

    pub(crate) fn start_with(
        config: &Config,
        console: Option<ConsolePlan>,
    ) -> Result<(Self, Guard), InitError> {
        config.check()?;
        config.check_features()?;
        sys::watch_forks();
        let config = &config.clone().with_absolute_dir();
        let shared = Shared {
            config: config.clone(),
            console,
            first: Live::start(config, console)?,
        };
        let recorder = Self {
            shared: Arc::new(shared),
        };
        let shared: std::sync::Weak<Shared> = Arc::downgrade(&recorder.shared);
        exit::register(shared);
        let guard = Guard {
            recorder: recorder.clone(),
        };
        Ok((recorder, guard))
    }

    /// The recorder in this process.
    pub(crate) fn live(&self) -> &Live {
        let Shared {
            config,
            console,
            first,
        } = &*self.shared;
        let mut live = first;
        while live.generation != sys::generation() {
            live = live
                .next
                .get_or_init(|| Box::new(Live::in_child(config, *console)));
        }
        live
    }

    /// Waits until all events so far are written to their files. They then survive a crash of the
    /// process; they survive a crash of the machine only if `fsync` is set. Then waits for the console, at
    /// most for a second.
    ///
    /// # Errors
    /// When the latest write failed. The recorder keeps retrying it.
    pub fn flush(&self) -> std::io::Result<()> {
        let live = self.live();
        let result = live.queue.flush(Duration::MAX);
        live.flush_console(Duration::from_secs(1));
        result.map_err(std::io::Error::other)
    }

    /// Starts a new file with the next event, for the main files and for the error files.
    pub fn roll(&self) {
        self.live().queue.roll();
    }

    /// Checks whether the open files are still at their paths, and starts new ones if not. Call it on
    /// the signal of a program that has moved the log files. Without the call, the recorder notices
    /// the move within the flush interval.
    pub fn reopen(&self) {
        self.live().queue.reopen();
    }

    /// Statistics about the lines so far.
    pub fn status(&self) -> Status {
        let live = self.live();
        let (totals, queued_bytes) = live.queue.totals();
        let Totals {
            written_lines,
            written_bytes,
            lost_lines,
            dropped_lines,
            last_error,
        } = totals;
        Status {
            written_lines,
            written_bytes,
            dropped_lines: dropped_lines.iter().sum(),
            dropped_by_level: dropped_lines,
            console_dropped_lines: live.outlet().map_or(0, Outlet::dropped),
            lost_lines,
            queued_bytes,
            last_error,
        }
    }
}

impl Shared {
    /// The recorder in this process, if it has recorded any event here.
    fn live(&self) -> Option<&Live> {
        let mut live = &self.first;
        while live.generation != sys::generation() {
            live = live.next.get()?;
        }
        Some(live)
    }

    pub(crate) fn flush(&self, patience: Duration) -> Result<(), String> {
        self.live().map_or(Ok(()), |live| live.flush(patience))
    }
}

impl Guard {
    /// A handle to the recorder, which may outlive the guard.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }
}

impl std::ops::Deref for Guard {
    type Target = Recorder;

    fn deref(&self) -> &Recorder {
        &self.recorder
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(live) = self.recorder.shared.live() {
            live.end();
        }
    }
}

impl Live {
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn console(&self) -> Option<&Console> {
        self.console.as_ref()
    }

    fn start(config: &Config, console: Option<ConsolePlan>) -> Result<Self, InitError> {
        let writer_id = config.writer_id.clone().unwrap_or_else(new_writer_id);
        if config.files {
            std::fs::create_dir_all(&config.dir).map_err(|source| InitError::Directory {
                path: config.dir.clone(),
                source,
            })?;
        }
        let queue = Arc::new(Queue::new(QueueOptions {
            writer_id: writer_id.clone(),
            capacity: config.queue_bytes.max(1),
            patience: config.queue_patience,
            schedule: Schedule::new(config.rotation, config.time_zone.clone()),
            error_copy: config.files && config.error_copy,
            flush_errors: config.flush_errors,
            clock: Arc::clone(&config.clock),
        }));
        let stdout = match config.console {
            ConsoleMode::Json => Some(Outlet::start(Stdout).map_err(InitError::Thread)?),
            _ => None,
        };
        let stdout = stdout.map(Arc::new);
        let console = console.map(Console::start).transpose();
        let writer = Writer::new(config, &writer_id, Arc::clone(&queue), stdout.clone());
        let writer = writer.map_err(InitError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("dragline-writer".to_owned())
            .spawn(|| writer.run())
            .map_err(InitError::Thread)?;
        #[cfg(feature = "system")]
        let sampler = start_sampler(config, &queue).map_err(InitError::Thread)?;
        Ok(Self {
            queue,
            #[cfg(feature = "system")]
            sampler,
            console: console.map_err(InitError::Thread)?,
            stdout,
            reported_unshown: AtomicU64::new(0),
            thread: Mutex::new(Some(thread)),
            generation: sys::generation(),
            next: OnceLock::new(),
        })
    }

    /// The recorder of a forked process. It has its own writer. The process id is appended to a configured
    /// writer id, so that file names and sequence numbers stay unique.
    fn in_child(config: &Config, console: Option<ConsolePlan>) -> Self {
        let mut config = config.clone();
        if let Some(id) = &mut config.writer_id {
            let process = std::process::id().to_string();
            id.truncate(63 - process.len());
            *id = format!("{id}-{process}");
        }
        Self::start(&config, console).unwrap_or_else(|error| {
            complain(&format!(
                "cannot write logs in this forked process: {error}"
            ));
            Self::dead(&config)
        })
    }

    /// A recorder that accepts no lines.
    fn dead(config: &Config) -> Self {
        let queue = Queue::new(QueueOptions {
            writer_id: String::new(),
            capacity: 1,
            patience: config.queue_patience,
            schedule: Schedule::new(config.rotation, config.time_zone.clone()),
            error_copy: false,
            flush_errors: false,
            clock: Arc::clone(&config.clock),
        });
        queue.close();
        Self {
            queue: Arc::new(queue),
            console: None,
            #[cfg(feature = "system")]
            sampler: None,
            stdout: None,
            reported_unshown: AtomicU64::new(0),
            thread: Mutex::new(None),
            generation: sys::generation(),
            next: OnceLock::new(),
        }
    }

    /// What the lines are shown on.
    fn outlet(&self) -> Option<&Outlet> {
        let console = self.console.as_ref().map(Console::outlet);
        console.or(self.stdout.as_deref())
    }

    /// Writes everything, to the files first: nobody may read the console.
    fn flush(&self, patience: Duration) -> Result<(), String> {
        let result = self.queue.flush(patience);
        self.flush_console(patience);
        if self.reports_unshown() {
            return self.queue.flush(patience);
        }
        result
    }

    fn flush_console(&self, patience: Duration) {
        if let Some(outlet) = self.outlet() {
            outlet.flush(patience);
        }
    }

    /// Adds a line about lines that are not on the console, if there are more than reported before.
    fn reports_unshown(&self) -> bool {
        let Some((count, reason)) = self.outlet().and_then(Outlet::unshown) else {
            return false;
        };
        if self.reported_unshown.swap(count, Relaxed) >= count {
            return false;
        }
        let message = format!("{count} lines are not on the console: {reason}");
        let mut fields = b",\"message\":".to_vec();
        wire::push_text(&message, &mut fields);
        self.queue.push_own(Level::WARN, &fields);
        true
    }

    fn end(&self) {
        #[cfg(feature = "system")]
        if let Some(sampler) = &self.sampler {
            sampler.stop();
        }
        // The error, if any, is reported when the writer gives up.
        let _ = self.flush(Duration::from_secs(2));
        self.queue.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The panic hook has already printed a panic of the thread.
            let _ = thread.join();
        }
    }
}

/// The thread that records the machine's resource usage, if configured.
#[cfg(feature = "system")]
fn start_sampler(config: &Config, queue: &Arc<Queue>) -> std::io::Result<Option<Sampler>> {
    let SampleInterval::Every(interval) = config.system_sample else {
        return Ok(None);
    };
    let (dir, queue) = (config.dir.clone(), Arc::clone(queue));
    let emit = move |mut sample: SystemSample<'static>| {
        sample.host = sys::host().map(Into::into);
        let mut fields = b",\"event_type\":\"system_sample\"".to_vec();
        let event = Event::SystemSample(sample);
        crate::observe::observe_own(Level::INFO, &event);
        event.each_field(&mut |key, value| {
            push_key(key, &mut fields);
            wire::push_value(&value, &mut fields);
        });
        queue.push_own(Level::INFO, &fields);
    };
    Sampler::start(interval, move || Machine::new(&dir), emit).map(Some)
}
