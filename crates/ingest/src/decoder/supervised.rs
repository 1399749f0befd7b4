//! Assigns the lines of programs to the runs that their supervisor bounds.
//!
//! systemd, supervisord and platforms write when they started a program and how it ended, between the lines of the
//! program or in a stream of their own. The lines in between belong to one run, which is named after the program.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dragline_schema::{
    Dialect, Event, Position, Problem, Record, ScraperError, Sink, SourceFile, Timestamp,
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Maximum number of programs, and of runs of each that are kept: lines of several streams arrive a little out of order.
const MOST_PROGRAMS: usize = 256;
const MOST_RUNS: usize = 4;

/// A program that fails logs its error within this time before its end, in microseconds.
const SOON: i64 = 10_000_000;

/// A quarter of an hour, and the largest difference between two zones, in microseconds.
const QUARTER: i64 = 900_000_000;
const FURTHEST: i64 = 56 * QUARTER;

/// The runs of the programs that supervisors started, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Supervised {
    programs: BTreeMap<String, Vec<Run>>,
    /// The latest time of all records.
    seen: Option<Timestamp>,
    /// When a program logged its last error: its service, if known, and the time.
    last_error: Option<(Option<String>, Option<Timestamp>)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    id: String,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    is_over: bool,
}

impl Supervised {
    pub(super) fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.last_error.is_none()
    }

    /// Wraps a sink so that each record it passes on belongs to its program's run.
    pub(super) fn before<'s>(&'s mut self, family: u32, sink: &'s mut dyn Sink) -> Assigning<'s> {
        Assigning {
            programs: self,
            family,
            sink,
        }
    }

    fn start(&mut self, name: &str, at: Option<Timestamp>, family: u32) -> Option<String> {
        if self.programs.len() >= MOST_PROGRAMS && !self.programs.contains_key(name) {
            return None;
        }
        let runs = self.programs.entry(name.to_owned()).or_default();
        let hash = family ^ xxh3_64(name.as_bytes()) as u32;
        let start = at.map_or_else(
            || runs.len().to_string(),
            |at| at.to_civil().strftime("%Y%m%dT%H%M%S").to_string(),
        );
        let mut id = format!("{start}-{hash:08x}");
        if runs.iter().any(|run| run.id == id) {
            id = format!("{id}-{}", runs.len());
        }
        runs.push(Run {
            id: id.clone(),
            start: at,
            end: None,
            is_over: false,
        });
        if runs.len() > MOST_RUNS {
            runs.remove(0);
        }
        Some(id)
    }

    /// Whether a program logged an error directly before it ended: then its end is no further one.
    fn has_logged_error(&self, name: &str, at: Option<Timestamp>) -> bool {
        let Some((service, time)) = &self.last_error else {
            return false;
        };
        // The supervisor's clock may be in another zone than the program's.
        let is_soon = at.zip(*time).is_none_or(|(at, time)| {
            let after = at.since(time);
            after.abs() <= FURTHEST && after.rem_euclid(QUARTER) <= SOON
        });
        is_soon
            && service.as_deref().is_none_or(|service| {
                // Old versions of Compose put the name of the project before that of the service.
                let project = name.strip_suffix(service);
                project.is_some_and(|project| project.is_empty() || project.ends_with(['_', '-']))
            })
    }

    /// Remembers the last error of a program.
    fn remember(&mut self, record: &Record<'_>) {
        self.seen = self.seen.max(record.timestamp);
        if record.is_error() {
            let service = record.service.as_deref().map(str::to_owned);
            self.last_error = Some((service, record.timestamp.or(self.seen)));
        }
    }

    /// Ends the open run of a program and returns its id.
    fn end(&mut self, name: &str, at: Option<Timestamp>) -> Option<String> {
        let run = self
            .programs
            .get_mut(name)?
            .last_mut()
            .filter(|run| !run.is_over)?;
        (run.end, run.is_over) = (at, true);
        Some(run.id.clone())
    }

    /// The program and the run that a line of a service belongs to. Where only one program is supervised, lines of an
    /// unknown one are its lines.
    fn run_at(&self, service: Option<&str>, at: Option<Timestamp>) -> Option<(&str, &str)> {
        let (name, runs) = match service {
            Some(service) => self.programs.get_key_value(service)?,
            None if self.programs.len() == 1 => self.programs.first_key_value()?,
            None => return None,
        };
        let is_in = |run: &&Run| match at {
            Some(at) => {
                run.start.is_none_or(|start| start <= at)
                    && (!run.is_over || run.end.is_none_or(|end| at <= end))
            }
            None => !run.is_over,
        };
        let run = runs.iter().rev().find(is_in)?;
        Some((name, &run.id))
    }
}

/// A sink that assigns records to supervised runs.
pub(super) struct Assigning<'s> {
    programs: &'s mut Supervised,
    family: u32,
    sink: &'s mut dyn Sink,
}

impl Assigning<'_> {
    /// Passes on what a supervisor says.
    fn supervisors(&mut self, record: &Record<'_>, at: Position) {
        let name = record.service.as_deref().unwrap_or_default();
        let run_id = match &record.event {
            _ if name.is_empty() => None,
            Event::ScraperStart(_) => self.programs.start(name, record.timestamp, self.family),
            Event::ScraperEnd(_) => self.programs.end(name, record.timestamp),
            _ => {
                let run = self.programs.run_at(Some(name), record.timestamp);
                run.map(|(_, id)| id.to_owned())
            }
        };
        let is_named = run_id.is_some() || self.programs.programs.contains_key(name);
        // A run that the log names itself, as Crawlee's, ends with its process, too.
        let has_run = run_id.is_some() || (record.run_id.is_some() && !record.is_run_guessed);
        let event = match &record.event {
            Event::ScraperStart(_) | Event::ScraperEnd(_) if !has_run => unbounded(record),
            event => event.clone(),
        };
        let is_own = matches!(record.event, Event::ScraperEnd(_))
            && self.programs.has_logged_error(name, record.timestamp);
        let event = if is_own && !has_run {
            Event::Log
        } else {
            event
        };
        let named = Some(name).filter(|_| is_named).map(Cow::Borrowed);
        let named = record.scraper_id.clone().or(named);
        let record = Record {
            is_supervisors: !is_own,
            is_run_guessed: record.is_run_guessed && run_id.is_none(),
            run_id: run_id.map(Cow::Owned).or(record.run_id.clone()),
            scraper_id: named,
            event,
            ..record.clone()
        };
        self.sink.record(&record, at);
    }
}

/// What remains of a start or an end that bounds no known run: a failure is an error.
fn unbounded<'r>(record: &Record<'r>) -> Event<'r> {
    match &record.event {
        Event::ScraperEnd(end) if end.status.as_deref() == Some("failed") => {
            Event::ScraperError(ScraperError {
                error_message: end.finish_reason.clone(),
                ..ScraperError::default()
            })
        }
        _ => Event::Log,
    }
}

impl Sink for Assigning<'_> {
    fn file(&mut self, file: &SourceFile) {
        self.sink.file(file);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        if record.is_supervisors {
            return self.supervisors(record, at);
        }
        if record.dialect != Dialect::Dragline {
            self.programs.remember(record);
        }
        let is_named = record.run_id.is_some() && !record.is_run_guessed;
        if self.programs.programs.is_empty() || is_named || record.dialect == Dialect::Dragline {
            return self.sink.record(record, at);
        }
        let run = self
            .programs
            .run_at(record.service.as_deref(), record.timestamp);
        let Some((name, id)) = run else {
            return self.sink.record(record, at);
        };
        let record = Record {
            run_id: Some(Cow::Borrowed(id)),
            is_run_guessed: false,
            scraper_id: record.scraper_id.clone().or(Some(Cow::Borrowed(name))),
            ..record.clone()
        };
        self.sink.record(&record, at);
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        self.sink.problem(problem);
    }
}
