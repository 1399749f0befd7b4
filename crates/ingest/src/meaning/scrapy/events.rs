//! Converts the facts in Scrapy's messages to events.

use std::borrow::Cow;

use dragline_schema::{
    Dialect, DuplicateDetected, Event, Json, Level, ProductAction, ProductProcessed, Record,
    Request, RunSummary, ScraperEnd, ScraperError, ScraperStart, Timestamp,
};
use xxhash_rust::xxh3::xxh3_64;

use super::message::{self, Fact};
use super::{MAX_GIVEN_UP, Pending, RunState, UNHANDLED};
use crate::meaning::{lacking, traceback};

/// The event of a record.
pub(super) fn event<'p>(
    fact: Option<Fact<'p>>,
    pending: &'p Pending,
    run: &mut RunState,
) -> Event<'p> {
    match fact {
        Some(Fact::Started { .. }) => Event::ScraperStart(ScraperStart::default()),
        Some(Fact::Attempt {
            url,
            method,
            status,
            attempt,
        }) => {
            if pending.level.is_error() && run.given_up.len() < MAX_GIVEN_UP {
                run.given_up.insert(xxh3_64(url.as_bytes()));
            }
            Event::Request(Request {
                url: Some(url.into()),
                method: Some(method.into()),
                status_code: status,
                attempt,
                ..Request::default()
            })
        }
        Some(Fact::PageError {
            url,
            download: true,
        }) if !run.given_up.contains(&xxh3_64(url.as_bytes())) => {
            // The only line of an attempt that was not retried.
            let error = error(pending);
            Event::Request(Request {
                url: Some(url.into()),
                error_type: error.error_type,
                ..Request::default()
            })
        }
        Some(Fact::PageError { url, .. }) => Event::ScraperError(ScraperError {
            url: Some(url.into()),
            ..error(pending)
        }),
        Some(Fact::GaveUpOnStatus { url, status }) => Event::ScraperError(ScraperError {
            url: Some(url.into()),
            status_code: Some(status),
            ..error(pending)
        }),
        Some(Fact::Scraped { url }) => Event::ProductProcessed(ProductProcessed {
            action: Some(ProductAction::Saved.as_str().into()),
            url: url.map(Cow::Borrowed),
            // The item is on the following lines.
            fields_missing: pending
                .text
                .split_once('\n')
                .and_then(|(_, item)| lacking::missing(item)),
            ..ProductProcessed::default()
        }),
        Some(Fact::Lost) => Event::ScraperError(error(pending)),
        Some(Fact::Dropped) => product(ProductAction::Failed, None),
        Some(Fact::Duplicate { url }) => Event::DuplicateDetected(DuplicateDetected {
            url: Some(url.into()),
            ..DuplicateDetected::default()
        }),
        Some(Fact::Settings(config)) => Event::Summary(Box::new(RunSummary {
            config: Some(Json(config.into())),
            ..RunSummary::default()
        })),
        Some(Fact::Stats(summary)) => Event::Summary(summary),
        // Several crawlers of one process each log their own totals.
        Some(Fact::Progress(_)) if run.opened > 1 => Event::Log,
        Some(Fact::Progress(progress)) => Event::Summary(Box::new(RunSummary {
            progress: Some(progress),
            ..RunSummary::default()
        })),
        Some(Fact::Closed { reason }) => Event::ScraperEnd(ended(reason)),
        // A spider that was asked to stop may be killed before `Spider closed`; this line still ends the run.
        Some(Fact::Closing { reason })
            if message::status_of(reason) != dragline_schema::RunStatus::Success =>
        {
            Event::ScraperEnd(ended(reason))
        }
        // Twisted describes the error in the next record.
        None if pending.text.trim_end() == UNHANDLED => Event::Log,
        None if pending.level.is_error() => Event::ScraperError(error(pending)),
        Some(Fact::Closing { .. }) | None => Event::Log,
    }
}

/// A record of a logparser job.
pub(super) fn record<'r>(
    timestamp: Option<Timestamp>,
    level: Level,
    event: Event<'r>,
    (scraper, run_id): (Option<&'r str>, &'r str),
) -> Record<'r> {
    Record {
        timestamp,
        level: Some(level),
        scraper_id: scraper.map(Cow::Borrowed),
        run_id: Some(Cow::Borrowed(run_id)),
        event,
        dialect: Dialect::Scrapy,
        is_zoneless: true,
        ..Record::default()
    }
}

pub(super) fn ended(reason: &str) -> ScraperEnd<'_> {
    ScraperEnd {
        status: Some(message::status_of(reason).as_str().into()),
        finish_reason: Some(reason.into()),
        ..ScraperEnd::default()
    }
}

pub(super) fn product(action: ProductAction, url: Option<&str>) -> Event<'_> {
    Event::ProductProcessed(ProductProcessed {
        action: Some(action.as_str().into()),
        url: url.map(Cow::Borrowed),
        ..ProductProcessed::default()
    })
}

/// The error in asyncio's message about a never-retrieved exception:
/// `future: <Future finished exception=Type('message')>`.
pub(super) fn of_future(text: &str) -> Option<ScraperError<'_>> {
    let (_, told) = text.split_once(" exception=")?;
    let (error_type, rest) = told.split_once('(')?;
    let is_type = error_type
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    let message = rest.rsplit_once(')').map_or(rest, |(message, _)| message);
    let message = message.trim_matches(['\'', '"']);
    is_type.then(|| ScraperError {
        error_type: Some(error_type.into()),
        error_message: Some(message.into()),
        ..ScraperError::default()
    })
}

/// Type, message and causes from the traceback in a record's text. Without one, they are empty (the record's
/// message then describes the error), except for asyncio's futures.
pub(super) fn error(pending: &Pending) -> ScraperError<'_> {
    let Some(parsed) = traceback::parse(&pending.text) else {
        return of_future(&pending.text).unwrap_or_default();
    };
    let text = |text| Some(Cow::Borrowed(text)).filter(|text: &Cow<'_, str>| !text.is_empty());
    let start = pending.text.find("Traceback (most").unwrap_or(0);
    let causes = (!parsed.causes.is_empty())
        .then(|| serde_json::to_string(&parsed.causes).ok())
        .flatten()
        .map(|json| Json(Cow::Owned(json)));
    ScraperError {
        error_type: text(parsed.error_type),
        error_message: text(parsed.message),
        causes,
        traceback: Some(Cow::Borrowed(&pending.text[start..])),
        function: parsed.function.map(Cow::Borrowed),
        ..ScraperError::default()
    }
}
