//! Notices as the payloads of each kind of channel. Pure: no sending, no secrets, no clock.
//!
//! Text of scraped pages and logs is hostile. Each renderer escapes for its own sink, and cuts to the size that the
//! service takes, with a mark: a notice that is cut arrives, one that is too long is lost.

mod alertmanager;
mod chat;
mod mail;
mod push;
mod text;
mod webhook;

pub use alertmanager::alertmanager;
pub(crate) use alertmanager::label_name;
pub use chat::{discord, slack};
pub use mail::{Mail, mail};
pub use push::{ntfy, telegram};
pub use text::{json_line, plain};
pub use webhook::{WEBHOOK_PLACEHOLDERS, webhook};

/// The mark at the end of a text that was cut.
pub const CUT_MARK: char = '…';

/// The first `limit` characters of a text, the last of which is a mark when something was cut.
///
/// Characters are counted as UTF-16 does, which is how the strictest services count; others count fewer.
///
/// ```
/// use dragline_alerting::render::cut;
///
/// assert_eq!(cut("größer", 6), "größer");
/// assert_eq!(cut("größer", 5), "größ…");
/// ```
pub fn cut(text: &str, limit: usize) -> String {
    if text.encode_utf16().count() <= limit {
        return text.to_owned();
    }
    let mut room = limit.saturating_sub(CUT_MARK.len_utf16());
    let fits = |character: &char| match room.checked_sub(character.len_utf16()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    if limit > 0 {
        kept.push(CUT_MARK);
    }
    kept
}

/// The first `limit` bytes of a text at most, with a mark when something was cut.
pub fn cut_bytes(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let kept = dragline_schema::clip(text, limit.saturating_sub(CUT_MARK.len_utf8()));
    format!("{kept}{CUT_MARK}")
}

/// Removes what changes how a terminal or a reader shows the rest: control characters except line breaks, and
/// characters that change the direction of writing.
pub(crate) fn clean(text: &str) -> String {
    let is_hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}');
    let shown = |c: char| match c {
        '\n' => Some('\n'),
        '\t' => Some(' '),
        c if c.is_control() || is_hidden(c) => None,
        c => Some(c),
    };
    text.chars().filter_map(shown).collect()
}

/// Escapes text for HTML, between tags and in quoted attributes.
pub(crate) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in clean(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_counts_as_the_strictest_service_does() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        // An emoji is two units.
        assert_eq!(cut("🔥🔥", 4), "🔥🔥");
        assert_eq!(cut("🔥🔥🔥", 4), "🔥…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(cut_bytes("größer", 6), "gr…");
    }

    #[test]
    fn hidden_characters_are_removed() {
        assert_eq!(
            clean("a\u{1b}[31mb\u{202e}c\u{200b}\nd\te\r"),
            "a[31mbc\nd e"
        );
        assert_eq!(
            escape_html("<b a='x'>&\"\u{0}"),
            "&lt;b a=&#39;x&#39;&gt;&amp;&quot;"
        );
    }
}
