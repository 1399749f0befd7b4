//! What log lines and configurations put into a report, without secrets: pages and mails leave the machine.

use std::collections::BTreeMap;

use dragline_alerting::notice::{REDACTED, redact, redact_line};
use dragline_report::Report;
use dragline_report::model::Evidence;
use serde_json::Value;

/// Takes the secrets out of every text of a report that may come from a log line.
pub(crate) fn redact_report(report: &mut Report) {
    for group in &mut report.errors.groups {
        // A placeholder in the template may have taken the place of the secret, or of what it is recognised by.
        let is_telling = redact(&group.sample) != group.sample;
        change(&mut group.sample);
        change(&mut group.template);
        if is_telling && !group.template.contains(REDACTED) {
            group.template.clone_from(&group.sample);
        }
        group.error_type.iter_mut().for_each(change);
        group.evidence.iter_mut().for_each(of_evidence);
    }
    for insight in &mut report.insights {
        for text in [
            &mut insight.title,
            &mut insight.detail,
            &mut insight.recommendation,
        ] {
            change(text);
        }
        insight.evidence.iter_mut().for_each(of_evidence);
    }
    for run in &mut report.runs {
        run.finish_reason.iter_mut().for_each(change);
        run.config = run.config.take().map(redact_config);
        run.evidence.iter_mut().for_each(of_evidence);
    }
    for scraper in &mut report.scrapers {
        scraper.reasons.iter_mut().for_each(change);
    }
    for problem in &mut report.trust.problems {
        change(&mut problem.detail);
    }
    report.trust.notes.iter_mut().for_each(change);
    for advice in &mut report.recommendations {
        change(&mut advice.text);
    }
    let cells = report.panels.iter_mut().flat_map(|panel| &mut panel.rows);
    for cell in cells.flatten() {
        if let Value::String(text) = cell {
            change(text);
        }
    }
}

fn change(text: &mut String) {
    let clean = redact(text);
    if clean != *text {
        *text = clean;
    }
}

fn of_evidence(evidence: &mut Evidence) {
    evidence.sample.iter_mut().for_each(change);
}

/// A configuration without its secrets.
pub(crate) fn redact_config(config: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let clean = |(name, value): (String, Value)| {
        // A secret is recognised by its name and its form: both have to be seen together.
        let line = format!("{name}={value}");
        let shown = redact_line(&line);
        if shown == line {
            (name, value)
        } else {
            (name, REDACTED.into())
        }
    };
    config.into_iter().map(clean).collect()
}
