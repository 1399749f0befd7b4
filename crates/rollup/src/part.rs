//! Parts of a rollup: some sources, for when the rest is already counted elsewhere, or what is known without counts.

use std::sync::Arc;

use dragline_schema::{Severity, Timestamp};
use rustc_hash::FxHashMap;

use crate::errors::Cell;
use crate::rollup::Rollup;
use crate::source::{SourceKey, SourceStats};

impl Rollup {
    /// Keeps what is known of whole runs, such as how they ended, and no count: as if a filter had excluded every
    /// record. Merged with the rollup of the records that passed the filter, it gives what one pass over all records
    /// would have given.
    #[must_use]
    pub fn life(mut self) -> Self {
        self.settle();
        let mut life = self.empty_like();
        for (key, stats) in std::mem::take(&mut self.sources) {
            if key.is_rest {
                continue;
            }
            let place = life.intern(key);
            *life.sources[place as usize].1 = stats.life();
        }
        life.problems = self.problems;
        life
    }

    /// Keeps only the wanted sources. An error group of any of them is kept in full, because its counts
    /// and times are not recorded per source.
    #[must_use]
    pub fn only(mut self, is_wanted: impl Fn(&SourceKey) -> bool) -> Self {
        self.settle();
        let mut places: FxHashMap<u32, u32> = FxHashMap::default();
        let mut ids = Vec::new();
        let mut kept: Vec<(Arc<SourceKey>, _)> = Vec::new();
        for (place, (key, stats)) in (0..).zip(std::mem::take(&mut self.sources)) {
            if is_wanted(&key) {
                places.insert(place, kept.len() as u32);
                ids.push(key.id());
                kept.push((key, stats));
            }
        }
        let mut part = self.empty_like();
        // The remaining number of events is known only if there is a single file.
        if self.files.len() == 1 {
            part.files = std::mem::take(&mut self.files);
        }
        let events = kept.iter().map(|(_, stats)| stats.counters.events).sum();
        for file in part.files.values_mut() {
            file.events = events;
        }
        for (key, stats) in kept {
            let place = part.intern(key);
            part.sources[place as usize].1 = stats;
        }
        let place_of = |source: u32| places.get(&source).copied();
        for ((source, start), counters) in self.activity {
            if let Some(place) = place_of(source) {
                part.activity.insert((place, start), counters);
                part.widen(Timestamp::from_micros(start));
            }
        }
        for ((source, start), latency) in self.latency {
            if let Some(place) = place_of(source) {
                part.latency.insert((place, start), latency);
            }
        }
        for (key, group) in self.groups.into_kept() {
            let mut sources = group.sources.iter();
            if sources.any(|source| part.index.contains_key(source)) {
                if let Some((_, sample)) = &group.sample {
                    let cell = Cell {
                        category: sample.category,
                        severity: group.severity.unwrap_or(Severity::Medium),
                        error_type: sample.error_type.clone(),
                    };
                    *part.cells.entry(&cell) += group.count;
                }
                *part.groups.entry(&key) = group;
            }
        }
        for (key, sign) in self.signs.into_kept() {
            if ids.contains(&key.0) {
                *part.signs.entry(&key) = sign;
            }
        }
        part
    }
}

impl SourceStats {
    /// What [`SourceStats::observe_life`] and its companions keep of records that a filter excludes.
    fn life(self) -> Self {
        Self {
            first: self.first,
            last: self.last,
            last_place: self.last_place,
            untimed: self.untimed,
            started: self.started,
            end: self.end,
            end_place: self.end_place,
            ends: self.ends,
            declared: self.declared,
            renamed: self.renamed,
            active: self.active,
            waits_until: self.waits_until,
            numbers: self.numbers,
            dropped: self.dropped,
            queue: self.queue,
            config: self.config,
            machine: self.machine,
            hosts: self.hosts,
            dialects: self.dialects,
            is_followed: self.is_followed,
            is_partial: self.is_partial || self.counters.events > 0,
            last_words: self.last_words,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_schema::{
        Event, Level, Position, Record, Request, ScraperEnd, ScraperStart, SourceFile,
    };

    /// Runs of three hours each, one after the other, with a line every hour.
    fn record(hour: i64) -> Record<'static> {
        let event = match hour % 3 {
            0 => Event::ScraperStart(ScraperStart::default()),
            1 => Event::Request(Request {
                url: Some("https://shop.example.com/".into()),
                status_code: Some(200),
                ..Request::default()
            }),
            _ => Event::ScraperEnd(ScraperEnd {
                status: Some("success".into()),
                ..ScraperEnd::default()
            }),
        };
        Record {
            timestamp: Some(Timestamp::from_micros(hour * 3_600_000_000)),
            level: Some(Level::Info),
            scraper_id: Some("shop".into()),
            run_id: Some((hour / 3).to_string().into()),
            writer_id: Some("w".into()),
            seq: Some(hour as u64),
            event,
            ..Record::default()
        }
    }

    #[test]
    fn life_is_what_a_filter_leaves() {
        let file = SourceFile {
            path: "a.jsonl".to_owned(),
            content_id: 1,
            modified: None,
        };
        let observed = |see: &dyn Fn(&mut Rollup, i64)| {
            let mut rollup = Rollup::default();
            rollup.begin_file("a", &file);
            (0..12).for_each(|hour| see(&mut rollup, hour));
            rollup
        };
        // The period begins and ends in the middle of a run.
        let is_in = |hour: i64| (4..8).contains(&hour);
        let at = |hour: i64| Position {
            line: hour as u64 + 1,
            offset: hour as u64 * 100,
            ..Position::default()
        };
        let filtered = observed(&|rollup, hour| {
            if is_in(hour) {
                rollup.observe(&record(hour), at(hour), None);
            } else {
                rollup.observe_life(&record(hour), at(hour), false);
            }
        });
        let counted = |wanted: bool| {
            observed(&|rollup, hour| {
                if is_in(hour) == wanted {
                    rollup.observe(&record(hour), at(hour), None);
                }
            })
        };
        let now = Timestamp::from_micros(1 << 50);
        let mut parts = counted(true);
        parts.merge(counted(false).life());
        let (parts, filtered) = (parts.finish(now), filtered.finish(now));
        assert_eq!(parts.runs, filtered.runs);
        assert_eq!(parts.activity, filtered.activity);
        assert_eq!(parts.period, filtered.period);
        assert_eq!(parts.runs.len(), 2);
        assert!(
            parts
                .runs
                .iter()
                .all(|run| run.end.is_some() && run.is_partial)
        );
    }

    #[test]
    fn what_is_wanted_is_as_if_nothing_else_had_been_there() {
        let rollup_of = |runs: &[&str]| {
            let mut rollup = Rollup::default();
            let file = SourceFile {
                path: "a.log".to_owned(),
                content_id: 1,
                modified: None,
            };
            rollup.begin_file("a", &file);
            for (n, run) in (0i64..).zip(["1", "2", "1", "3", "2"]) {
                let record = Record {
                    timestamp: Some(Timestamp::from_micros(n * 3_600_000_000)),
                    level: Some(Level::Info),
                    run_id: Some(run.into()),
                    ..Record::default()
                };
                if runs.contains(&run) {
                    rollup.observe(&record, Position::default(), None);
                }
            }
            rollup
        };
        let now = Timestamp::from_micros(1 << 50);
        let part = rollup_of(&["1", "2", "3"]).only(|key| key.run_id.as_deref() != Some("2"));
        let alone = rollup_of(&["1", "3"]);
        assert_eq!(part.sources().count(), 2);
        let (part, alone) = (part.finish(now), alone.finish(now));
        assert_eq!(part.runs, alone.runs);
        assert_eq!(part.activity, alone.activity);
        let mut none = rollup_of(&["1"]).only(|_| false);
        assert_eq!(none.events(), 0);
    }
}
