//! Observation of typed events, if the program has set an observer.

use std::fmt;
use std::sync::OnceLock;

use dragline_schema::{Event, EventType, FieldKind, Observe, Record, Value};
use tracing::Level;

use crate::clock::{Clock as _, SystemClock};
use crate::core::RunCore;

type Observer = Box<dyn Observe + Send + Sync>;

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// An observer is already set. The first one is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObserverSet;

impl fmt::Display for ObserverSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an observer is already set: call observe_events once, before the first run")
    }
}

impl std::error::Error for ObserverSet {}

/// Sets the observer of this process. It sees each later typed event, whether or not a level filter lets the
/// event into the log.
///
/// # Errors
/// When an observer is already set.
pub fn observe_events(observer: impl Observe + Send + Sync + 'static) -> Result<(), ObserverSet> {
    OBSERVER.set(Box::new(observer)).map_err(|_| ObserverSet)
}

/// Shows an event to the observer. `fill` sets the event's fields; it is called only if there is an observer.
pub(crate) fn observe<'e>(
    run: &'e RunCore,
    level: Level,
    event_type: &str,
    fill: impl FnOnce(&mut Fields<'e>),
) {
    let Some(observer) = OBSERVER.get() else {
        return;
    };
    let Some(event_type) = EventType::from_name(event_type) else {
        return;
    };
    let mut fields = Fields {
        event_type,
        event: event_type.empty(),
    };
    fill(&mut fields);
    observer.observe(&Record {
        timestamp: Some(SystemClock.now()),
        level: Some(level_of(level)),
        scraper_id: run.scraper_id.as_deref().map(Into::into),
        site: run.site.as_deref().map(Into::into),
        run_id: run.run_id.as_deref().map(Into::into),
        event: fields.event,
        ..Record::default()
    });
}

/// Shows an event of the whole process to the observer.
#[cfg(feature = "system")]
pub(crate) fn observe_own(level: Level, event: &Event<'_>) {
    if let Some(observer) = OBSERVER.get() {
        observer.observe(&Record {
            timestamp: Some(SystemClock.now()),
            level: Some(level_of(level)),
            event: event.clone(),
            ..Record::default()
        });
    }
}

/// The fields of an event while they are set.
pub(crate) struct Fields<'e> {
    event_type: EventType,
    event: Event<'e>,
}

impl<'e> Fields<'e> {
    pub(crate) fn set(&mut self, name: &str, value: impl IntoValue<'e>) {
        let Some(value) = value.into_value() else {
            return;
        };
        let columns = self.event_type.columns();
        let column = columns.iter().find(|column| column.name == name);
        let value = match (value, column.map(|column| column.kind)) {
            (Value::Str(json), Some(FieldKind::Json)) => Value::Json(json),
            (value, _) => value,
        };
        // Typed events have no other fields than those of their type.
        let _ = self.event.set(name, value);
    }
}

/// The values that typed events are logged with.
pub(crate) trait IntoValue<'e> {
    fn into_value(self) -> Option<Value<'e>>;
}

impl<'e> IntoValue<'e> for &'e str {
    fn into_value(self) -> Option<Value<'e>> {
        Some(Value::Str(self.into()))
    }
}

impl<'e> IntoValue<'e> for u64 {
    fn into_value(self) -> Option<Value<'e>> {
        Some(Value::U64(self))
    }
}

impl<'e> IntoValue<'e> for u16 {
    fn into_value(self) -> Option<Value<'e>> {
        Some(Value::U64(self.into()))
    }
}

impl<'e> IntoValue<'e> for f64 {
    fn into_value(self) -> Option<Value<'e>> {
        Some(Value::F64(self))
    }
}

impl<'e, T: IntoValue<'e>> IntoValue<'e> for Option<T> {
    fn into_value(self) -> Option<Value<'e>> {
        self?.into_value()
    }
}

/// Shows an event to the observer, in the words of `tracing::event!`: fields, and perhaps a message.
macro_rules! observe_event {
    ($run:expr, $level:expr, $kind:literal, $($field:ident = $value:expr),* $(, $message:literal)? $(,)?) => {
        crate::observe::observe($run, $level, $kind, |fields| {
            $(fields.set(stringify!($field), $value);)*
        })
    };
}
pub(crate) use observe_event;

fn level_of(level: Level) -> dragline_schema::Level {
    match level {
        Level::TRACE => dragline_schema::Level::Trace,
        Level::DEBUG => dragline_schema::Level::Debug,
        Level::INFO => dragline_schema::Level::Info,
        Level::WARN => dragline_schema::Level::Warn,
        Level::ERROR => dragline_schema::Level::Error,
    }
}
