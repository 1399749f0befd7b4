//! From tracing's spans and events to lines.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use dragline_schema::wire;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::clock::Clock;
use crate::line::{EventVisitor, push_formatted, push_key, with_buffers};
use crate::queue::{LineParts, SeqCounter};
use crate::recorder::Recorder;
use crate::typed;

/// Turns tracing's events into lines of the wire format v1 and hands them to a [`Recorder`].
///
/// The three fields `scraper_id`, `site` and `run_id` are an event's *context*: an event's own
/// field wins over an inner span's, and that over an outer span's. The other fields of the spans
/// around an event are written after its own; where two have the same name, the innermost wins.
#[derive(Debug)]
pub struct DraglineLayer {
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    /// What stands in lines outside of any run.
    outside: Arc<RunContext>,
    /// The counters of every run so far: a run's numbers go on even when its spans are gone.
    counters: Mutex<HashMap<ContextFields, SeqCounter>>,
}

/// The fields of a context, from the outermost span to the event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct ContextFields {
    scraper_id: Option<String>,
    site: Option<String>,
    run_id: Option<String>,
}

/// A context, ready to be spliced into lines.
#[derive(Debug)]
struct RunContext {
    fields: ContextFields,
    /// `,"scraper_id":"…","site":"…","run_id":"…","writer_id":"…"`
    head: Vec<u8>,
    seq: SeqCounter,
}

/// What the layer keeps with a span.
struct SpanData {
    context: Arc<RunContext>,
    /// The span's own fields but the context's.
    fields: SpanFields,
}

#[derive(Default)]
struct SpanFields {
    /// `,"key":value` one behind the other.
    bytes: Vec<u8>,
    /// Each key and the end of its piece in `bytes`.
    pieces: Vec<(&'static str, usize)>,
}

impl DraglineLayer {
    pub(crate) fn new(recorder: Recorder, clock: Arc<dyn Clock>) -> Self {
        let fields = ContextFields::default();
        let seq = SeqCounter::default();
        let head = context_head(&fields, &recorder.writer_id);
        let outside = Arc::new(RunContext { fields, head, seq });
        Self {
            recorder,
            clock,
            outside,
            counters: Mutex::default(),
        }
    }

    /// The context of those fields; its numbers go on where they were.
    fn context(&self, fields: ContextFields) -> Arc<RunContext> {
        let mut counters = self
            .counters
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // The format counts per run; lines without one share the writer's counter.
        let seq = match &fields.run_id {
            Some(_) => Arc::clone(counters.entry(fields.clone()).or_default()),
            None => Arc::clone(&self.outside.seq),
        };
        let head = context_head(&fields, &self.recorder.writer_id);
        Arc::new(RunContext { fields, head, seq })
    }

    fn context_of<S>(&self, span: Option<&SpanRef<'_, S>>) -> Arc<RunContext>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        span.and_then(|span| Some(Arc::clone(&span.extensions().get::<SpanData>()?.context)))
            .unwrap_or_else(|| Arc::clone(&self.outside))
    }
}

fn context_head(fields: &ContextFields, writer_id: &str) -> Vec<u8> {
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
            wire::push_text(value, &mut head);
        }
    }
    head.extend_from_slice(b",\"writer_id\":");
    wire::push_text(writer_id, &mut head);
    head
}

/// Whether a set of fields names any part of a context.
fn names_context(fields: &tracing::field::FieldSet) -> bool {
    ["scraper_id", "site", "run_id"]
        .iter()
        .any(|name| fields.field(name).is_some())
}

/// Reads the context's fields, leaving the others.
struct ContextVisitor<'c>(&'c mut ContextFields);

impl Visit for ContextVisitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let part = match field.name() {
            "scraper_id" => &mut self.0.scraper_id,
            "site" => &mut self.0.site,
            "run_id" => &mut self.0.run_id,
            _ => return,
        };
        *part = Some(value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if matches!(field.name(), "scraper_id" | "site" | "run_id") {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

impl SpanFields {
    /// Writes a key and its value, instead of the key's earlier piece if there is one.
    fn push(&mut self, field: &Field, write: impl FnOnce(&mut Vec<u8>)) {
        let key = field.name();
        if matches!(key, "scraper_id" | "site" | "run_id") {
            return;
        }
        if let Some(index) = self.pieces.iter().position(|(other, _)| *other == key) {
            let start = index
                .checked_sub(1)
                .map_or(0, |before| self.pieces[before].1);
            let (_, end) = self.pieces.remove(index);
            self.bytes.drain(start..end);
            for (_, later) in &mut self.pieces[index..] {
                *later -= end - start;
            }
        }
        push_key(key, &mut self.bytes);
        write(&mut self.bytes);
        self.pieces.push((key, self.bytes.len()));
    }

    /// Each key with its piece.
    fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let starts = std::iter::once(0).chain(self.pieces.iter().map(|(_, end)| *end));
        self.pieces
            .iter()
            .zip(starts)
            .map(|((key, end), start)| (*key, &self.bytes[start..*end]))
    }
}

impl Visit for SpanFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, |out| wire::push_f64(value, out));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, |out| {
            wire::push_value(&dragline_schema::Value::I64(value), out);
        });
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, |out| {
            wire::push_value(&dragline_schema::Value::U64(value), out);
        });
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, |out| {
            wire::push_value(&dragline_schema::Value::Bool(value), out);
        });
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, |out| wire::push_text(value, out));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, |out| push_formatted(format_args!("{value}"), out));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, |out| push_formatted(format_args!("{value:?}"), out));
    }
}

impl<S> Layer<S> for DraglineLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        // The registry made the span just now.
        let Some(span) = ctx.span(id) else { return };
        let mut context = self.context_of(span.parent().as_ref());
        if names_context(attributes.fields()) {
            let mut fields = context.fields.clone();
            attributes.record(&mut ContextVisitor(&mut fields));
            if fields != context.fields {
                context = self.context(fields);
            }
        }
        let mut fields = SpanFields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanData { context, fields });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(data) = extensions.get_mut::<SpanData>() else {
            return;
        };
        let mut fields = data.context.fields.clone();
        values.record(&mut ContextVisitor(&mut fields));
        if fields != data.context.fields {
            data.context = self.context(fields);
        }
        values.record(&mut data.fields);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let metadata = event.metadata();
        let mut context = self.context_of(ctx.event_span(event).as_ref());
        let is_typed = typed::is_typed(metadata);
        if !is_typed && names_context(metadata.fields()) {
            let mut fields = context.fields.clone();
            event.record(&mut ContextVisitor(&mut fields));
            context = self.context(fields);
        }
        let time = self.clock.now();
        with_buffers(|buffers| {
            buffers.begin(time, *metadata.level(), metadata.target());
            buffers.head.extend_from_slice(&context.head);
            event.record(&mut EventVisitor {
                event_type: &mut buffers.event_type,
                message: &mut buffers.message,
                fields: &mut buffers.fields,
                keys: &mut buffers.keys,
                typed: is_typed,
            });
            for span in ctx.event_scope(event).into_iter().flatten() {
                let extensions = span.extensions();
                let Some(data) = extensions.get::<SpanData>() else {
                    continue;
                };
                for (key, piece) in data.fields.iter() {
                    if !buffers.keys.contains(&key) {
                        buffers.keys.push(key);
                        buffers.fields.extend_from_slice(piece);
                    }
                }
            }
            let parts = LineParts {
                head: &buffers.head,
                event_type: &buffers.event_type,
                message: &buffers.message,
                fields: &buffers.fields,
            };
            self.recorder.queue.push(time, &context.seq, &parts);
        });
    }
}
