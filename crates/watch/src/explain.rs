//! What a notice says about an alert, beyond the rule.

use dragline_alerting::Alert;
use dragline_alerting::notice::{Explanation, minute};
use dragline_alerting::rule::{Condition, Rule};
use dragline_insights::Finding;
use dragline_rollup::{RunRow, Verdict};
use dragline_schema::Timestamp;

use crate::traffic::Lines;
use crate::{Scene, Traffic};

/// How long before an alert fired its cause is looked for, in microseconds: an hour.
const BEFORE: i64 = 3_600_000_000;

/// After this long without a line, a scraper whose alert fires counts as silent, in microseconds: ten minutes.
const QUIET: i64 = 600_000_000;

/// How much longer than the alert the chart shows what was before it, in microseconds: three hours, or as long as the
/// alert lasted.
const CHART_BEFORE: i64 = 3 * BEFORE;

/// What the analyst says about the finding behind an alert, or a health check about its status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Its id; empty for a check.
    pub id: String,
    /// What happened, in a sentence; empty if the rule's own says it.
    pub title: String,
    /// The name of the runbook.
    pub runbook: Option<String>,
    /// Names and values: details, what to do.
    pub facts: Vec<(String, String)>,
    /// Log lines that show it: `FILE:LINE: TEXT`.
    pub evidence: Vec<String>,
}

impl From<&Finding> for Found {
    fn from(finding: &Finding) -> Self {
        Self {
            id: finding.id.clone(),
            title: finding.title.clone(),
            runbook: Some(finding.runbook.to_owned()),
            facts: facts(&finding.detail, &finding.recommendation),
            evidence: finding.evidence.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Found {
    /// What the health check behind an alert said, by the messages of the checks; `None` if there is no check behind it.
    pub fn of_check(
        alert: &Alert,
        rule: &Rule,
        message: impl FnOnce(&str) -> Option<String>,
    ) -> Option<Self> {
        let Condition::Health(selector, _) = &rule.condition else {
            return None;
        };
        let check = alert.id.labels.get("check").unwrap_or(&selector.name);
        Some(Self {
            facts: facts(&message(check)?, ""),
            ..Self::default()
        })
    }
}

/// The details of a finding and what to do, as names and values of a notice.
pub fn facts(detail: &str, recommendation: &str) -> Vec<(String, String)> {
    let texts = [("Found", detail), ("To do", recommendation)];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    texts
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect()
}

/// Whether a finding is behind an alert: of the rule's kind and the alert's scraper, and not later than the alert.
pub fn is_behind(
    alert: &Alert,
    rule: &Rule,
    kind: &str,
    (scraper_id, site): (Option<&str>, Option<&str>),
    since: Option<Timestamp>,
) -> bool {
    let Condition::Insight(selector, _) = &rule.condition else {
        return false;
    };
    let labels = &alert.id.labels;
    let is_kind = labels
        .get("finding")
        .map_or(selector.takes(kind), |own| own == kind);
    is_kind
        && labels.get("scraper_id") == scraper_id
        && labels.get("site") == site
        && since.is_none_or(|since| since <= alert.fired_at)
}

/// What is the matter, in a sentence: the rule's own, or else what the analyst says about the finding.
fn summary(alert: &Alert, rule: Option<&Rule>, found: Option<&Found>) -> String {
    let has_text = rule.is_some_and(has_own_text);
    let found = found.filter(|found| !has_text && !found.title.is_empty());
    found.map_or_else(|| alert.summary.clone(), |found| found.title.clone())
}

/// Whether a rule brings its own sentence.
fn has_own_text(rule: &Rule) -> bool {
    !rule.message.is_empty() || rule.annotations.contains_key("summary")
}

/// Looks up lines, the command that shows more, and the comparison with other scrapers. `found` is the finding behind the
/// alert, `logs` are the names of the logs for the command.
pub fn explain(
    alert: &Alert,
    rule: Option<&Rule>,
    found: Option<&Found>,
    traffic: &Traffic,
    logs: &[String],
    now: Timestamp,
) -> Explanation {
    let scraper = alert.id.labels.get("scraper_id").unwrap_or_default();
    let site = alert.id.labels.get("site").unwrap_or_default();
    let since = alert.began.min(alert.fired_at.plus_micros(-BEFORE));
    let until = alert.ended.unwrap_or(now);
    let own = found.map_or(&[][..], |found| &found.evidence);
    // An alert about everything has no lines of its own.
    let is_named = !scraper.is_empty() || !site.is_empty();
    let shown = rule.map_or(Some(Lines::All), |rule| lines_of(&rule.condition));
    let evidence = match shown.filter(|_| own.is_empty() && is_named) {
        Some(kind) => {
            let window = rule.and_then(Rule::window).unwrap_or_default();
            let first = alert.began.plus_micros(-(window.as_micros() as i64));
            let lines = traffic.lines((scraper, site), kind, (first, until));
            lines.into_iter().map(str::to_owned).collect()
        }
        None => own.to_vec(),
    };
    let lasted = until.since(alert.began).max(CHART_BEFORE);
    let before = alert.began.min(alert.fired_at).plus_micros(-lasted);
    let chart = is_named.then(|| traffic.chart(scraper, site, before, until));
    let is_one = !scraper.is_empty() && !site.is_empty();
    let verdict = is_one.then(|| traffic.compare(scraper, site, since, until));
    Explanation {
        summary: Some(summary(alert, rule, found)),
        runbook: found.and_then(|found| found.runbook.clone()),
        facts: found.map(|found| found.facts.clone()).unwrap_or_default(),
        evidence,
        command: Some(command(logs, rule, found, scraper, since)),
        verdict: verdict.flatten(),
        chart: chart.flatten(),
        ..Explanation::default()
    }
}

/// The lines that show what a condition is about; `None` if no line of trouble does: it is about a queue, a time, items.
fn lines_of(condition: &Condition) -> Option<Lines> {
    let Condition::Metric(metric) = condition else {
        return Some(Lines::All);
    };
    let is_about = |words: &[&str]| words.iter().any(|word| metric.selector.name.contains(word));
    if is_about(&["duration", "queue", "items", "bytes"]) {
        None
    } else if is_about(&["error"]) {
        Some(Lines::Errors)
    } else if is_about(&["request", "response", "rate_limit", "failed", "blocked"]) {
        Some(Lines::Requests)
    } else {
        None
    }
}

fn command(
    logs: &[String],
    rule: Option<&Rule>,
    found: Option<&Found>,
    scraper: &str,
    since: Timestamp,
) -> String {
    let logs = shell_words(logs);
    let condition = rule.map(|rule| &rule.condition);
    let is_overdue = matches!(condition, Some(Condition::Freshness(_)));
    if let Some(Condition::Health(..)) = condition {
        return format!("dragline health {logs}");
    }
    match found {
        // Since a run is due there is nothing to show: the runs before it tell more.
        None if is_overdue && scraper.is_empty() => format!("dragline runs {logs}"),
        None if is_overdue => {
            format!("dragline runs {logs} --scraper {}", shell_word(scraper))
        }
        Some(found) => format!(
            "dragline report {logs} --incident {}",
            shell_word(&found.id)
        ),
        None if scraper.is_empty() => format!("dragline report {logs} --since {since}"),
        None => {
            let shown = rule.map_or(Some(Lines::All), |rule| lines_of(&rule.condition));
            // Failed requests are part of the report, not of the errors.
            let command = match shown {
                Some(Lines::All | Lines::Errors) => "errors",
                Some(Lines::Requests) => "report",
                None => "runs",
            };
            let scraper = shell_word(scraper);
            format!("dragline {command} {logs} --scraper {scraper} --since {since}")
        }
    }
}

impl Scene {
    /// [`explain`] with what this scene knows.
    pub fn explain(&self, alert: &Alert, rules: &[Rule], now: Timestamp) -> Explanation {
        let rule = rules.iter().find(|rule| rule.name == alert.id.rule);
        let found = rule.and_then(|rule| self.found_of(alert, rule));
        let mut explanation = explain(alert, rule, found.as_ref(), &self.traffic, &self.logs, now);
        explanation.facts.extend(self.last_sign_of(alert, now));
        if let Some(gone) = self.gone(alert, rule, found.as_ref()) {
            explanation.summary = Some(gone);
        }
        explanation
    }

    /// That nothing came from a scraper any more when its alert ended, or while it fires: no failure is no success, and an
    /// old value is no value of now.
    fn last_sign_of(&self, alert: &Alert, now: Timestamp) -> Option<(String, String)> {
        let ended = alert.ended.unwrap_or_else(|| now.plus_micros(-QUIET));
        let scraper = alert.id.labels.get("scraper_id")?;
        let last = self.last_run_of(scraper)?;
        let seen = last.last_seen.filter(|seen| *seen < ended)?;
        let at = minute(seen);
        let text = match last.verdict {
            Some(Verdict::Finished | Verdict::Cancelled) => return None,
            Some(Verdict::Failed) => {
                let reason = last.finish_reason.as_deref();
                let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                let text = format!("the last run of {scraper} failed at {at} UTC{reason}");
                return Some(("Last run".to_owned(), text));
            }
            _ if self.behind.contains_key(scraper) => format!(
                "the last line of {scraper} is of {at} UTC, but it came since the last round: its lines come late, or its clock \
                 is wrong"
            ),
            _ => format!(
                "the last line of {scraper} is of {at} UTC, and no line says that its run ended: it may have died"
            ),
        };
        Some(("No sign of life".to_owned(), text))
    }

    /// The run of a scraper with the newest line.
    fn last_run_of(&self, scraper: &str) -> Option<&RunRow> {
        let runs = self.finished.runs.iter();
        let own = runs.filter(|run| run.key.scraper_id.as_deref() == Some(scraper));
        own.max_by_key(|run| run.last_seen)
    }

    /// What is the matter, in a sentence.
    pub fn summary(&self, alert: &Alert, rules: &[Rule]) -> String {
        let rule = rules.iter().find(|rule| rule.name == alert.id.rule);
        let found = rule.and_then(|rule| self.found_of(alert, rule));
        let gone = self.gone(alert, rule, found.as_ref());
        gone.unwrap_or_else(|| summary(alert, rule, found.as_ref()))
    }

    /// That an alert ended because the analysis finds no longer what it was about: a run that was taken for killed went on.
    fn gone(&self, alert: &Alert, rule: Option<&Rule>, found: Option<&Found>) -> Option<String> {
        let rule = rule.filter(|rule| !has_own_text(rule) && found.is_none())?;
        let Condition::Insight(selector, _) = &rule.condition else {
            return None;
        };
        let labels = &alert.id.labels;
        let kind = labels.get("finding").unwrap_or(&selector.name);
        let scraper = labels.get("scraper_id").filter(|_| !alert.is_firing())?;
        let whose = match labels.get("site") {
            Some(site) => format!("{scraper} on {site}"),
            None => scraper.to_owned(),
        };
        let now = match self.last_run_of(scraper)?.verdict {
            Some(Verdict::Running) => ": its run goes on",
            Some(Verdict::Finished) => ": its last run finished",
            _ => "",
        };
        Some(format!("{whose}: {kind} is no longer found{now}"))
    }

    /// What a check said, or the latest finding behind an alert.
    fn found_of(&self, alert: &Alert, rule: &Rule) -> Option<Found> {
        let of_check = Found::of_check(alert, rule, |check| self.checks.get(check).cloned());
        if of_check.is_some() {
            return of_check;
        }
        let own = self.findings.iter().filter(|finding| {
            let scraper = &finding.scraper;
            let names = (scraper.scraper_id.as_deref(), scraper.site.as_deref());
            is_behind(alert, rule, finding.kind.name(), names, finding.since)
        });
        let latest = own.max_by_key(|finding| (finding.is_open, finding.since));
        latest.map(Found::from)
    }
}

/// A word of a command line, in quotation marks if a shell would read it otherwise.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,%=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Several words, such as the names of logs.
pub fn shell_words(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
    words.join(" ")
}
