//! Small look-ups that the report and the insights share.

use std::collections::BTreeMap;

use dragline_rollup::{Evidence, Finished, FirstSign};

use crate::model;

/// A place, for the report.
pub(crate) fn place(evidence: &Evidence) -> model::Evidence {
    model::Evidence {
        file: evidence.path.to_string(),
        line: evidence.line,
        offset: evidence.offset,
        sample: None,
    }
}

/// The place of a sign, and what stands there.
pub(crate) fn place_of_sign(sign: &FirstSign) -> Option<model::Evidence> {
    let text = sign.text();
    Some(model::Evidence {
        sample: (!text.is_empty()).then(|| text.to_owned()),
        ..place(sign.evidence()?)
    })
}

/// A scraper's name and its site's.
pub(crate) type Name = (Option<String>, Option<String>);

/// The runs of each scraper on each site.
pub(crate) fn by_scraper(finished: &Finished) -> BTreeMap<Name, Vec<usize>> {
    let mut scrapers: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
    for (index, row) in finished.runs.iter().enumerate() {
        let name = (row.key.scraper_id.clone(), row.key.site.clone());
        scrapers.entry(name).or_default().push(index);
    }
    for runs in scrapers.values_mut() {
        // Runs that tell no time come in the order of their files.
        let file = |run: &usize| {
            finished.runs[*run]
                .evidence
                .as_ref()
                .map(|at| at.path.to_string())
        };
        runs.sort_by_cached_key(|run| (finished.runs[*run].start, file(run)));
    }
    scrapers
}
