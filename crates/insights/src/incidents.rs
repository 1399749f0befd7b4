//! Groups episodes into incidents: overlapping episodes get one cause and one name.
//!
//! A block makes requests fail, items drop and new errors appear; four separate findings would be noise.
//! Overlapping episodes of a scraper therefore form one incident. Its kind is that of the episode that
//! explains the others (`causes`); the other episodes only show the order of events. Episodes that only overlap
//! with a consequence have a cause of their own. The incident begins with the earliest episode that it explains.

use std::collections::BTreeSet;

use dragline_rollup::Finished;
use dragline_schema::{RunKey, Timestamp};

use crate::causes::causes;
use crate::episodes::Episode;
use crate::kind::InsightKind;
use crate::metric::Metric;
use crate::series::Series;

/// A site counts as refusing by status if at least this share of its refusals has a blocking status.
const BY_STATUS: f64 = 0.9;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    BlockWave,
    ErrorWave,
    LayoutChange,
    SilentFailure,
    SlowDown,
    RetryWaste,
    DuplicateSurge,
    YieldDrop,
    WarningSurge,
    QueueGrowth,
    Bottleneck,
    VolumeHigh,
    VolumeLow,
    StatisticChange,
}

impl From<Kind> for InsightKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::BlockWave => Self::BlockWave,
            Kind::ErrorWave => Self::ErrorWave,
            Kind::LayoutChange => Self::LayoutChange,
            Kind::SilentFailure => Self::SilentFailure,
            Kind::SlowDown => Self::SlowDown,
            Kind::RetryWaste => Self::RetryWaste,
            Kind::DuplicateSurge => Self::DuplicateSurge,
            Kind::YieldDrop => Self::YieldDrop,
            Kind::WarningSurge => Self::WarningSurge,
            Kind::QueueGrowth => Self::QueueGrowth,
            Kind::Bottleneck => Self::Bottleneck,
            Kind::VolumeHigh => Self::VolumeHigh,
            Kind::VolumeLow => Self::VolumeLow,
            Kind::StatisticChange => Self::StatisticChange,
        }
    }
}

/// Episodes of a scraper with one cause.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    pub(crate) kind: Kind,
    /// The episode that explains the others.
    pub(crate) root: Episode,
    /// All episodes, sorted by onset.
    pub(crate) episodes: Vec<Episode>,
    /// The first and the last unit.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The onset and the end, in microseconds.
    pub(crate) since: i64,
    pub(crate) until: i64,
    /// Whether it extends to the last unit.
    pub(crate) is_open: bool,
    /// How often the same happened before at this time of day, and since when.
    pub(crate) before: Option<(usize, i64)>,
}

impl Incident {
    /// Whether it is an error wave without failed requests, so that a single error may explain it.
    pub(crate) fn is_of_errors_alone(&self) -> bool {
        let mut metrics = self.episodes.iter().map(|episode| &episode.metric);
        self.kind == Kind::ErrorWave && metrics.all(|metric| *metric != Metric::Failed)
    }

    /// The number of errors in its units.
    pub(crate) fn errors(&self, series: &Series<'_>) -> u64 {
        let units = &series.units[self.from..=self.to];
        units.iter().map(|unit| unit.counters.errors).sum()
    }
}

/// The incidents of a series, in order of time.
pub(crate) fn incidents(series: &Series<'_>, episodes: Vec<Episode>) -> Vec<Incident> {
    let mut found: Vec<Incident> = Vec::new();
    let mut pending = clusters(episodes);
    while let Some(cluster) = pending.pop() {
        let causes = causes(&cluster, is_by_status(series, &cluster));
        let Some((_, root)) = causes.first() else {
            continue;
        };
        let is_own = explained(&cluster, &cluster[*root]);
        let parts = || cluster.iter().zip(&is_own);
        let (own, rest): (Vec<_>, Vec<_>) = parts().partition(|(_, is_own)| **is_own);
        let [own, rest] = [own, rest].map(|part| {
            let episodes = part.into_iter().map(|(episode, _)| episode.clone());
            episodes.collect::<Vec<Episode>>()
        });
        let causes = causes.iter().filter(|(_, root)| is_own[*root]);
        found.extend(causes.map(|(kind, root)| incident(series, *kind, &cluster[*root], &own)));
        pending.extend(clusters(rest));
    }
    found.sort_by_key(|incident| (incident.from, incident.to));
    found
}

/// Groups episodes that overlap.
fn clusters(episodes: Vec<Episode>) -> Vec<Vec<Episode>> {
    let mut episodes = episodes;
    episodes.sort_by_key(|episode| (episode.from, episode.to));
    let mut clusters: Vec<(usize, Vec<Episode>)> = Vec::new();
    for episode in episodes {
        match clusters.last_mut() {
            Some((to, cluster)) if episode.from <= *to => {
                *to = episode.to.max(*to);
                cluster.push(episode);
            }
            _ => clusters.push((episode.to, vec![episode])),
        }
    }
    clusters.into_iter().map(|(_, cluster)| cluster).collect()
}

/// Maximum number of units between the begin of an incident and that of its consequences. What changes long after the
/// begin of an incident that does not end has a cause of its own.
const LATER: usize = 8;

/// Which episodes of a cluster a root explains: those that overlap with it or are next to it, and consequences such
/// as a long queue that follow these.
fn explained(cluster: &[Episode], root: &Episode) -> Vec<bool> {
    let touches = |episode: &Episode, (from, to): (usize, usize)| {
        episode.from <= to + 1 && from <= episode.to + 1
    };
    let own = || {
        let span = (root.from, root.to);
        cluster.iter().filter(move |episode| touches(episode, span))
    };
    let from = own().map(|episode| episode.from).min();
    let to = own().map(|episode| episode.to).max();
    let span = (from.unwrap_or(root.from), to.unwrap_or(root.to));
    cluster
        .iter()
        .map(|episode| {
            let is_direct = touches(episode, (root.from, root.to));
            if episode.metric.is_consequence() {
                let is_soon = episode.from <= root.from + LATER || episode == root;
                return touches(episode, span) && is_soon;
            }
            is_direct
        })
        .collect()
}

/// Maximum number of units by which an episode may precede its root and still date the incident.
const EARLIER: usize = 2;

/// The onset of an incident: that of the root, or of an earlier consequence. What is far earlier, or usually has
/// causes of its own, dates nothing.
fn onset(root: &Episode, own: &[Episode]) -> i64 {
    let dates = |episode: &&Episode| {
        !episode.metric.is_consequence() && episode.from + EARLIER >= root.from
    };
    let times = own.iter().filter(dates).map(|episode| episode.since);
    times.chain([root.since]).min().unwrap_or(root.since)
}

/// Whether most refusals in a cluster's units have a blocking status (403 or 429).
fn is_by_status(series: &Series<'_>, cluster: &[Episode]) -> bool {
    let refused = cluster
        .iter()
        .filter(|episode| episode.metric == Metric::Blocked);
    let units = refused.flat_map(|episode| &series.units[episode.from..=episode.to]);
    let (with, all) = units.fold((0, 0), |(with, all), unit| {
        let refused = crate::metric::refused(&unit.counters);
        (with + crate::metric::blocked(&unit.counters), all + refused)
    });
    with as f64 >= BY_STATUS * all as f64
}

fn incident(series: &Series<'_>, kind: Kind, root: &Episode, own: &[Episode]) -> Incident {
    let mut episodes = own.to_vec();
    episodes.sort_by(|a, b| (a.since, &a.metric).cmp(&(b.since, &b.metric)));
    let ends = |of: fn(&Episode) -> usize| episodes.iter().map(of);
    let from = ends(|episode| episode.from).min().unwrap_or(root.from);
    let to = ends(|episode| episode.to).max().unwrap_or(root.to);
    let seen = ends(|episode| episode.seen).max().unwrap_or(to).max(to);
    let since = onset(root, own);
    Incident {
        kind,
        since,
        // Units may overlap and clocks differ, so the end must not precede the start.
        until: series.units[to].end.max(since),
        // What says too little to be judged does not end it, and neither do runs that are still running, and say nothing
        // about the cause yet.
        is_open: series.units[seen + 1..]
            .iter()
            .all(|unit| unit.is_running && root.metric.of(unit).is_none()),
        before: None,
        root: root.clone(),
        episodes,
        from,
        to,
    }
}

/// The runs of an incident, as indexes in [`Finished::runs`].
pub(crate) fn runs_of<'s>(
    incident: &Incident,
    series: &'s Series<'_>,
) -> impl Iterator<Item = usize> + 's {
    let units = &series.units[incident.from..=incident.to];
    units.iter().filter_map(|unit| unit.run)
}

/// How a site refused requests: the statuses, or block pages and captchas.
pub(crate) fn refusals(incident: &Incident, series: &Series<'_>) -> String {
    let units = &series.units[incident.from..=incident.to];
    let sum = |of: &dyn Fn(&dragline_rollup::Counters) -> u64| -> u64 {
        units.iter().map(|unit| of(&unit.counters)).sum()
    };
    let (forbidden, many) = (
        sum(&|counters| counters.status_codes.get(403)),
        sum(&|counters| counters.status_codes.get(429)),
    );
    let told = sum(&|counters| counters.refusals);
    // Ignore a few refusals of another kind.
    let least = (forbidden + many).max(told) / 20;
    let mut ways = Vec::new();
    if forbidden > least {
        ways.push("403");
    }
    if many > least {
        ways.push("429");
    }
    if told > forbidden + many + least {
        ways.push("block pages or captchas");
    }
    ways.join(", ")
}

/// The number of units it lasted.
pub(crate) fn units(incident: &Incident) -> usize {
    incident.to - incident.from + 1
}

/// Whether the incident contains a requested run or, without runs, overlaps the requested period.
pub(crate) fn is_asked(
    incident: &Incident,
    series: &Series<'_>,
    all: &Finished,
    period: Option<(Timestamp, Timestamp)>,
    asked: &BTreeSet<&RunKey>,
) -> bool {
    let mut runs = runs_of(incident, series).peekable();
    if runs.peek().is_none() {
        let Some((first, last)) = period else {
            return false;
        };
        return incident.since <= last.as_micros() && incident.until >= first.as_micros();
    }
    runs.any(|run| asked.contains(&all.runs[run].key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_schema::ErrorCategory;

    /// Names, spans and onsets of the incidents of episodes.
    fn told(episodes: &[Episode]) -> Vec<(&'static str, usize, usize, i64)> {
        let unit = |start: i64| crate::series::Unit {
            start,
            end: start + 1,
            ..crate::series::Unit::default()
        };
        let series = Series {
            name: (None, None),
            width: 1,
            units: (0..20).map(unit).collect(),
        };
        let found = incidents(&series, episodes.to_vec());
        let told = found.into_iter().map(|one| {
            let name = InsightKind::from(one.kind).name();
            (name, one.from, one.to, one.since)
        });
        told.collect()
    }

    fn from_to(
        metric: Metric,
        is_up: bool,
        (from, to): (usize, usize),
        (usual, observed): (f64, f64),
    ) -> Episode {
        Episode {
            metric,
            is_up,
            from,
            to,
            seen: to,
            since: from as i64,
            expected: (usual * 0.9, usual * 1.1),
            usual,
            observed,
        }
    }

    #[test]
    fn an_incident_begins_with_what_it_explains() {
        let gone = from_to(Metric::ItemsPerPage, false, (3, 9), (0.9, 0.1));
        let network = Metric::Errors(ErrorCategory::Network);
        let errors = from_to(network.clone(), true, (4, 8), (0.0, 0.6));
        assert_eq!(told(&[gone.clone(), errors]), [("error_wave", 3, 9, 3)]);
        // More requests have causes of their own, and a consequence may last longer.
        let busy = from_to(Metric::Requests, true, (1, 4), (100.0, 300.0));
        let late = from_to(Metric::Queue, true, (9, 12), (10.0, 90.0));
        assert_eq!(
            told(&[busy, gone.clone(), late]),
            [("silent_failure", 1, 12, 3)]
        );
        let endless = from_to(Metric::Failed, true, (0, 19), (0.0, 0.1));
        let few = from_to(Metric::Requests, false, (15, 16), (100.0, 10.0));
        assert_eq!(
            told(&[endless, few]),
            [("error_wave", 0, 19, 0), ("volume_low", 15, 16, 15)]
        );
        // What overlaps only with a consequence has a cause of its own.
        let errors = from_to(network, true, (8, 9), (0.0, 0.6));
        let late = from_to(Metric::Requests, false, (9, 14), (100.0, 10.0));
        let blocked = from_to(Metric::Blocked, true, (13, 15), (0.0, 0.5));
        assert_eq!(
            told(&[errors, late, blocked]),
            [("error_wave", 8, 9, 8), ("block_wave", 9, 15, 13)]
        );
    }
}
