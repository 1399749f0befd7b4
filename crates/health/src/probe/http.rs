//! HTTP sites, phase by phase.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_ENCODING, HOST, HeaderName, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{HeaderMap, Request, Response};

use super::Context;
use super::dial::{Progress, describe_io, dial};
use super::redirects::find_redirect;
use super::tls::shake_hands;
use crate::address::Address;
use crate::config::{Headers, HostPort, Target};
use crate::field::Field;
use crate::measurement::{Body, Failure, FailureKind, Measurement, Probed};
use crate::runtime::Io;

/// Bytes of a body that are read.
const LONGEST_BODY: usize = 1 << 20;
/// How a check names itself, unless its headers say otherwise.
const USER_AGENT: &str = concat!("dragline-health/", env!("CARGO_PKG_VERSION"));

/// Requests a site and reads the answer, following redirects.
pub(super) async fn probe(target: &Target, context: &Context) -> Probed {
    let Target::Site {
        address,
        is_head,
        headers,
        max_redirects,
        ..
    } = target
    else {
        return Ok(Measurement::default());
    };
    let mut progress = Progress::start(context.timeout);
    let mut address = address.clone();
    let mut redirects = 0;
    let origin = address.url().origin();
    loop {
        // A header such as `Authorization` is for the configured site alone.
        let is_same = address.url().origin() == origin;
        let headers = is_same.then_some(headers);
        let request = build_request(&address, *is_head, headers)?;
        let response = send(&address, request, context, &mut progress).await?;
        let status = response.status().as_u16();
        progress
            .measurement
            .values
            .insert(Field::Status, f64::from(status));
        progress
            .measurement
            .values
            .insert(Field::Redirects, f64::from(redirects));
        let next = match max_redirects {
            // Then the redirect itself is the answer.
            0 => None,
            _ => find_redirect(status, response.headers(), &address)
                .map_err(|failure| keep_values(failure, &progress))?,
        };
        let Some(next) = next else {
            read_body(response, &address, &mut progress).await?;
            return Ok(progress.finish());
        };
        redirects += 1;
        if redirects > *max_redirects {
            let message = format!(
                "more than {max_redirects} redirects, the last to {}",
                next.host()
            );
            let failure = Failure::new(FailureKind::Protocol, message);
            return Err(keep_values(failure, &progress));
        }
        address = next;
    }
}

fn keep_values(mut failure: Failure, progress: &Progress) -> Failure {
    failure.values.extend(progress.measurement.values.clone());
    failure
}

fn build_request(
    address: &Address,
    is_head: bool,
    headers: Option<&Headers>,
) -> Result<Request<Empty<Bytes>>, Failure> {
    let url = address.url();
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let mut builder = Request::builder()
        .method(if is_head { "HEAD" } else { "GET" })
        .uri(target)
        .header(HOST, host)
        .header("user-agent", USER_AGENT)
        .header("accept", "*/*")
        .header("accept-encoding", "identity")
        .header("connection", "close");
    if let Some(own) = builder.headers_mut() {
        set_headers(own, headers, address);
    }
    builder.body(Empty::new()).map_err(|_| {
        let message = format!("the URL of {} cannot be requested", address.host());
        Failure::new(FailureKind::Protocol, message)
    })
}

fn set_headers(own: &mut HeaderMap, headers: Option<&Headers>, address: &Address) {
    for (name, value) in headers.into_iter().flat_map(|headers| &headers.0) {
        // The configuration has checked both.
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            own.insert(name, value);
        }
    }
    if headers.is_some() && !address.user().is_empty() && !own.contains_key("authorization") {
        let credentials = format!(
            "{}:{}",
            address.user(),
            address.password().unwrap_or_default()
        );
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        if let Ok(value) = HeaderValue::from_str(&basic) {
            own.insert("authorization", value);
        }
    }
}

/// Connects, sends the request and waits for the head of the answer.
async fn send(
    address: &Address,
    request: Request<Empty<Bytes>>,
    context: &Context,
    progress: &mut Progress,
) -> Result<Response<Incoming>, Failure> {
    let to = HostPort {
        host: address.host(),
        port: address.port().unwrap_or(80),
    };
    let stream = dial(&to, progress).await?;
    if address.scheme() != "https" {
        return exchange(Io::new(stream), request, &to, progress).await;
    }
    let stream = shake_hands(stream, &to, context.now, &context.trust, progress).await?;
    exchange(Io::new(stream), request, &to, progress).await
}

async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
    to: &HostPort,
    progress: &mut Progress,
) -> Result<Response<Incoming>, Failure>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let exchange = async {
        let (mut sender, connection) = handshake(stream).await?;
        // It ends when the answer has been read or dropped.
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    // Boxed, because the future of a connection is large.
    let exchange = Box::pin(async { exchange.await.map_err(|error| describe(&error, to)) });
    let doing = format!("waiting for the first byte of {}", to.host);
    progress
        .run(Some(Field::FirstByteTime), &doing, exchange)
        .await
}

/// Reads the body up to its limit.
async fn read_body(
    response: Response<Incoming>,
    address: &Address,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let encoding = response.headers().get(CONTENT_ENCODING).cloned();
    let mut incoming = response.into_body();
    let to = HostPort {
        host: address.host(),
        port: address.port().unwrap_or(80),
    };
    let mut bytes = Vec::new();
    let reading = async {
        while bytes.len() < LONGEST_BODY {
            let Some(frame) = incoming.frame().await else {
                return Ok(false);
            };
            let frame = frame.map_err(|error| describe(&error, &to))?;
            if let Some(data) = frame.data_ref() {
                bytes.extend_from_slice(data);
            }
        }
        Ok(true)
    };
    let doing = format!("reading the body of {}", to.host);
    let result = progress.run(None, &doing, reading).await;
    bytes.truncate(LONGEST_BODY);
    progress
        .measurement
        .values
        .insert(Field::BodyBytes, bytes.len() as f64);
    let is_cut = result.map_err(|mut failure| {
        failure
            .message
            .push_str(&format!(", after {} bytes of the body", bytes.len()));
        keep_values(failure, progress)
    })?;
    let is_plain = encoding
        .as_ref()
        .is_none_or(|encoding| encoding == "identity");
    if is_plain {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        progress.measurement.body = Some(Body { text, is_cut });
    } else {
        let note = "the body is compressed, although plain text was asked for".to_owned();
        progress.measurement.notes.push(note);
    }
    Ok(())
}

/// An error of HTTP in plain words.
fn describe(error: &hyper::Error, to: &HostPort) -> Failure {
    let io =
        std::error::Error::source(error).and_then(|error| error.downcast_ref::<std::io::Error>());
    let (kind, reason) = if let Some(io) = io {
        (FailureKind::Reset, describe_io(io))
    } else if error.is_incomplete_message() {
        (FailureKind::Reset, "the connection ended early".to_owned())
    } else if error.is_parse() {
        (FailureKind::Protocol, "the answer is not HTTP".to_owned())
    } else {
        (FailureKind::Reset, error.to_string())
    };
    Failure::new(kind, format!("no complete answer from {to}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_no_secret_in_its_url_and_no_body() {
        let address =
            Address::parse("https://bot:pw@shop.example.com:8443/a?b=c#d", false).unwrap();
        let request = build_request(&address, false, Some(&Headers::default())).unwrap();
        assert_eq!(request.uri(), "/a?b=c");
        assert_eq!(request.headers()["host"], "shop.example.com:8443");
        assert_eq!(request.headers()["authorization"], "Basic Ym90OnB3");
        let redirected = build_request(&address, true, None).unwrap();
        assert_eq!(redirected.method(), "HEAD");
        assert!(!redirected.headers().contains_key("authorization"));
    }
}
