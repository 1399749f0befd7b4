//! Logs that are tables: the first line names the columns, each other line is a record with a value for each
//! (RFC 4180, also with semicolons, tabs or bars between the values).

use crate::framing::lines::append;

/// Maximum size of a record with line ends in its values, in bytes.
const LONGEST: usize = 1 << 20;
/// Maximum length of a column's name, in bytes.
const LONGEST_NAME: usize = 40;
/// Names of columns that no table but a log has together: when, and what.
const WHEN: [&str; 12] = [
    "@timestamp",
    "_time",
    "asctime",
    "date",
    "datetime",
    "dt",
    "time",
    "time_stamp",
    "timegenerated",
    "timestamp",
    "ts",
    "zeit",
];
const WHAT: [&str; 18] = [
    "@message",
    "_raw",
    "event",
    "level",
    "levelname",
    "line",
    "log",
    "log_s",
    "loglevel",
    "logmessage",
    "message",
    "msg",
    "severity",
    "status",
    // Synology's; `content` alone is also a column of what scrapers save.
    "stream",
    "text",
    "textpayload",
    "url",
];

/// What Azure's portal writes behind the names of times.
const IN_UTC: &str = " [UTC]";

/// The columns of a file.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<String>,
    sign: char,
    /// A record whose last value goes on in the next line.
    open: String,
}

/// What a line is to a table.
#[derive(Debug, PartialEq)]
pub(crate) enum Row {
    /// A record, as the object that another logger would have written.
    Whole(String),
    /// A part of a record.
    Part,
    /// It does not belong to the table.
    Other,
}

impl Table {
    /// The table that a file's first line begins.
    pub(crate) fn begin(line: &str) -> Option<Self> {
        let sign = [';', '\t', ',', '|']
            .into_iter()
            .find(|sign| line.contains(*sign))?;
        let names: Vec<String> = cells(line, sign)?
            .into_iter()
            .map(|name| name.trim().to_owned())
            .collect();
        let is_part =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@' | b' ');
        let is_name = |name: &String| {
            let name = name.strip_suffix(IN_UTC).unwrap_or(name);
            name.len() <= LONGEST_NAME
                && name.bytes().all(is_part)
                && name.bytes().any(|b| b.is_ascii_alphabetic())
        };
        let has = |known: &[&str]| {
            let mut names = names.iter();
            names.any(|name| {
                known.contains(&name.trim_end_matches(IN_UTC).to_ascii_lowercase().as_str())
            })
        };
        let is_table = names.iter().all(is_name) && has(&WHEN) && has(&WHAT);
        is_table.then(|| Self {
            names,
            sign,
            open: String::new(),
        })
    }

    /// Takes the next line.
    pub(crate) fn take(&mut self, line: &str) -> Row {
        let mut text = std::mem::take(&mut self.open);
        let is_first = text.is_empty();
        if is_first {
            line.clone_into(&mut text);
        } else {
            append(&mut text, line, LONGEST);
        }
        let Some(mut values) = cells(&text, self.sign) else {
            if text.len() >= LONGEST || (is_first && !text.contains('"')) {
                return Row::Other;
            }
            self.open = text;
            return Row::Part;
        };
        if values.len() < self.names.len() {
            return Row::Other;
        }
        // Few programs quote a message that contains the sign.
        let rest = values.split_off(self.names.len());
        if let Some(last) = values.last_mut() {
            for value in rest {
                last.push(self.sign);
                last.push_str(&value);
            }
        }
        let members = self
            .names
            .iter()
            .zip(values)
            .filter(|(_, value)| !value.is_empty());
        let members = members.map(|(name, value)| {
            let value = value.trim_end();
            match name.strip_suffix(IN_UTC) {
                Some(name) => (field(name).to_owned(), format!("{value} UTC").into()),
                None => (field(name).to_owned(), serde_json::Value::from(value)),
            }
        });
        Row::Whole(serde_json::Value::Object(members.collect()).to_string())
    }

    /// The lines of a record that did not end.
    pub(crate) fn rest(self) -> String {
        self.open
    }
}

/// The name of a field, for columns whose names need the others to be understood.
fn field(name: &str) -> &str {
    match &*name.to_ascii_lowercase() {
        "ms" | "millis" | "milliseconds" => "duration_ms",
        "seconds" | "secs" => "duration_s",
        "zeit" | "date" | "time_stamp" => "timestamp",
        "code" => "status",
        "content" => "message",
        _ => name,
    }
}

/// The values of a line; `None` if a quoted one does not end.
fn cells(line: &str, sign: char) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = line;
    loop {
        if let Some(mut quoted) = rest.strip_prefix('"') {
            let mut value = String::new();
            loop {
                let end = quoted.find('"')?;
                value.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => {
                        value.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
            // Whatever follows before the sign belongs to no value.
            let end = quoted.find(sign);
            values.push(value);
            let Some(end) = end else { return Some(values) };
            rest = &quoted[end + sign.len_utf8()..];
        } else {
            let Some((value, more)) = rest.split_once(sign) else {
                values.push(rest.to_owned());
                return Some(values);
            };
            values.push(value.to_owned());
            rest = more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_fields() {
        let mut table = Table::begin("timestamp;level;url;status;ms;msg").unwrap();
        let row = table.take("2026-03-04 11:22:00;INFO;https://shop.test/0;200;120;ok; all of it");
        let Row::Whole(json) = row else {
            panic!("{row:?}")
        };
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["url"], "https://shop.test/0");
        assert_eq!(value["duration_ms"], "120");
        assert_eq!(value["msg"], "ok; all of it");
        assert_eq!(table.take("words"), Row::Other);
    }

    #[test]
    fn quoted_values_go_on_over_lines() {
        let mut table = Table::begin("@timestamp,@message").unwrap();
        assert_eq!(
            table.take("2026-03-04 11:22:39,\"Traceback \"\"x\"\""),
            Row::Part
        );
        let row = table.take("KeyError: 'price'\"");
        let Row::Whole(json) = row else {
            panic!("{row:?}")
        };
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["@message"], "Traceback \"x\"\nKeyError: 'price'");
    }

    #[test]
    fn platforms_name_columns_in_their_own_way() {
        for line in [
            "TimeGenerated [UTC],ContainerAppName_s,RevisionName_s,Log_s",
            "_time,host,_raw",
            "\"Time\",\"Line\"",
            "timestamp,severity,textPayload",
        ] {
            assert!(Table::begin(line).is_some(), "{line}");
        }
    }

    #[test]
    fn other_lines_begin_no_table() {
        for line in [
            "2026-03-04 11:22:33,123 INFO shop: time, status",
            "name,price",
            "time, level and status of things!",
            "",
            "{\"time\":1,\"status\":2}",
        ] {
            assert!(Table::begin(line).is_none(), "{line}");
        }
    }
}
