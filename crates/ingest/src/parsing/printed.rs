//! Fields of values that a program printed over several lines after a message: PHP's `print_r`, pterm's and roarr's
//! lists, Node's objects, and requests with their answers as bunyan shows them.

use std::borrow::Cow;

use dragline_schema::Value;

use super::head::brace_end;
use super::inspect;
use super::value_of_text;

/// Maximum number of fields, and of lines that are looked at.
const MOST: usize = 200;

/// A field: its path and its value.
pub(crate) type Field<'t> = (Cow<'t, str>, Value<'t>);

/// The fields on the lines after a message, whose first line is `first`.
pub(crate) fn fields<'t>(first: &str, rest: &'t str) -> Vec<Field<'t>> {
    let end = first.trim_end();
    let second = rest.trim_start();
    if (end.ends_with("Array") || end.ends_with(" Object")) && second.starts_with('(') {
        return by_indent(rest, of_php);
    }
    if second.starts_with("├ ") || second.starts_with("└ ") {
        return by_indent(rest, of_tree);
    }
    exchange(rest)
}

/// The fields that roarr lists after a record: `name: value`, nested ones indented, texts between three quotes.
pub(crate) fn list(rest: &str) -> Vec<Field<'_>> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut text: Option<String> = None;
    let mut path: Vec<(usize, &str)> = Vec::new();
    for line in rest.lines().take(MOST) {
        let bare = line.trim_start();
        if bare == "\"\"\"" {
            match text.take() {
                Some(text) => fields.push((
                    joined(&path).into(),
                    Value::Str(text.trim_end().to_owned().into()),
                )),
                None => text = Some(String::new()),
            }
            continue;
        }
        if let Some(text) = &mut text {
            text.push_str(bare);
            text.push('\n');
            continue;
        }
        let Some((key, value)) = bare.split_once(':') else {
            continue;
        };
        let indent = line.len() - bare.len();
        path.retain(|(outer, _)| *outer < indent);
        path.push((indent, key.trim()));
        let value = value.trim();
        if !value.is_empty() {
            fields.push((joined(&path).into(), value_of_text(value)));
        }
    }
    fields
}

fn joined(path: &[(usize, &str)]) -> String {
    let names: Vec<&str> = path.iter().map(|(_, name)| *name).collect();
    names.join(".")
}

/// Fields on lines of their own, nested ones indented further. `read` reads a line.
fn by_indent<'t>(rest: &'t str, read: fn(&'t str) -> Option<(&'t str, &'t str)>) -> Vec<Field<'t>> {
    let mut fields = Vec::new();
    let mut path: Vec<(usize, &str)> = Vec::new();
    for line in rest.lines().take(MOST) {
        let bare = line.trim_start();
        let Some((key, value)) = read(bare) else {
            continue;
        };
        let indent = line.len() - bare.len();
        path.retain(|(outer, _)| *outer < indent);
        path.push((indent, key));
        if !value.is_empty() {
            fields.push((joined(&path).into(), value_of_text(value)));
        }
    }
    fields
}

/// `[key] => value`, `[key:protected] => Array`
fn of_php(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix('[')?.split_once("] =>")?;
    let key = key.split(':').next().unwrap_or(key);
    let value = value.trim();
    let is_open = value == "Array" || value.ends_with(" Object");
    Some((key, if is_open { "" } else { value }))
}

/// `├ key: value`
fn of_tree(line: &str) -> Option<(&str, &str)> {
    line.trim_start_matches(['├', '└', ' ']).split_once(": ")
}

/// A request and its answer: `GET https://… HTTP/1.1` and `HTTP/1.1 200 OK`, each followed by headers.
fn exchange(rest: &str) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    if !rest.contains("HTTP/") {
        return fields;
    }
    let mut path = "";
    for line in rest.lines().take(MOST).map(str::trim) {
        if let Some(status) = line
            .strip_prefix("HTTP/")
            .and_then(|rest| rest.split(' ').nth(1))
        {
            fields.push(("status".into(), value_of_text(status)));
        } else if let Some((request, _)) = line.split_once(" HTTP/")
            && let Some((method, url)) = request.split_once(' ')
            && method.bytes().all(|b| b.is_ascii_uppercase())
        {
            fields.push(("method".into(), value_of_text(method)));
            if url.starts_with('/') {
                path = url;
            } else {
                fields.push(("url".into(), value_of_text(url)));
            }
        } else if let Some(host) = line.to_ascii_lowercase().strip_prefix("host: ")
            && !path.is_empty()
        {
            let url = format!("http://{host}{path}");
            fields.push(("url".into(), Value::Str(url.into())));
            path = "";
        }
    }
    // An answer without a request is not the scraper's.
    if fields.iter().all(|(name, _)| name != "url") {
        fields.clear();
    }
    fields
}

/// The JSON of an object in Node's notation at the end of a message, and where it begins in the message's first line.
/// It may continue on the lines after it.
pub(crate) fn shown(first: &str, rest: &str) -> Option<(String, usize)> {
    if let Some(hash) = of_ruby(first) {
        return Some(hash);
    }
    let end = first.trim_end();
    // Fast path: most messages end differently.
    if !matches!(end.as_bytes().last(), Some(b'{' | b'}')) {
        return None;
    }
    if end.ends_with(" {") {
        let close = rest.find("\n}").map(|at| at + 2);
        let close = close.or_else(|| rest.starts_with('}').then_some(1))?;
        let begin = end.len() - 1;
        return Some((inspect::to_json(&format!("{{\n{}", &rest[..close]))?, begin));
    }
    if !end.ends_with(" }") {
        return None;
    }
    let begin = end.find(" { ")? + 1;
    Some((inspect::to_json(&end[begin..])?, begin))
}

/// A hash as Ruby shows it, anywhere in a message: `GET -- {:url=>"…", :status=>200} -- …`.
fn of_ruby(first: &str) -> Option<(String, usize)> {
    // Fast path: only Ruby and PHP write arrows, and PHP writes none in braces.
    let arrow = memchr::memmem::find(first.as_bytes(), b"=>")?;
    let begin = first[..arrow].find(['{']).filter(|begin| {
        let behind = &first[begin + 1..];
        behind.starts_with([':', '"'])
    })?;
    let end = begin + brace_end(&first[begin..])?;
    Some((inspect::to_json(&first[begin..end])?, begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(fields: &[Field<'_>]) -> Vec<String> {
        let one = |(path, value): &Field<'_>| format!("{path}={value:?}");
        fields.iter().map(one).collect()
    }

    #[test]
    fn each_form_is_read() {
        let php = "(\n    [url] => https://x.test/\n    [a:protected] => Array\n        (\n            [b] => 1\n        )\n\n)\n";
        assert_eq!(
            told(&fields("Array", php)),
            ["url=Str(\"https://x.test/\")", "a.b=U64(1)"]
        );
        let tree = "      ├ url: https://x.test/\n      └ status: 503";
        assert_eq!(
            told(&fields("x", tree)),
            ["url=Str(\"https://x.test/\")", "status=U64(503)"]
        );
        let listed = "url:  https://x.test/\nerror: \n  name:  E\n  stack: \n    \"\"\"\n      E: x\n          at f\n    \"\"\"\nn: 2";
        assert_eq!(
            told(&list(listed)),
            [
                "url=Str(\"https://x.test/\")",
                "error.name=Str(\"E\")",
                "error.stack=Str(\"E: x\\nat f\")",
                "n=U64(2)"
            ]
        );
        let exchanged =
            "    GET /p/1 HTTP/1.1\n    Host: x.test\n    --\n    HTTP/1.1 503 X\n    a: b";
        assert_eq!(
            told(&fields("x", exchanged)),
            [
                "method=Str(\"GET\")",
                "url=Str(\"http://x.test/p/1\")",
                "status=U64(503)"
            ]
        );
        assert!(fields("x", "  HTTP/1.1 503 X").is_empty());
        let json = |first, rest| shown(first, rest).map(|(json, _)| json);
        assert_eq!(json("got {", "  a: 1\n}").as_deref(), Some("{\"a\":1}"));
        assert_eq!(json("got { a: 'x' }", "").as_deref(), Some("{\"a\":\"x\"}"));
        assert_eq!(json("got {", "  a: 1"), None);
        assert_eq!(json("got {'a': 1 }", ""), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(first in "(x|Array| \\{|\\{ a: | \\})", rest in "(\\(|\\[a\\] => |├ a: |\"\"\"|GET / HTTP/1|host: |a: |  |\n|\\}|\\PC{0,3}){0,20}") {
            let _ = (fields(&first, &rest), list(&rest), shown(&first, &rest));
        }
    }
}
