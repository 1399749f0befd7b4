//! What must not stand in an output.

use super::{Fault, Kind};
use crate::call::Says;
use crate::inputs::hostile::SCRIPT;

/// How a script that was planted would begin if nobody had made it harmless.
const MARKER: &str = "<script>alert";

/// What is wrong with what is said. The end may be cut within a letter: whoever reads may close early.
pub(crate) fn said(says: Says, bytes: &[u8], whence: &str) -> Vec<Fault> {
    if says == Says::Binary {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (good, rest) = bytes.split_at(error.valid_up_to());
            if error.error_len().is_some() {
                let wrong = format!(
                    "{whence} is no UTF-8 at byte {}: {}",
                    good.len(),
                    rest[..rest.len().min(40)].escape_ascii()
                );
                faults.push(Fault::new(Kind::NotUtf8, wrong));
            }
            std::str::from_utf8(good).unwrap_or_default()
        }
    };
    let is_raw: fn(char) -> bool = match says {
        Says::Text => is_raw,
        Says::Json => is_control,
        _ => |_| false,
    };
    if let Some((place, letter)) = text.char_indices().find(|(_, letter)| is_raw(*letter)) {
        let wrong = format!(
            "U+{:04X} in {whence}: …{}…",
            u32::from(letter),
            around(text, place)
        );
        faults.push(Fault::new(Kind::Raw, wrong));
    }
    if says == Says::Page
        && let Some(place) = text.find(MARKER)
    {
        let wrong = format!("{SCRIPT} in {whence}: …{}…", around(text, place));
        faults.push(Fault::new(Kind::Markup, wrong));
    }
    faults
}

/// What moves a cursor, rings, or turns the order of letters around.
fn is_raw(letter: char) -> bool {
    is_control(letter)
        || matches!(
            letter,
            '\u{80}'..='\u{9f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{61c}'
        )
}

/// What JSON must escape.
fn is_control(letter: char) -> bool {
    letter < ' ' && letter != '\n' && letter != '\t'
}

/// What stands around a place, harmless.
fn around(text: &str, place: usize) -> String {
    let from = text.floor_char_boundary(place.saturating_sub(60));
    let until = text.ceil_char_boundary((place + 60).min(text.len()));
    text[from..until].escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(says: Says, bytes: &[u8]) -> Vec<Kind> {
        let faults = said(says, bytes, "standard output");
        faults.into_iter().map(|fault| fault.kind).collect()
    }

    #[test]
    fn what_is_raw_is_seen() {
        for raw in [
            "\u{1b}[2J",
            "a\rb",
            "\u{7}",
            "\u{9b}31m",
            "\u{202e}",
            "\u{2066}",
            "\u{61c}",
        ] {
            let text = format!("a line\nä\t{raw} behind");
            assert_eq!(kinds(Says::Text, text.as_bytes()), [Kind::Raw], "{raw:?}");
        }
        assert_eq!(kinds(Says::Text, "Größe\t1\n…\n".as_bytes()), []);
        assert_eq!(kinds(Says::Json, "{\"a\":\"\u{9b}\"}".as_bytes()), []);
        assert_eq!(kinds(Says::Json, b"{\"a\":\"\x1b\"}"), [Kind::Raw]);
        assert_eq!(kinds(Says::Utf8, b"\x1b"), []);
    }

    #[test]
    fn what_is_no_text_is_seen_but_for_a_cut() {
        assert_eq!(kinds(Says::Utf8, b"a\xffb"), [Kind::NotUtf8]);
        assert_eq!(kinds(Says::Text, &"ä".as_bytes()[..1]), []);
        assert_eq!(kinds(Says::Binary, b"PAR1\xff\x1b"), []);
    }

    #[test]
    fn a_script_in_a_page_is_seen() {
        assert_eq!(kinds(Says::Page, SCRIPT.as_bytes()), [Kind::Markup]);
        assert_eq!(kinds(Says::Page, b"&lt;script>alert(666)"), []);
    }
}
