//! Implementation of the commands, by calls to the library crates.

mod alerts;
mod archive;
mod capsules;
mod classify;
mod config;
mod demo;
mod diff;
mod doctor;
mod explain;
mod health;
mod map;
mod panels;
mod read;
mod rules;
mod send;
mod serve;
mod service_log;
mod ship;
mod show;
mod sql;
mod state;
mod tail;
mod token;

use dragline_report::{RUNBOOKS, Report, render, runbook_title};
use dragline_rollup::Finished;

use crate::args::{ErrorsArgs, Format, ReadArgs, ReportArgs, WrongUsage};
use crate::output;
use crate::session::Session;

pub(crate) use self::alerts::alerts;
pub(crate) use self::archive::archive;
pub(crate) use self::classify::classify;
pub(crate) use self::config::config;
pub(crate) use self::demo::demo;
pub(crate) use self::diff::diff;
pub(crate) use self::doctor::doctor;
pub(crate) use self::explain::explain;
pub(crate) use self::health::health;
pub(crate) use self::map::map;
pub(crate) use self::rules::rules;
pub(crate) use self::serve::serve;
pub(crate) use self::ship::ship;
pub(crate) use self::show::show;
pub(crate) use self::sql::{export, sql};
pub(crate) use self::state::{backup, restore};
pub(crate) use self::tail::tail;
pub(crate) use self::token::token;

/// `dragline report`
pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<()> {
    let output = &args.read.output;
    let session = Session::open(&args.read.input.rules)?;
    let layout = session.config.layout();
    let (mut report, finished) = match &args.capsules {
        Some(dir) => capsules::report(&session, args, dir)?,
        None => read::report(&session, &args.read)?,
    };
    output::check_target(output.output.as_deref(), &args.read.input.rules, &finished)?;
    report.panels = panels::panels(&session, &args.read)?;
    if let Some(wanted) = &args.incident {
        let insight = show::incident(&report, wanted)?;
        return output::write(output, || show::of_incident(&report, insight), insight);
    }
    let written = if output.format() == Format::Html {
        let page = render::page(&report, &dragline_report::activity(&finished), &layout);
        output::save(output.output.as_deref(), &page)
    } else {
        output::write(output, || render::report(&report, &layout), &report)
    };
    send::send(&session, &report, &finished, args)?;
    let reasons = dragline_report::reasons_to_fail(&report, &args.fail_on);
    let gate = (!reasons.is_empty()).then(|| format!("--fail-on: {}", reasons.join("; ")));
    output::judged(written, gate)
}

/// `dragline errors`
pub(crate) fn errors(args: &ErrorsArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.read.input.rules)?;
    let (report, finished) = read::report(&session, &args.read)?;
    output::check_target(
        args.read.output.output.as_deref(),
        &args.read.input.rules,
        &finished,
    )?;
    tell_unread(&report, &finished);
    if let Some(wanted) = &args.group {
        let group = show::group(&report, wanted)?;
        return output::write(&args.read.output, || show::of_group(group), group);
    }
    output::write(
        &args.read.output,
        || render::errors(&report, args.limit),
        &report.errors,
    )
}

/// `dragline runs`
pub(crate) fn runs(args: &ReadArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.input.rules)?;
    let (report, finished) = read::report(&session, args)?;
    output::check_target(args.output.output.as_deref(), &args.input.rules, &finished)?;
    tell_unread(&report, &finished);
    output::write(&args.output, || render::runs(&report), &report.runs)
}

/// `dragline runbook`
pub(crate) fn runbook(name: Option<&str>) -> anyhow::Result<()> {
    let Some(name) = name else {
        let lines = RUNBOOKS
            .iter()
            .map(|(name, text)| format!("{name:<16}{}\n", runbook_title(text)));
        return output::show(&lines.collect::<String>());
    };
    if let Some(text) = dragline_report::runbook(name) {
        return output::show(text);
    }
    let names: Vec<&str> = RUNBOOKS.iter().map(|(name, _)| *name).collect();
    let sentence = format!("unknown runbook {name:?}; use one of: {}", names.join(", "));
    Err(WrongUsage::new(&sentence).into())
}

/// Prints what could not be read or distinguished, which only the full report shows.
fn tell_unread(report: &Report, finished: &Finished) {
    if let Some(sentence) = render::unread(&report.trust) {
        output::tell(&format!("{sentence}; `dragline report` lists them"));
    }
    if let Some(sentence) = dragline_report::folded(finished) {
        output::tell(&sentence);
    }
}
