//! What is kept from one command to the next, and is damaged between them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::same::{question, still};
use crate::call::{Call, Permit, Says};
use crate::commands::{limits, reading};
use crate::dice::Dice as _;
use crate::inputs::{Pen, hostile, shapes};
use crate::place::{age, link, put};
use crate::snapshot::Snapshot;
use crate::trial::Trial;

/// A cache whose entries are not what they were: nothing else may come of it.
pub(super) fn cache(trial: &mut Trial<'_>) -> Result<()> {
    for _ in 0..trial.scene.rng.usize(1..4) {
        trial.scene.add_honest(70_000)?;
    }
    if trial.scene.rng.chance(0.3) {
        trial.scene.grow()?;
        still(&mut trial.scene);
    }
    let call = question(trial);
    trial.run(&call)?;
    damage(trial, &trial.scene.place.kept())?;
    let damaged = trial.run(&call)?;
    let plain = call.clone().with(["--no-cache"]);
    let plain = trial.run(&plain)?;
    trial.compare(
        &call,
        (&plain, &damaged),
        "without a cache and with a damaged one",
    );
    // What was damaged is made anew, or left alone.
    let mended = trial.run(&call)?;
    trial.compare(
        &call,
        (&plain, &mended),
        "without a cache and with a mended one",
    );
    Ok(())
}

/// Where a `tail` was, as somebody else would have it.
pub(super) fn state(trial: &mut Trial<'_>) -> Result<()> {
    trial.scene.grow()?;
    let log = trial.scene.add_honest(3_000)?;
    let limits = limits(trial.options);
    let scene = &mut trial.scene;
    let (state, logs) = (
        scene.place.work.join("tail.state"),
        scene.place.logs.clone(),
    );
    let mut call = Call::new(
        scene.cwd.clone(),
        &["tail", "--no-follow", "--state"],
        limits,
    );
    call.permits.push(Permit::Output(state.clone(), Says::Utf8));
    let call = call.with([scene.typed(&state), logs]);
    trial.run(&call)?;
    for _ in 0..trial.scene.rng.usize(1..3) {
        if let Ok(text) = fs::read_to_string(&state) {
            let mutated = mutated(trial, &text);
            put(&state, &mutated)?;
        }
        if trial.scene.rng.bool() {
            let more = crate::inputs::lines(&mut trial.scene.rng, 9);
            let bytes = [fs::read(&log)?, more].concat();
            put(&log, &bytes)?;
        }
        trial.run(&call)?;
    }
    Ok(())
}

/// JSON with other numbers, other types, or a part of it missing.
fn mutated(trial: &mut Trial<'_>, text: &str) -> Vec<u8> {
    let rng = &mut trial.scene.rng;
    let mut pen = Pen::new(rng.fork());
    if rng.chance(0.2) {
        return shapes::damaged(&mut pen, text.as_bytes().to_vec());
    }
    if rng.chance(0.15) {
        return shapes::cut(&mut pen, text.as_bytes().to_vec());
    }
    let mut parts: Vec<String> = text
        .split_inclusive([':', ',', '['])
        .map(str::to_owned)
        .collect();
    for _ in 0..rng.usize(1..6) {
        let place = rng.usize(..parts.len());
        let part = &mut parts[place];
        let length = part.trim_end_matches([':', ',', '[', '}', ']']).len();
        if length > 0 {
            let value = rng.pick(hostile::NUMBERS);
            part.replace_range(..length, value);
        }
    }
    parts.concat().into_bytes()
}

/// A history whose entries are not what they were.
pub(super) fn history(trial: &mut Trial<'_>) -> Result<()> {
    trial.scene.grow()?;
    trial.scene.add_honest(20_000)?;
    let limits = limits(trial.options);
    let scene = &mut trial.scene;
    let (known, logs) = (scene.place.work.join("known"), scene.place.logs.clone());
    let mut call = reading(scene, &["report", "--format", "json", "--history"], limits);
    call.permits.push(Permit::Below(known.clone()));
    call.says = Says::Json;
    let call = call.with([scene.typed(&known)]);
    let with_logs = call.clone().with([logs]);
    trial.run(&with_logs)?;
    damage(trial, &known)?;
    let call = if trial.scene.rng.bool() {
        call.with(["--from-rollups"])
    } else {
        with_logs
    };
    trial.run(&call)?;
    trial.run(&call)?;
    Ok(())
}

/// A demo's directory, into which somebody put something.
pub(super) fn demo(trial: &mut Trial<'_>) -> Result<()> {
    let limits = limits(trial.options);
    let scene = &mut trial.scene;
    let dir = scene.place.work.join("demo");
    let mut call = reading(scene, &["demo", "--days", "1", "--seed", "7"], limits);
    call.permits.push(Permit::Below(dir.clone()));
    let call = call.with([scene.typed(&dir)]);
    trial.run(&call)?;
    let scene = &mut trial.scene;
    for place in [dir.clone(), dir.join("logs")] {
        if scene.rng.chance(0.7) {
            put(&place.join("thesis.txt"), b"years of work")?;
            let name = scene
                .rng
                .pick(&["shop.log", "notes/a.md", ".hidden", "report.html.tmp"]);
            put(&place.join(name), b"of somebody's")?;
        }
    }
    if scene.rng.chance(0.3) {
        let precious = scene.place.outside.join("precious.txt");
        put(&precious, b"years of work")?;
        link(&precious, &dir.join("report.md.tmp"));
    }
    trial.run(&call)?;
    Ok(())
}

/// Damages some of the files below a directory, each in its own way.
fn damage(trial: &mut Trial<'_>, dir: &Path) -> Result<()> {
    let snapshot = Snapshot::take(trial.scene.place.root())?;
    let files: Vec<PathBuf> = snapshot
        .below(dir)
        .filter(|path| path.is_file())
        .cloned()
        .collect();
    for path in &files {
        if trial.scene.rng.chance(0.8) {
            spoil(trial, path, &files)?;
        }
    }
    Ok(())
}

fn spoil(trial: &mut Trial<'_>, path: &Path, all: &[PathBuf]) -> Result<()> {
    let rng = &mut trial.scene.rng;
    let mut pen = Pen::new(rng.fork());
    let bytes = fs::read(path).unwrap_or_default();
    match rng.u8(..12) {
        0..=2 => put(path, &shapes::damaged(&mut pen, bytes))?,
        3 => put(path, &shapes::cut(&mut pen, bytes))?,
        4 => put(path, b"")?,
        5 => {
            let other = fs::read(&all[rng.usize(..all.len())]).unwrap_or_default();
            put(path, &other)?;
        }
        6 => {
            let precious = trial.scene.place.outside.join("precious.txt");
            put(&precious, &bytes)?;
            fs::remove_file(path)?;
            link(&precious, path);
        }
        7 => {
            fs::remove_file(path)?;
            put(&path.join("thesis.txt"), b"years of work")?;
        }
        8 => put(path, &endless(rng, bytes))?,
        9 => {
            let length = rng.usize(1..4000);
            put(path, &rng.junk(length))?;
        }
        10 => age(path, 4_102_444_800)?,
        _ => crate::place::mode(path, 0o000)?,
    }
    Ok(())
}

/// Lengths that nobody has memory for: eight bytes of ones at places where a number may stand.
fn endless(rng: &mut fastrand::Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    let most = bytes.len().saturating_sub(8).min(200);
    for _ in 0..rng.usize(1..4) {
        let place = rng.usize(0..=most) / 8 * 8;
        let until = bytes.len().min(place + 8);
        bytes[place.min(until)..until].fill(0xff);
    }
    bytes
}
