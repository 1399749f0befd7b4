//! Decides what happened from a record's values: a request, an item, an error or nothing of these.

use std::borrow::Cow;

use dragline_schema::{
    DuplicateDetected, Event, Failure, Level, ProductAction, ProductProcessed, QueueSize, Record,
    Request, ScraperEnd, ScraperError, ScraperStart, Timestamp, Unread, url_hash,
};
use xxhash_rust::xxh3::xxh3_64;

use super::super::besides;
use super::super::bounds::{self, Bound};
use super::super::exception::{causes_json, causes_of, from_exception_list};
use super::super::failure;
use super::super::form::Form;
use super::super::item::{denies_item, says_item};
use super::super::learn::Reported;
use super::super::loss;
use super::super::prose;
use super::super::slots::Slots;
use super::super::wording::{self, Said};
use super::super::{alias::Slot, traceback};
use super::words::{is_of_crawl4ai, of_prose, warned};
use super::{status_of, url_in};
use crate::framing::crash;
use crate::meaning::map::Map;

impl<'a> Slots<'a> {
    /// Sets the record's event, and whether it is a request of unknown outcome.
    pub(super) fn event(&mut self, record: &mut Record<'a>, map: &Map) {
        let error = self.error();
        let url = self.take_text(Slot::Url);
        let status = self.take(Slot::Status).and_then(|value| status_of(&value));
        let is_quiet = record.level.is_none_or(|level| level < Level::Warn);
        let message = record.message.as_deref().unwrap_or_default();
        let is_answer = status.is_some() && url.is_some() && !self.has_item;
        // Whatever else the record tells, nothing caught the exception in it.
        let traceback = error.traceback.as_deref();
        record.is_fatal = traceback.is_some_and(crash::is_from_outside);
        if is_quiet
            && !is_answer
            && !denies_item(message)
            && (self.has_item || (says_item(message) && (self.has_identity || url.is_some())))
            && !besides::is_duplicate(message, true)
        {
            let item = ProductProcessed {
                action: Some(ProductAction::Saved.as_str().into()),
                url,
                ..ProductProcessed::default()
            };
            record.event = Event::ProductProcessed(item);
            return;
        }
        // Without a level, a traceback means an error.
        let is_error = record.level.is_some_and(Level::is_error)
            || (record.level.is_none() && error.traceback.is_some() && error.error_type.is_some());
        let may_be_answer = status.is_some() || self.duration_ms.is_some() || self.status_is_null;
        let has_attempt = self.values[Slot::Attempt as usize].is_some() && !is_quiet && !is_error;
        if (may_be_answer || has_attempt)
            && self.of_fields(record, url.as_ref(), (status, is_quiet), &error)
        {
            return;
        }
        if self.of_crawler(record, url.as_ref(), status, &error) {
            return;
        }
        if url.is_none()
            && !self.has_item
            && !is_of_crawl4ai(record)
            && of_prose(record, is_quiet, &error)
        {
            return;
        }
        if is_quiet && url.is_none() && self.of_axios(record) {
            return;
        }
        if !is_error && self.say_besides(record, is_quiet, url.as_ref()) {
            return;
        }
        if self.say(record, is_quiet, &error, url.as_deref())
            || (!is_error && self.say_as_learned(record, is_quiet, url.as_deref(), map))
        {
            return;
        }
        record.failure = self
            .told_failure(record, is_quiet, &error, url.as_deref())
            .map(|told| Failure {
                url: told.url.or(url.as_deref().map(url_hash)),
                ..told
            });
        if is_quiet && record.failure.is_some() && self.fail(record, &error, url.as_ref()) {
            return;
        }
        let message = record.message.as_deref().unwrap_or_default();
        record.is_fatal |= bounds::is_fatal(message, is_error);
        if !is_error && bounds::is_stop(message) {
            record.event = Event::ScraperEnd(ScraperEnd {
                status: Some("cancelled".into()),
                ..ScraperEnd::default()
            });
        } else if is_error {
            record.items_lost = loss::lost_items(message);
            record.event = Event::ScraperError(ScraperError {
                url,
                status_code: status,
                ..error
            });
        } else if is_quiet && error.traceback.is_none() {
            self.bound(record, url.as_deref());
        }
    }

    /// Takes a request that fields tell, with a URL there or in the message.
    fn of_fields(
        &mut self,
        record: &mut Record<'a>,
        url: Option<&Cow<'a, str>>,
        (status, is_quiet): (Option<u16>, bool),
        error: &ScraperError<'a>,
    ) -> bool {
        let message = record.message.as_deref().unwrap_or_default();
        let in_message = || url_in(message).map(|url| url.to_owned().into());
        let url = url.cloned().or_else(in_message);
        let Some(url) = url.filter(|_| !self.has_item) else {
            return false;
        };
        let tells_failure = self.status_is_null
            || !is_quiet
            || error.error_type.is_some()
            || error.error_message.is_some();
        record.is_unjudged = status.is_none() && !tells_failure;
        record.event = self.request(Some(url), status, error.error_type.clone());
        true
    }

    /// Takes a message that bounds a run, or that told nothing.
    fn bound(&self, record: &mut Record<'a>, url: Option<&str>) {
        let message = record.message.as_deref().unwrap_or_default();
        record.items = wording::total(message);
        match bounds::bound(message) {
            Some(Bound::Start) => record.event = Event::ScraperStart(ScraperStart::default()),
            Some(Bound::End) => {
                record.event = Event::ScraperEnd(ScraperEnd {
                    status: Some("success".into()),
                    ..ScraperEnd::default()
                });
            }
            None => record.unread = self.unread(record, url),
        }
    }

    /// Takes a request of which only axios says that it failed.
    fn of_axios(&mut self, record: &mut Record<'a>) -> bool {
        let message = record.message.as_deref().unwrap_or_default();
        let Some(status) = failure::of_axios(message).filter(|_| !self.has_item) else {
            return false;
        };
        record.event = self.request(None, Some(status), Some("AxiosError".into()));
        true
    }

    /// Takes a request in the form of one of the crawlers that write no status: katana's with an error beside it,
    /// `Crawl4AI`'s with a sign for its outcome.
    fn of_crawler(
        &mut self,
        record: &mut Record<'a>,
        url: Option<&Cow<'a, str>>,
        status: Option<u16>,
        error: &ScraperError<'a>,
    ) -> bool {
        let error_type = || error.error_type.clone().unwrap_or("Error".into());
        let has_failed = record.level.is_none() && error.error_message.is_some();
        if has_failed
            && !self.has_item
            && self.values[Slot::Method as usize].is_some()
            && let Some(url) = url
        {
            record.event = self.request(Some(url.clone()), status, Some(error_type()));
            return true;
        }
        if !matches!(record.target.as_deref(), Some("FETCH" | "ERROR")) {
            return false;
        }
        let message = record.message.as_deref().unwrap_or_default();
        let Some((url, has_failed, status, duration)) = prose::crawl4ai(message) else {
            return false;
        };
        let url = url.to_owned();
        record.is_unjudged = !has_failed;
        self.duration_ms = duration;
        let error_type = has_failed.then(error_type);
        record.event = self.request(Some(url.into()), status, error_type);
        true
    }

    /// The failed request that the record tells in words, or by an error beside a URL.
    fn told_failure(
        &self,
        record: &Record<'a>,
        is_quiet: bool,
        error: &ScraperError<'_>,
        url: Option<&str>,
    ) -> Option<Failure> {
        if self.has_item {
            return None;
        }
        let message = record.message.as_deref().unwrap_or_default();
        let says = |part: &[u8]| memchr::memmem::find(message.as_bytes(), part).is_some();
        let names_url = || says(b"://") || says(failure::POOL.as_bytes());
        // The last line of a traceback is about whatever the program did there.
        let told_error = error.error_message.as_deref();
        let told_error = told_error.filter(|_| error.traceback.is_none());
        if is_quiet {
            // Most messages tell nothing: only retries, records with an error beside their URL, those that say that
            // something failed, and those of programs that write no levels, do.
            let is_error = told_error.is_some_and(|text| !text.is_empty()) && url.is_some();
            let may_tell = || record.level.is_none() || says(b"etry") || says(b"ailed");
            if !is_error && !((url.is_some() || names_url()) && may_tell()) {
                return None;
            }
            let told = failure::told(message, url.is_some()).map(|told| told.failure);
            return told.or(is_error.then_some(Failure::default()));
        }
        // An exception is of a request by its type, whatever the program was doing.
        let raised = || {
            let failure = failure::of_exception(error.traceback.as_deref()?)?;
            Some(Failure {
                is_retried: wording::is_again(message),
                ..failure
            })
        };
        if url.is_none() && !names_url() && told_error.is_none() {
            return raised();
        }
        let texts = [Some(message), told_error].into_iter().flatten();
        let mut told = texts.filter_map(|text| {
            let failure = failure::told(text, url.is_some())?.failure;
            Some(Failure {
                is_retried: failure.is_retried || wording::is_again(message),
                ..failure
            })
        });
        let by_page = || {
            failure::refuses(message).then_some(Failure {
                is_refusal: true,
                ..Failure::default()
            })
        };
        let by_type = || {
            let error_type = error.error_type.as_deref();
            let is_of_request = error_type.is_some_and(failure::is_of_request);
            (is_of_request && url.is_some()).then_some(Failure::default())
        };
        told.next()
            .or_else(by_type)
            .or_else(raised)
            .or_else(by_page)
    }

    /// Takes a request of which a quiet record says that it failed. Announcements of retries are no requests, and words
    /// at a level may be beside the request's own line.
    fn fail(
        &mut self,
        record: &mut Record<'a>,
        error: &ScraperError<'a>,
        url: Option<&Cow<'a, str>>,
    ) -> bool {
        let (
            Some(url),
            Some(Failure {
                status,
                is_retried: false,
                ..
            }),
        ) = (url, record.failure)
        else {
            return false;
        };
        if record.level.is_some() && error.error_message.is_none() {
            return false;
        }
        record.failure = None;
        let error_type = error.error_type.clone().unwrap_or("Error".into());
        record.event = self.request(Some(url.clone()), status, Some(error_type));
        true
    }

    /// Takes a duplicate, or the length of the queue.
    fn say_besides(
        &mut self,
        record: &mut Record<'a>,
        is_quiet: bool,
        url: Option<&Cow<'a, str>>,
    ) -> bool {
        let message = record.message.as_deref().unwrap_or_default();
        if besides::is_duplicate(message, self.has_identity || url.is_some()) {
            let url = url.cloned();
            let url = url.or_else(|| url_in(message).map(|url| url.to_owned().into()));
            record.event = Event::DuplicateDetected(DuplicateDetected {
                url,
                ..DuplicateDetected::default()
            });
            return true;
        }
        if !is_quiet || url.is_some() {
            return false;
        }
        let size = self.take(Slot::Queue).and_then(|value| value.as_u64());
        let Some(size) = size.or_else(|| besides::queue_size(message)) else {
            return false;
        };
        record.event = Event::QueueSize(QueueSize {
            queue_size: Some(size),
            ..QueueSize::default()
        });
        true
    }

    /// Takes what the message says in other words of the trade.
    fn say(
        &self,
        record: &mut Record<'a>,
        is_quiet: bool,
        error: &ScraperError<'_>,
        url: Option<&str>,
    ) -> bool {
        if self.has_item || error.traceback.is_some() {
            return false;
        }
        let message = record.message.as_deref().unwrap_or_default();
        let (bare, attempt) = besides::split_attempt(message);
        let said = match record.level {
            _ if is_quiet => wording::quiet(bare, self.has_identity || url.is_some()),
            Some(Level::Warn) => warned(bare),
            _ => None,
        };
        let is_other = |said: &str| url.is_some_and(|url| url != said);
        match said {
            Some(Said::Page {
                url,
                status,
                milliseconds,
            }) if !is_other(url) => {
                let url = url.to_owned();
                record.is_unjudged = status.is_none() && is_quiet;
                record.failure = (!is_quiet).then_some(Failure {
                    status,
                    ..Failure::default()
                });
                record.event = Event::Request(Request {
                    url: Some(url.into()),
                    status_code: status,
                    response_time_ms: milliseconds,
                    attempt,
                    ..Request::default()
                });
                true
            }
            Some(Said::Items { count, url }) => {
                let url = url.map(|url| url.to_owned().into());
                record.items = count;
                record.event = Event::ProductProcessed(ProductProcessed {
                    action: Some(ProductAction::Saved.as_str().into()),
                    url,
                    ..ProductProcessed::default()
                });
                true
            }
            _ => false,
        }
    }

    /// Takes what the message says if its form was learned from the log.
    fn say_as_learned(
        &self,
        record: &mut Record<'a>,
        is_quiet: bool,
        url: Option<&str>,
        map: &Map,
    ) -> bool {
        if map.learned.is_empty() {
            return false;
        }
        let Some(message) = record.message.as_deref() else {
            return false;
        };
        let Some((form, reported)) = map.learned.read(message) else {
            return false;
        };
        let url = url.or(form.first).map(|url| Cow::Owned(url.to_owned()));
        match reported {
            Reported::Request {
                status,
                duration,
                bytes,
            } => {
                let part = |index: Option<u8>| form.part(usize::from(index?));
                let status = part(status).and_then(|part| part.status());
                if !is_quiet && status.is_none() {
                    return false;
                }
                let request = Request {
                    url,
                    status_code: status,
                    response_time_ms: part(duration).and_then(|part| part.milliseconds()),
                    bytes: part(bytes)
                        .and_then(|part| part.bytes())
                        .or_else(|| self.bytes()),
                    attempt: besides::split_attempt(message).1,
                    ..Request::default()
                };
                record.is_unjudged = status.is_none();
                record.event = Event::Request(request);
                true
            }
            Reported::Item if is_quiet => {
                record.event = Event::ProductProcessed(ProductProcessed {
                    action: Some(ProductAction::Saved.as_str().into()),
                    url,
                    ..ProductProcessed::default()
                });
                true
            }
            Reported::Item => false,
        }
    }

    fn bytes(&self) -> Option<u64> {
        let (_, bytes) = self.values[Slot::Bytes as usize].as_ref()?;
        bytes.as_u64()
    }

    /// What is known of a message that told nothing. Of the messages without a URL only some are examined, unless they
    /// are short and belong to a run without a name: any of them may be its last one.
    fn unread(&self, record: &Record<'a>, url: Option<&str>) -> Option<Unread> {
        const EXAMINED: u64 = 8;
        const SHORT: usize = 160;
        let message = record.message.as_deref()?;
        let has_url = url.is_some() || memchr::memmem::find(message.as_bytes(), b"://").is_some();
        let is_chosen = || {
            let time = record.timestamp.map_or(0, Timestamp::as_micros);
            xxh3_64(&time.to_le_bytes()).is_multiple_of(EXAMINED)
        };
        let may_end_run = record.run_id.is_none() && message.len() <= SHORT;
        let is_examined = has_url || self.has_identity || may_end_run;
        if !is_examined && !is_chosen() {
            return None;
        }
        let form = Form::of(besides::split_attempt(message).0)?;
        let url = url.or(form.url);
        Some(Unread {
            form: form.id,
            url: url.map(url_hash),
            bytes: self.bytes(),
            has_identity: self.has_identity,
            lines: if is_examined { 1 } else { EXAMINED as u32 },
        })
    }

    /// Type, message, causes and traceback of the error, from the fields or parsed from the traceback.
    pub(super) fn error(&mut self) -> ScraperError<'a> {
        let mut error = ScraperError {
            error_type: self.take_text(Slot::ErrorType),
            error_message: self.take_text(Slot::ErrorMessage),
            traceback: self.take_text(Slot::Traceback),
            ..ScraperError::default()
        };
        if let Some(list) = self.exceptions.take() {
            from_exception_list(&list, &mut error);
        }
        let parsed = error.traceback.as_deref().and_then(traceback::parse);
        if let Some(parsed) = parsed {
            let owned = |text: &str| (!text.is_empty()).then(|| Cow::Owned(text.to_owned()));
            let (error_type, message) = (owned(parsed.error_type), owned(parsed.message));
            let function = parsed.function.and_then(owned);
            let causes = (!parsed.causes.is_empty()).then(|| causes_json(&parsed.causes));
            // The writer's own fields take precedence: a bare `Error` or `DOMException` says less.
            error.error_type = error.error_type.or(error_type);
            error.error_message = error.error_message.or(message);
            error.function = error.function.or(function);
            error.causes = error.causes.or(causes);
        } else if error.error_type.is_none() {
            // Without frames: `System.IO.IOException: no space`.
            let told = error
                .traceback
                .as_deref()
                .or(error.error_message.as_deref());
            let told = told
                .and_then(|text| text.lines().next())
                .and_then(crash::error_line);
            if let Some((error_type, message)) = told {
                let message = message.split("    at ").next().unwrap_or_default().trim();
                let (error_type, message) = (error_type.to_owned(), message.to_owned());
                error.error_type = Some(error_type.into());
                error.error_message = Some(message.into());
            }
        }
        error
    }
}

/// Whether a text is an error of JavaScript's or Java's with its stack.
fn is_stack(text: &str) -> bool {
    text.contains("\n    at ") && text.lines().next().and_then(crash::error_line).is_some()
}

/// Reads the traceback or the stack in an error's message if no field describes the error.
pub(super) fn complete_from_message(record: &mut Record<'_>) {
    let Event::ScraperError(error) = &mut record.event else {
        return;
    };
    if error.error_type.is_some() || error.traceback.is_some() {
        return;
    }
    if let Some(message) = record.message.as_deref()
        && (message.contains("Traceback (most") || is_stack(message))
        && let Some(parsed) = traceback::parse(message)
    {
        error.error_type = Some(parsed.error_type.to_owned().into());
        error.error_message = Some(parsed.message.to_owned().into());
        error.function = parsed.function.map(|name| name.to_owned().into());
        error.causes = causes_of(&parsed.causes);
        error.traceback = Some(message.to_owned().into());
    }
}
