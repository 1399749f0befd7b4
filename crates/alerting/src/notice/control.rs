//! The control group: is it the site, the proxy, or us?
//!
//! A scraper that fails is compared with others at the same time: those that ask the same site in another way, and
//! those that use the same proxy for other sites.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Minimum number of requests for a scraper to tell anything.
const MIN_REQUESTS: u64 = 5;

/// What one scraper saw on one site in the time in question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The scraper.
    pub scraper: String,
    /// The site.
    pub site: String,
    /// The proxy or exit; `None`: direct.
    pub proxy: Option<String>,
    /// Number of requests.
    pub requests: u64,
    /// Number of them that failed or were refused.
    pub failed: u64,
}

impl Peer {
    /// Whether it failed; `None` when it asked too little to tell.
    fn fails(&self) -> Option<bool> {
        (self.requests >= MIN_REQUESTS).then(|| self.failed.saturating_mul(2) >= self.requests)
    }
}

/// What causes the trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspect {
    /// The site: others fail on it as well, and the way to it works elsewhere.
    Site,
    /// The proxy: it fails on other sites as well, and the site answers others.
    Proxy,
    /// This scraper or its machine: the site answers others, and the way to it works elsewhere.
    Us,
    /// Too little to compare with, or a contradiction.
    Unknown,
}

/// How many of a control group fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlCount {
    /// Number of scrapers that fail.
    pub failing: u32,
    /// Number of scrapers that requested enough to tell.
    pub total: u32,
}

impl ControlCount {
    fn of<'p>(peers: impl Iterator<Item = &'p Peer>) -> Self {
        let verdicts: Vec<bool> = peers.filter_map(Peer::fails).collect();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            failing: count(verdicts.iter().filter(|fails| **fails).count()),
            total: count(verdicts.len()),
        }
    }

    /// Whether most fail (`true`) or most work (`false`); `None` without a clear majority of two thirds.
    fn mostly_fails(self) -> Option<bool> {
        let working = self.total - self.failing;
        if self.total == 0 {
            None
        } else if self.failing >= 2 * working {
            Some(true)
        } else if working >= 2 * self.failing {
            Some(false)
        } else {
            None
        }
    }
}

impl fmt::Display for ControlCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.total {
            0 => f.write_str("none to compare with"),
            total => write!(f, "{} of {total} fail", self.failing),
        }
    }
}

/// The verdict, with the counts that it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlVerdict {
    /// What causes the trouble.
    pub suspect: Suspect,
    /// Other scrapers on the same site, by another way.
    pub same_site: ControlCount,
    /// The same proxy (or no proxy) on other sites.
    pub same_proxy: ControlCount,
    /// Whether a proxy is used.
    pub has_proxy: bool,
}

impl fmt::Display for ControlVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.suspect {
            Suspect::Site => "the site",
            Suspect::Proxy => "the proxy",
            Suspect::Us => "us",
            Suspect::Unknown => "cannot be told",
        })?;
        let way = if self.has_proxy {
            "same proxy on other sites"
        } else {
            "direct requests to other sites"
        };
        write!(
            f,
            " (same site by another way: {}; {way}: {})",
            self.same_site, self.same_proxy
        )
    }
}

/// Compares a failing scraper with its control groups.
///
/// ```
/// use dragline_alerting::notice::{Peer, Suspect, compare_with_peers};
///
/// let peer = |scraper: &str, site: &str, proxy: &str, failed| Peer {
///     scraper: scraper.into(), site: site.into(), proxy: Some(proxy.into()), requests: 100, failed,
/// };
/// let verdict = compare_with_peers("shop", "a.com", Some("p1"), &[
///     peer("news", "a.com", "p2", 95),
///     peer("shop", "b.com", "p1", 1),
/// ]);
/// assert_eq!(verdict.suspect, Suspect::Site);
/// assert_eq!(
///     verdict.to_string(),
///     "the site (same site by another way: 1 of 1 fail; same proxy on other sites: 0 of 1 fail)",
/// );
/// ```
pub fn compare_with_peers(
    scraper: &str,
    site: &str,
    proxy: Option<&str>,
    peers: &[Peer],
) -> ControlVerdict {
    let is_own = |peer: &Peer| peer.scraper == scraper && peer.site == site;
    let others = || peers.iter().filter(|peer| !is_own(peer));
    let uses_proxy = |peer: &Peer| peer.proxy.as_deref() == proxy;
    // Without proxies, another scraper on the same site is itself the comparison.
    let is_other_way = |peer: &Peer| peer.site == site && (proxy.is_none() || !uses_proxy(peer));
    let same_site = ControlCount::of(others().filter(|peer| is_other_way(peer)));
    let same_proxy =
        ControlCount::of(others().filter(|peer| peer.site != site && uses_proxy(peer)));
    let suspect = match (
        same_site.mostly_fails(),
        same_proxy.mostly_fails(),
        proxy.is_some(),
    ) {
        // A site that fails for others by another way fails, even where nothing is known of the proxy.
        (Some(true), Some(false), _) | (Some(true), None, true) => Suspect::Site,
        (Some(false), Some(true), true) => Suspect::Proxy,
        (Some(false), Some(true) | None, false) | (Some(false), Some(false), _) => Suspect::Us,
        _ => Suspect::Unknown,
    };
    ControlVerdict {
        suspect,
        same_site,
        same_proxy,
        has_proxy: proxy.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(site: (u32, u32), way: (u32, u32), proxy: Option<&str>) -> Vec<Peer> {
        let make = |index: u32, failing: u32, site: &str, proxy: Option<&str>| Peer {
            scraper: format!("s{index}"),
            site: site.to_owned(),
            proxy: proxy.map(str::to_owned),
            requests: 100,
            failed: if index < failing { 90 } else { 2 },
        };
        let other = proxy.map(|_| "p2");
        let on_site = (0..site.1).map(|index| make(index, site.0, "a", other));
        on_site
            .chain((0..way.1).map(|index| make(index, way.0, "b", proxy)))
            .collect()
    }

    #[test]
    fn each_combination_has_its_verdict() {
        let p1 = Some("p1");
        for (site, way, proxy, expected) in [
            ((3, 3), (0, 3), p1, Suspect::Site),
            ((3, 3), (0, 0), p1, Suspect::Site),
            ((0, 3), (3, 3), p1, Suspect::Proxy),
            ((0, 3), (0, 3), p1, Suspect::Us),
            ((0, 3), (0, 0), p1, Suspect::Unknown), // us or the proxy
            ((0, 0), (3, 3), p1, Suspect::Unknown), // the proxy or all sites
            ((3, 3), (3, 3), p1, Suspect::Unknown), // everything fails
            ((0, 0), (0, 0), p1, Suspect::Unknown),
            ((1, 2), (0, 3), p1, Suspect::Unknown), // no majority
            ((3, 3), (0, 3), None, Suspect::Site),
            ((3, 3), (0, 0), None, Suspect::Unknown), // the site, or our uplink
            ((0, 3), (0, 0), None, Suspect::Us),
            ((0, 3), (3, 3), None, Suspect::Us),
            ((0, 0), (0, 3), None, Suspect::Unknown),
        ] {
            let verdict = compare_with_peers("me", "a", proxy, &peers(site, way, proxy));
            assert_eq!(verdict.suspect, expected, "{site:?} {way:?} {proxy:?}");
            assert_eq!((verdict.same_site.failing, verdict.same_site.total), site);
            assert_eq!((verdict.same_proxy.failing, verdict.same_proxy.total), way);
        }
    }

    #[test]
    fn peers_with_few_requests_and_the_scraper_itself_do_not_count() {
        let mut few = peers((3, 3), (0, 3), Some("p1"));
        few.iter_mut().for_each(|peer| peer.requests = 4);
        few.push(Peer {
            scraper: "me".into(),
            site: "a".into(),
            proxy: Some("p2".into()),
            requests: 100,
            failed: 100,
        });
        let verdict = compare_with_peers("me", "a", Some("p1"), &few);
        assert_eq!(
            (verdict.suspect, verdict.same_site.total),
            (Suspect::Unknown, 0)
        );
        assert_eq!(
            verdict.to_string(),
            "cannot be told (same site by another way: none to compare with; same proxy on other sites: none to compare with)"
        );
    }
}
