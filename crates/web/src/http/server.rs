//! The server: it listens, accepts, limits and stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::dispatch::{App, router};
use super::guard::Peer;
use super::tls;
use crate::backend::Backend;
use crate::config::{Limits, WebConfig, WebConfigError};

/// Maximum number of headers of a request.
const MAX_HEADERS: usize = 64;

/// Maximum size of the headers of a request in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// How long a stop waits for requests in progress.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A mistake in the configuration.
    #[error(transparent)]
    Config(#[from] WebConfigError),
    /// The address is in use, or not one of this machine.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A file for TLS cannot be used.
    #[error("web.tls: {file}: {reason}")]
    Tls {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The system refuses threads or random numbers.
    #[error("the system refuses what a server needs: {0}")]
    System(String),
}

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    url: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to listen and answers on threads of its own. When it returns, the address accepts connections.
    ///
    /// `session_key` signs the cookies of the page. With a key that survives restarts nobody has to sign in again;
    /// without one a random key is made.
    ///
    /// # Errors
    /// When the configuration has a mistake, the address cannot be used, or a file for TLS cannot be read.
    pub fn start(
        config: &WebConfig,
        backend: Arc<dyn Backend>,
        session_key: Option<[u8; 32]>,
    ) -> Result<Self, StartError> {
        let tokens = config.check()?;
        let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let key = match session_key {
            Some(key) => key,
            None => random_key()?,
        };
        let refused = |error: io::Error| StartError::System(error.to_string());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(config.limits.workers)
            .thread_name("dragline-web")
            .enable_all()
            .build()
            .map_err(refused)?;
        let listen = config.listen;
        let listener = runtime.block_on(TcpListener::bind(listen));
        let unusable = |error| StartError::Listen {
            address: listen,
            error,
        };
        let listener = listener.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;

        let (stop, stopping) = watch::channel(false);
        let app = Arc::new(App::new(config, tokens, key, backend, stopping.clone()));
        let accepting = Accepting {
            router: router(&app),
            limits: config.limits,
            acceptor,
            connections: Arc::new(Semaphore::new(config.limits.connections)),
        };
        let scheme = if config.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let url = format!("{scheme}://{address}{}/", config.base_path);
        let thread = std::thread::Builder::new()
            .name("dragline-web".to_owned())
            .spawn(move || {
                runtime.block_on(accepting.run(listener, stopping));
                // A handler that still blocks is not waited for.
                runtime.shutdown_timeout(Duration::from_millis(100));
            })
            .map_err(refused)?;
        Ok(Self {
            address,
            url,
            stop,
            thread: Some(thread),
        })
    }

    /// The address, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the page.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends all streams, finishes requests in progress (for at most five seconds), and closes the port.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It panics only if a task of ours did, which was reported there.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until the server stops.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone.
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn random_key() -> Result<[u8; 32], StartError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| StartError::System(error.to_string()))?;
    Ok(key)
}

/// What accepts connections.
struct Accepting {
    router: Router,
    limits: Limits,
    acceptor: Option<TlsAcceptor>,
    connections: Arc<Semaphore>,
}

impl Accepting {
    async fn run(self, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let graceful = GracefulShutdown::new();
        loop {
            let accept = async {
                // Beyond the limit, clients wait in the system's queue.
                let permit = this.connections.clone().acquire_owned().await;
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                accepted = accept => accepted,
                () = stopped(&mut stopping) => break,
            };
            let Ok((stream, peer)) = accepted else {
                // Too many open files: wait for some to close.
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            // Small answers are sent at once. A socket that refuses this works as well.
            let _ = stream.set_nodelay(true);
            let (this, watcher) = (this.clone(), graceful.watcher());
            tokio::spawn(async move {
                let _permit = permit;
                match &this.acceptor {
                    None => this.serve(stream, peer, false, watcher).await,
                    Some(acceptor) => {
                        let time = Duration::from_secs(this.limits.header_seconds);
                        if let Ok(Ok(stream)) = timeout(time, acceptor.accept(stream)).await {
                            this.serve(stream, peer, true, watcher).await;
                        }
                    }
                }
            });
        }
        drop(listener);
        // Streams end by themselves; requests in progress are finished.
        let _ = timeout(STOP_TIME, graceful.shutdown()).await;
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: SocketAddr,
        is_tls: bool,
        watcher: Watcher,
    ) {
        let peer = Peer {
            address: peer.ip(),
            is_tls,
        };
        let service = TowerToHyperService::new(self.router.clone());
        let service =
            hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(peer);
                service.call(request.map(Body::new))
            });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(self.limits.header_seconds))
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        // A connection that breaks concerns its client alone.
        let _ = watcher.watch(connection).await;
    }
}
