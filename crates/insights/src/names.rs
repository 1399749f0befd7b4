//! Assigns runs to scrapers.

use std::collections::BTreeMap;

use dragline_rollup::Finished;

/// The name of a scraper and of its site.
pub type Name = (Option<String>, Option<String>);

/// The runs of each scraper on each site, oldest first, as indexes in [`Finished::runs`].
pub fn by_scraper(finished: &Finished) -> BTreeMap<Name, Vec<usize>> {
    let mut scrapers: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
    for (index, row) in finished.runs.iter().enumerate() {
        let name = (row.key.scraper_id.clone(), row.key.site.clone());
        scrapers.entry(name).or_default().push(index);
    }
    for runs in scrapers.values_mut() {
        // Runs without a time are sorted by file.
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
