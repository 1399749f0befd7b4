//! Small archives of hundreds of MiB, with little memory.

use std::time::Duration;

use anyhow::Result;

use crate::call::{Call, Limits, Says};
use crate::commands::{ask, limits, reading};
use crate::trial::Trial;

/// What they may take.
const TIME: Duration = Duration::from_secs(30);

pub(super) fn act(trial: &mut Trial<'_>) -> Result<()> {
    let scene = &mut trial.scene;
    let bomb = scene.add_bomb()?;
    let options = trial.options;
    let limits = Limits {
        time: TIME,
        address_space: Some(options.address_space_mib),
        ..limits(options)
    };
    let scene = &mut trial.scene;
    let call = match scene.rng.u8(..6) {
        0 => ask(scene, "SELECT count(*), max(message) FROM events", limits),
        1 => ask(
            scene,
            "SELECT message, count(*) AS n FROM events GROUP BY message ORDER BY n",
            limits,
        ),
        2 => Call::new(
            scene.cwd.clone(),
            &["tail", "--no-follow", "--from-start", "-n", "5"],
            limits,
        ),
        3 => reading(scene, &["errors"], limits),
        4 => {
            let mut call = reading(scene, &["report", "--format", "json"], limits);
            call.says = Says::Json;
            call
        }
        _ => reading(scene, &["report"], limits),
    };
    let typed = scene.typed(&bomb);
    trial.run(&call.with([typed]))?;
    Ok(())
}
