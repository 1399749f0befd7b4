//! What a notice says about an alert, beyond the rule.

use dragline_alerting::Alert;
use dragline_alerting::notice::Explanation;
use dragline_report::model::Insight;
use dragline_schema::Timestamp;

use super::findings::finding_of;
use crate::service::Monitor;

/// How long before an alert fired its cause is looked for, in microseconds: an hour.
const BEFORE: i64 = 3_600_000_000;

/// Looks up lines, the command that shows more, and the comparison with other scrapers.
pub(crate) fn explain(monitor: &Monitor, alert: &Alert, now: Timestamp) -> Explanation {
    let settings = monitor.settings();
    let labels = &alert.id.labels;
    let scraper = labels.get("scraper_id").unwrap_or_default();
    let site = labels.get("site").unwrap_or_default();
    let since = alert.began.min(alert.fired_at.plus_micros(-BEFORE));
    let until = alert.ended.unwrap_or(now);
    let rule = settings
        .alert_rules
        .iter()
        .find(|rule| rule.name == alert.id.rule);
    let judged = monitor.judged();
    let finding = rule
        .zip(judged.as_ref())
        .and_then(|(rule, judged)| finding_of(&judged.report, rule, labels));
    let traffic = monitor.alerts.traffic();
    let evidence = match finding {
        Some(finding) if !finding.evidence.is_empty() => lines_of(finding),
        _ if scraper.is_empty() => Vec::new(),
        _ => traffic
            .lines(scraper, site, since, until)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    };
    let is_one = !scraper.is_empty() && !site.is_empty();
    let verdict = if is_one {
        traffic.compare(scraper, site, since, until)
    } else {
        None
    };
    Explanation {
        summary: finding.map(|finding| finding.title.clone()),
        facts: finding.map(facts_of).unwrap_or_default(),
        evidence,
        command: Some(command(&monitor.inputs, finding, scraper, since)),
        owner: settings.notify.owner_of(&alert.labels).map(str::to_owned),
        verdict,
        ..Explanation::default()
    }
}

fn command(logs: &[String], finding: Option<&Insight>, scraper: &str, since: Timestamp) -> String {
    let logs: Vec<String> = logs.iter().map(|log| quoted(log)).collect();
    let logs = logs.join(" ");
    match finding {
        Some(finding) => format!("dragline report {logs} --incident {}", quoted(&finding.id)),
        None if scraper.is_empty() => format!("dragline report {logs} --since {since}"),
        None => format!(
            "dragline errors {logs} --scraper {} --since {since}",
            quoted(scraper)
        ),
    }
}

/// What the analyst says about a finding.
fn facts_of(finding: &Insight) -> Vec<(String, String)> {
    let texts = [
        ("Found", &finding.detail),
        ("To do", &finding.recommendation),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    texts
        .map(|(name, text)| (name.to_owned(), text.clone()))
        .collect()
}

/// The lines that show a finding.
fn lines_of(finding: &Insight) -> Vec<String> {
    let line = |evidence: &dragline_report::model::Evidence| {
        let place = format!("{}:{}", evidence.file, evidence.line);
        match &evidence.sample {
            Some(sample) => format!("{place}: {sample}"),
            None => place,
        }
    };
    finding.evidence.iter().map(line).collect()
}

/// A word of a command line, in quotation marks if a shell would read it otherwise.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,%=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
