//! The metrics that are compared between units.
//!
//! Shares are compared on the arcsine scale and all other metrics on the logarithmic scale. On these scales
//! the noise does not depend on the level (Anscombe 1948), and its size for few requests is known.

use dragline_rollup::Counters;
use dragline_schema::ErrorCategory;

use crate::series::Unit;

/// The number of responses with a status that blocks the scraper: 403 and 429.
pub fn blocked(counters: &Counters) -> u64 {
    [403, 429]
        .iter()
        .map(|status| counters.status_codes.get(*status))
        .sum()
}

/// The number of requests that the site refused: counted by status or, if the log has no status codes, by errors.
pub fn refused(counters: &Counters) -> u64 {
    blocked(counters)
        .max(counters.refusals)
        .min(counters.requests)
}

/// The variance by chance, on the scale, of shares that are not based on counts.
const TIME_VARIANCE: f64 = 0.01;
/// With this number of requests, pages or items a unit is judged alone.
pub(crate) const ENOUGH: u64 = 20;
/// With fewer of them nothing is judged: one page more or less without items is chance.
pub(crate) const LEAST: u64 = 5;

/// A metric of a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Refused requests, per request.
    Blocked,
    /// Other failed requests, per request.
    Failed,
    /// Errors of a category, per request.
    Errors(ErrorCategory),
    /// Items per successful page.
    ItemsPerPage,
    /// Stored items per found item.
    ItemYield,
    /// Lost items, per item that should have been stored.
    Lost,
    /// Items that lack a field, per item.
    Lacking(String),
    ResponseTime,
    /// The mean response time, where the log has no single ones.
    ResponseMean,
    /// Seconds of a run per request, where the log has no response times.
    Pace,
    BytesPerPage,
    /// Duplicates per successful page.
    Duplicates,
    /// Retries, per request.
    Retries,
    /// The mean length of the queue.
    Queue,
    /// The queue's length at the end of a run, relative to its maximum length.
    QueueLeft,
    Requests,
    Items,
    Duration,
    /// The share of a run's time spent waiting because the site asked it to slow down.
    Waiting,
    /// The share spent waiting for its database.
    Database,
    /// The share spent processing pages until they are stored.
    Processing,
    /// Warnings of a template, per request.
    Warnings(String),
    /// A custom statistic, by name.
    Own(String),
}

/// A value, transformed to the scale on which it is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    /// The value on the scale.
    pub(crate) y: f64,
    /// The variance by chance alone, on the scale.
    pub(crate) variance: f64,
    /// The number of trials behind a count. On the logarithmic scale the variance then follows from the expected
    /// value, so that zero of sixty is not mistaken for noise.
    pub(crate) trials: Option<f64>,
    /// The raw value.
    pub(crate) raw: f64,
}

/// The scale on which a metric is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// The arcsine of the square root of a share.
    Share,
    /// The logarithm.
    Log,
}

impl Scale {
    /// Converts a value on the scale to the raw value.
    pub(crate) fn raw(self, y: f64) -> f64 {
        match self {
            Self::Share => y.clamp(0.0, std::f64::consts::FRAC_PI_2).sin().powi(2),
            Self::Log => y.exp(),
        }
    }

    /// The prior standard deviation between runs of a scraper, on the scale.
    pub(crate) fn prior(self, metric: &Metric) -> f64 {
        match (self, metric) {
            (Self::Share, _) => 0.05,
            (
                Self::Log,
                Metric::Requests
                | Metric::Items
                | Metric::Duration
                | Metric::Queue
                | Metric::Own(_),
            ) => 0.3,
            (Self::Log, _) => 0.15,
        }
    }

    /// The minimum standard deviation between runs, on the scale.
    pub(crate) fn floor(self) -> f64 {
        match self {
            Self::Share => 0.012,
            Self::Log => 0.03,
        }
    }
}

/// The arcsine of a share, with Anscombe's correction for few trials.
pub(crate) fn arcsine(part: f64, trials: f64) -> f64 {
    ((part + 0.375) / (trials + 0.75)).sqrt().asin()
}

fn share(part: u64, whole: u64) -> Option<Sample> {
    if whole < LEAST {
        return None;
    }
    let (k, n) = (part.min(whole) as f64, whole as f64);
    Some(Sample {
        y: arcsine(k, n),
        variance: 1.0 / (4.0 * n + 2.0),
        trials: Some(n),
        raw: part as f64 / n,
    })
}

fn ratio(part: u64, whole: u64) -> Option<Sample> {
    if whole < LEAST {
        return None;
    }
    let (k, n) = (part as f64, whole as f64);
    Some(Sample {
        y: ((k + 0.5) / (n + 0.5)).ln(),
        variance: 1.0 / (k + 0.5),
        trials: Some(n),
        raw: k / n,
    })
}

/// What is added to an amount before its logarithm is taken, so that that of zero exists.
const HALF: f64 = 0.5;

fn amount(value: f64, variance: f64) -> Option<Sample> {
    (value >= 0.0 && value.is_finite()).then(|| Sample {
        y: (value + HALF).ln(),
        variance,
        trials: None,
        raw: value,
    })
}

impl Metric {
    /// All metrics of a scraper, given the fields that its items lack, the templates of its warnings and its custom
    /// statistics.
    pub(crate) fn all<'f>(
        fields: impl Iterator<Item = &'f str>,
        warnings: impl Iterator<Item = &'f str>,
        own: impl Iterator<Item = &'f str>,
    ) -> Vec<Self> {
        let mut all = vec![
            Self::Blocked,
            Self::Failed,
            Self::ItemsPerPage,
            Self::ItemYield,
            Self::Lost,
            Self::ResponseTime,
            Self::ResponseMean,
            Self::Pace,
            Self::BytesPerPage,
            Self::Duplicates,
            Self::Retries,
            Self::Queue,
            Self::QueueLeft,
            Self::Requests,
            Self::Items,
            Self::Duration,
            Self::Waiting,
            Self::Database,
            Self::Processing,
        ];
        all.extend(
            ErrorCategory::ALL
                .iter()
                .map(|category| Self::Errors(*category)),
        );
        all.extend(fields.map(|field| Self::Lacking(field.to_owned())));
        all.extend(warnings.map(|template| Self::Warnings(template.to_owned())));
        all.extend(own.map(|name| Self::Own(name.to_owned())));
        all
    }

    /// The name in reports.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Blocked => "blocked_share".to_owned(),
            Self::Failed => "failed_share".to_owned(),
            Self::Errors(category) => format!("errors.{category}"),
            Self::ItemsPerPage => "items_per_100_pages".to_owned(),
            Self::ItemYield => "item_yield".to_owned(),
            Self::Lost => "items_failed_share".to_owned(),
            Self::Lacking(field) => format!("field_fill.{field}"),
            Self::ResponseTime => "response_time_ms.p50".to_owned(),
            Self::ResponseMean => "response_time_ms.mean".to_owned(),
            Self::Pace => "seconds_per_request".to_owned(),
            Self::BytesPerPage => "bytes_per_page".to_owned(),
            Self::Duplicates => "duplicate_share".to_owned(),
            Self::Retries => "retry_share".to_owned(),
            Self::Queue => "queue_size".to_owned(),
            Self::QueueLeft => "queue_left_share".to_owned(),
            Self::Requests => "requests".to_owned(),
            Self::Items => "items".to_owned(),
            Self::Duration => "duration_seconds".to_owned(),
            Self::Waiting => "waiting_share".to_owned(),
            Self::Database => "database_share".to_owned(),
            Self::Processing => "processing_share".to_owned(),
            Self::Warnings(_) => "warnings_per_request".to_owned(),
            Self::Own(name) => format!("stats.{name}"),
        }
    }

    /// The name in sentences.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Blocked => "refused requests".to_owned(),
            Self::Failed => "failed requests".to_owned(),
            Self::Errors(category) => {
                format!("{} errors", category.as_str().replace('_', " "))
            }
            Self::ItemsPerPage => "items per 100 pages".to_owned(),
            Self::ItemYield => "share of found items that were stored".to_owned(),
            Self::Lost => "lost items".to_owned(),
            Self::Lacking(field) => {
                format!("items that have `{}`", dragline_schema::clip(field, 40))
            }
            Self::ResponseTime => "response time in milliseconds".to_owned(),
            Self::ResponseMean => "mean response time in milliseconds".to_owned(),
            Self::Pace => "seconds per request".to_owned(),
            Self::BytesPerPage => "bytes per page".to_owned(),
            Self::Duplicates => "duplicates per page".to_owned(),
            Self::Retries => "retries".to_owned(),
            Self::Queue => "queue length".to_owned(),
            Self::QueueLeft => "unprocessed share of the queue".to_owned(),
            Self::Requests => "requests".to_owned(),
            Self::Items => "items".to_owned(),
            Self::Duration => "duration in seconds".to_owned(),
            Self::Waiting => "time spent waiting for the site".to_owned(),
            Self::Database => "time spent waiting for the database".to_owned(),
            Self::Processing => "time spent processing and storing pages".to_owned(),
            Self::Warnings(template) => {
                format!("warnings `{}`", dragline_schema::clip(template, 80))
            }
            Self::Own(name) => format!("`{name}`"),
        }
    }

    pub(crate) fn scale(&self) -> Scale {
        match self {
            Self::Blocked
            | Self::Failed
            | Self::Errors(_)
            | Self::ItemYield
            | Self::Lost
            | Self::Lacking(_)
            | Self::Duplicates
            | Self::Retries
            | Self::QueueLeft
            | Self::Waiting
            | Self::Database
            | Self::Processing
            | Self::Warnings(_) => Scale::Share,
            Self::ItemsPerPage
            | Self::ResponseTime
            | Self::ResponseMean
            | Self::Pace
            | Self::BytesPerPage
            | Self::Queue
            | Self::Requests
            | Self::Items
            | Self::Duration
            | Self::Own(_) => Scale::Log,
        }
    }

    /// Whether it depends on the hour and the day of the week, and may have a trend.
    pub(crate) fn is_seasonal(&self) -> bool {
        matches!(
            self,
            Self::Requests | Self::Items | Self::Duration | Self::Queue
        )
    }

    /// Whether it is reported on its own. The other metrics follow from these.
    pub(crate) fn is_told(&self) -> bool {
        !matches!(self, Self::Items | Self::Duration)
    }

    /// Whether it often changes for other reasons than requests, pages and items that fail, or follows from these: it does
    /// not date an incident with another cause.
    pub(crate) fn is_consequence(&self) -> bool {
        matches!(
            self,
            Self::ResponseTime
                | Self::ResponseMean
                | Self::Pace
                | Self::BytesPerPage
                | Self::Queue
                | Self::QueueLeft
                | Self::Requests
                | Self::Items
                | Self::Duration
                | Self::Waiting
                | Self::Database
                | Self::Processing
                | Self::Warnings(_)
                | Self::Own(_)
        )
    }

    /// Whether it measures how large, long or slow runs are. One scraper may have runs of several sizes.
    pub(crate) fn is_size(&self) -> bool {
        matches!(
            self,
            Self::ItemsPerPage
                | Self::ResponseTime
                | Self::ResponseMean
                | Self::Pace
                | Self::BytesPerPage
                | Self::Requests
                | Self::Queue
        )
    }

    /// Whether a change, in the direction that is worth saying, always means that something went wrong.
    pub(crate) fn is_trouble(&self) -> bool {
        matches!(
            self,
            Self::Blocked
                | Self::Failed
                | Self::Errors(_)
                | Self::ItemsPerPage
                | Self::ItemYield
                | Self::Lost
                | Self::Lacking(_)
        )
    }

    /// Minimum number of consecutive unusual units; a single run may wait by bad luck.
    pub(crate) fn least_units(&self) -> usize {
        match self {
            Self::Waiting | Self::Database | Self::Processing => 3,
            _ => 1,
        }
    }

    /// Whether it is a total, which is lower in an incomplete unit.
    pub(crate) fn is_total(&self) -> bool {
        matches!(
            self,
            Self::Requests | Self::Items | Self::Duration | Self::Own(_)
        )
    }

    /// Whether it is an amount: not a rate, and compared on the logarithmic scale after half a unit was added, so that
    /// nothing has a place on it.
    pub(crate) fn is_amount(&self) -> bool {
        let is_rate = matches!(self, Self::ItemsPerPage | Self::Pace);
        self.scale() == Scale::Log && !is_rate
    }

    /// Converts a value on the scale to the raw value.
    pub(crate) fn raw(&self, y: f64) -> f64 {
        let raw = self.scale().raw(y);
        if self.is_amount() {
            (raw - HALF).max(0.0)
        } else {
            raw
        }
    }

    /// The value as shown in reports, e.g. items per 100 pages, or the share of items that have a field.
    pub(crate) fn shown(&self, raw: f64) -> f64 {
        match self {
            Self::ItemsPerPage => raw * 100.0,
            Self::Lacking(_) => 1.0 - raw,
            _ => raw,
        }
    }

    /// The metric's value in a unit; `None` if the unit has too little data.
    pub(crate) fn of(&self, unit: &Unit<'_>) -> Option<Sample> {
        match self.counts(unit) {
            Some(counts) => self.sample(counts),
            None => self.measured(unit),
        }
    }

    /// The value of a count; `None` if there are too few trials.
    pub(crate) fn sample(&self, (part, whole): (u64, u64)) -> Option<Sample> {
        match self.scale() {
            Scale::Share => share(part, whole),
            Scale::Log => ratio(part, whole),
        }
    }

    /// What the metric counts in a unit, and the number of trials. `None` if this is unknown, or if the metric counts
    /// nothing that can be added up over units.
    pub(crate) fn counts(&self, unit: &Unit<'_>) -> Option<(u64, u64)> {
        let counters = &unit.counters;
        let requests = counters.requests;
        let judged = requests.saturating_sub(counters.requests_unjudged);
        let items = counters.items();
        // Without requests, errors and warnings are compared with all records.
        let told = if requests > 0 {
            requests
        } else {
            counters.events
        };
        match self {
            Self::Blocked => Some((refused(counters), requests)),
            Self::Failed => {
                let failed = counters.requests_failed.saturating_sub(blocked(counters));
                Some((failed, judged))
            }
            Self::Errors(category) => Some((counters.categories.get(*category), told)),
            Self::ItemsPerPage => Some((items, pages(counters))).filter(|_| unit.known.items),
            Self::ItemYield => Some((items, counters.found)).filter(|_| unit.known.found),
            Self::Lost => Some((counters.failed, items + counters.failed)),
            Self::Lacking(field) => {
                let lacking = unit.lacking.get(field.as_str()).copied().unwrap_or(0);
                Some((lacking, items + counters.failed))
            }
            Self::Duplicates => Some((counters.duplicates, pages(counters))),
            Self::Retries => Some((counters.retries, requests)),
            Self::Warnings(template) => {
                let count = unit.warned.get(template.as_str()).copied().unwrap_or(0);
                Some((count.min(told), told))
            }
            _ => None,
        }
    }

    /// The value of a metric that is not a count of trials.
    fn measured(&self, unit: &Unit<'_>) -> Option<Sample> {
        let counters = &unit.counters;
        let (requests, items) = (counters.requests, counters.items());
        if self.is_total() && !unit.is_whole {
            return None;
        }
        match self {
            Self::ResponseTime => {
                let count = counters.response_time.count;
                // Half of the response times lie within a factor of two, which gives this variance of the median of n.
                let of = |(p50, _): (f64, f64)| amount(p50, 0.5 / count as f64);
                unit.response_ms.filter(|_| count >= ENOUGH).and_then(of)
            }
            Self::ResponseMean => {
                let spread = &counters.response_time;
                let is_only = unit.response_ms.is_none() && spread.count >= ENOUGH;
                let mean = spread.mean().filter(|_| is_only)? / 1000.0;
                amount(mean, 0.5 / spread.count as f64)
            }
            Self::Pace => pace(unit),
            Self::BytesPerPage => {
                let good = pages(counters);
                let bytes = counters.bytes.saturating_sub(counters.failed_bytes);
                let mean = bytes as f64 / good.max(1) as f64;
                amount(mean, 0.5 / good.max(1) as f64)
                    .filter(|_| good >= ENOUGH && unit.known.bytes && counters.bytes > 0)
            }
            Self::QueueLeft => queue_left(unit),
            Self::Queue => {
                let mean = counters
                    .queue
                    .mean()
                    .filter(|_| counters.queue.count >= 3)?;
                amount(mean, 1.0 / counters.queue.count as f64)
            }
            Self::Requests => amount(requests as f64, 1.0 / (requests as f64 + 1.0))
                .filter(|_| unit.known.requests),
            Self::Items => {
                amount(items as f64, 1.0 / (items as f64 + 1.0)).filter(|_| unit.known.items)
            }
            Self::Duration => amount(unit.duration_seconds?, 0.0),
            Self::Waiting => part_of_time(counters.waited_micros, unit),
            Self::Database => part_of_time(counters.database_micros, unit),
            Self::Processing => part_of_time(counters.processing_micros, unit),
            Self::Own(name) => {
                let value = *unit.own?.get(name)?;
                amount(value, 1.0 / (value.abs() + 1.0))
            }
            // These are counts.
            _ => None,
        }
    }

    /// The metric's numerator and denominator in one bucket.
    pub(crate) fn parts(&self, counters: &Counters) -> Option<(f64, f64)> {
        let requests = counters.requests as f64;
        let told = if counters.requests > 0 {
            requests
        } else {
            counters.events as f64
        };
        let good = counters.requests.saturating_sub(counters.requests_failed) as f64;
        let items = counters.items() as f64;
        let (part, whole) = match self {
            Self::Blocked => (refused(counters) as f64, requests),
            Self::Failed => {
                let failed = counters.requests_failed.saturating_sub(blocked(counters));
                (failed as f64, requests)
            }
            Self::Errors(category) => (counters.categories.get(*category) as f64, told),
            Self::ItemsPerPage => (items, good),
            Self::ItemYield => (items, counters.found as f64),
            Self::Lost => (counters.failed as f64, items + counters.failed as f64),
            Self::Lacking(_) => (counters.incomplete as f64, items + counters.failed as f64),
            Self::ResponseTime | Self::ResponseMean => {
                let spread = &counters.response_time;
                (spread.sum as f64 / 1000.0, spread.count as f64)
            }
            // Not by template, but surges are mostly of one.
            Self::Warnings(_) => (counters.warnings as f64, told),
            Self::BytesPerPage => (counters.bytes as f64, requests),
            Self::Duplicates => (counters.duplicates as f64, good),
            Self::Retries => (counters.retries as f64, requests),
            Self::Queue => (counters.queue.sum as f64, counters.queue.count as f64),
            // A bucket does not know its time: see `onset`.
            Self::Pace
            | Self::QueueLeft
            | Self::Requests
            | Self::Items
            | Self::Duration
            | Self::Waiting
            | Self::Database
            | Self::Processing
            | Self::Own(_) => {
                return None;
            }
        };
        (whole > 0.0).then_some((part, whole))
    }

    /// Whether the parts are measures, not counts: their noise is proportional to their size.
    pub(crate) fn is_measure(&self) -> bool {
        matches!(
            self,
            Self::ResponseTime | Self::ResponseMean | Self::BytesPerPage | Self::Queue
        )
    }

    /// Whether the change, up or down, is large enough to report.
    pub(crate) fn is_worth_saying(&self, expected: f64, observed: f64) -> bool {
        let more = observed - expected;
        // A few more than none are not many times as many.
        let least = if self.is_amount() { HALF } else { 1e-9 };
        let times = (observed + least) / (expected + least);
        match self {
            Self::Blocked => more >= 0.04,
            Self::Failed | Self::Errors(_) => more >= 0.08 && times >= 2.0,
            Self::ItemsPerPage | Self::ItemYield => times <= 0.85,
            Self::Lost | Self::Duplicates => more >= 0.08,
            Self::Lacking(_) => more >= 0.12,
            Self::ResponseTime | Self::ResponseMean => times >= 1.3,
            Self::Pace => times >= 1.4,
            Self::Warnings(_) => more >= 0.08 && times >= 3.0,
            Self::BytesPerPage => times <= 0.6,
            Self::Retries => more >= 0.06 && times >= 1.5,
            Self::Queue => times >= 1.8,
            Self::Requests | Self::Items | Self::Duration => times >= 1.75 || times <= 0.57,
            Self::Own(_) => times >= 2.0 || times <= 0.5,
            Self::Waiting | Self::Database | Self::Processing => more >= 0.25,
            Self::QueueLeft => more >= 0.28,
        }
    }
}

/// The number of requests that succeeded. If the log does not say which requests failed, all count as pages.
fn pages(counters: &Counters) -> u64 {
    let judged = counters.requests.saturating_sub(counters.requests_unjudged);
    let asked = if judged > 0 {
        judged
    } else {
        counters.requests
    };
    asked.saturating_sub(counters.requests_failed)
}

/// Minimum duration of a run for its pace, in seconds; shorter ones mostly start and stop.
const LEAST_SECONDS: f64 = 60.0;

/// The seconds of a run per request, if its log has response times for few of them.
fn pace(unit: &Unit<'_>) -> Option<Sample> {
    let counters = &unit.counters;
    let is_timed = unit.response_ms.is_some() || counters.response_time.count > 0;
    let seconds = unit.duration_seconds.filter(|s| *s >= LEAST_SECONDS)?;
    // A run that stalled did nothing for a while, and a killed one has no end.
    if is_timed || counters.requests < ENOUGH || !unit.known.requests || !unit.is_whole {
        return None;
    }
    let requests = counters.requests as f64;
    let raw = seconds / requests;
    Some(Sample {
        y: raw.ln(),
        variance: 1.0 / requests,
        trials: None,
        raw,
    })
}

/// The share of the queue that was left when its length was last logged.
fn queue_left(unit: &Unit<'_>) -> Option<Sample> {
    let most = unit.counters.queue.max as f64;
    if unit.counters.queue.count < 3 || most < 10.0 || !unit.is_whole {
        return None;
    }
    // The last logged length may be up to one step before the end.
    let step = 1.0 / unit.counters.queue.count as f64;
    let raw = (unit.queue_left? as f64 / most - step).max(0.0);
    Some(Sample {
        y: raw.sqrt().asin(),
        variance: TIME_VARIANCE,
        trials: None,
        raw,
    })
}

/// The share of a run's time spent on an activity.
fn part_of_time(micros: u64, unit: &Unit<'_>) -> Option<Sample> {
    let seconds = unit.duration_seconds.filter(|seconds| *seconds >= 60.0)?;
    let raw = (micros as f64 / 1e6 / seconds).min(1.0);
    Some(Sample {
        y: raw.sqrt().asin(),
        variance: TIME_VARIANCE,
        trials: None,
        raw,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_told_as_it_was_counted() {
        for value in [0.0, 1.0, 60.0] {
            let sample = amount(value, 1.0).unwrap();
            assert!(
                (Metric::Items.raw(sample.y) - value).abs() < 1e-9,
                "{value}"
            );
        }
        // A few more than none are not many times as many.
        assert!(!Metric::Own("captchas".to_owned()).is_worth_saying(0.0, 0.4));
        assert!(Metric::Own("captchas".to_owned()).is_worth_saying(0.0, 5.0));
    }
}
