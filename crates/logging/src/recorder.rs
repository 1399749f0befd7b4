//! A recorder: its queue, the thread behind it, and the guard that ends both.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::{Config, ConfigError};
use crate::console::Console;
use crate::queue::{Queue, QueueOptions, Totals};
use crate::schedule::Schedule;
use crate::writer::Writer;
use crate::{exit, sys};

/// A recorder that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory cannot be made.
    #[error("cannot create the log directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start the threads that write the logs: {0}")]
    Thread(std::io::Error),
    /// The program has a global subscriber already.
    #[error(
        "this program has a global tracing subscriber already: compose with dragline::layer instead"
    )]
    Subscriber(#[source] tracing_subscriber::util::TryInitError),
}

/// A handle on one family of files and the threads behind it: cheap to clone, for a signal handler
/// or a health check. Layers share it; the [`Guard`] ends it.
///
/// A process that is forked gets a writer and files of its own with its first event.
#[derive(Clone, Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
}

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    config: Config,
    console: Option<Console>,
    first: Live,
}

/// A recorder in one process.
#[derive(Debug)]
struct Live {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The process, by its [`sys::generation`].
    generation: u64,
    /// The recorder in a forked process.
    next: OnceLock<Box<Live>>,
}

/// Keeps a recorder going. Dropping it writes everything that waits, waits (some seconds at most)
/// for the compression of closed files, and ends the recorder; events after that are lost, and
/// counted. Keep it until the end of `main`.
///
/// A program that ends without dropping it, by `std::process::exit` or because it sits in a static,
/// writes what waits all the same, but waits for nothing else.
#[must_use = "dropping the guard ends the recorder: events after that are lost; keep it until the end of main"]
#[derive(Debug)]
pub struct Guard {
    recorder: Recorder,
}

/// What has become of a recorder's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Lines that are in a file.
    pub written_lines: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Lines that were dropped because the queue was full.
    pub dropped_lines: u64,
    /// The same by level: TRACE, DEBUG, INFO, WARN, ERROR.
    pub dropped_by_level: [u64; 5],
    /// Lines that could not be written until the end, or came after it.
    pub lost_lines: u64,
    /// Bytes that wait.
    pub queued_bytes: usize,
    /// The last error, a sentence; it may be long over.
    pub last_error: Option<String>,
}

impl Recorder {
    /// Starts a recorder: makes the directory and the threads.
    ///
    /// # Errors
    /// When the configuration cannot be used, or the directory or a thread cannot be made.
    pub fn start(config: &Config) -> Result<(Self, Guard), InitError> {
        Self::start_with(config, None)
    }

    pub(crate) fn start_with(
        config: &Config,
        console: Option<Console>,
    ) -> Result<(Self, Guard), InitError> {
        config.check()?;
        sys::watch_forks();
        let config = &config.clone().with_absolute_dir();
        let shared = Shared {
            config: config.clone(),
            console,
            first: Live::start(config)?,
        };
        let recorder = Self {
            shared: Arc::new(shared),
        };
        exit::register(Arc::downgrade(&recorder.shared));
        let guard = Guard {
            recorder: recorder.clone(),
        };
        Ok((recorder, guard))
    }

    /// The queue of this process.
    pub(crate) fn queue(&self) -> &Queue {
        let mut live = &self.shared.first;
        while live.generation != sys::generation() {
            live = live
                .next
                .get_or_init(|| Box::new(Live::in_child(&self.shared.config)));
        }
        &live.queue
    }

    /// Waits until every event so far is in its file (in the operating system's hands: a crash of
    /// the process loses nothing, a crash of the machine may, unless `fsync` is set).
    ///
    /// # Errors
    /// Why it is not: the last write failed. It is tried again all the while.
    pub fn flush(&self) -> std::io::Result<()> {
        self.queue()
            .flush(Duration::MAX)
            .map_err(std::io::Error::other)
    }

    /// The next event begins a new file, in each family.
    pub fn roll(&self) {
        self.queue().roll();
    }

    /// Looks whether the open files are still where they were, and begins new ones if not: for a
    /// program that moves log files and then sends a signal. Without it, that is found out within
    /// the flush interval.
    pub fn reopen(&self) {
        self.queue().reopen();
    }

    /// What has become of the lines so far.
    pub fn status(&self) -> Status {
        let (totals, queued_bytes) = self.queue().totals();
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
            lost_lines,
            queued_bytes,
            last_error,
        }
    }
}

impl Shared {
    /// The recorder in this process, if it has written anything here.
    fn live(&self) -> Option<&Live> {
        let mut live = &self.first;
        while live.generation != sys::generation() {
            live = live.next.get()?;
        }
        Some(live)
    }

    pub(crate) fn flush(&self, patience: Duration) -> Result<(), String> {
        if let Some(console) = &self.console {
            console.flush(patience);
        }
        self.live()
            .map_or(Ok(()), |live| live.queue.flush(patience))
    }
}

impl Guard {
    /// A handle that may outlive the guard.
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
        if let Some(console) = &self.recorder.shared.console {
            console.flush(Duration::from_secs(2));
        }
    }
}

impl Live {
    fn start(config: &Config) -> Result<Self, InitError> {
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
        let writer =
            Writer::new(config, &writer_id, Arc::clone(&queue)).map_err(InitError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("dragline-writer".to_owned())
            .spawn(|| writer.run())
            .map_err(InitError::Thread)?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
            generation: sys::generation(),
            next: OnceLock::new(),
        })
    }

    /// The recorder of a forked process. Its writer is another one; a given id gets the process's
    /// number, so that names and numbers stay unique.
    fn in_child(config: &Config) -> Self {
        let mut config = config.clone();
        if let Some(id) = &mut config.writer_id {
            let process = std::process::id().to_string();
            id.truncate(63 - process.len());
            *id = format!("{id}-{process}");
        }
        Self::start(&config).unwrap_or_else(|error| {
            sys::complain(&format!("this forked process writes no logs: {error}"));
            Self::dead(&config)
        })
    }

    /// One that takes no lines.
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
            thread: Mutex::new(None),
            generation: sys::generation(),
            next: OnceLock::new(),
        }
    }

    fn end(&self) {
        self.queue.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A panic in it has been printed already.
            let _ = thread.join();
        }
    }
}

/// 12 hexadecimal digits, from the system's randomness and the process's number: a forked process
/// has the same state of every generator as its parent.
pub(crate) fn new_writer_id() -> String {
    use std::hash::BuildHasher as _;
    let seed = std::hash::RandomState::new().hash_one((std::process::id(), fastrand::u64(..)));
    format!("{:012x}", seed & 0xffff_ffff_ffff)
}
