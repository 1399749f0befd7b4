//! Slack and Discord.

use serde_json::{Value, json};

use super::text::references;
use super::{clean, cut};
use crate::notice::{Notice, NoticeAlert};
use crate::notify::DeliveryKind;

/// Slack's limits, in characters.
const SLACK_HEADER: usize = 150;
const SLACK_SECTION: usize = 3_000;
const SLACK_TEXT: usize = 4_000;
const SLACK_ALERTS: usize = 10;

/// The body for an incoming webhook of Slack. `channel` overrides the webhook's own, where it may.
pub fn slack(notice: &Notice, channel: Option<&str>) -> Value {
    let title = format!("[{}] {}", notice.badge(), clean(&notice.title));
    // Everything in an attachment, which has the colour of the severity beside it.
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "emoji": false, "text": cut(&plain_slack(&title), SLACK_HEADER) },
    })];
    for alert in notice.alerts.iter().take(SLACK_ALERTS) {
        blocks.push(json!({
            "type": "section",
            "text": { "type": "mrkdwn", "verbatim": true, "text": slack_section(notice, alert) },
        }));
    }
    let more = notice.more + notice.alerts.len().saturating_sub(SLACK_ALERTS);
    if more > 0 {
        blocks.push(json!({ "type": "section", "text": { "type": "plain_text", "text": format!("and {more} more") } }));
    }
    let mut body = json!({
        "text": cut(&escape_slack(&title), SLACK_TEXT),
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{
            "color": format!("#{:06x}", notice.colour()),
            "fallback": cut(&escape_slack(&title), SLACK_TEXT),
            "blocks": blocks,
        }],
    });
    if let Some(channel) = channel {
        body["channel"] = json!(channel);
    }
    body
}

fn slack_section(notice: &Notice, entry: &NoticeAlert) -> String {
    let mut text = format!("*{}*\n", cut(&escape_slack(&entry.summary), 500));
    if notice.kind == DeliveryKind::Digest {
        let since = entry.facts.iter().find(|(name, _)| name == "Since");
        return text + &since.map_or_else(String::new, |(_, since)| escape_slack(since));
    }
    for (name, value) in &entry.facts {
        text.push_str(&format!(
            "{}: {}\n",
            escape_slack(name),
            cut(&escape_slack(value), 300)
        ));
    }
    for (name, value) in references(entry) {
        text.push_str(&format!("{name}: {}\n", cut(&escape_slack(&value), 300)));
    }
    if entry.evidence.is_empty() {
        return cut_escaped(&text, SLACK_SECTION);
    }
    // The fence must survive the cut.
    let fence = "```";
    let lines = escape_slack(&entry.evidence.join("\n")).replace(fence, "'''");
    let room = SLACK_SECTION.saturating_sub(text.encode_utf16().count() + 2 * fence.len() + 2);
    if room < 20 {
        return cut_escaped(&text, SLACK_SECTION);
    }
    format!("{text}{fence}{}{fence}", cut_escaped(&lines, room))
}

/// Text of a `plain_text` object, which has no escapes: what would notify people gets other brackets.
fn plain_slack(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›")
}

/// Slack's three characters. Everything that would notify people (`<!channel>`, `<@U1>`) needs the angle brackets.
fn escape_slack(text: &str) -> String {
    let escaped = clean(text).replace('&', "&amp;").replace('<', "&lt;");
    // Formatting marks next to words: a zero-width space would be text, so the mark is shown as a look-alike.
    escaped
        .replace('>', "&gt;")
        .replace('*', "∗")
        .replace('`', "'")
}

/// Cuts escaped text without leaving half an entity at the end.
fn cut_escaped(text: &str, limit: usize) -> String {
    let kept = cut(text, limit);
    if kept.len() == text.len() {
        return kept;
    }
    let body = kept.trim_end_matches(super::CUT_MARK);
    match body.rfind('&') {
        Some(at) if !body[at..].contains(';') && body.len() - at < 6 => {
            format!("{}{}", &body[..at], super::CUT_MARK)
        }
        _ => kept,
    }
}

/// Discord's limits, in characters.
const DISCORD_TITLE: usize = 256;
const DISCORD_DESCRIPTION: usize = 4_096;
const DISCORD_ALL: usize = 6_000;
const DISCORD_ALERTS: usize = 10;

/// The body for a webhook of Discord.
pub fn discord(notice: &Notice) -> Value {
    let title = cut(
        &escape_discord(&format!("[{}] {}", notice.badge(), notice.title)),
        DISCORD_TITLE,
    );
    // All embeds of a message share one limit.
    let mut room = DISCORD_ALL - DISCORD_TITLE;
    let mut embeds = Vec::new();
    let (described, mut left) = notice.described();
    for (index, entry) in described.iter().enumerate() {
        let limit = DISCORD_DESCRIPTION.min(room);
        if limit < 100 || index >= DISCORD_ALERTS {
            left += 1;
            continue;
        }
        let description = cut(&discord_description(notice, entry), limit);
        room -= description.encode_utf16().count();
        let mut embed = json!({ "description": description, "color": notice.colour() });
        if index == 0 {
            embed["title"] = json!(title);
        }
        embeds.push(embed);
    }
    let mut body = json!({ "embeds": embeds, "allowed_mentions": { "parse": [] } });
    if left > 0 {
        body["content"] = json!(format!("and {left} more"));
    }
    body
}

fn discord_description(notice: &Notice, entry: &NoticeAlert) -> String {
    let mut text = format!("**{}**\n", escape_discord(&entry.summary));
    if notice.kind == DeliveryKind::Digest {
        let since = entry.facts.iter().find(|(name, _)| name == "Since");
        return text + &since.map_or_else(String::new, |(_, since)| escape_discord(since));
    }
    for (name, value) in &entry.facts {
        text.push_str(&format!(
            "{}: {}\n",
            escape_discord(name),
            escape_discord(value)
        ));
    }
    for (name, value) in references(entry) {
        text.push_str(&format!("{name}: {}\n", escape_discord(&value)));
    }
    for line in &entry.evidence {
        text.push_str(&format!("> {}\n", escape_discord(line)));
    }
    text
}

/// Markdown without effect. Mentions have none, because `allowed_mentions` is empty.
fn escape_discord(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in clean(text).chars() {
        match character {
            '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '[' | ']' | '(' | ')' | '#' | '<' | '@' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
