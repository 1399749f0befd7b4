//! Rendering of one record as a line, for `dragline tail`.

use dragline_schema::{Event, Level, Position, Record, Request, Value, clip};

use super::document::Tone;
use super::terminal::{Terminal, clean};
use super::words::bytes;

/// Maximum number of bytes shown of a field's value.
const SHOWN: usize = 200;
/// Maximum number of bytes shown of a message.
const SHOWN_MESSAGE: usize = 2_000;

/// Renders a record as one line without a line feed: time, log level, scraper, message.
///
/// `path` and `at` are the record's position, shown if it has no time.
pub fn record(record: &Record<'_>, path: &str, at: Position, terminal: &Terminal) -> String {
    let when = match record.timestamp {
        Some(time) => {
            let text = time.to_string();
            // Date and time to the millisecond.
            text.get(..23).unwrap_or(&text).replace('T', " ")
        }
        None => format!("{path}:{}", at.line),
    };
    let level = record.level.map_or("-", Level::as_str);
    let tone = match record.level {
        Some(level) if level.is_error() => Tone::Critical,
        Some(Level::Warn) => Tone::Warning,
        Some(Level::Info) => Tone::Good,
        _ => Tone::Muted,
    };
    let whose = whose(record);
    let what = clean(&format!("{}{}", what(record), own(record)));
    format!(
        "{} {} {}{}",
        terminal.tone(Tone::Muted, &clean(&when)),
        terminal.tone(tone, &format!("{level:<5}")),
        terminal.tone(Tone::Muted, &clean(&whose)),
        if is_trouble(record) {
            terminal.tone(tone, &what)
        } else {
            what
        },
    )
}

/// `shop@shop.example.com `
fn whose(record: &Record<'_>) -> String {
    let scraper = record.scraper_id.as_deref();
    let site = record.site.as_deref();
    match (scraper, site) {
        (Some(scraper), Some(site)) => format!("{scraper}@{site} "),
        (Some(one), None) | (None, Some(one)) => format!("{one} "),
        (None, None) => record
            .target
            .as_deref()
            .map_or_else(String::new, |target| format!("{target} ")),
    }
}

fn is_trouble(record: &Record<'_>) -> bool {
    record.level.is_some_and(|level| level >= Level::Warn)
}

fn what(record: &Record<'_>) -> String {
    let message = clip(record.message.as_deref().unwrap_or_default(), SHOWN_MESSAGE);
    match &record.event {
        Event::Request(event) => request(event),
        Event::ScraperError(error) => {
            let error_type = error.error_type.as_deref().unwrap_or_default();
            let text = error.error_message.as_deref().unwrap_or_default();
            let summary = match (error_type, text) {
                ("", "") => message.to_owned(),
                ("", text) => text.to_owned(),
                (name, "") => name.to_owned(),
                (name, text) => format!("{name}: {text}"),
            };
            let page = error
                .url
                .as_deref()
                .map_or_else(String::new, |url| format!(" {url}"));
            let first = summary.lines().next().unwrap_or_default();
            format!("error {}{page}", clip(first, SHOWN_MESSAGE))
        }
        Event::Log | Event::Summary(_) => message.lines().next().unwrap_or_default().to_owned(),
        event => {
            let name = event.event_type().map_or("", |kind| kind.as_str());
            let mut text = name.replace('_', " ");
            event.each_field(&mut |key, value| {
                text.push_str(&format!(" {key}={}", shown(&value)));
            });
            text
        }
    }
}

/// ` shelf=A7 depth=2`: custom fields that the message does not contain.
fn own(record: &Record<'_>) -> String {
    // For typed events, the message is not shown.
    let is_shown = matches!(record.event, Event::Log | Event::Summary(_));
    let message = record.message.as_deref().filter(|_| is_shown);
    let mut text = String::new();
    for (name, value) in dragline_scan::own_fields(record) {
        // Multi-line values such as stack traces are not shown.
        if matches!(&value, Value::Str(text) if text.contains('\n')) {
            continue;
        }
        let pair = format!(" {name}={}", shown(&value));
        if !message.is_some_and(|message| message.contains(pair.trim_start())) {
            text.push_str(&pair);
        }
    }
    text
}

/// `GET 200 87 ms 17.8 KiB https://…`
fn request(event: &Request<'_>) -> String {
    let method = event.method.as_deref().unwrap_or("GET");
    let mut words = vec![method.to_owned()];
    match (event.status_code, event.error_type.as_deref()) {
        (Some(status), _) => words.push(status.to_string()),
        (None, Some(error)) => words.push(error.to_owned()),
        (None, None) => words.push("-".to_owned()),
    }
    words.extend(event.response_time_ms.map(|ms| format!("{ms:.0} ms")));
    words.extend(event.bytes.map(bytes));
    words.extend(
        event
            .attempt
            .filter(|attempt| *attempt > 1)
            .map(|attempt| format!("attempt {attempt}")),
    );
    words.extend(event.url.as_deref().map(str::to_owned));
    words.join(" ")
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::U64(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::Str(text) | Value::Json(text) => clip(text, SHOWN).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_schema::{ScraperError, Timestamp};

    #[test]
    fn a_record_is_a_line_whatever_it_holds() {
        let base = Record {
            timestamp: Some(Timestamp::from_micros(1_772_623_353_123_456)),
            level: Some(Level::Info),
            scraper_id: Some("shop".into()),
            site: Some("a.test".into()),
            ..Record::default()
        };
        let show = |event, message: &'static str| {
            let shown = Record {
                event,
                message: Some(message.into()),
                ..base.clone()
            };
            record(&shown, "a.log", Position::default(), &Terminal::default())
        };
        assert_eq!(
            show(Event::Log, "two\nlines \u{1b}[31m"),
            "2026-03-04 11:22:33.123 INFO  shop@a.test two"
        );
        let request = Request {
            url: Some("https://a.test/".into()),
            status_code: Some(503),
            response_time_ms: Some(86.6),
            bytes: Some(18_234),
            attempt: Some(2),
            ..Request::default()
        };
        assert_eq!(
            show(Event::Request(request), "request"),
            "2026-03-04 11:22:33.123 INFO  shop@a.test GET 503 87 ms 17.8 KiB attempt 2 https://a.test/"
        );
        let error = ScraperError {
            error_type: Some("KeyError".into()),
            error_message: Some("'price'\u{7}".into()),
            ..ScraperError::default()
        };
        assert_eq!(
            show(Event::ScraperError(error), "failed"),
            "2026-03-04 11:22:33.123 INFO  shop@a.test error KeyError: 'price' "
        );
    }
}
