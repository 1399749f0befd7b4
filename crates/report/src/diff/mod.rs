//! Comparison of two runs, or of a run with its baseline, and gates for scripts.

mod gate;

use std::collections::BTreeSet;

use dragline_rollup::{Finished, Latency, RunRow};
use dragline_schema::ErrorCategory;
use schemars::JsonSchema;
use serde::Serialize;

pub use self::gate::{Gate, GateError};
use crate::assemble::config_of;
use crate::lookup::Name;
use crate::model::Expected;
use dragline_insights::Analysis;

/// Name and version of the contract.
const SCHEMA: &str = "dragline.diff/1";
/// Keyword for the baseline, in place of a run id.
pub const BASELINE: &str = "baseline";
/// Keywords for the latest run and for the run before it.
const LAST: &str = "last";
const PREVIOUS: &str = "previous";

/// Number of preceding runs whose median is used for metrics without a model.
const RECENT: usize = 15;

/// Reasons why runs cannot be compared.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum DiffError {
    /// There is no such run.
    #[error("no run {0} in these logs; `dragline runs` lists the runs")]
    NoRun(String),
    /// Several runs match.
    #[error("{0} matches several runs: {1}; narrow it with --scraper and --site")]
    Ambiguous(String, String),
    /// A and B are the same run.
    #[error("A and B are the same run: {0}")]
    Same(String),
    /// There are too few other runs to learn a baseline from.
    #[error("too few runs before {0} for a baseline")]
    NoBaseline(String),
    /// Only A can be the baseline.
    #[error("only A can be the baseline: write dragline diff baseline RUN")]
    BaselineOfB,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Side {
    /// Run id, or `baseline`.
    pub run_id: String,
    /// Scraper id.
    pub scraper_id: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Start time.
    pub start: Option<String>,
    /// Verdict on the run.
    pub verdict: Option<String>,
}

/// A metric of both sides; unknown values are null.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct MetricChange {
    /// Name of the metric.
    pub metric: String,
    /// Value of A.
    pub a: Option<f64>,
    /// Value of B.
    pub b: Option<f64>,
    /// B − A.
    pub change: Option<f64>,
    /// (B − A) / A; null when A is zero.
    pub relative: Option<f64>,
    /// Expected range for B; null if unknown.
    pub expected: Option<Expected>,
}

/// A configuration key whose values differ.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ConfigChange {
    /// Key.
    pub key: String,
    /// Value in A; null if A does not set it.
    pub a: Option<serde_json::Value>,
    /// Value in B; null if B does not set it.
    pub b: Option<serde_json::Value>,
}

/// An error group that only one side has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ErrorChange {
    /// Id of the group.
    pub id: String,
    /// Category.
    pub category: String,
    /// Message with variable parts replaced by placeholders.
    pub template: String,
}

/// Result of a gate.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GateResult {
    /// The gate as written.
    pub gate: String,
    /// Whether the gate passes; it fails if the metric is unknown.
    pub passes: bool,
    /// Observed change.
    pub observed: Option<f64>,
}

/// Comparison of two runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Diff {
    /// `dragline.diff/1`.
    pub schema: String,
    /// The side that B is compared with.
    pub a: Side,
    /// The compared run.
    pub b: Side,
    /// Metrics in a fixed order: totals, rates, times, errors by category, fields.
    pub metrics: Vec<MetricChange>,
    /// Configuration differences; empty if either run logged no configuration.
    pub config: Vec<ConfigChange>,
    /// Errors only in B.
    pub new_errors: Vec<ErrorChange>,
    /// Errors only in A.
    pub gone_errors: Vec<ErrorChange>,
    /// Results of the gates, in the given order.
    pub gates: Vec<GateResult>,
}

/// Compares B with A. Both are run ids, prefixes of run ids, `last` or `previous`; A may be `baseline`.
///
/// # Errors
/// If there is no such run, if several runs match, or if there is no baseline.
pub fn diff(finished: &Finished, a: &str, b: &str, gates: &[Gate]) -> Result<Diff, DiffError> {
    if b == BASELINE {
        return Err(DiffError::BaselineOfB);
    }
    let second = find(finished, b, None)?;
    let of_b = &finished.runs[second];
    // The baseline of a run is learned from the runs before it.
    let analysis = Analysis::of(finished, of_b.start);
    let name: Name = (of_b.key.scraper_id.clone(), of_b.key.site.clone());
    let known_of_b = metrics(finished, second);
    let expected = analysis.expectations(&name, of_b.start);
    let (side, values, present, config) = if a == BASELINE {
        if expected.is_empty() {
            return Err(DiffError::NoBaseline(shown(of_b)));
        }
        let before = analysis.runs_before(&name, second);
        // Runs with incidents are excluded from the baseline, if enough others remain.
        let unusual = analysis.unusual_runs(&name);
        let calm = before.difference(&unusual).count() > 1;
        let is_example = |run: &&usize| !calm || !unusual.contains(run);
        let recent = before.iter().rev().filter(is_example).take(RECENT);
        let recent: Vec<_> = recent.flat_map(|run| metrics(finished, *run)).collect();
        let usual = |(metric, _): &(String, Option<f64>)| {
            let learned = expected.iter().find(|(name, ..)| name == metric);
            let value = learned.map(|(_, usual, _)| *usual);
            (metric.clone(), value.or_else(|| middle(&recent, metric)))
        };
        let values = known_of_b.iter().map(usual).collect();
        (baseline(of_b), values, before, Vec::new())
    } else {
        let first = find(finished, a, Some(second))?;
        if first == second {
            return Err(DiffError::Same(shown(of_b)));
        }
        let row = &finished.runs[first];
        let present = BTreeSet::from([first]);
        let config = config_changes(row, of_b);
        (side(row), metrics(finished, first), present, config)
    };
    let metrics: Vec<MetricChange> = known_of_b
        .into_iter()
        .map(|(metric, b)| {
            let a = values.iter().find(|(name, _)| *name == metric);
            let range = expected.iter().find(|(name, ..)| *name == metric);
            change(
                metric,
                a.and_then(|(_, a)| *a),
                b,
                range.map(|(.., range)| crate::assemble::expected(*range)),
            )
        })
        .filter(|metric| metric.a.is_some() || metric.b.is_some())
        .collect();
    let own = BTreeSet::from([second]);
    Ok(Diff {
        schema: SCHEMA.to_owned(),
        a: side,
        b: self::side(of_b),
        config,
        new_errors: only(finished, &own, &present),
        gone_errors: if a == BASELINE {
            Vec::new()
        } else {
            only(finished, &present, &own)
        },
        gates: gates.iter().map(|gate| gate.judge(&metrics)).collect(),
        metrics,
    })
}

/// Finds a run; `other` is the run that it will be compared with, if known.
fn find(finished: &Finished, wanted: &str, other: Option<usize>) -> Result<usize, DiffError> {
    let mut runs: Vec<usize> = (0..finished.runs.len())
        .filter(|run| finished.runs[*run].key.is_run())
        .collect();
    // Runs without times keep the order of their files.
    let in_order: Vec<usize> = crate::lookup::by_scraper(finished)
        .into_values()
        .flatten()
        .collect();
    let place = |run: &usize| in_order.iter().position(|other| other == run);
    runs.sort_by_cached_key(|run| (finished.runs[*run].start, place(run)));
    if wanted == LAST || wanted == PREVIOUS {
        let of = |run: usize| {
            let key = &finished.runs[run].key;
            (&key.scraper_id, &key.site)
        };
        // Only runs of the other run's scraper, or else of the latest run's scraper.
        let whose = other.or(runs.last().copied()).map(of);
        runs.retain(|run| Some(of(*run)) == whose);
        let before = |other: usize| runs.iter().position(|run| *run == other)?.checked_sub(1);
        let place = match other {
            Some(other) if wanted == PREVIOUS => before(other),
            None if wanted == PREVIOUS => runs.len().checked_sub(2),
            _ => runs.len().checked_sub(1),
        };
        let found = place.and_then(|place| runs.get(place)).copied();
        return found.ok_or_else(|| DiffError::NoRun(wanted.to_owned()));
    }
    let id = |run: &usize| finished.runs[*run].key.run_id.clone().unwrap_or_default();
    let mut found: Vec<usize> = runs
        .iter()
        .copied()
        .filter(|run| id(run) == wanted)
        .collect();
    if found.is_empty() {
        found = runs
            .into_iter()
            .filter(|run| id(run).starts_with(wanted))
            .collect();
    }
    match found.as_slice() {
        [] => Err(DiffError::NoRun(wanted.to_owned())),
        [one] => Ok(*one),
        several => {
            let names = several
                .iter()
                .take(3)
                .map(|run| shown(&finished.runs[*run]));
            let names: Vec<String> = names.collect();
            Err(DiffError::Ambiguous(wanted.to_owned(), names.join(", ")))
        }
    }
}

/// Returns the keys whose values differ.
fn config_changes(a: &RunRow, b: &RunRow) -> Vec<ConfigChange> {
    let Some((a, b)) = config_of(a).zip(config_of(b)) else {
        return Vec::new();
    };
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let changed = keys.into_iter().filter(|key| a.get(*key) != b.get(*key));
    let change = |key: &String| ConfigChange {
        key: key.clone(),
        a: a.get(key).cloned(),
        b: b.get(key).cloned(),
    };
    changed.map(change).collect()
}

fn shown(row: &RunRow) -> String {
    row.key.to_string()
}

fn side(row: &RunRow) -> Side {
    Side {
        run_id: row.key.run_id.clone().unwrap_or_default(),
        scraper_id: row.key.scraper_id.clone(),
        site: row.key.site.clone(),
        start: row.start.map(|at| at.to_string()),
        verdict: row.verdict.map(|verdict| verdict.to_string()),
    }
}

fn baseline(of: &RunRow) -> Side {
    Side {
        run_id: BASELINE.to_owned(),
        start: None,
        verdict: None,
        ..side(of)
    }
}

/// Returns all metrics of a run by name.
fn metrics(finished: &Finished, run: usize) -> Vec<(String, Option<f64>)> {
    let row = &finished.runs[run];
    let counters = &row.counters;
    let mut latency = Latency::default();
    for ((_, other), sketch) in &finished.latency {
        if *other == run {
            latency.merge(sketch);
        }
    }
    let judged = counters.requests.saturating_sub(counters.requests_unjudged);
    let good = judged.saturating_sub(counters.requests_failed);
    let items = counters.items();
    let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    let known = |is_known: bool, value: u64| is_known.then_some(value as f64);
    let pages = if judged > 0 { good } else { counters.requests };
    let per_page = |part: u64| ratio(part, pages);
    let mut all = vec![
        ("requests", known(row.known.requests, counters.requests)),
        ("success_rate", ratio(good, judged)),
        ("items", known(row.known.items, items)),
        (
            "items_per_100_pages",
            per_page(items.saturating_mul(100)).filter(|_| row.known.items),
        ),
        (
            "item_yield",
            ratio(items, counters.found).filter(|_| row.known.found),
        ),
        ("errors", Some(counters.errors as f64)),
        ("rate_limits", Some(counters.rate_limits as f64)),
        ("pages", row.pages.map(|pages| pages as f64)),
        ("response_time_ms.p50", latency.quantile(0.5)),
        ("response_time_ms.p95", latency.quantile(0.95)),
        ("response_time_ms.p99", latency.quantile(0.99)),
        ("bytes", known(row.known.bytes, counters.bytes)),
        (
            "bytes_per_page",
            per_page(counters.bytes).filter(|_| row.known.bytes),
        ),
        ("duration_seconds", row.duration_seconds),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect::<Vec<_>>();
    all.extend(ErrorCategory::ALL.iter().map(|category| {
        let count = counters.categories.get(*category) as f64;
        (format!("errors.{category}"), Some(count))
    }));
    let lacking = row.sections.fields.0.iter();
    all.extend(lacking.map(|(field, count)| {
        let fill = ratio(*count, items + counters.failed).map(|share| 1.0 - share);
        (format!("field_fill.{field}"), fill)
    }));
    let own = row.stats.iter();
    all.extend(own.map(|(name, value)| (format!("stats.{name}"), Some(*value))));
    all
}

/// Returns the median of a metric over several runs.
fn middle(runs: &[(String, Option<f64>)], metric: &str) -> Option<f64> {
    let own = runs.iter().filter(|(name, _)| name == metric);
    let values: Vec<f64> = own.filter_map(|(_, value)| *value).collect();
    dragline_insights::stats::median(&values)
}

fn change(
    metric: String,

    a: Option<f64>,
    b: Option<f64>,
    expected: Option<Expected>,
) -> MetricChange {
    let change = a.zip(b).map(|(a, b)| b - a);
    let relative = a
        .zip(change)
        .and_then(|(a, change)| (a != 0.0).then(|| change / a));
    MetricChange {
        metric,
        a,
        b,
        change,
        relative,
        expected,
    }
}

/// Returns the error groups that runs in `has` have and runs in `lacks` do not.
fn only(finished: &Finished, has: &BTreeSet<usize>, lacks: &BTreeSet<usize>) -> Vec<ErrorChange> {
    let rows = finished.groups.iter().filter(|row| {
        row.runs
            .as_ref()
            .is_some_and(|runs| !runs.is_disjoint(has) && runs.is_disjoint(lacks))
    });
    rows.filter_map(|row| {
        let (_, sample) = row.group.sample.as_ref()?;
        Some(ErrorChange {
            id: format!("{:016x}", row.id),
            category: sample.category.to_string(),
            template: sample.template.clone(),
        })
    })
    .collect()
}
