//! Many runs, several at a time.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::process::Program;
use crate::summary::{Failure, Outcome};
use crate::trial::{Over, Trial};
use crate::{Options, dice, place, scenarios};

/// Whom root runs commands as.
const NOBODY: u32 = 65_534;
/// So many directories of runs that failed are kept.
const KEPT: u64 = 100;

/// Attacks; `progress` hears how many runs are done.
///
/// # Errors
/// When the program cannot be run, or a directory not be written.
pub fn attack(options: &Options, progress: &(dyn Fn(u64) + Sync)) -> Result<Outcome> {
    let started = Instant::now();
    let parent = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    fs::create_dir_all(&parent)?;
    let base = tempfile::Builder::new()
        .prefix("dragline-attack-")
        .tempdir_in(parent)
        .context("a directory for the runs cannot be made")?;
    place::mode(base.path(), 0o755)?;
    let program = program(options, base.path())?;
    let runs: Vec<u64> = match options.only {
        Some(run) => vec![run],
        None => (0..options.runs).collect(),
    };
    let is_late = || {
        let most = options.seconds.map(Duration::from_secs);
        most.is_some_and(|most| started.elapsed() >= most)
    };
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let outcome = Mutex::new(Ok(Outcome::default()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    if is_late() {
                        break;
                    }
                    if let Err(error) = one(options, &program, base.path(), *run, &outcome) {
                        next.store(runs.len() as u64, Ordering::Relaxed);
                        *lock(&outcome) = Err(error);
                    }
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let mut outcome = outcome
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)?;
    outcome.failures.sort_by_key(|failure| failure.run);
    outcome.took = started.elapsed();
    if outcome
        .failures
        .iter()
        .any(|failure| failure.kept.is_some())
    {
        let _ = base.keep();
    }
    Ok(outcome)
}

/// One run, from its seed to what was wrong with it.
fn one(
    options: &Options,
    program: &Program,
    base: &Path,
    run: u64,
    outcome: &Mutex<Result<Outcome>>,
) -> Result<()> {
    let seed = dice::of_run(options.seed, run);
    let (theme, scene) = scenarios::prepare(base, seed, options.theme.as_deref())?;
    let mut trial = Trial::new(options, program, scene);
    match theme.act(&mut trial) {
        Err(error) if !error.is::<Over>() => {
            let what = format!("run {run} (seed {seed}, {}) cannot be made", theme.name);
            return Err(error.context(what));
        }
        _ => {}
    }
    let Trial {
        mut scene,
        commands,
        faults,
        ..
    } = trial;
    let mut outcome = lock(outcome);
    let Ok(outcome) = outcome.as_mut() else {
        return Ok(());
    };
    let tally = outcome.themes.entry(theme.name).or_default();
    tally.runs += 1;
    tally.commands += commands;
    if faults.is_empty() {
        return Ok(());
    }
    tally.failed += 1;
    let failed: u64 = outcome.themes.values().map(|tally| tally.failed).sum();
    let kept = (failed <= KEPT).then(|| scene.place.keep());
    for (command, fault) in faults {
        outcome.failures.push(Failure {
            run,
            seed,
            theme: theme.name,
            is_named: options.theme.is_some(),
            kind: fault.kind,
            command,
            wrong: fault.wrong,
            kept: kept.clone(),
        });
    }
    Ok(())
}

/// The program as it can be run: root runs it as somebody else, who may not come to where it is.
fn program(options: &Options, base: &Path) -> Result<Program> {
    let named = || format!("{} cannot be run", options.dragline.display());
    let path = options.dragline.canonicalize().with_context(named)?;
    let is_root = base.metadata()?.uid() == 0;
    if !is_root {
        return Ok(Program { path, user: None });
    }
    let copy = base.join("dragline");
    fs::copy(&path, &copy).with_context(named)?;
    place::mode(&copy, 0o755)?;
    Ok(Program {
        path: copy,
        user: Some(NOBODY),
    })
}

/// A thread that panicked holding it has left it whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
