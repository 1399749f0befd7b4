//! `#[monitored]` on functions of every kind, and its errors.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod monitored;
#[path = "../../examples/rolling_writer.rs"]
#[allow(dead_code, reason = "the tests call what `main` calls")]
mod rolling_writer;

#[test]
fn what_cannot_be_monitored_is_refused_where_it_stands() {
    trybuild::TestCases::new().compile_fail("tests/it/ui/*.rs");
}

#[test]
fn the_example_of_rolling_files_under_another_queue_writes_every_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = dragline::Config::new(dir.path()).name("plain");
    assert_eq!(rolling_writer::record(&config).unwrap(), 0);
    let text = std::fs::read_to_string(dir.path().join("plain.current")).unwrap();
    assert_eq!(text.lines().count(), 100);
}
