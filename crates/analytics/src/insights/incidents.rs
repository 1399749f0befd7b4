//! From episodes to incidents: what happened at the same time has one cause, and one name.
//!
//! A block makes requests fail, items rare and errors new; told as four findings it would be noise. So
//! episodes of a scraper that overlap are one incident; its kind is that of the episode that explains
//! the others, and the rest is the order in which things moved.

use dragline_rollup::Finished;
use dragline_schema::ErrorCategory;

use super::episodes::Episode;
use super::metric::Metric;
use super::series::Series;

/// Items under this share of the usual ones are a failure, not a worse yield.
const COLLAPSE: f64 = 0.45;

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
}

impl Kind {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BlockWave => "block_wave",
            Self::ErrorWave => "error_wave",
            Self::LayoutChange => "layout_change",
            Self::SilentFailure => "silent_failure",
            Self::SlowDown => "slow_down",
            Self::RetryWaste => "retry_waste",
            Self::DuplicateSurge => "duplicate_surge",
            Self::YieldDrop => "yield_drop",
            Self::QueueGrowth => "queue_growth",
            Self::Bottleneck => "bottleneck",
            Self::VolumeHigh => "volume_high",
            Self::VolumeLow => "volume_low",
        }
    }
}

/// Episodes of a scraper with one cause.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    pub(crate) kind: Kind,
    /// The episode that explains the others.
    pub(crate) root: Episode,
    /// All of them, by onset.
    pub(crate) episodes: Vec<Episode>,
    /// The first and the last unit.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// In microseconds.
    pub(crate) since: i64,
    pub(crate) until: i64,
    /// Whether it reaches the last unit.
    pub(crate) is_open: bool,
}

impl Incident {
    /// Whether it is a wave of errors without requests that fail: then one error may be all of it.
    pub(crate) fn is_of_errors_alone(&self) -> bool {
        let mut metrics = self.episodes.iter().map(|episode| &episode.metric);
        self.kind == Kind::ErrorWave && metrics.all(|metric| *metric != Metric::Failed)
    }

    /// How many errors its units have.
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
        .filter_map(|(_, cluster)| incident(series, cluster))
        .collect()
}

fn incident(series: &Series<'_>, mut episodes: Vec<Episode>) -> Option<Incident> {
    let (kind, root) = explain(&episodes)?;
    let root = episodes[root].clone();
    episodes.sort_by(|a, b| (a.since, &a.metric).cmp(&(b.since, &b.metric)));
    let from = episodes.iter().map(|episode| episode.from).min()?;
    let to = episodes.iter().map(|episode| episode.to).max()?;
    Some(Incident {
        kind,
        since: root.since,
        until: series.units[to].end,
        is_open: to + 1 == series.units.len(),
        root,
        episodes,
        from,
        to,
    })
}

/// The kind of an incident, and the episode that explains the others.
fn explain(episodes: &[Episode]) -> Option<(Kind, usize)> {
    let find = |is_one: &dyn Fn(&Episode) -> bool| episodes.iter().position(is_one);
    let up = |metric: Metric| find(&|episode| episode.metric == metric && episode.is_up);
    let errors = |of: &'static [ErrorCategory]| {
        find(
            &move |episode| matches!(&episode.metric, Metric::Errors(category) if episode.is_up && of.contains(category)),
        )
    };
    let fewer = find(&|episode| {
        let is_content = matches!(episode.metric, Metric::ItemsPerPage | Metric::ItemYield);
        is_content && !episode.is_up
    });
    let lacking = find(&|episode| matches!(episode.metric, Metric::Lacking(_)) && episode.is_up);
    let lost = up(Metric::Lost);
    let page_errors = errors(&[ErrorCategory::Parsing, ErrorCategory::SiteChange]);
    let other_errors = errors(&[
        ErrorCategory::Network,
        ErrorCategory::Database,
        ErrorCategory::System,
        ErrorCategory::Authentication,
        ErrorCategory::RateLimit,
        ErrorCategory::Unknown,
    ]);
    let failed = up(Metric::Failed);
    let retries = up(Metric::Retries);
    if let Some(root) = up(Metric::Blocked) {
        return Some((Kind::BlockWave, root));
    }
    if let (Some(root), None) = (retries, other_errors.or(page_errors)) {
        return Some((Kind::RetryWaste, root));
    }
    if let (Some(root), None) = (other_errors.or(failed), lacking.or(page_errors)) {
        return Some((Kind::ErrorWave, root));
    }
    if let Some(root) = lacking.or(fewer.or(lost).and(page_errors)).or(lost) {
        return Some((Kind::LayoutChange, fewer.unwrap_or(root)));
    }
    if let Some(root) = up(Metric::Duplicates) {
        return Some((Kind::DuplicateSurge, root));
    }
    if let Some(root) = fewer {
        let episode = &episodes[root];
        let is_collapse = episode.observed < episode.usual * COLLAPSE;
        let kind = if is_collapse {
            Kind::SilentFailure
        } else {
            Kind::YieldDrop
        };
        return Some((kind, root));
    }
    if let Some(root) = page_errors.or(other_errors).or(failed) {
        return Some((Kind::ErrorWave, root));
    }
    let down = |metric: Metric| find(&|episode| episode.metric == metric && !episode.is_up);
    let rest = [
        (Kind::SlowDown, up(Metric::ResponseTime)),
        (Kind::Bottleneck, up(Metric::Database)),
        (Kind::Bottleneck, up(Metric::Waiting)),
        (Kind::SilentFailure, down(Metric::BytesPerPage)),
        (Kind::VolumeHigh, up(Metric::Requests)),
        (
            Kind::QueueGrowth,
            up(Metric::QueueLeft).or(up(Metric::Queue)),
        ),
        (Kind::VolumeLow, down(Metric::Requests)),
    ];
    rest.into_iter()
        .find_map(|(kind, root)| Some((kind, root?)))
}

/// The runs of an incident, by their places in [`Finished::runs`].
pub(crate) fn runs_of<'s>(
    incident: &Incident,
    series: &'s Series<'_>,
) -> impl Iterator<Item = usize> + 's {
    let units = &series.units[incident.from..=incident.to];
    units.iter().filter_map(|unit| unit.run)
}

/// How many units it lasted.
pub(crate) fn units(incident: &Incident) -> usize {
    incident.to - incident.from + 1
}

/// Whether a run that was asked for is in the incident, or, without runs, any of its time.
pub(crate) fn is_asked(
    incident: &Incident,
    series: &Series<'_>,
    all: &Finished,
    asked: &Finished,
) -> bool {
    let mut runs = runs_of(incident, series).peekable();
    if runs.peek().is_none() {
        let Some((first, last)) = asked.period else {
            return false;
        };
        return incident.since <= last.as_micros() && incident.until >= first.as_micros();
    }
    let keys: std::collections::BTreeSet<_> = asked.runs.iter().map(|row| &row.key).collect();
    runs.any(|run| keys.contains(&all.runs[run].key))
}
