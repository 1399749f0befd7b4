//! Fast parser for JSON lines, which learns the shapes of a writer's lines.
//!
//! A writer's lines have the same keys in the same order millions of times, so the bytes between the values are
//! the same. These bytes are stored once, in a tree: each node has the bytes before a value, and its children
//! have the bytes between that value and the next one. A line that matches a path of the tree is parsed by
//! comparing bytes and by the positions of its quotation marks. No key is looked up, because a value's node
//! determines its role.
//!
//! A shape is learned from a line that the general parser has read, and only if the record depends on nothing
//! but this line: no envelope around another record. A line that does not match the tree to its end (a different
//! key, an extra space, a number with an exponent) is left to the general parser. For every line that this parser
//! reads, both produce the same record; property tests check that.

mod learn;
mod line;

use dragline_schema::{Dialect, Record};

use self::learn::Learned;
use self::line::Line;
use super::keys::Keys;
use super::role::Role;
use super::{alias, native};
use crate::framing::envelope;
use crate::meaning::map::{Map, Mapped};
use crate::parsing::begins;
use crate::parsing::marks::Marks;
use crate::parsing::object::Object;
use crate::parsing::time::Local;

/// Maximum number of nodes in the tree. Limited because keys may be data, too.
const MOST_NODES: usize = 2048;
/// Maximum number of children of a node.
const MOST_CHILDREN: usize = 16;
/// After this many lines, the parser is disabled for the file if fewer than one in four could be read.
const TRIED: u32 = 512;

/// The learned shapes.
#[derive(Default)]
pub(crate) struct Shapes {
    nodes: Vec<Node>,
    /// The nodes that lines start with.
    roots: Vec<u32>,
    marks: Marks,
    /// The values of the current line.
    found: Vec<Found>,
    tried: u32,
    read: u32,
    /// Whether the last line has a known shape. If it could not be read, its values are unsupported.
    is_known: bool,
}

/// The bytes before a value, and the value's role.
struct Node {
    /// The bytes after the previous value.
    literal: Box<[u8]>,
    /// Number of quotation marks in `literal`.
    quotes: usize,
    field: Option<Field>,
    /// The nodes that may follow the value; the longest first, because one may be a prefix of another.
    children: Vec<u32>,
    /// For the bytes at the end of a line: properties of the whole shape.
    ending: Option<Ending>,
}

/// The role of a value at a node.
struct Field {
    role: Role,
    mapped: Option<Mapped>,
    /// Its path without containers.
    key: Box<str>,
    /// Whether it cannot contribute anything.
    is_idle: bool,
    /// The slot that a text fills unchanged.
    text: Option<(alias::Slot, usize)>,
    /// The slot that a whole number fills unchanged.
    number: Option<(alias::Slot, usize)>,
    /// In the wire format, how to set the text in the record.
    own: Option<native::TextSetter>,
    /// Whether null means that there was no response.
    is_status: bool,
    /// Whether it may contain another record.
    payload: Payload,
    /// Whether it is the time that determines the scale of numeric levels.
    is_time: bool,
}

/// Whether a value may contain another record.
#[derive(Clone, Copy, PartialEq)]
enum Payload {
    No,
    /// The value may contain one.
    Own,
    /// Any text in place of the value may be one.
    AsText,
}

impl Payload {
    /// Whether this text must be left to the general parser.
    #[inline]
    fn is_other(self, text: &str) -> bool {
        match self {
            Self::No => false,
            Self::Own => envelope::may_be_record(text),
            Self::AsText => true,
        }
    }
}

/// Properties of a shape, determined by all its keys.
#[derive(Clone, Copy)]
struct Ending {
    keys: Keys,
    dialect: Dialect,
    is_zerolog: bool,
    is_logrus: bool,
    is_typed: bool,
    /// Whether the message may be a template with placeholders for other values.
    has_template: bool,
    /// Whether it is a line of the wire format, possibly written with spaces by another writer.
    is_native: bool,
    /// Whether there is an error object with more data than its fields.
    has_error: bool,
    /// Bit set of the values (by index in the line) whose slots are filled by later values with a better rank.
    late: u128,
}

/// A value of the line.
#[derive(Clone, Copy)]
struct Found {
    node: u32,
    begin: u32,
    end: u32,
}

impl Shapes {
    /// Starts the next file, whose lines may have other shapes.
    pub(crate) fn begin_file(&mut self) {
        (self.tried, self.read) = (0, 0);
        if self.nodes.len() >= MOST_NODES {
            self.nodes.clear();
            self.roots.clear();
        }
    }

    /// Whether enough lines of the file could be read.
    fn is_worth_it(&self) -> bool {
        self.tried < TRIED || self.read >= self.tried / 4
    }

    /// Reads a line of a known shape into an empty record. Returns whether it succeeded.
    pub(crate) fn decode<'l>(
        &mut self,
        line: &'l str,
        local: &Local,
        map: &Map,
        record: &mut Record<'l>,
    ) -> bool {
        if self.roots.is_empty() || !self.is_worth_it() {
            return false;
        }
        self.tried += 1;
        self.is_known = false;
        let is_read = self.read(line, local, map, record).is_some();
        if is_read {
            self.read += 1;
        } else {
            *record = Record::default();
        }
        is_read
    }

    fn read<'l>(
        &mut self,
        line: &'l str,
        local: &Local,
        map: &Map,
        record: &mut Record<'l>,
    ) -> Option<()> {
        let marks = self.marks.of(line.as_bytes())?;
        let tree = (&*self.nodes, &*self.roots);
        let ending = along(tree, line.as_bytes(), marks.places, &mut self.found)?;
        self.is_known = true;
        let line = Line {
            text: line,
            has_escapes: marks.has_escapes,
        };
        if ending.is_native {
            line.native(&self.nodes, &self.found, record)
        } else {
            line.decode(&self.nodes, &self.found, ending, (local, map), record)
        }
    }

    /// Learns the shape of a line that the general parser has read.
    pub(crate) fn learn(&mut self, line: &str, object: &Object<'_>, map: &Map) {
        if self.nodes.len() >= MOST_NODES || self.is_known || !self.is_worth_it() {
            return;
        }
        let Some(learned) = Learned::of(line, object, map) else {
            return;
        };
        let mut parent = None;
        for node in learned.nodes {
            let Some(id) = self.add(parent, node) else {
                return;
            };
            parent = Some(id);
        }
    }

    /// Finds or adds a child node and returns its index; `None` if there are too many children.
    fn add(&mut self, parent: Option<u32>, node: Node) -> Option<u32> {
        let children = match parent {
            Some(parent) => &self.nodes[parent as usize].children,
            None => &self.roots,
        };
        let is_same = |id: &&u32| {
            let known = &self.nodes[**id as usize];
            known.literal == node.literal && known.field.is_some() == node.field.is_some()
        };
        if let Some(id) = children.iter().find(is_same) {
            return Some(*id);
        }
        if children.len() >= MOST_CHILDREN {
            return None;
        }
        let id = self.nodes.len() as u32;
        self.nodes.push(node);
        let mut children = match parent {
            Some(parent) => std::mem::take(&mut self.nodes[parent as usize].children),
            None => std::mem::take(&mut self.roots),
        };
        children.push(id);
        children.sort_by_key(|id| std::cmp::Reverse(self.nodes[*id as usize].literal.len()));
        match parent {
            Some(parent) => self.nodes[parent as usize].children = children,
            None => self.roots = children,
        }
        Some(id)
    }
}

/// Follows the tree to the line's end and collects the values in `found`.
fn along<'t>(
    (nodes, roots): (&'t [Node], &'t [u32]),
    line: &[u8],
    marks: &[u32],
    found: &mut Vec<Found>,
) -> Option<&'t Ending> {
    found.clear();
    let (mut at, mut mark, mut children) = (0, 0, roots);
    loop {
        let rest = &line[at..];
        let is_next = |id: &&u32| begins(rest, &nodes[**id as usize].literal);
        let id = *children.iter().find(is_next)?;
        let node = &nodes[id as usize];
        at += node.literal.len();
        if let Some(ending) = &node.ending {
            return (at == line.len()).then_some(ending);
        }
        mark += node.quotes;
        let begin = at;
        match line.get(at) {
            Some(b'"') => {
                // The next two quotation marks enclose the value.
                at = *marks.get(mark + 1)? as usize + 1;
                mark += 2;
            }
            Some(b'[') => (at, mark) = list_end(line, marks, (at, mark))?,
            _ => {
                let is_value = |byte: &&u8| !matches!(byte, b',' | b'}' | b' ' | b'\t');
                at += line[at..].iter().take_while(is_value).count();
            }
        }
        found.push(Found {
            node: id,
            begin: begin as u32,
            end: at as u32,
        });
        children = &node.children;
    }
}

/// The end of a list that starts at `at`, and the number of quotation marks before that end.
fn list_end(line: &[u8], marks: &[u32], (at, mark): (usize, usize)) -> Option<(usize, usize)> {
    let (mut at, mut mark, mut depth) = (at, mark, 0);
    loop {
        match line.get(at)? {
            b'"' => {
                at = *marks.get(mark + 1)? as usize;
                mark += 2;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some((at, mark));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn local() -> Local {
        Local::new(&jiff::tz::TimeZone::UTC)
    }

    fn map() -> Map {
        let mut map = Map::new();
        map.field("status", "code").unwrap();
        map
    }

    fn general<'l>(line: &'l str, map: &Map) -> Option<Record<'l>> {
        let object = Object::parse(line)?;
        crate::meaning::decode(&object, &local(), map)
    }

    /// Learns from one line and reads the other. Checks the result against the general parser.
    fn both(example: &str, line: &str) -> bool {
        let (mut shapes, map) = (Shapes::default(), map());
        let Some(object) = Object::parse(example) else {
            return false;
        };
        shapes.learn(example, &object, &map);
        let mut record = Record::default();
        if !shapes.decode(line, &local(), &map, &mut record) {
            return false;
        }
        assert_eq!(Some(record), general(line, &map), "{example}\n{line}");
        true
    }

    #[test]
    fn lines_of_one_shape_are_read_alike() {
        for (example, line) in [
            (
                r#"{"level": "info", "timestamp": "2026-03-04T11:22:33Z", "event": "request_done", "url": "https://x.test/1", "status": 200, "elapsed": 0.5}"#,
                r#"{"level": "warning", "timestamp": "2026-03-04T11:22:34Z", "event": "a \"b\" \u00e4\n", "url": "https://x.test/2", "status": null, "elapsed": 1}"#,
            ),
            (
                r#"{"level":30,"time":1772623353123,"pid":1,"hostname":"h","req":{"method":"GET","url":"https://x.test/1"},"res":{"statusCode":200},"responseTime":12,"msg":"done"}"#,
                r#"{"level":50,"time":1772623353124,"pid":1,"hostname":"h","req":{"method":"PUT","url":"https://x.test/2"},"res":{"statusCode":503},"responseTime":7.5,"msg":""}"#,
            ),
            (
                r#"{"@t":"2026-03-04T11:22:33Z","@mt":"Fetched {Url} in {Elapsed} ms","Url":"https://x.test/1","Elapsed":12,"StatusCode":200}"#,
                r#"{"@t":"2026-03-04T11:22:34Z","@mt":"Lost {Url} \"{Other}\"","Url":"https://x.test/2","Elapsed":null,"StatusCode":503}"#,
            ),
            (
                r#"{"level":"info","message":"x","tags":["a","b]"],"stack":[],"url":"https://x.test/1"}"#,
                r#"{"level":"error","message":"y","tags":[],"stack":["E: a","\tat x {"],"url":"https://x.test/2"}"#,
            ),
            (
                r#"{"timestamp":"2026-03-04T11:22:33Z","level":"INFO","event_type":"request","url":"https://x.test/1","status_code":200,"response_time_ms":5}"#,
                r#"{"timestamp":"2026-03-04 11:22:33","level":"INFO","event_type":"product_processed","url":"https://x.test/1","status_code":200,"response_time_ms":5}"#,
            ),
            (
                r#"{"timestamp": "2026-03-04T11:22:33Z", "level": "INFO", "writer_id": "9f", "seq": 7, "event_type": "request", "url": "https://x.test/1", "status_code": 200}"#,
                r#"{"timestamp": "2026-03-04T11:22:34Z", "level": "WARN", "writer_id": "9f", "seq": 8, "event_type": "log", "url": "https://x.test/1", "status_code": null}"#,
            ),
            (
                r#"{"text":"a\n","record":{"extra":{},"level":{"name":"INFO","no":20},"message":"x","exception":null,"time":{"timestamp":1772623353.5}}}"#,
                r#"{"text":"b \\ \n","record":{"extra":{},"level":{"name":"ERROR","no":40},"message":"KeyError: 'a'","exception":null,"time":{"timestamp":1772623354.25}}}"#,
            ),
        ] {
            assert!(both(example, example), "{example}");
            assert!(both(example, line), "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_is_what_a_text_begins_with(text in "[ab]{0,30}", literal in "[ab]{0,20}", cut in 0usize..30) {
            let own = text.get(..cut).unwrap_or(&text);
            for literal in [own, &literal] {
                prop_assert_eq!(begins(text.as_bytes(), literal.as_bytes()), text.starts_with(literal));
            }
        }
    }

    #[test]
    fn what_has_another_shape_is_left() {
        let example = r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":1}"#;
        for line in [
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":1} "#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":1}}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":01}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":1e3}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":{"a":1}}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":[1,]}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":[1}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":["a]}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":tru}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","m":1}"#,
            r#"{"level":"info","message":"\x","time":"2026-03-04T11:22:33Z","n":1}"#,
            r#"{"level":"info","message":"{\"level\":\"error\"}","time":"2026-03-04T11:22:33Z","n":1}"#,
            r#"{"level":"info","message":"x"#,
            "{",
            "",
        ] {
            assert!(!both(example, line), "{line}");
        }
    }

    #[test]
    fn a_tree_that_nothing_goes_along_is_left() {
        let (mut shapes, map) = (Shapes::default(), Map::new());
        for n in 0..20_000 {
            let line = format!(r#"{{"message":"x","level":"info","key{n}":1}}"#);
            let object = Object::parse(&line).unwrap();
            assert!(!shapes.decode(&line, &local(), &map, &mut Record::default()));
            shapes.learn(&line, &object, &map);
        }
        assert!(shapes.nodes.len() <= MOST_NODES && !shapes.is_worth_it());
    }

    const KEYS: &str = "(level|time|timestamp|msg|message|event|url|status|code|elapsed|duration|err|error|event_type|\
                        name|target|fields|span|record|text|extra|item|pid|hostname|levelno|@t|@mt|stack|PRIORITY|writer_id|seq|status_code|traceback|x)";

    fn value() -> impl Strategy<Value = [String; 2]> {
        let text = "\"(INFO|error|request|scraper_error|https://x.test/p|2026-03-04T11:22:33Z|KeyError: x|None|url=http://x/ status=200|\
                    \\{a|[a-z \\\\n\"äü]{0,6}|\\\\\\\\|\\\\\"|\\\\u00e4|\\\\ud83d|\\\\q)\"";
        let number = "(-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?|1772623353123|[0-9]{20}|1e3|null|true|false|\\[\\]|\\[1\\]|\\[1,\\]|\\[\"E: a\", \"  at \\{x\"\\]|\\[\\{\"a\":\\[\\]\\}\\])";
        let one = prop_oneof![text, number];
        [one.clone(), one].prop_map(|both| both)
    }

    proptest! {
        #[test]
        fn both_readers_agree(
            fields in prop::collection::vec((KEYS, value(), 0..4usize), 1..8),
            separator in "(,|, )",
        ) {
            // Two lines with the same keys but different values, some of them in an object.
            let line = |which: usize| {
                let member = |(key, values, nest): &(String, [String; 2], usize)| match nest {
                    0 => format!("\"{key}\":{{\"{key}\":{},\"message\":\"a\"}}", values[which]),
                    1 => format!("\"err\":{{\"message\":{},\"type\":\"E\"}}", values[which]),
                    _ => format!("\"{key}\":{}", values[which]),
                };
                let members: Vec<String> = fields.iter().map(member).collect();
                format!("{{{}}}", members.join(&separator))
            };
            both(&line(0), &line(1));
            both(&line(1), &line(0));
        }

        #[test]
        fn any_text_is_read_or_left(example in "\\PC*", line in "\\PC*") {
            both(&example, &line);
        }
    }
}
