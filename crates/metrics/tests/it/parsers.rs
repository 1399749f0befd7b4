//! Exports are read by the parsers of others: `prometheus_client` for Python, and Prometheus' `promtool`.
//!
//! `DRAGLINE_PYTHON` names a Python that has `prometheus_client`. Where a parser is missing, the test says
//! that it is skipped.

use std::io::Write as _;
use std::process::{Command, Stdio};

use dragline_metrics::{Descriptor, Limits, Metric, Registry, Value, export};

use super::crawl;

/// Name, labels by name, and value.
type Sample = (String, Vec<(String, String)>, f64);

/// Parses standard input and writes every sample as a line of JSON.
const SCRIPT: &str = r#"
import io, json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="\n").read()
for family in text_string_to_metric_families(text):
    for sample in family.samples:
        row = [family.name, family.type, family.unit, sample.name, sample.labels, str(sample.value)]
        print(json.dumps(row))
"#;

fn python() -> Option<Command> {
    let named = std::env::var("DRAGLINE_PYTHON").ok();
    let mut all = named
        .into_iter()
        .chain(["python3", "/usr/bin/python3"].map(str::to_owned));
    let has_parser = |python: &String| {
        let mut check = Command::new(python);
        check.args(["-c", "import prometheus_client.openmetrics.parser"]);
        let status = check.stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    all.find(has_parser).map(Command::new)
}

/// Says, past the test harness, that a test is skipped.
fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

fn run(command: &mut Command, input: &str) -> (Option<i32>, String) {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A parser that stopped at a fault has closed its input.
    let _ = writer.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    (output.status.code(), all)
}

/// The samples that the reference parser must find, as it names them.
fn expected(metrics: &[Metric]) -> Vec<Sample> {
    let mut all = Vec::new();
    for metric in metrics {
        for series in &metric.series {
            let mut put = |suffix: &str, bound: Option<String>, value: f64| {
                let mut labels = series.labels.clone();
                labels.extend(bound.map(|bound| ("le".to_owned(), bound_of(&bound))));
                labels.sort();
                all.push((format!("{}{suffix}", metric.name), labels, value));
            };
            match &series.value {
                Value::Counter(value) => put("_total", None, *value),
                Value::Gauge(value) => put("", None, *value),
                Value::Histogram(found) => {
                    for (bound, count) in &found.buckets {
                        put("_bucket", Some(format!("{bound:?}")), *count as f64);
                    }
                    put("_bucket", Some("+Inf".to_owned()), found.count as f64);
                    put("_count", None, found.count as f64);
                    put("_sum", None, found.sum);
                }
            }
        }
    }
    all
}

/// A bound in one form, whatever its spelling.
fn bound_of(text: &str) -> String {
    text.parse::<f64>().unwrap().to_string()
}

fn sorted(mut samples: Vec<Sample>) -> Vec<String> {
    samples.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    samples.iter().map(|sample| format!("{sample:?}")).collect()
}

/// Both parsers accept the export, and the reference parser finds every sample with its labels and its value.
pub(crate) fn assert_parses(what: &str, metrics: &[Metric]) {
    check(what, metrics, &[Some(0)]);
}

/// The same for names that others chose, which `promtool` may find unusual (it then ends with 3).
#[cfg(feature = "facade")]
pub(crate) fn assert_parses_unusual_names(what: &str, metrics: &[Metric]) {
    check(what, metrics, &[Some(0), Some(3)]);
}

fn check(what: &str, metrics: &[Metric], allowed: &[Option<i32>]) {
    match python() {
        None => skip(&format!(
            "{what}: there is no Python with prometheus_client"
        )),
        Some(mut python) => {
            let (code, out) = run(python.args(["-c", SCRIPT]), &export::openmetrics(metrics));
            assert_eq!(code, Some(0), "{what}: {out}");
            let read = |line: &str| {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let labels = row[4].as_object().unwrap().iter();
                let mut labels: Vec<(String, String)> = labels
                    .map(|(name, value)| {
                        let value = value.as_str().unwrap();
                        let value = if name == "le" {
                            bound_of(value)
                        } else {
                            value.to_owned()
                        };
                        (name.clone(), value)
                    })
                    .collect();
                labels.sort();
                let value = row[5].as_str().unwrap().parse().unwrap();
                (row[3].as_str().unwrap().to_owned(), labels, value)
            };
            let found = out.lines().map(read).collect();
            assert_eq!(sorted(found), sorted(expected(metrics)), "{what}");
        }
    }
    if Command::new("promtool").arg("--version").output().is_err() {
        return skip(&format!("{what}: there is no promtool"));
    }
    let mut promtool = Command::new("promtool");
    let (code, out) = run(
        promtool.args(["check", "metrics"]),
        &export::prometheus(metrics),
    );
    assert!(allowed.contains(&code), "{what}: {out}");
}

#[test]
fn the_crawling_set_is_accepted() {
    assert_parses("crawling set", &crawl::all_events().snapshot());
}

#[test]
fn hostile_label_values_are_accepted() {
    let limits = Limits {
        series_per_metric: 5_000,
        ..Limits::default()
    };
    let registry = Registry::with_limits(limits);
    let counters = Descriptor::counter("hostile", "\\ \" \n # HELP x y").labels(["a", "b"]);
    let counters = registry.counter(counters).unwrap();
    let histograms = Descriptor::histogram("hostile_wait_seconds", "H.").labels(["a"]);
    let histograms = registry.histogram(histograms).unwrap();
    let mut values: Vec<String> = (0..=0x2ff_u32)
        .filter_map(char::from_u32)
        .map(String::from)
        .collect();
    values.extend(
        [
            "",
            "\\",
            "\\\\n",
            "\"} 1\n# EOF\n",
            "{}=,",
            "a\r\nb",
            "\u{202e}\u{feff}\u{2028}\u{85}",
            "🕷️",
            "# TYPE x counter",
            " spaces ",
        ]
        .map(String::from),
    );
    for value in &values {
        counters.get(&[value, "x"]).inc();
        counters.get(&["x", value]).add_f64(0.1);
    }
    for value in values.iter().rev().take(20) {
        histograms.get(&[value]).observe(0.3);
    }
    assert_parses("hostile labels", &registry.snapshot());
}
