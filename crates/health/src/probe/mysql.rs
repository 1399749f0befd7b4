//! MySQL and MariaDB: connects, logs in and runs one query.

use std::io;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, IoError, Opts, OptsBuilder, SslOpts};

use super::Context;
use super::dial::{Progress, describe_io};
use crate::address::Address;
use crate::config::HostPort;
use crate::field::Field;
use crate::measurement::{Failure, FailureKind, Probed};

/// Largest packet, so that the driver need not ask for it.
const LARGEST_PACKET: usize = 1 << 20;
/// Seconds after which the server drops the connection, for the same reason.
const WAIT_SECONDS: usize = 60;

/// Connects by TCP or, with `?unix_socket=/path`, by a socket, and asks `SELECT 1`.
pub(super) async fn probe(address: &Address, context: &Context) -> Probed {
    let to = HostPort {
        host: address.host(),
        port: address.port().unwrap_or(3306),
    };
    let options = build_options(address, &to);
    let mut progress = Progress::start(context.timeout);
    let connecting = async {
        let connected = Conn::new(options).await;
        connected.map_err(|error| describe(&error, &to))
    };
    let doing = format!("connecting to MySQL at {to}");
    let mut connection = progress
        .run(Some(Field::ConnectTime), &doing, connecting)
        .await?;
    let query = async {
        let answer: Result<Option<i64>, Error> = connection.query_first("SELECT 1").await;
        if answer.map_err(|error| describe(&error, &to))? == Some(1) {
            return Ok(());
        }
        let message = format!("MySQL at {to} gave an unexpected answer to SELECT 1");
        Err(Failure::new(FailureKind::Database, message))
    };
    let doing = "waiting for the answer to a query";
    progress
        .run(Some(Field::RoundTripTime), doing, query)
        .await?;
    let measured = progress.finish();
    // A farewell, or the server counts an aborted client. That it fails means nothing.
    let _ = tokio::time::timeout(context.timeout, connection.disconnect()).await;
    Ok(measured)
}

fn build_options(address: &Address, to: &HostPort) -> Opts {
    let name = address.path_name();
    let user = Some(address.user()).filter(|user| !user.is_empty());
    let options = OptsBuilder::default()
        .ip_or_hostname(to.host.clone())
        .tcp_port(to.port)
        .user(user)
        .pass(address.password())
        .db_name(Some(name).filter(|name| !name.is_empty()))
        .socket(address.parameter("unix_socket"))
        .prefer_socket(false)
        .stmt_cache_size(0)
        .max_allowed_packet(Some(LARGEST_PACKET))
        .wait_timeout(Some(WAIT_SECONDS))
        .ssl_opts(build_ssl(address));
    Opts::from(options)
}

/// `ssl-mode` as the MySQL client reads it: only the `VERIFY_` modes look at the certificate.
fn build_ssl(address: &Address) -> Option<SslOpts> {
    let mode = ["ssl-mode", "ssl_mode", "sslmode", "ssl"]
        .into_iter()
        .find_map(|name| address.parameter(name))?;
    match mode.to_ascii_uppercase().replace('-', "_").as_str() {
        "REQUIRED" | "REQUIRE" | "TRUE" => {
            let accepting = SslOpts::default().with_danger_accept_invalid_certs(true);
            Some(accepting.with_danger_skip_domain_validation(true))
        }
        "VERIFY_CA" | "VERIFY_IDENTITY" | "VERIFY_FULL" => Some(SslOpts::default()),
        _ => None,
    }
}

fn describe(error: &Error, to: &HostPort) -> Failure {
    match error {
        Error::Server(error) => {
            let message = format!("MySQL at {to} refused: {} ({})", error.message, error.code);
            Failure::new(FailureKind::Database, message)
        }
        Error::Io(IoError::Io(error)) => {
            let message = format!("no connection to MySQL at {to}: {}", describe_io(error));
            Failure::new(find_kind(error), message)
        }
        Error::Io(IoError::Tls(error)) => {
            let message = format!("the handshake with MySQL at {to} failed: {error}");
            Failure::new(FailureKind::Tls, message)
        }
        other => {
            let message = format!("MySQL at {to} cannot be asked: {other}");
            Failure::new(FailureKind::Protocol, message)
        }
    }
}

fn find_kind(error: &io::Error) -> FailureKind {
    let is_lookup = error.to_string().contains("lookup");
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => FailureKind::Reset,
        _ if is_lookup => FailureKind::Dns,
        _ => FailureKind::Connect,
    }
}
