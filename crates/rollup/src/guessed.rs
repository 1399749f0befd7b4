//! Runs that no line names or bounds: whether what silences separate are runs at all, and how they end.

use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{Dialect, Record, RunKey, RunStatus, Timestamp};

use crate::identity::stem;
use crate::rollup::Source;
use crate::source::{RunEnd, SourceKey, SourceStats};

/// With fewer of them, stretches of a log between silences are no runs.
const LEAST_RUNS: usize = 3;
/// Half of the runs have at least this many lines; fewer are single requests of a slow program.
const LEAST_LINES: u64 = 10;
/// The silence that separates two stretches, in microseconds, and one that is hardly longer.
const SILENCE: i64 = 600_000_000;
const HARDLY: i64 = SILENCE + SILENCE / 10;
/// If at least one in this number of silences is hardly longer, and one in this number of stretches contains one that is
/// hardly shorter, chance separates them.
const BY_CHANCE: usize = 10;
/// With fewer runs that end with the same message, it is not known to mark the end.
const LEAST_ENDS: usize = 5;

impl SourceStats {
    /// Keeps the form of the last message of a run whose writer may not mark its end. Zero stands for anything but a
    /// message that told nothing.
    pub(crate) fn observe_words(&mut self, record: &Record<'_>, offset: u64) {
        let marks = matches!(record.dialect, Dialect::Dragline | Dialect::Scrapy);
        if record.run_id.is_none() || marks {
            return;
        }
        let form = record.unread.map_or(0, |unread| unread.form);
        let words = record.timestamp.map(|time| (time, offset, form));
        self.last_words = self.last_words.max(words);
    }
}

/// One guessed run.
#[derive(Default)]
struct Stretch {
    lines: u64,
    is_active: bool,
    /// The times of the first and of the last line.
    span: Option<(Timestamp, Timestamp)>,
}

/// Whether chance separates the stretches: the program does something about every ten minutes, so that its pauses are now a
/// little shorter than the silence that separates two runs, now a little longer.
fn are_by_chance(runs: &BTreeMap<&str, Stretch>) -> bool {
    let mut spans: Vec<(Timestamp, Timestamp)> = runs.values().filter_map(|run| run.span).collect();
    spans.sort();
    let pauses = spans.windows(2).map(|pair| pair[1].0.since(pair[0].1));
    let close = pauses.filter(|pause| (0..=HARDLY).contains(pause)).count();
    let mut lengths: Vec<i64> = spans
        .iter()
        .map(|(first, last)| last.since(*first))
        .collect();
    lengths.sort_unstable();
    // The shortest ones do what they do once.
    let once = lengths.get(lengths.len() / 10).copied().unwrap_or(0);
    let joined = lengths
        .iter()
        .filter(|length| **length >= once + SILENCE - SILENCE / 10);
    let are_some = |count: usize| count * BY_CHANCE >= spans.len();
    are_some(close) && are_some(joined.count())
}

/// For each source, whether its run is guessed and no run: the log is never silent, or by chance, or does something else
/// than scraping.
pub(crate) fn are_dismissed(sources: &[Source]) -> Vec<bool> {
    let bounded = bounded(sources);
    let mut groups: BTreeMap<String, BTreeMap<&str, Stretch>> = BTreeMap::new();
    for (key, stats) in sources {
        if let (Some(run), true) = (&key.run_id, key.is_guessed) {
            let runs = groups.entry(writer_of(key)).or_default();
            let stretch = runs.entry(run).or_default();
            stretch.lines += stats.counters.events;
            stretch.is_active |= stats.active.is_some();
            let spans = stretch.span.into_iter().chain(stats.first.zip(stats.last));
            stretch.span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        }
    }
    let are_runs = |runs: &BTreeMap<&str, Stretch>| {
        let long = runs.values().filter(|run| run.lines >= LEAST_LINES);
        let active = runs.values().filter(|run| run.is_active);
        runs.len() >= LEAST_RUNS
            && long.count() * 2 >= runs.len()
            && active.count() * 2 >= runs.len()
            && !are_by_chance(runs)
    };
    sources
        .iter()
        .map(|(key, _)| {
            let run = key.run_id.as_deref().filter(|_| key.is_guessed);
            let is_open = |run: &&str| !bounded.contains(&(&*key.family, *run));
            run.as_ref().is_some_and(is_open) && !are_runs(&groups[&writer_of(key)])
        })
        .collect()
}

/// The runs that a line bounds: the other lines of such a run belong to it, too. One that several ends follow was divided
/// into parts, and one without work is none.
fn bounded(sources: &[Source]) -> BTreeSet<(&str, &str)> {
    let mut runs: BTreeMap<(&str, &str), (bool, u64, bool)> = BTreeMap::new();
    for (key, stats) in sources {
        let Some(run) = key.run_id.as_deref() else {
            continue;
        };
        let (is_named, ends, is_active) = runs.entry((&*key.family, run)).or_default();
        *is_named |= !key.is_guessed;
        *ends += stats.ends;
        *is_active |= stats.active.is_some();
    }
    let bounded = runs
        .into_iter()
        .filter(|(_, (is_named, ends, is_active))| *is_named || (*ends == 1 && *is_active));
    bounded.map(|(run, _)| run).collect()
}

/// What the runs of one program have in common: the scraper, else the name of its files without times.
fn writer_of(key: &SourceKey) -> String {
    let named = key.scraper_id.clone().or_else(|| stem(&key.family));
    named.unwrap_or_else(|| key.family.clone())
}

/// Ends the guessed runs of each scraper that end as nearly all do: with the same message.
pub(crate) fn mark_ends(runs: &mut BTreeMap<RunKey, Box<SourceStats>>) {
    type Name = (Option<String>, Option<String>);
    let name = |key: &RunKey| -> Name { (key.scraper_id.clone(), key.site.clone()) };
    let last = |stats: &SourceStats| -> Option<(Timestamp, u64)> {
        let (time, _, form) = stats.last_words?;
        Some((time, form))
    };
    let mut forms: BTreeMap<Name, BTreeMap<u64, usize>> = BTreeMap::new();
    for (key, stats) in runs
        .iter()
        .filter(|(key, stats)| key.is_run() && stats.end.is_none())
    {
        if let Some((_, form)) = last(stats) {
            *forms.entry(name(key)).or_default().entry(form).or_default() += 1;
        }
    }
    let usual = |forms: &BTreeMap<u64, usize>| {
        let all: usize = forms.values().sum();
        let (form, count) = forms.iter().max_by_key(|(_, count)| **count)?;
        let is_usual = *form != 0 && *count >= LEAST_ENDS && count * 5 >= all * 4;
        is_usual.then_some(*form)
    };
    for (key, stats) in runs.iter_mut().filter(|(_, stats)| stats.end.is_none()) {
        let usual = forms.get(&name(key)).and_then(usual);
        if let Some((time, form)) = last(stats)
            && usual == Some(form)
        {
            stats.end = Some(RunEnd {
                at: Some(time),
                status: RunStatus::Success,
                reason: None,
            });
            stats.end_place = stats.last_place.clone().map(|(_, place)| place);
        }
    }
}

#[cfg(test)]
mod tests {
    use dragline_schema::{Event, Position, Request, SourceFile, Unread};

    use crate::{Finished, Rollup, Verdict};

    use super::*;

    /// Runs of a scraper, a day apart, that request this many pages, one a minute, and say at the end a message of this
    /// form.
    fn finished(runs: &[(i64, u64)]) -> Finished {
        let mut rollup = Rollup::default();
        let file = SourceFile {
            path: "a/shop-2026-03-04.log".to_owned(),
            content_id: 1,
            modified: None,
        };
        rollup.begin_file("a/shop-*.log", &file);
        let mut offset = 0;
        for (day, (pages, form)) in (1..).zip(runs) {
            let mut observe = |minute: i64, event: Event<'_>, form: u64| {
                let record = Record {
                    timestamp: Some(Timestamp::from_seconds(day * 86_400 + minute * 60)),
                    run_id: Some(format!("r{day:02}").into()),
                    is_run_guessed: true,
                    dialect: Dialect::Text,
                    event,
                    message: Some("message".into()),
                    unread: (form > 0).then(|| Unread {
                        form,
                        ..Unread::default()
                    }),
                    ..Record::default()
                };
                offset += 1;
                let at = Position {
                    offset,
                    line: offset,
                    ..Position::default()
                };
                rollup.observe(&record, at, None);
            };
            for minute in 0..*pages {
                let request = Request {
                    url: Some("https://shop.test/".into()),
                    status_code: Some(200),
                    ..Request::default()
                };
                observe(minute, Event::Request(request), 0);
            }
            observe(*pages, Event::Log, *form);
        }
        rollup.finish(Timestamp::from_seconds(86_400 * 100))
    }

    fn verdicts(finished: &Finished) -> Vec<Option<Verdict>> {
        let runs = finished.runs.iter().filter(|run| run.key.is_run());
        runs.map(|run| run.verdict).collect()
    }

    #[test]
    fn a_run_that_does_not_end_as_all_others_was_killed() {
        let told = finished(&[(20, 7), (30, 7), (20, 7), (25, 7), (20, 7), (4, 9), (20, 7)]);
        let mut expected = vec![Some(Verdict::Finished); 7];
        expected[5] = Some(Verdict::Killed);
        assert_eq!(verdicts(&told), expected);
        assert_eq!(told.runs[0].key.scraper_id.as_deref(), Some("shop"));
    }

    #[test]
    fn without_a_usual_last_message_nothing_is_known_about_ends() {
        let told = finished(&[
            (20, 1),
            (30, 2),
            (20, 3),
            (25, 7),
            (20, 7),
            (20, 0),
            (20, 7),
        ]);
        assert_eq!(verdicts(&told), [None; 7]);
    }

    #[test]
    fn a_loop_of_ten_minutes_has_no_runs() {
        let span = |from: i64, to: i64| Stretch {
            span: Some((Timestamp::from_seconds(from), Timestamp::from_seconds(to))),
            ..Stretch::default()
        };
        let ids: Vec<String> = (0..30).map(|n| format!("r{n:02}")).collect();
        let runs = |of: &dyn Fn(i64) -> Stretch| {
            let all = (0..).zip(&ids);
            let runs: BTreeMap<&str, Stretch> = all.map(|(n, id)| (&**id, of(n))).collect();
            are_by_chance(&runs)
        };
        // Every third pause is shorter than ten minutes.
        let part = |n: i64| {
            let start = n * 1800;
            [span(start, start + 20), span(start + 625, start + 1245)]
        };
        assert!(runs(&|n| {
            let [one, two] = part(n / 2);
            if n % 2 == 0 { one } else { two }
        }));
        // Runs of a minute that always pause for ten minutes, and runs of one and of eleven minutes an hour apart.
        assert!(!runs(&|n| span(n * 665, n * 665 + 60)));
        assert!(!runs(&|n| span(n * 3600, n * 3600 + 60 + n % 2 * 600)));
    }

    #[test]
    fn few_or_short_stretches_are_no_runs() {
        assert_eq!(verdicts(&finished(&[(20, 7), (20, 7)])), []);
        assert_eq!(verdicts(&finished(&[(1, 7); 40])), []);
    }
}
