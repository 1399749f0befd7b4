//! Determines the role of a field from its path, once per path.
//!
//! A writer's lines have the same fields millions of times. Their paths form a tree: from an object's node, a
//! key leads to the field's node without building the path as a string.

use rustc_hash::FxHashMap;

use dragline_schema::Value;

use super::alias::{Slot, duration_unit, exact_slot, is_lifted, slot_of, without_container};
use super::item::Part;
use super::level::{Scale, scale_named};
use crate::parsing::begins;

/// Rank of the first field name for message templates, among the names for messages.
pub(super) const TEMPLATE: usize = 14;

/// Index of a path in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PathId(u32);

/// The root of all paths.
pub(super) const ROOT: PathId = PathId(0);
/// Maximum length of a key in bytes; longer keys are ignored.
pub(super) const LONGEST: usize = 256;
const TOO_LONG: PathId = PathId(1);
/// Maximum number of paths; a larger tree is rebuilt, because keys may be data, too.
const MOST: usize = 4096;

/// The tree of paths.
pub(super) struct Paths {
    nodes: Vec<Node>,
    /// The path ids of the previous record's fields in order, because most records have the same fields.
    last: Vec<PathId>,
    /// Number of fields of the current record so far.
    count: usize,
}

/// Maximum number of fields kept from the previous record.
const MOST_LAST: usize = 64;

struct Node {
    path: String,
    /// Offset of its key in the path.
    key_at: usize,
    parent: PathId,
    role: Role,
    children: FxHashMap<Box<str>, PathId>,
}

/// The kind of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A field that may fill a slot.
    Plain,
    /// tracing's list of spans.
    Spans,
    /// A field of the innermost span.
    Span,
    /// The time zone of another field's time.
    Zone,
    /// The nanoseconds of log4j2's `instant`.
    Nanoseconds,
}

/// What a field can contribute to a record.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) kind: Kind,
    /// The slot that it may fill, and its rank among the names for that slot.
    pub(super) slot: Option<(Slot, usize)>,
    /// If it is a duration: milliseconds per unit for a whole number, and for a fraction.
    pub(super) units: [Option<f64>; 2],
    /// Whether it is a duration whose name has no unit.
    pub(super) is_bare: bool,
    /// The scale of its numeric levels.
    pub(super) scale: Option<Scale>,
    pub(super) item: Part,
    /// Whether it identifies an item.
    pub(super) is_identity: bool,
    pub(super) is_name: bool,
    pub(super) is_error: bool,
    pub(super) is_exception: bool,
    pub(super) is_event_type: bool,
    pub(super) is_template: bool,
    /// Offset of its name in the path, after the containers.
    bare_at: usize,
}

impl Role {
    /// The role of a field with that path.
    pub(super) fn of(path: &str) -> Self {
        let bare = without_container(path);
        // loguru's own `record.elapsed` is the program's uptime, not a duration.
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
            // The innermost span is also in `spans`, if that is written.
            Some(name) => context_slot(name).map(|(slot, rank)| (slot, 100 + rank)),
            // A field in the user's container ranks lower than one of the record itself.
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
            is_identity: matches!(own, "title" | "sku" | "id")
                || own.starts_with("item_")
                || own.starts_with("product_")
                || (slot.is_none() && is_id_of_item(own)),
            is_name: own == "name",
            is_error: own == "error",
            is_exception: own == "exception",
            is_event_type: bare == "event_type",
            is_template: path.ends_with("mt") || path.ends_with("emplate"),
            bare_at: path.len() - bare.len(),
        }
    }

    /// Milliseconds per unit of this value; `None` if the field is not a duration.
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

    /// The slot that a text fills unchanged, unless the slot treats that text specially. `None` if the field can
    /// contribute anything else.
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

    /// The slot that a whole number fills unchanged. `None` if the field can contribute anything else.
    pub(super) fn number_slot(&self) -> Option<(Slot, usize)> {
        let is_plain = self.kind == Kind::Plain
            && self.units == [None, None]
            && self.item == Part::No
            && !self.is_identity;
        let takes = |slot: Slot| {
            matches!(
                slot,
                Slot::Timestamp
                    | Slot::Level
                    | Slot::Status
                    | Slot::Bytes
                    | Slot::Attempt
                    | Slot::Queue
            )
        };
        self.slot.filter(|(slot, _)| is_plain && takes(*slot))
    }

    /// Its path without containers.
    pub(super) fn bare<'p>(&self, path: &'p str) -> &'p str {
        &path[self.bare_at..]
    }

    /// Whether its value cannot contribute anything.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.kind, Kind::Plain | Kind::Span)
            && self.slot.is_none()
            && self.units == [None, None]
            && self.item == Part::No
            && !(self.is_identity || self.is_name || self.is_exception)
    }
}

/// Whether a name is that of an identity which may be an item's: `ad_id`, `lotId`, but no `request_id`.
fn is_id_of_item(name: &str) -> bool {
    const OTHERS: [&str; 48] = [
        "account",
        "activity",
        "batch",
        "browser",
        "category",
        "chat",
        "client",
        "cluster",
        "connection",
        "container",
        "correlation",
        "crawl",
        "crawler",
        "deployment",
        "device",
        "event",
        "execution",
        "flow",
        "group",
        "host",
        "instance",
        "invocation",
        "job",
        "log",
        "message",
        "node",
        "operation",
        "page",
        "parent",
        "pod",
        "process",
        "project",
        "proxy",
        "queue",
        "request",
        "run",
        "scraper",
        "session",
        "site",
        "span",
        "spider",
        "task",
        "tenant",
        "thread",
        "trace",
        "transaction",
        "user",
        "worker",
    ];
    let of = ["_id", "Id", "ID"]
        .iter()
        .find_map(|end| name.strip_suffix(end));
    of.is_some_and(|of| {
        let last = of.rsplit(['_', '.', '-']).next().unwrap_or_default();
        !last.is_empty() && !OTHERS.iter().any(|other| last.eq_ignore_ascii_case(other))
    })
}

/// Fields that logging libraries add by themselves.
const THEIRS: &str = " pid hostname v @version process processName process_id thread threadName thread_name thread_id \
    taskName relativeCreated created msecs lineno line line_number funcName func_name function method_name filename \
    file pathname path module args stack_info exc_text exc_info levelno level_value caller writer_id seq text \
    severity_number trace_flags schemaURL name ecs.version log.syslog.priority ";
/// Objects whose fields logging libraries add by themselves.
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

/// If a field is the user's own, its name without containers. `None` for fields that fill the record, and for
/// those that libraries add by themselves.
pub(crate) fn is_own(path: &str) -> Option<&str> {
    let role = Role::of(path);
    let bare = role.bare(path);
    let is_theirs = |name: &str| THEIRS.split_whitespace().any(|theirs| theirs == name);
    // A queue's length counts only in lines about nothing else, so it remains a field, too.
    let is_other = role.slot.is_none_or(|(slot, _)| slot == Slot::Queue);
    let is_own = path.len() <= LONGEST
        && is_other
        && role.units == [None, None]
        && role.kind == Kind::Plain
        && !role.is_exception
        && !role.is_event_type
        && !is_theirs(path.strip_prefix("record.").unwrap_or(bare))
        && !THEIR_OBJECTS.iter().any(|theirs| path.starts_with(theirs));
    is_own.then_some(bare)
}

/// The slot that a span's field fills for the events inside the span.
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
    /// Starts a record. Invalidates all path ids returned before.
    pub(super) fn begin(&mut self) {
        if self.nodes.len() > MOST {
            *self = Self::default();
        }
        self.count = 0;
    }

    fn node(&self, id: PathId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The path id of a key in an object.
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

    /// The path without containers.
    pub(super) fn bare(&self, id: PathId) -> &str {
        let node = self.node(id);
        node.role.bare(&node.path)
    }
}
