//! Makes the decisions that need all records: the run of each line, the totals of each run, and how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dragline_schema::{Dialect, ProblemKind, RunKey, RunStatus, Timestamp};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::activity::ActivityRow;
use crate::bounded::{Add as _, Bounded};
use crate::counters::{Counters, Latency};
use crate::course::{Course, take_course};
use crate::errors::{Cell, Group};
use crate::evidence::Evidence;
use crate::failures::{FailedPages, count_told, leave_out_one_sided};
use crate::habits::{AllHabits, Habits, marks_ends};
use crate::identity::final_keys;
use crate::period::{Strays, without_strays};
use crate::reconcile::reconcile;
use crate::rollup::{FileEntry, ProblemEntry, Rollup, Source};
use crate::sections::Rare;
use crate::signs::{FirstSign, Sign};
use crate::source::{Declared, LastError, SourceKey, SourceStats};
use crate::tasks::Tasks;
use crate::unread::{UnreadForm, by_frequency};
use crate::verdict::{Life, Verdict, judge};

/// The result of [`Rollup::finish`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finished {
    /// The time of the first and the last event, without strays.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Events so far from all others that they are excluded from the period.
    pub strays: Vec<Strays>,
    /// The width of the activity buckets, in microseconds.
    pub bucket_micros: i64,
    /// The runs, and the activity outside of runs, sorted by key.
    pub runs: Vec<RunRow>,
    /// Activity by bucket and run. Records without a time are only in the totals of the runs.
    pub activity: Vec<ActivityRow>,
    /// Response times by hour (start in microseconds) and run.
    pub latency: BTreeMap<(i64, usize), Latency>,
    /// Error groups by id.
    pub groups: Vec<GroupRow>,
    /// Errors in groups that did not fit into the table.
    pub groups_overflow: u64,
    /// Records of sources beyond the limit; they belong to no run.
    pub sources_overflow: u64,
    /// Errors by category, severity and type.
    pub cells: Vec<(Cell, u64)>,
    /// Errors in cells that did not fit into the table.
    pub cells_overflow: u64,
    /// The first line of each kind of trouble, by run (its index in [`Finished::runs`]), kind and quarter
    /// of an hour (start in microseconds).
    pub signs: BTreeMap<(usize, Sign, i64), FirstSign>,
    /// Files, by path.
    pub files: BTreeMap<String, FileEntry>,
    /// Problems, by path and kind.
    pub problems: BTreeMap<(String, ProblemKind), ProblemEntry>,
    /// Events by dialect.
    pub dialects: BTreeMap<Dialect, u64>,
    /// Number of distinct URLs in request lines; an estimate if there are many
    /// ([`Distinct`](crate::Distinct)).
    pub urls: u64,
    /// The forms of messages that told nothing, the most frequent first.
    pub unread: Vec<UnreadForm>,
    /// Messages of forms that did not fit into the table.
    pub unread_overflow: u64,
    /// Number of run ids in the lines that are ids of tasks: each has one or two requests.
    pub task_ids: u64,
}

/// A group of errors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupRow {
    /// The id of the group.
    pub id: u64,
    /// The scrapers and sites with errors of the group.
    pub scrapers: BTreeSet<(Option<String>, Option<String>)>,
    /// Number of errors of each scraper and site; incomplete if several of them had too many sources to count.
    pub counts: BTreeMap<(Option<String>, Option<String>), u64>,
    /// The scraper and site that logged the sample; `None` if unknown.
    pub sampled_at: Option<(Option<String>, Option<String>)>,
    /// The runs with errors of the group, as indices in [`Finished::runs`]; `None` if there were too many
    /// to list.
    pub runs: Option<BTreeSet<usize>>,
    /// Number of errors in each run, as far as the sources were counted.
    pub by_run: BTreeMap<usize, u64>,
    /// The counts, times and evidence.
    pub group: Group,
}

/// A run, or the activity outside of runs of one scraper and site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunRow {
    /// The key of the run.
    pub key: RunKey,
    /// When it started: as logged, otherwise the time of its first line.
    pub start: Option<Timestamp>,
    /// When it ended; `None` if no end was logged.
    pub end: Option<Timestamp>,
    /// The time of its last line.
    pub last_seen: Option<Timestamp>,
    /// Seconds from the start to the end or, without an end, to the last line.
    pub duration_seconds: Option<f64>,
    /// The logged end status.
    pub status: Option<RunStatus>,
    /// The logged reason for the end.
    pub finish_reason: Option<String>,
    /// How it ended; `None` outside of runs and for log formats without a recognisable end line.
    pub verdict: Option<Verdict>,
    /// Its totals.
    pub counters: Counters,
    /// The source of the request and item counts: the scraper's `lines`, the run's own `statistics`, or
    /// the lines of its HTTP `library` if the scraper logs no requests itself.
    #[serde(deserialize_with = "counted_by")]
    pub counted_by: Word,
    /// Whether a filter excluded some of its lines; the counts cover only the others.
    pub is_partial: bool,
    /// Which of its counts are known. A zero in an unknown count is not meaningful.
    pub known: Known,
    /// The position of its end line or, without one, of its last line.
    pub evidence: Option<Evidence>,
    /// Its last error.
    pub last_error: Option<LastError>,
    /// Whether it has no logged end, and its log ends with a critical error, or with words which say that the program
    /// failed as a whole.
    pub is_crashed: bool,
    /// The time of its last request or item.
    pub last_active: Option<Timestamp>,
    /// The last logged queue length.
    pub queue_left: Option<u64>,
    /// Number of lines missing according to the line numbers.
    pub missing_seq: u64,
    /// The time of the line before the first missing ones.
    pub missing_since: Option<Timestamp>,
    /// Number of lines more than ten minutes older than an earlier line of the same source.
    pub skewed: u64,
    /// When the clock first jumped back.
    pub skewed_since: Option<Timestamp>,
    /// Number of lines that the recorder reports as dropped.
    pub dropped: u64,
    /// Sentences about counts where lines and statistics disagree.
    pub disagreements: Vec<String>,
    /// Custom statistics of the scraper, by name.
    pub stats: BTreeMap<String, f64>,
    /// Number of pages, according to its statistics.
    pub pages: Option<u64>,
    /// Its configuration, as JSON.
    pub config: Option<String>,
    /// The machine that it ran on.
    pub machine: Option<String>,
    /// Data of the less common event types.
    pub sections: Rare,
}

/// Which counts of a run are known. Logs of Dragline's recorder and a run's own statistics contain all of
/// them; for other logs, a count is known if at least one such line was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// Whether requests are known.
    pub requests: bool,
    /// Whether items are known.
    pub items: bool,
    /// Whether found products are known, as opposed to stored ones.
    pub found: bool,
    /// Whether bytes are known.
    pub bytes: bool,
}

/// One of a few words. By this name, because a reference in a field would be borrowed from what is deserialised.
type Word = &'static str;

/// Reads [`RunRow::counted_by`]; a word of a later version is not known to this one.
fn counted_by<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
    let word = String::deserialize(from)?;
    let known = ["lines", "statistics", "library"];
    let found = known.into_iter().find(|known| *known == word);
    found.ok_or_else(|| serde::de::Error::custom(format!("unknown source of counts {word:?}")))
}

impl Rollup {
    /// The observed sources, each with the run that it belongs to.
    pub fn sources(&self) -> impl Iterator<Item = (&SourceKey, RunKey)> {
        let keys = final_keys(&self.sources);
        self.sources.iter().map(|(source, _)| &**source).zip(keys)
    }

    /// Makes the decisions that need all records. `now` is used to detect runs that are still running (no end, and a
    /// file written within the last ten minutes) and to reject times in the future.
    pub fn finish(mut self, now: Timestamp) -> Finished {
        self.settle();
        self.bound_sources();
        let rest = self.sources.iter().find(|(key, _)| key.is_rest);
        let sources_overflow = rest.map_or(0, |(_, stats)| stats.counters.events);
        let width = self.width();
        let keys = final_keys(&self.sources);
        let task_ids = Tasks::of(&self.sources).count();
        let echoes = self.silence_echoes(&keys);
        let (mut merged, places) = merged_runs(std::mem::take(&mut self.sources), keys);
        crate::guessed::mark_ends(&mut merged);
        let mut buckets = Buckets::new(std::mem::take(&mut self.activity), &places);
        let mut latency: BTreeMap<(i64, usize), Latency> = BTreeMap::new();
        for ((source, hour), sketch) in self.latency {
            if let Some(place) = places.of(source) {
                latency.entry((hour, place)).or_default().merge(&sketch);
            }
        }
        // A source beyond the limit belongs to no run.
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
        let habits = AllHabits::of(&merged);
        let mut activity = Vec::new();
        let runs: Vec<RunRow> = merged
            .into_iter()
            .enumerate()
            .map(|(run, (key, stats))| {
                let is_echoed = echoes.contains(&key);
                let habits = habits.one(&names[run]);
                let mut own = buckets.next_run(run);
                let row = run_row(key, *stats, &mut own, width, &self.files, now, habits);
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
            unread_overflow: self.unread.overflow().map_or(0, |form| form.lines),
            unread: by_frequency(self.unread),
            task_ids,
        }
    }
}

impl Rollup {
    /// The runs that log requests themselves; lines of an HTTP library are not counted for them.
    pub fn telling_runs(&self) -> BTreeSet<RunKey> {
        self.telling(&final_keys(&self.sources))
    }

    fn telling(&self, keys: &[RunKey]) -> BTreeSet<RunKey> {
        let tells = |stats: &SourceStats| {
            let declares = stats
                .declared
                .as_ref()
                .is_some_and(|d| d.requests > Some(0));
            stats.counters.requests > stats.counters.requests_told || declares
        };
        let sources = self.sources.iter().zip(keys);
        sources
            .filter(|((source, stats), _)| !source.is_echo && tells(stats))
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// Removes requests logged by an HTTP library from the runs that log requests themselves. Returns the
    /// keys of the runs whose only request lines are the library's.
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
        // Where the library logs every request, what the scraper tells of failed ones repeats some of them.
        let is_told: Vec<bool> = sources()
            .map(|((source, _), key)| {
                !source.is_echo && echoing.contains(key) && !telling.contains(key)
            })
            .collect();
        for ((_, stats), _) in self
            .sources
            .iter_mut()
            .zip(&is_silenced)
            .filter(|(_, silenced)| **silenced)
        {
            stats.counters.forget_requests();
            stats.failed_pages = FailedPages::default();
            stats.sections.forget_domains();
        }
        for ((_, stats), is_told) in self.sources.iter_mut().zip(&is_told) {
            if *is_told {
                stats.counters.forget_requests();
            }
        }
        for ((source, _), counters) in &mut self.activity {
            let source = *source as usize;
            if is_silenced[source] || is_told[source] {
                counters.forget_requests();
            }
        }
        self.latency
            .retain(|(source, _), _| !is_silenced[*source as usize]);
        echoing.difference(&telling).cloned().collect()
    }
}

/// Maps each source to the index of its run.
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

/// Merges the sources of each run, by key, and drops runs without any event that passed the filter.
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

/// Iterates over the activity, run by run.
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

    /// The buckets of the wanted run, which must be the next one.
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
                // The sources are incomplete; use the names in the lines as well.
                let whole = group
                    .names
                    .iter()
                    .filter(|(scraper, site)| scraper.is_some() && site.is_some());
                scrapers.extend(whole.cloned());
            }
            let runs = group.names_all_sources().then_some(runs);
            let name_of = |source| Some(names[*places.by_key.get(source)?].clone());
            let (mut counts, mut by_run) = (BTreeMap::new(), BTreeMap::new());
            for (source, count) in &group.counts {
                if let Some(run) = places.by_key.get(source) {
                    *counts.entry(names[*run].clone()).or_default() += count;
                    *by_run.entry(*run).or_default() += count;
                }
            }
            // Errors of sources that are not listed are those of the only scraper, too.
            if let Some(name) = scrapers.first().filter(|_| scrapers.len() == 1) {
                counts.insert(name.clone(), group.count);
            }
            let sample = group.sample.as_ref();
            let sampled_at = sample.and_then(|(_, sample)| name_of(sample.source.as_ref()?));
            GroupRow {
                id,
                scrapers,
                counts,
                sampled_at,
                runs,
                by_run,
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

/// Collects the facts for the verdict of a run.
fn life_of(stats: &SourceStats, files: &BTreeMap<String, FileEntry>) -> Life {
    let file = stats
        .last_place
        .as_ref()
        .and_then(|(_, place)| files.get(&*place.path));
    Life {
        status: stats.end.as_ref().map(|end| end.status),
        last: stats.last,
        active: stats.active,
        waits_until: stats.waits_until,
        truncated: file.is_some_and(|file| file.truncated),
        modified: file.and_then(|file| file.modified),
        zoneless: file.is_some_and(|file| file.zoneless > 0),
    }
}

/// Determines which counts of a run are known.
fn known_of(
    key: &RunKey,
    stats: &SourceStats,
    declared: &Declared,
    counters: &Counters,
    stores: bool,
) -> Known {
    // For a run that is only in an error copy, nothing below ERROR is known.
    let is_counted = !stats.is_leveled && stats.is_followed;
    let is_native = stats.dialects.contains(&Dialect::Dragline) && key.is_run();
    Known {
        requests: is_counted && (is_native || declared.requests.is_some() || counters.requests > 0),
        // If the scraper logs items in other runs, it made none in this one.
        items: is_counted
            && (is_native
                || declared.saved.is_some()
                || counters.items() > 0
                || (stores && counters.requests > 0)),
        found: is_counted && counters.found > 0,
        bytes: is_counted && (is_native || declared.bytes.is_some() || counters.bytes > 0),
    }
}

/// The run's own totals. Totals of the whole run do not apply to a part of it.
fn declared_of(stats: &mut SourceStats) -> Declared {
    let declared = stats.declared.take().unwrap_or_default();
    if !stats.is_partial {
        return declared;
    }
    Declared {
        start: declared.start,
        end: declared.end,
        duration: declared.duration,
        ..Declared::default()
    }
}

/// The statistics that the author or the configuration named.
fn own_statistics(declared: &Declared, stats: &SourceStats) -> BTreeMap<String, f64> {
    let told = stats.told.iter().map(|(name, (_, value))| (name, value));
    let all = declared.own.iter().chain(told);
    all.map(|(name, value)| (name.clone(), *value as f64 / 1000.0))
        .collect()
}

/// A sentence if the statistics count other errors than the lines.
fn errors_disagree(declared: &Declared, counters: &Counters) -> Option<String> {
    let lines = counters.errors;
    let errors = declared
        .errors
        .filter(|n| declared.is_truth && *n != lines)?;
    Some(format!(
        "errors: {lines} in its log lines, {errors} in its statistics"
    ))
}

/// Leaves out what would be wrong: counts of items that are also logged one by one, and outcomes of requests in a run that
/// tells only of failures.
fn leave_out_doubts(
    counters: &mut Counters,
    buckets: &mut BTreeMap<i64, Counters>,
    habits: Habits,
) {
    let is_single = counters.single_items() > 0 || !habits.batches;
    if !is_single && counters.has_total() {
        for counters in buckets.values_mut().chain([&mut *counters]) {
            counters.take_total();
        }
    }
    if is_single {
        for counters in buckets.values_mut().chain([&mut *counters]) {
            counters.batched = 0;
        }
    }
    leave_out_total(counters, buckets);
    leave_out_one_sided(counters, buckets, habits);
}

/// Leaves out the total behind messages that count items: as many as all others together.
fn leave_out_total(counters: &mut Counters, buckets: &mut BTreeMap<i64, Counters>) {
    let total = counters.largest_batch;
    if counters.batches < 3 || total * 2 != counters.batched {
        return;
    }
    let holder = buckets.values_mut().rev();
    let mut holder = holder.filter(|bucket| bucket.largest_batch == total);
    for counters in holder.next().into_iter().chain([counters]) {
        counters.batched -= total;
    }
}

/// Determines a run's counts and its verdict.
fn run_row(
    key: RunKey,
    stats: SourceStats,
    buckets: &mut BTreeMap<i64, Counters>,
    width: i64,
    files: &BTreeMap<String, FileEntry>,
    now: Timestamp,
    habits: Habits,
) -> RunRow {
    let mut stats = stats;
    let mut counters = std::mem::take(&mut stats.counters);
    let declared = declared_of(&mut stats);
    let own = own_statistics(&declared, &stats);
    let lines_count = counters.requests + counters.items();
    let at = declared
        .at
        .or(stats.last)
        .map(|at| at.as_micros().div_euclid(width) * width);
    let is_declared = declared.requests.is_some() || declared.saved.is_some();
    let course = if stats.is_partial {
        // Totals of the whole run do not apply to a part of it.
        Course::forget(&mut counters, buckets)
    } else {
        take_course(&mut counters, buckets, is_declared)
    };
    if stats.active.is_none() && !is_declared {
        stats.active = course.activity(width, stats.last);
    }
    let pages = std::mem::take(&mut stats.failed_pages);
    count_told(&mut counters, (buckets, width), pages, habits);
    let mut disagreements = reconcile(&mut counters, buckets, &declared, (&course, at));
    disagreements.extend(errors_disagree(&declared, &counters));
    leave_out_doubts(&mut counters, buckets, habits);
    for counters in buckets.values_mut().chain([&mut counters]) {
        // Statistics count what pipelines dropped, not what they broke on.
        counters.failed = counters.failed.saturating_add(counters.lost);
    }
    if counters.rate_limits == 0 {
        // The run logs no rate limits, so count its 429 responses.
        for counters in buckets.values_mut().chain([&mut counters]) {
            counters.rate_limits = counters.status_codes.get(429);
        }
    }
    let by_statistics = declared.requests.is_some()
        && (declared.is_truth || (lines_count == 0 && declared.requests > Some(0)));
    let life = life_of(&stats, files);
    let known = known_of(&key, &stats, &declared, &counters, habits.stores);
    let is_marked = habits.ends || marks_ends(&stats) || life.truncated;
    let is_judged = key.is_run() && stats.is_followed && is_marked;
    let is_crashed = stats.is_crashed();
    let verdict = if is_crashed && key.is_run() && stats.is_followed {
        Some(Verdict::Failed)
    } else {
        is_judged.then(|| judge(&life, now))
    };
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
        is_crashed,
        last_error: stats.last_error,
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
