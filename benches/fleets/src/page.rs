//! One page: the requests for it, and the items on it.

use std::fmt::Write as _;

use crate::dice::Dice as _;
use crate::incident::Kind;
use crate::run::Run;
use crate::words::{
    BACKGROUND, CHALLENGE, FIELD, FORBIDDEN, Fault, LOCKED, SELECTOR, SERVER, THROTTLED, TIMEOUT,
};
use crate::writer::{MINUTE, SECOND};

/// Beyond this a scraper waits no longer, whatever servers ask.
const PATIENCE: i64 = 20 * MINUTE;

/// What a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Page,
    /// A status of 200 and no content.
    Wall,
    Status(u16),
    Nothing,
}

/// What will become of a page.
enum Fate {
    /// Whatever chance brings.
    Usual,
    /// Every attempt gets this.
    Doomed(Answer),
    /// So many attempts get this, and are repeated.
    Wasted(u32, Answer),
}

impl Run<'_> {
    /// Reads one page and takes what is on it.
    pub(crate) fn visit(&mut self) {
        let list = self.page.is_multiple_of(self.scraper.harvest.list_every);
        let path = match (list, self.scraper.harvest.articles) {
            (true, _) => "list",
            (_, true) => "article",
            _ => "product",
        };
        self.url.clear();
        let _ = write!(
            self.url,
            "https://{}/{path}/{}",
            self.scraper.site,
            1000 + self.page
        );
        if self.fetch() {
            self.tally.pages += 1;
            self.background();
            if !list {
                self.harvest();
            }
        }
    }

    /// Asks until there is an answer or no patience; whether there is something to read.
    fn fetch(&mut self) -> bool {
        let fate = self.fate();
        let attempts = if self.scraper.traffic.retries { 3 } else { 1 };
        for attempt in 1..=attempts {
            let (answer, again) = match fate {
                Fate::Doomed(answer) => (answer, answer.is_passing()),
                Fate::Wasted(extra, answer) if attempt <= extra => (answer, true),
                _ => {
                    let answer = self.answer();
                    (answer, answer.is_passing())
                }
            };
            if attempt > 1 && matches!(fate, Fate::Wasted(..)) {
                self.touch();
            }
            self.request(attempt, answer);
            if answer == Answer::Page && !again {
                return true;
            }
            if !again || attempt == attempts || self.waited > PATIENCE {
                self.give_up(answer);
                return false;
            }
            self.wait(answer);
        }
        false
    }

    fn fate(&mut self) -> Fate {
        let variety = self.variety();
        if let Some(share) = self.hit(Kind::BlockWave)
            && self.rng.chance(share)
        {
            self.touch();
            return Fate::Doomed(match variety {
                0 => Answer::Status(403),
                1 => Answer::Status(429),
                _ => Answer::Wall,
            });
        }
        if let Some(share) = self.hit(Kind::ErrorWave)
            && variety < 2
            && self.rng.chance(share)
        {
            self.touch();
            return Fate::Doomed(if variety == 0 {
                Answer::Nothing
            } else {
                Answer::Status(503)
            });
        }
        if let Some(extra) = self.hit(Kind::RetryWaste)
            // One in three wasted pages takes two further attempts.
            && self.rng.chance(extra * 0.75)
        {
            let answer = if variety == 1 {
                Answer::Status(502)
            } else {
                Answer::Page
            };
            return Fate::Wasted(if self.rng.chance(1.0 / 3.0) { 2 } else { 1 }, answer);
        }
        Fate::Usual
    }

    /// What chance brings on a usual day.
    fn answer(&mut self) -> Answer {
        let traffic = &self.scraper.traffic;
        let shares = [
            (traffic.not_found, Answer::Status(404)),
            (
                traffic.server_errors + self.odd_errors(),
                Answer::Status(503),
            ),
            (traffic.timeouts, Answer::Nothing),
            (traffic.throttled, Answer::Status(429)),
        ];
        let mut left = self.rng.f64();
        for (share, answer) in shares {
            if left < share {
                return answer;
            }
            left -= share;
        }
        Answer::Page
    }

    fn request(&mut self, attempt: u32, answer: Answer) {
        self.tally.requests += 1;
        let (status, error, bytes) = match answer {
            Answer::Page => (
                200,
                "",
                self.scraper.traffic.page_bytes * self.rng.noise(0.4),
            ),
            Answer::Wall => (200, "", 4_200.0),
            Answer::Status(status) => (status, "", self.rng.between(150.0, 900.0)),
            Answer::Nothing => (0, "ConnectTimeout", 0.0),
        };
        let mut ms = self.response_ms * self.rng.noise(self.scraper.traffic.response_sigma);
        if answer == Answer::Nothing {
            ms = 10_000.0;
            self.held_up(ms);
        } else if let Some(factor) = self.hit(Kind::SlowDown) {
            self.touch();
            self.held_up(ms * (factor - 1.0));
            ms *= factor;
        }
        let failed = answer == Answer::Nothing || status >= 400;
        if !failed && self.failing {
            self.failures = 0;
        }
        self.failing = failed;
        let level = if failed { "WARN" } else { "INFO" };
        let (now, url) = (self.now, &self.url);
        if answer == Answer::Nothing {
            self.log.event(now, level, "request", format_args!(
                r#""url":"{url}","method":"GET","response_time_ms":{ms:.3},"attempt":{attempt},"error_type":"{error}""#
            ));
            return;
        }
        self.tally.bytes += bytes as u64;
        let wait = if status == 429 {
            r#","retry_after_seconds":20.0"#
        } else {
            ""
        };
        self.log.event(now, level, "request", format_args!(
            r#""url":"{url}","method":"GET","status_code":{status},"response_time_ms":{ms:.3},"bytes":{bytes:.0},"attempt":{attempt}{wait}"#
        ));
    }

    /// Before another attempt.
    fn wait(&mut self, answer: Answer) {
        if answer == Answer::Status(429) {
            self.tally.waits += 1;
            let fields = format_args!(
                r#""wait_time_seconds":20.0,"reason":"429","url":"{}""#,
                self.url
            );
            self.log.event(self.now, "WARN", "rate_limit", fields);
            self.waited += 20 * SECOND;
            self.now += 20 * SECOND;
        } else {
            self.now += self.rng.i64(SECOND / 5..SECOND);
        }
    }

    /// The page is left unread; what is gone for good is no error.
    fn give_up(&mut self, answer: Answer) {
        let (fault, status) = match answer {
            Answer::Nothing => (TIMEOUT, None),
            Answer::Wall => (CHALLENGE, None),
            Answer::Status(404) | Answer::Page => return,
            Answer::Status(status @ 429) => (THROTTLED, Some(status)),
            Answer::Status(status @ 403) => (FORBIDDEN, Some(status)),
            Answer::Status(status) => (SERVER, Some(status)),
        };
        self.error(fault, status);
    }

    /// Logs an error about the page.
    pub(crate) fn error(&mut self, fault: Fault, status: Option<u16>) {
        self.tally.errors += 1;
        self.failures += 1;
        let message = fault.message(&self.url, &mut self.rng);
        let status = status
            .map(|status| format!(r#""status_code":{status},"#))
            .unwrap_or_default();
        self.now += 1500;
        self.log.event(self.now, "ERROR", "scraper_error", format_args!(
            r#""error_type":"{}","error_message":"{message}","url":"{}",{status}"consecutive_failures":{}"#,
            fault.name, self.url, self.failures
        ));
    }

    /// Errors as on any day.
    fn background(&mut self) {
        for place in 0..self.scraper.harvest.errors.len() {
            let (kind, rate) = self.scraper.harvest.errors[place];
            if self.rng.chance(rate) {
                self.error(BACKGROUND[kind], None);
            }
        }
    }

    /// Takes the item on the page, if there is one.
    fn harvest(&mut self) {
        if !self.rng.chance(self.per_page) {
            return;
        }
        self.now += 4000;
        if let Some(share) = self.hit(Kind::SilentFailure).or(self.hit(Kind::YieldDrop))
            && self.rng.chance(share)
        {
            self.touch();
            // Either the page shows nothing, or what it shows is not stored.
            if self.variety() > 0 && self.hit(Kind::YieldDrop).is_some() {
                self.found();
            }
            return;
        }
        self.found();
        let surge = self.hit(Kind::DuplicateSurge).unwrap_or(0.0);
        if self.rng.chance(self.scraper.harvest.duplicates.max(surge)) {
            if surge > 0.0 {
                self.touch();
            }
            let confidence = self.rng.between(0.85, 1.0);
            let fields = format_args!(r#""url":"{}","confidence":{confidence:.3}"#, self.url);
            self.log
                .event(self.now, "INFO", "duplicate_detected", fields);
            return;
        }
        if self.fails_to_store() || !self.rng.chance(self.scraper.harvest.stored) {
            return;
        }
        let missing = self.field_is_gone();
        self.store(missing);
    }

    /// A product that is seen; articles are only told of when they are stored.
    fn found(&mut self) {
        if !self.scraper.harvest.articles {
            self.tally.found += 1;
            self.product("INFO", "found", "");
        }
    }

    fn product(&mut self, level: &str, action: &str, more: &str) {
        let fields = format_args!(
            r#""action":"{action}","product_id":"p{}","url":"{}"{more}"#,
            9000 + self.page,
            self.url
        );
        self.log.event(self.now, level, "product_processed", fields);
    }

    /// Whether the item is lost with a word, by an incident.
    fn fails_to_store(&mut self) -> bool {
        let layout = self.hit(Kind::LayoutChange).filter(|_| self.variety() < 2);
        let locked = self.hit(Kind::ErrorWave).filter(|_| self.variety() == 2);
        let Some(share) = layout.or(locked) else {
            return false;
        };
        if !self.rng.chance(share) {
            return false;
        }
        self.touch();
        self.error(if layout.is_some() { SELECTOR } else { LOCKED }, None);
        if !self.scraper.harvest.articles {
            self.tally.failed += 1;
            self.product("WARN", "failed", "");
        }
        true
    }

    /// Whether the page no longer shows the price or the author where they used to stand.
    fn field_is_gone(&mut self) -> bool {
        let share = self.hit(Kind::LayoutChange).filter(|_| self.variety() == 2);
        let gone = share.is_some_and(|share| self.rng.chance(share));
        if gone {
            self.touch();
            self.error(FIELD, None);
        }
        gone
    }

    fn store(&mut self, field_is_gone: bool) {
        self.failures = 0;
        self.now += 3000;
        let articles = self.scraper.harvest.articles;
        if self.scraper.habits.database {
            let ms = 9.0 * self.rng.noise(0.5);
            let table = if articles { "articles" } else { "products" };
            self.log.event(self.now, "INFO", "database_operation", format_args!(
                r#""operation":"upsert","table":"{table}","duration_ms":{ms:.3},"connections_active":3"#
            ));
        }
        if articles {
            self.tally.articles += 1;
            let words = (450.0 * self.rng.noise(0.5)) as u32;
            let missing = if field_is_gone {
                r#","fields_missing":["author"]"#
            } else {
                ""
            };
            self.log.event(self.now, "INFO", "article_stored", format_args!(
                r#""article_id":"a{}","url":"{}","word_count":{words},"language":"en","processing_time_ms":{:.3}{missing}"#,
                5000 + self.page, self.url, 3.0 * self.rng.noise(0.3)
            ));
            return;
        }
        let action = if self.rng.chance(self.scraper.harvest.added) {
            self.tally.added += 1;
            "added"
        } else {
            self.tally.updated += 1;
            "updated"
        };
        if field_is_gone {
            self.product("INFO", action, r#","fields_missing":["price"]"#);
        } else {
            let price = format!(r#","price":{:.2}"#, 25.0 * self.rng.noise(0.8));
            self.product("INFO", action, &price);
        }
    }
}

impl Answer {
    /// Whether it is worth another attempt.
    fn is_passing(self) -> bool {
        matches!(self, Self::Nothing | Self::Status(429 | 500..=599))
    }
}
