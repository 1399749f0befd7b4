//! Formats that list a record's fields on lines of their own: rsyslog's `RSYSLOG_DebugFormat`, `eliot-prettyprint`, and
//! YAML documents as `gcloud logging read` prints them. Each becomes the object that the same program would have
//! written as JSON.

use dragline_schema::Position;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value, json};

use crate::framing::journal::Taken;
use crate::framing::lines::append;

/// Maximum size of a record's text.
const MAX_TEXT: usize = 1 << 20;
/// Maximum nesting depth of YAML values.
const DEEPEST: usize = 32;

/// The line that starts a record of rsyslog's.
const OF_RSYSLOG: &str = "Debug line with all properties:";
/// The line that starts a YAML document.
const OF_YAML: &str = "---";
/// Fields with which entries of a log start. Other programs print `---`, too.
const FIELDS: [&str; 12] = [
    "insertId",
    "errorGroups",
    "httpRequest",
    "jsonPayload",
    "labels",
    "level",
    "logName",
    "message",
    "protoPayload",
    "textPayload",
    "time",
    "timestamp",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Rsyslog,
    Eliot,
    Yaml,
}

/// A record whose lines are still being collected.
pub(crate) struct Listed {
    pub(crate) at: Position,
    form: Form,
    text: String,
    lines: usize,
}

impl Listed {
    /// Fast path: whether a line may start a record. Hardly any line does.
    pub(crate) fn may_begin(line: &str) -> bool {
        let bytes = line.as_bytes();
        match bytes.first() {
            Some(b'-') => bytes.len() < 8,
            Some(b'D') => bytes.len() == OF_RSYSLOG.len(),
            Some(b'0'..=b'9' | b'a'..=b'f') => bytes.get(36..38) == Some(b" -"),
            _ => false,
        }
    }

    /// The record that a line starts.
    pub(crate) fn begin(line: &str, at: Position) -> Option<Self> {
        let form = match line.as_bytes().first()? {
            b'D' if line == OF_RSYSLOG => Form::Rsyslog,
            b'-' if line.trim_end() == OF_YAML => Form::Yaml,
            b'0'..=b'9' | b'a'..=b'f' if is_task(line) => Form::Eliot,
            _ => return None,
        };
        Some(Self {
            at,
            form,
            text: line.to_owned(),
            lines: 1,
        })
    }

    /// Consumes the next line.
    pub(crate) fn go_on(&mut self, line: &str) -> Taken {
        let is_own = match self.form {
            Form::Rsyslog | Form::Eliot if line.is_empty() => return Taken::End,
            Form::Rsyslog => line != OF_RSYSLOG,
            Form::Eliot if self.lines == 1 => line.starts_with(|c: char| c.is_ascii_digit()),
            Form::Eliot => line.starts_with("  "),
            Form::Yaml => self.is_of_yaml(line),
        };
        if !is_own {
            return Taken::Other;
        }
        self.lines += 1;
        append(&mut self.text, line, MAX_TEXT);
        Taken::Part
    }

    /// Whether a line belongs to the open document. The first one must name a field of a log entry.
    fn is_of_yaml(&self, line: &str) -> bool {
        let key = key_of(line);
        if self.lines == 1 {
            return key.is_some_and(|key| FIELDS.contains(&key));
        }
        key.is_some() || (line.is_empty() || line.starts_with([' ', '-'])) && line != OF_YAML
    }

    /// Its text, as far as it was read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has only its first line.
    pub(crate) fn is_bare(&self) -> bool {
        self.lines == 1
    }

    /// The record as a JSON object. `None` if the text is not one.
    pub(crate) fn to_object(&self) -> Option<String> {
        let object = match self.form {
            Form::Rsyslog => of_rsyslog(&self.text)?,
            Form::Eliot => of_eliot(&self.text)?,
            Form::Yaml => of_yaml(&self.text)?,
        };
        Some(object.to_string())
    }
}

/// `1c88e96b-82b7-46bd-a7a5-2a20794a1dfa -> /2/1`
fn is_task(line: &str) -> bool {
    let Some((task, level)) = line.split_at_checked(36) else {
        return false;
    };
    level.starts_with(" -> /")
        && task.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        && task.bytes().filter(|b| *b == b'-').count() == 4
}

/// The name of a field at the start of a line of YAML.
fn key_of(line: &str) -> Option<&str> {
    let (key, value) = line.split_once(':')?;
    let is_part =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@' | b'.' | b'/');
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '@'))
        && key.bytes().all(is_part);
    (is_key && (value.is_empty() || value.starts_with(' '))).then_some(key)
}

/// `PRI: 14`, `TIMESTAMP: 'Nov 30 12:06:57'`, `msg: ' walk INFO fetched'`
fn of_rsyslog(text: &str) -> Option<Value> {
    let value = |name: &str| {
        let begin = text.find(name)? + name.len();
        text[begin..].split([',', '\n']).next()
    };
    let message = text.lines().find_map(|line| line.strip_prefix("msg: '"))?;
    let message = message.strip_suffix('\'').unwrap_or(message);
    let priority: u64 = value("PRI: ")?.parse().ok()?;
    let quoted = |name: &str| Some(value(name)?.trim_matches('\''));
    Some(json!({
        "MESSAGE": message.strip_prefix(' ').unwrap_or(message),
        "PRIORITY": priority % 8,
        "SYSLOG_IDENTIFIER": quoted("programname: ").unwrap_or_default(),
        "hostname": quoted("HOSTNAME: ").unwrap_or_default(),
        "timestamp": quoted("TIMESTAMP: ")?,
    }))
}

/// A task, a time, and fields as Python writes their values.
fn of_eliot(text: &str) -> Option<Value> {
    let mut lines = text.lines();
    let (task, level) = lines.next()?.split_once(" -> ")?;
    let mut object = Map::new();
    object.insert("task_uuid".into(), task.into());
    object.insert("task_level".into(), level.into());
    object.insert("timestamp".into(), lines.next()?.into());
    let mut last = String::new();
    for line in lines {
        // Long values continue on lines of their own.
        let more = line.trim_start().strip_prefix("| ");
        if let (Some(more), Some(Value::String(value))) = (more, object.get_mut(&last)) {
            value.push_str(unquoted(more.trim_start()));
            continue;
        }
        let Some((key, value)) = line.trim_start().split_once(": ") else {
            continue;
        };
        key.clone_into(&mut last);
        let value = match value.parse::<serde_json::Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => unquoted(value).into(),
        };
        object.insert(key.to_owned(), value);
    }
    Some(Value::Object(object))
}

/// A text without the quotes and brackets that Python writes around it.
fn unquoted(text: &str) -> &str {
    text.trim_matches(['(', ')']).trim_matches(['\'', '"'])
}

/// The first document of a YAML text, if it is an object.
fn of_yaml(text: &str) -> Option<Value> {
    let mut parser = Parser::new_from_str(text);
    loop {
        match parser.next()?.ok()?.0 {
            Event::MappingStart(..) => return Some(Value::Object(mapping(&mut parser, 0)?)),
            Event::StreamStart | Event::DocumentStart(_) => {}
            _ => return None,
        }
    }
}

type Yaml<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

/// The fields of a mapping, after its start. A text that is cut off gives those before the cut.
fn mapping(parser: &mut Yaml<'_>, depth: usize) -> Option<Map<String, Value>> {
    let mut fields = Map::new();
    loop {
        let key = match next(parser) {
            Some(Event::Scalar(key, ..)) => key.into_owned(),
            Some(Event::MappingEnd) | None => return Some(fields),
            Some(_) => return None,
        };
        let Some(event) = next(parser) else {
            return Some(fields);
        };
        fields.insert(key, value(parser, event, depth)?);
    }
}

fn next<'t>(parser: &mut Yaml<'t>) -> Option<Event<'t>> {
    parser.next()?.ok().map(|(event, _)| event)
}

/// The value that an event starts. References to other values are not followed: they could be without end.
fn value(parser: &mut Yaml<'_>, event: Event<'_>, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => Some(plain(&text)),
        Event::Scalar(text, ..) => Some(text.into_owned().into()),
        Event::MappingStart(..) => Some(Value::Object(mapping(parser, depth + 1)?)),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            loop {
                match next(parser) {
                    Some(Event::SequenceEnd) | None => return Some(list.into()),
                    Some(event) => list.push(value(parser, event, depth + 1)?),
                }
            }
        }
        Event::Alias(_) => Some(Value::Null),
        _ => None,
    }
}

/// The value of a text without quotes: a number, a truth value, nothing, or the text.
fn plain(text: &str) -> Value {
    match text {
        "null" | "~" | "" => Value::Null,
        "true" => true.into(),
        "false" => false.into(),
        _ => text.parse().map_or_else(|_| text.into(), Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<Value>, usize) {
        let mut lines = text.split('\n');
        let mut listed = Listed::begin(lines.next().unwrap(), Position::default()).unwrap();
        let taken = lines
            .take_while(|line| listed.go_on(line) == Taken::Part)
            .count();
        let object = listed.to_object();
        (
            object.map(|text| serde_json::from_str(&text).unwrap()),
            taken,
        )
    }

    #[test]
    fn each_form_becomes_an_object() {
        let rsyslog = "Debug line with all properties:\nFROMHOST: 'vm', HOSTNAME: 'vm', PRI: 11,\n\
            syslogtag 'mint:', programname: 'mint', PROCID: '-',\nTIMESTAMP: 'Nov 30 12:06:57', STRUCTURED-DATA: '-',\n\
            msg: ' it's broken, x'\nescaped msg: ' it's broken, x'\n\nnext";
        let (object, taken) = read(rsyslog);
        let object = object.unwrap();
        assert_eq!(
            (&object["MESSAGE"], &object["PRIORITY"]),
            (&"it's broken, x".into(), &3.into())
        );
        assert_eq!(
            (&object["timestamp"], taken),
            (&"Nov 30 12:06:57".into(), 5)
        );
        let eliot = "1c88e96b-82b7-46bd-a7a5-2a20794a1dfa -> /3/2\n2026-11-30T12:06:15.518842Z\n  action_status: 'failed'\n  \
            errno: 28\n  reason: ('could not '\n        |  \"x: 'y'\")\n\n";
        let (object, taken) = read(eliot);
        let object = object.unwrap();
        assert_eq!(
            (&object["action_status"], &object["errno"]),
            (&"failed".into(), &28.into())
        );
        assert_eq!((&object["reason"], taken), (&"could not x: 'y".into(), 5));
        let yaml = "---\nlevel: 1\nb:\n  c: |-\n    x\n      y\n  d: 'z'\ne:\n- 1\n- two\nf: {}\ng: null\n---\na: 2";
        let (object, taken) = read(yaml);
        let expected = json!({"level": 1, "b": {"c": "x\n  y", "d": "z"}, "e": [1, "two"], "f": {}, "g": null});
        assert_eq!((object.unwrap(), taken), (expected, 11));
        for other in ["--- x", "Debug line", "1c88e96b -> /1"] {
            assert!(
                Listed::begin(other, Position::default()).is_none(),
                "{other}"
            );
        }
        for other in ["words of a program", "INFO: it begins"] {
            assert_eq!(read(&format!("---\n{other}")), (None, 0));
        }
        assert_eq!(
            read("---\ntime: &x [1]\nb: *x").0.unwrap()["b"],
            Value::Null
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(a: |  |- |\\||'|\"|\\{|\\[|&a |\\*a|\n|#|\\PC{0,3}){0,24}") {
            let _ = read(&format!("---\ntime: {text}"));
        }
    }
}
