//! Plain text, and JSON lines.

use super::{clean, cut_bytes};
use crate::notice::{Notice, NoticeAlert};
use crate::notify::DeliveryKind;

/// The notice as plain text, for mail, pushes and terminals.
pub fn plain(notice: &Notice) -> String {
    let mut text = format!(
        "[{}] {}\n",
        notice.badge(),
        clean(&notice.title).replace('\n', " ")
    );
    text.push_str(&body(notice));
    text
}

/// What stands below the title.
pub(super) fn body(notice: &Notice) -> String {
    let mut text = String::new();
    let is_digest = notice.kind == DeliveryKind::Digest;
    let (described, more) = notice.described();
    for alert in described {
        text.push('\n');
        text.push_str(&if is_digest {
            brief(alert)
        } else {
            block(alert)
        });
    }
    if more > 0 {
        text.push_str(&format!("\nand {more} more\n"));
    }
    text
}

/// One alert in one line and its length of time.
fn brief(entry: &NoticeAlert) -> String {
    let since = entry
        .facts
        .iter()
        .find(|(name, _)| name == "Since")
        .map_or("", |(_, since)| since);
    format!(
        "{}: {} ({})\n",
        entry.alert.severity,
        clean(&entry.summary),
        since
    )
}

fn block(entry: &NoticeAlert) -> String {
    let mut text = format!("{}\n", clean(&entry.summary).replace('\n', " "));
    for (name, value) in &entry.facts {
        text.push_str(&format!("  {name}: {}\n", clean(value).replace('\n', " ")));
    }
    if !entry.evidence.is_empty() {
        text.push_str("  Log:\n");
        for line in &entry.evidence {
            text.push_str(&format!("    {}\n", clean(line)));
        }
    }
    for (name, value) in references(entry) {
        text.push_str(&format!("  {name}: {}\n", clean(&value)));
    }
    text
}

/// Where to go from here.
pub(super) fn references(entry: &NoticeAlert) -> Vec<(&'static str, String)> {
    let id = entry.alert.is_firing().then(|| entry.alert.id.short());
    let each = [
        ("Runbook", entry.runbook.clone()),
        ("More", entry.command.clone()),
        ("Dashboard", entry.link.clone()),
        ("Id", id),
    ];
    each.into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// Maximum length of a line of JSON.
const LINE_BYTES: usize = 1 << 20;

/// The notice as one line of JSON. One that would be longer than a mebibyte has the alerts' titles only.
pub fn json_line(notice: &Notice) -> String {
    match serde_json::to_string(notice) {
        Ok(line) if line.len() <= LINE_BYTES => line,
        _ => serde_json::json!({
            "key": notice.key,
            "kind": notice.kind,
            "severity": notice.severity,
            "title": cut_bytes(&notice.title, 2_000),
            "at": notice.at,
            "cut": true,
        })
        .to_string(),
    }
}
