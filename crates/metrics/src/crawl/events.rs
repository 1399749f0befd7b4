//! What the single events mean: functions of one record.

use dragline_schema::{
    ArticleStored, DatabaseOperation, DuplicateDetected, ErrorCategory, Event, Json, ProductAction,
    ProductProcessed, RateLimit, Record, Request, RunStatus, ScraperEnd, SearchQuery, Severity,
    Verdict,
};

use super::CrawlMetric as M;
use super::output::{Output, seconds};
use crate::window::Update::{Add, Observe, Set};

pub(super) fn observe_error(
    record: &Record<'_>,
    verdict: Option<&Verdict<'_>>,
    out: &mut Output<'_>,
) {
    let (category, severity) = match (&record.event, verdict) {
        (_, Some(verdict)) => (Some(verdict.category), Some(verdict.severity)),
        (Event::ScraperError(error), None) => {
            let (category, severity) = (&error.error_category, &error.error_severity);
            let category = category.as_deref().and_then(|text| text.parse().ok());
            let severity = severity.as_deref().and_then(|text| text.parse().ok());
            (category, severity)
        }
        _ => (None, None),
    };
    let category = category.map_or("unknown", ErrorCategory::as_str);
    let severity = severity.map_or("unknown", Severity::as_str);
    let labels = [out.scraper, out.site, category, severity];
    out.put(M::Errors, &labels, Add(1.0));
}

pub(super) fn observe_end(end: &ScraperEnd<'_>, out: &mut Output<'_>) {
    let status = end.status.as_deref().and_then(RunStatus::from_name);
    out.run_and(
        M::RunsFinished,
        status.map_or("unknown", RunStatus::as_str),
        Add(1.0),
    );
    if let (Some(RunStatus::Success), Some(at)) = (status, out.at) {
        out.run(M::LastSuccess, Set(seconds(at)));
    }
    let number = |count: Option<u64>| count.map(|count| count as f64);
    out.observe(M::RunDuration, end.duration_seconds);
    out.observe(M::RunRequests, number(end.requests_made));
    let products = [end.products_added, end.products_updated, end.products_saved];
    let stored = products.into_iter().chain([end.articles_stored]);
    // A run that counts none of them does not count its items.
    let items = stored.flatten().reduce(u64::saturating_add);
    out.observe(M::RunItems, number(items));
    out.observe(M::RunArticles, number(end.articles_stored));
    out.count(M::Pages, end.pages_scraped);
}

pub(super) fn observe_request(record: &Record<'_>, request: &Request<'_>, out: &mut Output<'_>) {
    let outcome = match request.status_code {
        _ if record.is_unjudged => "unknown",
        Some(code) if code < 400 => "success",
        _ => "failed",
    };
    if record.is_echo {
        // The scraper may log the same request itself.
        return out.run_and(M::LibraryRequests, outcome, Add(1.0));
    }
    out.run_and(M::Requests, outcome, Add(1.0));
    if let Some(code) = request.status_code {
        let mut text = [b'0'; 3];
        let code = code_text(code, &mut text);
        out.run_and(M::Responses, code, Add(1.0));
    }
    out.observe_ms(M::RequestDuration, request.response_time_ms);
    out.count(M::ResponseBytes, request.bytes);
    if request.attempt.is_some_and(|attempt| attempt > 1) {
        out.run(M::RequestRetries, Add(1.0));
    }
}

/// The text of a status code: three digits, or `other` for numbers that HTTP does not have.
fn code_text(code: u16, text: &mut [u8; 3]) -> &str {
    if !(100..600).contains(&code) {
        return "other";
    }
    for (digit, power) in text.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + (code / power % 10) as u8;
    }
    // The bytes are digits.
    std::str::from_utf8(text).unwrap_or("other")
}

/// A message may count several items.
fn items(record: &Record<'_>) -> f64 {
    f64::from(record.items.unwrap_or(1))
}

pub(super) fn observe_product(
    record: &Record<'_>,
    product: &ProductProcessed<'_>,
    out: &mut Output<'_>,
) {
    let action = product.action.as_deref().and_then(ProductAction::from_name);
    let action = action.map_or("unknown", ProductAction::as_str);
    out.run_and(M::Products, action, Add(items(record)));
    observe_missing(product.fields_missing.as_ref(), out);
}

fn observe_missing(fields: Option<&Json<'_>>, out: &mut Output<'_>) {
    if fields.is_some_and(|fields| fields.0.bytes().any(|byte| !b"[] \t\r\n".contains(&byte))) {
        out.run(M::IncompleteItems, Add(1.0));
    }
}

pub(super) fn observe_article(article: &ArticleStored<'_>, out: &mut Output<'_>) {
    out.run(M::Articles, Add(1.0));
    out.observe(
        M::ArticleWords,
        article.word_count.map(|words| words as f64),
    );
    out.observe_ms(M::ArticleProcessing, article.processing_time_ms);
    observe_missing(article.fields_missing.as_ref(), out);
}

pub(super) fn observe_duplicate(duplicate: &DuplicateDetected<'_>, out: &mut Output<'_>) {
    out.run(M::Duplicates, Add(1.0));
    out.observe(M::DuplicateConfidence, duplicate.confidence);
}

pub(super) fn observe_search(search: &SearchQuery<'_>, out: &mut Output<'_>) {
    out.run(M::Searches, Add(1.0));
    out.observe_ms(M::SearchDuration, search.response_time_ms);
    out.observe(
        M::SearchResults,
        search.result_count.map(|count| count as f64),
    );
    let length = search
        .query
        .as_deref()
        .map(|query| query.chars().count() as f64);
    out.observe(M::SearchQueryLength, length);
}

pub(super) fn observe_database(operation: &DatabaseOperation<'_>, out: &mut Output<'_>) {
    if let Some(ms) = operation.duration_ms {
        let name = operation.operation.as_deref().unwrap_or_default();
        let table = operation.table.as_deref().unwrap_or_default();
        let labels = [out.scraper, name, table];
        out.put(M::DatabaseDuration, &labels, Observe(ms / 1e3));
    }
    if let Some(connections) = operation.connections_active {
        let labels = [out.scraper];
        out.put(M::DatabaseConnections, &labels, Set(connections as f64));
    }
}

pub(super) fn observe_rate_limit(limit: &RateLimit<'_>, out: &mut Output<'_>) {
    out.run(M::RateLimits, Add(1.0));
    if let Some(seconds) = limit.wait_time_seconds {
        out.run(M::RateLimitWait, Add(seconds));
    }
}
