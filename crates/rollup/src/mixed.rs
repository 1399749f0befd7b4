//! Finds scrapers of several hosts, so that the host of most requests of a run says nothing about the scraper.
//!
//! A run whose lines name no site has the host that it requests most. A scraper that walks two shops of one size would
//! so be two scrapers, each of which misses the runs of the other. Hosts that take turns in one scraper's runs, and that
//! most of these runs request both, are one site.

use std::collections::{BTreeMap, BTreeSet};

/// Requests by host.
pub(crate) type Hosts<'s> = BTreeMap<&'s str, u64>;

/// A host is a run's own if it has at least this share of the requests of the first one, as a divisor.
const OWN: u64 = 5;

/// The site of a run by its most requested host; `None` where there is no host of most requests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mixed<'s>(BTreeMap<&'s str, Option<&'s str>>);

impl<'s> Mixed<'s> {
    /// Compares the runs of one scraper, each with its first host. `is_named` says whether it has a name other than its
    /// site.
    pub(crate) fn of(runs: &[(&'s str, &Hosts<'s>)], is_named: bool) -> Self {
        let mut totals: Hosts<'_> = BTreeMap::new();
        let mut by_first: BTreeMap<&str, Vec<&Hosts<'_>>> = BTreeMap::new();
        for (first, hosts) in runs {
            by_first.entry(first).or_default().push(hosts);
            for (host, count) in *hosts {
                *totals.entry(host).or_default() += count;
            }
        }
        let mut groups: Vec<BTreeSet<&str>> = Vec::new();
        for first in by_first.keys() {
            let mut group = shared(&by_first, first);
            if group.is_empty() {
                continue;
            }
            group.insert(first);
            let (joined, apart): (Vec<_>, Vec<_>) = groups
                .into_iter()
                .partition(|other| !other.is_disjoint(&group));
            groups = apart;
            group.extend(joined.into_iter().flatten());
            groups.push(group);
        }
        let sites = groups.into_iter().flat_map(|group| {
            let site = site_of(&group, &totals, is_named);
            group.into_iter().map(move |host| (host, site))
        });
        Self(sites.collect())
    }

    /// The site of a run with such a first host.
    pub(crate) fn site(&self, first: &'s str) -> Option<&'s str> {
        self.0.get(first).copied().unwrap_or(Some(first))
    }
}

/// The first hosts of other runs that most runs with this first host request, too.
fn shared<'s>(by_first: &BTreeMap<&'s str, Vec<&Hosts<'s>>>, first: &str) -> BTreeSet<&'s str> {
    let own = &by_first[first];
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for hosts in own {
        let least = hosts.get(first).copied().unwrap_or(0).div_ceil(OWN);
        let others = hosts
            .iter()
            .filter(|(host, count)| **host != first && **count >= least);
        for (host, _) in others.filter(|(host, _)| by_first.contains_key(*host)) {
            *counts.entry(host).or_default() += 1;
        }
    }
    let most = counts.into_iter().filter(|(_, runs)| 2 * runs > own.len());
    most.map(|(host, _)| host).collect()
}

/// The site of a group of hosts.
fn site_of<'s>(group: &BTreeSet<&'s str>, totals: &Hosts<'_>, is_named: bool) -> Option<&'s str> {
    let all: u64 = group.iter().map(|host| totals[host]).sum();
    let first = group
        .iter()
        .max_by_key(|host| (totals[*host], std::cmp::Reverse(**host)));
    // The first of many tells nothing where the scraper has a name.
    let is_most = |host: &&str| !is_named || 2 * totals[host] > all;
    first.copied().filter(is_most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<'s>(hosts: &[(&'s str, u64)]) -> (&'s str, Hosts<'s>) {
        let first = hosts.iter().max_by_key(|(_, count)| *count).unwrap();
        (first.0, hosts.iter().copied().collect())
    }

    fn refs<'r, 's>(runs: &'r [(&'s str, Hosts<'s>)]) -> Vec<(&'s str, &'r Hosts<'s>)> {
        runs.iter().map(|(first, hosts)| (*first, hosts)).collect()
    }

    #[test]
    fn hosts_that_take_turns_are_one_site() {
        let runs = [
            run(&[("a.test", 21), ("b.test", 20)]),
            run(&[("a.test", 19), ("b.test", 20)]),
            run(&[("a.test", 21), ("b.test", 18)]),
        ];
        let mixed = Mixed::of(&refs(&runs), false);
        assert_eq!(mixed.site("a.test"), Some("a.test"));
        assert_eq!(mixed.site("b.test"), Some("a.test"));
        // Without a host of most requests, the scraper's name is enough.
        let even = [
            run(&[("a.test", 21), ("b.test", 20)]),
            run(&[("a.test", 19), ("b.test", 20)]),
        ];
        assert_eq!(Mixed::of(&refs(&even), true).site("b.test"), None);
    }

    #[test]
    fn runs_of_different_sites_stay_apart() {
        let runs = [
            run(&[("a.test", 21), ("images.test", 9)]),
            run(&[("b.test", 30), ("images.test", 9)]),
            run(&[("b.test", 30), ("a.test", 1)]),
        ];
        assert_eq!(Mixed::of(&refs(&runs), false), Mixed::default());
        assert_eq!(
            Mixed::of(&refs(&runs), false).site("b.test"),
            Some("b.test")
        );
    }
}
