//! Raw tracebacks as records.

use std::borrow::Cow;

use dragline_schema::{Dialect, Event, ProblemKind, Record, ScraperError, Sink, Timestamp, clip};

use super::{Decoder, SHOWN};
use crate::framing::report;
use crate::meaning::{causes_of, traceback};

/// A crashed program writes nothing within this time after its last lines, because its successor must start first.
/// In microseconds.
const SOON: i64 = 500_000;

/// Whether a program continued immediately after a record with an exception. If so, the exception was logged and
/// handled.
fn goes_on(before: Option<Timestamp>, next: Option<Timestamp>) -> bool {
    let (Some(before), Some(next)) = (before, next) else {
        return false;
    };
    (0..=SOON).contains(&(next.as_micros() - before.as_micros()))
}

impl Decoder {
    /// Emits a raw traceback as one record.
    pub(super) fn flush_crash(&mut self, sink: &mut dyn Sink) {
        let Some(crash) = self.crash.take() else {
            return;
        };
        // The preceding record may already contain it.
        let before = self.before_crash.take();
        if before.is_some_and(|before| before.contains(crash.text.trim_end())) {
            self.ledger.repeated += 1;
            return;
        }
        let (handled_at, next_at) = (self.handled_at.take(), self.next_at.take());
        if crash.may_be_handled() && goes_on(handled_at, next_at) {
            self.ledger.repeated += 1;
            return;
        }
        let time = self.crash_at.take().or(self.context.timestamp);
        if time.is_none() {
            let detail = clip(&crash.text, SHOWN);
            report(sink, ProblemKind::NoTimestamp, Some(crash.at), detail);
        }
        if crash.is_prelude() {
            // The record that logs the crash repeats this text.
            let record = Record {
                timestamp: time,
                message: Some(crash.text.as_str().into()),
                run_id: self.context.run_id.as_deref().map(Into::into),
                is_run_guessed: self.context.is_run_guessed,
                dialect: Dialect::Text,
                ..Record::default()
            };
            return sink.record(&record, crash.at);
        }
        let parsed = traceback::parse(&crash.text).filter(|parsed| !parsed.error_type.is_empty());
        let (error_type, message) = match &parsed {
            Some(parsed) => (parsed.error_type, parsed.message),
            None => crash.told(),
        };
        let text = |text| Some(Cow::Borrowed(text)).filter(|text: &Cow<'_, str>| !text.is_empty());
        let causes = parsed.as_ref().and_then(|parsed| causes_of(&parsed.causes));
        let record = Record {
            timestamp: time,
            level: Some(
                self.given_level
                    .filter(|level| level.is_error())
                    .unwrap_or(crash.level()),
            ),
            scraper_id: self.context.scraper_id.as_deref().map(Into::into),
            site: self.context.site.as_deref().map(Into::into),
            run_id: self.context.run_id.as_deref().map(Into::into),
            is_run_guessed: self.context.is_run_guessed,
            message: Some("uncaught exception".into()),
            event: Event::ScraperError(ScraperError {
                error_type: text(error_type),
                error_message: text(message),
                traceback: Some(crash.text.as_str().into()),
                function: parsed.and_then(|parsed| parsed.function).map(Into::into),
                causes,
                ..ScraperError::default()
            }),
            dialect: Dialect::Json,
            ..Record::default()
        };
        sink.record(&record, crash.at);
    }
}
