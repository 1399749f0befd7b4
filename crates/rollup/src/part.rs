//! Extracts a part of a rollup, for when the rest is already counted elsewhere.

use std::sync::Arc;

use dragline_schema::{Severity, Timestamp};
use rustc_hash::FxHashMap;

use crate::errors::Cell;
use crate::rollup::Rollup;
use crate::source::SourceKey;

impl Rollup {
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

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_schema::{Level, Position, Record, SourceFile};

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
