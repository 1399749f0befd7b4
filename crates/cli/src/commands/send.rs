//! `dragline report --send`: the report as a notice.

use anyhow::bail;
use dragline_alerting::Labels;
use dragline_alerting::channel::Outcome;
use dragline_alerting::notice::{Attachment, Notice, ReportEntry};
use dragline_report::model::Insight;
use dragline_report::{Report, render};
use dragline_rollup::Finished;
use dragline_schema::{Severity, Timestamp};
use dragline_watch::{facts, shell_word, shell_words};

use crate::args::{ReportArgs, WrongUsage};
use crate::output;
use crate::session::Session;

/// Sends the report to the channels that the arguments name: its headline and the open incidents, and the whole page to
/// channels that take files.
pub(super) fn send(
    session: &Session,
    report: &Report,
    finished: &Finished,
    args: &ReportArgs,
) -> anyhow::Result<()> {
    if args.send.is_empty() {
        return Ok(());
    }
    let channels = session.config.channels()?;
    let unknown = channels.find_unknown(args.send.iter().map(String::as_str));
    if !unknown.is_empty() {
        return Err(WrongUsage::new(&unknown.join("\n")).into());
    }
    let layout = session.config.layout();
    let page = render::page(report, &dragline_report::activity(finished), &layout);
    let page = Attachment {
        name: "report.html".to_owned(),
        media_type: "text/html; charset=utf-8".to_owned(),
        content: page.into_bytes(),
    };
    let open = report.insights.iter().filter(|insight| insight.is_open);
    let entries = open
        .map(|insight| entry(insight, &args.read.logs))
        .collect();
    let title = layout
        .title
        .clone()
        .unwrap_or_else(|| render::headline(report));
    let notice = Notice::report(&title, entries, session.now, vec![page]);
    let addressed: Vec<(&str, &Notice)> = args
        .send
        .iter()
        .map(|channel| (channel.as_str(), &notice))
        .collect();
    let outcomes = channels.deliver(&addressed, session.now);
    let mut failures = Vec::new();
    for (channel, outcome) in args.send.iter().zip(outcomes) {
        match outcome {
            Outcome::Delivered => output::tell(&format!("sent to {channel}")),
            Outcome::Retry { error, .. } | Outcome::Refused { error } => {
                failures.push(format!("not sent to {channel}: {error}"));
            }
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{}", failures.join("; "))
}

fn entry(insight: &Insight, logs: &[String]) -> ReportEntry {
    let (logs, id) = (shell_words(logs), shell_word(&insight.id));
    ReportEntry {
        kind: insight.kind.clone(),
        labels: Labels::of_scraper(insight.scraper_id.as_deref(), insight.site.as_deref()),
        severity: insight.severity.parse().unwrap_or(Severity::Medium),
        title: insight.title.clone(),
        since: insight
            .since
            .as_deref()
            .and_then(|since| Timestamp::parse(since).ok()),
        facts: facts(&insight.detail, &insight.recommendation),
        evidence: insight.evidence.iter().map(ToString::to_string).collect(),
        command: Some(format!("dragline report {logs} --incident {id}")),
    }
}
