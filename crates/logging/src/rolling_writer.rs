//! The rolling files alone, for use with other formatters.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::clock::Clock;
use crate::config::Config;
use crate::janitor::Janitor;
use crate::queue::Lines;
use crate::recorder::InitError;
use crate::rolling::RollingFile;
use crate::schedule::Schedule;
use crate::writer;

/// Files with the rotation, compression and retention of the recorder, as an [`io::Write`] and a
/// [`MakeWriter`]. For use with another formatter, or under `tracing_appender::non_blocking`.
///
/// Every call of `write` must contain one or more whole lines and writes directly to the file. The settings
/// for files apply, except those for the error files: this writer does not know levels.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use dragline_logging::{Config, RollingWriter};
///
/// let files = RollingWriter::new(&Config::new(dir.path()).name("plain"))?;
/// let subscriber = tracing_subscriber::fmt().with_writer(files).finish();
/// tracing::subscriber::with_default(subscriber, || tracing::info!("a line"));
/// # assert!(std::fs::read_to_string(dir.path().join("plain.current"))?.contains("a line"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RollingWriter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // Declared before `files`, so that the janitor stops before the open file is unlocked.
    janitor: Janitor,
    files: Mutex<Files>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Files {
    rolling: RollingFile,
    schedule: Schedule,
    lines: Lines,
    last_check: Instant,
}

impl RollingWriter {
    /// Creates the directory. The first line creates the first file.
    ///
    /// # Errors
    /// When the configuration is invalid, or the directory or a thread cannot be created.
    pub fn new(config: &Config) -> Result<Self, InitError> {
        config.check()?;
        let config = &config.clone().with_absolute_dir();
        std::fs::create_dir_all(&config.dir).map_err(|source| InitError::Directory {
            path: config.dir.clone(),
            source,
        })?;
        let family = writer::family(config, false);
        let kept = vec![(family.clone(), config.kept(false))];
        let clock = Arc::clone(&config.clock);
        let janitor = Janitor::start(kept, config.compression, Arc::clone(&clock));
        let writer_id = config.writer_id.clone();
        let writer_id = writer_id.unwrap_or_else(crate::writer_id::new_writer_id);
        let files = Files {
            rolling: RollingFile::new(family, writer_id),
            schedule: Schedule::new(config.rotation, config.time_zone.clone()),
            lines: Lines::default(),
            last_check: Instant::now(),
        };
        Ok(Self(Arc::new(Inner {
            files: Mutex::new(files),
            janitor: janitor.map_err(InitError::Thread)?,
            clock,
        })))
    }
}

impl Inner {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let now = self.clock.now();
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let Files {
            rolling,
            schedule,
            lines,
            last_check,
        } = &mut *files;
        // The user may never call `flush`, so check here as well.
        if last_check.elapsed() >= Duration::from_secs(1) {
            *last_check = Instant::now();
            rolling.check(&Lines::default(), &mut 0);
        }
        lines.bytes.clear();
        lines.bytes.extend_from_slice(bytes);
        lines.cuts.clear();
        if schedule.begins_file(now) {
            lines.cuts.push(0);
        }
        let mut at = 0;
        let mut result = rolling.write(lines, &mut at, now);
        if result.is_err() {
            // The file or its directory may have been removed: check and try once more.
            rolling.check(lines, &mut at);
            result = rolling.write(lines, &mut at, now);
        }
        rolling
            .take_closed()
            .into_iter()
            .for_each(|file| self.janitor.take(file));
        match result {
            Ok(()) => Ok(bytes.len()),
            // A partial write: the caller calls again with the rest.
            Err(_) if at > 0 => Ok(at),
            Err(error) => Err(io::Error::other(error.sentence)),
        }
    }

    fn flush(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.rolling.check(&Lines::default(), &mut 0);
    }
}

impl Write for &RollingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush();
        Ok(())
    }
}

impl Write for RollingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush();
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for RollingWriter {
    type Writer = &'w Self;

    fn make_writer(&'w self) -> &'w Self {
        self
    }
}
