//! The rollup: observes records and merges with other rollups.

mod bounds;
mod stored;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use dragline_schema::{
    Dialect, ErrorCategory, Event, Position, Problem, ProblemKind, Record, SourceFile, Timestamp,
};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::bounded::{Add, Bounded, Distinct, hash_of};
use crate::count::{has_activity, plausible};
use crate::counters::{Counters, Latency};
use crate::errors::{Cell, ErrorLabel, Group};
use crate::order::Order;
use crate::seq::Covered;
use crate::signs::{FirstSign, MAX_SIGNS, SIGN_WIDTH, SignKey, signs};
use crate::source::{SourceKey, SourceStats, bounded_name, is_crash};
use crate::tally::Tally;
use crate::unread::{MAX_FORMS, UnreadForm};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Possible bucket widths. The smallest that gives at most [`MAX_BUCKETS`] in the period is used.
const WIDTHS: [i64; 8] = [
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    DAY,
    7 * DAY,
    28 * DAY,
    36_400 * DAY,
];
const MAX_BUCKETS: i64 = 20_000;
/// Possible widths of the time ranges of latency sketches.
const SKETCH_WIDTHS: [i64; 6] = [HOUR, 4 * HOUR, DAY, 7 * DAY, 28 * DAY, 36_400 * DAY];
/// Backward steps in a file up to this, in microseconds, are not counted as out of order.
pub const OUT_OF_ORDER: i64 = MINUTE;
/// Maximum number of error groups kept.
const MAX_GROUPS: usize = 10_000;
/// Maximum number of cells kept.
const MAX_CELLS: usize = 10_000;

/// Limits on the size of a rollup. Data beyond the limits is summed up or kept at a coarser resolution.
/// The result is still independent of splits and order, with one exception: if there are more sources
/// *and* more buckets than allowed, the bucket width can depend on which sources were observed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Maximum number of sources kept separately; those with the largest hashes are counted together.
    /// Default 50,000.
    pub sources: usize,
    /// Maximum number of buckets of all sources; beyond that, buckets are widened. Default 150,000.
    pub buckets: usize,
    /// Maximum number of response time sketches of all sources; beyond that, each covers more hours.
    /// Default 20,000.
    pub sketches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sources: 50_000,
            buckets: 150_000,
            sketches: 20_000,
        }
    }
}

/// A source and its statistics. The statistics are boxed because most of them are rarely read.
pub(crate) type Source = (Arc<SourceKey>, Box<SourceStats>);

/// Counts, sketches and evidence from any number of records.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollup {
    limits: Limits,
    pub(crate) sources: Vec<Source>,
    #[serde(skip)]
    pub(crate) index: FxHashMap<Arc<SourceKey>, u32>,
    /// The largest hash of the sources kept separately, once the limit was exceeded. Sources with a larger hash are
    /// summed up immediately.
    #[serde(skip)]
    largest: Option<u64>,
    /// Counts by source and start of the bucket (microseconds).
    pub(crate) activity: FxHashMap<(u32, i64), Counters>,
    /// Response times by source and start of the time range (microseconds).
    pub(crate) latency: FxHashMap<(u32, i64), Latency>,
    pub(crate) groups: Bounded<u64, Group>,
    pub(crate) cells: Bounded<Cell, u64>,
    /// First lines of each kind of trouble, by source and quarter of an hour.
    pub(crate) signs: Bounded<SignKey, FirstSign>,
    /// Without the pending counts in [`Current`]; see [`Rollup::settle`].
    pub(crate) files: BTreeMap<String, FileEntry>,
    pub(crate) problems: BTreeMap<(String, ProblemKind), ProblemEntry>,
    pub(crate) dialects: Tally<Dialect>,
    /// The requested URLs.
    pub(crate) urls: Distinct,
    /// Messages that told nothing, by form.
    pub(crate) unread: Bounded<u64, UnreadForm>,
    pub(crate) period: Option<(Timestamp, Timestamp)>,
    width: i64,
    sketch_width: i64,
    #[serde(skip)]
    current: Current,
}

/// The file being observed.
#[derive(Clone, Debug, Default)]
struct Current {
    family: String,
    path: Arc<str>,
    content_id: u64,
    is_error_copy: bool,
    /// The source of the last record and its index; the next record usually has the same.
    source: Option<(Arc<SourceKey>, u32)>,
    /// Number of counted records not yet added to the file's entry.
    events: u64,
    /// The latest time in the file so far.
    latest: Option<Timestamp>,
    /// Records that are older than an earlier one by more than [`OUT_OF_ORDER`].
    out_of_order: u64,
    /// The offset of the farthest record with a time.
    farthest: u64,
    /// The source of the last record with a time, and the latest time of its current sequence of records.
    own: Option<(u32, Timestamp)>,
    /// The last record with a time, and the backward steps.
    order: Order,
}

/// Totals of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileEntry {
    /// Its size on disk.
    pub bytes: u64,
    /// Number of lines read.
    pub lines: u64,
    /// Number of records in those lines.
    pub events: u64,
    /// Records whose time has no zone.
    pub zoneless: u64,
    /// The zone of such times, in seconds east of Greenwich, if the envelopes around the lines show it. Then they are
    /// not counted as zoneless.
    pub zone: Option<i32>,
    /// Whether it is a truncated archive.
    pub truncated: bool,
    /// When it was last modified.
    pub modified: Option<Timestamp>,
    /// The latest time of its records.
    pub latest: Option<Timestamp>,
    /// Records that are more than a minute older than an earlier one.
    pub out_of_order: u64,
    /// Its last record and the backward steps in its times.
    pub order: Order,
}

/// One kind of problem in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemEntry {
    /// Number of occurrences.
    pub count: u64,
    /// The first position, unless the problem concerns the whole file.
    pub first: Option<Position>,
    /// The text at that position, or an explanation.
    pub detail: String,
}

impl Default for Rollup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sources: Vec::new(),
            index: FxHashMap::default(),
            largest: None,
            activity: FxHashMap::default(),
            latency: FxHashMap::default(),
            groups: Bounded::new(MAX_GROUPS),
            cells: Bounded::new(MAX_CELLS),
            signs: Bounded::new(MAX_SIGNS),
            files: BTreeMap::new(),
            problems: BTreeMap::new(),
            dialects: Tally::default(),
            urls: Distinct::default(),
            unread: Bounded::new(MAX_FORMS),
            period: None,
            width: WIDTHS[0],
            sketch_width: SKETCH_WIDTHS[0],
            current: Current::default(),
        }
    }
}

impl Rollup {
    /// An empty rollup with these limits. Only rollups with equal limits can be merged.
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Adopts the hash limit of `whole`, into which this part will be merged: sources that `whole` sums up are summed
    /// up here, too.
    pub fn follow_bound(&mut self, whole: &Self) {
        self.largest = match (self.largest, whole.largest) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
    }

    /// Takes out everything observed so far; the following records still belong to the current file. Merging
    /// both parts, in any order, gives the same as one rollup.
    #[must_use]
    pub fn take_part(&mut self) -> Self {
        self.settle();
        let fresh = Self {
            limits: self.limits,
            largest: self.largest,
            ..Self::default()
        };
        let mut part = std::mem::replace(self, fresh);
        self.current = std::mem::take(&mut part.current);
        // The source has another index in the new table.
        if let Some((key, place)) = self.current.source.take() {
            let own = self.current.own.take().filter(|(held, _)| *held == place);
            let place = self.place_of(key);
            self.current.own = own.map(|(_, latest)| (place, latest));
        }
        part
    }

    /// The times of the first and the last record.
    pub fn period(&self) -> Option<(Timestamp, Timestamp)> {
        self.period
    }

    /// Number of observed records.
    pub fn events(&mut self) -> u64 {
        self.settle();
        self.files.values().map(|file| file.events).sum()
    }

    /// The numbered lines observed so far.
    pub fn covered(&self) -> Covered {
        let mut covered = Covered::default();
        for (key, stats) in &self.sources {
            for (writer, ranges) in &stats.numbers.ranges {
                let run = [key.scraper_id.clone(), key.site.clone(), key.run_id.clone()];
                covered.add(writer, run, ranges);
            }
        }
        covered
    }

    /// Starts a file of a family; the following records belong to it.
    pub fn begin_file(&mut self, family: &str, file: &SourceFile) {
        self.settle();
        self.current = Current {
            family: family.to_owned(),
            path: file.path.as_str().into(),
            content_id: file.content_id,
            ..Current::default()
        };
        self.files.entry(file.path.clone()).or_default().modified = file.modified;
    }

    /// Adds the pending counts of the current file to its entry.
    pub(crate) fn settle(&mut self) {
        let events = std::mem::take(&mut self.current.events);
        let out_of_order = std::mem::take(&mut self.current.out_of_order);
        if events > 0 || out_of_order > 0 {
            let entry = self.files.entry(self.current.path.to_string()).or_default();
            entry.events += events;
            entry.out_of_order += out_of_order;
            entry.latest = entry.latest.max(self.current.latest);
            entry.order.add(&self.current.order.take_counts());
        }
    }

    /// Marks the current file as a copy of a family's errors. For a run that occurs only in such copies,
    /// nothing but its errors is known, not even how it ended.
    pub fn begin_error_copy(&mut self) {
        self.current.is_error_copy = true;
    }

    /// Sets the totals of a file that was read to its end.
    pub fn end_file(&mut self, path: &str, bytes: u64, lines: u64, zoneless: u64, truncated: bool) {
        let entry = self.files.entry(path.to_owned()).or_default();
        entry.bytes = bytes;
        entry.lines = lines;
        entry.zoneless = zoneless;
        entry.truncated = truncated;
    }

    /// Sets the zone of a file's times without one, as the envelopes around its lines show it.
    pub fn set_zone(&mut self, path: &str, zone: Option<i32>) {
        self.files.entry(path.to_owned()).or_default().zone = zone;
    }

    /// Counts a problem of the current file.
    pub fn observe_problem(&mut self, problem: &Problem<'_>) {
        let entry = ProblemEntry {
            count: 1,
            first: problem.at,
            detail: problem.detail.to_owned(),
        };
        add_problem(
            &mut self.problems,
            (self.current.path.to_string(), problem.kind),
            entry,
        );
    }

    /// Counts a record of the current file; `label` is its classification if it is an error.
    pub fn observe(&mut self, record: &Record<'_>, at: Position, label: Option<&ErrorLabel<'_>>) {
        self.see(record, at, label, true);
    }

    /// Observes a record that did not pass the filter, only for facts about the whole run: how it ended
    /// and whether lines are missing.
    ///
    /// `by_level`: only its level excluded it. Counts of events logged at that level are then unknown, not
    /// smaller.
    pub fn observe_life(&mut self, record: &Record<'_>, at: Position, by_level: bool) {
        self.see(record, at, None, false);
        if let (Some((_, source)), true) = (&self.current.source, by_level) {
            self.sources[*source as usize].1.is_leveled = true;
        }
    }

    fn see(
        &mut self,
        record: &Record<'_>,
        at: Position,
        label: Option<&ErrorLabel<'_>>,
        counted: bool,
    ) {
        let source = self.source_of(record);
        let evidence = {
            let (content_id, path) = (self.current.content_id, Arc::clone(&self.current.path));
            move || SourceStats::evidence(content_id, &path, at)
        };
        if let Event::Summary(summary) = &record.event
            && let Some(progress) = &summary.progress
            && counted
        {
            self.add_progress(source, record.timestamp, progress);
        }
        let stats = &mut self.sources[source as usize].1;
        if let Event::Summary(summary) = &record.event
            && record.level.is_none()
        {
            // Not a log line: the reader passes on what it learnt about the run.
            if let Some(name) = &summary.scraper_id {
                stats.renamed = Some(bounded_name(name));
                return;
            }
            return stats.observe_life(record, &evidence);
        }
        stats.dialects.insert(record.dialect);
        stats.is_followed |= !self.current.is_error_copy;
        stats.touch(record.timestamp, &evidence);
        stats.observe_seq(record);
        stats.observe_life(record, &evidence);
        stats.observe_words(record, at.offset);
        let host = stats.observe_host(record);
        if has_activity(record) {
            stats.act(record.timestamp);
        }
        if !counted {
            stats.is_partial = true;
            return;
        }
        self.current.events += 1;
        if let Some(time) = record.timestamp {
            let latest = *self.current.latest.get_or_insert(time);
            // The last record of a quiet stream is handed over when others have gone on: it is older, and no clock is wrong.
            let is_late = at.offset < self.current.farthest;
            let is_back = !is_late && latest.since(time) > OUT_OF_ORDER;
            self.current.out_of_order += u64::from(is_back);
            self.current.latest = Some(latest.max(time));
            stats.observe_clock(source, &mut self.current.own, time);
            if !is_late {
                self.current.order.observe(time, at.offset);
                self.current.farthest = at.offset;
            }
        }
        self.dialects.count(record.dialect, 1);
        if let (Some(unread), Some(message)) = (record.unread, record.message.as_deref()) {
            let form = self.unread.entry(&unread.form);
            form.observe(unread, message, evidence());
        }
        stats.observe_domain(record, host);
        if record.dialect != Dialect::Dragline {
            let is_network = label.is_some_and(|label| label.category == ErrorCategory::Network);
            stats.failed_pages.observe(record, is_network, at);
        }
        if let Event::Request(request) = &record.event
            && let Some(url) = request.url.as_deref()
        {
            self.urls.observe(url);
        }
        stats.sections.observe(record);
        let key = self.current.source.as_ref().map(|(key, _)| Arc::clone(key));
        // Set by `source_of` above.
        let key = &key.unwrap_or_default();
        if let Some(label) = label {
            let group = self.groups.entry(&label.group);
            group.observe(label, evidence(), record.timestamp, key);
            let stats = &mut self.sources[source as usize].1;
            stats.fail(
                record.timestamp,
                evidence(),
                (label.group, is_crash(record)),
            );
            let cell = Cell {
                category: label.category,
                severity: label.severity,
                error_type: bounded_name(label.error_type),
            };
            *self.cells.entry(&cell) += 1;
        }
        let quarter = record
            .timestamp
            .map_or(0, |time| floor(time.as_micros(), SIGN_WIDTH));
        let table = &mut self.signs;
        signs(record, label, |sign, text| {
            let first = table.entry(&(key.id(), sign, quarter));
            first.observe(record.timestamp, evidence(), text);
        });
        self.add_activity(source, record, label);
    }

    /// Adds everything that the other rollup observed.
    pub fn merge(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        if let Some((first, last)) = other.period {
            self.widen(first);
            self.widen(last);
        }
        let sources: Vec<u32> = other
            .sources
            .into_iter()
            .map(|(key, stats)| {
                let source = self.intern_bounded(key);
                self.sources[source as usize].1.add(*stats);
                source
            })
            .collect();
        // The cached source may now have another index.
        self.current.source = None;
        if other.width > self.width || other.sketch_width > self.sketch_width {
            self.width = self.width.max(other.width);
            self.sketch_width = self.sketch_width.max(other.sketch_width);
            self.rebucket();
        }
        for ((source, start), counters) in other.activity {
            let key = (sources[source as usize], floor(start, self.width));
            self.activity.entry(key).or_default().add(counters);
        }
        for ((source, start), latency) in other.latency {
            let key = (sources[source as usize], floor(start, self.sketch_width));
            self.latency.entry(key).or_default().merge(&latency);
        }
        self.bound_buckets();
        self.bound_sketches();
        if self.sources.len() > self.limits.sources + self.limits.sources / 4 {
            self.bound_sources();
        }
        self.groups.merge(other.groups);
        self.cells.merge(other.cells);
        self.signs.merge(other.signs);
        for (path, file) in other.files {
            let entry = self.files.entry(path).or_default();
            entry.events += file.events;
            entry.bytes = entry.bytes.max(file.bytes);
            entry.lines = entry.lines.max(file.lines);
            entry.zoneless = entry.zoneless.max(file.zoneless);
            entry.zone = entry.zone.or(file.zone);
            entry.truncated |= file.truncated;
            entry.modified = entry.modified.max(file.modified);
            entry.latest = entry.latest.max(file.latest);
            entry.out_of_order += file.out_of_order;
            entry.order.add(&file.order);
        }
        for (key, problem) in other.problems {
            add_problem(&mut self.problems, key, problem);
        }
        self.dialects.add(other.dialects);
        self.urls.add(other.urls);
        self.unread.merge(other.unread);
    }

    /// An empty rollup with the same limits and bucket widths.
    pub(crate) fn empty_like(&self) -> Self {
        Self {
            limits: self.limits,
            width: self.width,
            sketch_width: self.sketch_width,
            ..Self::default()
        }
    }

    /// The width of the buckets, in microseconds.
    pub(crate) fn width(&self) -> i64 {
        self.width
    }

    fn source_of(&mut self, record: &Record<'_>) -> u32 {
        if let Some((key, source)) = &self.current.source
            && key.is_of(record)
        {
            return *source;
        }
        self.place_of(Arc::new(SourceKey::of(&self.current.family, record)))
    }

    /// The index of a source, which becomes the current one.
    fn place_of(&mut self, key: Arc<SourceKey>) -> u32 {
        if self.sources.len() > self.limits.sources + self.limits.sources / 4 {
            self.bound_sources();
        }
        let source = self.intern_bounded(Arc::clone(&key));
        self.current.source = Some((key, source));
        source
    }

    /// The index of a source, or of the sum of all sources beyond the limit.
    fn intern_bounded(&mut self, key: Arc<SourceKey>) -> u32 {
        let is_beyond = |largest| !key.is_rest && hash_of(&*key) > largest;
        if self.largest.is_some_and(is_beyond) {
            return self.intern(Arc::new(SourceKey::rest()));
        }
        self.intern(key)
    }

    pub(crate) fn intern(&mut self, key: Arc<SourceKey>) -> u32 {
        if let Some(source) = self.index.get(&key) {
            return *source;
        }
        let source = self.sources.len() as u32;
        self.sources.push((Arc::clone(&key), Box::default()));
        self.index.insert(key, source);
        source
    }

    fn add_activity(&mut self, source: u32, record: &Record<'_>, label: Option<&ErrorLabel<'_>>) {
        let whole = &mut self.sources[source as usize].1.counters;
        whole.observe(record, label);
        let Some(time) = record.timestamp else {
            // Response times count even without a time of day.
            return self.add_latency(source, record, 0);
        };
        self.widen(time);
        let key = (source, floor(time.as_micros(), self.width));
        let bucket = self.activity.entry(key).or_default();
        bucket.observe(record, label);
        if self.activity.len() > self.limits.buckets {
            self.bound_buckets();
        }
        self.add_latency(source, record, time.as_micros());
    }

    fn add_latency(&mut self, source: u32, record: &Record<'_>, micros: i64) {
        if let Event::Request(request) = &record.event
            && let Some(milliseconds) = plausible(request)
        {
            let key = (source, floor(micros, self.sketch_width));
            self.latency.entry(key).or_default().observe(milliseconds);
            if self.latency.len() > self.limits.sketches {
                self.bound_sketches();
            }
        }
    }
}

/// The start of the bucket that contains a time.
fn floor(micros: i64, width: i64) -> i64 {
    micros.div_euclid(width) * width
}

fn add_problem(
    problems: &mut BTreeMap<(String, ProblemKind), ProblemEntry>,
    key: (String, ProblemKind),
    new: ProblemEntry,
) {
    problems
        .entry(key)
        .and_modify(|held| {
            held.count += new.count;
            if (new.first, &new.detail) < (held.first, &held.detail) {
                held.first = new.first;
                held.detail.clone_from(&new.detail);
            }
        })
        .or_insert(new);
}
