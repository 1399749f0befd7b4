//! The tables of `docs/health.md` are those of the code.

use dragline_health::{Field, Kind, Unit};

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
