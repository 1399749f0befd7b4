//! Finds errors that never occurred before, and errors that are back.

use std::collections::BTreeMap;

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, GroupRow};
use dragline_schema::{Timestamp, clip};

use crate::evidence::first_error;
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
/// Below this probability, chance is ruled out.
const SURPRISING: f64 = 0.004;

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
            let (news, since) = of(series, everything, row)?;
            Some((*series, news, since))
        });
        if let Some((series, news, since)) = news.min_by_key(|(.., since)| *since)
            && !is_old_elsewhere(&own, everything, row, news)
        {
            found.push(
                Told {
                    series,
                    row,
                    group,
                    news,
                    since,
                }
                .finding(everything, rules),
            );
        }
    }
    found
}

/// For each run of a series, whether it has the group, and the runs' indexes.
fn presence(series: &Series<'_>, row: &GroupRow) -> Option<(Vec<bool>, Vec<usize>)> {
    let has = row.runs.as_ref()?;
    let runs: Vec<usize> = series.units.iter().filter_map(|unit| unit.run).collect();
    let present: Vec<bool> = runs.iter().map(|run| has.contains(run)).collect();
    present.contains(&true).then_some((present, runs))
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
            presence(series, row).is_some_and(|_| of(series, everything, row).is_none())
        })
}

/// Whether the group is new or back at a scraper, and since when; `None` if neither.
fn of(series: &Series<'_>, everything: &Finished, row: &GroupRow) -> Option<(News, Timestamp)> {
    if row.group.count < ENOUGH {
        return None;
    }
    let (present, runs) = presence(series, row)?;
    let start = |place: usize| everything.runs[runs[place]].start;
    let kept: Vec<usize> = (0..present.len()).filter(|run| present[*run]).collect();
    let first = *kept.first()?;
    if first >= LEAST_RUNS {
        // If the error were old, it would have occurred earlier as often as it does now.
        let share = (present.len() - first) as f64 / present.len() as f64;
        let chance = share.powf(weight(row, kept.len()) as f64);
        let is_burst = row.group.count >= 4 * ENOUGH && kept.len() <= 2;
        let since = row
            .group
            .first_seen
            .filter(|_| row.scrapers.len() == 1)
            .or(start(first))?;
        return (chance <= SURPRISING || is_burst).then_some((News::New, since));
    }
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
    let share = 1.0 - length as f64 / present.len() as f64;
    let weight = weight(row, kept.len()).min(2 * kept.len());
    let chance = share.powf(weight as f64) * (kept.len() + 1) as f64;
    let is_back = length >= LEAST_RUNS
        && length > 2 * second
        && before >= 2
        && (chance <= SURPRISING)
        && after >= 2;
    let since = start(pair[1])?;
    is_back.then_some((News::Back, since))
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

/// The group's evidence, with the line of its first error (if known) first.
fn sampled(row: &GroupRow, group: &ErrorGroup, everything: &Finished) -> Vec<Evidence> {
    let first = first_error(everything, row);
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
}

impl Told<'_, '_> {
    fn finding(&self, everything: &Finished, rules: &RuleSet) -> Finding {
        let Self {
            series,
            row,
            group,
            news,
            since,
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
        Finding {
            id: id(kind, &format!("{:016x}", group.id), since),
            severity: group.severity,
            title: format!("{how} {who}{others} since {}: {what}", minute(since)),
            detail: format!("{} times: {}", group.count, clip(&group.template, 160)),
            since: Some(since),
            is_open: presence(series, row)
                .is_some_and(|(present, _)| present.last() == Some(&true)),
            scraper: ScraperKey::from(&series.name),
            metric: Some(format!("errors.{}", group.category)),
            expected: Some(Expected {
                lower: 0.0,
                upper: 0.0,
            }),
            observed: Some(group.count as f64),
            evidence: sampled(row, group, everything),
            recommendation: recommendation.to_owned(),
            runbook: runbook_of_errors(group.category, &group.sub_category)
                .unwrap_or(kind.runbook()),
            ..Finding::of(kind)
        }
    }
}
