//! One run: how it begins, goes from page to page, and ends, if it does.

use fastrand::Rng;

use crate::dice::{Dice as _, seeded};
use crate::fleet::Scraper;
use crate::incident::{Kind, Planted, Trace};
use crate::words::{NOVEL, STRAY};
use crate::writer::{HOUR, Log, MINUTE, SECOND};

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It says so itself.
    Finished,
    /// It says nothing any more.
    Gone,
}

/// What a run counts of itself.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) found: u32,
    pub(crate) added: u32,
    pub(crate) updated: u32,
    pub(crate) failed: u32,
    pub(crate) articles: u32,
    pub(crate) pages: u32,
    pub(crate) requests: u32,
    pub(crate) errors: u32,
    pub(crate) waits: u32,
    pub(crate) bytes: u64,
}

/// A run at work.
pub(crate) struct Run<'a> {
    pub(crate) scraper: &'a Scraper,
    pub(crate) log: &'a mut Log,
    pub(crate) rng: Rng,
    pub(crate) tally: Tally,
    /// The time, in microseconds.
    pub(crate) now: i64,
    /// The page that is being read, counted from 0.
    pub(crate) page: usize,
    /// Its address.
    pub(crate) url: String,
    /// The median response time of this run.
    pub(crate) response_ms: f64,
    /// Items on a page of items, in this run.
    pub(crate) per_page: f64,
    /// Time spent waiting as servers asked.
    pub(crate) waited: i64,
    /// Errors in a row.
    pub(crate) failures: u32,
    /// Whether the last request failed.
    pub(crate) failing: bool,
    planted: Option<&'a Planted>,
    trace: &'a mut Trace,
    index: usize,
    id: String,
    start: i64,
    pages: usize,
    /// The time from one page to the next.
    gap: f64,
    /// The time that slow answers cost beyond it.
    delay: f64,
}

/// What a run is called that starts at this time.
pub(crate) fn run_id(scraper: &Scraper, start: i64) -> String {
    format!("{}-{}", scraper.id, start / SECOND)
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        scraper: &'a Scraper,
        planted: Option<&'a Planted>,
        log: &'a mut Log,
        trace: &'a mut Trace,
        index: usize,
        start: i64,
    ) -> Self {
        let mut rng = seeded(scraper.seed, index as u64);
        let (pages, gap) = scraper.schedule.measure(start, &mut rng);
        let noise = scraper.schedule.noise;
        Self {
            scraper,
            log,
            tally: Tally::default(),
            now: start,
            page: 0,
            url: String::new(),
            response_ms: scraper.traffic.response_ms * rng.noise(0.5 * noise),
            per_page: (scraper.harvest.per_page * rng.noise(0.2 * noise)).min(1.0),
            waited: 0,
            failures: 0,
            failing: false,
            planted,
            trace,
            index,
            id: run_id(scraper, start),
            start,
            pages: pages as usize,
            gap,
            delay: 0.0,
            rng,
        }
    }

    /// The strength of an incident of this kind, when it is on now.
    pub(crate) fn hit(&self, kind: Kind) -> Option<f64> {
        self.planted
            .filter(|planted| {
                planted.kind == kind
                    && (planted.first..=planted.last).contains(&self.index)
                    && (planted.from..planted.to).contains(&self.now)
            })
            .map(|planted| planted.strength)
    }

    /// The variety of the incident.
    pub(crate) fn variety(&self) -> u8 {
        self.planted.map_or(0, |planted| planted.variety)
    }

    /// The incident changed the event that happens now.
    pub(crate) fn touch(&mut self) {
        self.trace.touch(self.now, Some(&self.id));
    }

    /// Works through the pages; how and when it ended.
    pub(crate) fn work(mut self) -> (End, i64) {
        self.change_volume();
        self.begin();
        let point = self.planted.map_or(0.0, |planted| planted.point);
        let strikes = ((point * self.pages as f64) as usize).max(3);
        let killed = self.hit(Kind::RunKilled);
        let killed = killed.map(|missing| (((1.0 - missing) * self.pages as f64) as usize).max(2));
        while self.page < self.pages {
            if killed == Some(self.page) {
                let last = self.log.last();
                self.trace.touch(last, Some(&self.id));
                return (End::Gone, self.now);
            }
            if self.page == strikes {
                if let Some(hours) = self.hit(Kind::RunStalled) {
                    return self.stall(hours);
                }
                self.disturb_log();
            }
            self.find_lines_again();
            self.visit();
            self.besides();
            let pause = (self.gap * self.rng.between(0.5, 1.5) + self.delay) as i64;
            self.now += pause.max(1000);
            self.delay = 0.0;
            self.page += 1;
        }
        self.finish();
        (End::Finished, self.now)
    }

    /// More pages, or fewer; and never so many that the run takes as long as its interval.
    fn change_volume(&mut self) {
        let usual = self.pages as f64;
        let factor = match (self.hit(Kind::VolumeHigh), self.hit(Kind::VolumeLow)) {
            (Some(factor), _) => factor,
            (_, Some(part)) => 1.0 / part,
            _ => 1.0,
        };
        self.pages = ((usual * factor) as usize).max(3);
        self.gap = self
            .gap
            .min(self.scraper.schedule.longest() / self.pages as f64);
        if self.hits_volume() {
            // That there is more than usual, or no more, shows only now.
            let shows = self.now + (self.gap * usual.min(self.pages as f64)) as i64;
            self.trace.or_since(shows);
            self.touch();
        }
    }

    fn hits_volume(&self) -> bool {
        self.hit(Kind::VolumeHigh)
            .or(self.hit(Kind::VolumeLow))
            .is_some()
    }

    /// Lines that are lost, a clock that jumps.
    fn disturb_log(&mut self) {
        if self.hit(Kind::LogLoss).is_some() {
            self.touch();
            self.log.losing = true;
            self.log.lost = 0;
        }
        if let Some(minutes) = self.hit(Kind::ClockSkew) {
            let last = self.log.last();
            self.trace.touch(last, Some(&self.id));
            let jump = (minutes * MINUTE as f64) as i64;
            self.log.skew = if self.variety() == 0 { jump } else { -jump };
            self.trace.also.push(self.now + self.log.skew);
        }
    }

    /// Lines are lost no longer when enough are.
    fn find_lines_again(&mut self) {
        if self.log.losing {
            self.touch();
            let enough = self.hit(Kind::LogLoss).unwrap_or(0.0);
            self.log.losing = (self.log.lost as f64) < enough;
        }
    }

    fn begin(&mut self) {
        self.log
            .begin_run(self.scraper.id, self.scraper.site, &self.id);
        let shortened = self.scraper.schedule.shortened(self.start);
        let concurrency = (self.scraper.traffic.concurrency / shortened).round();
        self.log.event(
            self.now,
            "INFO",
            "scraper_start",
            format_args!(r#""message":"run started","config":{{"concurrency":{concurrency}}}"#),
        );
        self.now += 200_000;
    }

    fn finish(&mut self) {
        self.log.losing = false;
        if self.hits_volume() {
            self.trace.reach(self.now);
        }
        let articles = self.scraper.harvest.articles;
        let tally = &self.tally;
        let seconds = (self.now - self.start) as f64 / SECOND as f64;
        let found = if articles { 0 } else { tally.found };
        self.log.event(
            self.now,
            "INFO",
            "scraper_end",
            format_args!(
                r#""message":"run ended","status":"success","finish_reason":"all pages read","duration_seconds":{seconds:.6},"products_found":{found},"products_added":{},"products_updated":{},"products_saved":0,"products_failed":{},"articles_stored":{},"pages_scraped":{},"requests_made":{},"errors_count":{},"rate_limits_hit":{},"bytes_downloaded":{}"#,
                tally.added,
                tally.updated,
                tally.failed,
                tally.articles,
                tally.pages,
                tally.requests,
                tally.errors,
                tally.waits,
                tally.bytes,
            ),
        );
        if self.log.skew != 0 {
            self.trace.reach(self.log.last().max(self.now));
            self.log.skew = 0;
        }
    }

    /// Nothing is done any more, while the process may or may not give signs of life.
    fn stall(&mut self, hours: f64) -> (End, i64) {
        self.touch();
        let until = self.now + (hours * HOUR as f64) as i64;
        let stuck = self.pages - self.page;
        let variety = self.variety();
        while variety < 2 && self.now < until {
            self.now += self.rng.i64(50 * SECOND..70 * SECOND);
            if variety == 0 {
                let fields = format_args!(r#""queue_size":{stuck}"#);
                self.log.event(self.now, "INFO", "queue_size", fields);
            } else {
                let fields = format_args!(r#""message":"waiting for workers","pending":{stuck}"#);
                self.log.plain(self.now, fields);
            }
        }
        self.trace.reach(until);
        (End::Gone, until)
    }

    /// A request took this much longer than usual.
    pub(crate) fn held_up(&mut self, ms: f64) {
        self.delay += ms * 1000.0 / self.scraper.traffic.concurrency;
    }

    /// What is logged beside pages and items.
    fn besides(&mut self) {
        let habits = &self.scraper.habits;
        if habits.queue && self.page % 20 == 10 {
            self.queue();
        }
        if habits.system && self.page % 30 == 5 {
            let cpu = self.rng.between(15.0, 60.0);
            let memory = self.rng.between(38.0, 46.0);
            let used = (memory * 81_000_000.0) as u64;
            self.log.event(
                self.now,
                "INFO",
                "system_sample",
                format_args!(
                    r#""cpu_percent":{cpu:.1},"memory_percent":{memory:.1},"memory_used_bytes":{used},"disk_percent":61.0,"disk_free_bytes":180000000000"#
                ),
            );
        }
        if self.page % habits.plain_every == 1 {
            let left = self.pages - self.page;
            let fields = format_args!(r#""message":"pages to go","left":{left}"#);
            self.log.plain(self.now, fields);
        }
        if let Some((run, count)) = habits.stray
            && run == self.index
            && self.page % 17 == 4
            && self.page / 17 < count
        {
            self.error(STRAY[run % STRAY.len()], None);
        }
        self.recurring();
    }

    /// What waits: it is drained, unless the incident fills it up.
    fn queue(&mut self) {
        let (pages, done) = (self.pages as f64, self.page as f64 / self.pages as f64);
        let (usual, peak) = if self.scraper.habits.discovers {
            (
                pages * (4.0 / 3.0 * done).min(4.0 / 7.0 * (1.0 - done)),
                0.4 * pages,
            )
        } else {
            (pages * (1.0 - done), pages)
        };
        let grown = self.hit(Kind::QueueGrowth).map_or(0.0, |strength| {
            let before = match self.variety() {
                1 => 0,
                _ => self.index - self.planted.map_or(0, |planted| planted.first),
            };
            strength * peak * (before as f64 + done)
        });
        if grown > 0.0 {
            self.touch();
        }
        let size = (usual + grown) * self.rng.noise(0.03);
        self.log.event(
            self.now,
            "INFO",
            "queue_size",
            format_args!(r#""queue_size":{size:.0}"#),
        );
    }

    /// An error that came to stay, or that came back.
    fn recurring(&mut self) {
        let Some(planted) = self.planted else { return };
        let once = planted.kind == Kind::RegressedError && self.index < self.early_runs();
        let strength = match self.hit(Kind::NewError).or(self.hit(Kind::RegressedError)) {
            Some(strength) => strength,
            None if once => planted.strength.max(3.0),
            None => return,
        };
        // Evenly over the run, so that every run has its share of them.
        let share = strength / self.pages as f64;
        let due = |page: usize| (page as f64 * share + 0.5) as u64;
        if due(self.page + 1) > due(self.page) {
            if !once {
                self.touch();
            }
            // What is new here never comes back elsewhere in the same fleet.
            let (fresh, returning) = NOVEL.split_at(NOVEL.len() / 2);
            let faults = if planted.kind == Kind::NewError {
                fresh
            } else {
                returning
            };
            self.error(faults[planted.first % faults.len()], None);
        }
    }

    /// In how many of the first runs an error that will come back was there: in two days' worth.
    fn early_runs(&self) -> usize {
        (2 * 24 * HOUR / self.scraper.schedule.interval) as usize
    }

    /// The share of pages that the server fails on beyond the usual, in a run that is odd.
    pub(crate) fn odd_errors(&self) -> f64 {
        let odd = self
            .scraper
            .habits
            .odd_run
            .filter(|(run, _)| *run == self.index);
        odd.map_or(0.0, |(_, share)| share)
    }
}
