//! `dragline diff`: compares two runs.

use dragline_report::diff::{BASELINE, DiffError};
use dragline_report::{diff, render};
use dragline_rollup::Finished;

use super::read;
use crate::args::DiffArgs;
use crate::names::did_you_mean;
use crate::output;
use crate::session::Session;

/// `dragline diff`
pub(crate) fn diff(args: &DiffArgs) -> anyhow::Result<()> {
    let session = Session::open(&args.read.input.rules)?;
    let finished = read::finished(&session, &args.read)?;
    output::check_target(
        args.read.output.output.as_deref(),
        &args.read.input.rules,
        &finished,
    )?;
    let diff = diff::diff(&finished, &args.a, &args.b, &args.gate);
    let diff = diff.map_err(|error| explained(error, &finished))?;
    let written = output::write(&args.read.output, || render::diff(&diff), &diff);
    let failed: Vec<&str> = diff
        .gates
        .iter()
        .filter(|gate| !gate.passes)
        .map(|gate| gate.gate.as_str())
        .collect();
    let gate = (!failed.is_empty()).then(|| {
        format!(
            "{} of {} gates failed: {}",
            failed.len(),
            diff.gates.len(),
            failed.join(", ")
        )
    });
    output::judged(written, gate)
}

/// Words that stand for a run.
const WORDS: [&str; 3] = ["last", "previous", BASELINE];

/// Adds to the error about a missing run which runs exist.
fn explained(error: DiffError, finished: &Finished) -> anyhow::Error {
    let DiffError::NoRun(wanted) = &error else {
        return error.into();
    };
    let ids = || {
        let keys = finished.runs.iter().map(|run| &run.key);
        keys.filter_map(|key| key.run_id.as_deref())
    };
    let count = ids().count();
    let s = if count == 1 { "" } else { "s" };
    if WORDS.contains(&wanted.as_str()) {
        return anyhow::anyhow!(
            "there is no {wanted} run: these logs, with the filters given, contain {count} run{s} with an id; \
             `dragline runs` lists them"
        );
    }
    let meant = did_you_mean(wanted, WORDS.into_iter().chain(ids()));
    anyhow::anyhow!("no run {wanted} among {count} run{s}; `dragline runs` lists them{meant}")
}
