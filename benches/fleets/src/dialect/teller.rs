//! A run told in a wording of its own: see [`words`](super::words).

use fastrand::Rng;
use jiff::tz;

use super::json::Object;
use super::native::{Event, Failure, Item, Request, Run, Tally, What};
use super::words::{Form, Wording, fill};
use super::{Level, Place, Record, text};
use crate::writer::{MINUTE, SECOND, instant};

/// A run in the words of its scraper's author.
pub(super) fn tell(run: &Run, voice: &mut Rng) -> (Place, Vec<Record>) {
    let wording = Wording::draw(voice);
    let place = match wording.form {
        Form::Logging => Place::Daily,
        Form::Json => {
            let time = instant(run.start()).strftime("%Y%m%dT%H%M%S");
            Place::Alone(format!("{}-{time}.log", run.family))
        }
        Form::Loguru => Place::Alone(format!("{}.log", text::loguru_file(run))),
    };
    let mut teller = Teller {
        run,
        name: run.scraper.replace('-', wording.joint),
        wording,
        records: Vec::new(),
        tally: Tally::default(),
        batch: 0,
        batch_began: 0,
        batch_url: String::new(),
    };
    for event in &run.events {
        teller.event(event);
    }
    (place, teller.records)
}

/// A run that is being told.
struct Teller<'a> {
    run: &'a Run,
    wording: Wording,
    /// The scraper, as its logger is called.
    name: String,
    records: Vec<Record>,
    tally: Tally,
    /// Items that wait to be counted in a line.
    batch: u64,
    batch_began: i64,
    batch_url: String,
}

impl Teller<'_> {
    fn event(&mut self, event: &Event) {
        let time = event.time;
        self.tally.see(&event.what);
        let idle = self.tally.idle(&event.what);
        match &event.what {
            What::Started(_) => {
                let parts = [
                    ("{site}", self.run.site.as_str()),
                    ("{scraper}", self.run.scraper.as_str()),
                ];
                let message = fill(&self.wording.started, &parts);
                self.say(time, Level::Info, "main:21", &message);
            }
            What::Request(request) => self.request(time, request),
            What::Wait(_, seconds) => {
                let wait = format!("{seconds:.0}");
                let message = fill(&self.wording.throttled, &[("{wait}", wait.as_str())]);
                self.say(time, Level::Warning, "client:64", &message);
            }
            What::Failure(failure) => self.failure(time, failure),
            What::Item(item) => self.item(time, item),
            What::Duplicate(item) => {
                let message = fill(&self.wording.duplicate, &[("{id}", item.id.as_str())]);
                self.say(time, Level::Info, "store:33", &message);
            }
            What::Queue(_) | What::Waiting(_) => {
                if let Some(pending) = idle {
                    let pending = pending.to_string();
                    let message = fill(&self.wording.idle, &[("{pending}", pending.as_str())]);
                    self.say(time, Level::Info, "main:58", &message);
                }
            }
            What::Left(left) => {
                if let Some(template) = &self.wording.left {
                    let left = left.to_string();
                    let message = fill(template, &[("{left}", left.as_str())]);
                    self.say(time, Level::Info, "main:52", &message);
                }
            }
            What::Finished => self.finish(time),
        }
    }

    fn say(&mut self, time: i64, level: Level, place: &str, message: &str) {
        let record = match self.wording.form {
            Form::Logging => text::python(time, level, &self.name, message),
            Form::Loguru => {
                let place = format!("{}:{place}", self.name);
                text::loguru_record(time, level, &place, message)
            }
            Form::Json => self.object(time, level, message),
        };
        self.records.push(record);
    }

    fn object(&self, time: i64, level: Level, message: &str) -> Record {
        let wording = &self.wording;
        let [time_key, level_key, message_key] = wording.keys;
        let stamp = instant(time);
        let stamp = if wording.zone == 0 {
            format!("{stamp:.3}")
        } else {
            let there = stamp.to_zoned(tz::offset(wording.zone).to_time_zone());
            there.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
        };
        let mut object = Object::node();
        object.text(time_key, &stamp);
        if wording.loud {
            object.text(level_key, level.name());
        } else {
            object.text(level_key, &level.name().to_lowercase());
        }
        if !wording.name_key.is_empty() {
            object.text(wording.name_key, &self.name);
        }
        if !wording.run_key.is_empty() {
            object.text(wording.run_key, &self.run.id);
        }
        object.text(message_key, message);
        let text = object.end();
        Record { time, text }
    }

    fn request(&mut self, time: i64, request: &Request) {
        if request.is_list() {
            self.flush(time);
        }
        let wording = &self.wording;
        let template = match request.status {
            None => &wording.unanswered,
            Some(_) if request.is_good() => &wording.request,
            Some(_) => &wording.refused,
        };
        let status = request.status.unwrap_or(0).to_string();
        let seconds = format!("{:.2}", request.ms / 1000.0);
        let ms = format!("{:.0}", request.ms);
        let bytes = request.bytes.to_string();
        let kib = format!("{:.1}", request.bytes as f64 / 1024.0);
        let mut message = fill(
            template,
            &[
                ("{url}", request.url.as_str()),
                ("{status}", status.as_str()),
                ("{seconds}", seconds.as_str()),
                ("{ms}", ms.as_str()),
                ("{bytes}", bytes.as_str()),
                ("{kib}", kib.as_str()),
            ],
        );
        if request.attempt > 1 {
            let attempt = request.attempt.to_string();
            message.push_str(&fill(wording.again, &[("{attempt}", attempt.as_str())]));
        }
        self.say(time, text::loudness(request), "client:48", &message);
    }

    fn failure(&mut self, time: i64, failure: &Failure) {
        let reason = format!("{}: {}", text::short(&failure.kind), failure.message);
        if failure.fetching {
            let attempts = failure.attempts.to_string();
            let parts = [
                ("{url}", failure.url.as_str()),
                ("{attempts}", attempts.as_str()),
                ("{reason}", reason.as_str()),
            ];
            let message = fill(&self.wording.given_up, &parts);
            self.say(time, Level::Error, "client:71", &message);
            return;
        }
        let what = fill(&self.wording.trouble, &[("{url}", failure.url.as_str())]);
        let message = match self.wording.form {
            Form::Logging => format!("{what}\n{}", text::traceback(self.run, failure)),
            Form::Loguru => format!("{what}\n{}", text::loguru_traceback(self.run, failure)),
            Form::Json => format!("{what}: {reason}"),
        };
        self.say(time, Level::Error, "parse:90", &message);
    }

    fn item(&mut self, time: i64, item: &Item) {
        if let Some(size) = self.wording.batch {
            if self.batch == 0 {
                self.batch_began = time;
            }
            self.batch += 1;
            self.batch_url.clone_from(&item.url);
            if self.batch >= size || time - self.batch_began > 4 * MINUTE {
                self.flush(time);
            }
            return;
        }
        let missing = match self.wording.form {
            Form::Json => "null",
            Form::Logging | Form::Loguru => "None",
        };
        let (template, value) = if item.article {
            (&self.wording.article, item.author.clone())
        } else {
            let price = item.price.map(|price| format!("{price:.2}"));
            (&self.wording.product, price)
        };
        let value = value.unwrap_or_else(|| missing.to_owned());
        let parts = [
            ("{id}", item.id.as_str()),
            ("{url}", item.url.as_str()),
            ("{value}", value.as_str()),
        ];
        let message = fill(template, &parts);
        self.say(time, Level::Info, "store:27", &message);
    }

    /// Tells of the items that were not told of.
    fn flush(&mut self, time: i64) {
        if self.batch > 0 {
            let count = self.batch.to_string();
            let parts = [
                ("{count}", count.as_str()),
                ("{url}", self.batch_url.as_str()),
            ];
            let message = fill(&self.wording.counted, &parts);
            self.say(time, Level::Info, "store:41", &message);
            self.batch = 0;
        }
    }

    fn finish(&mut self, time: i64) {
        self.flush(time);
        let seconds = ((time - self.run.start()) / SECOND).to_string();
        let items = self.tally.items.to_string();
        let pages = self.tally.pages.to_string();
        let errors = self.tally.errors.to_string();
        let message = fill(
            &self.wording.finished,
            &[
                ("{items}", items.as_str()),
                ("{pages}", pages.as_str()),
                ("{errors}", errors.as_str()),
                ("{seconds}", seconds.as_str()),
            ],
        );
        self.say(time, Level::Info, "main:80", &message);
    }
}
