//! The native logs of a fleet, read back: what each run did, before it is told in other words.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use jiff::Timestamp;
use serde::Deserialize;

use super::fingerprint;

/// What a run did.
pub(super) struct Run {
    /// The name of its native files.
    pub(super) family: String,
    pub(super) scraper: String,
    pub(super) site: String,
    pub(super) id: String,
    /// In the order in which they were written; never empty.
    pub(super) events: Vec<Event>,
}

/// Something that a run did.
pub(super) struct Event {
    /// In microseconds.
    pub(super) time: i64,
    pub(super) what: What,
}

/// What a program of another dialect would tell of, too.
pub(super) enum What {
    /// It began, with so many connections.
    Started(u32),
    Request(Request),
    /// It waits for so many seconds, as the server asked on this address.
    Wait(String, f64),
    Failure(Failure),
    Item(Item),
    /// An item that was there before.
    Duplicate(Item),
    /// So many requests wait.
    Queue(u64),
    /// Nothing is done, and so many requests wait.
    Waiting(u64),
    /// So many pages are left.
    Left(u64),
    Finished,
}

/// One attempt to get a page.
pub(super) struct Request {
    pub(super) url: String,
    /// None when nobody answered.
    pub(super) status: Option<u16>,
    pub(super) ms: f64,
    pub(super) bytes: u64,
    pub(super) attempt: u32,
    /// Another attempt follows.
    pub(super) retried: bool,
    /// What came was a wall in place of the page.
    pub(super) walled: bool,
}

/// An error.
pub(super) struct Failure {
    pub(super) kind: String,
    pub(super) message: String,
    pub(super) url: String,
    /// The page could not be got, after so many attempts; else what is on it could not be taken.
    pub(super) fetching: bool,
    pub(super) attempts: u32,
    /// The page's item was taken all the same.
    pub(super) survived: bool,
}

/// A product or an article.
pub(super) struct Item {
    pub(super) url: String,
    pub(super) id: String,
    pub(super) article: bool,
    /// The price of a product, unless it is no longer there.
    pub(super) price: Option<f64>,
    /// The author of an article, unless nobody is named any more.
    pub(super) author: Option<String>,
}

impl Run {
    /// When it began.
    pub(super) fn start(&self) -> i64 {
        self.events.first().map_or(0, |event| event.time)
    }

    /// With how many connections it began.
    pub(super) fn concurrency(&self) -> u32 {
        match self.events.first().map(|event| &event.what) {
            Some(What::Started(concurrency)) => *concurrency,
            _ => 1,
        }
    }
}

impl Request {
    /// Whether the page is one of links.
    pub(super) fn is_list(&self) -> bool {
        self.url.contains("/list/")
    }

    /// Whether it was answered with a page.
    pub(super) fn is_good(&self) -> bool {
        self.status.is_some_and(|status| status < 400)
    }

    /// Whether it failed in a way that passes.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status, None | Some(429 | 500..=599))
    }
}

impl Item {
    /// The item of an address of which the log says no more.
    fn of(url: String) -> Self {
        let number = url.rsplit('/').next().and_then(|part| part.parse().ok());
        let number: u64 = number.unwrap_or(0);
        let article = url.contains("/article/");
        Self {
            id: if article {
                format!("a{}", number + 4000)
            } else {
                format!("p{}", number + 8000)
            },
            price: Some((500 + fingerprint(&[&url]) % 9000) as f64 / 100.0),
            author: Some(author(&url)),
            article,
            url,
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        const LOOKS: [&str; 8] = [
            "Blue", "Small", "Vintage", "Organic", "Large", "Oak", "Plain", "Green",
        ];
        const THINGS: [&str; 8] = [
            "kettle", "teapot", "mug", "spoon", "atlas", "lamp", "puzzle", "grinder",
        ];
        if self.article {
            return format!("Story {}", self.id.trim_start_matches('a'));
        }
        let number = fingerprint(&[&self.id]) as usize;
        let look = LOOKS[number % LOOKS.len()];
        let thing = THINGS[number / LOOKS.len() % THINGS.len()];
        format!("{look} {thing}")
    }
}

/// Who wrote an article.
fn author(url: &str) -> String {
    format!("Desk {}", fingerprint(&[url]) % 12)
}

/// What a run has done so far, as programs count it for themselves.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) pages: u64,
    pub(super) items: u64,
    pub(super) errors: u64,
    /// Nothing was asked for since the queue was looked at.
    queue_is_still: bool,
}

impl Tally {
    /// Counts what happened.
    pub(super) fn see(&mut self, what: &What) {
        match what {
            What::Request(request) if request.is_good() && !request.retried => self.pages += 1,
            What::Item(_) => self.items += 1,
            What::Failure(_) => self.errors += 1,
            _ => {}
        }
    }

    /// How many requests wait, when the event shows that nothing is done.
    pub(super) fn idle(&mut self, what: &What) -> Option<u64> {
        match what {
            What::Waiting(pending) => Some(*pending),
            What::Queue(size) => {
                let idle = self.queue_is_still;
                self.queue_is_still = true;
                idle.then_some(*size)
            }
            What::Request(_) => {
                self.queue_is_still = false;
                None
            }
            _ => None,
        }
    }
}

/// A line, as far as it is told again.
#[derive(Deserialize)]
struct Line {
    timestamp: Timestamp,
    scraper_id: String,
    site: String,
    run_id: String,
    event_type: Option<String>,
    config: Option<Config>,
    url: Option<String>,
    status_code: Option<u16>,
    response_time_ms: Option<f64>,
    bytes: Option<f64>,
    attempt: Option<u32>,
    wait_time_seconds: Option<f64>,
    error_type: Option<String>,
    error_message: Option<String>,
    action: Option<String>,
    product_id: Option<String>,
    article_id: Option<String>,
    price: Option<f64>,
    fields_missing: Option<Vec<String>>,
    queue_size: Option<f64>,
    pending: Option<u64>,
    left: Option<u64>,
}

#[derive(Deserialize)]
struct Config {
    concurrency: f64,
}

impl Line {
    /// What it says, when that is told again.
    fn what(self) -> Option<What> {
        let url = self.url.unwrap_or_default();
        let stored = matches!(self.action.as_deref(), Some("added" | "updated"));
        Some(match self.event_type.as_deref() {
            Some("scraper_start") => {
                What::Started(self.config.map_or(1, |config| config.concurrency as u32))
            }
            Some("scraper_end") => What::Finished,
            Some("request") => What::Request(Request {
                url,
                status: self.status_code,
                ms: self.response_time_ms.unwrap_or(0.0),
                bytes: self.bytes.unwrap_or(0.0) as u64,
                attempt: self.attempt.unwrap_or(1),
                retried: false,
                walled: false,
            }),
            Some("rate_limit") => What::Wait(url, self.wait_time_seconds.unwrap_or(0.0)),
            Some("scraper_error") => {
                let kind = self.error_type.unwrap_or_default();
                What::Failure(Failure {
                    fetching: matches!(kind.as_str(), "ConnectTimeout" | "HttpStatusError"),
                    kind,
                    message: self.error_message.unwrap_or_default(),
                    url,
                    attempts: 1,
                    survived: false,
                })
            }
            Some("duplicate_detected") => What::Duplicate(Item::of(url)),
            Some("product_processed") if stored => What::Item(Item {
                id: self.product_id.unwrap_or_default(),
                article: false,
                price: self.price,
                author: None,
                url,
            }),
            Some("article_stored") => What::Item(Item {
                id: self.article_id.unwrap_or_default(),
                article: true,
                price: None,
                author: self.fields_missing.is_none().then(|| author(&url)),
                url,
            }),
            Some("queue_size") => What::Queue(self.queue_size.unwrap_or(0.0) as u64),
            None if self.pending.is_some() => What::Waiting(self.pending.unwrap_or(0)),
            None => What::Left(self.left?),
            Some(_) => return None,
        })
    }
}

/// The runs of all native logs in a directory: families by name, runs as they came.
pub(super) fn read(native: &Path) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut places: HashMap<(String, String, String), usize> = HashMap::new();
    for (family, path) in files(native)? {
        let (text, is_archive) = text(&path)?;
        for line in text.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let line: Line = match serde_json::from_slice(line) {
                Ok(line) => line,
                // The last line of an archive that was cut.
                Err(_) if is_archive => continue,
                Err(error) => {
                    return Err(error).with_context(|| {
                        format!("{} has a line that cannot be read", path.display())
                    });
                }
            };
            let run = (
                line.scraper_id.clone(),
                line.site.clone(),
                line.run_id.clone(),
            );
            let place = *places.entry(run).or_insert_with(|| {
                runs.push(Run {
                    family: family.clone(),
                    scraper: line.scraper_id.clone(),
                    site: line.site.clone(),
                    id: line.run_id.clone(),
                    events: Vec::new(),
                });
                runs.len() - 1
            });
            let time = line.timestamp.as_microsecond();
            if let Some(what) = line.what() {
                runs[place].events.push(Event { time, what });
            }
        }
    }
    runs.retain(|run| !run.events.is_empty());
    runs.iter_mut().for_each(mark);
    Ok(runs)
}

/// The native files with their families, the oldest of each first.
fn files(native: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let unreadable = || format!("{} cannot be read", native.display());
    for entry in fs::read_dir(native).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('.');
        let family = parts.next().unwrap_or_default().to_owned();
        let time = parts.next().unwrap_or_default().to_owned();
        // The writer stands between the time and the number of the file.
        let number: u32 = parts.nth(1).and_then(|part| part.parse().ok()).unwrap_or(0);
        if parts.next() == Some("jsonl") {
            files.push((family, time, number, entry.path()));
        }
    }
    files.sort();
    let files = files.into_iter();
    Ok(files
        .map(|(family, _, _, path)| (family, path))
        .collect::<Vec<_>>())
}

/// What can be read of a file, and whether it is an archive.
fn text(path: &Path) -> Result<(Vec<u8>, bool)> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        return Ok((bytes, false));
    }
    let mut text = Vec::new();
    // An archive that was cut fails, as it should; what came before the failure counts.
    let _ = GzDecoder::new(bytes.as_slice()).read_to_end(&mut text);
    Ok((text, true))
}

/// Says of events what only those around them tell.
fn mark(run: &mut Run) {
    let mut attempts = 1;
    for event in &mut run.events {
        match &mut event.what {
            What::Request(request) => attempts = request.attempt,
            What::Failure(failure) => failure.attempts = attempts,
            _ => {}
        }
    }
    let mut next: Option<(String, u32)> = None;
    let (mut taken, mut walled) = (String::new(), String::new());
    for event in run.events.iter_mut().rev() {
        match &mut event.what {
            What::Request(request) => {
                let again = (request.url.clone(), request.attempt + 1);
                request.retried = next.is_some_and(|next| next == again);
                request.walled = request.url == walled;
                next = Some((again.0, request.attempt));
            }
            What::Failure(failure) => {
                failure.survived = failure.url == taken;
                if failure.kind == "ChallengePage" {
                    walled.clone_from(&failure.url);
                }
            }
            What::Item(item) => taken.clone_from(&item.url),
            _ => {}
        }
    }
}
