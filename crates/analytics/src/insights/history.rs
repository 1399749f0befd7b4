//! What is normal for a scraper on a site, learned from its own runs.

use std::collections::BTreeMap;

use dragline_rollup::{Finished, RunRow, Verdict};
use dragline_schema::Timestamp;

use super::ENOUGH_REQUESTS;
use crate::frames::blocked;
use crate::lookup::{Name, by_scraper};
use crate::model::{Baseline, Expected};
use crate::stats::Normal;

/// Fewer runs teach nothing.
const LEAST_RUNS: usize = 6;

/// A metric of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    Requests,
    SuccessRate,
    BlockedShare,
    Items,
    ItemsPer100Pages,
    DurationSeconds,
}

impl Metric {
    pub(crate) const ALL: [Self; 6] = [
        Self::Requests,
        Self::SuccessRate,
        Self::BlockedShare,
        Self::Items,
        Self::ItemsPer100Pages,
        Self::DurationSeconds,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::SuccessRate => "success_rate",
            Self::BlockedShare => "blocked_share",
            Self::Items => "items",
            Self::ItemsPer100Pages => "items_per_100_pages",
            Self::DurationSeconds => "duration_seconds",
        }
    }

    /// The metric of a run; `None` where the run cannot tell.
    pub(crate) fn of(self, row: &RunRow) -> Option<f64> {
        let counters = &row.counters;
        let enough = counters.requests >= ENOUGH_REQUESTS;
        let good = counters.requests.saturating_sub(counters.requests_failed);
        match self {
            Self::Requests => row.known.requests.then_some(counters.requests as f64),
            Self::Items => row.known.items.then(|| counters.items() as f64),
            Self::SuccessRate => enough.then(|| good as f64 / counters.requests as f64),
            Self::BlockedShare => {
                enough.then(|| blocked(counters) as f64 / counters.requests as f64)
            }
            Self::ItemsPer100Pages => (row.known.items && enough && good > 0)
                .then(|| counters.items() as f64 * 100.0 / good as f64),
            Self::DurationSeconds => row.duration_seconds,
        }
    }
}

/// A scraper's runs, oldest first, and what is normal for them.
#[derive(Debug)]
pub(crate) struct Scraper {
    pub(crate) name: Name,
    /// Places in [`Finished::runs`] of everything.
    pub(crate) runs: Vec<usize>,
    normal: BTreeMap<Metric, (Normal, usize)>,
}

impl Scraper {
    pub(crate) fn normal(&self, metric: Metric) -> Option<Normal> {
        self.normal.get(&metric).map(|(normal, _)| *normal)
    }
}

/// All scrapers' histories.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) scrapers: Vec<Scraper>,
}

impl History {
    /// The runs that began before `end`, and what is normal for them.
    pub(crate) fn of(everything: &Finished, end: Option<Timestamp>) -> Self {
        let scrapers = by_scraper(everything)
            .into_iter()
            .map(|(name, runs)| {
                let counts = |run: &usize| {
                    let row = &everything.runs[*run];
                    row.key.is_run() && (end.is_none() || row.start < end)
                };
                let runs: Vec<usize> = runs.into_iter().filter(counts).collect();
                // A run that was cut short is no example.
                let whole: Vec<&RunRow> = runs
                    .iter()
                    .map(|run| &everything.runs[*run])
                    .filter(|row| row.verdict.is_none_or(|v| v == Verdict::Finished))
                    .collect();
                let normal = Metric::ALL
                    .into_iter()
                    .filter_map(|metric| {
                        let values: Vec<f64> =
                            whole.iter().filter_map(|row| metric.of(row)).collect();
                        let normal = Normal::learn(&values, LEAST_RUNS)?;
                        Some((metric, (normal, values.len())))
                    })
                    .collect();
                Scraper { name, runs, normal }
            })
            .collect();
        Self { scrapers }
    }

    /// What was learned of the scrapers that are asked for; `None` when nothing was.
    pub(crate) fn baselines(&self, finished: &Finished) -> Option<Vec<Baseline>> {
        let asked = by_scraper(finished);
        let mut baselines = Vec::new();
        for scraper in self
            .scrapers
            .iter()
            .filter(|scraper| asked.contains_key(&scraper.name))
        {
            for (metric, (normal, runs)) in &scraper.normal {
                let (lower, upper) = normal.range();
                baselines.push(Baseline {
                    metric: metric.name().to_owned(),
                    scraper_id: scraper.name.0.clone(),
                    site: scraper.name.1.clone(),
                    median: normal.median,
                    expected: Expected { lower, upper },
                    runs: *runs as u64,
                });
            }
        }
        (!baselines.is_empty()).then_some(baselines)
    }
}
