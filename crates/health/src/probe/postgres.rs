//! Postgres: connects, logs in and runs one query.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Context;
use super::dial::{Progress, describe_io, dial};
use crate::address::Address;
use crate::config::HostPort;
use crate::field::Field;
use crate::measurement::{Failure, FailureKind, Probed};

/// Connects by TCP or, with `?host=/directory`, by a socket, and asks `SELECT 1`.
pub(super) async fn probe(address: &Address, context: &Context) -> Probed {
    let to = HostPort {
        host: address.host(),
        port: address.port().unwrap_or(5432),
    };
    let mode = read_ssl_mode(address)?;
    let config = build_config(address, mode);
    let mut progress = Progress::start(context.timeout);
    let socket = address
        .parameter("host")
        .filter(|host| host.starts_with('/'));
    let client = if let Some(directory) = socket {
        let path = PathBuf::from(directory).join(format!(".s.PGSQL.{}", to.port));
        log_in_by_socket(&config, path, &mut progress).await?
    } else {
        let connector = build_connector(mode, &to, context)?;
        let stream = dial(&to, &mut progress).await?;
        log_in(&config, stream, connector, &to, &mut progress).await?
    };
    let query = async {
        let answer = client.simple_query("SELECT 1").await;
        check_answer(&answer.map_err(|error| describe(&error, &to))?, &to)
    };
    progress
        .run(
            Some(Field::RoundTripTime),
            "waiting for the answer to a query",
            query,
        )
        .await?;
    Ok(progress.finish())
}

/// `sslmode` as libpq reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    Verify,
}

fn read_ssl_mode(address: &Address) -> Result<Mode, Failure> {
    // asyncpg calls it `ssl`.
    let mode = address
        .parameter("sslmode")
        .or_else(|| address.parameter("ssl"));
    Ok(match mode.as_deref() {
        None | Some("prefer" | "allow") => Mode::Prefer,
        Some("disable") => Mode::Disable,
        Some("require" | "true") => Mode::Require,
        Some("verify-ca" | "verify-full") => Mode::Verify,
        Some(_) => {
            let message = "the URL of the database has an unknown sslmode; \
                use disable, prefer, require or verify-full";
            return Err(Failure::new(FailureKind::Database, message));
        }
    })
}

fn build_config(address: &Address, mode: Mode) -> Config {
    let mut config = Config::new();
    config.application_name("dragline-health");
    config.ssl_mode(match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Prefer => SslMode::Prefer,
        Mode::Require | Mode::Verify => SslMode::Require,
    });
    let user = match address.user() {
        user if user.is_empty() => std::env::var("USER").unwrap_or_else(|_| "postgres".to_owned()),
        user => user,
    };
    let name = address.path_name();
    config.dbname(if name.is_empty() { user.clone() } else { name });
    config.user(user);
    if let Some(password) = address.password() {
        config.password(password);
    }
    config
}

/// TLS as libpq does it: only the `verify-` modes look at the certificate.
fn build_connector(mode: Mode, to: &HostPort, context: &Context) -> Result<Connector, Failure> {
    let config = match mode {
        Mode::Verify => context.trust.client(context.now)?.0,
        Mode::Disable | Mode::Prefer | Mode::Require => context.trust.unverified_client()?,
    };
    let name = ServerName::try_from(to.host.clone()).map_err(|_| {
        Failure::new(
            FailureKind::Tls,
            format!("{} is not a name that TLS knows", to.host),
        )
    })?;
    Ok(Connector {
        config: Arc::new(config),
        name,
    })
}

async fn log_in(
    config: &Config,
    stream: TcpStream,
    connector: Connector,
    to: &HostPort,
    progress: &mut Progress,
) -> Result<Client, Failure> {
    let logging_in = async {
        let connected = config.connect_raw(stream, connector).await;
        let (client, connection) = connected.map_err(|error| describe(&error, to))?;
        // It ends with the client.
        tokio::spawn(connection);
        Ok(client)
    };
    let doing = format!("logging in to Postgres at {to}");
    progress
        .run(Some(Field::ConnectTime), &doing, logging_in)
        .await
}

async fn log_in_by_socket(
    config: &Config,
    path: PathBuf,
    progress: &mut Progress,
) -> Result<Client, Failure> {
    let to = HostPort {
        host: "localhost".to_owned(),
        port: 5432,
    };
    let shown = path.display().to_string();
    let logging_in = async {
        let stream = UnixStream::connect(&path).await.map_err(|error| {
            let message = format!(
                "no connection to the socket {shown}: {}",
                describe_io(&error)
            );
            Failure::new(FailureKind::Connect, message)
        })?;
        let connected = config.connect_raw(stream, NoTls).await;
        let (client, connection) = connected.map_err(|error| describe(&error, &to))?;
        tokio::spawn(connection);
        Ok(client)
    };
    let doing = format!("logging in to Postgres at {shown}");
    progress
        .run(Some(Field::ConnectTime), &doing, logging_in)
        .await
}

fn check_answer(answer: &[SimpleQueryMessage], to: &HostPort) -> Result<(), Failure> {
    let is_one = answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("1"),
        _ => false,
    });
    if is_one {
        return Ok(());
    }
    let message = format!("Postgres at {to} gave an unexpected answer to SELECT 1");
    Err(Failure::new(FailureKind::Database, message))
}

fn describe(error: &Error, to: &HostPort) -> Failure {
    if let Some(database) = error.as_db_error() {
        let message = format!(
            "Postgres at {to} refused: {} ({})",
            database.message(),
            database.code().code()
        );
        return Failure::new(FailureKind::Database, message);
    }
    let source = std::error::Error::source(error);
    let reason = match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(io) => describe_io(io),
        None => match source {
            Some(source) => source.to_string(),
            None => error.to_string(),
        },
    };
    let message = format!("no connection to Postgres at {to}: {reason}");
    Failure::new(FailureKind::Reset, message)
}

/// Starts TLS on a connection once Postgres has agreed to it.
struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// A connection with TLS.
struct Encrypted(tokio_rustls::client::TlsStream<TcpStream>);

impl TlsConnect<TcpStream> for Connector {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        let connector = TlsConnector::from(self.config);
        Box::pin(async move { connector.connect(self.name, stream).await.map(Encrypted) })
    }
}

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
