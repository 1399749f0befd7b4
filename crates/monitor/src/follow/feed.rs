//! The sink of the follower: counts every record once, in the rollup of its day, scraper and site.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline_classifier::RuleSet;
use dragline_ingest::{Checkpoint, Map, Watch, family_name};
use dragline_metrics::{Delta, Observer};
use dragline_rollup::{ErrorLabel, Rollup};
use dragline_scan::{Labeller, Row, observe};
use dragline_schema::{Event, Position, Problem, Record, RunKey, Sink, SourceFile, Timestamp};
use dragline_watch::Traffic;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::live::{EndedRun, Live};
use crate::store::{Batch, PartKey};

/// The width of the slots that measurements are published in.
pub const SLOT_SECONDS: u32 = 10;
/// Records between two looks at the clock.
const RECORDS: u32 = 512;
/// Commits after which a part without new records is forgotten. It is begun anew with its next record.
const IDLE_COMMITS: u32 = 30;
/// Lines of trouble that are older, in microseconds, are not kept for notices.
const TRAFFIC_KEPT: i64 = 6 * 3_600_000_000;
/// A run without a sign of life for this long, in microseconds, is not active any more.
const RUN_EXPIRES: i64 = 24 * 3_600_000_000;

/// The counts of one day, scraper and site.
struct Part {
    key: PartKey,
    rollup: Rollup,
    /// The file that the rollup was last told of.
    file: u64,
    /// Whether it has counts that are not in a batch.
    is_dirty: bool,
    idle: u32,
}

/// Counts what the follower reads.
pub(super) struct Feed {
    pub(super) rules: Arc<RuleSet>,
    map: Arc<Map>,
    watch: Arc<Watch>,
    parts: Vec<Part>,
    index: HashTable<usize>,
    /// The part of the last record.
    last: Option<usize>,
    /// The file of the following records, its family, and a number that differs for each.
    file: SourceFile,
    family: String,
    file_number: u64,
    observer: Observer,
    /// Measurements that were not published yet.
    measured: Delta,
    /// Measurements that were not stored yet.
    unstored: Delta,
    live: Arc<Live>,
    traffic: Option<Traffic>,
    run: RunKey,
    ended: Vec<EndedRun>,
    now: Timestamp,
    deadline: Instant,
    until_look: u32,
    weight: usize,
}

impl Feed {
    pub(super) fn new(
        rules: Arc<RuleSet>,
        map: Arc<Map>,
        watch: Arc<Watch>,
        live: Arc<Live>,
    ) -> Self {
        Self {
            rules,
            map,
            watch,
            parts: Vec::new(),
            index: HashTable::new(),
            last: None,
            file: SourceFile {
                path: String::new(),
                content_id: 0,
                modified: None,
            },
            family: String::new(),
            file_number: 0,
            observer: Observer::default(),
            measured: Delta::new(SLOT_SECONDS),
            unstored: Delta::new(60),
            live,
            traffic: None,
            run: RunKey::default(),
            ended: Vec::new(),
            now: Timestamp::from_micros(0),
            deadline: Instant::now(),
            until_look: RECORDS,
            weight: 0,
        }
    }

    /// Begins a step that is to end after `longest`.
    pub(super) fn begin(&mut self, now: Timestamp, longest: Duration) {
        self.now = now;
        self.deadline = Instant::now() + longest;
    }

    /// Ends a step, with the numbers of lines read and of files followed: returns what was measured in it, and the runs
    /// that ended.
    pub(super) fn finish(
        &mut self,
        now: Timestamp,
        (lines, files): (u64, u64),
        is_caught_up: bool,
    ) -> (Delta, Vec<EndedRun>) {
        let before = now.plus_micros(-RUN_EXPIRES);
        self.observer.expire(before, &mut self.measured);
        let live = Arc::make_mut(&mut self.live);
        live.expire(before);
        live.note_step(now, lines, files, is_caught_up);
        let measured = std::mem::replace(&mut self.measured, Delta::new(SLOT_SECONDS));
        self.unstored.merge(&measured);
        self.weight = self
            .parts
            .iter()
            .filter(|part| part.is_dirty)
            .map(|part| part.rollup.weight())
            .sum();
        (measured, std::mem::take(&mut self.ended))
    }

    /// The live view.
    pub(super) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// An estimate of the memory that counts take which are not in a batch, in bytes, as of the last step.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Takes everything counted since the last batch.
    pub(super) fn take(&mut self, checkpoint: Checkpoint) -> Batch {
        let mut parts = Vec::new();
        for part in &mut self.parts {
            if std::mem::take(&mut part.is_dirty) {
                part.idle = 0;
                // What follows still belongs to the same file.
                parts.push((part.key.clone(), part.rollup.take_part()));
            } else {
                part.idle += 1;
            }
        }
        if self.parts.iter().any(|part| part.idle > IDLE_COMMITS) {
            self.parts.retain(|part| part.idle <= IDLE_COMMITS);
            self.reindex();
        }
        self.weight = 0;
        Batch {
            parts,
            metrics: std::mem::replace(&mut self.unstored, Delta::new(60)),
            // Maps with text keys, numbers and texts always serialise.
            live: serde_json::to_vec(&*self.live).unwrap_or_default(),
            checkpoint,
        }
    }

    /// Takes back what could not be stored.
    pub(super) fn give_back(&mut self, batch: &mut Batch) {
        for (key, rollup) in batch.parts.drain(..) {
            let index = self.find(key.day, &key.scraper, &key.site);
            let part = &mut self.parts[index];
            part.rollup.merge(rollup);
            part.is_dirty = true;
            // A merge ends the file; the next record begins it again.
            part.file = 0;
        }
        let held = std::mem::replace(&mut self.unstored, Delta::new(60));
        batch.metrics.merge(&held);
        self.unstored = std::mem::take(&mut batch.metrics);
        self.weight = self.parts.iter().map(|part| part.rollup.weight()).sum();
    }

    fn reindex(&mut self) {
        self.last = None;
        self.index.clear();
        (0..self.parts.len()).for_each(|place| self.index_part(place));
    }

    /// The place of the part of a day, scraper and site.
    fn find(&mut self, day: i64, scraper: &str, site: &str) -> usize {
        let is = |key: &PartKey| key.day == day && key.scraper == scraper && key.site == site;
        if let Some(last) = self.last.filter(|last| is(&self.parts[*last].key)) {
            return last;
        }
        let hash = hash_of(day, scraper, site);
        let found = self
            .index
            .find(hash, |place| is(&self.parts[*place].key))
            .copied();
        let place = found.unwrap_or_else(|| {
            self.parts.push(Part {
                key: PartKey {
                    day,
                    scraper: scraper.to_owned(),
                    site: site.to_owned(),
                },
                rollup: Rollup::default(),
                file: 0,
                is_dirty: false,
                idle: 0,
            });
            self.index_part(self.parts.len() - 1);
            self.parts.len() - 1
        });
        self.last = Some(place);
        place
    }

    fn index_part(&mut self, place: usize) {
        let parts = &self.parts;
        let hash = |place: &usize| {
            let key = &parts[*place].key;
            hash_of(key.day, &key.scraper, &key.site)
        };
        self.index.insert_unique(hash(&place), place, hash);
    }

    /// The part of a record, which knows the file.
    fn part_of(&mut self, record: &Record<'_>) -> usize {
        let scraper = record.scraper_id.as_deref().unwrap_or_default();
        let site = record.site.as_deref().unwrap_or_default();
        let day = PartKey::day_of(record.timestamp.map(Timestamp::as_micros));
        let place = self.find(day, scraper, site);
        self.turn_to_file(place);
        place
    }

    fn turn_to_file(&mut self, place: usize) {
        let part = &mut self.parts[place];
        part.is_dirty = true;
        if part.file != self.file_number {
            part.file = self.file_number;
            part.rollup.begin_file(&self.family, &self.file);
        }
    }

    fn count(&mut self, record: &Record<'_>, at: Position, label: Option<&ErrorLabel<'_>>) {
        let place = self.part_of(record);
        observe(&mut self.parts[place].rollup, record, at, label, &self.map);
        let verdict = label.map(ErrorLabel::verdict);
        self.observer
            .observe(record, verdict.as_ref(), &mut self.measured);
        if record
            .timestamp
            .is_some_and(|time| self.now.since(time) < TRAFFIC_KEPT)
        {
            self.note_traffic(record, at, label);
        }
        let ended = Arc::make_mut(&mut self.live).observe(record, self.now);
        self.ended.extend(ended);
    }
}

impl Feed {
    /// Counts requests by site and proxy, and keeps lines of trouble.
    fn note_traffic(&mut self, record: &Record<'_>, at: Position, label: Option<&ErrorLabel<'_>>) {
        if !matches!(record.event, Event::Request(_)) && label.is_none() {
            return;
        }
        let is_same = self.run.scraper_id.as_deref() == record.scraper_id.as_deref()
            && self.run.site.as_deref() == record.site.as_deref();
        if !is_same {
            self.run = RunKey {
                scraper_id: record.scraper_id.as_deref().map(str::to_owned),
                site: record.site.as_deref().map(str::to_owned),
                run_id: None,
            };
        }
        self.traffic.get_or_insert_default().observe(&Row {
            record,
            file: &self.file.path,
            at,
            run: &self.run,
            label,
        });
    }

    /// Takes the requests and lines of trouble since the last call.
    pub(super) fn take_traffic(&mut self) -> Option<Traffic> {
        self.traffic.take()
    }
}

fn hash_of(day: i64, scraper: &str, site: &str) -> u64 {
    FxBuildHasher.hash_one((day, scraper, site))
}

impl Sink for Feed {
    fn file(&mut self, file: &SourceFile) {
        self.file_number += 1;
        if self.file.path != file.path {
            self.family = family_name(&file.path);
        }
        self.file.clone_from(file);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = RECORDS;
            if Instant::now() >= self.deadline {
                // The follower stops soon, and goes on with the next step.
                self.watch.cancel();
            }
        }
        let rules = Arc::clone(&self.rules);
        let labeller = Labeller {
            rules: &rules,
            reclassifies: false,
        };
        labeller.label(record, |label| self.count(record, at, label));
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        let place = self.find(PartKey::day_of(Some(self.now.as_micros())), "", "");
        self.turn_to_file(place);
        self.parts[place].rollup.observe_problem(problem);
        Arc::make_mut(&mut self.live).note_problem(&self.file.path, problem);
    }
}
