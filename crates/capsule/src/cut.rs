//! Which part of the counts a finding is judged from.

use std::collections::BTreeSet;

use dragline_insights::{Finding, InsightKind, Name};
use dragline_rollup::{Finished, RunRow};
use dragline_schema::Timestamp;

/// Maximum number of scrapers that a finding's own one is compared with.
const CONTROL: usize = 8;
/// The shares of a scraper's past that are left out, in turn, if a capsule would be too large.
const LEFT_OUT: [f64; 4] = [0.5, 0.75, 0.875, 0.9375];

/// A part of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cut {
    names: BTreeSet<Name>,
    /// Runs that were last seen before it are left out.
    from: Option<Timestamp>,
}

impl Cut {
    pub(crate) fn has(&self, name: &Name) -> bool {
        self.names.contains(name)
    }

    /// The counts of this part.
    pub(crate) fn of(&self, finished: &Finished) -> Finished {
        let late: BTreeSet<_> = finished
            .runs
            .iter()
            .filter(|row| self.from.is_none() || row.last_seen >= self.from)
            .map(|row| &row.key)
            .collect();
        finished
            .only(|key| self.has(&(key.scraper_id.clone(), key.site.clone())) && late.contains(key))
    }
}

/// The parts that a finding may be judged from, the best first: its scraper with others to compare it with, its scraper
/// alone, its scraper with less of its past.
pub(crate) fn cuts(everything: &Finished, finding: &Finding) -> Vec<Cut> {
    let name = (
        finding.scraper.scraper_id.clone(),
        finding.scraper.site.clone(),
    );
    let names = || everything.runs.iter().map(name_of);
    // Runs that name no site may belong to any of their scraper's sites.
    let is_own = |other: &Name| {
        *other == name || (other.0 == name.0 && (other.1.is_none() || name.1.is_none()))
    };
    let own: BTreeSet<Name> = names().filter(is_own).collect();
    let mut control: BTreeSet<Name> = names()
        .filter(|other| name.1.is_some() && other.1 == name.1 && !own.contains(other))
        .collect();
    if matches!(
        finding.kind,
        InsightKind::NewError | InsightKind::RegressedError
    ) {
        control.extend(of_same_errors(everything, &own));
    }
    let control = control.into_iter().take(CONTROL);
    let whole = |names: BTreeSet<Name>| Cut { names, from: None };
    let mut all = vec![
        whole(own.iter().cloned().chain(control).collect()),
        whole(own.clone()),
    ];
    all.dedup();
    let mut past: Vec<Timestamp> = everything
        .runs
        .iter()
        .filter(|row| own.contains(&name_of(row)))
        .filter_map(|row| row.last_seen.filter(|seen| Some(*seen) < finding.since))
        .collect();
    past.sort();
    all.extend(LEFT_OUT.iter().filter_map(|share| {
        let from = past.get((past.len() as f64 * share) as usize)?;
        Some(Cut {
            names: own.clone(),
            from: Some(*from),
        })
    }));
    all
}

fn name_of(row: &RunRow) -> Name {
    (row.key.scraper_id.clone(), row.key.site.clone())
}

/// Other scrapers with an error group of the scraper's.
fn of_same_errors(everything: &Finished, own: &BTreeSet<Name>) -> BTreeSet<Name> {
    let rows = everything.groups.iter();
    let shared = rows.filter(|row| !row.scrapers.is_disjoint(own));
    let others = shared.flat_map(|row| row.scrapers.difference(own));
    others.cloned().collect()
}
