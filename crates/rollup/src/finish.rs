//! What depends on the whole: whose lines, whose numbers, what became of each run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dragline_schema::{Dialect, ProblemKind, RunKey, RunStatus, Timestamp};
use rustc_hash::FxHashMap;

use crate::bounded::{Add as _, Bounded};
use crate::counters::{Counters, Latency};
use crate::errors::{Cell, Group};
use crate::evidence::Evidence;
use crate::identity::final_keys;
use crate::period::{Strays, without_strays};
use crate::reconcile::reconcile;
use crate::rollup::{FileEntry, ProblemEntry, Rollup, Source};
use crate::sections::Rare;
use crate::signs::{FirstSign, Sign};
use crate::source::{Declared, SourceKey, SourceStats};
use crate::verdict::{Life, Verdict, judge};

/// A rollup that is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The first and the last event's time.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Events so far from all others that they stand outside of the period.
    pub strays: Vec<Strays>,
    /// The width of the activity's buckets, in microseconds.
    pub bucket_micros: i64,
    /// The runs, and what stands outside of runs, by key.
    pub runs: Vec<RunRow>,
    /// What happened when, by bucket and run. Records without a time are in the runs' totals only.
    pub activity: Vec<ActivityRow>,
    /// Answer times by hour (start in microseconds) and run.
    pub latency: BTreeMap<(i64, usize), Latency>,
    /// Error groups by id.
    pub groups: Vec<GroupRow>,
    /// Errors in groups beyond the table's size.
    pub groups_overflow: u64,
    /// Records of sources beyond those that are kept apart: they stand outside of runs.
    pub sources_overflow: u64,
    /// Errors by category, severity and type.
    pub cells: Vec<(Cell, u64)>,
    /// Errors in cells beyond the table's size.
    pub cells_overflow: u64,
    /// The first line of each kind that tells of trouble, by run (its place in [`Finished::runs`]), kind
    /// and quarter of an hour (start in microseconds).
    pub signs: BTreeMap<(usize, Sign, i64), FirstSign>,
    /// Files, by path.
    pub files: BTreeMap<String, FileEntry>,
    /// Problems, by path and kind.
    pub problems: BTreeMap<(String, ProblemKind), ProblemEntry>,
    /// Events by dialect.
    pub dialects: BTreeMap<Dialect, u64>,
    /// How many different URLs were asked for, as far as the logs have a line for each request: about, when there
    /// were many ([`Distinct`](crate::Distinct)).
    pub urls: u64,
}

/// A group of errors.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRow {
    /// Its id.
    pub id: u64,
    /// Scrapers and sites that it was seen at.
    pub scrapers: BTreeSet<(Option<String>, Option<String>)>,
    /// The runs that had it, by their places in [`Finished::runs`]; `None` when they were too many to
    /// be held one by one.
    pub runs: Option<BTreeSet<usize>>,
    /// What is known of it.
    pub group: Group,
}

/// A run, or what stands outside of runs under the same scraper and site.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Which run.
    pub key: RunKey,
    /// When it began: by its own word, else its first line.
    pub start: Option<Timestamp>,
    /// When it ended; `None` without an end.
    pub end: Option<Timestamp>,
    /// Its last line.
    pub last_seen: Option<Timestamp>,
    /// From start to end, or to the last line, in seconds.
    pub duration_seconds: Option<f64>,
    /// How it says it ended.
    pub status: Option<RunStatus>,
    /// Why.
    pub finish_reason: Option<String>,
    /// What became of it; `None` outside of runs, and for writers whose logs have no end that we
    /// would know.
    pub verdict: Option<Verdict>,
    /// Its totals.
    pub counters: Counters,
    /// Where requests and items were counted: by `lines`, by the run's own `statistics`, or, when the
    /// scraper tells of no request, by the lines of its HTTP `library`.
    pub counted_by: &'static str,
    /// Whether a filter left out some of its lines: its numbers are those of the others.
    pub is_partial: bool,
    /// Which of its numbers are known: a zero that nobody counted is none.
    pub known: Known,
    /// The last sign of life, or the end.
    pub evidence: Option<Evidence>,
    /// Its last request or item.
    pub last_active: Option<Timestamp>,
    /// The queue's length when it was last told.
    pub queue_left: Option<u64>,
    /// Lines that are missing by their numbers.
    pub missing_seq: u64,
    /// When the line was written behind which the first are missing.
    pub missing_since: Option<Timestamp>,
    /// Lines behind which the clock had gone back.
    pub skewed: u64,
    /// When it first did.
    pub skewed_since: Option<Timestamp>,
    /// Lines that the recorder says it dropped.
    pub dropped: u64,
    /// Sentences about lines and account that disagree.
    pub disagreements: Vec<String>,
    /// What its author counted and measured, by name.
    pub stats: BTreeMap<String, f64>,
    /// Pages that came to it, by its own account.
    pub pages: Option<u64>,
    /// What it was configured with, as JSON.
    pub config: Option<String>,
    /// The machine that it ran on.
    pub machine: Option<String>,
    /// The rarer events.
    pub sections: Rare,
}

/// Which numbers a run's log can tell. A log of our own or a run's own account tells them all;
/// other logs tell what they were seen to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Requests.
    pub requests: bool,
    /// Items.
    pub items: bool,
    /// Products found beside those stored.
    pub found: bool,
    /// Bytes.
    pub bytes: bool,
}

/// What a run did in one bucket of time.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivityRow {
    /// The bucket's start, in microseconds.
    pub start: i64,
    /// The run, by its place in [`Finished::runs`].
    pub run: usize,
    /// What it counted.
    pub counters: Counters,
}

impl Rollup {
    /// Whose lines were seen, and the run that they turn out to belong to.
    pub fn sources(&self) -> impl Iterator<Item = (&SourceKey, RunKey)> {
        let keys = final_keys(&self.sources);
        self.sources.iter().map(|(source, _)| &**source).zip(keys)
    }

    /// Decides what depends on the whole. `now` is used for one thing only: a run without an end
    /// whose file was written within the last ten minutes is still running.
    pub fn finish(mut self, now: Timestamp) -> Finished {
        self.settle();
        self.bound_sources();
        let rest = self.sources.iter().find(|(key, _)| key.is_rest);
        let sources_overflow = rest.map_or(0, |(_, stats)| stats.counters.events);
        let width = self.width();
        let keys = final_keys(&self.sources);
        let echoes = self.silence_echoes(&keys);
        let (merged, places) = merged_runs(std::mem::take(&mut self.sources), keys);
        let mut buckets = Buckets::new(std::mem::take(&mut self.activity), &places);
        let mut latency: BTreeMap<(i64, usize), Latency> = BTreeMap::new();
        for ((source, hour), sketch) in self.latency {
            if let Some(place) = places.of(source) {
                latency.entry((hour, place)).or_default().merge(&sketch);
            }
        }
        // A source that was not kept apart has no run whose line this is.
        let hashes: FxHashMap<u64, usize> = places
            .all()
            .filter_map(|(source, place)| Some((source.id(), place?)))
            .collect();
        let mut signs: BTreeMap<(usize, Sign, i64), FirstSign> = BTreeMap::new();
        for ((source, sign, hour), first) in self.signs.into_kept() {
            if let Some(run) = hashes.get(&source) {
                signs.entry((*run, sign, hour)).or_default().add(first);
            }
        }

        let names: Vec<(Option<String>, Option<String>)> = merged
            .keys()
            .map(|key| (key.scraper_id.clone(), key.site.clone()))
            .collect();
        let storing = storing(&merged);
        let mut activity: Vec<ActivityRow> = Vec::new();
        let runs: Vec<RunRow> = merged
            .into_iter()
            .enumerate()
            .map(|(run, (key, stats))| {
                let is_echoed = echoes.contains(&key);
                let stores = storing.contains(&names[run]);
                let mut own = buckets.next_run(run);
                let row = run_row(key, *stats, &mut own, width, &self.files, now, stores);
                activity.extend(own.into_iter().map(|(start, counters)| ActivityRow {
                    start,
                    run,
                    counters,
                }));
                RunRow {
                    counted_by: if is_echoed { "library" } else { row.counted_by },
                    ..row
                }
            })
            .collect();
        activity.sort_unstable_by_key(|row| (row.start, row.run));

        let (period, strays) = without_strays(self.period, &activity, width, &self.files, now);
        let groups_overflow = self.groups.overflow().map_or(0, |group| group.count);
        let cells_overflow = self.cells.overflow().copied().unwrap_or(0);
        Finished {
            period,
            strays,
            bucket_micros: width,
            groups: group_rows(self.groups, &names, &places),
            groups_overflow,
            signs,
            sources_overflow,
            cells: sorted(self.cells),
            cells_overflow,
            runs,
            activity,
            latency,
            files: self.files,
            problems: self.problems,
            dialects: self.dialects.iter().collect(),
            urls: self.urls.count(),
        }
    }
}

impl Rollup {
    /// The runs that tell of requests themselves: what an HTTP library tells of them does not count.
    pub fn telling_runs(&self) -> BTreeSet<RunKey> {
        self.telling(&final_keys(&self.sources))
    }

    fn telling(&self, keys: &[RunKey]) -> BTreeSet<RunKey> {
        let tells = |stats: &SourceStats| {
            let declares = stats
                .declared
                .as_ref()
                .is_some_and(|d| d.requests > Some(0));
            stats.counters.requests > 0 || declares
        };
        let sources = self.sources.iter().zip(keys);
        sources
            .filter(|((source, stats), _)| !source.is_echo && tells(stats))
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// Takes the requests of which a library tells out of the runs that tell of requests themselves.
    /// Gives the keys of the runs where the library's lines are all there is.
    fn silence_echoes(&mut self, keys: &[RunKey]) -> BTreeSet<RunKey> {
        let sources = || self.sources.iter().zip(keys);
        let telling = self.telling(keys);
        let is_echo = |((source, _), _): &(&Source, &RunKey)| source.is_echo;
        let echoing: BTreeSet<RunKey> = sources()
            .filter(is_echo)
            .map(|(_, key)| key.clone())
            .collect();
        let is_silenced: Vec<bool> = sources()
            .map(|((source, _), key)| source.is_echo && telling.contains(key))
            .collect();
        for ((_, stats), _) in self
            .sources
            .iter_mut()
            .zip(&is_silenced)
            .filter(|(_, silenced)| **silenced)
        {
            stats.counters.forget_requests();
            stats.sections.forget_domains();
        }
        for ((source, _), counters) in &mut self.activity {
            if is_silenced[*source as usize] {
                counters.forget_requests();
            }
        }
        self.latency
            .retain(|(source, _), _| !is_silenced[*source as usize]);
        echoing.difference(&telling).cloned().collect()
    }
}

/// The place of each source's run among the runs.
struct Places {
    sources: Vec<(Arc<SourceKey>, Option<usize>)>,
    by_key: FxHashMap<Arc<SourceKey>, usize>,
}

impl Places {
    fn of(&self, source: u32) -> Option<usize> {
        self.sources.get(source as usize)?.1
    }

    fn all(&self) -> impl Iterator<Item = (&SourceKey, Option<usize>)> {
        self.sources.iter().map(|(key, place)| (&**key, *place))
    }
}

/// The sources of each run as one, by key, without runs of which nothing passed the filter.
fn merged_runs(
    sources: Vec<Source>,
    keys: Vec<RunKey>,
) -> (BTreeMap<RunKey, Box<SourceStats>>, Places) {
    let mut merged: BTreeMap<RunKey, Box<SourceStats>> = BTreeMap::new();
    let mut named: Vec<(Arc<SourceKey>, RunKey)> = Vec::with_capacity(keys.len());
    for ((source, stats), key) in sources.into_iter().zip(keys) {
        named.push((source, key.clone()));
        match merged.get_mut(&key) {
            Some(held) => held.add(*stats),
            None => {
                merged.insert(key, stats);
            }
        }
    }
    merged.retain(|_, stats| stats.counters.events > 0);
    let place: FxHashMap<&RunKey, usize> =
        (0..).zip(merged.keys()).map(|(n, key)| (key, n)).collect();
    let sources: Vec<(Arc<SourceKey>, Option<usize>)> = named
        .into_iter()
        .map(|(source, key)| (source, place.get(&key).copied()))
        .collect();
    let by_key = sources
        .iter()
        .filter_map(|(source, place)| Some((Arc::clone(source), (*place)?)))
        .collect();
    (merged, Places { sources, by_key })
}

/// What happened when, run by run.
struct Buckets(std::iter::Peekable<std::vec::IntoIter<(usize, i64, Counters)>>);

impl Buckets {
    fn new(activity: FxHashMap<(u32, i64), Counters>, places: &Places) -> Self {
        let rows = activity
            .into_iter()
            .filter_map(|((source, start), counters)| Some((places.of(source)?, start, counters)));
        let mut rows: Vec<(usize, i64, Counters)> = rows.collect();
        rows.sort_unstable_by_key(|(run, start, _)| (*run, *start));
        Self(rows.into_iter().peekable())
    }

    /// The buckets of the next run, when they are this one's.
    fn next_run(&mut self, wanted: usize) -> BTreeMap<i64, Counters> {
        let mut own: BTreeMap<i64, Counters> = BTreeMap::new();
        while let Some((_, start, counters)) = self.0.next_if(|(run, ..)| *run == wanted) {
            own.entry(start).or_default().add(counters);
        }
        own
    }
}

fn group_rows(
    groups: Bounded<u64, Group>,
    names: &[(Option<String>, Option<String>)],
    places: &Places,
) -> Vec<GroupRow> {
    let mut rows: Vec<GroupRow> = groups
        .into_kept()
        .map(|(id, group)| {
            let sources = group.sources.iter();
            let runs: BTreeSet<usize> = sources
                .filter_map(|source| places.by_key.get(source).copied())
                .collect();
            let mut scrapers: BTreeSet<(Option<String>, Option<String>)> =
                runs.iter().map(|run| names[*run].clone()).collect();
            if !group.names_all_sources() {
                // Of those that are not named one by one, what their lines say is known.
                let whole = group
                    .names
                    .iter()
                    .filter(|(scraper, site)| scraper.is_some() && site.is_some());
                scrapers.extend(whole.cloned());
            }
            let runs = group.names_all_sources().then_some(runs);
            GroupRow {
                id,
                scrapers,
                runs,
                group,
            }
        })
        .collect();
    rows.sort_by_key(|row| row.id);
    rows
}

fn sorted(cells: Bounded<Cell, u64>) -> Vec<(Cell, u64)> {
    let mut cells: Vec<(Cell, u64)> = cells.into_kept().collect();
    cells.sort();
    cells
}

/// What there is to judge a run by.
fn life_of(stats: &SourceStats, files: &BTreeMap<String, FileEntry>) -> Life {
    let file = stats
        .last_place
        .as_ref()
        .and_then(|(_, place)| files.get(&*place.path));
    Life {
        status: stats.end.as_ref().map(|end| end.status),
        last: stats.last,
        active: stats.active,
        truncated: file.is_some_and(|file| file.truncated),
        modified: file.and_then(|file| file.modified),
        zoneless: file.is_some_and(|file| file.zoneless > 0),
    }
}

/// The scrapers and sites of which a run has items in its lines.
fn storing(
    runs: &BTreeMap<RunKey, Box<SourceStats>>,
) -> BTreeSet<(Option<String>, Option<String>)> {
    let stores = runs.iter().filter(|(_, stats)| stats.counters.items() > 0);
    stores
        .map(|(key, _)| (key.scraper_id.clone(), key.site.clone()))
        .collect()
}

/// Which of a run's numbers anybody knows.
fn known_of(
    key: &RunKey,
    stats: &SourceStats,
    declared: &Declared,
    counters: &Counters,
    stores: bool,
) -> Known {
    // Of a run that is only in a copy of errors, nothing below ERROR is known.
    let is_counted = !stats.is_leveled && stats.is_followed;
    let is_native = stats.dialects.contains(&Dialect::Dragline) && key.is_run();
    Known {
        requests: is_counted && (is_native || declared.requests.is_some() || counters.requests > 0),
        // Who logs its items in other runs has none in this one.
        items: is_counted
            && (is_native
                || declared.saved.is_some()
                || counters.items() > 0
                || (stores && counters.requests > 0)),
        found: is_counted && counters.found > 0,
        bytes: is_counted && (is_native || declared.bytes.is_some() || counters.bytes > 0),
    }
}

/// Decides a run's numbers and its verdict.
fn run_row(
    key: RunKey,
    stats: SourceStats,
    buckets: &mut BTreeMap<i64, Counters>,
    width: i64,
    files: &BTreeMap<String, FileEntry>,
    now: Timestamp,
    stores: bool,
) -> RunRow {
    let mut stats = stats;
    let mut counters = std::mem::take(&mut stats.counters);
    let declared = stats.declared.take().unwrap_or_default();
    // An account of the whole run says nothing about a part of it.
    let declared = if stats.is_partial {
        Declared {
            start: declared.start,
            end: declared.end,
            duration: declared.duration,
            ..Declared::default()
        }
    } else {
        declared
    };
    let own = declared.own.iter();
    let told = stats.told.iter().map(|(name, (_, value))| (name, value));
    let own = own
        .chain(told)
        .map(|(name, value)| (name.clone(), *value as f64 / 1000.0))
        .collect();
    let lines_count = counters.requests + counters.items();
    let at = declared
        .at
        .or(stats.last)
        .map(|at| at.as_micros().div_euclid(width) * width);
    let mut disagreements = reconcile(&mut counters, buckets, &declared, at);
    if let Some(errors) = declared
        .errors
        .filter(|n| declared.is_truth && *n != counters.errors)
    {
        let lines = counters.errors;
        disagreements.push(format!(
            "errors: {lines} by its lines, {errors} by its statistics"
        ));
    }
    if counters.rate_limits == 0 {
        // A run that does not say when it was slowed down: its 429s do.
        for counters in buckets.values_mut().chain([&mut counters]) {
            counters.rate_limits = counters.status_codes.get(429);
        }
    }
    let by_statistics = declared.requests.is_some()
        && (declared.is_truth || (lines_count == 0 && declared.requests > Some(0)));
    let life = life_of(&stats, files);
    let known = known_of(&key, &stats, &declared, &counters, stores);
    let has_ends = stats
        .dialects
        .iter()
        .any(|d| matches!(d, Dialect::Dragline | Dialect::Scrapy));
    let tells_end = has_ends || stats.end.is_some();
    let is_judged = key.is_run() && stats.is_followed && (tells_end || life.truncated);
    let verdict = is_judged.then(|| judge(&life, now));
    let start = declared.start.or(stats.started).or(stats.first);
    let end = declared.end.or(stats.end.as_ref().and_then(|end| end.at));
    let duration = declared
        .duration
        .map(|micros| micros as f64 / 1e6)
        .or_else(|| {
            let (start, end) = (start?, end.or(stats.last)?);
            Some(end.since(start).max(0) as f64 / 1e6)
        });
    RunRow {
        start,
        end,
        last_seen: stats.last,
        duration_seconds: duration.filter(|_| key.is_run()),
        status: life.status,
        finish_reason: stats.end.and_then(|end| end.reason),
        verdict,
        counters,
        counted_by: if by_statistics { "statistics" } else { "lines" },
        is_partial: stats.is_partial,
        known,
        evidence: stats.end_place.or(stats.last_place.map(|(_, place)| place)),
        last_active: stats.active.map(|(_, last, _)| last),
        queue_left: stats.queue.map(|(_, size)| size),
        skewed: stats.skewed,
        skewed_since: stats.skewed_since,
        missing_since: stats.numbers.missing_since(),
        missing_seq: stats.numbers.missing(),
        dropped: stats.dropped,
        disagreements,
        stats: own,
        pages: declared.pages,
        config: stats.config.map(|(_, config)| config),
        machine: stats.machine.map(|(_, name)| name),
        sections: stats.sections,
        key,
    }
}
