//! Findings as observations: when one opens and when it ends.

use std::collections::BTreeMap;

use dragline_alerting::rule::Rule;
use dragline_alerting::{Labels, Observation};
use dragline_report::Report;
use dragline_schema::{Severity, Timestamp};
use dragline_watch::watched_kinds;

use crate::judge::time_of;

/// Which findings are open and how severe, by kind and scraper, and the time of the last observation.
#[derive(Debug, Default)]
pub(super) struct FindingStates {
    states: BTreeMap<(String, Labels), (Option<Severity>, Timestamp)>,
}

impl FindingStates {
    /// What changed since the last analysis. The first time, every scraper has a state for every kind that some rule
    /// watches, so that an alert of an earlier start ends when its finding is over.
    pub(super) fn changes(
        &mut self,
        report: &Report,
        rules: &[Rule],
        now: Timestamp,
    ) -> Vec<Observation> {
        let kinds: Vec<&str> = watched_kinds(rules)
            .iter()
            .map(|kind| kind.name())
            .collect();
        if kinds.is_empty() {
            return Vec::new();
        }
        let open = open_findings(report);
        let mut all: BTreeMap<(String, Labels), Option<Open>> = BTreeMap::new();
        for kind in &kinds {
            for scraper in &report.scrapers {
                let labels =
                    Labels::of_scraper(scraper.scraper_id.as_deref(), scraper.site.as_deref());
                all.insert(((*kind).to_owned(), labels), None);
            }
        }
        for (key, open) in open {
            if kinds.contains(&key.0.as_str()) {
                all.insert(key, Some(open));
            }
        }
        let changed = all
            .into_iter()
            .filter_map(|(key, open)| self.change(key, open, now));
        changed.collect()
    }

    fn change(
        &mut self,
        key: (String, Labels),
        open: Option<Open>,
        now: Timestamp,
    ) -> Option<Observation> {
        let held = self.states.get(&key).copied();
        let severity = open.map(|open| open.severity);
        if held.is_some_and(|(last, _)| last == severity) {
            return None;
        }
        // It opens at its onset, but never before it was last seen to be over.
        let since = open.and_then(|open| open.since);
        let at = since.unwrap_or(now).min(now);
        let at = held.map_or(at, |(_, last)| at.max(last.plus_micros(1)));
        self.states.insert(key.clone(), (severity, at));
        Some(Observation::finding(&key.0, key.1, at, severity))
    }
}

/// What is open of one kind and scraper.
#[derive(Clone, Copy)]
struct Open {
    /// The earliest onset, if it is known.
    since: Option<Timestamp>,
    /// The highest severity.
    severity: Severity,
}

/// The open findings, by kind and scraper.
fn open_findings(report: &Report) -> BTreeMap<(String, Labels), Open> {
    let mut all: BTreeMap<(String, Labels), Open> = BTreeMap::new();
    for insight in report.insights.iter().filter(|insight| insight.is_open) {
        let labels = Labels::of_scraper(insight.scraper_id.as_deref(), insight.site.as_deref());
        let one = Open {
            since: time_of(insight.since.as_ref()),
            severity: insight.severity.parse().unwrap_or(Severity::Medium),
        };
        all.entry((insight.kind.clone(), labels))
            .and_modify(|all| {
                all.since = all.since.into_iter().chain(one.since).min();
                all.severity = all.severity.max(one.severity);
            })
            .or_insert(one);
    }
    all
}
