//! The errors of the simulated scrapers, modelled on those of a real scraper in Rust.

use std::io;

/// What can go wrong on a page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrapeError {
    #[error("request for {url} failed")]
    Fetch { url: String, source: io::Error },
    #[error("{url} answered with status code {status}")]
    Status { url: String, status: u16 },
    #[error("selector `{selector}` matched no element on {url}")]
    MissingElement { selector: &'static str, url: String },
    #[error("the stock of {url} is no JSON")]
    Json {
        url: String,
        source: serde_json::Error,
    },
    #[error("cannot store {id}")]
    Store { id: String, source: DatabaseError },
}

/// The scrapers' database.
#[derive(Debug, thiserror::Error)]
#[error("error returned from database: (code: 5) database is locked")]
pub(crate) struct DatabaseError;

impl ScrapeError {
    /// A timeout, as the operating system reports it.
    pub(crate) fn timeout(url: &str) -> Self {
        let source = io::Error::new(io::ErrorKind::TimedOut, "operation timed out");
        Self::Fetch {
            url: url.to_owned(),
            source,
        }
    }

    /// A connection that the other side reset.
    pub(crate) fn reset(url: &str) -> Self {
        let source = io::Error::new(
            io::ErrorKind::ConnectionReset,
            "Connection reset by peer (os error 104)",
        );
        Self::Fetch {
            url: url.to_owned(),
            source,
        }
    }

    /// A truncated response.
    pub(crate) fn cut_json(url: &str) -> Self {
        let parsed = serde_json::from_str::<serde_json::Value>(r#"{"in_stock": 7, "depot": "#);
        match parsed {
            Err(source) => Self::Json {
                url: url.to_owned(),
                source,
            },
            Ok(_) => Self::timeout(url),
        }
    }
}
