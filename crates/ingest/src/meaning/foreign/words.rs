//! Takes requests from the words of a message.

use std::borrow::Cow;

use dragline_schema::{Event, Failure, Level, Record, Request, ScraperError};

use super::super::wording::Said;
use super::super::{besides, failure, prose};

/// Takes a request that the message tells with its outcome.
pub(super) fn of_prose<'a>(
    record: &mut Record<'a>,
    is_quiet: bool,
    error: &ScraperError<'a>,
) -> bool {
    let message = record.message.as_deref().unwrap_or_default();
    let (bare, attempt) = besides::split_attempt(message);
    let may_tell = !record.level.is_some_and(Level::is_error);
    let read = (prose::request(message).map(with_url))
        .or_else(|| prose::urllib3(message))
        .or_else(|| prose::columns(message).map(with_url))
        .or_else(|| prose::dotnet(message).map(with_url))
        .or_else(|| prose::told(bare).filter(|_| may_tell).map(with_url));
    let Some((url, prose)) = read else {
        return false;
    };
    let method = Some(prose.method).filter(|method| !method.is_empty());
    // A sentence about a failure may repeat the line of a request.
    let refuses = prose.status.is_some_and(|status| status >= 400);
    let is_sentence = !is_quiet || (refuses && failure::fails(bare));
    let told = (is_sentence && method.is_none()).then_some(Failure {
        status: prose.status,
        ..Failure::default()
    });
    let told = told.or_else(|| {
        failure::asks_to_log_in(bare).then_some(Failure {
            is_refusal: true,
            ..Failure::default()
        })
    });
    let request = Request {
        url: Some(url.into()).filter(|url: &Cow<'_, str>| !url.is_empty()),
        method: method.map(|method| method.to_owned().into()),
        status_code: prose.status,
        response_time_ms: prose.milliseconds,
        bytes: prose.bytes,
        attempt,
        error_type: error.error_type.clone(),
        ..Request::default()
    };
    record.failure = told;
    record.event = Event::Request(request);
    true
}

fn with_url(prose: prose::Prose<'_>) -> (String, prose::Prose<'_>) {
    (prose.url.to_owned(), prose)
}

/// Whether a record repeats in words what `Crawl4AI` says of a page elsewhere.
pub(super) fn is_of_crawl4ai(record: &Record<'_>) -> bool {
    const STEPS: [&str; 5] = ["ANTIBOT", "COMPLETE", "CRAWL", "EXTRACT", "SCRAPE"];
    let target = record.target.as_deref().unwrap_or_default();
    STEPS.contains(&target)
}

/// A failed request in a warning that announces no retry.
pub(super) fn warned(message: &str) -> Option<Said<'_>> {
    let told = failure::told(message, false).filter(|told| !told.failure.is_retried)?;
    Some(Said::Page {
        url: told.url?,
        status: told.failure.status,
        milliseconds: prose::milliseconds(message),
    })
}
