//! Time breakdown and failed work.

use dragline_rollup::{Counters, RunRow};
use dragline_schema::Timestamp;

use crate::model::{Gap, TimeBudget, Waste};
use dragline_insights::stats::median;

const MICROS: f64 = 1e6;

/// Returns the time breakdown of runs; `None` if the logs do not show it, or if a filter selects only part of
/// a run.
pub(super) fn time_budget<'r>(rows: impl IntoIterator<Item = &'r RunRow>) -> Option<TimeBudget> {
    let mut counters = Counters::default();
    let (mut run_seconds, mut operations) = (0.0, 0);
    for row in rows.into_iter().filter(|row| row.key.is_run()) {
        if row.is_partial {
            return None;
        }
        run_seconds += row.duration_seconds.unwrap_or(0.0);
        operations += row.sections.database.duration.count;
        counters.merge(&row.counters);
    }
    let seconds = |is_logged: bool, micros: u64| is_logged.then_some(micros as f64 / MICROS);
    let spread = &counters.response_time;
    let parts = [
        ("fetching", seconds(spread.count > 0, spread.sum)),
        (
            "waiting",
            seconds(counters.waited_micros > 0, counters.waited_micros),
        ),
        (
            "processing",
            seconds(counters.processing_micros > 0, counters.processing_micros),
        ),
        (
            "database",
            seconds(operations > 0, counters.database_micros),
        ),
    ];
    let known = || {
        parts
            .iter()
            .filter_map(|(name, part)| Some((*name, (*part)?)))
    };
    let (most, _) = known().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let whole: f64 = known().map(|(_, part)| part).sum();
    let [fetching, waiting, processing, database] = parts.map(|(_, part)| part);
    (run_seconds > 0.0).then(|| TimeBudget {
        run_seconds,
        fetching_seconds: fetching,
        waiting_seconds: waiting,
        processing_seconds: processing,
        database_seconds: database,
        parallel_requests: fetching.map(|seconds| seconds / run_seconds),
        most: if whole * 2.0 < run_seconds {
            "other"
        } else {
            most
        }
        .to_owned(),
    })
}

/// Returns the shares of failed work; `None` if no request has a known outcome.
pub(super) fn waste<'r>(rows: impl IntoIterator<Item = &'r RunRow>) -> Option<Waste> {
    let mut counters = Counters::default();
    let (mut bytes, mut failed_bytes) = (0u64, 0u64);
    for row in rows {
        counters.merge(&row.counters);
        // Statistics contain the bytes of all responses, and lines at most those of some.
        if row.known.bytes && row.counted_by != "statistics" {
            bytes = bytes.saturating_add(row.counters.bytes);
            failed_bytes = failed_bytes.saturating_add(row.counters.failed_bytes);
        }
    }
    let judged = counters.requests.saturating_sub(counters.requests_unjudged);
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let wanted = counters.requests.saturating_sub(counters.retries).max(1);
    Some(Waste {
        requests_share: share(counters.requests_failed, judged)?,
        bytes_share: share(failed_bytes, bytes),
        seconds_share: share(counters.failed_micros, counters.response_time.sum),
        amplification: counters.requests as f64 / wanted as f64,
    })
}

/// Returns the intervals between the starts of runs; `None` with fewer than two runs.
pub(super) fn gap<'r>(rows: impl IntoIterator<Item = &'r RunRow>) -> Option<Gap> {
    let runs = rows.into_iter().filter(|row| row.key.is_run());
    let mut starts: Vec<i64> = runs
        .filter_map(|row| row.start)
        .map(Timestamp::as_micros)
        .collect();
    starts.sort_unstable();
    let gaps: Vec<f64> = starts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64 / MICROS)
        .collect();
    Some(Gap {
        median_seconds: median(&gaps)?,
        mean_seconds: gaps.iter().sum::<f64>() / gaps.len() as f64,
    })
}
