//! What a notice says about an alert, beyond the rule.

use std::sync::PoisonError;

use dragline_alerting::Alert;
use dragline_alerting::notice::Explanation;
use dragline_insights::InsightKind;
use dragline_report::Report;
use dragline_report::model::Insight;
use dragline_schema::Timestamp;
use dragline_watch::{Found, facts, is_behind};

use crate::judge::time_of;
use crate::service::Monitor;

/// Looks up what the service knows about an alert.
pub(crate) fn explain(monitor: &Monitor, alert: &Alert, now: Timestamp) -> Explanation {
    let settings = monitor.settings();
    let mut rules = settings.alert_rules.iter();
    let rule = rules.find(|rule| rule.name == alert.id.rule);
    let judged = monitor.judged();
    let found = rule
        .zip(judged.as_ref())
        .and_then(|(rule, judged)| finding_of(&judged.report, rule, alert));
    let found = found.or_else(|| Found::of_check(alert, rule?, |check| message_of(monitor, check)));
    let traffic = monitor.alerts.traffic();
    dragline_watch::explain(alert, rule, found.as_ref(), &traffic, &monitor.inputs, now)
}

/// What a health check said last.
fn message_of(monitor: &Monitor, check: &str) -> Option<String> {
    let state = monitor.health.lock();
    let state = state.unwrap_or_else(PoisonError::into_inner);
    let mut messages = state.report.as_ref()?.messages();
    messages
        .find(|(name, _)| *name == check)
        .map(|(_, message)| message.to_owned())
}

/// The latest finding behind an alert.
fn finding_of(
    report: &Report,
    rule: &dragline_alerting::rule::Rule,
    alert: &Alert,
) -> Option<Found> {
    let own = report.insights.iter().filter(|insight| {
        let names = (insight.scraper_id.as_deref(), insight.site.as_deref());
        is_behind(
            alert,
            rule,
            &insight.kind,
            names,
            time_of(insight.since.as_ref()),
        )
    });
    own.max_by_key(|insight| (insight.is_open, &insight.since))
        .map(found)
}

fn found(insight: &Insight) -> Found {
    let kind: Option<InsightKind> = insight.kind.parse().ok();
    Found {
        id: insight.id.clone(),
        title: insight.title.clone(),
        runbook: kind.map(|kind| kind.runbook().to_owned()),
        facts: facts(&insight.detail, &insight.recommendation),
        evidence: insight.evidence.iter().map(ToString::to_string).collect(),
    }
}
