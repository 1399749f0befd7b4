//! The context of the last lines.

use dragline_schema::{Position, Problem, Record, Sink, Timestamp};
use serde::{Deserialize, Serialize};

use super::runs::Runs;

/// Time, scraper, site and run of the last lines. A raw traceback belongs to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(super) timestamp: Option<Timestamp>,
    pub(super) scraper_id: Option<String>,
    pub(super) site: Option<String>,
    pub(super) run_id: Option<String>,
    /// Whether only a silence bounds that run.
    #[serde(default)]
    pub(super) is_run_guessed: bool,
}

impl Context {
    /// Updates the context with that of later lines.
    pub(crate) fn follow(&mut self, other: Self) {
        let Self {
            timestamp,
            scraper_id,
            site,
            run_id,
            is_run_guessed,
        } = std::mem::take(self);
        *self = Self {
            is_run_guessed: if other.run_id.is_some() {
                other.is_run_guessed
            } else {
                is_run_guessed
            },
            timestamp: other.timestamp.or(timestamp),
            scraper_id: other.scraper_id.or(scraper_id),
            site: other.site.or(site),
            run_id: other.run_id.or(run_id),
        };
    }

    pub(super) fn remember(&mut self, record: &Record<'_>) {
        self.timestamp = record.timestamp.or(self.timestamp);
        let keep = |held: &mut Option<String>, new: Option<&str>| {
            if new.is_some() && held.as_deref() != new {
                *held = new.map(str::to_owned);
            }
        };
        keep(&mut self.scraper_id, record.scraper_id.as_deref());
        keep(&mut self.site, record.site.as_deref());
        keep(&mut self.run_id, record.run_id.as_deref());
        if record.run_id.is_some() {
            self.is_run_guessed = record.is_run_guessed;
        }
    }
}

/// A sink that remembers the context of the records it passes on.
pub(super) struct Remembering<'r> {
    pub(super) context: &'r mut Context,
    pub(super) runs: (&'r mut Runs, u32),
    /// The program that the envelope around the lines names.
    pub(super) service: Option<&'r str>,
    pub(super) sink: &'r mut dyn Sink,
}

impl Sink for Remembering<'_> {
    fn file(&mut self, file: &dragline_schema::SourceFile) {
        self.sink.file(file);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        if let Some(service) = self.service
            && record.service.is_none()
        {
            let record = Record {
                service: Some(service.into()),
                ..record.clone()
            };
            return self.pass(&record, at);
        }
        self.pass(record, at);
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        self.sink.problem(problem);
    }
}

impl Remembering<'_> {
    /// Passes on a record with the run that it belongs to.
    fn pass(&mut self, record: &Record<'_>, at: Position) {
        let (runs, family) = &mut self.runs;
        if let Some((run_id, is_run_guessed)) = runs.of(record, *family) {
            let record = Record {
                run_id: Some(run_id.into()),
                is_run_guessed,
                ..record.clone()
            };
            self.context.remember(&record);
            return self.sink.record(&record, at);
        }
        self.context.remember(record);
        self.sink.record(record, at);
    }
}
