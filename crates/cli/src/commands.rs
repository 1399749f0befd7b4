//! What each command does, in terms of the crates below.

mod classify;
mod demo;
mod diff;
mod read;
mod rules;
mod sql;
mod tail;

use dragline_analytics::{Report, render};

use crate::args::{ErrorsArgs, Format, ReadArgs, ReportArgs};
use crate::output;

pub(crate) use self::classify::classify;
pub(crate) use self::demo::demo;
pub(crate) use self::diff::diff;
pub(crate) use self::rules::rules;
pub(crate) use self::sql::{export, sql};
pub(crate) use self::tail::tail;

/// `dragline report`
pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<()> {
    let output = &args.read.output;
    let (report, finished) = read::report(&args.read)?;
    if output.format == Format::Html {
        let page = render::page(&report, &dragline_analytics::activity(&finished));
        output::save(output, &page)?;
    } else {
        output::write(
            output,
            || render::report(&report),
            || serde_json::to_string_pretty(&report),
        )?;
    }
    match dragline_analytics::reasons_to_fail(&report, &args.fail_on).as_slice() {
        [] => Ok(()),
        reasons => anyhow::bail!("--fail-on: {}", reasons.join("; ")),
    }
}

/// `dragline errors`
pub(crate) fn errors(args: &ErrorsArgs) -> anyhow::Result<()> {
    let (report, _) = read::report(&args.read)?;
    tell_unread(&report);
    output::write(
        &args.read.output,
        || render::errors(&report, args.limit),
        || serde_json::to_string_pretty(&report.errors),
    )
}

/// `dragline runs`
pub(crate) fn runs(args: &ReadArgs) -> anyhow::Result<()> {
    let (report, _) = read::report(args)?;
    tell_unread(&report);
    output::write(
        &args.output,
        || render::runs(&report),
        || serde_json::to_string_pretty(&report.runs),
    )
}

/// The parts of a report do not say what could not be read; the whole does.
fn tell_unread(report: &Report) {
    if let Some(sentence) = render::unread(report) {
        read::tell(&format!("{sentence}; dragline report says which"));
    }
}
