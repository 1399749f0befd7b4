//! `dragline report --send`: the report as a notice.

use anyhow::bail;
use dragline_alerting::channel::Outcome;
use dragline_alerting::notice::Notice;
use dragline_monitor::reports::{ReportPage, notice_of};
use dragline_report::Report;
use dragline_rollup::Finished;

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
    let (channels, _) = session.config.channels();
    let unknown = channels.find_unknown(args.send.iter().map(String::as_str));
    if !unknown.is_empty() {
        return Err(WrongUsage::new(&unknown.join("\n")).into());
    }
    let page = ReportPage {
        report,
        activity: &dragline_report::activity(finished),
        layout: &session.config.layout(),
        logs: &args.read.logs,
    };
    let notice = notice_of(page, session.now);
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
