//! What is worth knowing.
//!
//! [`series`] cuts what every scraper did into runs, or hours. [`episodes`] compares each with those
//! before it ([`normal`], [`metric`]) and keeps what chance does not explain. [`incidents`] finds the
//! one cause of what happened together, [`told`] puts it into words. Beside that stand runs
//! that did not end or begin as they should ([`ends`], [`schedule`]), errors that are new or back
//! ([`novelty`]) and logs that lack something ([`losses`]).
//!
//! All of it is found in everything that is there, so that an onset before the period that was asked
//! for is told rightly.

mod ends;
mod episodes;
mod incidents;
mod losses;
mod metric;
mod normal;
mod novelty;
mod onset;
mod schedule;
mod series;
mod told;
mod trends;
mod verdict;

use dragline_classifier::RuleSet;
use dragline_rollup::Finished;
use dragline_schema::{Severity, Timestamp};

use self::episodes::Track;
use self::incidents::Incident;
use self::series::Series;
use crate::lookup::by_scraper;
use crate::model::{Baseline, Expected, Group, Insight, Recommendation};

pub(crate) use self::trends::trends;
pub(crate) use self::verdict::{rank, verdict};

/// A run with fewer requests says nothing about shares.
const ENOUGH_REQUESTS: u64 = 20;

/// What every scraper did, and what is normal for it.
pub(crate) struct Analysis<'f> {
    everything: &'f Finished,
    end: Option<Timestamp>,
    all: Vec<Series<'f>>,
    tracks: Vec<Track>,
}

impl<'f> Analysis<'f> {
    /// Looks at everything that began before `end`.
    pub(crate) fn of(everything: &'f Finished, end: Option<Timestamp>) -> Self {
        let all = series::all(everything, end);
        let tracks = episodes::tracks(&all);
        Self {
            everything,
            end,
            all,
            tracks,
        }
    }

    /// Everything worth knowing of what was asked for, the worst first, then the latest.
    pub(crate) fn insights(
        &self,
        finished: &Finished,
        groups: &[Group],
        rules: &RuleSet,
    ) -> Vec<Insight> {
        let everything = self.everything;
        let mut found: Vec<Insight> = Vec::new();
        let episodes = episodes::episodes(&self.all, &self.tracks);
        let mut incidents: Vec<(usize, Incident)> = Vec::new();
        let news = novelty::news(&self.all, everything, groups, rules);
        for (place, episodes) in episodes.into_iter().enumerate() {
            let series = &self.all[place];
            for incident in incidents::incidents(series, episodes) {
                // Errors of which most are one that is news are that news.
                let is_told = |news: &Insight| {
                    let most = news.observed.unwrap_or(0.0) * 2.0 > incident.errors(series) as f64;
                    incident.is_of_errors_alone() && most && is_of(series, &incident, news)
                };
                if news.iter().any(is_told) {
                    continue;
                }
                if incidents::is_asked(&incident, series, everything, finished) {
                    found.push(told::insight(&incident, series, everything, groups));
                }
                incidents.push((place, incident));
            }
        }
        let is_part = |news: &Insight| {
            let mut own = incidents.iter();
            own.any(|(place, incident)| is_of(&self.all[*place], incident, news))
        };
        found.extend(news.into_iter().filter(|news| !is_part(news)));
        found.extend(ends::ends(finished, everything));
        found.extend(losses::lines(finished));
        found.extend(losses::clocks(finished));
        let asked = by_scraper(finished);
        if let Some(end) = self.end {
            let own = self
                .all
                .iter()
                .filter(|series| asked.contains_key(&series.name));
            found.extend(own.flat_map(|series| ends::unpunctual(series, everything, end)));
        }
        found.sort_by(|a, b| {
            let severity = |insight: &Insight| insight.severity.parse::<Severity>().ok();
            (severity(b), &b.since, &a.id).cmp(&(severity(a), &a.since, &b.id))
        });
        found
    }

    /// What was learned of the scrapers that are asked for; `None` when nothing was.
    pub(crate) fn baselines(&self, finished: &Finished) -> Option<Vec<Baseline>> {
        let asked = by_scraper(finished);
        let mut baselines: Vec<Baseline> = Vec::new();
        for track in &self.tracks {
            let series = track.series(&self.all);
            let (Some(normal), true) = (&track.normal, asked.contains_key(&series.name)) else {
                continue;
            };
            if normal.units < LEAST_UNITS {
                continue;
            }
            let at = series.units.last().map_or(0, |unit| unit.start);
            let (metric, scale) = (track.metric(), track.metric().scale());
            let (lower, upper) = normal.range(metric, at, 0.0);
            let (a, b) = (metric.shown(lower), metric.shown(upper));
            baselines.push(Baseline {
                metric: metric.name(),
                scraper_id: series.name.0.clone(),
                site: series.name.1.clone(),
                median: metric.shown(scale.raw(normal.expected(at))),
                expected: Expected {
                    lower: a.min(b),
                    upper: a.max(b),
                },
                runs: normal.units as u64,
            });
        }
        (!baselines.is_empty()).then_some(baselines)
    }
}

/// Whether an error's news and an incident are of the same scraper and the same time.
fn is_of(series: &Series<'_>, incident: &Incident, news: &Insight) -> bool {
    let since = news.since.as_deref().map(Timestamp::parse);
    let first = series.units[incident.from].start;
    let is_within = |since: Timestamp| (first..=incident.until).contains(&since.as_micros());
    let is_own = series.name.0 == news.scraper_id && series.name.1 == news.site;
    is_own && since.and_then(Result::ok).is_some_and(is_within)
}

/// What was learned from fewer is not shown.
const LEAST_UNITS: usize = 6;

/// What to do, each thing once.
pub(crate) fn recommendations(insights: &[Insight]) -> Vec<Recommendation> {
    let mut all: Vec<Recommendation> = Vec::new();
    for insight in insights {
        let id = insight.id.clone();
        match all
            .iter_mut()
            .find(|known| known.text == insight.recommendation)
        {
            Some(known) => known.insights.push(id),
            None => all.push(Recommendation {
                text: insight.recommendation.clone(),
                insights: vec![id],
                runbook: None,
            }),
        }
    }
    all
}
