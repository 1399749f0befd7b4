//! Ids that name a task instead of a run, and names that name a task instead of a scraper.
//!
//! A queue gives each page a job of its own, and programs log its id as `jobId` or `job`. Taken for runs, a hundred
//! pages would be a hundred runs of one request.

use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{Dialect, Timestamp};

use crate::rollup::Source;

/// With fewer of them, runs may be short.
const LEAST: usize = 8;
/// A task has at most this many requests.
const MOST_REQUESTS: u64 = 2;
/// A name that is a task's is in at most this many records, on average.
const MOST_RECORDS: u64 = 2;
/// Runs that begin further apart, in microseconds, may be runs of a scraper that requests one page.
const APART: i64 = 60_000_000;

/// What is known of one run id.
#[derive(Default)]
struct Run {
    requests: u64,
    is_bounded: bool,
    first: Option<Timestamp>,
}

/// The families of files whose run ids, and whose scrapers' names, are those of tasks.
#[derive(Debug, Default)]
pub(crate) struct Tasks<'s> {
    runs: BTreeMap<&'s str, usize>,
    names: BTreeSet<&'s str>,
}

impl<'s> Tasks<'s> {
    pub(crate) fn of(sources: &'s [Source]) -> Self {
        let mut runs: BTreeMap<&str, BTreeMap<&str, Run>> = BTreeMap::new();
        let mut names: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for (key, stats) in sources {
            let is_others = [Dialect::Dragline, Dialect::Scrapy];
            if key.is_rest || is_others.iter().any(|own| stats.dialects.contains(own)) {
                continue;
            }
            if let (Some(id), false) = (&key.run_id, key.is_guessed) {
                let run = runs.entry(&key.family).or_default().entry(id).or_default();
                run.requests += stats.counters.requests;
                run.is_bounded |=
                    stats.started.is_some() || stats.end.is_some() || stats.declared.is_some();
                run.first = run.first.into_iter().chain(stats.first).min();
            }
            if let Some(name) = &key.scraper_id {
                let names = names.entry(&key.family).or_default();
                *names.entry(name).or_default() += stats.counters.events;
            }
        }
        let runs = runs.into_iter().filter(|(_, runs)| are_tasks(runs));
        let are_many = |names: &BTreeMap<&str, u64>| {
            let records: u64 = names.values().sum();
            names.len() >= LEAST && records <= MOST_RECORDS * names.len() as u64
        };
        let names = names.into_iter().filter(|(_, names)| are_many(names));
        Self {
            runs: runs.map(|(family, runs)| (family, runs.len())).collect(),
            names: names.map(|(family, _)| family).collect(),
        }
    }

    /// Whether the run ids of a family's lines are those of tasks.
    pub(crate) fn are_runs(&self, family: &str) -> bool {
        self.runs.contains_key(family)
    }

    /// Whether the scrapers' names of a family's lines are those of tasks.
    pub(crate) fn are_names(&self, family: &str) -> bool {
        self.names.contains(family)
    }

    /// Number of run ids that are those of tasks.
    pub(crate) fn count(&self) -> u64 {
        self.runs.values().sum::<usize>() as u64
    }
}

/// Whether nearly all runs have one or two requests and no start or end, and one follows soon after the other.
fn are_tasks(runs: &BTreeMap<&str, Run>) -> bool {
    let is_small = |run: &&Run| !run.is_bounded && run.requests <= MOST_REQUESTS;
    let small = runs.values().filter(is_small).count();
    let has_requests = runs.values().any(|run| run.requests > 0);
    if runs.len() < LEAST || !has_requests || small * 10 < runs.len() * 9 {
        return false;
    }
    let mut begins: Vec<Timestamp> = runs.values().filter_map(|run| run.first).collect();
    begins.sort_unstable();
    let near = begins.windows(2).filter(|two| two[1].since(two[0]) < APART);
    near.count() * 2 >= begins.len().saturating_sub(1).max(1)
}
