//! Wire format v1: one JSON object per line, in UTF-8, with LF line endings and keys in a fixed order.
//!
//! The keys are [`HEAD`], then the fields of the event type ([`EventType::fields`]), then fields that
//! the user added. Absent keys are left out. `seq` numbers the lines of a writer per run (or outside of
//! runs) without gaps, in the order in which they appear in the file. A gap means that a line was lost.
//!
//! [`encode`] is the reference implementation of the format. The recorder assembles the same bytes from
//! pieces, most of which are ready before an event occurs; its tests compare both.

use crate::value::Value;
use crate::{Record, Timestamp};

#[cfg(doc)]
use crate::EventType;

/// The keys at the start of a line, in order.
pub const HEAD: [&str; 10] = [
    "timestamp",
    "level",
    "target",
    "scraper_id",
    "site",
    "run_id",
    "writer_id",
    "seq",
    "event_type",
    "message",
];

/// The prefix for user-defined keys that collide with a key of the format.
pub const USER_PREFIX: &str = "user.";

/// Appends the record as one line, including the line feed.
pub fn encode(record: &Record<'_>, out: &mut Vec<u8>) {
    let mut line = Object::begin(out);
    if let Some(time) = record.timestamp {
        line.raw("timestamp", |out| push_timestamp(time, out));
    }
    if let Some(level) = record.level {
        line.text("level", level.as_str());
    }
    let head = [
        ("target", &record.target),
        ("scraper_id", &record.scraper_id),
        ("site", &record.site),
        ("run_id", &record.run_id),
        ("writer_id", &record.writer_id),
    ];
    for (key, value) in head {
        if let Some(value) = value {
            line.text(key, value);
        }
    }
    if let Some(seq) = record.seq {
        line.value("seq", &Value::U64(seq));
    }
    if let Some(event_type) = record.event.event_type() {
        line.text("event_type", event_type.as_str());
    }
    if let Some(message) = &record.message {
        line.text("message", message);
    }
    record
        .event
        .each_field(&mut |key, value| line.value(key, &value));
    line.end();
    out.push(b'\n');
}

/// Writes a JSON object.
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    /// Opens the object.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Writes a key and calls `write` for its value.
    pub fn raw(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        push_text(key, self.out);
        self.out.push(b':');
        write(self.out);
    }

    /// Writes a key and a string.
    pub fn text(&mut self, key: &str, value: &str) {
        self.raw(key, |out| push_text(value, out));
    }

    /// Writes a key and a value.
    pub fn value(&mut self, key: &str, value: &Value<'_>) {
        self.raw(key, |out| push_value(value, out));
    }

    /// Closes the object.
    pub fn end(self) {
        self.out.push(b'}');
    }
}

/// Appends a value as JSON. NaN and infinities become `null`.
pub fn push_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::U64(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
        Value::I64(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
        Value::F64(n) => push_f64(*n, out),
        Value::Str(text) => push_text(text, out),
        Value::Json(json) => out.extend_from_slice(json.as_bytes()),
    }
}

/// Appends a number as JSON, in the shortest form that parses back to the same number. NaN and
/// infinities become `null`.
pub fn push_f64(n: f64, out: &mut Vec<u8>) {
    if n.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(n).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends a time as a JSON string.
pub fn push_timestamp(time: Timestamp, out: &mut Vec<u8>) {
    use std::io::Write as _;
    // Writing to a Vec cannot fail.
    let _ = write!(out, "\"{time}\"");
}

/// Appends text as a JSON string.
pub fn push_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_escaped(text, out);
    out.push(b'"');
}

/// Appends text escaped for a JSON string, without the quotes.
pub fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut clean_from = 0;
    let mut at = 0;
    while at < bytes.len() {
        // Skip eight bytes at a time while none of them needs an escape, which is the common case.
        if let Some(word) = bytes[at..].first_chunk::<8>() {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special == 0 {
                at += 8;
                continue;
            }
            at += special.trailing_zeros() as usize / 8;
        } else if !is_special(bytes[at]) {
            at += 1;
            continue;
        }
        out.extend_from_slice(&bytes[clean_from..at]);
        push_escape(bytes[at], out);
        at += 1;
        clean_from = at;
    }
    out.extend_from_slice(&bytes[clean_from..]);
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The high bit of each byte that needs an escape. Only the lowest set bit is reliable: borrows can
/// set bits above it wrongly.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = is_zero(word ^ (ONES * u64::from(b'"')));
    let backslash = is_zero(word ^ (ONES * u64::from(b'\\')));
    (is_control | quote | backslash) & HIGHS
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        control => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(control >> 4)]);
            out.push(HEX[usize::from(control & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, EventType, Level};
    use proptest::prelude::*;
    use std::borrow::Cow;

    /// Decodes a line strictly, using `serde_json`.
    fn decode(line: &str) -> Record<'static> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).expect("a line is one JSON object");
        let mut record = Record::default();
        let text = |value: serde_json::Value| Some(Cow::Owned(value.as_str().unwrap().to_owned()));
        for (key, value) in object {
            match key.as_str() {
                "timestamp" => {
                    record.timestamp = Some(Timestamp::parse(value.as_str().unwrap()).unwrap());
                }
                "level" => record.level = Level::from_word(value.as_str().unwrap()),
                "target" => record.target = text(value),
                "scraper_id" => record.scraper_id = text(value),
                "site" => record.site = text(value),
                "run_id" => record.run_id = text(value),
                "writer_id" => record.writer_id = text(value),
                "seq" => record.seq = value.as_u64(),
                "event_type" => {
                    record.event = EventType::from_name(value.as_str().unwrap())
                        .unwrap()
                        .empty();
                }
                "message" => record.message = text(value),
                key => {
                    let value = match value {
                        serde_json::Value::String(text) => Value::Str(text.into()),
                        serde_json::Value::Number(n) => n
                            .as_u64()
                            .map_or_else(|| Value::F64(n.as_f64().unwrap()), Value::U64),
                        serde_json::Value::Bool(b) => Value::Bool(b),
                        nested => Value::Json(nested.to_string().into()),
                    };
                    record.event.set(key, value).expect("a field of the event");
                }
            }
        }
        record
    }

    /// Any event, with any subset of its fields set to values of the right kinds.
    fn event() -> impl Strategy<Value = Event<'static>> {
        (0..EventType::ALL.len(), any::<u64>(), ".*").prop_map(|(which, bits, text)| {
            let kind = EventType::ALL[which];
            let mut event = kind.empty();
            for (index, field) in kind.fields().iter().enumerate() {
                if (bits >> index) & 1 == 0 {
                    continue;
                }
                let values = [
                    Value::Str(text.clone().into()),
                    Value::Json(r#"{"a":[1,"b"]}"#.into()),
                    // Eighths are exact in binary, and the range fits a status code.
                    Value::F64((bits % 4_000) as f64 / 8.0),
                ];
                for value in values {
                    let mut taken = false;
                    event.each_field(&mut |key, _| taken |= key == *field);
                    if !taken {
                        event.set(field, value).expect("a field of the event");
                    }
                }
            }
            event
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(
            event in event(),
            micros in 0i64..4_000_000_000_000_000,
            message in proptest::option::of(".*"),
            scraper in proptest::option::of("\\PC*"),
            seq in proptest::option::of(any::<u64>()),
        ) {
            let record = Record {
                timestamp: Some(Timestamp::from_micros(micros)),
                level: Some(Level::Warn),
                scraper_id: scraper.map(Cow::Owned),
                message: message.map(Cow::Owned),
                seq,
                event,
                ..Record::default()
            };
            let mut line = Vec::new();
            encode(&record, &mut line);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert!(!line.contains(&b'\n'));
            let line = String::from_utf8(line).unwrap();
            prop_assert_eq!(decode(&line), record);
        }
    }

    proptest! {
        #[test]
        fn escapes_read_back_wherever_they_stand(
            text in proptest::collection::vec(
                prop_oneof!["[a-z]{1,9}", "[\u{0}-\u{24}\\\\]", "[\u{5a}-\u{102}]"], 0..20)
        ) {
            let text = text.concat();
            let mut out = Vec::new();
            push_text(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn keys_stand_in_the_order_of_the_format() {
        let mut event = EventType::RateLimit.empty();
        event.set("url", Value::Str("u".into())).unwrap();
        event.set("wait_time_seconds", Value::F64(1.5)).unwrap();
        let record = Record {
            event,
            seq: Some(7),
            message: Some("m".into()),
            ..Record::default()
        };
        let mut line = Vec::new();
        encode(&record, &mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"seq\":7,\"event_type\":\"rate_limit\",\"message\":\"m\",\"wait_time_seconds\":1.5,\"url\":\"u\"}\n",
        );
    }

    #[test]
    fn what_json_cannot_say_is_null_or_escaped() {
        let mut out = Vec::new();
        push_f64(f64::NAN, &mut out);
        push_text("a\"\\\u{1}\u{7f}ü\n", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "null\"a\\\"\\\\\\u0001\u{7f}ü\\n\""
        );
    }
}
