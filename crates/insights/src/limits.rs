//! Fixed limits, which apply no matter what is usual.
//!
//! Limits on machine resources and on slow searches are always on. The other limits help to set up a
//! fleet; they are off unless the configuration sets them, because a scraper that is always above a
//! limit would be reported every day.

use dragline_rollup::{Finished, RunRow, Spread};
use serde::{Deserialize, Serialize};

use crate::finding::{Evidence, Expected, Finding, ScraperKey};
use crate::kind::InsightKind;
use crate::series::{Series, Unit};
use crate::told::{id, minute, name, two};

/// Minimum number of samples.
const ENOUGH: u64 = 5;

/// The limits. `None` means no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Mean CPU of a run, in percent. Default 80.
    pub cpu_high: Option<f64>,
    /// Mean memory of a run, in percent. Default 90.
    pub memory_high: Option<f64>,
    /// Maximum disk usage during a run, in percent. Default 90.
    pub disk_high: Option<f64>,
    /// Mean response time of a run's searches, in milliseconds. Default 5,000.
    pub search_slow_ms: Option<f64>,
    /// Maximum length of a run's queue.
    pub queue_high: Option<f64>,
    /// 95th percentile of a run's response times, in milliseconds.
    pub response_time_high_ms: Option<f64>,
    /// The share of a run's requests that failed.
    pub failed_share: Option<f64>,
    /// Mean CPU of a run, in percent; below it the machine has capacity for more.
    pub cpu_low: Option<f64>,
    /// Mean response time of searches, in milliseconds; faster searches may come from a cache.
    pub search_fast_ms: Option<f64>,
    /// Maximum share of articles in one language.
    pub language_share: Option<f64>,
    /// Maximum number of requests in seven days.
    pub requests_high_per_week: Option<f64>,
    /// Minimum number of requests in seven days.
    pub requests_low_per_week: Option<f64>,
    /// Maximum number of errors in the period.
    pub errors: Option<f64>,
    /// Minimum growth from the previous seven days to the last seven days: −0.2 is a fifth less.
    pub growth_low: Option<f64>,
    /// Maximum number of searches per day.
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
    /// The value of a run, in the limit's unit; `None` when there is too little data.
    read: fn(&Unit<'_>, &RunRow) -> Option<f64>,
    words: &'static str,
    unit: &'static str,
    recommendation: &'static str,
}

/// The mean, converted to the limit's unit (`per` raw units each); `None` if there are too few values.
fn mean(spread: &Spread, per: f64) -> Option<f64> {
    let mean = spread.mean().filter(|_| spread.count >= ENOUGH)?;
    Some(mean / per)
}

/// The maximum, converted like [`mean`]; `None` if there are too few values.
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

/// Limits on the machine.
fn machine_rules(limits: &Limits) -> [Rule; 4] {
    [
        Rule {
            kind: InsightKind::CpuHigh,
            metric: "cpu_percent",
            limit: limits.cpu_high,
            is_above: true,
            read: cpu,
            words: "Mean CPU",
            unit: " %",
            recommendation: "Lower the concurrency, or move a scraper to another machine or hour: near the limit, requests time out although the site answered in time.",
        },
        Rule {
            kind: InsightKind::MemoryHigh,
            metric: "memory_percent",
            limit: limits.memory_high,
            is_above: true,
            read: |_, row| mean(&row.sections.system.whole().memory, 1000.0),
            words: "Mean memory",
            unit: " %",
            recommendation: "Find out what grows (a cache, a queue, pages kept in memory) before the machine kills the run.",
        },
        Rule {
            kind: InsightKind::DiskHigh,
            metric: "disk_percent",
            limit: limits.disk_high,
            is_above: true,
            read: |_, row| most(&row.sections.system.whole().disk, 1000.0),
            words: "Fullest disk",
            unit: " %",
            recommendation: "Free space before the disk is full: a full disk loses items, logs and databases at once.",
        },
        Rule {
            kind: InsightKind::CpuLow,
            metric: "cpu_percent",
            limit: limits.cpu_low,
            is_above: false,
            read: cpu,
            words: "Mean CPU",
            unit: " %",
            recommendation: "This machine has capacity for more scraping, if the sites allow it.",
        },
    ]
}

/// Limits on the run's work.
fn work_rules(limits: &Limits) -> [Rule; 5] {
    [
        Rule {
            kind: InsightKind::SearchSlow,
            metric: "search.response_time_ms",
            limit: limits.search_slow_ms,
            is_above: true,
            read: search,
            words: "Mean response time of searches",
            unit: " ms",
            recommendation: "Check the search index and its slowest queries.",
        },
        Rule {
            kind: InsightKind::QueueHigh,
            metric: "queue_size",
            limit: limits.queue_high,
            is_above: true,
            read: |_, row| most(&row.sections.queue.size, 1.0),
            words: "Longest queue",
            unit: " entries",
            recommendation: "The queue fills faster than it is processed: limit which links are followed, or give the scraper more time.",
        },
        Rule {
            kind: InsightKind::ResponseTimeHigh,
            metric: "response_time_ms.p95",
            limit: limits.response_time_high_ms,
            is_above: true,
            read: |unit, _| unit.response_ms.map(|(_, p95)| p95),
            words: "95th percentile of response times",
            unit: " ms",
            recommendation: "Find out whether the site or the network path to it is slow, and lower the concurrency until responses are fast again.",
        },
        Rule {
            kind: InsightKind::FailuresHigh,
            metric: "failed_share",
            limit: limits.failed_share,
            is_above: true,
            read: failed_share,
            words: "Share of failed requests",
            unit: "%%",
            recommendation: "Start with the largest group of the scraper's errors.",
        },
        Rule {
            kind: InsightKind::SearchFast,
            metric: "search.response_time_ms",
            limit: limits.search_fast_ms,
            is_above: false,
            read: search,
            words: "Mean response time of searches",
            unit: " ms",
            recommendation: "Searches are fast; no action is needed.",
        },
    ]
}

/// Findings for scrapers whose last runs are beyond a limit.
pub(super) fn of_runs<'s>(
    series: impl Iterator<Item = &'s Series<'s>>,
    everything: &Finished,
    limits: &Limits,
) -> Vec<Finding> {
    let rules: Vec<Rule> = machine_rules(limits)
        .into_iter()
        .chain(work_rules(limits))
        .collect();
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

/// A finding for the latest consecutive runs beyond the limit.
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
    let (words, unit) = (rule.words, rule.unit);
    Some(Finding {
        id: id(rule.kind, &who, since),
        title: format!("{words} of {who}: {}{at}", shown(mean, unit)),
        detail: format!(
            "In {}; the limit is {}.",
            if count == 1 {
                "the last run".to_owned()
            } else {
                format!("the last {count} runs")
            },
            shown(limit, unit)
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

/// A value with its unit; a share in percent.
fn shown(value: f64, unit: &str) -> String {
    if unit == "%%" {
        return format!("{} %", two(value * 100.0));
    }
    format!("{}{unit}", two(value))
}

/// The allowed range; `None` for a lower limit, which has no upper end.
fn range(is_above: bool, limit: f64) -> Option<Expected> {
    is_above.then_some(Expected {
        lower: 0.0,
        upper: limit,
    })
}

impl Limits {
    /// Only the limits of single scrapers: those of the whole fleet need its totals.
    #[must_use]
    pub fn of_scrapers(&self) -> Self {
        Self {
            language_share: None,
            requests_high_per_week: None,
            requests_low_per_week: None,
            errors: None,
            growth_low: None,
            searches_per_day: None,
            ..self.clone()
        }
    }
}

/// Totals of the whole fleet, compared with [`Limits`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Whole {
    /// The length of the period, in days.
    pub days: f64,
    /// Requests in it.
    pub requests: u64,
    /// Errors in it.
    pub errors: u64,
    /// Searches in it.
    pub searches: u64,
    /// Growth from the previous seven days to the last seven days.
    pub week_over_week: Option<f64>,
    /// The language with the most articles, and its share of all articles.
    pub language: Option<(String, f64)>,
}

/// A limit on the whole fleet.
struct WholeRule {
    kind: InsightKind,
    metric: &'static str,
    limit: Option<f64>,
    is_above: bool,
    value: Option<f64>,
    title: String,
    recommendation: &'static str,
}

/// Findings for limits on the whole fleet.
pub(super) fn of_all(whole: &Whole, limits: &Limits) -> Vec<Finding> {
    let rules = volume_rules(whole, limits).into_iter();
    let rules = rules.chain(share_rules(whole, limits));
    rules.filter_map(of_whole).collect()
}

fn of_whole(rule: WholeRule) -> Option<Finding> {
    let (limit, value) = (rule.limit?, rule.value?);
    let is_beyond = if rule.is_above {
        value > limit
    } else {
        value < limit
    };
    is_beyond.then(|| Finding {
        id: id(rule.kind, "all", None),
        title: rule.title,
        detail: format!("The configured limit is {}.", two(limit)),
        is_open: true,
        metric: Some(rule.metric.to_owned()),
        expected: range(rule.is_above, limit),
        observed: Some(value),
        recommendation: rule.recommendation.to_owned(),
        ..Finding::of(rule.kind)
    })
}

fn volume_rules(whole: &Whole, limits: &Limits) -> [WholeRule; 4] {
    let days = whole.days.max(1.0);
    let by_week = whole.requests as f64 / days * 7.0;
    let by_day = whole.searches as f64 / days;
    let requests = |kind, limit, is_above, recommendation| WholeRule {
        kind,
        metric: "requests",
        limit,
        is_above,
        value: Some(by_week),
        title: format!("{} requests in seven days", two(by_week)),
        recommendation,
    };
    [
        requests(
            InsightKind::VolumeHigh,
            limits.requests_high_per_week,
            true,
            "Check that this number of requests is intended, and what it costs.",
        ),
        requests(
            InsightKind::VolumeLow,
            limits.requests_low_per_week,
            false,
            "Check that all scrapers start, and which links they follow.",
        ),
        WholeRule {
            kind: InsightKind::ErrorsHigh,
            metric: "errors",
            limit: limits.errors,
            is_above: true,
            value: Some(whole.errors as f64),
            title: format!("{} errors", whole.errors),
            recommendation: "Start with the largest group of errors.",
        },
        WholeRule {
            kind: InsightKind::SearchesHigh,
            metric: "searches",
            limit: limits.searches_per_day,
            is_above: true,
            value: Some(by_day).filter(|_| whole.searches > 0),
            title: format!("{} searches per day", two(by_day)),
            recommendation: "Check whether results could be cached.",
        },
    ]
}

fn share_rules(whole: &Whole, limits: &Limits) -> [WholeRule; 2] {
    let growth = whole.week_over_week;
    let language = whole.language.as_ref();
    let (name, share) = language.map_or(("", None), |(name, share)| (&**name, Some(*share)));
    [
        WholeRule {
            kind: InsightKind::GrowthLow,
            metric: "requests.week_over_week",
            limit: limits.growth_low,
            is_above: false,
            value: growth,
            title: format!(
                "Requests of the last seven days: {:+.0} % compared with the previous seven days",
                growth.unwrap_or(0.0) * 100.0
            ),
            recommendation: "Compare the scrapers' trends: either one stopped, or all slowed down.",
        },
        WholeRule {
            kind: InsightKind::LanguageShare,
            metric: "language_share",
            limit: limits.language_share,
            is_above: true,
            value: share,
            title: format!(
                "{:.0} % of the articles are in {name}",
                share.unwrap_or(0.0) * 100.0
            ),
            recommendation: "Add sources in other languages if you want a wider mix.",
        },
    ]
}
