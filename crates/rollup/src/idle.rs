//! Lines of programs beside the scraper: helpers in its container, platforms, supervisors.

use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{RunKey, Timestamp};

use crate::rollup::Source;
use crate::source::earlier;

/// Lines that name no scraper and no site, and that tell of no work and no error, belong to the only scraper of their
/// log: what helpers of its container and platforms write.
pub(crate) fn join_idle(sources: &[Source], foreign: &[bool], keys: &mut [RunKey]) {
    type Identity = (Option<String>, Option<String>);
    let is_nameless = |key: &RunKey| key.scraper_id.is_none() && key.site.is_none();
    // `None` if there are several.
    let mut active: BTreeMap<&str, Option<Identity>> = BTreeMap::new();
    for ((source, stats), key) in sources.iter().zip(&*keys) {
        let is_idle = stats.active.is_none() && stats.counters.errors == 0;
        if is_nameless(key) && is_idle {
            continue;
        }
        let identity = (key.scraper_id.clone(), key.site.clone());
        active
            .entry(&source.family)
            .and_modify(|one| *one = one.take().filter(|one| *one == identity))
            .or_insert(Some(identity));
    }
    for (((source, _), is_foreign), key) in sources.iter().zip(foreign).zip(keys) {
        let one = active.get(source.family.as_str());
        if let (Some(Some((scraper_id, site))), true) = (one, *is_foreign && is_nameless(key)) {
            (key.scraper_id, key.site) = (scraper_id.clone(), site.clone());
        }
    }
}

/// A supervisor's run without any work is that of the only run that its program bounds itself in the meantime.
pub(crate) fn join_supervised(sources: &[Source], keys: &mut [RunKey]) {
    let mut shells: BTreeMap<(&str, RunKey), Span> = BTreeMap::new();
    let mut runs: BTreeMap<(&str, RunKey), Span> = BTreeMap::new();
    // Work that a supervisor's run contains itself shows that no other run is that of its program.
    let mut supervised: BTreeSet<&str> = BTreeSet::new();
    for (source, _) in sources.iter().filter(|(_, stats)| stats.is_supervised) {
        supervised.extend(source.run_id.as_deref());
    }
    for (source, _) in sources.iter().filter(|(_, stats)| stats.active.is_some()) {
        if let Some(run) = source.run_id.as_deref() {
            supervised.remove(run);
        }
    }
    if supervised.is_empty() {
        return;
    }
    for ((source, stats), key) in sources.iter().zip(&*keys).filter(|(_, key)| key.is_run()) {
        let run = source.run_id.as_deref();
        let is_shell = run.is_some_and(|run| supervised.contains(run));
        let map = if is_shell { &mut shells } else { &mut runs };
        let span = map.entry((&source.family, key.clone())).or_default();
        span.0 = earlier(span.0, stats.first);
        span.1 = span.1.max(stats.last);
        span.2 |= stats.active.is_some();
    }
    let mut joined: BTreeMap<(&str, RunKey), RunKey> = BTreeMap::new();
    for ((family, shell), outer) in shells {
        let within = runs.iter().filter(|((other, key), inner)| {
            *other == family && key.run_id != shell.run_id && inner.2 && outer.contains(inner)
        });
        let within: Vec<&RunKey> = within.map(|((_, key), _)| key).collect();
        // Of the runs of several programs, that with the supervisor's name for it.
        let own = within
            .iter()
            .filter(|key| key.scraper_id == shell.scraper_id);
        let own: Vec<&RunKey> = own.copied().collect();
        if let [own] = own[..] {
            joined.insert((family, shell), own.clone());
        } else if let [only] = within[..] {
            joined.insert((family, shell), only.clone());
        }
    }
    for ((source, _), key) in sources.iter().zip(keys) {
        if let Some(own) = joined.get(&(source.family.as_str(), key.clone())) {
            *key = own.clone();
        }
    }
}

/// The first and the last time of a run, and whether it worked.
#[derive(Default)]
struct Span(Option<Timestamp>, Option<Timestamp>, bool);

impl Span {
    /// Whether another one lies within it. Programs write fewer digits than their supervisors.
    fn contains(&self, inner: &Self) -> bool {
        let seconds = |time: Option<Timestamp>| time.map(Timestamp::as_seconds);
        let is_ordered = |a: Option<i64>, b: Option<i64>| a.zip(b).is_some_and(|(a, b)| a <= b);
        is_ordered(seconds(self.0), seconds(inner.0))
            && is_ordered(seconds(inner.1), seconds(self.1))
    }
}

#[cfg(test)]
mod tests {
    use dragline_schema::{Dialect, Event, Position, Record, Request, SourceFile, Timestamp};

    use crate::Rollup;

    /// A rollup at the beginning of a file.
    fn begun() -> Rollup {
        let mut rollup = Rollup::default();
        let file = SourceFile {
            path: "a.log".to_owned(),
            content_id: 1,
            modified: None,
        };
        rollup.begin_file("a.log", &file);
        rollup
    }

    /// The scrapers of a log with lines of scrapers and lines of something else.
    fn scrapers(names: &[&str], other: Event<'static>) -> Vec<Option<String>> {
        let mut rollup = begun();
        let request = |name: &&str| (Some((*name).to_owned()), Event::Request(Request::default()));
        let events = names.iter().map(request).chain([(None, other)]);
        for (line, (name, event)) in (1..).zip(events) {
            let record = Record {
                timestamp: Some(Timestamp::from_seconds(1_772_600_000 + line)),
                scraper_id: name.map(Into::into),
                dialect: Dialect::Text,
                event,
                ..Record::default()
            };
            let at = Position {
                line: line as u64,
                ..Position::default()
            };
            rollup.observe(&record, at, None);
        }
        let finished = rollup.finish(Timestamp::from_seconds(1_772_700_000));
        let mut names: Vec<_> = finished
            .runs
            .into_iter()
            .map(|run| run.key.scraper_id)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    #[test]
    fn lines_that_tell_nothing_belong_to_the_only_scraper_of_their_log() {
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(scrapers(&["shop"], Event::Log), [named("shop")]);
        assert_eq!(
            scrapers(&["isle", "shop"], Event::Log),
            [None, named("isle"), named("shop")]
        );
        let request = Event::Request(Request::default());
        assert_eq!(scrapers(&["shop"], request), [None, named("shop")]);
    }

    /// The runs of a log: a supervisor's from its first to its last second, and those of the program.
    fn runs(supervisors: (i64, i64), own: &[(&'static str, i64, i64)]) -> Vec<String> {
        let mut rollup = begun();
        let mut offset = 0;
        let mut observe =
            |second: i64, run: &'static str, is_supervisors: bool, event: Event<'_>| {
                let name = if is_supervisors { "unit" } else { "spider" };
                let record = Record {
                    timestamp: Some(Timestamp::from_seconds(1_772_600_000 + second)),
                    scraper_id: Some(name.into()),
                    run_id: Some(run.into()),
                    dialect: Dialect::Text,
                    is_supervisors,
                    event,
                    ..Record::default()
                };
                offset += 1;
                let at = Position {
                    offset,
                    ..Position::default()
                };
                rollup.observe(&record, at, None);
            };
        observe(
            supervisors.0,
            "s",
            true,
            Event::ScraperStart(<_>::default()),
        );
        for (run, first, last) in own {
            observe(*first, run, false, Event::Request(Request::default()));
            observe(*last, run, false, Event::Request(Request::default()));
        }
        observe(supervisors.1, "s", true, Event::ScraperEnd(<_>::default()));
        let finished = rollup.finish(Timestamp::from_seconds(1_772_700_000));
        let id = |run: crate::RunRow| run.key.run_id;
        finished.runs.into_iter().filter_map(id).collect()
    }

    #[test]
    fn a_supervisors_run_is_the_only_one_of_its_program() {
        assert_eq!(runs((0, 60), &[("a", 1, 59)]), ["a"]);
        assert_eq!(runs((0, 60), &[("a", 1, 61)]), ["a", "s"]);
        assert_eq!(
            runs((0, 60), &[("a", 1, 20), ("b", 30, 59)]),
            ["a", "b", "s"]
        );
        assert_eq!(runs((0, 60), &[("s", 1, 59), ("a", 2, 3)]), ["a", "s", "s"]);
    }
}
