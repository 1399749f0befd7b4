//! The trials from which a fix is judged: pages, or runs, before a finding, since its onset, and since it was marked.

use std::ops::Range;

use dragline_rollup::{Finished, GroupRow, RunRow, Verdict};
use dragline_schema::{ErrorCategory, Timestamp};

use crate::Analysis;
use crate::finding::{Expected, ScraperKey};
use crate::fix::{FixTest, NoFixTest, Trials};
use crate::kind::InsightKind;
use crate::metric::Metric;
use crate::series::{Series, Unit};
use crate::told::id;

/// Number of units before a finding that the usual rate is learned from.
const USUAL: usize = 100;

/// A finding that somebody marked as mended.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// The id of the finding.
    pub id: String,
    /// Its kind.
    pub kind: InsightKind,
    /// Its scraper.
    pub scraper: ScraperKey,
    /// Its metric.
    pub metric: Option<String>,
    /// The usual range of the metric.
    pub expected: Option<Expected>,
    /// The value of the metric.
    pub observed: Option<f64>,
    /// Its onset.
    pub since: Option<Timestamp>,
    /// When it was marked.
    pub at: Timestamp,
}

/// What is counted after a fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Pages: requests, or items.
    Pages,
    /// Runs or, where the log names none, hours.
    Runs,
}

/// How far a fix was watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixProgress {
    /// What is counted.
    pub counted: Counted,
    /// The test that decides.
    pub test: FixTest,
    /// The number of trials since the mark that counted.
    pub part: f64,
    /// The number of all trials since the mark.
    pub whole: f64,
}

/// How a finding shows in what follows.
enum Way<'a> {
    /// In the share or the rate of a metric, page by page.
    Pages(Metric, Trials),
    /// In the verdict on a run.
    Verdict(Verdict),
    /// In the runs with an error.
    Error(&'a GroupRow),
    /// In runs whose metric is above, or below, a limit.
    Beyond(&'a Metric, f64, bool),
}

impl Analysis<'_> {
    /// What was counted since a finding was marked as mended, and the test that decides what that means. A test that was
    /// learned earlier stays, so that what comes after the mark does not change it.
    ///
    /// # Errors
    /// If the finding does not show in what follows, or what is usual is not known.
    pub fn watch_fix(
        &self,
        marked: &Marked,
        learned: Option<FixTest>,
    ) -> Result<FixProgress, NoFixTest> {
        let name = (
            marked.scraper.scraper_id.clone(),
            marked.scraper.site.clone(),
        );
        let index = self.all.iter().position(|series| series.name == name);
        let index = index.ok_or(NoFixTest::Unknown)?;
        let series = &self.all[index];
        let way = self.way(marked, series)?;
        let (since, at) = (
            marked.since.ok_or(NoFixTest::Kind)?.as_micros(),
            marked.at.as_micros(),
        );
        let is_by_run = !matches!(way, Way::Pages(..));
        let count =
            |unit: &Unit<'_>, times: &Range<i64>| way.count(self.everything, series, unit, times);
        let units = || series.units.iter().enumerate();
        let learn = || {
            // A run that was killed ends at the onset.
            let is_usual = |unit: usize, own: &Unit<'_>| {
                own.end < since && !self.troubled[index].contains(&unit)
            };
            let own = units().filter(|(unit, own)| is_usual(*unit, own));
            let own = own.filter_map(|(_, unit)| count(unit, &(i64::MIN..since)));
            let mut usual: Vec<(f64, f64)> = own.collect();
            usual.drain(..usual.len().saturating_sub(USUAL));
            let own = units().filter(|(_, unit)| unit.end >= since && unit.start < at);
            let broken: Vec<_> = own
                .filter_map(|(_, unit)| count(unit, &(since..at)))
                .collect();
            FixTest::learn(way.trials(), &usual, &broken)
        };
        let test = learned.map_or_else(learn, Ok)?;
        let own = units().filter(|(_, unit)| !is_by_run || unit.start >= at);
        let (part, whole) = own
            .filter_map(|(_, unit)| count(unit, &(at..i64::MAX)))
            .fold((0.0, 0.0), |sum, (part, whole)| {
                (sum.0 + part, sum.1 + whole)
            });
        Ok(FixProgress {
            counted: if is_by_run {
                Counted::Runs
            } else {
                Counted::Pages
            },
            test,
            part,
            whole,
        })
    }

    fn way<'a>(&'a self, marked: &'a Marked, series: &Series<'_>) -> Result<Way<'a>, NoFixTest> {
        let verdict = match marked.kind {
            InsightKind::RunKilled => Some(Verdict::Killed),
            InsightKind::RunStalled => Some(Verdict::Stalled),
            InsightKind::RunTruncated => Some(Verdict::Truncated),
            InsightKind::RunFailed => Some(Verdict::Failed),
            _ => None,
        };
        if let Some(verdict) = verdict {
            return Ok(Way::Verdict(verdict));
        }
        if matches!(
            marked.kind,
            InsightKind::NewError | InsightKind::RegressedError
        ) {
            let is_own = |row: &&GroupRow| {
                id(marked.kind, &format!("{:016x}", row.id), marked.since) == marked.id
            };
            let row = self.everything.groups.iter().find(is_own);
            return row.map(Way::Error).ok_or(NoFixTest::Unknown);
        }
        let metric = marked.metric.as_deref().ok_or(NoFixTest::Kind)?;
        if let Some((metric, trials)) = by_page(metric) {
            return Ok(Way::Pages(metric, trials));
        }
        let own = self
            .tracks
            .iter()
            .filter(|track| track.series(&self.all).name == series.name);
        let mut own = own.map(crate::episodes::Track::metric);
        let metric = own
            .find(|own| own.name() == metric)
            .ok_or(NoFixTest::Kind)?;
        let (expected, observed) = marked
            .expected
            .zip(marked.observed)
            .ok_or(NoFixTest::Kind)?;
        Ok(if observed > expected.upper {
            Way::Beyond(metric, expected.upper, true)
        } else {
            Way::Beyond(metric, expected.lower, false)
        })
    }
}

/// The metric of this name, if each page or item counts for it.
fn by_page(name: &str) -> Option<(Metric, Trials)> {
    let shares = [
        Metric::Blocked,
        Metric::Failed,
        Metric::ItemYield,
        Metric::Lost,
        Metric::Retries,
    ];
    let rates = [Metric::ItemsPerPage, Metric::Duplicates];
    let errors = ErrorCategory::ALL
        .iter()
        .map(|category| Metric::Errors(*category));
    let shares = shares.into_iter().map(|metric| (metric, Trials::Shares));
    let rates = rates
        .into_iter()
        .chain(errors)
        .map(|metric| (metric, Trials::Rates));
    shares
        .chain(rates)
        .find(|(metric, _)| metric.name() == name)
}

impl Way<'_> {
    fn trials(&self) -> Trials {
        match self {
            Self::Pages(_, trials) => *trials,
            _ => Trials::Shares,
        }
    }

    /// The trials of a unit: how many counted, and how many there were. Pages are those in a range of times, by whole
    /// buckets; a run is one trial once it has ended.
    fn count(
        &self,
        everything: &Finished,
        series: &Series<'_>,
        unit: &Unit<'_>,
        times: &Range<i64>,
    ) -> Option<(f64, f64)> {
        if let Self::Pages(metric, _) = self {
            let is_in = |start: &i64| *start >= times.start && start + series.width <= times.end;
            let buckets = unit.buckets.iter().filter(|(start, _)| is_in(start));
            let parts = buckets.filter_map(|(_, counters)| metric.parts(counters));
            let sum = parts.fold((0.0, 0.0), |sum, (part, whole)| {
                (sum.0 + part, sum.1 + whole)
            });
            return (sum.1 > 0.0).then_some(sum);
        }
        if unit.is_running {
            return None;
        }
        let row: Option<&RunRow> = unit.run.map(|run| &everything.runs[run]);
        let is_bad = match self {
            Self::Verdict(verdict) => row?.verdict? == *verdict,
            Self::Error(group) => group.runs.as_ref()?.contains(&unit.run?),
            Self::Beyond(metric, limit, is_above) => {
                let value = metric.shown(metric.of(unit)?.raw);
                if *is_above {
                    value > *limit
                } else {
                    value < *limit
                }
            }
            Self::Pages(..) => return None,
        };
        Some((f64::from(u8::from(is_bad)), 1.0))
    }
}
