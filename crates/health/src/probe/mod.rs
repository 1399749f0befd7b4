//! The checks that ask something: each measures, or fails with a sentence.

mod dial;
pub(crate) mod disk;
mod http;
pub(crate) mod logs;
#[cfg(feature = "mysql")]
mod mysql;
mod port;
#[cfg(feature = "postgres")]
mod postgres;
mod redirects;
#[cfg(feature = "sqlite")]
mod sqlite;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use dragline_schema::Timestamp;

use crate::config::{Check, HostPort, Target};
use crate::database::Database;
use crate::field::Field;
use crate::measurement::{Failure, FailureKind, Measurement, Probed};

pub(crate) use self::tls::{Trust, days_until};

/// What every probe needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) now: Timestamp,
    pub(crate) timeout: Duration,
    pub(crate) trust: Trust,
    /// Held by work on another thread, which may outlast its timeout.
    pub(crate) busy: Arc<()>,
}

/// Runs the probe of a check; logs and runs are signs of life and have none.
pub(crate) async fn run(check: &Check, context: &Context) -> Probed {
    match &check.target {
        Target::Site { .. } => http::probe(&check.target, context).await,
        Target::Database(database) => probe_database(database, context).await,
        Target::Tcp(to) => port::probe_tcp(to, context).await,
        Target::Tls { to } => port::probe_tls(to, context).await,
        Target::Disk(path) => {
            let path = path.clone();
            run_blocking(context, move || disk::measure(&path)).await
        }
        Target::Logs { .. } | Target::Run { .. } => Ok(Measurement::default()),
    }
}

/// Reads the certificate of a site by a handshake, without a request.
pub(crate) async fn read_certificate(to: &HostPort, context: &Context) -> Probed {
    port::probe_tls(to, context).await
}

/// Whether a witness accepts a connection.
pub(crate) async fn ask_witness(witness: &HostPort, context: &Context) -> bool {
    port::probe_tcp(witness, context).await.is_ok()
}

async fn probe_database(database: &Database, context: &Context) -> Probed {
    match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite { path } => sqlite::probe(path, context).await,
        #[cfg(feature = "postgres")]
        Database::Postgres(address) => postgres::probe(address, context).await,
        #[cfg(feature = "mysql")]
        Database::Mysql(address) => mysql::probe(address, context).await,
        #[allow(
            unreachable_patterns,
            reason = "with all features every database is above"
        )]
        other => Err(missing_feature(other)),
    }
}

/// A check that this build cannot run fails: silence would look like health.
fn missing_feature(database: &Database) -> Failure {
    let (name, feature) = match database {
        Database::Sqlite { .. } => ("SQLite", "sqlite"),
        Database::Postgres(_) => ("Postgres", "postgres"),
        Database::Mysql(_) => ("MySQL", "mysql"),
    };
    Failure::new(
        FailureKind::Database,
        format!("this build cannot check {name}; build it with the feature `{feature}`"),
    )
}

/// Runs something that blocks, such as a file system that may hang, for a limited time.
///
/// Such work cannot be stopped. While it hangs, it holds [`Context::busy`], and is not started again.
pub(crate) async fn run_blocking<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let busy = Arc::clone(&context.busy);
    let work = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(busy);
        result
    });
    match tokio::time::timeout(context.timeout, work).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Failure::new(
            FailureKind::File,
            "the check ended with a panic",
        )),
        Err(_) => Err(timed_out(
            context.timeout,
            "reading",
            Measurement::default(),
        )),
    }
}

/// A failure by timeout; `doing` says in which phase.
fn timed_out(timeout: Duration, doing: &str, so_far: Measurement) -> Failure {
    let after = crate::condition::show_duration(timeout.as_secs_f64());
    Failure {
        kind: FailureKind::Timeout,
        message: format!("timed out after {after} while {doing}"),
        values: so_far.values,
    }
}

/// Records the time of the whole check.
fn with_response_time(mut measurement: Measurement, elapsed: Duration) -> Measurement {
    measurement.add(Field::ResponseTime, elapsed);
    measurement
}
