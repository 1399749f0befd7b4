//! Writes the corpus that readers are compared on: `corpus DIR [--events N] [--days N] [--plain]`.
//!
//! The logs of a fleet of four scrapers on seven sites over seven days, as Dragline's recorder
//! writes them: 28 files of gzip members of some 4 MiB, two million events, of which three in a
//! hundred are errors. The same arguments give the same bytes. More events are more per run, over
//! the same days, scrapers, sites and runs; more days (28 at most) share the events.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The files' names stay in March.
const MOST_DAYS: u64 = 28;
const RUNS_A_DAY: u64 = 6;
const MEMBER: usize = 4 << 20;
/// 2026-03-02T00:00:00Z in microseconds.
const START: u64 = 1_772_409_600_000_000;
const DAY: u64 = 86_400_000_000;
const SCRAPERS: [(&str, &[&str]); 4] = [
    (
        "gartenwelt",
        &["www.gartenwelt.test", "shop.gartenwelt.test"],
    ),
    ("buecher", &["buecher.test", "www.antiquariat.test"]),
    ("news", &["kurier.test"]),
    ("prices", &["preise.test", "vergleich.test"]),
];

/// `SplitMix64` (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn main() -> anyhow::Result<()> {
    let mut events = 2_000_000;
    let mut days = 7;
    let mut is_plain = false;
    let mut directory = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--plain" => is_plain = true,
            "--events" => events = number(&argument, arguments.next())?,
            "--days" => days = number(&argument, arguments.next())?,
            path if !path.starts_with('-') => directory = Some(PathBuf::from(path)),
            other => bail!("unknown option {other}"),
        }
    }
    let directory = directory.context("corpus DIR [--events N] [--days N] [--plain]")?;
    anyhow::ensure!(
        (1..=MOST_DAYS).contains(&days),
        "--days is 1 to {MOST_DAYS}"
    );
    fs::create_dir_all(&directory)?;
    let per_file = events / (days * SCRAPERS.len() as u64);
    for day in 0..days {
        for (scraper, (name, sites)) in SCRAPERS.iter().enumerate() {
            let mut random = Random(day * 100 + scraper as u64);
            let writer = format!("{:016x}", random.next());
            let text = file(&mut random, name, sites, &writer, day, per_file);
            let path = directory.join(format!(
                "{name}.202603{:02}T000000Z.{writer}.1.jsonl",
                2 + day
            ));
            if is_plain {
                fs::write(path, text)?;
            } else {
                fs::write(path.with_extension("jsonl.gz"), members(&text)?)?;
            }
        }
    }
    Ok(())
}

fn number(option: &str, value: Option<String>) -> anyhow::Result<u64> {
    let value = value.with_context(|| format!("{option} needs a number"))?;
    value
        .parse()
        .with_context(|| format!("{option} {value} is no number"))
}

/// Gzip members that end with a line.
fn members(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut whole = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let cut = rest.floor_char_boundary(MEMBER.min(rest.len()));
        let end = rest[cut..]
            .find('\n')
            .map_or(rest.len(), |end| cut + end + 1);
        let mut encoder = GzEncoder::new(whole, Compression::new(6));
        encoder.write_all(&rest.as_bytes()[..end])?;
        whole = encoder.finish()?;
        rest = &rest[end..];
    }
    Ok(whole)
}

struct Run<'a> {
    scraper: &'a str,
    site: &'a str,
    id: String,
    writer: &'a str,
    seq: u64,
}

fn file(
    random: &mut Random,
    scraper: &str,
    sites: &[&str],
    writer: &str,
    day: u64,
    events: u64,
) -> String {
    let mut text = String::with_capacity(events as usize * 400);
    for number in 0..RUNS_A_DAY {
        let mut run = Run {
            scraper,
            site: sites[(number % sites.len() as u64) as usize],
            id: format!("{:016x}", random.next()),
            writer,
            seq: 0,
        };
        let start = START + day * DAY + number * DAY / RUNS_A_DAY + random.below(60_000_000);
        let count = events / RUNS_A_DAY;
        // A run takes an hour.
        let step = 3_600_000_000 / count.max(1);
        let mut time = start;
        line(
            &mut text,
            &mut run,
            time,
            "INFO",
            "scraper_start",
            "run started",
            r#","config":{}"#,
        );
        for _ in 2..count {
            time += 1 + random.below(2 * step);
            event(&mut text, random, &mut run, time);
        }
        let end = format!(
            r#","status":"success","finish_reason":"finished","duration_seconds":{:.3}"#,
            (time - start) as f64 / 1e6
        );
        line(
            &mut text,
            &mut run,
            time,
            "INFO",
            "scraper_end",
            "run finished",
            &end,
        );
    }
    text
}

fn event(text: &mut String, random: &mut Random, run: &mut Run<'_>, time: u64) {
    let page = random.below(50_000);
    let url = format!("https://{}/p/{page}?ref={}", run.site, random.below(900));
    let mut fields = String::new();
    // Writing to a String cannot fail.
    let kind = random.below(1000);
    let (level, event_type, message) = match kind {
        0..550 => {
            let status = match random.below(100) {
                0..93 => 200,
                93 => 301,
                94 | 95 => 404,
                96 => 429,
                97 => 403,
                98 => 500,
                _ => 503,
            };
            let _ = write!(
                fields,
                r#","url":"{url}","method":"GET","status_code":{status},"response_time_ms":{}.{:03},"bytes":{},"attempt":1"#,
                40 + random.below(300) * random.below(8),
                random.below(1000),
                2_000 + random.below(90_000),
            );
            ("INFO", "request", "request")
        }
        550..850 => {
            let action = ["added", "updated", "saved", "found"][random.below(4) as usize];
            let _ = write!(
                fields,
                r#","action":"{action}","product_id":"sku-{page}","url":"{url}","price":{}.{:02}"#,
                random.below(400),
                random.below(100),
            );
            ("INFO", "product_processed", "product")
        }
        850..930 => {
            let _ = write!(fields, r#","page":{page},"depth":{}"#, random.below(5));
            (
                "DEBUG",
                "",
                "following the link to the next page of the list",
            )
        }
        930..945 => {
            let _ = write!(fields, r#","queue_size":{}"#, random.below(4000));
            ("INFO", "queue_size", "queue")
        }
        945..955 => {
            let _ = write!(
                fields,
                r#","url":"{url}","confidence":0.{:02}"#,
                random.below(100)
            );
            ("INFO", "duplicate_detected", "seen before")
        }
        955..965 => {
            let _ = write!(
                fields,
                r#","wait_time_seconds":{},"reason":"429","url":"{url}""#,
                5 + random.below(60)
            );
            ("WARN", "rate_limit", "waiting")
        }
        965..970 => {
            let _ = write!(fields, r#","attempt":{}"#, 1 + random.below(3));
            ("WARN", "", "the page answered slowly, trying again")
        }
        _ => {
            error(&mut fields, random, &url, page);
            ("ERROR", "scraper_error", "error")
        }
    };
    line(text, run, time, level, event_type, message, &fields);
}

fn error(fields: &mut String, random: &mut Random, url: &str, page: u64) {
    let number = random.below(100_000);
    let (error_type, message) = match random.below(9) {
        0 => (
            "httpx.ConnectTimeout",
            format!("timed out after {}.{} s", number % 60, number % 10),
        ),
        1 => (
            "httpx.HTTPStatusError",
            format!("Client error '429 Too Many Requests' for url '{url}'"),
        ),
        2 => (
            "httpx.HTTPStatusError",
            format!("Server error '503 Service Unavailable' for url '{url}'"),
        ),
        3 => ("KeyError", "'price'".to_owned()),
        4 => (
            "AttributeError",
            "'NoneType' object has no attribute 'select_one'".to_owned(),
        ),
        5 => (
            "json.decoder.JSONDecodeError",
            format!(
                "Expecting value: line 1 column {} (char {number})",
                number % 900
            ),
        ),
        6 => (
            "psycopg.OperationalError",
            format!(
                "connection to server at \\\"10.0.0.{}\\\", port 5432 failed: Connection refused",
                number % 255
            ),
        ),
        7 => (
            "ValueError",
            format!("could not convert string to float: 'EUR {number}'"),
        ),
        _ => (
            "shop.errors.ElementNotFound",
            format!(
                "selector div.price-{} found nothing on page {page}",
                number % 7
            ),
        ),
    };
    let _ = write!(
        fields,
        r#","error_type":"{error_type}","error_message":"{message}","url":"{url}","consecutive_failures":{},"function":"parse_product""#,
        number % 4,
    );
}

fn line(
    text: &mut String,
    run: &mut Run<'_>,
    time: u64,
    level: &str,
    event_type: &str,
    message: &str,
    fields: &str,
) {
    run.seq += 1;
    let (day, rest) = ((time - START) / DAY, (time - START) % DAY);
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let _ = write!(
        text,
        r#"{{"timestamp":"2026-03-{:02}T{:02}:{:02}:{:02}.{micros:06}Z","level":"{level}","target":"{}::spider","scraper_id":"{}","site":"{}","run_id":"{}","writer_id":"{}","seq":{}"#,
        2 + day,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        run.scraper,
        run.scraper,
        run.site,
        run.id,
        run.writer,
        run.seq,
    );
    if !event_type.is_empty() {
        let _ = write!(text, r#","event_type":"{event_type}""#);
    }
    let _ = writeln!(text, r#","message":"{message}"{fields}}}"#);
}
