//! Conversion between insights and the report's types.

use std::collections::BTreeSet;

use dragline_insights::{self as insights, Baseline, ErrorGroup, Evidence, Expected, Finding};
use dragline_insights::{InsightKind, VERDICTS};
use dragline_rollup::{Finished, GroupRow};
use dragline_schema::Timestamp;

use crate::model::{self, Report};

/// Converts a finding to the contract's type.
pub fn insight(found: Finding) -> model::Insight {
    let show = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let moved = |moved: insights::Moved| model::Moved {
        at: moved.at.to_string(),
        metric: moved.metric,
    };
    model::Insight {
        id: found.id,
        kind: found.kind.to_string(),
        severity: found.severity.to_string(),
        title: found.title,
        detail: found.detail,
        since: show(found.since),
        until: show(found.until),
        is_open: found.is_open,
        scraper_id: found.scraper.scraper_id,
        site: found.scraper.site,
        metric: found.metric,
        expected: found.expected.map(expected),
        observed: found.observed,
        sequence: found.sequence.into_iter().map(moved).collect(),
        evidence: found.evidence.into_iter().map(evidence).collect(),
        recommendation: found.recommendation,
        related: found.related,
    }
}

/// Converts a baseline to the contract's type.
pub(super) fn baseline(baseline: Baseline) -> model::Baseline {
    model::Baseline {
        metric: baseline.metric,
        scraper_id: baseline.scraper.scraper_id,
        site: baseline.scraper.site,
        median: baseline.median,
        expected: expected(baseline.expected),
        runs: baseline.runs,
    }
}

/// Converts an expected range to the contract's type.
pub(crate) fn expected(range: Expected) -> model::Expected {
    model::Expected {
        lower: range.lower,
        upper: range.upper,
    }
}

fn evidence(place: Evidence) -> model::Evidence {
    model::Evidence {
        file: place.file,
        line: place.line,
        offset: place.offset,
        sample: place.sample,
    }
}

/// Returns the error groups as the insights need them, with the muted groups marked.
pub(super) fn error_groups(finished: &Finished, groups: &[model::Group]) -> Vec<ErrorGroup> {
    let muted: BTreeSet<&str> = groups
        .iter()
        .filter(|group| group.mute.is_some())
        .map(|group| &*group.id)
        .collect();
    let of = |row: &GroupRow| {
        let id = format!("{:016x}", row.id);
        Some(ErrorGroup {
            is_muted: muted.contains(&*id),
            ..ErrorGroup::of(row)?
        })
    };
    let mut converted: Vec<ErrorGroup> = finished.groups.iter().filter_map(of).collect();
    // The order of the report.
    converted.sort_by_key(|group| (std::cmp::Reverse(group.count), group.id));
    converted
}

/// Returns the recommendations without duplicates.
pub(super) fn recommendations(found: &[Finding]) -> Vec<model::Recommendation> {
    let mut all: Vec<model::Recommendation> = Vec::new();
    for one in found {
        let id = one.id.clone();
        match all
            .iter_mut()
            .find(|known| known.text == one.recommendation)
        {
            Some(known) => known.insights.push(id),
            None => all.push(model::Recommendation {
                text: one.recommendation.clone(),
                insights: vec![id],
                runbook: Some(format!("docs/runbooks/{}.md", one.runbook)),
            }),
        }
    }
    all
}

/// Returns the verdicts and kinds of incidents that `--fail-on` accepts.
pub fn bad_news() -> Vec<&'static str> {
    let mut all = VERDICTS.to_vec();
    let kinds = InsightKind::ALL.iter().map(|kind| kind.name());
    all.extend(kinds.filter(|kind| !VERDICTS.contains(kind)));
    all
}

/// Returns the reasons to fail: scrapers with one of these verdicts, and open incidents of one of these
/// kinds.
pub fn reasons_to_fail(report: &Report, on: &[String]) -> Vec<String> {
    let is_bad = |name: &str| on.iter().any(|bad| bad == name);
    let scrapers = report
        .scrapers
        .iter()
        .filter(|scraper| is_bad(&scraper.verdict));
    let verdicts = scrapers.map(|scraper| {
        let name = (scraper.scraper_id.clone(), scraper.site.clone());
        format!("{} is {}", insights::name(&name), scraper.verdict)
    });
    let insights = report
        .insights
        .iter()
        .filter(|insight| insight.is_open && is_bad(&insight.kind));
    let kinds = insights.map(|insight| format!("{}: {}", insight.kind, insight.title));
    let is_empty = report.scrapers.is_empty() && !on.is_empty();
    let nobody = is_empty.then(|| "no scraper matches the inputs and filters".to_owned());
    verdicts.chain(kinds).chain(nobody).collect()
}
