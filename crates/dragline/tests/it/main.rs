//! `#[monitored]` on functions of every kind, and its errors.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod monitored;

#[test]
fn what_cannot_be_monitored_is_refused_where_it_stands() {
    trybuild::TestCases::new().compile_fail("tests/it/ui/*.rs");
}
