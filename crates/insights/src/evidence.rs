//! Finds the log lines that show an incident.
//!
//! The rollup keeps, for each run and quarter of an hour, the first line of each sign of trouble. The evidence
//! of an incident is the first such line at its onset. If there is none, it is an error that first occurred
//! during the incident, or else the end of an affected run.

use dragline_rollup::{Finished, FirstSign, GroupRow, SIGN_WIDTH, Sign};
use dragline_schema::{ErrorCategory, Timestamp};

use crate::finding::{ErrorGroup, Evidence};
use crate::incidents::{Incident, runs_of};
use crate::metric::Metric;
use crate::series::{MINUTE, Series};

/// Maximum number of evidence lines.
const PLACES: usize = 3;
/// Onsets are only as precise as a bucket, so the evidence may precede the onset by this much.
const EARLY: i64 = 2 * MINUTE;
/// Evidence must follow the onset within this time.
const SOON: i64 = 30 * MINUTE;

/// The log lines that show an incident.
pub(super) fn evidence(
    incident: &Incident,
    series: &Series<'_>,
    everything: &Finished,
    groups: &[ErrorGroup],
) -> Vec<Evidence> {
    let runs = runs(incident, series, everything);
    let mut found = warnings(incident, everything, &runs);
    if found.is_empty() {
        found = signs(incident, everything, &runs);
    }
    if found.is_empty() {
        found = errors(incident, series, groups);
    }
    if found.is_empty() {
        let rows = runs
            .iter()
            .filter_map(|run| everything.runs[*run].evidence.as_ref());
        found.extend(rows.take(1).map(Evidence::from));
    }
    found
}

/// The first warning of the template that surged; none for other incidents.
fn warnings(incident: &Incident, everything: &Finished, runs: &[usize]) -> Vec<Evidence> {
    let Metric::Warnings(template) = &incident.root.metric else {
        return Vec::new();
    };
    let rows = runs.iter().map(|run| &everything.runs[*run]);
    let warned = rows.flat_map(|row| row.sections.warnings.0.iter());
    let own = warned.filter(|(name, _)| *name == template);
    let first = own.map(|(_, warned)| &warned.first);
    let first = first.min_by_key(|first| (first.time(), first.evidence().cloned()));
    first.and_then(Evidence::of_sign).into_iter().collect()
}

/// The runs that may contain the incident; for incidents by hour, all runs of the scraper.
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

/// The first signs from the onset on: first of the cause, then of its consequences.
fn signs(incident: &Incident, everything: &Finished, runs: &[usize]) -> Vec<Evidence> {
    // A missing field or an error explains more than a lost item does.
    let rank = |metric: &&Metric| match metric {
        Metric::Lacking(_) => 0,
        Metric::Errors(_) => 1,
        _ => 2,
    };
    let mut followed: Vec<&Metric> = incident
        .episodes
        .iter()
        .map(|episode| &episode.metric)
        .collect();
    followed.sort_by_key(rank);
    let mut found: Vec<&FirstSign> = Vec::new();
    for metric in std::iter::once(&incident.root.metric).chain(followed) {
        let first = match metric {
            Metric::Errors(category) => first_of_category(incident, everything, runs, *category),
            // If the log has no status codes, use errors.
            Metric::Blocked => first(incident, everything, runs, Sign::Refused).or_else(|| {
                let categories = [ErrorCategory::RateLimit, ErrorCategory::Authentication];
                let of = |category| first_of_category(incident, everything, runs, category);
                categories.into_iter().find_map(of)
            }),
            other => of_metric(other).and_then(|sign| first(incident, everything, runs, sign)),
        };
        let is_new =
            |first: &&FirstSign| found.iter().all(|held| held.evidence() != first.evidence());
        found.extend(first.filter(is_new));
    }
    found
        .into_iter()
        .filter_map(Evidence::of_sign)
        .take(PLACES)
        .collect()
}

/// The first line of a sign from the onset on. Onsets are only as precise as a bucket: if nothing follows
/// soon, the last line shortly before the onset is used.
fn first<'f>(
    incident: &Incident,
    everything: &'f Finished,
    runs: &[usize],
    sign: Sign,
) -> Option<&'f FirstSign> {
    let from = incident.since - SIGN_WIDTH;
    let begin = from.div_euclid(SIGN_WIDTH) * SIGN_WIDTH;
    let until = incident.until.max(begin);
    let own = runs
        .iter()
        .flat_map(|run| {
            everything
                .signs
                .range((*run, sign, begin)..=(*run, sign, until))
        })
        .map(|(_, first)| first);
    let (early, late): (Vec<_>, Vec<_>) = own
        .filter(|first| at(first).is_none_or(|at| (from..=until).contains(&at)))
        .partition(|first| at(first).is_some_and(|at| at < incident.since - EARLY));
    let earliest = |signs: Vec<&'f FirstSign>| {
        signs
            .into_iter()
            .min_by_key(|first| (first.time(), first.evidence().cloned()))
    };
    let late = earliest(late);
    let is_soon = late.is_some_and(|late| at(late).is_none_or(|at| at - incident.since <= SOON));
    if is_soon {
        return late;
    }
    early
        .into_iter()
        .max_by_key(|first| (first.time(), first.evidence().cloned()))
        .or(late)
}

fn at(first: &FirstSign) -> Option<i64> {
    first.time().map(Timestamp::as_micros)
}

/// The first error, during the incident, of the category's largest group. Errors that always occur are mostly
/// in small groups.
fn first_of_category<'f>(
    incident: &Incident,
    everything: &'f Finished,
    runs: &[usize],
    category: ErrorCategory,
) -> Option<&'f FirstSign> {
    let is_one = |row: &&GroupRow| {
        let sample = row.group.sample.as_ref();
        sample.is_some_and(|(_, sample)| sample.category == category)
    };
    let mut rows: Vec<&GroupRow> = everything.groups.iter().filter(is_one).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.group.count), row.id));
    rows.into_iter()
        .find_map(|row| first(incident, everything, runs, Sign::Error(row.id)))
}

/// The sign that shows a change of a metric.
fn of_metric(metric: &Metric) -> Option<Sign> {
    match metric {
        Metric::Failed => Some(Sign::Failed),
        Metric::Lost => Some(Sign::Lost),
        Metric::Lacking(_) => Some(Sign::Incomplete),
        Metric::Duplicates => Some(Sign::Duplicate),
        Metric::Retries => Some(Sign::Retry),
        _ => None,
    }
}

/// The line of the error of a group at this time, if it is the first of a run.
pub(super) fn error_at(everything: &Finished, row: &GroupRow, at: Timestamp) -> Option<Evidence> {
    let quarter = at.as_micros().div_euclid(SIGN_WIDTH) * SIGN_WIDTH;
    let signs = row.runs.iter().flatten().filter_map(|run| {
        let key = (*run, Sign::Error(row.id), quarter);
        everything.signs.get(&key)
    });
    let mut signs = signs.filter(|first| first.time() == Some(at));
    Evidence::of_sign(signs.next()?)
}

/// The lines of errors that first occurred during the incident.
fn errors(incident: &Incident, series: &Series<'_>, groups: &[ErrorGroup]) -> Vec<Evidence> {
    let began = Timestamp::from_micros(incident.since);
    let ended = Timestamp::from_micros(incident.until);
    let is_own = |group: &&ErrorGroup| {
        let mut names = group.scrapers.iter();
        let is_named = names.any(|n| n.scraper_id == series.name.0 && n.site == series.name.1);
        // A group keeps only its first lines, so only a group that started during the incident can show it.
        is_named
            && group
                .first_seen
                .is_some_and(|first| first >= began && first <= ended)
    };
    let own = groups.iter().filter(is_own);
    own.filter_map(|group| group.evidence.first().cloned())
        .take(PLACES)
        .collect()
}
