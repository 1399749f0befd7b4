//! Decodes a line of a known shape into a record.

use std::borrow::Cow;

use dragline_schema::{Event, EventType, Record, Value};

use super::{Ending, Field, Found, Node, Payload};
use crate::meaning::map::{Map, Mapped};
use crate::meaning::native::fast::{Member, scalar};
use crate::meaning::slots::Slots;
use crate::meaning::{native, node, told};
use crate::parsing::number;
use crate::parsing::object::{self, Object};
use crate::parsing::time::Local;

/// A line with a known shape.
pub(super) struct Line<'l> {
    pub(super) text: &'l str,
    pub(super) has_escapes: bool,
}

impl<'l> Line<'l> {
    /// Decodes a line of the wire format.
    pub(super) fn native(
        &self,
        nodes: &[Node],
        found: &[Found],
        record: &mut Record<'l>,
    ) -> Option<()> {
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

    pub(super) fn decode(
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
        let (mut time, mut holes) = (None, Vec::new());
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
            if typed.is_none() && !ending.has_template {
                if ending.late != 0 && ending.late >> at & 1 == 1 {
                    continue;
                }
                if self.take_text(*place, field, &mut slots)?
                    || self.take_number(*place, field, &mut slots)
                {
                    continue;
                }
            }
            let Member::Value(value) = self.value(*place, field)? else {
                slots.status_is_null |= field.is_status;
                continue;
            };
            if ending.has_template {
                holes.push((field.key.to_string(), value.clone()));
            }
            if let Some(event) = &mut typed {
                // Unknown fields are the user's own.
                let _ = event.set(&field.key, value.clone());
            }
            match field.mapped {
                _ if field.is_idle => {}
                Some(Mapped::Slot(slot)) => slots.put(slot, 0, value),
                Some(Mapped::Duration(unit)) => slots.mapped_duration(&value, unit),
                None => slots.offer(&field.role, value),
            }
        }
        let is_late = typed.is_none() && !ending.has_template;
        let mut late = if is_late { ending.late } else { 0 };
        while late != 0 {
            let at = late.ilog2();
            late ^= 1 << at;
            self.take_late(*found.get(at as usize)?, nodes, &mut slots)?;
        }
        slots.scale = ending.keys.scale(time);
        let is_record = slots.finish(typed, &holes, ending.dialect, (local, map), record);
        if ending.has_error
            && let Event::ScraperError(error) = &mut record.event
        {
            node::complete(&Object::parse(self.text)?, error);
        }
        told::complete(record);
        is_record.then_some(())
    }

    /// The event named in the line, `Event::Log` if there is none; `None` if the name cannot be read.
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

    /// Takes a text that fills its slot unchanged or is not needed. `Some(false)` for any other value, `None` if
    /// the line must be left to the general parser.
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

    /// Takes a whole number that fills its slot unchanged; `false` for any other value.
    #[inline]
    fn take_number(&self, place: Found, field: &Field, slots: &mut Slots<'l>) -> bool {
        let Some((slot, rank)) = field.number else {
            return false;
        };
        let digits = &self.text.as_bytes()[place.begin as usize..place.end as usize];
        let Some(number) = number::whole(digits) else {
            return false;
        };
        slots.put_number(slot, rank, number, &field.role);
        true
    }

    /// Takes a value whose slot is usually filled by a later value with a better rank.
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
            // Of equal ranks the later value in the line wins, which was taken first.
            if is_beaten && matches!(value, Value::Str(_)) {
                slots.has_identity |= field.role.is_identity;
            } else {
                slots.offer(&field.role, value);
            }
        }
        Some(())
    }

    /// The text between the quotation marks; `None` for other values.
    #[inline]
    fn quoted(&self, place: Found) -> Option<&'l str> {
        if self.text.as_bytes()[place.begin as usize] != b'"' {
            return None;
        }
        // The value ends with its quotation mark.
        self.text
            .get(place.begin as usize + 1..place.end as usize - 1)
    }

    /// Whether a text between quotation marks has no escapes.
    #[inline]
    fn is_plain(&self, text: &str) -> bool {
        !self.has_escapes || memchr::memchr(b'\\', text.as_bytes()).is_none()
    }

    /// A value; `None` if it must be left to the general parser.
    #[inline]
    fn value(&self, place: Found, field: &Field) -> Option<Member<'l>> {
        let json = &self.text[place.begin as usize..place.end as usize];
        let Some(inner) = self.quoted(place) else {
            if field.payload == Payload::Own {
                return None;
            }
            if json.starts_with('[') && json != "[]" {
                let is_list = field.payload == Payload::No
                    && serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok();
                return is_list.then_some(Member::Value(Value::Json(Cow::Borrowed(json))));
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
