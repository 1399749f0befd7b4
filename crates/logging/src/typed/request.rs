//! The event of one HTTP attempt.

use std::time::Duration;

use tracing::Level;

use super::{TARGET, milliseconds};
use crate::core::RunCore;

/// Builder for the event of one HTTP attempt.
#[must_use = "the request is recorded by `log`"]
#[derive(Debug)]
pub struct RequestEvent<'r, U = &'r str> {
    url: U,
    fields: Fields<'r>,
}

/// Everything but the URL.
#[derive(Debug)]
struct Fields<'r> {
    run: &'r RunCore,
    method: &'r str,
    status: Option<u16>,
    elapsed: Option<Duration>,
    bytes: Option<u64>,
    attempt: Option<u64>,
    proxy: Option<&'r str>,
    retry_after: Option<Duration>,
    error_type: Option<&'r str>,
}

impl<'r, U: AsRef<str>> RequestEvent<'r, U> {
    pub(crate) fn new(run: &'r RunCore, url: U) -> Self {
        let fields = Fields {
            run,
            method: "GET",
            status: None,
            elapsed: None,
            bytes: None,
            attempt: None,
            proxy: None,
            retry_after: None,
            error_type: None,
        };
        Self { url, fields }
    }

    /// Sets the method. Default: `GET`.
    pub fn method(mut self, method: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.fields.method = method.as_ref();
        self
    }

    /// Sets the status code of the response. Without a status, the request got no response and failed.
    pub fn status(mut self, status: u16) -> Self {
        self.fields.status = Some(status);
        self
    }

    /// Sets the time from the request to the response.
    pub fn elapsed(mut self, elapsed: Duration) -> Self {
        self.fields.elapsed = Some(elapsed);
        self
    }

    /// Sets the size of the response body.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.fields.bytes = Some(bytes);
        self
    }

    /// Sets the number of the attempt at this URL, starting at 1.
    pub fn attempt(mut self, attempt: u64) -> Self {
        self.fields.attempt = Some(attempt);
        self
    }

    /// Sets the proxy, without credentials.
    pub fn proxy(mut self, proxy: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.fields.proxy = Some(proxy.as_ref());
        self
    }

    /// Sets the `Retry-After` of the response.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.fields.retry_after = Some(wait);
        self
    }

    /// Sets the error type when there was no response.
    pub fn error_type(mut self, error_type: &'r (impl AsRef<str> + ?Sized)) -> Self {
        self.fields.error_type = Some(error_type.as_ref());
        self
    }

    /// Records the request, at INFO or, if it failed, at WARN.
    pub fn log(self) {
        self.fields.log(self.url.as_ref());
    }
}

impl Fields<'_> {
    fn log(&self, url: &str) {
        let failed = self.status.is_none_or(|status| status >= 400);
        self.run.stats.request(failed, self.bytes.unwrap_or(0));
        macro_rules! at {
            ($level:expr) => {
                log!(
                    self.run,
                    $level,
                    "request",
                    url = url,
                    method = self.method,
                    status_code = self.status,
                    response_time_ms = self.elapsed.map(milliseconds),
                    bytes = self.bytes,
                    attempt = self.attempt,
                    proxy = self.proxy,
                    retry_after_seconds = self.retry_after.map(|wait| wait.as_secs_f64()),
                    error_type = self.error_type,
                )
            };
        }
        if failed {
            at!(Level::WARN);
        } else {
            at!(Level::INFO);
        }
    }
}
