//! What changed: the feed from the backend to the pages.
//!
//! The feed keeps the revision of the latest change of each [`Topic`], not a queue of changes. A reader that is slow
//! or was away therefore never misses a change and needs no memory: it asks what changed since the revision that it
//! saw last. A revision of another start of the service says nothing, and such a reader loads everything again.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

/// What can change, independently of each other.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The overview: numbers of the whole fleet.
    Overview,
    /// Scrapers and sites: numbers and verdicts.
    Scrapers,
    /// Runs.
    Runs,
    /// Groups of errors.
    Errors,
    /// Alerts, their history, silences and acknowledgements.
    Alerts,
    /// Health checks.
    Health,
    /// Metrics.
    Metrics,
    /// Findings.
    Findings,
    /// Reports.
    Reports,
    /// The service: inputs, tasks, configuration.
    Service,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 10] = [
        Self::Overview,
        Self::Scrapers,
        Self::Runs,
        Self::Errors,
        Self::Alerts,
        Self::Health,
        Self::Metrics,
        Self::Findings,
        Self::Reports,
        Self::Service,
    ];
}

/// A point in the history of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    /// The start of the service; revisions of different starts cannot be compared.
    pub epoch: u64,
    /// The number of the change.
    pub number: u64,
}

impl Revision {
    /// Reads what [`Revision`]'s `Display` wrote: `EPOCH-NUMBER`, both hexadecimal.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, number) = text.split_once('-')?;
        Some(Self {
            epoch: u64::from_str_radix(epoch, 16).ok()?,
            number: u64::from_str_radix(number, 16).ok()?,
        })
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.epoch, self.number)
    }
}

/// What changed since a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// These topics; none when nothing did.
    Topics(Vec<Topic>),
    /// The revision is of another start of the service: everything has to be loaded again.
    Everything,
}

/// The feed. Cloning it is cheap; all clones are the same feed.
///
/// ```
/// use dragline_web::{Changes, Feed, Topic};
///
/// let feed = Feed::new(1);
/// let seen = feed.revision();
/// feed.publish(&[Topic::Alerts, Topic::Overview]);
/// feed.publish(&[Topic::Alerts]);
/// assert_eq!(feed.changes_since(seen), Changes::Topics(vec![Topic::Overview, Topic::Alerts]));
/// ```
#[derive(Clone, Debug)]
pub struct Feed {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: u64,
    /// The revision of the latest change, by topic in the order of `Topic::ALL`.
    changed: Mutex<[u64; Topic::ALL.len()]>,
    latest: watch::Sender<u64>,
}

impl Feed {
    /// A feed. `epoch` differs from one start of the service to the next, such as the time of the start.
    pub fn new(epoch: u64) -> Self {
        let shared = Shared {
            epoch,
            changed: Mutex::new([0; Topic::ALL.len()]),
            latest: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Announces that these topics changed. Cheap: it may be called for every batch of lines.
    pub fn publish(&self, topics: &[Topic]) {
        if topics.is_empty() {
            return;
        }
        let mut changed = self
            .shared
            .changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let next = *self.shared.latest.borrow() + 1;
        for topic in topics {
            changed[*topic as usize] = next;
        }
        // Under the lock, so that revisions never go back.
        self.shared.latest.send_replace(next);
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> Revision {
        Revision {
            epoch: self.shared.epoch,
            number: *self.shared.latest.borrow(),
        }
    }

    /// What changed since `seen`.
    pub fn changes_since(&self, seen: Revision) -> Changes {
        if seen.epoch != self.shared.epoch || seen.number > self.revision().number {
            return Changes::Everything;
        }
        let changed = *self
            .shared
            .changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_new = |topic: &Topic| changed[*topic as usize] > seen.number;
        Changes::Topics(Topic::ALL.into_iter().filter(is_new).collect())
    }

    /// The number of the latest change of any of these topics.
    pub fn latest_of(&self, topics: &[Topic]) -> u64 {
        let changed = *self
            .shared
            .changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        topics
            .iter()
            .map(|topic| changed[*topic as usize])
            .max()
            .unwrap_or(0)
    }

    /// Wakes when something changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.latest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_while_nobody_looked_is_not_lost() {
        let feed = Feed::new(7);
        let seen = feed.revision();
        for _ in 0..1_000 {
            feed.publish(&[Topic::Runs]);
        }
        feed.publish(&[Topic::Health]);
        assert_eq!(
            feed.changes_since(seen),
            Changes::Topics(vec![Topic::Runs, Topic::Health])
        );
        assert_eq!(feed.changes_since(feed.revision()), Changes::Topics(vec![]));
    }

    #[test]
    fn another_start_of_the_service_means_everything() {
        let feed = Feed::new(7);
        let other = Revision {
            epoch: 6,
            number: 0,
        };
        assert_eq!(feed.changes_since(other), Changes::Everything);
        let future = Revision {
            epoch: 7,
            number: 1,
        };
        assert_eq!(feed.changes_since(future), Changes::Everything);
    }

    #[test]
    fn a_revision_is_read_as_it_was_written() {
        let revision = Revision {
            epoch: 1_796_083_200_000_000,
            number: 255,
        };
        assert_eq!(Revision::parse(&revision.to_string()), Some(revision));
        assert_eq!(Revision::parse("12"), None);
        assert_eq!(Revision::parse("-1-x"), None);
    }

    #[test]
    fn topics_are_numbered_in_the_order_of_all() {
        for (number, topic) in Topic::ALL.into_iter().enumerate() {
            assert_eq!(topic as usize, number);
        }
    }
}
