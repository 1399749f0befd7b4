//! Findings and reports.

use dragline_report::Report;
use dragline_report::model::{Expected, Insight};
use dragline_schema::{Severity, Timestamp};
use dragline_web::model::{Finding, Mark, Moved, Range, ReportInfo};
use dragline_web::{Answer, BackendError, FindingQuery, Listing, Place, ScraperKey, Window};

use crate::judge::time_of;
use crate::reports;
use crate::service::Monitor;

/// The id of the report of the last analysis.
const LATEST: &str = "latest";
/// What the ids of scheduled reports begin with.
const SCHEDULED: &str = "scheduled-";

impl Monitor {
    pub(super) fn list_findings(&self, query: &FindingQuery) -> Answer<Listing<Finding>> {
        let judged = self.analysis()?;
        let all = judged.report.insights.iter().map(|insight| Finding {
            fix: self.shown_fix(&insight.id),
            ..finding_of(&judged.report, insight)
        });
        let is_in = |finding: &Finding, window: Window| {
            finding.since.is_none_or(|since| since < window.to)
                && (finding.is_open
                    || finding
                        .until
                        .or(finding.since)
                        .is_none_or(|until| until >= window.from))
        };
        let is_wanted = |finding: &Finding| {
            let key = finding.scraper.as_ref();
            let scraper = key.and_then(|key| key.scraper_id.as_deref());
            let site = key.and_then(|key| key.site.as_deref());
            query.scope.matches(scraper, site)
                && query
                    .is_open
                    .is_none_or(|is_open| finding.is_open == is_open)
                && query.kind.as_ref().is_none_or(|kind| finding.kind == *kind)
                && query.window.is_none_or(|window| is_in(finding, window))
        };
        let mut wanted: Vec<Finding> = all.filter(is_wanted).collect();
        wanted.sort_by_key(|one| std::cmp::Reverse((one.is_open, one.since)));
        Listing::cut(wanted, &query.page)
    }

    pub(super) fn find_finding(&self, id: &str) -> Answer<Finding> {
        let judged = self.analysis()?;
        let found = judged
            .report
            .insights
            .iter()
            .find(|insight| insight.id == id);
        let found = found.map(|insight| Finding {
            fix: self.shown_fix(id),
            ..finding_of(&judged.report, insight)
        });
        found.ok_or_else(|| {
            BackendError::NotFound(format!("there is no finding {id:?} in the last analysis"))
        })
    }

    pub(super) fn list_reports(&self) -> Vec<ReportInfo> {
        let live = self.judged().map(|judged| {
            let period = &judged.report.period;
            let window = time_of(period.start.as_ref()).zip(time_of(period.end.as_ref()));
            ReportInfo {
                id: LATEST.to_owned(),
                title: format!("The last {} days", self.settings().monitor.history_days),
                made_at: judged.at,
                period: window.map(|(from, to)| Window { from, to }),
                note: None,
            }
        });
        let scheduled = reports::schedules(self).into_iter().filter_map(|schedule| {
            let deliveries = schedule.deliveries.iter();
            let to = deliveries.map(|one| format!("{}: {}", one.channel, one.state));
            let late = schedule.late.into_iter();
            Some(ReportInfo {
                id: format!("{SCHEDULED}{}", schedule.name),
                title: schedule.title?,
                made_at: schedule.made_at?,
                period: schedule.period,
                note: Some(to.chain(late).collect::<Vec<_>>().join("; ")),
            })
        });
        live.into_iter().chain(scheduled).collect()
    }

    pub(super) fn find_report(&self, id: &str) -> Answer<String> {
        if id == LATEST {
            return Ok(self.analysis()?.page().to_owned());
        }
        let name = id.strip_prefix(SCHEDULED);
        let page = name.map(|name| reports::document(self, name)).transpose();
        let page = page.map_err(BackendError::Unavailable)?.flatten();
        page.ok_or_else(|| BackendError::NotFound(format!("there is no report {id:?}")))
    }
}

/// A finding of the report.
pub(super) fn finding_of(report: &Report, insight: &Insight) -> Finding {
    let task = report
        .recommendations
        .iter()
        .find(|task| task.insights.contains(&insight.id));
    let runbook = task.and_then(|task| task.runbook.as_deref());
    let runbook = runbook.map(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.strip_suffix(".md").unwrap_or(name).to_owned()
    });
    let is_of_one = insight.scraper_id.is_some() || insight.site.is_some();
    Finding {
        id: insight.id.clone(),
        kind: insight.kind.clone(),
        severity: insight.severity.parse().unwrap_or(Severity::Medium),
        title: insight.title.clone(),
        detail: insight.detail.clone(),
        since: time_of(insight.since.as_ref()),
        until: time_of(insight.until.as_ref()),
        is_open: insight.is_open,
        scraper: is_of_one.then(|| ScraperKey {
            scraper_id: insight.scraper_id.clone(),
            site: insight.site.clone(),
        }),
        metric: insight.metric.clone(),
        expected: insight.expected.as_ref().map(range_of),
        observed: insight.observed,
        sequence: insight
            .sequence
            .iter()
            .filter_map(|moved| {
                Some(Moved {
                    at: Timestamp::parse(&moved.at).ok()?,
                    metric: moved.metric.clone(),
                })
            })
            .collect(),
        evidence: insight.evidence.iter().map(place_of).collect(),
        recommendation: insight.recommendation.clone(),
        runbook,
        related: insight.related.clone(),
        fix: None,
    }
}

/// A line of evidence with its text, secrets redacted.
pub(super) fn place_of(evidence: &dragline_report::model::Evidence) -> (Place, Option<String>) {
    let place = Place {
        file: evidence.file.clone(),
        line: Some(evidence.line),
        offset: evidence.offset,
    };
    (
        place,
        evidence
            .sample
            .as_deref()
            .map(dragline_alerting::notice::redact_line),
    )
}

pub(super) fn range_of(expected: &Expected) -> Range {
    Range {
        lower: expected.lower,
        upper: expected.upper,
    }
}

/// The onsets and ends of a scraper's findings in a window.
pub(super) fn marks_of(report: &Report, key: &ScraperKey, window: Window) -> Vec<Mark> {
    let own = report
        .insights
        .iter()
        .filter(|one| one.scraper_id == key.scraper_id && one.site == key.site);
    let marks = own.filter_map(|insight| {
        let at = time_of(insight.since.as_ref()).filter(|at| window.contains(*at))?;
        Some(Mark {
            at,
            label: insight.kind.replace('_', " "),
        })
    });
    marks.collect()
}
