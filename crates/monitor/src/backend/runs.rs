//! Runs: active ones from the live view, others from the database.

use dragline_insights::{PastRun, forecast};
use dragline_report::model::{Group, Run};
use dragline_schema::{RunKey as StoredKey, Timestamp};
use dragline_web::model::{
    Forecast, Range, RunDetail, RunErrors, RunNumbers, RunOutcome, RunSummary,
};
use dragline_web::{Answer, BackendError, Listing, Place, RunKey, RunQuery};

use super::numbers::{Chart, labels_of, step_of, stepped};
use super::{findings, unavailable};
use crate::follow::{LiveRun, ScraperKey};
use crate::judge::{Judged, time_of};
use crate::service::Monitor;
use crate::store::{RunFilter, StoredRun};

/// Maximum number of earlier runs that a forecast is made of. Late in a run, only few of them lasted as long.
const EARLIER: usize = 400;
/// A run that was silent for so long before an analysis may have been killed, in microseconds.
const SILENT: i64 = 10 * 60_000_000;
/// Number of error groups that a run shows.
const GROUPS: usize = 10;

impl Monitor {
    /// Runs that are active, the latest start first.
    pub(super) fn active_runs(&self) -> Vec<RunSummary> {
        let live = self.shared.live();
        let judged = self.judged();
        // A killed run says no end: the analysis gives it up.
        let is_killed = |key: &ScraperKey, id: &str, run: &LiveRun| {
            let judged = judged.as_ref()?;
            let key = StoredKey {
                scraper_id: Some(key.scraper_id.clone()),
                site: Some(key.site.clone()).filter(|site| !site.is_empty()),
                run_id: Some(id.to_owned()),
            };
            let is_silent = judged.at.since(run.last_event?) > SILENT;
            Some(is_silent && judged.killed.contains(&key))
        };
        let mut active: Vec<RunSummary> = live
            .scrapers
            .iter()
            .flat_map(|(key, scraper)| {
                scraper
                    .runs
                    .iter()
                    .filter(|(id, run)| is_killed(key, id, run) != Some(true))
                    .map(|(id, run)| self.active_run(key, id, run))
            })
            .collect();
        active.sort_by(|a, b| (b.start, &b.key).cmp(&(a.start, &a.key)));
        active
    }

    fn active_run(&self, key: &ScraperKey, id: &str, run: &LiveRun) -> RunSummary {
        let now = self.time();
        let site = Some(key.site.clone()).filter(|site| !site.is_empty());
        let known = run.requests.saturating_sub(run.requests_failed);
        let numbers = RunNumbers {
            requests: Some(run.requests),
            requests_failed: Some(run.requests_failed),
            success_rate: (run.requests > 0).then(|| known as f64 / run.requests as f64),
            items: Some(run.items),
            errors: Some(run.errors),
            ..RunNumbers::default()
        };
        let end = run.last_event.unwrap_or(now);
        let forecast = match run.started {
            Some(start) => self.forecast(key, start, run, now),
            None => Err("no line says when it started".to_owned()),
        };
        RunSummary {
            key: RunKey {
                scraper_id: Some(key.scraper_id.clone()),
                site,
                run_id: id.to_owned(),
            },
            start: run.started,
            end: None,
            last_seen: run.last_event,
            duration_seconds: run
                .started
                .map(|start| end.since(start).max(0) as f64 / 1e6),
            outcome: Some(RunOutcome::Running),
            finish_reason: None,
            host: run.host.clone(),
            numbers,
            items_expected: self.items_expected(Some(&key.scraper_id), Some(&key.site)),
            no_forecast: forecast.as_ref().err().cloned(),
            forecast: forecast.ok(),
        }
    }

    fn items_expected(&self, scraper: Option<&String>, site: Option<&String>) -> Option<Range> {
        let judged = self.judged()?;
        let own = judged.report.baselines.iter().flatten().find(|one| {
            one.metric == "items" && one.scraper_id.as_ref() == scraper && one.site.as_ref() == site
        });
        own.map(|one| findings::range_of(&one.expected))
    }

    /// What a run is expected to come to, from the finished runs of its scraper, or why that cannot be predicted.
    fn forecast(
        &self,
        key: &ScraperKey,
        start: Timestamp,
        run: &LiveRun,
        now: Timestamp,
    ) -> Result<Forecast, String> {
        let filter = RunFilter {
            scraper: Some(key.scraper_id.clone()),
            site: Some(key.site.clone()),
            verdict: Some("finished".to_owned()),
            ..RunFilter::default()
        };
        let (runs, _) = self
            .store
            .runs(&filter, 0, EARLIER)
            .map_err(|error| error.to_string())?;
        let past = runs.iter().rev().filter_map(|run| {
            Some(PastRun {
                seconds: run.duration_seconds?,
                items: run.items.map(|items| items as f64),
            })
        });
        let past: Vec<PastRun> = past.collect();
        let elapsed = now.since(start).max(0) as f64 / 1e6;
        let found = forecast(&past, elapsed, run.items as f64).map_err(|why| why.to_string())?;
        let at = |seconds: f64| start.plus_micros((seconds * 1e6) as i64);
        Ok(Forecast {
            end: at(found.seconds.middle),
            end_lower: at(found.seconds.lower),
            end_upper: at(found.seconds.upper),
            items: found.items.map(|items| items.middle.round()),
            items_range: found.items.map(|items| Range {
                lower: items.lower.floor(),
                upper: items.upper.ceil(),
            }),
        })
    }

    pub(super) fn list_runs(&self, query: &RunQuery) -> Answer<Listing<RunSummary>> {
        let is_wanted = |run: &RunSummary| {
            query
                .scope
                .matches(run.key.scraper_id.as_deref(), run.key.site.as_deref())
                && query
                    .outcome
                    .is_none_or(|outcome| run.outcome == Some(outcome))
                && query
                    .window
                    .is_none_or(|window| run.start.is_some_and(|start| window.contains(start)))
        };
        let active: Vec<RunSummary> = self.active_runs().into_iter().filter(is_wanted).collect();
        if query.outcome == Some(RunOutcome::Running) {
            return Listing::cut(active, &query.page);
        }
        let filter = RunFilter {
            scraper: query.scope.scraper_id.clone(),
            site: query.scope.site.clone(),
            verdict: query.outcome.map(|outcome| outcome.name().to_owned()),
            since: query.window.map(|window| window.from),
            until: query.window.map(|window| window.to),
        };
        let offset = query.page.offset()?;
        let (first, skipped) = (
            offset.min(active.len()),
            offset.saturating_sub(active.len()),
        );
        let mut items: Vec<RunSummary> = active[first..]
            .iter()
            .take(query.page.limit)
            .cloned()
            .collect();
        let (stored, total) = self
            .store
            .runs(&filter, skipped, query.page.limit)
            .map_err(unavailable)?;
        // An active run is in the database as well, from the last analysis.
        let is_active = |run: &StoredRun| active.iter().any(|one| stored_key(&one.key) == run.key);
        let rest = stored.iter().take(query.page.limit - items.len());
        let taken = rest.len();
        items.extend(
            rest.filter(|run| !is_active(run))
                .map(|run| self.summary_of(run)),
        );
        let end = offset + taken + (active.len() - first).min(query.page.limit);
        let whole = total as usize + active.len();
        Ok(Listing {
            items,
            total: Some(total),
            next: (end < whole && taken > 0).then(|| end.to_string()),
            note: None,
        })
    }

    fn summary_of(&self, run: &StoredRun) -> RunSummary {
        let judged = run
            .requests
            .zip(run.requests_failed)
            .filter(|(requests, _)| *requests > 0);
        let key = RunKey {
            scraper_id: run.key.scraper_id.clone(),
            site: run.key.site.clone(),
            run_id: run.key.run_id.clone().unwrap_or_default(),
        };
        RunSummary {
            items_expected: self.items_expected(key.scraper_id.as_ref(), key.site.as_ref()),
            key,
            start: run.start,
            end: run.end,
            last_seen: run.last_seen,
            duration_seconds: run.duration_seconds,
            outcome: run.verdict.as_deref().and_then(RunOutcome::parse),
            finish_reason: run.finish_reason.clone(),
            host: run.host.clone(),
            numbers: RunNumbers {
                requests: run.requests,
                requests_failed: run.requests_failed,
                success_rate: judged
                    .map(|(requests, failed)| 1.0 - failed as f64 / requests as f64),
                items: run.items,
                errors: Some(run.errors),
                rate_limits: Some(run.rate_limits),
                bytes: run.bytes,
                response_time_ms_p50: run.response_time_ms.map(|times| times.0),
                response_time_ms_p95: run.response_time_ms.map(|times| times.1),
            },
            forecast: None,
            no_forecast: None,
        }
    }

    pub(super) fn find_run(&self, key: &RunKey) -> Answer<RunDetail> {
        let active = self.active_runs().into_iter().find(|run| run.key == *key);
        let stored = self.store.run(&stored_key(key)).map_err(unavailable)?;
        let summary = active.or_else(|| stored.as_ref().map(|run| self.summary_of(run)));
        let summary = summary.ok_or_else(|| {
            let scraper = dragline_web::ScraperKey {
                scraper_id: key.scraper_id.clone(),
                site: key.site.clone(),
            };
            let name = super::fleet::name_of(&scraper);
            BackendError::NotFound(format!("run {:?} of {name} is not known", key.run_id))
        })?;
        let judged = self.judged();
        let reported: Option<&Run> = judged.as_ref().and_then(|judged| {
            judged.report.runs.iter().find(|run| {
                run.run_id == key.run_id && run.scraper_id == key.scraper_id && run.site == key.site
            })
        });
        let error_groups = judged
            .as_ref()
            .map(|judged| errors_of(judged, key, &summary))
            .unwrap_or_default();
        Ok(RunDetail {
            figures: self.run_figures(&summary),
            series: self.run_series(&summary)?,
            status_codes: reported
                .map(|run| run.totals.status_codes.clone())
                .unwrap_or_default(),
            config: reported
                .and_then(|run| run.config.clone())
                .unwrap_or_default(),
            stats: reported.map(|run| run.stats.clone()).unwrap_or_default(),
            error_groups,
            last_line: reported
                .and_then(|run| run.evidence.first())
                .map(|evidence| Place {
                    file: evidence.file.clone(),
                    line: Some(evidence.line),
                    offset: evidence.offset,
                }),
            previous: self.previous(key, summary.start),
            summary,
        })
    }

    /// The numbers of a run, with what is usual for such runs.
    fn run_figures(&self, run: &RunSummary) -> Vec<dragline_web::model::Figure> {
        use dragline_web::model::ValueFormat as Format;
        let judged = self.judged();
        let expected = |metric: &str| {
            let own = judged
                .as_ref()?
                .report
                .baselines
                .iter()
                .flatten()
                .find(|one| {
                    one.metric == metric
                        && one.scraper_id == run.key.scraper_id
                        && one.site == run.key.site
                })?;
            Some(findings::range_of(&own.expected))
        };
        let numbers = &run.numbers;
        let count = |count: Option<u64>| count.map(|count| count as f64);
        let values = [
            ("items", "items", Format::Number, count(numbers.items)),
            (
                "requests",
                "requests",
                Format::Number,
                count(numbers.requests),
            ),
            (
                "success_rate",
                "success rate",
                Format::Percent,
                numbers.success_rate,
            ),
            ("errors", "errors", Format::Number, count(numbers.errors)),
            (
                "rate_limits",
                "rate limits",
                Format::Number,
                count(numbers.rate_limits),
            ),
            (
                "bytes",
                "bytes of responses",
                Format::Bytes,
                count(numbers.bytes),
            ),
            (
                "response_time_ms.p50",
                "median response time",
                Format::Milliseconds,
                numbers.response_time_ms_p50,
            ),
            (
                "response_time_ms.p95",
                "95th percentile of response times",
                Format::Milliseconds,
                numbers.response_time_ms_p95,
            ),
            (
                "duration_seconds",
                "duration",
                Format::Number,
                run.duration_seconds,
            ),
        ];
        let figure = |(metric, label, format, value): (&str, &str, Format, Option<f64>)| {
            dragline_web::model::Figure {
                metric: metric.to_owned(),
                label: label.to_owned(),
                format,
                value,
                expected: expected(metric),
            }
        };
        values.into_iter().map(figure).collect()
    }

    /// The measurements of the scraper while the run lasted.
    fn run_series(&self, run: &RunSummary) -> Answer<Vec<dragline_web::model::Series>> {
        let Some((from, to)) = run.start.zip(run.end.or(run.last_seen)) else {
            return Ok(Vec::new());
        };
        let window = dragline_web::Window {
            from,
            to: to.plus_micros(60_000_000),
        };
        let step = step_of(window, self.time());
        let labels = labels_of(run.key.scraper_id.as_deref(), run.key.site.as_deref());
        self.ask(window, |windows| {
            let chart = Chart {
                windows,
                window: stepped(window, step),
                step,
            };
            chart.usual(&labels)
        })
    }

    fn previous(&self, key: &RunKey, start: Option<Timestamp>) -> Option<RunKey> {
        let filter = RunFilter {
            scraper: key.scraper_id.clone(),
            site: key.site.clone(),
            until: Some(start?),
            ..RunFilter::default()
        };
        let (runs, _) = self.store.runs(&filter, 0, 1).ok()?;
        runs.first().map(|run| RunKey {
            scraper_id: run.key.scraper_id.clone(),
            site: run.key.site.clone(),
            run_id: run.key.run_id.clone().unwrap_or_default(),
        })
    }
}

fn stored_key(key: &RunKey) -> StoredKey {
    StoredKey {
        scraper_id: key.scraper_id.clone(),
        site: key.site.clone(),
        run_id: Some(key.run_id.clone()),
    }
}

/// The groups of errors of a run, the largest first; last those of which its part is not known.
fn errors_of(judged: &Judged, key: &RunKey, run: &RunSummary) -> Vec<RunErrors> {
    let stored = stored_key(key);
    let part = |group: &Group| {
        let errors = judged.errors.get(&group.id)?;
        let own = errors.runs.iter().find(|one| one.run.key == stored);
        match own {
            Some(own) => Some(Some(own.count)),
            None if errors.is_complete => None,
            // One of many runs: it may have some, if its scraper had any while it was running.
            None => {
                let is_own = group
                    .scrapers
                    .iter()
                    .any(|one| one.scraper_id == key.scraper_id && one.site == key.site);
                let (first, last) = (group.first_seen.as_ref(), group.last_seen.as_ref());
                (is_own && is_within(run, time_of(first), time_of(last))).then_some(None)
            }
        }
    };
    let groups = judged.report.errors.groups.iter();
    let mut own: Vec<RunErrors> = groups
        .filter_map(|group| {
            Some(RunErrors {
                id: group.id.clone(),
                template: group.template.clone(),
                count: part(group)?,
            })
        })
        .collect();
    own.sort_by(|a, b| (b.count, &a.id).cmp(&(a.count, &b.id)));
    own.truncate(GROUPS);
    own
}

/// Whether something that lasted from `first` to `last` may belong to a run.
fn is_within(run: &RunSummary, first: Option<Timestamp>, last: Option<Timestamp>) -> bool {
    let (Some(start), Some(end)) = (run.start, run.end.or(run.last_seen)) else {
        return false;
    };
    first.is_none_or(|first| first <= end) && last.is_none_or(|last| last >= start)
}
