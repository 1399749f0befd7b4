//! From tracing's spans and events to lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::callsite::CallSite;
use crate::clock::Clock;
use crate::console::Console;
use crate::context::{ContextFields, Contexts, LayersData, RunContext, SpanData};
use crate::line::{Buffers, Limits, with_buffers};
use crate::recorder::Recorder;

/// Turns tracing's events into lines of the wire format v1 and hands them to a [`Recorder`].
///
/// The three fields `scraper_id`, `site` and `run_id` are an event's *context*: an event's own
/// field wins over an inner span's, and that over an outer span's. The other fields of the spans
/// around an event are written after its own; where two have the same name, the innermost wins, so
/// that no key stands twice in a line.
#[derive(Debug)]
pub struct DraglineLayer {
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    limits: Limits,
    console: Option<Console>,
    contexts: Contexts,
    /// Counts what spans have recorded after they were made: what was copied from them is of some
    /// epoch.
    epoch: AtomicU64,
    /// Tells this layer from others of the process.
    id: u64,
}

impl DraglineLayer {
    pub(crate) fn new(
        recorder: Recorder,
        clock: Arc<dyn Clock>,
        limits: Limits,
        console: Option<Console>,
    ) -> Self {
        static LAYERS: AtomicU64 = AtomicU64::new(0);
        Self {
            recorder,
            clock,
            limits,
            console,
            contexts: Contexts::new(),
            epoch: AtomicU64::new(0),
            id: LAYERS.fetch_add(1, Relaxed),
        }
    }

    /// Brings what the span has for its events up to date.
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
        // Locks are taken from the inside out only.
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

    /// Puts the span's fields into the buffers; gives the event's context.
    fn complete(
        &self,
        site: &CallSite,
        own: Option<&ContextFields>,
        data: Option<&SpanData>,
        buffers: &mut Buffers,
    ) -> Arc<RunContext> {
        let mut has_location = false;
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
        }
        let context = data.map_or(&self.contexts.outside, |data| &data.context);
        match own {
            Some(own) => self.contexts.get(own.inside(&context.fields), &self.limits),
            None => Arc::clone(context),
        }
    }

    fn push(&self, level: Level, context: &RunContext, buffers: &mut Buffers) {
        buffers.head.extend_from_slice(&context.head);
        buffers.tail.extend_from_slice(b"}\n");
        if let Some(console) = &self.console {
            console.write(&buffers.head, &buffers.tail);
        }
        let queue = self.recorder.queue();
        queue.push(
            buffers.time,
            level,
            context.seq.as_ref(),
            &buffers.head,
            &buffers.tail,
        );
    }
}

impl<S> Layer<S> for DraglineLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        // The registry made the span just now.
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
        // The values may run a user's code, which may log inside this very span: no lock is held.
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
            // These run a user's code, and so come before the span's lock.
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
                    self.complete(&site, own.as_ref(), data, buffers)
                }
            };
            // No lock is held: the queue may make the caller wait.
            self.push(site.level, &context, buffers);
        });
    }
}
