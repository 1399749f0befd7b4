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
    pub(crate) fn of(runs: &[(&'s str, Hosts<'s>)], is_named: bool) -> Self {
        let firsts: BTreeSet<&str> = runs.iter().map(|(first, _)| *first).collect();
        if firsts.len() < 2 {
            return Self::default();
        }
        let mut groups: Vec<BTreeSet<&str>> = Vec::new();
        for first in &firsts {
            let mut group: BTreeSet<&str> = shared(runs, first, &firsts);
            group.insert(first);
            let (joined, apart) = groups
                .into_iter()
                .partition(|other| !other.is_disjoint(&group));
            groups = apart;
            group.extend(Vec::into_iter(joined).flatten());
            groups.push(group);
        }
        let several = groups.into_iter().filter(|group| group.len() > 1);
        Self(
            several
                .flat_map(|group| named(runs, group, is_named))
                .collect(),
        )
    }

    /// The site of a run with such a first host.
    pub(crate) fn site(&self, first: &'s str) -> Option<&'s str> {
        self.0.get(first).copied().unwrap_or(Some(first))
    }
}

/// The first hosts of other runs that most runs with this first host request, too.
fn shared<'s>(
    runs: &[(&'s str, Hosts<'s>)],
    first: &str,
    firsts: &BTreeSet<&'s str>,
) -> BTreeSet<&'s str> {
    let own = || runs.iter().filter(|(other, _)| *other == first);
    let is_shared = |host: &&&str| {
        let has = own().filter(|(_, hosts)| {
            let (of_host, of_first) = (hosts.get(**host), hosts.get(first));
            of_host.is_some_and(|count| count * OWN >= *of_first.unwrap_or(&0))
        });
        2 * has.count() > own().count()
    };
    firsts.iter().filter(is_shared).copied().collect()
}

/// Each host of a group with the group's site.
fn named<'s>(
    runs: &[(&'s str, Hosts<'s>)],
    group: BTreeSet<&'s str>,
    is_named: bool,
) -> Vec<(&'s str, Option<&'s str>)> {
    let total = |host: &str| {
        let counts = runs.iter().filter_map(|(_, hosts)| hosts.get(host));
        counts.sum::<u64>()
    };
    let all: u64 = group.iter().map(|host| total(host)).sum();
    let first = group
        .iter()
        .max_by_key(|host| (total(host), std::cmp::Reverse(**host)));
    // The first of many tells nothing where the scraper has a name.
    let site = first
        .copied()
        .filter(|host| !is_named || 2 * total(host) > all);
    group.into_iter().map(|host| (host, site)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<'s>(hosts: &[(&'s str, u64)]) -> (&'s str, Hosts<'s>) {
        let first = hosts.iter().max_by_key(|(_, count)| *count).unwrap();
        (first.0, hosts.iter().copied().collect())
    }

    #[test]
    fn hosts_that_take_turns_are_one_site() {
        let runs = [
            run(&[("a.test", 21), ("b.test", 20)]),
            run(&[("a.test", 19), ("b.test", 20)]),
            run(&[("a.test", 21), ("b.test", 18)]),
        ];
        let mixed = Mixed::of(&runs, false);
        assert_eq!(mixed.site("a.test"), Some("a.test"));
        assert_eq!(mixed.site("b.test"), Some("a.test"));
        // Without a host of most requests, the scraper's name is enough.
        let even = [
            run(&[("a.test", 21), ("b.test", 20)]),
            run(&[("a.test", 19), ("b.test", 20)]),
        ];
        assert_eq!(Mixed::of(&even, true).site("b.test"), None);
    }

    #[test]
    fn runs_of_different_sites_stay_apart() {
        let runs = [
            run(&[("a.test", 21), ("images.test", 9)]),
            run(&[("b.test", 30), ("images.test", 9)]),
            run(&[("b.test", 30), ("a.test", 1)]),
        ];
        assert_eq!(Mixed::of(&runs, false), Mixed::default());
        assert_eq!(Mixed::of(&runs, false).site("b.test"), Some("b.test"));
    }
}
