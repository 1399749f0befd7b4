//! Reports on simulated fleets, of which only `dragline-fleets` knows what was planted.

use std::path::PathBuf;

use dragline_fleets::{Options, evaluate};

/// The same as `just evaluate`, with few fleets; `DRAGLINE_FLEETS` names another number.
#[test]
fn planted_incidents_are_found_and_quiet_fleets_are_quiet() {
    let fleets = std::env::var("DRAGLINE_FLEETS").ok();
    let options = Options {
        dragline: PathBuf::from(env!("CARGO_BIN_EXE_dragline")),
        fleets: fleets.map_or(3, |number| number.parse().unwrap()),
        first_seed: 2001,
        jobs: 2,
        keep: None,
        strength: 1.0,
    };
    let found = evaluate(&options, &|_| {}).unwrap();
    assert!(found.passes(), "{found}\n{}", found.faults().join("\n"));
}
