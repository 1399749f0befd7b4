//! Fixed limits: what is too much whatever is usual.
//!
//! A machine at its limit, and searches that make people wait, are told always. The other limits are
//! advice for who sets up a fleet; they are off until the configuration names them, as a scraper that
//! is always above one would be told of every day.

use dragline_rollup::{Finished, RunRow, Spread};

use crate::finding::{Evidence, Expected, Finding, ScraperKey};
use crate::kind::InsightKind;
use crate::series::{Series, Unit};
use crate::told::{id, minute, name, two};

/// Of fewer samples nothing is said.
const ENOUGH: u64 = 5;

/// What is allowed. `None` is everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Mean CPU of a run, in percent. Default 80.
    pub cpu_high: Option<f64>,
    /// Mean memory of a run, in percent. Default 90.
    pub memory_high: Option<f64>,
    /// The fullest that a run saw its disk, in percent. Default 90.
    pub disk_high: Option<f64>,
    /// Mean answer time of a run's searches, in milliseconds. Default 5,000.
    pub search_slow_ms: Option<f64>,
    /// The most entries that waited in a run's queue.
    pub queue_high: Option<f64>,
    /// 95 % of a run's answers came sooner, in milliseconds.
    pub response_time_high_ms: Option<f64>,
    /// The share of a run's requests that failed.
    pub failed_share: Option<f64>,
    /// Mean CPU of a run, in percent, below which there is room for more.
    pub cpu_low: Option<f64>,
    /// Mean answer time of searches below which they may come from a cache.
    pub search_fast_ms: Option<f64>,
    /// The share of articles in one language.
    pub language_share: Option<f64>,
    /// Requests in seven days.
    pub requests_high_per_week: Option<f64>,
    /// Requests in seven days.
    pub requests_low_per_week: Option<f64>,
    /// Errors in the period.
    pub errors: Option<f64>,
    /// The last seven days against the seven before: −0.2 is a fifth less.
    pub growth_low: Option<f64>,
    /// Searches a day.
    pub searches_per_day: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_high: Some(80.0),
            memory_high: Some(90.0),
            disk_high: Some(90.0),
            search_slow_ms: Some(5000.0),
            queue_high: None,
            response_time_high_ms: None,
            failed_share: None,
            cpu_low: None,
            search_fast_ms: None,
            language_share: None,
            requests_high_per_week: None,
            requests_low_per_week: None,
            errors: None,
            growth_low: None,
            searches_per_day: None,
        }
    }
}

/// A limit on a run.
struct Rule {
    kind: InsightKind,
    metric: &'static str,
    limit: Option<f64>,
    is_above: bool,
    /// The value of a run, in the limit's unit; `None` when too little is known.
    read: fn(&Unit<'_>, &RunRow) -> Option<f64>,
    words: &'static str,
    unit: &'static str,
    recommendation: &'static str,
}

/// The mean of enough values, of which `per` make one of the limit's unit.
fn mean(spread: &Spread, per: f64) -> Option<f64> {
    let mean = spread.mean().filter(|_| spread.count >= ENOUGH)?;
    Some(mean / per)
}

/// The largest of enough values.
fn most(spread: &Spread, per: f64) -> Option<f64> {
    (spread.count >= ENOUGH).then(|| spread.max as f64 / per)
}

fn cpu(_: &Unit<'_>, row: &RunRow) -> Option<f64> {
    mean(&row.sections.system.whole().cpu, 1000.0)
}

fn search(_: &Unit<'_>, row: &RunRow) -> Option<f64> {
    mean(&row.sections.search.response_time, 1000.0)
}

fn failed_share(unit: &Unit<'_>, _: &RunRow) -> Option<f64> {
    let counters = &unit.counters;
    let judged = counters.requests.saturating_sub(counters.requests_unjudged);
    (judged >= 4 * ENOUGH).then(|| counters.requests_failed as f64 / judged as f64)
}

fn rules(limits: &Limits) -> [Rule; 9] {
    [
        Rule {
            kind: InsightKind::CpuHigh,
            metric: "cpu_percent",
            limit: limits.cpu_high,
            is_above: true,
            read: cpu,
            words: "CPU",
            unit: " %",
            recommendation: "Lower the concurrency, or move a scraper to another machine or hour: near the limit, answers time out that the site gave in time.",
        },
        Rule {
            kind: InsightKind::MemoryHigh,
            metric: "memory_percent",
            limit: limits.memory_high,
            is_above: true,
            read: |_, row| mean(&row.sections.system.whole().memory, 1000.0),
            words: "Memory",
            unit: " %",
            recommendation: "Find out what grows (a cache, a queue, pages that are kept) before the machine kills the run.",
        },
        Rule {
            kind: InsightKind::DiskHigh,
            metric: "disk_percent",
            limit: limits.disk_high,
            is_above: true,
            read: |_, row| most(&row.sections.system.whole().disk, 1000.0),
            words: "Disk",
            unit: " %",
            recommendation: "Make room before it is full: then items, logs and databases are lost at once.",
        },
        Rule {
            kind: InsightKind::SearchSlow,
            metric: "search.response_time_ms",
            limit: limits.search_slow_ms,
            is_above: true,
            read: search,
            words: "Searches",
            unit: " ms",
            recommendation: "Look at the search's index and its slowest queries.",
        },
        Rule {
            kind: InsightKind::QueueHigh,
            metric: "queue_size",
            limit: limits.queue_high,
            is_above: true,
            read: |_, row| most(&row.sections.queue.size, 1.0),
            words: "Queue",
            unit: " entries",
            recommendation: "More comes in than is worked off: bound what is followed, or give the scraper more time.",
        },
        Rule {
            kind: InsightKind::ResponseTimeHigh,
            metric: "response_time_ms.p95",
            limit: limits.response_time_high_ms,
            is_above: true,
            read: |unit, _| unit.response_ms.map(|(_, p95)| p95),
            words: "Response time (p95)",
            unit: " ms",
            recommendation: "Find out whether the site or the way to it is slow, and lower the concurrency until it is not.",
        },
        Rule {
            kind: InsightKind::FailuresHigh,
            metric: "failed_share",
            limit: limits.failed_share,
            is_above: true,
            read: failed_share,
            words: "Share of failed requests",
            unit: "",
            recommendation: "Begin with the largest group of the scraper's errors.",
        },
        Rule {
            kind: InsightKind::CpuLow,
            metric: "cpu_percent",
            limit: limits.cpu_low,
            is_above: false,
            read: cpu,
            words: "CPU",
            unit: " %",
            recommendation: "There is room for more on this machine, as far as the sites allow it.",
        },
        Rule {
            kind: InsightKind::SearchFast,
            metric: "search.response_time_ms",
            limit: limits.search_fast_ms,
            is_above: false,
            read: search,
            words: "Searches",
            unit: " ms",
            recommendation: "Searches are fast: nothing to do.",
        },
    ]
}

/// Scrapers whose last runs are beyond a limit.
pub(super) fn of_runs<'s>(
    series: impl Iterator<Item = &'s Series<'s>>,
    everything: &Finished,
    limits: &Limits,
) -> Vec<Finding> {
    let rules = rules(limits);
    let each = series.flat_map(|series| {
        let units = series.units.iter();
        let rows: Vec<(&Unit<'_>, &RunRow)> = units
            .filter_map(|unit| Some((unit, &everything.runs[unit.run?])))
            .collect();
        let found: Vec<Finding> = rules
            .iter()
            .filter_map(|rule| of_rule(rule, series, &rows))
            .collect();
        found
    });
    each.collect()
}

/// The last runs in a row that are beyond the limit.
fn of_rule(rule: &Rule, series: &Series<'_>, rows: &[(&Unit<'_>, &RunRow)]) -> Option<Finding> {
    let limit = rule.limit?;
    let is_beyond = |value: f64| {
        if rule.is_above {
            value > limit
        } else {
            value < limit
        }
    };
    let told: Vec<(&RunRow, f64)> = rows
        .iter()
        .filter_map(|(unit, row)| Some((*row, (rule.read)(unit, row)?)))
        .collect();
    let count = told
        .iter()
        .rev()
        .take_while(|(_, value)| is_beyond(*value))
        .count();
    let own = &told[told.len() - count..];
    let (first, _) = own.first()?;
    let mean = own.iter().map(|(_, value)| value).sum::<f64>() / count as f64;
    let who = name(&series.name);
    let since = first.start;
    let at = since.map_or_else(String::new, |at| format!(" since {}", minute(at)));
    let s = if count == 1 { "" } else { "s" };
    let (words, unit) = (rule.words, rule.unit);
    Some(Finding {
        id: id(rule.kind, &who, since),
        title: format!("{words} of {who}: {}{unit} on average{at}", two(mean)),
        detail: format!(
            "In {count} run{s} in a row; the limit is {}{unit}.",
            two(limit)
        ),
        since,
        is_open: true,
        scraper: ScraperKey::from(&series.name),
        metric: Some(rule.metric.to_owned()),
        expected: range(rule.is_above, limit),
        observed: Some(mean),
        evidence: first.evidence.iter().map(Evidence::from).collect(),
        recommendation: rule.recommendation.to_owned(),
        ..Finding::of(rule.kind)
    })
}

/// What is allowed; a limit from below has no upper end.
fn range(is_above: bool, limit: f64) -> Option<Expected> {
    is_above.then_some(Expected {
        lower: 0.0,
        upper: limit,
    })
}

/// What a fleet is beyond as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Whole {
    /// The length of the period, in days.
    pub days: f64,
    /// Requests in it.
    pub requests: u64,
    /// Errors in it.
    pub errors: u64,
    /// Searches in it.
    pub searches: u64,
    /// Its last seven days against the seven before.
    pub week_over_week: Option<f64>,
    /// The language with the most articles, and its share of them.
    pub language: Option<(String, f64)>,
}

/// The limits of the whole fleet.
pub(super) fn of_all(whole: &Whole, limits: &Limits) -> Vec<Finding> {
    let days = whole.days.max(1.0);
    let by_week = whole.requests as f64 / days * 7.0;
    let by_day = whole.searches as f64 / days;
    let language = whole.language.clone();
    let (tongue, share) = language.map_or_else(|| (String::new(), None), |(n, s)| (n, Some(s)));
    let growth = whole.week_over_week;
    let percent = |share: f64| format!("{:+.0} %", share * 100.0);
    let rows = [
        (
            InsightKind::VolumeHigh,
            "requests",
            limits.requests_high_per_week,
            true,
            Some(by_week),
            format!("{} requests in seven days", two(by_week)),
            "Check that so many are wanted, and what they cost.",
        ),
        (
            InsightKind::VolumeLow,
            "requests",
            limits.requests_low_per_week,
            false,
            Some(by_week),
            format!("{} requests in seven days", two(by_week)),
            "Check that all scrapers are started, and what they are given to follow.",
        ),
        (
            InsightKind::ErrorsHigh,
            "errors",
            limits.errors,
            true,
            Some(whole.errors as f64),
            format!("{} errors", whole.errors),
            "Begin with the largest group of errors.",
        ),
        (
            InsightKind::GrowthLow,
            "requests.week_over_week",
            limits.growth_low,
            false,
            growth,
            format!(
                "Requests of the last seven days: {} against the week before",
                percent(growth.unwrap_or(0.0))
            ),
            "Compare the scrapers' trends: one that stopped, or all that slowed down.",
        ),
        (
            InsightKind::SearchesHigh,
            "searches",
            limits.searches_per_day,
            true,
            Some(by_day).filter(|_| whole.searches > 0),
            format!("{} searches a day", two(by_day)),
            "Check whether answers could be kept for a while.",
        ),
        (
            InsightKind::LanguageShare,
            "language_share",
            limits.language_share,
            true,
            share,
            format!(
                "{:.0} % of the articles are in {tongue}",
                share.unwrap_or(0.0) * 100.0
            ),
            "Add sources in other languages, if the mix is to be wider.",
        ),
    ];
    let found =
        rows.into_iter()
            .filter_map(|(kind, metric, limit, is_above, value, title, advice)| {
                let (limit, value) = (limit?, value?);
                let is_beyond = if is_above {
                    value > limit
                } else {
                    value < limit
                };
                is_beyond.then(|| Finding {
                    id: id(kind, "all", None),
                    title,
                    detail: format!("The limit in the configuration is {}.", two(limit)),
                    is_open: true,
                    metric: Some(metric.to_owned()),
                    expected: range(is_above, limit),
                    observed: Some(value),
                    recommendation: advice.to_owned(),
                    ..Finding::of(kind)
                })
            });
    found.collect()
}
