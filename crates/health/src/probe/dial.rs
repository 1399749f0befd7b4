//! Resolving a name and connecting, each with its time.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};

use super::timed_out;
use crate::config::HostPort;
use crate::field::Field;
use crate::measurement::{Failure, FailureKind, Measurement};

/// The time that a check has left, and what it has measured so far.
pub(super) struct Progress {
    pub(super) measurement: Measurement,
    timeout: Duration,
    started: Instant,
}

impl Progress {
    pub(super) fn start(timeout: Duration) -> Self {
        Self {
            measurement: Measurement::default(),
            timeout,
            started: Instant::now(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.elapsed())
    }

    /// Waits for one phase as long as the check has time, and adds its time to a field.
    pub(super) async fn run<T>(
        &mut self,
        field: Option<Field>,
        doing: &str,
        phase: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let result = tokio::time::timeout(self.left(), phase).await;
        if let Some(field) = field {
            self.measurement.add(field, began.elapsed());
        }
        match result {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(mut failure)) => {
                failure.values.extend(self.measurement.values.clone());
                Err(failure)
            }
            Err(_) => Err(timed_out(self.timeout, doing, self.measurement.clone())),
        }
    }

    /// The measurement with the time of the whole check.
    pub(super) fn finish(self) -> Measurement {
        let elapsed = self.elapsed();
        super::with_response_time(self.measurement, elapsed)
    }
}

/// Resolves a host and connects to one of its addresses.
pub(super) async fn dial(to: &HostPort, progress: &mut Progress) -> Result<TcpStream, Failure> {
    let doing = format!("resolving the name {}", to.host);
    let addresses = progress
        .run(Some(Field::DnsTime), &doing, resolve(to))
        .await?;
    let doing = format!("connecting to {to}");
    let connecting = connect(to, &addresses, progress.left());
    progress
        .run(Some(Field::ConnectTime), &doing, connecting)
        .await
}

async fn resolve(to: &HostPort) -> Result<Vec<SocketAddr>, Failure> {
    let fail = |reason: &str| {
        let message = format!("the name {} was not resolved: {reason}", to.host);
        Failure::new(FailureKind::Dns, message)
    };
    let found = lookup_host((to.host.as_str(), to.port)).await;
    let addresses: Vec<_> = found.map_err(|error| fail(&error.to_string()))?.collect();
    if addresses.is_empty() {
        return Err(fail("it has no addresses"));
    }
    Ok(addresses)
}

/// Tries the addresses in the system's order. Each gets a share of the time, so that one that swallows packets,
/// such as IPv6 without a way out, does not use up the time of the others.
async fn connect(
    to: &HostPort,
    addresses: &[SocketAddr],
    left: Duration,
) -> Result<TcpStream, Failure> {
    let share = left / addresses.len().max(1) as u32;
    let mut last = None;
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // The time of a round trip is measured, not that of waiting for more bytes.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = Some(describe_io(&error)),
            Err(_) => last = Some("it does not answer".to_owned()),
        }
    }
    let reason = last.unwrap_or_default();
    let message = format!("no connection to {to}: {reason}");
    Err(Failure::new(FailureKind::Connect, message))
}

/// An I/O error in plain words.
pub(super) fn describe_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "the connection ended early".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        io::ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        _ => error.to_string(),
    }
}
