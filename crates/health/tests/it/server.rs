//! A site on loopback that can be slow, broken or encrypted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// How the site behaves.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// Answers with this text.
    Text(String),
    /// Accepts and never answers.
    Hang,
    /// Answers, then sends the body byte by byte, and never ends.
    Drip,
    /// Closes with a reset, without an answer.
    Reset,
    /// Announces more than it sends.
    HalfBody,
    /// Sends a body without an end.
    Endless,
}

/// A running site; it ends with the test's runtime.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Site {
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Number of connections that were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Number of requests that arrived.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// An answer with a status and a body.
pub(crate) fn answer(status: u16, body: &str) -> Mode {
    with_head(status, "", body)
}

pub(crate) fn with_head(status: u16, head: &str, body: &str) -> Mode {
    let length = body.len();
    Mode::Text(format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{head}\r\n{body}"
    ))
}

pub(crate) fn redirect(location: &str) -> Mode {
    with_head(302, &format!("location: {location}\r\n"), "")
}

/// Starts a site.
pub(crate) async fn serve(mode: Mode) -> Site {
    start(mode, None).await
}

/// Starts a site with TLS.
pub(crate) async fn serve_tls(mode: Mode, certificate: &Certificate) -> Site {
    start(mode, Some(certificate.acceptor())).await
}

async fn start(mode: Mode, tls: Option<TlsAcceptor>) -> Site {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (accepted, count) = (Arc::clone(&connections), Arc::clone(&requests));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::SeqCst);
            let (mode, tls, count) = (mode.clone(), tls.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let Some(tls) = tls else {
                    return handle(stream, mode, &count).await;
                };
                if let Ok(stream) = tls.accept(stream).await {
                    answer_to(stream, mode, &count).await;
                }
            });
        }
    });
    Site {
        address,
        connections,
        requests,
    }
}

async fn handle(stream: TcpStream, mode: Mode, count: &AtomicUsize) {
    if matches!(mode, Mode::Reset) {
        // Closing with unread bytes makes the kernel send a reset.
        let _ = stream.readable().await;
        count.fetch_add(1, Ordering::SeqCst);
        return;
    }
    answer_to(stream, mode, count).await;
}

async fn answer_to(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mode: Mode,
    count: &AtomicUsize,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    count.fetch_add(1, Ordering::SeqCst);
    let _ = match mode {
        Mode::Text(text) => stream.write_all(text.as_bytes()).await,
        Mode::Hang | Mode::Reset => std::future::pending().await,
        Mode::HalfBody => {
            let text = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of it";
            stream.write_all(text.as_bytes()).await
        }
        Mode::Drip => write_forever(&mut stream, b"x", Duration::from_millis(20)).await,
        Mode::Endless => write_forever(&mut stream, &[b'x'; 4096], Duration::ZERO).await,
    };
    let _ = stream.shutdown().await;
}

async fn write_forever(
    stream: &mut (impl AsyncWrite + Unpin),
    piece: &[u8],
    pause: Duration,
) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    loop {
        stream.write_all(piece).await?;
        stream.flush().await?;
        tokio::time::sleep(pause).await;
    }
}

/// An authority of its own, and a certificate that it signed.
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only Postgres reads PEM")
)]
pub(crate) struct Certificate {
    pub(crate) authority: Vec<u8>,
    pub(crate) pem: String,
    pub(crate) key_pem: String,
    der: Vec<u8>,
    key: Vec<u8>,
}

/// Makes a certificate for a name that expires on a day of March 2026.
pub(crate) fn certify(name: &str, until_day: u8) -> Certificate {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(
        DnType::CommonName,
        format!("authority of {name} until {until_day}"),
    );
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.not_before = date_time_ymd(2020, 1, 1);
    authority.not_after = date_time_ymd(2040, 1, 1);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.not_before = date_time_ymd(2026, 1, 1);
    leaf.not_after = date_time_ymd(2026, 3, until_day);
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    Certificate {
        authority: root.der().to_vec(),
        pem: leaf.pem(),
        key_pem: key.serialize_pem(),
        der: leaf.der().to_vec(),
        key: key.serialize_der(),
    }
}

impl Certificate {
    fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone().into()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A port on which nothing listens.
pub(crate) fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
