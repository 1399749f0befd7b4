//! The live view: which runs are active, and when each scraper was last heard of.

use std::collections::{BTreeMap, VecDeque};

use dragline_schema::{Event, Problem, ProblemKind, Record, RunStatus, Timestamp, host_of};
use serde::{Deserialize, Serialize};

/// Maximum number of active runs of one scraper that are followed.
const MAX_RUNS: usize = 200;
/// Maximum number of scrapers that are followed.
const MAX_SCRAPERS: usize = 20_000;
/// Maximum number of problems that are remembered.
const MAX_PROBLEMS: usize = 50;

/// A scraper on a site, as lines name them. A site that no line names is the host of its URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ScraperKey {
    /// The scraper; empty if no line names it.
    pub scraper_id: String,
    /// The site; empty if it is unknown.
    pub site: String,
}

/// What is going on right now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Live {
    /// Scrapers by name.
    #[serde(with = "dragline_alerting::alert::pairs")]
    pub scrapers: BTreeMap<ScraperKey, LiveScraper>,
    /// Number of records read since the database was created.
    pub events: u64,
    /// Number of lines read since then.
    pub lines: u64,
    /// Number of files that are followed.
    pub files: u64,
    /// The latest time of a record that is not in the future.
    pub latest: Option<Timestamp>,
    /// When the logs were last looked at.
    pub looked_at: Option<Timestamp>,
    /// Whether all that was there was read.
    pub is_caught_up: bool,
    /// The last problems with files and lines, the latest last.
    pub problems: VecDeque<LiveProblem>,
}

/// A problem with a file or a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveProblem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: Option<u64>,
    /// What is wrong.
    pub detail: String,
    /// How often it occurred in a row.
    pub count: u64,
}

/// A scraper on a site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveScraper {
    /// The time of its last record.
    pub last_event: Option<Timestamp>,
    /// When a run last ended successfully.
    pub last_success: Option<Timestamp>,
    /// When a run last started.
    pub last_start: Option<Timestamp>,
    /// Its active runs by id.
    pub runs: BTreeMap<String, LiveRun>,
}

/// An active run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveRun {
    /// The time of its first record.
    pub started: Option<Timestamp>,
    /// The time of its last record.
    pub last_event: Option<Timestamp>,
    /// The time of its last request or item.
    pub last_active: Option<Timestamp>,
    /// Its HTTP attempts so far.
    pub requests: u64,
    /// Those that failed.
    pub requests_failed: u64,
    /// Its items so far.
    pub items: u64,
    /// Its errors so far.
    pub errors: u64,
    /// The last logged length of its queue.
    pub queue: Option<u64>,
    /// The machine that it runs on.
    pub host: Option<String>,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRun {
    /// The scraper and site.
    pub key: ScraperKey,
    /// The run.
    pub run_id: String,
}

impl Live {
    /// The number of active runs.
    pub fn active_runs(&self) -> usize {
        self.scrapers
            .values()
            .map(|scraper| scraper.runs.len())
            .sum()
    }

    /// Counts a record. Returns the run that it ends.
    pub(super) fn observe(&mut self, record: &Record<'_>, now: Timestamp) -> Option<EndedRun> {
        self.events += 1;
        // A wrong clock must not make everything else look old.
        let time = record.timestamp.map(|time| time.min(now));
        self.latest = self.latest.max(time);
        let scraper_id = record.scraper_id.as_deref()?;
        let site = record
            .site
            .as_deref()
            .or_else(|| host_of(record.event.page_url()?))
            .unwrap_or_default();
        let key = ScraperKey {
            scraper_id: scraper_id.to_owned(),
            site: site.to_owned(),
        };
        if self.scrapers.len() >= MAX_SCRAPERS && !self.scrapers.contains_key(&key) {
            return None;
        }
        let scraper = self.scrapers.entry(key.clone()).or_default();
        scraper.last_event = scraper.last_event.max(time);
        let run_id = record.run_id.as_deref()?;
        match &record.event {
            Event::ScraperStart(_) => scraper.last_start = scraper.last_start.max(time),
            Event::ScraperEnd(end) => {
                let status = end.status.as_deref().and_then(RunStatus::from_name);
                if status.is_none_or(|status| status == RunStatus::Success) {
                    scraper.last_success = scraper.last_success.max(time);
                }
                scraper.runs.remove(run_id);
                let run_id = run_id.to_owned();
                return Some(EndedRun { key, run_id });
            }
            _ => {}
        }
        if scraper.runs.len() >= MAX_RUNS && !scraper.runs.contains_key(run_id) {
            return None;
        }
        if !scraper.runs.contains_key(run_id) {
            scraper.runs.insert(run_id.to_owned(), LiveRun::default());
        }
        if let Some(run) = scraper.runs.get_mut(run_id) {
            run.observe(record, time);
        }
        None
    }

    /// Forgets runs that were last seen before a time: they were killed, or their end was lost.
    pub(super) fn expire(&mut self, before: Timestamp) {
        for scraper in self.scrapers.values_mut() {
            scraper
                .runs
                .retain(|_, run| run.last_event.is_none_or(|seen| seen >= before));
        }
    }

    /// Writes down that the logs were looked at.
    pub(super) fn note_step(&mut self, now: Timestamp, lines: u64, files: u64, is_caught_up: bool) {
        self.lines += lines;
        self.files = files;
        self.looked_at = Some(now);
        self.is_caught_up = is_caught_up;
    }

    /// Remembers a problem.
    pub(super) fn note_problem(&mut self, file: &str, problem: &Problem<'_>) {
        let is_harmless = matches!(
            problem.kind,
            ProblemKind::NoTimestamp | ProblemKind::AmbiguousDate | ProblemKind::EmptyFile
        );
        if is_harmless {
            return;
        }
        if let Some(last) = self.problems.back_mut()
            && last.file == file
            && last.detail == problem.detail
        {
            last.count += 1;
            return;
        }
        self.problems.push_back(LiveProblem {
            file: file.to_owned(),
            line: problem.at.map(|at| at.line),
            detail: dragline_schema::clip(problem.detail, 300).to_owned(),
            count: 1,
        });
        if self.problems.len() > MAX_PROBLEMS {
            self.problems.pop_front();
        }
    }

    /// The time up to which everything is known that was written: that of the last look if all was read, else the
    /// time of the latest record.
    pub fn watermark(&self) -> Option<Timestamp> {
        if self.is_caught_up {
            self.looked_at
        } else {
            self.latest
        }
    }
}

impl LiveRun {
    fn observe(&mut self, record: &Record<'_>, time: Option<Timestamp>) {
        self.started = match (self.started, time) {
            (Some(started), Some(time)) => Some(started.min(time)),
            (started, time) => started.or(time),
        };
        self.last_event = self.last_event.max(time);
        self.errors += u64::from(record.is_error());
        match &record.event {
            Event::Request(request) if !record.is_echo => {
                self.requests += 1;
                let is_failed = request.status_code.is_none_or(|status| status >= 400);
                self.requests_failed += u64::from(is_failed && !record.is_unjudged);
                self.last_active = self.last_active.max(time);
            }
            Event::ProductProcessed(product) => {
                let is_stored = matches!(
                    product.action.as_deref(),
                    Some("added" | "updated" | "saved")
                );
                self.items += u64::from(is_stored) * u64::from(record.items.unwrap_or(1));
                self.last_active = self.last_active.max(time);
            }
            Event::ArticleStored(_) => {
                self.items += 1;
                self.last_active = self.last_active.max(time);
            }
            Event::QueueSize(queue) => self.queue = queue.queue_size.or(self.queue),
            Event::ScraperStart(start) => {
                self.host = start
                    .host
                    .as_deref()
                    .map(|host| dragline_schema::clip(host, 255).to_owned());
            }
            _ => {}
        }
    }
}
