//! What a field says by its path, worked out once for each path that comes.
//!
//! A writer's lines have the same fields a million times. Their paths stand in a tree: from an object's place in
//! it, a key leads to the field's, without putting the path together.

use rustc_hash::FxHashMap;

use dragline_schema::Value;

use super::alias::{Slot, duration_unit, exact_slot, is_lifted, slot_of, without_container};
use super::item::Part;
use super::level::{Scale, scale_named};
use super::slots::TEMPLATE;
use crate::parsing::begins;

/// A path's place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PathId(u32);

/// Where whole paths begin.
pub(super) const ROOT: PathId = PathId(0);
/// Keys that are longer, in bytes, say nothing.
pub(super) const LONGEST: usize = 256;
const TOO_LONG: PathId = PathId(1);
/// Keys may be data, too: with more paths than that the tree is grown anew.
const MOST: usize = 4096;

/// The tree of paths.
pub(super) struct Paths {
    nodes: Vec<Node>,
    /// The places of the last record's fields, one after another: most records are like the one before.
    last: Vec<PathId>,
    /// How many fields of this record there were.
    count: usize,
}

/// So many fields of a record are kept.
const MOST_LAST: usize = 64;

struct Node {
    path: String,
    /// Where its key begins in it.
    key_at: usize,
    parent: PathId,
    role: Role,
    children: FxHashMap<Box<str>, PathId>,
}

/// Which kind of field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One that may fill a slot.
    Plain,
    /// tracing's list of spans.
    Spans,
    /// A field of the innermost span.
    Span,
    /// The zone that is named beside a time.
    Zone,
    /// What log4j2's `instant` adds to its seconds.
    Nanoseconds,
}

/// What a field says.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) kind: Kind,
    /// The slot that it may fill, and its rank among those that may.
    pub(super) slot: Option<(Slot, usize)>,
    /// Milliseconds in one unit of the duration that it is: of a whole number, and of a fraction.
    pub(super) units: [Option<f64>; 2],
    /// Whether the duration names no unit.
    pub(super) is_bare: bool,
    /// Whose numbers of levels it has.
    pub(super) scale: Option<Scale>,
    pub(super) item: Part,
    /// Whether it tells one item from another.
    pub(super) is_identity: bool,
    pub(super) is_name: bool,
    pub(super) is_error: bool,
    pub(super) is_exception: bool,
    pub(super) is_event_type: bool,
    pub(super) is_template: bool,
    /// Where its name begins, behind the container.
    bare_at: usize,
}

impl Role {
    /// What a field of that path says.
    pub(super) fn of(path: &str) -> Self {
        let bare = without_container(path);
        // loguru's own `elapsed` is the program's age.
        let is_whole = path.contains('.') && exact_slot(path);
        let own = if is_whole { path } else { bare };
        let kind = match (path, own) {
            ("spans" | "fields.spans", _) => Kind::Spans,
            _ if path.starts_with("span.") => Kind::Span,
            (_, "datetime.timezone") => Kind::Zone,
            (_, "instant.nanoOfSecond") => Kind::Nanoseconds,
            _ => Kind::Plain,
        };
        let slot = match path.strip_prefix("span.") {
            // The innermost span stands in `spans` too, when that is written.
            Some(name) => context_slot(name).map(|(slot, rank)| (slot, 100 + rank)),
            // What stands in a container says it less plainly than what stands beside it.
            None => slot_of(own).map(|(slot, rank)| {
                let is_lifted = own.len() < path.len() && is_lifted(path);
                (slot, rank + if is_lifted { 40 } else { 0 })
            }),
        };
        Self {
            kind,
            slot,
            units: [duration_unit(own, false), duration_unit(own, true)],
            is_bare: matches!(
                own.strip_prefix("http.").unwrap_or(own),
                "duration" | "elapsed" | "latency" | "took"
            ),
            scale: scale_named(own),
            item: Part::of(own),
            is_identity: matches!(own, "url" | "title" | "sku" | "id")
                || own.starts_with("item_")
                || own.starts_with("product_"),
            is_name: own == "name",
            is_error: own == "error",
            is_exception: own == "exception",
            is_event_type: bare == "event_type",
            is_template: path.ends_with("mt") || path.ends_with("emplate"),
            bare_at: path.len() - bare.len(),
        }
    }

    /// Milliseconds in one unit of the duration that the value is; `None` when the field is none.
    pub(super) fn unit(&self, value: &Value<'_>) -> Option<f64> {
        if self.units == [None, None] {
            return None;
        }
        let is_fraction = match value {
            Value::F64(_) => true,
            Value::Str(text) => text.contains('.'),
            _ => false,
        };
        self.units[usize::from(is_fraction)]
    }

    /// The slot that a text fills as it is, unless it is special there; nothing else is said by it.
    pub(super) fn text_slot(&self) -> Option<(Slot, usize)> {
        let is_plain = self.kind == Kind::Plain
            && self.units == [None, None]
            && self.item == Part::No
            && !self.is_name;
        self.slot.filter(|(slot, rank)| {
            let takes = match slot {
                Slot::Timestamp
                | Slot::Level
                | Slot::Target
                | Slot::ErrorType
                | Slot::ScraperId
                | Slot::RunId
                | Slot::Site
                | Slot::Method
                | Slot::Url => true,
                Slot::Message => *rank < TEMPLATE,
                _ => false,
            };
            is_plain && takes
        })
    }

    /// The slot that a whole number fills as it is; nothing else is said by it.
    pub(super) fn number_slot(&self) -> Option<(Slot, usize)> {
        let is_plain = self.kind == Kind::Plain
            && self.units == [None, None]
            && self.item == Part::No
            && !self.is_identity;
        let takes = |slot: Slot| {
            matches!(
                slot,
                Slot::Timestamp | Slot::Level | Slot::Status | Slot::Bytes | Slot::Attempt
            )
        };
        self.slot.filter(|(slot, _)| is_plain && takes(*slot))
    }

    /// Its path without the container that it stands in.
    pub(super) fn bare<'p>(&self, path: &'p str) -> &'p str {
        &path[self.bare_at..]
    }

    /// Whether its value can say nothing.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.kind, Kind::Plain | Kind::Span)
            && self.slot.is_none()
            && self.units == [None, None]
            && self.item == Part::No
            && !(self.is_identity || self.is_name || self.is_exception)
    }
}

/// What logging libraries write of themselves, and nobody asks for.
const THEIRS: &str = " pid hostname v @version process processName process_id thread threadName thread_name thread_id \
    taskName relativeCreated created msecs lineno line line_number funcName func_name function method_name filename \
    file pathname path module args stack_info exc_text exc_info levelno level_value caller writer_id seq text \
    severity_number trace_flags schemaURL name ecs.version log.syslog.priority ";
/// The same of everything within.
const THEIR_OBJECTS: [&str; 10] = [
    "record.elapsed.",
    "record.file.",
    "record.process.",
    "record.thread.",
    "record.level.",
    "record.time.",
    "source.",
    "process.",
    "log.origin.",
    "instant.",
];

/// The name of a field, without the container around it, when it is the user's own: nothing that a record says,
/// and nothing that a library writes of itself.
pub(crate) fn is_own(path: &str) -> Option<&str> {
    let role = Role::of(path);
    let bare = role.bare(path);
    let is_theirs = |name: &str| THEIRS.split_whitespace().any(|theirs| theirs == name);
    let is_own = path.len() <= LONGEST
        && role.slot.is_none()
        && role.units == [None, None]
        && role.kind == Kind::Plain
        && !role.is_exception
        && !role.is_event_type
        && !is_theirs(path.strip_prefix("record.").unwrap_or(bare))
        && !THEIR_OBJECTS.iter().any(|theirs| path.starts_with(theirs));
    is_own.then_some(bare)
}

/// Slots that a span's fields may fill for the events inside.
pub(super) fn context_slot(name: &str) -> Option<(Slot, usize)> {
    slot_of(name).filter(|(slot, _)| matches!(slot, Slot::ScraperId | Slot::RunId | Slot::Site))
}

impl Default for Paths {
    fn default() -> Self {
        let node = |parent| Node {
            path: String::new(),
            key_at: 0,
            parent,
            role: Role::of(""),
            children: FxHashMap::default(),
        };
        Self {
            nodes: vec![node(ROOT), node(TOO_LONG)],
            last: Vec::new(),
            count: 0,
        }
    }
}

impl Paths {
    /// A record begins: places that were given before are none any more.
    pub(super) fn begin(&mut self) {
        if self.nodes.len() > MOST {
            *self = Self::default();
        }
        self.count = 0;
    }

    fn node(&self, id: PathId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The place of a key in an object.
    pub(super) fn child(&mut self, parent: PathId, key: &str) -> PathId {
        let count = self.count;
        self.count += 1;
        if let Some(id) = self.last.get(count) {
            let node = self.node(*id);
            let own = &node.path.as_bytes()[node.key_at..];
            if node.parent == parent && own.len() == key.len() && begins(own, key.as_bytes()) {
                return *id;
            }
        }
        let id = self.looked_up(parent, key);
        match self.last.get_mut(count) {
            Some(last) => *last = id,
            None if count < MOST_LAST => self.last.push(id),
            None => {}
        }
        id
    }

    fn looked_up(&mut self, parent: PathId, key: &str) -> PathId {
        if let Some(id) = self.node(parent).children.get(key) {
            return *id;
        }
        if key.len() > LONGEST || parent == TOO_LONG {
            return TOO_LONG;
        }
        let path = match &*self.node(parent).path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        };
        let id = PathId(self.nodes.len() as u32);
        self.nodes.push(Node {
            role: Role::of(&path),
            key_at: path.len() - key.len(),
            parent,
            path,
            children: FxHashMap::default(),
        });
        let parent = &mut self.nodes[parent.0 as usize];
        parent.children.insert(key.into(), id);
        id
    }

    pub(super) fn role(&self, id: PathId) -> &Role {
        &self.node(id).role
    }

    /// The whole path.
    pub(super) fn path(&self, id: PathId) -> &str {
        &self.node(id).path
    }

    /// The path without the container that it stands in.
    pub(super) fn bare(&self, id: PathId) -> &str {
        let node = self.node(id);
        node.role.bare(&node.path)
    }
}
