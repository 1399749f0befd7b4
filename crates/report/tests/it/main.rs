//! The report as a contract, and as people read it.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod analysis;
mod faces;
mod fleet;

use std::path::Path;

use dragline_classifier::RuleSet;
use dragline_report::{Report, ReportOptions, model, render, report};
use dragline_scan::{ScanOptions, scan};
use dragline_schema::Timestamp;

fn report_on(inputs: &[&str]) -> Report {
    let rules = RuleSet::shipped();
    let inputs: Vec<String> = inputs
        .iter()
        .map(|input| format!("../../fixtures/logs/{input}"))
        .collect();
    let now = Timestamp::parse("2040-01-01T00:00:00Z").unwrap();
    let finished = scan(&inputs, &rules, &ScanOptions::default())
        .unwrap()
        .rollup
        .finish(now);
    report(&finished, None, &rules, &ReportOptions::at(now)).unwrap()
}

fn schema_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json")
}

/// The schema in `docs/` is made from the types. `DRAGLINE_BLESS=1 cargo test -p dragline-report`
/// writes it anew.
#[test]
fn the_schema_in_the_docs_is_that_of_the_types() {
    let schema = schemars::schema_for!(model::Report);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("DRAGLINE_BLESS").is_some() {
        std::fs::write(schema_path(), &text).unwrap();
    }
    let written = std::fs::read_to_string(schema_path()).unwrap();
    assert!(
        written == text,
        "docs/report.schema.json is stale: run with DRAGLINE_BLESS=1"
    );
}

#[test]
fn every_report_satisfies_the_schema() {
    let schema = serde_json::from_str(&std::fs::read_to_string(schema_path()).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for inputs in [
        &["scrapy/info.log"][..],
        &["loguru", "pino", "structlog/exc-dict.jsonl"],
        &["scrapy/killed.log", "rust/nested.jsonl"],
    ] {
        let report = serde_json::to_value(report_on(inputs)).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{inputs:?}: {errors:?}");
        // Every section of the contract, null where nothing is known.
        for section in [
            "schema",
            "generated_at",
            "period",
            "trust",
            "totals",
            "scrapers",
            "runs",
            "errors",
            "daily",
            "domains",
            "articles",
            "search",
            "queue",
            "duplicates",
            "database",
            "system",
            "cost",
            "baselines",
            "trends",
            "waste",
            "quiet_hours",
            "panels",
            "insights",
            "recommendations",
        ] {
            assert!(report.get(section).is_some(), "{section}");
        }
    }
    assert!(!validator.is_valid(&serde_json::json!({ "schema": "dragline.report/1" })));
}

#[test]
fn numbers_of_the_parts_add_up_to_the_whole() {
    let report = report_on(&[
        "scrapy/debug.log",
        "pino/scrape.ndjson",
        "winston/scrape.log",
    ]);
    let sum = |totals: &mut dyn Iterator<Item = &model::Totals>| {
        totals.fold((0, 0, 0), |(requests, items, errors), totals| {
            (
                requests + totals.requests.unwrap_or(0),
                items + totals.items.unwrap_or(0),
                errors + totals.errors,
            )
        })
    };
    let whole = sum(&mut std::iter::once(&report.totals));
    assert_eq!(sum(&mut report.runs.iter().map(|run| &run.totals)), whole);
    assert_eq!(
        sum(&mut report.scrapers.iter().map(|scraper| &scraper.totals)),
        whole
    );
    assert_eq!(
        sum(&mut report.daily.as_ref().unwrap().iter().map(|day| &day.totals)),
        whole
    );
    let errors = &report.errors;
    assert_eq!(errors.total, report.totals.errors);
    assert_eq!(errors.by_category.values().sum::<u64>(), errors.total);
    assert_eq!(errors.by_severity.values().sum::<u64>(), errors.total);
    assert_eq!(errors.by_type.values().sum::<u64>(), errors.total);
    assert_eq!(
        errors.cells.iter().map(|cell| cell.count).sum::<u64>(),
        errors.total
    );
    assert_eq!(
        errors.groups.iter().map(|group| group.count).sum::<u64>(),
        errors.total
    );
}

#[test]
fn evidence_stands_where_it_says() {
    let report = report_on(&["structlog/exc-text.jsonl", "scrapy/debug.log"]);
    let mut looked_at = 0;
    for group in &report.errors.groups {
        for at in &group.evidence {
            let text = std::fs::read_to_string(&at.file).unwrap();
            let line = text.lines().nth(at.line as usize - 1).unwrap();
            assert!(text[at.offset as usize..].starts_with(line), "{at:?}");
            assert!(
                line.contains("ERROR") || line.contains("error") || line.contains("critical"),
                "{line}"
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 10);
}

#[test]
fn unknown_is_null_and_not_zero() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let line = r#"{"timestamp":"2026-03-04T11:22:33Z","level":"info","msg":"hello","run_id":"r"}"#;
    std::fs::write(&path, format!("{line}\n")).unwrap();
    let rules = RuleSet::shipped();
    let now = Timestamp::parse("2040-01-01T00:00:00Z").unwrap();
    let inputs = [path.display().to_string()];
    let finished = scan(&inputs, &rules, &ScanOptions::default())
        .unwrap()
        .rollup
        .finish(now);
    let report = report(&finished, None, &rules, &ReportOptions::at(now)).unwrap();
    let totals = &report.runs[0].totals;
    assert_eq!(
        (totals.requests, totals.items, totals.bytes),
        (None, None, None)
    );
    assert_eq!((totals.success_rate, totals.item_yield), (None, None));
    assert_eq!((totals.errors, totals.runs), (0, Some(1)));
    assert_eq!(report.runs[0].verdict, None);
    assert_eq!(report.articles, None);
    assert_eq!(
        report.period.end.as_deref(),
        Some("2026-03-04T11:22:33.000001Z")
    );
}

#[test]
fn a_report_as_people_read_it() {
    let report = report_on(&["scrapy/debug.log", "scrapy/killed.log"]);
    let document = render::report(&report, &render::Layout::default());
    insta::assert_snapshot!(
        "text",
        render::text(&document, &render::Terminal::default())
    );
    insta::assert_snapshot!("markdown", render::markdown(&document));
    let narrow = render::Terminal {
        width: 72,
        color: true,
    };
    insta::assert_snapshot!(
        "errors_narrow",
        render::text(&render::errors(&report, 5), &narrow)
    );
    insta::assert_snapshot!(
        "runs",
        render::text(&render::runs(&report), &render::Terminal::default())
    );
}
