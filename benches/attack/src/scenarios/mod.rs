//! Kinds of runs: one command on crafted logs, or several that belong together.

mod bombs;
mod changing;
mod kept;
mod same;

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::commands;
use crate::dice::{Dice as _, seeded};
use crate::scene::Scene;
use crate::trial::Trial;

/// A kind of run: its name, and what it does.
#[derive(Clone, Copy)]
pub(crate) struct Theme {
    pub(crate) name: &'static str,
    act: fn(&mut Trial<'_>) -> Result<()>,
}

/// Out of a thousand runs.
const THEMES: [(u32, Theme); 8] = [
    (725, theme("one command", single)),
    (55, theme("the same twice", same::twice)),
    (50, theme("a damaged cache", kept::cache)),
    (45, theme("a damaged state", kept::state)),
    (45, theme("a damaged history", kept::history)),
    (10, theme("a demo twice", kept::demo)),
    (65, theme("files that change", changing::act)),
    (5, theme("a bomb", bombs::act)),
];

const fn theme(name: &'static str, act: fn(&mut Trial<'_>) -> Result<()>) -> Theme {
    Theme { name, act }
}

/// Prepares a run of this seed, of the kind that it gives or of one that is named.
///
/// # Errors
/// When there is no such kind, or no directory can be made.
pub(crate) fn prepare(base: &Path, seed: u64, named: Option<&str>) -> Result<(Theme, Scene)> {
    let theme = match named {
        None => seeded(seed, 1).weighted(&THEMES),
        Some(name) => {
            let mut all = THEMES.iter().map(|(_, theme)| *theme);
            let names = || THEMES.map(|(_, theme)| theme.name).join(", ");
            all.find(|theme| theme.name == name).with_context(|| {
                format!("there is no kind of run {name:?}; there are {}", names())
            })?
        }
    };
    Ok((theme, Scene::new(base, seeded(seed, 2))?))
}

impl Theme {
    pub(crate) fn act(self, trial: &mut Trial<'_>) -> Result<()> {
        (self.act)(trial)
    }
}

/// One command on crafted logs, among other people's files.
fn single(trial: &mut Trial<'_>) -> Result<()> {
    let scene = &mut trial.scene;
    scene.grow()?;
    if scene.rng.chance(0.5) {
        scene.add_strangers()?;
    }
    if scene.rng.chance(0.15) {
        // Large enough for the cache, which the configuration may have anywhere.
        scene.add_honest(70_000)?;
    }
    if scene.rng.chance(0.25) {
        scene.configure()?;
    }
    let call = commands::any(scene, trial.options)?;
    trial.run(&call)?;
    Ok(())
}
