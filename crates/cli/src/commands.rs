//! What each command does, in terms of the crates below.

mod classify;
mod demo;
mod read;
mod rules;
mod sql;
mod tail;

use dragline_analytics::{Report, render};

use crate::args::{ErrorsArgs, ReadArgs};
use crate::output;

pub(crate) use self::classify::classify;
pub(crate) use self::demo::demo;
pub(crate) use self::rules::rules;
pub(crate) use self::sql::{export, sql};
pub(crate) use self::tail::tail;

/// `dragline report`
pub(crate) fn report(args: &ReadArgs) -> anyhow::Result<()> {
    let report = read::report(args)?;
    output::write(
        &args.output,
        || render::report(&report),
        || serde_json::to_string_pretty(&report),
    )
}

/// `dragline errors`
pub(crate) fn errors(args: &ErrorsArgs) -> anyhow::Result<()> {
    let report = read::report(&args.read)?;
    tell_unread(&report);
    output::write(
        &args.read.output,
        || render::errors(&report, args.limit),
        || serde_json::to_string_pretty(&report.errors),
    )
}

/// `dragline runs`
pub(crate) fn runs(args: &ReadArgs) -> anyhow::Result<()> {
    let report = read::report(args)?;
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
