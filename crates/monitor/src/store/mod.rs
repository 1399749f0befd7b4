//! The database: everything that the service must not forget, and no log line.
//!
//! One thread writes: callers pass it closures, wait for their results ([`Store::write`]) or look later
//! ([`Store::begin`]). Readers have connections of their own that cannot write, and a time limit ([`Store::read`]).
//! So a slow question never delays what is counted, and what is counted never fails with "database is locked".

mod alerts;
mod blob;
mod days;
mod metrics;
mod reports;
mod retention;
mod runs;
mod schema;
mod state;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Transaction};

pub use self::alerts::{AlertEntry, HealthChange};
pub use self::days::{Batch, PartKey};
pub use self::metrics::Level;
pub use self::reports::ReportDocument;
pub use self::retention::{Kept, Retention};
pub use self::runs::{RunFilter, StoredRun};

/// The name of the database in the state directory.
pub const DATABASE: &str = "dragline.db";
/// The file that a running service locks.
const LOCK: &str = "dragline.lock";
/// The oldest SQLite whose write-ahead log is sound: earlier ones can corrupt it when checkpoints race.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Number of jobs that may wait for the writing thread.
const WAITING: usize = 64;
/// Number of connections for reading that are kept open.
const READERS: usize = 8;
/// Number of instructions of SQLite between two looks at the clock.
const INSTRUCTIONS: i32 = 10_000;

/// Why something was not stored or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The state directory cannot be used.
    #[error("cannot use the state directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another service works with the directory.
    #[error(
        "another dragline serve uses the state directory {path}: stop it, or name another directory with --state"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// SQLite is too old.
    #[error(
        "this program was built with SQLite {0}, whose write-ahead log can corrupt a database; 3.51.3 or later is needed"
    )]
    OldSqlite(String),
    /// A newer version wrote the database.
    #[error(
        "{path} was written by a later version of Dragline (format {found}; this version reads {known}): upgrade, or \
         restore a backup of this version"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The version of this program.
        known: i32,
    },
    /// The file is something else.
    #[error("{path} is not a database of Dragline: name another directory with --state")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error(
        "{path} is damaged ({detail}): restore a backup with `dragline restore`, or move the file away to begin anew \
         from the logs"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// A question took too long.
    #[error("the question took longer than {0:?}: ask for a shorter period")]
    TooSlow(Duration),
    /// The writing thread is gone.
    #[error("the database is closed")]
    Closed,
    /// SQLite reported an error.
    #[error("the database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A stored value cannot be read.
    #[error("a stored {what} cannot be read: {detail}")]
    Value {
        /// What it is.
        what: &'static str,
        /// Why.
        detail: String,
    },
}

impl StoreError {
    fn value(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Value {
            what,
            detail: detail.to_string(),
        }
    }
}

/// The result of a question to the store.
pub type Result<T> = std::result::Result<T, StoreError>;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The database of a service.
///
/// ```
/// use dragline_monitor::store::Store;
///
/// let dir = tempfile::tempdir()?;
/// let store = Store::open(dir.path())?;
/// store.set_state("example", &[1, 2, 3])?;
/// assert_eq!(store.state("example")?, Some(vec![1, 2, 3]));
/// // A second service with the same directory would count everything twice.
/// assert!(Store::open(dir.path()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// `None` once it is closed.
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    /// Locked as long as the store is open.
    _lock: File,
}

impl Store {
    /// Opens the database in a directory, or creates both. An older database is brought to this version; a copy of
    /// it is kept beside it.
    ///
    /// # Errors
    /// If the directory cannot be written or is in use, or the database is damaged or of a later version.
    pub fn open(dir: &Path) -> Result<Self> {
        check_version()?;
        let failed = |source| StoreError::Directory {
            path: dir.to_owned(),
            source,
        };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let lock = File::options()
            .create(true)
            .append(true)
            .open(dir.join(LOCK))
            .map_err(failed)?;
        lock.try_lock().map_err(|_| StoreError::InUse {
            path: dir.to_owned(),
        })?;
        let path = dir.join(DATABASE);
        let mut connection = Connection::open(&path)?;
        prepare(&mut connection, &path)?;
        let (jobs, waiting) = sync_channel::<Job>(WAITING);
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                while let Ok(job) = waiting.recv() {
                    job(&mut connection);
                }
            })
            .map_err(failed)?;
        Ok(Self {
            path,
            jobs: Some(jobs),
            writer: Some(writer),
            readers: Mutex::default(),
            _lock: lock,
        })
    }

    /// The file of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a transaction on the writing thread; the result can be fetched later. If `job` fails, nothing of it is
    /// stored.
    ///
    /// # Errors
    /// If the store is closed.
    pub fn begin<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Receiver<Result<T>>> {
        let (answer, receiver) = sync_channel(1);
        let job = Box::new(move |connection: &mut Connection| {
            let run = || {
                let transaction = connection.transaction()?;
                let value = job(&transaction)?;
                transaction.commit()?;
                Ok(value)
            };
            // Nobody may be waiting any more.
            let _ = answer.send(run());
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(job).map_err(|_| StoreError::Closed)?;
        Ok(receiver)
    }

    /// Runs a transaction on the writing thread and waits for it.
    ///
    /// # Errors
    /// Those of `job`; then nothing of it is stored.
    pub fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.begin(job)?.recv().map_err(|_| StoreError::Closed)?
    }

    /// Runs something on the writing thread outside of a transaction.
    fn maintain<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, receiver) = sync_channel(1);
        let job = Box::new(move |connection: &mut Connection| {
            let _ = answer.send(job(connection));
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(job).map_err(|_| StoreError::Closed)?;
        receiver.recv().map_err(|_| StoreError::Closed)?
    }

    /// Asks a question on a connection that cannot write, for at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] after the limit, and those of `question`.
    pub fn read<T>(
        &self,
        limit: Duration,
        question: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        let held = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut connection = match held {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let begun = Instant::now();
        connection.progress_handler(INSTRUCTIONS, Some(move || begun.elapsed() > limit))?;
        let answer = question(&connection);
        connection.progress_handler(0, None::<fn() -> bool>)?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS {
            readers.push(connection);
        }
        match answer {
            Err(StoreError::Sqlite(error)) if is_interrupted(&error) => {
                Err(StoreError::TooSlow(limit))
            }
            answer => answer,
        }
    }

    /// Number of bytes on disk, with the write-ahead log.
    pub fn bytes(&self) -> u64 {
        let wal = self.path.with_extension("db-wal");
        let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        size(&self.path) + size(&wal)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Without a sender the thread finishes its jobs and ends.
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// Writes a copy of a database, complete and consistent, also while a service works with it. The target must not exist.
///
/// # Errors
/// If it cannot be read or written.
pub fn copy(database: &Path, to: &Path) -> Result<()> {
    let connection = open_reader(database)?;
    connection.execute("VACUUM INTO ?1", [to.display().to_string()])?;
    Ok(())
}

fn check_version() -> Result<()> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(StoreError::OldSqlite(rusqlite::version().to_owned()));
    }
    Ok(())
}

fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
}

fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -1024)?;
    Ok(connection)
}

/// Checks a database and brings it to the version of this program.
fn prepare(connection: &mut Connection, path: &Path) -> Result<()> {
    let damaged = |detail: String| StoreError::Damaged {
        path: path.to_owned(),
        detail,
    };
    let as_damage = |error: rusqlite::Error| damaged(error.to_string());
    connection.busy_timeout(Duration::from_secs(5))?;
    let found = schema::version_of(connection).map_err(as_damage)?;
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(as_damage)?;
    if tables > 0 && id != schema::APPLICATION_ID {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    if found > schema::version() {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: schema::version(),
        });
    }
    let check = "PRAGMA quick_check(1)";
    let detail: String = connection
        .query_row(check, [], |row| row.get(0))
        .map_err(as_damage)?;
    if detail != "ok" {
        return Err(damaged(detail));
    }
    // The mode is stored in the file; pages that are no longer needed are given back bit by bit.
    if tables == 0 {
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    // In WAL mode this survives a crash of the program; after a loss of power the last commits may be missing, and
    // their lines are then read again.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    if found > 0 && found < schema::version() {
        let copy = path.with_extension(format!("v{found}.db"));
        if !copy.exists() {
            connection.execute("VACUUM INTO ?1", [copy.display().to_string()])?;
        }
    }
    if found < schema::version() {
        schema::migrate(connection)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_a_later_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path()).unwrap());
        let path = dir.path().join(DATABASE);
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        let error = Store::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("later version") && error.contains("99"),
            "{error}"
        );
    }

    #[test]
    fn another_programs_database_and_a_damaged_one_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        drop(connection);
        let error = Store::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("not a database of Dragline"), "{error}");
        std::fs::write(&path, vec![7; 20_000]).unwrap();
        let error = Store::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("damaged") && error.contains("dragline restore"),
            "{error}"
        );
    }

    #[test]
    fn readers_cannot_write_and_are_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let second = Duration::from_secs(1);
        let write = store.read(second, |connection| {
            Ok(connection.execute("DELETE FROM state", [])?)
        });
        assert!(write.unwrap_err().to_string().contains("readonly"));
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let limit = Duration::from_millis(50);
        let slow = store.read(limit, |c| {
            Ok(c.query_row(endless, [], |row| row.get::<_, i64>(0))?)
        });
        assert!(matches!(slow, Err(StoreError::TooSlow(_))), "{slow:?}");
        // The connection still works.
        let one = store.read(second, |c| {
            Ok(c.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(one.unwrap(), 1);
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let failed: Result<()> = store.write(|transaction| {
            transaction.execute("INSERT INTO state VALUES ('x', x'00')", [])?;
            Err(StoreError::value("test", "on purpose"))
        });
        assert!(failed.is_err());
        assert_eq!(store.state("x").unwrap(), None);
    }
}
