//! What a scraper does in most of its runs, which tells what the silence of one of them means.

use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{Dialect, RunKey, Timestamp};

use crate::counters::Counters;
use crate::source::SourceStats;

/// A scraper and its site.
type Name = (Option<String>, Option<String>);

/// What a scraper does in its other runs.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// Whether it logs items.
    pub(crate) stores: bool,
    /// Whether it counts its items in messages such as `scraped 12 items`.
    pub(crate) batches: bool,
    /// Whether it logs the ends of runs.
    pub(crate) ends: bool,
    /// Whether its requests say themselves that they failed, in fields or in words.
    pub(crate) fails: bool,
    pub(crate) tells_failures: bool,
    /// Whether its requests say themselves that they succeeded.
    pub(crate) succeeds: bool,
}

/// The habits of all scrapers.
pub(crate) struct AllHabits {
    storing: BTreeSet<Name>,
    batching: BTreeSet<Name>,
    enders: BTreeSet<Name>,
    failing: BTreeSet<Name>,
    telling: BTreeSet<Name>,
    succeeding: BTreeSet<Name>,
}

impl AllHabits {
    pub(crate) fn of(runs: &BTreeMap<RunKey, Box<SourceStats>>) -> Self {
        let mut batching = names(runs, tells_batches);
        batching.extend(summing(runs));
        Self {
            storing: names(runs, |counters| {
                counters.single_items() > 0 || tells_batches(counters)
            })
            .into_iter()
            .chain(batching.iter().cloned())
            .collect(),
            batching,
            enders: enders(runs),
            failing: names(runs, |counters| {
                counters.requests_failed > counters.requests_told
            }),
            telling: names(runs, |counters| counters.requests_told > 0),
            succeeding: names(runs, |counters| {
                counters.requests > counters.requests_unjudged + counters.requests_failed
            }),
        }
    }

    /// The habits of one scraper.
    pub(crate) fn one(&self, name: &Name) -> Habits {
        Habits {
            stores: self.storing.contains(name),
            batches: self.batching.contains(name),
            ends: self.enders.contains(name),
            fails: self.failing.contains(name),
            tells_failures: self.telling.contains(name),
            succeeds: self.succeeding.contains(name),
        }
    }
}

/// The scrapers and sites with such counters in at least one run.
fn names(
    runs: &BTreeMap<RunKey, Box<SourceStats>>,
    is_one: impl Fn(&Counters) -> bool,
) -> BTreeSet<Name> {
    let own = runs.iter().filter(|(_, stats)| is_one(&stats.counters));
    own.map(|(key, _)| (key.scraper_id.clone(), key.site.clone()))
        .collect()
}

/// With fewer messages that count items, a run tells no items: a few may be totals of anything.
const FEW_BATCHES: u64 = 5;
/// With fewer runs that tell their items in one message each, it is not known to be what they saved.
const FEW_SUMMARIES: usize = 3;

/// Whether a run tells its items only in messages that count them.
fn tells_batches(counters: &Counters) -> bool {
    counters.single_items() == 0 && counters.batches >= FEW_BATCHES
}

/// Scrapers whose runs tell their items only in one message each, such as the last one.
fn summing(runs: &BTreeMap<RunKey, Box<SourceStats>>) -> BTreeSet<Name> {
    let mut counts: BTreeMap<Name, (usize, usize)> = BTreeMap::new();
    for (key, stats) in runs.iter().filter(|(key, _)| key.is_run()) {
        let name = (key.scraper_id.clone(), key.site.clone());
        let (once, otherwise) = counts.entry(name).or_default();
        let told = stats.counters.batches + u64::from(stats.counters.has_total());
        let is_once = stats.counters.single_items() == 0 && told == 1;
        *once += usize::from(is_once);
        *otherwise += usize::from(!is_once && stats.counters.items() > 0);
    }
    counts
        .into_iter()
        .filter(|(_, (once, otherwise))| *once >= FEW_SUMMARIES && *otherwise == 0)
        .map(|(name, _)| name)
        .collect()
}

/// With fewer ended runs, nothing is said about the runs of a scraper that did not end.
const FEW_ENDS: usize = 5;

/// Scrapers that log an end of nearly all of their runs, so that a run without one was killed. Those up to any ended run
/// are enough: the longer runs are killed, the fewer have an end.
fn enders(runs: &BTreeMap<RunKey, Box<SourceStats>>) -> BTreeSet<Name> {
    let mut marks: BTreeMap<Name, Vec<(Option<Timestamp>, bool)>> = BTreeMap::new();
    for (key, stats) in runs.iter().filter(|(key, _)| key.is_run()) {
        let name = (key.scraper_id.clone(), key.site.clone());
        let mark = (stats.started.or(stats.first), stats.end.is_some());
        marks.entry(name).or_default().push(mark);
    }
    let ends = |mut runs: Vec<(Option<Timestamp>, bool)>| {
        runs.sort_unstable();
        let mut ended = 0;
        (1..).zip(runs).any(|(all, (_, has_end))| {
            ended += usize::from(has_end);
            ended >= FEW_ENDS && ended * 5 >= all * 4
        })
    };
    let enders = marks
        .into_iter()
        .filter_map(|(name, runs)| ends(runs).then_some(name));
    enders.collect()
}

/// Whether the writer of the log marks the ends of runs.
pub(crate) fn marks_ends(stats: &SourceStats) -> bool {
    let marks = |dialect: &Dialect| matches!(dialect, Dialect::Dragline | Dialect::Scrapy);
    stats.end.is_some() || stats.dialects.iter().any(marks)
}
