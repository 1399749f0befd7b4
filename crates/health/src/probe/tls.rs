//! TLS handshakes that remember the certificate, also when they fail.

use std::sync::{Arc, Mutex, PoisonError};

use dragline_schema::Timestamp;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
#[cfg(feature = "postgres")]
use tokio_rustls::rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode as _, SliceReader};

use super::dial::{Progress, describe_io};
use crate::condition::show_duration;
use crate::config::HostPort;
use crate::field::Field;
use crate::measurement::{Failure, FailureKind};

/// Certificate authorities that are trusted, loaded once.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    verifier: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// The system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    pub(crate) fn of_system() -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::of_roots(roots)
    }

    /// Given authorities; with none of them every handshake fails with a word about it.
    pub(crate) fn of_roots(roots: RootCertStore) -> Self {
        let provider = Arc::new(ring::default_provider());
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Self {
            verifier: builder.build().ok(),
            provider,
        }
    }

    /// A client's configuration whose verifier notes the certificate.
    pub(super) fn client(&self, now: Timestamp) -> Result<(ClientConfig, Seen), Failure> {
        let Some(verifier) = &self.verifier else {
            return Err(Failure::new(
                FailureKind::Tls,
                "this system has no certificate authorities; install ca-certificates or set SSL_CERT_FILE",
            ));
        };
        let seen = Seen::default();
        let verifier = Noting {
            verifier: Arc::clone(verifier),
            seen: seen.clone(),
            now,
        };
        Ok((self.client_with(Arc::new(verifier))?, seen))
    }

    fn client_with(&self, verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Failure> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(FailureKind::Tls, error.to_string()))?;
        let builder = builder.dangerous();
        let builder = builder.with_custom_certificate_verifier(verifier);
        Ok(builder.with_no_client_auth())
    }

    /// A client that accepts any certificate, as databases' own clients do unless told otherwise.
    #[cfg(feature = "postgres")]
    pub(super) fn unverified_client(&self) -> Result<ClientConfig, Failure> {
        self.client_with(Arc::new(Accepting(Arc::clone(&self.provider))))
    }
}

/// Accepts any certificate; signatures are verified nevertheless.
#[cfg(feature = "postgres")]
#[derive(Debug)]
struct Accepting(Arc<CryptoProvider>);

#[cfg(feature = "postgres")]
impl ServerCertVerifier for Accepting {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// When the certificate expires that the server showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Option<Timestamp>>>);

impl Seen {
    pub(super) fn expires(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the certificate, then leaves the decision to the usual verifier, at the time that was passed in.
#[derive(Debug)]
struct Noting {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Seen,
    now: Timestamp,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = self.seen.0.lock();
        *seen.unwrap_or_else(PoisonError::into_inner) = read_expiry(certificate);
        let seconds = self.now.as_seconds().max(0).unsigned_abs();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        self.verifier
            .verify_server_cert(certificate, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// When a certificate expires. Only the server's own counts: of the issuers', servers send some that no client
/// needs any more.
fn read_expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let mut reader = SliceReader::new(certificate).ok()?;
    // Without the rules of a profile: a certificate that breaks them still has a date.
    let certificate = CertificateInner::<Raw>::decode(&mut reader).ok()?;
    let until = certificate.tbs_certificate().validity().not_after;
    let seconds = until.to_unix_duration().as_secs();
    i64::try_from(seconds).ok().map(Timestamp::from_seconds)
}

const SECONDS_A_DAY: i64 = 86_400;

/// Days until a time; negative afterwards.
pub(crate) fn days_until(expires: Timestamp, now: Timestamp) -> f64 {
    expires.since(now) as f64 / (SECONDS_A_DAY as f64 * 1e6)
}

/// Shakes hands on a connection, and notes the time and the certificate.
pub(super) async fn shake_hands(
    stream: TcpStream,
    to: &HostPort,
    now: Timestamp,
    trust: &Trust,
    progress: &mut Progress,
) -> Result<TlsStream<TcpStream>, Failure> {
    let (mut config, seen) = trust.client(now)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(to.host.clone()).map_err(|_| {
        Failure::new(
            FailureKind::Tls,
            format!("{} is not a name that TLS knows", to.host),
        )
    })?;
    let connector = TlsConnector::from(Arc::new(config));
    let handshake = async {
        let connected = connector.connect(name, stream).await;
        connected.map_err(|error| describe_failure(&error, to, now, &seen))
    };
    let doing = format!("shaking hands with {to}");
    let result = progress.run(Some(Field::TlsTime), &doing, handshake).await;
    note_certificate(progress, to, now, &seen);
    result.map_err(|mut failure| {
        failure.values.extend(progress.measurement.values.clone());
        failure
    })
}

/// Keeps the certificate that expires first on the way, and says whose it is.
fn note_certificate(progress: &mut Progress, to: &HostPort, now: Timestamp, seen: &Seen) {
    let Some(expires) = seen.expires() else {
        return;
    };
    let days = days_until(expires, now);
    let measurement = &mut progress.measurement;
    if measurement
        .get(Field::CertificateDays)
        .is_some_and(|known| known <= days)
    {
        return;
    }
    measurement.values.insert(Field::CertificateDays, days);
    let date = expires.to_civil().date();
    measurement.notes = vec![format!("the certificate of {} expires on {date}", to.host)];
}

fn describe_failure(error: &std::io::Error, to: &HostPort, now: Timestamp, seen: &Seen) -> Failure {
    let inner = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<Error>());
    let Some(inner) = inner else {
        let message = format!("the handshake with {to} failed: {}", describe_io(error));
        return Failure::new(FailureKind::Tls, message);
    };
    let Error::InvalidCertificate(invalid) = inner else {
        return Failure::new(
            FailureKind::Tls,
            format!("the handshake with {to} failed: {inner}"),
        );
    };
    let expired = seen.expires().filter(|expires| *expires <= now);
    match (invalid, expired) {
        (CertificateError::Expired | CertificateError::ExpiredContext { .. }, Some(expires)) => {
            let ago = show_duration(now.since(expires) as f64 / 1e6);
            let message = format!("the certificate of {} expired {ago} ago", to.host);
            Failure::new(FailureKind::CertificateExpired, message)
        }
        (invalid, _) => {
            let reason = describe_certificate(invalid);
            let message = format!("the certificate of {} is not trusted: {reason}", to.host);
            Failure::new(FailureKind::Tls, message)
        }
    }
}

fn describe_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "its issuer is unknown".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for other names".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::BadSignature => "its signature is wrong".to_owned(),
        CertificateError::Revoked => "it was revoked".to_owned(),
        other => other.to_string(),
    }
}
