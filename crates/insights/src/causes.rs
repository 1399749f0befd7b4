//! Finds the cause that explains simultaneous episodes.
//!
//! The kinds have an order: refused requests explain failed ones, errors explain missing items. But a cause must also
//! be large enough: a block of five percent does not explain that half of the items are missing.

use dragline_schema::ErrorCategory;

use crate::episodes::Episode;
use crate::incidents::Kind;
use crate::metric::Metric;

/// Below this share of the usual items, the incident is a failure, not a lower yield.
const COLLAPSE: f64 = 0.45;
/// Minimum share of requests with page errors, or of items that lack a field, for a broken page.
const BROKEN: f64 = 0.12;
/// Maximum share of the usual items for a broken page.
const FEWER: f64 = 0.75;
/// Minimum loss of items that a cause must be large enough to explain; any cause explains a smaller one.
const LOSS: f64 = 0.3;
/// A cause may explain this many times its own size: a failed list loses all its items.
const MOST: f64 = 3.0;
/// Minimum share of the usual items for a run to have as many as usual.
const AS_USUAL: f64 = 0.8;
/// What is this many times as large as a block is more than its consequence.
const TIMES: f64 = 2.0;

/// The share of the work that an episode concerns.
fn extent(episode: &Episode) -> f64 {
    let is_loss = matches!(
        episode.metric,
        Metric::ItemsPerPage | Metric::ItemYield | Metric::BytesPerPage | Metric::Requests
    );
    if is_loss && !episode.is_up {
        return (1.0 - episode.observed / episode.usual.max(1e-9)).clamp(0.0, 1.0);
    }
    (episode.observed - episode.usual).abs()
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
        // Of several categories, the one that grew most leads.
        let errors = |of_page: bool| {
            let is_one = |episode: &Episode| match episode.metric {
                Metric::Errors(category) => episode.is_up && is_of_page(category) == of_page,
                _ => false,
            };
            let all = episodes.iter().enumerate();
            let own = all.filter(|(_, episode)| is_one(episode));
            own.max_by(|(at, a), (other, b)| extent(a).total_cmp(&extent(b)).then(other.cmp(at)))
                .map(|(place, _)| place)
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
    fn is_collapse(&self) -> bool {
        self.fewer.is_some_and(|fewer| {
            let episode = &self.episodes[fewer];
            episode.observed < episode.usual * COLLAPSE
        })
    }

    /// The share of items that is missing; 0 if their number is usual.
    fn loss(&self) -> f64 {
        self.fewer
            .map_or(0.0, |fewer| extent(&self.episodes[fewer]))
    }

    /// The share of items missing from the pages that a block of this share of pages left.
    fn loss_beside(&self, blocked: f64) -> f64 {
        1.0 - (1.0 - self.loss()) / (1.0 - blocked).max(1e-9)
    }

    /// Whether a cause is large enough to explain the missing items.
    fn explains_loss(&self, root: usize) -> bool {
        let episode = &self.episodes[root];
        // Errors and duplicates are counted per request or page, and not every page has an item.
        let is_per_page = matches!(episode.metric, Metric::Errors(_) | Metric::Duplicates);
        let items = self.down(&Metric::ItemsPerPage).filter(|_| is_per_page);
        let items = items.map_or(1.0, |place| self.episodes[place].usual.clamp(0.1, 1.0));
        let loss = self.loss();
        loss < LOSS || extent(episode) / items * MOST >= loss
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

    /// Why items are lost without an error: most were found before if warnings say so.
    fn of_lost(&self) -> Kind {
        let mut episodes = self.episodes.iter();
        let says_duplicate = |episode: &Episode| match &episode.metric {
            Metric::Warnings(template) => template.to_ascii_lowercase().contains("duplicate"),
            _ => false,
        };
        if episodes.any(|episode| episode.is_up && says_duplicate(episode)) {
            Kind::DuplicateSurge
        } else {
            Kind::LayoutChange
        }
    }

    /// Whether pages have fewer items only because there are more pages: no item is missing.
    fn are_pages_more(&self) -> bool {
        let ratio = |place: usize| {
            let episode = &self.episodes[place];
            episode.observed / episode.usual.max(1e-9)
        };
        let fewer = self.down(&Metric::ItemsPerPage).map(ratio);
        let more = self.up(&Metric::Requests).map(ratio);
        fewer
            .zip(more)
            .is_some_and(|(fewer, more)| fewer * more >= AS_USUAL)
    }

    /// Items that are gone without an error.
    fn silence(&self) -> Option<(Kind, usize)> {
        let kind = if self.is_collapse() && !self.are_pages_more() {
            Kind::SilentFailure
        } else {
            Kind::YieldDrop
        };
        Some((kind, self.fewer?))
    }

    /// The remaining causes, if requests, pages and items suggest none.
    fn rest(&self) -> Option<(Kind, usize)> {
        let pace = self.up(&Metric::ResponseMean).or(self.up(&Metric::Pace));
        let mut episodes = self.episodes.iter();
        let is_warning = |episode: &Episode| matches!(episode.metric, Metric::Warnings(_));
        let warnings = episodes.position(|episode| is_warning(episode) && episode.is_up);
        let queue = self.up(&Metric::QueueLeft).or(self.up(&Metric::Queue));
        let mut episodes = self.episodes.iter();
        let own = episodes.position(|episode| matches!(episode.metric, Metric::Own(_)));
        let rest = [
            (Kind::SlowDown, self.up(&Metric::ResponseTime).or(pace)),
            (Kind::WarningSurge, warnings),
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

/// The causes of a cluster, the one that leads first. Usually there is one, but a site that blocks may also have changed
/// its pages, and a small block does not explain that most items are missing or that other requests fail.
///
/// If the site refuses by status, problems with the remaining pages have another cause. If it refuses with
/// block pages, these problems are the refusal itself.
pub(crate) fn causes(episodes: &[Episode], is_by_status: bool) -> Vec<(Kind, usize)> {
    let clues = Clues::of(episodes);
    if let Some(root) = clues.up(&Metric::Blocked) {
        let block = (Kind::BlockWave, root);
        return match beside(&clues, root, is_by_status) {
            // What changed most leads.
            Some(other) if extent(&episodes[other.1]) > TIMES * extent(&episodes[root]) => {
                vec![other, block]
            }
            Some(other) => vec![block, other],
            None => vec![block],
        };
    }
    let candidates = candidates(&clues);
    let is_enough = |(_, root): &&(Kind, usize)| clues.explains_loss(*root);
    let leading = candidates.iter().find(is_enough);
    leading
        .or(candidates.first())
        .copied()
        .into_iter()
        .collect()
}

/// What a block of this size does not explain.
fn beside(clues: &Clues<'_>, block: usize, is_by_status: bool) -> Option<(Kind, usize)> {
    let blocked = &clues.episodes[block];
    let is_of_page = is_by_status && clues.is_broken_page();
    // A captcha page counts as a successful page, too.
    let has_other = is_of_page || clues.loss_beside(blocked.observed) >= LOSS;
    let content = clues.layout().or(clues.silence()).filter(|_| has_other);
    let is_large = |place: &usize| {
        let own = extent(&clues.episodes[*place]);
        own >= TIMES * extent(blocked) && own >= LOSS
    };
    let failed = clues.up(&Metric::Failed).filter(is_large);
    let wave = failed.map(|failed| {
        let errors = clues.other_errors.filter(is_large);
        (Kind::ErrorWave, errors.unwrap_or(failed))
    });
    content.or(wave)
}

/// The possible causes of a cluster without a block, the most specific first.
fn candidates(clues: &Clues<'_>) -> Vec<(Kind, usize)> {
    let failed = clues.up(&Metric::Failed);
    let is_clean = clues.other_errors.or(clues.page_errors).is_none();
    let is_page = clues.lacking.or(clues.page_errors).is_some();
    let wave = |root| (Kind::ErrorWave, root);
    let retries = clues.up(&Metric::Retries).filter(|_| is_clean);
    let causes = [
        retries.map(|root| (Kind::RetryWaste, root)),
        clues.other_errors.or(failed).filter(|_| !is_page).map(wave),
        clues.layout(),
        clues.lost.map(|root| (clues.of_lost(), root)),
        clues
            .up(&Metric::Duplicates)
            .map(|root| (Kind::DuplicateSurge, root)),
        clues.silence(),
        clues
            .page_errors
            .or(clues.other_errors)
            .or(failed)
            .map(wave),
        clues.rest(),
    ];
    causes.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::InsightKind;

    fn episode(metric: Metric, is_up: bool, usual: f64, observed: f64) -> Episode {
        Episode {
            metric,
            is_up,
            from: 3,
            to: 5,
            seen: 5,
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
        let more = |times| episode(Metric::Requests, true, 40.0, 40.0 * times);
        let retries = || episode(Metric::Retries, true, 0.02, 0.3);
        let parsing = || episode(Metric::Errors(ErrorCategory::Parsing), true, 0.01, 0.3);
        let network = || episode(Metric::Errors(ErrorCategory::Network), true, 0.01, 0.3);
        let lacking = || episode(Metric::Lacking("price".into()), true, 0.0, 0.9);
        let slow = || episode(Metric::ResponseTime, true, 100.0, 400.0);
        let small = || episode(Metric::Blocked, true, 0.0, 0.05);
        let halved = || episode(Metric::ItemsPerPage, false, 0.9, 0.43);
        let retried = || episode(Metric::Retries, true, 0.02, 0.1);
        let few_errors = || episode(Metric::Errors(ErrorCategory::Database), true, 0.0, 0.1);
        let of_half = || episode(Metric::ItemsPerPage, false, 0.45, 0.12);
        let pace = || episode(Metric::Pace, true, 1.0, 3.0);
        let lost = || episode(Metric::Lost, true, 0.01, 0.4);
        let doubled = || {
            let template = "Dropped: Duplicate item found: p<n>".into();
            episode(Metric::Warnings(template), true, 0.01, 0.3)
        };
        let warned = || episode(Metric::Warnings("slow page".into()), true, 0.01, 0.4);
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
            // As many items as usual, on nine times as many pages.
            (vec![gone(), more(9.0)], vec!["yield_drop"]),
            (vec![gone(), more(2.0)], vec!["silent_failure"]),
            (vec![fewer()], vec!["yield_drop"]),
            // Too small to explain that half of the items are missing.
            (vec![small(), halved()], vec!["yield_drop", "block_wave"]),
            (vec![retried(), halved()], vec!["yield_drop"]),
            (vec![few_errors(), gone()], vec!["silent_failure"]),
            // Half of the pages have an item, and as many errors are enough.
            (vec![network(), of_half()], vec!["error_wave"]),
            (vec![small(), failed()], vec!["error_wave", "block_wave"]),
            (vec![slow()], vec!["slow_down"]),
            (vec![pace(), slow()], vec!["slow_down"]),
            (vec![warned(), slow()], vec!["slow_down"]),
            (vec![warned()], vec!["warning_surge"]),
            (vec![lost(), fewer()], vec!["layout_change"]),
            (vec![lost(), doubled(), fewer()], vec!["duplicate_surge"]),
            (vec![], vec![]),
        ] {
            assert_eq!(kinds(&episodes), expected, "{episodes:?}");
        }
    }
}
