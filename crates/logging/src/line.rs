//! Builds lines in thread-local buffers.
//!
//! A line consists of the *head* (time, level, target, context) and the *tail* (everything else). The queue
//! inserts the writer's id and the sequence number between them.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::rc::Rc;

use dragline_schema::{Timestamp, Value, wire};
use rustc_hash::FxHashMap;
use tracing::field::{Field, Visit};

use crate::callsite::{CallSite, FieldPlan, Role};
use crate::key::push_target;
use crate::redact::{self, Redactor, push_cut_text};

/// A thread's buffers.
pub(crate) struct Buffers {
    pub(crate) head: Vec<u8>,
    pub(crate) tail: Vec<u8>,
    /// Whether each field of the event has a value, by field index.
    recorded: Vec<bool>,
    clock_text: ClockText,
    pub(crate) time: Timestamp,
    /// The call sites by layer and by the address of their metadata, which is never freed.
    sites: FxHashMap<(usize, u64), Rc<CallSite>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            head: Vec::new(),
            tail: Vec::new(),
            recorded: Vec::new(),
            clock_text: ClockText::default(),
            time: Timestamp::from_micros(0),
            sites: FxHashMap::default(),
        }
    }
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Calls `use_them` with this thread's buffers, emptied. An event inside an event (a `Debug` that logs) gets
/// new buffers, and so does an event of a thread that is ending.
pub(crate) fn with_buffers<R>(use_them: impl FnOnce(&mut Buffers) -> R) -> R {
    let mut use_them = Some(use_them);
    let lent = BUFFERS.try_with(|cell| {
        let mut buffers = cell.try_borrow_mut().ok()?;
        buffers.head.clear();
        buffers.tail.clear();
        use_them.take().map(|use_them| use_them(&mut buffers))
    });
    match (lent, use_them) {
        (Ok(Some(result)), _) => result,
        (_, Some(use_them)) => use_them(&mut Buffers::default()),
        // `use_them` is taken only when it is called, and then there is a result.
        (_, None) => unreachable!("the buffers were used without a result"),
    }
}

/// Maximum number of cached call sites. No program has that many, but layers that are created and dropped
/// repeatedly add entries.
const MAX_SITES: usize = 16_384;

impl Buffers {
    /// The call site's plan, which is created at its first event on this thread.
    pub(crate) fn site(
        &mut self,
        key: (usize, u64),
        make: impl FnOnce() -> CallSite,
    ) -> Rc<CallSite> {
        if let Some(site) = self.sites.get(&key) {
            return Rc::clone(site);
        }
        if self.sites.len() >= MAX_SITES {
            self.sites.clear();
        }
        let site = Rc::new(make());
        self.sites.insert(key, Rc::clone(&site));
        site
    }

    /// Starts the line with time, level and target.
    pub(crate) fn begin(&mut self, time: Timestamp, site: &CallSite) {
        self.time = time;
        self.head.extend_from_slice(b"{\"timestamp\":\"");
        self.clock_text.push(time, &mut self.head);
        self.head.extend_from_slice(&site.head);
        self.recorded.clear();
        self.recorded.resize(site.fields.len(), false);
    }

    /// Writes the event's fields to the tail.
    pub(crate) fn record(&mut self, event: &tracing::Event<'_>, site: &CallSite, limits: &Limits) {
        event.record(&mut EventVisitor {
            site,
            limits,
            head: &mut self.head,
            tail: &mut self.tail,
            recorded: &mut self.recorded,
            event_type_end: 0,
            message_end: 0,
        });
    }

    /// Whether the event has a value for the named field.
    pub(crate) fn has(&self, site: &CallSite, name: &str) -> bool {
        site.fields
            .iter()
            .zip(&self.recorded)
            .any(|(field, recorded)| *recorded && field.name == name)
    }
}

/// Limits on the content of lines.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) redactor: Redactor,
    /// Maximum size of a text; longer texts are truncated.
    pub(crate) max_value_bytes: usize,
    pub(crate) location: bool,
}

impl Limits {
    /// Appends a text as a JSON string, truncated and with credentials in URLs redacted.
    pub(crate) fn push_text(&self, text: &str, out: &mut Vec<u8>) {
        let start = out.len();
        push_cut_text(text, self.max_value_bytes, out);
        self.redactor.scrub_urls(out, start);
    }

    /// Appends formatted text as a JSON string, truncated and with credentials in URLs redacted.
    pub(crate) fn push_formatted(&self, text: fmt::Arguments<'_>, out: &mut Vec<u8>) {
        struct Escaped<'o> {
            out: &'o mut Vec<u8>,
            left: usize,
            cut: bool,
        }
        impl fmt::Write for Escaped<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                let fitting = dragline_schema::clip(text, self.left);
                wire::push_escaped(fitting, self.out);
                self.left -= fitting.len();
                self.cut = fitting.len() < text.len();
                // The error stops the formatting, so that the rest is not produced at all.
                if self.cut { Err(fmt::Error) } else { Ok(()) }
            }
        }
        let start = out.len();
        out.push(b'"');
        let mut escaped = Escaped {
            out,
            left: self.max_value_bytes,
            cut: false,
        };
        // Any other error comes from the value's own `fmt`; its output so far is kept.
        let _ = escaped.write_fmt(text);
        if escaped.cut {
            redact::drop_cut_authority(out, start);
            wire::push_escaped(&redact::cut_mark(self.max_value_bytes), out);
        }
        out.push(b'"');
        self.redactor.scrub_urls(out, start);
    }
}

/// The cached text of the current second, which is usually the same for consecutive lines.
#[derive(Default)]
struct ClockText {
    second: Option<i64>,
    /// `2026-03-04T11:22:33.`
    text: String,
}

impl ClockText {
    fn push(&mut self, time: Timestamp, out: &mut Vec<u8>) {
        if self.second != Some(time.as_seconds()) {
            self.second = Some(time.as_seconds());
            self.text.clear();
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{time}");
            self.text.truncate(self.text.len() - "000000Z".len());
        }
        out.extend_from_slice(self.text.as_bytes());
        let micros = time.subsec_micros();
        let digit = |power: u32| b'0' + (micros / power % 10) as u8;
        out.extend_from_slice(&[
            digit(100_000),
            digit(10_000),
            digit(1_000),
            digit(100),
            digit(10),
            digit(1),
            b'Z',
        ]);
    }
}

/// Writes an event's fields.
struct EventVisitor<'b> {
    site: &'b CallSite,
    limits: &'b Limits,
    head: &'b mut Vec<u8>,
    tail: &'b mut Vec<u8>,
    recorded: &'b mut [bool],
    /// End offsets of the event type and the message, which come first in the tail.
    event_type_end: usize,
    message_end: usize,
}

impl EventVisitor<'_> {
    /// Writes the key and calls `write` for the value, at the position for the field's role.
    fn push(
        &mut self,
        field: &Field,
        is_bool: bool,
        write: impl FnOnce(&Limits, Role, &mut Vec<u8>),
    ) {
        let index = field.index();
        let site = self.site;
        let FieldPlan {
            role, key, twin, ..
        } = &site.fields[index];
        let is_elsewhere = matches!(role, Role::Context | Role::LogMetadata);
        if is_elsewhere || twin.is_some_and(|twin| self.recorded[twin]) {
            return;
        }
        self.recorded[index] = true;
        let start = self.tail.len();
        match role {
            Role::Message => self.tail.extend_from_slice(b",\"message\":"),
            Role::EventType => self.tail.extend_from_slice(b",\"event_type\":"),
            _ => self.tail.extend_from_slice(key),
        }
        if *role == Role::Secret && !is_bool {
            wire::push_text(redact::MARK, self.tail);
        } else {
            write(self.limits, *role, self.tail);
        }
        let len = self.tail.len() - start;
        match role {
            Role::Message => {
                self.message_end = self.message_end.max(self.event_type_end);
                self.tail[self.message_end..].rotate_right(len);
                self.message_end += len;
            }
            Role::EventType => {
                self.tail.rotate_right(len);
                self.event_type_end += len;
                if self.message_end > 0 {
                    self.message_end += len;
                }
            }
            _ => {}
        }
    }

    fn push_value(&mut self, field: &Field, value: &Value<'_>) {
        let is_bool = matches!(value, Value::Bool(_));
        self.push(field, is_bool, |_, _, out| wire::push_value(value, out));
    }
}

impl Visit for EventVisitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push_value(field, &Value::F64(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_value(field, &Value::I64(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_value(field, &Value::U64(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_value(field, &Value::Bool(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" && self.site.fields[field.index()].role == Role::LogMetadata
        {
            push_target(value, self.head);
        }
        self.push(field, false, |limits, role, out| match role {
            Role::Json if value.len() <= limits.max_value_bytes => {
                let start = out.len();
                out.extend_from_slice(value.as_bytes());
                limits.redactor.scrub_urls(out, start);
            }
            Role::Proxy if !value.contains("://") => {
                let address = value.rsplit_once('@').map(|(_, address)| address);
                match address.filter(|_| limits.redactor.redacts_urls()) {
                    Some(address) => wire::push_text(&format!("{}@{address}", redact::MARK), out),
                    None => limits.push_text(value, out),
                }
            }
            Role::Json | Role::UserJson => {
                limits
                    .redactor
                    .push_json(value, limits.max_value_bytes, out);
            }
            _ => limits.push_text(value, out),
        });
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, false, |limits, _, out| {
            limits.push_formatted(format_args!("{value}"), out);
        });
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, false, |limits, _, out| {
            limits.push_formatted(format_args!("{value:?}"), out);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cached_second_gives_the_text_of_the_format(
            times in proptest::collection::vec(0i64..3_000_000_000, 1..20),
            micros in 0i64..1_000_000,
        ) {
            let mut clock = ClockText::default();
            for seconds in times.iter().flat_map(|s| [*s, *s]) {
                let time = Timestamp::from_seconds(seconds).plus_micros(micros);
                let mut out = Vec::new();
                clock.push(time, &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), time.to_string());
            }
        }
    }

    #[test]
    fn a_text_without_end_is_cut_while_it_is_made() {
        struct Endless;
        impl fmt::Debug for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("ä and so on, ")?;
                }
            }
        }
        let limits = Limits {
            redactor: Redactor::new(&[], true),
            max_value_bytes: 10,
            location: false,
        };
        let mut out = Vec::new();
        limits.push_formatted(format_args!("{Endless:?}"), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"ä and so …[cut at 10 bytes]\""
        );
    }
}
