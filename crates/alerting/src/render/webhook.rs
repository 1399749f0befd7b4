//! The body of a webhook: the whole notice as JSON, or a template.

use super::text::plain;
use super::{clean, cut_bytes};
use crate::notice::Notice;
use crate::rule::fill;

/// Maximum size of a body.
const BODY_BYTES: usize = 256 * 1024;

/// The placeholders of a template, each with what it stands for.
pub const WEBHOOK_PLACEHOLDERS: &[(&str, &str)] = &[
    ("title", "the line that says it all"),
    ("text", "the notice as plain text"),
    ("severity", "`low`, `medium`, `high` or `critical`"),
    ("badge", "the severity in capitals, or `RESOLVED`"),
    (
        "kind",
        "`firing`, `resolved`, `repeat`, `digest` or `report`",
    ),
    ("key", "the idempotency key"),
    ("at", "when the notice was made"),
    ("alertname", "the name of the first alert"),
    ("value", "the value of the first alert"),
    ("threshold", "the threshold of the first alert"),
    ("condition", "the condition of the first alert"),
    ("began", "when the first alert began"),
    ("ended", "when the first alert ended"),
    ("json", "the whole notice as JSON"),
];

/// The body of a webhook. With a template, each placeholder is filled with text that is escaped for use between the
/// quotation marks of JSON; a label of the first alert is a placeholder, too.
pub fn webhook(notice: &Notice, template: Option<&str>) -> String {
    let Some(template) = template else {
        let body = serde_json::to_string(notice).unwrap_or_default();
        return if body.len() <= BODY_BYTES {
            body
        } else {
            super::json_line(&shortened(notice))
        };
    };
    let first = notice.alerts.first();
    let number = |value: Option<f64>| value.map(crate::watch::format_value);
    fill(template, |name| {
        let text = match name {
            "title" => clean(&notice.title),
            "text" => cut_bytes(&plain(notice), BODY_BYTES / 8),
            "severity" => notice.severity.to_string(),
            "badge" => notice.badge(),
            "kind" => format!("{:?}", notice.kind).to_lowercase(),
            "key" => notice.key.clone(),
            "at" => notice.at.to_string(),
            "alertname" => first?.alert.id.rule.clone(),
            "value" => number(first?.alert.value)?,
            "threshold" => number(first?.alert.threshold)?,
            "condition" => first?.alert.condition.clone(),
            "began" => first?.alert.began.to_string(),
            "ended" => first?.alert.ended?.to_string(),
            "json" => return serde_json::to_string(notice).ok(),
            label => clean(first?.alert.labels.get(label)?),
        };
        Some(escape_json(&text))
    })
}

/// The inside of a JSON string.
fn escape_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The notice without what makes it long.
fn shortened(notice: &Notice) -> Notice {
    let mut short = notice.clone();
    short.title = cut_bytes(&short.title, 2_000);
    short.more += short.alerts.len().saturating_sub(1);
    short.alerts.truncate(1);
    for entry in &mut short.alerts {
        entry.alert.annotations.clear();
        entry.evidence.clear();
        entry.summary = cut_bytes(&entry.summary, 2_000);
        entry.alert.summary = cut_bytes(&entry.alert.summary, 2_000);
    }
    short
}
