//! The tables in the documents are those of the code.

use std::path::Path;

use dragline_metrics::{
    CrawlMetric, Kind, ORIGINALS, Original, SEVERITIES, Target, Unit, Vocabulary,
};

fn metric_rows() -> String {
    let mut out = "| metric | type | unit | labels | what |\n|---|---|---|---|---|\n".to_owned();
    for metric in CrawlMetric::ALL {
        let labels: Vec<String> = metric
            .labels()
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        out.push_str(&format!(
            "| `{}` | {} | {} | {} | {} |\n",
            metric.sample_name(),
            metric.kind(),
            metric.unit().map_or("", Unit::as_str),
            labels.join(", "),
            metric.help(),
        ));
    }
    out
}

fn target_text(row: &Original) -> String {
    match row.target {
        Target::Metric(metric, labels) => {
            let labels: Vec<String> = labels
                .iter()
                .map(|(name, value)| format!("{name}=\"{value}\""))
                .collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            let note = if metric.kind() == Kind::Counter && row.kind.as_str() == "gauge" {
                ", since the first sample"
            } else {
                ""
            };
            format!("`{}{labels}`{note}", metric.sample_name())
        }
        Target::Query(query) => format!("`{query}`"),
        Target::Elsewhere(place) => place.to_owned(),
    }
}

fn original_rows() -> String {
    let mut out = "| document | number there | type | unit | labels | here | factor |\n|---|---|---|---|---|---|---|\n".to_owned();
    for row in ORIGINALS {
        let labels: Vec<String> = row
            .labels
            .iter()
            .map(|(label, ours)| match ours {
                Some(ours) if ours == label => format!("`{label}`"),
                Some(ours) => format!("`{label}` → `{ours}`"),
                None => format!("`{label}` → –"),
            })
            .collect();
        let factor = if row.factor == 1.0 {
            String::new()
        } else {
            row.factor.to_string()
        };
        out.push_str(&format!(
            "| {} | `{}` | {} | {} | {} | {} | {factor} |\n",
            row.document.as_str(),
            row.name,
            row.kind.as_str(),
            row.unit,
            labels.join(", "),
            target_text(row),
        ));
    }
    out
}

fn severity_rows() -> String {
    let mut out = "| word | vocabulary | severity |\n|---|---|---|\n".to_owned();
    for word in SEVERITIES {
        let vocabulary = match word.vocabulary {
            Vocabulary::Levels => "errors and rules",
            Vocabulary::Alerts => "alerts of the setup document",
            Vocabulary::Health => "health checks",
        };
        let severity = word
            .severity
            .map_or("none", dragline_schema::Severity::as_str);
        out.push_str(&format!("| {} | {vocabulary} | {severity} |\n", word.word));
    }
    out
}

/// `DRAGLINE_BLESS=1` writes them.
#[test]
fn the_tables_in_the_docs_are_those_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    let tables = [
        ("metrics", metric_rows()),
        ("originals", original_rows()),
        ("severities", severity_rows()),
    ];
    for (name, table) in tables {
        let (start, end) = (
            format!("<!-- {name}: written by `just metrics` -->\n"),
            format!("<!-- end of {name} -->"),
        );
        let (before, rest) = text.split_once(&start).unwrap();
        let (held, after) = rest.split_once(&end).unwrap();
        if std::env::var_os("DRAGLINE_BLESS").is_some() {
            text = format!("{before}{start}{table}{end}{after}");
            continue;
        }
        assert_eq!(held, table, "run `just metrics`");
    }
    if std::env::var_os("DRAGLINE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
}
