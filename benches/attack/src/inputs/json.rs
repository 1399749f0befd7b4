//! JSON lines of the usual loggers, and JSON that is no line.

use super::pen::{ERRORS, MESSAGES, Pen, SCRAPERS, SITES, URLS};
use super::scrapy::traceback;
use crate::dice::Dice as _;

/// Lines of one logger.
pub(crate) fn log(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let writer: fn(&mut Pen) -> String = pen
        .rng
        .pick(&[structlog, loguru, pino, tracing, winston, elastic]);
    let mut text = String::new();
    for _ in 0..lines {
        text.push_str(&writer(pen));
        text.push('\n');
        if pen.rng.chance(0.01) {
            // As an uncaught exception leaves it.
            text.push_str(&traceback(pen));
            text.push('\n');
        }
    }
    text.into_bytes()
}

fn structlog(pen: &mut Pen) -> String {
    let (time, url, status) = (pen.time(), pen.json(URLS), pen.status());
    let (time, duration, said) = (pen.quoted(&time), pen.fraction(90.0), pen.json(MESSAGES));
    let (scraper, site) = (pen.json(SCRAPERS), pen.json(SITES));
    let level = pen.json(&["info", "warning", "error", "critical"]);
    let what = match pen.rng.u8(..4) {
        0 => format!("\"url\":{url},\"status_code\":{status},\"duration_ms\":{duration}"),
        1 => format!("\"item\":{{\"name\":{said},\"price\":{duration}}}"),
        2 => {
            let trace = traceback(pen);
            format!("\"exception\":{}", pen.quoted(&trace))
        }
        _ => format!("\"n\":{}", pen.number(9)),
    };
    format!(
        "{{{what},\"event\":{said},\"scraper\":{scraper},\"site\":{site},\"run_id\":\"r1\",\"level\":{level},\"timestamp\":{time}}}"
    )
}

fn loguru(pen: &mut Pen) -> String {
    let (time, said, repr) = (pen.instant(), pen.json(MESSAGES), pen.time());
    let (scraper, kind) = (pen.json(SCRAPERS), pen.json(ERRORS));
    let level = pen.json(&["DEBUG", "INFO", "SUCCESS", "ERROR"]);
    let exception = if pen.rng.chance(0.2) {
        format!("{{\"type\":{kind},\"value\":{said},\"traceback\":true}}")
    } else {
        "null".to_owned()
    };
    let (number, repr) = (pen.number(50), pen.quoted(&repr));
    format!(
        "{{\"text\":{said},\"record\":{{\"exception\":{exception},\"extra\":{{\"scraper\":{scraper},\"site\":\"shop\",\"run_id\":\"lg-1\"}},\
         \"level\":{{\"name\":{level},\"no\":{number}}},\"message\":{said},\"time\":{{\"repr\":{repr},\"timestamp\":{time}}}}}}}"
    )
}

fn pino(pen: &mut Pen) -> String {
    let (time, url, status) = (pen.instant(), pen.json(URLS), pen.status());
    let (took, said, level) = (pen.number(900), pen.json(MESSAGES), pen.number(61));
    let scraper = pen.json(SCRAPERS);
    let what = match pen.rng.u8(..3) {
        0 => format!(
            "\"req\":{{\"id\":1,\"method\":\"GET\",\"url\":{url}}},\"res\":{{\"statusCode\":{status}}},\"responseTime\":{took}"
        ),
        1 => format!("\"err\":{{\"type\":\"Error\",\"message\":{said},\"stack\":{said}}}"),
        _ => format!("\"item\":{{\"sku\":{said}}}"),
    };
    format!(
        "{{\"level\":{level},\"time\":{time},\"pid\":1,\"scraper\":{scraper},\"site\":\"shop\",\"runId\":\"p1\",{what},\"msg\":{said}}}"
    )
}

fn tracing(pen: &mut Pen) -> String {
    let (time, said, url) = (pen.time(), pen.json(MESSAGES), pen.json(URLS));
    let (time, status, took) = (pen.quoted(&time), pen.status(), pen.fraction(90.0));
    let scraper = pen.json(SCRAPERS);
    let spans = if pen.is_wild() {
        pen.nested()
    } else {
        format!(
            "[{{\"run_id\":\"rs-1\",\"scraper_id\":{scraper},\"site\":\"shop\",\"name\":\"run\"}}]"
        )
    };
    format!(
        "{{\"timestamp\":{time},\"level\":\"INFO\",\"fields\":{{\"message\":{said},\"url\":{url},\"status\":{status},\"elapsed_ms\":{took}}},\
         \"target\":\"shop\",\"spans\":{spans}}}"
    )
}

fn winston(pen: &mut Pen) -> String {
    let (time, said, url) = (pen.time(), pen.json(MESSAGES), pen.json(URLS));
    let (time, took, status) = (pen.quoted(&time), pen.number(900), pen.status());
    format!(
        "{{\"level\":\"info\",\"message\":{said},\"scraper\":\"shop\",\"runId\":\"w\",\"url\":{url},\"status\":{status},\"durationMs\":{took},\"timestamp\":{time}}}"
    )
}

fn elastic(pen: &mut Pen) -> String {
    let (time, said, took) = (pen.time(), pen.json(MESSAGES), pen.number(1 << 40));
    let (time, kind) = (pen.quoted(&time), pen.json(ERRORS));
    format!(
        "{{\"@timestamp\":{time},\"log.level\":\"error\",\"message\":{said},\"event.duration\":{took},\"error\":{{\"type\":{kind},\"message\":{said},\"stack_trace\":{said}}}}}"
    )
}

/// What came of OpenTelemetry: exports of one record or many, and shapes that only look like it.
pub(crate) fn otlp(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..=lines / 3 {
        let count = if pen.is_wild() {
            pen.rng.usize(0..3)
        } else {
            pen.rng.usize(1..4)
        };
        let records: Vec<String> = (0..count).map(|_| otlp_record(pen)).collect();
        let (service, records) = (pen.json(SCRAPERS), records.join(","));
        let mut line = format!(
            "{{\"resourceLogs\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{{\"stringValue\":{service}}}}}]}},\
             \"scopeLogs\":[{{\"scope\":{{\"name\":\"shop\"}},\"logRecords\":[{records}]}}]}}]}}"
        );
        if pen.is_wild() {
            let (from, to) = pen.rng.pick(&[
                ("[{", "{"),
                ("}]", "}"),
                ("resourceLogs", "resourceSpans"),
                ("logRecords\":[", "logRecords\":[[],null,7,"),
                ("\"stringValue\"", "\"kvlistValue\""),
                ("{\"stringValue\"", "[\"stringValue\""),
                ("\"value\"", "\"value\":{},\"value\""),
            ]);
            line = line.replace(from, to);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.into_bytes()
}

fn otlp_record(pen: &mut Pen) -> String {
    let (time, said, number) = (pen.instant(), pen.json(MESSAGES), pen.number(25));
    let value = if pen.is_wild() {
        let nested = pen.nested();
        pen.rng
            .pick(&[
                "{\"arrayValue\":{\"values\":[]}}",
                "{\"kvlistValue\":{\"values\":[{\"key\":\"a\"}]}}",
                "{\"bytesValue\":\"////\"}",
                "{\"intValue\":\"99999999999999999999\"}",
                "{}",
                "null",
                nested.as_str(),
            ])
            .to_owned()
    } else {
        format!("{{\"intValue\":\"{}\"}}", pen.rng.u32(..600))
    };
    let url = pen.json(URLS);
    format!(
        "{{\"timeUnixNano\":\"{}000000\",\"severityNumber\":{number},\"severityText\":\"INFO\",\"body\":{{\"stringValue\":{said}}},\
         \"attributes\":[{{\"key\":\"http.response.status_code\",\"value\":{value}}},{{\"key\":\"url\",\"value\":{{\"stringValue\":{url}}}}}]}}",
        time.trim_matches('"')
    )
}

/// JSON over many lines: objects one after the other, an array, what was never closed.
pub(crate) fn pretty(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let is_array = pen.rng.chance(0.3);
    let mut text = String::from(if is_array { "[\n" } else { "" });
    for place in 0..=lines / 6 {
        let (time, said, url) = (pen.time(), pen.json(MESSAGES), pen.json(URLS));
        let (time, status) = (pen.quoted(&time), pen.status());
        if is_array && place > 0 {
            text.push_str(",\n");
        }
        text.push_str(&format!(
            "{{\n  \"level\": \"info\",\n  \"message\": {said},\n  \"url\": {url},\n  \"status\": {status},\n  \
             \"headers\": {{\n    \"a\": \"b\"\n  }},\n  \"timestamp\": {time}\n}}"
        ));
        if pen.is_wild() {
            let cut = text.len() - pen.rng.usize(1..10);
            text.truncate(text.floor_char_boundary(cut));
        }
        text.push('\n');
    }
    if is_array && pen.rng.chance(0.6) {
        text.push_str("]\n");
    }
    text.into_bytes()
}
