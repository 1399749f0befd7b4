//! The question of `peers/questions.py`, asked of the scanner: `question DIRECTORY`.
//!
//! Group by hour, scraper, site, run, event type, level, action, status, error type and category;
//! count, bytes, quantiles. Two threads. Prints the number of groups, the sum of their counts and of
//! their bytes.

use std::hash::{Hash, Hasher};
use std::process::ExitCode;

use dragline_classifier::RuleSet;
use dragline_rollup::Latency;
use dragline_scan::{ScanOptions, scan_into};
use dragline_schema::{
    Classify as _, ErrorCategory, Event, Level, Position, Problem, Record, Sink, SourceFile,
};
use hashbrown::HashTable;
use rustc_hash::FxHasher;

const HOUR: i64 = 3_600_000_000;

/// What is grouped by, the texts as they are held once.
#[derive(Debug, PartialEq)]
struct Key {
    hour: i64,
    /// Scraper, site, run, action and error type.
    texts: [Option<Box<str>>; 5],
    event: Option<dragline_schema::EventType>,
    level: Option<Level>,
    status: Option<u16>,
    category: Option<ErrorCategory>,
}

#[derive(Default)]
struct Row {
    count: u64,
    bytes: u64,
    latency: Latency,
}

/// A hash table of all groups.
struct Groups<'r> {
    rules: &'r RuleSet,
    rows: HashTable<(u64, Key, Row)>,
}

impl Sink for Groups<'_> {
    fn file(&mut self, _: &SourceFile) {}
    fn problem(&mut self, _: &Problem<'_>) {}

    fn record(&mut self, record: &Record<'_>, _: Position) {
        let hour = record
            .timestamp
            .map_or(0, |time| time.as_micros().div_euclid(HOUR));
        let (mut action, mut error_type, mut status) = (None, None, None);
        let (mut bytes, mut milliseconds, mut category) = (None, None, None);
        match &record.event {
            Event::Request(request) => {
                status = request.status_code;
                bytes = request.bytes;
                milliseconds = request.response_time_ms;
                error_type = request.error_type.as_deref();
            }
            Event::ProductProcessed(product) => action = product.action.as_deref(),
            Event::ScraperError(error) => {
                error_type = error.error_type.as_deref();
                status = error.status_code;
                category = record
                    .error_text()
                    .map(|text| self.rules.classify(&text).category);
            }
            _ => {}
        }
        let texts = [
            record.scraper_id.as_deref(),
            record.site.as_deref(),
            record.run_id.as_deref(),
            action,
            error_type,
        ];
        let (event, level) = (record.event.event_type(), record.level);
        let rest = (
            hour,
            event.map(|event| event as u8),
            level,
            status,
            category,
        );
        let mut hasher = FxHasher::default();
        (texts, rest).hash(&mut hasher);
        let hash = hasher.finish();
        let is_equal = |(held, key, _): &(u64, Key, Row)| {
            *held == hash
                && key.hour == hour
                && key.event == event
                && key.level == level
                && key.status == status
                && key.category == category
                && key
                    .texts
                    .iter()
                    .zip(texts)
                    .all(|(own, text)| own.as_deref() == text)
        };
        let new = || {
            let texts = texts.map(|text| text.map(Box::from));
            let key = Key {
                hour,
                texts,
                event,
                level,
                status,
                category,
            };
            (hash, key, Row::default())
        };
        let entry = self.rows.entry(hash, is_equal, |(hash, ..)| *hash);
        let (_, _, row) = entry.or_insert_with(new).into_mut();
        row.count += 1;
        row.bytes += bytes.unwrap_or(0);
        if let Some(milliseconds) = milliseconds {
            row.latency.observe(milliseconds);
        }
    }
}

fn main() -> ExitCode {
    let Some(directory) = std::env::args().nth(1) else {
        eprintln!("question DIRECTORY");
        return ExitCode::from(2);
    };
    let categories = include_str!("peers/categories.json");
    let rules = rules(categories);
    let options = ScanOptions {
        jobs: 2,
        ..ScanOptions::default()
    };
    let make = || Groups {
        rules: &rules,
        rows: HashTable::new(),
    };
    let parts = match scan_into(&[directory], &options, make) {
        Ok(parts) => parts,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut whole = make();
    for (hash, key, row) in parts.into_iter().flat_map(|part| part.rows) {
        let is_equal = |(_, held, _): &(u64, Key, Row)| *held == key;
        match whole.rows.find_mut(hash, is_equal) {
            Some((_, _, held)) => {
                held.count += row.count;
                held.bytes += row.bytes;
                held.latency.merge(&row.latency);
            }
            None => {
                whole
                    .rows
                    .insert_unique(hash, (hash, key, row), |(hash, ..)| *hash);
            }
        }
    }
    let quantiles = |row: &Row| [0.5, 0.95, 0.99].map(|q| row.latency.quantile(q));
    let known = whole
        .rows
        .iter()
        .filter(|(.., row)| quantiles(row)[0].is_some())
        .count();
    let count: u64 = whole.rows.iter().map(|(.., row)| row.count).sum();
    let bytes: u64 = whole.rows.iter().map(|(.., row)| row.bytes).sum();
    eprintln!("{known} groups have response times");
    println!("{} {count} {bytes}", whole.rows.len());
    ExitCode::SUCCESS
}

/// The same regular expressions that the peers use, the first the best.
fn rules(categories: &str) -> RuleSet {
    let pairs: Vec<(String, String)> =
        serde_json::from_str(categories).expect("a list of pairs, which stands beside this file");
    let rule = |(place, (category, pattern)): (usize, &(String, String))| {
        format!(
            "[[rule]]\nid = '{category}'\ncategory = '{category}'\nsub_category = 'x'\nseverity = 'low'\n\
             priority = {}\nfields = ['message']\npatterns = ['''{pattern}''']\n",
            900 - place
        )
    };
    let text: String = pairs.iter().enumerate().map(rule).collect();
    RuleSet::from_texts(&[("categories".to_owned(), text)]).expect("seven rules")
}
