//! Selects the records that count.

use dragline_rollup::{Rollup, SourceKey};
use dragline_schema::{Level, Record, RunKey, Timestamp};
use rustc_hash::FxHashSet;

/// Selects records. An empty filter accepts all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only records at or after this time.
    pub since: Option<Timestamp>,
    /// Only records before this time.
    pub until: Option<Timestamp>,
    /// Only this scraper.
    pub scraper: Option<String>,
    /// Only this site and its subdomains.
    pub site: Option<String>,
    /// Only this run.
    pub run: Option<String>,
    /// Only this level or above. Records without a level are accepted.
    pub level: Option<Level>,
}

impl Filter {
    /// Whether it accepts everything.
    pub fn is_empty(&self) -> bool {
        !self.names_a_source()
            && self.since.is_none()
            && self.until.is_none()
            && self.level.is_none()
    }

    /// Whether it selects by scraper, site or run.
    pub fn names_a_source(&self) -> bool {
        self.scraper.is_some() || self.site.is_some() || self.run.is_some()
    }

    /// Whether the record's level passes. Records without a level pass.
    pub fn takes_level(&self, record: &Record<'_>) -> bool {
        self.level
            .is_none_or(|least| record.level.is_none_or(|level| level >= least))
    }

    /// Whether the record's time passes. Records without a time pass only if the filter has no times.
    pub fn takes_time(&self, record: &Record<'_>) -> bool {
        let after = |since| record.timestamp.is_some_and(|time| time >= since);
        let before = |until| record.timestamp.is_some_and(|time| time < until);
        self.since.is_none_or(after) && self.until.is_none_or(before)
    }

    /// Whether a site is the selected one or a subdomain of it: `shop.example.com` is below `example.com`.
    fn takes_site(&self, site: Option<&str>) -> bool {
        let Some(wanted) = &self.site else {
            return true;
        };
        let below = |site: &str| {
            let rest = site.strip_suffix(&**wanted)?;
            rest.strip_suffix('.').map(|name| !name.is_empty())
        };
        site.is_some_and(|site| site == wanted || below(site) == Some(true))
    }

    /// Whether a run belongs to the selected scraper, site and run.
    pub fn takes_run(&self, key: &RunKey) -> bool {
        let fits =
            |wanted: &Option<String>, part: &Option<String>| wanted.is_none() || wanted == part;
        fits(&self.scraper, &key.scraper_id)
            && self.takes_site(key.site.as_deref())
            && fits(&self.run, &key.run_id)
    }
}

/// The sources whose lines count.
#[derive(Debug)]
pub(crate) struct Sources(FxHashSet<SourceKey>);

impl Sources {
    /// The sources whose runs pass the filter.
    pub(crate) fn matching(filter: &Filter, all: &Rollup) -> Self {
        let matching = all.sources().filter(|(_, run)| filter.takes_run(run));
        Self(matching.map(|(source, _)| source.clone()).collect())
    }

    pub(crate) fn take(&self, family: &str, record: &Record<'_>) -> bool {
        self.0.contains(&SourceKey::of(family, record))
    }
}
