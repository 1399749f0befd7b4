//! A report as a notice.

use dragline_alerting::Labels;
use dragline_alerting::notice::{Attachment, Notice, ReportEntry, minute};
use dragline_report::model::Insight;
use dragline_report::render::Layout;
use dragline_report::{Activity, Report, render};
use dragline_schema::{Severity, Timestamp};
use dragline_watch::{facts, shell_word, shell_words};

/// What ended this long ago, in microseconds, is still told: a day.
const LATELY: i64 = 86_400_000_000;

/// A report with what its page shows.
#[derive(Clone, Copy, Debug)]
pub struct ReportPage<'p> {
    /// The report.
    pub report: &'p Report,
    /// Values over time.
    pub activity: &'p Activity,
    /// The layout of the page, which may have a title.
    pub layout: &'p Layout,
    /// The logs as named, for commands that show more.
    pub logs: &'p [String],
}

/// The notice that `dragline report --send` and the service send: the headline, the open incidents, those that ended within
/// the last day, and the whole page for channels that take files. What log lines put into the report is redacted.
pub fn notice_of(page: ReportPage<'_>, now: Timestamp) -> Notice {
    let ReportPage {
        report,
        activity,
        layout,
        logs,
    } = page;
    let mut report = report.clone();
    super::redact_report(&mut report);
    let report = &report;
    let attachment = Attachment {
        name: "report.html".to_owned(),
        media_type: "text/html; charset=utf-8".to_owned(),
        content: render::page(report, activity, layout).into_bytes(),
    };
    let entries = entries(&report.insights, logs, now);
    let title = layout.title.clone();
    let title = title.unwrap_or_else(|| render::headline(report));
    Notice::report(&title, entries, now, vec![attachment])
}

/// What is open, and what ended lately, which alarms nobody.
fn entries(insights: &[Insight], logs: &[String], now: Timestamp) -> Vec<ReportEntry> {
    let told = insights.iter().filter_map(|insight| {
        let entry = entry(insight, logs);
        if insight.is_open {
            return Some(entry);
        }
        let until = ended_lately(insight, now)?;
        Some(ReportEntry {
            severity: Severity::Low,
            title: format!("Over since {} UTC: {}", minute(until), entry.title),
            ..entry
        })
    });
    told.collect()
}

/// When an insight ended, if that is less than a day ago and it was more than a trifle.
fn ended_lately(insight: &Insight, now: Timestamp) -> Option<Timestamp> {
    let until = Timestamp::parse(insight.until.as_deref()?).ok()?;
    let is_lately = now.since(until) < LATELY && insight.severity != Severity::Low.as_str();
    is_lately.then_some(until)
}

fn entry(insight: &Insight, logs: &[String]) -> ReportEntry {
    let (logs, id) = (shell_words(logs), shell_word(&insight.id));
    let since = insight.since.as_deref();
    ReportEntry {
        kind: insight.kind.clone(),
        labels: Labels::of_scraper(insight.scraper_id.as_deref(), insight.site.as_deref()),
        severity: insight.severity.parse().unwrap_or(Severity::Medium),
        title: insight.title.clone(),
        since: since.and_then(|since| Timestamp::parse(since).ok()),
        facts: facts(&insight.detail, &insight.recommendation),
        evidence: insight.evidence.iter().map(ToString::to_string).collect(),
        command: Some(format!("dragline report {logs} --incident {id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_within_a_day_is_told_and_does_not_alarm() {
        let insight = |title: &str, severity: &str, until: Option<&str>| Insight {
            title: title.to_owned(),
            severity: severity.to_owned(),
            since: Some("2026-03-01T00:00:00Z".to_owned()),
            until: until.map(str::to_owned),
            is_open: until.is_none(),
            ..Insight::default()
        };
        let insights = [
            insight("blocked", "medium", None),
            insight("slow", "critical", Some("2026-03-03T06:00:00Z")),
            insight("late", "low", Some("2026-03-03T06:00:00Z")),
            insight("old", "high", Some("2026-03-02T06:00:00Z")),
        ];
        let now = Timestamp::parse("2026-03-03T12:00:00Z").unwrap();
        let entries = entries(&insights, &[], now);
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (&*entry.title, entry.severity))
            .collect();
        let over = "Over since 2026-03-03 06:00 UTC: slow";
        assert_eq!(told, [("blocked", Severity::Medium), (over, Severity::Low)]);
    }
}
