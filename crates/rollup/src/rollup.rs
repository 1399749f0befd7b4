//! Observing records, and merging what was observed.

use std::collections::BTreeMap;
use std::sync::Arc;

use dragline_schema::{
    Dialect, Event, Level, Position, Problem, ProblemKind, Record, RunStatus, SourceFile,
    Timestamp, host_of,
};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::bounded::{Add, Bounded, hash_of};
use crate::count::{bytes_of, failed, has_activity, plausible};
use crate::counters::{Counters, Latency};
use crate::errors::{Cell, ErrorLabel, Group};
use crate::evidence::Evidence;
use crate::sections::thousandths;
use crate::seq::Covered;
use crate::signs::{FirstSign, MAX_SIGNS, SIGN_WIDTH, SignKey, signs};
use crate::source::{Declared, RunEnd, SourceKey, SourceStats, earlier};
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
/// Further back than so goes no clock that is right, in microseconds.
const CLOCK_SKEW: i64 = 10 * MINUTE;
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

/// Counts, sketches and evidence of any number of records.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollup {
    limits: Limits,
    pub(crate) sources: Vec<(Arc<SourceKey>, SourceStats)>,
    #[serde(skip)]
    index: FxHashMap<Arc<SourceKey>, u32>,
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
    /// The source of the last record: mostly that of the next one too.
    source: Option<u32>,
    /// Records that were counted of it.
    events: u64,
    /// The latest time of its records so far.
    latest: Option<Timestamp>,
    /// Records that say they are older than one before them, by more than [`OUT_OF_ORDER`].
    out_of_order: u64,
    /// The source of the last record with a time, and the latest of its times in a row.
    own: Option<(u32, Timestamp)>,
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
            activity: FxHashMap::default(),
            latency: FxHashMap::default(),
            groups: Bounded::new(MAX_GROUPS),
            cells: Bounded::new(MAX_CELLS),
            signs: Bounded::new(MAX_SIGNS),
            files: BTreeMap::new(),
            problems: BTreeMap::new(),
            dialects: Tally::default(),
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
        let mut rollup: Self = postcard::from_bytes(bytes).ok()?;
        rollup.reindex();
        Some(rollup)
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
        rollup.reindex();
        Some(rollup)
    }

    fn reindex(&mut self) {
        let index = |(place, (key, _)): (u32, &(Arc<SourceKey>, _))| (Arc::clone(key), place);
        self.index = (0..).zip(&self.sources).map(index).collect();
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
            for (writer, ranges) in &stats.writers {
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
        if let (Some(source), true) = (self.current.source, by_level) {
            self.sources[source as usize].1.is_leveled = true;
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
        let (key, stats) = &mut self.sources[source as usize];
        if let Event::Summary(summary) = &record.event
            && record.level.is_none()
        {
            // Not a line of the log: the reader tells what it learnt.
            if let Some(name) = &summary.scraper_id {
                stats.renamed = Some(name.clone().into_owned());
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
        }
        self.dialects.count(record.dialect, 1);
        stats.observe_domain(record, host);
        stats.sections.observe(record);
        if let Some(label) = label {
            let group = self.groups.entry(&label.group);
            group.observe(label, evidence(), record.timestamp, key);
            let cell = Cell {
                category: label.category,
                severity: label.severity,
                error_type: label.error_type.to_owned(),
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
                let source = self.intern(key);
                self.sources[source as usize].1.add(stats);
                source
            })
            .collect();
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
        if self.sources.len() > 2 * self.limits.sources {
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
        }
        for (key, problem) in other.problems {
            add_problem(&mut self.problems, key, problem);
        }
        self.dialects.add(other.dialects);
    }

    /// The width of the buckets, in microseconds.
    pub(crate) fn width(&self) -> i64 {
        self.width
    }

    fn source_of(&mut self, record: &Record<'_>) -> u32 {
        if let Some(source) = self.current.source {
            let key = &self.sources[source as usize].0;
            if key.scraper_id.as_deref() == record.scraper_id.as_deref()
                && key.site.as_deref() == record.site.as_deref()
                && key.run_id.as_deref() == record.run_id.as_deref()
                && key.is_echo == record.is_echo
            {
                return source;
            }
        }
        if self.sources.len() > 2 * self.limits.sources {
            self.bound_sources();
        }
        let source = self.intern(Arc::new(SourceKey::of(&self.current.family, record)));
        self.current.source = Some(source);
        source
    }

    fn intern(&mut self, key: Arc<SourceKey>) -> u32 {
        if let Some(source) = self.index.get(&key) {
            return *source;
        }
        let source = self.sources.len() as u32;
        self.sources
            .push((Arc::clone(&key), SourceStats::default()));
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
    fn widen(&mut self, time: Timestamp) {
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
        let mut hashes: Vec<(u64, u32)> = (0..)
            .zip(&self.sources)
            .filter(|(_, (key, _))| !key.is_rest)
            .map(|(place, (key, _))| (hash_of(&**key), place))
            .collect();
        if hashes.len() <= self.limits.sources {
            return;
        }
        hashes.sort_unstable();
        let is_kept: FxHashSet<u32> = hashes[..self.limits.sources]
            .iter()
            .map(|(_, place)| *place)
            .collect();
        let sources = std::mem::take(&mut self.sources);
        self.index.clear();
        self.current.source = None;
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

impl SourceStats {
    /// The line's number: what tells whether all are there.
    fn observe_seq(&mut self, record: &Record<'_>) {
        if let (Some(writer), Some(seq)) = (&record.writer_id, record.seq) {
            match self.writers.get_mut(&**writer) {
                Some(ranges) => ranges.insert(seq, record.timestamp),
                None => self
                    .writers
                    .entry(writer.to_string())
                    .or_default()
                    .insert(seq, record.timestamp),
            }
        }
    }

    /// The clock: a source whose time goes back within a file was set, or is two.
    fn observe_clock(&mut self, source: u32, own: &mut Option<(u32, Timestamp)>, time: Timestamp) {
        let before = own.filter(|(last, _)| *last == source);
        let latest = before.map_or(time, |(_, latest)| latest);
        if latest.since(time) > CLOCK_SKEW {
            self.skewed += 1;
            self.skewed_since = earlier(self.skewed_since, Some(latest));
        }
        *own = Some((source, latest.max(time)));
    }

    /// The host that the record is about: what a run's site is when no line names one.
    fn observe_host<'r>(&mut self, record: &'r Record<'_>) -> Option<&'r str> {
        let url = match &record.event {
            Event::Request(request) => request.url.as_deref(),
            Event::ProductProcessed(product) => product.url.as_deref(),
            Event::ScraperError(error) => error.url.as_deref(),
            _ => None,
        };
        let host = url.and_then(host_of)?;
        *self.hosts.entry(host) += 1;
        Some(host)
    }

    /// What the host was asked for.
    fn observe_domain(&mut self, record: &Record<'_>, host: Option<&str>) {
        if let (Some(host), Event::Request(request)) = (host, &record.event) {
            let domain = self.sections.domains.0.entry(host);
            domain.requests += 1;
            domain.requests_failed += u64::from(failed(record, request));
            domain.bytes += bytes_of(request);
        }
    }

    /// Start, end and the run's own account.
    fn observe_life(&mut self, record: &Record<'_>, evidence: &dyn Fn() -> Evidence) {
        match &record.event {
            Event::ScraperStart(_) => self.started = earlier(self.started, record.timestamp),
            Event::ScraperEnd(end) => {
                let status = end.status.as_deref().and_then(RunStatus::from_name);
                let reason = end.finish_reason.as_deref().map(str::to_owned);
                self.end_at(record.timestamp, status, reason, evidence);
                if record.dialect == Dialect::Dragline {
                    self.declare(declared_by_end(end, record.timestamp));
                }
            }
            Event::Summary(summary) => {
                let status_codes = summary.status_codes.iter().copied().collect();
                let level = |level| {
                    let counts = summary.levels.iter().filter(|(held, _)| *held == level);
                    counts.map(|(_, count)| count).sum::<u64>()
                };
                let tells_failures = summary.requests_failed.is_some();
                self.declare(Declared {
                    is_truth: true,
                    at: record.timestamp,
                    start: summary.start,
                    end: summary.end,
                    requests: summary.requests,
                    requests_failed: summary.requests_failed,
                    requests_unjudged: summary.requests.filter(|_| !tells_failures),
                    status_codes: tells_failures.then_some(status_codes),
                    bytes: summary.bytes,
                    saved: summary.items,
                    failed: summary.items_failed,
                    duplicates: summary.duplicates,
                    errors: (!summary.levels.is_empty())
                        .then(|| level(Level::Error) + level(Level::Critical)),
                    warnings: (!summary.levels.is_empty()).then(|| level(Level::Warn)),
                    ..Declared::default()
                });
            }
            Event::QueueSize(queue) => {
                let told = record.timestamp.zip(queue.queue_size);
                self.queue = self.queue.max(told);
            }
            Event::LogDropped(dropped) => self.dropped += dropped.dropped.unwrap_or(0),
            _ => {}
        }
    }

    fn end_at(
        &mut self,
        at: Option<Timestamp>,
        status: Option<RunStatus>,
        reason: Option<String>,
        evidence: &dyn Fn() -> Evidence,
    ) {
        let end = RunEnd {
            at,
            status: status.unwrap_or(RunStatus::Success),
            reason,
        };
        if Some(&end) > self.end.as_ref() {
            self.end = Some(end);
            self.end_place = Some(evidence());
        }
    }

    fn declare(&mut self, new: Declared) {
        let held = self.declared.as_ref().map(|held| (held.is_truth, held.at));
        if held.is_none_or(|held| (new.is_truth, new.at) >= held) {
            self.declared = Some(new);
        }
    }
}

fn declared_by_end(end: &dragline_schema::ScraperEnd<'_>, at: Option<Timestamp>) -> Declared {
    Declared {
        is_truth: false,
        at,
        duration: end.duration_seconds.and_then(|s| thousandths(s * 1000.0)),
        requests: end.requests_made,
        bytes: end.bytes_downloaded,
        found: end.products_found,
        added: end.products_added,
        updated: end.products_updated,
        saved: end.products_saved,
        failed: end.products_failed,
        articles: end.articles_stored,
        errors: end.errors_count,
        rate_limits: end.rate_limits_hit,
        ..Declared::default()
    }
}
