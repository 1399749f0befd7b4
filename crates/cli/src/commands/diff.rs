//! `dragline diff`: compares two runs.

use dragline_report::{diff, render};

use super::read;
use crate::args::DiffArgs;
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
    let diff = diff::diff(&finished, &args.a, &args.b, &args.gate)?;
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
