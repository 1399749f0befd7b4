//! A request as handlers see it: parameters, caller, backend.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_alerting::duration;
use dragline_schema::{Severity, Timestamp};

use super::Problem;
use super::guard::Guard;
use crate::backend::Backend;
use crate::query::{Page, Place, RunKey, Scope, ScraperKey, Window};
use crate::token::Role;

/// The window of a request that names none.
const DEFAULT_WINDOW: Duration = Duration::from_hours(24);

/// The longest window: ten years.
const MAX_WINDOW_SECONDS: i64 = 3_660 * 24 * 3_600;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// Signed in by cookie, and able to sign out.
    pub(crate) has_session: bool,
}

/// A request.
pub(crate) struct Call<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) now: Timestamp,
    pub(crate) params: Params,
    pub(crate) caller: Caller,
    pub(crate) body: &'a [u8],
    /// The compression of the body.
    pub(crate) encoding: Option<String>,
    /// The path and query of the request, below the base path.
    pub(crate) address: String,
    pub(crate) base: &'a str,
    /// Whether it is a form of a page, which is answered with a page.
    pub(crate) is_form: bool,
    /// Whether tokens are needed to sign in.
    pub(crate) has_tokens: bool,
    pub(crate) guard: &'a Guard,
    /// Whether the browser sees an encrypted page.
    pub(crate) is_encrypted: bool,
    /// Whether the page becomes a file that stands alone.
    pub(crate) copy_every: Option<std::time::Duration>,
}

/// The parameters of path, query and form, by name. An empty value is a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Adds the values of a query or a form; the first of two values counts.
    pub(crate) fn add(&mut self, encoded: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(encoded) {
            self.set(&name, value.into_owned());
        }
    }

    /// Adds a value unless there is one already.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.entry(name.to_owned()).or_insert(value);
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A value, which may be empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A value that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.trim().is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Problem> {
        self.text(name)
            .ok_or_else(|| Problem::bad_request(format!("the parameter {name:?} is missing")))
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope {
            scraper_id: self.get("scraper_id").map(str::to_owned),
            site: self.get("site").map(str::to_owned),
        }
    }

    /// A scraper and a site; what is absent or empty is unknown.
    pub(crate) fn scraper_key(&self) -> ScraperKey {
        ScraperKey {
            scraper_id: self.text("scraper_id").map(str::to_owned),
            site: self.text("site").map(str::to_owned),
        }
    }

    pub(crate) fn run_key(&self) -> Result<RunKey, Problem> {
        let ScraperKey { scraper_id, site } = self.scraper_key();
        Ok(RunKey {
            scraper_id,
            site,
            run_id: self.required("run_id")?.to_owned(),
        })
    }

    pub(crate) fn page(&self, default: usize) -> Result<Page, Problem> {
        let limit = self.number("limit")?.unwrap_or(default as u64);
        if limit == 0 || limit > Page::MAX_LIMIT as u64 {
            return Err(Problem::bad_request(format!(
                "invalid limit {limit}: write a number from 1 to {}",
                Page::MAX_LIMIT
            )));
        }
        Ok(Page {
            cursor: self.text("cursor").map(str::to_owned),
            limit: limit as usize,
        })
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.trim().parse().map(Some).map_err(|_| {
            Problem::bad_request(format!("invalid {name} {text:?}: write a whole number"))
        })
    }

    pub(crate) fn place(&self) -> Result<Place, Problem> {
        Ok(Place {
            file: self.required("file")?.to_owned(),
            line: self.number("line")?,
            offset: self.number("offset")?.unwrap_or(0),
        })
    }

    pub(crate) fn severity(&self) -> Result<Option<Severity>, Problem> {
        let Some(word) = self.text("severity") else {
            return Ok(None);
        };
        dragline_alerting::severity::parse(word)
            .map(Some)
            .map_err(Problem::bad_request)
    }

    /// A word of a list.
    pub(crate) fn word<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        known: &[&str],
    ) -> Result<Option<T>, Problem> {
        let Some(word) = self.text(name) else {
            return Ok(None);
        };
        parse(word).map(Some).ok_or_else(|| {
            Problem::bad_request(format!(
                "unknown {name} {word:?}: write one of {}",
                known.join(", ")
            ))
        })
    }

    /// The window between `from` and `to`; the last 24 hours unless one is given.
    pub(crate) fn window(&self, now: Timestamp) -> Result<Window, Problem> {
        let to = self.time("to", now)?.unwrap_or(now);
        let from = self.time("from", now)?;
        let from = from.unwrap_or_else(|| earlier(to, DEFAULT_WINDOW));
        if from >= to {
            return Err(Problem::bad_request(format!(
                "the window is empty: \"from\" is {from} and \"to\" is {to}"
            )));
        }
        let window = Window { from, to };
        if window.seconds() > MAX_WINDOW_SECONDS {
            return Err(Problem::bad_request("the window is longer than ten years"));
        }
        Ok(window)
    }

    /// The window, if one is given.
    pub(crate) fn optional_window(&self, now: Timestamp) -> Result<Option<Window>, Problem> {
        if self.text("from").is_none() && self.text("to").is_none() {
            return Ok(None);
        }
        self.window(now).map(Some)
    }

    /// A time: RFC 3339, a date, or how long ago: `6h`.
    pub(crate) fn time(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name).map(str::trim) else {
            return Ok(None);
        };
        if let Ok(ago) = duration::parse(text) {
            return Ok(Some(earlier(now, ago)));
        }
        let is_date = text.len() == 10 && text.is_ascii();
        let whole = if is_date {
            format!("{text}T00:00:00Z")
        } else {
            text.to_owned()
        };
        Timestamp::parse(&whole).map(Some).map_err(|_| {
            Problem::bad_request(format!(
                "invalid {name} {text:?}: write a time such as 2026-03-04T10:00:00Z, a date, or how long ago, such as 6h or 7d"
            ))
        })
    }
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    time.plus_micros(micros.saturating_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Params {
        let mut params = Params::default();
        params.add(query.as_bytes());
        params
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-03-04T12:00:00Z").unwrap()
    }

    #[test]
    fn a_window_is_a_day_unless_given() {
        let window = Params::default().window(now()).unwrap();
        assert_eq!(window.from.to_string(), "2026-03-03T12:00:00.000000Z");
        assert_eq!(window.to, now());
        for (query, from) in [
            ("from=6h", "2026-03-04T06:00:00.000000Z"),
            ("from=2026-03-01", "2026-03-01T00:00:00.000000Z"),
            (
                "from=2026-03-01T10:00:00%2B01:00",
                "2026-03-01T09:00:00.000000Z",
            ),
            ("from=7d", "2026-02-25T12:00:00.000000Z"),
        ] {
            let window = parse(query).window(now()).unwrap();
            assert_eq!(window.from.to_string(), from, "{query}");
        }
    }

    #[test]
    fn wrong_values_are_named() {
        for (query, hint) in [
            ("from=yesterdy", "from \"yesterdy\""),
            ("from=2026-03-05", "the window is empty"),
            ("from=1900-01-01", "ten years"),
            ("to=99999999999999d", "to"),
        ] {
            let problem = parse(query).window(now()).unwrap_err();
            assert!(problem.detail.contains(hint), "{query}: {}", problem.detail);
        }
        let problem = parse("limit=0").page(100).unwrap_err();
        assert!(problem.detail.contains("1 to 1000"), "{}", problem.detail);
        assert!(parse("limit=many").page(100).is_err());
    }

    #[test]
    fn an_empty_name_is_the_unknown_one() {
        let params = parse("scraper_id=&site=a.example.com");
        assert_eq!(params.scope().scraper_id.as_deref(), Some(""));
        assert_eq!(params.scraper_key().scraper_id, None);
    }
}
