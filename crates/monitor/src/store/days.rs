//! What was counted: a journal of commits, consolidated into one record for each scraper, site and day.
//!
//! A commit stores what was counted since the last one, and up to where the logs were read, in one transaction. So
//! after a crash, reading goes on exactly where the counts end. Rollups merge in any order and grouping; the journal
//! is therefore only a matter of cost: a commit writes one row, and consolidation once a minute reads and writes the
//! records that changed.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_ingest::Checkpoint;
use dragline_metrics::Delta;
use dragline_rollup::Rollup;
use rusqlite::{OptionalExtension as _, Transaction};
use serde::{Deserialize, Serialize};

use super::{Result, Store, StoreError, blob, metrics};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Number of bytes of the journal that are consolidated at a time, compressed: it bounds the memory for it.
const BYTES: usize = 4 << 20;

/// What one record of the database is about. An empty name is an unknown one: the rollup knows the difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartKey {
    /// Days since 1970-01-01 UTC; that of records without a time is 0.
    pub day: i64,
    /// The scraper, as the lines name it.
    pub scraper: String,
    /// The site, as the lines name it.
    pub site: String,
}

/// Everything that was counted between two commits.
#[derive(Debug)]
pub struct Batch {
    /// The counts, by day, scraper and site.
    pub parts: Vec<(PartKey, Rollup)>,
    /// The measurements.
    pub metrics: Delta,
    /// What the live view remembers of active runs, as JSON.
    pub live: Vec<u8>,
    /// Up to where the logs were read.
    pub checkpoint: Checkpoint,
}

/// One row of the journal.
#[derive(Serialize, Deserialize)]
struct Entry {
    parts: Vec<(PartKey, Vec<u8>)>,
    metrics: Vec<u8>,
}

/// The name of the live view among the states.
const LIVE: &str = "live";

impl Store {
    /// Stores a batch and its checkpoint, all or nothing.
    ///
    /// # Errors
    /// If the database cannot be written; the caller keeps the batch.
    pub fn begin_commit(
        &self,
        batch: std::sync::Arc<std::sync::Mutex<Batch>>,
    ) -> Result<std::sync::mpsc::Receiver<Result<()>>> {
        self.begin(move |transaction| {
            let mut batch = batch
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            append(transaction, &mut batch)
        })
    }

    /// Up to where the logs were read; `None` before the first commit.
    ///
    /// # Errors
    /// If it cannot be read. To begin anew would count everything twice.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        self.read(Duration::from_mins(1), |connection| {
            let sql = "SELECT value FROM checkpoint WHERE id = 1";
            let held: Option<Vec<u8>> =
                connection.query_row(sql, [], |row| row.get(0)).optional()?;
            let Some(bytes) = held else { return Ok(None) };
            let json = blob::unpack("checkpoint", &bytes)?;
            let read = serde_json::from_slice(&json);
            read.map(Some)
                .map_err(|error| StoreError::value("checkpoint", error))
        })
    }

    /// The live view of the last commit.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn live(&self) -> Result<Option<Vec<u8>>> {
        self.state(LIVE)
    }

    /// Moves the journal into the records of the days. Returns the number of records that were written.
    ///
    /// # Errors
    /// If the database cannot be read or written; the journal then stays.
    pub fn consolidate(&self) -> Result<usize> {
        let mut written = 0;
        loop {
            let (rows, records) = self.write(consolidate)?;
            written += records;
            if rows == 0 {
                return Ok(written);
            }
        }
    }

    /// Everything that was counted from a day on (days since 1970-01-01 UTC), in one rollup. Records without a time
    /// are included.
    ///
    /// # Errors
    /// If it cannot be read within `limit`.
    pub fn load(&self, from_day: i64, limit: Duration) -> Result<Rollup> {
        self.load_with(from_day, limit, |_, part| part)
    }

    /// The same, with what `change` makes of each part and its day; records without a time are of the day 0.
    ///
    /// # Errors
    /// If it cannot be read within `limit`.
    pub fn load_with(
        &self,
        from_day: i64,
        limit: Duration,
        change: impl Fn(i64, Rollup) -> Rollup,
    ) -> Result<Rollup> {
        self.read(limit, |connection| {
            // One transaction, so that no part is in both the journal and the days, or in neither.
            let snapshot = connection.unchecked_transaction()?;
            let mut whole = Rollup::default();
            let sql = "SELECT rollup, day FROM day WHERE day >= ?1 OR day = 0";
            let mut statement = snapshot.prepare_cached(sql)?;
            let mut rows = statement.query([from_day])?;
            while let Some(row) = rows.next()? {
                let part = recall(row.get_ref(0)?.as_blob().unwrap_or_default())?;
                whole.merge(change(row.get(1)?, part));
            }
            let mut statement = snapshot.prepare_cached("SELECT value FROM journal")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for (key, part) in read_entry(row.get_ref(0)?.as_blob().unwrap_or_default())?.parts
                {
                    if key.day >= from_day || key.day == 0 {
                        whole.merge(change(key.day, recall_plain(&part)?));
                    }
                }
            }
            Ok(whole)
        })
    }

    /// Number of records, and of bytes in them.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn day_records(&self) -> Result<(u64, u64)> {
        self.read(Duration::from_secs(10), |connection| {
            let sql = "SELECT count(*), coalesce(sum(length(rollup)), 0) FROM day";
            let count =
                |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
            let (records, bytes) = connection.query_row(sql, [], count)?;
            Ok((records as u64, bytes as u64))
        })
    }
}

impl PartKey {
    /// The key of a record.
    pub(crate) fn day_of(micros: Option<i64>) -> i64 {
        micros.map_or(0, |micros| micros.div_euclid(DAY))
    }
}

fn append(transaction: &Transaction<'_>, batch: &mut Batch) -> Result<()> {
    let mut parts = Vec::with_capacity(batch.parts.len());
    for (key, rollup) in &mut batch.parts {
        parts.push((key.clone(), record(rollup)?));
    }
    let metrics = rmp_serde::to_vec_named(&batch.metrics);
    let metrics = metrics.map_err(|error| StoreError::value("metric", error))?;
    if !parts.is_empty() || !batch.metrics.is_empty() {
        let entry = postcard::to_stdvec(&Entry { parts, metrics });
        let entry = entry.map_err(|error| StoreError::value("journal entry", error))?;
        let packed = blob::pack(&entry, blob::FAST)?;
        transaction
            .prepare_cached("INSERT INTO journal (value) VALUES (?1)")?
            .execute([packed])?;
    }
    let checkpoint = serde_json::to_vec(&batch.checkpoint);
    let checkpoint = checkpoint.map_err(|error| StoreError::value("checkpoint", error))?;
    let sql = "INSERT INTO checkpoint VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET value = excluded.value";
    transaction
        .prepare_cached(sql)?
        .execute([blob::pack(&checkpoint, blob::FAST)?])?;
    super::state::write(transaction, LIVE, &batch.live)
}

/// Moves the oldest rows of the journal. Returns the number of rows, and of records that were written.
fn consolidate(transaction: &Transaction<'_>) -> Result<(usize, usize)> {
    let mut parts = BTreeMap::<PartKey, Rollup>::new();
    let mut measured = Delta::new(metrics::RAW_SECONDS);
    let (mut count, mut bytes, mut last) = (0, 0, None);
    {
        let sql = "SELECT id, value FROM journal ORDER BY id";
        let mut statement = transaction.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while bytes < BYTES
            && let Some(row) = rows.next()?
        {
            last = Some(row.get::<_, i64>(0)?);
            count += 1;
            bytes += row.get_ref(1)?.as_blob().map_or(0, <[u8]>::len);
            let entry = read_entry(row.get_ref(1)?.as_blob().unwrap_or_default())?;
            for (key, part) in entry.parts {
                parts.entry(key).or_default().merge(recall_plain(&part)?);
            }
            let delta: Delta = rmp_serde::from_slice(&entry.metrics)
                .map_err(|error| StoreError::value("metric", error))?;
            measured.merge(&delta);
        }
    }
    let records = parts.len();
    for (key, mut rollup) in parts {
        let names = (key.day, &key.scraper, &key.site);
        let sql = "SELECT rollup FROM day WHERE day = ?1 AND scraper = ?2 AND site = ?3";
        let mut statement = transaction.prepare_cached(sql)?;
        let held: Option<Vec<u8>> = statement.query_row(names, |row| row.get(0)).optional()?;
        if let Some(held) = held {
            rollup.merge(recall(&held)?);
        }
        let sql = "INSERT INTO day (day, scraper, site, rollup) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (day, scraper, site) DO UPDATE SET rollup = excluded.rollup";
        let packed = blob::pack(&record(&mut rollup)?, blob::SMALL)?;
        let mut statement = transaction.prepare_cached(sql)?;
        statement.execute((key.day, &key.scraper, &key.site, packed))?;
    }
    metrics::add(transaction, &measured)?;
    transaction.execute("DELETE FROM journal WHERE id <= ?1", [last])?;
    Ok((count, records))
}

fn record(rollup: &mut Rollup) -> Result<Vec<u8>> {
    rollup
        .record()
        .map_err(|error| StoreError::value("rollup", error))
}

fn recall(packed: &[u8]) -> Result<Rollup> {
    recall_plain(&blob::unpack("rollup", packed)?)
}

fn recall_plain(bytes: &[u8]) -> Result<Rollup> {
    Rollup::recall(bytes).ok_or_else(|| StoreError::value("rollup", "it is damaged"))
}

/// The measurements in the journal.
pub(super) fn each_journal_delta(
    connection: &rusqlite::Connection,
    mut take: impl FnMut(Delta),
) -> Result<()> {
    let mut statement = connection.prepare_cached("SELECT value FROM journal ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let entry = read_entry(row.get_ref(0)?.as_blob().unwrap_or_default())?;
        let delta = rmp_serde::from_slice(&entry.metrics);
        take(delta.map_err(|error| StoreError::value("metric", error))?);
    }
    Ok(())
}

fn read_entry(packed: &[u8]) -> Result<Entry> {
    let bytes = blob::unpack("journal entry", packed)?;
    postcard::from_bytes(&bytes).map_err(|error| StoreError::value("journal entry", error))
}
