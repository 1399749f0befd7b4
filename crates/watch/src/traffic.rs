//! What scrapers asked of sites, and by which way: the ground of comparisons between them.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::time::Duration;

use dragline_alerting::notice::{Chart, Column, ControlVerdict, Peer, compare_with_peers};
use dragline_scan::Row;
use dragline_schema::{Event, Timestamp};
use rustc_hash::{FxBuildHasher, FxHashMap};

/// The width of the intervals, in microseconds: ten minutes.
const WIDTH: i64 = 600_000_000;

/// A minute, in microseconds, and how many an interval has.
const MINUTE: i64 = 60_000_000;
const MINUTES: usize = (WIDTH / MINUTE) as usize;

/// Maximum number of entries; the oldest go first.
const MAX_CELLS: usize = 200_000;

/// Maximum number of columns of a chart.
const COLUMNS: i64 = 36;

/// Maximum number of lines of trouble for one entry, of requests and of errors each.
const LINES: usize = 3;

/// Maximum length of a line, in characters.
const LINE_CHARACTERS: usize = 300;

/// One scraper on one site by one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    scraper: String,
    site: String,
    proxy: Option<String>,
}

impl Way {
    /// Whether it is a scraper's on a site. An empty name stands for all.
    fn is_of(&self, scraper: &str, site: &str) -> bool {
        (scraper.is_empty() || self.scraper == scraper) && (site.is_empty() || self.site == site)
    }
}

/// A line of trouble.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    at: Timestamp,
    is_request: bool,
    /// `FILE:LINE: TEXT`.
    text: String,
}

/// Which lines of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Failed requests, and errors.
    All,
    /// Failed requests.
    Requests,
    /// Other errors.
    Errors,
}

impl Lines {
    fn takes(self, line: &Line) -> bool {
        match self {
            Self::All => true,
            Self::Requests => line.is_request,
            Self::Errors => !line.is_request,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Cell {
    requests: u64,
    failed: u64,
    /// Requests and failed ones in each of its minutes.
    minutes: [(u16, u16); MINUTES],
    lines: Vec<Line>,
}

impl Cell {
    fn count(&mut self, minute: usize, is_failed: bool) {
        self.requests += 1;
        self.failed += u64::from(is_failed);
        let (requests, failed) = &mut self.minutes[minute];
        *requests = requests.saturating_add(1);
        *failed = failed.saturating_add(u16::from(is_failed));
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        for (own, other) in self.minutes.iter_mut().zip(other.minutes) {
            own.0 = own.0.saturating_add(other.0);
            own.1 = own.1.saturating_add(other.1);
        }
        self.lines.extend(other.lines);
        self.lines.sort();
        let mut kept = [0, 0];
        self.lines.retain(|line| {
            let kept = &mut kept[usize::from(line.is_request)];
            *kept += 1;
            *kept <= LINES
        });
    }
}

/// Requests and failed ones of a way by minute since 1970, in order, without minutes in which there were none.
type Course = Vec<(i64, u64, u64)>;

/// When the requests of a way began to fail that fail at the end: the first minute with mostly failed ones, after which
/// most failed altogether. `None` if most work.
fn failing_since(course: &Course) -> Option<i64> {
    let (mut requests, mut failed, mut since) = (0, 0, None);
    for (minute, asked, refused) in course.iter().rev() {
        requests += asked;
        failed += refused;
        if refused * 2 >= *asked && failed * 2 >= requests {
            since = Some(*minute);
        }
    }
    since
}

/// Requests and lines of trouble by scraper, site, proxy and ten minutes.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// By the start of the ten minutes, and by the hash of the way, so that a known way costs no allocation.
    slots: BTreeMap<i64, FxHashMap<u64, (Way, Cell)>>,
    /// Number of cells.
    len: usize,
}

impl Traffic {
    /// Takes a record.
    pub fn observe(&mut self, row: &Row<'_>) {
        let record = row.record;
        let (is_failed, proxy) = match &record.event {
            Event::Request(_) if record.is_unjudged => (None, None),
            Event::Request(request) => {
                let is_failed = request.status_code.is_none_or(|code| code >= 400);
                (Some(is_failed), request.proxy.as_deref())
            }
            _ => (None, None),
        };
        let is_trouble = is_failed == Some(true) || record.is_error();
        let (Some(at), true) = (record.timestamp, is_failed.is_some() || is_trouble) else {
            return;
        };
        let scraper = row.run.scraper_id.as_deref().unwrap_or_default();
        let site = row.run.site.as_deref().unwrap_or_default();
        let way = || Way {
            scraper: scraper.to_owned(),
            site: site.to_owned(),
            proxy: proxy.map(str::to_owned),
        };
        let slot = at.as_micros().div_euclid(WIDTH);
        let cell = self.cell(slot, hash_of(scraper, site, proxy), way);
        if let Some(is_failed) = is_failed {
            let minute = at.as_micros().rem_euclid(WIDTH) / MINUTE;
            cell.count(minute as usize, is_failed);
        }
        let is_request = is_failed.is_some();
        let alike = cell
            .lines
            .iter()
            .filter(|line| line.is_request == is_request);
        if is_trouble && alike.count() < LINES {
            cell.lines.push(Line {
                at,
                is_request: is_failed.is_some(),
                text: line_of(row),
            });
        }
        self.bound();
    }

    fn cell(&mut self, slot: i64, hash: u64, way: impl FnOnce() -> Way) -> &mut Cell {
        let ways = self.slots.entry(slot).or_default();
        let len = &mut self.len;
        let (_, cell) = ways.entry(hash).or_insert_with(|| {
            *len += 1;
            (way(), Cell::default())
        });
        cell
    }

    /// Drops the oldest while there are too many.
    fn bound(&mut self) {
        while self.len > MAX_CELLS {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.slots.pop_first();
        self.len -= oldest.map_or(0, |(_, ways)| ways.len());
    }

    /// Adds what another thread saw.
    pub fn merge(&mut self, other: Self) {
        for (slot, ways) in other.slots {
            for (hash, (way, cell)) in ways {
                let own = self.cell(slot, hash, || way);
                own.add(cell);
            }
        }
        self.bound();
    }

    /// Drops what happened before a time.
    pub fn forget(&mut self, before: Timestamp) {
        let slot = before.as_micros().div_euclid(WIDTH);
        while self
            .slots
            .first_key_value()
            .is_some_and(|(first, _)| *first < slot)
        {
            self.drop_oldest();
        }
    }

    /// The latest lines of trouble of a scraper from `since` to `until`, oldest first. An empty name stands for all.
    pub fn lines(
        &self,
        (scraper, site): (&str, &str),
        kind: Lines,
        (since, until): (Timestamp, Timestamp),
    ) -> Vec<&str> {
        let own = self
            .between(since, until)
            .filter(|(way, _)| way.is_of(scraper, site));
        let mut lines: Vec<&Line> = own
            .flat_map(|(_, cell)| &cell.lines)
            .filter(|line| line.at >= since && line.at <= until && kind.takes(line))
            .collect();
        lines.sort();
        let first = lines.len().saturating_sub(LINES);
        lines[first..]
            .iter()
            .map(|line| line.text.as_str())
            .collect()
    }

    /// The requests of a scraper from `since` to `until` in at most 36 columns of ten minutes or a multiple;
    /// `None` if there are none. An empty name stands for all.
    pub fn chart(
        &self,
        scraper: &str,
        site: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> Option<Chart> {
        let slot = |time: Timestamp| time.as_micros().div_euclid(WIDTH);
        // Of earlier times nothing is known.
        let (known, _) = self.slots.first_key_value()?;
        let first = slot(since).max(*known);
        let last = slot(until).max(first);
        // Rounded up.
        let each = (last - first) / COLUMNS + 1;
        let start = |column: i64| Timestamp::from_micros((first + column * each) * WIDTH);
        let empty = (0..=(last - first) / each).map(|column| Column {
            start: start(column),
            requests: 0,
            failed: 0,
        });
        let mut columns: Vec<Column> = empty.collect();
        for (slot, ways) in self.slots.range(first..=last) {
            let column = &mut columns[((slot - first) / each) as usize];
            let own = ways.values().filter(|(way, _)| way.is_of(scraper, site));
            for (_, cell) in own {
                column.requests += cell.requests;
                column.failed += cell.failed;
            }
        }
        let chart = Chart {
            width: Duration::from_micros((each * WIDTH).unsigned_abs()),
            columns,
        };
        (chart.highest() > 0).then_some(chart)
    }

    /// Compares a scraper whose requests fail with the others between `since` and `until`; `None` if most of its
    /// requests work, or if there are none. What the others asked before its requests began to fail tells nothing.
    ///
    /// If it uses several proxies, the one with the most failed requests is compared.
    pub fn compare(
        &self,
        scraper: &str,
        site: &str,
        since: Timestamp,
        until: Timestamp,
    ) -> Option<ControlVerdict> {
        let courses = self.courses(since, until);
        let sum = |course: &Course, since: i64| {
            let own = course.iter().filter(|(minute, ..)| *minute >= since);
            own.fold((0, 0), |sum, (_, requests, failed)| {
                (sum.0 + requests, sum.1 + failed)
            })
        };
        let own = courses
            .iter()
            .filter(|(way, _)| way.scraper == scraper && way.site == site);
        let own = own.filter_map(|(way, course)| {
            let since = failing_since(course)?;
            Some((*way, since, sum(course, since).1))
        });
        let (way, since, _) = own.max_by_key(|(_, _, failed)| *failed)?;
        // Another way of the scraper itself tells something only if it works: its own fault fails by every way.
        let peers: Vec<Peer> = courses
            .iter()
            .map(|(other, course)| (*other, sum(course, since)))
            .filter(|(other, (requests, failed))| {
                let is_own = other.scraper == scraper && other.site == site;
                *other != way && *requests > 0 && !(is_own && failed * 2 >= *requests)
            })
            .map(|(other, (requests, failed))| Peer {
                scraper: format!(
                    "{} by {}",
                    other.scraper,
                    other.proxy.as_deref().unwrap_or("no proxy")
                ),
                site: other.site.clone(),
                proxy: other.proxy.clone(),
                requests,
                failed,
            })
            .collect();
        Some(compare_with_peers(
            scraper,
            site,
            way.proxy.as_deref(),
            &peers,
        ))
    }

    /// What was asked by each way from `since` to `until`.
    fn courses(&self, since: Timestamp, until: Timestamp) -> BTreeMap<&Way, Course> {
        let minute = |time: Timestamp| time.as_micros().div_euclid(MINUTE);
        let first = since.as_micros().div_euclid(WIDTH);
        let last = until.as_micros().div_euclid(WIDTH).max(first);
        let mut courses: BTreeMap<&Way, Course> = BTreeMap::new();
        for (slot, ways) in self.slots.range(first..=last) {
            for (way, cell) in ways.values() {
                let each = (slot * MINUTES as i64..).zip(cell.minutes);
                let asked = each.filter(|(at, (requests, _))| {
                    *requests > 0 && (minute(since)..=minute(until)).contains(at)
                });
                let asked =
                    asked.map(|(at, (requests, failed))| (at, requests.into(), failed.into()));
                courses.entry(way).or_default().extend(asked);
            }
        }
        courses
    }

    fn between(&self, since: Timestamp, until: Timestamp) -> impl Iterator<Item = (&Way, &Cell)> {
        let first = since.as_micros().div_euclid(WIDTH);
        let last = until.as_micros().div_euclid(WIDTH).max(first);
        let slots = self.slots.range(first..=last);
        slots.flat_map(|(_, ways)| ways.values().map(|(way, cell)| (way, cell)))
    }
}

fn hash_of(scraper: &str, site: &str, proxy: Option<&str>) -> u64 {
    FxBuildHasher.hash_one((scraper, site, proxy))
}

fn line_of(row: &Row<'_>) -> String {
    let record = row.record;
    let message = record.message.as_deref().unwrap_or_default();
    let what = match (&record.event, row.label) {
        (Event::Request(request), _) => {
            let status = request.status_code.map_or_else(
                || {
                    request
                        .error_type
                        .as_deref()
                        .unwrap_or("no response")
                        .to_owned()
                },
                |code| code.to_string(),
            );
            format!("{status} {}", request.url.as_deref().unwrap_or(message))
        }
        (_, Some(label)) if !label.error_type.is_empty() => {
            format!("{}: {}", label.error_type, label.message)
        }
        (_, Some(label)) => label.message.to_owned(),
        _ => message.to_owned(),
    };
    let what: String = what.chars().take(LINE_CHARACTERS).collect();
    format!("{}:{}: {what}", row.file, row.at.line)
}
