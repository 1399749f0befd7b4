//! The tables of `docs/health.md` are those of the code.

use std::path::Path;

use dragline_health::{FailureKind, Field, Health, Kind, Signals, Unit};

use crate::{configure, now};

const DOCUMENT: &str = include_str!("../../../../docs/health.md");

#[test]
fn the_kinds_in_the_docs_are_those_of_the_code() {
    for kind in Kind::ALL {
        let (critical, degraded) = kind.default_conditions();
        let list = |texts: &[&str]| match texts {
            [] => "–".to_owned(),
            _ => texts
                .iter()
                .map(|text| format!("`{text}`"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let row = format!(
            "| `{}` | {} | {} s | {} | {} |",
            kind.name(),
            kind.meaning(),
            kind.default_timeout().as_secs(),
            list(critical),
            list(degraded),
        );
        assert!(
            DOCUMENT.contains(&row),
            "docs/health.md lacks this row:\n{row}"
        );
    }
}

#[test]
fn the_fields_in_the_docs_are_those_of_the_code() {
    let mut rows = 0;
    for field in Field::ALL {
        let unit = match field.unit() {
            Unit::Number => "number",
            Unit::Duration => "time",
            Unit::Percent => "percent",
            Unit::Bytes => "size",
            Unit::Text => "text",
        };
        let kinds = field
            .kinds()
            .iter()
            .map(|kind| format!("`{}`", kind.name()));
        let row = format!(
            "| `{}` | {unit} | {} | {} |",
            field.name(),
            kinds.collect::<Vec<_>>().join(", "),
            field.meaning(),
        );
        assert!(
            DOCUMENT.contains(&row),
            "docs/health.md lacks this row:\n{row}"
        );
        rows += 1;
    }
    let section = DOCUMENT
        .split("## Conditions")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let documented = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .count();
    assert_eq!(
        documented, rows,
        "docs/health.md has rows that the code does not have"
    );
}

#[tokio::test]
async fn the_keys_of_the_json_in_the_docs_are_those_of_the_code() {
    let text = "[[health.checks]]\nname = 'x'\ntype = 'disk'\npath = '/'\n";
    let mut health = Health::new(configure(text, Path::new("/"), &[]));
    let report = health.run(now(), &Signals::default()).await;
    let report = serde_json::to_value(report).unwrap();
    let section = DOCUMENT
        .split("## JSON")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let first_cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let mut documented: Vec<_> = first_cells
        .flat_map(|cell| cell.split("`, `").map(|key| key.trim_end_matches('`')))
        .collect();
    let objects = [
        &report,
        &report["checks"][0],
        &report["checks"][0]["change"],
    ];
    let keys = |value: &serde_json::Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let [of_report, of_check, of_change] = objects.map(keys);
    let mut expected: Vec<_> = of_report
        .iter()
        .chain(&of_check)
        .map(String::as_str)
        .collect();
    documented.sort_unstable();
    expected.sort_unstable();
    assert_eq!(documented, expected);
    for key in of_change {
        assert!(section.contains(&format!("`{key}`")), "{key}");
    }
    let kinds = [
        FailureKind::Dns,
        FailureKind::Connect,
        FailureKind::Timeout,
        FailureKind::Reset,
        FailureKind::Tls,
        FailureKind::CertificateExpired,
        FailureKind::Protocol,
        FailureKind::Database,
        FailureKind::Locked,
        FailureKind::File,
        FailureKind::Condition,
    ];
    for kind in kinds {
        let name = serde_json::to_value(kind).unwrap();
        assert!(
            section.contains(&format!("`{}`", name.as_str().unwrap())),
            "{name}"
        );
    }
}
