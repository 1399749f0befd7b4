//! SQLite: opens an existing file for reading and runs one query.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags};

use super::{Context, run_blocking, with_response_time};
use crate::field::Field;
use crate::measurement::{Failure, FailureKind, Measurement, Probed};

/// Opens the file, which is never created, and reads its schema.
pub(super) async fn probe(path: &Path, context: &Context) -> Probed {
    let path = path.to_owned();
    // The database gives up first, with a better word than the check.
    let patience = context.timeout.mul_f32(0.8);
    run_blocking(context, move || probe_now(&path, patience)).await
}

fn probe_now(path: &PathBuf, patience: Duration) -> Probed {
    let shown = path.display();
    check_file(path)?;
    let started = Instant::now();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    let connection = connection.map_err(|error| describe(&error, path, patience))?;
    connection
        .busy_timeout(patience)
        .map_err(|error| describe(&error, path, patience))?;
    let mut measurement = Measurement::default();
    measurement.add(Field::ConnectTime, started.elapsed());
    let asked = Instant::now();
    // Unlike `SELECT 1` this reads the file, and so finds a lock and a file that is not a database.
    let count = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0));
    let count: i64 = count.map_err(|error| describe(&error, path, patience))?;
    measurement.add(Field::RoundTripTime, asked.elapsed());
    if count == 0 {
        measurement.notes.push(format!("{shown} has no tables"));
    }
    Ok(with_response_time(measurement, started.elapsed()))
}

/// Looks at the file first: SQLite's own word for a missing file is "unable to open database file".
fn check_file(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let fail = |message: String| Err(Failure::new(FailureKind::File, message));
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => fail(format!("{shown} is not a file")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fail(format!(
            "the database file {shown} is missing; sqlite:///x.db is a relative path, sqlite:////srv/x.db an absolute one"
        )),
        Err(error) => fail(format!("cannot read the database file {shown}: {error}")),
    }
}

fn describe(error: &Error, path: &Path, patience: Duration) -> Failure {
    let shown = path.display();
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let waited = crate::condition::show_duration(patience.as_secs_f64());
            let message = format!(
                "the database {shown} is locked: another process writes it for longer than {waited}"
            );
            (FailureKind::Locked, message)
        }
        Some(ErrorCode::NotADatabase) => (
            FailureKind::Database,
            format!("{shown} is not an SQLite database"),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            FailureKind::Database,
            format!("the database {shown} is damaged"),
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
            FailureKind::File,
            format!("cannot open the database {shown}: {error}"),
        ),
        _ => (
            FailureKind::Database,
            format!("the database {shown} cannot be read: {error}"),
        ),
    };
    Failure::new(kind, message)
}
