//! What is dropped, and when.

use dragline_schema::Timestamp;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};

use super::metrics::Level;
use super::{Result, Store};

/// How long is kept what, in days, and how large the database may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Measurements by the minute.
    pub raw: u32,
    /// Measurements by the hour, and what happened to alerts and checks.
    pub hours: u32,
    /// Counts by day, measurements by the day, runs.
    pub days: u32,
    /// Maximum size of the database, in bytes. Beyond it the oldest days are dropped first.
    pub max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            raw: 7,
            hours: 90,
            days: 400,
            max_bytes: 2 << 30,
        }
    }
}

/// What one round of retention left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Number of records that were dropped.
    pub dropped: usize,
    /// Bytes of the database afterwards.
    pub bytes: u64,
    /// Whether days within the retention had to be dropped for the size.
    pub is_over_budget: bool,
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Number of days that are always kept, however large they are.
const LEAST_DAYS: i64 = 2;

impl Store {
    /// Drops what is older than the retention, and the oldest days while the database is too large.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn retain(&self, retention: Retention, now: Timestamp) -> Result<Kept> {
        let mut dropped = self.write(move |transaction| drop_old(transaction, retention, now))?;
        let today = now.as_micros().div_euclid(DAY);
        let mut is_over_budget = false;
        loop {
            self.give_back()?;
            let bytes = self.used()?;
            if bytes <= retention.max_bytes {
                break;
            }
            let count = self.write(move |transaction| drop_oldest_day(transaction, today))?;
            if count == 0 {
                break;
            }
            (dropped, is_over_budget) = (dropped + count, true);
        }
        Ok(Kept {
            dropped,
            bytes: self.bytes(),
            is_over_budget,
        })
    }

    /// Gives pages that are no longer needed back to the file system.
    fn give_back(&self) -> Result<()> {
        self.maintain(|connection| {
            connection
                .execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")?;
            Ok(())
        })
    }

    /// Bytes in use, without free pages.
    fn used(&self) -> Result<u64> {
        self.maintain(|connection| {
            let number = |name: &str| {
                connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            };
            let pages = number("page_count")? - number("freelist_count")?;
            Ok((pages * number("page_size")?) as u64)
        })
    }
}

fn drop_old(transaction: &Transaction<'_>, retention: Retention, now: Timestamp) -> Result<usize> {
    let before = |days: u32| now.plus_micros(-i64::from(days) * DAY);
    let mut dropped = 0;
    let levels = [retention.raw, retention.hours, retention.days];
    for (level, days) in Level::ALL.into_iter().zip(levels) {
        let sql = "DELETE FROM metric WHERE level = ?1 AND start < ?2";
        // A record goes when all of it is too old.
        let start = before(days).as_seconds() - 28 * 86_400 * i64::from(level == Level::Days);
        dropped += transaction.execute(sql, (level.number(), start))?;
    }
    let day = before(retention.days).as_micros().div_euclid(DAY);
    // Day 0 holds the records without a time.
    dropped += transaction.execute("DELETE FROM day WHERE day < ?1 AND day > 0", [day])?;
    let oldest = before(retention.days).as_micros();
    dropped += transaction.execute("DELETE FROM run WHERE start < ?1", [oldest])?;
    let oldest = before(retention.hours).as_micros();
    dropped += transaction.execute("DELETE FROM alert_entry WHERE at < ?1", [oldest])?;
    dropped += transaction.execute("DELETE FROM health_change WHERE at < ?1", [oldest])?;
    Ok(dropped)
}

fn drop_oldest_day(transaction: &Transaction<'_>, today: i64) -> Result<usize> {
    let sql = "SELECT min(day) FROM day WHERE day > 0";
    let oldest: Option<i64> = transaction.query_row(sql, [], |row| row.get(0))?;
    let Some(oldest) = oldest.filter(|day| *day <= today - LEAST_DAYS) else {
        return Ok(0);
    };
    let days = transaction.execute("DELETE FROM day WHERE day = ?1", [oldest])?;
    let end = (oldest + 1) * 86_400;
    let metrics = transaction.execute(
        "DELETE FROM metric WHERE start < ?1 AND level < ?2",
        (end, Level::Days.number()),
    )?;
    Ok(days + metrics)
}
