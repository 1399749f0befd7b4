//! Commands with random options, on what is there.

mod inputs;
mod others;
mod outputs;
mod reports;
mod tables;
mod tails;

use std::time::Duration;

use anyhow::Result;

pub(crate) use tables::ask;
pub(crate) use tails::follow;

use crate::Options;
use crate::call::{Call, Limits, Permit, Signal};
use crate::dice::Dice as _;
use crate::scene::Scene;

/// What a command on ordinary logs may take.
const TIME: Duration = Duration::from_secs(10);

/// Makes a command.
type Maker = fn(&mut Scene, Limits) -> Result<Call>;

const COMMANDS: &[(u32, Maker)] = &[
    (26, reports::report),
    (7, reports::errors),
    (7, reports::runs),
    (8, reports::diff),
    (16, tables::sql),
    (7, tables::export),
    (12, tails::tail),
    (3, tails::follow),
    (6, |scene, limits| Ok(others::classify(scene, limits))),
    (6, others::rules),
    (1, |scene, limits| Ok(others::runbook(scene, limits))),
    (2, others::demo),
];

/// One command of any kind.
pub(crate) fn any(scene: &mut Scene, options: &Options) -> Result<Call> {
    let maker = scene.rng.weighted(COMMANDS);
    let call = maker(scene, limits(options))?;
    Ok(disturbed(scene, call))
}

/// What commands may take.
pub(crate) fn limits(options: &Options) -> Limits {
    Limits {
        time: TIME,
        resident: options.reading_mib,
        address_space: None,
    }
}

/// Sometimes somebody has enough of a command before it is done.
fn disturbed(scene: &mut Scene, mut call: Call) -> Call {
    if call.signal.is_some() {
        return call;
    }
    match scene.rng.u8(..16) {
        0 => {
            let signal = scene.rng.pick(&[Signal::Interrupt, Signal::Terminate]);
            let after = Duration::from_millis(scene.rng.u64(..60));
            call.signal = Some((signal, after));
        }
        1 => call.enough = Some(scene.rng.pick(&[0, 1, 10, 500])),
        2 => {
            let columns = scene.rng.pick(&[
                "0",
                "1",
                "20",
                "79",
                "300",
                "-5",
                "99999999999999999999",
                "x",
            ]);
            call.env.push(("COLUMNS", columns.into()));
        }
        3 if scene.rng.chance(0.2) => {
            let now = scene.rng.pick(&[
                "0",
                "-1",
                "1e9",
                "253402300800",
                "9223372036854775807",
                "soon",
                "",
            ]);
            call.env.push(("SOURCE_DATE_EPOCH", now.into()));
        }
        _ => {}
    }
    call
}

/// A command that reads logs: it may write into the cache.
pub(crate) fn reading(scene: &Scene, words: &[&str], limits: Limits) -> Call {
    let mut call = Call::new(scene.cwd.clone(), words, limits);
    let kept = scene.place.kept();
    if let Ok(target) = kept.canonicalize()
        && target != kept
    {
        call.permits.push(Permit::Cache(target));
    }
    call.permits.push(Permit::Cache(kept));
    call.permits
        .extend(scene.cache.clone().map(Permit::Configured));
    call
}
