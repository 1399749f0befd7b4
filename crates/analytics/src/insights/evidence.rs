//! Where an incident can be seen.
//!
//! The rollup keeps the first line of each sign of trouble in each hour of a run. What tells of an
//! incident is the first of them at its onset; where nothing is left but silence, it is an error that
//! began with it, or the end of a run that has it.

use dragline_rollup::{Finished, FirstSign, Sign};
use dragline_schema::{ErrorCategory, Timestamp};

use super::incidents::{Incident, runs_of};
use super::metric::Metric;
use super::series::{HOUR, MINUTE, Series};
use crate::lookup::{place, place_of_sign};
use crate::model::{Evidence, Group};

/// So many places are given.
const PLACES: usize = 3;
/// An onset is told by buckets: what shows it may stand a little before.
const EARLY: i64 = 2 * MINUTE;

/// Where to look.
pub(super) fn evidence(
    incident: &Incident,
    series: &Series<'_>,
    everything: &Finished,
    groups: &[Group],
) -> Vec<Evidence> {
    let runs = runs(incident, series, everything);
    let mut found = signs(incident, everything, &runs);
    if found.is_empty() {
        found = errors(incident, series, groups);
    }
    if found.is_empty() {
        let rows = runs
            .iter()
            .filter_map(|run| everything.runs[*run].evidence.as_ref());
        found.extend(rows.take(1).map(place));
    }
    found
}

/// The runs that can have it: where it is told by hours, all of the scraper's.
fn runs(incident: &Incident, series: &Series<'_>, everything: &Finished) -> Vec<usize> {
    let named: Vec<usize> = runs_of(incident, series).collect();
    if !named.is_empty() {
        return named;
    }
    let rows = everything.runs.iter().enumerate();
    let own = rows
        .filter(|(_, row)| row.key.scraper_id == series.name.0 && row.key.site == series.name.1);
    own.map(|(run, _)| run).collect()
}

/// The first signs from the onset on: of the cause, then of what followed.
fn signs(incident: &Incident, everything: &Finished, runs: &[usize]) -> Vec<Evidence> {
    let followed = incident.episodes.iter().map(|episode| &episode.metric);
    let mut wanted: Vec<Sign> = Vec::new();
    for metric in std::iter::once(&incident.root.metric).chain(followed) {
        for sign in of_metric(metric) {
            if !wanted.contains(&sign) {
                wanted.push(sign);
            }
        }
    }
    let (from, until) = (incident.since - EARLY, incident.until);
    let first = |sign: Sign| {
        let hours = from.div_euclid(HOUR) * HOUR..=until;
        let own = runs.iter().flat_map(|run| {
            everything
                .signs
                .range((*run, sign, *hours.start())..=(*run, sign, *hours.end()))
        });
        let in_time = own
            .map(|(_, first)| first)
            .filter(|first| is_within(first, from, until));
        in_time.min_by_key(|first| (first.time(), first.evidence()))
    };
    wanted
        .into_iter()
        .filter_map(first)
        .filter_map(place_of_sign)
        .take(PLACES)
        .collect()
}

/// Logs without times tell what happened, not when.
fn is_within(first: &FirstSign, from: i64, until: i64) -> bool {
    let at = first.time().map(Timestamp::as_micros);
    at.is_none_or(|at| (from..=until).contains(&at))
}

/// What lines show that a metric moved.
fn of_metric(metric: &Metric) -> Vec<Sign> {
    let page = [
        Sign::Incomplete,
        Sign::Lost,
        Sign::Error(ErrorCategory::Parsing),
        Sign::Error(ErrorCategory::SiteChange),
    ];
    match metric {
        Metric::Blocked => vec![Sign::Refused, Sign::Error(ErrorCategory::RateLimit)],
        Metric::Failed => vec![Sign::Failed],
        Metric::Errors(category) => vec![Sign::Error(*category)],
        Metric::ItemsPerPage | Metric::ItemYield => page.to_vec(),
        Metric::Lost => vec![Sign::Lost],
        Metric::Lacking(_) => vec![Sign::Incomplete],
        Metric::Duplicates => vec![Sign::Duplicate],
        Metric::Retries => vec![Sign::Retry],
        _ => Vec::new(),
    }
}

/// The line of an error that was the first of its group, if it was the first of its category, too.
pub(super) fn first_error(
    everything: &Finished,
    category: ErrorCategory,
    first_seen: Option<Timestamp>,
) -> Option<Evidence> {
    let signs = everything.signs.iter();
    let mut own = signs.filter(|((_, sign, _), _)| *sign == Sign::Error(category));
    let (_, first) = own.find(|(_, first)| first.time() == first_seen && first_seen.is_some())?;
    place_of_sign(first)
}

/// Errors that began with the incident.
fn errors(incident: &Incident, series: &Series<'_>, groups: &[Group]) -> Vec<Evidence> {
    let began = Timestamp::from_micros(incident.since).to_string();
    let ended = Timestamp::from_micros(incident.until).to_string();
    let is_own = |group: &&Group| {
        let mut names = group.scrapers.iter();
        let is_named = names.any(|n| n.scraper_id == series.name.0 && n.site == series.name.1);
        let first = group.first_seen.as_deref().unwrap_or_default();
        // Places are kept of a group's beginning: only one that began with the incident shows it.
        is_named && first >= began.as_str() && first <= ended.as_str()
    };
    let own = groups.iter().filter(is_own);
    own.filter_map(|group| group.evidence.first().cloned())
        .take(PLACES)
        .collect()
}
