//! Names the runs of programs that log no run id but mark where a run starts or ends.
//!
//! Lines between `run started` and `run finished` belong to one run. Where only ends are marked, the next run begins
//! with the first line that comes a while after an end. Where nothing is marked, a silence separates two runs; these
//! runs are guesses, which only all lines of a scraper can confirm. Each scraper that is named in the lines has its own
//! runs.
//!
//! Where only a run's first or last lines name it, those in between belong to it, too, unless two runs overlap.

use std::collections::BTreeMap;

use dragline_schema::{Dialect, Event, Record, Timestamp};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Lines within this time of an end still belong to the run. In microseconds. If they are requests or items, the end
/// was that of a part.
const SOON: i64 = 60_000_000;
/// Where no start is marked, a silence of more than this ends a run. In microseconds.
const SILENCE: i64 = 10 * SOON;
/// A time that is more than this before the last one is from another clock. In microseconds.
const BEFORE: i64 = 1440 * SOON;
/// Maximum number of scrapers of one family whose runs are told apart.
const MOST: usize = 256;

/// The runs of one family of files, by the scraper that the lines name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Runs(BTreeMap<String, Run>);

/// The current run of a scraper.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Run {
    /// Its id; `None` outside of runs.
    id: Option<String>,
    /// When its end was logged.
    ended: Option<Timestamp>,
    /// The time of the last line.
    last: Option<Timestamp>,
    /// Whether any start, and any end, was logged. After a start, a run that begins without one is guessed.
    has_starts: bool,
    has_ends: bool,
    /// Whether only a silence before its first line bounds it.
    is_guessed: bool,
    /// The id that the log gives the current run itself, and the one before it, which a start followed before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// Whether runs that the log names overlap, so that lines without a name may belong to any.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overlaps: bool,
    /// The number of runs so far.
    count: u32,
}

impl Runs {
    /// Whether no run was ever bounded.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The id of the run that a record without one belongs to, if any, and whether it is guessed. `family` makes the
    /// ids of two files' runs different.
    pub(super) fn of(&mut self, record: &Record<'_>, family: u32) -> Option<(&str, bool)> {
        // What a supervisor says bounds the run of the program that it names.
        if record.dialect == Dialect::Dragline || record.is_supervisors {
            return None;
        }
        if let Some(id) = record.run_id.as_deref() {
            self.observe_named(record, id);
            return None;
        }
        let is_bound = matches!(record.event, Event::ScraperStart(_) | Event::ScraperEnd(_));
        let begins = is_bound || record.timestamp.is_some();
        let scraper = record.scraper_id.as_deref().unwrap_or_default();
        if begins && self.0.len() < MOST && !self.0.contains_key(scraper) {
            self.0.insert(scraper.to_owned(), Run::default());
        }
        // Two scrapers may start in the same second.
        let number = if scraper.is_empty() {
            family
        } else {
            family ^ xxh3_64(scraper.as_bytes()) as u32
        };
        self.0.get_mut(scraper)?.take(record, number)
    }

    /// Notes a record that names its run. Scrapy's and Crawlee's runs are named by their readers, on every line.
    fn observe_named(&mut self, record: &Record<'_>, id: &str) {
        if matches!(
            record.dialect,
            Dialect::Scrapy | Dialect::Crawlee | Dialect::CrawleePython
        ) {
            return;
        }
        let is_start = matches!(record.event, Event::ScraperStart(_));
        let scraper = record.scraper_id.as_deref().unwrap_or_default();
        if is_start && self.0.len() < MOST && !self.0.contains_key(scraper) {
            self.0.insert(scraper.to_owned(), Run::default());
        }
        if let Some(run) = self.0.get_mut(scraper) {
            run.observe_named(record, id, is_start);
        }
    }
}

impl Run {
    fn take(&mut self, record: &Record<'_>, family: u32) -> Option<(&str, bool)> {
        let since = |earlier: Option<Timestamp>| Some(record.timestamp?.since(earlier?));
        // Concurrent tasks log lines a little out of order.
        let is_over = since(self.ended).is_some_and(|after| !(-SOON..=SOON).contains(&after));
        let is_silent = since(self.last).is_some_and(|after| after > SILENCE);
        let is_first = self.last.is_none() && record.timestamp.is_some();
        match &record.event {
            Event::ScraperStart(_) => {
                self.has_starts = true;
                self.open(record.timestamp, family);
            }
            // Behind the end of a run, only work shows that another one began without a start.
            _ if is_over && self.has_starts && !is_work(record) => {
                self.id = None;
                self.is_guessed = false;
            }
            _ if is_over || is_first || (is_silent && self.may_be_silent()) => {
                self.open(record.timestamp, family);
                self.is_guessed = !self.has_ends || self.has_starts;
            }
            _ => self.work(record),
        }
        if matches!(record.event, Event::ScraperEnd(_)) {
            self.has_ends = true;
            self.ended = record.timestamp.or(self.ended);
        }
        if since(self.last).is_none_or(|after| after > -BEFORE) {
            self.last = record.timestamp.or(self.last);
        }
        Some((self.id.as_deref()?, self.is_guessed))
    }

    fn observe_named(&mut self, record: &Record<'_>, id: &str, is_start: bool) {
        let is_current = self.named.as_deref() == Some(id);
        self.overlaps |= self.before.as_deref() == Some(id);
        if self.overlaps {
            if self.named.take().is_some() {
                self.id = None;
            }
        } else if is_start && !is_current {
            self.before = self.named.take().filter(|_| self.ended.is_none());
            self.named = Some(id.to_owned());
            self.id.clone_from(&self.named);
            self.has_starts = true;
            self.is_guessed = false;
            (self.ended, self.last) = (None, record.timestamp);
        } else if is_current && matches!(record.event, Event::ScraperEnd(_)) {
            self.has_ends = true;
            self.ended = record.timestamp.or(self.last);
        }
    }

    /// Whether a silence ends the run: it began with no start.
    fn may_be_silent(&self) -> bool {
        !self.has_starts || self.is_guessed
    }

    /// Work behind an end shows that this was the end of a part.
    fn work(&mut self, record: &Record<'_>) {
        if is_work(record) {
            self.ended = None;
        }
    }

    fn open(&mut self, time: Option<Timestamp>, family: u32) {
        self.count += 1;
        let start = time.map_or_else(
            || self.count.to_string(),
            |time| time.to_civil().strftime("%Y%m%dT%H%M%S").to_string(),
        );
        let mut id = format!("{start}-{family:08x}");
        if self.id.as_ref() == Some(&id) {
            id = format!("{start}-{}-{family:08x}", self.count);
        }
        self.id = Some(id);
        self.named = None;
        self.ended = None;
        self.is_guessed = false;
    }
}

fn is_work(record: &Record<'_>) -> bool {
    matches!(record.event, Event::Request(_) | Event::ProductProcessed(_))
}

#[cfg(test)]
mod tests {
    use dragline_schema::{Request, ScraperEnd, ScraperStart};

    use super::*;

    /// The runs of lines at these seconds: `s` starts a run, `e` ends it, `w` is work, `l` anything else.
    fn runs(lines: &[(i64, char)]) -> Vec<Option<String>> {
        let known = |(id, is_guessed)| if is_guessed { None } else { id };
        told(lines).into_iter().map(known).collect()
    }

    /// The same, each with whether it is guessed.
    fn told(lines: &[(i64, char)]) -> Vec<(Option<String>, bool)> {
        let mut runs = Runs::default();
        let mut of = |(second, what): &(i64, char)| {
            let event = match what {
                's' => Event::ScraperStart(ScraperStart::default()),
                'e' => Event::ScraperEnd(ScraperEnd::default()),
                'w' => Event::Request(Request::default()),
                _ => Event::Log,
            };
            let record = Record {
                timestamp: Some(Timestamp::from_seconds(*second)),
                dialect: Dialect::Text,
                event,
                ..Record::default()
            };
            let run = runs.of(&record, 7);
            (
                run.map(|(id, _)| id.to_owned()),
                run.is_some_and(|(_, is_guessed)| is_guessed),
            )
        };
        lines.iter().map(&mut of).collect()
    }

    fn id(second: i64) -> String {
        let time = Timestamp::from_seconds(second).to_civil();
        format!("{}-00000007", time.strftime("%Y%m%dT%H%M%S"))
    }

    #[test]
    fn lines_between_a_start_and_an_end_are_a_run() {
        let lines = [
            (0, 'w'),
            (10, 's'),
            (20, 'w'),
            (30, 'e'),
            (31, 'l'),
            (500, 'w'),
            (600, 's'),
        ];
        assert_eq!(
            runs(&lines),
            [
                None,
                Some(id(10)),
                Some(id(10)),
                Some(id(10)),
                Some(id(10)),
                None,
                Some(id(600))
            ]
        );
    }

    #[test]
    fn a_run_that_only_its_bounds_name_has_the_lines_in_between() {
        let mut runs = Runs::default();
        let mut of = |second: i64, what: char, id: Option<&'static str>| {
            let record = Record {
                timestamp: Some(Timestamp::from_seconds(second)),
                run_id: id.map(Into::into),
                dialect: Dialect::Json,
                event: match what {
                    's' => Event::ScraperStart(ScraperStart::default()),
                    'e' => Event::ScraperEnd(ScraperEnd::default()),
                    _ => Event::Request(Request::default()),
                },
                ..Record::default()
            };
            runs.of(&record, 7).map(|(id, _)| id.to_owned())
        };
        let named = |id: &str| Some(id.to_owned());
        of(0, 's', Some("1"));
        assert_eq!(of(900, 'w', None), named("1"));
        of(1800, 'e', Some("1"));
        assert_eq!(of(1801, 'w', None), named("1"));
        // One that never ends, and one that starts before another has ended.
        of(4000, 's', Some("2"));
        assert_eq!(of(4001, 'w', None), named("2"));
        of(8000, 's', Some("3"));
        assert_eq!(of(8001, 'w', None), named("3"));
        of(8002, 'w', Some("2"));
        assert_ne!(of(8003, 'w', None), named("3"));
    }

    #[test]
    fn work_behind_an_end_is_a_guessed_run() {
        let lines = [
            (10, 's'),
            (30, 'e'),
            (500, 'l'),
            (510, 'w'),
            (520, 'l'),
            (1900, 'w'),
        ];
        let guess = |second| (Some(id(second)), true);
        assert_eq!(
            told(&lines)[2..],
            [(None, false), guess(510), guess(510), guess(1900)]
        );
    }

    #[test]
    fn a_start_without_an_end_before_it_begins_another_run() {
        assert_eq!(
            runs(&[(10, 's'), (20, 's'), (30, 'w')]),
            [Some(id(10)), Some(id(20)), Some(id(20))]
        );
    }

    #[test]
    fn where_only_ends_are_marked_the_next_line_begins_a_run() {
        let lines = [
            (0, 'w'),
            (30, 'e'),
            (40, 'l'),
            (500, 'w'),
            (510, 'e'),
            (900, 'w'),
        ];
        assert_eq!(
            runs(&lines),
            [
                None,
                None,
                None,
                Some(id(500)),
                Some(id(500)),
                Some(id(900))
            ]
        );
    }

    #[test]
    fn where_nothing_is_marked_a_silence_separates_runs() {
        let lines = [(0, 'w'), (590, 'l'), (1200, 'w'), (1900, 'w'), (1900, 'l')];
        let guess = |second| (Some(id(second)), true);
        assert_eq!(
            told(&lines),
            [guess(0), guess(0), guess(1200), guess(1900), guess(1900)]
        );
        // Where only ends are marked, a run without one is over when another one begins.
        let lines = [(0, 'w'), (30, 'e'), (900, 'w'), (1600, 'w'), (1630, 'e')];
        assert_eq!(
            runs(&lines)[2..],
            [Some(id(900)), Some(id(1600)), Some(id(1600))]
        );
        // A start says more than a silence.
        let lines = [(0, 's'), (30, 'w'), (900, 'w'), (930, 'e'), (1600, 'w')];
        assert_eq!(runs(&lines)[2..], [Some(id(0)), Some(id(0)), None]);
    }

    #[test]
    fn a_line_that_is_a_little_late_begins_no_run() {
        let lines = [
            (0, 'w'),
            (30, 'e'),
            (500, 'w'),
            (510, 'e'),
            (509, 'l'),
            (511, 'l'),
        ];
        assert!(runs(&lines)[2..].iter().all(|run| *run == Some(id(500))));
    }

    #[test]
    fn the_end_of_a_part_ends_no_run() {
        let lines = [
            (0, 's'),
            (30, 'e'),
            (40, 'w'),
            (80, 'e'),
            (130, 'w'),
            (190, 'e'),
        ];
        assert!(runs(&lines).iter().all(|run| *run == Some(id(0))));
    }
}
