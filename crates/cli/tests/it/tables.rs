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
fn an_export_says_what_it_wrote_and_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("events").display().to_string();
    let log = fixture("pino/scrape.ndjson");
    let output = dragline(&["export", &log, "--output", &target]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && told.contains("104 events"),
        "{told}"
    );
    let again = dragline(&["export", &log, "--output", &target]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"));
}
