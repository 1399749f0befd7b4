//! Converts counters to the totals of a scope.

use std::collections::BTreeMap;

use dragline_rollup::{Counters, Known, Latency, RunRow};

use crate::model::{ResponseTime, Totals};

/// Counters of a scope, and which of them are known.
#[derive(Default)]
pub(crate) struct Sum {
    counts: BTreeMap<&'static str, u64>,
    status_codes: BTreeMap<String, u64>,
    levels: BTreeMap<String, u64>,
    known: Known,
    /// Items of the runs that also log what they found.
    items_of_found: u64,
    runs: Option<u64>,
    minutes: f64,
}

impl Sum {
    /// Adds up runs and the events outside of runs.
    pub(crate) fn of_runs<'r>(rows: impl IntoIterator<Item = &'r RunRow>) -> Self {
        let mut sum = Self {
            runs: Some(0),
            ..Self::default()
        };
        for row in rows {
            for counter in dragline_analytics::COUNTERS {
                sum.add(counter.name, (counter.read)(&row.counters));
            }
            sum.add_maps(&row.counters);
            sum.know(row);
            sum.add_yield(row, &row.counters);
            // The duration of a part of a run is unknown, so that rates are unknown, too.
            sum.minutes += match row.duration_seconds {
                Some(_) if row.is_partial => f64::NAN,
                seconds => seconds.unwrap_or(0.0) / 60.0,
            };
            if let Some(runs) = &mut sum.runs {
                *runs += u64::from(row.key.is_run());
            }
        }
        sum
    }

    /// Adds to a counter; of maxima, the larger is kept.
    pub(crate) fn add(&mut self, name: &'static str, count: u64) {
        let held = self.counts.entry(name).or_default();
        *held = if name.contains("_max_") {
            (*held).max(count)
        } else {
            *held + count
        };
    }

    pub(crate) fn add_maps(&mut self, counters: &Counters) {
        for (status, count) in counters.status_codes.iter() {
            *self.status_codes.entry(status.to_string()).or_default() += count;
        }
        for (level, count) in counters.levels.iter() {
            *self.levels.entry(level.to_string()).or_default() += count;
        }
    }

    /// Counts items for the yield if the run logs what it found.
    pub(crate) fn add_yield(&mut self, row: &RunRow, counters: &Counters) {
        if row.known.found {
            self.items_of_found += counters.items();
        }
    }

    /// A counter is known for the scope if it is known for one of its parts.
    pub(crate) fn know(&mut self, row: &RunRow) {
        self.known.requests |= row.known.requests;
        self.known.items |= row.known.items;
        self.known.found |= row.known.found;
        self.known.bytes |= row.known.bytes;
    }

    fn get(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Returns the totals.
    pub(crate) fn totals(&self, latency: &Latency) -> Totals {
        let known = |known: bool, name: &str| known.then(|| self.get(name));
        let requests = known(self.known.requests, "requests");
        let items = known(self.known.items, "items");
        let found = known(self.known.found, "items_found");
        let failed = self.get("requests_failed");
        let alone = self.get("requests_failed_alone");
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let per_minute = |count: Option<u64>| {
            // Rates over less than a minute are meaningless.
            count
                .filter(|_| self.minutes >= 1.0)
                .map(|n| n as f64 / self.minutes)
        };
        Totals {
            runs: self.runs,
            requests,
            requests_failed: requests
                .filter(|n| *n == 0 || *n > self.get("requests_unjudged"))
                .map(|_| failed)
                .or(Some(0).filter(|_| alone > 0))
                .map(|failed| failed + alone),
            success_rate: requests.and_then(|n| {
                let judged = n.saturating_sub(self.get("requests_unjudged"));
                ratio(judged.saturating_sub(failed), judged)
            }),
            items,
            items_found: found,
            items_failed: known(
                self.known.items || self.get("items_failed") > 0,
                "items_failed",
            ),
            item_yield: found.and_then(|found| ratio(self.items_of_found, found)),
            errors: self.get("errors"),
            warnings: self.get("warnings"),
            rate_limits: self.get("rate_limits"),
            bytes: known(self.known.bytes, "bytes"),
            requests_per_minute: per_minute(requests),
            items_per_minute: per_minute(items),
            response_time_ms: self.response_time(latency),
            status_codes: self.status_codes.clone(),
            levels: self.levels.clone(),
        }
    }

    fn response_time(&self, latency: &Latency) -> Option<ResponseTime> {
        let count = self.get("response_count");
        let max = self.get("response_max_micros") as f64 / 1000.0;
        // A sketch may exceed the largest value by its relative error.
        let quantile = |q| latency.quantile(q).map(|value: f64| value.min(max));
        Some(ResponseTime {
            count,
            mean: (count > 0)
                .then(|| self.get("response_micros") as f64 / 1000.0 / count as f64)?,
            p50: quantile(0.5)?,
            p95: quantile(0.95)?,
            p99: quantile(0.99)?,
            max,
        })
    }
}
