//! Joins new errors and the incidents that they belong to: one finding for one thing, with one time.

use crate::finding::{Finding, ScraperKey};
use crate::incidents::Incident;
use crate::metric::{ENOUGH, Metric};
use crate::series::Series;

/// Whether an incident is only the wave of a new error, so that only the error is reported.
pub(crate) fn into_news(
    incident: &Incident,
    series: &Series<'_>,
    news: &[Option<Finding>],
) -> bool {
    let are_most = |news: &Finding| {
        let errors = incident.errors(series) as f64;
        news.observed.unwrap_or(0.0) * 2.0 > errors
    };
    let mut news = news.iter().flatten();
    incident.is_of_errors_alone()
        && news.any(|news| is_of(incident, series, news) && are_most(news))
}

/// Removes the new errors that belong to an incident. If they are what the incident consists of, it lasts as long as
/// they do.
pub(crate) fn take_news(
    incident: &mut Incident,
    series: &Series<'_>,
    news: &mut [Option<Finding>],
) {
    for place in news {
        let own = place.take_if(|news| is_of(incident, series, news));
        let Some(own) = own.filter(|own| is_metric_of(incident, own)) else {
            continue;
        };
        let since = own
            .since
            .map_or(incident.since, dragline_schema::Timestamp::as_micros);
        incident.since = incident.since.min(since);
        if incident.is_of_errors_alone() {
            let until = own
                .until
                .map_or(incident.until, dragline_schema::Timestamp::as_micros);
            incident.until = incident.until.max(until);
            incident.is_open |= own.is_open;
        }
    }
}

/// Whether errors of that category increased in the incident.
fn is_metric_of(incident: &Incident, news: &Finding) -> bool {
    let mut metrics = incident.episodes.iter().map(|episode| &episode.metric);
    let is_one = |metric: &Metric| news.metric.as_deref() == Some(&*metric.name());
    metrics.any(|metric| matches!(metric, Metric::Errors(_)) && is_one(metric))
}

/// Whether a new or regressed error and an incident belong to the same scraper and time. An error that also increased
/// in the incident may have begun in the window before, where it was not frequent enough to stand out.
fn is_of(incident: &Incident, series: &Series<'_>, news: &Finding) -> bool {
    let mut from = incident.from;
    if is_metric_of(incident, news) {
        let mut requests = 0;
        while from > 0 && requests < ENOUGH {
            from -= 1;
            requests += series.units[from].counters.requests.max(1);
        }
    }
    let first = series.units[from].start;
    let is_own = ScraperKey::from(&series.name) == news.scraper;
    let is_within = |since: i64| (first..=incident.until).contains(&since);
    is_own && news.since.is_some_and(|since| is_within(since.as_micros()))
}
