//! Runs: what is known of each, also when its logs and its days are gone.

use std::time::Duration;

use dragline_schema::{RunKey, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Result, Store, StoreError};

/// How long a question about runs may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRun {
    /// What identifies it.
    pub key: RunKey,
    /// When it started; the time of its first line if no start was logged.
    pub start: Option<Timestamp>,
    /// When it ended; `None` if no end was logged.
    pub end: Option<Timestamp>,
    /// The time of its last line.
    pub last_seen: Option<Timestamp>,
    /// Seconds from the start to the end or to the last line.
    pub duration_seconds: Option<f64>,
    /// How it ended: `finished`, `failed`, `killed`, …; `None` if its logs have no end-of-run line.
    pub verdict: Option<String>,
    /// Why it ended, as it logged it.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// HTTP attempts; here and below `None` if unknown.
    pub requests: Option<u64>,
    /// HTTP attempts that failed.
    pub requests_failed: Option<u64>,
    /// Items stored.
    pub items: Option<u64>,
    /// Errors.
    pub errors: u64,
    /// Rate limits.
    pub rate_limits: u64,
    /// Bytes of responses.
    pub bytes: Option<u64>,
    /// Median and 95th percentile of its response times, in milliseconds.
    #[serde(default)]
    pub response_time_ms: Option<(f64, f64)>,
    /// The machine that it ran on.
    pub host: Option<String>,
}

/// Which runs are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFilter {
    /// Only those of this scraper.
    pub scraper: Option<String>,
    /// Only those on this site.
    pub site: Option<String>,
    /// Only those with this verdict.
    pub verdict: Option<String>,
    /// Only those that started at or after this time.
    pub since: Option<Timestamp>,
    /// Only those that started before this time.
    pub until: Option<Timestamp>,
}

impl Store {
    /// Adds runs, or replaces what was known of them.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn put_runs(&self, runs: Vec<StoredRun>) -> Result<()> {
        self.write(move |transaction| {
            let sql = "INSERT INTO run (scraper, site, run_id, start, verdict, run) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                       ON CONFLICT (scraper, site, run_id) DO UPDATE
                       SET start = excluded.start, verdict = excluded.verdict, run = excluded.run";
            let mut statement = transaction.prepare_cached(sql)?;
            for run in &runs {
                let json = serde_json::to_string(run).map_err(|error| StoreError::value("run", error))?;
                let name = |name: &Option<String>| name.clone().unwrap_or_default();
                let key = &run.key;
                let start = run.start.map_or(0, Timestamp::as_micros);
                let verdict = name(&run.verdict);
                statement.execute((name(&key.scraper_id), name(&key.site), name(&key.run_id), start, verdict, json))?;
            }
            Ok(())
        })
    }

    /// Runs that match, the latest start first, and the number of all that match.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn runs(
        &self,
        filter: &RunFilter,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<StoredRun>, u64)> {
        let wanted = "(?1 IS NULL OR scraper = ?1) AND (?2 IS NULL OR site = ?2) AND (?3 IS NULL OR verdict = ?3)
                      AND start >= ?4 AND start < ?5";
        let micros = |time: Option<Timestamp>, other: i64| time.map_or(other, Timestamp::as_micros);
        let since = micros(filter.since, i64::MIN);
        let until = micros(filter.until, i64::MAX);
        self.read(LIMIT, |connection| {
            let names = (&filter.scraper, &filter.site, &filter.verdict, since, until);
            let sql = format!("SELECT count(*) FROM run WHERE {wanted}");
            let count: i64 = connection
                .prepare_cached(&sql)?
                .query_row(names, |row| row.get(0))?;
            let sql = format!(
                "SELECT run FROM run WHERE {wanted} ORDER BY start DESC, id DESC LIMIT ?6 OFFSET ?7"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let page = (
                names.0,
                names.1,
                names.2,
                since,
                until,
                limit as i64,
                offset as i64,
            );
            let rows = statement.query_map(page, |row| row.get::<_, String>(0))?;
            let runs = rows.map(|row| read(&row?)).collect::<Result<_>>()?;
            Ok((runs, count as u64))
        })
    }

    /// A run; `None` if it is unknown.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn run(&self, key: &RunKey) -> Result<Option<StoredRun>> {
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        let names = (name(&key.scraper_id), name(&key.site), name(&key.run_id));
        self.read(LIMIT, |connection| {
            let sql = "SELECT run FROM run WHERE scraper = ?1 AND site = ?2 AND run_id = ?3";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query_map(names, |row| row.get::<_, String>(0))?;
            rows.next().map(|row| read(&row?)).transpose()
        })
    }
}

fn read(json: &str) -> Result<StoredRun> {
    serde_json::from_str(json).map_err(|error| StoreError::value("run", error))
}
