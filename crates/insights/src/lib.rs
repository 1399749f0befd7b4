//! Finds anomalies in scrapers' runs.
//!
//! Turns a finished rollup into typed [`Finding`]s: what changed, since when, the evidence, and what to do. Every
//! kind of finding is a row of one table ([`InsightKind`]). Everything is a pure function of its inputs; this crate
//! does not depend on dataframes or on report rendering.
//!
//! `series` splits each scraper's activity into units: runs, or hours. `windows` adds small ones up. `episodes` compares
//! each with those before it (`normal`, `metric`) and keeps the deviations that chance does not explain.
//! `incidents` groups simultaneous episodes under one cause (`causes`), and `told` describes that incident in words.
//! Other modules find runs that did not end or start as expected (`ends`, `schedule`), errors that are
//! new or back (`novelty`), and logs with missing lines or a wrong clock (`losses`).
//!
//! The analysis always uses all available data, so an onset before the requested period is dated
//! correctly.
//!
//! ```
//! use dragline_classifier::RuleSet;
//! use dragline_insights::{Analysis, InsightKind, Limits, Whole};
//! use dragline_scan::{ScanOptions, scan};
//! use dragline_schema::Timestamp;
//!
//! # let dir = tempfile::tempdir()?;
//! let day = |n: u32, refused: u32| {
//!     let line = |status, second| format!("{{\"timestamp\":\"2026-03-{n:02}T06:00:{second:02}Z\",\"level\":\"info\",\"scraper_id\":\"mint\",\
//!         \"run_id\":\"r{n}\",\"event_type\":\"request\",\"url\":\"https://shop.example.org/\",\"status_code\":{status}}}\n");
//!     (0..50).map(|nth| line(if nth < refused { 403 } else { 200 }, nth)).collect::<String>()
//! };
//! let log: String = (1..12).map(|n| day(n, 0)).chain((12..16).map(|n| day(n, 30))).collect();
//! std::fs::write(dir.path().join("mint.log"), log)?;
//!
//! let rules = RuleSet::shipped();
//! let now = Timestamp::parse("2026-03-16T00:00:00Z")?;
//! let logs = [dir.path().display().to_string()];
//! let finished = scan(&logs, &rules, &ScanOptions::default())?.rollup.finish(now);
//! let analysis = Analysis::of(&finished, None);
//! let found = analysis.findings(&finished, &[], &rules, (&Limits::default(), &Whole::default()));
//! assert_eq!(found[0].kind, InsightKind::BlockWave);
//! assert_eq!(found[0].runbook, "blocked");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod causes;
mod due;
mod ends;
mod episodes;
mod evidence;
mod finding;
mod fix;
mod fleet;
mod fold;
mod forecast;
mod incidents;
mod kind;
mod limits;
mod losses;
mod metric;
mod names;
mod normal;
mod novelty;
mod onset;
mod recurring;
mod related;
mod repair;
mod schedule;
mod series;
pub mod stats;
mod told;
mod unseen;
mod verdict;
mod windows;

use std::collections::BTreeSet;

use dragline_classifier::RuleSet;
use dragline_rollup::{Finished, GroupRow};
use dragline_schema::{RunKey, Timestamp};

use crate::episodes::{Track, Troubled};
use crate::incidents::Incident;
use crate::metric::Metric;
use crate::series::Series;

pub use crate::finding::{
    Baseline, ErrorGroup, Evidence, Expected, Finding, Moved, NextRun, RunValue, ScraperKey, Starts,
};
pub use crate::fix::{FixTest, FixVerdict, NoFixTest, ODDS, Trials};
pub use crate::fleet::Fleet;
pub use crate::forecast::{BAND_SHARE, Band, NoForecast, PastRun, RunForecast, forecast};
pub use crate::kind::{Effect, InsightKind, UnknownKind};
pub use crate::limits::{Limits, Whole};
pub use crate::metric::{blocked, refused};
pub use crate::names::{Name, by_scraper};
pub use crate::normal::Expectation;
pub use crate::repair::{Counted, FixProgress, Marked};
pub use crate::series::{DAY, HOUR, hour, weekday};
pub use crate::told::{capital, name};
pub use crate::unseen::unseen;
pub use crate::verdict::{VERDICTS, rank, verdict};

/// Minimum number of requests for a run's shares to be meaningful.
const ENOUGH_REQUESTS: u64 = 20;

/// The activity of every scraper, and what is normal for it.
pub struct Analysis<'f> {
    everything: &'f Finished,
    end: Option<Timestamp>,
    all: Vec<Series<'f>>,
    tracks: Vec<Track>,
    /// The units of each series that show trouble.
    troubled: Troubled,
    /// Maximum probability of a significant comparison, before and after trouble was known.
    thresholds: (f64, f64),
    /// The rest of the fleet, if this is a part of one.
    fleet: Option<&'f Fleet>,
}

impl<'f> Analysis<'f> {
    /// Analyses everything that started before `end`.
    pub fn of(everything: &'f Finished, end: Option<Timestamp>) -> Self {
        Self::within(everything, end, None)
    }

    /// The same for a part of a fleet, as the analysis of the whole fleet judges it.
    pub fn within(
        everything: &'f Finished,
        end: Option<Timestamp>,
        fleet: Option<&'f Fleet>,
    ) -> Self {
        let all = series::all(everything, end);
        let (tracks, troubled, thresholds) = episodes::tracks(&all, fleet);
        Self {
            everything,
            end,
            all,
            tracks,
            troubled,
            thresholds,
            fleet,
        }
    }

    /// The rest of the fleet for a part of it that has the kept scrapers and is to give the same finding again. The
    /// whole is that of [`Analysis::findings`].
    pub fn fleet(
        &self,
        finding: &Finding,
        is_kept: impl Fn(&Name) -> bool,
        whole: &Whole,
    ) -> Fleet {
        let micros = |at: Option<Timestamp>| at.map(Timestamp::as_micros);
        let last = micros(self.everything.period.map(|(_, last)| last));
        let days = micros(finding.since).map(|since| {
            let until = micros(finding.until).or(last).unwrap_or(since);
            // Units begin before the onset that is found in them.
            fleet::days(since - DAY, until.max(since))
        });
        let requests = days.map(|days| Fleet::requests_of(&self.all, &self.tracks, is_kept, days));
        Fleet {
            thresholds: self.thresholds,
            requests: requests.unwrap_or_default(),
            whole: whole.clone(),
        }
    }

    /// All findings for the requested runs, most severe first, then latest first.
    pub fn findings(
        &self,
        finished: &Finished,
        groups: &[ErrorGroup],
        rules: &RuleSet,
        (limits, whole): (&Limits, &Whole),
    ) -> Vec<Finding> {
        let everything = self.everything;
        let mut found: Vec<Finding> = Vec::new();
        let episodes = episodes::episodes(&self.all, &self.tracks, self.thresholds.1, self.fleet);
        let news = novelty::news(&self.all, everything, groups, rules);
        let mut news: Vec<Option<Finding>> = news.into_iter().map(Some).collect();
        let muted: BTreeSet<u64> = groups
            .iter()
            .filter(|group| group.is_muted)
            .map(|group| group.id)
            .collect();
        let keys: BTreeSet<&RunKey> = finished.runs.iter().map(|row| &row.key).collect();
        for (series, episodes) in self.all.iter().zip(episodes) {
            let own = incidents::incidents(series, episodes);
            for mut incident in recurring::fold(own) {
                let is_muted = !muted.is_empty()
                    && incident.is_of_errors_alone()
                    && is_muted(&incident, series, everything, &muted);
                if is_muted || fold::into_news(&incident, series, &news) {
                    continue;
                }
                fold::take_news(&mut incident, series, &mut news);
                if incidents::is_asked(&incident, series, everything, finished.period, &keys) {
                    found.push(told::finding(&incident, series, everything, groups));
                }
            }
        }
        found.extend(news.into_iter().flatten());
        found.extend(ends::ends(finished, everything, rules));
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
        found.sort_by(|a, b| (b.severity, b.since, &a.id).cmp(&(a.severity, a.since, &b.id)));
        related::relate(&mut found);
        found
    }

    /// The values of all metrics in the runs that were last active at or after `from`.
    pub fn run_values(&self, from: Timestamp) -> Vec<RunValue> {
        let tracks = self.tracks.iter();
        tracks
            .flat_map(|track| track.run_values(&self.all, from.as_micros()))
            .collect()
    }

    /// When runs were due, according to the signs of life since `from`, and the last one before it. Scrapers without a
    /// schedule have none. By scraper, then by time. `earlier` are starts of which the logs hold nothing any more: what is
    /// before the first start in the logs teaches the schedule too.
    pub fn next_runs(&self, from: Timestamp, earlier: &Starts) -> Vec<NextRun> {
        due::next_runs(&self.all, self.everything, from, earlier)
    }

    /// When the runs of each scraper started.
    pub fn starts(&self) -> Starts {
        let own = self.all.iter().map(|series| {
            let (_, mut starts) = ends::starts(series, self.everything);
            starts.sort_unstable();
            let starts = starts.into_iter().map(Timestamp::from_micros).collect();
            (ScraperKey::from(&series.name), starts)
        });
        own.collect()
    }

    /// What is normal for a scraper at a given time: the name, usual value and expected range of each metric.
    pub fn expectations(&self, name: &Name, at: Option<Timestamp>) -> Vec<(String, f64, Expected)> {
        let at = at.map_or(0, Timestamp::as_micros);
        let own = |track: &&Track| track.series(&self.all).name == *name;
        let found = self.tracks.iter().filter(own).filter_map(|track| {
            let (metric, normal) = (track.metric(), track.normal.as_ref()?);
            let expected = told::expected(metric, normal.range(metric, at));
            let usual = metric.shown(metric.raw(normal.expected(at)));
            // Error metrics are rates per request; callers of this method need counts.
            let is_count = !metric.name().starts_with("errors.");
            (normal.units >= LEAST_UNITS && is_count).then(|| (metric.name(), usual, expected))
        });
        found.collect()
    }

    /// A scraper's runs in which some metric was unusual, and all runs during an incident; they are not suitable as a
    /// reference.
    pub fn unusual_runs(&self, name: &Name) -> BTreeSet<usize> {
        let own = self
            .tracks
            .iter()
            .filter(|track| track.series(&self.all).name == *name);
        let unusual = own.flat_map(|track| {
            let units = &track.series(&self.all).units;
            track.unusual_units().filter_map(|unit| units[unit].run)
        });
        let series = self.all.iter().zip(&self.troubled);
        let troubled = series
            .filter(|(series, _)| series.name == *name)
            .flat_map(|(series, units)| units.iter().filter_map(|unit| series.units[*unit].run));
        unusual.chain(troubled).collect()
    }

    /// A scraper's runs before the given one.
    pub fn runs_before(&self, name: &Name, run: usize) -> BTreeSet<usize> {
        let series = self.all.iter().find(|series| series.name == *name);
        let units = series.into_iter().flat_map(|series| &series.units);
        let runs = units.filter_map(|unit| unit.run);
        runs.take_while(|other| *other != run).collect()
    }

    /// The baselines of the requested scrapers; `None` if there are none.
    pub fn baselines(&self, finished: &Finished) -> Option<Vec<Baseline>> {
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
            let metric = track.metric();
            baselines.push(Baseline {
                metric: metric.name(),
                scraper: ScraperKey::from(&series.name),
                median: metric.shown(metric.raw(normal.expected(at))),
                expected: told::expected(metric, normal.range(metric, at)),
                runs: normal.units as u64,
            });
        }
        (!baselines.is_empty()).then_some(baselines)
    }
}

/// The names of the metrics of runs that do not depend on the user's own statistics, fields and messages.
pub fn metric_names() -> Vec<String> {
    let none = || std::iter::empty();
    let all = metric::Metric::all(none(), none(), none());
    all.iter().map(metric::Metric::name).collect()
}

/// Whether all error groups behind an incident are muted. These are the groups of the incident's category
/// that occur in its runs or, without runs, at its scraper on its days.
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

/// A baseline learned from fewer units is not shown.
const LEAST_UNITS: usize = 6;
