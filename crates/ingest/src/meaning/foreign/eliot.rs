//! Messages of eliot, which have no level: an action that failed has its exception and the reason.

use std::borrow::Cow;

use dragline_schema::{Event, Level, Record, ScraperError};

use crate::parsing::{Object, scalar};

fn text<'a>(object: &Object<'a>, name: &str) -> Option<Cow<'a, str>> {
    let mut fields = object.fields.iter();
    let (_, raw) = fields.find(|(key, _)| key == name)?;
    scalar(raw)?.into_text()
}

/// Whether eliot wrote an object.
pub(crate) fn is_eliots(object: &Object<'_>) -> bool {
    let has = |name: &str| object.fields.iter().any(|(key, _)| key == name);
    has("task_uuid") && has("task_level")
}

/// Makes an error of an action that failed, or of a traceback.
pub(super) fn complete<'a>(object: &Object<'a>, record: &mut Record<'a>) {
    let is_failure = text(object, "action_status").is_some_and(|status| status == "failed")
        || text(object, "message_type").is_some_and(|kind| kind == "eliot:traceback");
    let Some(exception) = text(object, "exception").filter(|_| is_failure) else {
        return;
    };
    let traceback = text(object, "traceback");
    record.level = Some(Level::Error);
    record.event = Event::ScraperError(ScraperError {
        error_type: Some(exception),
        error_message: text(object, "reason"),
        traceback,
        ..ScraperError::default()
    });
}
