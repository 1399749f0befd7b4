//! Takes requests from the words of a message.

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
    let owned = |prose: prose::Prose<'_>| -> (String, Request<'a>, bool) {
        let method = Some(prose.method).filter(|method| !method.is_empty());
        let request = Request {
            method: method.map(|method| method.to_owned().into()),
            status_code: prose.status,
            response_time_ms: prose.milliseconds,
            bytes: prose.bytes,
            error_type: error.error_type.clone(),
            ..Request::default()
        };
        (prose.url.to_owned(), request, method.is_none())
    };
    let read = prose::request(message).map(owned);
    let read = read.or_else(|| {
        let (url, prose) = prose::urllib3(message)?;
        let (_, request, has_no_method) = owned(prose);
        Some((url, request, has_no_method))
    });
    let read = read.or_else(|| prose::columns(message).map(owned));
    let (bare, attempt) = besides::split_attempt(message);
    let may_tell = !record.level.is_some_and(Level::is_error);
    let read = read.or_else(|| prose::told(bare).filter(|_| may_tell).map(owned));
    let Some((url, request, has_no_method)) = read else {
        return false;
    };
    // A sentence about a failure may repeat the line of a request.
    let refuses = request.status_code.is_some_and(|status| status >= 400);
    let is_sentence = !is_quiet || (refuses && failure::fails(bare));
    let is_told = is_sentence && has_no_method;
    record.failure = is_told.then_some(Failure {
        status: request.status_code,
        ..Failure::default()
    });
    record.event = Event::Request(Request {
        url: Some(url.into()),
        attempt,
        ..request
    });
    true
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
