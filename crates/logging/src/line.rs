//! The pieces of a line, built in buffers that every thread keeps for itself.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use dragline_schema::wire;
use dragline_schema::{Timestamp, Value};
use tracing::field::{Field, Visit};

use crate::typed;

/// A thread's buffers: the pieces of the line that is being built.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) head: Vec<u8>,
    pub(crate) event_type: Vec<u8>,
    pub(crate) message: Vec<u8>,
    pub(crate) fields: Vec<u8>,
    /// The keys in `fields`, so that no key is written twice.
    pub(crate) keys: Vec<&'static str>,
    clock_text: ClockText,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Lends this thread's buffers, emptied. An event inside an event (a `Debug` that logs) gets fresh
/// ones.
pub(crate) fn with_buffers<R>(use_them: impl FnOnce(&mut Buffers) -> R) -> R {
    BUFFERS.with(|cell| match cell.try_borrow_mut() {
        Ok(mut buffers) => {
            buffers.clear();
            use_them(&mut buffers)
        }
        Err(_) => use_them(&mut Buffers::default()),
    })
}

impl Buffers {
    fn clear(&mut self) {
        self.head.clear();
        self.event_type.clear();
        self.message.clear();
        self.fields.clear();
        self.keys.clear();
    }

    /// Begins the line: time, level, target.
    pub(crate) fn begin(&mut self, time: Timestamp, level: tracing::Level, target: &str) {
        self.head.extend_from_slice(b"{\"timestamp\":\"");
        self.clock_text.push(time, &mut self.head);
        self.head.extend_from_slice(b"\",\"level\":\"");
        self.head.extend_from_slice(level.as_str().as_bytes());
        self.head.extend_from_slice(b"\",\"target\":");
        wire::push_text(target, &mut self.head);
    }
}

/// The text of the current second, which most lines share with the one before.
#[derive(Default)]
struct ClockText {
    second: Option<i64>,
    /// `2026-03-04T11:22:33.`
    text: String,
}

impl ClockText {
    fn push(&mut self, time: Timestamp, out: &mut Vec<u8>) {
        if self.second != Some(time.as_seconds()) {
            self.second = Some(time.as_seconds());
            self.text.clear();
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{time}");
            self.text.truncate(self.text.len() - "000000Z".len());
        }
        out.extend_from_slice(self.text.as_bytes());
        let micros = time.subsec_micros();
        let digit = |power: u32| b'0' + (micros / power % 10) as u8;
        out.extend_from_slice(&[
            digit(100_000),
            digit(10_000),
            digit(1_000),
            digit(100),
            digit(10),
            digit(1),
            b'Z',
        ]);
    }
}

/// Appends `,"key":`; a key that collides with the format's own gets its prefix.
pub(crate) fn push_key(key: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    if wire::HEAD.contains(&key) {
        out.extend_from_slice(wire::USER_PREFIX.as_bytes());
    }
    // A raw identifier's field is named without its mark.
    wire::push_escaped(key.strip_prefix("r#").unwrap_or(key), out);
    out.extend_from_slice(b"\":");
}

/// Writes an event's fields into the buffers.
pub(crate) struct EventVisitor<'b> {
    pub(crate) event_type: &'b mut Vec<u8>,
    pub(crate) message: &'b mut Vec<u8>,
    pub(crate) fields: &'b mut Vec<u8>,
    pub(crate) keys: &'b mut Vec<&'static str>,
    /// Whether it is one of our own typed events.
    pub(crate) typed: bool,
}

impl EventVisitor<'_> {
    fn push(&mut self, field: &Field, value: &Value<'_>) {
        let key = field.name();
        match key {
            "message" => {
                self.message.extend_from_slice(b",\"message\":");
                wire::push_value(value, self.message);
            }
            "event_type" if self.typed => {
                self.event_type.extend_from_slice(b",\"event_type\":");
                wire::push_value(value, self.event_type);
            }
            "scraper_id" | "site" | "run_id" => {} // Stands in the head already.
            _ if self.keys.contains(&key) => {}
            _ => {
                self.keys.push(key);
                push_key(key, self.fields);
                match value {
                    Value::Str(json) if self.typed && typed::is_json_field(key) => {
                        self.fields.extend_from_slice(json.as_bytes());
                    }
                    value => wire::push_value(value, self.fields),
                }
            }
        }
    }

    /// Text that is formatted straight into its place.
    fn push_formatted(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let (out, key) = match field.name() {
            "message" => (&mut *self.message, "message"),
            "scraper_id" | "site" | "run_id" => return,
            key if self.keys.contains(&key) => return,
            key => {
                self.keys.push(key);
                (&mut *self.fields, key)
            }
        };
        if key == "message" {
            out.extend_from_slice(b",\"message\":");
        } else {
            push_key(key, out);
        }
        push_formatted(text, out);
    }
}

/// Appends formatted text as a JSON string.
pub(crate) fn push_formatted(text: fmt::Arguments<'_>, out: &mut Vec<u8>) {
    struct Escaped<'o>(&'o mut Vec<u8>);
    impl fmt::Write for Escaped<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            wire::push_escaped(text, self.0);
            Ok(())
        }
    }
    out.push(b'"');
    // An error comes from the value's own `fmt`; what it wrote until then stays.
    let _ = Escaped(out).write_fmt(text);
    out.push(b'"');
}

impl Visit for EventVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, &Value::F64(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, &Value::I64(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, &Value::U64(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, &Value::Bool(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, &Value::Str(value.into()));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push_formatted(field, format_args!("{value}"));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push_formatted(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cached_second_gives_the_text_of_the_format(
            times in proptest::collection::vec(0i64..3_000_000_000, 1..20),
            micros in 0i64..1_000_000,
        ) {
            let mut clock = ClockText::default();
            for seconds in times.iter().flat_map(|s| [*s, *s]) {
                let time = Timestamp::from_seconds(seconds).plus_micros(micros);
                let mut out = Vec::new();
                clock.push(time, &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), time.to_string());
            }
        }
    }
}
