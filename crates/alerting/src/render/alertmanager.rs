//! Alertmanager's API v2.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{clean, cut};
use crate::duration::after;
use crate::notice::{Notice, NoticeAlert};

/// How long what nobody will end is shown.
const PASSING: Duration = Duration::from_mins(5);

/// Maximum length of one annotation, in characters.
const ANNOTATION: usize = 4_000;

/// The body for `POST /api/v2/alerts`.
///
/// Alertmanager resolves what nobody repeats within its `resolve_timeout`, unless the alert says how long it is
/// valid: that is `valid_for`, and the end of an alert is sent as soon as it is known.
pub fn alertmanager(notice: &Notice, valid_for: Duration) -> Value {
    notice
        .alerts
        .iter()
        .map(|entry| alert(notice, entry, valid_for))
        .collect()
}

fn alert(notice: &Notice, entry: &NoticeAlert, valid_for: Duration) -> Value {
    let labels: Map<String, Value> = entry
        .alert
        .labels
        .iter()
        .map(|(name, value)| (label_name(name), json!(cut(&clean(value), 1_000))))
        .collect();
    let mut annotations = Map::new();
    let mut annotate = |name: &str, value: &str| {
        annotations.insert(label_name(name), json!(cut(&clean(value), ANNOTATION)));
    };
    for (name, value) in &entry.alert.annotations {
        annotate(name, &crate::notice::redact(value));
    }
    annotate("summary", &entry.summary);
    for (name, value) in &entry.facts {
        annotate(&name.to_lowercase(), value);
    }
    if !entry.evidence.is_empty() {
        annotate("evidence", &entry.evidence.join("\n"));
    }
    if let Some(command) = &entry.command {
        annotate("command", command);
    }
    let ends = entry.alert.ended.unwrap_or_else(|| {
        // A report or a test is no alert: nobody will say that it is over.
        let is_passing = notice.kind == crate::notify::DeliveryKind::Report;
        after(
            notice.at,
            if is_passing {
                valid_for.min(PASSING)
            } else {
                valid_for
            },
        )
    });
    let mut alert = json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": entry.alert.began.to_string(),
        "endsAt": ends.to_string(),
    });
    if let Some(link) = &entry.link {
        alert["generatorURL"] = json!(link);
    }
    alert
}

/// A name that every version takes: letters, digits and underscores, not beginning with a digit.
pub(crate) fn label_name(name: &str) -> String {
    let mut valid: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if valid.starts_with(|c: char| c.is_ascii_digit()) || valid.is_empty() {
        valid.insert(0, '_');
    }
    valid
}
