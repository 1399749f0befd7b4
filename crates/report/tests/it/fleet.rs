//! A small fleet that records every kind of event, written line by line: the same bytes every time.

use std::fmt::Write as _;
use std::path::Path;

use dragline_schema::Timestamp;
use serde_json::{Value, json};

/// Number of days; one run of each scraper a day.
const DAYS: i64 = 24;
/// Minute of the first day, in seconds.
const BEGIN: i64 = 1_772_323_200; // 2026-03-01
const REQUESTS: i64 = 30;

/// The log of one scraper.
struct Log {
    text: String,
    scraper: &'static str,
    site: &'static str,
    run: String,
    seq: u64,
    at: i64,
}

impl Log {
    fn new(scraper: &'static str, site: &'static str) -> Self {
        Self {
            text: String::new(),
            scraper,
            site,
            run: String::new(),
            seq: 0,
            at: 0,
        }
    }

    fn begin(&mut self, day: i64, hour: i64) {
        self.at = BEGIN + day * 86_400 + hour * 3600;
        self.run = format!("{}-{:02}", self.scraper, day + 1);
        self.seq = 0;
    }

    fn add(&mut self, level: &str, event: &str, fields: &Value) {
        let time = Timestamp::from_seconds(self.at).to_string();
        let mut line = json!({
            "timestamp": time, "level": level, "scraper_id": self.scraper, "site": self.site, "run_id": self.run,
            "writer_id": self.run, "seq": self.seq, "event_type": event,
        });
        let own = line.as_object_mut().unwrap();
        own.extend(fields.as_object().unwrap().clone());
        writeln!(self.text, "{line}").unwrap();
        self.seq += 1;
        self.at += 4;
    }

    fn request(&mut self, n: i64, status: u64, milliseconds: u64) {
        let url = format!("https://{}/page/{n}", self.site);
        let fields = json!({
            "url": url, "method": "GET", "status_code": status, "response_time_ms": milliseconds, "bytes": 20_000 + 10 * n,
            "attempt": 1,
        });
        self.add("INFO", "request", &fields);
    }

    fn error(&mut self, error_type: &str, message: &str) {
        let fields = json!({"error_type": error_type, "error_message": message});
        self.add("ERROR", "scraper_error", &fields);
    }

    fn end(&mut self, status: &str, stats: &Value) {
        self.add(
            "INFO",
            "scraper_end",
            &json!({"status": status, "stats": stats}),
        );
    }
}

/// Products; refused by the site in the last three days.
fn mint() -> String {
    let mut log = Log::new("mint", "mint.example.org");
    for day in 0..DAYS {
        log.begin(day, 6);
        let concurrency = if day + 1 < DAYS { 8 } else { 16 };
        let config = json!({"concurrency": concurrency, "user_agent": "mint/1", "start_urls": 12});
        log.add(
            "INFO",
            "scraper_start",
            &json!({"config": config, "host": "north"}),
        );
        let sample = json!({
            "host": "north", "cpu_percent": 40 + day % 5, "memory_percent": 55, "memory_used_bytes": 4_400_000_000_u64,
            "memory_available_bytes": 3_600_000_000_u64, "disk_percent": 61, "disk_used_bytes": 61_000_000_000_u64,
            "disk_free_bytes": 39_000_000_000_u64, "network_sent_bytes": 1_000_000 * (day + 1),
            "network_received_bytes": 30_000_000 * (day + 1),
        });
        log.add("INFO", "system_sample", &sample);
        log.add("INFO", "queue_size", &json!({"queue_size": 300 - day}));
        let is_refused = day + 3 >= DAYS;
        for n in 0..REQUESTS {
            let status = if is_refused && n % 5 < 3 { 403 } else { 200 };
            // One slow response in a run.
            let milliseconds = if n == 17 {
                4000
            } else {
                80 + u64::try_from(n).unwrap()
            };
            log.request(n, status, milliseconds);
            if status == 403 {
                continue;
            }
            let product = format!("p{n}");
            let fields = json!({"action": "found", "product_id": product});
            log.add("DEBUG", "product_processed", &fields);
            let fields = json!({"action": "saved", "product_id": product, "price": 12.5, "fields_missing": []});
            log.add("DEBUG", "product_processed", &fields);
            let fields = json!({"operation": "insert", "table": "coins", "duration_ms": 3.5, "connections_active": 2});
            log.add("DEBUG", "database_operation", &fields);
        }
        log.add(
            "WARN",
            "rate_limit",
            &json!({"wait_time_seconds": 5, "reason": "429"}),
        );
        let fields = json!({"url": "https://mint.example.org/page/1", "confidence": 0.9});
        log.add("DEBUG", "duplicate_detected", &fields);
        if day % 6 == 0 {
            log.error(
                "TimeoutError",
                "connect timeout after 30 s to mint.example.org",
            );
        }
        log.end("success", &json!({"captchas": 2 + day % 3, "budget": 0.5}));
    }
    log.text
}

/// Articles and searches; an error that is muted.
fn gazette() -> String {
    let mut log = Log::new("gazette", "gazette.example.org");
    for day in 0..DAYS {
        log.begin(day, 9);
        log.add(
            "INFO",
            "scraper_start",
            &json!({"config": {"sections": "world"}, "host": "south"}),
        );
        for n in 0..REQUESTS {
            log.request(n, 200, 120);
            let fields = json!({
                "article_id": format!("a{n}"), "word_count": 400 + 10 * n, "language": if n % 4 == 0 { "de" } else { "en" },
                "processing_time_ms": 12,
            });
            log.add("DEBUG", "article_stored", &fields);
        }
        let fields = json!({"query": "harbour", "result_count": 14, "response_time_ms": 210});
        log.add("INFO", "search_query", &fields);
        log.error("ImageError", "cannot decode the image of article 7");
        log.end("success", &json!({}));
    }
    log.text
}

/// Two scrapers whose names differ in the middle. The first fails in the last three days on a full disk.
fn harbours() -> String {
    let mut text = String::new();
    for (scraper, hour) in [
        ("harbour_lights_and_buoys_daily", 12),
        ("harbour_prices_and_fares_daily", 15),
    ] {
        let mut log = Log::new(scraper, "harbour.example.org");
        for day in 0..DAYS {
            log.begin(day, hour);
            log.add("INFO", "scraper_start", &json!({}));
            for n in 0..REQUESTS {
                log.request(n, if n == 3 { 500 } else { 200 }, 90);
                log.add(
                    "DEBUG",
                    "product_processed",
                    &json!({"action": "saved", "product_id": format!("h{n}")}),
                );
            }
            log.error(
                "TimeoutError",
                "connect timeout after 30 s to harbour.example.org",
            );
            if hour == 12 && day + 3 >= DAYS {
                log.error(
                    "OSError",
                    "[Errno 28] No space left on device: '/srv/harbour/items.jl'",
                );
                log.end("failed", &json!({}));
            } else {
                log.end("success", &json!({}));
            }
        }
        text += &log.text;
    }
    text
}

/// Writes the logs of the fleet into a directory.
pub(super) fn write(dir: &Path) {
    for (name, text) in [
        ("gazette.log", gazette()),
        ("harbour.log", harbours()),
        ("mint.log", mint()),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
    }
}
