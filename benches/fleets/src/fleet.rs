//! A fleet's plan: who scrapes what, how often, how much, and how well on a usual day.
//!
//! Everything that is harmless stands here: weekends, hours, holidays, growth, noise, odd runs,
//! scrapers that come late or go early. None of it is an incident, and all of it looks like one to
//! somebody.

use fastrand::Rng;
use jiff::{Timestamp, civil};

use crate::dice::{Dice as _, seeded};
use crate::words::{BACKGROUND, SCRAPERS};
use crate::writer::{DAY, HOUR, MINUTE, SECOND};

/// How many lines a fleet has at least and at most, about.
const LINES: (f64, f64) = (45_000.0, 130_000.0);

/// The stream of dice that decides who works on weekdays only.
const WEEKDAYS: u64 = 2_000_000;

/// A scraper on a site.
pub(crate) struct Scraper {
    pub(crate) id: &'static str,
    pub(crate) site: &'static str,
    /// The name of its files.
    pub(crate) family: String,
    pub(crate) seed: u64,
    /// One process for all runs, or one for each.
    pub(crate) long_lived: bool,
    /// Its last planned run is before the period's end.
    pub(crate) retired: bool,
    pub(crate) schedule: Schedule,
    pub(crate) traffic: Traffic,
    pub(crate) harvest: Harvest,
    pub(crate) habits: Habits,
}

/// When it runs, and how much it reads.
pub(crate) struct Schedule {
    /// Between two runs, in microseconds.
    pub(crate) interval: i64,
    /// When runs start, jitter included.
    pub(crate) starts: Vec<i64>,
    /// Pages of a usual run.
    pub(crate) pages: f64,
    /// How long a usual run takes.
    pub(crate) duration: i64,
    /// What weekends make of the pages.
    weekend: f64,
    /// What each hour of the day makes of them.
    hours: [f64; 24],
    /// A day on which everything is less, and how much.
    pub(crate) holiday: Option<(i64, f64)>,
    weekly_growth: f64,
    /// The spread of pages from one run to the next.
    pub(crate) noise: f64,
    /// From this time on runs are so much shorter, as somebody allowed more connections.
    faster: Option<(i64, f64)>,
}

/// How the site answers.
pub(crate) struct Traffic {
    pub(crate) not_found: f64,
    pub(crate) server_errors: f64,
    pub(crate) timeouts: f64,
    pub(crate) throttled: f64,
    pub(crate) retries: bool,
    pub(crate) concurrency: f64,
    pub(crate) response_ms: f64,
    pub(crate) response_sigma: f64,
    pub(crate) page_bytes: f64,
}

/// What is found on pages.
pub(crate) struct Harvest {
    pub(crate) articles: bool,
    /// Items on a page of items.
    pub(crate) per_page: f64,
    /// Every so many pages one is a list without items.
    pub(crate) list_every: usize,
    /// Share of what is found that is stored.
    pub(crate) stored: f64,
    /// Share of it that is stored for the first time.
    pub(crate) added: f64,
    pub(crate) duplicates: f64,
    /// Errors of the background, and how many a page.
    pub(crate) errors: Vec<(usize, f64)>,
}

/// What it logs besides, and what once was odd.
pub(crate) struct Habits {
    pub(crate) queue: bool,
    /// The queue begins small and is filled by what is found; else it begins full.
    pub(crate) discovers: bool,
    pub(crate) database: bool,
    pub(crate) system: bool,
    pub(crate) plain_every: usize,
    /// A run with a few more server errors than usual.
    pub(crate) odd_run: Option<(usize, f64)>,
    /// A run with up to three errors nobody has seen before or will see again.
    pub(crate) stray: Option<(usize, usize)>,
}

/// So many days into 2025.
pub(crate) fn midnight(day: i64) -> i64 {
    let year = civil::date(2025, 1, 1).to_zoned(jiff::tz::TimeZone::UTC);
    year.map_or(0, |begin| begin.timestamp().as_microsecond()) + day * DAY
}

/// Two to six of them; some names read two sites.
pub(crate) fn scrapers(rng: &mut Rng, seed: u64, quiet: bool, period: (i64, i64)) -> Vec<Scraper> {
    let mut names: Vec<_> = SCRAPERS.iter().collect();
    rng.shuffle(&mut names);
    let count = rng.usize(2..=6);
    let mut scrapers = Vec::new();
    let mut hourly_left = 1;
    for (name, sites) in names {
        let sites = &sites[..if rng.chance(0.2) { 2 } else { 1 }];
        for (number, site) in sites.iter().enumerate() {
            let stream = 100 + 2 * scrapers.len() as u64 + u64::from(quiet);
            let mut scraper = scraper(rng, (name, site), period, &mut hourly_left);
            scraper.seed = seeded(seed, stream).u64(..);
            rest_at_weekends(&mut scraper);
            if number > 0 {
                scraper.family.push_str("-2");
            }
            scrapers.push(scraper);
        }
        if scrapers.len() >= count {
            break;
        }
    }
    scrapers
}

/// Some scrapers work from Monday to Friday only. Dice of their own keep the rest of the fleet as it is.
fn rest_at_weekends(scraper: &mut Scraper) {
    let mut rng = seeded(scraper.seed, WEEKDAYS);
    let schedule = &mut scraper.schedule;
    let works = |start: &i64| {
        let time = Timestamp::from_microsecond(*start).unwrap_or(Timestamp::UNIX_EPOCH);
        let day = time.to_zoned(jiff::tz::TimeZone::UTC).weekday();
        !matches!(day, civil::Weekday::Saturday | civil::Weekday::Sunday)
    };
    // With fewer starts there is nothing to learn from.
    let left = schedule.starts.iter().filter(|start| works(start)).count();
    if schedule.interval >= 4 * HOUR && left >= 8 && rng.chance(0.15) {
        schedule.starts.retain(works);
    }
}

fn scraper(
    rng: &mut Rng,
    (id, site): (&'static str, &'static str),
    period: (i64, i64),
    hourly_left: &mut i32,
) -> Scraper {
    let schedule = schedule(rng, period, hourly_left);
    let runs = schedule.starts.len();
    let harvest = harvest(rng, &schedule);
    let small = schedule.interval == HOUR;
    Scraper {
        id,
        site,
        family: id.to_owned(),
        seed: 0,
        long_lived: rng.chance(0.4),
        retired: false,
        traffic: traffic(rng),
        habits: Habits {
            queue: rng.chance(0.5),
            discovers: rng.chance(0.3),
            database: !small && rng.chance(0.3),
            system: rng.chance(0.4),
            plain_every: rng.usize(8..40),
            odd_run: rng
                .chance(0.3)
                .then(|| (rng.usize(0..runs), rng.between(0.02, 0.05))),
            stray: rng
                .chance(0.2)
                .then(|| (rng.usize(0..runs), rng.usize(1..=2))),
        },
        schedule,
        harvest,
    }
}

fn schedule(rng: &mut Rng, (start, end): (i64, i64), hourly_left: &mut i32) -> Schedule {
    let hours = match rng.u32(0..100) {
        0..40 => 24,
        40..62 => 12,
        62..78 => 6,
        78..90 => 4,
        _ if *hourly_left > 0 => 1,
        _ => 12,
    };
    let interval = hours * HOUR;
    if hours == 1 {
        *hourly_left -= 1;
    }
    let longest = if hours == 1 { 35.0 } else { 60.0 };
    let jitter = [0, 30 * SECOND, 2 * MINUTE, 8 * MINUTE];
    let jitter = jitter[rng.usize(..if hours == 1 { 3 } else { 4 })];
    // Some are added when the others have long been there.
    let begin = if rng.chance(0.1) {
        start + (end - start) * 2 / 5
    } else {
        start
    };
    let mut planned = start + rng.i64(0..interval / MINUTE) * MINUTE;
    while planned < begin {
        planned += interval;
    }
    let mut starts = Vec::new();
    while planned < end - HOUR {
        starts.push(planned + rng.i64(0..=jitter));
        planned += interval;
    }
    let pages = if hours == 1 {
        rng.log_between(60.0, 90.0)
    } else {
        rng.log_between(60.0, 500.0)
    };
    Schedule {
        interval,
        starts,
        pages,
        duration: (rng.log_between(5.0, longest) * MINUTE as f64) as i64,
        weekend: if rng.chance(0.5) {
            rng.between(0.5, 1.0)
        } else {
            1.0
        },
        hours: daily_course(rng, hours),
        holiday: None,
        weekly_growth: if rng.chance(0.5) {
            rng.between(0.0, 0.05)
        } else {
            0.0
        },
        noise: rng.log_between(0.03, 0.2),
        faster: rng
            .chance(0.12)
            .then(|| (rng.i64(start..end), rng.between(0.5, 0.75))),
    }
}

/// Some sites have more to read by day than by night.
fn daily_course(rng: &mut Rng, interval_hours: i64) -> [f64; 24] {
    let swing = if interval_hours < 24 && rng.chance(0.5) {
        rng.between(0.0, 0.4)
    } else {
        0.0
    };
    let peak = rng.between(8.0, 20.0);
    std::array::from_fn(|hour| {
        let angle = (hour as f64 - peak) / 24.0 * std::f64::consts::TAU;
        1.0 + swing * angle.cos()
    })
}

fn traffic(rng: &mut Rng) -> Traffic {
    let failing = rng.log_between(0.003, 0.07);
    let throttled = if rng.chance(0.3) { 0.2 * failing } else { 0.0 };
    let timeouts = rng.between(0.1, 0.3) * failing;
    let server_errors = rng.between(0.1, 0.3) * failing;
    Traffic {
        not_found: failing - throttled - timeouts - server_errors,
        server_errors,
        timeouts,
        throttled,
        retries: rng.chance(0.6),
        concurrency: f64::from(rng.u32(1..=8)),
        response_ms: rng.log_between(80.0, 900.0),
        response_sigma: rng.between(0.3, 0.6),
        page_bytes: rng.log_between(8_000.0, 250_000.0),
    }
}

fn harvest(rng: &mut Rng, schedule: &Schedule) -> Harvest {
    let mut kinds: Vec<usize> = (0..BACKGROUND.len()).collect();
    rng.shuffle(&mut kinds);
    kinds.truncate(rng.usize(0..=3));
    // At least so many a week that the first week knows them all.
    let weekly_pages = schedule.pages * (7 * DAY / schedule.interval) as f64;
    let rarest = (7.0 / weekly_pages).min(0.005);
    let errors = kinds
        .into_iter()
        .map(|kind| (kind, rng.log_between(rarest, 0.01)))
        .collect();
    Harvest {
        articles: rng.chance(0.4),
        per_page: rng.between(0.5, 1.0),
        list_every: rng.usize(8..30),
        stored: rng.between(0.9, 1.0),
        added: rng.between(0.02, 0.5),
        duplicates: if rng.chance(0.4) {
            rng.between(0.005, 0.06)
        } else {
            0.0
        },
        errors,
    }
}

/// Makes the fleet as large and as small as the lines that it may have.
pub(crate) fn fit(scrapers: &mut Vec<Scraper>) {
    let lines = |scrapers: &[Scraper]| scrapers.iter().map(Scraper::lines).sum::<f64>();
    let now = lines(scrapers);
    let factor = now.clamp(LINES.0, LINES.1) / now;
    for scraper in scrapers.iter_mut() {
        let most = if scraper.schedule.interval == HOUR {
            90.0
        } else {
            500.0
        };
        scraper.schedule.pages = (scraper.schedule.pages * factor).clamp(60.0, most);
    }
    while scrapers.len() > 2 && lines(scrapers) > 1.2 * LINES.1 {
        scrapers.pop();
    }
}

impl Scraper {
    /// About how many lines it writes.
    fn lines(&self) -> f64 {
        self.schedule.starts.len() as f64 * self.schedule.pages * self.lines_per_page()
    }

    /// About how many lines it writes for a page.
    pub(crate) fn lines_per_page(&self) -> f64 {
        let each = if self.harvest.articles { 1.0 } else { 2.0 };
        let stored = if self.habits.database { 1.0 } else { 0.0 };
        let besides =
            1.0 / self.habits.plain_every as f64 + if self.habits.queue { 0.05 } else { 0.0 };
        1.0 + self.harvest.per_page * (each + stored) + besides
    }
}

impl Schedule {
    /// What a run at this time reads without noise.
    pub(crate) fn expected_pages(&self, start: i64) -> f64 {
        let time = Timestamp::from_microsecond(start).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = time.to_zoned(jiff::tz::TimeZone::UTC);
        let weekend = matches!(
            time.weekday(),
            civil::Weekday::Saturday | civil::Weekday::Sunday
        );
        let weeks = (start - self.starts[0]) as f64 / (7 * DAY) as f64;
        let holiday = self
            .holiday
            .filter(|(day, _)| (*day..day + DAY).contains(&start));
        self.pages
            * if weekend { self.weekend } else { 1.0 }
            * self.hours[time.hour() as usize]
            * (1.0 + self.weekly_growth).powf(weeks)
            * holiday.map_or(1.0, |(_, factor)| factor)
    }

    /// What a run at this time makes of the plan: how many pages, and the time for each.
    pub(crate) fn measure(&self, start: i64, rng: &mut Rng) -> (f64, f64) {
        let pages = self.expected_pages(start) * rng.noise(self.noise);
        let gap = self.duration as f64 / self.pages * rng.noise(0.08) * self.shortened(start);
        (pages.max(5.0), gap)
    }

    /// What more connections make of a run's length.
    pub(crate) fn shortened(&self, start: i64) -> f64 {
        self.faster
            .filter(|(from, _)| start >= *from)
            .map_or(1.0, |(_, factor)| factor)
    }

    /// The longest that a run may plan to take.
    pub(crate) fn longest(&self) -> f64 {
        0.7 * self.interval.min(8 * HOUR) as f64
    }
}
