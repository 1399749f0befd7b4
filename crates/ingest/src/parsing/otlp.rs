//! OTLP in JSON: one export per line, each with any number of records (OpenTelemetry's protocol, *OTLP/JSON*, and
//! its log data model).
//!
//! Programs deviate from the specification: names in camel case or with underscores, names from before 2022
//! (`instrumentationLibraryLogs`), exports of one resource without the enclosing list, attributes as plain objects,
//! bodies as plain text. All these forms are accepted. Exports of spans and metrics are recognized, but are not
//! logs.

use std::borrow::Cow;

use dragline_schema::{Value, clip};
use serde_json::Value as Json;

use super::object::Object;
use super::value::Fields;

/// Lists and maps in attributes are flattened down to this depth.
const MAX_DEPTH: usize = 5;
/// Maximum number of fields, and of bytes per field, that all records of a resource share. They are copied into each
/// record, so they are limited.
const MAX_CONTEXT: usize = 64;
const MAX_CONTEXT_VALUE: usize = 256;

const RESOURCES: [&str; 2] = ["resourceLogs", "resource_logs"];
const SCOPES: [&str; 4] = [
    "scopeLogs",
    "scope_logs",
    "instrumentationLibraryLogs",
    "instrumentation_library_logs",
];
const RECORDS: [&str; 3] = ["logRecords", "log_records", "logs"];
/// Exports without logs: the member's name, and what it contains.
const OTHERS: [(&str, &str); 4] = [
    ("resourceSpans", "spans"),
    ("resource_spans", "spans"),
    ("resourceMetrics", "metrics"),
    ("resource_metrics", "metrics"),
];

/// The content of an export.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Export {
    /// Log records passed to the caller.
    pub(crate) records: usize,
    /// Number of values that should be log records or lists of them, but are not.
    pub(crate) lost: usize,
    /// Other kinds of data in the export.
    pub(crate) others: Vec<&'static str>,
    /// Whether the export is empty: it contains no resources.
    pub(crate) is_empty: bool,
}

/// Passes the records of an export to `take`. `None` if the object is not an export.
pub(crate) fn each_record(
    object: &Object<'_>,
    take: &mut dyn FnMut(Fields<'static>),
) -> Option<Export> {
    // Fast path: every JSON line is checked here, and most do not contain these keys.
    let may_be = |key: &str| {
        key.starts_with("resource") || key.ends_with("UnixNano") || key.ends_with("_unix_nano")
    };
    if !object.fields.iter().any(|(key, _)| may_be(key)) {
        return None;
    }
    let all_of = |names: &'static [&str]| {
        let fields = object.fields.iter();
        fields.filter(|(key, _)| names.contains(&&**key))
    };
    let parse = |raw: &str| serde_json::from_str::<Json>(raw).ok();
    let mut resources = Vec::new();
    for (_, raw) in all_of(&RESOURCES) {
        resources.push(parse(raw.get())?);
    }
    // One resource without the enclosing list.
    if let (Some(_), Some((_, resource))) = (all_of(&SCOPES).next(), all_of(&["resource"]).next()) {
        let mut whole = serde_json::Map::new();
        for (key, scopes) in all_of(&SCOPES) {
            whole.insert(key.to_string(), parse(scopes.get())?);
        }
        whole.insert("resource".to_owned(), parse(resource.get())?);
        resources.push(Json::Object(whole));
    }
    let mut others: Vec<&str> = OTHERS
        .iter()
        .filter(|(name, _)| object.fields.iter().any(|(key, _)| key == name))
        .map(|(_, what)| *what)
        .collect();
    others.dedup();
    if resources.is_empty() && others.is_empty() {
        return alone(object, take);
    }
    let mut export = Export {
        is_empty: resources
            .iter()
            .all(|list| list.as_array().is_some_and(Vec::is_empty)),
        others,
        ..Export::default()
    };
    let mut lost = 0;
    let all = resources.iter().flat_map(|list| items(list, &mut lost));
    for resource in all.collect::<Vec<_>>() {
        let mut context = attributes(&resource["resource"]["attributes"]);
        context.truncate(MAX_CONTEXT);
        context.iter_mut().for_each(|(_, value)| shorten(value));
        export.resource(resource, &context, take);
    }
    export.lost += lost;
    Some(export)
}

impl Export {
    fn resource(
        &mut self,
        resource: &Json,
        context: &Fields<'static>,
        take: &mut dyn FnMut(Fields<'static>),
    ) {
        const OWN: [&str; 3] = ["scope", "instrumentationLibrary", "instrumentation_library"];
        for scopes in members(resource, &SCOPES) {
            for scope in items(scopes, &mut self.lost) {
                let logger = one_of(scope, &OWN)["name"].as_str();
                for logs in members(scope, &RECORDS) {
                    for log in items(logs, &mut self.lost) {
                        self.records += 1;
                        take(record(log, logger, context));
                    }
                }
            }
        }
    }
}

/// A record that is alone on its line: it has the times and the body of a record, and optionally its resource.
fn alone(object: &Object<'_>, take: &mut dyn FnMut(Fields<'static>)) -> Option<Export> {
    let has = |names: &[&str]| object.fields.iter().any(|(key, _)| names.contains(&&**key));
    let is_record = has(&["timeUnixNano", "observedTimeUnixNano", "time_unix_nano"])
        && has(&["body", "attributes"]);
    if !is_record {
        return None;
    }
    let parse = |raw: &str| serde_json::from_str::<Json>(raw).ok();
    let fields = object.fields.iter();
    let log: Json = fields
        .filter_map(|(key, raw)| Some((key.to_string(), parse(raw.get())?)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let resource = one_of(&log, &["resource"]);
    let mut context = attributes(one_of(resource, &["attributes"]));
    context.truncate(MAX_CONTEXT);
    let scope = one_of(&log, &["scope", "instrumentationScope"]);
    take(record(&log, scope["name"].as_str(), &context));
    Some(Export {
        records: 1,
        ..Export::default()
    })
}

fn shorten(value: &mut Value<'static>) {
    if let Value::Str(text) | Value::Json(text) = value
        && text.len() > MAX_CONTEXT_VALUE
    {
        *text = Cow::Owned(clip(text, MAX_CONTEXT_VALUE).to_owned());
    }
}

/// The first of these members that exists.
fn one_of<'j>(object: &'j Json, names: &[&str]) -> &'j Json {
    let found = names.iter().find_map(|name| object.get(name));
    found.unwrap_or(&Json::Null)
}

/// All of these members that exist.
fn members<'j>(object: &'j Json, names: &[&str]) -> impl Iterator<Item = &'j Json> {
    names.iter().filter_map(|name| object.get(name))
}

/// The objects of a list, or the single object in its place. Anything else is counted in `lost`.
fn items<'j>(list: &'j Json, lost: &mut usize) -> Vec<&'j Json> {
    let all = match list {
        Json::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    *lost += all.iter().filter(|item| !item.is_object()).count();
    // Empty objects are ignored.
    let is_filled = |item: &&Json| item.as_object().is_some_and(|map| !map.is_empty());
    all.iter().filter(is_filled).collect()
}

fn elements(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}

fn record(log: &Json, logger: Option<&str>, context: &Fields<'static>) -> Fields<'static> {
    let mut fields = context.clone();
    let mut text = |key: &'static str, text: &str| {
        fields.push((Cow::Borrowed(key), Value::Str(text.to_owned().into())));
    };
    let written = [
        one_of(log, &["timeUnixNano", "time_unix_nano"]),
        one_of(log, &["observedTimeUnixNano", "observed_time_unix_nano"]),
    ];
    let written = written.into_iter().filter_map(number_text);
    if let Some(nanoseconds) = written.into_iter().find(|time| time != "0") {
        text("timestamp", &nanoseconds);
    }
    let word = one_of(log, &["severityText", "severity_text"]);
    let level = word.as_str().filter(|word| !word.is_empty());
    if let Some(level) =
        level.or_else(|| severity(one_of(log, &["severityNumber", "severity_number"])))
    {
        text("level", level);
    }
    if let Some(logger) = logger.filter(|name| !name.is_empty()) {
        text("target", logger);
    }
    body(&log["body"], &mut fields);
    fields.extend(attributes(&log["attributes"]));
    fields
}

/// A body is a text, or a record of its own.
fn body(any: &Json, fields: &mut Fields<'static>) {
    let map = kvlist(any);
    let is_plain_object = map.is_none()
        && any
            .as_object()
            .is_some_and(|map| !map.keys().any(|key| is_any_value(key)));
    if is_plain_object {
        fields.extend(attributes(any));
    } else if let Some(entries) = map {
        fields.extend(attributes(entries));
    } else {
        value(any, "body", 0, fields);
    }
}

fn kvlist(any: &Json) -> Option<&Json> {
    let list = one_of(any, &["kvlistValue", "kvlist_value"]);
    list.get("values").filter(|values| values.is_array())
}

/// Whether a key is the type name in an OTLP value.
fn is_any_value(key: &str) -> bool {
    let kind = key
        .strip_suffix("Value")
        .or_else(|| key.strip_suffix("_value"));
    kind.is_some_and(|kind| {
        matches!(
            kind,
            "string" | "int" | "double" | "bool" | "array" | "kvlist" | "bytes"
        )
    })
}

/// OTLP writes 64-bit numbers as texts.
fn number_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The level of an OTLP severity number, four numbers per level, or of its name (`SEVERITY_NUMBER_INFO2`).
fn severity(number: &Json) -> Option<&'static str> {
    const WORDS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];
    if let Some(name) = number.as_str() {
        let name = name.strip_prefix("SEVERITY_NUMBER_")?.to_ascii_lowercase();
        return WORDS.into_iter().find(|word| name.starts_with(word));
    }
    let number = number.as_u64().filter(|number| (1..=24).contains(number))?;
    WORDS.get((number as usize - 1) / 4).copied()
}

/// Attributes are a list of keys and values, or a plain object.
fn attributes(list: &Json) -> Fields<'static> {
    let mut fields = Vec::new();
    for attribute in elements(list) {
        if let Some(key) = attribute["key"].as_str() {
            value(&attribute["value"], key, 0, &mut fields);
        }
    }
    for (key, any) in list.as_object().into_iter().flatten() {
        value(any, key, 0, &mut fields);
    }
    fields
}

/// Adds a value, or the values nested in it with their paths. Values without a type name are read as plain JSON.
fn value(any: &Json, path: &str, depth: usize, fields: &mut Fields<'static>) {
    if let Some(entries) = kvlist(any) {
        for entry in elements(entries).filter(|_| depth < MAX_DEPTH) {
            let key = entry["key"].as_str().unwrap_or_default();
            value(&entry["value"], &format!("{path}.{key}"), depth + 1, fields);
        }
        return;
    }
    let of = |camel: &str, snake: &str| any.get(camel).or_else(|| any.get(snake));
    let kind = of("stringValue", "string_value")
        .or_else(|| of("intValue", "int_value"))
        .or_else(|| of("doubleValue", "double_value"))
        .or_else(|| of("boolValue", "bool_value"))
        .or_else(|| of("bytesValue", "bytes_value"));
    let found = if let Some(number) = of("intValue", "int_value").and_then(number_text) {
        match (number.parse(), number.parse()) {
            (Ok(number), _) => Value::U64(number),
            (_, Ok(number)) => Value::I64(number),
            _ => return,
        }
    } else if let Some(array) = of("arrayValue", "array_value") {
        Value::Json(array["values"].to_string().into())
    } else {
        match kind.unwrap_or(any) {
            Json::String(text) => Value::Str(text.clone().into()),
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => Value::U64(number),
                (_, Some(number), _) => Value::I64(number),
                (.., Some(number)) => Value::F64(number),
                _ => return,
            },
            Json::Object(members) if depth < MAX_DEPTH && !members.is_empty() => {
                for (key, member) in members {
                    value(member, &format!("{path}.{key}"), depth + 1, fields);
                }
                return;
            }
            Json::Array(list) if !list.is_empty() => Value::Json(any.to_string().into()),
            _ => return,
        }
    };
    fields.push((Cow::Owned(path.to_owned()), found));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_its_records() {
        let line = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"scope":{"name":"shop.http"},"logRecords":[{"timeUnixNano":"1772623353500000000","severityNumber":17,"body":{"stringValue":"failed"},"attributes":[{"key":"http.response.status_code","value":{"intValue":"503"}},{"key":"a","value":{"kvlistValue":{"values":[{"key":"b","value":{"boolValue":true}}]}}}]},{}]}]}]}"#;
        let (records, export) = read(line);
        // An empty record is ignored.
        assert_eq!((records.len(), export), (1, Some(logs(1))));
        let shown: Vec<String> = records[0]
            .iter()
            .map(|(k, v)| format!("{k}={v:?}"))
            .collect();
        assert_eq!(
            shown,
            [
                "service.name=Str(\"shop\")",
                "timestamp=Str(\"1772623353500000000\")",
                "level=Str(\"error\")",
                "target=Str(\"shop.http\")",
                "body=Str(\"failed\")",
                "http.response.status_code=U64(503)",
                "a.b=Bool(true)",
            ]
        );
        assert_eq!(read("{\"a\":1}").1, None);
    }

    fn logs(records: usize) -> Export {
        Export {
            records,
            ..Export::default()
        }
    }

    fn read(line: &str) -> (Vec<Fields<'static>>, Option<Export>) {
        let mut records = Vec::new();
        let export = each_record(&Object::parse(line).unwrap(), &mut |fields| {
            records.push(fields);
        });
        (records, export)
    }

    fn shown(line: &str) -> Vec<String> {
        let (records, export) = read(line);
        assert_eq!(export, Some(logs(1)), "{line}");
        let fields = records[0].iter();
        fields
            .map(|(key, value)| format!("{key}={value:?}"))
            .collect()
    }

    #[test]
    fn every_writers_shape_is_read() {
        let expected = [
            "service.name=Str(\"shop\")",
            "timestamp=Str(\"5\")",
            "level=Str(\"info\")",
            "target=Str(\"s\")",
            "body=Str(\"x\")",
            "n=U64(7)",
        ];
        let log = r#"{"timeUnixNano":"5","severityText":"info","body":{"stringValue":"x"},"attributes":[{"key":"n","value":{"intValue":"7"}}]}"#;
        let old = r#"{"time_unix_nano":5,"severity_number":"SEVERITY_NUMBER_INFO2","body":{"string_value":"x"},"attributes":{"n":7}}"#;
        let plain = r#"{"observedTimeUnixNano":"5","timeUnixNano":"0","severityNumber":9,"body":"x","attributes":{"n":7}}"#;
        let resource =
            r#""resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]}"#;
        for line in [
            format!(
                r#"{{"resourceLogs":[{{{resource},"scopeLogs":[{{"scope":{{"name":"s"}},"logRecords":[{log}]}}]}}]}}"#
            ),
            format!(
                r#"{{"resource_logs":[{{{resource},"scope_logs":[{{"scope":{{"name":"s"}},"log_records":[{old}]}}]}}]}}"#
            ),
            format!(
                r#"{{"resourceLogs":[{{{resource},"instrumentationLibraryLogs":[{{"instrumentationLibrary":{{"name":"s"}},"logs":[{log}]}}]}}]}}"#
            ),
            format!(
                r#"{{{resource},"scopeLogs":[{{"scope":{{"name":"s"}},"logRecords":[{plain}]}}]}}"#
            ),
        ] {
            assert_eq!(shown(&line), expected, "{line}");
        }
        let map = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"kvlistValue":{"values":[{"key":"url","value":{"stringValue":"u"}},{"key":"status","value":{"intValue":200}}]}}}]}]}]}"#;
        assert_eq!(shown(map), ["url=Str(\"u\")", "status=U64(200)"]);
    }

    #[test]
    fn whatever_a_list_holds_is_a_record_or_counted() {
        let log = r#"{"body":"x"}"#;
        for (line, records, lost) in [
            (
                format!(
                    r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":["x",{log},null]}}]}}]}}"#
                ),
                1,
                2,
            ),
            (
                format!(r#"{{"resourceLogs":[{{"scopeLogs":{{"logRecords":{log}}}}}]}}"#),
                1,
                0,
            ),
            (
                format!(
                    r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{log}]}}],"instrumentationLibraryLogs":[{{"logs":[{log}]}}]}}]}}"#
                ),
                2,
                0,
            ),
            (
                format!(
                    r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{log}]}}]}}],"resource_logs":[{{"scope_logs":[{{"log_records":[{log}]}}]}}]}}"#
                ),
                2,
                0,
            ),
            (
                format!(r#"{{"resourceLogs":[7,{{"scopeLogs":["y",{{"logRecords":[{log}]}}]}}]}}"#),
                1,
                2,
            ),
        ] {
            let (read, export) = read(&line);
            let export = export.unwrap();
            assert_eq!(
                (read.len(), export.records, export.lost),
                (records, records, lost),
                "{line}"
            );
        }
        let beside = r#"{"resourceSpans":[{}],"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":"x"}]}]}]}"#;
        let (_, export) = read(beside);
        assert_eq!(
            export.map(|export| (export.records, export.others)),
            Some((1, vec!["spans"]))
        );
    }

    #[test]
    fn what_holds_no_records_says_so() {
        for (line, others, is_empty) in [
            (r#"{"resourceSpans":[{}]}"#, vec!["spans"], true),
            (r#"{"resource_metrics":[]}"#, vec!["metrics"], true),
            (r#"{"resourceLogs":[]}"#, vec![], true),
            (r#"{"resourceLogs":[{"logs":[{"a":1}]}]}"#, vec![], false),
            (r#"{"resourceLogs":{"x":1}}"#, vec![], false),
        ] {
            let expected = Export {
                others,
                is_empty,
                ..Export::default()
            };
            assert_eq!(read(line), (Vec::new(), Some(expected)), "{line}");
        }
    }
}
