//! Text with a time and a level, pairs, Crawlee's text, and what containers put in front of lines.

use super::pen::{ERRORS, MESSAGES, Pen, URLS};
use super::scrapy::traceback;
use crate::dice::Dice as _;

/// Lines of one of the usual layouts.
pub(crate) fn log(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let layout: fn(&mut Pen, &str, &str) -> String = pen.rng.pick(&[
        |pen, level, said| format!("{} {level} shop.fetch: {said}", pen.spaced_time()),
        |pen, level, said| format!("{} - shop - {level} - {said}", pen.spaced_time()),
        |_, level, said| format!("{level}:shop.fetch:{said}"),
        |pen, level, said| {
            format!(
                "{} | {level:<8} | __main__:fetch:58 - {said}",
                pen.spaced_time()
            )
        },
        |pen, level, said| format!("{} [main] {level} c.e.Shop - {said}", pen.spaced_time()),
        |pen, level, said| format!("[{} {level} shop] {said}", pen.time()),
        |pen, level, said| format!("[{}] [{level}] {said}", pen.time()),
        |pen, level, said| format!("{}\t{level}\tshop.go:12\t{said}\t{{\"a\":1}}", pen.time()),
        |pen, _, said| format!("{} INF {said} url=http://a.test/", pen.time()),
    ]);
    let mut text = String::new();
    for _ in 0..lines {
        let level = pen.line(&["INFO", "INFO", "DEBUG", "WARNING", "ERROR"]);
        let said = said(pen);
        text.push_str(&layout(pen, &level, &said));
        text.push('\n');
    }
    text.into_bytes()
}

fn said(pen: &mut Pen) -> String {
    let (url, status) = (pen.line(URLS), pen.status());
    let (took, number) = (pen.fraction(3.0), pen.number(9_000));
    match pen.rng.u8(..7) {
        0 | 1 => format!("url={url} status={status} bytes={number} elapsed={took}s attempt=1"),
        2 => format!("item title='Mat' price={took} url={url}"),
        3 => format!("it failed\n{}", traceback(pen)),
        4 => format!("done {{\"url\":\"{url}\",\"status\":{status}}}"),
        5 => format!("elapsed={number}ns wait={took}h size={number}GiB share={took}%"),
        _ => pen.line(MESSAGES),
    }
}

/// Nothing but pairs.
pub(crate) fn logfmt(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..lines {
        let (time, said, url) = (pen.time(), pen.line(MESSAGES), pen.line(URLS));
        let (status, took) = (pen.status(), pen.fraction(90.0));
        let said = said.replace('"', "\\\"");
        text.push_str(&format!(
            "time=\"{time}\" level=info msg=\"{said}\" url=\"{url}\" status={status} duration={took}ms\n"
        ));
        if pen.is_wild() {
            text.push_str("a==b c= =d \"e\"=f g=\"unclosed h='i\n");
        }
    }
    text.into_bytes()
}

/// Crawlee's text, with its statistics.
pub(crate) fn crawlee(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let mut text = String::from("INFO  CheerioCrawler: Starting the crawler.\n");
    for _ in 0..lines {
        let (said, url) = (pen.line(MESSAGES), pen.json(URLS));
        let (level, colour) = pen.rng.pick(&[
            ("INFO ", ""),
            ("WARN ", "\u{1b}[33m"),
            ("ERROR", "\u{1b}[31m"),
            ("DEBUG", ""),
        ]);
        let reset = if colour.is_empty() { "" } else { "\u{1b}[39m" };
        text.push_str(&format!(
            "{colour}{level}{reset} CheerioCrawler: {said} {{\"url\":{url}}}\n"
        ));
    }
    let histogram = if pen.is_wild() {
        pen.nested()
    } else {
        format!("[{},2,9]", pen.number(60))
    };
    let (finished, failed) = (pen.number(60), pen.number(9));
    text.push_str(&format!(
        "INFO  CheerioCrawler: Final request statistics: {{\"requestsFinished\":{finished},\"requestsFailed\":{failed},\
         \"retryHistogram\":{histogram},\"crawlerRuntimeMillis\":{}}}\n",
        pen.number(9_000)
    ));
    if pen.rng.chance(0.3) {
        text.push_str("[ParselCrawler] INFO  Final request statistics:\n┌──────┬────┐\n│ requests_finished │ ");
        text.push_str(&pen.number(60));
        text.push_str(" │\n│ retry_histogram │ [99999999999999999999, -1 │\n└──────┴────┘\n");
    }
    text.into_bytes()
}

/// Lines that a container's runtime took: in front of each its time, some cut into pieces.
pub(crate) fn contained(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let inner = if pen.rng.chance(0.5) {
        super::json::log(pen, lines)
    } else {
        log(pen, lines)
    };
    let inner = String::from_utf8_lossy(&inner).into_owned();
    let style = pen.rng.u8(..5);
    let mut text = String::new();
    for line in inner.lines() {
        let time = pen.time();
        let cut = line.floor_char_boundary(pen.rng.usize(0..=line.len()));
        let (head, tail) = line.split_at(if pen.rng.chance(0.2) { cut } else { 0 });
        if !head.is_empty() && style < 2 {
            // The end of it may never come, or come twice.
            text.push_str(&piece(pen, style, &time, head, false));
            if pen.is_wild() {
                continue;
            }
        }
        let rest = if style < 2 { tail } else { line };
        text.push_str(&piece(pen, style, &time, rest, true));
    }
    text.into_bytes()
}

fn piece(pen: &mut Pen, style: u8, time: &str, line: &str, is_whole: bool) -> String {
    match style {
        0 => format!(
            "{time} stdout {} {line}\n",
            if is_whole { 'F' } else { 'P' }
        ),
        1 => {
            let end = if is_whole { "\n" } else { "" };
            let log = pen.quoted(&format!("{line}{end}"));
            format!("{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"{time}\"}}\n")
        }
        2 => format!("scraper-1  | {line}\n"),
        3 => format!("[pod/shop-1/{}] {line}\n", pen.line(&["shop"])),
        _ => format!("{time} {line}\n"),
    }
}

/// What no format knows, and one line that would be.
pub(crate) fn plain(pen: &mut Pen, lines: usize) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..lines {
        match pen.rng.u8(..6) {
            0 => text.push_str(&traceback(pen)),
            1 => text.push_str("{\"half\": \"an obj"),
            2 => text.push_str("[1,2,3]"),
            3 => text.push_str(&pen.nested()),
            4 => text.push_str(&pen.line(ERRORS)),
            _ => text.push_str(&pen.line(MESSAGES)),
        }
        text.push('\n');
    }
    text.into_bytes()
}
