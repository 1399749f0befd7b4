//! Finds errors that never occurred before, and errors that are back.

use std::collections::BTreeMap;

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, GroupRow, Sign};
use dragline_schema::{Severity, Timestamp, clip};

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
/// The same where hours are compared: those of one run are alike.
const LEAST_HOURS: usize = 24;
/// Maximum number of errors counted per run.
const A_BURST: usize = 3;
/// An error is over when a pause as long as that until the end of the log has at most this probability.
const OVER: f64 = 0.05;
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
    let seen = Seen::of(everything);
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
            let (news, since, before, is_open) = of(series, &seen, row)?;
            Some((*series, news, since, (before, is_open)))
        });
        let first = news.min_by_key(|(_, _, since, _)| *since);
        if let Some((series, news, since, (before, is_open))) = first
            && !is_old_elsewhere(&own, &seen, row, news)
        {
            found.push(
                Told {
                    series,
                    row,
                    group,
                    news,
                    since,
                    before,
                    is_open,
                }
                .finding(everything, rules),
            );
        }
    }
    found
}

/// A run, a quarter of an hour with an error in it, and the time of the first one.
type Occurrence = (usize, i64, Option<Timestamp>);

/// When the errors of each group occurred.
struct Seen<'f> {
    everything: &'f Finished,
    by_group: BTreeMap<u64, Vec<Occurrence>>,
}

impl<'f> Seen<'f> {
    fn of(everything: &'f Finished) -> Self {
        let mut by_group: BTreeMap<u64, Vec<Occurrence>> = BTreeMap::new();
        for ((run, sign, quarter), first) in &everything.signs {
            if let Sign::Error(group) = sign {
                let own = by_group.entry(*group).or_default();
                own.push((*run, *quarter, first.time()));
            }
        }
        Self {
            everything,
            by_group,
        }
    }

    fn group(&self, id: u64) -> &[Occurrence] {
        self.by_group.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// The errors of a group in each unit of a series: in each run or, where hours are compared, in each hour.
struct Presence {
    /// The number of errors of each unit, as far as it is known: the number of quarters of an hour with one.
    counts: Vec<u64>,
    /// The time of the first error of each unit, else that of its start.
    first: Vec<Option<Timestamp>>,
    are_hours: bool,
}

impl Presence {
    /// `None` if the series does not have the group, or it is not known in which runs it occurred.
    fn of(series: &Series<'_>, seen: &Seen<'_>, row: &GroupRow) -> Option<Self> {
        let are_hours = series.units.first()?.run.is_none();
        let mut counts = vec![0; series.units.len()];
        let mut first: Vec<Option<Timestamp>> = vec![None; series.units.len()];
        let places: BTreeMap<usize, usize> = series
            .units
            .iter()
            .enumerate()
            .filter_map(|(place, unit)| Some((unit.run?, place)))
            .collect();
        let is_own = |run: usize| {
            let key = &seen.everything.runs[run].key;
            (&key.scraper_id, &key.site) == (&series.name.0, &series.name.1)
        };
        let in_hours = |at: i64| {
            let place = series.units.partition_point(|unit| unit.start <= at);
            let place = place.checked_sub(1)?;
            (at < series.units[place].end).then_some(place)
        };
        for (run, quarter, time) in seen.group(row.id) {
            let place = if are_hours {
                in_hours(*quarter).filter(|_| is_own(*run))
            } else {
                places.get(run).copied()
            };
            if let Some(place) = place {
                counts[place] += 1;
                first[place] = first[place].into_iter().chain(*time).min();
            }
        }
        for run in row.runs.iter().flatten() {
            if let Some(place) = places.get(run) {
                counts[*place] = counts[*place].max(1);
            }
        }
        for (first, unit) in first.iter_mut().zip(&series.units) {
            let start = unit.run.map(|run| seen.everything.runs[run].start);
            *first = first.or(start.unwrap_or_else(|| Some(Timestamp::from_micros(unit.start))));
        }
        let is_there = counts.iter().any(|count| *count > 0);
        is_there.then_some(Self {
            counts,
            first,
            are_hours,
        })
    }

    /// The units with the error.
    fn kept(&self) -> Vec<usize> {
        let all = 0..self.counts.len();
        all.filter(|unit| self.counts[*unit] > 0).collect()
    }

    /// Minimum number of earlier units.
    fn least(&self) -> usize {
        if self.are_hours {
            LEAST_HOURS
        } else {
            LEAST_RUNS
        }
    }

    /// Whether an error that began in this unit has not ended: the units since the last one are not so many that one of
    /// them would have had it.
    fn is_open(&self, began: usize) -> bool {
        let last = self.counts.iter().rposition(|count| *count > 0);
        let last = last.unwrap_or(began).max(began);
        let own = self.counts[began..=last].iter();
        let share = own.filter(|count| **count > 0).count() as f64 / (last - began + 1) as f64;
        let pause = self.counts.len() - 1 - last;
        (1.0 - share).powf(pause as f64) > OVER
    }

    /// The unit from which on the error is frequent, and the number of errors before it.
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
fn is_old_elsewhere(all: &[&Series<'_>], seen: &Seen<'_>, row: &GroupRow, news: News) -> bool {
    news == News::New
        && all.iter().any(|series| {
            Presence::of(series, seen, row).is_some_and(|_| of(series, seen, row).is_none())
        })
}

/// Whether the group is new or back at a scraper, since when, how often it occurred before, and whether it goes on;
/// `None` if it is neither.
fn of(
    series: &Series<'_>,
    seen: &Seen<'_>,
    row: &GroupRow,
) -> Option<(News, Timestamp, u64, bool)> {
    if row.group.count < ENOUGH {
        return None;
    }
    let presence = Presence::of(series, seen, row)?;
    let kept = presence.kept();
    let first = *kept.first()?;
    let told = |news, place: usize, before| {
        let is_open = presence.is_open(place);
        Some((news, presence.first[place]?, before, is_open))
    };
    let is_new = |(place, before): &(usize, u64)| {
        *place >= presence.least() && is_new(&presence, row, (*place, *before))
    };
    if row.runs.is_none() || presence.are_hours {
        // Not all places of these errors may be kept, but the time of the first one is.
        let began = Some((first, 0)).filter(is_new);
        let is_first = row.group.first_seen >= presence.first[first];
        return began
            .filter(|_| is_first)
            .and_then(|(place, _)| told(News::New, place, 0));
    }
    let began = presence.rise().filter(is_new);
    if let Some((place, before)) = began.or(Some((first, 0)).filter(is_new)) {
        return told(News::New, place, before);
    }
    if first >= LEAST_RUNS {
        return None;
    }
    let place = back(&presence, row, &kept)?;
    told(News::Back, place, 0)
}

/// Whether it is unlikely that an error which is now so frequent occurred so rarely before.
fn is_new(presence: &Presence, row: &GroupRow, (place, before): (usize, u64)) -> bool {
    let kept = presence.kept();
    let late = (presence.counts.len() - place) as f64 / presence.counts.len() as f64;
    // Errors of one hour are as good as one, because they may have one reason.
    let count = if presence.are_hours {
        kept.len()
    } else {
        weight(row, kept.len())
    };
    let errors = at_most(before, count, late);
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
    let share = 1.0 - length as f64 / presence.counts.len() as f64;
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

/// From these shares of the pages on, an error that goes on costs some, and most, of what the scraper is for.
const COSTLY: [f64; 2] = [0.1, 0.5];

/// A new or regressed error group at a scraper.
struct Told<'t, 'f> {
    series: &'t Series<'f>,
    row: &'t GroupRow,
    group: &'t ErrorGroup,
    news: News,
    since: Timestamp,
    /// The number of lone errors before.
    before: u64,
    is_open: bool,
}

impl Told<'_, '_> {
    /// That of the errors, and more if they cost many of the pages since they began.
    fn severity(&self) -> Severity {
        let units = self.series.units.iter();
        let own = units.filter(|unit| unit.end >= self.since.as_micros() && unit.known.requests);
        let requests: u64 = own.map(|unit| unit.counters.requests).sum();
        let all = self.row.group.count;
        let here = self.row.counts.get(&self.series.name).copied();
        let errors = here.unwrap_or(all).saturating_sub(self.before);
        let share = errors as f64 / requests.max(1) as f64;
        let by_share = match COSTLY.map(|least| share >= least) {
            _ if !self.is_open || requests < crate::ENOUGH_REQUESTS => Severity::Low,
            [_, true] => Severity::High,
            [true, _] => Severity::Medium,
            _ => Severity::Low,
        };
        self.group.severity.max(by_share)
    }

    fn finding(&self, everything: &Finished, rules: &RuleSet) -> Finding {
        let Self {
            series,
            row,
            group,
            news,
            since,
            before,
            is_open,
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
            severity: self.severity(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_over_after_a_pause_that_is_too_long_for_it() {
        let is_open = |counts: &[u64]| {
            let presence = Presence {
                counts: counts.to_vec(),
                first: vec![None; counts.len()],
                are_hours: false,
            };
            presence.is_open(2)
        };
        assert!(is_open(&[0, 0, 1, 1, 1]));
        assert!(!is_open(&[0, 0, 1, 1, 1, 0]));
        assert!(is_open(&[0, 0, 1, 0, 0, 1, 0, 0]));
        assert!(!is_open(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    }
}
