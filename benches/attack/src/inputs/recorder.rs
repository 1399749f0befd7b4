//! Lines of the wire format, and lines that almost are.

use super::pen::{ERRORS, MESSAGES, Pen, SCRAPERS, SITES, URLS};
use crate::dice::Dice as _;

/// What a field of an event holds.
#[derive(Clone, Copy)]
enum Value {
    Url,
    Message,
    Error,
    Word(&'static [&'static str]),
    Whole(u64),
    Fraction(f64),
    Status,
    Names,
    Object,
}

use Value::{Error, Fraction, Message, Names, Object, Status, Url, Whole, Word};

type Fields = &'static [(&'static str, Value)];

const START: (&str, Fields) = ("scraper_start", &[("config", Object)]);
const END: (&str, Fields) = (
    "scraper_end",
    &[
        (
            "status",
            Word(&["success", "failed", "cancelled", "panicked"]),
        ),
        (
            "finish_reason",
            Word(&["finished", "shutdown", "closespider_errorcount"]),
        ),
        ("duration_seconds", Fraction(900.0)),
        ("products_found", Whole(200)),
        ("products_added", Whole(200)),
        ("products_saved", Whole(200)),
        ("articles_stored", Whole(50)),
        ("requests_made", Whole(400)),
        ("errors_count", Whole(30)),
        ("bytes_downloaded", Whole(9_000_000)),
    ],
);

/// The other events, as `docs/wire-format.md` has them.
const EVENTS: &[(u32, (&str, Fields))] = &[
    (
        12,
        (
            "request",
            &[
                ("url", Url),
                ("method", Word(&["GET", "POST", "HEAD"])),
                ("status_code", Status),
                ("response_time_ms", Fraction(900.0)),
                ("bytes", Whole(90_000)),
                ("attempt", Whole(4)),
                ("proxy", Word(&["10.0.4.17:3128", "proxy-a"])),
                ("retry_after_seconds", Fraction(60.0)),
                ("error_type", Error),
            ],
        ),
    ),
    (
        8,
        (
            "product_processed",
            &[
                (
                    "action",
                    Word(&["found", "added", "updated", "saved", "failed"]),
                ),
                ("product_id", Word(&["p1", "p2", "SKU-0003"])),
                ("url", Url),
                ("price", Fraction(80.0)),
                ("fields_missing", Names),
            ],
        ),
    ),
    (
        3,
        (
            "article_stored",
            &[
                ("article_id", Word(&["a1", "a2"])),
                ("url", Url),
                ("word_count", Whole(2_000)),
                ("language", Word(&["de", "en", "ar"])),
                ("processing_time_ms", Fraction(90.0)),
                ("fields_missing", Names),
            ],
        ),
    ),
    (
        1,
        (
            "duplicate_detected",
            &[("url", Url), ("confidence", Fraction(1.0))],
        ),
    ),
    (
        1,
        (
            "search_query",
            &[
                ("query", Message),
                ("result_count", Whole(90)),
                ("response_time_ms", Fraction(9_000.0)),
            ],
        ),
    ),
    (1, ("queue_size", &[("queue_size", Whole(10_000))])),
    (
        1,
        (
            "database_operation",
            &[
                ("operation", Word(&["insert", "select"])),
                ("table", Word(&["items", "runs"])),
                ("duration_ms", Fraction(40.0)),
                ("connections_active", Whole(9)),
            ],
        ),
    ),
    (
        1,
        (
            "system_sample",
            &[
                ("cpu_percent", Fraction(100.0)),
                ("memory_percent", Fraction(100.0)),
                ("memory_used_bytes", Whole(1 << 34)),
                ("disk_percent", Fraction(100.0)),
                ("network_sent_bytes", Whole(1 << 40)),
            ],
        ),
    ),
    (
        4,
        (
            "scraper_error",
            &[
                ("error_type", Error),
                ("error_message", Message),
                ("causes", Object),
                ("traceback", Message),
                ("url", Url),
                ("status_code", Status),
                (
                    "error_category",
                    Word(&["network", "parsing", "unknown", "none"]),
                ),
                ("error_severity", Word(&["low", "critical", "worst"])),
                ("consecutive_failures", Whole(12)),
                ("function", Word(&["shop::parse", "main"])),
                ("context", Object),
            ],
        ),
    ),
    (
        1,
        (
            "rate_limit",
            &[
                ("wait_time_seconds", Fraction(90.0)),
                ("reason", Message),
                ("url", Url),
            ],
        ),
    ),
    (
        1,
        (
            "log_dropped",
            &[
                ("dropped", Whole(90)),
                ("dropped_by_level", Object),
                ("lost_seq", Names),
            ],
        ),
    ),
    (2, ("", &[("message", Message), ("user", Object)])),
    (1, ("no_such_event", &[("url", Url), ("count", Whole(9))])),
];

/// Who writes.
#[derive(Clone)]
struct Run {
    scraper: String,
    site: String,
    id: String,
    writer: String,
}

impl Run {
    fn new(pen: &mut Pen) -> Self {
        let number = pen.rng.u32(..9).to_string();
        Self {
            scraper: pen.json(SCRAPERS),
            site: pen.json(SITES),
            id: pen.json(&["20260304T112233Z-1a2b3c4d5e6f", "run-1", &number]),
            writer: format!("\"{}\"", pen.rng.hex(12)),
        }
    }
}

/// A recorder's file of about so many lines, of one run or several.
pub(crate) fn log(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let mut numbers = numbers(pen, lines);
    let mut run = Run::new(pen);
    let mut text = Vec::new();
    for place in 0..lines {
        if pen.rng.chance(0.01) {
            run = Run::new(pen);
        }
        let event = if place == 0 {
            START
        } else if place + 1 == lines && pen.rng.chance(0.8) {
            END
        } else {
            pen.rng.weighted(EVENTS)
        };
        let seq = numbers.next().unwrap_or_default();
        text.extend(line(pen, &run, &seq, event).into_bytes());
        text.push(b'\n');
    }
    text
}

/// Weeks of short runs, as the analyst needs them to learn what is normal; now and then a value is absurd.
pub(crate) fn season(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let (days, runs) = (pen.rng.usize(8..45), pen.rng.usize(1..4));
    let interval = 86_400 / runs as i64;
    let each = (lines / (days * runs)).max(6);
    pen.wild = pen.wild.min(0.03);
    let usual = Run::new(pen);
    let mut text = Vec::new();
    for number in 0..days * runs {
        let early = pen.rng.i64(0..600);
        pen.wait(interval - early);
        let run = Run {
            id: format!("\"run-{number}\""),
            writer: format!("\"{number:012x}\""),
            ..usual.clone()
        };
        let count = pen.rng.usize(each / 2..each * 2);
        for seq in 0..count {
            let event = if seq == 0 {
                START
            } else if seq + 1 == count {
                END
            } else {
                pen.rng.weighted(EVENTS)
            };
            text.extend(line(pen, &run, &seq.to_string(), event).into_bytes());
            text.push(b'\n');
        }
    }
    text
}

/// The numbers of lines: in order, or permuted, with gaps, at the end of what there is.
fn numbers(pen: &mut Pen, lines: usize) -> impl Iterator<Item = String> + use<> {
    let many = lines as u64;
    let mut numbers: Vec<u64> = match pen.rng.u8(..8) {
        0 => (0..many).map(|seq| seq * pen.rng.u64(1..90)).collect(),
        1 => (0..many).map(|seq| u64::MAX - many + seq).collect(),
        2 => (0..many).map(|_| pen.rng.u64(..)).collect(),
        _ => (0..many).collect(),
    };
    if pen.rng.chance(0.1) {
        pen.rng.shuffle(&mut numbers);
    }
    numbers.into_iter().map(|seq| seq.to_string())
}

fn line(pen: &mut Pen, run: &Run, seq: &str, (event, fields): (&str, Fields)) -> String {
    let time = pen.time();
    let level = match event {
        "scraper_error" => "ERROR",
        "rate_limit" => "WARN",
        _ => "INFO",
    };
    let level = pen.text(&[level]);
    let mut pairs: Vec<(String, String)> = vec![
        ("timestamp".into(), pen.quoted(&time)),
        ("level".into(), pen.quoted(&level)),
        ("target".into(), "\"dragline\"".into()),
        ("scraper_id".into(), run.scraper.clone()),
        ("site".into(), run.site.clone()),
        ("run_id".into(), run.id.clone()),
        ("writer_id".into(), run.writer.clone()),
        ("seq".into(), seq.to_owned()),
    ];
    if !event.is_empty() {
        pairs.push(("event_type".into(), format!("\"{event}\"")));
    }
    for (name, kind) in fields {
        if pen.rng.chance(0.8) {
            let value = value(pen, *kind);
            pairs.push(((*name).to_owned(), value));
        }
    }
    if pen.is_wild() {
        twist(pen, &mut pairs);
    }
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn value(pen: &mut Pen, kind: Value) -> String {
    match kind {
        Url => pen.json(URLS),
        Message => pen.json(MESSAGES),
        Error => pen.json(ERRORS),
        Word(words) => pen.json(words),
        Whole(below) => pen.number(below),
        Fraction(below) => pen.fraction(below),
        Status => pen.status(),
        Names => format!("[{},{}]", pen.json(&["price", "title"]), pen.number(9)),
        Object if pen.is_wild() => pen.nested(),
        Object => {
            let (kind, message) = (pen.json(ERRORS), pen.json(MESSAGES));
            pen.rng
                .pick(&[
                    format!("[{{\"error_type\":{kind},\"error_message\":{message}}}]").as_str(),
                    format!("{{\"a\":{kind},\"b\":[{message}]}}").as_str(),
                    "{}",
                ])
                .to_owned()
        }
    }
}

/// Changes the shape of a line: its keys, their order, their number.
fn twist(pen: &mut Pen, pairs: &mut Vec<(String, String)>) {
    let place = pen.rng.usize(..pairs.len());
    match pen.rng.u8(..9) {
        0 => pen.rng.shuffle(pairs),
        1 => drop(pairs.remove(place)),
        2 => {
            let twin = (pairs[place].0.clone(), pen.nested());
            pairs.push(twin);
        }
        3 => {
            let value = pen.json(MESSAGES);
            let twin = (pairs[place].0.clone(), value);
            pairs.insert(0, twin);
        }
        4 => pairs[place].0 = "k".repeat(pen.rng.usize(1..70_000)),
        5 => {
            let other = pen.rng.usize(..pairs.len());
            let name = pairs[other].0.clone();
            pairs[other].0 = std::mem::replace(&mut pairs[place].0, name);
        }
        6 => {
            for number in 0..pen.rng.usize(1..500) {
                pairs.push((format!("extra_{number}"), number.to_string()));
            }
        }
        7 => pairs[place].1 = pen.number(9),
        _ => pairs[place].0 = pen.quoted("").replace('"', "") + "\\u001b[2J\\u202e",
    }
}
