//! Finds errors that never occurred before, and errors that are back.

use std::collections::BTreeMap;

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, FirstSign, GroupRow, Sign};
use dragline_schema::{Timestamp, clip};

use crate::evidence::error_at;
use crate::finding::{ErrorGroup, Evidence, Expected, Finding, ScraperKey};
use crate::kind::{InsightKind, runbook_of_errors};
use crate::names::Name;
use crate::series::Series;
use crate::told::{id, minute, name};

/// Minimum number of errors in a group to report it.
const ENOUGH: u64 = 5;
/// Minimum number of earlier runs, or of runs without the error.
const LEAST_RUNS: usize = 6;
/// Maximum number of errors counted per run.
const A_BURST: usize = 3;
/// Maximum number of lone errors before the run from which on an error is frequent.
const FORERUNNERS: u64 = 2;
/// Below this probability, chance is ruled out.
const SURPRISING: f64 = 0.004;
/// The same for the runs with an error that had forerunners, in addition.
const UNLIKELY: f64 = 0.01;
/// The same for a long pause, of which there are many.
const SURPRISING_PAUSE: f64 = 0.002;

/// Whether an error group is new or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    New,
    Back,
}

/// The error groups that are new or back at a scraper; one finding per group.
pub(crate) fn news(
    all: &[Series<'_>],
    everything: &Finished,
    groups: &[ErrorGroup],
    rules: &RuleSet,
) -> Vec<Finding> {
    let shown: BTreeMap<u64, &ErrorGroup> = groups.iter().map(|group| (group.id, group)).collect();
    let named: BTreeMap<&Name, &Series<'_>> =
        all.iter().map(|series| (&series.name, series)).collect();
    let mut found = Vec::new();
    for row in &everything.groups {
        let known = shown.get(&row.id);
        let Some(group) = known.filter(|group| !group.is_muted) else {
            continue;
        };
        // Look only at scrapers that have the group; there may be very many others.
        let own: Vec<&Series<'_>> = row
            .scrapers
            .iter()
            .filter_map(|name| named.get(name).copied())
            .collect();
        let news = own.iter().filter_map(|series| {
            let (news, since, before) = of(series, everything, row)?;
            Some((*series, news, since, before))
        });
        if let Some((series, news, since, before)) = news.min_by_key(|(_, _, since, _)| *since)
            && !is_old_elsewhere(&own, everything, row, news)
        {
            found.push(
                Told {
                    series,
                    row,
                    group,
                    news,
                    since,
                    before,
                }
                .finding(everything, rules),
            );
        }
    }
    found
}

/// The errors of a group in each run of a series.
struct Presence {
    /// The runs, as indexes in [`Finished::runs`].
    runs: Vec<usize>,
    /// The number of errors of each run, as far as it is known: the number of quarters of an hour with one.
    counts: Vec<u64>,
    /// The time of the first error of each run.
    first: Vec<Option<Timestamp>>,
}

impl Presence {
    /// `None` if the series does not have the group, or it is not known in which runs it occurred.
    fn of(series: &Series<'_>, everything: &Finished, row: &GroupRow) -> Option<Self> {
        let has = row.runs.as_ref()?;
        let runs: Vec<usize> = series.units.iter().filter_map(|unit| unit.run).collect();
        let sign = Sign::Error(row.id);
        let (mut counts, mut first) = (Vec::new(), Vec::new());
        for run in &runs {
            let range = (*run, sign, i64::MIN)..=(*run, sign, i64::MAX);
            let signs = || everything.signs.range(range.clone()).map(|(_, sign)| sign);
            let count = if has.contains(run) {
                (signs().count() as u64).max(1)
            } else {
                0
            };
            counts.push(count);
            first.push(signs().filter_map(FirstSign::time).min());
        }
        let is_there = counts.iter().any(|count| *count > 0);
        is_there.then_some(Self {
            runs,
            counts,
            first,
        })
    }

    /// The runs with the error.
    fn kept(&self) -> Vec<usize> {
        let all = 0..self.counts.len();
        all.filter(|run| self.counts[*run] > 0).collect()
    }

    /// The time of the first error of a run, or the run's start.
    fn since(&self, everything: &Finished, place: usize) -> Option<Timestamp> {
        self.first[place].or(everything.runs[self.runs[place]].start)
    }

    /// The run from which on the error is frequent, and the number of errors before it.
    ///
    /// This is the split with the highest likelihood of two rates (Page 1954) among those with few errors before it.
    fn rise(&self) -> Option<(usize, u64)> {
        let last = self.counts.iter().rposition(|count| *count > 0)?;
        let counts = &self.counts[..=last];
        let total: u64 = counts.iter().sum();
        let rate = total as f64 / counts.len() as f64;
        let part = |count: u64, runs: usize| {
            let own = count as f64 / runs.max(1) as f64;
            if count == 0 {
                0.0
            } else {
                count as f64 * (own / rate).ln()
            }
        };
        let mut best: Option<(f64, usize, u64)> = None;
        let mut before = 0;
        for (place, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let after = total - before;
            let gain = part(before, place) + part(after, counts.len() - place);
            let are_few = before <= FORERUNNERS && before * 10 <= after;
            if are_few && best.is_none_or(|(held, ..)| gain > held) {
                best = Some((gain, place, before));
            }
            before += count;
        }
        best.map(|(_, place, before)| (place, before))
    }
}

/// Whether another scraper has had the error for a long time, so that it is not new.
fn is_old_elsewhere(
    all: &[&Series<'_>],
    everything: &Finished,
    row: &GroupRow,
    news: News,
) -> bool {
    news == News::New
        && all.iter().any(|series| {
            Presence::of(series, everything, row)
                .is_some_and(|_| of(series, everything, row).is_none())
        })
}

/// Whether the group is new or back at a scraper, since when, and how often it occurred before; `None` if neither.
fn of(
    series: &Series<'_>,
    everything: &Finished,
    row: &GroupRow,
) -> Option<(News, Timestamp, u64)> {
    if row.group.count < ENOUGH {
        return None;
    }
    let presence = Presence::of(series, everything, row)?;
    let kept = presence.kept();
    let first = *kept.first()?;
    let is_new = |(place, before): &(usize, u64)| {
        *place >= LEAST_RUNS && is_new(&presence, row, (*place, *before))
    };
    let began = presence.rise().filter(is_new);
    if let Some((place, before)) = began.or(Some((first, 0)).filter(is_new)) {
        return Some((News::New, presence.since(everything, place)?, before));
    }
    if first >= LEAST_RUNS {
        return None;
    }
    let place = back(&presence, row, &kept)?;
    Some((News::Back, presence.since(everything, place)?, 0))
}

/// Whether it is unlikely that an error which is now so frequent occurred so rarely before.
fn is_new(presence: &Presence, row: &GroupRow, (place, before): (usize, u64)) -> bool {
    let kept = presence.kept();
    let late = (presence.counts.len() - place) as f64 / presence.counts.len() as f64;
    let errors = at_most(before, weight(row, kept.len()), late);
    if before > 0 {
        // Which errors are the forerunners was chosen among many, so runs must show it, too.
        let runs = at_most(before, kept.len(), late);
        return errors <= SURPRISING / 10.0 && runs <= UNLIKELY;
    }
    let after = kept.iter().filter(|run| **run >= place).count();
    errors <= SURPRISING || (row.group.count >= 4 * ENOUGH && after <= 2)
}

/// The probability that at most `early` of all errors are early if this share of the time is late (binomial). If an
/// error were old, it would have occurred earlier as often as it does now.
fn at_most(early: u64, all: usize, late: f64) -> f64 {
    let mut term = late.powf(all as f64);
    let mut chance = term;
    for before in 0..early {
        let left = all as f64 - before as f64;
        term *= left / (before as f64 + 1.0) * (1.0 - late) / late;
        chance += term;
    }
    chance
}

/// The run in which an error is back after its longest pause, if so long a pause is unlikely.
fn back(presence: &Presence, row: &GroupRow, kept: &[usize]) -> Option<usize> {
    // The longest pause, and the occurrences before and after it.
    let pause = kept
        .windows(2)
        .enumerate()
        .max_by_key(|(_, pair)| pair[1] - pair[0])?;
    let (place, pair) = pause;
    let (before, after) = (place + 1, kept.len() - place - 1);
    let length = pair[1] - pair[0] - 1;
    let others = kept
        .windows(2)
        .enumerate()
        .filter(|(other, _)| *other != place);
    let second = others
        .map(|(_, pair)| pair[1] - pair[0] - 1)
        .max()
        .unwrap_or(0);
    // With this many occurrences, such a long pause is unlikely by chance.
    let share = 1.0 - length as f64 / presence.runs.len() as f64;
    let weight = weight(row, kept.len()).min(2 * kept.len());
    let chance = share.powf(weight as f64) * (kept.len() + 1) as f64;
    let is_back = length >= LEAST_RUNS
        && length > 2 * second
        && before >= 2
        && chance <= SURPRISING_PAUSE
        && after >= 2;
    is_back.then_some(pair[1])
}

/// The number of independent occurrences. Errors of one run occur in bursts, so at most [`A_BURST`] per run count.
/// The group's error count includes all scrapers; with several of them, only runs count.
fn weight(row: &GroupRow, runs: usize) -> usize {
    if row.scrapers.len() > 1 {
        return runs;
    }
    let errors = usize::try_from(row.group.count).unwrap_or(usize::MAX);
    errors.min(runs.saturating_mul(A_BURST))
}

/// The group's evidence, with the line of the error that begins it (if known) first.
fn sampled(
    row: &GroupRow,
    group: &ErrorGroup,
    everything: &Finished,
    since: Timestamp,
) -> Vec<Evidence> {
    let first = error_at(everything, row, since);
    let mut evidence = group.evidence.clone();
    if let Some(first) = first {
        evidence.retain(|at| (&at.file, at.line) != (&first.file, first.line));
        evidence.insert(0, first);
        return evidence;
    }
    if let Some(first) = evidence.first_mut() {
        let line = group.sample.lines().next().unwrap_or_default();
        first.sample = Some(clip(line, 160).to_owned());
    }
    evidence
}

/// A new or regressed error group at a scraper.
struct Told<'t, 'f> {
    series: &'t Series<'f>,
    row: &'t GroupRow,
    group: &'t ErrorGroup,
    news: News,
    since: Timestamp,
    /// The number of lone errors before.
    before: u64,
}

impl Told<'_, '_> {
    fn finding(&self, everything: &Finished, rules: &RuleSet) -> Finding {
        let Self {
            series,
            row,
            group,
            news,
            since,
            before,
        } = *self;
        let who = name(&series.name);
        let what = group
            .error_type
            .as_deref()
            .unwrap_or("an error without a type");
        let others = match group.scrapers.len() {
            0 | 1 => String::new(),
            n => format!(" and {} others", n - 1),
        };
        let recommendation = group
            .rule
            .as_deref()
            .and_then(|rule| rules.recommendation(rule))
            .unwrap_or("No rule has a recommendation for this error: check the sample.");
        let (kind, how) = match news {
            News::New => (InsightKind::NewError, "A new error at"),
            News::Back => (InsightKind::RegressedError, "An error is back at"),
        };
        let presence = Presence::of(series, everything, row);
        let is_open = presence.is_some_and(|own| own.counts.last() > Some(&0));
        let mut detail = format!("{} times: {}", group.count, clip(&group.template, 160));
        if let Some(first) = row.group.first_seen.filter(|_| before > 0) {
            let forerunners = match before {
                1 => format!(" A single one occurred before, at {}.", minute(first)),
                _ => format!(" {before} occurred before, the first at {}.", minute(first)),
            };
            detail += &forerunners;
        }
        Finding {
            id: id(kind, &format!("{:016x}", group.id), since),
            severity: group.severity,
            title: format!("{how} {who}{others} since {}: {what}", minute(since)),
            detail,
            since: Some(since),
            until: row.group.last_seen.filter(|_| !is_open),
            is_open,
            scraper: ScraperKey::from(&series.name),
            metric: Some(format!("errors.{}", group.category)),
            expected: Some(Expected {
                lower: 0.0,
                upper: 0.0,
            }),
            observed: Some(group.count as f64),
            evidence: sampled(row, group, everything, since),
            recommendation: recommendation.to_owned(),
            runbook: runbook_of_errors(group.category, &group.sub_category)
                .unwrap_or(kind.runbook()),
            ..Finding::of(kind)
        }
    }
}
