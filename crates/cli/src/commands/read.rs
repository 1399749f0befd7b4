//! From arguments to a report.

use std::io::IsTerminal as _;

use anyhow::bail;
use dragline_analytics::{Report, ReportOptions};
use dragline_classifier::RuleSet;
use dragline_rollup::Finished;
use dragline_scan::{Progress, ReadOptions, ScanOptions};
use dragline_schema::ProblemKind;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::ReadArgs;
use crate::times;

/// Reads what was named and reports on it.
///
/// Nothing that could be read is an error, one that names the first reasons.
pub(crate) fn report(args: &ReadArgs) -> anyhow::Result<Report> {
    let now = times::now()?;
    let filter = args.filter.resolve(now)?;
    let rules = match args.rules.as_slice() {
        [] => RuleSet::shipped(),
        files => RuleSet::from_files(files)?,
    };
    let options = ReportOptions {
        generated_at: now,
        since: filter.since,
        until: filter.until,
    };
    let mut scan = ScanOptions {
        read: ReadOptions {
            zone: args.filter.tz.clone(),
            ..ReadOptions::default()
        },
        filter,
        ..ScanOptions::default()
    };
    if let Some(jobs) = args.jobs {
        scan.jobs = usize::from(jobs);
    }
    let bar = progress_bar();
    let rollup = dragline_scan::scan(&args.logs, &rules, &scan, &|progress: Progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    })?;
    bar.finish_and_clear();
    let finished = rollup.finish(now);
    nothing_read(&finished)?;
    Ok(dragline_analytics::report(&finished, &rules, &options)?)
}

/// Files that hold nothing are read; files that could not be are not.
fn nothing_read(finished: &Finished) -> anyhow::Result<()> {
    if finished.files.values().any(|file| file.lines > 0) {
        return Ok(());
    }
    let reasons: Vec<String> = finished
        .problems
        .iter()
        .filter(|((_, kind), _)| *kind != ProblemKind::EmptyFile)
        .take(3)
        .map(|((path, _), problem)| format!("{path}: {}", problem.detail))
        .collect();
    match reasons.as_slice() {
        [] => bail!("nothing could be read: there is no line in what was named"),
        reasons => bail!("nothing could be read: {}", reasons.join("; ")),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
