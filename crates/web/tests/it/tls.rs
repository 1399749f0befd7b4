//! A client with TLS that trusts one certificate.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::client::connect;

pub(crate) fn get(to: SocketAddr, trusted: CertificateDer<'static>, path: &str) -> String {
    exchange(
        to,
        trusted,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    )
}

pub(crate) fn post(
    to: SocketAddr,
    trusted: CertificateDer<'static>,
    path: &str,
    form: &str,
) -> String {
    let length = form.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
    );
    exchange(to, trusted, &(head + form))
}

fn exchange(to: SocketAddr, trusted: CertificateDer<'static>, request: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = connect(to);
    let mut stream = Stream::new(&mut connection, &mut socket);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // The server closes without a farewell of TLS; what it sent is complete.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
