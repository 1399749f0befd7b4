//! Small logs after what people really have, and what a report must say of each (`fixtures/cases`).
//!
//! A case is a directory with `input/`, whose files are read together, and `expect.json`:
//!
//! - `about`: a line that says what it is about;
//! - `args`: further arguments; `exit`: the exit code, 0 when it is left out;
//! - `report`: values by their paths in the report's JSON. `a.0.b` is a path, and `a#` the length of a list. A
//!   value is what is expected, or one of `{"in": […]}`, `{"min": n}`, `{"max": n}`, `{"not": …}`,
//!   `{"contains": "…"}`, `{">=": {…}}` (at least these keys);
//! - `classify`: lines, each with the categories of which `dragline classify` may say one.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The value at a path; null when a part of it is missing.
fn look(value: &Value, path: &str) -> Value {
    let mut value = value.clone();
    for part in path.split('.') {
        let (name, is_counted) = match part.strip_suffix('#') {
            Some(name) => (name, true),
            None => (part, false),
        };
        value = match (&value, name.parse::<usize>()) {
            (Value::Array(list), Ok(index)) => list.get(index).cloned().unwrap_or_default(),
            (Value::Object(map), _) => map.get(name).cloned().unwrap_or_default(),
            _ => Value::Null,
        };
        if is_counted {
            value = value.as_array().map_or(0, Vec::len).into();
        }
    }
    value
}

/// Types of errors by their last part, and no counts of zero.
fn normal(path: &str, value: Value) -> Value {
    let Value::Object(map) = value else {
        return value;
    };
    let counts = map.into_iter().filter(|(_, count)| *count != 0);
    let is_types = path.ends_with("by_type");
    let short = |name: String| {
        let last = name.rsplit(['.', ':']).next().filter(|_| is_types);
        last.map(str::to_owned).unwrap_or(name)
    };
    Value::Object(counts.map(|(name, count)| (short(name), count)).collect())
}

fn holds(got: &Value, want: &Value) -> bool {
    let rule = want.as_object().filter(|rule| rule.len() == 1);
    let Some((name, bound)) = rule.and_then(|rule| rule.iter().next()) else {
        return number_or_same(got, want);
    };
    match name.as_str() {
        "in" => bound
            .as_array()
            .is_some_and(|all| all.iter().any(|one| number_or_same(got, one))),
        "min" => got.as_f64().is_some_and(|n| Some(n) >= bound.as_f64()),
        "max" => got.as_f64().is_some_and(|n| Some(n) <= bound.as_f64()),
        "not" => got != bound,
        "contains" => {
            let part = bound.as_str().unwrap_or_default();
            got.as_str().is_some_and(|text| text.contains(part))
        }
        ">=" => bound.as_object().is_some_and(|all| {
            all.iter()
                .all(|(key, count)| number_or_same(&look(got, key), count))
        }),
        _ => number_or_same(got, want),
    }
}

/// Numbers are the same whether they have decimals or not.
fn number_or_same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

/// What is wrong in a case.
fn wrong(case: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(case.join("expect.json")).unwrap();
    let want: Value = serde_json::from_str(&text).unwrap();
    [wrong_in_report(case, &want), wrong_in_classes(&want)].concat()
}

/// What the classifier says wrongly of the case's lines.
fn wrong_in_classes(want: &Value) -> Vec<String> {
    let rows = want["classify"].as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        return Vec::new();
    }
    let line = |row: &Value| {
        row["line"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', "\\n")
            + "\n"
    };
    let input: String = rows.iter().map(line).collect();
    let output = crate::with_input(&["classify"], input.as_bytes());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_default())
        .collect();
    if said.len() != rows.len() {
        return vec![format!("{} classes of {} lines", said.len(), rows.len())];
    }
    let pairs = rows.iter().zip(&said);
    let wrong = pairs.filter(|(row, said)| {
        let may_be = row["category"].as_array().into_iter().flatten();
        !may_be.into_iter().any(|one| *one == said["error_category"])
    });
    wrong
        .map(|(row, said)| format!("{} is {}", row["line"], said["error_category"]))
        .collect()
}

/// When all logs were written, in seconds since 1970 (2026-12-01): what names no year is of the year before that,
/// whenever the repository was cloned.
const WRITTEN: u64 = 1_796_083_200;

/// Sets the times of files. Where that is not allowed, they are those of the clone.
fn written(directory: &Path) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(WRITTEN);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            written(&path);
        } else if let Ok(file) = std::fs::File::options().append(true).open(&path) {
            let _ = file.set_modified(time);
        }
    }
}

/// What the report says otherwise than expected.
fn wrong_in_report(case: &Path, want: &Value) -> Vec<String> {
    if want.get("report").is_none() && want.get("exit").is_none() {
        return Vec::new();
    }
    let args = want["args"].as_array().cloned().unwrap_or_default();
    written(&case.join("input"));
    let output = Command::new(env!("CARGO_BIN_EXE_dragline"))
        .args(["report", "input", "--format", "json", "--no-cache"])
        .args(args.iter().filter_map(Value::as_str))
        .current_dir(case)
        .env("SOURCE_DATE_EPOCH", crate::NOW)
        .output()
        .unwrap();
    let exit = want["exit"].as_i64().unwrap_or(0);
    if output.status.code().map(i64::from) != Some(exit) {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return vec![format!("exit {:?}: {said}", output.status.code())];
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let expected = want["report"].as_object().into_iter().flatten();
    expected
        .filter_map(|(path, value)| {
            let got = normal(path, look(&report, path));
            (!holds(&got, value)).then(|| format!("{path} = {got}, expected {value}"))
        })
        .collect()
}

#[test]
fn every_case_is_told_as_it_is() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cases");
    let mut cases: Vec<_> = std::fs::read_dir(cases)
        .unwrap()
        .map(|case| case.unwrap().path())
        .filter(|case| case.is_dir())
        .collect();
    cases.sort();
    assert!(cases.len() > 400, "{} cases", cases.len());
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut faults = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            let name = case.file_name().unwrap_or_default().display();
            let wrong = wrong(case).into_iter();
            faults.extend(wrong.map(|fault| format!("{name}: {fault}")));
        }
        faults
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        let faults = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        faults.collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
