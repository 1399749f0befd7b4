//! What a notice says about an alert, beyond the rule.

use dragline_alerting::Alert;
use dragline_alerting::notice::Explanation;
use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::watch::format_value;
use dragline_insights::Finding;
use dragline_schema::Timestamp;

use crate::Scene;

/// How long before an alert fired its cause is looked for, in microseconds: an hour.
const BEFORE: i64 = 3_600_000_000;

impl Scene {
    /// Looks up lines, the command that shows more, and the comparison with other scrapers.
    pub fn explain(&self, alert: &Alert, rules: &[Rule], now: Timestamp) -> Explanation {
        let scraper = alert.id.labels.get("scraper_id").unwrap_or_default();
        let site = alert.id.labels.get("site").unwrap_or_default();
        let rule = rules.iter().find(|rule| rule.name == alert.id.rule);
        let finding = rule.and_then(|rule| self.finding_of(alert, rule));
        let since = alert.began.min(alert.fired_at.plus_micros(-BEFORE));
        let until = alert.ended.unwrap_or(now);
        let evidence = match finding {
            Some(finding) if !finding.evidence.is_empty() => lines_of(finding),
            _ if scraper.is_empty() => Vec::new(),
            _ => {
                let lines = self.traffic.lines(scraper, site, since, until);
                lines.into_iter().map(str::to_owned).collect()
            }
        };
        let is_one = !scraper.is_empty() && !site.is_empty();
        Explanation {
            summary: Some(self.summary(alert, rules)),
            runbook: finding.map(|finding| finding.runbook.to_owned()),
            facts: finding.map(facts_of).unwrap_or_default(),
            evidence,
            command: Some(self.command(finding, scraper, since)),
            verdict: is_one
                .then(|| self.traffic.compare(scraper, site, since, until))
                .flatten(),
            ..Explanation::default()
        }
    }

    /// What is the matter, in a sentence: the rule's own, or else what the analyst says of the finding.
    pub fn summary(&self, alert: &Alert, rules: &[Rule]) -> String {
        let rule = rules.iter().find(|rule| rule.name == alert.id.rule);
        let has_own_text =
            |rule: &&Rule| !rule.message.is_empty() || rule.annotations.contains_key("summary");
        let finding = rule
            .filter(|rule| !has_own_text(rule))
            .and_then(|rule| self.finding_of(alert, rule));
        finding.map_or_else(|| alert.summary.clone(), |finding| finding.title.clone())
    }

    /// The finding behind an alert: of the rule's kind and the alert's scraper, the latest that began before it fired.
    fn finding_of(&self, alert: &Alert, rule: &Rule) -> Option<&Finding> {
        let Condition::Insight(selector) = &rule.condition else {
            return None;
        };
        let labels = &alert.id.labels;
        let is_named = |name: &str, value: &Option<String>| labels.get(name) == value.as_deref();
        let own = self.findings.iter().filter(|finding| {
            let kind = labels.get("finding");
            let is_kind = kind.map_or(selector.takes(finding.kind.name()), |kind| {
                kind == finding.kind.name()
            });
            is_kind
                && is_named("scraper_id", &finding.scraper.scraper_id)
                && is_named("site", &finding.scraper.site)
                && finding.since.is_none_or(|since| since <= alert.fired_at)
        });
        own.max_by_key(|finding| (finding.is_open, finding.since))
    }

    fn command(&self, finding: Option<&Finding>, scraper: &str, since: Timestamp) -> String {
        let logs: Vec<String> = self.logs.iter().map(|log| quoted(log)).collect();
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
}

/// What was observed, and what the analyst says about it.
fn facts_of(finding: &Finding) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    if let (Some(metric), Some(observed)) = (&finding.metric, finding.observed) {
        facts.push((metric.clone(), format_value(observed)));
    }
    if let Some(expected) = finding.expected {
        let (low, high) = (format_value(expected.lower), format_value(expected.upper));
        facts.push(("Usually".to_owned(), format!("{low} to {high}")));
    }
    for (name, text) in [
        ("Found", &finding.detail),
        ("To do", &finding.recommendation),
    ] {
        if !text.is_empty() {
            facts.push((name.to_owned(), text.clone()));
        }
    }
    facts
}

/// The lines that show a finding.
fn lines_of(finding: &Finding) -> Vec<String> {
    let line = |evidence: &dragline_insights::Evidence| {
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
