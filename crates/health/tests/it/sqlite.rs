//! SQLite files: missing, locked, damaged, good.

use std::path::Path;

use dragline_health::{CheckReport, FailureKind, Field, Health, Signals, Status};
use rusqlite::Connection;

use crate::{configure, message, now};

async fn check(base: &Path, url: &str) -> CheckReport {
    let text = format!(
        "[[health.checks]]\nname = 'db'\ntype = 'database'\nurl = '{url}'\ntimeout = '500ms'"
    );
    let mut health = Health::new(configure(&text, base, &[]));
    let report = health.run(now(), &Signals::default()).await;
    assert_eq!(report.database_status, Some(report.checks[0].status));
    report.checks.into_iter().next().unwrap()
}

fn create(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute("CREATE TABLE product (name TEXT)", ())
        .unwrap();
    connection
}

#[tokio::test]
async fn a_good_file_is_read_by_its_relative_and_its_absolute_path() {
    let dir = tempfile::tempdir().unwrap();
    create(&dir.path().join("x.db"));
    let relative = check(dir.path(), "sqlite:///x.db").await;
    assert_eq!(relative.status, Status::Healthy, "{relative:?}");
    for field in [
        Field::ConnectTime,
        Field::RoundTripTime,
        Field::ResponseTime,
    ] {
        assert!(relative.values[&field] >= 0.0, "{field:?}");
    }
    let url = format!("sqlite:///{}", dir.path().join("x.db").display());
    assert_eq!(check(Path::new("/"), &url).await.status, Status::Healthy);
}

#[tokio::test]
async fn a_missing_file_is_a_failure_and_is_not_created() {
    let dir = tempfile::tempdir().unwrap();
    let check = check(dir.path(), "sqlite:///x.db").await;
    assert_eq!(
        (check.status, check.failure),
        (Status::Critical, Some(FailureKind::File))
    );
    assert!(
        message(&check).contains("is missing"),
        "{}",
        message(&check)
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_locked_database_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let connection = create(&dir.path().join("x.db"));
    connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let check = check(dir.path(), "sqlite:///x.db").await;
    assert_eq!(
        (check.status, check.failure),
        (Status::Critical, Some(FailureKind::Locked))
    );
    assert!(message(&check).contains("is locked"), "{}", message(&check));
}

#[tokio::test]
async fn a_database_in_wal_mode_is_readable_while_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let connection = create(&dir.path().join("x.db"));
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection
        .execute_batch("BEGIN IMMEDIATE; INSERT INTO product VALUES ('a')")
        .unwrap();
    let check = check(dir.path(), "sqlite:///x.db").await;
    assert_eq!(check.status, Status::Healthy, "{check:?}");
}

#[tokio::test]
async fn what_is_not_a_database_is_not_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.db"), "name,price\n".repeat(100)).unwrap();
    let broken = check(dir.path(), "sqlite:///x.db").await;
    assert_eq!(
        (broken.status, broken.failure),
        (Status::Critical, Some(FailureKind::Database))
    );
    assert!(
        message(&broken).contains("is not an SQLite database"),
        "{}",
        message(&broken)
    );
    let directory = check(dir.path(), "sqlite:///.").await;
    assert!(
        message(&directory).contains("is not a file"),
        "{}",
        message(&directory)
    );
    // An empty file is what the first careless check of a missing one leaves behind.
    std::fs::write(dir.path().join("empty.db"), "").unwrap();
    let empty = check(dir.path(), "sqlite:///empty.db").await;
    assert!(message(&empty).contains("has no tables"), "{empty:?}");
}
