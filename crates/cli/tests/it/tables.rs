//! `dragline sql` and `dragline export`.

use crate::{dragline, fixture, stdout};

#[test]
fn a_question_has_an_answer_in_every_format() {
    let log = fixture("pino/scrape.ndjson");
    let query = "SELECT level, count(*) AS n FROM events GROUP BY level ORDER BY n DESC";
    insta::assert_snapshot!(stdout(&["sql", query, &log]));
    let csv = stdout(&["sql", query, &log, "--format", "csv"]);
    assert!(csv.starts_with("level,n\n"), "{csv}");
    let json = stdout(&["sql", query, &log, "--format", "json"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert!(first["n"].is_u64() && first["level"].is_string());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("answer.parquet").display().to_string();
    stdout(&["sql", query, &log, "--format", "parquet", "--output", &path]);
    assert!(std::fs::read(&path).unwrap().starts_with(b"PAR1"));
    let wrong = dragline(&["sql", "SELECT nothing FROM nowhere", &log]);
    assert_eq!(wrong.status.code(), Some(2));
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(told.contains("no table `nowhere`"), "{told}");
}

#[test]
fn an_export_says_what_it_wrote_and_is_extended() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("events").display().to_string();
    let export = |log: &str| {
        let output = dragline(&["export", &fixture(log), "--output", &target]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    let (code, told) = export("pino/scrape.ndjson");
    assert!(
        code == Some(0) && told.contains("written ") && told.contains("104 events"),
        "{told}"
    );
    let (code, told) = export("pino/scrape.ndjson");
    assert_eq!(code, Some(1));
    assert!(told.contains("already contains 1 of these logs"), "{told}");
    // Numbers that are in the report and not in the rows are named.
    let (code, told) = export("scrapy/info.log");
    assert!(code == Some(0) && told.contains("added "), "{told}");
    assert!(
        told.contains("`requests` has 2 rows, but the runs count 94 requests"),
        "{told}"
    );
}

#[test]
fn a_table_without_rows_points_to_the_one_with_numbers() {
    let log = fixture("scrapy/info.log");
    let output = dragline(&["sql", "SELECT * FROM items", &log]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success());
    assert!(
        told.contains("the runs count 51 items") && told.contains("`runs`"),
        "{told}"
    );
    let output = dragline(&[
        "sql",
        "SELECT scraper_id FROM runs",
        &log,
        "--since",
        "2020-01-01",
    ]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("--since does not apply to `runs`"), "{told}");
}
