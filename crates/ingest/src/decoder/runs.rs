//! Names the runs of programs that log no run id but mark where a run starts or ends.
//!
//! Lines between `run started` and `run finished` belong to one run. Where only ends are marked, the next run begins
//! with the first line that comes a while after an end. Each scraper that is named in the lines has its own runs.

use std::collections::BTreeMap;

use dragline_schema::{Dialect, Event, Record, Timestamp};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Lines within this time of an end still belong to the run. In microseconds. If they are requests or items, the end
/// was that of a part.
const SOON: i64 = 60_000_000;
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
    /// Whether any start was logged, so that a run begins only with a start.
    has_starts: bool,
    /// The number of runs so far.
    count: u32,
}

impl Runs {
    /// Whether no run was ever bounded.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The id of the run that a record without one belongs to, if any. `family` makes the ids of two files' runs
    /// different.
    pub(super) fn of(&mut self, record: &Record<'_>, family: u32) -> Option<&str> {
        if record.run_id.is_some() || record.dialect == Dialect::Dragline {
            return None;
        }
        let is_bound = matches!(record.event, Event::ScraperStart(_) | Event::ScraperEnd(_));
        if !is_bound && self.is_empty() {
            return None;
        }
        let scraper = record.scraper_id.as_deref().unwrap_or_default();
        if is_bound && self.0.len() < MOST && !self.0.contains_key(scraper) {
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
}

impl Run {
    fn take(&mut self, record: &Record<'_>, family: u32) -> Option<&str> {
        let is_over = self.ended.is_some_and(|end| {
            let after = record.timestamp.map(|time| time.since(end));
            // Concurrent tasks log lines a little out of order.
            after.is_some_and(|after| !(-SOON..=SOON).contains(&after))
        });
        match &record.event {
            Event::ScraperStart(_) => {
                self.has_starts = true;
                self.open(record.timestamp, family);
            }
            _ if is_over && self.has_starts => self.id = None,
            _ if is_over => self.open(record.timestamp, family),
            Event::Request(_) | Event::ProductProcessed(_) => self.ended = None,
            _ => {}
        }
        if matches!(record.event, Event::ScraperEnd(_)) {
            self.ended = record.timestamp.or(self.ended);
        }
        self.id.as_deref()
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
        self.ended = None;
    }
}

#[cfg(test)]
mod tests {
    use dragline_schema::{Request, ScraperEnd, ScraperStart};

    use super::*;

    /// The runs of lines at these seconds: `s` starts a run, `e` ends it, `w` is work, `l` anything else.
    fn runs(lines: &[(i64, char)]) -> Vec<Option<String>> {
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
            runs.of(&record, 7).map(str::to_owned)
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
