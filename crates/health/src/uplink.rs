//! Telling the own network from the sites.

use std::collections::BTreeSet;

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

/// What one check of this round says about the way to the internet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact<'a> {
    /// Host that was asked.
    pub host: &'a str,
    /// Whether anything came back that shows that the way works; an error page does.
    pub answered: bool,
}

/// Whether the own network is down. It survives restarts as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Uplink {
    /// When it was first seen to be down.
    pub down_since: Option<Timestamp>,
}

/// What a round of checks says about the own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Something answered.
    Up,
    /// Nothing answered, at several hosts at once or at any witness.
    Down,
    /// Too little was asked to tell.
    None,
}

/// Weighs the contacts of one round, and the witnesses if they were asked.
///
/// Several hosts that all fail at once without any answer mean that the own network is down. A single host
/// proves nothing; then only a witness can tell.
pub fn weigh(contacts: &[Contact<'_>], witnesses: &[bool]) -> Evidence {
    let answered = contacts.iter().any(|contact| contact.answered);
    if answered || witnesses.contains(&true) {
        return Evidence::Up;
    }
    let hosts: BTreeSet<_> = contacts.iter().map(|contact| contact.host).collect();
    match (hosts.len(), witnesses.len()) {
        (0, _) | (1, 0) => Evidence::None,
        _ => Evidence::Down,
    }
}

impl Uplink {
    /// Takes the evidence of a round into account; returns whether the network is down.
    ///
    /// A round without evidence leaves it as it was.
    pub fn observe(&mut self, now: Timestamp, evidence: Evidence) -> bool {
        match evidence {
            Evidence::Down => {
                self.down_since.get_or_insert(now);
                true
            }
            Evidence::Up => {
                self.down_since = None;
                false
            }
            Evidence::None => self.down_since.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contacts<'a>(of: &[(&'a str, bool)]) -> Vec<Contact<'a>> {
        let contact = |(host, answered): &(&'a str, bool)| Contact {
            host,
            answered: *answered,
        };
        of.iter().map(contact).collect()
    }

    #[test]
    fn all_hosts_silent_at_once_means_the_own_network() {
        let silent = contacts(&[("a", false), ("b", false), ("c", false)]);
        assert_eq!(weigh(&silent, &[]), Evidence::Down);
    }

    #[test]
    fn one_answer_is_enough_to_blame_the_sites() {
        let one = contacts(&[("a", false), ("b", true), ("c", false)]);
        assert_eq!(weigh(&one, &[]), Evidence::Up);
        let silent = contacts(&[("a", false), ("b", false)]);
        assert_eq!(weigh(&silent, &[false, true]), Evidence::Up);
    }

    #[test]
    fn one_host_alone_proves_nothing_without_a_witness() {
        // Two checks of one host are one host.
        let one = contacts(&[("a", false), ("a", false)]);
        assert_eq!(weigh(&one, &[]), Evidence::None);
        assert_eq!(weigh(&one, &[false]), Evidence::Down);
        assert_eq!(weigh(&[], &[]), Evidence::None);
    }

    #[test]
    fn it_is_down_since_the_first_time() {
        let mut uplink = Uplink::default();
        let at = Timestamp::from_seconds;
        assert!(!uplink.observe(at(0), Evidence::None));
        assert!(uplink.observe(at(1), Evidence::Down));
        assert!(uplink.observe(at(2), Evidence::Down));
        assert!(uplink.observe(at(3), Evidence::None));
        assert_eq!(uplink.down_since, Some(at(1)));
        assert!(!uplink.observe(at(4), Evidence::Up));
        assert_eq!(uplink.down_since, None);
    }
}
