//! Templates of notices: `CPU of {host} is at {value} %`.

/// Fills the placeholders of a template. One that `value_of` does not know stays as it is, so that a reader sees
/// what is missing. `{{` and `}}` are braces.
///
/// ```
/// let text = dragline_alerting::rule::fill("{value} of {sites}", |name| (name == "value").then(|| "7".into()));
/// assert_eq!(text, "7 of {sites}");
/// ```
pub fn fill(template: &str, value_of: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            text.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let placeholder = rest[1..].find('}').filter(|_| rest.starts_with('{'));
        let Some(end) = placeholder else {
            text.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        };
        let name = &rest[1..=end];
        match value_of(name.trim()) {
            Some(value) => text.push_str(&value),
            None => text.push_str(&rest[..end + 2]),
        }
        rest = &rest[end + 2..];
    }
    text + rest
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
            ("{{value}} }} {", "{value} } {"),
            ("größe {value}", "größe 95"),
            ("", ""),
        ] {
            assert_eq!(fill(template, value), expected);
        }
    }
}
