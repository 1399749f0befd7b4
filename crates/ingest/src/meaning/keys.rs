//! Recognises the writer of a JSON line by its keys.

use dragline_schema::Dialect;

use super::level::Scale;
use crate::parsing::Object;

/// The set of an object's keys that distinguish writers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys(u32);

/// The bit of a distinguishing key; 0 for other keys.
fn bit(key: &str) -> u32 {
    // A `match` on strings rejects most keys by their length.
    match key {
        "record" => 1,
        "text" => 1 << 1,
        "level" => 1 << 2,
        "time" => 1 << 3,
        "pid" => 1 << 4,
        "hostname" => 1 << 5,
        "target" => 1 << 6,
        "fields" => 1 << 7,
        "spans" => 1 << 8,
        "span" => 1 << 9,
        "msg" => 1 << 10,
        "short_message" => 1 << 11,
        "PRIORITY" => 1 << 12,
        "@t" => 1 << 13,
        "_key" => 1 << 14,
        _ => 0,
    }
}

impl Keys {
    pub(super) fn of(object: &Object<'_>) -> Self {
        let keys = object.fields.iter();
        Self(keys.fold(0, |keys, (key, _)| keys | bit(key)))
    }

    /// Whether the object has this distinguishing key.
    pub(super) fn has(self, key: &str) -> bool {
        self.0 & bit(key) != 0
    }

    /// The dialect of the writer with these keys.
    pub(super) fn dialect(self) -> Dialect {
        if self.has("record") && self.has("text") {
            Dialect::LoguruJson
        } else if self.has("level") && self.has("time") && self.has("pid") && self.has("hostname") {
            Dialect::PinoJson
        } else if self.has("target")
            && (self.has("fields") || self.has("spans") || self.has("span"))
        {
            Dialect::TracingJson
        } else {
            Dialect::Json
        }
    }

    /// Whether the line is from logrus, which sorts all keys.
    pub(super) fn is_logrus(self, object: &Object<'_>) -> bool {
        self.has("level")
            && self.has("msg")
            && self.has("time")
            && !self.has("pid")
            && object.fields.is_sorted_by(|(a, _), (b, _)| a <= b)
    }

    /// The scale of the writer's numeric levels, from its other keys and the JSON text of `time`.
    pub(super) fn scale(self, time: Option<&str>) -> Scale {
        if self.has("short_message") || self.has("PRIORITY") {
            return Scale::Syslog;
        }
        let is_epoch =
            time.is_some_and(|time| time.len() >= 13 && time.bytes().all(|b| b.is_ascii_digit()));
        // Scrapy Cloud exports Python's numbers.
        if self.has("msg") || (is_epoch && !self.has("_key")) {
            Scale::Node
        } else {
            Scale::Python
        }
    }
}
