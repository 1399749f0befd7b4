//! Templates of notices: `CPU of {host} is at {value} %`.

/// Fills the placeholders of a template. One that `value_of` does not know stays as it is, so that a reader sees
/// what is missing. Braces around anything but a name are text, so a template may be JSON.
///
/// ```
/// let text = dragline_alerting::rule::fill("{value} of {sites}", |name| (name == "value").then(|| "7".into()));
/// assert_eq!(text, "7 of {sites}");
/// ```
pub fn fill(template: &str, value_of: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from_brace) = rest.split_at(at);
        text.push_str(before);
        let name = from_brace[1..]
            .split_once('}')
            .map(|(name, _)| name)
            .filter(|name| is_name(name.trim()));
        let (written, value) = match name {
            Some(name) => (name.len() + 2, value_of(name.trim())),
            None => (1, None),
        };
        match value {
            Some(value) => text.push_str(&value),
            None => text.push_str(&from_brace[..written]),
        }
        rest = &from_brace[written..];
    }
    text + rest
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn placeholders_are_filled_and_missing_ones_stay_visible() {
        let value = |name: &str| match name {
            "value" => Some("95".to_owned()),
            "site" => Some("{value}".to_owned()),
            _ => None,
        };
        for (template, expected) in [
            ("at {value} %", "at 95 %"),
            ("{ value }{value}", "9595"),
            ("{vlaue} of {site}", "{vlaue} of {value}"),
            ("{{ $value }} } {", "{{ $value }} } {"),
            (r#"{"a": {"b": "{value}"}}"#, r#"{"a": {"b": "95"}}"#),
            ("größe {value} {ß}", "größe 95 {ß}"),
            ("", ""),
        ] {
            assert_eq!(fill(template, value), expected);
        }
    }
}
