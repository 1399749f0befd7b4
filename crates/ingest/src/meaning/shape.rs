//! The shapes of a writer's lines, learned from the lines themselves.
//!
//! A writer's lines have the same keys in the same order a million times: between their values stand the same
//! bytes. So those are kept, once, as a tree: from the bytes before a value to those before the next one. A
//! line that goes along the tree is taken apart by comparing bytes and by the places of its quotation marks;
//! no key is looked up, as what each says is known by where it stands.
//!
//! A shape is learned from a line that the general parser read, and only from lines in which nothing depends
//! on more than that: no arrays, no templates, no envelope around another record. Whatever does not go along
//! the tree to its end (another key, a blank more, a number with an exponent) is left to the general parser.
//! Both agree on every line that this one reads; property tests hold them to it.

use std::borrow::Cow;

use dragline_schema::{Dialect, Event, EventType, Record, Value};

use super::keys::Keys;
use super::native::fast::{Member, scalar};
use super::role::{Kind, LONGEST, Role};
use super::slots::Slots;
use super::{alias, foreign, native, node};
use crate::framing::envelope::object as inside;
use crate::meaning::map::{Map, Mapped};
use crate::parsing::marks::Marks;
use crate::parsing::object::{self, MAX_DEPTH, Object};
use crate::parsing::time::Local;

/// A tree is grown no further; keys may be data, too.
const MOST_NODES: usize = 2048;
/// So many things may follow a value.
const MOST_CHILDREN: usize = 16;
/// A line with more values has no shape.
const MOST_VALUES: usize = 96;
/// Of so many lines that were tried, one in four goes along the tree, or no more are.
const TRIED: u32 = 512;

/// The shapes that are known.
#[derive(Default)]
pub(crate) struct Shapes {
    nodes: Vec<Node>,
    /// What lines begin with.
    roots: Vec<u32>,
    marks: Marks,
    /// Where the values of the line stand, and what they are.
    found: Vec<Found>,
    tried: u32,
    read: u32,
    /// Whether the last line has a shape that is known: one whose values are not, then.
    is_known: bool,
}

/// The bytes before a value, and the value.
struct Node {
    /// From behind the value before it.
    literal: Box<[u8]>,
    /// The quotation marks in it.
    quotes: usize,
    field: Option<Field>,
    /// What may come behind the value, the longest first: one may begin with another.
    children: Vec<u32>,
    /// Of the bytes that end a line: what the shape says.
    ending: Option<Ending>,
}

/// What a value says by where it stands.
struct Field {
    role: Role,
    mapped: Option<Mapped>,
    /// Its path without the containers around it.
    key: Box<str>,
    /// Whether it can say nothing at all.
    is_idle: bool,
    /// The slot that a text fills as it is.
    text: Option<(alias::Slot, usize)>,
    /// How a line of the wire format takes the text.
    own: Option<native::TextSetter>,
    /// Whether a null says that there was no answer.
    is_status: bool,
    /// Whether another record may stand in it.
    payload: Payload,
    /// Whether it is the time by which numbers of levels are told.
    is_time: bool,
}

/// Whether another record may stand in a value.
#[derive(Clone, Copy, PartialEq)]
enum Payload {
    No,
    /// It may.
    Own,
    /// It may, when it is a text.
    AsText,
}

impl Payload {
    /// Whether the general parser is to look at such a text.
    #[inline]
    fn is_other(self, text: &str) -> bool {
        let may_begin = |c: char| matches!(c, '{' | '[' | '\\') || c.is_ascii_digit();
        match self {
            Self::No => false,
            Self::Own => text.starts_with(may_begin),
            Self::AsText => true,
        }
    }
}

/// What a whole line's keys say.
#[derive(Clone, Copy)]
struct Ending {
    keys: Keys,
    dialect: Dialect,
    is_zerolog: bool,
    is_logrus: bool,
    is_typed: bool,
    /// Whether it is a line of the wire format, which others may write with blanks.
    is_native: bool,
    /// Whether an error has more in it than its fields.
    has_error: bool,
    /// The values, by their places in the line, whose slots others behind them fill rather.
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
    /// Another file begins: its lines may have other shapes.
    pub(crate) fn begin_file(&mut self) {
        (self.tried, self.read) = (0, 0);
        if self.nodes.len() >= MOST_NODES {
            self.nodes.clear();
            self.roots.clear();
        }
    }

    /// Whether lines have shapes here.
    fn is_worth_it(&self) -> bool {
        self.tried < TRIED || self.read >= self.tried / 4
    }

    /// Reads a line of a shape that is known into an empty record, and says whether it did.
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

    /// Learns the shape of a line that the general parser read.
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

    /// The place of what stands behind a value; `None` where too much else does.
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

/// Goes along the tree to the line's end.
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
        let is_next = |id: &&u32| rest.starts_with(&nodes[**id as usize].literal);
        let id = *children.iter().find(is_next)?;
        let node = &nodes[id as usize];
        at += node.literal.len();
        if let Some(ending) = &node.ending {
            return (at == line.len()).then_some(ending);
        }
        mark += node.quotes;
        let begin = at;
        if line.get(at) == Some(&b'"') {
            // The value's own marks are the next two.
            at = *marks.get(mark + 1)? as usize + 1;
            mark += 2;
        } else {
            let is_value = |byte: &&u8| !matches!(byte, b',' | b'}' | b' ' | b'\t');
            at += line[at..].iter().take_while(is_value).count();
        }
        found.push(Found {
            node: id,
            begin: begin as u32,
            end: at as u32,
        });
        children = &node.children;
    }
}

/// A line whose shape is known.
struct Line<'l> {
    text: &'l str,
    has_escapes: bool,
}

impl<'l> Line<'l> {
    /// A line of the wire format.
    fn native(&self, nodes: &[Node], found: &[Found], record: &mut Record<'l>) -> Option<()> {
        for place in found {
            let Some(field) = &nodes[place.node as usize].field else {
                continue;
            };
            if let Some(set) = field.own
                && let Some(text) = self.quoted(*place)
                && self.is_plain(text)
                && !field.payload.is_other(text)
            {
                set(record, text);
            } else if let Member::Value(value) = self.value(*place, field)? {
                native::set(record, &field.key, value);
            }
        }
        Some(())
    }

    fn decode(
        &self,
        nodes: &[Node],
        found: &[Found],
        ending: &Ending,
        (local, map): (&Local, &Map),
        record: &mut Record<'l>,
    ) -> Option<()> {
        let mut slots = Slots {
            is_compact: ending.keys.has("@t"),
            is_zerolog: ending.is_zerolog,
            is_logrus: ending.is_logrus,
            ..Slots::default()
        };
        let mut time = None;
        let typed = if ending.is_typed {
            self.typed(nodes, found)?
        } else {
            Event::Log
        };
        let mut typed = Some(typed).filter(|event| *event != Event::Log);
        for (at, place) in found.iter().enumerate() {
            let Some(field) = &nodes[place.node as usize].field else {
                continue;
            };
            if field.is_time && time.is_none() {
                time = Some(&self.text[place.begin as usize..place.end as usize]);
            }
            if typed.is_none() {
                if ending.late >> at & 1 == 1 {
                    continue;
                }
                if self.take_text(*place, field, &mut slots)? {
                    continue;
                }
            }
            let Member::Value(value) = self.value(*place, field)? else {
                slots.status_is_null |= field.is_status;
                continue;
            };
            if let Some(event) = &mut typed {
                // What the event does not know is the user's.
                let _ = event.set(&field.key, value.clone());
            }
            match field.mapped {
                _ if field.is_idle => {}
                Some(Mapped::Slot(slot)) => slots.put(slot, 0, value),
                Some(Mapped::Duration(unit)) => slots.mapped_duration(&value, unit),
                None => slots.offer(&field.role, value),
            }
        }
        let mut late = if typed.is_none() { ending.late } else { 0 };
        while late != 0 {
            let at = late.ilog2();
            late ^= 1 << at;
            self.take_late(*found.get(at as usize)?, nodes, &mut slots)?;
        }
        slots.scale = ending.keys.scale(time);
        let is_record = slots.finish(typed, &[], ending.dialect, (local, map), record);
        if ending.has_error
            && let Event::ScraperError(error) = &mut record.event
        {
            node::complete(&Object::parse(self.text)?, error);
        }
        is_record.then_some(())
    }

    /// The event that the line names, a plain line when it names none; `None` when the name cannot be read.
    fn typed(&self, nodes: &[Node], found: &[Found]) -> Option<Event<'l>> {
        for place in found {
            let Some(field) = &nodes[place.node as usize].field else {
                continue;
            };
            if field.role.is_event_type
                && let Member::Value(value) = self.value(*place, field)?
            {
                let Value::Str(name) = value else {
                    return Some(Event::Log);
                };
                let kind = EventType::from_name(&name);
                return Some(kind.map_or(Event::Log, EventType::empty));
            }
        }
        Some(Event::Log)
    }

    /// Takes a text that fills its slot as it is, or none. `Some(false)` for any other value, `None` for one that
    /// the general parser is to read.
    #[inline]
    fn take_text(&self, place: Found, field: &Field, slots: &mut Slots<'l>) -> Option<bool> {
        let Some(text) = self.quoted(place) else {
            return Some(false);
        };
        if field.payload.is_other(text) {
            return None;
        }
        let is_plain = self.is_plain(text);
        if field.is_idle {
            return Some(is_plain || object::is_plainly_escaped(text));
        }
        if is_plain
            && let Some((slot, rank)) = field.text
            && slots.put_text(slot, rank, text)
        {
            slots.has_identity |= field.role.is_identity;
            return Some(true);
        }
        Some(false)
    }

    /// Takes a value for a slot that another one fills rather.
    fn take_late(&self, place: Found, nodes: &[Node], slots: &mut Slots<'l>) -> Option<()> {
        let field = nodes[place.node as usize].field.as_ref()?;
        let is_beaten = field.text.is_some_and(|(slot, rank)| {
            let held = slots.values[slot as usize].as_ref();
            held.is_some_and(|(held, _)| *held <= rank)
        });
        if let Some(text) = self.quoted(place).filter(|_| is_beaten) {
            if field.payload.is_other(text) {
                return None;
            }
            if self.is_plain(text) || object::is_plainly_escaped(text) {
                slots.has_identity |= field.role.is_identity;
                return Some(());
            }
        }
        if let Member::Value(value) = self.value(place, field)? {
            // Of two that say it equally well the later one wins, which came before.
            if is_beaten && matches!(value, Value::Str(_)) {
                slots.has_identity |= field.role.is_identity;
            } else {
                slots.offer(&field.role, value);
            }
        }
        Some(())
    }

    /// What stands between a text's marks.
    #[inline]
    fn quoted(&self, place: Found) -> Option<&'l str> {
        if self.text.as_bytes()[place.begin as usize] != b'"' {
            return None;
        }
        // It ends with its mark.
        self.text
            .get(place.begin as usize + 1..place.end as usize - 1)
    }

    /// Whether a text is what stands between its marks.
    #[inline]
    fn is_plain(&self, text: &str) -> bool {
        !self.has_escapes || memchr::memchr(b'\\', text.as_bytes()).is_none()
    }

    /// A value; `None` for one that the general parser is to read.
    #[inline]
    fn value(&self, place: Found, field: &Field) -> Option<Member<'l>> {
        let json = &self.text[place.begin as usize..place.end as usize];
        let Some(inner) = self.quoted(place) else {
            if field.payload == Payload::Own {
                return None;
            }
            return scalar(json);
        };
        if field.payload.is_other(inner) {
            return None;
        }
        if self.is_plain(inner) {
            return Some(Member::Value(Value::Str(Cow::Borrowed(inner))));
        }
        let text = object::unescape(json)?;
        Some(Member::Value(Value::Str(text)))
    }
}

/// The shape of one line.
struct Learned<'l> {
    line: &'l str,
    map: &'l Map,
    nodes: Vec<Node>,
    /// How far the line is in the nodes.
    at: usize,
    payload: inside::Payload,
    is_native: bool,
}

impl<'l> Learned<'l> {
    /// `None` when the line has none that could be kept.
    fn of(line: &'l str, object: &Object<'l>, map: &'l Map) -> Option<Self> {
        let payload = inside::payload_of_a_record(object)?;
        let mut learned = Self {
            line,
            map,
            nodes: Vec::new(),
            at: 0,
            payload,
            is_native: object.is_native(),
        };
        learned.object(object, "", 1)?;
        let keys = Keys::of(object);
        let is_typed = |node: &Node| node.field.as_ref().is_some_and(|f| f.role.is_event_type);
        let ending = Ending {
            keys,
            dialect: keys.dialect(),
            is_zerolog: foreign::is_zerolog(object),
            is_logrus: keys.is_logrus(object),
            is_native: learned.is_native,
            is_typed: learned.nodes.iter().any(is_typed),
            has_error: node::has_error(object),
            late: learned.late(),
        };
        learned.push(line.len(), None, Some(ending))?;
        Some(learned)
    }

    /// Which values are for slots that values behind them fill rather.
    fn late(&self) -> u128 {
        let slot = |node: &Node| node.field.as_ref().and_then(|field| field.text);
        let is_beaten = |(at, node): &(usize, &Node)| {
            slot(node).is_some_and(|(own, rank)| {
                let behind = self.nodes[at + 1..].iter().filter_map(slot);
                // Of numbers of levels the last one tells whose they are.
                own != alias::Slot::Level
                    && behind
                        .into_iter()
                        .any(|(slot, better)| slot == own && better < rank)
            })
        };
        let beaten = self.nodes.iter().enumerate().filter(is_beaten);
        beaten.fold(0, |late, (at, _)| late | 1 << at)
    }

    fn object(&mut self, object: &Object<'l>, path: &str, depth: usize) -> Option<()> {
        for (place, (key, raw)) in object.fields.iter().enumerate() {
            let json = raw.get();
            // Values stand in the line that they were read from.
            let begin = (json.as_ptr() as usize).checked_sub(self.line.as_ptr() as usize)?;
            let whole = match path {
                "" => key.to_string(),
                path => format!("{path}.{key}"),
            };
            if json.starts_with('{') {
                if self.is_native {
                    return None;
                }
                let inner = Object::parse(json).filter(|_| depth < MAX_DEPTH)?;
                self.object(&inner, &whole, depth + 1)?;
                continue;
            }
            if (json.starts_with('[') && json != "[]") || key.len() > LONGEST {
                return None;
            }
            let payload = match self.payload.0 {
                _ if depth > 1 || !inside::is_payload(key) => Payload::No,
                Some(own) if own == place => Payload::Own,
                _ if json.starts_with('"') => Payload::No,
                _ => Payload::AsText,
            };
            let field = self.field(&whole, key, depth, payload)?;
            self.push(begin, Some(field), None)?;
            self.at = begin + json.len();
        }
        Some(())
    }

    fn field(&mut self, path: &str, key: &str, depth: usize, payload: Payload) -> Option<Field> {
        let role = Role::of(path);
        if role.kind == Kind::Spans || role.is_template || self.nodes.len() >= MOST_VALUES {
            return None;
        }
        let mapped = self.map.mapped(path);
        let is_top = depth == 1;
        let is_status = is_top && matches!(alias::slot_of(key), Some((alias::Slot::Status, _)));
        Some(Field {
            is_idle: mapped.is_none() && role.is_idle(),
            key: role.bare(path).into(),
            text: role.text_slot().filter(|_| mapped.is_none()),
            own: native::text_setter(role.bare(path)),
            role,
            mapped,
            is_status,
            payload,
            is_time: is_top && key == "time",
        })
    }

    fn push(&mut self, end: usize, field: Option<Field>, ending: Option<Ending>) -> Option<()> {
        let literal = self.line.as_bytes().get(self.at..end)?;
        // In a key with an escape not every mark is one.
        let is_plain = !literal.contains(&b'\\') && literal.len() <= 4 * LONGEST;
        is_plain.then(|| {
            self.nodes.push(Node {
                literal: literal.into(),
                quotes: memchr::memchr_iter(b'"', literal).count(),
                field,
                children: Vec::new(),
                ending,
            });
        })
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

    /// Learns from one line and reads the other; what is read is what the general parser reads.
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

    #[test]
    fn what_has_another_shape_is_left() {
        let example = r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":1}"#;
        for line in [
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":1} "#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":1}}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":01}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":1e3}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":{"a":1}}"#,
            r#"{"level":"info","message":"x","time":"2026-03-04T11:22:33Z","n":[1]}"#,
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
                        name|target|fields|span|record|text|extra|item|pid|hostname|levelno|@t|PRIORITY|writer_id|seq|status_code|traceback|x)";

    fn value() -> impl Strategy<Value = [String; 2]> {
        let text = "\"(INFO|error|request|scraper_error|https://x.test/p|2026-03-04T11:22:33Z|KeyError: x|None|url=http://x/ status=200|\
                    \\{a|[a-z \\\\n\"äü]{0,6}|\\\\\\\\|\\\\\"|\\\\u00e4|\\\\ud83d|\\\\q)\"";
        let number = "(-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?|1772623353123|[0-9]{20}|1e3|null|true|false|\\[\\]|\\[1\\])";
        let one = prop_oneof![text, number];
        [one.clone(), one].prop_map(|both| both)
    }

    proptest! {
        #[test]
        fn both_readers_agree(
            fields in prop::collection::vec((KEYS, value(), 0..4usize), 1..8),
            separator in "(,|, )",
        ) {
            // The same keys with one value each, and some of them in an object.
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
