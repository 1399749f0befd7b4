//! The layer that turns tracing's spans and events into lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dragline_schema::wire;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::callsite::CallSite;
use crate::clock::Clock;
use crate::context::{ContextFields, Contexts, LayersData, RunContext, SpanData};
use crate::line::{Buffers, Limits, with_buffers};
use crate::recorder::Recorder;
use crate::typed::TARGET;

/// Turns tracing events into lines of wire format v1 and passes them to a [`Recorder`].
///
/// The three fields `scraper_id`, `site` and `run_id` are an event's *context*. An event's own field
/// takes precedence over an inner span's field, which takes precedence over an outer span's. The other
/// fields of the surrounding spans are written after the event's own fields. If several have the same
/// name, the innermost one is used, so that no key occurs twice in a line.
#[derive(Debug)]
pub struct DraglineLayer {
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    limits: Limits,
    contexts: Contexts,
    /// Incremented whenever a span records fields after its creation. Copies of span fields store the
    /// epoch at which they were made.
    epoch: AtomicU64,
    /// Distinguishes this layer from other layers of the process.
    id: u64,
}

impl DraglineLayer {
    pub(crate) fn new(recorder: Recorder, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(0);
        Self {
            recorder,
            clock,
            limits,
            contexts: Contexts::new(),
            epoch: AtomicU64::new(0),
            id: LAYERS.fetch_add(1, Relaxed),
        }
    }

    /// Updates the copies that the span keeps for its events.
    fn resolve<S>(&self, span: &SpanRef<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let epoch = self.epoch.load(Relaxed);
        let is_current = |data: &SpanData| data.is_of(epoch);
        let current = match span.extensions().get::<LayersData>() {
            Some(layers) => layers.get(self.id).is_none_or(is_current),
            None => true,
        };
        if current {
            return;
        }
        let parent = span.parent();
        if let Some(parent) = &parent {
            self.resolve(parent);
        }
        // Locks are always taken from inner to outer spans.
        let mut extensions = span.extensions_mut();
        let outer = parent.as_ref().map(SpanRef::extensions);
        let outer = outer
            .as_ref()
            .and_then(|extensions| extensions.get::<LayersData>()?.get(self.id));
        let layers = extensions.get_mut::<LayersData>();
        if let Some(data) = layers.and_then(|layers| layers.get_mut(self.id)) {
            data.resolve(outer, epoch, &self.contexts, &self.limits);
        }
    }

    /// Writes the fields of the span and its name to the buffers and returns the event's context.
    fn complete(
        &self,
        site: &CallSite,
        own: Option<&ContextFields>,
        span: Option<(&'static Metadata<'static>, Option<&SpanData>)>,
        buffers: &mut Buffers,
    ) -> Arc<RunContext> {
        let mut has_location = false;
        let (around, data) = span.unzip();
        let data = data.flatten();
        if let Some(data) = data {
            if data.fields.key_bits & site.key_bits == 0 {
                buffers.tail.extend_from_slice(&data.fields.bytes);
            } else {
                for (key, piece) in data.fields.iter() {
                    if !buffers.has(site, key) {
                        buffers.tail.extend_from_slice(piece);
                    }
                }
            }
            has_location = data.fields.has("file") || data.fields.has("line");
        }
        if !has_location {
            buffers.tail.extend_from_slice(&site.location);
            // The span of a run has no function's name.
            let is_function = |span: &&Metadata<'_>| span.target() != TARGET;
            if let Some(span) = around.filter(is_function)
                && site.locates_function
                && !data.is_some_and(|data| data.fields.has("function"))
            {
                buffers.tail.extend_from_slice(b",\"function\":");
                wire::push_text(span.name(), &mut buffers.tail);
            }
        }
        let context = data.map_or(&self.contexts.outside, |data| &data.context);
        match own {
            Some(own) => self.contexts.get(own.inside(&context.fields), &self.limits),
            None => Arc::clone(context),
        }
    }

    fn push(&self, site: &CallSite, context: &RunContext, buffers: &mut Buffers) {
        let Buffers {
            head, tail, time, ..
        } = buffers;
        head.extend_from_slice(&context.head);
        tail.extend_from_slice(b"}\n");
        let live = self.recorder.live();
        if let Some(console) = live.console() {
            console.write(site.level, site.is_bound, head, tail);
        }
        let seq = context.seq.as_ref();
        live.queue().push(*time, site.level, seq, head, tail);
    }
}

impl<S> Layer<S> for DraglineLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        // The registry has just created the span.
        let Some(span) = ctx.span(id) else { return };
        let mut data = SpanData::new(&self.contexts);
        attributes.record(&mut data.recorder(&self.limits));
        {
            let mut extensions = span.extensions_mut();
            if let Some(layers) = extensions.get_mut::<LayersData>() {
                layers.insert(self.id, data);
            } else {
                let mut layers = LayersData::default();
                layers.insert(self.id, data);
                extensions.insert(layers);
            }
        }
        self.resolve(&span);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        // Recording the values may run user code that logs inside this span, so no lock is held here.
        let mut later = SpanData::new(&self.contexts);
        values.record(&mut later.recorder(&self.limits));
        let mut extensions = span.extensions_mut();
        let layers = extensions.get_mut::<LayersData>();
        if let Some(data) = layers.and_then(|layers| layers.get_mut(self.id)) {
            data.absorb(&later);
        }
        self.epoch.fetch_add(1, Relaxed);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let metadata = event.metadata();
        let span = ctx.event_span(event);
        with_buffers(|buffers| {
            let key = (std::ptr::from_ref(metadata).addr(), self.id);
            let site = buffers.site(key, || {
                CallSite::new(metadata, &self.limits.redactor, self.limits.location)
            });
            buffers.begin(self.clock.now(), &site);
            // Recording runs user code, so it happens before the span is locked.
            buffers.record(event, &site, &self.limits);
            let own = site.names_context.then(|| {
                let mut own = ContextFields::default();
                event.record(&mut own);
                own
            });
            let context = match span {
                None => self.complete(&site, own.as_ref(), None, buffers),
                Some(span) => {
                    self.resolve(&span);
                    let extensions = span.extensions();
                    let layers = extensions.get::<LayersData>();
                    let data = layers.and_then(|layers| layers.get(self.id));
                    let around = Some((span.metadata(), data));
                    self.complete(&site, own.as_ref(), around, buffers)
                }
            };
            // No lock is held here, because the queue may block the caller.
            self.push(&site, &context, buffers);
        });
    }
}
