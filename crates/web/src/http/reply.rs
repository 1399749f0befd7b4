//! What a handler answers, and the bytes that are sent for it.

use std::io::Write as _;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE, SET_COOKIE, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Problem;

/// Bodies below this size are not compressed.
const MIN_COMPRESSED: usize = 1_024;

/// What a handler answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) media_type: String,
    pub(crate) body: Vec<u8>,
    /// The name under which a browser stores it.
    pub(crate) file_name: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) cookie: Option<String>,
    /// Replaces the content security policy of pages.
    pub(crate) policy: Option<String>,
    /// The address contains a hash of the content, which therefore never changes.
    pub(crate) is_immutable: bool,
}

impl Reply {
    pub(crate) fn new(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: StatusCode::OK,
            media_type: media_type.to_owned(),
            body: body.into(),
            file_name: None,
            location: None,
            cookie: None,
            policy: None,
            is_immutable: false,
        }
    }

    pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value).map_err(|error| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the answer cannot be written as JSON: {error}"),
            )
        })?;
        Ok(Self::new("application/json", body))
    }

    pub(crate) fn html(page: String) -> Self {
        Self::new("text/html; charset=utf-8", page)
    }

    pub(crate) fn redirect(to: String) -> Self {
        Self {
            status: StatusCode::SEE_OTHER,
            location: Some(to),
            ..Self::new("text/plain; charset=utf-8", "")
        }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

/// An answer with its tag, and compressed if that is worth it.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    reply: Reply,
    body: Bytes,
    gzip: Option<Bytes>,
    etag: Option<String>,
}

impl Rendered {
    /// `compresses`: whether the client takes compressed bodies.
    pub(crate) fn new(mut reply: Reply, compresses: bool) -> Self {
        let body = Bytes::from(std::mem::take(&mut reply.body));
        let is_whole = reply.status == StatusCode::OK;
        let etag = is_whole.then(|| tag_of(&reply.media_type, &body));
        let is_text = [
            "text/",
            "application/json",
            "application/problem",
            "image/svg",
        ]
        .iter()
        .any(|start| reply.media_type.starts_with(start));
        let is_worth_it = compresses && is_text && body.len() >= MIN_COMPRESSED;
        let gzip = is_worth_it.then(|| compress(&body));
        Self {
            reply,
            body,
            gzip,
            etag,
        }
    }

    /// Whether it may be kept for others: a complete answer that sets nothing.
    pub(crate) fn is_cacheable(&self) -> bool {
        self.etag.is_some() && self.reply.cookie.is_none()
    }

    /// The response to a request with these headers.
    pub(crate) fn respond(&self, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.reply.status;
        let headers = response.headers_mut();
        self.describe(headers);
        let is_known = self.etag.as_deref().is_some_and(|etag| {
            let known = request
                .get(IF_NONE_MATCH)
                .and_then(|value| value.to_str().ok());
            known.is_some_and(|known| {
                known == "*" || known.split(',').any(|tag| bare(tag) == bare(etag))
            })
        });
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(CONTENT_TYPE);
            return response;
        }
        if self.reply.file_name.is_some() && self.etag.is_some() {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            if let Some(range) = self.requested_range(request) {
                return self.respond_range(response, range);
            }
        } else if let Some(gzip) = self.gzip.as_ref().filter(|_| accepts_gzip(request)) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            *response.body_mut() = Body::from(gzip.clone());
            return response;
        }
        *response.body_mut() = Body::from(self.body.clone());
        response
    }

    fn describe(&self, headers: &mut HeaderMap) {
        let reply = &self.reply;
        let mut set = |name, value: &str| {
            // A text of a log that cannot be the value of a header is left out.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(CONTENT_TYPE, &reply.media_type);
        set(VARY, "Accept-Encoding, Cookie, Authorization");
        set(
            CACHE_CONTROL,
            if reply.is_immutable {
                "public, max-age=31536000, immutable"
            } else if self.etag.is_some() {
                "private, no-cache"
            } else {
                "no-store"
            },
        );
        if let Some(etag) = &self.etag {
            // Files are sent in one form only, and their parts must fit together: a strong tag.
            let weak = if reply.file_name.is_some() { "" } else { "W/" };
            set(ETAG, &format!("{weak}{etag}"));
        }
        if let Some(name) = &reply.file_name {
            set(
                CONTENT_DISPOSITION,
                &format!("attachment; filename=\"{}\"", plain_name(name)),
            );
        }
        if let Some(location) = &reply.location {
            set(LOCATION, location);
        }
        if let Some(cookie) = &reply.cookie {
            set(SET_COOKIE, cookie);
        }
        if let Some(policy) = &reply.policy {
            set(axum::http::header::CONTENT_SECURITY_POLICY, policy);
        }
    }

    /// The range that is requested: `Err` when it lies outside.
    fn requested_range(&self, request: &HeaderMap) -> Option<Result<(usize, usize), ()>> {
        if let Some(condition) = request.get(IF_RANGE)
            && condition.to_str().ok() != self.etag.as_deref()
        {
            return None;
        }
        let text = request.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
        // Several ranges at once are answered with the whole, as they may be.
        if text.contains(',') {
            return None;
        }
        let (first, last) = text.trim().split_once('-')?;
        let size = self.body.len();
        let range = match (first.parse::<usize>().ok(), last.parse::<usize>().ok()) {
            (Some(first), None) if last.is_empty() => (first, size.saturating_sub(1)),
            (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
            (None, Some(count)) if first.is_empty() => {
                (size.saturating_sub(count), size.saturating_sub(1))
            }
            _ => return None,
        };
        let is_inside = range.0 < size && range.0 <= range.1;
        Some(if is_inside { Ok(range) } else { Err(()) })
    }

    fn respond_range(
        &self,
        mut response: Response<Body>,
        range: Result<(usize, usize), ()>,
    ) -> Response<Body> {
        let size = self.body.len();
        let (status, described, body) = match range {
            Ok((first, last)) => (
                StatusCode::PARTIAL_CONTENT,
                format!("bytes {first}-{last}/{size}"),
                self.body.slice(first..=last),
            ),
            Err(()) => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("bytes */{size}"),
                Bytes::new(),
            ),
        };
        *response.status_mut() = status;
        if let Ok(value) = HeaderValue::from_str(&described) {
            response.headers_mut().insert(CONTENT_RANGE, value);
        }
        *response.body_mut() = Body::from(body);
        response
    }
}

fn tag_of(media_type: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(media_type);
    hash.update([0]);
    hash.update(body);
    let digits = hash.finalize();
    let digits = digits[..12]
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("\"{digits}\"")
}

/// A tag without the mark of weak ones.
fn bare(tag: &str) -> &str {
    tag.trim().trim_start_matches("W/")
}

/// Bodies of at least this size, such as reports, are compressed as far as possible: they change rarely.
const LARGE: usize = 128 * 1024;

fn compress(body: &[u8]) -> Bytes {
    let level = if body.len() < LARGE { 4 } else { 9 };
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::new(level));
    // Writing to memory cannot fail.
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("writing to memory cannot fail").into()
}

/// Whether the client takes bodies compressed with gzip.
pub(crate) fn accepts_gzip(request: &HeaderMap) -> bool {
    let accepted = request
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.unwrap_or_default().split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next() == Some("gzip");
        is_gzip
            && !parts.any(|weight| {
                matches!(
                    weight.replace(' ', "").as_str(),
                    "q=0" | "q=0.0" | "q=0.00" | "q=0.000"
                )
            })
    })
}

/// A file name that no browser and no file system reads as anything else.
fn plain_name(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(plain).take(100).collect();
    name.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(axum::http::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    fn file() -> Rendered {
        let mut reply = Reply::new("text/csv", "0123456789");
        reply.file_name = Some("runs.csv".into());
        Rendered::new(reply, true)
    }

    #[test]
    fn a_range_is_cut_and_one_outside_is_refused() {
        for (range, status, content) in [
            ("bytes=2-4", 206, Some("bytes 2-4/10")),
            ("bytes=8-", 206, Some("bytes 8-9/10")),
            ("bytes=-3", 206, Some("bytes 7-9/10")),
            ("bytes=5-500", 206, Some("bytes 5-9/10")),
            ("bytes=10-", 416, Some("bytes */10")),
            ("bytes=-0", 416, Some("bytes */10")),
            ("bytes=4-2", 200, None),
            ("bytes=0-1,4-5", 200, None),
            ("lines=1-2", 200, None),
        ] {
            let response = file().respond(&headers(&[(RANGE, range)]));
            assert_eq!(response.status().as_u16(), status, "{range}");
            let told = response
                .headers()
                .get(CONTENT_RANGE)
                .map(|value| value.to_str().unwrap());
            assert_eq!(told, content, "{range}");
        }
    }

    #[test]
    fn a_part_of_another_version_is_answered_with_the_whole() {
        let wrong = headers(&[(RANGE, "bytes=0-1"), (IF_RANGE, "\"other\"")]);
        assert_eq!(file().respond(&wrong).status(), StatusCode::OK);
        let etag = file().respond(&HeaderMap::new()).headers()[ETAG].clone();
        assert!(!etag.to_str().unwrap().starts_with("W/"));
        let right = headers(&[(RANGE, "bytes=0-1"), (IF_RANGE, etag.to_str().unwrap())]);
        assert_eq!(file().respond(&right).status(), StatusCode::PARTIAL_CONTENT);
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let page = Rendered::new(Reply::html("x".repeat(5_000)), true);
        let first = page.respond(&headers(&[(ACCEPT_ENCODING, "br, gzip;q=0.8")]));
        assert_eq!(first.headers()[CONTENT_ENCODING], "gzip");
        let etag = first.headers()[ETAG].to_str().unwrap();
        for known in [etag, "\"other\", W/\"x\", *"] {
            let known = headers(&[(IF_NONE_MATCH, &known.replace("\"other\", W/\"x\", *", "*"))]);
            assert_eq!(page.respond(&known).status(), StatusCode::NOT_MODIFIED);
        }
        let other = headers(&[
            (IF_NONE_MATCH, "W/\"other\""),
            (ACCEPT_ENCODING, "gzip;q=0"),
        ]);
        let whole = page.respond(&other);
        assert_eq!(whole.status(), StatusCode::OK);
        assert!(whole.headers().get(CONTENT_ENCODING).is_none());
    }

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(plain_name("../../etc/\"x\r\ny"), "_.._etc__x__y");
    }
}
