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
mod evidence;
mod incidents;
mod limits;
mod losses;
mod metric;
mod normal;
mod novelty;
mod onset;
mod recurring;
mod related;
mod schedule;
mod series;
mod told;
mod verdict;

use std::collections::BTreeSet;

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, GroupRow};
use dragline_schema::{RunKey, Severity, Timestamp};

use self::episodes::Track;
use self::incidents::Incident;
use self::metric::Metric;
use self::series::Series;
use crate::frames::DAY;
use crate::lookup::{Name, by_scraper};
use crate::model::{Baseline, Expected, Group, Insight, Recommendation, Report};

pub use self::limits::Limits;
pub(crate) use self::limits::Whole;
pub(crate) use self::metric::refused;
pub(crate) use self::normal::Expectation;
pub(crate) use self::series::{HOUR, hour, weekday};
pub(crate) use self::told::{capital, name};
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
        (limits, whole): (&Limits, &Whole),
    ) -> Vec<Insight> {
        let everything = self.everything;
        let mut found: Vec<Insight> = Vec::new();
        let episodes = episodes::episodes(&self.all, &self.tracks);
        let mut incidents: Vec<(usize, Incident)> = Vec::new();
        let news = novelty::news(&self.all, everything, groups, rules);
        let muted: BTreeSet<u64> = groups
            .iter()
            .filter(|group| group.mute.is_some())
            .filter_map(|group| u64::from_str_radix(&group.id, 16).ok())
            .collect();
        let keys: BTreeSet<&RunKey> = finished.runs.iter().map(|row| &row.key).collect();
        for (place, episodes) in episodes.into_iter().enumerate() {
            let series = &self.all[place];
            let own = incidents::incidents(series, episodes);
            for incident in recurring::fold(own) {
                // Errors of which most are one that is news are that news.
                let is_told = |news: &Insight| {
                    let most = news.observed.unwrap_or(0.0) * 2.0 > incident.errors(series) as f64;
                    incident.is_of_errors_alone() && most && is_of(series, &incident, news)
                };
                let is_muted = !muted.is_empty()
                    && incident.is_of_errors_alone()
                    && is_muted(&incident, series, everything, &muted);
                if is_muted || news.iter().any(is_told) {
                    continue;
                }
                if incidents::is_asked(&incident, series, everything, finished.period, &keys) {
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
        let is_asked = |series: &&Series<'_>| asked.contains_key(&series.name);
        let own = self.all.iter().filter(is_asked);
        found.extend(limits::of_runs(own, everything, limits));
        found.extend(limits::of_all(whole, limits));
        if let Some(end) = self.end {
            let own = self.all.iter().filter(is_asked);
            found.extend(own.flat_map(|series| ends::unpunctual(series, everything, end)));
        }
        found.sort_by(|a, b| {
            let severity = |insight: &Insight| insight.severity.parse::<Severity>().ok();
            (severity(b), &b.since, &a.id).cmp(&(severity(a), &a.since, &b.id))
        });
        related::relate(&mut found);
        found
    }

    /// What is normal for a scraper at a time, metric by metric: its name, the usual value and the range.
    pub(crate) fn expectations(
        &self,
        name: &Name,
        at: Option<Timestamp>,
    ) -> Vec<(String, f64, Expected)> {
        let at = at.map_or(0, Timestamp::as_micros);
        let own = |track: &&Track| track.series(&self.all).name == *name;
        let found = self.tracks.iter().filter(own).filter_map(|track| {
            let (metric, normal) = (track.metric(), track.normal.as_ref()?);
            let expected = told::expected(metric, normal.range(metric, at));
            let usual = metric.shown(metric.scale().raw(normal.expected(at)));
            // Errors are told for each request there, and counted here.
            let is_count = !metric.name().starts_with("errors.");
            (normal.units >= LEAST_UNITS && is_count).then(|| (metric.name(), usual, expected))
        });
        found.collect()
    }

    /// A scraper's runs in which something was unusual: they are no example.
    pub(crate) fn unusual_runs(&self, name: &Name) -> BTreeSet<usize> {
        let own = self
            .tracks
            .iter()
            .filter(|track| track.series(&self.all).name == *name);
        let runs = own.flat_map(|track| {
            let units = &track.series(&self.all).units;
            track.unusual_units().filter_map(|unit| units[unit].run)
        });
        runs.collect()
    }

    /// A scraper's runs before one of them.
    pub(crate) fn runs_before(&self, name: &Name, run: usize) -> BTreeSet<usize> {
        let series = self.all.iter().find(|series| series.name == *name);
        let units = series.into_iter().flat_map(|series| &series.units);
        let runs = units.filter_map(|unit| unit.run);
        runs.take_while(|other| *other != run).collect()
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
            baselines.push(Baseline {
                metric: metric.name(),
                scraper_id: series.name.0.clone(),
                site: series.name.1.clone(),
                median: metric.shown(scale.raw(normal.expected(at))),
                expected: told::expected(metric, normal.range(metric, at)),
                runs: normal.units as u64,
            });
        }
        (!baselines.is_empty()).then_some(baselines)
    }
}

/// Whether all groups of errors that make an incident are known ones: those of its category that its runs
/// have, or, without runs, its scraper on its days.
fn is_muted(
    incident: &Incident,
    series: &Series<'_>,
    everything: &Finished,
    muted: &BTreeSet<u64>,
) -> bool {
    let Metric::Errors(category) = &incident.root.metric else {
        return false;
    };
    let runs: BTreeSet<usize> = incidents::runs_of(incident, series).collect();
    let days = incident.since.div_euclid(DAY)..=incident.until.div_euclid(DAY);
    let is_part = |row: &&GroupRow| {
        let sample = row.group.sample.as_ref();
        let is_one = sample.is_some_and(|(_, sample)| sample.category == *category);
        let is_there = match &row.runs {
            Some(own) if !runs.is_empty() => !own.is_disjoint(&runs),
            _ => row.group.days.range(days.clone()).next().is_some(),
        };
        is_one && is_there && row.scrapers.contains(&series.name)
    };
    let mut own = everything.groups.iter().filter(is_part).peekable();
    own.peek().is_some() && own.all(|row| muted.contains(&row.id))
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

/// The verdicts and the kinds of incidents that a report can be asked to fail on.
pub fn bad_news() -> Vec<&'static str> {
    let mut all = verdict::ALL.to_vec();
    let kinds = KINDS.iter().map(|(kind, _)| *kind);
    all.extend(kinds.filter(|kind| !verdict::ALL.contains(kind)));
    all
}

/// Why a report is bad news: scrapers with one of these verdicts, incidents of one of these kinds.
pub fn reasons_to_fail(report: &Report, on: &[String]) -> Vec<String> {
    let is_bad = |name: &str| on.iter().any(|bad| bad == name);
    let scrapers = report
        .scrapers
        .iter()
        .filter(|scraper| is_bad(&scraper.verdict));
    let verdicts = scrapers.map(|scraper| {
        let name = (scraper.scraper_id.clone(), scraper.site.clone());
        format!("{} is {}", told::name(&name), scraper.verdict)
    });
    let insights = report
        .insights
        .iter()
        .filter(|insight| is_bad(&insight.kind));
    let kinds = insights.map(|insight| format!("{}: {}", insight.kind, insight.title));
    let is_empty = report.scrapers.is_empty() && !on.is_empty();
    let nobody = is_empty.then(|| "there is no scraper in what was asked for".to_owned());
    verdicts.chain(kinds).chain(nobody).collect()
}

/// Every kind of insight, and the runbook that says what to look at.
const KINDS: [(&str, &str); 31] = [
    ("block_wave", "blocked"),
    ("bottleneck", "slow-site"),
    ("clock_skew", "log-loss"),
    ("cpu_high", "memory"),
    ("cpu_low", "slow-site"),
    ("duplicate_surge", "layout-change"),
    ("error_wave", "high-error-rate"),
    ("errors_high", "high-error-rate"),
    ("growth_low", "missed-run"),
    ("language_share", "layout-change"),
    ("layout_change", "layout-change"),
    ("log_loss", "log-loss"),
    ("memory_high", "memory"),
    ("new_error", "high-error-rate"),
    ("queue_growth", "slow-site"),
    ("regressed_error", "high-error-rate"),
    ("retry_waste", "high-error-rate"),
    ("run_failed", "scraper-down"),
    ("run_killed", "scraper-down"),
    ("run_late", "missed-run"),
    ("run_missed", "missed-run"),
    ("run_stalled", "scraper-down"),
    ("run_truncated", "log-loss"),
    ("search_fast", "slow-site"),
    ("search_slow", "slow-site"),
    ("searches_high", "slow-site"),
    ("silent_failure", "layout-change"),
    ("slow_down", "slow-site"),
    ("volume_high", "layout-change"),
    ("volume_low", "layout-change"),
    ("yield_drop", "layout-change"),
];

/// The runbook for a kind of insight.
pub(crate) fn runbook_of_kind(kind: &str) -> Option<&'static str> {
    let found = KINDS.iter().find(|(known, _)| *known == kind);
    found.map(|(_, runbook)| *runbook)
}

/// The runbook for an insight: by its kind, and for errors by their category.
fn runbook(insight: &Insight) -> Option<String> {
    let of_category = |metric: &str| match metric {
        "errors.database" => Some("database"),
        "errors.rate_limit" => Some("rate-limiting"),
        "errors.authentication" => Some("blocked"),
        "errors.site_change" | "errors.parsing" => Some("layout-change"),
        "errors.system" => Some("memory"),
        _ => None,
    };
    let is_of_errors =
        ["error_wave", "new_error", "regressed_error"].contains(&insight.kind.as_str());
    let by_category = insight
        .metric
        .as_deref()
        .filter(|_| is_of_errors)
        .and_then(of_category);
    // A site that only asks to slow down keeps nobody out.
    let is_pace = insight.kind == "block_wave" && insight.title.contains("(429)");
    let by_pace = is_pace.then_some("rate-limiting");
    let name = by_pace.or(by_category).or(runbook_of_kind(&insight.kind))?;
    Some(format!("docs/runbooks/{name}.md"))
}

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
                runbook: runbook(insight),
            }),
        }
    }
    all
}
