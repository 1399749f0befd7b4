//! Learns the shape of a line that the general parser has read.

use super::{Ending, Field, Node, Payload};
use crate::framing::envelope::object as inside;
use crate::meaning::keys::Keys;
use crate::meaning::map::Map;
use crate::meaning::role::{Kind, LONGEST, Role};
use crate::meaning::{alias, foreign, native, node};
use crate::parsing::object::{MAX_DEPTH, Object};

/// Maximum number of values in a line with a shape.
const MOST_VALUES: usize = 96;

/// The shape of one line.
pub(super) struct Learned<'l> {
    line: &'l str,
    map: &'l Map,
    pub(super) nodes: Vec<Node>,
    /// End of the part of the line that is already in `nodes`.
    at: usize,
    payload: inside::Payload,
    is_native: bool,
}

impl<'l> Learned<'l> {
    /// The shape of a line; `None` if the line is not suitable.
    pub(super) fn of(line: &'l str, object: &Object<'l>, map: &'l Map) -> Option<Self> {
        let payload = inside::payload_of_a_record(object)?;
        let mut learned = Self {
            line,
            map,
            nodes: Vec::new(),
            at: 0,
            payload,
            is_native: object.is_native(),
        };
        learned.object(object, "", 1, payload.container.is_none())?;
        let keys = Keys::of(object);
        let is_typed = |node: &Node| node.field.as_ref().is_some_and(|f| f.role.is_event_type);
        let is_template = |node: &Node| node.field.as_ref().is_some_and(|f| f.role.is_template);
        let ending = Ending {
            keys,
            has_template: learned.nodes.iter().any(is_template),
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

    /// Bit set of the values whose slots are filled by later values with a better rank.
    fn late(&self) -> u128 {
        let slot = |node: &Node| node.field.as_ref().and_then(|field| field.text);
        let is_beaten = |(at, node): &(usize, &Node)| {
            slot(node).is_some_and(|(own, rank)| {
                let behind = self.nodes[at + 1..].iter().filter_map(slot);
                // The last numeric level determines the scale, so the order matters.
                own != alias::Slot::Level
                    && behind
                        .into_iter()
                        .any(|(slot, better)| slot == own && better < rank)
            })
        };
        let beaten = self.nodes.iter().enumerate().filter(is_beaten);
        beaten.fold(0, |late, (at, _)| late | 1 << at)
    }

    /// Learns the members of an object, one of which may be the payload (`has_payload`).
    fn object(
        &mut self,
        object: &Object<'l>,
        path: &str,
        depth: usize,
        has_payload: bool,
    ) -> Option<()> {
        for (place, (key, raw)) in object.fields.iter().enumerate() {
            let json = raw.get();
            // Values are slices of the line that they were read from.
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
                let has_payload = depth == 1 && self.payload.container == Some(place);
                self.object(&inner, &whole, depth + 1, has_payload)?;
                continue;
            }
            if key.len() > LONGEST {
                return None;
            }
            let may_be = has_payload || depth == 1;
            let payload = match self.payload.place.filter(|_| has_payload) {
                _ if !may_be || !inside::is_payload(key) => Payload::No,
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
        if role.kind == Kind::Spans || self.nodes.len() >= MOST_VALUES {
            return None;
        }
        let mapped = self.map.mapped(path);
        let is_top = depth == 1;
        let is_status = is_top && matches!(alias::slot_of(key), Some((alias::Slot::Status, _)));
        Some(Field {
            is_idle: mapped.is_none() && role.is_idle(),
            key: role.bare(path).into(),
            text: role.text_slot().filter(|_| mapped.is_none()),
            number: role
                .number_slot()
                .filter(|_| mapped.is_none() && payload == Payload::No),
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
        // In an escaped key, not every quotation mark is a delimiter.
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
