//! Fields on separate lines after a record, as pino-pretty writes them: `    url: "https://…"`, objects over several
//! lines, stacks indented below their names.

use dragline_schema::Value;

use crate::parsing::value_of_json;

/// Maximum number of fields.
const MOST: usize = 200;

/// The fields in the lines after a record. Empty unless the first line is a field.
pub(crate) fn fields(rest: &str) -> Vec<(String, Value<'static>)> {
    let is_field = |line: &str| line.starts_with("  ") && pair(line).is_some();
    if !rest.lines().next().is_some_and(is_field) {
        return Vec::new();
    }
    let mut fields: Vec<(String, Value<'static>)> = Vec::new();
    // The objects that enclose the line: their indentation and path.
    let mut around: Vec<(usize, String)> = Vec::new();
    // A text below its name.
    let mut text: Option<(usize, String, String)> = None;
    for line in rest.lines().take(10 * MOST) {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        if let Some((least, _, lines)) = &mut text
            && (indent > *least || bare.is_empty())
        {
            lines.push_str(bare);
            lines.push('\n');
            continue;
        }
        end(&mut text, &mut fields);
        while around.last().is_some_and(|(outer, _)| *outer >= indent) {
            around.pop();
        }
        let Some((key, value)) = pair(line).filter(|_| fields.len() < MOST) else {
            continue;
        };
        let path = match around.last() {
            Some((_, outer)) => format!("{outer}.{key}"),
            None => key.to_owned(),
        };
        match value {
            "{" | "[" => around.push((indent, path)),
            "" => text = Some((indent, path, String::new())),
            value => fields.extend(value_of_json(value).map(|value| (path, value))),
        }
    }
    end(&mut text, &mut fields);
    fields
}

fn end(text: &mut Option<(usize, String, String)>, fields: &mut Vec<(String, Value<'static>)>) {
    if let Some((_, path, lines)) = text.take() {
        fields.push((path, Value::Str(lines.trim_end().to_owned().into())));
    }
}

/// Whether an indented line certainly belongs to the record before it: a field, a source position, a stack frame.
pub(crate) fn is_part(line: &str) -> bool {
    const WORDS: [&str; 5] = ["at ", "in ", "with ", "File \"", "| "];
    let bare = line.trim_start();
    bare.len() < line.len()
        && (pair(line).is_some() || WORDS.iter().any(|word| bare.starts_with(word)))
}

/// `key: value` or `"key": value,`. The value is a JSON scalar, the start of an object or a list, or empty.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim().split_once(':')?;
    let key = key
        .strip_prefix('"')
        .and_then(|key| key.strip_suffix('"'))
        .unwrap_or(key);
    let is_key = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$' | b'@'));
    if !is_key || !(value.is_empty() || value.starts_with(' ')) {
        return None;
    }
    let value = value.trim();
    let value = value.strip_suffix(',').unwrap_or(value);
    let is_value = matches!(value, "" | "{" | "[") || value_of_json(value).is_some();
    is_value.then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_and_a_stack_below_their_names() {
        let rest = "    url: \"https://x.test/\"\n    statusCode: 503\n    err: {\n      \"type\": \"SyntaxError\",\n      \"stack\":\n          SyntaxError: x\n              at f (a.js:1:2)\n      \"n\": 1\n    }\n    ok: true";
        let read: Vec<String> = fields(rest)
            .iter()
            .map(|(path, value)| format!("{path}={value:?}"))
            .collect();
        assert_eq!(
            read,
            [
                "url=Str(\"https://x.test/\")",
                "statusCode=U64(503)",
                "err.type=Str(\"SyntaxError\")",
                "err.stack=Str(\"SyntaxError: x\\nat f (a.js:1:2)\")",
                "err.n=U64(1)",
                "ok=Bool(true)",
            ]
        );
        assert!(fields("  Error: it broke\n    at f").is_empty());
        assert!(fields("reason: 1").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(  |    |key: |\"a\": |\\{|\\}|1|\"x\",|\n|\\PC{0,4}){0,20}") {
            let _ = fields(&text);
        }
    }
}
