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

/// The notice that `dragline report --send` and the service send: the headline, the open incidents and those of the last day, and the whole page
/// for channels that take files. What log lines put into the report is redacted.
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
    let mut entries = Vec::new();
    for insight in &report.insights {
        if insight.is_open {
            entries.push(entry(insight, logs));
        } else if let Some(until) = ended_lately(insight, now) {
            let entry = entry(insight, logs);
            entries.push(ReportEntry {
                severity: Severity::Low,
                title: format!("Over since {} UTC: {}", minute(until), entry.title),
                ..entry
            });
        }
    }
    let title = layout.title.clone();
    let title = title.unwrap_or_else(|| render::headline(report));
    Notice::report(&title, entries, now, vec![attachment])
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
