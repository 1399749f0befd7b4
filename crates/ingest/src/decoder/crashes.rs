//! Raw tracebacks as records.

use std::borrow::Cow;

use dragline_schema::{
    Dialect, Event, Level, ProblemKind, Record, ScraperError, Sink, Timestamp, clip,
};

use super::{Decoder, SHOWN};
use crate::framing::crash::Crash;
use crate::framing::report;
use crate::meaning::{causes_of, traceback};

/// A crashed program writes nothing within this time after its last lines, because its successor must start first.
/// In microseconds.
const SOON: i64 = 500_000;

/// The record before a crash, if it may log an exception without being an error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handled {
    pub(super) at: Option<Timestamp>,
    pub(super) level: Level,
}

/// The record after a crash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub(super) at: Option<Timestamp>,
    /// Whether it says that a program started.
    pub(super) is_start: bool,
    /// Whether it says that the program failed as a whole.
    pub(super) is_fatal: bool,
}

impl Handled {
    /// Whether the program continued after this record with an exception, which was then logged and handled: either
    /// immediately, or later, if the exception was caught on its way out of the program.
    fn goes_on(self, next: Option<Next>, crash: &Crash) -> bool {
        // Loggers write exceptions at these levels; at INFO, a program prints them by itself.
        let is_logged = matches!(self.level, Level::Warn | Level::Debug | Level::Trace);
        let is_caught = is_logged && !crash.is_from_outside();
        let Some(next) = next else { return is_caught };
        if next.is_fatal {
            return false;
        }
        let is_soon = self.at.zip(next.at).is_some_and(|(before, next)| {
            (0..=SOON).contains(&(next.as_micros() - before.as_micros()))
        });
        is_soon || (is_caught && !next.is_start)
    }
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
        let (handled, next) = (self.handled.take(), self.next.take());
        let is_handled = handled.is_some_and(|handled| handled.goes_on(next, &crash));
        if crash.may_be_handled() && is_handled {
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
                service: self.service.as_deref().map(Into::into),
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
        // An envelope that knows only the stream calls whatever is on standard error an error.
        let given = self.given_level.filter(|level| level.is_error());
        let is_fatal =
            crash.ends_program() || (given.is_some() && crash.level() == Level::Critical);
        let record = Record {
            timestamp: time,
            level: Some(given.unwrap_or(crash.level())),
            scraper_id: self.context.scraper_id.as_deref().map(Into::into),
            site: self.context.site.as_deref().map(Into::into),
            run_id: self.context.run_id.as_deref().map(Into::into),
            is_run_guessed: self.context.is_run_guessed,
            service: self.service.as_deref().map(Into::into),
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
            is_fatal: crash.is_from_outside() || is_fatal,
            ..Record::default()
        };
        sink.record(&record, crash.at);
    }
}
