//! Where results are written: new files, other people's, links, FIFOs, devices.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::call::{Call, Permit, Says};
use crate::dice::Dice as _;
use crate::place::{fifo, link, mode, put, with_end};
use crate::scene::Scene;

/// Names that no report should have, from the current directory.
const ODD: &[&str] = &[
    "no/such/dir/x.md",
    "",
    "\u{1b}[2J\u{202e}.md",
    ".",
    "/",
    "a\nb.md",
];

/// Adds an output to some commands, of a format whose files end so.
pub(crate) fn output(scene: &mut Scene, call: Call, ending: &str, says: Says) -> Result<Call> {
    if scene.rng.chance(0.55) {
        return Ok(call);
    }
    let work = scene.place.work.clone();
    let named = |name: &str| work.join(format!("{name}{ending}"));
    let mut call = call;
    let path = match scene.rng.u8(..18) {
        0..=3 => to_file(&mut call, named("report"), says),
        4 | 5 => {
            put(&named("older"), b"an older report")?;
            to_file(&mut call, named("older"), says)
        }
        6 | 7 => through_link(scene, &mut call, named("link"), says)?,
        8 => {
            fifo(&named("fifo"));
            call.read.push(named("fifo"));
            named("fifo")
        }
        9 => {
            put(&named("dir").join("thesis.txt"), b"years of work")?;
            named("dir")
        }
        10..=12 => beside_stranger(scene, &mut call, named("report"), says)?,
        13 => "/dev/null".into(),
        14 => "/dev/stdout".into(),
        15 => "/dev/full".into(),
        16 => closed(scene)?,
        _ => {
            let odd = scene.rng.pick(ODD);
            let path = scene.cwd.join(odd);
            if path.parent().is_some_and(Path::is_dir) && !path.is_dir() {
                to_file(&mut call, path, says)
            } else {
                odd.into()
            }
        }
    };
    call.is_to_device = ["/dev/null", "/dev/stdout"]
        .iter()
        .any(|device| path.as_os_str() == *device);
    let path: OsString = scene.typed(&path).into();
    let word = scene.rng.pick(&["--output", "-o"]);
    Ok(call.with([word.into(), path]))
}

fn to_file(call: &mut Call, path: PathBuf, says: Says) -> PathBuf {
    call.permits.push(Permit::Output(path.clone(), says));
    path
}

/// A link stays a link, and what it leads to is written.
fn through_link(scene: &mut Scene, call: &mut Call, path: PathBuf, says: Says) -> Result<PathBuf> {
    let target = scene.place.outside.join("linked-report");
    if scene.rng.chance(0.6) {
        put(&target, b"an older report")?;
    }
    link(&target, &path);
    call.permits.push(Permit::Output(target, says));
    Ok(path)
}

/// Where a temporary name might be somebody else's.
fn beside_stranger(
    scene: &mut Scene,
    call: &mut Call,
    path: PathBuf,
    says: Says,
) -> Result<PathBuf> {
    let precious = scene.place.outside.join("precious.txt");
    put(&precious, b"years of work")?;
    let beside = with_end(&path, ".tmp");
    let _ = fs::remove_file(&beside);
    match scene.rng.u8(..5) {
        0 | 1 => link(&precious, &beside),
        2 => put(&beside, b"not yours")?,
        3 => put(&beside.join("thesis.txt"), b"years of work")?,
        _ => fifo(&beside),
    }
    Ok(to_file(call, path, says))
}

/// A directory in which nothing may be made.
fn closed(scene: &Scene) -> Result<PathBuf> {
    let dir = scene.place.work.join("read-only");
    fs::create_dir_all(&dir)?;
    mode(&dir, 0o555)?;
    Ok(dir.join("report.md"))
}

/// A directory for what is known, new or with somebody's files in it.
pub(crate) fn history(scene: &mut Scene, call: Call) -> Result<Call> {
    if scene.rng.chance(0.85) {
        return Ok(call);
    }
    let mut call = call;
    let dir = scene.place.work.join("known");
    match scene.rng.u8(..6) {
        0 | 1 => {
            scene.plant(&dir)?;
            scene.plant(&dir.join("2026-03-04"))?;
        }
        2 => put(&dir, b"a file")?,
        3 => {
            let target = scene.place.outside.join("known");
            scene.plant(&target)?;
            link(&target, &dir);
            call.permits.push(Permit::Below(target));
        }
        _ => {}
    }
    call.permits.push(Permit::Below(dir.clone()));
    let typed: OsString = scene.typed(&dir).into();
    call = call.with(["--history".into(), typed]);
    if scene.rng.chance(0.15) {
        call = call.with(["--from-rollups"]);
    }
    Ok(call)
}

/// A directory to write many files into, which must be new or empty.
pub(crate) fn directory(scene: &mut Scene, call: &mut Call, name: &str) -> Result<PathBuf> {
    let dir = scene.place.work.join(name);
    match scene.rng.u8(..8) {
        0 => fs::create_dir_all(&dir)?,
        1 => scene.plant(&dir)?,
        2 => put(&dir, b"a file")?,
        3 => {
            let target = scene.place.outside.join(name);
            fs::create_dir_all(&target)?;
            link(&target, &dir);
            call.permits.push(Permit::Below(target));
        }
        4 => {
            let target = scene.place.outside.join(name);
            scene.plant(&target)?;
            link(&target, &dir);
            call.permits.push(Permit::Below(target));
        }
        _ => {}
    }
    call.permits.push(Permit::Below(dir.clone()));
    Ok(dir)
}
