//! The same question of the same logs, which has one answer.

use anyhow::Result;

use crate::call::{Call, Says};
use crate::commands::{limits, reading};
use crate::dice::Dice as _;
use crate::scene::Scene;
use crate::trial::Trial;

/// However many threads there are, and whether or not anything was kept.
pub(super) fn twice(trial: &mut Trial<'_>) -> Result<()> {
    let scene = &mut trial.scene;
    scene.grow()?;
    still(scene);
    for _ in 0..scene.rng.usize(1..3) {
        scene.add_honest(70_000)?;
    }
    let call = question(trial);
    let more = |args: &[&str]| call.clone().with(args.iter().copied());
    let plain = trial.run(&more(&["--no-cache", "--jobs", "1"]))?;
    let others: [(&[&str], &str); 3] = [
        (&["--no-cache", "--jobs", "4"], "one thread and four"),
        (&["--jobs", "2"], "without a cache and with an empty one"),
        (&["--jobs", "3"], "without a cache and with a warm one"),
    ];
    for (args, what) in others {
        let call = more(args);
        let other = trial.run(&call)?;
        trial.compare(&call, (&plain, &other), what);
    }
    Ok(())
}

/// Takes away the link by which what the program keeps would be a log.
pub(super) fn still(scene: &mut Scene) {
    let _ = std::fs::remove_file(scene.place.logs.join("up"));
}

/// A question whose answer is compared. It is asked where no pattern finds what the program keeps.
pub(super) fn question(trial: &mut Trial<'_>) -> Call {
    let limits = limits(trial.options);
    let scene = &mut trial.scene;
    scene.cwd.clone_from(&scene.place.work);
    let words: &[&str] = scene.rng.pick(&[
        ["report", "--format", "json"].as_slice(),
        &["report", "--format", "json"],
        &["errors", "--format", "json"],
        &["runs", "--format", "json"],
        &["report", "--format", "json", "--since", "2026-03-06"],
    ]);
    let mut call = reading(scene, words, limits).with(["logs"]);
    if scene.rng.chance(0.3) {
        call = call.with([scene
            .rng
            .pick(&["logs/*", "logs/**", "**/*.log", "logs/log0.jsonl"])]);
    }
    call.says = Says::Json;
    call
}
