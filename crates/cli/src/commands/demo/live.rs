//! Scrapers that log while somebody watches.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dragline_schema::{
    Event, Level, ProductProcessed, Record, Request, ScraperEnd, ScraperError, ScraperStart,
    Timestamp, wire,
};

/// The scrapers; the first one gets into trouble.
const SCRAPERS: [&str; 3] = ["live-shop", "live-news", "live-jobs"];
/// Time between two rounds of requests.
const ROUND: Duration = Duration::from_millis(200);
/// When the first scraper's site begins to refuse it.
const TROUBLE: Duration = Duration::from_mins(1);
/// Rounds of one run: two minutes.
const RUN: u64 = 600;

/// A thread that logs for all scrapers.
pub(super) struct LiveFleet {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// One scraper.
struct Scraper {
    name: &'static str,
    file: File,
    run_id: String,
    seq: u64,
    begun: Timestamp,
}

impl LiveFleet {
    /// Starts to log into files of a directory.
    pub(super) fn start(dir: &Path) -> io::Result<Self> {
        let scrapers = SCRAPERS
            .into_iter()
            .map(|name| Scraper::open(dir, name))
            .collect::<io::Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&stop);
        let builder = std::thread::Builder::new().name("live".to_owned());
        // When the disk is full, the scrapers fall silent, and the page shows that.
        let thread = builder.spawn(move || drop(log(scrapers, &own)))?;
        Ok(Self { stop, thread })
    }

    /// Ends the runs and the thread.
    pub(super) fn stop(self) {
        self.stop.store(true, Relaxed);
        let _ = self.thread.join();
    }
}

fn now() -> Timestamp {
    jiff::Timestamp::now().into()
}

fn log(mut scrapers: Vec<Scraper>, stop: &AtomicBool) -> io::Result<()> {
    let begun = Instant::now();
    for round in 0_u64.. {
        let is_trouble = begun.elapsed() > TROUBLE;
        let is_last = stop.load(Relaxed);
        for (nth, scraper) in scrapers.iter_mut().enumerate() {
            // The runs of the scrapers are apart.
            let place = (round + nth as u64 * RUN / 3) % RUN;
            if round == 0 || place == 0 {
                scraper.begin()?;
            }
            scraper.request(round, is_trouble && nth == 0)?;
            if place == RUN - 1 || is_last {
                scraper.end()?;
            }
        }
        if is_last {
            break;
        }
        std::thread::sleep(ROUND);
    }
    Ok(())
}

impl Scraper {
    fn open(dir: &Path, name: &'static str) -> io::Result<Self> {
        let begun = now();
        // A file for each start, as the recorder names them.
        let second = begun.to_string().replace(['-', ':'], "");
        let second = second.split('.').next().unwrap_or_default().to_owned();
        let path = dir.join(format!("{name}.{second}Z.{:x}.0.jsonl", std::process::id()));
        Ok(Self {
            name,
            file: OpenOptions::new().create(true).append(true).open(path)?,
            run_id: String::new(),
            seq: 0,
            begun,
        })
    }

    fn begin(&mut self) -> io::Result<()> {
        self.begun = now();
        (self.run_id, self.seq) = (format!("{}-{}", self.name, self.begun.as_seconds()), 0);
        self.write(Level::Info, Event::ScraperStart(ScraperStart::default()))
    }

    fn end(&mut self) -> io::Result<()> {
        let seconds = now().since(self.begun) as f64 / 1e6;
        let end = ScraperEnd {
            status: Some("success".into()),
            duration_seconds: Some(seconds),
            ..ScraperEnd::default()
        };
        self.write(Level::Info, Event::ScraperEnd(end))
    }

    /// One page, and the item on it.
    fn request(&mut self, round: u64, is_refused: bool) -> io::Result<()> {
        let url = format!("https://{}.example.com/p/{round}", self.name);
        let request = Request {
            url: Some(url.clone().into()),
            status_code: Some(if is_refused { 403 } else { 200 }),
            response_time_ms: Some(90.0 + (round * 37 % 160) as f64),
            bytes: Some(12_000 + round * 811 % 9_000),
            ..Request::default()
        };
        self.write(Level::Info, Event::Request(request))?;
        if is_refused {
            let error = ScraperError {
                error_type: Some("Blocked".into()),
                error_message: Some(format!("403 Forbidden for {url}").into()),
                status_code: Some(403),
                ..ScraperError::default()
            };
            return self.write(Level::Error, Event::ScraperError(error));
        }
        let product = ProductProcessed {
            action: Some("added".into()),
            product_id: Some(format!("p{round}").into()),
            ..ProductProcessed::default()
        };
        self.write(Level::Info, Event::ProductProcessed(product))
    }

    fn write(&mut self, level: Level, event: Event<'_>) -> io::Result<()> {
        let record = Record {
            timestamp: Some(now()),
            level: Some(level),
            target: Some("demo".into()),
            scraper_id: Some(self.name.into()),
            site: Some(format!("{}.example.com", self.name).into()),
            run_id: Some(self.run_id.as_str().into()),
            writer_id: Some(format!("{:x}", std::process::id()).into()),
            seq: Some(self.seq),
            event,
            ..Record::default()
        };
        self.seq += 1;
        let mut line = Vec::new();
        wire::encode(&record, &mut line);
        self.file.write_all(&line)
    }
}
