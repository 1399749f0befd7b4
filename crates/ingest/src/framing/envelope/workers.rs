//! Events of Cloudflare's Workers, as `wrangler tail` prints them: lines of the program and uncaught errors within the
//! event that they belong to.

use std::borrow::Cow;

use dragline_schema::{Level, Timestamp};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{Habits, Opened};
use crate::parsing::Object;
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::Date;
use crate::parsing::time::{self, Calendar};

/// Outcomes that say nothing more than the event's lines and errors do.
const USUAL: [&str; 4] = ["ok", "exception", "canceled", "unknown"];

/// The records in an event, for `--format json`. `None` if the object is not an event.
pub(super) fn records(object: &Object<'_>) -> Option<Vec<Cow<'static, str>>> {
    let field = |name: &str| {
        let mut fields = object.fields.iter();
        fields
            .find(|(key, _)| key == name)
            .map(|(_, raw)| raw.get())
    };
    let outcome: String = serde_json::from_str(field("outcome")?).ok()?;
    field("scriptName")?;
    let logs: Vec<Map<String, Value>> = serde_json::from_str(field("logs")?).ok()?;
    let exceptions: Vec<Map<String, Value>> = serde_json::from_str(field("exceptions")?).ok()?;
    let mut records: Vec<Value> = logs.into_iter().map(of_line).collect();
    records.extend(exceptions.iter().map(of_exception));
    if !USUAL.contains(&&*outcome) {
        let time: Value = serde_json::from_str(field("eventTimestamp")?).ok()?;
        let message = format!("the event ended with {outcome}");
        records.push(json!({"time": time, "level": "error", "message": message}));
    }
    Some(
        records
            .into_iter()
            .map(|record| record.to_string().into())
            .collect(),
    )
}

/// The start of a Worker's event, as `wrangler tail` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    /// `None` if its time cannot be read.
    pub(super) time: Option<Timestamp>,
}

/// `{"message": ["fetched", {"status": 200}], "level": "log", "timestamp": 1796032800005}`
fn of_line(mut log: Map<String, Value>) -> Value {
    let level = match log.get("level").and_then(Value::as_str) {
        Some("debug") => "debug",
        Some("warn") => "warn",
        Some("error") => "error",
        _ => "info",
    };
    let level = level.to_owned();
    let parts = match log.remove("message") {
        Some(Value::Array(parts)) => parts,
        Some(part) => vec![part],
        None => Vec::new(),
    };
    let mut words = Vec::new();
    let mut fields = Map::new();
    for part in parts {
        match part {
            Value::String(text) => words.push(text),
            Value::Object(object) => fields.extend(object),
            other => words.push(other.to_string()),
        }
    }
    let mut record = json!({"time": log.remove("timestamp"), "level": level});
    if !words.is_empty() {
        record["message"] = words.join(" ").into();
        record["data"] = fields.into();
    } else if let Some(record) = record.as_object_mut() {
        record.extend(fields);
    }
    record
}

fn of_exception(exception: &Map<String, Value>) -> Value {
    let text = |name: &str| {
        exception
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    json!({
        "time": exception.get("timestamp"),
        "level": "error",
        "message": format!("{}: {}", text("name"), text("message")),
        "error_type": text("name"),
        "error_message": text("message"),
        "stack": exception.get("stack"),
    })
}

/// The line that starts an event: `"*/5 * * * *" @ 11/30/2026, 10:00:00 AM - Ok`,
/// `GET https://… - Ok @ 11/30/2026, 10:00:00 AM`.
pub(super) fn event<'l>(
    line: &'l str,
    habits: &mut Habits,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    // Fast path: the line ends with an outcome or with half of a day.
    let (b'k' | b'd' | b'n' | b't' | b'M') = line.as_bytes().last()? else {
        return None;
    };
    let at = memchr::memmem::find(line.as_bytes(), b" @ ")?;
    let (when, length) = stamp(&line[at + 3..]).filter(|(when, _)| when.date != Date::None)?;
    let behind = &line[at + 3 + length..];
    let outcome = match behind {
        "" => line[..at].rsplit_once(" - ")?.1,
        _ => behind.strip_prefix(" - ")?,
    };
    let is_limit = outcome.starts_with("Exceeded ");
    if !is_limit && !matches!(outcome, "Ok" | "Canceled" | "Exception Thrown" | "Unknown") {
        return None;
    }
    let time = time::instant(&when, zone, calendar).map(|(time, _)| time);
    habits.event = Some(Event { time });
    Some(Opened {
        text: Cow::Borrowed(line),
        time,
        level: is_limit.then_some(Level::Error),
        is_own: !is_limit,
        ..Opened::default()
    })
}

/// A line of a program within an event: `  (log) message`, and the mark before an uncaught error.
pub(super) fn of_event(line: &str, time: Option<Timestamp>) -> Option<Opened<'_>> {
    let (text, level) = match line.strip_prefix("  (") {
        Some(rest) => {
            let (level, text) = rest.split_once(") ")?;
            let level = match level {
                "log" | "info" => Level::Info,
                "debug" | "trace" => Level::Debug,
                "warn" => Level::Warn,
                "error" => Level::Error,
                _ => return None,
            };
            (text, level)
        }
        // The level stays: it makes a record of its own.
        None => (
            line.strip_prefix("✘ ")
                .filter(|text| text.starts_with("[ERROR] "))?,
            Level::Error,
        ),
    };
    Some(Opened {
        text: Cow::Borrowed(text),
        time,
        level: Some(level),
        ..Opened::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_hold_records() {
        let line = r#"{"outcome":"exceededCpu","scriptName":"walk","eventTimestamp":5,"logs":[{"message":["got",{"status":200}],"level":"log","timestamp":3},{"message":[{"msg":"x"}],"level":"warn","timestamp":4}],"exceptions":[{"name":"TypeError","message":"no","stack":"TypeError: no\n    at f","timestamp":4}],"event":{"cron":"x"}}"#;
        let found = records(&Object::parse(line).unwrap()).unwrap();
        let read = |at: usize| serde_json::from_str::<Value>(&found[at]).unwrap();
        assert_eq!(
            read(0),
            json!({"time": 3, "level": "info", "message": "got", "data": {"status": 200}})
        );
        assert_eq!(read(1), json!({"time": 4, "level": "warn", "msg": "x"}));
        assert_eq!(read(2)["error_type"], "TypeError");
        assert_eq!(read(3)["message"], "the event ended with exceededCpu");
        assert!(records(&Object::parse(r#"{"outcome":"ok","logs":[]}"#).unwrap()).is_none());
    }

    #[test]
    fn lines_belong_to_the_event_before_them() {
        let mut habits = Habits::default();
        let mut read =
            |line| event(line, &mut habits, &TimeZone::UTC, &Calendar::default()).is_some();
        assert!(read("\"*/5 * * * *\" @ 11/30/2026, 10:00:00 AM - Ok"));
        assert!(read(
            "POST https://walk.test/ - Exceeded CPU Limit @ 11/30/2026, 10:00:00 AM"
        ));
        assert!(!read("met @ 11/30/2026, 10:00:00 AM - fine") && !read("a @ b"));
        let opened = of_event("  (warn) slow", None).unwrap();
        assert_eq!((&*opened.text, opened.level), ("slow", Some(Level::Warn)));
        assert!(of_event("  (see above) x", None).is_none());
    }
}
