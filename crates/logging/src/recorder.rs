//! The thread that writes, the thread that compresses, and the guard that ends both.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::compress;
use crate::config::{Config, ConfigError};
use crate::queue::{Batch, Queue, Totals, Work};
use crate::retention;
use crate::rolling::RollingFile;

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
    #[error("cannot start the thread that writes the logs: {0}")]
    Thread(std::io::Error),
    /// The program has a global subscriber already.
    #[error(
        "this program has a global tracing subscriber already: compose with dragline::layer instead"
    )]
    Subscriber(#[source] tracing_subscriber::util::TryInitError),
}

/// One family of files and the threads behind it. Layers share it; the [`Guard`] ends it.
#[derive(Debug)]
pub struct Recorder {
    pub(crate) queue: Arc<Queue>,
    pub(crate) writer_id: String,
}

/// Keeps a recorder going. Dropping it writes everything that waits, waits for the compression of
/// closed files, and ends the recorder; events after that are lost (and counted). Keep it until the
/// end of `main`.
#[must_use = "dropping the guard ends the recorder: events after that are lost; keep it until the end of main"]
#[derive(Debug)]
pub struct Guard {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

/// What has become of a recorder's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Lines that are in a file.
    pub written_lines: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Lines that could not be written, or came after the end.
    pub lost_lines: u64,
    /// Bytes that wait.
    pub queued_bytes: usize,
    /// The last error, a sentence.
    pub last_error: Option<String>,
}

impl Guard {
    /// Waits until every event so far is in the file (in the operating system's hands: a crash of
    /// the process loses nothing, a crash of the machine may).
    pub fn flush(&self) {
        self.queue.flush();
    }

    /// What has become of the lines so far.
    pub fn status(&self) -> Status {
        let (totals, queued_bytes) = self.queue.totals();
        let Totals {
            lines: _,
            written_lines,
            written_bytes,
            lost_lines,
            last_error,
        } = totals;
        Status {
            written_lines,
            written_bytes,
            lost_lines,
            queued_bytes,
            last_error,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // The thread reports its own errors; a panic in it has been printed already.
            let _ = writer.join();
        }
    }
}

impl Recorder {
    /// Creates the directory and starts the threads.
    ///
    /// # Errors
    /// When the configuration cannot be used, the directory cannot be made, or no thread starts.
    pub fn start(config: &Config) -> Result<(Self, Guard), InitError> {
        config.check()?;
        std::fs::create_dir_all(&config.dir).map_err(|source| InitError::Directory {
            path: config.dir.clone(),
            source,
        })?;
        let writer_id = config
            .writer_id
            .clone()
            .unwrap_or_else(|| format!("{:012x}", fastrand::u64(..1 << 48)));
        let queue = Arc::new(Queue::new(config.queue_bytes, config.rotation));
        let rolling = RollingFile::new(
            config.dir.clone(),
            config.name.clone(),
            writer_id.clone(),
            config.max_file_bytes,
        );
        let janitor = Janitor::start(config)?;
        let thread = Writer {
            queue: Arc::clone(&queue),
            rolling,
            janitor,
        };
        let interval = config.flush_interval;
        let writer = std::thread::Builder::new()
            .name("dragline-writer".to_owned())
            .spawn(move || thread.run(interval))
            .map_err(InitError::Thread)?;
        let guard = Guard {
            queue: Arc::clone(&queue),
            writer: Some(writer),
        };
        Ok((Self { queue, writer_id }, guard))
    }
}

struct Writer {
    queue: Arc<Queue>,
    rolling: RollingFile,
    janitor: Janitor,
}

/// Whatever ends the thread, a panic too: callers must not wait for it for ever.
struct CloseAtEnd(Arc<Queue>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Writer {
    fn run(mut self, interval: Duration) {
        let _close = CloseAtEnd(Arc::clone(&self.queue));
        let mut batch = Batch::default();
        while let Work::Write = self.queue.take(&mut batch, interval) {
            if batch.lines == 0 {
                continue;
            }
            match self.rolling.write(&batch) {
                Ok(()) => self
                    .queue
                    .settle(batch.lines, batch.bytes.len() as u64, 0, None),
                Err(failure) => {
                    let lost = batch.lines - failure.written;
                    complain(&format!("{}; {lost} log lines are lost", failure.error));
                    self.queue
                        .settle(failure.written, failure.bytes, lost, Some(failure.error));
                }
            }
            batch.bytes.clear();
            batch.cuts.clear();
            batch.lines = 0;
            for path in self.rolling.take_closed() {
                self.janitor.send(path);
            }
        }
        self.janitor.finish();
    }
}

/// The second thread: a slow compression never holds up the writing.
struct Janitor {
    closed: mpsc::Sender<PathBuf>,
    thread: JoinHandle<()>,
}

impl Janitor {
    /// Starts with what earlier processes left to be removed.
    fn start(config: &Config) -> Result<Self, InitError> {
        let (closed, paths) = mpsc::channel::<PathBuf>();
        let (dir, family) = (config.dir.clone(), config.name.clone());
        let (keep, clock, compress) =
            (config.retention, Arc::clone(&config.clock), config.compress);
        let sweep = move || {
            if let Err(error) = retention::sweep(&dir, &family, &keep, clock.now()) {
                complain(&format!(
                    "cannot remove old logs in {}: {error}",
                    dir.display()
                ));
            }
        };
        let thread = std::thread::Builder::new()
            .name("dragline-janitor".to_owned())
            .spawn(move || {
                sweep();
                for path in paths {
                    if compress {
                        compress_file(&path);
                    }
                    sweep();
                }
            })
            .map_err(InitError::Thread)?;
        Ok(Self { closed, thread })
    }

    fn send(&self, path: PathBuf) {
        // The thread ends only after this sender; if it panicked, the file stays plain.
        let _ = self.closed.send(path);
    }

    fn finish(self) {
        drop(self.closed);
        let _ = self.thread.join();
    }
}

fn compress_file(path: &Path) {
    match compress::compress(path) {
        // Another process of the family found it too old.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            let path = path.display();
            complain(&format!(
                "cannot compress {path}: {error}; it stays as it is"
            ));
        }
        Ok(_) => {}
    }
}

/// The recorder's own troubles go to stderr; tracing would lead back here.
fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "dragline: {sentence}");
}
