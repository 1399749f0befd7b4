//! Simulated fleets with planted incidents, and a score for reports on them.
//!
//! A fleet is two to six scrapers over two to four weeks, with all that makes real logs restless:
//! weekends, holidays, noise, growth, a few errors every day, scrapers that come and go. Into some
//! fleets incidents are planted; into the quiet ones none. The logs are in the wire format, written
//! by this crate itself, or in the dialect of another program ([`Dialect`]), and the truth beside
//! them says what was planted, where, since when and how strongly.
//!
//! This crate knows nothing of how logs are read or judged: what is found in them, and what is
//! claimed that is not there, is a fair measure of whoever reads them.

mod dialect;
mod dice;
mod evaluate;
mod fleet;
mod incident;
mod page;
mod plan;
mod plant;
mod run;
mod score;
mod scraper;
mod truth;
mod words;
mod writer;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use dialect::Dialect;
pub use evaluate::{Evaluation, Options, Outcome, Rates, evaluate, evaluate_in};
pub use incident::Kind;
pub use score::{Claim, Finding, Score, score};
pub use truth::{Incident, ScraperTruth, Truth};

/// Writes the logs of one fleet to `logs` and says what is true of them. Incidents have this part of their strength.
///
/// # Errors
/// When a file cannot be written.
pub fn make(logs: &Path, seed: u64, quiet: bool, part: f64) -> Result<Truth> {
    fs::create_dir_all(logs).with_context(|| format!("{} cannot be made", logs.display()))?;
    let fleet = plan::plan(seed, quiet, part);
    let mut truth = Truth::new(seed);
    for (number, scraper) in fleet.scrapers.iter().enumerate() {
        let planted = fleet
            .planted
            .iter()
            .find(|planted| planted.scraper == number);
        let life = scraper::live(scraper, planted, logs)?;
        truth.scrapers.push(life.truth);
        truth.incidents.extend(life.incident);
        truth.lines += life.lines;
    }
    Ok(truth)
}

/// Writes the logs of one fleet to `logs` as a dialect has them, and says what is true of them.
///
/// The truth tells of all incidents, also of those that the dialect cannot show. Where it does not
/// say how long requests took, a slow-down is as strong as it lengthened the time between them.
///
/// # Errors
/// When a file cannot be written.
pub fn make_in(
    logs: &Path,
    (seed, quiet, part): (u64, bool, f64),
    dialect: Dialect,
) -> Result<Truth> {
    if dialect == Dialect::Native {
        return make(logs, seed, quiet, part);
    }
    let native = tempfile::tempdir().context("a temporary directory cannot be made")?;
    let mut truth = make(native.path(), seed, quiet, part)?;
    let voices = seed.wrapping_mul(2) ^ u64::from(quiet);
    dialect::rewrite(native.path(), logs, dialect, voices)?;
    if !dialect.times_requests() {
        for incident in &mut truth.incidents {
            if incident.kind == Kind::SlowDown {
                let shown = dialect::slowed(native.path(), incident)?;
                incident.strength = incident.strength.min(shown);
            }
        }
    }
    Ok(truth)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    /// The texts of a fleet's plain files, by name.
    fn texts(seed: u64, quiet: bool) -> (Truth, BTreeMap<String, Vec<u8>>) {
        let dir = tempfile::tempdir().unwrap();
        let truth = make(dir.path(), seed, quiet, 1.0).unwrap();
        let files = fs::read_dir(dir.path()).unwrap().map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        });
        (truth, files.collect())
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert!(texts(10, false) == texts(10, false));
    }

    #[test]
    fn a_quiet_fleet_has_no_incident_and_numbers_without_gaps() {
        let (truth, files) = texts(6, true);
        assert!(truth.incidents.is_empty());
        let mut next = BTreeMap::new();
        for text in files.values() {
            for line in text
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let line: Value = serde_json::from_slice(line).unwrap();
                let run = format!("{} {} {}", line["site"], line["run_id"], line["writer_id"]);
                let seq: &mut u64 = next.entry(run).or_default();
                assert_eq!(line["seq"], *seq);
                *seq += 1;
            }
        }
        assert_eq!(
            next.len(),
            truth
                .scrapers
                .iter()
                .map(|scraper| scraper.runs)
                .sum::<usize>()
        );
    }

    #[test]
    fn a_few_fleets_have_incidents_of_every_kind_above_their_minimum() {
        let fleets: Vec<_> = (0..40).map(|seed| plan::plan(seed, false, 1.0)).collect();
        let planted = || fleets.iter().flat_map(|fleet| &fleet.planted);
        assert!(planted().all(|planted| planted.strength >= planted.minimum));
        let kinds: BTreeSet<_> = planted().map(|planted| planted.kind).collect();
        assert_eq!(kinds.len(), Kind::ALL.len());
    }

    #[test]
    fn an_incident_is_over_after_it_began() {
        for seed in [6, 11] {
            let (truth, _) = texts(seed, false);
            assert!(!truth.incidents.is_empty());
            assert!(
                truth
                    .incidents
                    .iter()
                    .all(|incident| incident.since <= incident.until)
            );
        }
    }
}
