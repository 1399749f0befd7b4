//! The overview and the scrapers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragline_report::Report;
use dragline_report::model::Scraper;
use dragline_schema::{Severity, Timestamp};
use dragline_web::model::{
    Attention, AttentionKind, DataState, Overview, RunSummary, ScraperDetail, ScraperNumbers,
    ScraperSummary, ScraperVerdict, Sparkline, ValueFormat,
};
use dragline_web::{Answer, BackendError, Listing, ScraperKey, ScraperQuery, ScraperSort, Window};

use super::numbers::{self, Chart, by_scraper, figures, labels_of, span, step_of, stepped};
use super::{contains, findings};
use crate::alerts::Firing;
use crate::follow::{Live, LiveScraper};
use crate::judge::{Judged, time_of};
use crate::service::Monitor;

/// Number of things that the overview shows of each kind.
const SHOWN: usize = 10;
/// How long computed summaries are used again.
const FRESH: Duration = Duration::from_secs(1);
/// Number of days in a sparkline.
const DAYS: usize = 14;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Summaries of all scrapers, computed once for many requests.
pub(crate) type Summaries = Option<(Instant, Arc<Vec<ScraperSummary>>)>;

impl Monitor {
    /// All scrapers: those of the last analysis, and those that the live view knows beside them.
    pub(super) fn summaries(&self) -> Arc<Vec<ScraperSummary>> {
        let mut held = self
            .summaries
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((made, all)) = &*held
            && made.elapsed() < FRESH
        {
            return Arc::clone(all);
        }
        let all = Arc::new(self.make_summaries());
        *held = Some((Instant::now(), Arc::clone(&all)));
        all
    }

    fn make_summaries(&self) -> Vec<ScraperSummary> {
        let now = self.time();
        let live = self.shared.live();
        let day = Window {
            from: now.plus_micros(-DAY),
            to: now,
        };
        let numbers = self
            .ask(day, |windows| by_scraper(windows, span(day)))
            .unwrap_or_default();
        let firing = self.alerts.book().firing();
        let alerts = |key: &ScraperKey| firing_of(&firing, key).count() as u64;
        let judged = self.judged();
        let mut all = Vec::new();
        let mut known = std::collections::BTreeSet::new();
        for scraper in judged.iter().flat_map(|judged| &judged.report.scrapers) {
            let key = key_of(scraper);
            let report = &judged.as_ref().map(|judged| &judged.report);
            let summary = summary_of(&key, Some(scraper), report.as_deref(), &live, &numbers);
            let items = judged
                .as_ref()
                .and_then(|judged| items_per_day(&judged.activity, &key));
            let (verdict, reasons) = with_alerts(&summary, &firing);
            all.push(ScraperSummary {
                verdict,
                reasons,
                alerts_firing: alerts(&key),
                next_run_due: judged
                    .as_ref()
                    .and_then(|judged| next_due(&judged.observations, &key)),
                items_per_day: items,
                ..summary
            });
            known.insert(key);
        }
        for (key, held) in &live.scrapers {
            // What an analysis has seen and does not name, it knows by another name: a spider that is named late. What is
            // older than its period it has not seen.
            let is_seen = |judged: &Arc<Judged>| {
                let start = time_of(judged.report.period.start.as_ref());
                let last = held.last_event.zip(start);
                last.is_some_and(|(last, start)| (start..judged.at).contains(&last))
            };
            if judged.as_ref().is_some_and(is_seen) {
                continue;
            }
            let key = ScraperKey {
                scraper_id: Some(key.scraper_id.clone()),
                site: Some(key.site.clone()).filter(|site| !site.is_empty()),
            };
            // A scraper without a site may be one that the analysis knows by its site.
            let is_known = known.iter().any(|other| {
                other.scraper_id == key.scraper_id && (other.site == key.site || key.site.is_none())
            });
            if !is_known {
                let summary = summary_of(&key, None, None, &live, &numbers);
                all.push(ScraperSummary {
                    alerts_firing: alerts(&key),
                    ..summary
                });
            }
        }
        all
    }

    pub(super) fn list_scrapers(&self, query: &ScraperQuery) -> Answer<Listing<ScraperSummary>> {
        let all = self.summaries();
        let is_wanted = |one: &&ScraperSummary| {
            let (scraper, site) = (one.key.scraper_id.as_deref(), one.key.site.as_deref());
            let has_text = query.search.as_deref().is_none_or(|text| {
                contains(scraper.unwrap_or_default(), text)
                    || contains(site.unwrap_or_default(), text)
            });
            query.scope.matches(scraper, site)
                && has_text
                && (query.verdicts.is_empty() || query.verdicts.contains(&one.verdict))
        };
        let mut wanted: Vec<ScraperSummary> = all.iter().filter(is_wanted).cloned().collect();
        sort(&mut wanted, query.sort);
        Listing::cut(wanted, &query.page)
    }

    pub(super) fn find_scraper(&self, key: &ScraperKey, window: Window) -> Answer<ScraperDetail> {
        let all = self.summaries();
        let summary = all
            .iter()
            .find(|one| one.key == *key)
            .cloned()
            .ok_or_else(|| BackendError::NotFound(format!("{} is not known", name_of(key))))?;
        let step = step_of(window, self.time());
        let labels = labels_of(key.scraper_id.as_deref(), key.site.as_deref());
        let (mut figures, mut series) = self.ask(window, |windows| {
            let chart = Chart {
                windows,
                window: stepped(window, step),
                step,
            };
            // Where requests were counted and no error, there was none.
            let errors = chart.increases(numbers::ERRORS, &labels).into_iter();
            let requests = chart.increases(numbers::REQUESTS, &labels);
            let errors = errors.zip(requests);
            let errors = errors.map(|(errors, others)| errors.or(others.map(|_| 0.0)));
            let errors = errors.collect();
            let mut series = chart.usual(&labels);
            series.push(chart.series("errors", "errors", ValueFormat::Number, errors));
            (figures(windows, &labels, span(window)), series)
        })?;
        let judged = self.judged();
        let baselines = judged
            .iter()
            .flat_map(|judged| judged.report.baselines.iter().flatten());
        let own = baselines.filter(|one| one.scraper_id == key.scraper_id && one.site == key.site);
        let own: Vec<_> = own.collect();
        for figure in &mut figures {
            // Rates and times are comparable with those of runs; counts of a window are not.
            let is_rate = matches!(
                figure.metric.as_str(),
                "success_rate" | "response_time_ms.p95"
            );
            let usual = own
                .iter()
                .find(|one| is_rate && one.metric == figure.metric);
            figure.expected = usual.map(|one| findings::range_of(&one.expected));
        }
        if let Some(judged) = &judged {
            let marks = findings::marks_of(&judged.report, key, window);
            series
                .iter_mut()
                .for_each(|series| series.marks.clone_from(&marks));
        }
        Ok(ScraperDetail {
            summary,
            window,
            figures,
            series,
            baseline_runs: own.iter().map(|one| one.runs).max(),
        })
    }

    pub(super) fn find_overview(&self, window: Window) -> Overview {
        let now = self.time();
        let all = self.summaries();
        let mut scrapers = BTreeMap::new();
        for one in all.iter() {
            *scrapers.entry(one.verdict).or_insert(0) += 1;
        }
        let mut attention = self.attention();
        // What somebody takes care of comes last.
        attention.sort_by_key(|one| {
            let rank = std::cmp::Reverse((one.severity, one.since));
            (one.handled.is_some(), rank)
        });
        let attention_total = attention.len() as u64;
        attention.truncate(SHOWN);
        let mut active: Vec<RunSummary> = self.active_runs();
        let active_runs_total = active.len() as u64;
        active.truncate(SHOWN);
        let step = step_of(window, now);
        let asked = self.ask(window, |windows| {
            let chart = Chart {
                windows,
                window: stepped(window, step),
                step,
            };
            (
                figures(windows, &Vec::new(), span(window)),
                chart.usual(&Vec::new()),
            )
        });
        let mut data = self.data_state();
        let (figures, series) = asked.unwrap_or_else(|error| {
            let what = format!("the numbers of the period cannot be read: {error}");
            data.problems.push(what);
            Default::default()
        });
        Overview {
            at: now,
            window,
            scrapers,
            attention,
            attention_total,
            active_runs: active,
            active_runs_total,
            alerts_firing: self.alerts.firing_count() as u64,
            figures,
            series,
            data,
        }
    }

    fn data_state(&self) -> DataState {
        let live = self.shared.live();
        let judged = self.judged();
        let bad_lines = judged.map_or(0, |judged| judged.report.trust.bad_lines);
        DataState {
            last_event: live.latest,
            lag_seconds: self.lag().map(|lag| lag as f64 / 1e6),
            files: live.files,
            lines: live.lines,
            bad_lines,
            problems: self.problems(),
        }
    }

    /// What needs attention: alerts, open findings of some weight, checks that fail, tasks that fail.
    fn attention(&self) -> Vec<Attention> {
        let now = self.time();
        let mut all = self.alert_attention(now);
        if let Some(judged) = self.judged() {
            let open = judged
                .report
                .insights
                .iter()
                .filter(|insight| insight.is_open);
            let findings = open.map(|insight| findings::finding_of(&judged.report, insight));
            let fixes = self.fixes().clone();
            all.extend(
                findings
                    .filter(|one| one.severity >= Severity::Medium)
                    .map(|one| Attention {
                        // A verdict that it is not mended makes it a case for people again.
                        handled: fixes
                            .of(&one.id)
                            .filter(|fix| fix.verdict.is_none())
                            .map(|fix| format!("marked as mended by {}", fix.by)),
                        ..attention_of(one)
                    }),
            );
        }
        all.extend(self.health_attention());
        all.extend(self.problems().into_iter().map(|title| Attention {
            kind: AttentionKind::Service,
            id: String::new(),
            severity: Severity::High,
            title,
            since: Some(now),
            scraper: None,
            place: None,
            sample: None,
            recommendation: None,
            command: None,
            handled: None,
        }));
        all
    }

    fn alert_attention(&self, now: Timestamp) -> Vec<Attention> {
        let (firing, silences) = {
            let book = self.alerts.book();
            (book.firing(), book.silences().to_vec())
        };
        let configured = self.settings().notify.silence.clone();
        let of = |firing: Firing| {
            let alert = &firing.alert;
            let part = |name: &str| alert.id.labels.get(name).map(str::to_owned);
            let scraper = part("scraper_id").map(|scraper_id| ScraperKey {
                scraper_id: Some(scraper_id),
                site: part("site"),
            });
            let mut silences = configured.iter().chain(&silences);
            let silence = silences.find(|silence| silence.mutes(&alert.labels, now));
            let acknowledged = firing.acknowledged.as_ref();
            let handled = acknowledged
                .map(|one| format!("acknowledged by {}", one.by))
                .or_else(|| silence.map(|_| "silenced".to_owned()));
            Attention {
                kind: AttentionKind::Alert,
                id: alert.id.short(),
                severity: alert.severity,
                title: alert.summary.clone(),
                since: Some(alert.began),
                scraper,
                place: None,
                sample: None,
                recommendation: alert.annotations.get("description").cloned(),
                command: None,
                handled,
            }
        };
        firing.into_iter().map(of).collect()
    }
}

fn attention_of(finding: dragline_web::model::Finding) -> Attention {
    let first = finding.evidence.into_iter().next();
    let (place, sample) = first.map_or((None, None), |(place, sample)| (Some(place), sample));
    Attention {
        kind: AttentionKind::Finding,
        id: finding.id,
        severity: finding.severity,
        title: finding.title,
        since: finding.since,
        scraper: finding.scraper,
        command: place
            .as_ref()
            .and_then(|place| Some(format!("dragline show {}:{}", place.file, place.line?))),
        place,
        sample,
        handled: None,
        recommendation: Some(finding.recommendation).filter(|text| !text.is_empty()),
    }
}

/// The alerts that fire about a scraper.
fn firing_of<'f>(firing: &'f [Firing], key: &'f ScraperKey) -> impl Iterator<Item = &'f Firing> {
    firing.iter().filter(|one| {
        let labels = &one.alert.id.labels;
        labels.get("scraper_id") == key.scraper_id.as_deref()
            && labels
                .get("site")
                .is_none_or(|site| Some(site) == key.site.as_deref())
    })
}

/// The verdict of an analysis, with what alerts have said since: nothing is healthy while a severe alert about it fires.
fn with_alerts(summary: &ScraperSummary, firing: &[Firing]) -> (ScraperVerdict, Vec<String>) {
    let severe = firing_of(firing, &summary.key).filter(|one| one.alert.severity >= Severity::High);
    let worst = severe.max_by_key(|one| one.alert.severity);
    match worst {
        Some(worst) if !summary.verdict.needs_attention() => {
            let reason = worst.alert.summary.clone();
            let is_missed = worst.alert.id.rule == "scraper_down";
            let verdict = if is_missed {
                ScraperVerdict::Missed
            } else {
                ScraperVerdict::Degraded
            };
            (verdict, [vec![reason], summary.reasons.clone()].concat())
        }
        _ => (summary.verdict, summary.reasons.clone()),
    }
}

fn key_of(scraper: &Scraper) -> ScraperKey {
    ScraperKey {
        scraper_id: scraper.scraper_id.clone(),
        site: scraper.site.clone(),
    }
}

/// A scraper in words.
pub(super) fn name_of(key: &ScraperKey) -> String {
    match (&key.scraper_id, &key.site) {
        (Some(scraper), Some(site)) => format!("{scraper} on {site}"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => "the scraper without a name".to_owned(),
    }
}

fn summary_of(
    key: &ScraperKey,
    scraper: Option<&Scraper>,
    report: Option<&Report>,
    live: &Live,
    numbers: &BTreeMap<ScraperKey, ScraperNumbers>,
) -> ScraperSummary {
    let verdict = scraper.and_then(|scraper| ScraperVerdict::parse(&scraper.verdict));
    let own: Vec<&LiveScraper> = live
        .scrapers
        .iter()
        .filter(|(held, _)| {
            Some(&held.scraper_id) == key.scraper_id.as_ref()
                && key.site.as_ref().is_none_or(|site| *site == held.site)
        })
        .map(|(_, held)| held)
        .collect();
    let since = report.and_then(|report| since_of(report, key));
    let last_seen = || {
        let runs = report?
            .runs
            .iter()
            .filter(|run| run.scraper_id == key.scraper_id && run.site == key.site);
        runs.filter_map(|run| time_of(run.last_seen.as_ref())).max()
    };
    ScraperSummary {
        key: key.clone(),
        verdict: verdict.unwrap_or(ScraperVerdict::NoData),
        reasons: scraper
            .map(|scraper| scraper.reasons.clone())
            .unwrap_or_default(),
        since,
        last_event: own
            .iter()
            .filter_map(|one| one.last_event)
            .max()
            .or_else(last_seen),
        next_run_due: None,
        active_runs: own.iter().map(|one| one.runs.len() as u64).sum(),
        alerts_firing: 0,
        numbers: numbers.get(key).cloned().unwrap_or_default(),
        items_per_day: None,
    }
}

/// Since when a scraper is as it is: the onset of its open finding.
fn since_of(report: &Report, key: &ScraperKey) -> Option<Timestamp> {
    let own = report.insights.iter().filter(|insight| {
        insight.is_open && insight.scraper_id == key.scraper_id && insight.site == key.site
    });
    own.filter_map(|insight| time_of(insight.since.as_ref()))
        .min()
}

/// When the next run counts as missed.
fn next_due(
    observations: &[dragline_alerting::Observation],
    key: &ScraperKey,
) -> Option<Timestamp> {
    let own = observations.iter().filter(|one| {
        one.topic == dragline_alerting::Topic::Freshness
            && one.labels.get("scraper_id") == key.scraper_id.as_deref()
            && one.labels.get("site") == key.site.as_deref()
    });
    let last = own.max_by_key(|one| one.time)?;
    let seconds = last.value.filter(|seconds| (0.0..1e9).contains(seconds))?;
    Some(last.time.plus_micros((seconds * 1e6) as i64))
}

fn items_per_day(activity: &dragline_report::Activity, key: &ScraperKey) -> Option<Sparkline> {
    let name = (key.scraper_id.clone(), key.site.clone());
    let days = activity.blocks.get(&name)?;
    let values = &days.items.values;
    let first = values.len().saturating_sub(DAYS);
    let values = values[first..].to_vec();
    values.iter().any(Option::is_some).then(|| Sparkline {
        label: format!("items per day, last {} days", values.len()),
        values,
    })
}

fn sort(all: &mut [ScraperSummary], sort: ScraperSort) {
    let name = |one: &ScraperSummary| (one.key.scraper_id.clone(), one.key.site.clone());
    all.sort_by_key(name);
    match sort {
        ScraperSort::Attention => {
            all.sort_by_key(|one| (one.verdict, std::cmp::Reverse(one.alerts_firing)));
        }
        ScraperSort::Name => {}
        ScraperSort::Requests => all.sort_by_key(|one| std::cmp::Reverse(one.numbers.requests)),
        ScraperSort::Items => all.sort_by_key(|one| std::cmp::Reverse(one.numbers.items)),
        ScraperSort::Errors => all.sort_by_key(|one| std::cmp::Reverse(one.numbers.errors)),
        ScraperSort::SuccessRate => all.sort_by(|a, b| {
            let rate = |one: &ScraperSummary| one.numbers.success_rate.unwrap_or(f64::INFINITY);
            rate(a).total_cmp(&rate(b))
        }),
        ScraperSort::LastEvent => all.sort_by_key(|one| std::cmp::Reverse(one.last_event)),
    }
}
