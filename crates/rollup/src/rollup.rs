//! Observing records, and merging what was observed.

use std::collections::BTreeMap;
use std::sync::Arc;

use dragline_schema::{
    Dialect, Event, Position, Problem, ProblemKind, Record, SourceFile, Timestamp,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::bounded::{Add, Bounded, Distinct, hash_of};
use crate::count::{has_activity, plausible};
use crate::counters::{Counters, Latency};
use crate::errors::{Cell, ErrorLabel, Group};
use crate::observe::own_number;
use crate::order::Order;
use crate::seq::Covered;
use crate::signs::{FirstSign, MAX_SIGNS, SIGN_WIDTH, SignKey, signs};
use crate::source::{SourceKey, SourceStats, bounded_name};
use crate::tally::Tally;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// Buckets are as narrow as these allow with at most [`MAX_BUCKETS`] in the period.
const DAY: i64 = 24 * HOUR;
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
/// The same of the sketches.
const SKETCH_WIDTHS: [i64; 6] = [HOUR, 4 * HOUR, DAY, 7 * DAY, 28 * DAY, 36_400 * DAY];
/// So much writers of one file may differ before it is told, in microseconds.
pub const OUT_OF_ORDER: i64 = MINUTE;
/// Error groups and cells that are kept by name.
const MAX_GROUPS: usize = 10_000;
const MAX_CELLS: usize = 10_000;

/// How much a rollup holds, whatever it observes. What is beyond is added up, or told less finely.
/// Any split and any order still give the same, but for one thing: where there are more sources
/// *and* more buckets than that, how wide the buckets are can depend on which sources were seen
/// together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Sources that are kept apart; those with the largest hash are counted together. Default
    /// 50,000.
    pub sources: usize,
    /// Buckets of all sources; with more, they are wider. Default 150,000.
    pub buckets: usize,
    /// Sketches of response times of all sources; with more, they stand for more hours. Default
    /// 20,000.
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

/// A source, and what it was seen to do. Most of it is never looked at together, so that it stands apart.
pub(crate) type Source = (Arc<SourceKey>, Box<SourceStats>);

/// Counts, sketches and evidence of any number of records.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollup {
    limits: Limits,
    pub(crate) sources: Vec<Source>,
    #[serde(skip)]
    pub(crate) index: FxHashMap<Arc<SourceKey>, u32>,
    /// The largest hash of the sources that are kept apart, once they were too many: those beyond are added
    /// up at once.
    #[serde(skip)]
    largest: Option<u64>,
    /// By source and start of the bucket (microseconds).
    pub(crate) activity: FxHashMap<(u32, i64), Counters>,
    /// By source and start of the hour.
    pub(crate) latency: FxHashMap<(u32, i64), Latency>,
    pub(crate) groups: Bounded<u64, Group>,
    pub(crate) cells: Bounded<Cell, u64>,
    /// By source and quarter of an hour.
    pub(crate) signs: Bounded<SignKey, FirstSign>,
    /// But for what is counted of the current one.
    pub(crate) files: BTreeMap<String, FileEntry>,
    pub(crate) problems: BTreeMap<(String, ProblemKind), ProblemEntry>,
    pub(crate) dialects: Tally<Dialect>,
    /// The URLs that were asked for.
    pub(crate) urls: Distinct,
    pub(crate) period: Option<(Timestamp, Timestamp)>,
    width: i64,
    sketch_width: i64,
    #[serde(skip)]
    current: Current,
}

/// The file that is being observed.
#[derive(Clone, Debug, Default)]
struct Current {
    family: String,
    path: Arc<str>,
    content_id: u64,
    is_error_copy: bool,
    /// The source of the last record, mostly that of the next one too, and where it is counted.
    source: Option<(Arc<SourceKey>, u32)>,
    /// Records that were counted of it.
    events: u64,
    /// The latest time of its records so far.
    latest: Option<Timestamp>,
    /// Records that say they are older than one before them, by more than [`OUT_OF_ORDER`].
    out_of_order: u64,
    /// The source of the last record with a time, and the latest of its times in a row.
    own: Option<(u32, Timestamp)>,
    /// The last record with a time.
    order: Order,
}

/// A file, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileEntry {
    /// Its size on disk.
    pub bytes: u64,
    /// Lines that were read.
    pub lines: u64,
    /// Records that were made of them.
    pub events: u64,
    /// Records whose time names no zone.
    pub zoneless: u64,
    /// Whether it is an archive that ends before its end.
    pub truncated: bool,
    /// When it was last written.
    pub modified: Option<Timestamp>,
    /// The latest time that any of its records names.
    pub latest: Option<Timestamp>,
    /// Records that say they are more than a minute older than one before them.
    pub out_of_order: u64,
    /// What the order of its records tells of their times.
    pub order: Order,
}

/// One kind of problem in one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemEntry {
    /// How many.
    pub count: u64,
    /// The first place, when it is not the file as a whole.
    pub first: Option<Position>,
    /// What stands there, or a sentence.
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
            period: None,
            width: WIDTHS[0],
            sketch_width: SKETCH_WIDTHS[0],
            current: Current::default(),
        }
    }
}

impl Rollup {
    /// A rollup that holds so much. Only rollups of the same limits merge.
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// The rollup as bytes, for [`Rollup::decode`] of the same version of this crate.
    pub fn encode(&mut self) -> Vec<u8> {
        self.settle();
        // Maps, lists, numbers and texts always serialise.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// The rollup that was encoded; `None` when the bytes are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rollup: Self = postcard::from_bytes(bytes).ok()?;
        rollup.reindexed()
    }

    /// The rollup as bytes that later versions of this crate can read: `MessagePack`, with the names of
    /// the fields. For [`Rollup::recall`].
    ///
    /// # Errors
    /// When it cannot be written so, which would be a fault of ours.
    pub fn record(&mut self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        self.settle();
        rmp_serde::to_vec_named(self)
    }

    /// The rollup that was recorded, by whatever version; what that did not know is empty. `None` when
    /// the bytes are none.
    pub fn recall(bytes: &[u8]) -> Option<Self> {
        let mut rollup: Self = rmp_serde::from_slice(bytes).ok()?;
        // Another version may have another order of these keys.
        rollup.cells = rollup.cells.rehashed();
        rollup.signs = rollup.signs.rehashed();
        rollup.reindexed()
    }

    /// With its index; `None` when it counts something of a source that is not there.
    fn reindexed(mut self) -> Option<Self> {
        let index = |(place, (key, _)): (u32, &Source)| (Arc::clone(key), place);
        self.index = (0..).zip(&self.sources).map(index).collect();
        let count = self.sources.len();
        let mut counted = self.activity.keys().chain(self.latency.keys());
        let is_whole = counted.all(|(source, _)| (*source as usize) < count);
        (is_whole && self.width > 0 && self.sketch_width > 0).then_some(self)
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        const SOURCE: usize = 2000;
        const BUCKET: usize = 500;
        const SKETCH: usize = 1000;
        const GROUP: usize = 3000;
        const CELL: usize = 200;
        const SIGN: usize = 400;
        const FILE: usize = 500;
        self.sources.len() * SOURCE
            + self.activity.len() * BUCKET
            + self.latency.len() * SKETCH
            + self.groups.len() * GROUP
            + self.cells.len() * CELL
            + self.signs.len() * SIGN
            + (self.files.len() + self.problems.len()) * FILE
    }

    /// Sources that the other adds up are added up here, too, when it has as many of those that it keeps apart:
    /// for a part that is merged into it.
    pub fn follow_bound(&mut self, whole: &Self) {
        self.largest = match (self.largest, whole.largest) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
    }

    /// Takes everything that was observed so far out of it; what follows still stands in the current file.
    /// Merged, in any order, both are what the whole would have been.
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
        // Its places in the table are others.
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

    /// How many records were observed.
    pub fn events(&mut self) -> u64 {
        self.settle();
        self.files.values().map(|file| file.events).sum()
    }

    /// The numbered lines that were observed so far.
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

    /// What follows stands in this file of this family.
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

    /// Writes down what was counted of the current file.
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

    /// What follows stands in a copy of a family's errors: of a run that is seen nowhere else, nothing
    /// is known but these, nor how it ended.
    pub fn begin_error_copy(&mut self) {
        self.current.is_error_copy = true;
    }

    /// The file's totals, when it was read to its end.
    pub fn end_file(&mut self, path: &str, bytes: u64, lines: u64, zoneless: u64, truncated: bool) {
        let entry = self.files.entry(path.to_owned()).or_default();
        entry.bytes = bytes;
        entry.lines = lines;
        entry.zoneless = zoneless;
        entry.truncated = truncated;
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

    /// Counts a record of the current file; `label` says what it is when it is an error.
    pub fn observe(&mut self, record: &Record<'_>, at: Position, label: Option<&ErrorLabel<'_>>) {
        self.see(record, at, label, true);
    }

    /// Takes a record that is not asked for into account where the whole matters: how a run
    /// ended, and whether lines are missing.
    ///
    /// `by_level` says that its level alone kept it out: then counts of what is logged on that level
    /// are unknown, not smaller.
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
        let stats = &mut self.sources[source as usize].1;
        if let Event::Summary(summary) = &record.event
            && record.level.is_none()
        {
            // Not a line of the log: the reader tells what it learnt.
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
            self.current.out_of_order += u64::from(latest.since(time) > OUT_OF_ORDER);
            self.current.latest = Some(latest.max(time));
            stats.observe_clock(source, &mut self.current.own, time);
            self.current.order.observe(time, at.offset);
        }
        self.dialects.count(record.dialect, 1);
        stats.observe_domain(record, host);
        if let Event::Request(request) = &record.event
            && let Some(url) = request.url.as_deref()
        {
            self.urls.observe(url);
        }
        stats.sections.observe(record);
        let key = self.current.source.as_ref().map(|(key, _)| Arc::clone(key));
        // It was found above.
        let key = &key.unwrap_or_default();
        if let Some(label) = label {
            let group = self.groups.entry(&label.group);
            group.observe(label, evidence(), record.timestamp, key);
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

    /// The record that was observed last holds a number to which the user gave a name.
    pub fn tell(&mut self, time: Option<Timestamp>, name: &str, value: f64) {
        if let Some((_, source)) = &self.current.source
            && let Some(told) = own_number(name, value)
        {
            self.sources[*source as usize].1.tell(time, told);
        }
    }

    /// Adds everything that the other observed.
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
        // What came last is not the current file's any more.
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
    }

    /// An empty rollup with buckets as wide as these.
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

    /// Where what a source does is counted.
    fn place_of(&mut self, key: Arc<SourceKey>) -> u32 {
        if self.sources.len() > self.limits.sources + self.limits.sources / 4 {
            self.bound_sources();
        }
        let source = self.intern_bounded(Arc::clone(&key));
        self.current.source = Some((key, source));
        source
    }

    /// The place of a source, or the one of those that are added up.
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
            // How long answers took is known whenever they came.
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

    /// The period grows; the buckets widen with it.
    pub(crate) fn widen(&mut self, time: Timestamp) {
        let (first, last) = self.period.unwrap_or((time, time));
        if first <= time && time <= last && self.period.is_some() {
            return;
        }
        let (first, last) = (first.min(time), last.max(time));
        self.period = Some((first, last));
        let span = last.since(first);
        let fits = |width: &&i64| span / **width <= MAX_BUCKETS;
        let width = *WIDTHS.iter().find(fits).unwrap_or(&self.width);
        if width > self.width {
            self.width = width;
            self.rebucket();
        }
    }

    /// Widens the buckets until there are few enough of them: the least width that is wide enough
    /// for all that was observed is wide enough for any part of it.
    fn bound_buckets(&mut self) {
        while self.activity.len() > self.limits.buckets
            && let Some(wider) = WIDTHS.into_iter().find(|width| *width > self.width)
        {
            self.width = wider;
            self.rebucket();
        }
    }

    /// The same of the sketches.
    fn bound_sketches(&mut self) {
        while self.latency.len() > self.limits.sketches
            && let Some(wider) = SKETCH_WIDTHS
                .into_iter()
                .find(|width| *width > self.sketch_width)
        {
            self.sketch_width = wider;
            self.rebucket();
        }
    }

    /// Puts everything into buckets of the current widths, which grew.
    fn rebucket(&mut self) {
        let width = self.width;
        if self
            .activity
            .keys()
            .any(|(_, start)| floor(*start, width) != *start)
        {
            for ((source, start), counters) in std::mem::take(&mut self.activity) {
                let key = (source, floor(start, width));
                self.activity.entry(key).or_default().add(counters);
            }
        }
        let width = self.sketch_width;
        if self
            .latency
            .keys()
            .any(|(_, start)| floor(*start, width) != *start)
        {
            for ((source, start), latency) in std::mem::take(&mut self.latency) {
                let key = (source, floor(start, width));
                self.latency.entry(key).or_default().merge(&latency);
            }
        }
    }

    /// Keeps the sources with the smallest hash apart and adds up the rest. A source that is added
    /// up is seen anew when it comes again, and is added up again, as there are always as many with
    /// a smaller hash: so it does not matter when this happens.
    pub(crate) fn bound_sources(&mut self) {
        // Of those that are added up nothing is known but sums, whatever way they came.
        let mut rest = self.sources.iter_mut().filter(|(key, _)| key.is_rest);
        if let Some((_, stats)) = rest.next() {
            **stats = std::mem::take(&mut **stats).into_rest();
        }
        let mut hashes: Vec<(u64, u32)> = (0..)
            .zip(&self.sources)
            .filter(|(_, (key, _))| !key.is_rest)
            .map(|(place, (key, _))| (hash_of(&**key), place))
            .collect();
        if hashes.len() <= self.limits.sources {
            return;
        }
        hashes.sort_unstable();
        let kept = &hashes[..self.limits.sources];
        self.largest = kept.last().map(|(hash, _)| *hash);
        let is_kept: FxHashSet<u32> = kept.iter().map(|(_, place)| *place).collect();
        let sources = std::mem::take(&mut self.sources);
        self.index.clear();
        self.current.source = None;
        self.current.own = None;
        let rest = self.intern(Arc::new(SourceKey::rest()));
        let places: Vec<u32> = (0..)
            .zip(sources)
            .map(|(place, (key, stats))| {
                if is_kept.contains(&place) {
                    let place = self.intern(key);
                    self.sources[place as usize].1 = stats;
                    place
                } else {
                    self.sources[rest as usize].1.add(stats.into_rest());
                    rest
                }
            })
            .collect();
        for ((source, start), counters) in std::mem::take(&mut self.activity) {
            let key = (places[source as usize], start);
            self.activity.entry(key).or_default().add(counters);
        }
        for ((source, start), latency) in std::mem::take(&mut self.latency) {
            let key = (places[source as usize], start);
            self.latency.entry(key).or_default().merge(&latency);
        }
    }
}

/// The start of a bucket.
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
