//! What became of a delivery, and when to try again.

use std::time::Duration;

use dragline_schema::Timestamp;

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The service has taken it.
    Delivered,
    /// It may succeed later.
    Retry {
        /// How long the service wants to be left alone.
        after: Option<Duration>,
        /// What happened, without secrets.
        error: String,
    },
    /// It will never succeed: the address, the credentials or the configuration is wrong.
    Refused {
        /// What happened, without secrets, and what to do.
        error: String,
    },
}

impl Outcome {
    pub(crate) fn retry(error: String) -> Self {
        Self::Retry { after: None, error }
    }

    /// Whether it may succeed later.
    pub fn is_retry(&self) -> bool {
        matches!(self, Self::Retry { .. })
    }

    /// What happened, when it was not delivered.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::Retry { error, .. } | Self::Refused { error } => Some(error),
        }
    }
}

/// The first wait after a failure, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// How long to wait after the `attempt`th failure (from 1). It doubles each time, up to a quarter of an hour;
/// `jitter` between 0 and 1 spreads it over its upper half. A service that names a time is never asked before that.
pub fn backoff(attempt: u32, after: Option<Duration>, jitter: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    let longest = doubled.min(LONGEST_WAIT);
    let spread = longest.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
    let asked = after.map(|after| after.min(Duration::from_hours(24)));
    asked.map_or(spread, |asked| {
        asked
            .max(Duration::from_secs(1))
            .max(asked + spread.mul_f64(jitter.clamp(0.0, 1.0) * 0.1))
    })
}

/// The seconds of a `Retry-After`, which is a number or a date (RFC 9110, 10.2.3). A date counts from that of the answer:
/// clocks differ.
pub(super) fn retry_after(header: &str, answered: Option<&str>, now: Timestamp) -> Option<f64> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(seconds);
    }
    let seconds = |text: &str| {
        let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
        Some(date.timestamp().as_second())
    };
    let answered = answered
        .and_then(seconds)
        .unwrap_or_else(|| now.as_seconds());
    Some((seconds(header)? - answered).max(0) as f64)
}

/// The outcome of an answer by HTTP. `retry_after` is the header in seconds, `body` the beginning of the answer.
pub(super) fn of_answer(status: u16, retry_after: Option<f64>, body: &str) -> Outcome {
    let error = || {
        let said = crate::render::cut(body.trim(), 200);
        let said = if said.is_empty() {
            String::new()
        } else {
            format!(": {said}")
        };
        format!("the service answered {status}{said}")
    };
    match status {
        200..=299 => Outcome::Delivered,
        429 | 408 | 425 | 500..=599 => Outcome::Retry {
            after: wait_of(retry_after, body),
            error: error(),
        },
        300..=399 => Outcome::Refused {
            error: format!(
                "the service answered {status}; redirects are not followed: configure the final address"
            ),
        },
        _ => {
            let advice = match status {
                401 | 403 => "; is the secret of the channel right?",
                404 | 410 => "; is the address of the channel right?",
                _ => "",
            };
            Outcome::Refused {
                error: error() + advice,
            }
        }
    }
}

/// How long a service wants to be left alone: the header in seconds, or the field of its JSON (Discord's is a float,
/// Telegram's is in `parameters`).
fn wait_of(header: Option<f64>, body: &str) -> Option<Duration> {
    let from_json = || {
        let json: serde_json::Value = serde_json::from_str(body).ok()?;
        json.get("retry_after")
            .or_else(|| json.get("parameters")?.get("retry_after"))?
            .as_f64()
    };
    let seconds = header.or_else(from_json)?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(status: u16, header: Option<&str>, body: &str) -> Option<Duration> {
        let date = Some("Fri, 31 Dec 2027 23:58:59 GMT");
        let header = header.and_then(|text| retry_after(text, date, Timestamp::from_seconds(0)));
        match of_answer(status, header, body) {
            Outcome::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn too_many_requests_wait_as_long_as_the_service_says() {
        for (header, body, seconds) in [
            (Some("30"), "", 30.0),
            (
                None,
                r#"{"message": "You are being rate limited.", "retry_after": 0.376, "global": false}"#,
                0.376,
            ),
            (
                None,
                r#"{"ok":false,"error_code":429,"parameters":{"retry_after":7}}"#,
                7.0,
            ),
            (
                None,
                r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#,
                1.0,
            ),
        ] {
            assert_eq!(
                wait(429, header, body),
                Some(Duration::from_secs_f64(seconds)),
                "{body}"
            );
        }
        let minute = Some(Duration::from_mins(1));
        assert_eq!(
            wait(429, Some("Fri, 31 Dec 2027 23:59:59 GMT"), "not json"),
            minute
        );
        let now = Timestamp::parse("2027-12-31T23:59:29Z").unwrap();
        assert_eq!(
            retry_after("Fri, 31 Dec 2027 23:59:59 GMT", None, now),
            Some(30.0)
        );
        assert_eq!(
            retry_after("Fri, 31 Dec 2027 23:59:00 GMT", None, now),
            Some(0.0)
        );
        assert_eq!(wait(429, Some("tomorrow"), "not json"), None);
        assert_eq!(wait(503, Some("-5"), ""), None);
    }

    #[test]
    fn each_status_has_its_outcome() {
        for status in [200, 201, 204] {
            assert_eq!(of_answer(status, None, ""), Outcome::Delivered);
        }
        for status in [408, 429, 500, 502, 503] {
            assert!(of_answer(status, None, "").is_retry(), "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 410, 413] {
            let outcome = of_answer(status, None, "invalid_token");
            assert!(
                matches!(&outcome, Outcome::Refused { error } if error.contains(&status.to_string())),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn waits_double_and_are_spread_and_bounded() {
        let seconds = |attempt, jitter| backoff(attempt, None, jitter).as_secs();
        assert_eq!(
            [
                seconds(1, 1.0),
                seconds(2, 1.0),
                seconds(3, 1.0),
                seconds(60, 1.0)
            ],
            [10, 20, 40, 900]
        );
        assert_eq!(seconds(1, 0.0), 5);
        assert_eq!(backoff(1, Some(Duration::from_mins(2)), 0.0).as_secs(), 120);
        assert!(backoff(9, Some(Duration::from_millis(376)), 0.0) >= Duration::from_secs(1));
    }
}
