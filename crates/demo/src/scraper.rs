//! The simulation of one scraper.

use std::sync::Arc;
use std::time::Duration;

use dragline_logging::{
    Action, Clock as _, Config, Guard, ManualClock, Patience, Retention, Run, Timestamp, layer,
};
use fastrand::Rng;
use tracing_subscriber::prelude::*;

use crate::error::{DatabaseError, ScrapeError};
use crate::fleet::{DAY, HOUR, Plan, Planted, Stores};
use crate::truth::{Incident, ScraperTruth, Totals};
use crate::{DemoError, DemoOptions};

/// Simulates the scraper for the whole period. Returns what it logged and the planted incident.
pub(crate) fn simulate(
    plan: &Plan,
    options: &DemoOptions,
) -> Result<(ScraperTruth, Option<Incident>), DemoError> {
    let mut worker = Worker {
        plan,
        clock: Arc::new(ManualClock::new(plan.start)),
        rng: Rng::with_seed(plan.seed),
        totals: Totals::default(),
        affected: None,
        killed: None,
    };
    let mut starts = worker.starts().into_iter().peekable();
    let mut process = 0;
    // A process runs until it is killed and is then started again.
    while starts.peek().is_some() {
        let config = Config::new(&options.logs)
            .name(plan.scraper_id)
            .writer_id(format!("{:08x}{process:04x}", plan.seed as u32))
            .max_file_bytes(plan.max_file_bytes)
            // The report covers the whole period, however old it is.
            .retention(Retention::FOREVER)
            .error_retention(Retention::FOREVER)
            // The simulation logs faster than any real scraper, and no line may be dropped.
            .queue_patience(Patience::FOREVER)
            .clock(worker.clock.clone());
        let (layer, guard) = layer(&config)?;
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            for start in starts.by_ref() {
                if worker.run(start, &guard).is_killed() {
                    break;
                }
            }
        });
        let flushed = guard.flush();
        let status = guard.status();
        if flushed.is_err() || status.lost_lines > 0 {
            return Err(DemoError::Lost {
                scraper: plan.scraper_id.to_owned(),
                lost: status.lost_lines,
                reason: status.last_error.unwrap_or_default(),
            });
        }
        process += 1;
    }
    let incident = worker.incident();
    let truth = ScraperTruth {
        scraper_id: plan.scraper_id.to_owned(),
        site: plan.site.to_owned(),
        totals: worker.totals,
    };
    Ok((truth, incident))
}

struct Worker<'p> {
    plan: &'p Plan,
    clock: Arc<ManualClock>,
    rng: Rng,
    totals: Totals,
    /// The first and the last event that the planted incident affected.
    affected: Option<(Timestamp, Timestamp)>,
    killed: Option<String>,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Finished,
    Killed,
}

impl End {
    fn is_killed(self) -> bool {
        self == Self::Killed
    }
}

impl Worker<'_> {
    /// The start times of the runs: the planned hours plus up to four minutes.
    fn starts(&mut self) -> Vec<Timestamp> {
        let mut starts = Vec::new();
        for day in 0..i64::from(self.plan.days) {
            for hour in self.plan.hours {
                let late = self.rng.i64(0..240) * 1_000_000;
                starts.push(self.plan.start.plus_micros(day * DAY + hour * HOUR + late));
            }
        }
        starts
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Records the current time as affected by the incident.
    fn affect(&mut self) {
        let now = self.now();
        self.affected = Some(self.affected.map_or((now, now), |(first, _)| (first, now)));
    }

    fn incident(&self) -> Option<Incident> {
        let (since, until) = self.affected?;
        let kind = match self.plan.planted {
            Planted::BlockWave { .. } => "block_wave",
            Planted::LayoutChange { .. } => "layout_change",
            Planted::Kill { .. } => "run_killed",
            Planted::NewError { .. } => "new_error",
        };
        Some(Incident {
            kind: kind.to_owned(),
            scraper_id: self.plan.scraper_id.to_owned(),
            site: self.plan.site.to_owned(),
            since,
            until,
            run_id: self.killed.clone(),
        })
    }

    /// Simulates one run, to its end or until it is killed.
    fn run(&mut self, start: Timestamp, guard: &Guard) -> End {
        self.clock.set(start.max(self.now()));
        let pages = self.pages(start);
        let run_id = format!("{}-{}", self.plan.scraper_id, start.as_seconds());
        let run = Run::builder(self.plan.scraper_id, self.plan.site)
            .run_id(run_id.as_str())
            .config(&serde_json::json!({ "pages": pages, "concurrency": 1 }))
            .clock(self.clock.clone())
            .start();
        self.totals.runs += 1;
        let dies_at = self.dies_at(start, pages);
        for page in 0..pages {
            if Some(page) == dies_at {
                // Simulates a kill: what was logged is on disk, and the run logs nothing more.
                self.affect();
                self.killed = Some(run_id);
                // `simulate` detects a failure from the recorder's status.
                let _ = guard.flush();
                std::mem::forget(run);
                return End::Killed;
            }
            self.page(&run, page);
            if page % 20 == 0 {
                self.observe(&run, pages - page);
            }
        }
        run.finish_with("all pages read");
        End::Finished
    }

    /// The number of pages of a run: fewer at weekends, with random variation.
    fn pages(&mut self, start: Timestamp) -> u32 {
        // The epoch was a Thursday.
        let weekday = (start.as_micros().div_euclid(DAY) + 3).rem_euclid(7);
        let share = if weekday >= 5 { 0.8 } else { 1.0 };
        let noise = 0.95 + self.rng.f64() * 0.1;
        (f64::from(self.plan.pages) * share * noise) as u32
    }

    fn dies_at(&mut self, start: Timestamp, pages: u32) -> Option<u32> {
        match self.plan.planted {
            Planted::Kill { after } if start >= after && self.killed.is_none() => {
                Some(pages / 3 + self.rng.u32(0..pages / 3))
            }
            _ => None,
        }
    }

    /// Simulates a page with its retries and its content.
    fn page(&mut self, run: &Run, page: u32) {
        let url = format!(
            "https://{}/{}/{}",
            self.plan.site,
            self.kind_of_page(),
            1000 + page
        );
        for attempt in 1..=3 {
            let status = self.status(attempt);
            self.request(run, &url, status, attempt);
            match status {
                Some(200) => return self.content(run, &url, page),
                Some(429) => self.wait(run),
                Some(status @ (403 | 404)) => {
                    self.error(
                        run,
                        &ScrapeError::Status {
                            url: url.clone(),
                            status,
                        },
                        &url,
                    );
                    return;
                }
                _ => {}
            }
            if attempt == 3 {
                let error = match status {
                    Some(status) => ScrapeError::Status {
                        url: url.clone(),
                        status,
                    },
                    None if self.rng.bool() => ScrapeError::timeout(&url),
                    None => ScrapeError::reset(&url),
                };
                self.error(run, &error, &url);
            }
        }
    }

    fn kind_of_page(&self) -> &'static str {
        match self.plan.stores {
            Stores::Products => "product",
            Stores::Articles => "article",
            Stores::Searched => "job",
        }
    }

    /// The status code of the response; `None` when there is no response.
    fn status(&mut self, attempt: u64) -> Option<u16> {
        let now = self.now();
        if let Planted::BlockWave { from, to } = self.plan.planted
            && (from..to).contains(&now)
            && self.rng.f64() < 0.55
        {
            self.affect();
            return Some(if self.rng.f64() < 0.6 { 403 } else { 429 });
        }
        // Retries fail less often than first attempts.
        let bad_luck = if attempt == 1 { 1.0 } else { 3.0 };
        match self.rng.f64() / bad_luck * bad_luck.powi(2) {
            x if x < 0.006 => Some(404),
            x if x < 0.012 => Some(500),
            x if x < 0.018 => Some(503),
            x if x < 0.021 => Some(429),
            x if x < 0.028 => None,
            _ => Some(200),
        }
    }

    fn request(&mut self, run: &Run, url: &str, status: Option<u16>, attempt: u64) {
        let elapsed = match status {
            Some(_) => Duration::from_micros(60_000 + self.skewed(400_000)),
            None => Duration::from_secs(10),
        };
        self.clock.advance(elapsed);
        let size = match status {
            Some(200) => 8_000 + self.rng.u64(0..40_000),
            Some(_) => 300 + self.rng.u64(0..900),
            None => 0,
        };
        let mut event = run.request(url).elapsed(elapsed).attempt(attempt);
        if let Some(status) = status {
            event = event.status(status).bytes(size);
        } else {
            event = event.error_type("std::io::Error");
        }
        if status == Some(429) {
            event = event.retry_after(Duration::from_secs(30));
        }
        event.log();
        self.totals.requests += 1;
        self.totals.bytes += size;
        if let Some(status) = status {
            *self
                .totals
                .status_codes
                .entry(status.to_string())
                .or_default() += 1;
        }
        if status.is_none_or(|status| status >= 400) {
            self.totals.requests_failed += 1;
            self.totals.warnings += 1;
        }
        self.clock
            .advance(Duration::from_millis(800 + self.rng.u64(0..2_500)));
    }

    /// A random number that is usually small and sometimes large, like response times.
    fn skewed(&mut self, scale: u64) -> u64 {
        let x = self.rng.f64().max(1e-6);
        (scale as f64 * 0.35 * -x.ln()) as u64
    }

    fn wait(&mut self, run: &Run) {
        run.rate_limited(Duration::from_secs(30), "429");
        self.totals.rate_limits += 1;
        self.totals.warnings += 1;
        self.clock.advance(Duration::from_secs(30));
    }

    fn error(&mut self, run: &Run, error: &ScrapeError, url: &str) {
        let mut event = run.error(error).url(url);
        if let ScrapeError::Status { status, .. } = error {
            event = event.status(*status);
        }
        event.log();
        self.totals.errors += 1;
    }

    /// Simulates the content of a page with status 200.
    fn content(&mut self, run: &Run, url: &str, page: u32) {
        match self.plan.stores {
            Stores::Products => self.product(run, url, page),
            Stores::Articles => self.article(run, url, page),
            Stores::Searched => self.searched(run, url, page),
        }
    }

    fn product(&mut self, run: &Run, url: &str, page: u32) {
        let id = format!("p{}", 1000 + page);
        let changed =
            matches!(self.plan.planted, Planted::LayoutChange { from } if self.now() >= from);
        *self.totals.items_found.get_or_insert(0) += 1;
        run.product(&id).url(url).log(Action::Found);
        if changed && self.rng.f64() < 0.82 {
            // The selector for the price matches nothing; the scraper only notices that the price is missing.
            self.affect();
            run.product(&id)
                .url(url)
                .fields_missing(["price", "currency"])
                .log(Action::Failed);
            self.totals.items_failed += 1;
            self.totals.warnings += 1;
            return;
        }
        if self.rng.f64() < 0.01 {
            let error = if self.rng.bool() {
                ScrapeError::MissingElement {
                    selector: "span.price",
                    url: url.to_owned(),
                }
            } else {
                ScrapeError::cut_json(url)
            };
            self.error(run, &error, url);
            run.product(&id).url(url).log(Action::Failed);
            self.totals.items_failed += 1;
            self.totals.warnings += 1;
            return;
        }
        let action = if self.rng.f64() < 0.1 {
            Action::Added
        } else {
            Action::Updated
        };
        let price = 5.0 + self.rng.f64() * 95.0;
        run.product(&id)
            .url(url)
            .price((price * 100.0).round() / 100.0)
            .log(action);
        self.totals.items += 1;
    }

    fn article(&mut self, run: &Run, url: &str, page: u32) {
        if self.rng.f64() < 0.12 {
            run.duplicate(url, Some(0.8 + self.rng.f64() * 0.2));
            return;
        }
        let language = if self.rng.f64() < 0.7 { "en" } else { "de" };
        run.article(&format!("a{}", 5000 + page))
            .url(url)
            .word_count(150 + self.rng.u64(0..900))
            .language(language)
            .processing_time(Duration::from_micros(2_000 + self.skewed(20_000)))
            .log();
        self.totals.items += 1;
    }

    fn searched(&mut self, run: &Run, url: &str, page: u32) {
        let id = format!("j{}", 9000 + page);
        if page.is_multiple_of(10) {
            let elapsed = Duration::from_micros(90_000 + self.skewed(300_000));
            run.search("rust engineer", 40 + self.rng.u64(0..60), Some(elapsed));
        }
        *self.totals.items_found.get_or_insert(0) += 1;
        run.product(&id).url(url).log(Action::Found);
        let locked = matches!(self.plan.planted, Planted::NewError { from } if self.now() >= from);
        if locked && self.rng.f64() < 0.2 {
            self.affect();
            let error = ScrapeError::Store {
                id: id.clone(),
                source: DatabaseError,
            };
            self.error(run, &error, url);
            run.product(&id).url(url).log(Action::Failed);
            self.totals.items_failed += 1;
            self.totals.warnings += 1;
            return;
        }
        let elapsed = Duration::from_micros(600 + self.skewed(8_000));
        run.database("insert")
            .table("jobs")
            .elapsed(elapsed)
            .connections_active(3)
            .log();
        run.product(&id).url(url).log(Action::Saved);
        self.totals.items += 1;
    }

    /// Logs the queue size, the progress and a system sample.
    fn observe(&mut self, run: &Run, left: u32) {
        run.page_scraped();
        run.queue_size(u64::from(left));
        run.in_scope(|| tracing::info!(left, "pages to go"));
        let cpu = 15.0 + self.rng.f64() * 30.0;
        let memory = 38.0 + self.rng.f64() * 6.0;
        run.system_sample()
            .cpu_percent((cpu * 10.0).round() / 10.0)
            .memory(
                (memory * 10.0).round() / 10.0,
                1_600_000_000 + self.rng.u64(0..90_000_000),
            )
            .disk(61.0, 180_000_000_000)
            .log();
    }
}
