//! A report as a notice.

use dragline_alerting::Labels;
use dragline_alerting::notice::{Attachment, Notice, ReportEntry};
use dragline_report::model::Insight;
use dragline_report::render::Layout;
use dragline_report::{Activity, Report, render};
use dragline_schema::{Severity, Timestamp};
use dragline_watch::{facts, shell_word, shell_words};

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

/// The notice that `dragline report --send` and the service send: the headline, the open incidents, and the whole page
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
    let open = report.insights.iter().filter(|insight| insight.is_open);
    let entries = open.map(|insight| entry(insight, logs)).collect();
    let title = layout.title.clone();
    let title = title.unwrap_or_else(|| render::headline(report));
    Notice::report(&title, entries, now, vec![attachment])
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
