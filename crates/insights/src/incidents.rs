//! Groups episodes into incidents: overlapping episodes get one cause and one name.
//!
//! A block makes requests fail, items drop and new errors appear; four separate findings would be noise.
//! Overlapping episodes of a scraper therefore form one incident. Its kind is that of the episode that
//! explains the others; the other episodes only show the order of events.

use std::collections::BTreeSet;

use dragline_rollup::Finished;
use dragline_schema::{ErrorCategory, RunKey, Timestamp};

use crate::episodes::Episode;
use crate::kind::InsightKind;
use crate::metric::Metric;
use crate::series::Series;

/// Below this share of the usual items, the incident is a failure, not a lower yield.
const COLLAPSE: f64 = 0.45;
/// Minimum share of requests with page errors, or of items that lack a field, for a broken page.
const BROKEN: f64 = 0.12;
/// Maximum share of the usual items for a broken page.
const FEWER: f64 = 0.75;
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

/// The incidents of a series.
pub(crate) fn incidents(series: &Series<'_>, episodes: Vec<Episode>) -> Vec<Incident> {
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
    clusters
        .into_iter()
        .flat_map(|(_, cluster)| {
            let causes = causes(&cluster, is_by_status(series, &cluster));
            causes
                .into_iter()
                .map(move |(kind, root)| incident(series, kind, root, &cluster))
        })
        .collect()
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

fn incident(series: &Series<'_>, kind: Kind, root: usize, cluster: &[Episode]) -> Incident {
    let root = cluster[root].clone();
    let mut episodes = cluster.to_vec();
    episodes.sort_by(|a, b| (a.since, &a.metric).cmp(&(b.since, &b.metric)));
    let ends = |of: fn(&Episode) -> usize| episodes.iter().map(of);
    let from = ends(|episode| episode.from).min().unwrap_or(root.from);
    let to = ends(|episode| episode.to).max().unwrap_or(root.to);
    Incident {
        kind,
        since: root.since,
        // Units may overlap and clocks differ, so the end must not precede the start.
        until: series.units[to].end.max(root.since),
        is_open: to + 1 == series.units.len(),
        before: None,
        root,
        episodes,
        from,
        to,
    }
}

/// The causes that a cluster's episodes suggest, as indexes of the episodes.
struct Clues<'e> {
    episodes: &'e [Episode],
    fewer: Option<usize>,
    lacking: Option<usize>,
    lost: Option<usize>,
    page_errors: Option<usize>,
    other_errors: Option<usize>,
}

impl<'e> Clues<'e> {
    fn of(episodes: &'e [Episode]) -> Self {
        let find = |is_one: &dyn Fn(&Episode) -> bool| episodes.iter().position(is_one);
        let is_of_page =
            |category| matches!(category, ErrorCategory::Parsing | ErrorCategory::SiteChange);
        let errors = |of_page: bool| {
            find(&|episode| match episode.metric {
                Metric::Errors(category) => episode.is_up && is_of_page(category) == of_page,
                _ => false,
            })
        };
        Self {
            episodes,
            fewer: find(&|episode| {
                let is_content = matches!(episode.metric, Metric::ItemsPerPage | Metric::ItemYield);
                is_content && !episode.is_up
            }),
            lacking: find(&|episode| matches!(episode.metric, Metric::Lacking(_)) && episode.is_up),
            lost: find(&|episode| episode.metric == Metric::Lost && episode.is_up),
            page_errors: errors(true),
            other_errors: errors(false),
        }
    }

    fn up(&self, metric: &Metric) -> Option<usize> {
        let mut episodes = self.episodes.iter();
        episodes.position(|episode| episode.metric == *metric && episode.is_up)
    }

    fn down(&self, metric: &Metric) -> Option<usize> {
        let mut episodes = self.episodes.iter();
        episodes.position(|episode| episode.metric == *metric && !episode.is_up)
    }

    /// Whether so few items are left that it is a failure, not a lower yield.
    /// `explained` is the share of pages that have no items for another reason.
    fn is_collapse(&self, explained: f64) -> bool {
        self.fewer.is_some_and(|fewer| {
            let episode = &self.episodes[fewer];
            episode.observed < episode.usual * COLLAPSE * (1.0 - explained)
        })
    }

    /// Whether many of the successful pages have changed.
    fn is_broken_page(&self) -> bool {
        let are_many = |place: usize| self.episodes[place].observed >= BROKEN;
        let are_fewer = |place: usize| {
            let episode = &self.episodes[place];
            episode.observed < episode.usual * FEWER
        };
        let is_named = self.page_errors.is_some_and(are_many) || self.lacking.is_some_and(are_many);
        is_named && (self.fewer.is_none_or(are_fewer))
    }

    /// A changed page: fields are missing, or fewer or lost items come with errors about the page.
    fn layout(&self) -> Option<(Kind, usize)> {
        let with_errors = self.fewer.or(self.lost).and(self.page_errors);
        let root = self.lacking.or(with_errors)?;
        Some((Kind::LayoutChange, self.fewer.unwrap_or(root)))
    }

    /// Items that are gone without an error.
    fn silence(&self) -> Option<(Kind, usize)> {
        let kind = if self.is_collapse(0.0) {
            Kind::SilentFailure
        } else {
            Kind::YieldDrop
        };
        Some((kind, self.fewer?))
    }

    /// The remaining causes, if requests, pages and items suggest none.
    fn rest(&self) -> Option<(Kind, usize)> {
        let queue = self.up(&Metric::QueueLeft).or(self.up(&Metric::Queue));
        let mut episodes = self.episodes.iter();
        let own = episodes.position(|episode| matches!(episode.metric, Metric::Own(_)));
        let rest = [
            (Kind::SlowDown, self.up(&Metric::ResponseTime)),
            (Kind::Bottleneck, self.up(&Metric::Database)),
            (Kind::Bottleneck, self.up(&Metric::Processing)),
            (Kind::Bottleneck, self.up(&Metric::Waiting)),
            (Kind::SilentFailure, self.down(&Metric::BytesPerPage)),
            (Kind::VolumeHigh, self.up(&Metric::Requests)),
            (Kind::QueueGrowth, queue),
            (Kind::VolumeLow, self.down(&Metric::Requests)),
            (Kind::StatisticChange, own),
        ];
        let mut rest = rest.into_iter();
        rest.find_map(|(kind, root)| Some((kind, root?)))
    }
}

/// The causes of a cluster. Usually there is one, but a site that blocks may also have changed its pages.
///
/// If the site refuses by status, problems with the remaining pages have another cause. If it refuses with
/// block pages, these problems are the refusal itself.
fn causes(episodes: &[Episode], is_by_status: bool) -> Vec<(Kind, usize)> {
    let clues = Clues::of(episodes);
    let failed = clues.up(&Metric::Failed);
    if let Some(root) = clues.up(&Metric::Blocked) {
        // A block does not remove items from the pages that succeed.
        let also = clues.layout().or(clues.silence());
        // A captcha page counts as a successful page, too.
        let explained = episodes[root].observed;
        let is_of_page = is_by_status && clues.is_broken_page();
        let also = also.filter(|_| is_of_page || clues.is_collapse(explained));
        return [(Kind::BlockWave, root)].into_iter().chain(also).collect();
    }
    let retries = clues.up(&Metric::Retries);
    let is_clean = clues.other_errors.or(clues.page_errors).is_none();
    let is_page = clues.lacking.or(clues.page_errors).is_some();
    let wave = |root| (Kind::ErrorWave, root);
    let one = retries
        .filter(|_| is_clean)
        .map(|root| (Kind::RetryWaste, root))
        .or(clues.other_errors.or(failed).filter(|_| !is_page).map(wave))
        .or(clues.layout())
        .or(clues.lost.map(|root| (Kind::LayoutChange, root)))
        .or(clues
            .up(&Metric::Duplicates)
            .map(|root| (Kind::DuplicateSurge, root)))
        .or(clues.silence())
        .or(clues
            .page_errors
            .or(clues.other_errors)
            .or(failed)
            .map(wave))
        .or(clues.rest());
    one.into_iter().collect()
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

    fn episode(metric: Metric, is_up: bool, usual: f64, observed: f64) -> Episode {
        Episode {
            metric,
            is_up,
            from: 3,
            to: 5,
            since: 0,
            expected: (usual * 0.9, usual * 1.1),
            usual,
            observed,
        }
    }

    fn kinds(episodes: &[Episode]) -> Vec<&'static str> {
        let causes = causes(episodes, true);
        causes
            .into_iter()
            .map(|(kind, _)| InsightKind::from(kind).name())
            .collect()
    }

    #[test]
    fn one_cause_explains_the_rest() {
        let blocked = || episode(Metric::Blocked, true, 0.01, 0.5);
        let failed = || episode(Metric::Failed, true, 0.02, 0.4);
        let fewer = || episode(Metric::ItemsPerPage, false, 0.9, 0.6);
        let gone = || episode(Metric::ItemsPerPage, false, 0.9, 0.1);
        let retries = || episode(Metric::Retries, true, 0.02, 0.3);
        let parsing = || episode(Metric::Errors(ErrorCategory::Parsing), true, 0.01, 0.3);
        let network = || episode(Metric::Errors(ErrorCategory::Network), true, 0.01, 0.3);
        let lacking = || episode(Metric::Lacking("price".into()), true, 0.0, 0.9);
        let slow = || episode(Metric::ResponseTime, true, 100.0, 400.0);
        for (episodes, expected) in [
            (
                vec![blocked(), fewer(), retries(), network()],
                vec!["block_wave"],
            ),
            (
                vec![blocked(), gone()],
                vec!["block_wave", "silent_failure"],
            ),
            (
                vec![blocked(), gone(), parsing()],
                vec!["block_wave", "layout_change"],
            ),
            (
                vec![blocked(), fewer(), parsing()],
                vec!["block_wave", "layout_change"],
            ),
            (vec![failed(), network(), fewer()], vec!["error_wave"]),
            (vec![failed(), retries()], vec!["retry_waste"]),
            (vec![fewer(), parsing()], vec!["layout_change"]),
            (vec![lacking()], vec!["layout_change"]),
            (vec![gone()], vec!["silent_failure"]),
            (vec![fewer()], vec!["yield_drop"]),
            (vec![slow()], vec!["slow_down"]),
            (vec![], vec![]),
        ] {
            assert_eq!(kinds(&episodes), expected, "{episodes:?}");
        }
    }
}
