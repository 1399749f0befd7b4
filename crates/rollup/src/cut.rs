//! A part of a finished rollup, small enough to be sent, and reading it back from bytes that nobody vouches for.

use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{RunKey, Timestamp};

use crate::activity::ActivityRow;
use crate::finish::{Finished, GroupRow, RunRow};

impl Finished {
    /// Keeps the wanted runs with everything that an analysis of them needs. Error groups of these runs keep the counts
    /// and names of all scrapers, because how common an error is depends on them. The period stays. Files, problems,
    /// hosts, configurations and the counts of the whole fleet are left out.
    #[must_use]
    pub fn only(&self, is_wanted: impl Fn(&RunKey) -> bool) -> Self {
        let wanted = (0..).zip(&self.runs).filter(|(_, row)| is_wanted(&row.key));
        let (old, runs): (Vec<usize>, Vec<RunRow>) =
            wanted.map(|(run, row)| (run, without_extras(row))).unzip();
        let new: BTreeMap<usize, usize> = old.into_iter().zip(0..).collect();
        let activity = self.activity.iter().filter_map(|row| {
            Some(ActivityRow {
                run: *new.get(&row.run)?,
                ..row.clone()
            })
        });
        let latency = self.latency.iter().filter_map(|((hour, run), sketch)| {
            let run = *new.get(run)?;
            Some(((*hour, run), sketch.clone()))
        });
        let signs = self
            .signs
            .iter()
            .filter_map(|((run, sign, quarter), first)| {
                Some(((*new.get(run)?, *sign, *quarter), first.clone()))
            });
        Self {
            period: self.period,
            bucket_micros: self.bucket_micros,
            activity: activity.collect(),
            latency: latency.collect(),
            groups: self.groups_of(&runs, &new),
            signs: signs.collect(),
            dialects: self.dialects.clone(),
            runs,
            ..Self::default()
        }
    }

    /// The error groups of the kept runs; `new` has the new index of each.
    fn groups_of(&self, runs: &[RunRow], new: &BTreeMap<usize, usize>) -> Vec<GroupRow> {
        let names: BTreeSet<_> = runs
            .iter()
            .map(|row| (row.key.scraper_id.clone(), row.key.site.clone()))
            .collect();
        let own = self.groups.iter();
        let own = own.filter(|row| !row.scrapers.is_disjoint(&names));
        own.map(|row| {
            let kept = |runs: &BTreeSet<usize>| {
                let kept = runs.iter().filter_map(|run| new.get(run));
                kept.copied().collect()
            };
            let mut group = row.group.clone();
            // Only merging needs them.
            group.sources.clear();
            group.counts.clear();
            group.names.clear();
            if let Some((_, sample)) = &mut group.sample {
                sample.source = None;
            }
            GroupRow {
                runs: row.runs.as_ref().map(kept),
                by_run: row
                    .by_run
                    .iter()
                    .filter_map(|(run, count)| Some((*new.get(run)?, *count)))
                    .collect(),
                group,
                ..row.clone()
            }
        })
        .collect()
    }

    /// Replaces the templates of errors and warnings by what `of` makes of each and of the text that it was made from. A
    /// template hides what varies, and with it what a secret would be recognised by. Warnings whose templates become equal
    /// are counted together.
    pub fn map_templates(&mut self, of: impl Fn(&str, &str) -> String) {
        for row in &mut self.groups {
            if let Some((_, sample)) = &mut row.group.sample {
                sample.template = of(&sample.template, &sample.message);
            }
        }
        for row in &mut self.runs {
            row.sections.map_warnings(&of);
        }
    }

    /// Whether everything that refers to a run refers to one that exists, and all times are in the range of
    /// [`Timestamp`]. What was read from outside is checked with this before it is analysed.
    pub fn is_sound(&self) -> bool {
        let is_run = |run: usize| run < self.runs.len();
        let is_time = |micros: i64| Timestamp::from_micros(micros).as_micros() == micros;
        let mut groups = self.groups.iter().filter_map(|row| row.runs.as_ref());
        let mut counted = self.groups.iter().flat_map(|row| row.by_run.keys());
        let days = |row: &GroupRow| {
            let day = |day: &i64| day.checked_mul(86_400_000_000).is_some_and(is_time);
            row.group.days.keys().all(day)
        };
        self.bucket_micros > 0
            && is_time(self.bucket_micros)
            && self
                .activity
                .iter()
                .all(|row| is_run(row.run) && is_time(row.start))
            && self
                .latency
                .keys()
                .all(|(hour, run)| is_run(*run) && is_time(*hour))
            && self
                .signs
                .keys()
                .all(|(run, _, quarter)| is_run(*run) && is_time(*quarter))
            && groups.all(|runs| runs.iter().all(|run| is_run(*run)))
            && counted.all(|run| is_run(*run))
            && self.groups.iter().all(days)
    }
}

fn without_extras(row: &RunRow) -> RunRow {
    let mut row = row.clone();
    row.config = None;
    row.disagreements.clear();
    row.sections.forget_domains();
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rollup;
    use crate::errors::ErrorLabel;
    use dragline_schema::{
        ErrorCategory, Event, Level, Position, Record, Request, Severity, SourceFile,
    };

    /// Two scrapers with three runs each; both log the same error.
    fn fleet() -> Finished {
        let file = SourceFile {
            path: "a.jsonl".to_owned(),
            content_id: 1,
            modified: None,
        };
        let mut rollup = Rollup::default();
        rollup.begin_file("a", &file);
        for n in 0..60_i64 {
            let record = Record {
                timestamp: Some(Timestamp::from_micros(n * 600_000_000)),
                level: Some(Level::Error),
                scraper_id: Some(["shop", "news"][n as usize % 2].into()),
                run_id: Some((n / 20).to_string().into()),
                event: Event::Request(Request {
                    url: Some("https://shop.example.com/".into()),
                    status_code: Some(503),
                    response_time_ms: Some(80.0),
                    ..Request::default()
                }),
                ..Record::default()
            };
            let label = ErrorLabel {
                group: 7,
                category: ErrorCategory::Network,
                sub_category: "",
                severity: Severity::Low,
                rule: None,
                error_type: "Timeout",
                template: "page <n>",
                message: "page 3",
            };
            let at = Position {
                line: n as u64 + 1,
                offset: n as u64,
                ..Position::default()
            };
            rollup.observe(&record, at, Some(&label));
        }
        rollup.finish(Timestamp::from_micros(1 << 50))
    }

    #[test]
    fn a_part_is_what_the_whole_says_about_it() {
        let whole = fleet();
        assert!(whole.is_sound());
        let part = whole.only(|key| key.scraper_id.as_deref() == Some("shop"));
        assert_eq!(part.runs.len(), 3);
        assert!(part.is_sound());
        let of = |finished: &Finished| {
            let is_own = |run: usize| finished.runs[run].key.scraper_id.as_deref() == Some("shop");
            let signs = finished.signs.iter().filter(|((run, ..), _)| is_own(*run));
            let activity = finished.activity.iter().filter(|row| is_own(row.run));
            let latency = finished.latency.iter().filter(|((_, run), _)| is_own(*run));
            (
                signs.map(|(_, first)| first.clone()).collect::<Vec<_>>(),
                activity
                    .map(|row| (row.start, row.counters.clone()))
                    .collect::<Vec<_>>(),
                latency
                    .map(|((hour, _), sketch)| (*hour, sketch.quantile(0.5)))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(&part), of(&whole));
        assert_eq!(part.period, whole.period);
        // How common the error is remains known, but not in which runs of others it occurred.
        assert_eq!(part.groups[0].group.count, 60);
        assert_eq!(part.groups[0].scrapers.len(), 2);
        assert_eq!(part.groups[0].runs, Some(BTreeSet::from([0, 1, 2])));
        assert_eq!(part.only(|_| true), part);
        let mut masked = part.clone();
        masked.map_templates(|template, message| format!("{template} of {message}"));
        let (_, sample) = masked.groups[0].group.sample.as_ref().unwrap();
        assert_eq!(sample.template, "page <n> of page 3");
        assert!(whole.only(|_| false).groups.is_empty());
    }

    #[test]
    fn what_refers_to_nothing_is_not_sound() {
        let part = fleet().only(|_| true);
        let bytes = rmp_serde::to_vec_named(&part).unwrap();
        let read: Finished = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(read, part);
        let mut wrong = part.clone();
        wrong.activity[0].run = 99;
        assert!(!wrong.is_sound());
        let mut wrong = part.clone();
        wrong.activity[0].start = i64::MAX;
        assert!(!wrong.is_sound());
        let mut wrong = part.clone();
        wrong.groups[0].runs = Some(BTreeSet::from([99]));
        assert!(!wrong.is_sound());
        let wrong = Finished {
            bucket_micros: 0,
            ..part
        };
        assert!(!wrong.is_sound());
    }
}
