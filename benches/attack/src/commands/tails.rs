//! `tail`, to the end of what is there and beyond.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Result;

use super::inputs::{filters, logs};
use crate::call::{Call, Limits, Permit, Says, Signal};
use crate::dice::Dice as _;
use crate::place::{link, put, with_end};
use crate::scene::Scene;

pub(super) fn tail(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let call = common(scene, limits)?;
    Ok(call.with(["--no-follow"]))
}

/// Goes on until it is stopped.
pub(crate) fn follow(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let mut call = common(scene, limits)?;
    let signal = scene.rng.pick(&[Signal::Interrupt, Signal::Terminate]);
    let after = Duration::from_millis(scene.rng.u64(30..700));
    call.signal = Some((signal, after));
    Ok(call)
}

fn common(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let call = Call::new(scene.cwd.clone(), &["tail"], limits);
    let call = logs(scene, call);
    let mut call = filters(scene, call);
    call.stdin = None;
    let (format, says) = scene.rng.pick(&[
        ("text", Says::Text),
        ("text", Says::Text),
        ("json", Says::Utf8),
    ]);
    call.says = says;
    call = call.with(["--format", format]);
    if scene.rng.chance(0.5) {
        call = call.with(["--from-start"]);
    }
    if scene.rng.chance(0.3) {
        let lines = scene
            .rng
            .usual(&["0", "1", "1000"], &["18446744073709551615", "-1", "x"]);
        call = call.with(["-n", lines]);
    }
    if scene.rng.chance(0.2) {
        let pattern = scene.rng.usual(
            &["", ".", "shop|news", "(?i)ERROR", "^$"],
            &["(", "(a{1000}){1000}", "\\x1b", "[\u{1b}]"],
        );
        call = call.with(["--grep", pattern]);
    }
    if scene.rng.chance(0.4) {
        call = state(scene, call)?;
    }
    Ok(call)
}

/// A file that says how far everything was shown.
fn state(scene: &mut Scene, mut call: Call) -> Result<Call> {
    let path = scene.place.work.join("tail.state");
    match scene.rng.u8(..10) {
        0 => put(&path, b"{\"version\":1,\"families\":[]}")?,
        1 => put(&path, b"a file of somebody's")?,
        2 => put(&path.join("thesis.txt"), b"years of work")?,
        3 => {
            let precious = scene.place.outside.join("precious.txt");
            put(&precious, b"years of work")?;
            link(&precious, &with_end(&path, ".tmp"));
        }
        4 => {
            let target = scene.place.outside.join("state");
            link(&target, &path);
            call.permits.push(Permit::Output(target, Says::Utf8));
        }
        _ => {}
    }
    call.permits.push(Permit::Output(path.clone(), Says::Utf8));
    let typed: OsString = scene.typed(&path).into();
    Ok(call.with(["--state".into(), typed]))
}
