//! The tables, and the steps from one version of them to the next.

use rusqlite::Connection;

/// `DRAG`: marks a database as Dragline's.
pub(super) const APPLICATION_ID: i32 = 0x4452_4147;

/// The steps from each version to the next: the first one creates the tables. A released step never changes.
pub(super) const MIGRATIONS: &[&str] = &[FIRST];

const FIRST: &str = "
    -- Where the follower has read to, together with everything that it has counted.
    CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL);
    -- What was counted since the last consolidation, one row for each commit.
    CREATE TABLE journal (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
    -- One record for each scraper, site and day (days since 1970-01-01 UTC). An empty name is an unknown one.
    CREATE TABLE day (
        id INTEGER PRIMARY KEY,
        day INTEGER NOT NULL, scraper TEXT NOT NULL, site TEXT NOT NULL,
        rollup BLOB NOT NULL,
        UNIQUE (day, scraper, site));
    -- Metrics: raw (minutes, a row for each hour), hours (a row for each day), days (a row for 28 days).
    CREATE TABLE metric (
        id INTEGER PRIMARY KEY,
        level INTEGER NOT NULL, start INTEGER NOT NULL,
        delta BLOB NOT NULL,
        UNIQUE (level, start));
    -- Runs, as the report describes them. Times are microseconds since 1970.
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        scraper TEXT NOT NULL, site TEXT NOT NULL, run_id TEXT NOT NULL,
        start INTEGER NOT NULL, verdict TEXT NOT NULL, run TEXT NOT NULL,
        UNIQUE (scraper, site, run_id));
    CREATE INDEX run_start ON run (start);
    -- What happened to alerts: transitions, notices with their evidence, actions.
    CREATE TABLE alert_entry (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, rule TEXT NOT NULL, entry TEXT NOT NULL);
    CREATE INDEX alert_entry_at ON alert_entry (at);
    -- Changes of health checks.
    CREATE TABLE health_change (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, name TEXT NOT NULL, change TEXT NOT NULL);
    CREATE INDEX health_change_at ON health_change (at);
    -- Everything that has one value: the state of alerts and notices, of health checks.
    CREATE TABLE state (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
";

/// The version of the tables that this program works with.
pub(super) fn version() -> i32 {
    MIGRATIONS.len() as i32
}

/// The version of a database; 0 when it is empty.
pub(super) fn version_of(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a database to the version of this program, all steps in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let from = version_of(connection)?;
    let transaction = connection.transaction()?;
    for step in MIGRATIONS.iter().skip(from.max(0) as usize) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version())?;
    transaction.commit()
}
