//! What happened to alerts and checks, one row each.

use std::time::Duration;

use dragline_alerting::history::Entry;
use dragline_schema::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{Result, Store, StoreError, state};

/// How long a question about the history may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The name of the state of alerts and notices.
const STATE: &str = "alerts";

/// An entry of the history of alerts, with its number.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertEntry {
    /// Rising with time.
    pub id: i64,
    /// What happened.
    pub entry: Entry,
}

/// A change of a health check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthChange {
    /// The check.
    pub name: String,
    /// What changed.
    pub change: dragline_health::Change,
}

impl Store {
    /// Stores the state of alerts and what happened since the last time, all or nothing.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn put_alerts(&self, json: String, entries: Vec<Entry>) -> Result<()> {
        self.write(move |transaction| {
            state::write(transaction, STATE, json.as_bytes())?;
            let sql = "INSERT INTO alert_entry (at, rule, entry) VALUES (?1, ?2, ?3)";
            let mut statement = transaction.prepare_cached(sql)?;
            for entry in &entries {
                let json = serde_json::to_string(entry)
                    .map_err(|error| StoreError::value("alert", error))?;
                statement.execute((entry.at().as_micros(), rule_of(entry), json))?;
            }
            Ok(())
        })
    }

    /// The state of alerts; `None` before it was first stored.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn alerts(&self) -> Result<Option<String>> {
        let bytes = self.state(STATE)?;
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|error| StoreError::value("alert state", error))
    }

    /// What happened to alerts since a time, the latest first, and the number of all such entries. With a rule, only
    /// its transitions.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn alert_history(
        &self,
        since: Timestamp,
        rule: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<AlertEntry>, u64)> {
        self.read(LIMIT, |connection| {
            let count = count(connection, since, rule)?;
            let sql =
                "SELECT id, entry FROM alert_entry WHERE at >= ?1 AND (?2 IS NULL OR rule = ?2)
                       ORDER BY id DESC LIMIT ?3 OFFSET ?4";
            let mut statement = connection.prepare_cached(sql)?;
            let page = (since.as_micros(), rule, limit as i64, offset as i64);
            let rows = statement.query_map(page, |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })?;
            let read = |row: rusqlite::Result<(i64, String)>| {
                let (id, json) = row?;
                let entry = serde_json::from_str(&json)
                    .map_err(|error| StoreError::value("alert", error))?;
                Ok(AlertEntry { id, entry })
            };
            let entries = rows.map(read).collect::<Result<_>>()?;
            Ok((entries, count))
        })
    }

    /// Stores changes of health checks.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn put_health(&self, memory: Vec<u8>, changes: Vec<HealthChange>) -> Result<()> {
        self.write(move |transaction| {
            state::write(transaction, "health", &memory)?;
            let sql = "INSERT INTO health_change (at, name, change) VALUES (?1, ?2, ?3)";
            let mut statement = transaction.prepare_cached(sql)?;
            for change in &changes {
                let json = serde_json::to_string(&change.change);
                let json = json.map_err(|error| StoreError::value("health change", error))?;
                statement.execute((change.change.at.as_micros(), &change.name, json))?;
            }
            Ok(())
        })
    }
}

fn count(connection: &Connection, since: Timestamp, rule: Option<&str>) -> Result<u64> {
    let sql = "SELECT count(*) FROM alert_entry WHERE at >= ?1 AND (?2 IS NULL OR rule = ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    let count: i64 = statement.query_row((since.as_micros(), rule), |row| row.get(0))?;
    Ok(count as u64)
}

/// The rule of a transition; other entries belong to none or several.
fn rule_of(entry: &Entry) -> &str {
    match entry {
        Entry::Transition { alert, .. } => &alert.rule,
        Entry::Notice { .. } | Entry::Action { .. } => "",
    }
}
