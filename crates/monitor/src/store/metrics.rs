//! Measurements at three resolutions: minutes, hours and days.

use std::time::Duration;

use dragline_metrics::{Delta, Store as Windows, Timestamp};
use rusqlite::{OptionalExtension as _, Transaction};

use super::{Result, Store, blob};

/// A resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Minutes; a record for each hour.
    Raw,
    /// Hours; a record for each day.
    Hours,
    /// Days; a record for 28 days.
    Days,
}

/// Width of the finest slots.
pub(super) const RAW_SECONDS: u32 = 60;

impl Level {
    /// All of them, the finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Hours, Self::Days];

    /// The number in the database.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Raw => 0,
            Self::Hours => 1,
            Self::Days => 2,
        }
    }

    /// The width of a slot, in seconds.
    pub fn slot(self) -> u32 {
        match self {
            Self::Raw => RAW_SECONDS,
            Self::Hours => 3600,
            Self::Days => 86_400,
        }
    }

    /// The period of a record, in seconds.
    pub fn record(self) -> u32 {
        match self {
            Self::Raw => 3600,
            Self::Hours => 86_400,
            Self::Days => 28 * 86_400,
        }
    }
}

impl Store {
    /// Adds the stored measurements of a period to a store of windows.
    ///
    /// # Errors
    /// If they cannot be read within `limit`.
    pub fn load_metrics(
        &self,
        level: Level,
        from: Timestamp,
        to: Timestamp,
        limit: Duration,
        into: &mut Windows,
    ) -> Result<()> {
        self.each_delta(level, from, to, limit, |delta| into.merge(&delta))
    }

    /// The stored measurements of a period, oldest first; records that lie partly in it are included whole. Those in the
    /// journal come last; with [`Level::Raw`] all of them.
    ///
    /// # Errors
    /// If they cannot be read within `limit`.
    pub fn deltas(
        &self,
        level: Level,
        from: Timestamp,
        to: Timestamp,
        limit: Duration,
    ) -> Result<Vec<Delta>> {
        let mut deltas = Vec::new();
        self.each_delta(level, from, to, limit, |delta| deltas.push(delta))?;
        Ok(deltas)
    }

    fn each_delta(
        &self,
        level: Level,
        from: Timestamp,
        to: Timestamp,
        limit: Duration,
        mut take: impl FnMut(Delta),
    ) -> Result<()> {
        self.read(limit, |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let sql = "SELECT delta FROM metric WHERE level = ?1 AND start > ?2 AND start < ?3 ORDER BY start";
            let mut statement = snapshot.prepare_cached(sql)?;
            let earliest = from.as_seconds() - i64::from(level.record());
            let mut rows = statement.query((level.number(), earliest, to.as_seconds()))?;
            while let Some(row) = rows.next()? {
                take(blob::decode("metric", row.get_ref(0)?.as_blob().unwrap_or_default())?);
            }
            // What was measured since the last consolidation, also long ago: logs of weeks are read at the first start.
            super::days::each_journal_delta(&snapshot, |delta| {
                if level == Level::Raw {
                    return take(delta);
                }
                let parts = delta.split(level.record(), level.slot()).into_iter();
                let is_in = |start: i64| start > earliest && start < to.as_seconds();
                let own = parts.filter(|(start, _)| is_in(*start));
                own.for_each(|(_, part)| take(part));
            })
        })
    }
}

/// Adds measurements to the records of all resolutions.
pub(super) fn add(transaction: &Transaction<'_>, measured: &Delta) -> Result<()> {
    for level in Level::ALL {
        for (start, mut delta) in measured.split(level.record(), level.slot()) {
            let sql = "SELECT delta FROM metric WHERE level = ?1 AND start = ?2";
            let mut statement = transaction.prepare_cached(sql)?;
            let key = (level.number(), start);
            let held: Option<Vec<u8>> = statement.query_row(key, |row| row.get(0)).optional()?;
            if let Some(held) = held {
                delta.merge(&blob::decode("metric", &held)?);
            }
            let sql = "INSERT INTO metric (level, start, delta) VALUES (?1, ?2, ?3)
                       ON CONFLICT (level, start) DO UPDATE SET delta = excluded.delta";
            let packed = blob::encode("metric", &delta, blob::FAST)?;
            let mut statement = transaction.prepare_cached(sql)?;
            statement.execute((level.number(), start, packed))?;
        }
    }
    Ok(())
}
