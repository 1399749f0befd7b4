//! Errors over time and in groups.

use std::collections::{BTreeMap, BTreeSet};

use dragline_report::model::Group;
use dragline_schema::{ErrorCategory, Severity, Timestamp};
use dragline_web::model::{
    ErrorGroup, ErrorGroupDetail, ErrorLayer, ErrorState, ErrorTotals, EventLine, GroupScraper,
    Line, Series, Sparkline, ValueFormat,
};
use dragline_web::{Answer, BackendError, ErrorQuery, Listing, Page, Scope, ScraperKey, Window};

use super::contains;
use super::findings::place_of;
use super::lines::Search;
use super::numbers::{Chart, ERRORS, REQUESTS, Selected, span, step_of, stepped, zero_where};
use crate::judge::{Judged, time_of};
use crate::service::Monitor;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Number of scrapers that a group names.
const NAMED: usize = 20;

impl Monitor {
    pub(super) fn count_errors(&self, scope: &Scope, window: Window) -> Answer<ErrorTotals> {
        let step = step_of(window, self.time());
        let labels = labels_of(scope);
        self.ask(window, |windows| {
            let chart = Chart {
                windows,
                window: stepped(window, step),
                step,
            };
            let mut by_category = BTreeMap::new();
            let mut by_severity = BTreeMap::new();
            let mut total = None;
            for (id, stats) in windows.query(ERRORS, &labels, span(window)) {
                let Some(count) = stats.increase.filter(|_| stats.count > 0) else {
                    continue;
                };
                let label = |name: &str| {
                    let held = id.labels.iter().find(|(held, _)| held == name);
                    held.map(|(_, value)| value.clone()).unwrap_or_default()
                };
                *total.get_or_insert(0) += count as u64;
                *by_category.entry(label("category")).or_insert(0) += count as u64;
                if let Ok(severity) = label("severity").parse::<Severity>() {
                    *by_severity.entry(severity).or_insert(0) += count as u64;
                }
            }
            if total.is_none()
                && windows
                    .summarise("dragline_events", &labels, span(window))
                    .is_some_and(|all| all.count > 0)
            {
                total = Some(0);
            }
            let requests = chart.increases(REQUESTS, &self::labels_of(scope));
            let layers: Vec<ErrorLayer> = ErrorCategory::ALL
                .iter()
                .filter(|category| by_category.contains_key(category.as_str()))
                .map(|category| {
                    let mut labels = labels.clone();
                    labels.push(("category", category.as_str()));
                    ErrorLayer {
                        category: category.as_str().to_owned(),
                        values: zero_where(chart.increases(ERRORS, &labels), &requests),
                    }
                })
                .collect();
            let times = chart
                .series("errors", "errors", ValueFormat::Number, Vec::new())
                .times;
            ErrorTotals {
                window,
                total,
                by_category,
                by_severity,
                times,
                step_seconds: step as u64,
                layers,
                marks: Vec::new(),
            }
        })
    }

    pub(super) fn list_groups(&self, query: &ErrorQuery) -> Answer<Listing<ErrorGroup>> {
        let judged = self.analysis()?;
        let groups = judged.report.errors.groups.iter();
        let of_scope = groups.filter(|group| {
            is_everything(&query.scope)
                || group.scrapers.iter().any(|one| {
                    query
                        .scope
                        .matches(one.scraper_id.as_deref(), one.site.as_deref())
                })
        });
        let all: Vec<ErrorGroup> = of_scope
            .map(|group| group_of(&judged, group, &query.scope, query.window))
            .filter(|group| group.count > 0)
            .collect();
        let total: u64 = all.iter().map(|group| group.count).sum();
        let mut wanted: Vec<ErrorGroup> = all
            .into_iter()
            .filter(|group| {
                query
                    .category
                    .as_ref()
                    .is_none_or(|category| group.category == *category)
                    && query
                        .severity
                        .is_none_or(|severity| group.severity == severity)
                    && query.state.is_none_or(|state| group.state == Some(state))
                    && query
                        .search
                        .as_deref()
                        .is_none_or(|text| contains(&group.template, text))
            })
            .map(|group| ErrorGroup {
                share: Some(group.count as f64 / total as f64),
                ..group
            })
            .collect();
        wanted.sort_by(|a, b| (b.count, &a.id).cmp(&(a.count, &b.id)));
        let mut listing = Listing::cut(wanted, &query.page)?;
        let note = if is_everything(&query.scope) {
            "Groups are counted by day (UTC): the window is widened to whole days."
        } else {
            "The groups of a scraper are counted by run: every run counts as a whole that the window touches."
        };
        let errors = listing
            .items
            .iter()
            .map(|group| judged.errors.get(&group.id));
        let is_partial = errors.flatten().any(|errors| !errors.is_complete);
        let partly = " Of groups with more runs than are counted one by one, more errors may be this scraper's.";
        let partly = if is_partial && !is_everything(&query.scope) {
            partly
        } else {
            ""
        };
        listing.note = Some(format!("{note}{partly}"));
        Ok(listing)
    }

    pub(super) fn find_group(&self, id: &str, window: Window) -> Answer<ErrorGroupDetail> {
        let judged = self.analysis()?;
        let found = find(&judged, id)?;
        let group = group_of(&judged, found, &Scope::default(), window);
        let rule = group.sub_category.as_deref().unwrap_or(&group.category);
        let runbook = [rule, group.category.as_str()]
            .into_iter()
            .find(|name| dragline_report::runbook(name).is_some());
        let runbook = runbook.map(str::to_owned);
        let advice = runbook
            .as_deref()
            .and_then(dragline_report::runbook)
            .map(dragline_report::runbook_title);
        Ok(ErrorGroupDetail {
            window,
            series: by_day(&judged, found, window),
            advice: advice.map(str::to_owned),
            runbook,
            group,
        })
    }

    /// Lines of a group: those of the last days that are still in the files, otherwise those of the analysis.
    pub(super) fn list_samples(&self, id: &str, page: &Page) -> Answer<Listing<EventLine>> {
        let judged = self.analysis()?;
        let group = find(&judged, id)?;
        let number = u64::from_str_radix(&group.id, 16).unwrap_or_default();
        let last = time_of(group.last_seen.as_ref()).unwrap_or_else(|| self.time());
        let search = Search {
            window: Window {
                from: last.plus_micros(-DAY),
                to: last.plus_micros(1),
            },
            scope: Scope::default(),
            run_id: None,
            level: None,
            event_type: None,
            text: None,
            group: Some(number),
        };
        let mut found = self.search(&search, page.offset()?, page.limit, true)?;
        if found.items.is_empty() && page.offset()? == 0 {
            let lines = group.evidence.iter().map(|evidence| {
                let (place, text) = place_of(evidence);
                EventLine {
                    place,
                    at: None,
                    level: None,
                    event_type: None,
                    key: ScraperKey::default(),
                    run_id: None,
                    text: text
                        .unwrap_or_else(|| dragline_alerting::notice::redact_line(&group.sample)),
                }
            });
            found.items = lines.take(page.limit).collect();
            found.note = Some(
                "The files with these lines may be gone; this is what the last analysis kept."
                    .to_owned(),
            );
        } else if found.note.is_none() {
            found.note = Some(format!(
                "These are the lines of the 24 hours before the last one; all of them: dragline errors --group {id} {}",
                dragline_watch::shell_words(&self.follows())
            ));
        }
        Ok(found)
    }
}

fn labels_of(scope: &Scope) -> Selected<'_> {
    super::numbers::labels_of(scope.scraper_id.as_deref(), scope.site.as_deref())
}

fn find<'j>(judged: &'j Judged, id: &str) -> Answer<&'j Group> {
    let found = judged
        .report
        .errors
        .groups
        .iter()
        .find(|group| group.id == id);
    found.ok_or_else(|| {
        BackendError::NotFound(format!(
            "there is no error group {id:?} in the last analysis"
        ))
    })
}

/// The days of a window, as days since 1970.
fn days_of(window: Window) -> std::ops::RangeInclusive<i64> {
    window.from.as_micros().div_euclid(DAY)..=window.to.plus_micros(-1).as_micros().div_euclid(DAY)
}

fn is_everything(scope: &Scope) -> bool {
    scope.scraper_id.is_none() && scope.site.is_none()
}

/// Number of errors of a group in the runs of some scrapers that a window touches, as far as its runs are counted one by
/// one.
fn count_in_runs(judged: &Judged, id: &str, scope: &Scope, window: Window) -> Option<u64> {
    let errors = judged.errors.get(id)?;
    let own = errors.runs.iter().filter(|errors| {
        let run = &errors.run;
        let (scraper, site) = (run.key.scraper_id.as_deref(), run.key.site.as_deref());
        let is_in = |(first, last)| first < window.to && last >= window.from;
        scope.matches(scraper, site) && run.span.is_none_or(is_in)
    });
    Some(own.map(|errors| errors.count).sum())
}

fn group_of(judged: &Judged, group: &Group, scope: &Scope, window: Window) -> ErrorGroup {
    let days = days_of(window);
    let daily = judged.activity.groups.get(&group.id);
    let in_window: Option<Vec<Option<f64>>> = daily.map(|values| {
        let dated = judged.activity.days.iter().zip(values);
        dated
            .filter(|(day, _)| days.contains(day))
            .map(|(_, value)| *value)
            .collect()
    });
    // Without values by day, the whole group counts if it was seen in the window.
    let is_in = || {
        let (first, last) = (
            time_of(group.first_seen.as_ref()),
            time_of(group.last_seen.as_ref()),
        );
        first.is_none_or(|first| first < window.to) && last.is_none_or(|last| last >= window.from)
    };
    let everywhere = match &in_window {
        Some(values) => values.iter().flatten().sum::<f64>() as u64,
        None if is_in() => group.count,
        None => 0,
    };
    let is_of_all = is_everything(scope);
    let of_scope = (!is_of_all).then(|| count_in_runs(judged, &group.id, scope, window));
    let count = of_scope.flatten().unwrap_or(everywhere);
    let in_window = in_window.filter(|_| is_of_all);
    let names: BTreeSet<_> = group
        .scrapers
        .iter()
        .map(|one| (&one.scraper_id, &one.site))
        .collect();
    let mut scrapers: Vec<GroupScraper> = group
        .scrapers
        .iter()
        .map(|one| GroupScraper {
            count: count_in_runs(judged, &group.id, &scope_of(one), window).filter(|_| {
                let errors = judged.errors.get(&group.id);
                errors.is_some_and(|errors| errors.is_complete)
            }),
            key: ScraperKey {
                scraper_id: one.scraper_id.clone(),
                site: one.site.clone(),
            },
        })
        .collect();
    scrapers.sort_by(|a, b| (b.count, &a.key).cmp(&(a.count, &b.key)));
    scrapers.truncate(NAMED);
    ErrorGroup {
        id: group.id.clone(),
        category: group.category.clone(),
        sub_category: group.sub_category.clone(),
        severity: group.severity.parse().unwrap_or(Severity::Medium),
        rule: group.rule.clone(),
        template: group.template.clone(),
        error_type: group.error_type.clone(),
        count,
        share: None,
        first_seen: time_of(group.first_seen.as_ref()),
        last_seen: time_of(group.last_seen.as_ref()),
        state: group.state.as_deref().and_then(ErrorState::parse),
        scrapers_total: names.len() as u64,
        scrapers,
        sample: dragline_alerting::notice::redact_line(&group.sample),
        place: group.evidence.first().map(|evidence| place_of(evidence).0),
        muted: group.mute.as_ref().map(|mute| mute.reason.clone()),
        over_time: in_window
            .filter(|values| values.len() > 1)
            .map(|values| Sparkline {
                label: format!("errors per day, {} days", values.len()),
                values,
            }),
    }
}

fn scope_of(one: &dragline_report::model::GroupScraper) -> Scope {
    // A part without a name is written as an empty text.
    Scope {
        scraper_id: Some(one.scraper_id.clone().unwrap_or_default()),
        site: Some(one.site.clone().unwrap_or_default()),
    }
}

/// The errors of the days that a window touches.
fn by_day(judged: &Judged, group: &Group, window: Window) -> Option<Series> {
    let days = days_of(window);
    let values = judged.activity.groups.get(&group.id)?;
    let dated = judged
        .activity
        .days
        .iter()
        .copied()
        .zip(values.iter().copied());
    let (dates, values): (Vec<i64>, Vec<Option<f64>>) =
        dated.filter(|(day, _)| days.contains(day)).unzip();
    let sum: f64 = values.iter().flatten().sum();
    Some(Series {
        metric: "errors".to_owned(),
        title: format!("{sum} errors in {} days", values.len()),
        unit: "errors per day".to_owned(),
        format: ValueFormat::Number,
        times: dates
            .into_iter()
            .map(|day| Timestamp::from_micros(day * DAY))
            .collect(),
        step_seconds: 86_400,
        lines: vec![Line {
            label: "errors".to_owned(),
            values,
        }],
        expected: Vec::new(),
        marks: Vec::new(),
    })
}
