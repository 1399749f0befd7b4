//! Two runs side by side, or a run beside what is normal for it, and gates for scripts.

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

/// The contract's name and version.
const SCHEMA: &str = "dragline.diff/1";
/// What stands for what is normal, in place of a run's id.
pub const BASELINE: &str = "baseline";
/// What stands for the latest run, and the one before it.
const LAST: &str = "last";
const PREVIOUS: &str = "previous";

/// So many runs before say what is normal of what no model is learned for.
const RECENT: usize = 15;

/// Why runs cannot be compared.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum DiffError {
    /// There is no such run.
    #[error("there is no run {0} in these logs; dragline runs shows those there are")]
    NoRun(String),
    /// There are several.
    #[error("{0} could be several runs: {1}; narrow it with --scraper and --site")]
    Ambiguous(String, String),
    /// Both are one.
    #[error("A and B are both the run {0}")]
    Same(String),
    /// A baseline is learned from other runs, and there are too few.
    #[error("too few runs before {0} to say what is normal")]
    NoBaseline(String),
    /// Only the second can be compared with what is normal.
    #[error("what is normal is what B is compared with: write dragline diff baseline RUN")]
    BaselineOfB,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Side {
    /// The run, or `baseline`.
    pub run_id: String,
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
    pub site: Option<String>,
    /// When it began.
    pub start: Option<String>,
    /// What became of it.
    pub verdict: Option<String>,
}

/// A metric of both sides; unknown is null.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct MetricChange {
    /// Its name.
    pub metric: String,
    /// Of A.
    pub a: Option<f64>,
    /// Of B.
    pub b: Option<f64>,
    /// B − A.
    pub change: Option<f64>,
    /// (B − A) / A; null when A is zero.
    pub relative: Option<f64>,
    /// What is normal for B; null when nobody knows.
    pub expected: Option<Expected>,
}

/// A key of the configuration that is not the same in both.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ConfigChange {
    /// The key.
    pub key: String,
    /// Its value in A; null when A has none.
    pub a: Option<serde_json::Value>,
    /// Its value in B.
    pub b: Option<serde_json::Value>,
}

/// An error that only one side has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ErrorChange {
    /// The group's id.
    pub id: String,
    /// The category.
    pub category: String,
    /// The message without what varies.
    pub template: String,
}

/// A gate, and whether it holds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GateResult {
    /// As it was written.
    pub gate: String,
    /// Whether it holds; a metric that is unknown holds nothing.
    pub passes: bool,
    /// What was compared.
    pub observed: Option<f64>,
}

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Diff {
    /// `dragline.diff/1`.
    pub schema: String,
    /// What B is compared with.
    pub a: Side,
    /// What is compared.
    pub b: Side,
    /// In a stated order: totals, rates, times, errors by category, fields.
    pub metrics: Vec<MetricChange>,
    /// What they were configured with, as far as it differs; empty when a line of either is missing.
    pub config: Vec<ConfigChange>,
    /// Errors that B has and A has not.
    pub new_errors: Vec<ErrorChange>,
    /// Errors that A has and B has not.
    pub gone_errors: Vec<ErrorChange>,
    /// In the order in which they were given.
    pub gates: Vec<GateResult>,
}

/// Compares B with A. Both are ids of runs, their beginnings, `last` or `previous`; A may be `baseline`.
///
/// # Errors
/// When there is no such run, or it could be several, or nothing is known of what is normal.
pub fn diff(finished: &Finished, a: &str, b: &str, gates: &[Gate]) -> Result<Diff, DiffError> {
    if b == BASELINE {
        return Err(DiffError::BaselineOfB);
    }
    let second = find(finished, b, None)?;
    let of_b = &finished.runs[second];
    // What is normal for a run is known by those before it.
    let analysis = Analysis::of(finished, of_b.start);
    let name: Name = (of_b.key.scraper_id.clone(), of_b.key.site.clone());
    let known_of_b = metrics(finished, second);
    let expected = analysis.expectations(&name, of_b.start);
    let (side, values, present, config) = if a == BASELINE {
        if expected.is_empty() {
            return Err(DiffError::NoBaseline(shown(of_b)));
        }
        let before = analysis.runs_before(&name, second);
        // Runs of an incident say nothing of what is normal, as long as there are others.
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

/// Finds a run; `other` is the one that it is to be compared with, when that is known.
fn find(finished: &Finished, wanted: &str, other: Option<usize>) -> Result<usize, DiffError> {
    let mut runs: Vec<usize> = (0..finished.runs.len())
        .filter(|run| finished.runs[*run].key.is_run())
        .collect();
    // Runs that tell no time come in the order of their files.
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
        // Of the scraper of the other one, else of the latest.
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

/// The keys whose values are not the same.
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

/// All metrics of a run, by name.
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

/// The median of a metric over the metrics of some runs.
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

/// Errors that some runs have and others have not.
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
