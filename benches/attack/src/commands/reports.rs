//! `report`, `errors`, `runs` and `diff`.

use anyhow::Result;

use super::inputs::{logs, reading_options};
use super::outputs::{history, output};
use super::reading;
use crate::call::{Call, Limits, Says};
use crate::dice::Dice as _;
use crate::scene::Scene;

/// Formats, how their files end, and what they are.
const FORMATS: &[(&str, &str, Says)] = &[
    ("text", ".txt", Says::Text),
    ("text", ".txt", Says::Text),
    ("markdown", ".md", Says::Text),
    ("html", ".html", Says::Page),
    ("json", ".json", Says::Json),
];

pub(super) fn report(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let mut call = read(scene, &["report"], limits)?;
    if scene.rng.chance(0.1) {
        let list = scene.rng.usual(
            &["blocked,down", "new_error"],
            &["blocked,,", "coffee", "\u{1b}[2J"],
        );
        call = call.with(["--fail-on", list]);
    }
    Ok(call)
}

pub(super) fn errors(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let mut call = read(scene, &["errors"], limits)?;
    if scene.rng.chance(0.2) {
        let limit = scene
            .rng
            .usual(&["0", "1", "100000"], &["18446744073709551615", "-1"]);
        call = call.with(["--limit", limit]);
    }
    Ok(call)
}

pub(super) fn runs(scene: &mut Scene, limits: Limits) -> Result<Call> {
    read(scene, &["runs"], limits)
}

pub(super) fn diff(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let a = scene.rng.usual(
        &["previous", "baseline"],
        &["run-1", "last", "", "\u{1b}[2J"],
    );
    let b = scene
        .rng
        .usual(&["last"], &["run-2", "r", "baseline", "previous"]);
    let mut call = read(scene, &["diff", a, b], limits)?;
    if scene.rng.chance(0.4) {
        let gate = scene.rng.usual(
            &[
                "items>-10%",
                "errors<=0",
                "errors.site_change<=0",
                "requests>1e308%",
            ],
            &[
                "success_rate>=nan",
                "items>",
                "coffee>1",
                "-1",
                "\u{1b}[2J>1",
            ],
        );
        call = call.with(["--gate", gate]);
    }
    Ok(call)
}

/// Proposals of rules read logs, too.
pub(super) fn suggest(scene: &mut Scene, limits: Limits) -> Result<Call> {
    read(scene, &["rules", "suggest"], limits)
}

fn read(scene: &mut Scene, words: &[&str], limits: Limits) -> Result<Call> {
    let call = reading(scene, words, limits);
    let call = logs(scene, call);
    let mut call = reading_options(scene, call);
    let (format, ending, says) = scene.rng.pick(FORMATS);
    call = call.with(["--format", format]);
    call.says = says;
    call = history(scene, call)?;
    output(scene, call, ending, says)
}
