//! `sql` and `export`.

use std::ffi::OsString;

use anyhow::Result;

use super::inputs::{logs, reading_options};
use super::outputs::{directory, output};
use super::reading;
use crate::call::{Call, Limits, Says};
use crate::dice::Dice as _;
use crate::queries::QUERIES;
use crate::scene::Scene;

/// More than reading alone: rows are held as frames.
const SQL: u64 = 1300;

const FORMATS: &[(&str, &str, Says)] = &[
    ("table", ".txt", Says::Text),
    ("table", ".txt", Says::Text),
    ("csv", ".csv", Says::Utf8),
    ("json", ".json", Says::Utf8),
    ("parquet", ".parquet", Says::Binary),
];

pub(super) fn sql(scene: &mut Scene, limits: Limits) -> Result<Call> {
    let query = scene.rng.pick(QUERIES);
    let call = ask(scene, query, limits);
    let call = logs(scene, call);
    let mut call = reading_options(scene, call);
    let (format, ending, says) = scene.rng.pick(FORMATS);
    call = call.with(["--format", format]);
    call.says = says;
    if scene.rng.chance(0.1) {
        let limit = scene.rng.pick(&["0", "1", "18446744073709551615", "-1"]);
        call = call.with(["--limit", limit]);
    }
    output(scene, call, ending, says)
}

/// A question without anything to ask it of.
pub(crate) fn ask(scene: &Scene, query: &str, mut limits: Limits) -> Call {
    limits.resident = limits.resident.max(SQL);
    // A NUL in an argument is refused by the system before the program sees it.
    reading(scene, &["sql", &query.replace('\0', "\\0")], limits)
}

pub(super) fn export(scene: &mut Scene, mut limits: Limits) -> Result<Call> {
    limits.resident = limits.resident.max(SQL);
    let call = reading(scene, &["export"], limits);
    let call = logs(scene, call);
    let mut call = reading_options(scene, call);
    let dir = directory(scene, &mut call, "exported")?;
    let typed: OsString = scene.typed(&dir).into();
    Ok(call.with(["--output".into(), typed]))
}
