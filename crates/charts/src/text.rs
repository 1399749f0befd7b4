//! Makes text from logs safe to show: escapes it, makes hidden characters visible, and cuts it to a width.

use std::borrow::Cow;

/// The size of text in every chart, in units of the view box.
pub(crate) const FONT: f64 = 12.0;

/// Escapes text for HTML and SVG, for use between tags and in quoted attributes.
///
/// Control characters, line breaks and bidirectional control characters (such as U+202E) become
/// visible escapes such as `\u{202e}`, so that a hostile log line cannot rearrange a page.
///
/// ```
/// assert_eq!(dragline_charts::escape("<b a='1'>"), "&lt;b a=&#39;1&#39;&gt;");
/// assert_eq!(dragline_charts::escape("gpj.\u{202e}exe\n"), "gpj.\\u{202e}exe\\n");
/// ```
pub fn escape(text: &str) -> String {
    markup(&visible(text))
}

/// Whether a character is invisible or reorders other characters: C0 and C1 control characters, line and
/// paragraph separators, bidirectional control characters (such as U+202E), and other invisible characters.
///
/// Joiners (U+200C, U+200D) are part of normal text and are not included.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
        )
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with hidden characters as escapes. It still must be escaped for markup.
fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// The approximate width of a text, in units of the view box.
///
/// The reader's font is unknown. The widths are those of a wide font, so that labels do not overlap
/// in any font.
pub(crate) fn width(text: &str) -> f64 {
    text.chars().map(advance).sum::<f64>() * FONT
}

fn advance(c: char) -> f64 {
    match c {
        '\u{202f}' => 0.2,
        ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | 'i' | 'j' | 'l' | 'I' | 'f' | 't' => 0.36,
        'm' | 'M' | 'w' | 'W' | '@' | '%' | '…' => 0.98,
        '\u{1100}'.. => 1.05,
        'A'..='Z' => 0.7,
        _ => 0.63,
    }
}

/// Cuts the text in the middle so that it is at most `room` wide; the ends carry the most information.
pub(crate) fn fit(text: &str, room: f64) -> String {
    let text = visible(text);
    let mut chars: Vec<char> = text.chars().collect();
    if chars.len() > 400 {
        // No chart has room for such long text; avoid searching through a megabyte below.
        chars.drain(200..chars.len() - 200);
    } else if width(&text) <= room {
        return text.into_owned();
    }
    let cut = |kept: usize| {
        let tail = kept / 2;
        let head = chars[..kept - tail].iter();
        let tail = chars[chars.len() - tail..].iter();
        head.chain(['…'].iter()).chain(tail).collect::<String>()
    };
    (1..chars.len())
        .rev()
        .map(cut)
        .find(|t| width(t) <= room)
        .unwrap_or_else(|| "…".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_and_not_obeyed() {
        let text = "\u{1b}[31m\u{202e}\u{2066}\u{200f}<script>&\"";
        assert_eq!(
            escape(text),
            "\\u{1b}[31m\\u{202e}\\u{2066}\\u{200f}&lt;script&gt;&amp;&quot;"
        );
        assert_eq!(escape("Grüße, 東京 👩‍🚀"), "Grüße, 東京 👩‍🚀");
    }

    #[test]
    fn long_text_keeps_both_ends() {
        let cut = fit(
            "connection reset by peer while reading https://shop.example.com/a",
            120.0,
        );
        assert!(
            cut.starts_with("conn") && cut.ends_with("m/a") && width(&cut) <= 120.0,
            "{cut}"
        );
        assert_eq!(fit("short", 120.0), "short");
        assert_eq!(fit("anything", 1.0), "…");
        assert!(width(&fit(&"x".repeat(1_000_000), 90.0)) <= 90.0);
    }
}
