//! The activity of each scraper on each site, split into units.
//!
//! A unit is a run, because that is what a scraper's author compares. If runs take many hours, or no line
//! names a run, a unit is an hour.

use std::collections::BTreeMap;

use dragline_rollup::{ActivityRow, Counters, Finished, Known, Latency, RunRow, Verdict};
use dragline_schema::Timestamp;

use crate::names::{Name, by_scraper};
use crate::stats::median;

/// A day, in microseconds.
pub const DAY: i64 = 86_400_000_000;
pub(crate) const MINUTE: i64 = 60_000_000;
/// An hour, in microseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// Runs that usually take longer than this, in seconds, are analysed by the hour.
const LONG: f64 = 4.0 * 3600.0;
/// After this long without a line, a run whose log marks no ends is over, in microseconds.
const QUIET: i64 = 10 * MINUTE;

/// A run, or an hour.
#[derive(Debug, Default)]
pub(crate) struct Unit<'f> {
    /// The run's index in [`Finished::runs`]; `None` for an hour.
    pub(crate) run: Option<usize>,
    /// The start, in microseconds since 1970-01-01.
    pub(crate) start: i64,
    /// The time of the last activity.
    pub(crate) end: i64,
    /// Whether the unit is complete, so that its totals can be compared.
    pub(crate) is_whole: bool,
    /// Whether it is a run that is still running, or an hour that is not over.
    pub(crate) is_running: bool,
    pub(crate) counters: Counters,
    pub(crate) known: Known,
    /// The median and the 95th percentile of response times, in milliseconds.
    pub(crate) response_ms: Option<(f64, f64)>,
    pub(crate) duration_seconds: Option<f64>,
    /// The custom statistics of the run, by name.
    pub(crate) own: Option<&'f BTreeMap<String, f64>>,
    /// The number of items that lack each field.
    pub(crate) lacking: BTreeMap<&'f str, u64>,
    /// The number of warnings of each template.
    pub(crate) warned: BTreeMap<&'f str, u64>,
    /// The queue's length at the end of the unit.
    pub(crate) queue_left: Option<u64>,
    /// The unit's buckets, in order of time.
    pub(crate) buckets: Vec<(i64, &'f Counters)>,
}

/// A scraper on a site.
#[derive(Debug)]
pub(crate) struct Series<'f> {
    pub(crate) name: Name,
    /// The width of the buckets, in microseconds.
    pub(crate) width: i64,
    /// The units, in order of time.
    pub(crate) units: Vec<Unit<'f>>,
}

/// The series of all scrapers, limited to what started before `end`.
pub(crate) fn all(everything: &Finished, end: Option<Timestamp>) -> Vec<Series<'_>> {
    let mut buckets: Vec<Vec<&ActivityRow>> = vec![Vec::new(); everything.runs.len()];
    for row in &everything.activity {
        if end.is_none_or(|end| row.start < end.as_micros()) {
            buckets[row.run].push(row);
        }
    }
    let mut latency: BTreeMap<usize, BTreeMap<i64, &Latency>> = BTreeMap::new();
    for ((hour, run), sketch) in &everything.latency {
        latency.entry(*run).or_default().insert(*hour, sketch);
    }
    let source = Source {
        everything,
        end,
        buckets,
        latency,
    };
    by_scraper(everything)
        .into_iter()
        .map(|(name, rows)| Series {
            width: everything.bucket_micros,
            units: source.units(&rows),
            name,
        })
        .collect()
}

struct Source<'f> {
    everything: &'f Finished,
    end: Option<Timestamp>,
    /// The activity buckets of each run.
    buckets: Vec<Vec<&'f ActivityRow>>,
    latency: BTreeMap<usize, BTreeMap<i64, &'f Latency>>,
}

impl<'f> Source<'f> {
    fn units(&self, rows: &[usize]) -> Vec<Unit<'f>> {
        let is_run = |run: &&usize| {
            let row = &self.everything.runs[**run];
            row.key.is_run() && (self.end.is_none() || row.start.min(row.last_seen) < self.end)
        };
        let runs: Vec<usize> = rows.iter().filter(is_run).copied().collect();
        let durations: Vec<f64> = runs
            .iter()
            .filter_map(|run| self.everything.runs[*run].duration_seconds)
            .collect();
        if !runs.is_empty() && median(&durations).is_none_or(|usual| usual <= LONG) {
            runs.into_iter().map(|run| self.of_run(run)).collect()
        } else {
            self.hours(rows)
        }
    }

    fn of_run(&self, run: usize) -> Unit<'f> {
        let row = &self.everything.runs[run];
        let buckets = &self.buckets[run];
        let micros = |at: Timestamp| at.as_micros();
        let first = buckets.first().map_or(0, |row| row.start);
        let start = row.start.map_or(first, micros);
        let is_cut = self.end.is_some_and(|end| row.last_seen >= Some(end));
        let ended = row
            .verdict
            .is_none_or(|verdict| verdict == Verdict::Finished);
        let mut sketch = Latency::default();
        for part in self
            .latency
            .get(&run)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            sketch.merge(part);
        }
        Unit {
            run: Some(run),
            start,
            end: row.last_seen.map_or(start, micros),
            is_whole: ended && !is_cut,
            is_running: self.is_running(row),
            counters: row.counters.clone(),
            known: row.known,
            response_ms: sketch.quantile(0.5).zip(sketch.quantile(0.95)),
            duration_seconds: row.duration_seconds,
            own: Some(&row.stats),
            lacking: lacking(row),
            warned: warned(row),
            // Where the clock jumped, the last length by time need not be the last one.
            queue_left: row.queue_left.filter(|_| row.skewed == 0),
            buckets: buckets
                .iter()
                .map(|row| (row.start, &row.counters))
                .collect(),
        }
    }

    /// Whether a run may go on. Of one whose log marks no ends, its last line tells.
    fn is_running(&self, row: &RunRow) -> bool {
        match row.verdict {
            Some(verdict) => verdict == Verdict::Running,
            None => self.is_ahead(row.last_seen.map(|last| last.as_micros() + QUIET)),
        }
    }

    /// Whether the analysis ends before a time.
    fn is_ahead(&self, time: Option<i64>) -> bool {
        let end = self.end.map(Timestamp::as_micros);
        end.zip(time).is_some_and(|(end, time)| end < time)
    }

    fn hours(&self, rows: &[usize]) -> Vec<Unit<'f>> {
        let width = self.everything.bucket_micros.max(HOUR);
        let mut hours: BTreeMap<i64, Unit<'f>> = BTreeMap::new();
        for run in rows {
            let row = &self.everything.runs[*run];
            for bucket in &self.buckets[*run] {
                let start = bucket.start.div_euclid(width) * width;
                let unit = hours.entry(start).or_insert_with(|| Unit {
                    start,
                    end: start + width,
                    is_whole: true,
                    ..Unit::default()
                });
                unit.counters.merge(&bucket.counters);
                unit.known.requests |= row.known.requests;
                unit.known.items |= row.known.items;
                unit.known.found |= row.known.found;
                unit.known.bytes |= row.known.bytes;
                unit.buckets.push((bucket.start, &bucket.counters));
            }
        }
        let mut sketches: BTreeMap<i64, Latency> = BTreeMap::new();
        for (at, sketch) in rows
            .iter()
            .filter_map(|run| self.latency.get(run))
            .flatten()
        {
            let hour = at.div_euclid(width) * width;
            sketches.entry(hour).or_default().merge(sketch);
        }
        for (start, unit) in &mut hours {
            unit.buckets.sort_by_key(|(start, _)| *start);
            let sketch = sketches.get(start);
            unit.response_ms = sketch.and_then(|s| s.quantile(0.5).zip(s.quantile(0.95)));
        }
        // The first and the last hour may be incomplete.
        let mut units: Vec<Unit<'f>> = hours.into_values().collect();
        if let Some(first) = units.first_mut() {
            first.is_whole = false;
        }
        if let Some(last) = units.last_mut() {
            last.is_whole = false;
            last.is_running = self.is_ahead(Some(last.end));
        }
        units
    }
}

fn lacking(row: &RunRow) -> BTreeMap<&str, u64> {
    let fields = row.sections.fields.0.iter();
    fields
        .map(|(field, count)| (field.as_str(), *count))
        .collect()
}

fn warned(row: &RunRow) -> BTreeMap<&str, u64> {
    let templates = row.sections.warnings.0.iter();
    templates
        .map(|(template, warned)| (template.as_str(), warned.count))
        .collect()
}

/// The day of the week of a time; Monday is 0.
pub fn weekday(micros: i64) -> i64 {
    // 1970-01-01 was a Thursday.
    (micros.div_euclid(DAY) + 3).rem_euclid(7)
}

/// The hour of the day of a time.
pub fn hour(micros: i64) -> i64 {
    micros.rem_euclid(DAY) / HOUR
}
