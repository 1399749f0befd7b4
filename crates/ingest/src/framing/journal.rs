//! The systemd journal in its multi-line formats: `journalctl -o export`
//! (<https://systemd.io/JOURNAL_EXPORT_FORMATS/>) and `-o verbose`.
//!
//! Both list the fields of an entry. Each entry becomes the object that `-o json` would have written, so that the
//! same code reads all three formats.

use dragline_schema::Position;
use serde_json::{Map, Value};

use crate::parsing::time::stamp;
use crate::parsing::time::stamp::Date;

/// Maximum size of a value.
const MAX_VALUE: usize = 1 << 20;
/// Maximum number of fields in an entry.
const MOST_FIELDS: usize = 512;

/// An open journal entry.
pub(crate) struct Entry {
    pub(crate) at: Position,
    fields: Map<String, Value>,
    form: Form,
    /// The field whose value may continue, and the number of bytes still missing, if the format states it.
    open: Option<(String, Length)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Export,
    Verbose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// The next line starts with the length.
    Next,
    Left(usize),
    Unknown,
}

/// How a line relates to an open entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The line belongs to the entry.
    Part,
    /// The line is the blank line after the entry.
    End,
    /// The line does not belong to the entry.
    Other,
}

impl Entry {
    /// The entry that a line starts.
    pub(crate) fn begin(line: &str, at: Position) -> Option<Self> {
        let mut entry = Self {
            at,
            fields: Map::new(),
            form: Form::Export,
            open: None,
        };
        if line.starts_with("__CURSOR=") {
            entry.go_on(line);
            return Some(entry);
        }
        let (time, cursor) = line.strip_suffix(']')?.rsplit_once(" [s=")?;
        let (when, length) = stamp(time)?;
        if !cursor.contains(";i=") || length < time.len() || when.date == Date::None {
            return None;
        }
        entry.form = Form::Verbose;
        entry.set("timestamp", time);
        Some(entry)
    }

    /// Consumes the next line.
    pub(crate) fn go_on(&mut self, line: &str) -> Taken {
        match self.form {
            Form::Export => self.exported(line),
            Form::Verbose => self.told(line),
        }
    }

    fn exported(&mut self, line: &str) -> Taken {
        if line.starts_with("__CURSOR=") && !self.fields.is_empty() {
            return Taken::Other;
        }
        match self.open.take() {
            Some((name, Length::Next)) => {
                self.of_length(name, line);
                return Taken::Part;
            }
            Some((name, Length::Left(left))) if left > 0 => {
                self.push(&name, line);
                let left = left.saturating_sub(line.len() + 1);
                self.open = Some((name, Length::Left(left)));
                return Taken::Part;
            }
            Some((name, Length::Unknown)) if field(line).is_none() => {
                self.push(&name, line);
                self.open = Some((name, Length::Unknown));
                return Taken::Part;
            }
            _ => {}
        }
        if line.is_empty() {
            return Taken::End;
        }
        if let Some((name, value)) = field(line) {
            self.set(name, value);
            return Taken::Part;
        }
        if is_name(line) {
            self.open = Some((line.to_owned(), Length::Next));
            return Taken::Part;
        }
        Taken::Other
    }

    /// A value that may contain line ends. It starts with its length in eight bytes, little-endian.
    fn of_length(&mut self, name: String, line: &str) {
        let begin = line.char_indices().nth(8).map_or(line.len(), |(at, _)| at);
        let (size, text) = line.split_at(begin);
        self.set(&name, text);
        // Non-ASCII bytes were altered by the conversion to text, so the length is unknown.
        let size = size.is_ascii().then(|| {
            let bytes = size.bytes().rev();
            bytes.fold(0_u64, |sum, byte| sum.wrapping_shl(8) | u64::from(byte))
        });
        let length = match size.and_then(|size| usize::try_from(size).ok()) {
            Some(size) => Length::Left((size + 1).saturating_sub(text.len() + 1)),
            None => Length::Unknown,
        };
        self.open = Some((name, length));
    }

    fn told(&mut self, line: &str) -> Taken {
        let Some(indented) = line.strip_prefix("    ") else {
            let is_value = line.is_empty() && self.open.is_some();
            return if is_value { Taken::End } else { Taken::Other };
        };
        if let Some((name, value)) = field(indented) {
            self.set(name, value);
            self.open = Some((name.to_owned(), Length::Unknown));
            return Taken::Part;
        }
        match &self.open {
            Some((name, _)) => {
                let name = name.clone();
                let value = indented.strip_prefix("        ").unwrap_or(indented);
                self.push(&name, value);
                Taken::Part
            }
            None => Taken::Other,
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        if self.fields.len() < MOST_FIELDS {
            self.fields.insert(name.to_owned(), value.into());
        }
    }

    /// Appends a line to a value.
    fn push(&mut self, name: &str, line: &str) {
        if let Some(Value::String(value)) = self.fields.get_mut(name)
            && value.len() + line.len() < MAX_VALUE
        {
            value.push('\n');
            value.push_str(line);
        }
    }

    /// The entry as a JSON object.
    pub(crate) fn into_object(self) -> String {
        Value::Object(self.fields).to_string()
    }
}

/// `NAME=value`
fn field(line: &str) -> Option<(&str, &str)> {
    line.split_once('=').filter(|(name, _)| is_name(name))
}

/// Names of journal fields consist of capital letters, digits and underscores.
fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Value, usize) {
        let mut lines = text.split('\n');
        let mut entry = Entry::begin(lines.next().unwrap(), Position::default()).unwrap();
        let taken = lines
            .take_while(|line| entry.go_on(line) == Taken::Part)
            .count();
        (serde_json::from_str(&entry.into_object()).unwrap(), taken)
    }

    #[test]
    fn exported_values_may_hold_line_ends() {
        let (entry, lines) = read(
            "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1772618400101234\nMESSAGE\n\
             \u{9}\0\0\0\0\0\0\0one\n\ntwo=\n_PID=7\n\n__CURSOR=s=1;i=3",
        );
        assert_eq!(
            (&entry["MESSAGE"], &entry["_PID"]),
            (&"one\n\ntwo=".into(), &"7".into())
        );
        assert_eq!(lines, 6);
        // If the length is not ASCII, the value ends at the next field.
        let (entry, _) = read("__CURSOR=s=1\nMESSAGE\n\u{fffd}\0\0\0\0\0\0\0one\ntwo\n_PID=7\n");
        assert_eq!(
            (&entry["MESSAGE"], &entry["_PID"]),
            (&"one\ntwo".into(), &"7".into())
        );
    }

    #[test]
    fn verbose_entries_end_where_nothing_is_indented() {
        let (entry, lines) = read(
            "Wed 2026-03-04 09:00:00.101234 UTC [s=1;i=2;b=3]\n    PRIORITY=3\n    MESSAGE=one\n            two\n\
             Wed 2026-03-04 09:00:01.1 UTC [s=1;i=3;b=3]",
        );
        assert_eq!((&entry["MESSAGE"], lines), (&"one\ntwo".into(), 3));
        for other in [
            "INFO [s=1;i=2]",
            "2026-03-04 09:00:00 INFO x [s=1;i=2]",
            "A=b",
        ] {
            assert!(
                Entry::begin(other, Position::default()).is_none(),
                "{other}"
            );
        }
    }
}
