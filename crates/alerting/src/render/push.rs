//! Telegram and ntfy.

use dragline_schema::Severity;
use serde_json::{Value, json};

use super::text::{body, plain};
use super::{clean, cut, cut_bytes};
use crate::notice::Notice;
use crate::notify::DeliveryKind;

/// Telegram's limit, in characters as UTF-16 counts them.
const TELEGRAM_TEXT: usize = 4_096;

/// The body for Telegram's `sendMessage`. It is plain text: markup that is cut in the middle is refused.
pub fn telegram(notice: &Notice, chat_id: &str) -> Value {
    json!({
        "chat_id": chat_id,
        "text": cut(&plain(notice), TELEGRAM_TEXT),
        "link_preview_options": { "is_disabled": true },
        "disable_notification": notice.kind == DeliveryKind::Digest,
    })
}

/// ntfy's limits, in bytes: a longer message becomes a file, which a phone does not show.
const NTFY_TITLE: usize = 250;
const NTFY_MESSAGE: usize = 4_000;

/// The body for publishing to ntfy as JSON.
pub fn ntfy(notice: &Notice, topic: &str) -> Value {
    let is_urgent = matches!(notice.kind, DeliveryKind::Firing | DeliveryKind::Repeat);
    let priority = match notice.severity {
        Severity::Critical if is_urgent => 5,
        Severity::High if is_urgent => 4,
        Severity::Low if is_urgent => 2,
        _ => 3,
    };
    let tag = if notice.kind == DeliveryKind::Resolved {
        "white_check_mark"
    } else {
        "rotating_light"
    };
    let title = format!(
        "[{}] {}",
        notice.badge(),
        clean(&notice.title).replace('\n', " ")
    );
    let message = body(notice);
    let mut payload = json!({
        "topic": topic,
        "title": cut_bytes(&title, NTFY_TITLE),
        "message": cut_bytes(message.trim_start(), NTFY_MESSAGE),
        "priority": priority,
        "tags": [tag],
    });
    if let Some(link) = notice.alerts.iter().find_map(|alert| alert.link.as_deref()) {
        payload["click"] = json!(link);
    }
    payload
}
