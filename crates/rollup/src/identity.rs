//! Determines the run that each source belongs to, which single lines may not name.

use std::collections::{BTreeMap, BTreeSet};

use dragline_schema::{Dialect, RunKey};

use crate::rollup::Source;
use crate::source::SourceKey;

/// The run that each source belongs to.
pub(crate) fn final_keys(sources: &[Source]) -> Vec<RunKey> {
    let mut named: BTreeMap<&str, Named<'_>> = BTreeMap::new();
    for (key, _) in sources {
        if let Some(run) = &key.run_id {
            let named = named.entry(&key.family).or_default();
            let scrapers = named.runs.entry(run).or_default();
            scrapers.extend(key.scraper_id.as_deref());
            named.scrapers.extend(key.scraper_id.as_deref());
        }
    }
    let adopted: Vec<RunKey> = sources
        .iter()
        .map(|(key, stats)| {
            let is_foreign = !stats.dialects.contains(&Dialect::Dragline);
            adopt(key, named.get(key.family.as_str()).filter(|_| is_foreign))
        })
        .collect();
    let mut whole: BTreeMap<(&RunKey, &str), Whole<'_>> = BTreeMap::new();
    let without_site: Vec<RunKey> = adopted
        .iter()
        .map(|key| RunKey {
            site: None,
            ..key.clone()
        })
        .collect();
    // Lines outside of runs are grouped only within their family.
    let scope = |index: usize| {
        let key: &RunKey = &without_site[index];
        (
            key,
            if key.is_run() {
                ""
            } else {
                sources[index].0.family.as_str()
            },
        )
    };
    for (index, (key, stats)) in sources.iter().enumerate() {
        let whole = whole.entry(scope(index)).or_default();
        whole.sites.extend(key.site.as_deref());
        whole.renamed = whole
            .renamed
            .into_iter()
            .chain(stats.renamed.as_deref())
            .min();
        for (host, count) in stats.hosts.iter() {
            *whole.hosts.entry(host).or_default() += count;
        }
    }
    adopted
        .iter()
        .enumerate()
        .map(|(index, key)| whole[&scope(index)].complete(key))
        .collect()
}

/// The combined information from all lines of a run.
#[derive(Default)]
struct Whole<'s> {
    sites: BTreeSet<&'s str>,
    renamed: Option<&'s str>,
    hosts: BTreeMap<&'s str, u64>,
}

impl Whole<'_> {
    /// Completes the key with its later scraper name and its site: the one named in its lines,
    /// otherwise the most requested host.
    fn complete(&self, key: &RunKey) -> RunKey {
        let mut key = key.clone();
        if let Some(name) = self.renamed {
            key.scraper_id = Some(name.to_owned());
        }
        if key.site.is_none() {
            let host = self
                .hosts
                .iter()
                .max_by_key(|(host, count)| (**count, std::cmp::Reverse(**host)))
                .map(|(host, _)| *host);
            key.site = match self.sites.len() {
                0 => host,
                1 => self.sites.first().copied(),
                _ => None,
            }
            .map(str::to_owned);
        }
        key
    }
}

/// The runs named in the lines of a family, each with its scrapers.
#[derive(Default)]
struct Named<'s> {
    runs: BTreeMap<&'s str, BTreeSet<&'s str>>,
    scrapers: BTreeSet<&'s str>,
}

/// Assigns lines without a run to the run of their family, if it has exactly one.
fn adopt(key: &SourceKey, named: Option<&Named<'_>>) -> RunKey {
    let mut run = RunKey {
        scraper_id: key.scraper_id.clone(),
        site: key.site.clone(),
        run_id: key.run_id.clone(),
    };
    let Some(named) = named else { return run };
    let only = |set: &BTreeSet<&str>| {
        set.first()
            .filter(|_| set.len() == 1)
            .map(|one| (*one).to_owned())
    };
    if run.run_id.is_none() && named.runs.len() == 1 && named.scrapers.len() <= 1 {
        let scraper = only(&named.scrapers);
        if run.scraper_id.is_none() || scraper.is_none() || scraper == run.scraper_id {
            run.run_id = named.runs.keys().next().map(|id| (*id).to_owned());
        }
    }
    if let (Some(id), None) = (&run.run_id, &run.scraper_id) {
        run.scraper_id = named.runs.get(id.as_str()).and_then(only);
    }
    run
}
