//! `classify`, `rules`, `runbook` and `demo`.

use std::ffi::OsString;

use anyhow::Result;

use super::inputs::{rule_file, rules as rule_options};
use super::outputs::{directory, output};
use super::{reading, reports};
use crate::call::{Call, Limits, Says};
use crate::dice::Dice as _;
use crate::inputs::{hostile, lines, shapes};
use crate::scene::Scene;

pub(super) fn classify(scene: &mut Scene, limits: Limits) -> Call {
    let call = Call::new(scene.cwd.clone(), &["classify"], limits);
    let mut call = rule_options(scene, call);
    call.says = Says::Utf8;
    let many = scene.rng.usize(..120);
    let mut input = lines(&mut scene.rng, many);
    if scene.rng.chance(0.4) {
        let mut pen = crate::inputs::Pen::new(scene.rng.fork());
        input = shapes::shaped(&mut pen, input);
    }
    call.stdin = Some(input);
    call
}

pub(super) fn rules(scene: &mut Scene, limits: Limits) -> Result<Call> {
    match scene.rng.u8(..4) {
        0 => explain(scene, limits),
        1 => {
            let mut call = reports::suggest(scene, limits)?;
            if scene.rng.chance(0.3) {
                call = call.with([
                    "--limit",
                    scene.rng.pick(&["0", "1", "18446744073709551615"]),
                ]);
            }
            Ok(call)
        }
        2 => {
            let file = rule_file(scene);
            let typed: OsString = scene.typed(&file).into();
            let call = Call::new(scene.cwd.clone(), &["rules", "check"], limits).with([typed]);
            if scene.rng.chance(0.7) {
                return Ok(call);
            }
            let more = scene
                .rng
                .pick(&["logs", "no.toml", "/dev/null", "--no-shipped-rules"]);
            Ok(call.with([more]))
        }
        _ => {
            let call = Call::new(scene.cwd.clone(), &["rules", "list"], limits);
            let call = rule_options(scene, call);
            output(scene, call, ".txt", Says::Text)
        }
    }
}

fn explain(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let text = scene.rng.pick(hostile::TEXTS).replace('\0', "\\0");
    let text = if scene.rng.bool() {
        format!("httpx.ConnectTimeout: {text}")
    } else {
        text
    };
    let call = Call::new(scene.cwd.clone(), &["rules", "explain"], limits);
    let mut call = rule_options(scene, call);
    if scene.rng.chance(0.3) {
        call = call.with(["--status", scene.rng.pick(&["403", "999", "0", "99999"])]);
    }
    let (format, ending, says) = scene.rng.pick(&[
        ("text", ".txt", Says::Text),
        ("markdown", ".md", Says::Text),
        ("json", ".json", Says::Json),
        ("html", ".html", Says::Page),
    ]);
    call.says = says;
    call = output(scene, call.with(["--format", format]), ending, says)?;
    Ok(call.with(["--".to_owned(), text]))
}

pub(super) fn runbook(scene: &mut Scene, limits: Limits) -> Call {
    let name = scene.rng.pick(&[
        "blocked",
        "block_wave",
        "layout-change",
        "coffee",
        "../../x",
        "\u{1b}[2J",
    ]);
    let call = Call::new(scene.cwd.clone(), &["runbook"], limits);
    if scene.rng.bool() {
        call.with([name])
    } else {
        call
    }
}

/// The demo makes a directory of its own, and leaves what is not its own alone.
pub(super) fn demo(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let mut call = reading(scene, &["demo"], limits);
    let name = scene.rng.pick(&["demo", "demo", "fresh/demo"]);
    let dir = directory(scene, &mut call, name)?;
    let typed: OsString = scene.typed(&dir).into();
    call = call.with([typed]);
    let days = scene.rng.pick(&["1", "1", "1", "2", "0", "400"]);
    let seed = scene.rng.u64(..).to_string();
    Ok(call.with(["--days", days, "--seed", &seed]))
}
