//! The data that lines take from the surrounding spans: the run, and the spans' fields.
//!
//! `scraper_id`, `site` and `run_id` are the *context*. Each span stores its own fields, which are
//! formatted when they are recorded. It also stores everything that an event inside it needs, ready to be
//! copied: its own fields and those of the surrounding spans, innermost first. This copy is rebuilt if any
//! span has recorded fields since it was made, which is detected by an *epoch* counter.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use dragline_schema::{Value, wire};
use rustc_hash::FxHashMap;
use tracing::field::{Field, Visit};

use crate::callsite::{canonical, is_context, key_bit};
use crate::key::push_key;
use crate::line::Limits;
use crate::queue::SeqCounter;
use crate::redact;

/// The context fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ContextFields {
    pub(crate) scraper_id: Option<String>,
    pub(crate) site: Option<String>,
    pub(crate) run_id: Option<String>,
}

impl ContextFields {
    /// Whether no field is set.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These fields, with absent ones taken from `outer`.
    #[must_use]
    pub(crate) fn inside(&self, outer: &Self) -> Self {
        let pick = |inner: &Option<String>, outer: &Option<String>| {
            inner.as_ref().or(outer.as_ref()).cloned()
        };
        Self {
            scraper_id: pick(&self.scraper_id, &outer.scraper_id),
            site: pick(&self.site, &outer.site),
            run_id: pick(&self.run_id, &outer.run_id),
        }
    }
}

/// Reads the context fields and ignores all others.
impl Visit for ContextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let part = match field.name() {
            "scraper_id" => &mut self.scraper_id,
            "site" => &mut self.site,
            "run_id" => &mut self.run_id,
            _ => return,
        };
        *part = Some(value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_context(field.name()) {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

/// A context, formatted for use in lines.
#[derive(Debug)]
pub(crate) struct RunContext {
    pub(crate) fields: ContextFields,
    /// `,"scraper_id":"…","site":"…","run_id":"…"`
    pub(crate) head: Vec<u8>,
    /// The run's sequence number counter. Lines outside of runs use the writer's counter.
    pub(crate) seq: Option<SeqCounter>,
}

/// The contexts of a layer.
#[derive(Debug)]
pub(crate) struct Contexts {
    pub(crate) outside: Arc<RunContext>,
    /// The counters of all runs so far, so that a run's numbers continue even after its spans are closed.
    counters: Mutex<FxHashMap<ContextFields, SeqCounter>>,
}

/// Number of runs above which the counters of ended runs are removed.
const MAX_COUNTERS: usize = 100_000;

impl Contexts {
    pub(crate) fn new() -> Self {
        let outside = RunContext {
            fields: ContextFields::default(),
            head: Vec::new(),
            seq: None,
        };
        Self {
            outside: Arc::new(outside),
            counters: Mutex::default(),
        }
    }

    /// The context for the given fields. Its sequence numbers continue where they were.
    pub(crate) fn get(&self, fields: ContextFields, limits: &Limits) -> Arc<RunContext> {
        // The format numbers lines per run; lines without a run share the writer's counter.
        let seq = fields.run_id.is_some().then(|| {
            let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
            if counters.len() >= MAX_COUNTERS {
                counters.retain(|_, counter| Arc::strong_count(counter) > 1);
            }
            Arc::clone(counters.entry(fields.clone()).or_default())
        });
        let head = head_of(&fields, limits);
        Arc::new(RunContext { fields, head, seq })
    }
}

fn head_of(fields: &ContextFields, limits: &Limits) -> Vec<u8> {
    let mut head = Vec::new();
    let parts = [
        ("scraper_id", &fields.scraper_id),
        ("site", &fields.site),
        ("run_id", &fields.run_id),
    ];
    for (key, value) in parts {
        if let Some(value) = value {
            head.extend_from_slice(b",\"");
            head.extend_from_slice(key.as_bytes());
            head.extend_from_slice(b"\":");
            limits.push_text(value, &mut head);
        }
    }
    head
}

/// The data that each layer stores in a span.
#[derive(Default)]
pub(crate) struct LayersData(Vec<(u64, SpanData)>);

impl LayersData {
    pub(crate) fn get(&self, layer: u64) -> Option<&SpanData> {
        let of_layer = |(id, _): &&(u64, SpanData)| *id == layer;
        self.0.iter().find(of_layer).map(|(_, data)| data)
    }

    pub(crate) fn get_mut(&mut self, layer: u64) -> Option<&mut SpanData> {
        let of_layer = |(id, _): &&mut (u64, SpanData)| *id == layer;
        self.0.iter_mut().find(of_layer).map(|(_, data)| data)
    }

    pub(crate) fn insert(&mut self, layer: u64, data: SpanData) {
        self.0.push((layer, data));
    }
}

/// The data that one layer stores in a span.
pub(crate) struct SpanData {
    own_context: ContextFields,
    own_fields: SpanFields,
    /// The epoch at which the fields below were computed.
    epoch: u64,
    /// The context inside the span.
    pub(crate) context: Arc<RunContext>,
    /// The fields of the span and of the surrounding spans.
    pub(crate) fields: SpanFields,
}

impl SpanData {
    pub(crate) fn new(contexts: &Contexts) -> Self {
        Self {
            own_context: ContextFields::default(),
            own_fields: SpanFields::default(),
            // Never equal to an actual epoch, so that the data counts as outdated.
            epoch: u64::MAX,
            context: Arc::clone(&contexts.outside),
            fields: SpanFields::default(),
        }
    }

    /// A visitor that records the span's own fields.
    pub(crate) fn recorder<'s>(&'s mut self, limits: &'s Limits) -> impl Visit + 's {
        SpanVisitor { data: self, limits }
    }

    /// Adds fields that were recorded later. They replace earlier fields with the same name.
    pub(crate) fn absorb(&mut self, later: &Self) {
        self.own_context = later.own_context.inside(&self.own_context);
        for (key, piece) in later.own_fields.iter() {
            self.own_fields.remove(key);
            self.own_fields.add(key, |out| out.extend_from_slice(piece));
        }
    }

    pub(crate) fn is_of(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Recomputes the data for events from the span's own fields and the surrounding span.
    pub(crate) fn resolve(
        &mut self,
        outer: Option<&Self>,
        epoch: u64,
        contexts: &Contexts,
        limits: &Limits,
    ) {
        self.epoch = epoch;
        self.fields.clear();
        self.fields.extend_missing(&self.own_fields);
        if let Some(outer) = outer {
            self.fields.extend_missing(&outer.fields);
        }
        let outer = outer.map_or(&contexts.outside, |outer| &outer.context);
        if self.own_context.is_empty() {
            self.context = Arc::clone(outer);
            return;
        }
        let fields = self.own_context.inside(&outer.fields);
        if fields != self.context.fields {
            self.context = contexts.get(fields, limits);
        }
    }
}

/// Formatted fields.
#[derive(Default)]
pub(crate) struct SpanFields {
    /// `,"key":value`, concatenated.
    pub(crate) bytes: Vec<u8>,
    /// Each key with the end offset of its piece in `bytes`.
    pieces: Vec<(&'static str, usize)>,
    /// Bit set of the keys ([`key_bit`]).
    pub(crate) key_bits: u64,
}

impl SpanFields {
    fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.key_bits = 0;
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    fn position(&self, key: &str) -> Option<usize> {
        if self.key_bits & key_bit(key) == 0 {
            return None;
        }
        self.pieces.iter().position(|(other, _)| *other == key)
    }

    fn add(&mut self, key: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.pieces.push((key, self.bytes.len()));
        self.key_bits |= key_bit(key);
    }

    /// Adds the fields of `other` whose keys are not present yet.
    fn extend_missing(&mut self, other: &Self) {
        for (key, piece) in other.iter() {
            if self.position(key).is_none() {
                self.add(key, |out| out.extend_from_slice(piece));
            }
        }
    }

    /// Removes the piece of a key, if present.
    fn remove(&mut self, key: &str) {
        let Some(index) = self.position(key) else {
            return;
        };
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.pieces[before].1);
        let (_, end) = self.pieces.remove(index);
        self.bytes.drain(start..end);
        for (_, later) in &mut self.pieces[index..] {
            *later -= end - start;
        }
    }

    /// Each key with its piece.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let starts = std::iter::once(0).chain(self.pieces.iter().map(|(_, end)| *end));
        self.pieces
            .iter()
            .zip(starts)
            .map(|((key, end), start)| (*key, &self.bytes[start..*end]))
    }
}

struct SpanVisitor<'s> {
    data: &'s mut SpanData,
    limits: &'s Limits,
}

impl SpanVisitor<'_> {
    /// Writes a key and its value, replacing an earlier piece of the key.
    fn push(&mut self, field: &Field, is_bool: bool, write: impl FnOnce(&Limits, &mut Vec<u8>)) {
        let key = canonical(field.name());
        self.data.own_fields.remove(key);
        self.data.own_fields.add(key, |out| {
            push_key(key, out);
            if self.limits.redactor.is_secret(key) && !is_bool {
                wire::push_text(redact::MARK, out);
            } else {
                write(self.limits, out);
            }
        });
    }

    fn push_value(&mut self, field: &Field, value: &Value<'_>) {
        if is_context(field.name()) {
            let mut text = Vec::new();
            wire::push_value(value, &mut text);
            let text = String::from_utf8_lossy(&text);
            self.data.own_context.record_str(field, &text);
        } else {
            let is_bool = matches!(value, Value::Bool(_));
            self.push(field, is_bool, |_, out| wire::push_value(value, out));
        }
    }
}

impl Visit for SpanVisitor<'_> {
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
        if is_context(field.name()) {
            self.data.own_context.record_str(field, value);
        } else {
            self.push(field, false, |limits, out| limits.push_text(value, out));
        }
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, false, |limits, out| {
            limits.push_formatted(format_args!("{value}"), out);
        });
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if is_context(field.name()) {
            self.data.own_context.record_debug(field, value);
        } else {
            self.push(field, false, |limits, out| {
                limits.push_formatted(format_args!("{value:?}"), out);
            });
        }
    }
}
