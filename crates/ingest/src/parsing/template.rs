//! Message templates: texts with placeholders for other fields.

use dragline_schema::Value;

/// Fills in the placeholders of a template: `Fetched {Url} in {Elapsed:0.0} ms`.
pub(crate) fn rendered(template: &str, fields: &[(String, Value<'_>)]) -> String {
    let mut text = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        let Some((hole, after)) = behind.split_once('}') else {
            text.push('{');
            rest = behind;
            continue;
        };
        let name = hole
            .split([':', ','])
            .next()
            .unwrap_or_default()
            .trim_start_matches(['@', '$']);
        let is_field = |(own, _): &&(String, Value<'_>)| own == name;
        match fields.iter().find(is_field) {
            Some((_, value)) => text.push_str(&shown(value)),
            None => text.push_str(&format!("{{{hole}}}")),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

pub(crate) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Str(text) | Value::Json(text) => text.to_string(),
        Value::U64(number) => number.to_string(),
        Value::I64(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
    }
}
