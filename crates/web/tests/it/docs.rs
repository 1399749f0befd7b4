//! The generated parts of the documents.

use std::path::Path;

use dragline_web::openapi;
use serde_json::Value;

/// A row for each operation.
fn operations(described: &Value) -> String {
    let mut table = String::from(
        "| operation | what it answers or does | parameters | role |\n|---|---|---|---|\n",
    );
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["security"][0]["token"][0].as_str().unwrap_or("–");
            let names: Vec<String> = params(operation)
                .into_iter()
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            table += &format!(
                "| `{} {path}` | {} | {} | {role} |\n",
                method.to_uppercase(),
                operation["summary"].as_str().unwrap(),
                names.join(", ")
            );
        }
    }
    table
}

/// Name and meaning of the parameters of query and body.
fn params(operation: &Value) -> Vec<(String, String)> {
    let query = operation["parameters"].as_array().into_iter().flatten();
    let query = query.filter(|param| param["in"] == "query");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = query
        .map(|param| (text(&param["name"]), text(&param["description"])))
        .collect();
    let body = &operation["requestBody"]["content"]["application/json"]["schema"]["properties"];
    all.extend(
        body.as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), text(&value["description"]))),
    );
    all
}

/// A row for each parameter, and its meaning in the first operation that has it.
fn parameters(described: &Value) -> String {
    let mut known: Vec<(String, String)> = Vec::new();
    for item in described["paths"].as_object().unwrap().values() {
        for operation in item
            .as_object()
            .unwrap()
            .values()
            .filter(|operation| operation["requestBody"].is_null())
        {
            for param in params(operation) {
                if !known.iter().any(|(name, _)| *name == param.0) {
                    known.push(param);
                }
            }
        }
    }
    known.sort();
    let rows = known
        .iter()
        .map(|(name, about)| format!("| `{name}` | {about} |\n"));
    format!(
        "| parameter | meaning |\n|---|---|\n{}",
        rows.collect::<String>()
    )
}

/// `DRAGLINE_BLESS=1` writes them.
#[test]
fn the_operations_in_the_docs_are_those_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let described = serde_json::to_value(openapi()).unwrap();
    for (name, table) in [
        ("operations", operations(&described)),
        ("parameters", parameters(&described)),
    ] {
        let (start, end) = (
            format!("<!-- {name}: written by `just api-docs` -->\n"),
            format!("<!-- end of {name} -->"),
        );
        let (before, rest) = text.split_once(&start).unwrap();
        let (held, after) = rest.split_once(&end).unwrap();
        if std::env::var_os("DRAGLINE_BLESS").is_some() {
            text = format!("{before}{start}{table}{end}{after}");
            continue;
        }
        assert_eq!(held, table, "run `just api-docs`");
    }
    if std::env::var_os("DRAGLINE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
}
