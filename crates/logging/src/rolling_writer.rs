//! The rolling files alone, for whoever formats lines otherwise.

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

/// Files that roll, are compressed and go as the recorder's do, as an [`io::Write`] and a
/// [`MakeWriter`]: for another formatter, or under `tracing_appender::non_blocking`.
///
/// Every call of `write` is one or more whole lines, and goes straight to the file. Of the settings
/// those count that are about files, but for the copy of the errors: nothing here knows levels.
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
    // Ends before the open file is let go.
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
    /// Makes the directory; the first line makes the first file.
    ///
    /// # Errors
    /// When the configuration cannot be used, or the directory or a thread cannot be made.
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
        let writer_id = writer_id.unwrap_or_else(crate::recorder::new_writer_id);
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
        // Nobody may ever call `flush`.
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
            // Perhaps the file or its directory is gone; once more, anew.
            rolling.check(lines, &mut at);
            result = rolling.write(lines, &mut at, now);
        }
        rolling
            .take_closed()
            .into_iter()
            .for_each(|file| self.janitor.take(file));
        match result {
            Ok(()) => Ok(bytes.len()),
            // Some of it is written; the caller comes again with the rest.
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
