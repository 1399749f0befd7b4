//! Observations from what the analyst found.

use std::collections::{BTreeMap, BTreeSet};

use dragline_alerting::rule::{Condition, Rule, Selector};
use dragline_alerting::{Expected, Labels, Observation};
use dragline_insights::{Analysis, Finding, InsightKind, RunValue, ScraperKey, Starts};
use dragline_rollup::Finished;
use dragline_schema::{Severity, Timestamp};

/// What the analyst says to the rules from `from` on: values of runs that some rule watches, with what was normal, and
/// the signs of life of runs, each with the time until which the next run must have started.
/// `earlier` are starts of runs that the logs no longer hold.
pub fn of_analysis(
    analysis: &Analysis<'_>,
    rules: &[Rule],
    from: Timestamp,
    earlier: &Starts,
) -> Vec<Observation> {
    let mut all = of_runs(analysis, rules, from);
    if watches_runs(rules) {
        all.extend(of_schedules(analysis, from, earlier));
    }
    all
}

/// The sign of life that a scraper's runs give.
pub(crate) const RUN: &str = "run";

/// The labels of a scraper.
pub(crate) fn labels_of(key: &ScraperKey) -> Labels {
    Labels::of_scraper(key.scraper_id.as_deref(), key.site.as_deref())
}

/// The name that a run's metric has in rules: `run_items`, `run_response_time_ms_p50`.
pub(crate) fn run_metric(name: &str) -> String {
    format!("run_{}", name.replace(['.', '-'], "_"))
}

/// The names of the metrics of runs that rules can watch: of each run, when it has ended. Those of the user's own
/// statistics (`run_stats_…`) and fields (`run_field_fill_…`) are not among them.
pub fn run_metrics() -> Vec<String> {
    let names = dragline_insights::metric_names();
    names.iter().map(|name| run_metric(name)).collect()
}

/// Values of runs that some rule watches, with what was normal.
pub(crate) fn of_runs(
    analysis: &Analysis<'_>,
    rules: &[Rule],
    from: Timestamp,
) -> Vec<Observation> {
    let selectors: Vec<&Selector> = rules
        .iter()
        .filter(|rule| matches!(rule.condition, Condition::Metric(_)))
        .map(Rule::selector)
        .collect();
    // Most rules watch none, and the values need every run of the history.
    if !selectors
        .iter()
        .any(|selector| selector.name.starts_with("run_") || selector.name.starts_with('*'))
    {
        return Vec::new();
    }
    let values = analysis.run_values(from).into_iter();
    let observation = |value: RunValue| {
        let name = run_metric(&value.metric);
        let is_wanted = selectors.iter().any(|selector| selector.takes(&name));
        is_wanted.then(|| Observation {
            expected: value.usual.map(|(usual, range)| Expected {
                value: usual,
                low: range.lower,
                high: range.upper,
            }),
            ..Observation::metric(&name, labels_of(&value.scraper), value.at, value.value)
        })
    };
    values.filter_map(observation).collect()
}

/// Whether some rule watches that runs start when they are due.
pub(crate) fn watches_runs(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| match &rule.condition {
        Condition::Freshness(selector) => selector.takes(RUN),
        _ => false,
    })
}

/// Signs of life of runs, each with the time until which the next run must have started.
fn of_schedules(analysis: &Analysis<'_>, from: Timestamp, earlier: &Starts) -> Vec<Observation> {
    let next = analysis.next_runs(from, earlier).into_iter();
    let sign = |next: dragline_insights::NextRun| {
        let seconds = next.missed.since(next.seen) as f64 / 1e6;
        Observation::freshness(RUN, labels_of(&next.scraper), next.seen, seconds.max(0.0))
    };
    next.map(sign).collect()
}

/// The kinds of findings that some rule watches.
pub fn watched_kinds(rules: &[Rule]) -> Vec<InsightKind> {
    let is_watched = |kind: &InsightKind| {
        rules.iter().any(|rule| match &rule.condition {
            Condition::Insight(selector, _) => selector.takes(kind.name()),
            _ => false,
        })
    };
    InsightKind::ALL
        .iter()
        .copied()
        .filter(is_watched)
        .collect()
}

/// Whether each kind of finding that some rule watches is open, for each scraper, from `from` on: it opens at its onset.
pub(crate) fn of_findings(
    findings: &[Finding],
    finished: &Finished,
    rules: &[Rule],
    from: Timestamp,
) -> Vec<Observation> {
    let kinds = watched_kinds(rules);
    if kinds.is_empty() {
        return Vec::new();
    }
    let mut scrapers: BTreeSet<ScraperKey> = finished
        .runs
        .iter()
        .map(|run| ScraperKey {
            scraper_id: run.key.scraper_id.clone(),
            site: run.key.site.clone(),
        })
        .collect();
    scrapers.extend(findings.iter().map(|finding| finding.scraper.clone()));
    let mut by_series: BTreeMap<(InsightKind, &ScraperKey), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_series
            .entry((finding.kind, &finding.scraper))
            .or_default()
            .push(finding);
    }
    let mut all = Vec::new();
    for kind in kinds {
        for scraper in &scrapers {
            let own = by_series
                .get(&(kind, scraper))
                .map_or(&[][..], Vec::as_slice);
            let labels = labels_of(scraper);
            for (at, open) in timeline(own, finished, from) {
                all.push(Observation::finding(kind.name(), labels.clone(), at, open));
            }
        }
    }
    all
}

/// Later than everything.
fn never() -> Timestamp {
    Timestamp::from_micros(i64::MAX)
}

/// When some of the findings is open and how severe the worst of them has been, as changes in order of time; the first is
/// at `from` or before.
fn timeline(
    findings: &[&Finding],
    finished: &Finished,
    from: Timestamp,
) -> Vec<(Timestamp, Option<Severity>)> {
    let mut spans: Vec<(Timestamp, Timestamp, Severity)> = findings
        .iter()
        .map(|finding| {
            let since = finding.since.unwrap_or(from);
            let end = end_of(finding, since, finished).unwrap_or_else(never);
            (since, end, finding.severity)
        })
        .filter(|(since, end, _)| end > since)
        .collect();
    spans.sort();
    let first = spans.first().map_or(from, |(since, ..)| (*since).min(from));
    let mut changes = vec![(first.plus_micros(-1), None)];
    let mut open: Option<(Timestamp, Severity)> = None;
    for (since, end, severity) in spans {
        open = Some(match open {
            Some((until, worst)) if since <= until => {
                if severity > worst {
                    changes.push((since, Some(severity)));
                }
                (until.max(end), worst.max(severity))
            }
            before => {
                changes.extend(before.map(|(until, _)| (until, None)));
                changes.push((since, Some(severity)));
                (end, severity)
            }
        });
    }
    if let Some((until, _)) = open.filter(|(until, _)| *until < never()) {
        changes.push((until, None));
    }
    changes
}

/// When a finding ended; `None` while it is open. A closed one without an end ended with the scraper's next run.
fn end_of(finding: &Finding, since: Timestamp, finished: &Finished) -> Option<Timestamp> {
    if finding.is_open {
        return None;
    }
    let next = || {
        let own = finished.runs.iter().filter(|run| {
            run.key.scraper_id == finding.scraper.scraper_id && run.key.site == finding.scraper.site
        });
        own.filter_map(|run| run.start)
            .filter(|start| *start > since)
            .min()
    };
    finding.until.or_else(next)
}
