//! Logs that are written, rotated and removed while they are read.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use fastrand::Rng;

use crate::call::{Call, Says};
use crate::commands::{ask, follow, limits, reading};
use crate::inputs::{archives, lines};
use crate::place::put;
use crate::trial::Trial;

/// So long something goes on, unless the command is done before.
const BUSY: Duration = Duration::from_millis(300);

pub(super) fn act(trial: &mut Trial<'_>) -> Result<()> {
    let limits = limits(trial.options);
    let scene = &mut trial.scene;
    scene.grow()?;
    let live = scene.place.logs.join("live");
    for number in 0..3 {
        let bytes = crate::inputs::honest(&mut scene.rng, 40_000);
        put(&live.join(format!("app.log.{number}")), &bytes)?;
    }
    let logs = scene.place.logs.clone();
    let mut call = match scene.rng.u8(..6) {
        0 => ask(scene, "SELECT count(*) FROM events", limits).with([logs]),
        1 => reading(scene, &["errors"], limits).with([logs]),
        2 => Call::new(
            scene.cwd.clone(),
            &["tail", "--no-follow", "--from-start"],
            limits,
        )
        .with([logs]),
        3 => follow(scene, limits)?.with([logs]),
        4 => {
            let mut call = reading(scene, &["report", "--format", "json"], limits).with([logs]);
            call.says = Says::Json;
            call
        }
        _ => reading(scene, &["report"], limits).with([logs]),
    };
    call.volatile = Some(live.clone());
    let mut rng = scene.rng.fork();
    trial.run_beside(&call, move || stir(&mut rng, &live))?;
    Ok(())
}

/// Does to logs what writers and rotations do, in any order. What cannot be done is not done.
fn stir(rng: &mut Rng, live: &Path) {
    let started = Instant::now();
    while started.elapsed() < BUSY {
        let path = live.join(format!("app.log.{}", rng.u8(..4)));
        let other = live.join(format!("app.log.{}", rng.u8(..6)));
        let text = lines(rng, 5);
        let _ = match rng.u8(..9) {
            0..=2 => append(&path, &text),
            3 => truncate(&path, rng.u64(..50_000)),
            4 => truncate(&path, 0),
            5 => fs::rename(&path, &other),
            6 => fs::remove_file(&path),
            7 => fs::write(&path, &text),
            _ => pack(&path),
        };
        std::thread::sleep(Duration::from_micros(rng.u64(..3000)));
    }
}

fn append(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text)
}

fn truncate(path: &Path, length: u64) -> std::io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_len(length)
}

fn pack(path: &Path) -> std::io::Result<()> {
    let text = fs::read(path)?;
    let archive =
        archives::gzip(&text, flate2::Compression::fast()).map_err(std::io::Error::other)?;
    fs::write(crate::place::with_end(path, ".gz"), archive)?;
    fs::remove_file(path)
}
