//! Finds the fields of an item that have no value: `"price": null`, `price=None`, `'price': None`.
//!
//! A page whose layout changed often still gives items, only without the fields that are no longer found. Other
//! writers than the recorder do not list these, but write that there is nothing.

use std::borrow::Cow;

use dragline_schema::{Dialect, Event, Json, ProductAction, Record};

use super::role::is_own;

/// Maximum number of fields that an item lacks.
const MOST: usize = 16;
/// Maximum length of a field's name.
const LONGEST: usize = 64;
/// What writers of different languages write where there is no value.
const NOTHING: [&str; 6] = ["null", "None", "nil", "undefined", "\"\"", "''"];

/// Adds the missing fields that the text of a record shows, if it is about an item and does not list them itself.
pub(crate) fn complete(record: &mut Record<'_>, text: &str) {
    if record.dialect == Dialect::Dragline {
        return;
    }
    if let Event::ProductProcessed(item) = &mut record.event
        && item.fields_missing.is_none()
        && item.action.as_deref() != Some(ProductAction::Failed.as_str())
    {
        item.fields_missing = missing(text);
    }
}

/// The names of the fields without a value, as a JSON list; `None` if there are none.
pub(crate) fn missing<'j>(text: &str) -> Option<Json<'j>> {
    let mut names: Vec<&str> = Vec::new();
    for at in memchr::memchr2_iter(b'=', b':', text.as_bytes()) {
        let rest = text[at + 1..].trim_start_matches(' ');
        let may_be_nothing = matches!(
            rest.as_bytes().first(),
            Some(b'n' | b'N' | b'u' | b'"' | b'\'')
        );
        if may_be_nothing
            && let Some(behind) = NOTHING.iter().find_map(|word| rest.strip_prefix(word))
            && (behind.is_empty() || behind.starts_with(is_delimiter))
            && let Some(name) = key_before(&text[..at], text.as_bytes()[at])
            && !names.contains(&name)
            && is_own(name).is_some()
        {
            names.push(name);
        }
        if names.len() >= MOST {
            break;
        }
    }
    if names.is_empty() {
        return None;
    }
    let json = serde_json::to_string(&names).ok()?;
    Some(Json(Cow::Owned(json)))
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '}' | ')' | ']' | '|')
}

/// The name that a text ends with, possibly in quotation marks, before this sign. A colon behind a bare word is one of
/// an item only inside of braces.
fn key_before(text: &str, sign: u8) -> Option<&str> {
    let text = text.trim_end_matches(' ');
    let (bare, quote) = match text.chars().next_back() {
        Some(quote @ ('"' | '\'')) => (&text[..text.len() - 1], Some(quote)),
        _ => (text, None),
    };
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = &bare[bare.trim_end_matches(is_part).len()..];
    let before = bare[..bare.len() - name.len()].chars().next_back();
    let is_whole = match quote {
        Some(_) => before == quote,
        None if sign == b':' && !text.contains('{') => false,
        None => before.is_none_or(|c| is_delimiter(c) || matches!(c, '{' | '(' | '[')),
    };
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    (is_whole && is_name && name.len() <= LONGEST).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_is_missing() {
        for (text, expected) in [
            (
                r#"{"event":"item saved","price":null,"sku":"p1"}"#,
                r#"["price"]"#,
            ),
            (
                r#"{"price": null, "item": {"author": null}}"#,
                r#"["price","author"]"#,
            ),
            (
                "saved item id=p1 price=None url=https://x.test/1",
                r#"["price"]"#,
            ),
            (
                "{'id': 'p1', 'price': None, 'brand': ''}",
                r#"["price","brand"]"#,
            ),
            ("product { id: 'p1', price: undefined }", r#"["price"]"#),
            ("price=\"\" stock=nil", r#"["price","stock"]"#),
            // Values, quoted words, what libraries add, and words that are not names.
            (
                r#"{"price":12,"note":"nullable","name":"None","x":"a: None"}"#,
                "",
            ),
            (r#"{"msg":"saved","exc_info":null,"exception":null}"#, ""),
            ("saved: None", ""),
            ("see https://x.test/?a=null", ""),
            ("price=Nonesuch", ""),
        ] {
            let found = missing(text).map(|json| json.0.into_owned());
            assert_eq!(found.unwrap_or_default(), expected, "{text}");
        }
    }
}
