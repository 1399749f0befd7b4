//! Lines of programs beside the scraper: helpers in its container, platforms, schedulers.

use std::collections::BTreeMap;

use dragline_schema::RunKey;

use crate::rollup::Source;

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

#[cfg(test)]
mod tests {
    use dragline_schema::{Dialect, Event, Position, Record, Request, SourceFile, Timestamp};

    use crate::Rollup;

    /// The scrapers of a log with lines of scrapers and lines of something else.
    fn scrapers(names: &[&str], other: Event<'static>) -> Vec<Option<String>> {
        let mut rollup = Rollup::default();
        let file = SourceFile {
            path: "a.log".to_owned(),
            content_id: 1,
            modified: None,
        };
        rollup.begin_file("a.log", &file);
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
}
