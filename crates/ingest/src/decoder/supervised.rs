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

/// Maximum number of programs, and of runs of each that are kept: the last record of a process, a table, is complete only
/// when another line of its stream comes, or the end of the log.
const MOST_PROGRAMS: usize = 256;
const MOST_RUNS: usize = 512;

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
    /// The id of the run that the program bounds itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    own: Option<String>,
}

impl Run {
    /// Whether a record of the program belongs to this run. Crawlee numbers its runs: the first one in a process is
    /// that of the process, further ones are runs of their own.
    fn takes(&mut self, record: &Record<'_>) -> bool {
        let Some(run_id) = record.run_id.as_deref().filter(|_| !record.is_run_guessed) else {
            return true;
        };
        let is_crawlees = matches!(record.dialect, Dialect::Crawlee | Dialect::CrawleePython);
        if self.own.is_none() && is_crawlees && record.scraper_id.is_none() {
            self.own = Some(run_id.to_owned());
        }
        self.own.as_deref() == Some(run_id)
    }
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
            own: None,
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
    fn run_at<'r>(
        &'r mut self,
        service: Option<&'r str>,
        at: Option<Timestamp>,
    ) -> Option<(&'r str, &'r mut Run)> {
        let is_only = self.programs.len() == 1;
        let (name, runs) = match service {
            Some(service) => (service, self.programs.get_mut(service)?),
            None if is_only => {
                let (name, runs) = self.programs.iter_mut().next()?;
                (&**name, runs)
            }
            None => return None,
        };
        let is_in = |run: &&mut Run| match at {
            Some(at) => {
                run.start.is_none_or(|start| is_not_before(at, start))
                    && (!run.is_over || run.end.is_none_or(|end| at <= end))
            }
            None => !run.is_over,
        };
        let run = runs.iter_mut().rev().find(is_in)?;
        Some((name, run))
    }
}

/// Whether a time is not before the start of a run. Many programs write whole seconds, or milliseconds, while their
/// supervisor writes more digits: then the second of the start counts.
fn is_not_before(at: Timestamp, start: Timestamp) -> bool {
    let unit = [1_000_000, 1000, 1]
        .into_iter()
        .find(|unit| at.as_micros() % unit == 0);
    let start = start.as_micros();
    start - start.rem_euclid(unit.unwrap_or(1)) <= at.as_micros()
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
                run.map(|(_, run)| run.id.clone())
            }
        };
        let is_named = run_id.is_some() || self.programs.programs.contains_key(name);
        // A run that the log names itself, as Crawlee's, ends with its process, too.
        let has_run = run_id.is_some() || (record.run_id.is_some() && !record.is_run_guessed);
        let event = match &record.event {
            Event::ScraperStart(_) | Event::ScraperEnd(_) if !has_run => unbounded(record),
            event => event.clone(),
        };
        let may_be_own = match record.event {
            Event::ScraperEnd(_) => true,
            // A task that failed.
            Event::ScraperError(_) => !record.is_fatal,
            _ => false,
        };
        let is_own = may_be_own && self.programs.has_logged_error(name, record.timestamp);
        let event = if is_own && !has_run {
            Event::Log
        } else {
            event
        };
        let named = Some(name).filter(|_| is_named).map(Cow::Borrowed);
        let named = record.scraper_id.clone().or(named);
        let record = Record {
            is_supervisors: !is_own,
            // A program that ended so has failed, whatever it logged before.
            is_fatal: record.is_fatal
                || matches!(
                    (&record.event, &event),
                    (Event::ScraperEnd(_), Event::ScraperError(_))
                ),
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
        if self.programs.programs.is_empty() || record.dialect == Dialect::Dragline {
            return self.sink.record(record, at);
        }
        let run = self
            .programs
            .run_at(record.service.as_deref(), record.timestamp);
        let run = run.and_then(|(name, run)| run.takes(record).then_some((name, run)));
        let Some((name, run)) = run else {
            return self.sink.record(record, at);
        };
        let record = Record {
            run_id: Some(Cow::Borrowed(&run.id)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_of_a_process_is_that_of_its_supervisor() {
        let mut programs = Supervised::default();
        let at = Timestamp::parse("2026-03-04T10:00:00Z").ok();
        programs.start("crawl", at, 7);
        let record = |run_id: &'static str, dialect| Record {
            timestamp: at,
            run_id: Some(run_id.into()),
            dialect,
            ..Record::default()
        };
        let mut takes = |record: &Record<'_>| {
            let (_, run) = programs.run_at(None, at).unwrap();
            run.takes(record)
        };
        assert!(!takes(&record("r9", Dialect::Json)));
        assert!(takes(&record("1-0a", Dialect::Crawlee)));
        assert!(takes(&record("1-0a", Dialect::Text)));
        assert!(!takes(&record("2-0a", Dialect::Crawlee)));
        assert!(takes(&Record::default()));
    }

    #[test]
    fn a_time_with_fewer_digits_is_not_before_the_start_of_its_second() {
        let time = |text: &str| Timestamp::parse(text).unwrap();
        let start = time("2026-03-04T10:00:00.4007Z");
        for (at, expected) in [
            ("2026-03-04T10:00:00Z", true),
            ("2026-03-04T10:00:00.400Z", true),
            ("2026-03-04T10:00:00.399Z", false),
            ("2026-03-04T10:00:00.400699Z", false),
            ("2026-03-04T09:59:59Z", false),
            ("2026-03-04T10:00:01Z", true),
        ] {
            assert_eq!(is_not_before(time(at), start), expected, "{at}");
        }
    }
}
