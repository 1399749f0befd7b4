//! Reads a crawler's settings: `Overridden settings:` followed by a dict.

use dragline_schema::{Value, clip, wire};

use crate::parsing::literal::{Literal, parse_settings};

/// Maximum length of a value in bytes; longer values are cut.
const LONGEST: usize = 200;

/// The settings as a JSON object. Secrets are replaced by `(set)`.
pub(super) fn settings(dict: &str) -> Option<String> {
    let entries = parse_settings(dict)?;
    let mut text = Vec::new();
    let mut object = wire::Object::begin(&mut text);
    for (key, literal, raw) in &entries {
        let value = match (literal, *raw) {
            _ if is_secret(key) => Value::Str("(set)".into()),
            (Literal::Text(text), _) => Value::Str(clip(text, LONGEST).into()),
            (_, "True") => Value::Bool(true),
            (_, "False") => Value::Bool(false),
            (Literal::Int(number), _) => Value::I64(*number),
            (Literal::Float(number), _) => Value::F64(*number),
            (_, raw) => Value::Str(clip(raw, LONGEST).into()),
        };
        object.value(key, &value);
    }
    object.end();
    String::from_utf8(text).ok()
}

/// Whether the setting's value must not be shown.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH"]
        .iter()
        .any(|part| key.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_an_object_without_secrets() {
        let dict = "{'BOT_NAME': 'mint',\n 'CONCURRENT_REQUESTS': 8, 'DOWNLOAD_DELAY': 0.5,\n \
                    'AWS_SECRET_ACCESS_KEY': 'x', 'ROBOTSTXT_OBEY': True,\n \
                    'SPIDER_MODULES': ['mint.spiders'], 'LOG_FILE': None}";
        assert_eq!(
            settings(dict).unwrap(),
            r#"{"BOT_NAME":"mint","CONCURRENT_REQUESTS":8,"DOWNLOAD_DELAY":0.5,"AWS_SECRET_ACCESS_KEY":"(set)","ROBOTSTXT_OBEY":true,"SPIDER_MODULES":"['mint.spiders']","LOG_FILE":"None"}"#
        );
        assert_eq!(settings("no dict"), None);
    }
}
